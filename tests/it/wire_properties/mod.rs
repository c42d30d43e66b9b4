//! Properties of every packet and every stream: encoding and decoding are inverse, decoding is total, and frames do not
//! depend on how a stream is split into chunks.

pub mod packets;

use bytes::Bytes;
use mqttspec::wire::{
    Blob, Checked, Decoded, Frame, Packet, Piece, Side, Splitter, Version, check, decode, decode_bytes, encode_bytes,
};
use proptest::prelude::*;

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

/// The frame of bytes that are exactly one packet.
fn frame(bytes: &Bytes) -> Frame {
    let mut splitter = Splitter::new();
    let mut pieces = splitter.push(bytes);
    assert_eq!(splitter.pending_len(), 0);
    match pieces.pop() {
        Some(Piece::Frame(frame)) if pieces.is_empty() => frame,
        other => panic!("not one frame: {other:?} after {pieces:?}"),
    }
}

/// The fields are contiguous and cover the whole packet; every violation points into it.
fn assert_covered(decoded: &Decoded, len: usize) {
    let mut at = 0;
    for field in &decoded.fields {
        assert_eq!(field.span.start, at, "{} in {decoded:?}", field.name);
        at = field.span.end;
    }
    assert_eq!(at, len, "{decoded:?}");
    for breach in &decoded.breaches {
        assert!(
            breach.span.start <= breach.span.end && breach.span.end <= len,
            "{breach:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn encoding_and_decoding_are_inverse((version, from, packet) in packets::valid()) {
        let bytes = encode_bytes(&packet, version);
        let decoded = decode(&frame(&bytes), version, from);
        prop_assert_eq!(&decoded.breaches, &[]);
        prop_assert_eq!(decoded.packet.as_ref(), Some(&packet));
        prop_assert_eq!(decoded.packet_type, Some(packet.packet_type()));
        prop_assert!(decoded.kept);
        assert_covered(&decoded, bytes.len());
    }

    #[test]
    fn decoding_takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), from in side()) {
        let bytes = Bytes::from(bytes);
        for version in Version::ALL {
            assert_covered(&decode_bytes(&bytes, version, from), bytes.len());
        }
    }

    /// Random bytes seldom get past the fixed header, so valid packets are damaged too.
    #[test]
    fn decoding_takes_damaged_packets(
        (version, _, packet) in packets::valid(),
        from in side(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        read_as in prop::sample::select(&Version::ALL[..]),
    ) {
        let mut bytes = encode_bytes(&packet, version).to_vec();
        for (index, byte) in damage {
            let i = index.index(bytes.len());
            bytes[i] = byte;
        }
        bytes.truncate(cut.index(bytes.len() * 2).max(1));
        let bytes = Bytes::from(bytes);
        let decoded = decode_bytes(&bytes, read_as, from);
        assert_covered(&decoded, bytes.len());
        let checked = check(&Frame::loose(bytes).unwrap(), read_as, from);
        prop_assert_eq!(checked, Checked::from(decoded.clone()));
        if decoded.packet.is_none() {
            prop_assert!(!decoded.breaches.is_empty(), "neither a packet nor a violation: {:?}", decoded);
        }
    }

    /// A packet that decodes without a violation is the same after another round trip.
    #[test]
    fn a_packet_without_violations_survives_a_round_trip((version, _, packet) in packets::valid(), at in any::<prop::sample::Index>(), byte in any::<u8>(), from in side()) {
        let mut bytes = encode_bytes(&packet, version).to_vec();
        let i = at.index(bytes.len());
        bytes[i] = byte;
        let bytes = Bytes::from(bytes);
        let decoded = decode_bytes(&bytes, version, from);
        if let (Some(packet), []) = (&decoded.packet, &decoded.breaches[..]) {
            let again = decode_bytes(&encode_bytes(packet, version), version, from);
            prop_assert_eq!(again.packet.as_ref(), Some(packet));
        }
    }

    #[test]
    fn frames_do_not_depend_on_the_chunks(
        packets in prop::collection::vec(packets::valid(), 0..6),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(1usize..30, 1..40),
    ) {
        let mut stream = Vec::new();
        for (version, _, packet) in &packets {
            stream.extend_from_slice(&encode_bytes(packet, *version));
        }
        stream.extend_from_slice(&garbage);

        let mut whole = Splitter::new();
        let expected = whole.push(&stream);
        prop_assert!(expected.len() >= packets.len());

        let mut cut = Splitter::new();
        let mut found = Vec::new();
        let mut rest = &stream[..];
        for n in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*n).min(rest.len()));
            found.extend(cut.push(now));
            rest = later;
        }
        prop_assert_eq!(found, expected);
        prop_assert_eq!(cut.pending(), whole.pending());
        prop_assert_eq!(cut.pending_len(), whole.pending_len());
        prop_assert_eq!(cut.is_broken(), whole.is_broken());
        prop_assert_eq!(cut.expected_len(), whole.expected_len());
        prop_assert_eq!(cut.received(), stream.len() as u64);
    }
}

/// A PUBLISH of more than a mebibyte, split in several ways.
#[test]
fn long_frames_do_not_depend_on_the_chunks() {
    let payload: Vec<u8> = (0..1_200_000u32).map(|i| (i % 251) as u8).collect();
    let packet = Packet::Publish(mqttspec::wire::Publish {
        topic: "long".into(),
        payload: Bytes::from(payload).into(),
        ..Default::default()
    });
    for version in Version::ALL {
        let bytes = encode_bytes(&packet, version);
        let expected = frame(&bytes);
        assert!(matches!(expected.raw, Blob::Long(_)));
        for cut in [1, 7, 1_000, 131_071, 131_072, 131_073, 1_000_000] {
            let mut splitter = Splitter::new();
            let pieces: Vec<Piece> = bytes.chunks(cut).flat_map(|part| splitter.push(part)).collect();
            assert_eq!(pieces, [Piece::Frame(expected.clone())], "cut every {cut} bytes");
        }
        let decoded = decode(&expected, version, Side::Server);
        assert_eq!(decoded.breaches, []);
        assert_eq!(decoded.packet.as_ref(), Some(&packet));
        assert_eq!(check(&expected, version, Side::Server), Checked::from(decoded.clone()));
        assert_covered(&decoded, bytes.len());
    }
}
