//! Sequences that go on where another one reached something new.

use std::sync::Arc;

use super::action::{Action, Sequence};
use super::coverage::Walk;
use super::generate::Choice;
use super::world::World;
use crate::reference::Config;
use crate::transcript::Transcript;
use crate::wire::Version;

/// A sequence that was played on the reference core.
#[derive(Debug)]
pub struct Explored {
    pub sequence: Sequence,
    pub transcript: Transcript,
    /// Pairs of state and action that were reached ([`super::Coverage`]).
    pub pairs: Vec<u64>,
}

/// The versions of the clients of a seed's sequence.
pub fn versions(seed: u64) -> Vec<Version> {
    Choice::new(seed).versions()
}

/// Plays `begin`, then chooses actions from a seed, on the reference core. With an empty `begin` the clients connect first.
pub fn explore(config: &Arc<Config>, seed: u64, versions: &[Version], begin: &[Action]) -> Explored {
    let mut choice = Choice::new(seed);
    let mut taken = Taken::new(config, versions);
    let wanted = choice.rng.usize(6..=28).max(begin.len() + 4);
    for action in begin {
        taken.take(action.clone());
    }
    // One client after the other connects; later connections are up to chance.
    for client in 0..versions.len() {
        if taken.world.party.link(client).is_none() {
            let act = choice.connect(&taken.world.party, client);
            taken.take(Action { client, act });
        }
    }
    for _ in 0..wanted * 3 {
        if taken.actions.len() >= wanted {
            break;
        }
        let client = choice.rng.usize(0..versions.len());
        let act = choice.act(&taken.world.party, client);
        taken.take(Action { client, act });
    }
    taken.explored(versions)
}

/// Plays a sequence again on the reference core.
pub fn replay(config: &Arc<Config>, sequence: &Sequence) -> Explored {
    let mut taken = Taken::new(config, &sequence.versions);
    for action in &sequence.actions {
        taken.take(action.clone());
    }
    taken.explored(&sequence.versions)
}

struct Taken {
    world: World,
    walk: Walk,
    actions: Vec<Action>,
}

impl Taken {
    fn new(config: &Arc<Config>, versions: &[Version]) -> Taken {
        Taken {
            world: World::new(config.clone(), versions),
            walk: Walk::default(),
            actions: Vec::new(),
        }
    }

    fn explored(self, versions: &[Version]) -> Explored {
        Explored {
            sequence: Sequence {
                versions: versions.to_vec(),
                actions: self.actions,
            },
            transcript: self.world.finish(),
            pairs: self.walk.pairs,
        }
    }

    fn take(&mut self, action: Action) {
        let step = self.walk.step(&self.world.party, &action);
        if self.world.act(&action) {
            self.walk.took(step);
            self.actions.push(action);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_goes_on_after_another() {
        let config = Arc::new(Config::default());
        let speak = versions(7);
        let first = explore(&config, 7, &speak, &[]);
        assert!(!first.pairs.is_empty() && first.pairs.len() == first.sequence.actions.len());
        let begin = &first.sequence.actions[..4];
        let second = explore(&config, 8, &speak, begin);
        assert_eq!(second.sequence.actions[..4], *begin);
        assert_ne!(second.sequence, first.sequence);
        let again = explore(&config, 8, &speak, begin);
        assert_eq!(again.sequence, second.sequence);
        assert_eq!(replay(&config, &second.sequence).pairs, second.pairs);
    }
}
