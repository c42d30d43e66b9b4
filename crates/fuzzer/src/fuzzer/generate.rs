//! Chooses actions from a seed.
//!
//! Each sequence has [`Habits`] of its own: features that it uses often and others that it leaves out. What shows only where features
//! meet comes sooner that way than if every sequence used a little of everything (swarm testing; Groce and others, 2012).

use std::sync::Arc;

use fastrand::Rng;

use super::action::{Act, Action, Connection, FILTERS, Kind, Message, Sequence, TOPICS, WillMessage};
use super::client::{Client, Link};
use super::party::{Party, owes};
use super::violation::Violation;
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
    let mut choice = Choice::new(seed);
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
    // What waits for its time while its client is away comes before all clients are back.
    if choice.chance(choice.habits.wills, 12) {
        choice.take(&mut world, &mut actions, 0, Some(Act::Wait(12)));
    }
    (Sequence { versions, actions }, world.finish())
}

/// How often a sequence uses a feature: as a part of six, or as a weight.
struct Habits {
    /// Of the kinds of actions, in the order of [`WEIGHTS`].
    weights: [u32; WEIGHTS.len()],
    acknowledgements: u32,
    automatic: u32,
    /// Sessions that outlive their connections for long.
    lasting: u32,
    windows: u32,
    sizes: u32,
    aliases: u32,
    wills: u32,
    delays: u32,
    expiries: u32,
    properties: u32,
    identifiers: u32,
    options: u32,
    retained: u32,
    /// Of all messages and wills, how many have the first topic.
    one_topic: u32,
    qos: [u8; 5],
    /// Indices into [`FILTERS`].
    filters: Vec<usize>,
}

/// The usual weights of SUBSCRIBE, UNSUBSCRIBE, PUBLISH, stall, PINGREQ, cut, DISCONNECT, wait, restart and kill, takeover.
const WEIGHTS: [u32; 10] = [24, 4, 39, 8, 1, 7, 6, 4, 4, 4];

impl Habits {
    fn choose(rng: &mut Rng) -> Habits {
        let mut of = |from: &[u32]| from[rng.usize(0..from.len())];
        let mut weights = WEIGHTS;
        for (kind, weight) in weights.iter_mut().enumerate() {
            // Without subscriptions and messages nothing else shows.
            *weight *= if kind == 0 || kind == 2 {
                of(&[1, 1, 2])
            } else {
                of(&[0, 1, 1, 2, 4])
            };
        }
        Habits {
            weights,
            acknowledgements: of(&[1, 2, 4]),
            automatic: of(&[1, 4, 6]),
            lasting: of(&[3, 5, 6]),
            windows: of(&[0, 2, 5]),
            sizes: of(&[0, 0, 1, 4]),
            aliases: of(&[0, 1, 5]),
            wills: of(&[0, 2, 5]),
            delays: of(&[0, 2, 5]),
            expiries: of(&[0, 1, 4]),
            properties: of(&[0, 1, 3]),
            identifiers: of(&[0, 1, 5]),
            options: of(&[0, 1, 4]),
            retained: of(&[0, 1, 4]),
            one_topic: of(&[2, 3, 6]),
            qos: [[0, 1, 1, 2, 2], [1, 1, 1, 1, 2], [2, 2, 2, 2, 1]][rng.usize(0..3)],
            filters: (0..rng.usize(1..=5)).map(|_| rng.usize(0..FILTERS.len())).collect(),
        }
    }
}

/// One sequence of so many has violations, and there one of so many actions of connected clients is one.
const VIOLATES: [u32; 2] = [10, 5];

/// Chooses by chance.
pub struct Choice {
    pub rng: Rng,
    habits: Habits,
    /// Chooses violations, if the sequence has any. It has numbers of its own: without violations the sequence of a seed is the
    /// same.
    violates: Option<Rng>,
}

impl Choice {
    /// The choices of a seed.
    pub fn new(seed: u64) -> Choice {
        let mut rng = Rng::with_seed(seed);
        let habits = Habits::choose(&mut rng);
        let mut own = Rng::with_seed(!seed);
        let violates = (own.u32(0..VIOLATES[0]) == 0).then_some(own);
        Choice { rng, habits, violates }
    }

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

    /// Whether a habit is followed.
    fn habit(&mut self, of: impl Fn(&Habits) -> u32) -> bool {
        let part = of(&self.habits);
        self.chance(part, 6)
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
        if let Some(violation) = self.violation(&party.clients[client], link) {
            return Act::Violate(violation);
        }
        let owed: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| owes(link, *kind)).collect();
        if !owed.is_empty() && self.habit(|h| h.acknowledgements) {
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
        let mut at = self.rng.u32(0..self.habits.weights.iter().sum());
        let is_it = |weight: &u32| match at.checked_sub(*weight) {
            Some(rest) => {
                at = rest;
                false
            }
            None => true,
        };
        let kind = self.habits.weights.iter().position(is_it).unwrap_or_default();
        self.act_of(party, client, kind)
    }

    fn violation(&mut self, client: &Client, link: &Link) -> Option<Violation> {
        let own = self.violates.as_mut()?;
        if own.u32(0..VIOLATES[1]) > 0 {
            return None;
        }
        let fitting = Violation::ALL.into_iter().filter(|v| v.fits(client, link));
        let fitting: Vec<Violation> = fitting.collect();
        fitting.get(own.usize(0..fitting.len().max(1))).copied()
    }

    /// An action of a kind, by its place in [`WEIGHTS`].
    fn act_of(&mut self, party: &Party, client: usize, kind: usize) -> Act {
        match kind {
            0 => self.subscribe(),
            1 => Act::Unsubscribe((0..self.rng.usize(1..=2)).map(|_| self.filter()).collect()),
            2 => Act::Publish(self.message()),
            3 => Act::Stall,
            4 => Act::Ping,
            5 => Act::Cut { reset: self.rng.bool() },
            6 => Act::Disconnect {
                code: self.one_of(&[0, 0, 0, 4, 0x80]),
                expiry: if self.chance(1, 4) {
                    Some(self.one_of(&[0, 2, 60]))
                } else {
                    None
                },
            },
            7 => self.wait(),
            8 => self.broker(),
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
        let lasts = self.habit(|h| h.lasting);
        let mut how = Connection {
            clean: !lasts && (is_new || self.chance(1, 3)),
            expiry: if lasts {
                self.one_of(&[60, 300, 300, u32::MAX])
            } else {
                self.one_of(&[0, 2, 5])
            },
            automatic: self.habit(|h| h.automatic),
            ..Connection::default()
        };
        if self.habit(|h| h.windows) {
            how.receive_maximum = Some(self.one_of(&[1, 2, 3]));
        }
        if self.habit(|h| h.sizes) {
            how.maximum_packet_size = Some(self.one_of(&[48, 64, 128]));
        }
        if self.chance(1, 4) {
            how.alias_maximum = self.one_of(&[1, 5]);
        }
        if self.habit(|h| h.wills) {
            how.will = Some(self.will());
        }
        Act::Connect(how)
    }

    fn will(&mut self) -> WillMessage {
        WillMessage {
            topic: self.topic(),
            qos: self.rng.u8(0..=2),
            retain: self.habit(|h| h.retained),
            delay: if self.habit(|h| h.delays) {
                self.one_of(&[1, 3, 10])
            } else {
                0
            },
            expiry: self.expiry(),
        }
    }

    fn expiry(&mut self) -> Option<u32> {
        let has_one = self.habit(|h| h.expiries);
        has_one.then(|| self.one_of(&[0, 1, 3, 60, 300]))
    }

    /// One of the filters of this sequence; in one case of eight, any.
    fn filter(&mut self) -> usize {
        if self.chance(1, 8) {
            return self.rng.usize(0..FILTERS.len());
        }
        self.habits.filters[self.rng.usize(0..self.habits.filters.len())]
    }

    fn subscribe(&mut self) -> Act {
        let count = if self.chance(1, 4) { 2 } else { 1 };
        let filter = |c: &mut Choice| {
            let index = c.filter();
            let qos = c.one_of(&[0, 1, 1, 2, 2]);
            let options = if c.habit(|h| h.options) {
                c.one_of(&[0b100, 0b1000, 0b1_0000, 0b10_0000, 0b1_1000])
            } else {
                0
            };
            (index, qos | options)
        };
        Act::Subscribe {
            filters: (0..count).map(|_| filter(self)).collect(),
            id: if self.habit(|h| h.identifiers) {
                Some(self.one_of(&[1, 2, 128]))
            } else {
                None
            },
        }
    }

    /// One topic is used more than the others, so that features meet.
    fn topic(&mut self) -> usize {
        if self.habit(|h| h.one_topic) {
            0
        } else {
            self.rng.usize(0..TOPICS.len())
        }
    }

    fn message(&mut self) -> Message {
        Message {
            topic: self.topic(),
            qos: self.one_of(&self.habits.qos.clone()),
            retain: self.habit(|h| h.retained),
            expiry: self.expiry(),
            alias: if self.habit(|h| h.aliases) {
                Some(self.one_of(&[1, 2]))
            } else {
                None
            },
            properties: self.habit(|h| h.properties),
            size: self.one_of(&[0, 0, 0, 0, 1, 20, 40, 100, 125, 200]),
        }
    }
}
