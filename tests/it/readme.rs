//! The documentation is correct: README.md, CONTRIBUTING.md, CHANGELOG.md and `docs/*.md`.
//!
//! Blocks tagged `sh` are run here, from the root of the repository. Blocks tagged `sh norun` and `sh broker` are parsed
//! with the definition of the command line; `ci/readme-brokers.sh` runs the latter, because they need a broker. Every link
//! between files leads to a file, and to a heading in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use assert_cmd::Command;
use clap::Parser as _;
use mqttspec::cli::Cli;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A page: its path below the root, and its text.
type Page = (PathBuf, String);

fn pages() -> Vec<Page> {
    let root = Path::new(ROOT);
    let mut files: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(PathBuf::from)
        .into();
    for entry in fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = fs::read_to_string(root.join(&file)).unwrap();
            (file, text)
        })
        .collect()
}

fn events(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

/// The lines of all code blocks with this tag, each with its page.
fn lines(tag: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for (file, text) in pages() {
        let mut inside = false;
        for event in events(&text) {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => inside = info.as_ref() == tag,
                Event::End(TagEnd::CodeBlock) => inside = false,
                Event::Text(code) if inside => found.extend(
                    code.lines()
                        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
                        .map(|line| (file.clone(), line.to_owned())),
                ),
                _ => {}
            }
        }
    }
    found
}

/// The arguments of a line that runs mqttspec, with or without cargo.
fn arguments(line: &str) -> Option<Vec<String>> {
    let line = line.split(" # ").next().unwrap_or(line).trim();
    let rest = line
        .strip_prefix("cargo run --release -- ")
        .or(line.strip_prefix("mqttspec "))?;
    Some(
        rest.split_whitespace()
            .filter(|word| *word != "&")
            .map(|word| word.trim_matches(['\'', '"']).to_owned())
            .collect(),
    )
}

#[test]
fn the_program_accepts_every_command() {
    let all: Vec<_> = ["sh", "sh broker", "sh norun"].into_iter().flat_map(lines).collect();
    assert!(all.len() > 10, "the documentation shows too few commands");
    for (file, line) in all {
        if let Some(arguments) = arguments(&line) {
            let words = std::iter::once("mqttspec".to_owned()).chain(arguments);
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{}: `{line}`: {error}", file.display());
            }
        }
    }
}

#[test]
fn commands_in_the_documentation_succeed() {
    for (file, line) in lines("sh") {
        // `cargo test` runs this very test.
        let Some(arguments) = arguments(&line) else { continue };
        let expected: i32 = line
            .split("# exit ")
            .nth(1)
            .map_or(0, |code| code.trim().parse().expect("a number"));
        let output = Command::cargo_bin("mqttspec")
            .expect("the program is built")
            .current_dir(ROOT)
            .args(arguments)
            .output()
            .expect("the program starts");
        assert_eq!(
            output.status.code(),
            Some(expected),
            "{}: `{line}`: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// The tutorial is played from top to bottom in an empty folder. A block `yaml FILE` is written to that file. In a block
/// `console`, a line `$ mqttspec ...` is run, and the lines below it are its output: `...` is any number of lines, and
/// measured times may differ.
#[test]
fn the_tutorial_shows_what_happens() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(Path::new(ROOT).join("docs/first-scenario.md")).unwrap();
    let mut info = String::new();
    let mut code = String::new();
    let mut commands = 0;
    for event in events(&text) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(found))) => {
                info = found.into_string();
                code.clear();
            }
            Event::Text(text) => code.push_str(&text),
            Event::End(TagEnd::CodeBlock) => {
                if let Some(file) = info.strip_prefix("yaml ") {
                    let file = folder.path().join(file);
                    fs::create_dir_all(file.parent().unwrap()).unwrap();
                    fs::write(file, &code).unwrap();
                } else if info == "console" {
                    for session in code.split("$ mqttspec ").skip(1) {
                        let (command, expected) = session.split_once('\n').unwrap();
                        shows(folder.path(), command, expected);
                        commands += 1;
                    }
                }
            }
            _ => {}
        }
    }
    assert!(commands >= 7, "only {commands} commands");
}

fn shows(folder: &Path, command: &str, expected: &str) {
    let output = Command::cargo_bin("mqttspec")
        .expect("the program is built")
        .current_dir(folder)
        .env("MQTTSPEC_STATE", folder)
        .args(command.split_whitespace())
        .output()
        .expect("the program starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    let came: Vec<String> = text.trim_end().lines().map(steady).collect();
    let mut rest = came.as_slice();
    let mut skips = false;
    for line in expected.lines() {
        if line == "..." {
            skips = true;
            continue;
        }
        let line = steady(line);
        let at = rest.iter().position(|came| *came == line);
        match at {
            Some(at) if skips || at == 0 => rest = &rest[at + 1..],
            _ => panic!("`{command}` does not print `{line}` there, but:\n{text}"),
        }
        skips = false;
    }
    assert!(skips || rest.is_empty(), "`{command}` prints more:\n{text}");
}

/// The line without the times that were measured: `0.019s` becomes `<time>`.
fn steady(line: &str) -> String {
    let is_time = |word: &str| {
        word.strip_suffix('s')
            .is_some_and(|time| time.contains('.') && time.parse::<f64>().is_ok())
    };
    let words = line.trim_end().split(' ');
    let words: Vec<&str> = words.map(|word| if is_time(word) { "<time>" } else { word }).collect();
    words.join(" ")
}

#[test]
fn every_link_leads_somewhere() {
    let anchors: BTreeMap<PathBuf, BTreeSet<String>> = pages()
        .iter()
        .map(|(file, text)| (file.clone(), anchors(text)))
        .collect();
    let mut dead = Vec::new();
    for (file, text) in pages() {
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                file.clone()
            } else {
                normal(&file.with_file_name(path))
            };
            let leads = Path::new(ROOT).join(&target).exists()
                && (anchor.is_empty() || anchors.get(&target).is_some_and(|all| all.contains(anchor)));
            if !leads {
                dead.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

/// The index, and therefore the book, has every page.
#[test]
fn the_index_names_every_page() {
    let index = fs::read_to_string(Path::new(ROOT).join("docs/README.md")).unwrap();
    let named: BTreeSet<String> = links(&index).into_iter().collect();
    for (file, _) in pages().iter().filter(|(file, _)| file.starts_with("docs")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(
            name == "README.md" || named.contains(name),
            "docs/README.md does not name {name}"
        );
    }
}

/// The targets of the links and images of a page, without those on other hosts.
fn links(text: &str) -> Vec<String> {
    events(text)
        .filter_map(|event| match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
            _ => None,
        })
        .filter(|link| !link.contains(':'))
        .collect()
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in events(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|heading| slug(&heading))),
            _ => {}
        }
    }
    anchors
}

fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}
