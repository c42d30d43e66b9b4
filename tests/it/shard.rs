//! Shards: those of a suite are a partition of it, and their merged results equal those of a single run.

use std::fs;

use crate::support::command::mqttspec_in;
use crate::support::page;
use serde_json::Value as Json;

const CASES: &str = "qos1/";

#[test]
fn merged_shards_equal_a_single_run() {
    let dir = tempfile::tempdir().unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let json = |name: &str| -> Json { serde_json::from_str(&read(name)).unwrap() };
    let disobey = ["--fault", "v3.1.1:MQTT-2.3.1-6"];
    let mut codes = Vec::new();
    for part in ["1", "2", "3"] {
        let output = mqttspec_in(dir.path(), &["run", "-e", CASES, "--shard"])
            .args([format!("{part}/3"), "--json".to_owned(), format!("{part}.json")])
            .args(disobey)
            .output()
            .unwrap();
        codes.push(output.status.code());
    }
    assert!(codes.contains(&Some(1)), "{codes:?}");
    mqttspec_in(dir.path(), &["run", "-e", CASES, "--json", "whole.json"])
        .args(disobey)
        .assert()
        .code(1);

    // The order of the parts has no effect on the result.
    mqttspec_in(dir.path(), &["report", "merge", "3.json", "1.json", "2.json"])
        .args(["--json", "merged.json", "--html", "merged.html", "--md", "merged.md"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", dir.path().join("summary.md"))
        .assert()
        .code(1);
    let ids = |run: &Json| -> Vec<String> {
        let cases = run["cases"].as_array().unwrap();
        cases.iter().map(|c| c["id"].as_str().unwrap().to_owned()).collect()
    };
    let (whole, merged) = (json("whole.json"), json("merged.json"));
    assert_eq!(ids(&merged), ids(&whole));
    assert_eq!(merged["summary"], whole["summary"]);
    assert_eq!(merged["scores"], whole["scores"]);
    mqttspec_in(dir.path(), &["compare", "whole.json", "merged.json"])
        .assert()
        .code(0);
    let inside = page::data(&read("merged.html"));
    assert_eq!(ids(&inside), ids(&whole));
    assert!(read("merged.md").contains("| qos1 |"));
    assert_eq!(read("summary.md"), read("merged.md"));

    // A part that is given twice is an error, and so is a missing file.
    mqttspec_in(dir.path(), &["report", "merge", "1.json", "1.json"])
        .assert()
        .code(3);
    mqttspec_in(dir.path(), &["report", "merge", "1.json", "4.json"])
        .assert()
        .code(2);
}
