//! The notation of packets, and that it tells every packet from every other.

use std::collections::BTreeMap;

use super::*;
use crate::transcript::testing::{NS, Talk};
use crate::transcript::{Author, normalise};
use crate::wire::property::id;
use crate::wire::{
    Ack, Auth, ConnAck, Disconnect, PropertyValue, Publish, SubAck, Subscribe, Subscription, Unsubscribe, Will,
};

fn line(version: Version, from: Author, bytes: &[u8]) -> String {
    Talk::at(version).bytes("a", Some(1), from, bytes).normalised()
}

fn shown(version: Version, from: Author, packet: impl Into<Packet>) -> String {
    line(version, from, &encode_bytes(&packet.into(), version))
}

fn login(version: Version) -> Connect {
    let mut connect = Connect::new(version, format!("{NS}a"));
    connect.clean_start = false;
    connect.username = Some("me".into());
    connect.will = Some(Will {
        qos: 1,
        topic: format!("{NS}/w").as_str().into(),
        payload: "gone".into(),
        ..Will::default()
    });
    connect
}

fn message(version: Version) -> Publish {
    let mut publish = Publish {
        qos: 1,
        packet_id: Some(7),
        topic: format!("{NS}/a").as_str().into(),
        payload: "x".into(),
        ..Publish::default()
    };
    if version == Version::V5 {
        publish
            .properties
            .push(id::PAYLOAD_FORMAT_INDICATOR, PropertyValue::Byte(1));
        let pair = |value: &str| PropertyValue::Pair("k".into(), value.into());
        publish.properties.push(id::USER_PROPERTY, pair("1"));
        publish
            .properties
            .push(id::CONTENT_TYPE, PropertyValue::Text("t".into()));
        publish.properties.push(id::USER_PROPERTY, pair("2"));
    }
    publish
}

fn subscribe() -> Subscribe {
    let mut second = Subscription::new("b", 2);
    second.options |= 0b1_0100;
    Subscribe {
        packet_id: 7,
        subscriptions: vec![Subscription::new(format!("{NS}/a").as_str(), 1), second],
        ..Subscribe::default()
    }
}

#[test]
fn packets_are_written_as_in_a_scenario() {
    let v5 = Version::V5;
    let connect = Packet::from(login(Version::V3_1_1));
    for (expected, found) in [
        (
            r#"a -> CONNECT: { clean: false, username: "me", will: { qos: 1, topic: "$ns/w", payload: "gone" } }"#,
            shown(Version::V3_1_1, Author::Script, connect),
        ),
        (
            "a -> CONNECT",
            shown(v5, Author::Script, Packet::from(Connect::new(v5, format!("{NS}a")))),
        ),
        (
            r#"a -> SUBSCRIBE: { packet_id: 7, filters: { "$ns/a": 1, "b": { qos: 2, no_local: true, retain_handling: 1 } } }"#,
            shown(v5, Author::Script, Packet::Subscribe(subscribe())),
        ),
        ("a <- PINGRESP", line(v5, Author::Peer, &[0xd0, 0])),
        (
            "a <- PUBACK: { packet_id: 7 }",
            shown(v5, Author::Peer, Packet::PubAck(Ack::new(7))),
        ),
        // The longer form of the same has other bytes.
        (
            "a <- PUBACK: { packet_id: 7, reason_code: 0 }  # 40 03 00 07 00",
            line(v5, Author::Peer, &[0x40, 3, 0, 7, 0]),
        ),
        (
            "a <- PINGRESP  # d1 00  ! the flags of PINGRESP are 0001, not 0000",
            line(v5, Author::Peer, &[0xd1, 0]),
        ),
    ] {
        assert_eq!(found, format!("{expected}\n"));
    }
}

/// Every packet type at each version, by who sends it.
fn samples(version: Version) -> Vec<(Author, Packet)> {
    let mut connack = ConnAck::default();
    let mut unsubscribe = Unsubscribe {
        packet_id: 9,
        filters: vec!["a".into(), "b/#".into()],
        ..Unsubscribe::default()
    };
    let mut disconnect = Disconnect::default();
    if version == Version::V5 {
        connack.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(20));
        connack.properties.push(id::RETAIN_AVAILABLE, PropertyValue::Byte(0));
        let pair = PropertyValue::Pair("k".into(), "v".into());
        unsubscribe.properties.push(id::USER_PROPERTY, pair);
        disconnect.reason_code = 0x8e;
        disconnect
            .properties
            .push(id::REASON_STRING, PropertyValue::Text("why".into()));
    }
    let suback = SubAck {
        packet_id: 7,
        reason_codes: vec![1, 2],
        ..SubAck::default()
    };
    let mut all = vec![
        (Author::Script, Packet::from(login(version))),
        (Author::Peer, Packet::ConnAck(connack)),
        (Author::Script, Packet::Publish(message(version))),
        (Author::Peer, Packet::PubAck(Ack::new(7))),
        (Author::Script, Packet::PubRel(Ack::new(7))),
        (Author::Script, Packet::Subscribe(subscribe())),
        (Author::Peer, Packet::SubAck(suback)),
        (Author::Script, Packet::Unsubscribe(unsubscribe)),
        (Author::Peer, Packet::PingResp),
        (Author::Script, Packet::Disconnect(disconnect)),
    ];
    if version == Version::V5 {
        let mut auth = Auth {
            reason_code: 0x18,
            ..Auth::default()
        };
        let method = PropertyValue::Text("m".into());
        auth.properties.push(id::AUTHENTICATION_METHOD, method);
        all.push((Author::Script, Packet::Auth(auth)));
    }
    all
}

#[test]
fn no_two_packets_that_differ_in_one_byte_look_alike() {
    for version in Version::ALL {
        for (from, packet) in samples(version) {
            let bytes = encode_bytes(&packet, version).to_vec();
            let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
            let mut see = |bytes: Vec<u8>| {
                let text = line(version, from, &bytes);
                // Where a CONNECT is broken, whatever may be a part of a password is hidden.
                if text.contains("<password>") {
                    return;
                }
                let before = seen.insert(text, bytes.clone());
                assert!(
                    before.as_ref().is_none_or(|b| *b == bytes),
                    "{before:02x?} {bytes:02x?}"
                );
            };
            for at in 0..bytes.len() {
                for value in 0..=u8::MAX {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    see(changed);
                }
            }
            // Nor those that are cut, or that are longer.
            for end in 1..bytes.len() {
                see(bytes[..end].to_vec());
                let mut shorter = bytes[..end].to_vec();
                shorter.extend_from_slice(&bytes[end + 1..]);
                see(shorter);
            }
        }
    }
}

#[test]
fn a_byte_that_is_not_shown_is_in_the_digest() {
    let text = |middle: char| {
        let mut payload = "x".repeat(400);
        payload.replace_range(200..201, &middle.to_string());
        let mut publish = message(Version::V3_1_1);
        publish.payload = payload.as_str().into();
        shown(Version::V3_1_1, Author::Peer, Packet::Publish(publish))
    };
    assert!(text('x').contains("(400 bytes) }  # digest "), "{}", text('x'));
    assert_ne!(text('x'), text('y'));
    let broken = |middle: u8| {
        let mut bytes = [&[0x30, 0x90, 0x81, 0x00, 0, 1, b'a'], &[b'x'; 141][..]].concat();
        bytes[100] = middle;
        line(Version::V3_1_1, Author::Peer, &bytes)
    };
    assert!(broken(b'x').contains("digest"), "{}", broken(b'x'));
    assert_ne!(broken(b'x'), broken(b'y'));
}

#[test]
fn the_usual_connack_of_its_version_is_its_name() {
    let talk = || {
        Talk::at(Version::V5)
            .packet("a", Some(1), Author::Peer, Packet::ConnAck(ConnAck::default()))
            .transcript()
    };
    let text = |usual: &str| normalise(&talk(), &[], &Usual::read(usual));
    let full = "CONNACK: { session_present: false, reason_code: 0 }";
    assert_eq!(text(&format!("v5  {full}")), "a <- CONNACK\n");
    assert_eq!(text(&format!("v3.1  {full}")), format!("a <- {full}\n"));
}

#[test]
fn the_namespace_is_written_as_in_the_language() {
    assert_eq!(
        without_namespace("mqs0k3f9", "mqs0k3f9pub, mqs0k3f9/a and mqs0k3f9"),
        "${ns}pub, $ns/a and $ns"
    );
    assert_eq!(without_namespace("", "a"), "a");
}

#[test]
fn identifiers_that_a_client_chose_are_not_in_the_snapshot() {
    let exchange = |id| {
        let publish = |dup| {
            Packet::Publish(Publish {
                dup,
                packet_id: Some(id),
                ..message(Version::V5)
            })
        };
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id: id + 1,
            ..subscribe()
        });
        let suback = Packet::SubAck(SubAck {
            packet_id: id + 1,
            reason_codes: vec![1, 2],
            ..SubAck::default()
        });
        Talk::with_client(Version::V5)
            .packet("c", Some(1), Author::Peer, subscribe)
            .packet("c", Some(2), Author::Script, suback)
            .packet("c", Some(3), Author::Peer, publish(false))
            .packet("c", Some(4), Author::Peer, publish(true))
            .packet("c", Some(5), Author::Script, Packet::PubAck(Ack::new(id)))
            .packet("c", Some(6), Author::Script, publish(false))
            .packet("c", Some(7), Author::Peer, Packet::PubAck(Ack::new(id)))
            .normalised()
    };
    let text = exchange(40_000);
    assert_eq!(text, exchange(7));
    assert!(text.contains("c <- SUBACK: { packet_id: <packet_id>,"), "{text}");
    assert!(text.contains("c -> PUBACK: { packet_id: <packet_id> }"), "{text}");
}
