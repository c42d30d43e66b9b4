//! What a sequence consists of.

use serde::{Deserialize, Serialize};

use super::violation::Violation;
use crate::wire::Version;

/// The topics of all sequences, below the namespace.
pub const TOPICS: [&str; 4] = ["a", "a/b", "c", "a/b/d"];

/// The topic filters of all sequences, below the namespace, each with the share name if it is a shared subscription. They
/// overlap, with and without wildcards.
pub const FILTERS: [(Option<&str>, &str); 11] = [
    (None, "a"),
    (None, "a/b"),
    (None, "c"),
    (None, "a/+"),
    (None, "a/#"),
    (None, "+"),
    (None, "#"),
    (Some("g"), "a"),
    (Some("g"), "a/#"),
    (Some("h"), "a/b"),
    (Some("h"), "a"),
];

/// A sequence: the version of each client, and what happens in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// One version for each client; two to four.
    pub versions: Vec<Version>,
    pub actions: Vec<Action>,
}

/// What one client does, or what happens to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The index of the client; 0 for what concerns all of them.
    pub client: usize,
    pub act: Act,
}

/// One step of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Opens a connection and sends CONNECT. If the client has a connection, the new one takes its session over.
    Connect(Connection),
    /// SUBSCRIBE: indices into [`FILTERS`] with the options byte of each, and the Subscription Identifier.
    Subscribe {
        filters: Vec<(usize, u8)>,
        id: Option<u32>,
    },
    /// UNSUBSCRIBE: indices into [`FILTERS`].
    Unsubscribe(Vec<usize>),
    Publish(Message),
    /// Sends the oldest acknowledgement of one packet type that the client owes. At 5.0 `code` is the reason code of a PUBACK or PUBREC.
    Acknowledge {
        kind: Kind,
        code: u8,
    },
    /// The client stops reading.
    Stall,
    /// The client reads what has arrived, and goes on reading.
    Read,
    Ping,
    /// The client ends the connection without DISCONNECT, with RST or FIN. What it has not read is lost.
    Cut {
        reset: bool,
    },
    /// DISCONNECT with a reason code and a new Session Expiry Interval in seconds (both 5.0 only).
    Disconnect {
        code: u8,
        expiry: Option<u32>,
    },
    /// Sends a packet that obliges the broker to close the connection. If it does not, the client closes it.
    Violate(Violation),
    /// Time passes: this many seconds.
    Wait(u32),
    /// The broker stops gracefully and starts again with what it has stored.
    Restart,
    /// The broker is killed and starts again with what it has stored.
    Kill,
}

/// The packet type of an acknowledgement that a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::PubAck, Kind::PubRec, Kind::PubRel, Kind::PubComp];
}

/// The CONNECT of a client, and how it acknowledges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Connection {
    /// Clean Session or Clean Start.
    pub clean: bool,
    /// Session Expiry Interval in seconds (5.0 only).
    pub expiry: u32,
    /// Receive Maximum (5.0 only): 1 to 65 535.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size in bytes (5.0 only); large enough for a CONNACK.
    pub maximum_packet_size: Option<u32>,
    /// Topic Alias Maximum (5.0 only).
    pub alias_maximum: u16,
    pub will: Option<WillMessage>,
    /// Whether the client acknowledges by itself as soon as it reads.
    pub automatic: bool,
}

/// The will of a CONNECT.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WillMessage {
    /// An index into [`TOPICS`].
    pub topic: usize,
    pub qos: u8,
    pub retain: bool,
    /// Will Delay Interval in seconds (5.0 only).
    pub delay: u32,
    /// Message Expiry Interval in seconds (5.0 only).
    pub expiry: Option<u32>,
}

/// What a PUBLISH carries. Its payload is unique in the sequence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Message {
    /// An index into [`TOPICS`].
    pub topic: usize,
    pub qos: u8,
    pub retain: bool,
    /// Message Expiry Interval in seconds (5.0 only).
    pub expiry: Option<u32>,
    /// Topic Alias (5.0 only). An alias that the connection has for this topic replaces the topic.
    pub alias: Option<u16>,
    /// Whether it has the properties that a broker forwards (5.0 only).
    pub properties: bool,
    /// The size of the payload in bytes, if that is more than the unique part needs. 0 with `retain` is an empty payload.
    pub size: usize,
}
