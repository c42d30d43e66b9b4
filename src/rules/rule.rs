//! What a rule is.

use std::ops::Range;

use super::history::Moment;
use crate::statements::{StatementId, Version};

/// One rule.
pub struct RuleInfo {
    /// Such as `ack-answers-open-id`.
    pub name: &'static str,
    /// One sentence: what holds in every exchange.
    pub about: &'static str,
    /// The statements that it judges. A rule does not apply at a version at which it has none.
    pub ids: &'static [Ids],
    pub needs: Needs,
    pub(super) check: fn(&Moment) -> Vec<Found>,
}

impl RuleInfo {
    /// Every statement that the rule may name; empty for the decoder's rule, which passes on those of the breaches.
    pub fn statements(&self) -> impl Iterator<Item = StatementId> {
        self.ids
            .iter()
            .flat_map(|ids| Version::ALL.into_iter().filter_map(|v| ids.at(v)))
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
}

/// The same duty by its number at each version; empty where that version does not state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    pub v3_1: &'static str,
    pub v3_1_1: &'static str,
    pub v5: &'static str,
}

impl Ids {
    pub const fn new(v3_1: &'static str, v3_1_1: &'static str, v5: &'static str) -> Ids {
        Ids { v3_1, v3_1_1, v5 }
    }

    /// A duty that only 5.0 has.
    pub const fn v5(v5: &'static str) -> Ids {
        Ids::new("", "", v5)
    }

    /// The statement at this version.
    pub fn at(self, version: Version) -> Option<StatementId> {
        let id = match version {
            Version::V3_1 => self.v3_1,
            Version::V3_1_1 => self.v3_1_1,
            Version::V5 => self.v5,
        };
        (!id.is_empty()).then_some(StatementId::new(version, id))
    }
}

/// A breach at the event that a rule was shown.
#[derive(Debug, Clone)]
pub(super) struct Found {
    name: Name,
    pub span: Option<Range<usize>>,
    pub text: String,
}

#[derive(Debug, Clone)]
enum Name {
    Ids(Ids),
    One(StatementId),
}

impl Found {
    pub fn new(ids: Ids, text: impl Into<String>) -> Found {
        Found {
            name: Name::Ids(ids),
            span: None,
            text: text.into(),
        }
    }

    pub fn of(statement: StatementId, text: impl Into<String>) -> Found {
        Found {
            name: Name::One(statement),
            span: None,
            text: text.into(),
        }
    }

    /// Says where in the packet the breach lies.
    pub fn at(mut self, span: Option<Range<usize>>) -> Found {
        self.span = span;
        self
    }

    pub fn statement(&self, version: Version) -> Option<StatementId> {
        match self.name {
            Name::Ids(ids) => ids.at(version),
            Name::One(id) => Some(id),
        }
    }
}
