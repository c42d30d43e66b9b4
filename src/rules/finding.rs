//! What a rule says.

use std::ops::Range;

use super::rule::Needs;
use crate::statements::StatementId;
use crate::wire::Side;

/// What a rule found at one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's name, such as `ack-answers-open-id`.
    pub rule: &'static str,
    /// Who is at fault.
    pub by: Side,
    pub outcome: Outcome,
    pub statement: StatementId,
    /// Index of the event in the transcript.
    pub event: usize,
    /// The offending bytes within the event's packet, if the violation lies in some of them.
    pub span: Option<Range<usize>>,
    /// One sentence for a person: what was found and what is allowed.
    pub text: String,
}

impl Finding {
    /// Whether no capture settles it, however much was seen: it rests on what a server may do by itself.
    pub fn is_open_in_captures(&self) -> bool {
        super::all().any(|rule| rule.name == self.rule && rule.needs == Needs::Subscriptions)
    }
}

/// A rule's answer if it has one; a rule that holds says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The statement is violated.
    Breach,
    /// It cannot be decided: a gap, or a capture that starts midway.
    Unknown,
}
