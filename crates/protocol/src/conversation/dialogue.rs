//! The two byte streams of a connection → events: frames by remaining length, decoded at the version of the last
//! CONNECT, topic aliases resolved.

use bytes::Bytes;

use super::Decoder;
use crate::transcript::What;
use crate::wire::{Chunk, Piece, Side, Splitter, Version};

/// One connection's two byte streams, on their way to packets.
pub struct Dialogue {
    decoder: Decoder,
    client: Splitter,
    server: Splitter,
}

impl Dialogue {
    /// For a new connection. `version` is valid until there is a CONNECT.
    pub fn new(version: Version) -> Dialogue {
        let mut dialogue = Dialogue {
            decoder: Decoder::new(version),
            client: Splitter::default(),
            server: Splitter::default(),
        };
        dialogue.speaks();
        dialogue
    }

    /// For a connection of real clients: see [`Decoder::of_capture`].
    pub fn of_capture(version: Version) -> Dialogue {
        Dialogue {
            decoder: Decoder::of_capture(version),
            ..Dialogue::new(version)
        }
    }

    fn speaks(&mut self) {
        self.client.speaks(self.decoder.version(Side::Client));
        self.server.speaks(self.decoder.version(Side::Server));
    }

    /// What the next bytes of a side complete: packets, and a fragment if they can no longer be cut into packets.
    pub fn bytes(&mut self, from: Side, bytes: &[u8]) -> Vec<What> {
        let mut events = Vec::new();
        let pieces = self.stream_mut(from).push(bytes);
        self.take(from, pieces, &mut events);
        events
    }

    /// As [`Dialogue::bytes`], for bytes that are to be sent.
    pub fn chunks(&mut self, from: Side, chunks: &[Chunk]) -> Vec<What> {
        let mut events = Vec::new();
        for chunk in chunks {
            let stream = self.stream_mut(from);
            let pieces = match chunk {
                Chunk::Bytes(bytes) => stream.push(bytes),
                Chunk::Fill { len, byte } => stream.push_fill(*len, *byte),
            };
            self.take(from, pieces, &mut events);
        }
        events
    }

    fn take(&mut self, from: Side, pieces: Vec<Piece>, events: &mut Vec<What>) {
        for piece in pieces {
            match piece {
                Piece::Frame(frame) => {
                    if from == Side::Client && frame.connect_level().is_some() {
                        self.decoder.note_connect(&frame);
                        self.speaks();
                    }
                    let decoded = self.decoder.decode(from, &frame);
                    events.push(self.decoder.event(from, frame, decoded));
                }
                Piece::Broken { bytes, .. } => events.push(What::Fragment(bytes)),
            }
        }
    }

    /// How many bytes there are of a packet that a side began and did not end.
    pub fn pending(&self, from: Side) -> u64 {
        self.stream(from).pending_len()
    }

    /// Whether the bytes of a side can no longer be cut into packets.
    pub fn is_broken(&self, from: Side) -> bool {
        self.stream(from).is_broken()
    }

    /// What is left of a side's bytes when its direction ends.
    pub fn rest(&self, from: Side) -> Option<Bytes> {
        let rest = self.stream(from).pending();
        (!rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
    }

    fn stream(&self, from: Side) -> &Splitter {
        match from {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn stream_mut(&mut self, from: Side) -> &mut Splitter {
        match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
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

    fn connect(version: Version, level: u8) -> Bytes {
        let mut connect = Connect::new(version, "x");
        connect.protocol_level = level;
        encode_bytes(&Packet::from(connect), version)
    }

    fn is_right(events: &[What]) -> bool {
        matches!(events, [What::Packet { decoded, .. }] if decoded.breaches.is_empty())
    }

    #[test]
    fn topic_aliases_are_resolved_for_each_direction_apart() {
        for (one, other) in [(Side::Client, Side::Server), (Side::Server, Side::Client)] {
            let mut dialogue = Dialogue::new(Version::V5);
            let bytes = [aliased("a", 1), aliased("", 1), aliased("b", 1), aliased("", 1)].concat();
            assert_eq!(topics(dialogue.bytes(one, &bytes)), ["a", "a", "b", "b"]);
            // The other direction has aliases of its own; one that was never given stands for no topic.
            assert_eq!(topics(dialogue.bytes(other, &aliased("", 1))), [""]);
            let bytes = [aliased("z", 1), aliased("", 1)].concat();
            assert_eq!(topics(dialogue.bytes(other, &bytes)), ["z", "z"]);
        }
    }

    #[test]
    fn both_sides_speak_the_version_of_the_connect() {
        let mut dialogue = Dialogue::new(Version::V5);
        let v3_1_1 = [
            connect(Version::V3_1_1, 4),
            Bytes::from_static(b"\x82\x06\0\x01\0\x01a\0"),
        ]
        .concat();
        let events = dialogue.bytes(Side::Client, &v3_1_1);
        assert!(is_right(&events[..1]) && is_right(&events[1..]), "{events:?}");
        assert!(is_right(&dialogue.bytes(Side::Server, &[0x20, 0x02, 0x00, 0x00])));
        // The next CONNECT may name another.
        assert!(is_right(&dialogue.bytes(Side::Client, &connect(Version::V5, 5))));
        assert!(is_right(&dialogue.bytes(Side::Server, &[0x20, 0x03, 0x00, 0x00, 0x00])));
        assert!(!is_right(&dialogue.bytes(Side::Server, &[0x20, 0x02, 0x00, 0x00])));
        // A bridge says so in the upper bit of the level.
        dialogue.bytes(Side::Client, &connect(Version::V3_1_1, 0x84));
        assert!(is_right(&dialogue.bytes(Side::Server, &[0x20, 0x02, 0x00, 0x00])));
    }

    #[test]
    fn a_connect_from_the_server_sets_no_version() {
        let mut dialogue = Dialogue::new(Version::V5);
        dialogue.bytes(Side::Server, &connect(Version::V3_1_1, 4));
        assert!(is_right(&dialogue.bytes(Side::Server, &[0x20, 0x03, 0x00, 0x00, 0x00])));
    }

    #[test]
    fn the_connack_to_an_unknown_level_may_have_either_form() {
        let connack = Packet::ConnAck(ConnAck {
            reason_code: 0x84,
            ..ConnAck::default()
        });
        for answer in [
            vec![0x20, 0x02, 0x00, 0x01],
            encode_bytes(&connack, Version::V5).to_vec(),
        ] {
            let mut dialogue = Dialogue::new(Version::V5);
            dialogue.bytes(Side::Client, &connect(Version::V5, 6));
            assert!(is_right(&dialogue.bytes(Side::Server, &answer)), "{answer:?}");
        }
    }

    #[test]
    fn packets_come_whole_however_the_stream_is_cut() {
        for side in [Side::Client, Side::Server] {
            let mut dialogue = Dialogue::new(Version::V3_1_1);
            assert!(dialogue.bytes(side, &[0xd0]).is_empty());
            assert_eq!(dialogue.pending(side), 1);
            assert_eq!(dialogue.rest(side).as_deref(), Some(&[0xd0][..]));
            assert_eq!(dialogue.bytes(side, &[0x00, 0xd0, 0x00]).len(), 2);
            assert_eq!((dialogue.pending(side), dialogue.rest(side)), (0, None));
        }
    }

    #[test]
    fn what_is_filled_counts_as_if_it_were_there() {
        let mut dialogue = Dialogue::new(Version::V3_1_1);
        let head = Chunk::Bytes(Bytes::from_static(b"\x30\x05\0\x01a"));
        let fill = |len| Chunk::Fill { len, byte: b'x' };
        assert!(dialogue.chunks(Side::Client, &[head, fill(1)]).is_empty());
        assert_eq!(dialogue.pending(Side::Client), 6);
        assert!(is_right(&dialogue.chunks(Side::Client, &[fill(1)])));
    }

    #[test]
    fn behind_a_broken_remaining_length_there_are_no_packets() {
        let mut dialogue = Dialogue::new(Version::V3_1_1);
        let events = dialogue.bytes(Side::Server, &[0xd0, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(matches!(&events[..], [What::Fragment(_)]), "{events:?}");
        assert!(dialogue.is_broken(Side::Server) && !dialogue.is_broken(Side::Client));
        assert_eq!(dialogue.rest(Side::Server).as_deref(), Some(&[0x01][..]));
    }
}
