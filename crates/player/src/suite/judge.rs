//! From what was played to a verdict: the script's end, the rules, and the deviations that the profile lists.

use std::sync::Arc;
use std::time::Duration;

use crate::history;
use crate::play::{Advice, Failure, PlayEnd, Played, Stage};
use crate::rules::{self, Finding, Outcome};
use crate::scenario::{Case, Place, ScenarioLevel, Which};
use crate::statements::catalogue;
use crate::sut::Known;
use crate::transcript::Transcript;
use crate::wire::Side;

use super::known::{Expected, Failed};
use super::{CaseResult, Judged, Rigour, Target, Verdict, Weight, rigour};

/// How strictly and against what a case is judged.
pub struct Judge<'t> {
    pub target: &'t Target,
    /// A violation of a SHOULD is a failure.
    pub strict: bool,
    /// What a failure is that rests on the rigour clause alone.
    pub rigour: Rigour,
}

/// Why a case is not right, before the list of known deviations is asked.
enum Fault {
    None,
    Skip(String),
    Error(String),
    Crash(String),
    /// What is wrong, and everything that would have to be known for the failure to be.
    Fail(Reason, Vec<Failed>),
}

/// A reason in words.
struct Reason {
    text: String,
    /// The same without the spans of time in it; `None` if it holds none.
    steady: Option<String>,
}

/// A verdict with what goes with it.
struct Settled {
    verdict: Verdict,
    reason: Option<Reason>,
    /// The causes that the profile lists for it.
    known: Vec<Arc<Known>>,
    sometimes: bool,
    varies: bool,
}

impl Judge<'_> {
    /// The result of a case that was not played.
    pub fn unplayed(&self, case: &Case, verdict: Verdict, reason: String) -> CaseResult {
        let settled = Settled {
            verdict,
            reason: Some(Reason::of(reason)),
            known: Vec::new(),
            sometimes: false,
            varies: false,
        };
        result(case, settled)
    }

    /// The result of a case that was played. `crashed` says that it alone killed a fresh broker.
    pub fn judge(&self, case: &Case, played: Played, crashed: bool) -> CaseResult {
        let mut findings = advice(played.advice, Which::Case);
        findings.extend(advice(played.control_advice, Which::Control));
        findings.extend(self.found(&played.transcript, Which::Case));
        findings.extend(played.control.iter().flat_map(|t| self.found(t, Which::Control)));
        let mut failure = None;
        let is_of_client = case.header.tests == Side::Client;
        let fault = match played.end {
            PlayEnd::BrokerGone(how) if crashed => Fault::Crash(how),
            // What a client under test does wrong on the way is wrong, whether or not the situation came about.
            PlayEnd::Skipped(_) if is_of_client && breaches(&findings).next().is_some() => from_breaches(&findings),
            PlayEnd::Skipped(reason) => Fault::Skip(reason),
            PlayEnd::Late(why) => Fault::Error(format!("machine too slow: {why}")),
            PlayEnd::BrokerGone(why) | PlayEnd::Error(why) => Fault::Error(why),
            PlayEnd::Met => from_breaches(&findings),
            PlayEnd::Failed(unmet) => {
                let fault = if self.is_advice(case, &unmet) {
                    findings.push(as_advice(case, &unmet));
                    from_breaches(&findings)
                } else {
                    from_failure(case, &unmet, &findings)
                };
                failure = Some(unmet);
                fault
            }
        };
        let unnoticed = failure.as_ref().filter(|unmet| rigour::is_all(case, unmet, &findings));
        let unnoticed = unnoticed.filter(|_| matches!(fault, Fault::Fail(..)));
        let mut settled = self.settle(case, fault);
        let mut rests = unnoticed.is_some();
        if let (Some(unmet), Rigour::Advice, Verdict::Fail) = (unnoticed, self.rigour, settled.verdict) {
            findings.push(as_advice(case, unmet));
            settled = self.settle(case, Fault::None);
            rests = false;
        }
        CaseResult {
            failure,
            missed: played.missed,
            rigour: rests,
            findings,
            transcript: Some(Arc::new(played.transcript)),
            control: played.control.map(Arc::new),
            ..result(case, settled)
        }
    }

    /// What the rules find in an exchange. What cannot be decided is nothing to be judged.
    fn found(&self, transcript: &Transcript, origin: Which) -> Vec<Judged> {
        let breaches = rules::check(transcript).into_iter();
        let breaches = breaches.filter(|finding| finding.outcome == Outcome::Breach);
        let mut judged: Vec<Judged> = breaches.map(|finding| self.weighed(finding, origin)).collect();
        for found in history::check(transcript) {
            let mut finding = found.as_rule();
            // A rule that names the statement there has said it.
            let is_said = |j: &Judged| j.event == Some(finding.event) && j.statement == Some(finding.statement);
            if !judged.iter().any(is_said) {
                finding.text = format!("{}; it began with event {}", finding.text, found.began.event);
                judged.push(self.weighed(finding, origin));
            }
        }
        judged
    }

    fn weighed(&self, finding: Finding, origin: Which) -> Judged {
        Judged {
            weight: if self.strict || catalogue().level(finding.statement).is_must() {
                Weight::Fails
            } else {
                Weight::Advice
            },
            origin,
            statement: Some(finding.statement),
            rule: Some(finding.rule),
            text: finding.text,
            event: Some(finding.event),
            span: finding.span,
        }
    }

    /// Whether it is a SHOULD alone that the script of a case asks for.
    fn is_advice(&self, case: &Case, failure: &Failure) -> bool {
        // Of what only should not come, the account at the end is the one that tells.
        let by_script = matches!(failure.stage, Stage::Script | Stage::Account);
        case.level() == ScenarioLevel::Should && !self.strict && !failure.control && by_script
    }

    /// Asks the profile's list.
    fn settle(&self, case: &Case, fault: Fault) -> Settled {
        let version = self.target.broker_version.as_ref();
        let expected = Expected::of(&self.target.known, &case.id, version);
        let mut known = Vec::new();
        let (verdict, reason) = match fault {
            Fault::Skip(reason) => (Verdict::Skip, Some(Reason::of(reason))),
            Fault::Error(reason) => (Verdict::Error, Some(Reason::of(reason))),
            Fault::Crash(reason) => match expected.crash() {
                Some(cause) => {
                    known.push(Arc::clone(cause));
                    (Verdict::Known, Some(Reason::because(&known)))
                }
                None => (Verdict::Crash, Some(Reason::of(reason))),
            },
            Fault::Fail(reason, failed) => match expected.covering(&failed) {
                Some(causes) => {
                    known = causes;
                    (Verdict::Known, Some(Reason::because(&known)))
                }
                None => (Verdict::Fail, Some(reason)),
            },
            Fault::None => match expected.stale() {
                Some((cause, listed)) => {
                    known.push(Arc::clone(cause));
                    let place = cause.line_of(&listed.place);
                    let reason = format!(
                        "the profile lists it as failing (`{}`, {place}): {}",
                        listed.case, cause.because
                    );
                    (Verdict::Fixed, Some(Reason::of(reason)))
                }
                None => (Verdict::Pass, None),
            },
        };
        Settled {
            sometimes: expected.sometimes() && matches!(verdict, Verdict::Pass | Verdict::Known),
            varies: expected.varies() && verdict == Verdict::Known,
            known,
            verdict,
            reason,
        }
    }
}

impl Reason {
    /// One without a span of time that was measured.
    fn of(text: String) -> Reason {
        Reason { text, steady: None }
    }

    /// The words of the causes that account for a failure.
    fn because(known: &[Arc<Known>]) -> Reason {
        let mut words: Vec<&str> = Vec::new();
        for cause in known {
            if !words.contains(&cause.because.as_str()) {
                words.push(&cause.because);
            }
        }
        Reason::of(words.join("; "))
    }
}

/// The result of a case as far as the case and its verdict say it.
fn result(case: &Case, settled: Settled) -> CaseResult {
    let (reason, steady_reason) = settled.reason.map(|r| (r.text, r.steady)).unzip();
    CaseResult {
        id: case.id.clone(),
        header: case.header.clone(),
        title: case.title.clone(),
        version: case.version,
        verdict: settled.verdict,
        reason,
        steady_reason: steady_reason.flatten(),
        known: settled.known,
        sometimes: settled.sometimes,
        varies: settled.varies,
        proves: case.proves.clone(),
        failure: None,
        findings: Vec::new(),
        transcript: None,
        control: None,
        duration: Duration::ZERO,
        plays: 0,
        second_look: None,
        missed: None,
        rigour: false,
        log: None,
        report: None,
    }
}

/// What of the script was not met, as advice.
fn as_advice(case: &Case, unmet: &Failure) -> Judged {
    Judged {
        weight: Weight::Advice,
        origin: Which::Case,
        statement: case.proves.first().copied(),
        rule: None,
        text: unmet.to_string(),
        event: unmet.found,
        span: None,
    }
}

/// What the matcher had to say though the script was met.
fn advice(advice: Vec<Advice>, origin: Which) -> Vec<Judged> {
    let judged = |Advice { statement, text, event }: Advice| Judged {
        weight: Weight::Advice,
        origin,
        statement,
        rule: None,
        text,
        event,
        span: None,
    };
    advice.into_iter().map(judged).collect()
}

fn from_failure(case: &Case, failure: &Failure, findings: &[Judged]) -> Fault {
    let step = |place: &Place| case.header.source.text[place.span.clone()].trim().to_owned();
    let mut failed = vec![Failed {
        statements: case.proves.clone(),
        step: failure.place.as_ref().map(step),
    }];
    failed.extend(breaches(findings).map(of_breach));
    let reason = Reason {
        text: failure.to_string(),
        steady: failure.steady(),
    };
    Fault::Fail(reason, failed)
}

fn from_breaches(findings: &[Judged]) -> Fault {
    match breaches(findings).next() {
        None => Fault::None,
        Some(first) => Fault::Fail(
            Reason::of(first.text.clone()),
            breaches(findings).map(of_breach).collect(),
        ),
    }
}

fn breaches(findings: &[Judged]) -> impl Iterator<Item = &Judged> {
    findings.iter().filter(|f| f.weight == Weight::Fails)
}

fn of_breach(breach: &Judged) -> Failed {
    Failed {
        statements: breach.statement.into_iter().collect(),
        step: None,
    }
}
