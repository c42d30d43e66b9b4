//! One connection's bytes → events, and what the rules say of them while they come.

use std::time::Duration;

use bytes::Bytes;

use crate::conversation::Dialogue;
use crate::rules::{Finding, Judge, Sight};
use crate::transcript::{Author, ClientName, Event, What};
use crate::wire::{Side, Version};

/// What a client sends sooner than this after the broker spoke may have crossed with it on the way: it is not held
/// against the client that it did not know. No one here sees when the client reads.
pub const CROSSING: Duration = Duration::from_millis(250);

/// A connection that is judged as it goes on.
pub struct Audit {
    connection: u32,
    client: ClientName,
    dialogue: Dialogue,
    judge: Judge,
    /// When the broker spoke last.
    spoke: Option<Duration>,
}

impl Audit {
    pub fn new(connection: u32) -> Audit {
        // A connection's own version is that of its CONNECT; this one applies until there is one.
        let version = Version::V3_1_1;
        Audit {
            connection,
            client: ClientName::from("client"),
            dialogue: Dialogue::of_capture(version),
            judge: Judge::of_capture(version),
            spoke: None,
        }
    }

    /// The packets that bytes of one side complete.
    pub fn assemble(&mut self, from: Side, bytes: &Bytes) -> Vec<What> {
        self.dialogue.bytes(from, bytes)
    }

    /// What is left of the broker's bytes when its direction ends.
    pub fn rest(&self, from: Side) -> Option<Bytes> {
        match from {
            Side::Client => None,
            Side::Server => self.dialogue.rest(from),
        }
    }

    /// Whether what one side sends now may have crossed with what the broker sent.
    pub fn crosses(&self, at: Duration, from: Side) -> bool {
        from == Side::Client && self.spoke.is_some_and(|spoke| at < spoke + CROSSING)
    }

    /// Takes the next event in, and says what the rules find in it.
    pub fn happened(&mut self, at: Duration, from: Side, what: What) -> Vec<Finding> {
        let author = match from {
            Side::Client => Author::Script,
            Side::Server => Author::Peer,
        };
        let crossed = self.crosses(at, from);
        if from == Side::Server {
            self.spoke = Some(at);
        }
        let event = Event {
            at,
            client: self.client.clone(),
            connection: self.connection,
            step: None,
            author,
            what,
        };
        let sight = Sight {
            crossed,
            // No one here sees what the broker's host has acknowledged.
            arrived: false,
            last: false,
        };
        self.judge.take(&event, sight)
    }
}
