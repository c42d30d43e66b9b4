//! A run that was read, as the results of a run that was played: so reports can be made of it later. What the file does not
//! hold is missing there, above all the exchanges; the reports on failures are those that were written with the run.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Case, Cause, Place, Run, Violation};
use crate::history;
use crate::play::{Failure, FailureKind, Stage};
use crate::rules;
use crate::scenario::{Header, SnapshotForm, Source, Which};
use crate::source;
use crate::statements::catalogue;
use crate::suite::{About, CaseResult, Judged, RunResult, TargetInfo, Weight};
use crate::sut::{Kept, Known, Ruling, Severity};
use crate::wire::Side;

impl From<&Run> for RunResult {
    fn from(run: &Run) -> RunResult {
        let target = &run.target;
        RunResult {
            about: About {
                started: run.started.clone(),
                label: run.user_label.clone(),
                selected: run.selection.clone(),
                shard: run.shard,
            },
            target: TargetInfo {
                name: target.name.clone(),
                version: target.version.clone(),
                address: target.address.clone(),
                transport: target.transport,
                argument: target.argument.clone(),
                options: Vec::new(),
                snapshots: Kept::default(),
            },
            duration: span(run.seconds),
            cases: run.cases.iter().map(CaseResult::from).collect(),
            notes: run.notes.clone(),
            crashes_under_load: run.crashes_under_load.clone(),
            interrupted: run.interrupted,
            unplayed: run.unplayed,
        }
    }
}

impl From<&Case> for CaseResult {
    fn from(case: &Case) -> CaseResult {
        let place = case.place.as_ref();
        let file = || {
            let embedded = || format!("scenarios/{}.yaml", case.scenario);
            case.file.clone().unwrap_or_else(embedded)
        };
        let found = |violations: &[Violation], weight| {
            let judged = violations.iter().map(move |violation| judged(violation, weight));
            judged.collect::<Vec<_>>()
        };
        CaseResult {
            id: case.id.clone(),
            header: Arc::new(Header {
                path: case.scenario.clone(),
                // Of the scenario only the step is there.
                source: source_of(
                    &place.map_or_else(file, |p| p.file.clone()),
                    place.map_or("", |p| &p.text),
                ),
                embedded: case.file.is_none(),
                // The side under test is in the words of the report.
                tests: Side::Server,
                title: case.title.clone(),
                about: None,
                snapshot: SnapshotForm::Exchange,
            }),
            title: case.title.clone(),
            version: case.version,
            verdict: case.verdict,
            reason: case.reason.clone(),
            steady_reason: case.steady_reason(),
            known: case.known.iter().map(|cause| Arc::new(known(cause))).collect(),
            sometimes: false,
            varies: false,
            proves: case.proves(),
            failure: case.stage.map(|stage| failure(case, stage)),
            missed: None,
            rigour: case.rigour,
            findings: [
                found(&case.violations, Weight::Fails),
                found(&case.advice, Weight::Advice),
            ]
            .concat(),
            transcript: None,
            control: None,
            duration: span(case.seconds),
            plays: case.plays,
            second_look: case.second_look,
            log: case.log.clone(),
            report: case.report.clone(),
        }
    }
}

fn span(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn source_of(file: &str, text: &str) -> Arc<Source> {
    Arc::new(Source {
        file: file.to_owned(),
        text: text.to_owned(),
    })
}

/// A failure with its step. Why it is one is in the reason and in the report alone.
fn failure(case: &Case, stage: Stage) -> Failure {
    let place = |place: &Place| source::Place {
        span: 0..place.text.len(),
        line: place.line,
        column: place.column,
    };
    Failure {
        tests: Side::Server,
        control: case.in_control,
        stage,
        kind: FailureKind::Met,
        place: case.place.as_ref().map(place),
        awaited: Vec::new(),
        found: case.found,
        mismatches: Vec::new(),
    }
}

fn judged(violation: &Violation, weight: Weight) -> Judged {
    let statement = |token: &String| catalogue().resolve(token).ok().map(|s| s.id);
    let rule = |name: &String| {
        rules::all()
            .chain(rules::of_clients())
            .map(|rule| rule.name)
            .chain(history::all().map(|invariant| invariant.name))
            .find(|rule| rule == name)
    };
    Judged {
        weight,
        origin: if violation.control { Which::Control } else { Which::Case },
        statement: violation.statement.as_ref().and_then(statement),
        rule: violation.rule.as_ref().and_then(rule),
        text: violation.text.clone(),
        event: violation.event,
        span: violation.span.map(|[start, end]| Range { start, end }),
    }
}

fn known(cause: &Cause) -> Known {
    let (file, line) = cause.origin.rsplit_once(':').unwrap_or((&cause.origin, ""));
    Known {
        because: cause.because.clone(),
        bytes: cause.bytes.clone(),
        links: cause.links.clone(),
        severity: Severity::ALL
            .into_iter()
            .find(|s| Some(s.name()) == cause.severity.as_deref()),
        ruling: Ruling::ALL
            .into_iter()
            .find(|r| Some(r.name()) == cause.ruling.as_deref()),
        about: cause.about.clone(),
        effect: cause.effect.clone(),
        broker: None,
        over: Vec::new(),
        untriaged: cause.untriaged,
        cases: Vec::new(),
        place: source::Place {
            span: 0..0,
            line: line.parse().unwrap_or(1),
            column: 1,
        },
        source: source_of(file, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{github, json, junit, testing};
    use super::*;

    /// What is written of a run, and of the same run that was written as JSON and read.
    fn both(report: fn(&RunResult) -> String) -> (String, String) {
        let mut run = testing::run();
        (run.interrupted, run.unplayed) = (true, 3);
        let read = Run::read(&json::run(&run)).unwrap().with_few_exchanges();
        (report(&run), report(&RunResult::from(&read)))
    }

    #[test]
    fn junit_is_the_same_later() {
        let (now, later) = both(junit::run);
        assert_eq!(later, now);
    }

    #[test]
    fn what_github_shows_is_the_same_later() {
        let (now, later) = both(|run| github::annotations(run) + &github::summary(run));
        assert_eq!(later, now);
    }
}
