//! The state of one network connection, which ends with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::wire::property::id;
use crate::wire::{Connect, Packet, PropertyValue, Text, Version, Will};

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Open, without CONNECT.
    Opened,
    /// Its CONNECT is valid, and AUTH packets are exchanged before the CONNACK.
    Authenticating,
    /// Its CONNECT was accepted.
    Connected,
    /// Its CONNECT was refused.
    Refused,
    /// Closed. It is kept only until the network reports the close too.
    Ended,
}

/// An exchange of AUTH packets that has not ended.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// How many of the client's data items were right so far.
    pub answered: usize,
    /// What is accepted when it succeeds: the client id and its CONNECT. `None` for a re-authentication.
    pub connect: Option<Box<(Text, Connect)>>,
}

/// One network connection.
#[derive(Debug, Clone)]
pub struct Connection {
    pub phase: Phase,
    /// The version of its CONNECT; meaningless before that.
    pub version: Version,
    /// The client id, given or assigned.
    pub client: Text,
    /// The deadline for CONNECT.
    pub connect_by: Duration,
    /// When the last packet arrived.
    pub heard_at: Duration,
    /// The Keep Alive in force; `None` is off.
    pub keep_alive: Option<Duration>,
    /// How late the broker notices the end of the Keep Alive.
    pub noticed_late: Duration,
    pub will: Option<Will>,
    /// The Authentication Method of the CONNECT.
    pub method: Option<Text>,
    /// An exchange of AUTH packets that has not ended.
    pub exchange: Option<Exchange>,
    /// The client's Receive Maximum (v5:MQTT-3.3.4-9). 3.x has none.
    pub receive_maximum: u16,
    /// The client's Maximum Packet Size in bytes.
    pub maximum_packet_size: Option<u32>,
    /// The topics of the client's aliases (v5:MQTT-3.3.2-7: they end with the connection).
    pub aliases: BTreeMap<u16, Text>,
    /// The client's QoS 2 exchanges that started on this connection and are open: what the broker's Receive Maximum
    /// counts (5.0, section 4.9).
    pub open: BTreeSet<u16>,
}

impl Connection {
    /// A connection whose CONNECT must arrive before `connect_by`.
    pub fn opened(connect_by: Duration) -> Connection {
        Connection {
            phase: Phase::Opened,
            version: Version::V3_1_1,
            client: Text::default(),
            connect_by,
            heard_at: Duration::ZERO,
            keep_alive: None,
            noticed_late: Duration::ZERO,
            will: None,
            method: None,
            exchange: None,
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            aliases: BTreeMap::new(),
            open: BTreeSet::new(),
        }
    }

    /// Adopts what the CONNECT says about the connection itself.
    pub fn accept(&mut self, version: Version, client: Text, connect: &Connect, now: Duration) {
        self.phase = Phase::Connected;
        self.version = version;
        self.client = client;
        self.heard_at = now;
        self.keep_alive = seconds(connect.keep_alive);
        self.will = connect.will.clone();
        self.method = authentication_method(connect);
        if let Some(n) = connect.properties.number(id::RECEIVE_MAXIMUM) {
            self.receive_maximum = u16::try_from(n).unwrap_or(u16::MAX);
        }
        self.maximum_packet_size = maximum_packet_size(connect);
    }

    /// Whether the packet is within the client's Maximum Packet Size.
    pub fn takes(&self, packet: &Packet) -> bool {
        self.maximum_packet_size
            .is_none_or(|limit| super::encoded_len(packet, self.version) <= u64::from(limit))
    }

    /// When silence ends it: at one and a half times the Keep Alive (v3.1.1:MQTT-3.1.2-24, v5:MQTT-3.1.2-22), or at the
    /// deadline for CONNECT.
    pub fn silent_until(&self) -> Option<Duration> {
        match self.phase {
            Phase::Opened | Phase::Authenticating => Some(self.connect_by),
            Phase::Connected => {
                let silent = |keep_alive| self.heard_at + keep_alive * 3 / 2 + self.noticed_late;
                self.keep_alive.map(silent)
            }
            Phase::Refused | Phase::Ended => None,
        }
    }
}

/// The method that a CONNECT names.
pub fn authentication_method(connect: &Connect) -> Option<Text> {
    match connect.properties.get(id::AUTHENTICATION_METHOD) {
        Some(PropertyValue::Text(method)) => Some(method.clone()),
        _ => None,
    }
}

/// A Keep Alive as a duration; 0 switches it off.
pub fn seconds(keep_alive: u16) -> Option<Duration> {
    (keep_alive > 0).then(|| Duration::from_secs(keep_alive.into()))
}

/// The client's Maximum Packet Size. One of 0 arrives here only if it was let through, and would forbid everything.
pub fn maximum_packet_size(connect: &Connect) -> Option<u32> {
    connect
        .properties
        .number(id::MAXIMUM_PACKET_SIZE)
        .filter(|limit| *limit > 0)
}
