//! A broker of the run's own that dies gets the same verdict every time.

use std::path::Path;
use std::sync::Arc;

use mqttspec::Target;
use mqttspec::play::{Player, Settings};
use mqttspec::scenario::{Case, Files};
use mqttspec::suite::{self, RunOptions, RunResult, Verdict};

use crate::support::peers::{Kind, Peer};

/// Not a test: the broker of the others.
#[test]
#[ignore = "this is the broker of the other tests"]
fn as_a_broker() {
    let Ok(port) = std::env::var("TEST_BROKER_PORT") else {
        return;
    };
    let _peer = Peer::start_at(Kind::ExitsOnSubscribe, port.parse().expect("a port"));
    loop {
        std::thread::park();
    }
}

fn dying(folder: &Path) -> Target {
    let exe = serde_json::to_string(&std::env::current_exe().expect("this program")).expect("a path");
    let profile = format!(
        "name: dying\nmqtt: mqtt://127.0.0.1:$port\nprocess:\n  command: [{exe}, --exact, 'crash::as_a_broker', --ignored]\n  \
         env: {{ TEST_BROKER_PORT: $port }}\n"
    );
    let file = folder.join("dying.yaml");
    std::fs::write(&file, profile).expect("a file");
    Target::of_profile(file)
}

/// A case that does not subscribe.
const ASKS: &str = "format: 1
title: A PINGREQ is answered
versions: [v3.1, v3.1.1, v5]
proves: { v3.1: [§3.12/pingresp], v3.1.1: [MQTT-3.12.4-1], v5: [MQTT-3.12.4-1] }
clients: { c: {} }
steps:
  - c -> PINGREQ
  - c <- PINGRESP
";

/// The same, and ones that subscribe.
fn cases(folder: &Path) -> Vec<Arc<Case>> {
    let own = folder.join("own/ping");
    std::fs::create_dir_all(&own).expect("a folder");
    std::fs::write(own.join("asks.yaml"), ASKS).expect("a file");
    let wanted = ["ping/asks", "qos1/several-open", "qos1/kept-until-puback"];
    let files = Files::embedded().also_dir(&folder.join("own"));
    let scenarios = files.load(|path| wanted.contains(&path)).expect("they are well-formed");
    scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect()
}

async fn play(cases: &[Arc<Case>], target: &suite::Target) -> Arc<RunResult> {
    let player = Player::new(Settings::default(), 7);
    let (events, _) = tokio::sync::mpsc::unbounded_channel();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let options = RunOptions::default();
    suite::run(cases, target, &player, &options, events, stopped)
        .await
        .expect("the broker starts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_dies_on_subscribe_crashes_every_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut target = dying(folder.path()).ready(|_| ()).await.expect("a target").target;
    let cases = cases(folder.path());
    let subscribing = cases.iter().filter(|case| !case.id.starts_with("ping/")).count();
    assert!(subscribing > 1 && subscribing < cases.len());
    let mut crashes = 0;
    for turn in 0.. {
        // Beside others and alone.
        target.jobs = if turn % 2 == 0 { 64 } else { 1 };
        let run = play(&cases, &target).await;
        for case in &run.cases {
            let expected = if case.id.starts_with("ping/") {
                Verdict::Pass
            } else {
                Verdict::Crash
            };
            assert_eq!(case.verdict, expected, "{}: {:?}", case.id, case.reason);
            if expected == Verdict::Crash {
                assert_eq!(case.reason.as_deref(), Some("the broker ended (exit status 3)"));
                crashes += 1;
            }
        }
        assert_eq!(run.crashes_under_load, Vec::<String>::new());
        if crashes >= 100 {
            break;
        }
    }
}
