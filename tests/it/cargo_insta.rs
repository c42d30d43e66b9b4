//! cargo-insta can review the snapshots of a run: it lists, accepts and rejects them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::command::mqttspec_in;

const RUN: [&str; 5] = ["run", "-e", "ping/", "--snapshots", "snapshots"];

/// Runs cargo-insta in a folder, expects success, and returns its output.
fn cargo_insta(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("cargo-insta")
        .arg("insta")
        .args(arguments)
        .current_dir(folder)
        .env_remove("INSTA_UPDATE")
        .output()
        .unwrap_or_else(|e| panic!("cargo-insta cannot be started: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "cargo insta {arguments:?}: {said}");
    said
}

/// The files below `snapshots/reference/ping` whose names have this ending, with their text.
fn files(folder: &Path, ending: &str) -> Vec<(String, String)> {
    let mut found: Vec<_> = fs::read_dir(folder.join("snapshots/reference/ping"))
        .expect("the run has left snapshots")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a snapshot"))
        })
        .collect();
    found.sort();
    found
}

/// Runs a few cases, and expects this exit code.
fn run(folder: &Path, code: i32) {
    let mut command = mqttspec_in(folder, &RUN);
    let output = command.env_remove("INSTA_UPDATE").output().expect("the program starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(code), "{said}");
}

#[test]
#[ignore = "needs cargo-insta"]
fn cargo_insta_reviews_the_snapshots_of_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // cargo-insta looks for snapshots in a package.
    let package = "[package]\nname = \"snapshots\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    fs::write(folder.join("Cargo.toml"), package).expect("a file");
    fs::create_dir(folder.join("src")).expect("a folder");
    fs::write(folder.join("src/lib.rs"), "").expect("a file");

    // New snapshots: all of them are found and accepted.
    run(folder, 1);
    let left = files(folder, ".snap.new");
    assert!(left.len() > 1, "{left:?}");
    let seen = cargo_insta(folder, &["pending-snapshots"]);
    for (name, _) in &left {
        assert!(seen.contains(name.trim_end_matches(".new")), "{name}: {seen}");
    }
    cargo_insta(folder, &["accept"]);
    assert_eq!(files(folder, ".snap.new"), []);
    let accepted = files(folder, ".snap");
    let texts = |files: &[(String, String)]| files.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&accepted), texts(&left));
    run(folder, 0);

    // Changed snapshots: the review shows the difference, and a rejected snapshot is removed.
    let (name, text) = &accepted[0];
    let file = folder.join("snapshots/reference/ping").join(name);
    let old = text.replacen("verdict: pass", "verdict: fail", 1);
    assert_ne!(&old, text);
    fs::write(&file, &old).expect("a snapshot");
    run(folder, 1);
    // A single snapshot is shown by its name, without an interactive terminal.
    let one = format!("snapshots/reference/ping/{name}");
    let seen = cargo_insta(folder, &["review", "--snapshot", &one]);
    assert!(
        seen.contains("verdict: fail") && seen.contains("verdict: pass"),
        "{seen}"
    );
    cargo_insta(folder, &["reject"]);
    assert_eq!(files(folder, ".snap.new"), []);
    assert_eq!(fs::read_to_string(&file).expect("a snapshot"), old);
    run(folder, 1);
    cargo_insta(folder, &["accept"]);
    assert_eq!(fs::read_to_string(&file).expect("a snapshot"), *text);
    run(folder, 0);
}
