//! The packets for all codecs: valid ones of ordinary size.

use bytes::Bytes;
use mqttspec::wire::property::id;
use mqttspec::wire::{
    Ack, Connect, Packet, Properties, PropertyValue, Publish, Side, SubAck, Subscribe, Subscription, Version, Will,
    encode_bytes,
};

/// The number of packets in each input.
pub const COUNT: usize = 100;

/// The inputs by name.
pub const KINDS: [&str; 8] = [
    "connect v3.1.1",
    "connect v5",
    "publish v3.1.1",
    "publish v5",
    "publish v5 properties",
    "puback v3.1.1",
    "subscribe v5",
    "suback v5",
];

/// The same packet [`COUNT`] times in a row.
pub struct Input {
    pub version: Version,
    pub from: Side,
    pub packet: Packet,
    pub one: Bytes,
    pub stream: Vec<u8>,
}

pub fn input(kind: &str) -> Input {
    let (packet, from) = match kind.split(' ').next() {
        Some("connect") => (Packet::from(connect(version(kind))), Side::Client),
        Some("publish") => (Packet::Publish(publish(kind.ends_with("properties"))), Side::Client),
        Some("puback") => (Packet::PubAck(Ack::new(10)), Side::Server),
        Some("subscribe") => (Packet::Subscribe(subscribe()), Side::Client),
        Some("suback") => (Packet::SubAck(suback()), Side::Server),
        _ => panic!("there is no input {kind}"),
    };
    let one = encode_bytes(&packet, version(kind));
    Input {
        version: version(kind),
        from,
        stream: one.repeat(COUNT),
        packet,
        one,
    }
}

fn version(kind: &str) -> Version {
    if kind.contains("v5") {
        Version::V5
    } else {
        Version::V3_1_1
    }
}

fn connect(version: Version) -> Connect {
    let mut connect = Connect::new(version, "sensor-0815-livingroom");
    connect.username = Some("someone".into());
    connect.password = Some("a long password".into());
    connect.will = Some(Will {
        qos: 1,
        topic: "home/sensor-0815/state".into(),
        payload: "offline".into(),
        ..Will::default()
    });
    if version == Version::V5 {
        connect
            .properties
            .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(3600));
        connect.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(20));
    }
    connect
}

fn publish(with_properties: bool) -> Publish {
    let mut properties = Properties::default();
    if with_properties {
        properties.push(id::PAYLOAD_FORMAT_INDICATOR, PropertyValue::Byte(1));
        properties.push(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(60));
        properties.push(id::CONTENT_TYPE, PropertyValue::Text("application/json".into()));
        properties.push(id::USER_PROPERTY, PropertyValue::Pair("unit".into(), "celsius".into()));
    }
    Publish {
        qos: 1,
        topic: "home/livingroom/temperature".into(),
        packet_id: Some(10),
        properties,
        payload: "{\"temperature\": 21.5, \"humidity\": 40, \"battery\": 93, \"seq\": 4711}".into(),
        ..Publish::default()
    }
}

fn subscribe() -> Subscribe {
    Subscribe {
        packet_id: 10,
        subscriptions: ["home/+/temperature", "home/livingroom/#", "alarm"]
            .map(|filter| Subscription::new(filter, 1))
            .to_vec(),
        ..Subscribe::default()
    }
}

fn suback() -> SubAck {
    SubAck {
        packet_id: 10,
        reason_codes: vec![1, 1, 0],
        ..SubAck::default()
    }
}
