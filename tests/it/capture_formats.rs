//! Every format and link type gives the same packets. For a damaged file the reader reports the damage and what it could
//! read.

use std::time::Duration;

use crate::support::captures::{File, ethernet, one, sides, streams, talk, truth};
use mqttspec::capture::{Error, Settings, Summary, read_streams};
use mqttspec::wire::Version;

const V: Version = Version::V5;

fn is_whole(file: &File) {
    let recorded = one(&talk(V).file(file));
    assert_eq!(sides(&recorded), truth(V), "{file:?}");
    // From the handshake to the CONNECT, and to the end of the connection.
    assert_eq!(recorded.transcript.events[1].at, Duration::from_millis(3), "{file:?}");
    assert_eq!(recorded.stream.started, Duration::from_secs(1_700_000_000), "{file:?}");
}

#[test]
fn pcap_in_both_byte_orders_and_units() {
    for big in [false, true] {
        for nano in [false, true] {
            let file = File {
                big,
                nano,
                ..File::default()
            };
            is_whole(&file);
        }
    }
}

#[test]
fn pcapng_in_both_byte_orders_and_its_units() {
    for big in [false, true] {
        for resolution in [None, Some(3), Some(6), Some(9)] {
            let file = File {
                pcapng: true,
                big,
                resolution,
                ..File::default()
            };
            is_whole(&file);
        }
    }
}

#[test]
fn pcapng_with_several_sections_interfaces_and_other_blocks() {
    let packets = talk(V).packets();
    let little = File {
        pcapng: true,
        ..File::default()
    };
    let big = File {
        big: true,
        resolution: Some(9),
        link: 101,
        before: vec![],
        ..little
    };
    let (first, second) = packets.split_at(8);
    let mut bytes = little.write(first);
    // A block of unknown type, a block of statistics, and an unused interface.
    bytes.extend(little.block(0x0bad, &[1, 2, 3]));
    bytes.extend(little.block(5, &[0; 12]));
    bytes.extend(little.block(1, &[0xff; 8]));
    bytes.extend(big.write(second));
    assert_eq!(sides(&one(&bytes)), truth(V));
}

#[test]
fn every_link_type() {
    let sll = [&[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0][..], &[8, 0]].concat();
    let mut sll2 = vec![0; 20];
    sll2[0] = 8;
    let links: [(u16, Vec<u8>); 8] = [
        (0, vec![2, 0, 0, 0]),
        (108, vec![0, 0, 0, 2]),
        (12, vec![]),
        (101, vec![]),
        (228, vec![]),
        (113, sll),
        (276, sll2),
        (1, ethernet(&[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0])),
    ];
    for (link, before) in links {
        for pcapng in [false, true] {
            let file = File {
                link,
                before: before.clone(),
                pcapng,
                ..File::default()
            };
            is_whole(&file);
        }
    }
}

#[test]
fn ipv6() {
    let connection = talk(V).between("[fd00::1]:40000", "[fd00::2]:1883");
    let file = File {
        before: ethernet(&[0x86, 0xdd]),
        ..File::default()
    };
    let recorded = one(&connection.file(&file));
    assert_eq!(sides(&recorded), truth(V));
    assert_eq!(recorded.stream.client.to_string(), "[fd00::1]:40000");
    let sll = [&[0; 14][..], &[0x86, 0xdd]].concat();
    let sll2 = [&[0x86, 0xdd][..], &[0; 18]].concat();
    // NULL has the host's number of the address family: 24, 28 or 30.
    let links: [(u16, Vec<u8>); 7] = [
        (229, vec![]),
        (12, vec![]),
        (101, vec![]),
        (0, vec![30, 0, 0, 0]),
        (108, vec![0, 0, 0, 24]),
        (113, sll),
        (276, sll2),
    ];
    for (link, before) in links {
        let file = File {
            link,
            before,
            ..File::default()
        };
        assert_eq!(sides(&one(&connection.file(&file))), truth(V), "link {link}");
    }
}

#[test]
fn an_unknown_link_is_named() {
    let file = File {
        link: 147,
        ..File::default()
    };
    let (found, summary) = streams(&talk(V).file(&file));
    assert!(found.is_empty());
    assert_eq!(
        (summary.unknown_link, summary.unknown_link_type),
        (summary.packets, Some(147))
    );
}

#[test]
fn truncated_packets_are_gaps() {
    // Enough for every header, and for the short packets as a whole.
    let file = File {
        snap: 150,
        ..File::default()
    };
    let recorded = one(&talk(V).file(&file));
    let [client, broker] = sides(&recorded);
    let whole = |found: &[String], all: &[String]| all.iter().filter(|p| found.contains(p)).count();
    assert_eq!(whole(&client, &truth(V)[0]), truth(V)[0].len() - 1, "{client:?}");
    assert_eq!(whole(&broker, &truth(V)[1]), truth(V)[1].len() - 1, "{broker:?}");
    assert_eq!(
        (recorded.stream.client_holes.count, recorded.stream.server_holes.count),
        (1, 1)
    );
}

#[test]
fn fragments_of_ip_are_counted() {
    let mut packets = talk(V).packets();
    // Set the flag "more fragments" in one packet with data.
    packets[3].1[6] |= 0x20;
    let (_, summary) = streams(&File::default().write(&packets));
    assert_eq!(summary.fragments, 1);
}

fn error(file: &[u8]) -> String {
    match read_streams(file, &Settings::default()) {
        Err(error @ (Error::Empty | Error::Format(_) | Error::Header(_))) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_no_capture_is_refused_with_its_kind() {
    assert_eq!(error(b""), "it is empty");
    assert!(error(b"\x1f\x8b\x08\x00rest").contains("gzip"));
    assert!(error(b"format: 1\n").contains("starts with 66 6f 72 6d"));
    assert!(error(b"ab").contains("2 bytes"));
    assert!(error(&talk(V).pcap()[..20]).contains("20 of 24 bytes"));
}

/// Reads a damaged file, and returns the message about the damage.
fn damage(file: &[u8]) -> (Summary, String) {
    let (_, summary) = streams(file);
    let text = summary.damage.as_ref().map(|d| d.to_string()).unwrap_or_default();
    (summary, text)
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_the_cut() {
    let ng = File {
        pcapng: true,
        ..File::default()
    };
    for whole in [talk(V).pcap(), talk(V).file(&ng)] {
        let all = streams(&whole).1.packets;
        let mut last = 0;
        for end in 60..whole.len() {
            let (summary, text) = damage(&whole[..end]);
            assert!(summary.packets >= last && summary.packets < all, "cut at {end}");
            last = summary.packets;
            assert!(text.is_empty() || text.contains("the file ends"), "{text}");
        }
        assert_eq!(damage(&whole).1, "");
        assert_eq!(last, all - 1);
    }
    let whole = talk(V).pcap();
    let (_, text) = damage(&whole[..whole.len() - 10]);
    assert!(
        text.contains("18 packets were read before it") && text.contains("44 of its 54 bytes"),
        "{text}"
    );
}

#[test]
fn a_wrong_length_ends_the_reading() {
    let mut bytes = talk(V).pcap();
    // The length of the second packet.
    let at = 24 + 16 + 54 + 8;
    bytes[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
    let (summary, text) = damage(&bytes);
    assert_eq!(summary.packets, 1);
    assert!(text.contains("says that it has 2147483647 bytes"), "{text}");
    let ng = File {
        pcapng: true,
        ..File::default()
    };
    let mut bytes = talk(V).file(&ng);
    bytes[4] = 0x1d;
    assert!(damage(&bytes).1.contains("a block's two lengths differ"));
    let orphan = [
        ng.block(0x0a0d_0d0a, &ng.section()[8..24]),
        ng.record(Duration::ZERO, &[0; 40]),
    ]
    .concat();
    assert!(
        damage(&orphan).1.contains("interface 0, which was not described"),
        "{:?}",
        damage(&orphan)
    );
}
