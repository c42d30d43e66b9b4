//! `compare` over real runs of a broker, first without a fault and then with one.

use std::fs;
use std::path::Path;

use crate::support::command::{mqttspec, mqttspec_in};

const CASES: &str = "qos2/";

/// Plays some cases and writes the JSON report.
fn run(folder: &Path, json: &str, more: &[&str], code: i32) {
    mqttspec_in(folder, &["run", "-e", CASES, "--exchanges", "all", "--json", json])
        .args(more)
        .assert()
        .code(code);
}

fn said(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = mqttspec_in(folder, arguments).assert().code(code);
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

#[test]
fn a_new_fault_is_a_regression() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), "old.json", &[], 0);
    run(dir.path(), "same.json", &[], 0);
    run(dir.path(), "new.json", &["--fault", "v3.1.1:MQTT-4.3.3-2"], 1);

    // Times, namespaces and the order across clients differ, and are no change.
    let nothing = said(dir.path(), &["compare", "old.json", "same.json"], 0);
    assert!(nothing.contains("no regression; nothing changed"), "{nothing}");

    let worse = said(
        dir.path(),
        &["compare", "old.json", "new.json", "--diff", "--md", "c.md"],
        1,
    );
    assert!(
        worse.contains("newly failing (") && worse.contains("qos2/dup-before-pubrel@v3.1.1"),
        "{worse}"
    );
    assert!(worse.contains("pass → fail"), "{worse}");
    // Only the new exchange has the second delivery.
    assert!(worse.contains("+verdict: fail"), "{worse}");
    let markdown = fs::read_to_string(dir.path().join("c.md")).unwrap();
    assert!(
        markdown.contains("- `qos2/dup-before-pubrel@v3.1.1`") && markdown.contains("```diff"),
        "{markdown}"
    );

    let better = said(dir.path(), &["compare", "new.json", "old.json"], 0);
    assert!(
        better.contains("no regression") && better.contains("newly passing"),
        "{better}"
    );

    // On GitHub the job summary has the changes too.
    mqttspec_in(dir.path(), &["compare", "old.json", "new.json"])
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", dir.path().join("summary.md"))
        .assert()
        .code(1);
    assert_eq!(fs::read_to_string(dir.path().join("summary.md")).unwrap(), markdown);
}

#[test]
fn runs_without_a_common_case_are_an_error_and_missing_cases_a_regression() {
    let dir = tempfile::tempdir().unwrap();
    let play = |json: &str, select: &[&str]| {
        mqttspec_in(dir.path(), &["run", "--json", json])
            .args(select)
            .assert()
            .code(0);
    };
    play("ping.json", &["-e", "ping/"]);
    play("one.json", &["-e", "ping/answered"]);
    play("qos1.json", &["-e", "qos1/several-open"]);
    let output = mqttspec_in(dir.path(), &["compare", "ping.json", "qos1.json"])
        .assert()
        .code(3);
    let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert_eq!(text, "error: ping.json and qos1.json have no case in common\n");
    let text = said(dir.path(), &["compare", "ping.json", "one.json"], 1);
    assert!(
        text.contains("note: cases are no longer played although the new run selects `-e ping/answered`"),
        "{text}"
    );
    said(dir.path(), &["compare", "one.json", "ping.json"], 0);
}

#[test]
fn a_file_that_is_no_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.json"), "{}").unwrap();
    mqttspec_in(dir.path(), &["compare", "a.json", "a.json"])
        .assert()
        .code(3);
    mqttspec_in(dir.path(), &["compare", "a.json", "missing.json"])
        .assert()
        .code(3);
    mqttspec_in(dir.path(), &["compare", "missing.json", "a.json"])
        .assert()
        .code(2);
    mqttspec(&["compare", "a.json"]).assert().code(2);
}
