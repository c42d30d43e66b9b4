//! `matrix`: the page, the Markdown and the JSON of several real runs, and the result if a target cannot be reached.

use std::fs;

use crate::support::command::{mqttspec, mqttspec_in};
use crate::support::page::data;
use serde_json::Value as Json;

/// Two cases: one that proves the statement below, and one that does not.
const CASES: [&str; 4] = ["-e", "qos2/dup-before-pubrel@v3.1.1", "-e", "ping/answered@v5"];

#[test]
fn a_matrix_compares_a_broker_with_a_fault_to_one_without() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = [
        "--fault",
        "v3.1.1:MQTT-4.3.3-2",
        "--json",
        "wrong.json",
        "--html",
        "wrong.html",
    ];
    mqttspec_in(dir.path(), &["run"])
        .args(CASES)
        .args(wrong)
        .assert()
        .code(1);
    mqttspec_in(dir.path(), &["matrix", "reference", "wrong.json"])
        .args(CASES)
        .args(["--html", "m.html", "--md", "m.md", "--json", "m.json", "--runs", "runs"])
        .assert()
        .code(1);
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();

    let json: Json = serde_json::from_str(&read("m.json")).unwrap();
    let labels: Vec<&Json> = json["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["label"])
        .collect();
    assert_eq!(labels, ["reference 0.1.0", "reference 0.1.0 (2)"]);
    assert_eq!(json["cases"][0]["id"], "ping/answered@v5");
    assert_eq!(json["cases"][0]["verdicts"], serde_json::json!(["pass", "pass"]));
    assert_eq!(json["cases"][1]["id"], "qos2/dup-before-pubrel@v3.1.1");
    assert_eq!(json["cases"][1]["verdicts"], serde_json::json!(["pass", "fail"]));

    let markdown = read("m.md");
    assert!(
        markdown.contains("| ping | all 1 | all 1 |\n| qos2 | all 1 | 0 of 1 |"),
        "{markdown}"
    );
    assert!(
        markdown.contains("| qos2/dup-before-pubrel@v3.1.1 | pass | **fail** |"),
        "{markdown}"
    );

    let page = read("m.html");
    let inside = data(&page);
    assert_eq!(inside["cases"][1]["cells"][0]["v"], 0);
    assert_eq!(inside["cases"][1]["cells"][1]["v"], 1);
    assert_eq!(inside["scripts"][1][1], "scenarios/qos2/dup-before-pubrel.yaml");
    // A case that is not selected has no row, and the page lacks its scenario.
    assert_eq!(inside["scripts"].as_array().unwrap().len(), 2);
    // The same page of one run has the same cell.
    assert_eq!(
        data(&read("wrong.html"))["cases"][1]["cells"][0]["f"],
        inside["cases"][1]["cells"][1]["f"]
    );

    // The runs are kept, and give the same page again.
    mqttspec_in(dir.path(), &["matrix", "runs/reference.json", "wrong.json"])
        .args(["--html", "again.html"])
        .assert()
        .code(1);
    assert_eq!(read("again.html"), page);
}

#[test]
fn targets_that_cannot_be_played_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    let targets = [
        "matrix",
        "missing.yaml",
        "reference",
        "missing.json",
        "--json",
        "m.json",
    ];
    mqttspec_in(dir.path(), &targets).args(CASES).assert().code(5);
    let json: Json = serde_json::from_str(&fs::read_to_string(dir.path().join("m.json")).unwrap()).unwrap();
    assert_eq!(json["targets"].as_array().unwrap().len(), 1);
    assert_eq!(json["targets"][0]["summary"]["pass"], 2);
}

#[test]
fn a_matrix_without_targets_or_cases_is_an_error() {
    mqttspec(&["matrix"]).assert().code(2);
    mqttspec(&["matrix", "reference", "-e", "no/such-case"])
        .assert()
        .code(4);
}
