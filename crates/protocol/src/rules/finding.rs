//! What a rule says.

use std::ops::Range;

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
    /// No capture settles it, however complete it is: it depends on a session that began before, or on what a side decided
    /// by itself.
    pub open: bool,
    pub statement: StatementId,
    /// Index of the event in the transcript.
    pub event: usize,
    /// The offending bytes within the event's packet, if the violation lies in some of them.
    pub span: Option<Range<usize>>,
    /// One sentence for a person: what was found and what is allowed.
    pub text: String,
}

/// A rule's answer if it has one; a rule that holds says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The statement is violated.
    Breach,
    /// It cannot be decided: a gap, or a capture that starts midway.
    Unknown,
}
