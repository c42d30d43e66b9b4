//! Ctrl-C and SIGTERM.

use tokio::sync::watch;

/// Becomes true when the program is asked to end. Must be called inside a runtime.
pub fn watch() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_end().await;
        stop.send_replace(true);
        // The channel stays open as long as the runtime.
        std::future::pending::<()>().await;
    });
    stopped
}

/// Waits for Ctrl-C, or for SIGTERM as `timeout` and CI servers send it: both end a run with everything put away.
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
