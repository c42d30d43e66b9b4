//! `audit` over several connections: sessions that go on, and messages from one client to another.
#![cfg(unix)]

use std::fs;
use std::time::Duration;

use crate::support::captures::{Connection, File, bytes};
use crate::support::program::{Ended, run};
use mqttspec::wire::property::id;
use mqttspec::wire::{
    Ack, ConnAck, Connect, Disconnect, Packet, PropertyValue, Publish, SubAck, Subscribe, Subscription, Version, Will,
};

const V4: Version = Version::V3_1_1;

/// A connection of client number `n`, whose first packet is `at` milliseconds after the beginning of the capture.
fn connection(n: u8, at: u64) -> Connection {
    let client = format!("10.0.0.2:{}", 40_000 + u32::from(n));
    Connection::new()
        .between(&client, "10.0.0.1:1883")
        .wait(Duration::from_millis(at))
        .handshake()
}

/// What the audit of these connections says, in one capture.
fn audit(connections: &[Connection], arguments: &[&str]) -> Ended {
    let mut packets: Vec<_> = connections.iter().flat_map(Connection::packets).collect();
    packets.sort_by_key(|(at, _)| *at);
    let folder = tempfile::tempdir().expect("a folder");
    let capture = File::default().write(&packets);
    fs::write(folder.path().join("field.pcap"), capture).expect("it is written");
    run(folder.path(), &[&["audit", "field.pcap"], arguments].concat())
}

fn connect(client_id: &str, clean: bool, version: Version) -> Connect {
    let mut connect = Connect::new(version, client_id);
    connect.clean_start = clean;
    if version == Version::V5 && !clean {
        let seconds = PropertyValue::U32(600);
        connect.properties.push(id::SESSION_EXPIRY_INTERVAL, seconds);
    }
    connect
}

fn accepted(session_present: bool) -> Packet {
    Packet::ConnAck(ConnAck {
        session_present,
        ..ConnAck::default()
    })
}

fn publish(qos: u8, id: u16, payload: &str, dup: bool) -> Packet {
    Packet::Publish(Publish {
        dup,
        qos,
        topic: "x/1".into(),
        packet_id: (qos > 0).then_some(id),
        payload: payload.into(),
        ..Publish::default()
    })
}

fn subscribe() -> Packet {
    Packet::Subscribe(Subscribe {
        packet_id: 1,
        subscriptions: vec![Subscription::new("x/1", 1)],
        ..Subscribe::default()
    })
}

fn suback() -> Packet {
    Packet::SubAck(SubAck {
        packet_id: 1,
        reason_codes: vec![1],
        ..SubAck::default()
    })
}

fn bye() -> Packet {
    Packet::Disconnect(Disconnect::default())
}

/// Sends packets of both sides: `true` for the client's.
fn said(connection: Connection, version: Version, packets: &[(bool, Packet)]) -> Connection {
    packets.iter().fold(connection, |connection, (from_client, packet)| {
        let bytes = bytes(packet.clone(), version);
        if *from_client {
            connection.to(&bytes)
        } else {
            connection.from(&bytes)
        }
    })
}

fn session(n: u8, at: u64, version: Version, [clean, present]: [bool; 2]) -> Connection {
    let packets = [
        (true, connect("meter-7", clean, version).into()),
        (false, accepted(present)),
    ];
    said(connection(n, at), version, &packets)
}

fn has(ended: &Ended, lines: &[&str]) {
    for line in lines {
        assert!(ended.text.contains(line), "no `{line}` in\n{}", ended.text);
    }
}

const KEPT: [bool; 2] = [false, false];
const RESUMED: [bool; 2] = [false, true];

#[test]
fn a_publish_after_pubrel_is_named_over_a_reconnect() {
    for (version, statement) in [(V4, "v3.1.1:MQTT-4.3.3-1"), (Version::V5, "v5:MQTT-4.3.3-6")] {
        let released = [
            (true, publish(2, 1, "once", false)),
            (false, Packet::PubRec(Ack::new(1))),
            (true, Packet::PubRel(Ack::new(1))),
        ];
        let first = said(session(1, 0, version, KEPT), version, &released).reset();
        let again = [(true, publish(2, 1, "once", true))];
        let second = said(session(2, 500, version, RESUMED), version, &again);
        let ended = audit(&[first.clone(), second.close()], &[]);
        has(
            &ended,
            &[&format!("client: {statement}"), "it began with packet 6, in stream 0"],
        );
        assert_eq!(ended.code, Some(1));
        // With PUBREL it is right.
        let release = [
            (true, Packet::PubRel(Ack::new(1))),
            (false, Packet::PubComp(Ack::new(1))),
        ];
        let second = said(session(2, 500, version, RESUMED), version, &release);
        assert_eq!(audit(&[first, second.close()], &[]).code, Some(0));
    }
}

#[test]
fn a_repeat_needs_dup_and_has_to_come() {
    let first = said(session(1, 0, V4, KEPT), V4, &[(true, publish(1, 1, "once", false))]).reset();
    let second = || session(2, 500, V4, RESUMED);
    let without = said(second(), V4, &[(true, publish(1, 1, "once", false))]).close();
    has(
        &audit(&[first.clone(), without], &[]),
        &[
            "client: v3.1.1:MQTT-3.3.1-1 MUST",
            "it began with packet 6, in stream 0",
        ],
    );
    let right = said(second(), V4, &[(true, publish(1, 1, "once", true))]).close();
    assert_eq!(audit(&[first.clone(), right], &[]).code, Some(0));
    let never = said(second().wait(Duration::from_secs(21)), V4, &[(true, bye())]).close();
    has(
        &audit(&[first, never], &[]),
        &[
            "client: v3.1.1:MQTT-4.4.0-1 MUST",
            "it began with packet 6, in stream 0",
        ],
    );
}

#[test]
fn a_session_that_ended_is_not_present() {
    let first = said(session(1, 0, V4, [true, false]), V4, &[(true, bye())]).close();
    let second = said(session(2, 500, V4, RESUMED), V4, &[(true, bye())]).close();
    has(
        &audit(&[first, second], &[]),
        &[
            "broker: v3.1.1:MQTT-3.2.2-3 MUST",
            "it began with packet 5, in stream 0",
        ],
    );
}

#[test]
fn two_connections_of_one_client_id_are_not_both_served() {
    let ping = [(true, Packet::PingReq), (false, Packet::PingResp)];
    let old = session(1, 0, V4, [true, false]).wait(Duration::from_secs(30));
    let old = said(old, V4, &ping).close();
    let new = session(2, 100, V4, [true, false]).wait(Duration::from_secs(40));
    let new = said(new, V4, &ping).close();
    let ended = audit(&[old.clone(), new.clone()], &[]);
    has(&ended, &["broker: v3.1.1:MQTT-3.1.4-2 MUST", "in stream 1"]);
    // At another address it may be another broker.
    let other = new.between("10.0.0.3:41000", "10.0.0.9:1883");
    assert_eq!(audit(&[old, other], &[]).code, Some(0));
}

/// A publisher of `a` and `b`, and what its subscriber gets.
fn delivered(payloads: &[&str], seconds: u64) -> [Connection; 2] {
    let sub = [
        (true, connect("sub", true, V4).into()),
        (false, accepted(false)),
        (true, subscribe()),
        (false, suback()),
    ];
    let sub = said(connection(1, 0), V4, &sub).wait(Duration::from_millis(100));
    let deliveries: Vec<_> = payloads
        .iter()
        .zip(1..)
        .flat_map(|(payload, id)| {
            [
                (false, publish(1, id, payload, false)),
                (true, Packet::PubAck(Ack::new(id))),
            ]
        })
        .collect();
    let sub = said(sub, V4, &deliveries).wait(Duration::from_secs(seconds));
    let ping = [(true, Packet::PingReq), (false, Packet::PingResp), (true, bye())];
    let publisher = [
        (true, connect("pub", true, V4).into()),
        (false, accepted(false)),
        (true, publish(1, 1, "a", false)),
        (true, publish(1, 2, "b", false)),
        (false, Packet::PubAck(Ack::new(1))),
        (false, Packet::PubAck(Ack::new(2))),
        (true, bye()),
    ];
    let publisher = said(connection(2, 50), V4, &publisher).close();
    [said(sub, V4, &ping).close(), publisher]
}

#[test]
fn messages_of_another_client_arrive_in_order() {
    assert_eq!(audit(&delivered(&["a", "b"], 1), &["--strict"]).code, Some(0));
    let ended = audit(&delivered(&["b", "a"], 1), &[]);
    has(&ended, &["broker: v3.1.1:MQTT-4.6.0-6 MUST"]);
    let ended = audit(&delivered(&["b"], 1), &[]);
    has(&ended, &["broker: v3.1.1:MQTT-4.5.0-1 MUST", "in stream 1"]);
    // That nothing came may be due to an access list of the broker.
    let ended = audit(&delivered(&[], 30), &["--strict"]);
    has(&ended, &["undecided: v3.1.1:MQTT-4.5.0-1 MUST", "in stream 1"]);
    assert_eq!(ended.code, Some(0));
}

#[test]
fn a_will_that_does_not_come_is_undecided() {
    let watch = |payload: Option<&str>| {
        let subscribed = [
            (true, connect("watch", true, V4).into()),
            (false, accepted(false)),
            (true, subscribe()),
            (false, suback()),
        ];
        let watch = said(connection(1, 0), V4, &subscribed).wait(Duration::from_millis(200));
        let will: Vec<_> = payload.map(|p| (false, publish(0, 0, p, false))).into_iter().collect();
        let watch = said(watch, V4, &will).wait(Duration::from_secs(30));
        said(
            watch,
            V4,
            &[(true, Packet::PingReq), (false, Packet::PingResp), (true, bye())],
        )
        .close()
    };
    let mut with_will = connect("dev", true, V4);
    with_will.will = Some(Will {
        topic: "x/1".into(),
        payload: b"gone".to_vec().into(),
        ..Will::default()
    });
    let died = said(
        connection(2, 50),
        V4,
        &[(true, with_will.into()), (false, accepted(false))],
    )
    .reset();
    let ended = audit(&[watch(None), died.clone()], &[]);
    has(&ended, &["undecided: v3.1.1:MQTT-3.1.2-8 MUST", "in stream 1"]);
    assert!(!audit(&[watch(Some("gone")), died], &[]).text.contains("MQTT-3.1.2-8"));
}

/// What cannot be known is said in one line.
#[test]
fn a_session_from_before_the_capture_is_a_remark() {
    let resumed = said(session(1, 0, V4, RESUMED), V4, &[(true, bye())]).close();
    let ended = audit(std::slice::from_ref(&resumed), &[]);
    has(&ended, &["its session began before the capture"]);
    assert_eq!(ended.code, Some(0));
    let ended = audit(&[resumed], &["--json"]);
    has(&ended, &["\"session\":\"its session began before the capture"]);
}
