//! However a run ends, no broker outlives it. The run is another process of this test program (`as_a_run`), because it must
//! end in ways that no test can survive.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::peers::{Kind, Peer};
use mqttspec::sut::{Broker, Profile, kill_all, live_groups};

/// Not a test: the broker. The shell makes it a child of the group's first process.
const PROFILE: &str = r#"
name: test
mqtt: mqtt://127.0.0.1:$port
process:
  command: [/bin/sh, -c, 'sh start & wait']
  files: { start: 'echo $$ > child; exec "$BROKER" --exact target_run_ends::as_a_broker --ignored' }
  env: { TEST_BROKER_PORT: $port, BROKER: EXE }
"#;

#[test]
#[ignore = "this is the broker of the other tests"]
fn as_a_broker() {
    let Ok(port) = std::env::var("TEST_BROKER_PORT") else {
        return;
    };
    let _peer = Peer::start_at(Kind::Mute, port.parse().unwrap());
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "this is the run of the other tests"]
fn as_a_run() {
    let Ok(end) = std::env::var("TEST_RUN_ENDS") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let exe = serde_json::to_string(std::env::current_exe().unwrap().to_str().unwrap()).unwrap();
    let profile =
        Profile::parse(&PROFILE.replace("EXE", &exe), Path::new("test.yaml")).unwrap_or_else(|e| panic!("{e}"));
    let broker = runtime.block_on(Broker::start(Arc::new(profile), false)).unwrap();
    let child = std::fs::read_to_string(broker.folder().join("child")).unwrap();
    let shell = runtime.block_on(broker.process_id()).unwrap();
    println!("\nbroker {shell} {} {}", child.trim(), broker.folder().display());
    match end.as_str() {
        "wait" => loop {
            std::thread::park();
        },
        "exit" => std::process::exit(0),
        "panic" => panic!("the panic that the test expects"),
        "abort" => std::process::abort(),
        "interrupt" => {
            kill_all();
            println!("left {}", live_groups());
            std::process::exit(130);
        }
        "stop" => {
            runtime.block_on(broker.stop());
            drop(broker);
            println!("left {}", live_groups());
        }
        other => panic!("no such end: {other}"),
    }
}

/// A run with a broker: its process, the ids of the broker's two processes, the broker's folder, and the rest of its output.
struct Run {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
    ids: [u32; 2],
    folder: PathBuf,
}

fn run(end: &str) -> Run {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "target_run_ends::as_a_run", "--ignored", "--nocapture"])
        .env("TEST_RUN_ENDS", end)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("broker ") {
        line.clear();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "the run ended without a broker"
        );
    }
    let words: Vec<&str> = line.trim().splitn(4, ' ').collect();
    Run {
        process,
        output,
        ids: [words[1].parse().unwrap(), words[2].parse().unwrap()],
        folder: words[3].into(),
    }
}

/// Whether a process exists and is not a zombie.
fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with(['Z', 'X']))
}

fn wait_until_gone(ids: [u32; 2]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while ids.iter().any(|id| runs(*id)) {
        assert!(Instant::now() < deadline, "one of {ids:?} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The watchdog removes the folder when the broker is gone.
fn wait_until_removed(folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while folder.exists() {
        assert!(Instant::now() < deadline, "{} is still there", folder.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn brokers_end_when_a_run_is_killed() {
    let mut run = run("wait");
    assert!(run.ids.iter().all(|id| runs(*id)));
    run.process.kill().unwrap();
    run.process.wait().unwrap();
    wait_until_gone(run.ids);
    wait_until_removed(&run.folder);
}

#[test]
fn brokers_end_when_a_run_exits_or_aborts() {
    for end in ["exit", "abort"] {
        let mut run = run(end);
        run.process.wait().unwrap();
        wait_until_gone(run.ids);
        wait_until_removed(&run.folder);
    }
}

#[test]
fn a_run_that_panics_cleans_up() {
    let mut run = run("panic");
    run.process.wait().unwrap();
    wait_until_gone(run.ids);
    assert!(!run.folder.exists());
}

#[test]
fn an_interrupted_or_finished_run_leaves_nothing_behind_when_it_ends() {
    for end in ["interrupt", "stop"] {
        let mut run = run(end);
        run.process.wait().unwrap();
        assert!(
            !run.ids.iter().any(|id| runs(*id)) || end == "stop",
            "{end}: a broker outlived the run"
        );
        wait_until_gone(run.ids);
        assert!(!run.folder.exists(), "{end}: its folder is still there");
        let mut rest = String::new();
        run.output.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("left 0"), "{end}: {rest}");
    }
}
