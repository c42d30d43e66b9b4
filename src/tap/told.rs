//! What a recording tells while it goes on and in the end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::rules::Finding;
use crate::wire::{Side, Text, Version};

/// What happens, in its order.
#[derive(Debug, Clone)]
pub enum Told {
    /// A client came, and the broker accepted.
    Opened { connection: u32, client: SocketAddr },
    /// The broker cannot be reached for a client.
    Unreachable {
        connection: u32,
        client: SocketAddr,
        why: String,
    },
    /// No connection could be accepted: why.
    NotAccepted(String),
    /// What is said is not MQTT in the clear: what it is instead. It passes, and is not judged.
    NotMqtt { connection: u32, what: &'static str },
    /// A client said who it is.
    Connect {
        connection: u32,
        /// `None` if its level is no version.
        version: Option<Version>,
        client_id: Text,
    },
    /// A rule says something.
    Finding {
        connection: u32,
        at: Duration,
        finding: Finding,
    },
    /// A connection is over.
    Closed {
        connection: u32,
        after: Duration,
        counts: Counts,
    },
}

/// Packets of one connection, or of all, by who sent them and by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub client: BTreeMap<&'static str, u64>,
    pub broker: BTreeMap<&'static str, u64>,
}

impl Counts {
    pub fn add(&mut self, from: Side, name: &'static str) {
        *self.of_mut(from).entry(name).or_default() += 1;
    }

    pub fn of(&self, side: Side) -> &BTreeMap<&'static str, u64> {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.broker,
        }
    }

    fn of_mut(&mut self, side: Side) -> &mut BTreeMap<&'static str, u64> {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.broker,
        }
    }

    /// Those of another connection too.
    pub fn take_in(&mut self, other: &Counts) {
        for side in [Side::Client, Side::Server] {
            for (name, count) in other.of(side) {
                *self.of_mut(side).entry(name).or_default() += count;
            }
        }
    }
}

/// All of a recording.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    pub connections: u32,
    pub counts: Counts,
    /// Violations of a MUST that clients and the broker are answerable for.
    pub breaches: usize,
    /// Violations of a SHOULD.
    pub advice: usize,
}
