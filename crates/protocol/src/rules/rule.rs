//! What a rule is.

use std::ops::Range;

use super::history::Moment;
use crate::statements::{PerVersion, StatementId, Version};

/// One rule.
pub struct RuleInfo {
    /// Such as `ack-answers-open-id`.
    pub name: &'static str,
    /// One sentence: what holds in every exchange.
    pub about: &'static str,
    /// The statements that it judges. A rule does not apply at a version at which it has none.
    pub ids: &'static [PerVersion],
    pub needs: Needs,
    pub(super) check: fn(&Moment) -> Vec<Found>,
}

impl RuleInfo {
    /// Every statement that the rule may name; empty for the decoder's rule, which passes on those of the violations.
    pub fn statements(&self) -> impl Iterator<Item = StatementId> {
        self.ids
            .iter()
            .flat_map(|ids| Version::ALL.into_iter().filter_map(|v| ids.first(v)))
    }
}

/// What a rule rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The broker's bytes alone: holds whatever the client sent.
    Bytes,
    /// What the client sent on this connection.
    Connection,
    /// What the client sent on this connection and on earlier ones of its session.
    Session,
    /// As `Session`, and that no subscription was made but by the client's SUBSCRIBE packets. A server may make some by
    /// itself (3.1.1 and 5.0, section 4.5), so that a capture leaves it open; in a case that is played, nothing has
    /// caused the server to.
    Subscriptions,
}

/// A violation at the event that the rule examines.
#[derive(Debug, Clone)]
pub(super) struct Found {
    name: Name,
    pub span: Option<Range<usize>>,
    pub text: String,
    /// What was seen does not decide it.
    pub open: bool,
}

#[derive(Debug, Clone)]
enum Name {
    Duty(PerVersion),
    One(StatementId),
}

impl Found {
    pub fn new(duty: PerVersion, text: impl Into<String>) -> Found {
        Found {
            name: Name::Duty(duty),
            span: None,
            text: text.into(),
            open: false,
        }
    }

    pub fn of(statement: StatementId, text: impl Into<String>) -> Found {
        Found {
            name: Name::One(statement),
            span: None,
            text: text.into(),
            open: false,
        }
    }

    /// Leaves it undecided, whatever else was seen.
    pub fn undecided(mut self) -> Found {
        self.open = true;
        self
    }

    /// Says where in the packet the violation lies.
    pub fn at(mut self, span: Option<Range<usize>>) -> Found {
        self.span = span;
        self
    }

    pub fn statement(&self, version: Version) -> Option<StatementId> {
        match self.name {
            Name::Duty(duty) => duty.first(version),
            Name::One(id) => Some(id),
        }
    }
}
