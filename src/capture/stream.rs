//! What is known of one MQTT connection in a capture.

use std::net::SocketAddr;
use std::time::Duration;

use crate::statements::Version;
use crate::transcript::{End, Transcript};
use crate::wire::{Side, Text};

/// One MQTT connection of a capture, without its packets.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Counts the TCP connections of the capture from 0, MQTT or not, in the order of their first packets: Wireshark's
    /// `tcp.stream`.
    pub id: u32,
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub transport: Transport,
    /// The version of its first CONNECT; `None` if there was none, or it named a level that no version has.
    pub version: Option<Version>,
    /// The version at which packets are read: that of the last CONNECT, else the one that fits the packets.
    pub read_as: Version,
    /// The Protocol Level of a CONNECT with the private mark of bridges, bit 7: 0x83 or 0x84. It is read as 3 or 4.
    pub bridge: Option<u8>,
    /// The client id of its first CONNECT, or the one that the broker assigned.
    pub client_id: Option<Text>,
    /// The time of the first packet, since 1970-01-01 00:00 UTC. Times of events are counted from here.
    pub started: Duration,
    /// From the first packet of the connection to its end.
    pub duration: Duration,
    /// SYN or SYN+ACK was seen.
    pub handshake: bool,
    /// The first packet of the client was seen, and is a CONNECT.
    pub from_connect: bool,
    /// How many packets of each type there were, by the type's number.
    pub packets: [u64; 16],
    /// How many PUBLISHes of each QoS there were.
    pub qos: [u64; 4],
    /// What is missing of the client's bytes, and of the server's.
    pub client_holes: Holes,
    pub server_holes: Holes,
    /// How it ended; `None` if the capture ends before it.
    pub end: Option<End>,
    /// Why the client's packets cannot be sent again as they are, besides that there is no CONNECT. A gap behind its
    /// last packet is no reason.
    pub unusable: Option<String>,
}

/// What MQTT lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    WebSocket,
}

impl Transport {
    /// `tcp` or `websocket`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::WebSocket => "websocket",
        }
    }
}

/// What is missing of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holes {
    pub count: u64,
    pub bytes: u64,
}

impl Stream {
    /// What is missing of one side's bytes.
    pub fn holes(&self, side: Side) -> Holes {
        match side {
            Side::Client => self.client_holes,
            Side::Server => self.server_holes,
        }
    }

    /// Whether its client's packets can be sent to another broker.
    ///
    /// # Errors
    /// The reason why not, as a clause.
    pub fn replayable(&self) -> Result<(), String> {
        match &self.unusable {
            Some(why) => Err(why.clone()),
            None if !self.from_connect => Err("it does not start with a CONNECT".to_owned()),
            None => Ok(()),
        }
    }
}

/// One MQTT connection of a capture with all that crossed the wire.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub stream: Stream,
    /// Its events; the client's have the author `Script`. The one connection has the number 1.
    pub transcript: Transcript,
    /// For each event the number of the packet in the file that completed it, from 1: Wireshark's `frame.number`.
    pub frames: Vec<u64>,
}
