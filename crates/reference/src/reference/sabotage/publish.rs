//! PUBLISH from a client, handled wrongly.

use super::{Act, Arrival, How, Memory, Outgoing, Peer, act, pass};
use crate::statements::ids;
use crate::wire::property::id;
use crate::wire::{Ack, Packet, Text};

pub const ACTS: &[Act] = &[
    act!(
        ids![v3_1: "§2.1/retain-stored", v3_1_1: "MQTT-3.3.1-5", v5: "MQTT-3.3.1-5"],
        "retains no message",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Publish(publish) = packet {
                publish.retain = false;
            }
        }))
    ),
    act!(
        ids![
            v3_1_1: ["MQTT-3.3.1-7", "§3.3.1.3/qos-0-stored"],
            v5: ["MQTT-3.3.1-5/b", "§3.3.1.3/qos-0-stored"],
        ],
        "keeps the older retained message when one of QoS 0 arrives",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Publish(publish) = packet
                && publish.qos == 0
            {
                publish.retain = false;
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.3.1-10", v5: "MQTT-3.3.1-6"],
        "does not remove the retained message when an empty one arrives",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Publish(publish) = packet
                && publish.payload.is_empty()
            {
                publish.retain = false;
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.1/retain-none", v3_1_1: "MQTT-3.3.1-12", v5: "MQTT-3.3.1-8"],
        "retains messages with RETAIN 0",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Publish(publish) = packet {
                publish.retain = true;
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-4.3.2-2", v5: "MQTT-4.3.2-5"],
        "treats a reused identifier as the old QoS 1 message after its PUBACK",
        How::Receive(|memory, peer, packet| match packet {
            Packet::Publish(publish) if publish.qos == 1 => {
                let packet_id = publish.packet_id.unwrap_or_default();
                if memory.packet_ids.insert((peer.connection, packet_id)) {
                    Arrival::Pass(Packet::Publish(publish))
                } else {
                    Arrival::Swallow(vec![Packet::PubAck(Ack::new(packet_id)).into()])
                }
            }
            packet => Arrival::Pass(packet),
        })
    ),
    act!(
        ids![v3_1: "§2.1/dup-hint"],
        "treats a QoS 1 PUBLISH with DUP 1 as one that it has already received",
        How::Receive(|_, _, packet| match packet {
            Packet::Publish(publish) if publish.qos == 1 && publish.dup => {
                Arrival::Swallow(vec![
                    Packet::PubAck(Ack::new(publish.packet_id.unwrap_or_default())).into(),
                ])
            }
            packet => Arrival::Pass(packet),
        })
    ),
    act!(
        ids![v3_1: "§4.1/qos-1-duplicate"],
        "does not answer a QoS 1 PUBLISH that is sent again",
        How::Receive(|_, _, packet| match packet {
            Packet::Publish(publish) if publish.qos == 1 && publish.dup => Arrival::Swallow(Vec::new()),
            packet => Arrival::Pass(packet),
        })
    ),
    act!(
        ids![v3_1: "§A/case", v3_1_1: "MQTT-4.7.3-4", v5: "MQTT-4.7.3-4"],
        "converts topics and filters to lower case, merges their slashes and composes their accents",
        How::Receive(|_, _, packet| pass(packet, |packet| match packet {
            Packet::Publish(publish) => publish.topic = normalized(&publish.topic),
            Packet::Subscribe(subscribe) => {
                for subscription in &mut subscribe.subscriptions {
                    subscription.filter = normalized(&subscription.filter);
                }
            }
            _ => {}
        }))
    ),
    act!(
        ids![v3_1: "§A/space"],
        "replaces the spaces in topics",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Publish(publish) = packet
                && let Some(topic) = publish.topic.as_str()
            {
                publish.topic = topic.replace(' ', "_").into();
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.3.2-12"],
        "drops messages that have a topic alias",
        How::Receive(|_, _, packet| match packet {
            Packet::Publish(publish) if publish.properties.get(id::TOPIC_ALIAS).is_some() =>
                Arrival::Swallow(Vec::new()),
            packet => Arrival::Pass(packet),
        })
    ),
    act!(
        ids![v5: "MQTT-4.3.3-13"],
        "does not answer PUBREL for a message that can expire",
        How::Receive(|memory, peer, packet| {
            let connection = peer.connection;
            match &packet {
                Packet::Publish(publish) if publish.properties.get(id::MESSAGE_EXPIRY_INTERVAL).is_some() => {
                    memory
                        .packet_ids
                        .insert((connection, publish.packet_id.unwrap_or_default()));
                }
                Packet::PubRel(ack) if memory.packet_ids.contains(&(connection, ack.packet_id)) => {
                    return Arrival::Swallow(Vec::new());
                }
                _ => {}
            }
            Arrival::Pass(packet)
        })
    ),
    act!(
        ids![v5: ["MQTT-3.3.4-10", "MQTT-4.9.0-3"]],
        "drops what a client sends while its Receive Maximum is used up",
        How::Receive(|memory, peer, packet| {
            let limit = peer
                .connect
                .properties
                .number(id::RECEIVE_MAXIMUM)
                .unwrap_or(u32::from(u16::MAX));
            let is_full = memory
                .unacknowledged
                .get(&peer.connection)
                .is_some_and(|ids| ids.len() >= limit as usize);
            match &packet {
                Packet::PubAck(ack) | Packet::PubComp(ack) => {
                    if let Some(ids) = memory.unacknowledged.get_mut(&peer.connection) {
                        ids.remove(&ack.packet_id);
                    }
                }
                Packet::PubRec(_) | Packet::PubRel(_) | Packet::Disconnect(_) => {}
                _ if is_full => return Arrival::Swallow(Vec::new()),
                _ => {}
            }
            Arrival::Pass(packet)
        })
    ),
    // The other half of the act above: it has to see what is sent.
    act!(
        ids![v5: ["MQTT-3.3.4-10", "MQTT-4.9.0-3"]],
        "drops what a client sends while its Receive Maximum is used up",
        How::Send(note_delivery)
    ),
    act!(
        ids![v5: "§4.9/send-quota"],
        "keeps the slot of a delivery occupied after it is acknowledged or refused",
        How::Receive(|_, _, packet| match packet {
            Packet::PubAck(_) | Packet::PubComp(_) => Arrival::Swallow(Vec::new()),
            Packet::PubRec(ack) if ack.reason_code >= 0x80 => Arrival::Swallow(Vec::new()),
            packet => Arrival::Pass(packet),
        })
    ),
    act!(
        ids![v3_1: "§2.4/message-id-direction"],
        "drops messages with an identifier that it uses itself",
        How::Receive(|memory, peer, packet| {
            let open = memory.unacknowledged.get(&peer.connection);
            let is_open = |id: u16| open.is_some_and(|open| open.contains(&id));
            match &packet {
                Packet::Publish(publish) if publish.packet_id.is_some_and(is_open) => Arrival::Swallow(Vec::new()),
                _ => Arrival::Pass(packet),
            }
        })
    ),
    // The other half of the act above.
    act!(
        ids![v3_1: "§2.4/message-id-direction"],
        "drops messages with an identifier that it uses itself",
        How::Send(note_delivery)
    ),
];

fn note_delivery(memory: &mut Memory, peer: &Peer, outgoing: Outgoing) -> Vec<Outgoing> {
    if let Packet::Publish(publish) = &outgoing.packet
        && let Some(packet_id) = publish.packet_id
    {
        memory
            .unacknowledged
            .entry(peer.connection)
            .or_default()
            .insert(packet_id);
    }
    vec![outgoing]
}

fn normalized(text: &Text) -> Text {
    match text.as_str() {
        Some(text) => text
            .to_ascii_lowercase()
            .replace("//", "/")
            .replace("e\u{301}", "\u{e9}")
            .into(),
        None => text.clone(),
    }
}
