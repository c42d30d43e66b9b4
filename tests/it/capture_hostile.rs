//! No file makes the reader panic or hang, and segments in any order give the same exchange.

use crate::support::captures::{self, Connection, File, Segment, exchange, said, sides, talk, truth};
use mqttspec::capture::audit::audit;
use mqttspec::capture::{Settings, read_streams};
use mqttspec::wire::Version;
use proptest::prelude::*;

/// Reads and audits a file in every way, and imports scenarios from it. It must only return.
fn survives(file: &[u8]) {
    let streams = read_streams(file, &Settings::default()).map_or_else(|_| Vec::new(), |(streams, _)| streams);
    for recorded in &streams {
        let _ = mqttspec::capture::import(recorded, "field.pcap");
    }
    let _ = audit(file, &Settings::default(), |report| {
        mqttspec::capture::audit::stream_text(report);
        serde_json::to_string(&mqttspec::capture::audit::stream_json(report)).expect("it serialises");
    });
}

fn files() -> Vec<Vec<u8>> {
    let ng = File {
        pcapng: true,
        resolution: Some(9),
        ..File::default()
    };
    let [old, new] = [Version::V3_1_1, Version::V5].map(talk);
    vec![old.pcap(), new.pcap(), old.file(&ng), new.file(&ng)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_wrong_bytes_causes_no_panic(
        which in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let mut file = files().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        survives(&file);
    }

    #[test]
    fn a_file_of_noise_causes_no_panic(
        which in 0usize..4,
        keep in 0usize..60,
        noise in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut file = files().swap_remove(which);
        file.truncate(keep);
        file.extend(noise);
        survives(&file);
    }

    #[test]
    fn payloads_of_noise_cause_no_panic(
        pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 0..20),
        after_connect in any::<bool>(),
    ) {
        let begun = if after_connect { said(Connection::new().handshake(), &exchange(Version::V5)[..2]) } else { Connection::new() };
        survives(&said(begun, &pieces).pcap());
    }

    /// Segments are cut anywhere, repeated and delayed, and the exchange is the same.
    #[test]
    fn any_order_of_any_pieces_is_the_same_exchange(
        first in any::<u32>(),
        sizes in prop::collection::vec(1usize..80, 1..40),
        late in prop::collection::vec(0usize..9, 1..60),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let version = Version::V5;
        let connection = said(Connection::with_sequence(first, first.wrapping_mul(7)).handshake(), &exchange(version)).close();
        let mut cut = cut(&connection.segments, &sizes);
        for index in again {
            let segment = index.get(&cut[3..]).clone();
            let at = index.index(cut.len() - 3) + 3;
            // A repeated segment comes after the original.
            let known = cut.iter().position(|s| *s == segment).unwrap_or(0);
            cut.insert(at.max(known + 1), segment);
        }
        // Each segment after the handshake may be late by a few places.
        let order = |i: usize| i + late[i % late.len()];
        let mut places: Vec<usize> = (3..cut.len()).collect();
        places.sort_by_key(|i| (order(*i), *i));
        let shuffled: Vec<Segment> = places.into_iter().map(|i| cut[i].clone()).collect();
        let mut connection = connection;
        connection.segments = [&cut[..3], &shuffled].concat();
        let recorded = captures::one(&connection.pcap());
        prop_assert_eq!(sides(&recorded), truth(version));
    }
}

/// Cuts the segments with data into pieces of these sizes, in turn.
fn cut(segments: &[Segment], sizes: &[usize]) -> Vec<Segment> {
    let mut sizes = sizes.iter().cycle();
    let mut out = Vec::new();
    for segment in segments {
        let mut rest = segment.clone();
        while let Some(size) = sizes.next().filter(|size| **size < rest.payload.len()) {
            let tail = rest.payload.split_off(*size);
            let seq = rest.seq.wrapping_add(*size as u32);
            out.push(std::mem::replace(
                &mut rest,
                Segment {
                    seq,
                    payload: tail,
                    ..segment.clone()
                },
            ));
        }
        out.push(rest);
    }
    out
}
