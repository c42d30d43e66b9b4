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

    // The same reports of the whole run are made later.
    mqttspec_in(dir.path(), &["report", "render", "merged.json"])
        .args([
            "--junit",
            "rendered.xml",
            "--html",
            "rendered.html",
            "--md",
            "rendered.md",
        ])
        .assert()
        .code(1);
    assert_eq!(read("rendered.md"), read("merged.md"));
    assert_eq!(read("rendered.html"), read("merged.html"));
    let junit = read("rendered.xml");
    let failed = whole["summary"]["fail"].as_u64().unwrap();
    assert!(
        failed > 0 && junit.contains(&format!("failures=\"{failed}\"")),
        "{junit}"
    );
    assert_eq!(junit.matches("<testcase ").count(), ids(&whole).len());
    let output = mqttspec_in(dir.path(), &["report", "render", "merged.json", "--github"])
        .assert()
        .code(1);
    let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(text.contains("::error title="), "{text}");

    // A shard knows that it is one, and of what.
    assert_eq!(json("2.json")["shard"], serde_json::json!({ "index": 2, "count": 3 }));
    assert_eq!(json("2.json")["selection"], whole["selection"]);
    assert_eq!(whole["selection"]["arguments"], serde_json::json!(["-e", CASES]));
    assert_eq!(whole["selection"]["cases"], ids(&whole).len());
    assert!(whole["shard"].is_null() && merged["shard"].is_null());

    // What is no whole is refused, in a line. A missing file is an error of the command line.
    let refused = |files: &[&str], code: i32| -> String {
        let output = mqttspec_in(dir.path(), &[&["report", "merge"], files].concat())
            .assert()
            .code(code);
        let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert_eq!(text.lines().count(), 1, "{text}");
        text
    };
    assert_eq!(refused(&["1.json", "3.json"], 3), "error: shard 2 of 3 is missing\n");
    let doubled = refused(&["1.json", "2.json", "1.json"], 3);
    assert_eq!(doubled, "error: 1.json and 1.json are both shard 1 of 3\n");
    refused(&["1.json", "4.json"], 2);
    mqttspec_in(
        dir.path(),
        &["run", "-e", "qos2/", "--shard", "2/3", "--json", "other.json"],
    )
    .assert()
    .code(0);
    assert_eq!(
        refused(&["1.json", "other.json", "3.json"], 3),
        "error: 1.json and other.json are shards of different selections: these are not parts of one run\n"
    );

    // A shard is compared with the same shard only.
    mqttspec_in(dir.path(), &["compare", "1.json", "1.json"])
        .assert()
        .code(0);
    let output = mqttspec_in(dir.path(), &["compare", "1.json", "whole.json"])
        .assert()
        .code(3);
    let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(
        text.contains("1.json is shard 1 of 3, whole.json is a whole run"),
        "{text}"
    );
}

#[test]
fn an_empty_shard_is_a_part_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    // Three cases in four shards.
    let files: Vec<String> = (1..=4).map(|part| format!("{part}.json")).collect();
    let mut empty = 0;
    for (part, file) in (1..=4).zip(&files) {
        let output = mqttspec_in(dir.path(), &["run", "-e", "ping/answered", "--json", file])
            .args(["--shard", &format!("{part}/4")])
            .assert()
            .code(0);
        let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        empty += usize::from(text.contains(&format!("note: shard {part} of 4 has none of 3 selected cases")));
    }
    assert!(empty >= 1, "{empty}");
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    mqttspec_in(dir.path(), &["report", "merge"])
        .args(files)
        .assert()
        .code(0);
}
