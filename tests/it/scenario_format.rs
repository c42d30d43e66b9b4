//! `mqttspec fmt`: its output, that it changes no case, and that a second run changes nothing.
//!
//! Golden files are in `fixtures/format`: `NAME.yaml` becomes `NAME.formatted`. With `MQTTSPEC_BLESS=1` they are written
//! instead of compared; read them before they are committed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use mqttspec::scenario::{Files, Source, format};

const GOOD: &str =
    "format: 1\ntitle: T\nversions: [v5]\nclients: { c: {} }\nsteps:\n  - c -> PINGREQ\n  - c <- PINGRESP\n";

fn formatted(text: &str) -> String {
    let source = Arc::new(Source {
        file: "a.yaml".to_owned(),
        text: text.to_owned(),
    });
    format(&source, "a").unwrap_or_else(|errors| panic!("{}\nof\n{text}", errors[0]))
}

#[test]
fn golden_files() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format");
    let bless = std::env::var_os("MQTTSPEC_BLESS").is_some();
    let mut count = 0;
    for entry in fs::read_dir(&dir).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        count += 1;
        let found = formatted(&fs::read_to_string(&file).unwrap());
        assert_eq!(formatted(&found), found, "{} twice", file.display());
        let golden = file.with_extension("formatted");
        if bless {
            fs::write(&golden, &found).unwrap();
        } else {
            assert_eq!(found, fs::read_to_string(&golden).unwrap(), "{}", file.display());
        }
    }
    assert!(count >= 2, "only {count} files");
}

/// The same file in another format: top-level keys in another order, more blank lines and blanks, other line ends.
fn disturbed(text: &str, seed: usize) -> String {
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines() {
        let begins = line.starts_with(|c: char| c.is_ascii_lowercase());
        match parts.last_mut() {
            Some(part) if !begins => part.extend([line, "\n"]),
            _ => parts.push(format!("{line}\n")),
        }
    }
    // Lines above the first key stay there.
    let keys = usize::from(text.starts_with('#'));
    let count = parts.len() - keys;
    parts[keys..].rotate_left(seed % count);
    if seed.is_multiple_of(2) {
        parts[keys..].reverse();
    }
    let mut all = String::from("\u{feff}\n\n");
    for line in parts.concat().lines() {
        let is_key = line.ends_with(':') && line.starts_with(|c: char| c.is_ascii_lowercase());
        all.push_str(line);
        all.push_str(if seed.is_multiple_of(3) { "\r\n" } else { "\n" });
        if is_key {
            all.push_str("\n\n");
        }
    }
    all
}

#[test]
fn formatting_changes_no_case_of_the_shipped_scenarios() {
    let mut all = Files::embedded().formatted();
    assert!(all.len() > 100);
    all.extend(Files::embedded_for(mqttspec::wire::Side::Client).formatted());
    for (seed, one) in all.into_iter().enumerate() {
        let text = one.text.unwrap_or_else(|errors| panic!("{}", errors[0]));
        assert_eq!(formatted(&text), text, "{} twice", one.path);
        assert_eq!(formatted(&disturbed(&text, seed)), text, "{} disturbed", one.path);
    }
}

#[test]
fn a_folder_is_checked_and_formatted_except_for_malformed_files() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("mqttspec").unwrap();
        command.arg("fmt").args(args).arg(dir.path()).output().unwrap()
    };
    fs::write(at("good.yaml"), GOOD).unwrap();
    assert_eq!(run(&["--check"]).status.code(), Some(0));
    let loose = GOOD.replace("title: T", "title:   'T'").replace('\n', "\r\n");
    fs::write(at("loose.yaml"), &loose).unwrap();
    let checked = run(&["--check"]);
    assert_eq!(checked.status.code(), Some(1));
    let listed = String::from_utf8(checked.stdout).unwrap();
    assert!(
        listed.ends_with("loose.yaml\n") && listed.lines().count() == 1,
        "{listed}"
    );
    assert!(
        String::from_utf8(run(&["--diff"]).stdout)
            .unwrap()
            .contains("+title: T\n")
    );
    assert_eq!(fs::read_to_string(at("loose.yaml")).unwrap(), loose);
    let bad = GOOD.replace("PINGREQ", "PINGREK");
    fs::write(at("bad.yaml"), &bad).unwrap();
    let written = run(&[]);
    assert_eq!(written.status.code(), Some(3));
    let errors = String::from_utf8(written.stderr).unwrap();
    assert!(errors.contains("bad.yaml:6:10") && errors.contains('^'), "{errors}");
    assert_eq!(fs::read_to_string(at("bad.yaml")).unwrap(), bad);
    assert_eq!(fs::read_to_string(at("loose.yaml")).unwrap(), GOOD);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let run = |text: &str| {
        let mut command = Command::cargo_bin("mqttspec").unwrap();
        command.args(["fmt", "-"]).write_stdin(text).output().unwrap()
    };
    assert_eq!(run(&GOOD.replace("  - ", "-   ")).stdout, GOOD.as_bytes());
    for hostile in [
        "",
        "a: [",
        "a: \t- b",
        "- &a [*a]",
        "\0",
        &"[".repeat(10_000),
        &"a: ".repeat(500),
    ] {
        let out = run(hostile);
        assert_eq!(out.status.code(), Some(3), "{hostile:.20}");
        assert!(out.stdout.is_empty() && !out.stderr.is_empty());
    }
}
