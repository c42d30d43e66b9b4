//! From what was played to a verdict: the script's end, the rules, and the deviations that the profile lists.

use std::sync::Arc;

use crate::play::{Advice, Failure, PlayEnd, Played, Stage};
use crate::rules::{self, Finding, Outcome};
use crate::scenario::{Case, ScenarioLevel};
use crate::statements::{StatementId, catalogue};
use crate::sut::{Fails, Known};

use super::{CaseResult, Target, Verdict};

/// How strictly and against what a case is judged.
pub struct Judge<'t> {
    pub target: &'t Target,
    /// A breach of a SHOULD is a failure.
    pub strict: bool,
}

/// Why a case is not right, before the list of known deviations is asked.
enum Fault {
    None,
    Skip(String),
    Error(String),
    Crash(String),
    /// The summary, and everything that would have to be known for the failure to be.
    Fail(String, Vec<Failed>),
}

/// One thing that failed: what an entry of `known` names in `fails`.
struct Failed {
    statements: Vec<StatementId>,
    /// The step's line, for entries that name a step.
    step: Option<String>,
}

impl Judge<'_> {
    /// The result of a case that was not played.
    pub fn unplayed(&self, case: &Case, verdict: Verdict, reason: String) -> CaseResult {
        CaseResult {
            id: case.id.clone(),
            header: case.header.clone(),
            title: case.title.clone(),
            version: case.version,
            verdict,
            reason: Some(reason),
            sometimes: false,
            varies: false,
            proves: case.proves.clone(),
            failure: None,
            findings: Vec::new(),
            control_findings: Vec::new(),
            advice: Vec::new(),
            transcript: None,
            control: None,
            duration: std::time::Duration::ZERO,
            plays: 0,
            log: None,
        }
    }

    /// The result of a case that was played. `crashed` says that it alone killed a fresh broker.
    pub fn judge(&self, case: &Case, played: Played, crashed: bool) -> CaseResult {
        let findings = rules::check(&played.transcript);
        let control_findings = played.control.as_ref().map(rules::check).unwrap_or_default();
        let mut result = self.unplayed(case, Verdict::Pass, String::new());
        result.advice = played.advice;
        let must = |f: &&Finding| f.outcome == Outcome::Breach && (self.strict || is_must(f.statement));
        let breaches: Vec<Finding> = findings.iter().filter(must).cloned().collect();
        let control_breaches: Vec<Finding> = control_findings.iter().filter(must).cloned().collect();
        let should = |f: &&Finding| f.outcome == Outcome::Breach && !must(f);
        result.advice.extend(findings.iter().filter(should).map(|f| Advice {
            statement: Some(f.statement),
            text: f.text.clone(),
            event: Some(f.event),
        }));
        let fault = match played.end {
            _ if crashed => Fault::Crash("the broker ended".to_owned()),
            PlayEnd::Skipped(reason) => Fault::Skip(reason),
            PlayEnd::Late(why) => Fault::Error(format!("machine too slow: {why}")),
            PlayEnd::BrokerGone(why) | PlayEnd::Error(why) => Fault::Error(why),
            PlayEnd::Met => from_breaches(&breaches, &control_breaches),
            PlayEnd::Failed(failure) => {
                let fault = self.failed(case, &failure, &breaches, &control_breaches, &mut result);
                result.failure = Some(failure);
                fault
            }
        };
        result.findings = findings;
        result.control_findings = control_findings;
        result.transcript = Some(Arc::new(played.transcript));
        result.control = played.control.map(Arc::new);
        self.settle(case, fault, &mut result);
        result
    }

    fn failed(
        &self,
        case: &Case,
        failure: &Failure,
        breaches: &[Finding],
        control_breaches: &[Finding],
        result: &mut CaseResult,
    ) -> Fault {
        if case.header.level == ScenarioLevel::Should
            && !self.strict
            && !failure.control
            && failure.stage == Stage::Script
        {
            result.advice.push(Advice {
                statement: case.proves.first().copied(),
                text: failure.to_string(),
                event: failure.found,
            });
            return from_breaches(breaches, control_breaches);
        }
        let mut failed = vec![Failed {
            statements: case.proves.clone(),
            step: failure
                .place
                .as_ref()
                .map(|p| case.header.source.text[p.span.clone()].trim().to_owned()),
        }];
        failed.extend(breaches.iter().chain(control_breaches).map(of_finding));
        Fault::Fail(failure.to_string(), failed)
    }

    /// Asks the profile's list, and sets the verdict.
    fn settle(&self, case: &Case, fault: Fault, result: &mut CaseResult) {
        let entries: Vec<&Known> = self
            .target
            .known
            .iter()
            .filter(|k| k.case.matches(&case.id))
            .filter(|k| k.holds_for(self.target.broker_version.as_ref()).unwrap_or(true))
            .collect();
        let (verdict, reason) = match fault {
            Fault::Skip(reason) => (Verdict::Skip, Some(reason)),
            Fault::Error(reason) => (Verdict::Error, Some(reason)),
            Fault::Crash(reason) => match entries.iter().find(|k| k.fails == Fails::Crash) {
                Some(known) => (Verdict::Known, Some(known.because.clone())),
                None => (Verdict::Crash, Some(reason)),
            },
            Fault::Fail(summary, failed) => match covering(&entries, &failed) {
                Some(because) => (Verdict::Known, Some(because)),
                None => (Verdict::Fail, Some(summary)),
            },
            Fault::None => match entries.iter().find(|k| !k.sometimes) {
                Some(known) => (
                    Verdict::Fixed,
                    Some(format!("the profile lists it as failing: {}", known.because)),
                ),
                None => (Verdict::Pass, None),
            },
        };
        result.sometimes = entries.iter().any(|k| k.sometimes) && matches!(verdict, Verdict::Pass | Verdict::Known);
        result.varies = entries.iter().any(|k| k.varies) && verdict == Verdict::Known;
        result.verdict = verdict;
        result.reason = reason;
    }
}

/// Whether breaking this statement is a failure; what the catalogue does not have is one of our own mistakes, and counts.
fn is_must(statement: StatementId) -> bool {
    catalogue().get(statement).is_none_or(|s| s.level.is_must())
}

fn from_breaches(breaches: &[Finding], control_breaches: &[Finding]) -> Fault {
    let all: Vec<Failed> = breaches.iter().chain(control_breaches).map(of_finding).collect();
    match breaches.first().or(control_breaches.first()) {
        None => Fault::None,
        Some(first) => Fault::Fail(first.text.clone(), all),
    }
}

fn of_finding(finding: &Finding) -> Failed {
    Failed {
        statements: vec![finding.statement],
        step: None,
    }
}

/// The reason of the entries that together name everything that failed; `None` where something is not named.
fn covering(entries: &[&Known], failed: &[Failed]) -> Option<String> {
    let mut because: Vec<&str> = Vec::new();
    for one in failed {
        let known = entries.iter().find(|k| names(k, one))?;
        if !because.contains(&known.because.as_str()) {
            because.push(&known.because);
        }
    }
    Some(because.join("; "))
}

/// Whether an entry's `fails` names this failure: by a statement's token or id, or by the step.
fn names(known: &Known, failed: &Failed) -> bool {
    let Fails::By(text) = &known.fails else { return false };
    let text = text.trim();
    failed.statements.iter().any(|s| s.to_string() == text || s.id == text)
        || failed
            .step
            .as_deref()
            .is_some_and(|step| step == text || step.starts_with(&format!("{text}:")))
}
