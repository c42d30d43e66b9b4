//! What CI runs, played here: `ci/action/run.sh` and the steps of the examples. None of it is green by mistake.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_yaml::Value as Yaml;

use crate::support::command::mqttspec_in;

const FAULT: &str = "--fault v3.1.1:MQTT-4.3.3-2";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `bash` in a folder, with the program as `PROGRAM` and without the variables of a CI server.
fn bash(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("bash");
    for variable in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "CI"] {
        command.env_remove(variable);
    }
    command
        .current_dir(folder)
        .env("PROGRAM", assert_cmd::cargo::cargo_bin("mqttspec"))
        .args(arguments);
    command
}

/// The exit code of the action with these inputs, and what it printed.
fn action(folder: &Path, inputs: &[(&str, &str)]) -> (i32, String) {
    let script = root().join("ci/action/run.sh");
    let output = bash(folder, &[&script.display().to_string()])
        .env("SELECT", "qos2/dup-before-pubrel")
        .env("INSTA_UPDATE", "new")
        .envs(inputs.iter().copied())
        .output()
        .expect("bash is there");
    let code = output.status.code().expect("no signal ends it");
    (code, String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every snapshot below a folder.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(snapshots(&path));
        } else if path.extension().is_some_and(|e| e == "snap") {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_baseline_excuses_failures_and_no_changed_snapshot() {
    let dir = tempfile::tempdir().expect("a folder");
    let results = |name: &str| dir.path().join("mqttspec-results").join(name);
    assert_eq!(action(dir.path(), &[("ARGUMENTS", FAULT)]).0, 1);
    fs::rename(results("results.json"), dir.path().join("base.json")).expect("the results");
    let baseline = ("BASELINE", "base.json");
    let (code, text) = action(dir.path(), &[("ARGUMENTS", FAULT), baseline]);
    assert_eq!(code, 0, "the failures are those of the baseline: {text}");

    // The same with snapshots: first they are accepted, then one is not what the broker does.
    let kept = ("SNAPSHOTS", "kept");
    let inputs = [("ARGUMENTS", FAULT), baseline, kept];
    let accepting = [inputs.as_slice(), &[("INSTA_UPDATE", "always")]].concat();
    assert_eq!(action(dir.path(), &accepting).0, 0);
    let (code, text) = action(dir.path(), &inputs);
    assert_eq!(code, 0, "{text}");
    let snapshot = snapshots(&dir.path().join("kept"))
        .into_iter()
        .find(|path| path.ends_with("qos2/dup-before-pubrel.snap"))
        .expect("a snapshot of the scenario");
    let accepted = fs::read_to_string(&snapshot).expect("a snapshot");
    fs::write(&snapshot, accepted.replace("PUBREC", "PUBACK")).expect("a snapshot");
    let (code, text) = action(dir.path(), &inputs);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("1 changed snapshot") && text.contains("mqttspec review kept"),
        "{text}"
    );
}

#[test]
fn a_baseline_excuses_no_run_that_ended_early() {
    let dir = tempfile::tempdir().expect("a folder");
    let select = ("SELECT", "qos2/*");
    assert_eq!(action(dir.path(), &[select]).0, 0);
    let base = dir.path().join("base.json");
    fs::rename(dir.path().join("mqttspec-results/results.json"), &base).expect("the results");
    let stopped = ("ARGUMENTS", "--fault v3.1.1:MQTT-4.3.3-2 --max-fail 1");
    let (code, text) = action(dir.path(), &[select, ("BASELINE", "base.json"), stopped]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("no longer played although the new run ended early"),
        "{text}"
    );
}

/// A step of a workflow among the examples, by its name.
fn step(file: &str, job: &str, name: &str) -> String {
    let text = fs::read_to_string(root().join("ci/examples").join(file)).expect("an example");
    let workflow: Yaml = serde_yaml::from_str(&text).expect("YAML");
    let steps = workflow["jobs"][job]["steps"].as_sequence().expect("steps");
    let step = steps.iter().find(|step| step["name"].as_str() == Some(name));
    step.and_then(|step| step["run"].as_str()).expect("a script").to_owned()
}

/// Plays the parts of a run as the jobs of the example do, each into `parts`.
fn parts(folder: &Path, arguments: &str) {
    for part in ["1/4", "2/4", "3/4", "4/4"] {
        let inputs = [
            ("SHARD", part),
            ("OUTPUT", "parts"),
            ("SELECT", "qos2/*"),
            ("ARGUMENTS", arguments),
        ];
        let (code, text) = action(folder, &inputs);
        assert!(code <= 1, "{text}");
    }
}

#[test]
fn the_example_with_shards_is_red_if_a_part_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = step("github/own-broker.yml", "whole", "Put the parts together");
    // As GitHub calls it.
    let whole = |code: i32| {
        let output = bash(dir.path(), &["--noprofile", "--norc", "-eo", "pipefail", "-c", &script])
            .output()
            .expect("bash is there");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    };
    assert_eq!(whole(2).lines().count(), 1, "without any part");
    parts(dir.path(), FAULT);
    whole(1);
    // With a baseline, old failures are not red.
    fs::rename(dir.path().join("whole.json"), dir.path().join("baseline.json")).expect("the whole");
    whole(0);
    // The job of the third part died.
    fs::rename(
        dir.path().join("parts/results-3-of-4.json"),
        dir.path().join("third.json"),
    )
    .expect("a part");
    assert_eq!(whole(3), "error: shard 3 of 4 is missing\n");
    fs::remove_file(dir.path().join("baseline.json")).expect("the baseline");
    assert_eq!(whole(3), "error: shard 3 of 4 is missing\n");
}

#[test]
fn the_gitlab_template_is_red_if_a_part_is_missing() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = fs::read_to_string(root().join("ci/examples/gitlab-ci.yml")).expect("the template");
    let template: Yaml = serde_yaml::from_str(&text).expect("YAML");
    let script = template["page"]["script"][0].as_str().expect("a script");
    for part in ["1", "2"] {
        mqttspec_in(dir.path(), &["run", "-e", "ping/", "--shard", &format!("{part}/2")])
            .args(["--json", &format!("part-{part}.json")])
            .assert()
            .code(0);
    }
    let page = |code: i32| {
        let program = assert_cmd::cargo::cargo_bin("mqttspec");
        let folder = program.parent().expect("a folder").display().to_string();
        let path = std::env::var("PATH").expect("a PATH");
        bash(dir.path(), &["-c", script])
            .env("PATH", format!("{folder}:{path}"))
            .assert()
            .code(code);
    };
    page(0);
    fs::remove_file(dir.path().join("part-2.json")).expect("a part");
    page(3);
}
