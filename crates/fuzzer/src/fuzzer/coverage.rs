//! Which situations sequences have reached: an action, the state of the client that takes it, and the action before.

use std::collections::HashSet;

use super::action::{Act, Action};
use super::client::{Link, Stage};
use super::party::{Party, owes};
use crate::fuzzer::Kind;

/// The pairs that were reached so far.
#[derive(Debug, Clone, Default)]
pub struct Coverage(HashSet<u64>);

impl Coverage {
    /// Adds the pairs of a sequence, and gives how many of them are new.
    pub fn add(&mut self, pairs: &[u64]) -> usize {
        pairs.iter().filter(|pair| self.0.insert(**pair)).count()
    }

    /// How many pairs were reached.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was reached.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The pairs of one sequence while it is played.
#[derive(Debug, Default)]
pub struct Walk {
    pub pairs: Vec<u64>,
    /// The client and the class of the action before.
    before: Option<(usize, u64)>,
}

/// A pair before it is known whether its action is legal.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    client: usize,
    class: u64,
    pair: u64,
}

impl Walk {
    /// The pair of an action in the present state.
    pub fn step(&self, party: &Party, action: &Action) -> Step {
        let class = class(&action.act);
        let before = self.before.map_or(0, |(client, class)| {
            class << 1 | u64::from(client == action.client) | 1 << 16
        });
        Step {
            client: action.client,
            class,
            pair: before << 40 | class << 24 | state(party, action.client),
        }
    }

    /// The action was taken.
    pub fn took(&mut self, step: Step) {
        self.pairs.push(step.pair);
        self.before = Some((step.client, step.class));
    }
}

/// The kind of an action with what changes its meaning most: 8 bits.
fn class(act: &Act) -> u64 {
    match act {
        Act::Connect(how) => u64::from(how.clean) | u64::from(how.will.is_some()) << 1,
        Act::Subscribe { filters, .. } => {
            let shared = |(index, _): &(usize, u8)| super::FILTERS.get(*index).is_some_and(|f| f.0.is_some());
            8 | u64::from(filters.iter().any(shared))
        }
        Act::Unsubscribe(_) => 10,
        Act::Publish(message) => 16 | u64::from(message.qos.min(3)) << 1 | u64::from(message.retain),
        Act::Acknowledge { kind, code } => 32 | (*kind as u64) << 1 | u64::from(*code >= 0x80),
        Act::Stall => 40,
        Act::Read => 41,
        Act::Ping => 42,
        Act::Cut { .. } => 43,
        Act::Disconnect { code, .. } => 44 | u64::from(*code != 0),
        Act::Wait(_) => 46,
        Act::Restart => 47,
        Act::Kill => 48,
        Act::Violate(violation) => 64 | *violation as u64,
    }
}

/// The state of a client: 12 bits.
fn state(party: &Party, client: usize) -> u64 {
    let Some(of) = party.clients.get(client) else { return 0 };
    let link = |link: &Link| {
        let owed = Kind::ALL.iter().filter(|kind| owes(link, **kind));
        let owed = owed.fold(0, |bits, kind| bits | 1 << *kind as u64);
        1 | u64::from(link.stalled) << 1 | owed << 2
    };
    let stages = [Stage::Published, Stage::Received, Stage::Released];
    let has = |stage: &Stage| of.open.iter().any(|exchange| exchange.stage == *stage);
    let open = (0..)
        .zip(&stages)
        .map(|(bit, stage)| u64::from(has(stage)) << bit)
        .sum::<u64>();
    party.link(client).map_or(0, link) | open << 6 | u64::from(of.expiry > 0) << 9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzer::{Connection, Message};
    use crate::wire::Version;

    fn publish(qos: u8) -> Action {
        let message = Message {
            qos,
            ..Message::default()
        };
        Action {
            client: 0,
            act: Act::Publish(message),
        }
    }

    fn pairs(actions: &[Action], party: &Party) -> Vec<u64> {
        let mut walk = Walk::default();
        for action in actions {
            let step = walk.step(party, action);
            walk.took(step);
        }
        walk.pairs
    }

    #[test]
    fn a_pair_is_a_state_an_action_and_the_action_before() {
        let mut party = Party::new("mqsfuzz0", &[Version::V5; 2]);
        let away = pairs(&[publish(1), publish(1), publish(2)], &party);
        assert_eq!(away.iter().collect::<HashSet<_>>().len(), 3);
        assert_eq!(away, pairs(&[publish(1), publish(1), publish(2)], &party));
        party.opens(0, 1, &Connection::default());
        let here = pairs(&[publish(1), publish(1), publish(2)], &party);
        assert!(here.iter().all(|pair| !away.contains(pair)));
        // Whether the same client acted before makes a difference.
        let mut other = publish(1);
        other.client = 1;
        assert_ne!(pairs(&[other, publish(1)], &party)[1], here[1]);
    }

    #[test]
    fn only_new_pairs_count() {
        let mut coverage = Coverage::default();
        assert!(coverage.is_empty());
        assert_eq!(coverage.add(&[1, 2, 2]), 2);
        assert_eq!(coverage.add(&[2, 3]), 1);
        assert_eq!(coverage.len(), 3);
    }
}
