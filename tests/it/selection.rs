//! `-e` accepts the id of a case, with or without its version, and former names of both.

use assert_cmd::Command;

fn listed(glob: &str) -> Vec<String> {
    let mut command = Command::cargo_bin("mqttspec").expect("the program is built");
    let output = command.args(["list", "-e", glob]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it is text");
    let ids = text.lines().filter_map(|line| line.split_whitespace().next());
    ids.filter(|id| id.contains('@')).map(str::to_owned).collect()
}

#[test]
fn a_row_is_named_without_its_version() {
    let rows = [
        "retain/wildcard[hash]@v3.1",
        "retain/wildcard[hash]@v3.1.1",
        "retain/wildcard[hash]@v5",
    ];
    assert_eq!(listed("retain/wildcard[hash]"), rows);
}

#[test]
fn a_former_name_selects_the_present_row() {
    let row = |version: &str| format!("session/resume-open-qos-1[restart]@{version}");
    let rows = ["v3.1", "v3.1.1", "v5"].map(row);
    assert_eq!(listed("session/restart-open-qos-1"), rows);
    assert_eq!(listed("session/restart-open-qos-1@v5"), [row("v5")]);
}
