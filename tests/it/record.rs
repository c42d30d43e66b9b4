//! `record`: traffic is written to a file and judged while it passes, and passwords are masked.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::support::program::{self, Ended, Listening};
use crate::support::talk::talk;
use crate::support::tshark::tshark;
use mqttspec::capture::{Recorded, Settings, read_streams};
use mqttspec::transcript::What;
use mqttspec::wire::{Connect, Packet, Publish, Version, encode_bytes};

fn recorded(file: &Path) -> Vec<Recorded> {
    let file = File::open(file).expect("the capture");
    let (streams, summary) = read_streams(file, &Settings::default()).expect("a capture");
    assert_eq!(summary.damage, None);
    streams
}

/// Records the traffic of two clients with the embedded broker to `out.pcapng`.
fn record_talk(folder: &Path) -> Ended {
    let broker = Listening::start(folder, &["broker", "--listen", "127.0.0.1:0"]);
    let target = format!("mqtt://{}", broker.address);
    let arguments = ["record", "--listen", "127.0.0.1:0", &target, "-o", "out.pcapng"];
    let record = Listening::start(folder, &arguments);
    talk(&record.address);
    let ended = record.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    ended
}

#[test]
fn traffic_is_recorded_in_full_without_passwords() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = record_talk(folder.path());
    assert!(ended.text.contains("client \"pub\", v3.1.1"), "{}", ended.text);
    assert!(
        ended.text.contains("2 connections, 0 violations, 0 advice"),
        "{}",
        ended.text
    );

    let file = folder.path().join("out.pcapng");
    let bytes = fs::read(&file).expect("the capture");
    assert!(!bytes.windows(4).any(|w| w == b"secr"), "the password can be seen");
    let streams = recorded(&file);
    let names = |recorded: &Recorded| -> Vec<&'static str> {
        let packets = recorded.transcript.events.iter().filter_map(|e| match &e.what {
            What::Packet { decoded, .. } => Some(mqttspec::transcript::name(decoded)),
            _ => None,
        });
        packets.collect()
    };
    let [sub, publisher] = streams.as_slice() else {
        panic!("two connections: {}", streams.len())
    };
    assert_eq!(
        names(sub),
        ["CONNECT", "CONNACK", "SUBSCRIBE", "SUBACK", "PUBLISH", "DISCONNECT"]
    );
    assert_eq!(
        names(publisher),
        ["CONNECT", "CONNACK", "PUBLISH", "PUBACK", "DISCONNECT"]
    );
    assert!(streams.iter().all(|s| s.stream.handshake && s.stream.end.is_some()));
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_the_recording() {
    let folder = tempfile::tempdir().expect("a folder");
    record_talk(folder.path());
    let file = folder.path().join("out.pcapng");
    let odd = tshark(
        &file,
        &[
            "-o",
            "tcp.check_checksum:TRUE",
            "-Y",
            "_ws.malformed || tcp.checksum.status != 1 || tcp.analysis.flags",
        ],
    );
    assert!(odd.is_empty(), "{odd:#?}");
    let packets = tshark(&file, &["-Y", "mqtt"]);
    assert_eq!(packets.len(), 11, "{packets:#?}");
}

#[test]
fn violations_are_reported_as_they_happen() {
    let folder = tempfile::tempdir().expect("a folder");
    // Its CONNACK reports a session to clients that asked for a clean one.
    let broker = ["broker", "--listen", "127.0.0.1:0", "--fault", "v3.1.1:MQTT-3.2.2-1"];
    let broker = Listening::start(folder.path(), &broker);
    let target = format!("mqtt://{}", broker.address);
    let arguments = ["record", "--listen", "127.0.0.1:0", &target, "-o", "out.pcapng"];
    let mut record = Listening::start(folder.path(), &arguments);
    let mut stream = TcpStream::connect(&record.address).expect("it listens");
    let connect = Packet::from(Connect::new(Version::V3_1_1, "c"));
    stream
        .write_all(&encode_bytes(&connect, Version::V3_1_1))
        .expect("it is sent");
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).expect("a CONNACK");
    let told = record.until("the broker violates");
    assert!(told.contains("v3.1.1:MQTT-3.2.2-1"), "{told}");
    let ended = record.end();
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    // The file has everything that was captured before the recorder ended.
    assert_eq!(recorded(&folder.path().join("out.pcapng")).len(), 1);
}

/// A QoS 2 exchange is open when the connection ends, and its identifier is used for another message on the next one.
#[test]
fn violations_over_two_connections_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Listening::start(folder.path(), &["broker", "--listen", "127.0.0.1:0"]);
    let target = format!("mqtt://{}", broker.address);
    let arguments = ["record", "--listen", "127.0.0.1:0", &target, "-o", "out.pcapng"];
    let mut record = Listening::start(folder.path(), &arguments);
    let mut connect = Connect::new(Version::V3_1_1, "meter-7");
    connect.clean_start = false;
    for payload in ["a", "b"] {
        let mut stream = TcpStream::connect(&record.address).expect("it listens");
        let publish = Packet::Publish(Publish {
            qos: 2,
            topic: "x/1".into(),
            packet_id: Some(1),
            payload: payload.into(),
            ..Publish::default()
        });
        let mut answer = [0; 4];
        for packet in [Packet::from(connect.clone()), publish] {
            stream
                .write_all(&encode_bytes(&packet, Version::V3_1_1))
                .expect("it is sent");
            stream.read_exact(&mut answer).expect("CONNACK, then PUBREC");
        }
    }
    let told = record.until("it began on connection 1");
    assert!(told.contains("v3.1.1:MQTT-2.3.1-2"), "{told}");
    assert_eq!(record.end().code, Some(1));
}

#[test]
fn record_refuses_unsupported_targets() {
    let folder = tempfile::tempdir().expect("a folder");
    for target in ["mqtts://127.0.0.1:8883", "ws://127.0.0.1:80", "wss://127.0.0.1:443"] {
        let arguments = ["record", "--listen", "127.0.0.1:0", target, "-o", "out.pcapng"];
        let ended = program::run(folder.path(), &arguments);
        assert_eq!(ended.code, Some(2), "{}", ended.text);
        assert!(ended.text.contains("only plain TCP can be recorded"), "{}", ended.text);
        assert!(!folder.path().join("out.pcapng").exists());
    }
}

#[test]
fn an_unreachable_broker_is_reported_and_the_client_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port");
    let target = format!("mqtt://{free}");
    let arguments = ["record", "--listen", "127.0.0.1:0", &target, "-o", "out.pcapng"];
    let mut record = Listening::start(folder.path(), &arguments);
    let mut stream = TcpStream::connect(&record.address).expect("it listens");
    let end = stream.read(&mut [0]);
    assert!(!matches!(end, Ok(n) if n > 0), "the client got an answer");
    record.until("the broker cannot be reached");
    assert_eq!(record.end().code, Some(0));
}
