//! Builds transcripts for tests.

use std::sync::Arc;
use std::time::Duration;

use super::{Author, Event, StepId, Transcript, What};
use crate::wire::{Frame, Packet, Side, Version as V, decode, encode_bytes};

/// The namespace of every transcript built here.
pub const NS: &str = "mqs0k3f9";

/// A transcript in the making, of 3.1.1 unless said otherwise, one event every 3 ms.
pub struct Talk {
    version: V,
    /// The side that the script plays.
    scripted: Side,
    events: Vec<Event>,
}

impl Default for Talk {
    fn default() -> Talk {
        Talk::new()
    }
}

impl Talk {
    pub fn new() -> Talk {
        Talk::at(V::V3_1_1)
    }

    pub fn at(version: V) -> Talk {
        Talk {
            version,
            scripted: Side::Client,
            events: Vec::new(),
        }
    }

    /// Of a test of a client.
    pub fn with_client(version: V) -> Talk {
        Talk {
            scripted: Side::Server,
            ..Talk::at(version)
        }
    }

    pub fn normalised(self) -> String {
        super::normalise(&self.transcript(), &[], &super::Usual::default())
    }

    pub fn event(mut self, client: &str, step: Option<u32>, author: Author, what: What) -> Talk {
        let connection = if client == "sub" { 1 } else { 2 };
        self.events.push(Event {
            at: Duration::from_millis(3 * self.events.len() as u64),
            client: client.into(),
            connection,
            step: step.map(|number| StepId {
                number,
                turns: Vec::new(),
            }),
            author,
            what,
        });
        self
    }

    pub fn packet(self, client: &str, step: Option<u32>, author: Author, packet: impl Into<Packet>) -> Talk {
        let version = self.version;
        self.bytes(client, step, author, &encode_bytes(&packet.into(), version))
    }

    pub fn bytes(self, client: &str, step: Option<u32>, author: Author, bytes: &[u8]) -> Talk {
        let side = match (author == Author::Peer, self.scripted) {
            (true, Side::Client) | (false, Side::Server) => Side::Server,
            (true, Side::Server) | (false, Side::Client) => Side::Client,
        };
        let frame = Frame::loose(bytes.to_vec()).expect("a packet has bytes");
        let decoded = Arc::new(decode(&frame, self.version, side));
        let topic = match &decoded.packet {
            Some(Packet::Publish(p)) => Some(p.topic.clone()),
            _ => None,
        };
        let raw = frame.raw;
        self.event(client, step, author, What::Packet { raw, decoded, topic })
    }

    pub fn transcript(self) -> Transcript {
        Transcript {
            scripted: self.scripted,
            version: self.version,
            namespace: NS.to_owned(),
            events: self.events,
            local: Vec::new(),
            bindings: vec![("m".to_owned(), "1".to_owned())],
        }
    }
}

impl Transcript {
    /// The same with one bit of an event's packet changed, which is then decoded again.
    pub fn with_bit(&self, event: usize, byte: usize, bit: u8) -> Transcript {
        let mut changed = self.clone();
        let side = self.events[event].side(self.scripted);
        if let What::Packet { raw, decoded, .. } = &mut changed.events[event].what {
            let mut bytes = raw.head().to_vec();
            bytes[byte] ^= 1 << bit;
            let frame = Frame::loose(bytes).expect("a packet has bytes");
            *decoded = Arc::new(decode(&frame, self.version, side));
            *raw = frame.raw;
        }
        changed
    }
}
