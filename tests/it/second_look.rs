//! What failed is played once more before it counts: alone, and with a longer response timeout.

use std::path::Path;

use crate::support::command::mqttspec_in;
use crate::support::peers::{Kind, Peer};
use serde_json::Value;

/// One case, which waits before it asks.
const ONE: &str = "format: 1
title: A PINGREQ is answered
versions: [v3.1.1]
proves: [MQTT-3.12.4-1]
clients: { c: {} }
steps:
  - WAIT
  - c -> PINGREQ
  - c <- PINGRESP
";

/// How often a run is tried: on a busy machine a timeout may be void.
const TRIES: usize = 6;

/// Plays the scenario and gives the exit code, what was printed, and the results.
fn run(folder: &Path, scenario: &str, target: &str, more: &[&str]) -> (i32, String, Value) {
    let scenarios = folder.join("own");
    std::fs::create_dir_all(&scenarios).expect("a folder");
    std::fs::write(scenarios.join("asks.yaml"), scenario).expect("a file");
    let mut arguments = vec!["run", target, "--scenarios", "own", "--json", "run.json"];
    arguments.extend(more);
    let output = mqttspec_in(folder, &arguments)
        .env("MQTTSPEC_STATE", folder.join("state"))
        .output()
        .expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let json = std::fs::read_to_string(folder.join("run.json")).expect("the results");
    let code = output.status.code().expect("it ends by itself");
    let printed = text(&output.stdout) + &text(&output.stderr);
    (code, printed, serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn what_comes_late_is_told_apart_from_what_never_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = ONE.replace("  - WAIT\n", "");
    let peer = Peer::start(Kind::SlowPong(1_500));
    let arguments = ["--response-timeout", "1s", "--trace", "never"];
    for _ in 0..TRIES {
        let (code, text, json) = run(folder.path(), &scenario, &peer.url(), &arguments);
        // A void play is repeated with a longer response timeout, which is long enough here.
        if json["cases"][0]["second_look"].is_null() {
            assert_eq!(json["summary"]["fail"], 0, "{text}");
            continue;
        }
        assert_eq!(code, 5, "{text}");
        assert_eq!(json["cases"][0]["verdict"], "error", "{text}");
        assert_eq!(json["cases"][0]["second_look"], "late", "{text}");
        assert!(text.contains("error (late)"), "{text}");
        assert!(
            text.contains("longer than the response timeout of 1 s, and no statement gives a time"),
            "{text}"
        );
        assert!(text.contains("1 error (1 late)"), "{text}");
        return;
    }
    panic!("this machine is too slow");
}

#[test]
fn what_never_comes_fails_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = ONE.replace("  - WAIT\n", "");
    let peer = Peer::start(Kind::Mute);
    let arguments = ["--response-timeout", "500ms", "--trace", "never"];
    for _ in 0..TRIES {
        let (code, text, json) = run(folder.path(), &scenario, &peer.url(), &arguments);
        if json["summary"]["fail"] == 0 {
            assert!(text.contains("machine too slow"), "{text}");
            continue;
        }
        assert_eq!(code, 1, "{text}");
        if json["cases"][0]["second_look"] == "fails" {
            assert!(text.contains("1 of 1 failures were played once more"), "{text}");
            assert!(text.contains("1 fail again"), "{text}");
            let (code, text, json) = run(
                folder.path(),
                &scenario,
                &peer.url(),
                &[&arguments[..], &["--second-look", "0s"]].concat(),
            );
            assert!(json["cases"][0]["second_look"].is_null(), "{text}");
            assert!(!text.contains("once more") && code != 0, "{text}");
            return;
        }
    }
    panic!("this machine is too slow");
}

/// Cases that wait in vain are looked at a few at a time, once others of their kind have failed alone.
#[test]
fn many_that_wait_in_vain_are_looked_at_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenarios = folder.path().join("own");
    std::fs::create_dir_all(&scenarios).expect("a folder");
    let scenario = ONE.replace("  - WAIT\n", "");
    // Each scenario is a cause of its own.
    for n in 0..11 {
        std::fs::write(scenarios.join(format!("asks-{n}.yaml")), &scenario).expect("a file");
    }
    let peer = Peer::start(Kind::Mute);
    let arguments = ["--response-timeout", "500ms", "--trace", "never"];
    for _ in 0..TRIES {
        let (code, text, json) = run(folder.path(), &scenario, &peer.url(), &arguments);
        let cases = json["cases"].as_array().expect("cases");
        assert_eq!(cases.len(), 12);
        // On a busy machine some are void.
        if cases.iter().any(|case| case["second_look"] != "fails") {
            continue;
        }
        assert_eq!(code, 1, "{text}");
        assert!(
            text.contains(
                "12 of 12 failures were played once more, alone (10 of them up to 8 at a time) and with a response timeout of \
                 1.5 s: 12 fail again"
            ),
            "{text}"
        );
        return;
    }
    panic!("this machine is too slow");
}

/// If the run has seen that its load is too high, what was not played alone does not count as the broker's.
#[test]
fn what_is_not_looked_at_in_a_disturbed_run_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..40).map(|i| format!("  - {{ name: r{i} }}\n")).collect();
    let scenario = ONE
        .replace("  - WAIT\n", "")
        .replace("clients:", &format!("each:\n{rows}clients:"))
        + "  - c <- closed\n";
    let peer = Peer::start(Kind::SlowPong(600));
    let arguments = [
        "--response-timeout",
        "1s",
        "--jobs",
        "40",
        "--trace",
        "never",
        "--second-look",
        "1s",
    ];
    for _ in 0..TRIES {
        let (code, text, json) = run(folder.path(), &scenario, &peer.url(), &arguments);
        let looks = |what: &str| {
            let cases = json["cases"].as_array().expect("cases");
            cases.iter().filter(|case| case["second_look"] == what).count()
        };
        // On a busy machine most may be void.
        if looks("unconfirmed") < 20 || looks("fails") == 0 {
            continue;
        }
        // One that is confirmed is a failure; the errors say that the run is not to be trusted.
        assert_eq!(code, 5, "{text}");
        assert_eq!(json["summary"]["fail"], looks("fails"), "{text}");
        assert!(
            text.contains(&format!("{} unconfirmed)", looks("unconfirmed"))),
            "{text}"
        );
        assert!(
            text.contains("do not count as failures, because cases disturbed each other"),
            "{text}"
        );
        return;
    }
    panic!("this machine is too slow");
}

#[test]
fn what_passes_alone_is_no_failure_and_no_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = "each:\n  - { name: a }\n  - { name: b }\n  - { name: c }\n  - { name: d }\nclients:";
    let scenario = ONE.replace("WAIT", "wait: 500ms").replace("clients:", rows);
    let peer = Peer::start(Kind::OneAtATime);
    let arguments = ["--response-timeout", "1s", "--trace", "never"];
    for _ in 0..TRIES {
        let (code, text, json) = run(folder.path(), &scenario, &peer.url(), &arguments);
        assert_eq!(json["summary"]["fail"], 0, "{text}");
        let cases = json["cases"].as_array().expect("cases");
        if cases.iter().any(|case| case["second_look"] != "alone") {
            continue;
        }
        assert_eq!(code, 5, "{text}");
        assert_eq!(cases.len(), 4);
        assert!(text.contains("error (load)") && !text.contains("FAIL"), "{text}");
        assert!(text.contains("4 error (4 only beside others)"), "{text}");
        assert!(
            text.contains(
                "4 of 4 failures were played once more, alone and with a response timeout of 3 s: 0 fail again, 4 pass"
            ),
            "{text}"
        );
        return;
    }
    panic!("this machine is too slow");
}

#[test]
fn slow_answers_lower_the_number_of_cases_in_parallel() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..40).map(|i| format!("  - {{ name: r{i} }}\n")).collect();
    let scenario = ONE
        .replace("  - WAIT\n", "")
        .replace("clients:", &format!("each:\n{rows}clients:"));
    let peer = Peer::start(Kind::SlowPong(600));
    let arguments = [
        "--response-timeout",
        "1s",
        "--jobs",
        "30",
        "--trace",
        "never",
        "--second-look",
        "0s",
    ];
    let (_, text, json) = run(folder.path(), &scenario, &peer.url(), &arguments);
    assert!(
        text.contains("the response timeout is 1 s: 30 cases in parallel were too many"),
        "{text}"
    );
    assert_eq!(json["cases"].as_array().map(Vec::len), Some(40));
}
