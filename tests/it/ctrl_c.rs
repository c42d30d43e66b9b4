//! Ctrl-C during a run against a broker that the run has started: the run ends soon, with its own exit code, and leaves no
//! process and no folder behind.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How soon a run must end. It takes a tenth of this; the rest is a margin for a busy machine.
const SOON: Duration = Duration::from_secs(3);
/// The longest that any other wait may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until there is a value, at most for [`PATIENCE`].
fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process exists and is not a zombie.
fn runs(id: u32) -> bool {
    let state = |stat: String| stat.rsplit(')').next()?.trim_start().chars().next();
    fs::read_to_string(format!("/proc/{id}/stat"))
        .ok()
        .and_then(state)
        .is_some_and(|state| state != 'Z' && state != 'X')
}

/// The entries of a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

/// A run of one case that waits for seconds, against the reference broker as the child of a shell, which writes the ids
/// of both processes into the folder `ids`.
fn run(here: &Path, temporary: &Path) -> Child {
    let program = env!("CARGO_BIN_EXE_mqttspec");
    fs::create_dir(here.join("ids")).expect("a folder");
    let profile = format!(
        r#"name: interrupted
process:
  command:
    - /bin/sh
    - -c
    - 'echo $$ > "$here/ids/$$"; "$0" "$@" & echo $! > "$here/ids/$!"; wait'
    - {}
    - broker
    - --listen
    - 127.0.0.1:$port
  stop_timeout: 60s
mqtt: mqtt://127.0.0.1:$port
versions: [v3.1.1]
"#,
        serde_json::to_string(program).expect("a text")
    );
    fs::write(here.join("profile.yaml"), profile).expect("a file");
    let scenario = "format: 1
title: A broker says nothing for a long time
versions: [v3.1.1]
proves: [MQTT-3.12.4-1]
timeout: 300s
clients: { c: {} }
steps:
  - wait: 120s
  - c -> PINGREQ
  - c <- PINGRESP
";
    fs::create_dir(here.join("scenarios")).expect("a folder");
    fs::write(here.join("scenarios/long.yaml"), scenario).expect("a file");
    Command::new(program)
        .args(["run", "profile.yaml", "--scenarios", "scenarios"])
        .current_dir(here)
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

#[test]
fn an_interrupted_run_ends_at_once_and_leaves_nothing() {
    let here = tempfile::tempdir().expect("a folder");
    let temporary = tempfile::tempdir().expect("a folder");
    let mut run = run(here.path(), temporary.path());
    let ids: Vec<u32> = await_some("the broker starts", || {
        // A run that has ended starts no broker; its output says why it ended.
        if run.try_wait().expect("a child").is_some() {
            return Some(Vec::new());
        }
        let ids: Option<Vec<u32>> = names(&here.path().join("ids"))
            .iter()
            .map(|n| {
                fs::read_to_string(here.path().join("ids").join(n))
                    .ok()?
                    .trim()
                    .parse()
                    .ok()
            })
            .collect();
        ids.filter(|ids| ids.len() == 2)
    });
    assert!(ids.iter().all(|id| runs(*id)), "the broker ended by itself: {ids:?}");

    let began = Instant::now();
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).expect("the run is there");
    await_some("the run ends", || run.try_wait().expect("a child"));
    let took = began.elapsed();
    let output = run.wait_with_output().expect("its output");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(took < SOON, "it took {took:?}: {text}");
    await_some("the broker is gone", || (!ids.iter().any(|id| runs(*id))).then_some(()));
    let left = names(temporary.path());
    assert!(left.is_empty(), "left behind: {left:?}");
}
