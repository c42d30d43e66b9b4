//! The embedded reference broker as a target.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::reference::{Config, Server};
use crate::statements::Version;
use crate::target::{Address, BoxFuture, Instance, Launcher, StartError};

/// Starts reference brokers inside this process.
#[derive(Debug)]
pub struct Embedded {
    config: Config,
}

impl Embedded {
    /// A launcher of brokers with this configuration, each with an address and a store of its own.
    pub fn new(config: Config) -> Embedded {
        Embedded { config }
    }
}

impl Launcher for Embedded {
    fn starts_its_own(&self) -> bool {
        true
    }

    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        Box::pin(async move {
            let store = fresh_folder().map_err(StartError::Folder)?;
            let config = Config {
                address: SocketAddr::from(([127, 0, 0, 1], 0)),
                store: Some(store.clone()),
                ..self.config.clone()
            };
            let server = Server::start(config.clone()).await.map_err(StartError::Folder)?;
            let address = server.address();
            Ok(Box::new(Running {
                // The same port after a restart, as with any broker.
                config: Config { address, ..config },
                address: Address::new(address.ip().to_string(), address.port()),
                server: Mutex::new(Some(server)),
                store,
            }) as Box<dyn Instance>)
        })
    }
}

/// One reference broker inside this process, with a store of its own.
struct Running {
    config: Config,
    address: Address,
    server: Mutex<Option<Server>>,
    store: PathBuf,
}

impl Running {
    async fn start_again(&self, slot: &mut Option<Server>) -> Result<(), StartError> {
        *slot = Some(Server::start(self.config.clone()).await.map_err(StartError::Folder)?);
        Ok(())
    }
}

impl Instance for Running {
    fn address(&self, _version: Version) -> Option<Address> {
        Some(self.address.clone())
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async move {
            let mut slot = self.server.lock().await;
            if let Some(server) = slot.take() {
                server.stop().await;
            }
            self.start_again(&mut slot).await
        })
    }

    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async move {
            let mut slot = self.server.lock().await;
            if let Some(server) = slot.take() {
                server.kill().await;
            }
            self.start_again(&mut slot).await
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(server) = self.server.lock().await.take() {
                server.kill().await;
            }
        })
    }

    fn alive(&self) -> bool {
        true
    }

    fn died(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn log_tail(&self, _limit: usize) -> Option<String> {
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What cannot be removed is in the system's folder for temporary files, and small.
        let _ = std::fs::remove_dir_all(&self.store);
    }
}

fn fresh_folder() -> std::io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("mqttspec-reference-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
