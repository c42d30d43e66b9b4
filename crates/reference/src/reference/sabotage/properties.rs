//! The properties of 5.0, passed on wrongly or sent where they are not allowed.

use super::{Act, Arrival, How, Outgoing, Peer, act, changed};
use crate::statements::ids;
use crate::wire::property::id;
use crate::wire::{Packet, PacketType, Properties, PropertyValue};

pub const ACTS: &[Act] = &[
    act!(
        ids![v5: "MQTT-3.3.2-4"],
        "does not pass the Payload Format Indicator on",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| strip(p, id::PAYLOAD_FORMAT_INDICATOR)))
    ),
    act!(
        ids![v5: "MQTT-3.3.2-15"],
        "does not pass the Response Topic on",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| strip(p, id::RESPONSE_TOPIC)))
    ),
    act!(
        ids![v5: "MQTT-3.3.2-16"],
        "does not pass the Correlation Data on",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| strip(p, id::CORRELATION_DATA)))
    ),
    act!(
        ids![v5: "MQTT-3.3.2-17"],
        "does not pass User Properties on, and adds one to a message that has none",
        How::Send(|_, _, outgoing| delivered(outgoing, change_user_properties))
    ),
    act!(
        ids![v5: "MQTT-3.3.2-18"],
        "passes User Properties on in reverse order",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| p.0.reverse()))
    ),
    act!(
        ids![v5: "MQTT-3.3.2-20"],
        "does not pass the Content Type on",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| strip(p, id::CONTENT_TYPE)))
    ),
    act!(
        ids![v5: "MQTT-3.3.2-6"],
        "passes the Message Expiry Interval on as it was published",
        How::Receive(|memory, _, packet| {
            if let Packet::Publish(publish) = &packet
                && let Some(expiry) = publish.properties.number(id::MESSAGE_EXPIRY_INTERVAL)
            {
                memory.expiries.insert(publish.topic.clone(), expiry);
            }
            Arrival::Pass(packet)
        })
    ),
    // The other half of the act above.
    act!(
        ids![v5: "MQTT-3.3.2-6"],
        "passes the Message Expiry Interval on as it was published",
        How::Send(|memory, _, outgoing| changed(outgoing, |packet| {
            if let Packet::Publish(publish) = packet
                && let Some(published) = memory.expiries.get(&publish.topic)
            {
                for property in publish
                    .properties
                    .0
                    .iter_mut()
                    .filter(|p| p.id == id::MESSAGE_EXPIRY_INTERVAL)
                {
                    property.value = PropertyValue::U32(*published);
                }
            }
        }))
    ),
    act!(
        ids![v5: ["MQTT-3.1.2-26", "MQTT-3.1.2-27", "MQTT-3.3.2-11"]],
        "delivers with a topic alias above the client's maximum",
        How::Send(|_, peer, outgoing| {
            let maximum = peer.connect.properties.number(id::TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
            let alias = u16::try_from(maximum + 1).unwrap_or(u16::MAX);
            delivered(outgoing, |p| p.push(id::TOPIC_ALIAS, PropertyValue::U16(alias)))
        })
    ),
    act!(
        ids![v5: "MQTT-3.3.2-8/b"],
        "delivers with the topic alias 0",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| p.push(id::TOPIC_ALIAS, PropertyValue::U16(0))))
    ),
    act!(
        ids![v5: "MQTT-3.3.4-3"],
        "delivers without Subscription Identifiers",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| strip(p, id::SUBSCRIPTION_IDENTIFIER)))
    ),
    act!(
        ids![v5: "MQTT-3.3.4-4"],
        "delivers with at most one Subscription Identifier",
        How::Send(|_, _, outgoing| delivered(outgoing, |p| {
            let mut seen = false;
            p.0.retain(|p| p.id != id::SUBSCRIPTION_IDENTIFIER || !std::mem::replace(&mut seen, true));
        }))
    ),
    act!(
        ids![v5: "MQTT-3.3.4-5"],
        "delivers a copy for each Subscription Identifier, all with the same one",
        How::Send(|_, _, outgoing| {
            let copies = match &outgoing.packet {
                Packet::Publish(publish) if publish.qos == 0 => {
                    publish.properties.all(id::SUBSCRIPTION_IDENTIFIER).count().max(1)
                }
                _ => 1,
            };
            let mut outgoing = delivered(outgoing, |p| {
                let mut seen = false;
                p.0.retain(|p| p.id != id::SUBSCRIPTION_IDENTIFIER || !std::mem::replace(&mut seen, true));
            });
            let one = outgoing.remove(0);
            vec![one; copies]
        })
    ),
    act!(
        ids![v5: "MQTT-3.1.2-29"],
        "sends Reason Strings to clients that want none",
        How::Send(|_, peer, outgoing| {
            let asked = peer.connect.properties.number(id::REQUEST_PROBLEM_INFORMATION) != Some(0);
            let may = matches!(
                outgoing.packet.packet_type(),
                PacketType::Publish | PacketType::ConnAck | PacketType::Disconnect
            );
            if asked || may {
                vec![outgoing]
            } else {
                with_reason(outgoing, "because")
            }
        })
    ),
    act!(
        ids![v5: "MQTT-3.2.2-9/b"],
        "does not announce its Maximum QoS",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet {
                strip(&mut ack.properties, id::MAXIMUM_QOS);
            }
        }))
    ),
    act!(
        ids![v5: "§3.2.2.3.4/values"],
        "announces a Maximum QoS of 2",
        How::Send(|_, _, outgoing| announced(outgoing, id::MAXIMUM_QOS))
    ),
    act!(
        ids![v5: "§3.2.2.3.5/values"],
        "announces a Retain Available of 2",
        How::Send(|_, _, outgoing| announced(outgoing, id::RETAIN_AVAILABLE))
    ),
    act!(
        ids![v5: "§3.2.2.3.11/values"],
        "announces a Wildcard Subscription Available of 2",
        How::Send(|_, _, outgoing| announced(outgoing, id::WILDCARD_SUBSCRIPTION_AVAILABLE))
    ),
    act!(
        ids![v5: "§3.2.2.3.12/values"],
        "announces a Subscription Identifier Available of 2",
        How::Send(|_, _, outgoing| announced(outgoing, id::SUBSCRIPTION_IDENTIFIER_AVAILABLE))
    ),
    act!(
        ids![v5: "§3.2.2.3.13/values"],
        "announces a Shared Subscription Available of 2",
        How::Send(|_, _, outgoing| announced(outgoing, id::SHARED_SUBSCRIPTION_AVAILABLE))
    ),
    act!(
        ids![v5: "§1.5.4/disallowed-code-points"],
        "puts a control character into its Reason Strings",
        How::Send(|_, _, outgoing| match outgoing.packet.packet_type() {
            PacketType::ConnAck | PacketType::Disconnect => with_reason(outgoing, "because\u{1}"),
            _ => vec![outgoing],
        })
    ),
    act!(
        ids![v5: "MQTT-3.2.2-19"],
        "sends CONNACK with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::ConnAck, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.2.2-20"],
        "sends CONNACK with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::ConnAck, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.4.2-2"],
        "sends PUBACK with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubAck, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.4.2-3"],
        "sends PUBACK with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubAck, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.5.2-2"],
        "sends PUBREC with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubRec, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.5.2-3"],
        "sends PUBREC with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubRec, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.6.2-2"],
        "sends PUBREL with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubRel, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.6.2-3"],
        "sends PUBREL with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubRel, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.7.2-2"],
        "sends PUBCOMP with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubComp, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.7.2-3"],
        "sends PUBCOMP with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::PubComp, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.9.2-1"],
        "sends SUBACK with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::SubAck, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.9.2-2"],
        "sends SUBACK with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::SubAck, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.11.2-1"],
        "sends UNSUBACK with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::UnsubAck, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.11.2-2"],
        "sends UNSUBACK with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::UnsubAck, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.15.2-2"],
        "sends AUTH with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::Auth, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.15.2-3"],
        "sends AUTH with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::Auth, with_pair))
    ),
    act!(
        ids![v5: "MQTT-3.14.2-3"],
        "sends DISCONNECT with a Reason String too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::Disconnect, with_reason))
    ),
    act!(
        ids![v5: "MQTT-3.14.2-4"],
        "sends DISCONNECT with a User Property too long for the client",
        How::Send(|_, peer, outgoing| too_long(outgoing, peer, PacketType::Disconnect, with_pair))
    ),
];

fn delivered(outgoing: Outgoing, change: impl FnOnce(&mut Properties)) -> Vec<Outgoing> {
    changed(outgoing, |packet| {
        if let Packet::Publish(publish) = packet {
            change(&mut publish.properties);
        }
    })
}

fn strip(properties: &mut Properties, id: u32) {
    properties.0.retain(|p| p.id != id);
}

/// Removes the User Properties of a message; a message without any gets one.
fn change_user_properties(properties: &mut Properties) {
    let before = properties.0.len();
    strip(properties, id::USER_PROPERTY);
    if properties.0.len() == before {
        properties.push(
            id::USER_PROPERTY,
            PropertyValue::Pair("added".into(), "by the server".into()),
        );
    }
}

/// A property of CONNACK for which only 0 and 1 are legal, with another value.
fn announced(outgoing: Outgoing, id: u32) -> Vec<Outgoing> {
    match outgoing.packet {
        Packet::ConnAck(_) => with_property(outgoing, id, PropertyValue::Byte(2)),
        _ => vec![outgoing],
    }
}

fn with_reason(outgoing: Outgoing, text: &str) -> Vec<Outgoing> {
    with_property(outgoing, id::REASON_STRING, PropertyValue::Text(text.into()))
}

fn with_pair(outgoing: Outgoing, text: &str) -> Vec<Outgoing> {
    with_property(
        outgoing,
        id::USER_PROPERTY,
        PropertyValue::Pair("why".into(), text.into()),
    )
}

fn with_property(outgoing: Outgoing, id: u32, value: PropertyValue) -> Vec<Outgoing> {
    changed(outgoing, |packet| {
        if let Some(properties) = packet.properties_mut() {
            properties.0.retain(|p| p.id != id);
            properties.push(id, value);
        }
    })
}

/// Lengthens a packet beyond the Maximum Packet Size of a client that has one.
fn too_long(
    outgoing: Outgoing,
    peer: &Peer,
    packet_type: PacketType,
    lengthen: fn(Outgoing, &str) -> Vec<Outgoing>,
) -> Vec<Outgoing> {
    let limit = peer
        .connect
        .properties
        .number(id::MAXIMUM_PACKET_SIZE)
        .map(|limit| limit.min(60_000));
    match limit.filter(|_| outgoing.packet.packet_type() == packet_type) {
        Some(limit) => lengthen(outgoing, &"because ".repeat(limit as usize / 8 + 1)),
        None => vec![outgoing],
    }
}
