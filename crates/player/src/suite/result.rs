//! The results of a run, as reports read them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::play::Failure;
use crate::scenario::{Header, Which};
use crate::statements::{StatementId, Version};
use crate::sut::{Kept, Known};
use crate::transcript::Transcript;
use crate::transport::Transport;

use super::{About, SecondLook};

/// What is said of a case in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    /// The script or a rule is not met; `fail (control)` if it is the control.
    Fail,
    /// This case alone kills a fresh broker.
    Crash,
    /// It fails as the target's profile says.
    Known,
    /// The profile lists it, yet it passes: the list is stale.
    Fixed,
    Skip,
    /// Not the broker's: could not connect, bad profile, machine too slow, or it passes when it is played alone.
    Error,
}

impl Verdict {
    /// Every verdict, in the order of summaries.
    pub const ALL: [Verdict; 7] = [
        Verdict::Pass,
        Verdict::Fail,
        Verdict::Crash,
        Verdict::Known,
        Verdict::Fixed,
        Verdict::Skip,
        Verdict::Error,
    ];

    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Crash => "crash",
            Verdict::Known => "known",
            Verdict::Fixed => "fixed",
            Verdict::Skip => "skip",
            Verdict::Error => "error",
        }
    }
}

/// The target as reports name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetInfo {
    pub name: String,
    /// What the broker's own version command says.
    pub version: Option<String>,
    pub address: String,
    /// What its cases are played over, except for those that are about another transport.
    pub transport: Transport,
    /// The argument that names this target on the command line; `None` for the embedded reference broker.
    pub argument: Option<String>,
    /// The options of the command line that affect how its cases are played and judged, word by word.
    pub options: Vec<String>,
    /// Which cases have a snapshot.
    pub snapshots: Kept,
}

/// What a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It fails the case: a MUST is violated, or in a strict run a SHOULD.
    Fails,
    /// A broker's author should know of it.
    Advice,
}

/// Something that was found in an exchange of a case, with what it weighs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    pub weight: Weight,
    /// The exchange in which it was found.
    pub origin: Which,
    pub statement: Option<StatementId>,
    /// The rule that found it; `None` if the script did.
    pub rule: Option<&'static str>,
    /// One sentence for people.
    pub text: String,
    /// Index of the event in the transcript of that exchange.
    pub event: Option<usize>,
    /// The bytes at fault within the event's packet, if it lies in some of them.
    pub span: Option<Range<usize>>,
}

impl Judged {
    /// Whether it was found in the control.
    pub fn in_control(&self) -> bool {
        self.origin == Which::Control
    }
}

/// One case's result.
#[derive(Debug, Clone)]
pub struct CaseResult {
    pub id: String,
    pub header: Arc<Header>,
    pub title: String,
    pub version: Version,
    pub verdict: Verdict,
    /// Why, in one line: of a failure its words, of a skip its reason, of a known deviation its `because`.
    pub reason: Option<String>,
    /// The reason with `<time>` for each span of time that was measured: the same in every run in which the broker does
    /// the same. `None` if it holds none.
    pub steady_reason: Option<String>,
    /// The causes that account for a known deviation; of a fixed one, the cause that is stale.
    pub known: Vec<Arc<Known>>,
    /// The profile says that the verdict varies from run to run.
    pub sometimes: bool,
    /// The profile says that it always fails, and that what the broker sends then varies from run to run.
    pub varies: bool,
    /// What the case proves.
    pub proves: Vec<StatementId>,
    pub failure: Option<Failure>,
    /// What of the script was not met, if the control was not met either and is the failure.
    pub missed: Option<Failure>,
    /// The failure, known or not, rests on the rigour clause of 5.0 (section 4.13.1) alone: the broker does not react
    /// to an error, and no other statement obliges it to.
    pub rigour: bool,
    /// What was found in its exchanges: by the matcher that is advice, then by the rules.
    pub findings: Vec<Judged>,
    /// Shared: it is by far the largest part, and results are reported and kept.
    pub transcript: Option<Arc<Transcript>>,
    pub control: Option<Arc<Transcript>>,
    pub duration: Duration,
    /// How often it was played: more than once if the harness was late, or for a second look.
    pub plays: u32,
    /// What playing it once more, alone, has shown of its failure. `None`: it was not played for that.
    pub second_look: Option<SecondLook>,
    /// The broker's log, for a crash.
    pub log: Option<String>,
    /// The report on an unexpected result, if it was written before: of a run that is read from a file.
    pub report: Option<String>,
}

impl CaseResult {
    /// What fails the case.
    pub fn breaches(&self) -> impl Iterator<Item = &Judged> {
        self.findings.iter().filter(|f| f.weight == Weight::Fails)
    }

    /// What a broker's author should know though it fails nothing.
    pub fn advice(&self) -> impl Iterator<Item = &Judged> {
        self.findings.iter().filter(|f| f.weight == Weight::Advice)
    }

    /// Whether a person must act: fail, crash, fixed or error.
    pub fn is_bad(&self) -> bool {
        matches!(
            self.verdict,
            Verdict::Fail | Verdict::Crash | Verdict::Fixed | Verdict::Error
        )
    }
}

/// All of a run.
#[derive(Debug, Clone)]
pub struct RunResult {
    pub about: About,
    pub target: TargetInfo,
    pub duration: Duration,
    /// In the order of the suite, not of arrival.
    pub cases: Vec<CaseResult>,
    /// What is to be said of the run as a whole, such as a version that the target does not offer.
    pub notes: Vec<String>,
    /// Cases in flight when a broker went away that none of them brings down alone.
    pub crashes_under_load: Vec<String>,
    /// Ended by Ctrl-C or a limit before every case was played.
    pub interrupted: bool,
    /// How many cases were selected and not played, because the run ended early.
    pub unplayed: usize,
}

impl RunResult {
    /// Whether nothing is left for a person to act on: at least one case was played, none is bad, the broker did not go
    /// away, and the run was not cut short.
    pub fn conforms(&self) -> bool {
        self.cases.iter().all(|case| !case.is_bad())
            && self.cases.iter().any(|case| case.verdict != Verdict::Skip)
            && self.crashes_under_load.is_empty()
            && !self.interrupted
    }

    /// The bad cases.
    pub fn bad(&self) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(|case| case.is_bad())
    }
}

/// What the suite tells while it runs, in the order in which it happens.
#[derive(Debug, Clone)]
pub enum RunEvent {
    Began { target: TargetInfo, cases: usize },
    CaseBegan { id: String },
    CaseEnded(Arc<CaseResult>),
    Note(String),
    Ended(Arc<RunResult>),
}
