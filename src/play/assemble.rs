//! From the bytes of one connection to events: frames by remaining length, decoded at the version of the last CONNECT,
//! topic aliases resolved.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::transcript::What;
use crate::wire::property::id;
use crate::wire::{Chunk, Decoded, Frame, Packet, PacketType, Piece, Publish, Side, Splitter, Text, Version, decode};

/// One connection's two byte streams, on their way to packets.
pub struct Assembler {
    /// That of the last CONNECT; the case's until there is one.
    version: Version,
    /// The CONNECT named a level that no version has: its CONNACK may have either form.
    unknown_level: bool,
    ours: Splitter,
    theirs: Splitter,
    our_aliases: Aliases,
    their_aliases: Aliases,
}

impl Assembler {
    /// For a new connection of a case at `version`.
    pub fn new(version: Version) -> Assembler {
        Assembler {
            version,
            unknown_level: false,
            ours: Splitter::default(),
            theirs: Splitter::default(),
            our_aliases: Aliases::default(),
            their_aliases: Aliases::default(),
        }
    }

    /// What we sent.
    pub fn sent(&mut self, chunks: &[Chunk]) -> Vec<What> {
        let mut events = Vec::new();
        for chunk in chunks {
            match chunk {
                Chunk::Bytes(bytes) => self.sent_pieces(|ours| ours.push(bytes), &mut events),
                Chunk::Fill { len, byte } => self.sent_pieces(|ours| ours.push_fill(*len, *byte), &mut events),
            }
        }
        events
    }

    fn sent_pieces(&mut self, push: impl FnOnce(&mut Splitter) -> Vec<Piece>, events: &mut Vec<What>) {
        for piece in push(&mut self.ours) {
            match piece {
                Piece::Frame(frame) => {
                    self.note_connect(&frame);
                    let decoded = decode(&frame, self.version, Side::Client);
                    let topic = self.our_aliases.resolve(&decoded);
                    events.push(packet(frame, decoded, topic));
                }
                Piece::Broken { bytes, .. } => events.push(What::Fragment(bytes)),
            }
        }
    }

    /// What came from the broker.
    pub fn received(&mut self, bytes: &[u8]) -> Vec<What> {
        let mut events = Vec::new();
        for piece in self.theirs.push(bytes) {
            match piece {
                Piece::Frame(frame) => {
                    let decoded = self.decode_theirs(&frame);
                    let topic = self.their_aliases.resolve(&decoded);
                    events.push(packet(frame, decoded, topic));
                }
                Piece::Broken { bytes, .. } => events.push(What::Fragment(bytes)),
            }
        }
        events
    }

    /// Bytes of a packet that we began and did not end.
    pub fn our_pending(&self) -> u64 {
        self.ours.pending_len()
    }

    /// Whether the broker began a packet and did not end it.
    pub fn their_pending(&self) -> bool {
        self.theirs.pending_len() > 0
    }

    /// Whether the broker's bytes can no longer be cut into packets.
    pub fn is_broken(&self) -> bool {
        self.theirs.is_broken()
    }

    /// What is left of the broker's bytes when the connection ends.
    pub fn their_rest(&mut self) -> Option<Bytes> {
        let rest = self.theirs.pending();
        (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
    }

    fn note_connect(&mut self, frame: &Frame) {
        if frame.first_byte >> 4 != PacketType::Connect.number() {
            return;
        }
        let Some(level) = frame.connect_level() else { return };
        match Version::ALL.into_iter().find(|v| v.protocol_level() == level & 0x7f) {
            Some(version) => (self.version, self.unknown_level) = (version, false),
            None => self.unknown_level = true,
        }
    }

    fn decode_theirs(&self, frame: &Frame) -> Decoded {
        let decoded = decode(frame, self.version, Side::Server);
        if !self.unknown_level || decoded.breaches.is_empty() {
            return decoded;
        }
        // The answer to a level that nobody knows may be of any version's form: the one without a breach is meant.
        Version::ALL
            .into_iter()
            .map(|version| decode(frame, version, Side::Server))
            .find(|d| d.breaches.is_empty())
            .unwrap_or(decoded)
    }
}

fn packet(frame: Frame, decoded: Decoded, topic: Option<Text>) -> What {
    What::Packet {
        raw: frame.raw,
        decoded: Arc::new(decoded),
        topic,
    }
}

/// Topic aliases of one direction of one connection (5.0, section 3.3.2.3.4).
#[derive(Debug, Default)]
struct Aliases(BTreeMap<u32, Text>);

impl Aliases {
    fn resolve(&mut self, decoded: &Decoded) -> Option<Text> {
        let Some(Packet::Publish(Publish { topic, properties, .. })) = &decoded.packet else {
            return None;
        };
        let Some(alias) = properties.number(id::TOPIC_ALIAS) else {
            return Some(topic.clone());
        };
        if topic.is_empty() {
            return Some(self.0.get(&alias).cloned().unwrap_or_default());
        }
        self.0.insert(alias, topic.clone());
        Some(topic.clone())
    }
}
