//! The stubs behave as documented, so that the results of a suite against them mean something.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::peers::{Kind, Peer};

const CONNECT_V3_1: &str = "10 0f 0006 4d5149736470 03 02 003c 0001 61";
const CONNECT_V3_1_1: &str = "10 0d 0004 4d515454 04 02 003c 0001 61";
const CONNECT_V5: &str = "10 0e 0004 4d515454 05 02 003c 00 0001 61";
const PINGREQ: &str = "c0 00";
const DISCONNECT: &str = "e0 00";

fn bytes(hex_text: &str) -> Vec<u8> {
    hex::decode(hex_text.split_whitespace().collect::<String>()).unwrap()
}

fn connection(peer: &Peer) -> TcpStream {
    let stream = TcpStream::connect(peer.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// Everything that the peer sends in response to these packets until it closes. The last packet must make it close.
fn said(kind: Kind, packets: &[&str]) -> String {
    let peer = Peer::start(kind);
    let mut stream = connection(&peer);
    stream
        .write_all(&packets.iter().flat_map(|p| bytes(p)).collect::<Vec<_>>())
        .unwrap();
    let mut answer = Vec::new();
    // A peer that closes with unread bytes resets the connection; the bytes that it sent before still arrive.
    let _ = stream.read_to_end(&mut answer);
    hex::encode(answer)
}

/// Asserts that the yes-man answers these packets with `expected`, and sends nothing more before DISCONNECT makes it close.
fn agreed(packets: &[&str], expected: &str) {
    let packets: Vec<&str> = packets.iter().copied().chain([DISCONNECT]).collect();
    assert_eq!(
        said(Kind::YesMan, &packets),
        hex::encode(bytes(expected)),
        "{packets:?}"
    );
}

#[test]
fn polite_answers_pings_and_closes_and_ignores_the_rest() {
    let subscribe = "82 06 0001 0001 74 00";
    for (connect, connack) in [
        (CONNECT_V3_1, "20020000"),
        (CONNECT_V3_1_1, "20020000"),
        (CONNECT_V5, "2003000000"),
    ] {
        let answer = said(Kind::Polite, &[connect, subscribe, PINGREQ, DISCONNECT]);
        assert_eq!(answer, format!("{connack}d000"));
    }
}

#[test]
fn mute_sends_only_connack() {
    let peer = Peer::start(Kind::Mute);
    let mut stream = connection(&peer);
    stream
        .write_all(&bytes(&format!("{CONNECT_V5} {PINGREQ} {DISCONNECT}")))
        .unwrap();
    let mut connack = [0; 5];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 3, 0, 0, 0]);
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let silence = stream.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(
        silence.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    ));
}

#[test]
fn yes_man_acknowledges_everything_at_3_1_1() {
    agreed(
        &[CONNECT_V3_1_1, "82 0a 0009 0001 74 02 0001 75 01"],
        "20020000 90 04 0009 0201",
    );
    agreed(&[CONNECT_V3_1_1, "a2 05 0009 0001 74"], "20020000 b0 02 0009");
    agreed(&[CONNECT_V3_1_1, "30 04 0001 74 78"], "20020000");
    agreed(&[CONNECT_V3_1_1, "32 06 0001 74 0007 78"], "20020000 40 02 0007");
    agreed(
        &[CONNECT_V3_1_1, "34 06 0001 74 0007 78", "62 02 0007"],
        "20020000 50 02 0007 70 02 0007",
    );
}

#[test]
fn yes_man_acknowledges_everything_at_5() {
    agreed(
        &[CONNECT_V5, "82 09 0009 02 0b01 0001 74 02"],
        "2003000000 90 04 0009 00 02",
    );
    agreed(
        &[CONNECT_V5, "a2 09 0009 00 0001 74 0001 75"],
        "2003000000 b0 05 0009 00 0000",
    );
    agreed(
        &[CONNECT_V5, "34 07 0001 74 0007 00 78", "62 02 0007"],
        "2003000000 50 02 0007 70 02 0007",
    );
}

#[test]
fn the_closing_ones_close() {
    for kind in [Kind::Closing, Kind::ClosesAtAccept] {
        assert_eq!(said(kind, &[CONNECT_V5]), "");
    }
    assert!(said(Kind::Http, &[CONNECT_V5]).starts_with(&hex::encode("HTTP/1.1 400 ")));
    assert_eq!(said(Kind::TlsAlert, &[CONNECT_V5]), "1503030002020a");
}

#[test]
fn the_endless_ones_do_not_end() {
    for (kind, start) in [
        (Kind::Garbage, "5555"),
        (Kind::GarbageAfterConnack, "20020000 0000"),
        (Kind::EndlessPublish, "20020000 30040001 7478 30040001 7478"),
        (Kind::HugeLength, "20ffffff7f 0000"),
    ] {
        let peer = Peer::start(kind);
        let mut stream = connection(&peer);
        stream.write_all(&bytes(CONNECT_V3_1_1)).unwrap();
        let mut answer = vec![0; 8 * 1024 * 1024];
        stream.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(&bytes(start)), "{kind:?}");
    }
}
