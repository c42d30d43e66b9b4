//! What was said on one connection so far.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::exchange::Exchanges;
use super::in_captures::Retained;
use super::sent::Sent;
use super::waiting::Waiting;
use crate::wire::property::id;
use crate::wire::{ConnAck, Connect, Text, Version};

/// One connection.
#[derive(Debug, Clone, Default)]
pub struct Conn {
    pub number: u32,
    /// Its beginning is in the transcript.
    pub opened: bool,
    /// Bytes are missing.
    pub hole: bool,
    /// Bytes of the client, and of the broker, are missing, so that packets may have been found where none begin.
    pub lost: [bool; 2],
    /// The session that it resumes was not seen from its beginning.
    pub session_hole: bool,
    /// We have sent a wrong packet, or a right one at a point where it is a protocol error.
    pub wrong: bool,
    /// The version of the last CONNECT; `None` before it, and if its level is no version.
    pub version: Option<Version>,
    /// Its last CONNECT named a level or name that is no version of MQTT.
    pub unknown_level: bool,
    pub connect: Option<Connect>,
    pub connects: u32,
    /// When its last CONNECT was sent.
    pub asked_at: Option<std::time::Duration>,
    /// How many packets of the client came after its CONNECT.
    pub said_since_connect: u64,
    /// The key of its client id in [`History`](super::history::History).
    pub client: Option<Bytes>,
    pub connack: Option<ConnAck>,
    pub connacks: u32,
    /// An accepted connection with a session that went on.
    pub resumed: bool,
    /// We sent DISCONNECT.
    pub client_left: bool,
    /// The broker sent DISCONNECT (5.0).
    pub broker_left: bool,
    /// When the broker last said something; its end counts.
    pub heard: Option<std::time::Duration>,
    /// The broker's direction has ended, at this time.
    pub broker_end: Option<std::time::Duration>,
    /// PINGREQs without a PINGRESP.
    pub pings: u64,
    pub exchanges: Exchanges,
    /// What the broker's topic aliases stand for.
    pub aliases: BTreeMap<u16, Text>,
    /// What the client has begun and owes, where clients are judged.
    pub sent: Sent,
    /// How many PUBLISHes of QoS 1 and 2 the broker has sent and the client has not acknowledged (5.0, section 4.9).
    pub in_flight: u32,
    /// Its CONNECT has the private mark of bridges: the broker may treat it as another broker.
    pub bridge: bool,
    /// What waits for an answer, if both sides are judged.
    pub waiting: Waiting,
    /// Retained messages that came, if both sides are judged.
    pub retained: Retained,
}

impl Conn {
    /// A number from the properties of the CONNECT.
    pub fn asked(&self, id: u32) -> Option<u32> {
        self.connect.as_ref()?.properties.number(id)
    }

    /// The client's Receive Maximum (5.0, 3.1.2.11.3), 65 535 if it named none.
    pub fn receive_maximum(&self) -> u32 {
        self.asked(id::RECEIVE_MAXIMUM).unwrap_or(65_535)
    }

    /// The authentication method of the CONNECT.
    pub fn method(&self) -> Option<&crate::wire::PropertyValue> {
        self.connect.as_ref()?.properties.get(id::AUTHENTICATION_METHOD)
    }
}

/// The version that a CONNECT names, by name and level together.
pub fn version_of(connect: &Connect) -> Option<Version> {
    Version::ALL.into_iter().find(|v| {
        v.protocol_level() == connect.protocol_level && v.protocol_name().as_bytes() == connect.protocol_name.as_bytes()
    })
}
