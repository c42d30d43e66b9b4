//! Whatever happens to segments on their way into a capture, the MQTT packets are the same, in an order in which each can
//! have caused the next. Missing bytes are reported.

use crate::support::captures::{Connection, Segment, exchange, one, said, sides, streams, talk, truth};
use mqttspec::capture::Recorded;
use mqttspec::rules::{Judge, Sight};
use mqttspec::transcript::{End, What};
use mqttspec::wire::Version;

const V: Version = Version::V3_1_1;

/// The exchange after a change of its segments.
fn changed(change: impl FnOnce(&mut Vec<Segment>)) -> Recorded {
    let mut connection = talk(V);
    change(&mut connection.segments);
    one(&connection.pcap())
}

/// Asserts that the exchange is complete and that neither side violates a statement.
fn is_whole(recorded: &Recorded) {
    assert_eq!(sides(recorded), truth(V));
    let mut judge = Judge::of_capture(V);
    let events = &recorded.transcript.events;
    let findings: Vec<_> = events.iter().flat_map(|e| judge.take(e, Sight::default())).collect();
    assert!(findings.is_empty(), "{findings:?}");
    assert!(matches!(events[0].what, What::Open));
    assert_eq!(recorded.stream.replayable(), Ok(()));
}

/// Cuts every segment with data into pieces of `len` bytes.
fn split(segments: &mut Vec<Segment>, len: usize) {
    *segments = segments
        .drain(..)
        .flat_map(|s| {
            if s.payload.is_empty() {
                return vec![s];
            }
            let piece = |(i, bytes): (usize, &[u8])| Segment {
                seq: s.seq.wrapping_add((i * len) as u32),
                payload: bytes.to_vec(),
                ..s.clone()
            };
            s.payload.chunks(len).enumerate().map(piece).collect()
        })
        .collect();
}

#[test]
fn every_version_is_read() {
    for version in Version::ALL {
        let recorded = one(&talk(version).pcap());
        assert_eq!(sides(&recorded), truth(version));
        assert_eq!(recorded.stream.version, Some(version));
        assert_eq!(recorded.stream.client_id, Some("probe".into()));
        assert_eq!(recorded.stream.end, Some(End::Fin));
        assert_eq!(recorded.stream.packets[3], 2);
        assert_eq!(recorded.stream.qos, [0, 1, 1, 0]);
        assert!(recorded.stream.handshake && recorded.stream.from_connect);
    }
}

#[test]
fn segments_of_one_byte_and_any_other_size() {
    for len in [1, 2, 3, 7, 100] {
        is_whole(&changed(|s| split(s, len)));
    }
}

#[test]
fn a_split_within_the_remaining_length() {
    // The PUBLISH starts with 32 xx xx: cut it after its second byte.
    is_whole(&changed(|s| {
        let at = s.iter().position(|s| s.payload.len() > 300).expect("the PUBLISH");
        let mut rest = s[at].clone();
        rest.payload.drain(..2);
        rest.seq = rest.seq.wrapping_add(2);
        s[at].payload.truncate(2);
        s.insert(at + 1, rest);
    }));
}

#[test]
fn several_packets_in_one_segment() {
    let all: Vec<u8> = exchange(V)
        .into_iter()
        .filter(|(by, _)| *by)
        .flat_map(|(_, b)| b)
        .collect();
    let recorded = one(&Connection::new().handshake().to(&all).close().pcap());
    assert_eq!(sides(&recorded)[0], truth(V)[0]);
}

#[test]
fn reordered_segments() {
    is_whole(&changed(|s| {
        split(s, 50);
        // Neighbours swap places, even if they have different directions.
        for pair in s[3..].chunks_mut(2) {
            pair.reverse();
        }
    }));
    is_whole(&changed(|s| {
        split(s, 10);
        for part in s[3..].chunks_mut(7) {
            part.reverse();
        }
    }));
}

#[test]
fn an_answer_that_was_captured_before_its_request() {
    is_whole(&changed(|s| s[3..].chunks_mut(2).for_each(|pair| pair.reverse())));
}

#[test]
fn retransmissions() {
    is_whole(&changed(|s| {
        let again: Vec<Segment> = s.iter().filter(|s| !s.payload.is_empty()).cloned().collect();
        let end = s.len() - 3;
        s.splice(end..end, again);
    }));
}

#[test]
fn a_capture_with_every_packet_twice() {
    is_whole(&changed(|s| {
        *s = s.iter().flat_map(|s| [s.clone(), s.clone()]).collect();
    }));
}

#[test]
fn packets_repeated_after_the_end_start_no_connection() {
    let mut connection = talk(V);
    let again = connection.segments.clone();
    connection.segments.extend(again.into_iter().filter(|s| !s.syn));
    is_whole(&one(&connection.pcap()));
}

#[test]
fn overlapping_segments() {
    is_whole(&changed(|s| {
        // Each piece of 40 bytes repeats 20 of the previous one.
        let whole = s.clone();
        split(s, 20);
        for segment in s.iter_mut().filter(|s| s.payload.len() == 20) {
            let from = whole.iter().find(|w| {
                let at = segment.seq.wrapping_sub(w.seq) as usize;
                w.from_client == segment.from_client && at > 0 && at < w.payload.len()
            });
            if let Some(from) = from {
                let at = segment.seq.wrapping_sub(from.seq) as usize;
                segment.seq = segment.seq.wrapping_sub(20);
                segment.payload = from.payload[at - 20..(at + 20).min(from.payload.len())].to_vec();
            }
        }
    }));
}

#[test]
fn sequence_numbers_that_wrap() {
    for first in [u32::MAX - 5, u32::MAX - 100, u32::MAX, 0] {
        let mut connection = said(Connection::with_sequence(first, first).handshake(), &exchange(V)).close();
        split(&mut connection.segments, 30);
        connection.segments[4..].chunks_mut(2).for_each(|pair| pair.reverse());
        is_whole(&one(&connection.pcap()));
    }
}

#[test]
fn a_keep_alive_probe_is_no_data() {
    is_whole(&changed(|s| {
        let mut probe = s[6].clone();
        probe.seq = probe.seq.wrapping_sub(1);
        probe.payload = vec![0];
        s.insert(6, probe);
    }));
}

#[test]
fn a_connection_without_its_handshake() {
    let recorded = one(&said(Connection::new(), &exchange(V)).close().pcap());
    is_whole(&recorded);
    assert!(!recorded.stream.handshake);
}

#[test]
fn a_gap_is_reported_and_the_rest_is_read() {
    // The capture lacks the broker's SUBACK.
    let recorded = changed(|s| drop(s.remove(6)));
    let mut want = truth(V);
    want[1][1] = "gap 5".to_owned();
    assert_eq!(sides(&recorded), want);
    assert_eq!(
        (recorded.stream.server_holes.count, recorded.stream.server_holes.bytes),
        (1, 5)
    );
    assert_eq!(recorded.stream.replayable(), Ok(()));
}

#[test]
fn a_gap_within_a_packet_loses_only_that_packet() {
    let recorded = changed(|s| {
        split(s, 100);
        let at = s
            .iter()
            .position(|s| s.from_client && s.payload[..].starts_with(b"xxx"));
        s.remove(at.expect("a piece from the middle of the PUBLISH"));
    });
    let found = sides(&recorded);
    assert!(found[0].iter().any(|e| e == "gap 100"), "{found:?}");
    // All packets except the PUBLISH.
    let whole = truth(V)[0].iter().filter(|p| found[0].contains(p)).count();
    assert_eq!(whole, truth(V)[0].len() - 1);
    let why = recorded
        .stream
        .replayable()
        .expect_err("the client's bytes are not complete");
    assert!(why.contains("100 bytes"), "{why}");
}

#[test]
fn one_side_alone() {
    let recorded = changed(|s| s.retain(|s| s.from_client));
    assert_eq!(sides(&recorded)[0], truth(V)[0]);
    assert!(recorded.stream.server_holes.bytes > 300, "{:?}", recorded.stream);
    assert_eq!(recorded.stream.replayable(), Ok(()));
    let recorded = changed(|s| s.retain(|s| !s.from_client));
    assert_eq!(sides(&recorded)[1], truth(V)[1]);
    assert!(recorded.stream.replayable().is_err());
}

#[test]
fn a_capture_that_starts_midway() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut connection = talk(version);
        // It lacks CONNECT and CONNACK, and starts within the PUBLISH.
        split(&mut connection.segments, 120);
        let at = connection
            .segments
            .iter()
            .position(|s| s.payload.starts_with(b"xxx"))
            .expect("a piece");
        connection.segments.drain(..at);
        let recorded = one(&connection.pcap());
        let found = sides(&recorded);
        let of_client = truth(version)[0].clone();
        assert_eq!(
            found[0].iter().filter(|e| of_client.contains(e)).count(),
            4,
            "{found:?}"
        );
        assert_eq!(recorded.stream.version, None);
        assert!(recorded.stream.replayable().unwrap_err().contains("CONNECT"));
    }
}

#[test]
fn a_reused_port_is_another_connection() {
    let mut first = talk(V);
    let second = said(Connection::with_sequence(77_000, 99_000).handshake(), &exchange(V)).close();
    first.segments.extend(second.segments.clone());
    let (found, summary) = streams(&first.pcap());
    assert_eq!((found.len(), summary.connections), (2, 2));
    found.iter().for_each(is_whole);
    // The same if the first was never closed.
    let mut first = said(Connection::new().handshake(), &exchange(V));
    first.segments.extend(second.segments);
    let (found, _) = streams(&first.pcap());
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].stream.end, None);
}

#[test]
fn a_reset_ends_the_connection() {
    let recorded = one(&said(Connection::new().handshake(), &exchange(V)).reset().pcap());
    assert_eq!(recorded.stream.end, Some(End::Reset));
    assert_eq!(sides(&recorded), truth(V));
}

#[test]
fn every_event_has_its_frame_number_and_time() {
    let recorded = changed(|_| {});
    // Three packets of the handshake come before the CONNECT.
    assert_eq!(recorded.frames[..3], [4, 4, 5]);
    let times: Vec<u128> = recorded.transcript.events.iter().map(|e| e.at.as_millis()).collect();
    assert_eq!(times[..4], [3, 3, 4, 5]);
}
