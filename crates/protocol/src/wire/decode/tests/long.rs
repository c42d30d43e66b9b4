//! Packets that are too long to be kept.

use crate::wire::{Blob, Frame, Packet, Payload, Piece, Side, Splitter, TAIL, Version, decode};

/// The frame of these bytes, which are completed by `fill`.
fn long(head: &[u8], fill: u64) -> Frame {
    let mut splitter = Splitter::new();
    assert_eq!(splitter.push(head), []);
    match splitter.push_fill(fill, b'x').pop() {
        Some(Piece::Frame(frame)) => frame,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_payload_of_a_long_publish_is_known_by_length_and_digest() {
    let fill = 0x20_0000;
    // QoS 1, topic "a", identifier 1, and at 5.0 a property.
    let v3 = long(&[0x32, 0x85, 0x80, 0x80, 0x01, 0, 1, b'a', 0, 1], fill);
    let v5 = long(&[0x32, 0x88, 0x80, 0x80, 0x01, 0, 1, b'a', 0, 1, 2, 1, 1], fill);
    for (frame, version) in [(v3, Version::V3_1_1), (v5, Version::V5)] {
        let decoded = decode(&frame, version, Side::Server);
        assert_eq!(decoded.breaches, []);
        assert!(decoded.kept);
        let Some(Packet::Publish(publish)) = decoded.packet else {
            panic!("no PUBLISH")
        };
        assert_eq!(publish.payload, Payload::Fill { len: fill, byte: b'x' });
        assert_eq!(publish.packet_id, Some(1));
        let Blob::Long(blob) = &frame.raw else {
            panic!("kept whole")
        };
        assert_eq!(&blob.tail[..], [b'x'; TAIL]);
    }
}

#[test]
fn a_splitter_that_knows_the_version_makes_one_digest_and_the_same() {
    let head = [0x30, 0x86, 0x80, 0x80, 0x01, 0, 1, b'a', 2, 1, 1];
    let digests = |version| {
        let mut splitter = Splitter::new();
        splitter.speaks(version);
        assert_eq!(splitter.push(&head), []);
        match splitter.push_fill(0x20_0000, b'x').pop() {
            Some(Piece::Frame(Frame {
                raw: Blob::Long(long), ..
            })) => long.digests,
            other => panic!("{other:?}"),
        }
    };
    let both = digests(None);
    assert_eq!(both.len(), 2);
    assert_eq!(digests(Some(Version::V3_1)), both[..1]);
    assert_eq!(digests(Some(Version::V3_1_1)), both[..1]);
    assert_eq!(digests(Some(Version::V5)), both[1..]);
}

#[test]
fn a_publish_whose_properties_are_not_kept_is_no_breach_and_no_packet() {
    // 1.5 MiB of properties: a user property of 65 535 bytes and so on.
    let mut stream = Vec::new();
    let pairs = 24;
    for _ in 0..pairs {
        stream.extend_from_slice(&[0x26, 0, 1, b'k', 0xff, 0xff]);
        stream.extend_from_slice(&[b'v'; 0xffff]);
    }
    let mut packet = vec![0, 1, b'a'];
    packet.extend_from_slice(&crate::wire::encode_variable(stream.len() as u32));
    packet.extend_from_slice(&stream);
    packet.extend_from_slice(b"payload");
    let mut splitter = Splitter::new();
    splitter.push(&[0x30]);
    splitter.push(&crate::wire::encode_variable(packet.len() as u32));
    let Some(Piece::Frame(frame)) = splitter.push(&packet).pop() else {
        panic!("no frame")
    };
    let decoded = decode(&frame, Version::V5, Side::Server);
    assert_eq!(decoded.breaches, []);
    assert_eq!(decoded.packet, None);
    assert!(!decoded.kept);
}

#[test]
fn other_long_packets_are_judged_by_their_head() {
    // SUBSCRIBE with endless filters "x": each 00 01 78 00.
    let mut splitter = Splitter::new();
    let filters: Vec<u8> = [0, 1, b'x', 0].repeat(0x8_0000);
    splitter.push(&[0x82]);
    splitter.push(&crate::wire::encode_variable(filters.len() as u32 + 2));
    splitter.push(&[0, 1]);
    let Some(Piece::Frame(frame)) = splitter.push(&filters).pop() else {
        panic!("no frame")
    };
    let decoded = decode(&frame, Version::V3_1_1, Side::Client);
    assert_eq!((decoded.packet, decoded.breaches, decoded.kept), (None, vec![], false));
    assert_eq!(decoded.fields.last().map(|f| f.span.end as u64), Some(frame.raw.len()));

    let ping = long(&[0xd0, 0x80, 0x80, 0x80, 0x01], 0x20_0000);
    let decoded = decode(&ping, Version::V5, Side::Server);
    assert_eq!(decoded.breaches.len(), 1);
    assert_eq!(decoded.breaches[0].statement.id, "§2.1.4/remaining-length");
}

#[test]
fn an_announced_length_costs_nothing() {
    let mut splitter = Splitter::new();
    assert_eq!(splitter.push(&[0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1]), []);
    assert_eq!(splitter.pending(), [0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1]);
    assert_eq!(splitter.expected_len(), Some(268_435_460));
    assert_eq!(splitter.push_fill(10_000_000, 0), []);
    assert_eq!(splitter.pending_len(), 10_000_007);
    assert_eq!(splitter.pending().len(), crate::wire::HEAD);
}

#[test]
fn what_cannot_be_framed_is_kept_up_to_a_bound() {
    let mut splitter = Splitter::new();
    let pieces = splitter.push(&[0xd0, 0, 0x30, 0xff, 0xff, 0xff, 0xff, 1, 2]);
    let [Piece::Frame(_), Piece::Broken { bytes, .. }] = &pieces[..] else {
        panic!("{pieces:?}")
    };
    assert_eq!(&bytes[..], [0x30, 0xff, 0xff, 0xff, 0xff]);
    assert!(splitter.is_broken());
    assert_eq!(splitter.pending(), [1, 2]);
    assert_eq!(splitter.push_fill(10_000_000, 0), []);
    assert_eq!(splitter.pending().len(), crate::wire::BROKEN_MAX);
    assert_eq!(splitter.pending_len(), 10_000_002);
}
