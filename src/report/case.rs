//! What every report needs to know of a case.

use crate::rules::{Finding, Outcome};
use crate::statements::catalogue;
use crate::suite::{CaseResult, RunResult, TargetInfo, Verdict};
use crate::transcript::{Transcript, printable};

/// How many cases have which verdict, and how much advice there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// In the order of [`Verdict::ALL`].
    pub verdicts: [usize; Verdict::ALL.len()],
    /// Of played cases: breaches of a SHOULD, and what else a broker's author should know.
    pub advice: usize,
}

impl Counts {
    pub fn of(run: &RunResult) -> Counts {
        Counts::tally(run.cases.iter().map(|c| (c.verdict, c.advice.len())))
    }

    /// The same of verdicts, each with how much advice came with it.
    pub fn tally(cases: impl Iterator<Item = (Verdict, usize)>) -> Counts {
        let mut counts = Counts::default();
        for (verdict, advice) in cases {
            counts.verdicts[verdict as usize] += 1;
            counts.advice += advice;
        }
        counts
    }

    /// How many cases have this verdict.
    pub fn get(&self, verdict: Verdict) -> usize {
        self.verdicts[verdict as usize]
    }
}

/// The breaches that the rules found and that count: not those of a SHOULD, which are advice unless the run is strict.
/// Each with whether it is in the control.
pub fn breaches(case: &CaseResult) -> impl Iterator<Item = (&Finding, bool)> {
    let is_advice = |f: &Finding| {
        case.advice
            .iter()
            .any(|a| a.statement == Some(f.statement) && a.text == f.text)
    };
    let script = case.findings.iter().filter(move |f| !is_advice(f)).map(|f| (f, false));
    let control = case.control_findings.iter().filter(|f| is_must(f)).map(|f| (f, true));
    script.chain(control).filter(|(f, _)| f.outcome == Outcome::Breach)
}

fn is_must(finding: &Finding) -> bool {
    catalogue().get(finding.statement).is_none_or(|s| s.level.is_must())
}

/// The verdict's word, with `(control)` where the control failed.
pub fn verdict(case: &CaseResult) -> String {
    match &case.failure {
        Some(f) if f.control && case.verdict == Verdict::Fail => "fail (control)".to_owned(),
        _ => case.verdict.name().to_owned(),
    }
}

/// The target's name with its version.
pub fn target(target: &TargetInfo) -> String {
    named(&target.name, target.version.as_deref())
}

/// A broker's name with its version.
pub fn named(name: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => printable(&format!("{name} {version}")),
        None => printable(name),
    }
}

/// The transcript in which a finding, or the failure, lies.
pub fn transcript_of(case: &CaseResult, control: bool) -> Option<&Transcript> {
    if control {
        case.control.as_deref()
    } else {
        case.transcript.as_deref()
    }
}

/// `1 case`, `2 cases`.
pub fn plural(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
