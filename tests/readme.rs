//! What the README tells a reader to type: blocks tagged `sh` are run here, blocks tagged `sh norun` are parsed against the
//! command line's definition. (Blocks tagged `sh broker` are run by `.ci/run`, which has a broker.)

use std::path::Path;

use assert_cmd::Command;
use clap::Parser;
use mqttspec::cli::Cli;

fn blocks(tag: &str) -> Vec<String> {
    let readme = include_str!("../README.md");
    let mut lines = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.strip_prefix("```") {
            Some(found) => inside = !inside && found.trim() == tag,
            None if inside && !line.trim().is_empty() && !line.starts_with('#') => lines.push(line.to_owned()),
            None => {}
        }
    }
    lines
}

/// The arguments of a line that runs mqttspec, however it is started.
fn arguments(line: &str) -> Option<Vec<String>> {
    let line = line.split(" # ").next().unwrap_or(line).trim();
    let rest = line
        .strip_prefix("cargo run --release -- ")
        .or(line.strip_prefix("mqttspec "))?;
    Some(
        rest.split_whitespace()
            .map(|word| word.trim_matches(['\'', '"']).to_owned())
            .collect(),
    )
}

#[test]
fn every_command_is_one_that_the_program_takes() {
    let all: Vec<String> = ["sh", "sh broker", "sh norun"].into_iter().flat_map(blocks).collect();
    assert!(all.len() > 10, "the README shows hardly a command");
    for line in all {
        if let Some(arguments) = arguments(&line) {
            let words = std::iter::once("mqttspec".to_owned()).chain(arguments);
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("README.md: `{line}`: {error}");
            }
        }
    }
}

#[test]
fn what_a_reader_can_run_does_what_it_says() {
    for line in blocks("sh") {
        // `cargo test` is what runs this very test.
        let Some(arguments) = arguments(&line) else { continue };
        let expected: i32 = line
            .split("# exit ")
            .nth(1)
            .map_or(0, |code| code.trim().parse().expect("a number"));
        Command::cargo_bin("mqttspec")
            .expect("the program is built")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .args(arguments)
            .assert()
            .code(expected);
    }
}
