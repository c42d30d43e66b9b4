//! `replay`: the clients of a capture connect to another broker, and different answers are reported.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::program::{self, Listening, run};
use crate::support::talk::{Client, talk};
use mqttspec::wire::{Ack, Packet, Publish, Subscribe, Subscription};
use tempfile::TempDir;

/// Records the traffic of `clients` with the reference broker to `field.pcapng`.
fn record(clients: impl FnOnce(&str)) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Listening::start(folder.path(), &["broker", "--listen", "127.0.0.1:0"]);
    let target = format!("mqtt://{}", broker.address);
    let arguments = ["record", "--listen", "127.0.0.1:0", &target, "-o", "field.pcapng"];
    let record = Listening::start(folder.path(), &arguments);
    clients(&record.address);
    let ended = record.end();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    folder
}

/// QoS 2 messages to the client that publishes them, with packet identifiers that the broker chooses.
fn both_ways(address: &str) {
    let mut client = Client::connect(address, "both");
    let subscribe = Subscribe {
        packet_id: 1,
        subscriptions: vec![Subscription::new("x", 2)],
        ..Subscribe::default()
    };
    client.ask(Packet::Subscribe(subscribe), 5);
    for (packet_id, payload) in [(10, "one"), (11, "two")] {
        let publish = Publish {
            topic: "x".into(),
            qos: 2,
            packet_id: Some(packet_id),
            payload: payload.into(),
            ..Publish::default()
        };
        client.send(Packet::Publish(publish));
        // The broker may interleave the handshakes of both directions.
        let (mut went, mut came) = (false, false);
        while !(went && came) {
            let head = client.read(2);
            let body = client.read(usize::from(head[1]));
            let id = u16::from_be_bytes([body[0], body[1]]);
            match head[0] >> 4 {
                // A topic of one letter precedes the identifier.
                3 => client.send(Packet::PubRec(Ack::new(u16::from_be_bytes([body[3], body[4]])))),
                5 => client.send(Packet::PubRel(Ack::new(id))),
                6 => {
                    client.send(Packet::PubComp(Ack::new(id)));
                    came = true;
                }
                7 => went = true,
                other => panic!("a packet of type {other}"),
            }
        }
    }
    client.leave();
}

#[test]
fn against_the_same_broker_there_is_no_difference() {
    let folder = record(|address| {
        talk(address);
        both_ways(address);
    });
    for more in [
        &[][..],
        &["--rename"],
        &["--speed", "1"],
        &["--stream", "2"],
        &["--client-id", "both"],
    ] {
        let arguments = [&["replay", "field.pcapng"], more].concat();
        let ended = run(folder.path(), &arguments);
        assert_eq!(ended.code, Some(0), "{more:?}: {}", ended.text);
        let streams = if more.len() == 2 && more[0] != "--speed" { 1 } else { 3 };
        let played = format!(
            "{streams} stream{} played, 0 left out",
            if streams == 1 { "" } else { "s" }
        );
        assert!(ended.text.contains(&played), "{more:?}: {}", ended.text);
    }
}

#[test]
fn replay_works_over_every_transport() {
    let folder = record(both_ways);
    for transport in ["mqtt", "mqtts", "ws", "wss", "unix"] {
        let ended = run(folder.path(), &["replay", "field.pcapng", "--transport", transport]);
        assert_eq!(ended.code, Some(0), "{transport}: {}", ended.text);
        assert!(ended.text.contains(" 0 differences"), "{transport}: {}", ended.text);
    }
}

/// Replays against a reference broker that breaks a statement.
fn replay_against(folder: &Path, disobey: &str) -> program::Ended {
    let broker = Listening::start(folder, &["broker", "--listen", "127.0.0.1:0", "--fault", disobey]);
    let target = format!("mqtt://{}", broker.address);
    run(
        folder,
        &["replay", "field.pcapng", &target, "--response-timeout", "500ms"],
    )
}

#[test]
fn a_different_answer_is_reported_with_stream_and_packet() {
    let folder = record(talk);
    // The CONNACK reports a session although there is none.
    let ended = replay_against(folder.path(), "v3.1.1:MQTT-3.2.2-1");
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended
            .text
            .contains("CONNACK session_present: captured false, came true"),
        "{}",
        ended.text
    );
    assert!(
        ended
            .text
            .contains("stream 0  client \"sub\", v3.1.1: 1 difference\n  packet ")
    );
    // Deliveries of QoS 0 have DUP 1: this is a violation, but the message is the same.
    let ended = replay_against(folder.path(), "v3.1.1:MQTT-3.3.1-2");
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn missing_and_additional_packets_are_reported() {
    let folder = record(|address| {
        let mut client = Client::connect(address, "c");
        let publish = |payload: &str| Publish {
            topic: "kept".into(),
            qos: 1,
            packet_id: Some(3),
            retain: true,
            payload: payload.into(),
            ..Publish::default()
        };
        client.ask(Packet::Publish(publish("x")), 4);
        let subscribe = Subscribe {
            packet_id: 4,
            subscriptions: vec![Subscription::new("kept", 0)],
            ..Subscribe::default()
        };
        // SUBACK and the retained message, in either order.
        client.ask(Packet::Subscribe(subscribe), 5 + 9);
        // Removes the retained message.
        client.ask(Packet::Publish(publish("")), 4 + 8);
        client.leave();
    });
    let ended = replay_against(folder.path(), "v3.1.1:MQTT-3.3.1-6");
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended.text.contains("payload=\"x\") was captured, nothing came"),
        "{}",
        ended.text
    );
}

#[test]
fn a_client_without_connect_is_left_out_or_gets_one() {
    // The first frames are removed: the handshake and CONNECT.
    let folder = record(talk);
    let file = std::fs::read(folder.path().join("field.pcapng")).expect("the capture");
    let mut reader = pcap_file::pcapng::PcapNgReader::new(file.as_slice()).expect("a capture");
    let mut writer = pcap_file::pcapng::PcapNgWriter::new(Vec::new()).expect("memory");
    let mut packets = 0;
    while let Some(block) = reader.next_block() {
        let block = block.expect("a block");
        match &block {
            pcap_file::pcapng::Block::SectionHeader(_) => continue,
            pcap_file::pcapng::Block::EnhancedPacket(_) => packets += 1,
            _ => {}
        }
        if !(1..=4).contains(&packets) {
            writer.write_block(&block).expect("memory");
        }
    }
    std::fs::write(folder.path().join("field.pcapng"), writer.into_inner()).expect("a file");
    let ended = run(
        folder.path(),
        &["replay", "field.pcapng", "--response-timeout", "500ms"],
    );
    assert!(
        ended
            .text
            .contains("stream 0  left out: it does not start with a CONNECT"),
        "{}",
        ended.text
    );
    let ended = run(folder.path(), &["replay", "field.pcapng", "--assume-connect"]);
    assert!(ended.text.contains("2 streams played, 0 left out"), "{}", ended.text);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn bad_input_has_its_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("text"), "no capture").expect("a file");
    for (arguments, code, text) in [
        (["replay", "missing"], 2, "cannot open missing"),
        (["replay", "text"], 3, "not a capture"),
    ] {
        let ended = run(folder.path(), &arguments);
        assert_eq!(ended.code, Some(code), "{}", ended.text);
        assert!(ended.text.contains(text), "{}", ended.text);
    }
    let recorded = record(talk);
    let ended = run(recorded.path(), &["replay", "field.pcapng", "mqtt://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(5), "{}", ended.text);
    let ended = run(recorded.path(), &["replay", "field.pcapng", "--stream", "99"]);
    assert_eq!(ended.code, Some(4), "{}", ended.text);
}

/// A process that is ended when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// mosquitto on a free port.
fn mosquitto(folder: &Path) -> (Running, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port");
    let config = format!("listener {} 127.0.0.1\nallow_anonymous true\n", free.port());
    std::fs::write(folder.join("mosquitto.conf"), config).expect("a file");
    let path = format!(
        "/usr/sbin:/usr/local/sbin:{}",
        std::env::var("PATH").unwrap_or_default()
    );
    let broker = Command::new("mosquitto")
        .args(["-c", "mosquitto.conf"])
        .current_dir(folder)
        .env("PATH", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto starts");
    let broker = Running(broker);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::net::TcpStream::connect(free).is_err() {
        assert!(std::time::Instant::now() < deadline, "mosquitto does not listen");
        std::thread::yield_now();
    }
    (broker, free.to_string())
}

#[test]
#[ignore = "needs mosquitto and mosquitto-clients"]
fn replay_of_mosquittos_clients_to_mosquitto_shows_no_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_broker, address) = mosquitto(folder.path());
    let target = format!("mqtt://{address}");
    let arguments = ["record", "--listen", "127.0.0.1:0", &target, "-o", "field.pcapng"];
    let mut record = Listening::start(folder.path(), &arguments);
    let port = record.address.rsplit(':').next().expect("a port").to_owned();
    for version in ["31", "311", "5"] {
        // The message is retained before the subscriber connects, and the subscriber ends when it receives it.
        let topic = format!("a/{version}");
        let common = ["-h", "127.0.0.1", "-p", &port, "-V", version, "-q", "2", "-t", &topic];
        let published = Command::new("mosquitto_pub")
            .args(common)
            .args(["-r", "-m", "hello", "-u", "me", "-P", "topsecret"])
            .status()
            .expect("mosquitto_pub");
        assert!(published.success());
        let subscribed = Command::new("mosquitto_sub")
            .args(common)
            .args(["-C", "1", "-W", "30"])
            .output()
            .expect("mosquitto_sub");
        assert!(subscribed.status.success());
        assert_eq!(subscribed.stdout, b"hello\n");
    }
    // All connections are over.
    for _ in 0..6 {
        record.until("closed after");
    }
    let ended = record.end();
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.text);
    let bytes = std::fs::read(folder.path().join("field.pcapng")).expect("the capture");
    assert!(!bytes.windows(4).any(|w| w == b"secr"), "the password can be seen");
    for more in [&[][..], &["--rename"]] {
        let arguments = [&["replay", "field.pcapng", &target], more].concat();
        let ended = run(folder.path(), &arguments);
        assert_eq!(ended.code, Some(0), "{more:?}: {}", ended.text);
        assert!(ended.text.contains("6 streams played, 0 left out"), "{}", ended.text);
    }
}
