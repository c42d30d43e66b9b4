//! The profiles that are part of the project.

use std::path::{Path, PathBuf};

use mqttspec::scenario::{Files, Outline};
use mqttspec::source::render_all;
use mqttspec::suite::check_known;
use mqttspec::sut::{Profile, Ruling};

/// The profiles of `ci/brokers`, and their files.
fn committed() -> Vec<(PathBuf, Profile)> {
    profiles_in("ci/brokers")
}

fn profiles_in(folder: &str) -> Vec<(PathBuf, Profile)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .map(|path| {
            let profile = Profile::read(&path).unwrap_or_else(|e| panic!("{e}"));
            (path, profile)
        })
        .collect()
}

#[test]
fn the_committed_profiles_are_profiles() {
    let outlines = Files::embedded().outlines().expect("the scenarios are right");
    let ids: Vec<String> = outlines.into_iter().map(|case| case.id).collect();
    let profiles = committed();
    assert!(profiles.len() >= 2);
    for (path, profile) in profiles {
        assert_eq!(path.file_stem().unwrap().to_str(), Some(profile.name.as_str()));
        let wrong = check_known(&profile.known, ids.iter().map(String::as_str));
        assert!(wrong.is_empty(), "{}", render_all(&wrong, false));
        for cause in &profile.known {
            let is_judged = cause.severity.is_some() && cause.effect.is_some() && cause.ruling.is_some();
            assert!(is_judged, "{}", cause.origin());
        }
    }
}

#[test]
fn the_examples_of_containers_are_profiles() {
    let profiles = profiles_in("ci/examples/containers");
    assert_eq!(profiles.len(), 5);
    for (path, profile) in profiles {
        assert_eq!(path.file_stem().unwrap().to_str(), Some(profile.name.as_str()));
        let process = profile.process.expect("the run starts it");
        assert!(process.container, "{}", profile.name);
        assert_eq!(process.command[0], "$here/container.sh");
    }
}

#[test]
fn a_cause_is_strict_if_all_of_its_cases_rest_on_the_rigour_clause() {
    let outlines = Files::embedded().outlines().expect("the scenarios are right");
    for (_, profile) in committed() {
        // A cause with `about` says itself why its ruling is another one.
        for cause in profile.known.iter().filter(|cause| cause.about.is_none()) {
            let mut fitting = outlines
                .iter()
                .filter(|o| cause.cases.iter().any(|l| l.case.matches(&o.id)))
                .peekable();
            // What generated sequences show is no case.
            if fitting.peek().is_none() {
                continue;
            }
            let rests = fitting.all(Outline::rests_on_rigour);
            assert_eq!(rests, cause.ruling == Some(Ruling::Strict), "{}", cause.origin());
        }
    }
}
