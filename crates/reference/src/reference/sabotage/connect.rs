//! CONNECT and CONNACK, wrongly.

use super::{Act, Arrival, How, act, changed, pass, with_body, without};
use crate::statements::ids;
use crate::wire::property::id;
use crate::wire::{Packet, PropertyValue, Version};

pub const ACTS: &[Act] = &[
    act!(
        ids![v3_1_1: ["MQTT-3.1.2-10/b", "MQTT-3.1.2-12"], v5: "MQTT-3.1.2-10/b"],
        "gives a connection without a will the last one that its client id had",
        How::Receive(|memory, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet {
                match &connect.will {
                    Some(will) => {
                        memory.wills.insert(connect.client_id.clone(), will.clone());
                    }
                    None => connect.will = memory.wills.get(&connect.client_id).cloned(),
                }
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.1.2-16", v5: "MQTT-3.1.2-14"],
        "publishes every will as a retained message",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet
                && let Some(will) = &mut connect.will
            {
                will.retain = true;
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.2/will-retain", v3_1_1: "MQTT-3.1.2-17", v5: "MQTT-3.1.2-15"],
        "publishes no will as a retained message",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet
                && let Some(will) = &mut connect.will
            {
                will.retain = false;
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.2/will-qos-published"],
        "publishes every will at QoS 0",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet
                && let Some(will) = &mut connect.will
            {
                will.qos = 0;
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.1.3-10"],
        "publishes the User Properties of a will in reverse order",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet
                && let Some(will) = &mut connect.will
            {
                will.properties.0.reverse();
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.2/keep-alive", v3_1_1: "MQTT-3.1.2-24", v5: ["MQTT-3.1.2-22", "MQTT-3.2.2-22"]],
        "ignores the Keep Alive",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet {
                // Not 0: a broker with a longest Keep Alive would announce that one in its CONNACK, and may.
                connect.keep_alive = u16::MAX;
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.2/keep-alive/b", v3_1_1: "MQTT-3.1.2-24/b", v5: "MQTT-3.1.2-22/b"],
        "closes long before the Keep Alive has expired",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet
                && connect.keep_alive > 0
            {
                connect.keep_alive = (connect.keep_alive / 8).max(1);
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.2/keep-alive-zero"],
        "treats a Keep Alive of 0 as one second",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet
                && connect.keep_alive == 0
            {
                connect.keep_alive = 1;
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.1.3-2", v5: "MQTT-3.1.3-2"],
        "treats every connection as one of another client",
        How::Receive(|memory, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet {
                memory.connections += 1;
                let text = connect.client_id.as_str().unwrap_or_default();
                connect.client_id = format!("{text} {}", memory.connections).into();
            }
        }))
    ),
    act!(
        ids![v5: "§3.1.2.11.2/never-expires"],
        "lets a session that never expires end with its connection",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Connect(connect) = packet {
                for property in &mut connect.properties.0 {
                    if property.id == id::SESSION_EXPIRY_INTERVAL && property.value == PropertyValue::U32(u32::MAX) {
                        property.value = PropertyValue::U32(0);
                    }
                }
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.2.0-1", v5: "MQTT-3.2.0-1"],
        "sends a PINGRESP before the CONNACK",
        How::Send(|_, _, outgoing| match outgoing.packet {
            Packet::ConnAck(_) => vec![Packet::PingResp.into(), outgoing],
            _ => vec![outgoing],
        })
    ),
    act!(
        ids![v5: "MQTT-3.2.0-2"],
        "sends every CONNACK twice",
        How::Send(|_, _, outgoing| match outgoing.packet {
            Packet::ConnAck(_) => vec![outgoing.clone(), outgoing],
            _ => vec![outgoing],
        })
    ),
    act!(
        ids![v3_1_1: "MQTT-3.2.2-1", v5: "MQTT-3.2.2-2"],
        "reports a session as present to clients that asked for a clean one",
        How::Send(|_, peer, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet
                && peer.connect.clean_start
                && ack.reason_code == 0
            {
                ack.session_present = true;
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.2.2-2", v5: "MQTT-3.2.2-3"],
        "never reports a session as present",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet {
                ack.session_present = false;
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.2.2-3", v5: "MQTT-3.2.2-3/b"],
        "reports a session as present to clients that had none",
        How::Send(|_, peer, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet
                && !peer.connect.clean_start
                && ack.reason_code == 0
            {
                ack.session_present = true;
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.1.2-6"],
        "refuses clients that ask to resume a session and have none",
        How::Send(|_, peer, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet
                && !peer.connect.clean_start
                && !ack.session_present
                && ack.reason_code == 0
            {
                ack.reason_code = 0x80;
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.2.2-4", v5: "MQTT-3.2.2-6"],
        "reports a session as present when it refuses a client",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet
                && ack.reason_code != 0
            {
                ack.session_present = true;
            }
        }))
    ),
    act!(
        ids![v3_1_1: "§3.2.2.1/reserved-bits", v5: "MQTT-3.2.2-1"],
        "sets a reserved bit of the acknowledge flags",
        How::Send(|_, peer, outgoing| match outgoing.packet {
            Packet::ConnAck(_) => vec![with_body(outgoing, peer.version, |body| body[0] |= 0x02)],
            _ => vec![outgoing],
        })
    ),
    act!(
        ids![v3_1: "§2.2/return-codes", v3_1_1: "§3.2.2.3/return-codes", v5: "MQTT-3.2.2-8"],
        "refuses clients with a code that the table does not have",
        How::Send(|_, peer, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet
                && ack.reason_code != 0
            {
                ack.reason_code = if peer.version == Version::V5 { 0xfe } else { 0x06 };
            }
        }))
    ),
    act!(
        ids![v3_1: "§3.1/connack", v3_1_1: "MQTT-3.1.4-4", v5: "MQTT-3.1.4-5"],
        "sends no CONNACK to clients that it accepts",
        How::Send(|_, _, outgoing| without(outgoing, |packet| {
            matches!(packet, Packet::ConnAck(ack) if ack.reason_code == 0)
        }))
    ),
    act!(
        ids![v3_1: "§3.2/identifier-rejected/b", v3_1_1: ["MQTT-3.1.2-2/b", "MQTT-3.1.3-8/b", "MQTT-3.1.3-9/b"]],
        "sends no CONNACK to clients that it refuses",
        How::Send(|_, _, outgoing| without(outgoing, |packet| {
            matches!(packet, Packet::ConnAck(ack) if ack.reason_code != 0)
        }))
    ),
    act!(
        ids![v5: "MQTT-3.1.3-7"],
        "does not report the client id that it assigned",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet {
                ack.properties.0.retain(|p| p.id != id::ASSIGNED_CLIENT_IDENTIFIER);
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.1.2-28"],
        "returns Response Information that the client did not request",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet {
                ack.properties
                    .push(id::RESPONSE_INFORMATION, PropertyValue::Text("responses".into()));
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-4.12.0-6"],
        "names an Authentication Method to clients that named none",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet {
                ack.properties
                    .push(id::AUTHENTICATION_METHOD, PropertyValue::Text("none".into()));
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.14.0-1"],
        "sends DISCONNECT instead of a CONNACK that refuses",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if let Packet::ConnAck(ack) = packet
                && ack.reason_code != 0
            {
                *packet = Packet::Disconnect(crate::wire::Disconnect {
                    reason_code: ack.reason_code,
                    ..Default::default()
                });
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.2.2-9"],
        "drops QoS 2 messages without having announced a Maximum QoS",
        How::Receive(|_, _, packet| match packet {
            Packet::Publish(publish) if publish.qos == 2 => Arrival::Swallow(Vec::new()),
            packet => Arrival::Pass(packet),
        })
    ),
];
