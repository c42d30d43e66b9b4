//! Frames of both sides → packets: at the version of the connection, topic aliases resolved.

use std::sync::Arc;

use crate::transcript::{Aliases, What};
use crate::wire::{Decoded, Frame, Side, Version, decode, unmarked};

/// What has to be known of a connection so that its packets can be read.
pub struct Decoder {
    /// That of the last CONNECT.
    version: Version,
    /// The CONNECT named a level that no version has: its CONNACK may have either form.
    unknown_level: bool,
    /// The CONNECT of a bridge is read without the bridge's mark.
    captured: bool,
    client: Aliases,
    server: Aliases,
}

/// The version that a CONNECT's Protocol Level names (section 3.1.2.2). The upper bit, by which bridges are known, is
/// none of the level.
pub fn version_of_level(level: u8) -> Option<Version> {
    Version::ALL.into_iter().find(|v| v.protocol_level() == level & 0x7f)
}

impl Decoder {
    /// For a new connection. `version` is valid until there is a CONNECT.
    pub fn new(version: Version) -> Decoder {
        Decoder {
            version,
            unknown_level: false,
            captured: false,
            client: Aliases::default(),
            server: Aliases::default(),
        }
    }

    /// For a connection of real clients. A bridge's private mark is no part of its Protocol Level.
    pub fn of_capture(version: Version) -> Decoder {
        Decoder {
            captured: true,
            ..Decoder::new(version)
        }
    }

    /// The version at which the packets of a side are read from here on; `None` if it may be any.
    pub fn version(&self, from: Side) -> Option<Version> {
        match from {
            Side::Client => Some(self.version),
            Side::Server => (!self.unknown_level).then_some(self.version),
        }
    }

    /// A CONNECT sets the version of what follows. The version that it names, if this is one and it names one.
    pub fn note_connect(&mut self, frame: &Frame) -> Option<Version> {
        let named = version_of_level(frame.connect_level()?);
        self.unknown_level = named.is_none();
        self.version = named.unwrap_or(self.version);
        named
    }

    /// The packet in a frame, at the version of the connection.
    pub fn decode(&self, from: Side, frame: &Frame) -> Decoded {
        if self.captured
            && from == Side::Client
            && let Some(plain) = frame.raw.bytes().and_then(|raw| unmarked(raw)).and_then(Frame::loose)
        {
            return decode(&plain, self.version, from);
        }
        let decoded = decode(frame, self.version, from);
        if self.version(from).is_some() || decoded.breaches.is_empty() {
            return decoded;
        }
        // The answer to a level that no one knows may be of any version's form: the one without a violation is meant.
        Version::ALL
            .into_iter()
            .map(|version| decode(frame, version, from))
            .find(|d| d.breaches.is_empty())
            .unwrap_or(decoded)
    }

    /// The event of a packet, with the topic that its alias stands for. Packets come in the order in which they were
    /// sent.
    pub fn event(&mut self, from: Side, frame: Frame, decoded: Decoded) -> What {
        let aliases = match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let topic = aliases.resolve(&decoded);
        What::Packet {
            raw: frame.raw,
            decoded: Arc::new(decoded),
            topic,
        }
    }
}
