//! Captures: a pcap or pcapng file → its MQTT connections, each as a [`Transcript`](crate::transcript::Transcript).
//!
//! ```text
//! file ──records──▶ link ──segments──▶ tcp ──bytes in order──▶ talk ──events──▶ a Watch
//! ```
//!
//! Reading streams: what is in memory is what is open. [`read`] gives every event to a [`Watch`] as it comes, and
//! [`read_streams`] is the watch that keeps whole connections, for those who play them again.
//!
//! [`write`] goes the other way.
//!
//! Nothing in a file makes this panic, and no length in it is believed before the bytes are there.

pub mod audit;
mod collect;
mod error;
mod file;
mod import;
mod link;
mod stream;
mod talk;
mod tcp;
mod tunnel;
pub mod write;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

pub use collect::read_streams;
pub use error::{Damage, Error};
pub use import::import;
pub use link::{Inner, LINKS, dissect};
pub use stream::{Holes, Recorded, Stream, Transport};

use self::file::Records;
use self::talk::{Facts, Talk};
use self::tcp::{Item, Table, User, Way};
use crate::transcript::Event;

/// What of a capture is wanted.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Only connections with one of these ports; without any, every connection that speaks MQTT.
    pub ports: Vec<u16>,
    /// Only the connection with this number.
    pub stream: Option<u32>,
    /// An audit takes what a gap or a late start leaves open for a violation.
    pub strict: bool,
}

/// Who receives what is in a capture, as it is read.
pub trait Watch {
    /// The next event of a connection. What is known of the connection grows with its events.
    fn event(&mut self, stream: &Stream, seen: Seen, event: Event);

    /// The connection has ended, or the capture. No more events of it come.
    fn ended(&mut self, stream: &Stream);
}

/// How an event was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The packet of the file that completed it, or showed a gap; from 1, as Wireshark's `frame.number`.
    pub frame: u64,
    /// The packet of the file with its first byte.
    pub began: u64,
    /// A packet of the client that may have been on its way before the newest ones of the broker arrived.
    pub crossed: bool,
    /// The other side's host has acknowledged everything that this side had sent before.
    pub arrived: bool,
}

/// Where in a capture something of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// The packet of the file, from 1.
    frame: u64,
    at: Duration,
    /// The sender had everything of the other direction that came out before this.
    heard: bool,
    /// The receiver had acknowledged everything of this direction before this.
    arrived: bool,
}

/// What was in a file besides MQTT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets in the file.
    pub packets: u64,
    /// TCP connections.
    pub connections: u32,
    /// Those that speak MQTT.
    pub mqtt: u32,
    /// How many speak TLS, and the first [`NAMED`] of them. What they carry cannot be read.
    pub tls: u32,
    pub tls_streams: Vec<Unread>,
    /// How many WebSocket connections compress their frames, or use another extension.
    pub compressed: u32,
    /// Packets that are part of a fragmented IP packet with TCP in it. They are not put together.
    pub fragments: u64,
    /// Packets too short for their headers.
    pub broken: u64,
    /// Packets of link types that are not read, and the first such type.
    pub unknown_link: u64,
    pub unknown_link_type: Option<u16>,
    /// Packets in tunnels that are not read, by the tunnel's name.
    pub tunnels: BTreeMap<&'static str, u64>,
    /// Where the file stopped making sense.
    pub damage: Option<Damage>,
}

/// A connection that is named but not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    pub stream: u32,
    pub client: SocketAddr,
    pub server: SocketAddr,
}

/// At most this many TLS connections are named.
pub const NAMED: usize = 100;

/// Why a connection is not read as MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Other {
    NotWanted,
    /// No byte of data was seen.
    Silent,
    Tls,
    CompressedWebSocket,
    Unknown,
}

/// Reads a capture to its end, or to where it is damaged, and tells `watch` what is in it.
///
/// # Errors
/// If the file is no capture, or cannot be read.
pub fn read<R: Read>(reader: R, settings: &Settings, watch: &mut impl Watch) -> Result<Summary, Error> {
    let mut records = Records::open(reader)?;
    let mut table: Table<Kept> = Table::default();
    let mut reading = Reading {
        settings,
        watch,
        summary: Summary::default(),
    };
    let (mut frame, mut last) = (0, Duration::ZERO);
    while let Some(record) = records.next()? {
        (frame, last) = (record.number, last.max(record.at));
        match dissect(record.link, record.data, record.wire_len) {
            Inner::Tcp(segment) => table.take(&segment, record.number, record.at, &mut reading),
            Inner::Fragment => reading.summary.fragments += 1,
            Inner::Broken => reading.summary.broken += 1,
            Inner::UnknownLink => {
                reading.summary.unknown_link += 1;
                reading.summary.unknown_link_type.get_or_insert(record.link);
            }
            Inner::Unread(tunnel) => *reading.summary.tunnels.entry(tunnel).or_default() += 1,
            Inner::Other => {}
        }
    }
    reading.summary.connections = table.count();
    table.finish(frame, last, &mut reading);
    let mut summary = reading.summary;
    summary.packets = records.packets();
    summary.damage = records.damage().cloned();
    Ok(summary)
}

struct Reading<'a, W> {
    settings: &'a Settings,
    watch: &'a mut W,
    summary: Summary,
}

/// What is kept for a connection.
struct Kept {
    facts: Facts,
    talk: Talk,
}

impl<W: Watch> User for Reading<'_, W> {
    type Kept = Kept;

    fn begin(&mut self, id: u32, ends: [SocketAddr; 2], started: Duration) -> Kept {
        let facts = Facts { id, ends, started };
        Kept {
            facts,
            talk: Talk::new(facts, self.settings),
        }
    }

    fn item(&mut self, kept: &mut Kept, opener: Option<Way>, item: Item<'_>) {
        kept.talk.item(opener, item, self.settings, self.watch);
    }

    fn end(&mut self, mut kept: Kept, opener: Option<Way>, at: Duration) {
        match kept.talk.end(opener, at, self.settings, self.watch) {
            None => self.summary.mqtt += 1,
            Some(Other::Tls) => {
                self.summary.tls += 1;
                if self.summary.tls_streams.len() < NAMED {
                    self.summary.tls_streams.push(kept.facts.unread(opener));
                }
            }
            Some(Other::CompressedWebSocket) => self.summary.compressed += 1,
            Some(Other::NotWanted | Other::Silent | Other::Unknown) => {}
        }
    }
}

impl Facts {
    /// Who is who goes by the SYN, else by the lower port.
    fn unread(&self, opener: Option<Way>) -> Unread {
        let [there, back] = self.ends;
        let client = opener.unwrap_or(if back.port() <= there.port() {
            Way::There
        } else {
            Way::Back
        });
        let (client, server) = match client {
            Way::There => (there, back),
            Way::Back => (back, there),
        };
        Unread {
            stream: self.id,
            client,
            server,
        }
    }
}
