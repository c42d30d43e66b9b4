//! From the bytes of one connection to events: frames by remaining length, decoded at the version of the last CONNECT,
//! topic aliases resolved.

use std::sync::Arc;

use bytes::Bytes;

use crate::transcript::{Aliases, What};
use crate::wire::{Chunk, Decoded, Frame, PacketType, Piece, Side, Splitter, Text, Version, decode};

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
        let mut assembler = Assembler {
            version,
            unknown_level: false,
            ours: Splitter::default(),
            theirs: Splitter::default(),
            our_aliases: Aliases::default(),
            their_aliases: Aliases::default(),
        };
        assembler.speaks();
        assembler
    }

    fn speaks(&mut self) {
        self.ours.speaks(Some(self.version));
        self.theirs.speaks((!self.unknown_level).then_some(self.version));
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
        self.speaks();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::property::id;
    use crate::wire::{ConnAck, Connect, Packet, PropertyValue, Publish, encode_bytes};

    fn aliased(topic: &str, alias: u16) -> Vec<u8> {
        let mut publish = Publish {
            topic: topic.into(),
            ..Publish::default()
        };
        publish.properties.push(id::TOPIC_ALIAS, PropertyValue::U16(alias));
        encode_bytes(&Packet::Publish(publish), Version::V5).to_vec()
    }

    fn topics(events: Vec<What>) -> Vec<String> {
        events
            .into_iter()
            .filter_map(|what| match what {
                What::Packet { topic, .. } => topic.map(|t| t.as_str().unwrap_or_default().to_owned()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn topic_aliases_are_resolved_for_each_direction_apart() {
        let mut assembler = Assembler::new(Version::V5);
        let ours = [aliased("a", 1), aliased("", 1), aliased("b", 1), aliased("", 1)].concat();
        assert_eq!(
            topics(assembler.sent(&[Chunk::Bytes(ours.into())])),
            ["a", "a", "b", "b"]
        );
        // The other direction has aliases of its own; one that was never given stands for no topic.
        assert_eq!(topics(assembler.received(&aliased("", 1))), [""]);
        assert_eq!(
            topics(assembler.received(&[aliased("z", 1), aliased("", 1)].concat())),
            ["z", "z"]
        );
    }

    #[test]
    fn a_connection_speaks_the_version_of_its_connect() {
        let mut assembler = Assembler::new(Version::V5);
        let connect = encode_bytes(&Packet::from(Connect::new(Version::V3_1_1, "x")), Version::V3_1_1);
        assembler.sent(&[Chunk::Bytes(connect)]);
        let events = assembler.received(&[0x20, 0x02, 0x00, 0x00]);
        assert!(matches!(&events[..], [What::Packet { decoded, .. }] if decoded.breaches.is_empty()));
    }

    #[test]
    fn the_connack_to_an_unknown_level_may_have_either_form() {
        let mut connect = Connect::new(Version::V5, "x");
        connect.protocol_level = 6;
        let connect = encode_bytes(&Packet::from(connect), Version::V5);
        let connack = Packet::ConnAck(ConnAck {
            reason_code: 0x84,
            ..ConnAck::default()
        });
        for answer in [
            vec![0x20, 0x02, 0x00, 0x01],
            encode_bytes(&connack, Version::V5).to_vec(),
        ] {
            let mut assembler = Assembler::new(Version::V5);
            assembler.sent(&[Chunk::Bytes(connect.clone())]);
            let events = assembler.received(&answer);
            assert!(
                matches!(&events[..], [What::Packet { decoded, .. }] if decoded.breaches.is_empty()),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn packets_come_whole_however_the_stream_is_cut() {
        let mut assembler = Assembler::new(Version::V3_1_1);
        assert!(assembler.received(&[0xd0]).is_empty());
        assert!(assembler.their_pending());
        assert_eq!(assembler.their_rest().as_deref(), Some(&[0xd0][..]));
        assert_eq!(assembler.received(&[0x00, 0xd0, 0x00]).len(), 2);
        assert!(!assembler.their_pending());
        assert!(assembler.sent(&[Chunk::Bytes(Bytes::from_static(&[0xc0]))]).is_empty());
        assert_eq!(assembler.our_pending(), 1);
    }

    #[test]
    fn behind_a_broken_remaining_length_there_are_no_packets() {
        let mut assembler = Assembler::new(Version::V3_1_1);
        let events = assembler.received(&[0xd0, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(matches!(&events[..], [What::Fragment(_)]), "{events:?}");
        assert!(assembler.is_broken());
    }
}
