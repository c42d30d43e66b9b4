//! The core alone: what goes out for what comes in.

use std::time::Duration;

use bytes::Bytes;

use super::core::{Core, Effect, Input};
use super::duty::Disobey;
use super::freedom::Free;
use crate::adapter::{Acknowledge, Command, Endpoint, Message, Request};
use crate::statements::{StatementId, Version};
use crate::wire::property::id;
use crate::wire::{Ack, ConnAck, Connect, Packet, PropertyValue, Publish, Side, decode_bytes, encode_bytes};

struct Talk {
    core: Core,
    version: Version,
    last: u32,
}

impl Talk {
    fn new(version: Version, broken: &[&'static str]) -> Talk {
        let ids: Vec<String> = broken
            .iter()
            .map(|id| StatementId::new(version, id).to_string())
            .collect();
        Talk {
            core: Core::new(Disobey::parse(&ids).unwrap(), Free::default()),
            version,
            last: 0,
        }
    }

    fn handle(&mut self, input: Input) -> Vec<Effect> {
        self.core.handle(input, Duration::ZERO)
    }

    /// Tells it something, and returns what it refuses.
    fn told(&mut self, command: Command) -> (Vec<Packet>, Option<String>) {
        self.last += 1;
        let id = self.last;
        let effects = self.handle(Input::Told(Request { id, command }));
        let refused = effects.iter().find_map(|effect| match effect {
            Effect::Say(Message::Refused(_, why)) => Some(why.clone()),
            _ => None,
        });
        (self.packets(&effects), refused)
    }

    fn server(&mut self, packet: Packet) -> Vec<Packet> {
        let bytes = encode_bytes(&packet, self.version);
        let effects = self.handle(Input::Received(bytes));
        self.packets(&effects)
    }

    fn packets(&self, effects: &[Effect]) -> Vec<Packet> {
        let sent = effects.iter().filter_map(|effect| match effect {
            Effect::Send(bytes) => Some(bytes),
            _ => None,
        });
        sent.map(|bytes| {
            let decoded = decode_bytes(bytes, self.version, Side::Client);
            assert!(decoded.breaches.is_empty(), "{:?}", decoded.breaches);
            decoded.packet.unwrap()
        })
        .collect()
    }

    fn connect(&mut self, connack: ConnAck) -> Vec<Packet> {
        self.connect_to(Endpoint::tcp("h", 1, self.version), connack)
    }

    fn connect_to(&mut self, endpoint: Endpoint, connack: ConnAck) -> Vec<Packet> {
        let mut connect = Connect::new(self.version, "me");
        connect.clean_start = false;
        self.told(Command::Connect(endpoint, Box::new(connect)));
        self.handle(Input::Opened);
        self.server(Packet::ConnAck(connack))
    }

    fn reconnect(&mut self, connack: ConnAck) -> Vec<Packet> {
        self.handle(Input::Closed);
        self.told(Command::Reconnect);
        self.handle(Input::Opened);
        self.server(Packet::ConnAck(connack))
    }
}

fn message(qos: u8, payload: &str) -> Publish {
    Publish {
        topic: "t".into(),
        qos,
        payload: Bytes::copy_from_slice(payload.as_bytes()).into(),
        ..Publish::default()
    }
}

fn present() -> ConnAck {
    ConnAck {
        session_present: true,
        ..ConnAck::default()
    }
}

#[test]
fn what_is_open_is_sent_again_in_its_order() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut talk = Talk::new(version, &[]);
        talk.connect(ConnAck::default());
        for (qos, payload) in [(1, "a"), (2, "b"), (2, "c")] {
            talk.told(Command::Publish(message(qos, payload)));
        }
        assert_eq!(talk.server(Packet::PubRec(Ack::new(2))), [Packet::PubRel(Ack::new(2))]);
        let again = talk.reconnect(present());
        let shown: Vec<(u16, bool)> = again
            .iter()
            .map(|packet| {
                (
                    packet.packet_id().unwrap(),
                    matches!(packet, Packet::Publish(p) if p.dup),
                )
            })
            .collect();
        assert_eq!(shown, [(1, true), (2, false), (3, true)], "{version}");
        assert!(matches!(again[1], Packet::PubRel(_)));
    }
}

#[test]
fn a_session_that_the_server_has_lost_is_dropped_at_5_0() {
    let mut talk = Talk::new(Version::V5, &[]);
    talk.connect(ConnAck::default());
    talk.told(Command::Publish(message(1, "a")));
    assert!(talk.reconnect(ConnAck::default()).is_empty());
    let mut talk = Talk::new(Version::V5, &["MQTT-3.2.2-5"]);
    talk.connect(ConnAck::default());
    talk.told(Command::Publish(message(1, "a")));
    assert_eq!(talk.reconnect(ConnAck::default()).len(), 1);
}

#[test]
fn a_session_that_the_client_does_not_know_ends_the_connection() {
    let mut talk = Talk::new(Version::V5, &[]);
    assert!(matches!(talk.connect(present())[..], [Packet::Disconnect(_)]));
    let mut talk = Talk::new(Version::V3_1_1, &[]);
    assert!(talk.connect(present()).is_empty());
    assert!(talk.told(Command::Publish(message(0, "a"))).1.is_none());
}

#[test]
fn what_exceeds_the_receive_maximum_waits() {
    let mut connack = ConnAck::default();
    connack.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(1));
    let mut talk = Talk::new(Version::V5, &[]);
    talk.connect(connack.clone());
    assert_eq!(talk.told(Command::Publish(message(1, "a"))).0.len(), 1);
    assert!(talk.told(Command::Publish(message(1, "b"))).0.is_empty());
    // QoS 0 does not count.
    assert_eq!(talk.told(Command::Publish(message(0, "c"))).0.len(), 1);
    let next = talk.server(Packet::PubAck(Ack::new(1)));
    assert!(matches!(&next[..], [Packet::Publish(p)] if p.packet_id == Some(2)));
    let mut talk = Talk::new(Version::V5, &["MQTT-3.3.4-7"]);
    talk.connect(connack);
    talk.told(Command::Publish(message(1, "a")));
    assert_eq!(talk.told(Command::Publish(message(1, "b"))).0.len(), 1);
}

#[test]
fn what_no_server_accepts_is_refused() {
    let mut talk = Talk::new(Version::V3_1_1, &[]);
    talk.connect(ConnAck::default());
    for topic in ["a/+", "#", "a\u{0}", ""] {
        let publish = Publish {
            topic: topic.into(),
            ..message(0, "x")
        };
        let (sent, refused) = talk.told(Command::Publish(publish));
        assert!(sent.is_empty() && refused.is_some(), "{topic:?}");
    }
}

#[test]
fn a_packet_that_is_wrong_ends_the_connection() {
    for (bytes, version) in [
        (&b"\x30\x05\0\x01\0ab"[..], Version::V3_1_1),
        (b"\x36\x05\0\x01a\0\x01", Version::V3_1_1),
        (b"\x82\x06\0\x01\0\x01a\0", Version::V3_1_1),
        (b"\x50\x02\0", Version::V3_1_1),
    ] {
        let mut talk = Talk::new(version, &[]);
        talk.connect(ConnAck::default());
        let effects = talk.handle(Input::Received(Bytes::copy_from_slice(bytes)));
        let is_whole = bytes != b"\x50\x02\0";
        assert_eq!(effects.contains(&Effect::Close), is_whole, "{bytes:?}: {effects:?}");
    }
}

#[test]
fn the_keep_alive_of_the_server_comes_first() {
    let mut connack = ConnAck::default();
    connack.properties.push(id::SERVER_KEEP_ALIVE, PropertyValue::U16(4));
    let mut talk = Talk::new(Version::V5, &[]);
    talk.connect(connack.clone());
    assert_eq!(talk.core.next_deadline(), Some(Duration::from_secs(3)));
    let pinged = talk.core.handle(Input::Tick, Duration::from_secs(3));
    assert_eq!(talk.packets(&pinged), [Packet::PingReq]);
    assert_eq!(talk.core.next_deadline(), Some(Duration::from_secs(6)));
    let mut talk = Talk::new(Version::V5, &["MQTT-3.2.2-21"]);
    talk.connect(connack);
    assert_eq!(talk.core.next_deadline(), Some(Duration::from_secs(45)));
}

/// The packets that a client sends whose application acknowledges messages of this QoS: 3 and 2, then 1.
fn acknowledged_by_hand(qos: u8, broken: &[&'static str]) -> Vec<Packet> {
    let mut talk = Talk::new(Version::V5, broken);
    let endpoint = Endpoint {
        manual_acks: true,
        ..Endpoint::tcp("h", 1, Version::V5)
    };
    talk.connect_to(endpoint, ConnAck::default());
    let mut sent = Vec::new();
    let by_hand = |talk: &mut Talk, packet_id| {
        let ack = Acknowledge {
            packet_id,
            payload: Bytes::new(),
            reason_code: 0,
        };
        let (sent, refused) = talk.told(Command::Ack(ack));
        assert_eq!(refused, None);
        sent
    };
    // That of the last message is told before it comes.
    sent.extend(by_hand(&mut talk, 3));
    for id in 1..=3 {
        let mut publish = message(qos, "x");
        publish.packet_id = Some(id);
        sent.extend(talk.server(Packet::Publish(publish)));
    }
    sent.extend(by_hand(&mut talk, 2));
    sent.extend(by_hand(&mut talk, 1));
    sent
}

#[test]
fn what_the_application_acknowledges_goes_out_in_the_order_of_the_messages() {
    let acks = |ids: [u16; 3]| ids.map(Ack::new);
    assert_eq!(acknowledged_by_hand(1, &[]), acks([1, 2, 3]).map(Packet::PubAck));
    assert_eq!(acknowledged_by_hand(2, &[]), acks([1, 2, 3]).map(Packet::PubRec));
    let disordered = acknowledged_by_hand(1, &["MQTT-4.6.0-2"]);
    assert_eq!(disordered, acks([3, 2, 1]).map(Packet::PubAck));
    // PUBRECs have an order of their own.
    assert_eq!(
        acknowledged_by_hand(2, &["MQTT-4.6.0-2"]),
        acks([1, 2, 3]).map(Packet::PubRec)
    );
}

#[test]
fn a_client_that_acknowledges_by_itself_refuses_to_do_so_by_hand() {
    let mut talk = Talk::new(Version::V5, &[]);
    talk.connect(ConnAck::default());
    let ack = Acknowledge {
        packet_id: 1,
        payload: Bytes::new(),
        reason_code: 0,
    };
    let (sent, refused) = talk.told(Command::Ack(ack));
    assert_eq!(sent, []);
    assert!(refused.is_some_and(|why| why.contains("by itself")));
}
