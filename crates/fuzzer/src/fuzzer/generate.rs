//! Chooses actions from a seed.

use std::sync::Arc;

use fastrand::Rng;

use super::action::{Act, Action, Connection, FILTERS, Kind, Message, Sequence, TOPICS, WillMessage};
use super::party::{Party, owes};
use super::world::World;
use crate::reference::Config;
use crate::transcript::Transcript;
use crate::wire::Version;

/// The sequence of a seed. The broker's answers decide what is legal, so another broker may give another sequence.
pub fn generate(config: &Arc<Config>, seed: u64) -> Sequence {
    generate_and_play(config, seed).0
}

/// The sequence of a seed, and what it shows.
pub fn generate_and_play(config: &Arc<Config>, seed: u64) -> (Sequence, Transcript) {
    let mut choice = Choice {
        rng: Rng::with_seed(seed),
    };
    let versions = choice.versions();
    let mut world = World::new(config.clone(), &versions);
    let mut actions = Vec::new();
    let wanted = choice.rng.usize(6..=28);
    // One client after the other connects; later connections are up to chance.
    for client in 0..versions.len() {
        choice.take(&mut world, &mut actions, client, None);
    }
    for _ in 0..wanted * 3 {
        if actions.len() >= wanted {
            break;
        }
        let client = choice.rng.usize(0..versions.len());
        let act = choice.act(&world.party, client);
        choice.take(&mut world, &mut actions, client, Some(act));
    }
    (Sequence { versions, actions }, world.finish())
}

/// Chooses by chance.
pub struct Choice {
    pub rng: Rng,
}

impl Choice {
    fn take(&mut self, world: &mut World, actions: &mut Vec<Action>, client: usize, act: Option<Act>) {
        let act = act.unwrap_or_else(|| self.connect(&world.party, client));
        let action = Action { client, act };
        if world.act(&action) {
            actions.push(action);
        }
    }

    /// Whether a chance of `part` in `whole` comes true.
    pub fn chance(&mut self, part: u32, whole: u32) -> bool {
        self.rng.u32(0..whole) < part
    }

    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(0..from.len())]
    }

    /// One version for all clients, or in one sequence of five each its own.
    pub fn versions(&mut self) -> Vec<Version> {
        let all = [
            Version::V3_1,
            Version::V3_1_1,
            Version::V3_1_1,
            Version::V5,
            Version::V5,
            Version::V5,
        ];
        let count = self.rng.usize(2..=4);
        let same = self.one_of(&all);
        let mixed = self.chance(1, 5);
        (0..count)
            .map(|_| if mixed { self.one_of(&all) } else { same })
            .collect()
    }

    pub fn act(&mut self, party: &Party, client: usize) -> Act {
        let Some(link) = party.link(client) else {
            return match self.rng.u32(0..20) {
                0 | 1 => self.wait(),
                2 => self.broker(),
                _ => self.connect(party, client),
            };
        };
        let owed: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| owes(link, *kind)).collect();
        if !owed.is_empty() && self.chance(2, 5) {
            let kind = self.one_of(&owed);
            let code = if self.chance(1, 8) {
                self.one_of(&[0x80, 0x83, 0x97])
            } else {
                0
            };
            return Act::Acknowledge { kind, code };
        }
        // What a client has not read is lost when it is cut off or comes back on a new connection: that is where exchanges are
        // open on one side only.
        if link.stalled && self.chance(1, 2) {
            return match self.rng.u32(0..5) {
                0 | 1 => Act::Read,
                2 | 3 => Act::Cut { reset: true },
                _ => self.connect(party, client),
            };
        }
        match self.rng.u32(0..100) {
            0..=23 => self.subscribe(),
            24..=27 => Act::Unsubscribe(
                (0..self.rng.usize(1..=2))
                    .map(|_| self.rng.usize(0..FILTERS.len()))
                    .collect(),
            ),
            28..=66 => Act::Publish(self.message()),
            67..=74 => Act::Stall,
            75 => Act::Ping,
            76..=82 => Act::Cut { reset: self.rng.bool() },
            83..=88 => Act::Disconnect {
                code: self.one_of(&[0, 0, 0, 4, 0x80]),
                expiry: if self.chance(1, 4) {
                    Some(self.one_of(&[0, 2, 60]))
                } else {
                    None
                },
            },
            89..=91 => self.wait(),
            92..=95 => self.broker(),
            _ => self.connect(party, client),
        }
    }

    fn wait(&mut self) -> Act {
        Act::Wait(self.one_of(&[1, 2, 3, 5, 10]))
    }

    fn broker(&mut self) -> Act {
        if self.rng.bool() { Act::Restart } else { Act::Kill }
    }

    pub fn connect(&mut self, party: &Party, client: usize) -> Act {
        let is_new = party.clients[client].expiry == 0;
        let mut how = Connection {
            clean: if is_new { self.chance(1, 3) } else { self.chance(1, 8) },
            expiry: self.one_of(&[0, 2, 5, 60, 300, 300, 300, u32::MAX]),
            automatic: self.chance(3, 5),
            ..Connection::default()
        };
        if self.chance(1, 3) {
            how.receive_maximum = Some(self.one_of(&[1, 2, 3]));
        }
        if self.chance(1, 8) {
            how.maximum_packet_size = Some(self.one_of(&[48, 64, 128]));
        }
        if self.chance(1, 4) {
            how.alias_maximum = self.one_of(&[1, 5]);
        }
        if self.chance(1, 3) {
            how.will = Some(WillMessage {
                topic: self.topic(),
                qos: self.rng.u8(0..=2),
                retain: self.chance(1, 4),
                delay: self.one_of(&[0, 0, 1, 3, 10]),
                expiry: if self.chance(1, 6) {
                    Some(self.one_of(&[1, 3, 60]))
                } else {
                    None
                },
            });
        }
        Act::Connect(how)
    }

    fn subscribe(&mut self) -> Act {
        let count = if self.chance(1, 4) { 2 } else { 1 };
        let filter = |c: &mut Choice| {
            // Filters that match the commonest topic, so that features meet.
            let index = match c.rng.u32(0..4) {
                0 => c.one_of(&[0, 4, 6]),
                1 | 2 => c.rng.usize(0..7),
                _ => c.rng.usize(0..FILTERS.len()),
            };
            let qos = c.one_of(&[0, 1, 1, 2, 2]);
            let options = if c.chance(1, 3) {
                c.one_of(&[0b100, 0b1000, 0b1_0000, 0b10_0000, 0b1_1000])
            } else {
                0
            };
            (index, qos | options)
        };
        Act::Subscribe {
            filters: (0..count).map(|_| filter(self)).collect(),
            id: if self.chance(1, 4) {
                Some(self.one_of(&[1, 2, 128]))
            } else {
                None
            },
        }
    }

    /// One topic is used more than the others, so that features meet.
    fn topic(&mut self) -> usize {
        if self.chance(1, 2) {
            0
        } else {
            self.rng.usize(0..TOPICS.len())
        }
    }

    fn message(&mut self) -> Message {
        Message {
            topic: self.topic(),
            qos: self.one_of(&[0, 1, 1, 2, 2]),
            retain: self.chance(1, 5),
            expiry: if self.chance(1, 6) {
                Some(self.one_of(&[0, 1, 3, 60]))
            } else {
                None
            },
            alias: if self.chance(1, 6) {
                Some(self.one_of(&[1, 2]))
            } else {
                None
            },
            properties: self.chance(1, 6),
            size: self.one_of(&[0, 0, 0, 0, 1, 20, 40, 100, 125, 200]),
        }
    }
}
