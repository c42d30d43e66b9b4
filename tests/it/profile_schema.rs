//! The committed JSON Schema of profiles is up to date with the tables that it is generated from, accepts every shipped profile
//! and every profile of the documentation, and refuses what the loader refuses.

use std::fs;
use std::path::{Path, PathBuf};

use mqttspec::sut::{Known, Profile};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&Profile::schema()).unwrap()
}

/// The shipped profiles, and the lists of expected failures that they name.
fn shipped() -> Vec<PathBuf> {
    let folders = ["ci/brokers", "ci/brokers/known", "ci/clients", "ci/clients/known"];
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect()
}

#[test]
fn the_committed_schema_is_up_to_date() {
    let committed = fs::read_to_string(root().join("docs/profile.schema.json")).unwrap_or_default();
    assert!(
        committed == Profile::schema_text(),
        "docs/profile.schema.json is out of date: run `cargo run -- schema --profile > docs/profile.schema.json`"
    );
}

#[test]
fn every_shipped_profile_validates() {
    let validator = validator();
    let files = shipped();
    assert!(files.len() > 10, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let value: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for error in validator.iter_errors(&value) {
            wrong.push(format!("{}: {} at {}", file.display(), error, error.instance_path()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the loader and the schema accept a profile.
fn verdicts(text: &str) -> (bool, bool) {
    let value: Value = serde_yaml::from_str(text).expect("YAML");
    (
        Profile::parse(text, Path::new("p.yaml")).is_ok(),
        validator().is_valid(&value),
    )
}

#[test]
fn the_schema_and_the_loader_agree() {
    let head = "name: x\nmqtt: mqtt://h\n";
    let started = "name: x\nmqtt: mqtt://h:$port\nprocess:\n  command: [b]\n";
    let cause = "known:\n  - because: x\n    bytes: y\n";
    for right in [
        head.to_owned(),
        "name: x\nwss: { v5: wss://h }\n".to_owned(),
        "name: x\nclient: { adapter: [a, b], env: { A: 1 } }\njobs: 2\n".to_owned(),
        format!("{head}versions: [v5]\nlogin: {{ password: 007 }}\njobs: 8\nsettle: 250ms\npatience: 5s\n"),
        format!("{head}supports: [retain: false, max_qos: 1, auth]\ndenies: ['#']\n"),
        format!("{head}tls: {{ ca: ca.pem, insecure: true }}\nsnapshots: failures\n"),
        format!("{started}  env: {{ A: 1 }}\n  files_over: {{ ws: {{ a: b }} }}\n  stop_timeout: 1.5s\n"),
        format!("{started}isolate: true\nsetups: {{ other: {{ command: [c], supports: [auth] }} }}\n"),
        format!("{head}auth: {{ method: X, good: ['00 ff'] }}\nusers: {{ other: {{ username: o }} }}\n"),
        format!("{head}{cause}    cases: {{ a: b, c: [d, e], f: {{ fails: g, varies: true }} }}\n"),
        format!(
            "{head}{cause}    severity: leniency\n    ruling: must\n    over: [ws]\n    fails: b\n    cases: [a]\n"
        ),
        format!("{head}known:\n  - {{ case: a, fails: b, because: c, see: d }}\n"),
    ] {
        assert_eq!(verdicts(&right), (true, true), "{right}");
    }
    for wrong in [
        "name: x\n".to_owned(),
        "mqtt: mqtt://h\n".to_owned(),
        "name: a b\nmqtt: mqtt://h\n".to_owned(),
        "name: x\nclient: {}\n".to_owned(),
        "name: x\nclient: { adapter: [a] }\nmqtt: mqtt://h\n".to_owned(),
        "name: a__b\nmqtt: mqtt://h\n".to_owned(),
        format!("{head}proces: {{ command: [a] }}\n"),
        format!("{head}versions: [v6]\n"),
        format!("{head}versions: []\n"),
        format!("{head}login: {{}}\n"),
        format!("{head}login: {{ user: u }}\n"),
        format!("{head}jobs: 0\n"),
        format!("{head}jobs: 2000\n"),
        format!("{head}settle: 250\n"),
        format!("{head}supports: [fly]\n"),
        format!("{head}supports: [max_qos: 7]\n"),
        format!("{head}supports: [max_qos]\n"),
        format!("{head}snapshots: none\n"),
        format!("{head}tls: {{ insecure: perhaps }}\n"),
        format!("{started}  comand: [c]\n"),
        format!("{head}auth: {{ good: ['00'] }}\n"),
        format!("{head}{cause}    severity: bad\n    cases: {{ a: b }}\n"),
        format!("{head}{cause}    casse: {{ a: b }}\n"),
        format!("{head}known:\n  - {{ case: a, because: c, see: d }}\n"),
    ] {
        assert_eq!(verdicts(&wrong), (false, false), "{wrong}");
    }
}

#[test]
fn a_list_of_expected_failures_validates_too() {
    let list = "known:\n  - because: untriaged\n    cases: { ping/answered@v5: MQTT-3.12.4-1 }\n";
    assert!(Known::parse(list, Path::new("known.yaml")).is_ok());
    assert!(validator().is_valid(&serde_yaml::from_str::<Value>(list).unwrap()));
}
