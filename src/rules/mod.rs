//! The rules: checks that hold in every exchange, whatever the script says. Each is a small pure function over what was
//! said before an event and the event itself, and names the statement that is breached.
//!
//! In: a [`Transcript`], live or from a capture. Out: [`Finding`]s; a rule that holds says nothing.
//!
//! The order of a transcript must be causal: what goes to the broker is recorded before its bytes leave, what comes from
//! it after they have arrived. Nothing else is assumed about the time between two connections.

mod acks;
mod auth;
mod client;
mod conn;
mod connack;
mod delivery;
mod exchange;
pub mod filter;
mod finding;
mod flow;
mod history;
mod order;
mod packets;
mod rule;
mod session;
#[cfg(test)]
mod testing;
mod websocket;

pub use finding::{Finding, Outcome};
pub use rule::{Ids, Needs, RuleInfo};

use crate::transcript::Transcript;
use history::{History, Moment};

/// Every rule, by topic.
pub fn all() -> impl Iterator<Item = &'static RuleInfo> {
    [
        packets::RULES,
        connack::RULES,
        session::RULES,
        auth::RULES,
        acks::RULES,
        delivery::RULES,
        flow::RULES,
        order::RULES,
        websocket::RULES,
    ]
    .into_iter()
    .flatten()
}

/// A rule speaks so often about one transcript, and then no more: a broker that breaks it ten thousand times is told as
/// well by the first few.
const MOST: usize = 20;

/// What the rules find in a transcript, in the order of its events.
pub fn check(transcript: &Transcript) -> Vec<Finding> {
    let mut history = History::new(transcript);
    let mut findings = Vec::new();
    let mut left: Vec<(&RuleInfo, usize)> = all().map(|rule| (rule, MOST)).collect();
    for index in 0..transcript.events.len() {
        let moment = history.moment(index);
        for (rule, left) in left.iter_mut().filter(|(_, left)| *left > 0) {
            for found in (rule.check)(&moment) {
                if let Some(finding) = judge(rule, &moment, found) {
                    *left = left.saturating_sub(1);
                    findings.push(finding);
                }
            }
        }
        history.apply(index);
    }
    findings
}

/// Whether what a rule found may be held against the broker: not where it rests on a request that was wrong itself, and
/// only as a doubt where it rests on something that was not seen.
fn judge(rule: &RuleInfo, moment: &Moment, found: rule::Found) -> Option<Finding> {
    let (wrong, hole) = match rule.needs {
        Needs::Bytes => (false, false),
        Needs::Connection => (moment.conn.wrong, moment.conn.hole),
        Needs::Session => (
            moment.conn.wrong || moment.client().is_some_and(|c| c.wrong),
            moment.conn.hole || moment.conn.session_hole,
        ),
    };
    if wrong {
        return None;
    }
    Some(Finding {
        rule: rule.name,
        outcome: if hole { Outcome::Unknown } else { Outcome::Breach },
        statement: found.statement(moment.version)?,
        event: moment.index,
        span: found.span,
        text: found.text,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::statements::catalogue;

    #[test]
    fn every_statement_that_a_rule_names_is_in_the_catalogue() {
        for rule in all() {
            for id in rule.statements() {
                assert!(catalogue().get(id).is_some(), "{} names {id}", rule.name);
            }
        }
    }

    #[test]
    fn no_two_rules_share_a_name() {
        let names: Vec<&str> = all().map(|r| r.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
