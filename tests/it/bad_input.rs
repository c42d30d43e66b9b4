//! Each bad input gives one clear error and the right exit code, and nothing hangs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::peers::{Kind, Peer};
use assert_cmd::Command;

/// A case without requirements.
const CASE: &str = "qos2/dup-before-pubrel@v3.1.1";

fn mqttspec(arguments: &[&str]) -> (i32, String) {
    let output = Command::cargo_bin("mqttspec")
        .expect("the program is built")
        .args(arguments)
        .timeout(Duration::from_secs(60))
        .output()
        .expect("the program ends in time");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("no signal ends it"), text)
}

/// Runs one case against a target, and expects this exit code and one error with this text.
fn target(target: &str, code: i32, says: &str) {
    let (found, text) = mqttspec(&["run", target, "-e", CASE]);
    assert_eq!(found, code, "{target}: {text}");
    assert!(text.contains(says), "{target}: {text}");
}

#[test]
fn an_unreachable_target() {
    // A port that was free a moment ago, so that no one listens on it.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a loopback port");
    target(&format!("mqtt://{free}"), 5, "cannot reach");
}

#[test]
fn an_invalid_address() {
    target("mqtt://127.0.0.1:99999", 2, "99999");
    target("http://127.0.0.1:80", 2, "http");
}

#[test]
fn a_port_with_an_http_server() {
    target(&Peer::start(Kind::Http).url(), 5, "HTTP server");
}

#[test]
fn a_port_with_tls() {
    target(&Peer::start(Kind::TlsAlert).url(), 5, "TLS");
}

#[test]
fn a_broker_that_never_answers() {
    target(&Peer::start(Kind::NeverAnswers).url(), 5, "never answers");
}

#[test]
fn a_peer_that_closes_at_once() {
    target(&Peer::start(Kind::ClosesAtAccept).url(), 5, "closes every connection");
}

#[test]
fn a_peer_that_sends_garbage() {
    target(&Peer::start(Kind::Garbage).url(), 5, "not an MQTT broker");
}

#[test]
fn brokers_that_misbehave_after_the_connack_fail_and_hang_nothing() {
    for kind in [Kind::GarbageAfterConnack, Kind::EndlessPublish, Kind::Mute] {
        let peer = Peer::start(kind);
        let (code, text) = mqttspec(&[
            "run",
            &peer.url(),
            "-e",
            "qos2/dup-before-pubrel",
            "--response-timeout",
            "300ms",
        ]);
        assert_eq!(code, 1, "{kind:?}: {text}");
    }
}

#[test]
fn a_profile_that_cannot_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    target(&folder.path().join("none.yaml").display().to_string(), 3, "none.yaml");
    target(&folder.path().display().to_string(), 3, "");
    target(&file("empty.yaml", b""), 3, "empty.yaml");
    target(&file("binary.yaml", &[0, 159, 146, 150]), 3, "binary.yaml");
    target(
        &file("key.yaml", b"name: x\nmqtt: mqtt://127.0.0.1\ncolour: red\n"),
        3,
        "colour",
    );
    let missing =
        b"name: x\nprocess: { command: [no-such-broker-anywhere] }\nmqtt: mqtt://127.0.0.1:$port\nversions: [v3.1.1]\n";
    target(&file("missing.yaml", missing), 5, "no-such-broker-anywhere");
}

/// `check` reports all errors of a file at once.
fn check(path: &Path, says: &str) {
    let (code, text) = mqttspec(&["check", &path.display().to_string()]);
    assert_eq!(code, 3, "{}: {text}", path.display());
    assert!(text.contains(says), "{}: {text}", path.display());
    assert!(
        text.len() < 10_000,
        "{}: {} bytes of errors",
        path.display(),
        text.len()
    );
}

#[test]
fn an_invalid_scenario_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder.yaml")).expect("a folder");
    let parent = tempfile::tempdir().expect("a folder");
    fs::create_dir(parent.path().join("folder.yaml")).expect("a folder");
    check(parent.path(), "folder.yaml");
    fs::write(path("binary.yaml"), [0, 159, 146, 150]).expect("a file");
    check(&path("binary.yaml"), "binary.yaml");
    fs::write(path("empty.yaml"), "").expect("a file");
    check(&path("empty.yaml"), "empty.yaml");
    fs::write(path("large.yaml"), vec![b'#'; 100 * 1024 * 1024]).expect("a file");
    check(&path("large.yaml"), "large.yaml");
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (this, before) in ('b'..='i').zip('a'..='h') {
        bomb.push_str(&format!(
            "{this}: &{this} [{}]\n",
            vec![format!("*{before}"); 9].join(", ")
        ));
    }
    fs::write(path("bomb.yaml"), bomb).expect("a file");
    check(&path("bomb.yaml"), "bomb.yaml");
    fs::write(path("deep.yaml"), "[".repeat(100_000)).expect("a file");
    check(&path("deep.yaml"), "deep.yaml");
    check(&path("missing.yaml"), "missing.yaml");
}

#[test]
fn an_empty_selection_suggests_the_nearest_names() {
    let (code, text) = mqttspec(&["run", "-e", "qos2/dup-before-pubrell"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("qos2/dup-before-pubrel"), "{text}");
}

#[test]
fn a_wrong_command_line() {
    assert_eq!(mqttspec(&["run", "--jobs", "many"]).0, 2);
    assert_eq!(mqttspec(&["runn"]).0, 2);
    assert_eq!(mqttspec(&["decode", "zz"]).0, 2);
    assert_eq!(mqttspec(&["run", "--fault", "v5:MQTT-9.9.9-9"]).0, 2);
}

#[test]
fn decode_exits_1_on_a_violation() {
    assert_eq!(mqttspec(&["decode", "20 02 00 00"]).0, 0);
    assert_eq!(mqttspec(&["decode", "21 02 00 00"]).0, 1);
}
