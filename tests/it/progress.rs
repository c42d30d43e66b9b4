//! The line of progress on terminals of several widths. `script` of util-linux provides the terminal.

use std::process::Command;

/// What a run writes to a terminal with this many columns, whose `TERM` is this. `more` comes behind the command.
fn on_terminal(columns: u16, term: &str, more: &str) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    let program = assert_cmd::cargo::cargo_bin("mqttspec");
    let run = format!(
        "stty rows 24 cols {columns}; {} run -e qos2/ -e properties/ {more}",
        program.display()
    );
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &run, "/dev/null"])
        .current_dir(dir.path())
        .env("TERM", term)
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .output()
        .expect("util-linux is installed");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The texts that are drawn as the line of progress.
fn drawn(text: &str) -> Vec<String> {
    let plain = anstream::adapter::strip_str(text).to_string();
    let lines = plain.split(['\r', '\n']).map(str::trim_end);
    let is_progress = |line: &&str| line.starts_with('[') && line.contains('/');
    lines.filter(is_progress).map(str::to_owned).collect()
}

#[test]
fn the_line_is_never_longer_than_the_terminal() {
    for columns in [30, 60, 80] {
        let text = on_terminal(columns, "xterm", "");
        let lines = drawn(&text);
        assert!(!lines.is_empty(), "{columns}: {text}");
        for line in lines {
            assert!(line.chars().count() <= usize::from(columns), "{columns}: {line}");
        }
    }
}

#[test]
fn it_is_on_standard_error_if_standard_output_is_a_file() {
    assert!(!drawn(&on_terminal(80, "xterm", "> out")).is_empty());
}

#[test]
fn a_dumb_terminal_has_none() {
    let text = on_terminal(80, "dumb", "");
    assert!(drawn(&text).is_empty() && !text.contains("\u{1b}[2K"), "{text}");
}
