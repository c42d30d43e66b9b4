//! What the checker finds, and what it judges by.

use std::time::Duration;

use crate::rules::{self, Outcome};
use crate::statements::{PerVersion, StatementId, Version};
use crate::wire::Side;

/// Where in a history something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub connection: u32,
    /// The caller's number of the event.
    pub event: usize,
    /// The packet of the capture, from 1; 0 if there is none.
    pub frame: u64,
    /// On a clock that all connections share.
    pub at: Duration,
}

/// What an invariant found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The invariant's name, such as `repeat-on-resume`.
    pub rule: &'static str,
    /// The side at fault.
    pub by: Side,
    /// [`Outcome::Unknown`] if something that was not seen may explain it.
    pub outcome: Outcome,
    pub statement: StatementId,
    /// The packet that began it.
    pub began: Place,
    /// The packet that shows it. Its connection was not closed before
    /// ([`Checker::close`](super::Checker::close)).
    pub shown: Place,
    /// One sentence for a person.
    pub text: String,
}

/// Something that holds over all connections.
#[derive(Debug)]
pub struct Invariant {
    pub name: &'static str,
    /// One sentence: what holds in every history.
    pub about: &'static str,
    pub ids: &'static [PerVersion],
    /// It needs every client of the history to be seen, as in a case. In a capture, others may explain what is seen.
    pub in_cases: bool,
    /// It is judged in captures. In a case, a rule over the transcript says the same, or the script does.
    pub in_captures: bool,
}

impl Invariant {
    /// A finding at `version`; `None` if that version states no such duty.
    pub(super) fn broken(
        &self,
        duty: PerVersion,
        version: Version,
        by: Side,
        [began, shown]: [Place; 2],
        text: String,
    ) -> Option<Finding> {
        Some(Finding {
            rule: self.name,
            by,
            outcome: Outcome::Breach,
            statement: duty.first(version)?,
            began,
            shown,
            text,
        })
    }
}

impl Finding {
    /// As what a rule finds, at its last packet.
    pub fn as_rule(&self) -> rules::Finding {
        rules::Finding {
            rule: self.rule,
            by: self.by,
            outcome: self.outcome,
            // What makes it uncertain lies outside of any capture.
            open: self.outcome == Outcome::Unknown,
            statement: self.statement,
            event: self.shown.event,
            span: None,
            text: self.text.clone(),
        }
    }

    /// Leaves it undecided if `certain` is false.
    pub(super) fn certain(mut self, certain: bool) -> Finding {
        if !certain {
            self.outcome = Outcome::Unknown;
        }
        self
    }
}
