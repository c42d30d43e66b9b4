//! The rules: checks that hold in every exchange, whatever the script says. Each is a small pure function over what was
//! said before an event and the event itself, and names the statement that is violated.
//!
//! In: a [`Transcript`], live or from a capture. Out: [`Finding`]s; a rule that holds says nothing.
//!
//! The order of a transcript must be causal: what goes to the broker is recorded before its bytes leave, what comes
//! from it after they have arrived. Nothing else is assumed about the time between two connections.

mod acks;
mod auth;
mod by_client;
mod client;
mod conn;
mod connack;
mod delivery;
mod exchange;
mod finding;
mod flow;
mod history;
mod in_captures;
mod order;
mod packets;
mod published;
mod rule;
mod sent;
mod session;
#[cfg(test)]
mod testing;
mod waiting;
mod websocket;

pub use finding::{Finding, Outcome};
pub use rule::{Needs, RuleInfo};

use std::time::Duration;

use crate::transcript::{Event, Transcript};
use crate::wire::{Side, Version};
use history::{History, Moment};

/// Every rule about the broker, by topic.
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

/// Every rule about the client. They apply to captures and to tests of clients. In a test of a broker the client breaks rules
/// on purpose.
pub fn of_clients() -> impl Iterator<Item = &'static RuleInfo> {
    by_client::all()
}

/// Rules about the broker that apply to captures alone: a case has steps that say the same, with their own patience.
pub fn in_captures() -> impl Iterator<Item = &'static RuleInfo> {
    in_captures::RULES.iter()
}

/// A rule reports at most this many findings per transcript: a broker that breaks it ten thousand times is
/// reported as well by the first few.
const MOST: usize = 20;

/// What the rules find in a transcript of a case, in the order of its events.
pub fn check(transcript: &Transcript) -> Vec<Finding> {
    let mut judge = Judge::of_case(transcript.version, &transcript.namespace, transcript.scripted);
    let events = transcript.events.iter();
    events.flat_map(|e| judge.take(e, Sight::default())).collect()
}

/// Judges a transcript event by event, in memory that grows with what is open in it and not with its length.
pub struct Judge {
    history: History,
    rules: Vec<Watched>,
    index: usize,
}

/// A rule at work.
struct Watched {
    rule: &'static RuleInfo,
    by: Side,
    /// How often it may still speak.
    left: usize,
}

impl Judge {
    /// For a case in which `scripted` is played: the other side is judged.
    pub fn of_case(version: Version, namespace: &str, scripted: Side) -> Judge {
        if scripted == Side::Server {
            let rules = of_clients().map(|r| (r, Side::Client)).collect();
            return Judge::new(History::new(version, namespace, scripted, true), rules);
        }
        Judge::new(
            History::new(version, namespace, scripted, false),
            all().map(|r| (r, Side::Server)).collect(),
        )
    }

    /// For a connection of a capture: both sides are judged. `version` is that of packets before any CONNECT.
    pub fn of_capture(version: Version) -> Judge {
        let of_broker = all().chain(in_captures()).map(|r| (r, Side::Server));
        let rules = of_broker.chain(of_clients().map(|r| (r, Side::Client)));
        Judge::new(History::new(version, "", Side::Client, true), rules.collect())
    }

    fn new(history: History, rules: Vec<(&'static RuleInfo, Side)>) -> Judge {
        let watched = |(rule, by)| Watched { rule, by, left: MOST };
        Judge {
            history,
            rules: rules.into_iter().map(watched).collect(),
            index: 0,
        }
    }

    /// What the rules find in the next event.
    pub fn take(&mut self, event: &Event, sight: Sight) -> Vec<Finding> {
        let moment = self.history.moment(self.index, event, sight);
        let mut findings = Vec::new();
        for watched in self.rules.iter_mut().filter(|w| w.left > 0) {
            for found in (watched.rule.check)(&moment) {
                if let Some(finding) = judge(watched, &moment, found) {
                    watched.left = watched.left.saturating_sub(1);
                    findings.push(finding);
                }
            }
        }
        self.history.apply(self.index, event);
        self.index += 1;
        findings
    }

    /// What the rules find when the capture ends before the connection, at this time.
    pub fn finish(&mut self, at: Duration) -> Vec<Finding> {
        let Some(event) = self.history.last_words(at) else {
            return Vec::new();
        };
        let sight = Sight {
            last: true,
            ..Sight::default()
        };
        let mut findings = self.take(&event, sight);
        let last = self.index.saturating_sub(2);
        findings.iter_mut().for_each(|f| f.event = last);
        findings
    }
}

/// How an event of a capture was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    /// A packet of the client that may have been on its way before the newest ones of the broker arrived.
    pub crossed: bool,
    /// Everything that this side had sent before has reached the other side's host.
    pub arrived: bool,
    /// Not an event of the wire: the capture ends, and with it what is seen of the connection.
    pub last: bool,
}

/// Whether what a rule found may be held against its side: not if it rests on something that the other side did
/// wrong, and only as a doubt if it rests on something that was not seen.
fn judge(watched: &Watched, moment: &Moment, found: rule::Found) -> Option<Finding> {
    let Watched { rule, by, .. } = watched;
    let conn = moment.conn;
    let other_wrong = match by {
        Side::Server => conn.wrong,
        Side::Client => conn.sent.broker_wrong,
    };
    let session = *by == Side::Server && moment.client().is_some_and(|c| c.wrong);
    // What is missing in the capture, and what no capture shows, however complete it is.
    let (wrong, hole, open) = match rule.needs {
        Needs::Bytes => {
            let lost = conn.lost[usize::from(*by == Side::Server)];
            (false, lost || conn.hole && conn.connects == 0, false)
        }
        Needs::Connection => (other_wrong, conn.hole, false),
        Needs::Session => (other_wrong || session, conn.hole, conn.session_hole),
        Needs::Subscriptions => (
            other_wrong || session,
            conn.hole,
            conn.session_hole || moment.history.both,
        ),
    };
    let open = open || found.open;
    if wrong {
        return None;
    }
    Some(Finding {
        rule: rule.name,
        by: *by,
        outcome: if hole || open {
            Outcome::Unknown
        } else {
            Outcome::Breach
        },
        open,
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

    #[test]
    fn no_two_rules_share_a_name() {
        let names: Vec<&str> = all().chain(of_clients()).map(|r| r.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
