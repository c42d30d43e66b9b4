//! `mqttspec repro`: the report, the script, and what cannot be shown by one. The script has to exit 1 at a broker with the
//! fault and 0 at one without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::command::mqttspec;
use mqttspec::harness::reference_that;
use mqttspec::reference::Disobey;
use mqttspec::statements::Version;

/// Cases with a fault of the reference broker that they notice: each kind of expectation.
const FAULTS: &[(&str, &str)] = &[
    // A packet too many, after a wait for packet identifiers that the broker chooses.
    ("qos2/dup-before-pubrel@v3.1.1", "v3.1.1:MQTT-4.3.3-2"),
    // A packet that does not come.
    ("ping/answered@v3.1.1", "v3.1.1:MQTT-3.12.4-1"),
    // A connection that stays open, with a control.
    ("fixed-header/reserved-flags-pingreq[1]@v5", "v5:MQTT-2.1.3-1/x"),
];

/// Deviations of brokers as they are packaged.
const BROKERS: &[(&str, &[&str])] = &[
    (
        "mosquitto",
        &[
            "shared/no-local@v5",
            "subscribe/no-local-replaced@v5",
            "subscribe/overlapping[backward]@v3.1.1",
            "takeover/will[false]@v3.1.1",
        ],
    ),
    ("mosquitto-bpo", &["qos2/repeated-three-times@v3.1"]),
    ("nats", &["topic/characters[star]@v3.1.1"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Writes a report, and gives its folder.
fn written(into: &Path, arguments: &[&str]) -> PathBuf {
    let folder = into.join("bug");
    let mut all = vec!["repro", "-o", folder.to_str().expect("a name")];
    all.extend(arguments);
    mqttspec(&all).current_dir(root()).assert().code(0);
    folder
}

/// The exit code of a script at a reference broker with these faults.
async fn at_a_broker(script: &Path, faults: &[&str]) -> i32 {
    let disobey = Disobey::parse_all(faults.iter().copied()).expect("faults");
    let instance = reference_that(disobey).launcher.launch().await.expect("a broker");
    let address = instance.address(Version::V5).expect("an address");
    let mut python = Command::new("python3");
    python.arg(script).arg(format!("{}:{}", address.host(), address.port()));
    let python = python.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = python.spawn().expect("python3 starts");
    let status = tokio::task::spawn_blocking(move || child.wait());
    let code = status.await.expect("no panic").expect("it ends").code();
    instance.stop().await;
    code.expect("it ends by itself")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3"]
async fn a_script_tells_a_broker_with_the_fault_from_one_without() {
    for (case, fault) in FAULTS {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = written(folder.path(), &[case, "--fault", fault]);
        let script = folder.join("repro.py");
        let text = fs::read_to_string(&script).expect("a script");
        assert!(text.lines().count() <= 60, "{case}: {} lines", text.lines().count());
        assert_eq!(at_a_broker(&script, &[fault]).await, 1, "{case}: with the fault");
        assert_eq!(at_a_broker(&script, &[]).await, 0, "{case}: without it");
        let report = fs::read_to_string(folder.join("report.md")).expect("a report");
        for part in ["## The standard", "oasis-open.org", "## The exchange", "exits 1", &text] {
            assert!(report.contains(part), "{case}: the report lacks {part}: {report}");
        }
    }
}

#[test]
#[ignore = "needs python3"]
fn a_script_without_a_broker_exits_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let (case, fault) = FAULTS[1];
    let folder = written(folder.path(), &[case, "--fault", fault]);
    // The port of a listener that is gone.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    let output = Command::new("python3")
        .arg(folder.join("repro.py"))
        .arg(&address)
        .output();
    let output = output.expect("python3 starts");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with(&format!("cannot connect to {address}")), "{said}");
}

#[test]
fn what_has_no_script_says_why() {
    let refused = |arguments: &[&str], code: i32, text: &str| {
        let mut all = vec!["repro"];
        all.extend(arguments);
        let output = mqttspec(&all).current_dir(root()).assert().code(code);
        let said = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert!(said.contains(text), "{arguments:?}: {said}");
        assert!(output.get_output().stdout.is_empty(), "{arguments:?}");
    };
    refused(
        &["ping/answered@v5"],
        6,
        "ping/answered@v5 passes: there is nothing to show",
    );
    refused(&["ping/answerd@v5"], 4, "the nearest is `ping/answered@v5`");
    refused(&["ping/answered"], 2, "name one, such as ping/answered@v3.1");
    refused(
        &["retain/outlives[restart]@v5", "--fault", "v5:MQTT-3.3.1-5"],
        6,
        "the case restarts or kills the broker",
    );
}

/// The report on each of these deviations is written only if its script was run: 1 at the broker, 0 at the reference broker.
fn deviations(broker: &str) {
    let (_, cases) = BROKERS.iter().find(|(name, _)| *name == broker).expect("it is listed");
    let profile = format!("ci/brokers/{broker}.yaml");
    for case in *cases {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = written(folder.path(), &[case, &profile]);
        let report = fs::read_to_string(folder.join("report.md")).expect("a report");
        assert!(
            report.contains("It was run: 1 at this broker, 0 at the reference broker"),
            "{case}: {report}"
        );
    }
}

#[test]
#[ignore = "needs mosquitto and python3"]
fn deviations_of_mosquitto_are_shown_by_scripts() {
    deviations("mosquitto");
}

#[test]
#[ignore = "needs the backports' mosquitto and python3: ci/install-brokers.sh mosquitto-bpo"]
fn deviations_of_the_backports_mosquitto_are_shown_by_scripts() {
    deviations("mosquitto-bpo");
}

#[test]
#[ignore = "needs nats-server and python3: ci/install-brokers.sh nats"]
fn deviations_of_nats_are_shown_by_scripts() {
    deviations("nats");
}
