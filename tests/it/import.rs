//! `import`: a connection of a capture becomes a scenario that sends the same packets and passes against the captured broker.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::captures;
use crate::support::program::{Listening, run};
use crate::support::talk::{Client, talk};
use mqttspec::wire::property::id;
use mqttspec::wire::{
    Ack, Connect, Packet, Properties, PropertyValue, Publish, Subscribe, Subscription, Version, Will, encode_bytes,
};
use tempfile::TempDir;

/// Records the traffic of `clients` with the reference broker to `field.pcapng`.
fn record(clients: impl FnOnce(&str)) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = Listening::start(folder.path(), &["broker", "--listen", "127.0.0.1:0"]);
    let target = format!("mqtt://{}", broker.address);
    let arguments = ["record", "--listen", "127.0.0.1:0", &target, "-o", "field.pcapng"];
    let record = Listening::start(folder.path(), &arguments);
    clients(&record.address);
    // The recorder reports violations by the clients; the exit code is not tested here.
    record.end();
    folder
}

/// Imports a connection, checks the scenario and plays it; returns its steps.
fn steps(folder: &TempDir, stream: &str) -> String {
    let here = folder.path();
    let ended = run(
        here,
        &[
            "import",
            "field.pcapng",
            "--stream",
            stream,
            "-o",
            "scenarios/imported.yaml",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let text = fs::read_to_string(here.join("scenarios/imported.yaml")).expect("the scenario");
    let ended = run(here, &["check", "scenarios"]);
    assert_eq!(ended.code, Some(0), "{text}\n{}", ended.text);
    let ended = run(here, &["run", "--scenarios", "scenarios", "--trace", "fail"]);
    assert_eq!(ended.code, Some(0), "{text}\n{}", ended.text);
    assert!(ended.text.contains("1 pass"), "{}", ended.text);
    let at = text.find("clients:").expect("clients");
    text[at..].to_owned()
}

fn scenarios(folder: &TempDir) {
    fs::create_dir(folder.path().join("scenarios")).expect("a folder");
}

#[test]
fn a_connection_becomes_an_idiomatic_scenario() {
    let folder = record(talk);
    scenarios(&folder);
    assert_eq!(
        steps(&folder, "1"),
        r#"clients:
  c: { connect: false }
steps:
  # The captured client logged in with a user name and a password; here the target's login is used.
  - c -> CONNECT
  - c <- CONNACK: { session_present: false }
  - c -> PUBLISH: { topic: $ns/a/b, qos: 1, packet_id: 7, payload: hello }
  - c <- PUBACK: { packet_id: 7 }
  - c -> DISCONNECT
  - c <- closed
"#
    );
    // A second client publishes what the other client published.
    assert_eq!(
        steps(&folder, "0"),
        r#"clients:
  c: { connect: false }
  others: {}  # publishes what others had published
steps:
  # The captured client logged in with a user name and a password; here the target's login is used.
  - c -> CONNECT
  - c <- CONNACK: { session_present: false }
  - c -> SUBSCRIBE: { packet_id: 5, filters: { $ns/a/b: 0 } }
  - c <- SUBACK: { packet_id: 5, return_codes: [0x00] }
  - others -> PUBLISH: { topic: $ns/a/b, payload: hello }
  - c <- PUBLISH: { topic: $ns/a/b, qos: 0, payload: hello }
  - c -> DISCONNECT
  - c <- closed
"#
    );
    let text = fs::read_to_string(folder.path().join("scenarios/imported.yaml")).expect("the scenario");
    assert!(!text.contains("secret"), "{text}");
}

/// A 5.0 client with a will and properties, which receives two of its own messages and one that was retained before.
fn everything(address: &str) {
    let mut first = Client::connect(address, "first");
    let kept = Publish {
        topic: "kept".into(),
        qos: 1,
        packet_id: Some(1),
        retain: true,
        payload: "21.5".into(),
        ..Publish::default()
    };
    first.ask(Packet::Publish(kept), 4);
    first.leave();

    let v5 = |packet: Packet| encode_bytes(&packet, Version::V5);
    let mut stream = TcpStream::connect(address).expect("the recorder listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
    let next = |stream: &mut TcpStream| {
        let mut head = [0; 2];
        stream.read_exact(&mut head).expect("an answer");
        let mut body = vec![0; usize::from(head[1])];
        stream.read_exact(&mut body).expect("its body");
        (head[0] >> 4, body)
    };
    let mut connect = Connect::new(Version::V5, "v5");
    connect.keep_alive = 30;
    connect.clean_start = false;
    connect.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(10));
    let mut properties = Properties::default();
    properties.push(id::WILL_DELAY_INTERVAL, PropertyValue::U32(3));
    connect.will = Some(Will {
        topic: "will".into(),
        payload: b"any"[..].into(),
        qos: 1,
        retain: false,
        properties,
    });
    stream.write_all(&v5(Packet::from(connect))).expect("it is sent");
    assert_eq!(next(&mut stream).0, 2);
    let mut subscribe = Subscribe {
        packet_id: 9,
        subscriptions: vec![Subscription::new("#", 0b0000_1010), Subscription::new("kept", 1)],
        ..Subscribe::default()
    };
    subscribe
        .properties
        .push(id::SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(5));
    stream.write_all(&v5(Packet::Subscribe(subscribe))).expect("it is sent");
    let mut publish = Publish {
        topic: "x y".into(),
        qos: 2,
        packet_id: Some(0x1234),
        payload: "{\"t\": 1, \"u\": \"5$\"}".into(),
        ..Publish::default()
    };
    for (name, value) in [("a", "1"), ("a", "#2")] {
        let pair = PropertyValue::Pair(name.into(), value.into());
        publish.properties.push(id::USER_PROPERTY, pair);
    }
    publish
        .properties
        .push(id::RESPONSE_TOPIC, PropertyValue::Text("back".into()));
    publish
        .properties
        .push(id::CORRELATION_DATA, PropertyValue::Binary(vec![0xff, 0].into()));
    stream.write_all(&v5(Packet::Publish(publish))).expect("it is sent");
    // Until the message is acknowledged and delivered.
    let (mut went, mut came) = (false, false);
    while !(went && came) {
        let (kind, body) = next(&mut stream);
        let ack = |at: usize| Ack::new(u16::from_be_bytes([body[at], body[at + 1]]));
        let answer = match kind {
            3 => {
                let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                if body.starts_with(b"\x00\x03x y") {
                    Packet::PubRec(ack(topic))
                } else {
                    Packet::PubAck(ack(topic))
                }
            }
            5 => Packet::PubRel(ack(0)),
            6 => Packet::PubComp(ack(0)),
            7 => {
                went = true;
                continue;
            }
            _ => continue,
        };
        came |= kind == 6;
        stream.write_all(&v5(answer)).expect("it is sent");
    }
    // A DISCONNECT that is longer than necessary, and is therefore written as bytes.
    stream.write_all(&[0xe0, 2, 0, 0]).expect("it is sent");
    assert_eq!(stream.read(&mut [0]).expect("an orderly end"), 0);
}

#[test]
fn properties_identifiers_and_odd_bytes_come_out_right() {
    let folder = record(everything);
    scenarios(&folder);
    let steps = steps(&folder, "1");
    assert_eq!(steps.matches("others -> PUBLISH").count(), 1, "{steps}");
    for part in [
        "others -> PUBLISH: { topic: $ns/kept, qos: 1, packet_id: 1, payload: \"21.5\", retain: true }",
        "will: { topic: $ns/will, payload: \"any\", qos: 1, will_delay_interval: 3 }",
        "clean_start: false\n      keep_alive: 30\n",
        "receive_maximum: 10",
        "$ns/#: { qos: 2, retain_as_published: true }, $ns/kept: 1 }",
        "subscription_ids: 5",
        "user_properties: [[a, \"1\"], [a, \"#2\"]]",
        "response_topic: $ns/back",
        "correlation_data: { hex: \"ff 00\" }",
        "packet_id: $m1",
        "payload: '{\"t\": 1, \"u\": \"5$$\"}'",
        "      00                                              # reason_code 0",
    ] {
        assert!(steps.contains(part), "`{part}` is not in\n{steps}");
    }
}

#[test]
fn a_client_that_only_gets_a_close_gets_a_control() {
    let folder = record(|address| {
        let mut stream = TcpStream::connect(address).expect("the recorder listens");
        // A CONNECT with an unknown protocol name.
        stream
            .write_all(b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01c")
            .expect("it is sent");
        assert!(!matches!(stream.read(&mut [0]), Ok(n) if n > 0), "it is closed");
    });
    scenarios(&folder);
    let steps = steps(&folder, "0");
    assert!(steps.contains("# protocol_name \"MQTX\""), "{steps}");
    assert!(
        steps.ends_with("  - c <- closed\ncontrol:\n  - c -> CONNECT\n  - c <- CONNACK\n"),
        "{steps}"
    );
}

#[test]
fn a_gap_in_the_brokers_bytes_ends_the_script_with_maybes() {
    let version = Version::V3_1_1;
    let folder = tempfile::tempdir().expect("a folder");
    let mut talk = captures::talk(version);
    // The CONNACK was not captured.
    let connack = captures::connack(version);
    let at = talk.segments.iter().position(|s| s.payload == connack);
    talk.segments.remove(at.expect("there is one"));
    fs::write(folder.path().join("field.pcapng"), talk.pcap()).expect("a file");
    scenarios(&folder);
    let steps = steps(&folder, "0");
    assert!(
        steps.contains("  # Bytes are missing in the capture from here on.\n  - c <- maybe CONNACK\n  - c -> close\n"),
        "{steps}"
    );
}

#[test]
fn an_invalid_scenario_file_name_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    fs::write(here.join("field.pcap"), captures::talk(Version::V5).pcap()).expect("a file");
    for name in ["Field.yaml", "a_b.yaml", "field.txt", "field"] {
        let ended = run(here, &["import", "field.pcap", "-o", name]);
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.text);
        assert!(ended.text.contains("a to z, 0 to 9 and `-`") && !here.join(name).exists());
    }
}

#[test]
fn import_requires_a_choice_of_connection() {
    let folder = record(talk);
    let ended = run(folder.path(), &["import", "field.pcapng"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    assert!(
        ended.text.contains("--stream 0  \"sub\", v3.1.1, 6 packets"),
        "{}",
        ended.text
    );
    let ended = run(folder.path(), &["import", "field.pcapng", "--stream", "9"]);
    assert_eq!(ended.code, Some(4), "{}", ended.text);
}
