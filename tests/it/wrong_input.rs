//! Slips on the command line: each gives one message that says what was probably meant, before anything is played.

use std::fs;
use std::path::Path;

use crate::support::command::mqttspec_in;

/// The exit code of the program in a folder, and its standard error.
fn told(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = mqttspec_in(folder, arguments).output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("no signal ends it"), text)
}

/// One error with this text and exit code.
fn refused(arguments: &[&str], code: i32, message: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(
        told(dir.path(), arguments),
        (code, format!("error: {message}\n")),
        "{arguments:?}"
    );
}

#[test]
fn an_address_without_its_scheme() {
    for address in ["127.0.0.1:18831", "localhost:18831"] {
        let message = format!("there is no profile `{address}`; did you mean `mqtt://{address}`?");
        refused(&["run", address], 2, &message);
    }
}

#[test]
fn a_folder_without_its_slash_is_the_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let list = |select: &str| {
        let output = mqttspec_in(dir.path(), &["list", "-e", select]).assert().code(0);
        output.get_output().stdout.clone()
    };
    assert_eq!(list("ping"), list("ping/"));
    assert_ne!(list("ping"), list("ping/answered"));
}

#[test]
fn a_selection_that_fits_nothing_says_which_option_and_what_is_near() {
    refused(
        &["run", "--statement", "MQTT-4.3.3-99"],
        4,
        "no statement fits `MQTT-4.3.3-99`; did you mean `MQTT-4.3.3-9`?",
    );
    refused(
        &["run", "--statement", "MQTT-9*"],
        4,
        "no statement fits `MQTT-9*`; `mqttspec coverage` lists them",
    );
    refused(
        &["run", "--mqtt", "v3.1", "--statement", "v5:MQTT-4.3.3-2"],
        4,
        "no case fits all of `--mqtt v3.1 --statement v5:MQTT-4.3.3-2` at once",
    );
    let dir = tempfile::tempdir().expect("a folder");
    let (code, text) = told(dir.path(), &["run", "--tag", "timin"]);
    assert_eq!(code, 4);
    assert!(
        text.starts_with("error: no case has the tag `timin`; did you mean `timing`? tags: ")
            && text.lines().count() == 1,
        "{text}"
    );
}

#[test]
fn a_statement_is_found_in_any_letters_and_in_its_brackets() {
    let dir = tempfile::tempdir().expect("a folder");
    let list = |id: &str| {
        let output = mqttspec_in(dir.path(), &["list", "--statement", id]).assert().code(0);
        output.get_output().stdout.clone()
    };
    let right = list("MQTT-4.3.3-10");
    assert_eq!(list("mqtt-4.3.3-10"), right);
    assert_eq!(list("[MQTT-4.3.3-10]"), right);
}

#[test]
fn explain_takes_what_is_written_in_other_ways() {
    let dir = tempfile::tempdir().expect("a folder");
    let explain = |word: &str| {
        let output = mqttspec_in(dir.path(), &["explain", word]).assert().code(0);
        String::from_utf8_lossy(&output.get_output().stdout).into_owned()
    };
    let one = explain("v5:MQTT-4.3.3-10");
    assert!(one.starts_with("v5:MQTT-4.3.3-10\n"), "{one}");
    for other in ["v5:mqtt-4.3.3-10", "[v5:MQTT-4.3.3-10]", "v5:4.3.3-10"] {
        assert_eq!(explain(other), one, "{other}");
    }
    // Without a version: at each that has it.
    let both = explain("mqtt-4.3.3-2");
    assert!(
        both.starts_with("v3.1.1:MQTT-4.3.3-2\n") && both.contains("\nv5:MQTT-4.3.3-2\n"),
        "{both}"
    );
    // The source of the reference broker is of interest to few.
    assert!(!one.contains("src/reference/"), "{one}");
    let output = mqttspec_in(dir.path(), &["explain", "-v", "v5:MQTT-4.3.3-10"])
        .assert()
        .code(0);
    let verbose = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(
        verbose.contains("\n  crates/reference/src/reference/core/publish.rs:"),
        "{verbose}"
    );
    // A section, and a pattern: a list.
    let section = explain("v5:4.3.3");
    assert!(
        section.lines().any(|line| line.starts_with("v5:MQTT-4.3.3-10  MUST")),
        "{section}"
    );
    assert!(explain("v5:MQTT-4.3.3-*").lines().all(|line| section.contains(line)));
    refused(
        &["explain", "v5:MQTT-4.3.3-99"],
        2,
        "no statement fits `v5:MQTT-4.3.3-99`; did you mean `v5:MQTT-4.3.3-9`?",
    );
}

#[test]
fn coverage_can_be_narrowed() {
    let dir = tempfile::tempdir().expect("a folder");
    let coverage = |arguments: &[&str]| {
        let output = mqttspec_in(dir.path(), &[&["coverage"], arguments].concat())
            .assert()
            .code(0);
        String::from_utf8_lossy(&output.get_output().stdout).into_owned()
    };
    let statements = |text: &str| -> Vec<String> {
        let rows = text.lines().take_while(|line| !line.is_empty());
        rows.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let section = coverage(&["--statement", "v5:4.3.3", "--statement", "v3.1.1:MQTT-4.3.3-*"]);
    let rows = statements(&section);
    assert!(rows.contains(&"v5:MQTT-4.3.3-10".to_owned()), "{section}");
    assert!(rows.contains(&"v3.1.1:MQTT-4.3.3-2".to_owned()), "{section}");
    assert!(rows.iter().all(|row| row.contains("4.3.3")), "{section}");
    // The figures are those of the rows, without the parts that have none.
    let all = section.lines().find(|line| line.starts_with("all  ")).unwrap();
    assert_eq!(
        all.split_whitespace().nth(1),
        Some(&*rows.len().to_string()),
        "{section}"
    );
    assert!(!section.contains("v3.1 unnumbered"), "{section}");
    // A gap is a statement that an exchange could show.
    let gaps = coverage(&["--gaps"]);
    let all = coverage(&[]);
    assert!(statements(&gaps).len() < statements(&all).len() / 4, "{gaps}");
    let mut rows = gaps
        .lines()
        .filter(|line| line.starts_with("v5:") || line.starts_with("v3.1"));
    assert!(
        rows.all(|row| !row.ends_with(" caught") && !row.contains("only a client that meets")),
        "{gaps}"
    );
    // A statement of which no case shows a violation is one: here there are no scenarios but one.
    fs::create_dir(dir.path().join("own")).expect("a folder");
    let one = "format: 1\ntitle: A PINGREQ is answered\nversions: [v5]\nproves: [MQTT-3.12.4-1]\nclients: { c: {} }\n\
               steps:\n  - c -> PINGREQ\n  - c <- PINGRESP\n";
    fs::write(dir.path().join("own/ping.yaml"), one).expect("a file");
    let gaps = coverage(&["--scenarios", "own", "--gaps", "--statement", "v5:MQTT-4.3.3-10"]);
    assert_eq!(statements(&gaps), ["v5:MQTT-4.3.3-10"]);
    refused(
        &["coverage", "--statement", "MQTT-4.3.3-99"],
        4,
        "no statement fits `MQTT-4.3.3-99`; did you mean `MQTT-4.3.3-9`?",
    );
}

/// A shell asks the program for the scenarios and statements.
#[test]
fn a_shell_completes_scenarios_and_statements() {
    let dir = tempfile::tempdir().expect("a folder");
    let offered = |words: &[&str]| -> Vec<String> {
        let output = mqttspec_in(dir.path(), &["--", "mqttspec"])
            .args(words)
            .env("MQTTSPEC_COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
            .env("_CLAP_IFS", "\n")
            .assert()
            .code(0);
        let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        text.lines().map(str::to_owned).collect()
    };
    assert_eq!(offered(&["run", "-e", "qos2/dup-before"]), ["qos2/dup-before-pubrel"]);
    assert_eq!(offered(&["show", "ping/answ"]), ["ping/answered"]);
    assert_eq!(offered(&["list", "--statement", "MQTT-3.12.4-"]), ["MQTT-3.12.4-1"]);
    assert_eq!(offered(&["explain", "v5:MQTT-3.12.4"]), ["v5:MQTT-3.12.4-1"]);
    assert_eq!(offered(&["cover"]), ["coverage"]);
    let output = mqttspec_in(dir.path(), &["completions", "zsh"]).assert().code(0);
    let script = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(script.contains("MQTTSPEC_COMPLETE=\"zsh\""), "{script}");
}

#[test]
fn numbers_and_times_that_cannot_be() {
    let dir = tempfile::tempdir().expect("a folder");
    for (arguments, says) in [
        (["run", "--jobs", "0"], "a number from 1 to 1024"),
        (["run", "--jobs", "1025"], "a number from 1 to 1024"),
        (["run", "--response-timeout", "0s"], "it cannot be 0"),
        (["run", "--patience", "0s"], "it cannot be 0"),
        (["run", "--total-timeout", "0s"], "it cannot be 0"),
        (["run", "--name", "a b"], "at most 64 letters"),
    ] {
        let (code, text) = told(dir.path(), &arguments);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn a_report_can_go_to_standard_output() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = mqttspec_in(dir.path(), &["run", "-e", "ping/answered", "--json", "-"])
        .assert()
        .code(0);
    let output = output.get_output();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(json["summary"]["pass"], 3);
    assert!(String::from_utf8_lossy(&output.stderr).contains("3 cases against reference"));
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 0);
    let two = ["run", "-e", "ping/answered", "--json", "-", "--junit", "-"];
    refused(&two, 2, "only one report can go to standard output");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("file"), "").expect("a file");
    for (option, file, code) in [
        ("--json", "file/x.json", 5),
        ("--html", ".", 2),
        ("--junit", "file/x.xml", 5),
        ("--pcap", ".", 2),
        ("--write-known", ".", 2),
    ] {
        let output = mqttspec_in(dir.path(), &["run", "-e", "ping/answered", option, file])
            .assert()
            .code(code);
        let output = output.get_output();
        assert!(output.stdout.is_empty(), "nothing is played: {option}");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.starts_with(&format!("error: cannot write {file}: ")), "{text}");
    }
    // The attempt changes nothing: what is there stays, and what is not there does not appear.
    fs::write(dir.path().join("old.json"), "old").expect("a file");
    let refused = [
        "run",
        "-e",
        "ping/no-such-case",
        "--json",
        "old.json",
        "--html",
        "new.html",
    ];
    mqttspec_in(dir.path(), &refused).assert().code(4);
    assert_eq!(fs::read_to_string(dir.path().join("old.json")).expect("a file"), "old");
    assert!(!dir.path().join("new.html").exists());
}

#[test]
fn folders_of_files_are_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let there = |file: &str| dir.path().join(file).is_file();
    let run = [
        "run",
        "-e",
        "ping/answered",
        "--json",
        "a/b/run.json",
        "--pcap",
        "c/run.pcapng",
    ];
    mqttspec_in(dir.path(), &run).assert().code(0);
    assert!(there("a/b/run.json") && there("c/run.pcapng"));
    mqttspec_in(dir.path(), &["new", "mine/retain/clear.yaml"])
        .assert()
        .code(0);
    assert!(there("mine/retain/clear.yaml"));
    mqttspec_in(dir.path(), &["check", "mine"]).assert().code(0);
    mqttspec_in(
        dir.path(),
        &["import", "c/run.pcapng", "--stream", "0", "-o", "mine/field/ping.yaml"],
    )
    .assert()
    .code(0);
    assert!(there("mine/field/ping.yaml"));
}

#[test]
fn a_scenario_file_with_a_name_that_none_can_have() {
    refused(
        &["new", "mine/X_y.yaml"],
        2,
        "mine/X_y.yaml: the name of a scenario file consists of a to z, 0 to 9 and `-`, and ends in .yaml",
    );
}

#[test]
fn review_without_the_folder() {
    let message = "there is no such folder or file; `mqttspec review DIR` takes that of `run --snapshots DIR`";
    refused(&["review"], 2, &format!("snapshots: {message}"));
    refused(&["accept", "nix"], 2, &format!("nix: {message}"));
}

#[test]
fn check_warns_of_what_is_most_likely_a_slip() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("empty")).expect("a folder");
    let warning = "warning: empty: there is no scenario (*.yaml) in it\n";
    assert_eq!(told(dir.path(), &["check", "empty"]), (0, warning.to_owned()));
    let scenario = "format: 1\ntitle: A filter with # before its end\nversions: [v5]\nproves: [MQTT-3.12.4-1]\n\
                    clients: { c: {} }\nsteps:\n  - c -> PINGREQ\n  - c <- PINGRESP\n";
    fs::write(dir.path().join("cut.yaml"), scenario).expect("a file");
    let warning =
        "warning: cut.yaml:2:22: the title ends before `#`, which begins a comment; quote it if it is meant\n";
    assert_eq!(told(dir.path(), &["check", "cut.yaml"]), (0, warning.to_owned()));
}

#[test]
fn check_takes_profiles_and_names_what_was_meant() {
    let dir = tempfile::tempdir().expect("a folder");
    let profile = "name: x\nmqtt: mqtt://127.0.0.1:1\nknown:\n  - { case: ping/answred@v5, fails: MQTT-3.12.4-1, because: x, see: y }\n";
    fs::write(dir.path().join("p.yaml"), profile).expect("a file");
    let expected = "error: no case fits `ping/answred@v5`
 --> p.yaml:4:13
  |
4 |   - { case: ping/answred@v5, fails: MQTT-3.12.4-1, because: x, see: y }
  |             ^^^^^^^^^^^^^^^
  |
  = help: did you mean `ping/answered@v5`?
";
    assert_eq!(told(dir.path(), &["check", "p.yaml"]), (3, expected.to_owned()));
    fs::write(dir.path().join("p.yaml"), profile.replace("answred", "answered")).expect("a file");
    let output = mqttspec_in(dir.path(), &["check", "p.yaml"]).assert().code(0);
    assert_eq!(output.get_output().stdout, b"1 profile is well-formed\n");
    fs::write(dir.path().join("p.yaml"), profile.replace("mqtt:", "mqt:")).expect("a file");
    let (code, text) = told(dir.path(), &["check", "p.yaml"]);
    assert!(code == 3 && text.contains("help: did you mean `mqtt`?"), "{text}");
    let list = format!("known{}", profile.split_once("known").map_or("", |(_, rest)| rest));
    fs::write(dir.path().join("list.yaml"), list).expect("a file");
    let (code, text) = told(dir.path(), &["check", "list.yaml"]);
    assert!(code == 3 && text.contains("list.yaml:2:13"), "{text}");
}
