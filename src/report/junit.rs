//! The run as JUnit XML, as CI systems read it: one test case a case.

use chrono::DateTime;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::case;
use super::failure::{self, Options};
use super::groups::Cause;
use super::style::plain;
use crate::suite::{CaseResult, RunResult, TargetInfo, Verdict};
use crate::sut::Known;

/// The whole document.
pub fn run(run: &RunResult) -> String {
    let mut suite = TestSuite::new(xml(&case::target(&run.target)));
    suite.set_time(run.duration);
    suite.add_property(("target.address", xml(&run.target.address).as_str()));
    suite.add_property(("target.transport", run.target.transport.name()));
    suite.add_property(("mqttspec.version", env!("CARGO_PKG_VERSION")));
    if let Some(label) = &run.about.label {
        suite.add_property(("label", xml(label).as_str()));
    }
    if let Some(shard) = run.about.shard {
        suite.add_property(("shard", format!("{}/{}", shard.index, shard.count).as_str()));
    }
    let started = run
        .about
        .started
        .as_deref()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    if let Some(started) = started {
        suite.set_timestamp(started);
    }
    for case in &run.cases {
        suite.add_test_case(test_case(case, &run.target));
    }
    if run.unplayed > 0 {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        let message = format!("the run ended early: {} not played", case::plural(run.unplayed, "case"));
        status.set_message(message);
        let mut test = TestCase::new("not played", status);
        test.set_classname("mqttspec");
        suite.add_test_case(test);
    }
    if !run.crashes_under_load.is_empty() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message("the broker ended while several cases ran, but none of them ends it alone");
        status.set_description(xml(&run.crashes_under_load.join("\n")));
        let mut test = TestCase::new("crash under load", status);
        test.set_classname("mqttspec");
        suite.add_test_case(test);
    }
    let mut report = Report::new("mqttspec");
    report.set_time(run.duration);
    if let Some(started) = started {
        report.set_timestamp(started);
    }
    report.add_test_suite(suite);
    report
        .to_string()
        .expect("a report of well-formed text always serialises")
}

fn test_case(case: &CaseResult, target: &TargetInfo) -> TestCase {
    let reason = xml(case.reason.as_deref().unwrap_or_default());
    let mut status = match case.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        // An expected failure is neither a failure nor a pass. CI servers know no third outcome but this, and pytest
        // writes its `xfail` the same way: with the reason as the message, and a type that tells it from a skip.
        Verdict::Known | Verdict::Skip => TestCaseStatus::skipped(),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Fail | Verdict::Crash | Verdict::Fixed => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    match case.verdict {
        Verdict::Pass => {}
        Verdict::Known | Verdict::Skip => {
            status.set_message(reason.clone());
            status.set_type(case::marked_verdict(case));
        }
        _ => {
            let report = failure::report(
                case,
                target,
                Options {
                    wrap: usize::MAX,
                    trace: true,
                    width: 120,
                },
            );
            // Servers group by message: it has nothing in it that is another in each run.
            status.set_message(xml(&case::plain_reason(case, true)));
            status.set_type(case::marked_verdict(case));
            status.set_description(xml(&plain(&report)));
        }
    }
    let (class, name) = name_of(case);
    let mut test = TestCase::new(xml(name), status);
    test.set_classname(xml(&class));
    test.set_time(case.duration);
    if case.is_bad() {
        test.add_property(("group", xml(&Cause::of(case).to_string()).as_str()));
    }
    if let Some(link) = link(case) {
        test.add_property(("link", link.as_str()));
    }
    if case.rigour {
        test.add_property(("rigour", "true"));
    }
    let mut notes: Vec<String> = Vec::new();
    if case.verdict == Verdict::Known {
        notes.push(format!("known deviation: {reason}"));
        notes.extend(case.known.iter().flat_map(|cause| about(cause)));
    }
    notes.extend(case.advice().map(|a| format!("advice{}: {}", case::place(a), a.text)));
    if case.plays > 1 && case.second_look.is_none() {
        notes.push(format!(
            "played {} times: before that, this machine was too slow",
            case.plays
        ));
    }
    if !notes.is_empty() {
        test.set_system_out(xml(&notes.join("\n")));
    }
    if let Some(log) = &case.log {
        test.set_system_err(xml(log));
    }
    test
}

/// Where the standard has the statement that a failure is about.
fn link(case: &CaseResult) -> Option<String> {
    let found = case.breaches().find_map(|finding| finding.statement);
    let statement = found.or_else(|| case.proves.first().copied())?;
    statement
        .url()
        .filter(|_| case.is_bad() || case.verdict == Verdict::Known)
}

/// What else the profile says of a cause.
fn about(cause: &Known) -> Vec<String> {
    let severity = cause.severity.map(|severity| format!("severity: {severity}"));
    let ruling = cause.ruling.map(|ruling| format!("ruling: {ruling}"));
    let about = cause.about.iter().map(|about| format!("about: {about}"));
    let effect = cause.effect.iter().map(|effect| format!("effect: {effect}"));
    let bytes = cause.bytes.iter().map(|bytes| format!("bytes: {bytes}"));
    let links = cause.links.iter().map(|link| format!("link: {link}"));
    let grades = severity.into_iter().chain(ruling).chain(about);
    grades.chain(effect).chain(bytes).chain(links).collect()
}

/// The directory with dots, and the rest of the id.
fn name_of(case: &CaseResult) -> (String, &str) {
    // A row's name may hold a slash, the path before it decides.
    let path = case.header.path.as_str();
    match path.rsplit_once('/') {
        Some((directory, _)) if case.id.starts_with(path) => {
            (directory.replace('/', "."), &case.id[directory.len() + 1..])
        }
        _ => ("scenarios".to_owned(), &case.id),
    }
}

/// Only what XML 1.0 can hold (section 2.2, production 2).
fn xml(text: &str) -> String {
    let legal = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(legal).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, golden};

    #[test]
    fn every_case_is_a_test_case() {
        golden!("junit", &super::run(&testing::run()));
    }

    #[test]
    fn what_was_not_played_is_an_error() {
        let mut run = testing::run();
        (run.interrupted, run.unplayed) = (true, 12);
        let text = super::run(&run);
        assert!(
            text.contains("<error message=\"the run ended early: 12 cases not played\""),
            "{text}"
        );
        run.unplayed = 0;
        assert!(!super::run(&run).contains("not played"));
    }

    #[test]
    fn only_characters_of_xml_are_left() {
        let text = super::run(&testing::run());
        assert!(
            text.chars()
                .all(|c| matches!(c, '\n' | ' '..='\u{fffd}' | '\u{10000}'..)),
            "{text}"
        );
    }
}
