//! What was said on one connection, as far as it matters for the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::digest;
use super::finding::{Finding, Place};
use super::routes::owned;
use super::stream::Key;
use crate::wire::property::id;
use crate::wire::{Connect, Side, Text, Version};

/// One connection.
#[derive(Debug, Default)]
pub struct Conn {
    /// Bytes are missing, or its beginning is.
    pub hole: bool,
    /// A side sent something wrong: what the other does then is not held against it.
    pub wrong: [bool; 2],
    pub connect: Option<Terms>,
    /// The session, once the CONNECT was accepted.
    pub session: Option<u64>,
    /// The CONNACK that accepted it.
    pub accepted: Option<Place>,
    pub answered: bool,
    /// The client subscribed before the CONNACK was seen, or is a bridge: its subscriptions are not clear.
    pub early: bool,
    /// The session went on: Session Present 1.
    pub resumed: bool,
    /// 5.0: the server's Receive Maximum.
    pub server_maximum: usize,
    /// When each side last sent a packet.
    pub last: [Option<Place>; 2],
    /// The client has sent a packet after it had received the CONNACK.
    pub aware: bool,
    /// The client sent DISCONNECT, with this code.
    pub goodbye: Option<u8>,
    /// The end of each side's direction.
    pub ended: [Option<Place>; 2],
    /// It was judged as a whole: nothing more is expected of it.
    pub over: bool,
    /// The CONNACK of a newer connection of this client id.
    pub superseded: Option<Place>,
    /// SUBSCRIBEs without a SUBACK: their filters.
    pub subscribing: BTreeMap<u16, Vec<Text>>,
    /// PUBLISHes of the broker without the last acknowledgement of the client.
    pub unacknowledged: BTreeSet<u16>,
    /// PUBLISHes of the client without the broker's last acknowledgement: where they are expected.
    pub published: BTreeMap<u16, Vec<(u64, Key)>>,
    /// Where it has published, to be forgotten with it.
    pub streams: BTreeSet<(u64, Key)>,
    /// Violations of the order that a further copy of a message (its digests) would explain.
    pub tentative: Vec<((u64, u64), Finding)>,
    /// The sessions that got its will while it was open.
    pub will_came: BTreeSet<u64>,
    /// How often each invariant has spoken here.
    pub said: BTreeMap<&'static str, usize>,
}

/// What a CONNECT asks for.
#[derive(Debug, Clone)]
pub struct Terms {
    pub version: Version,
    pub place: Place,
    pub clean: bool,
    pub client_id: Text,
    /// A digest of the user name.
    pub user: Option<u64>,
    /// 5.0: the Session Expiry Interval in seconds; 0xffff_ffff never ends.
    pub expiry: u32,
    /// 5.0: it has a Maximum Packet Size.
    pub limits_size: bool,
    pub will: Option<Will>,
}

/// A will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    pub topic: Text,
    /// Digests of topic and payload.
    pub content: (u64, u64),
    pub qos: u8,
    /// 5.0: the Will Delay Interval in seconds.
    pub delay: u32,
}

impl Terms {
    pub fn new(version: Version, connect: &Connect, place: Place) -> Terms {
        let will = connect.will.as_ref().map(|will| Will {
            topic: owned(&will.topic),
            content: (digest(will.topic.as_bytes()), digest(&will.payload)),
            qos: will.qos,
            delay: will.properties.number(id::WILL_DELAY_INTERVAL).unwrap_or(0),
        });
        Terms {
            version,
            place,
            clean: connect.clean_start,
            client_id: owned(&connect.client_id),
            user: connect.username.as_ref().map(|u| digest(u.as_bytes())),
            expiry: connect.properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0),
            limits_size: connect.properties.number(id::MAXIMUM_PACKET_SIZE).is_some(),
            will,
        }
    }

    /// Whether the session outlives the connection.
    pub fn lasts(&self) -> bool {
        match self.version {
            Version::V5 => self.expiry > 0,
            _ => !self.clean,
        }
    }
}

impl Conn {
    pub fn wrong(&self, side: Side) -> bool {
        self.wrong[side as usize]
    }

    /// How long after its CONNACK a side still spoke.
    pub fn spoke_for(&self, side: Side) -> Duration {
        match (self.accepted, self.last[side as usize]) {
            (Some(accepted), Some(last)) => last.at.saturating_sub(accepted.at),
            _ => Duration::ZERO,
        }
    }

    /// How many things are held for it.
    pub fn size(&self) -> usize {
        1 + self.subscribing.len()
            + self.unacknowledged.len()
            + self.published.len()
            + self.streams.len()
            + self.tentative.len()
            + self.will_came.len()
            + self.said.len()
    }
}
