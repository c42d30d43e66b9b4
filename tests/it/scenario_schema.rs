//! The committed JSON Schema is up to date with the tables that it is generated from, accepts every shipped scenario, and has
//! the same steps as the loader.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mqttspec::scenario::{Source, load, schema, schema_text};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|e| e == "yaml") {
            files.push(path);
        }
    }
    files
}

#[test]
fn the_committed_schema_is_up_to_date() {
    let committed = fs::read_to_string(root().join("docs/scenario.schema.json")).unwrap_or_default();
    assert!(
        committed == schema_text(),
        "docs/scenario.schema.json is out of date: run `cargo run -- schema > docs/scenario.schema.json`"
    );
}

#[test]
fn every_shipped_scenario_validates() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let files = yaml_files(&root().join("scenarios"));
    assert!(!files.is_empty());
    let mut wrong = Vec::new();
    for file in files {
        let value: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for error in validator.iter_errors(&value) {
            wrong.push(format!("{}: {} at {}", file.display(), error, error.instance_path()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the loader and the schema accept a scenario with this one step.
fn verdicts(validator: &jsonschema::Validator, step: &str) -> (bool, bool) {
    let text = format!(
        "format: 1\ntitle: T\nversions: [v5]\nserial: true\nneeds: [restart, durable]\nclients: {{ c: {{}} }}\nsteps:\n  - {step}\ncontrol:\n  - c <- PINGRESP\n"
    );
    let Ok(value) = serde_yaml::from_str::<Value>(&text) else {
        return (false, false);
    };
    let source = Arc::new(Source {
        file: "a.yaml".to_owned(),
        text,
    });
    (load(&source, "a").is_ok(), validator.is_valid(&value))
}

#[test]
fn the_schema_and_the_loader_have_the_same_steps() {
    const PACKETS: [&str; 17] = [
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
        "PUBLIC",
        "connect",
    ];
    let mut steps: Vec<String> = Vec::new();
    for packet in PACKETS {
        for key in [
            format!("c -> {packet}"),
            format!("c <- {packet}"),
            format!("c <- next {packet}"),
            format!("c <- maybe {packet}"),
            format!("c <- perhaps {packet}"),
            format!("c -> maybe {packet}"),
        ] {
            steps.push(key.clone());
            steps.push(format!("{key}: {{}}"));
            steps.push(format!("{key}: {{ packet_id: 7 }}"));
            steps.push(format!("{key}: {{ reason_code: 0x87 or 0x97 }}"));
            steps.push(format!("{key}: {{ frobnicate: 7 }}"));
            steps.push(format!("{key}: [1]"));
        }
    }
    for step in [
        "c -> open",
        "c -> close",
        "c -> reset",
        "c -> half close",
        "c -> reconnect",
        "c -> reconnect: { resumed: true }",
        "c -> reconnect: { session: 60s, connect: { keep_alive: 5 }, connack: { receive_maximum: 10, within: 3s } }",
        "c -> reconnect: { session: soon }",
        "c -> reconnect: { again: true }",
        "c -> reconnect: true",
        "c -> stop reading",
        "c -> read",
        "c -> write",
        "c -> open: {}",
        "c->open",
        "c  ->  PINGREQ",
        "c -> bytes: c0 00",
        "c -> bytes: { hex: c0 00, split: 1 }",
        "c -> bytes: { hex: c0 00, times: 1 }",
        "c -> frame: 'c0 00'",
        "c -> together: [PINGREQ, CONNECT: {}, bytes: c0 00]",
        "c -> together: { parts: [PINGREQ], split: [1] }",
        "c -> together: []",
        "c -> together: [open]",
        "c -> PINGREQ: { split: [1, 1, 3], pause: 5ms, probe: true }",
        "c -> PINGREQ: { split: [] }",
        "c -> PINGREQ: { pause: 5 }",
        "c -> PINGREQ: { flags: 16 }",
        "c -> PUBLISH: { qos: 4 }",
        "c -> PUBLISH: { qos: 3, payload: { size: 9, fill: x }, v5: { topic_alias: 1 } }",
        "c -> PINGREQ: { remaining_length: c0 80 00 }",
        "c -> PINGREQ: { remaining_length: zz }",
        "c -> CONNECT: { connect_flags: 0x03|$login, will: { topic: $ns, payload: x } }",
        "c -> CONNECT: { will: { tpoic: x } }",
        "c <- bytes: 40 02 ...",
        "c <- nothing",
        "c <- nothing: 3s",
        "c <- nothing: soon",
        "c <- closed",
        "c <- closed: { within: 1s..3s }",
        "c <- closed: { inside: 1s }",
        "c <- refused",
        "c <- refused: 0x81 or 0x82",
        "c <- refused: { code: 0x81, within: 3s }",
        "c <- refused: { kode: 0x81 }",
        "c <- refused: { v5: 0x81 }",
        "c -> PUBLISH: { qos: { v5: 1 } }",
        "c -> bytes: { v5: c0 00 }",
        "c -> PUBLISH: { payload: { size: 9, v5: { fill: x } } }",
        "c <- opened",
        "c <- one of: [PUBACK, closed]",
        "c <- one of: [[PUBACK, PUBREC], closed: { within: 3s }]",
        "c <- one of: [PUBACK]",
        "c <- in any order: [PUBACK, next PINGRESP]",
        "c <- in any order: [PUBACK, gone]",
        "one of: [[c <- PUBACK], c <- PINGRESP]",
        "in any order: [c <- PUBACK, c <- PINGRESP]",
        "one off: [[c <- PUBACK], c <- PINGRESP]",
        "only v5: [c <- PUBACK]",
        "only v6: [c <- PUBACK]",
        "only: [c <- PUBACK]",
        "repeat: { times: 3, steps: [c <- PUBACK] }",
        "repeat: { times: 0, steps: [c <- PUBACK] }",
        "repeat: { steps: [c <- PUBACK] }",
        "wait: 1.5s",
        "wait: 1.5",
        "broker: restart",
        "broker: kill",
        "broker: stop",
        "note: text",
        "foo",
        "c PUBLISH: {}",
        "{ c -> PINGREQ: {}, c <- PINGRESP: {} }",
        "{}",
        "[c -> PINGREQ]",
    ] {
        steps.push(step.to_owned());
    }
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let (mut taken, mut refused, mut apart) = (0, 0, Vec::new());
    for step in &steps {
        match verdicts(&validator, step) {
            (true, true) => taken += 1,
            (false, false) => refused += 1,
            (loader, schema) => apart.push(format!("{step}: loader {loader}, schema {schema}")),
        }
    }
    assert!(apart.is_empty(), "{}", apart.join("\n"));
    assert!(taken > 150 && refused > 150, "{taken} taken, {refused} refused");
}
