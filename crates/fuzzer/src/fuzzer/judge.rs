//! What a transcript shows of the broker.

use super::ledger::{self, Terms};
use super::offence::{self, Offence};
use crate::history;
use crate::rules::{self, Outcome};
use crate::statements::{StatementId, catalogue};
use crate::transcript::Transcript;
use crate::wire::Side;

/// A violation by the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the rule or invariant.
    pub rule: &'static str,
    pub statement: StatementId,
    /// The event that shows it.
    pub event: usize,
    /// One sentence for a person.
    pub text: String,
}

impl Verdict {
    /// Whether both are the same violation, perhaps shown by different events.
    pub fn is_like(&self, other: &Verdict) -> bool {
        self.rule == other.rule && self.statement == other.statement
    }

    /// What goes against a SHOULD is no violation.
    fn is_of_must(&self) -> bool {
        catalogue().level(self.statement).is_must()
    }
}

/// Every violation of a MUST by the broker, in the order of the events that show them. What is open is none.
pub fn judge(transcript: &Transcript) -> Vec<Verdict> {
    judge_within(transcript, Terms::default())
}

/// The same with other times than those of virtual time.
pub fn judge_within(transcript: &Transcript, terms: Terms) -> Vec<Verdict> {
    let offences = offence::read(transcript);
    let mut found = by_rules(transcript);
    found.extend(
        ledger::check(transcript, &offences, terms)
            .into_iter()
            .filter(Verdict::is_of_must),
    );
    with_offences(transcript, &offences, found)
}

/// What any part of a sequence shows, even if it was cut short: the violations of rules and invariants.
pub fn certain(transcript: &Transcript) -> Vec<Verdict> {
    with_offences(transcript, &offence::read(transcript), by_rules(transcript))
}

/// Adds what the broker did wrong about offences. A broker that has not closed the connection has processed the packet: what it does
/// after that follows from it, and is no violation of its own.
fn with_offences(transcript: &Transcript, offences: &[Offence], mut found: Vec<Verdict>) -> Vec<Verdict> {
    for offence in offences {
        let Some(verdict) = offence::check(transcript, offence) else {
            continue;
        };
        let is_open = verdict.rule == offence::CLOSED;
        if is_open {
            found.retain(|v| v.event <= offence.event);
        }
        found.push(verdict);
        if is_open {
            break;
        }
    }
    found.sort_by_key(|v| v.event);
    found
}

fn by_rules(transcript: &Transcript) -> Vec<Verdict> {
    let of_rules = rules::check(transcript).into_iter();
    let of_history = history::check(transcript).into_iter().map(|f| f.as_rule());
    let certain = of_rules
        .chain(of_history)
        .filter(|f| f.by == Side::Server && f.outcome == Outcome::Breach);
    let verdict = |f: rules::Finding| Verdict {
        rule: f.rule,
        statement: f.statement,
        event: f.event,
        text: f.text,
    };
    certain.map(verdict).filter(Verdict::is_of_must).collect()
}
