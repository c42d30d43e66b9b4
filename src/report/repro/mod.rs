//! A failure as somebody else can see it: a report with the exchange and the statement, and a script that exits 1 if a broker
//! has the fault.
//!
//! In: a case and its result, and the result of a broker that passes it. Out: Markdown and Python, or why there is no
//! script. The script makes its clients send what they sent in the recorded exchange, waits for the packets that steps
//! took, and then decides by what the failing step expects. Who writes it should run it against both brokers.

mod condition;
mod decision;
mod exchange;
mod obstacle;
mod page;
mod pieces;
mod python;
mod sequence;

use std::time::Duration;

pub use exchange::Secrets;
pub use obstacle::Obstacle;

use super::case;
use crate::scenario::{Case, Step, Which};
use crate::statements::catalogue;
use crate::suite::{CaseResult, TargetInfo, Verdict};
use crate::transcript::{Transcript, without_namespace};
use crate::wire::Version;
use decision::{Decision, Question};
use exchange::{Exchange, Op};
use page::Page;
use sequence::Sequence;

/// How many lines a script may have.
pub const LINES: usize = 60;

/// What a script is made from.
pub struct Subject<'s> {
    pub case: &'s Case,
    /// How the broker with the fault did.
    pub result: &'s CaseResult,
    pub target: &'s TargetInfo,
    /// The control exchange of a broker that passes the case.
    pub control: Option<&'s Transcript>,
    /// What may not be shown.
    pub secrets: &'s Secrets,
    pub response_timeout: Duration,
}

/// A failure ready to be shown.
pub struct Repro<'s> {
    subject: &'s Subject<'s>,
    transcript: &'s Transcript,
    exchange: Exchange,
    /// The Python script.
    pub script: String,
    /// Whether the script plays the control first.
    pub has_control: bool,
}

impl<'s> Subject<'s> {
    /// The script for the failure. `with_control` plays the control first, if there is one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn repro(&'s self, with_control: bool) -> Result<Repro<'s>, Obstacle> {
        let Some(failure) = &self.result.failure else {
            return Err(self.without_a_step());
        };
        let which = if failure.control { Which::Control } else { Which::Case };
        let transcript = case::transcript_of(self.result, failure.control).ok_or(Obstacle::Damaged)?;
        let sequence = Sequence::of(self.case.script.exchange(which));
        let step = sequence
            .iter()
            .find(|(_, step)| Some(&step.place) == failure.place.as_ref());
        let is_script = failure.stage == crate::play::Stage::Script;
        let failing = match failure.stage {
            crate::play::Stage::Setup => Some(0),
            _ => step.filter(|_| is_script).map(|(number, _)| number),
        };
        let exchange = Exchange::of(transcript, &sequence, failing, self.secrets)?;
        let question = Question {
            failure,
            step: step.map(|(_, step): (u32, &Step)| step),
            transcript,
            exchange: &exchange,
            clients: &self.case.script.clients,
            version: self.version(failure),
            response_timeout: self.response_timeout,
        };
        let decision = question.decide()?;
        let control = self.control_ops(with_control && !failure.control)?;
        let script = self.script(&exchange, decision, control.as_deref())?;
        Ok(Repro {
            subject: self,
            transcript,
            exchange,
            script,
            has_control: control.is_some(),
        })
    }

    fn without_a_step(&self) -> Obstacle {
        if self.result.verdict == Verdict::Crash {
            return Obstacle::Crash;
        }
        let rule = self.result.breaches().find_map(|finding| finding.rule);
        Obstacle::Rule(rule.unwrap_or("of the script").to_owned())
    }

    /// What the client at the failing step speaks.
    fn version(&self, failure: &crate::play::Failure) -> Version {
        let client = failure
            .awaited
            .first()
            .and_then(|awaited| awaited.what.split_once(" <- "));
        let spec = client.and_then(|(name, _)| self.case.script.clients.iter().find(|spec| &*spec.name == name));
        spec.map_or(self.case.version, |spec| spec.version)
    }

    fn control_ops(&self, is_wanted: bool) -> Result<Option<Vec<Op>>, Obstacle> {
        let (Some(steps), Some(transcript)) = (&self.case.script.control, self.control.filter(|_| is_wanted)) else {
            return Ok(None);
        };
        let control = Exchange::of(transcript, &Sequence::of(steps), None, self.secrets)?;
        Ok(Some(control.ops))
    }

    fn script(&self, exchange: &Exchange, decision: Decision, control: Option<&[Op]>) -> Result<String, Obstacle> {
        let namespaces = [&self.result.transcript, &self.result.control];
        let steady = |text: &str| {
            let mut text = text.to_owned();
            for transcript in namespaces.into_iter().flatten() {
                text = without_namespace(&transcript.namespace, &text);
            }
            text
        };
        let mut about = vec![format!("{}: {}", case::target(self.target), steady(&self.result.title))];
        let found = self.result.breaches().find_map(|finding| finding.statement);
        let statement = self
            .result
            .proves
            .first()
            .copied()
            .or(found)
            .and_then(|id| catalogue().get(id));
        if let Some(statement) = statement {
            about.push(format!(
                "{} {}: {}",
                statement.id,
                statement.level.keyword(),
                statement.url()
            ));
        }
        about.push(format!(
            "Usage: repro.py HOST:PORT (1: the broker has the fault, 0: it has not, 2: that cannot be told). Case {} of mqttspec {}.",
            self.case.id,
            env!("CARGO_PKG_VERSION")
        ));
        let expected: Vec<String> = self
            .result
            .failure
            .iter()
            .flat_map(|failure| &failure.awaited)
            .map(|awaited| steady(&awaited.what))
            .collect();
        let expected = match expected.as_slice() {
            [] => "nothing that no step of the exchange asks for came".to_owned(),
            several => several.join(", or "),
        };
        let fault = self.result.failure.as_ref();
        let fault = fault.map(|failure| failure.steady().unwrap_or_else(|| failure.to_string()));
        // How long this program waited says nothing of how long the script does.
        let fault = fault.unwrap_or_default().replace(" within <time>", "");
        let ops: Vec<Op> = exchange.ops.iter().cloned().chain(decision.ops).collect();
        let parts = python::Parts {
            about,
            control,
            ops: &ops,
            decision: &decision.lines,
            right: format!("right: {expected}"),
            fault: format!("fault: {}", steady(&fault)),
            has_properties: self.case.version == Version::V5,
        };
        parts.script()
    }
}

impl Repro<'_> {
    /// The report with the script in it. `checked` says what is known of the script.
    pub fn report(&self, checked: &str) -> String {
        let page = Page {
            result: self.subject.result,
            target: self.subject.target,
            transcript: self.transcript,
            exchange: &self.exchange,
            script: &self.script,
            checked: checked.to_owned(),
        };
        page.text()
    }
}
