//! A target that lets no client in gets one line and exit code 5 before the first case.

use std::path::Path;

use crate::support::command::mqttspec;
use crate::support::peers::{Kind, Peer};

/// Not a test: the broker that a profile of the tests starts.
#[test]
#[ignore = "this is the broker of the other tests"]
fn as_a_broker() {
    let Ok(port) = std::env::var("TEST_BROKER_PORT") else {
        return;
    };
    let _peer = Peer::start_at(Kind::Refuses, port.parse().expect("a port"));
    loop {
        std::thread::park();
    }
}

/// Plays a case of 3.1.1 and one of 5.0 against a profile.
fn play(profile: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("broker.yaml");
    std::fs::write(&file, profile).expect("a file");
    run(&file.display().to_string())
}

fn run(target: &str) -> (i32, String, String) {
    let output = mqttspec(&["run", target, "-e", "topic/longest"])
        .env("MQTTSPEC_STATE", std::env::temp_dir())
        .output()
        .expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().expect("it ends by itself");
    (code, text(&output.stdout), text(&output.stderr))
}

/// The run ends with this one line and nothing else.
fn one_line(run: (i32, String, String), says: &[&str]) {
    let (code, out, err) = run;
    assert_eq!((code, out.as_str(), err.lines().count()), (5, "", 1), "{err}{out}");
    for part in says {
        assert!(err.contains(part), "`{part}`: {err}");
    }
}

const REFUSED: &str = "v3.1.1 is refused: 0x05 not authorized, v5 is refused: 0x87 Not authorized";

#[test]
fn a_broker_that_takes_no_client_without_a_login_is_one_line() {
    let peer = Peer::start(Kind::Refuses);
    one_line(run(&peer.url()), &[REFUSED, "login"]);
    let profile = format!("name: closed\nmqtt: {}\n", peer.url());
    one_line(
        play(&profile),
        &["closed lets no client in", REFUSED, "`allow_anonymous true`"],
    );
}

#[test]
fn a_wrong_password_is_one_line() {
    let peer = Peer::start(Kind::Refuses);
    let profile = format!(
        "name: closed\nmqtt: {}\nlogin: {{ username: u, password: expired }}\n",
        peer.url()
    );
    one_line(play(&profile), &[REFUSED, "check the user name and password"]);
}

#[test]
fn nobody_listening_is_one_line() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let free = free.expect("a loopback port");
    let line = format!("cannot reach mqtt://{free}: ");
    one_line(play(&format!("name: none\nmqtt: mqtt://{free}\n")), &[&line]);
}

#[test]
fn a_broker_that_the_run_starts_is_asked_too() {
    let exe = serde_json::to_string(&std::env::current_exe().expect("this program")).expect("a path");
    let profile = format!(
        "name: started\nmqtt: mqtt://127.0.0.1:$port\nprocess:\n  command: [{exe}, --exact, 'admission::as_a_broker', --ignored]\n  \
         env: {{ TEST_BROKER_PORT: $port }}\n"
    );
    one_line(
        play(&profile),
        &["started lets no client in", REFUSED, "`allow_anonymous true`"],
    );
}

#[test]
fn a_version_that_is_not_served_is_skipped_unless_the_profile_names_it() {
    let peer = Peer::start(Kind::OnlyV3_1_1);
    let profile = format!("name: old\nmqtt: {}\n", peer.url());
    let (code, out, err) = play(&profile);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("1 pass, 1 skip"), "{out}");
    assert!(
        out.contains("v5 is not served: 0x84 Unsupported Protocol Version"),
        "{out}"
    );
    one_line(
        play(&format!("{profile}versions: [v3.1.1, v5]\n")),
        &["v5 is not served: 0x84", "`versions`"],
    );
}

#[test]
#[ignore = "needs mosquitto: ci/install-brokers.sh mosquitto"]
fn mosquitto_with_a_listener_and_without_allow_anonymous_is_one_line() {
    let own = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/brokers/mosquitto.yaml"));
    assert!(own.expect("the profile").contains("command: [mosquitto,"));
    let profile = "name: mosquitto\nmqtt: mqtt://127.0.0.1:$port\nprocess:\n  command: [mosquitto, -c, $dir/mosquitto.conf]\n  \
                   files:\n    mosquitto.conf: |\n      listener $port 127.0.0.1\n";
    one_line(
        play(profile),
        &["mosquitto lets no client in", "`allow_anonymous true`"],
    );
}
