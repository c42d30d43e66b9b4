//! One connection's bytes → events, and what the rules say of them while they come.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::play::Assembler;
use crate::rules::{self, Finding};
use crate::transcript::{Author, ClientName, Event, Transcript, What};
use crate::wire::{Chunk, Side, Version};

/// So many events are looked back on. A client that stays for months must not take memory for every packet; what is older
/// than this is a beginning that was not seen.
const WINDOW: usize = 2000;

/// A connection that is judged as it goes on.
pub struct Audit {
    connection: u32,
    client: ClientName,
    assembler: Assembler,
    transcript: Transcript,
    /// Events of the transcript that were judged already.
    judged: usize,
}

/// What a rule said.
#[derive(Debug, Clone)]
pub struct Found {
    pub at: Duration,
    pub by: Side,
    pub finding: Finding,
}

impl Audit {
    pub fn new(connection: u32) -> Audit {
        // A connection's own version is that of its CONNECT; this one only stands until there is one.
        let version = Version::V3_1_1;
        Audit {
            connection,
            client: ClientName::from(connection.to_string()),
            assembler: Assembler::new(version),
            transcript: Transcript {
                version,
                namespace: String::new(),
                events: Vec::new(),
                bindings: Vec::new(),
            },
            judged: 0,
        }
    }

    /// The packets that bytes of one side complete.
    pub fn assemble(&mut self, from: Side, bytes: &Bytes) -> Vec<What> {
        match from {
            Side::Client => self.assembler.sent(&[Chunk::Bytes(bytes.clone())]),
            Side::Server => self.assembler.received(bytes),
        }
    }

    /// What is left of the broker's bytes when its direction ends.
    pub fn rest(&mut self, from: Side) -> Option<Bytes> {
        match from {
            Side::Client => None,
            Side::Server => self.assembler.their_rest(),
        }
    }

    /// Takes an event in.
    pub fn happened(&mut self, at: Duration, from: Side, what: What) {
        if let (What::Packet { decoded, .. }, Side::Client) = (&what, from)
            && let Some(version) = version_of(decoded)
        {
            self.transcript.version = version;
        }
        self.transcript.events.push(Event {
            at,
            client: Arc::clone(&self.client),
            connection: self.connection,
            step: None,
            author: match from {
                Side::Client => Author::Script,
                Side::Server => Author::Broker,
            },
            what,
        });
    }

    /// What the rules say of the events since they were asked last.
    pub fn judge(&mut self) -> Vec<Found> {
        let events = &self.transcript.events;
        if self.judged == events.len() {
            return Vec::new();
        }
        let found = rules::check(&self.transcript)
            .into_iter()
            .filter(|finding| finding.event >= self.judged)
            .map(|finding| Found {
                at: events[finding.event].at,
                by: match events[finding.event].from_broker() {
                    true => Side::Server,
                    false => Side::Client,
                },
                finding,
            })
            .collect();
        self.judged = self.transcript.events.len();
        if self.judged > WINDOW {
            self.transcript.events.drain(..WINDOW / 2);
            self.judged -= WINDOW / 2;
        }
        found
    }
}

/// The version that a CONNECT names.
fn version_of(decoded: &crate::wire::Decoded) -> Option<Version> {
    match decoded.packet.as_ref()? {
        crate::wire::Packet::Connect(connect) => Version::ALL
            .into_iter()
            .find(|v| v.protocol_level() == connect.protocol_level & 0x7f),
        _ => None,
    }
}
