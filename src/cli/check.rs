//! `mqttspec check`

use std::path::{Path, PathBuf};

use crate::report::plural;
use crate::scenario::{Files, Scenario};
use crate::source::read_file;
use crate::suite::check_known;
use crate::sut::{Known, Profile, ProfileError};
use crate::wire::Side;

use super::args::{CheckArgs, SetArgs, Tested};
use super::out::{colour, print, print_error, warn};
use super::{Exit, set};

/// Reads scenarios and profiles, and reports all that is wrong with them.
pub fn check(args: &CheckArgs) -> Exit {
    let (profiles, scenarios): (Vec<&PathBuf>, Vec<&PathBuf>) = args.paths.iter().partition(|path| is_profile(path));
    let mut exit = Exit::Ok;
    if !scenarios.is_empty() || profiles.is_empty() {
        exit = check_scenarios(&scenarios);
    }
    if !profiles.is_empty() && check_profiles(&profiles) != Exit::Ok {
        exit = Exit::Malformed;
    }
    exit
}

fn check_scenarios(paths: &[&PathBuf]) -> Exit {
    let sets = match paths {
        [] => vec![(None, Files::embedded()), (None, Files::embedded_for(Side::Client))],
        paths => paths
            .iter()
            .map(|path| {
                let files = if path.is_dir() {
                    Files::of_dir(path)
                } else {
                    Files::of_file(path)
                };
                (Some(path), files)
            })
            .collect(),
    };
    let mut diagnostics = Vec::new();
    let (mut scenarios, mut cases) = (0, 0);
    for (path, files) in &sets {
        match files.load_all() {
            Ok(loaded) => {
                if let (Some(path), []) = (path, loaded.as_slice()) {
                    warn(&format!("{}: there is no scenario (*.yaml) in it", path.display()));
                }
                scenarios += loaded.len();
                cases += loaded.iter().map(|s| s.cases.len()).sum::<usize>();
                loaded.iter().for_each(check_comment);
            }
            Err(more) => diagnostics.extend(more),
        }
    }
    if !diagnostics.is_empty() {
        return set::malformed(&diagnostics);
    }
    let are = if scenarios == 1 { "is" } else { "are" };
    print(&format!(
        "{} with {} {are} well-formed\n",
        plural(scenarios, "scenario"),
        plural(cases, "case")
    ));
    Exit::Ok
}

/// Warns of a title that a `#` cuts: to YAML, the rest of the line is a comment.
fn check_comment(scenario: &Scenario) {
    let Some(header) = scenario.cases.first().map(|case| &case.header) else {
        return;
    };
    if let Some((line, column)) = cut_title(&header.source.text) {
        let place = format!("{}:{line}:{column}", header.source.file);
        warn(&format!(
            "{place}: the title ends before `#`, which begins a comment; quote it if it is meant"
        ));
    }
}

/// The line and column, from 1, of a comment behind a title without quotes.
fn cut_title(text: &str) -> Option<(usize, usize)> {
    let (index, line) = (text.lines().enumerate()).find(|(_, line)| line.starts_with("title:"))?;
    let value = line["title:".len()..].trim_start();
    let at = line
        .find(" #")
        .filter(|_| !value.starts_with(['"', '\'', '#', '|', '>']))?;
    Some((index + 1, line[..at].chars().count() + 2))
}

/// Whether a file is a profile, or a list of expected failures, by its first keys: a scenario has others. A folder is one of
/// scenarios.
fn is_profile(path: &Path) -> bool {
    let text = read_file(path).unwrap_or_default();
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let has = |key: &str| keys.contains(&key);
    let of_scenario = ["format", "title", "steps", "clients", "proves"];
    let of_profile = [
        "name",
        "client",
        "mqtt",
        "process",
        "known",
        "known_from",
        "supports",
        "login",
    ];
    of_profile.iter().any(|key| has(key)) && !of_scenario.iter().any(|key| has(key))
}

fn check_profiles(paths: &[&PathBuf]) -> Exit {
    let of_side = |tests| {
        set::ids(&SetArgs {
            tests: Some(tests),
            ..SetArgs::default()
        })
    };
    let (Ok(mut ids), Ok(of_clients)) = (of_side(Tested::Broker), of_side(Tested::Client)) else {
        return Exit::Malformed;
    };
    ids.extend(of_clients);
    let mut exit = Exit::Ok;
    let mut good = 0;
    for path in paths {
        match expected_failures(path) {
            Ok(known) => {
                let diagnostics = check_known(&known, ids.iter().map(String::as_str));
                if diagnostics.is_empty() {
                    good += 1;
                } else {
                    exit = set::malformed(&diagnostics);
                }
            }
            Err(error) => {
                print_error(&error.render(colour()));
                exit = Exit::Malformed;
            }
        }
    }
    if good > 0 {
        let are = if good == 1 { "is" } else { "are" };
        print(&format!("{} {are} well-formed\n", plural(good, "profile")));
    }
    exit
}

/// The expected failures of a profile, or of a file with nothing else.
fn expected_failures(path: &Path) -> Result<Vec<std::sync::Arc<Known>>, ProfileError> {
    let text = read_file(path).unwrap_or_default();
    let is_profile = text.lines().any(|line| {
        ["name:", "client:", "mqtt:", "process:"]
            .iter()
            .any(|key| line.starts_with(key))
    });
    if is_profile {
        Ok(Profile::read(path)?.known)
    } else {
        Known::parse(&text, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_that_a_comment_cuts_has_a_place() {
        assert_eq!(cut_title("format: 1\ntitle: A filter with # before\n"), Some((2, 22)));
        for whole in [
            "title: A filter with#out\n",
            "title: \"A filter with # before\"\n",
            "title: 'A # b'\n",
            "about: a # b\ntitle: A\n",
            "title: # nothing\n",
        ] {
            assert_eq!(cut_title(whole), None, "{whole}");
        }
    }

    #[test]
    fn a_profile_is_told_from_a_scenario_by_its_keys() {
        let dir = tempfile::tempdir().unwrap();
        let is = |text: &str| {
            let file = dir.path().join("a.yaml");
            std::fs::write(&file, text).unwrap();
            is_profile(&file)
        };
        assert!(is("name: x\nmqtt: mqtt://h\n"));
        assert!(is("# A list\nknown:\n  - because: x\n"));
        assert!(is("name: x\nproces: {}\n"));
        assert!(!is("format: 1\ntitle: T\nname: x\n"));
        assert!(!is("titel: T\n") && !is("") && !is("[1]\n"));
        assert!(!is_profile(dir.path()));
    }
}
