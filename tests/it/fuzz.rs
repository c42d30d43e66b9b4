//! `mqttspec fuzz`: silent about the reference broker, and clear about one that is wrong, dies, hangs or floods.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::command::mqttspec_in;
use crate::support::peers::{Kind, Peer};

/// No invocation may take longer. It takes a tenth of this; the rest is a margin for a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The exit code, standard output and the JSON of `mqttspec fuzz` with these arguments, in a folder.
fn fuzz(folder: &Path, arguments: &[&str]) -> (i32, String, Value) {
    let common = ["--seed", "1", "--json", "out.json"];
    let output = mqttspec_in(folder, &[&["fuzz"], arguments, &common].concat())
        .timeout(PATIENCE)
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8_lossy(&output.stderr);
    let json = fs::read_to_string(folder.join("out.json")).unwrap_or_else(|_| "null".to_owned());
    let json = serde_json::from_str(&json).expect("JSON");
    (output.status.code().unwrap_or(-1), text + &errors, json)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The scenario files that were written.
fn found(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("found")).into_iter().flatten();
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

/// The ids of the causes.
fn causes(json: &Value) -> Vec<&str> {
    let list = json["causes"].as_array().expect("a list");
    list.iter().filter_map(|cause| cause["id"].as_str()).collect()
}

/// The exit code of `mqttspec run` over the scenario files that were written.
fn run_found(folder: &Path, arguments: &[&str]) -> i32 {
    let common = ["--scenarios", "found", "--trace", "never"];
    let output = mqttspec_in(folder, &[&["run"], arguments, &common].concat())
        .timeout(PATIENCE)
        .output();
    output.expect("the program runs").status.code().unwrap_or(-1)
}

#[test]
fn nothing_is_found_in_the_reference_broker() {
    let folder = folder();
    for arguments in [
        ["--count", "150", "--waits", "4"].as_slice(),
        &["--count", "300", "--in-process"],
    ] {
        let (exit, text, json) = fuzz(folder.path(), arguments);
        assert_eq!(
            (exit, json["sequences"].as_u64()),
            (0, Some(if arguments.len() == 4 { 150 } else { 300 })),
            "{text}"
        );
        assert!(text.contains("0 new causes found, 0 known, 0 unstable"), "{text}");
        assert!(json["pairs"].as_u64() > Some(300), "{text}");
    }
    assert!(found(folder.path()).is_empty());
}

#[test]
fn a_fault_is_found_made_short_and_written_as_a_scenario() {
    let fault = ["--fault", "v5:MQTT-3.3.1-5"];
    for more in [
        ["--count", "60", "--waits", "0", "--mqtt", "v5"].as_slice(),
        &["--count", "60", "--in-process"],
    ] {
        let folder = folder();
        let (exit, text, json) = fuzz(folder.path(), &[&fault, more].concat());
        assert_eq!(exit, 1, "{text}");
        assert!(causes(&json).contains(&"fuzz/newest-is-retained@v5"), "{text}");
        let cause = json["causes"]
            .as_array()
            .and_then(|list| list.iter().find(|cause| cause["id"] == "fuzz/newest-is-retained@v5"));
        let cause = cause.expect("the cause");
        assert_eq!(cause["outcome"], "confirmed");
        let actions = cause["sequence"]["actions"].as_array().expect("actions").len();
        assert!(actions <= 3, "{actions}: {text}");
        assert!(folder.path().join(cause["scenario"].as_str().expect("a file")).exists());
        let check = mqttspec_in(folder.path(), &["check", "found"])
            .output()
            .expect("the program runs");
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
        assert_eq!(run_found(folder.path(), &[]), 0, "the reference broker passes");
        assert_eq!(run_found(folder.path(), &fault), 1, "the fault is seen");
    }
}

#[test]
fn a_cause_is_in_every_report_of_a_run() {
    let folder = folder();
    let arguments = [
        "fuzz",
        "--fault",
        "v5:MQTT-3.3.1-5",
        "--mqtt",
        "v5",
        "--count",
        "60",
        "--in-process",
        "--seed",
        "1",
        "--html",
        "page.html",
        "--pcap",
        "all.pcapng",
        "--write-known",
        "known.yaml",
    ];
    let output = mqttspec_in(folder.path(), &arguments)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", folder.path().join("summary.md"))
        .timeout(PATIENCE)
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let annotation = "::error file=found/newest-is-retained-v5-mqtt-3-3-1-5.yaml,line=1,col=1,title=fail fuzz/newest-is-retained@v5::";
    assert!(text.contains(annotation), "{text}");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("the report");
    assert!(read("summary.md").contains("fuzz/newest-is-retained@v5"));
    // Its data are compressed; what they are made of is tested beside the code.
    assert!(read("page.html").contains("<title>"));
    assert!(
        read("known.yaml").contains("      fuzz/newest-is-retained@v5: MQTT-3.3.1-5\n"),
        "{}",
        read("known.yaml")
    );
    let audit = mqttspec_in(folder.path(), &["audit", "all.pcapng"])
        .output()
        .expect("the program runs");
    let audit = String::from_utf8_lossy(&audit.stdout).into_owned();
    assert!(audit.contains("mqsfuzz0late"), "{audit}");
}

#[test]
fn a_known_cause_is_no_failure() {
    let folder = folder();
    let program = serde_json::to_string(env!("CARGO_BIN_EXE_mqttspec")).expect("text");
    let profile = format!(
        "name: broken\nprocess:\n  command: [{program}, broker, --listen, '127.0.0.1:$port', --fault, v5:MQTT-3.3.1-5]\n\
         mqtt: mqtt://127.0.0.1:$port\nversions: [v5]\nknown:\n  - because: It keeps nothing.\n    bytes: '31'\n    \
         cases: {{ fuzz/newest-is-retained@v5: MQTT-3.3.1-5, fuzz/retain-as-published@v5: MQTT-3.3.1-13 }}\n"
    );
    fs::write(folder.path().join("broken.yaml"), profile).expect("a file");
    let (exit, text, json) = fuzz(folder.path(), &["broken.yaml", "--count", "60", "--waits", "0"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("known: It keeps nothing."), "{text}");
    assert!(causes(&json).contains(&"fuzz/newest-is-retained@v5"), "{text}");
    let check = mqttspec_in(folder.path(), &["check", "broken.yaml"])
        .output()
        .expect("the program runs");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn a_corpus_is_kept_and_played_first() {
    let folder = folder();
    let arguments = ["--in-process", "--count", "40", "--corpus", "corpus"];
    let (_, _, first) = fuzz(folder.path(), &arguments);
    let kept = fs::read_dir(folder.path().join("corpus")).expect("the corpus").count();
    assert!(kept > 10, "{kept}");
    let count = kept.to_string();
    let (_, text, second) = fuzz(
        folder.path(),
        &["--in-process", "--count", &count, "--corpus", "corpus"],
    );
    assert!(second["pairs"].as_u64() >= first["pairs"].as_u64(), "{text}");
    fs::write(folder.path().join("corpus/a.json"), "[]").expect("a file");
    let (exit, text, _) = fuzz(folder.path(), &arguments);
    assert!(
        exit == 3 && text.contains("a.json is no sequence of a corpus"),
        "{text}"
    );
}

#[test]
fn a_broker_that_forgets_everything_is_found() {
    let folder = folder();
    let peer = Peer::start(Kind::YesMan);
    let (exit, text, json) = fuzz(
        folder.path(),
        &[
            &peer.url(),
            "--count",
            "8",
            "--jobs",
            "8",
            "--waits",
            "0",
            "--mqtt",
            "v3.1.1",
        ],
    );
    assert_eq!(exit, 1, "{text}");
    assert!(causes(&json).contains(&"fuzz/kept-until-delivered@v3.1.1"), "{text}");
    assert_eq!(run_found(folder.path(), &[&peer.url()]), 1);
}

#[test]
fn a_peer_that_is_no_broker_is_reported_and_never_judged() {
    for kind in [
        Kind::NeverAnswers,
        Kind::Refuses,
        Kind::ClosesAtAccept,
        Kind::EndlessPublish,
        Kind::HugeLength,
    ] {
        let folder = folder();
        let peer = Peer::start(kind);
        let arguments = [
            &peer.url(),
            "--seconds",
            "60",
            "--jobs",
            "8",
            "--waits",
            "0",
            "--response-timeout",
            "100ms",
        ];
        let (exit, text, json) = fuzz(folder.path(), &arguments);
        assert_eq!(exit, 5, "{kind:?}: {text}");
        if !json.is_null() {
            assert!(
                json["trouble"].as_str().is_some_and(|why| why.contains("in a row")),
                "{kind:?}: {text}"
            );
        }
        assert!(!text.contains("FOUND  fuzz/kept"), "{kind:?}: {text}");
    }
}

/// A profile of the reference broker as a process that stores what it promises to keep.
fn stored(folder: &Path, supports: &str, fault: Option<&str>) {
    let program = serde_json::to_string(env!("CARGO_BIN_EXE_mqttspec")).expect("text");
    let fault = fault.map_or(String::new(), |fault| format!(", --fault, 'combined:{fault}'"));
    let profile = format!(
        "name: stored\nprocess:\n  command: [{program}, broker, --listen, '127.0.0.1:$port', --store, $dir/store{fault}]\n\
         mqtt: mqtt://127.0.0.1:$port\nversions: [v5]\nsupports: [{supports}]\n"
    );
    fs::write(folder.join("stored.yaml"), profile).expect("a file");
}

/// A corpus of one sequence: a message is on its way to a client when this happens to the broker.
fn corpus_with(folder: &Path, end: &str) {
    let connection = |clean: bool, expiry: u32, automatic: bool| {
        json!({ "Connect": {
            "clean": clean, "expiry": expiry, "receive_maximum": null, "maximum_packet_size": null, "alias_maximum": 0,
            "will": null, "automatic": automatic,
        } })
    };
    let message = json!({ "Publish": {
        "topic": 0, "qos": 1, "retain": false, "expiry": null, "alias": null, "properties": false, "size": 1,
    } });
    let subscribe = json!({ "Subscribe": { "filters": [[0, 1]], "id": null } });
    let action = |client: usize, act: Value| json!({ "client": client, "act": act });
    let sequence = json!({
        "versions": ["v5", "v5"],
        "actions": [
            action(0, connection(false, 300, false)),
            action(1, connection(true, 0, true)),
            action(0, subscribe),
            action(1, message),
            action(0, end.into()),
        ],
    });
    fs::create_dir_all(folder.join("corpus")).expect("a folder");
    fs::write(folder.join("corpus/a.json"), sequence.to_string()).expect("a file");
}

#[test]
fn a_fault_at_a_restart_is_found_where_the_profile_has_restarts() {
    let fault = Some("restart-forgets-sending");
    for (supports, end, restarts, is_found) in [
        ("restart, persistence", "Restart", "2", true),
        ("restart, persistence, durable", "Kill", "2", true),
        // A broker that does not promise to survive a kill is not killed.
        ("restart, persistence", "Kill", "0", false),
        ("restart, persistence", "Restart", "0", false),
    ] {
        let folder = folder();
        stored(folder.path(), supports, fault);
        corpus_with(folder.path(), end);
        let common = [
            "stored.yaml",
            "--corpus",
            "corpus",
            "--count",
            "6",
            "--jobs",
            "2",
            "--waits",
            "0",
        ];
        let (exit, text, json) = fuzz(folder.path(), &[&common[..], &["--restarts", restarts]].concat());
        assert_eq!(exit, i32::from(is_found), "{end}, {restarts} brokers: {text}");
        let cause = "fuzz/repeat-has-dup@v5";
        assert_eq!(
            causes(&json).contains(&cause),
            is_found,
            "{end}, {restarts} brokers: {text}"
        );
        if is_found {
            assert!(text.contains("confirmed") && !found(folder.path()).is_empty(), "{text}");
            assert_eq!(run_found(folder.path(), &["stored.yaml"]), 1, "the fault is seen");
            stored(folder.path(), supports, None);
            assert_eq!(
                run_found(folder.path(), &["stored.yaml"]),
                0,
                "the reference broker passes"
            );
        }
    }
}

#[test]
fn nothing_is_found_in_a_broker_that_keeps_all_over_restarts_and_kills() {
    let folder = folder();
    stored(folder.path(), "restart, persistence, durable", None);
    let arguments = [
        "stored.yaml",
        "--count",
        "60",
        "--jobs",
        "1",
        "--waits",
        "0",
        "--restarts",
        "4",
    ];
    let (exit, text, json) = fuzz(folder.path(), &arguments);
    assert_eq!((exit, causes(&json).len()), (0, 0), "{text}");
    assert_eq!(json["sequences"].as_u64(), Some(60), "{text}");
}

#[test]
fn a_broker_that_dies_is_reported_with_what_was_found() {
    let folder = folder();
    let program = serde_json::to_string(env!("CARGO_BIN_EXE_mqttspec")).expect("text");
    let profile = format!(
        "name: mortal\nprocess:\n  command: [timeout, '4', {program}, broker, --listen, '127.0.0.1:$port', --fault, v5:MQTT-3.3.1-5]\n\
         mqtt: mqtt://127.0.0.1:$port\nversions: [v5]\n"
    );
    fs::write(folder.path().join("mortal.yaml"), profile).expect("a file");
    let (exit, text, json) = fuzz(
        folder.path(),
        &["mortal.yaml", "--seconds", "100", "--jobs", "8", "--waits", "0"],
    );
    assert_eq!(exit, 1, "{text}");
    assert!(
        json["trouble"]
            .as_str()
            .is_some_and(|why| why.starts_with("the broker ended: ")),
        "{text}"
    );
    assert!(causes(&json).contains(&"fuzz/newest-is-retained@v5"), "{text}");
    // It does not end because of what was sent.
    assert!(
        json["fatal"].is_null() && text.contains("none of them ends the broker alone"),
        "{text}"
    );
}

#[test]
fn the_sequence_that_ends_a_broker_is_found_and_made_short() {
    let folder = folder();
    let exe = serde_json::to_string(&std::env::current_exe().expect("this program")).expect("text");
    let profile = format!(
        "name: mortal\nprocess:\n  command: [{exe}, --exact, 'crash::as_a_broker', --ignored]\n  env: {{ TEST_BROKER_PORT: $port }}\n\
         mqtt: mqtt://127.0.0.1:$port\nversions: [v3.1.1]\n"
    );
    fs::write(folder.path().join("mortal.yaml"), profile).expect("a file");
    let arguments = ["mortal.yaml", "--seconds", "100", "--jobs", "8", "--waits", "0"];
    let (exit, text, json) = fuzz(folder.path(), &arguments);
    assert_eq!((exit, json["crash"].as_bool()), (1, Some(true)), "{text}");
    assert!(
        text.contains("This sequence is enough, 2 actions, 3 times of 3"),
        "{text}"
    );
    assert!(
        text.contains("c0@v3.1.1 subscribes") || text.contains("c1@v3.1.1 subscribes"),
        "{text}"
    );
    assert_eq!(
        json["fatal"]["sequence"]["actions"].as_array().map(Vec::len),
        Some(2),
        "{text}"
    );
    assert!(
        folder
            .path()
            .join(json["fatal"]["scenario"].as_str().expect("a file"))
            .exists()
    );
    assert_eq!(
        run_found(folder.path(), &["-e", "ends-the-broker"]),
        0,
        "the reference broker passes"
    );
    assert_eq!(run_found(folder.path(), &["mortal.yaml", "-e", "ends-the-broker"]), 1);
}

#[test]
fn an_interrupted_run_writes_what_it_has_found() {
    let folder = folder();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mqttspec"))
        .args([
            "fuzz",
            "--seconds",
            "1000",
            "--jobs",
            "8",
            "--fault",
            "v5:MQTT-3.3.1-5",
            "--mqtt",
            "v5",
        ])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
    let seen = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.starts_with("seen: "));
    assert!(seen.is_some(), "a cause is said as soon as it is seen");
    let id = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(id), Signal::SIGINT).expect("it runs");
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let status = child.wait().expect("it ends");
    let text = rest.join("\n");
    assert_eq!(status.code(), Some(130), "{text}");
    assert!(
        text.contains("not played again") && text.contains("interrupted"),
        "{text}"
    );
    assert!(!found(folder.path()).is_empty(), "{text}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let folder = folder();
    for (arguments, exit, what) in [
        (["--in-process", "x.yaml"].as_slice(), 2, "cannot be used with"),
        (&["--fault", "v5:MQTT-0"], 2, "MQTT-0"),
        (&["no-such.yaml"], 3, "no-such.yaml"),
        (&["mqtt://127.0.0.1:1"], 5, "127.0.0.1:1"),
    ] {
        let (code, text, _) = fuzz(folder.path(), arguments);
        assert_eq!(code, exit, "{arguments:?}: {text}");
        assert!(text.contains(what), "{arguments:?}: {text}");
    }
}
