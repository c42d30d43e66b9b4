//! SUBSCRIBE, UNSUBSCRIBE and their answers, wrongly.

use super::{Act, Arrival, How, Outgoing, act, changed, pass, without};
use crate::statements::ids;
use crate::wire::{Packet, SubAck, Subscribe, UnsubAck};

/// The bits to flip in the identifier of an answer.
const OTHER_ID: u16 = 0x5a00;
/// Bit 3 of the subscription options (5.0, section 3.8.3.1). The broker applies it to a SUBSCRIBE of a 3.x client too,
/// which has no such option.
const RETAIN_AS_PUBLISHED: u8 = 0b1000;

pub const ACTS: &[Act] = &[
    act!(
        ids![v3_1_1: "MQTT-3.8.4-1", v5: "MQTT-3.8.4-1"],
        "does not answer SUBSCRIBE",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::SubAck(_))))
    ),
    act!(
        ids![v5: "MQTT-3.10.4-4"],
        "does not answer UNSUBSCRIBE",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::UnsubAck(_))))
    ),
    act!(
        ids![v3_1_1: "MQTT-2.3.1-7", v5: "MQTT-2.2.1-6"],
        "answers SUBSCRIBE and UNSUBSCRIBE with another identifier",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| match packet {
            Packet::SubAck(ack) => ack.packet_id ^= OTHER_ID,
            Packet::UnsubAck(ack) => ack.packet_id ^= OTHER_ID,
            _ => {}
        }))
    ),
    act!(
        ids![v3_1: "§3.8/suback", v3_1_1: "MQTT-3.8.4-2", v5: "MQTT-3.8.4-2"],
        "answers SUBSCRIBE with another identifier",
        How::Send(|_, _, outgoing| sub_ack(outgoing, |ack| ack.packet_id ^= OTHER_ID))
    ),
    act!(
        ids![v3_1: "§3.10/unsuback", v3_1_1: "MQTT-3.10.4-4", v5: "MQTT-3.10.4-5"],
        "answers UNSUBSCRIBE with another identifier",
        How::Send(|_, _, outgoing| unsub_ack(outgoing, |ack| ack.packet_id ^= OTHER_ID))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.8.4-4", v5: "MQTT-3.8.4-5"],
        "answers a SUBSCRIBE with one SUBACK for each filter",
        How::Send(|_, _, outgoing| match outgoing.packet {
            Packet::SubAck(ack) => (ack.reason_codes.iter())
                .map(|code| {
                    Outgoing::from(Packet::SubAck(SubAck {
                        reason_codes: vec![*code],
                        ..ack.clone()
                    }))
                })
                .collect(),
            _ => vec![outgoing],
        })
    ),
    act!(
        ids![v3_1: "§3.9/one-a-topic", v3_1_1: "MQTT-3.8.4-5", v5: "MQTT-3.8.4-6"],
        "sends SUBACK with one code too many",
        How::Send(|_, _, outgoing| sub_ack(outgoing, |ack| ack.reason_codes.push(0)))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.8.4-5/b", v5: "MQTT-3.8.4-7"],
        "grants more than was asked for",
        How::Send(|_, _, outgoing| sub_ack(outgoing, |ack| {
            for code in ack.reason_codes.iter_mut().filter(|code| **code < 2) {
                *code += 1;
            }
        }))
    ),
    act!(
        ids![v3_1: "§3.9/one-a-topic/b", v3_1_1: "MQTT-3.9.3-1", v5: "MQTT-3.9.3-1"],
        "sends the codes of SUBACK in reverse order",
        How::Send(|_, _, outgoing| sub_ack(outgoing, |ack| ack.reason_codes.reverse()))
    ),
    act!(
        ids![v3_1: "§3.9/granted-qos", v3_1_1: "MQTT-3.9.3-2", v5: "MQTT-3.9.3-2"],
        "sends SUBACK with codes that the table does not have",
        How::Send(|_, _, outgoing| sub_ack(outgoing, |ack| ack.reason_codes.fill(0x7f)))
    ),
    act!(
        ids![v3_1: "§3.8/not-authorized"],
        "refuses every filter",
        How::Send(|_, _, outgoing| sub_ack(outgoing, |ack| ack.reason_codes.fill(0x80)))
    ),
    act!(
        ids![v5: "MQTT-3.11.3-1"],
        "sends the codes of UNSUBACK in reverse order",
        How::Send(|_, _, outgoing| unsub_ack(outgoing, |ack| ack.reason_codes.reverse()))
    ),
    act!(
        ids![v5: "MQTT-3.11.3-2"],
        "sends UNSUBACK with codes that the table does not have",
        How::Send(|_, _, outgoing| unsub_ack(outgoing, |ack| ack.reason_codes.fill(0x7f)))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.10.4-6", v5: "MQTT-3.10.4-6"],
        "deletes only the first subscription of an UNSUBSCRIBE",
        How::Receive(|_, _, packet| pass(packet, |packet| {
            if let Packet::Unsubscribe(unsubscribe) = packet {
                unsubscribe.filters.truncate(1);
            }
        }))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.8.3-2"],
        "grants filters with wildcards, which then match nothing",
        How::Receive(|_, _, packet| subscribe(packet, |subscribe| {
            for subscription in &mut subscribe.subscriptions {
                let filter = subscription.filter.as_str().unwrap_or_default();
                if filter.contains(['+', '#']) {
                    subscription.filter = filter.replace(['+', '#'], "wildcard").into();
                }
            }
        }))
    ),
    act!(
        ids![v3_1: "§A/single-level"],
        "treats a + within a level as one that is all of it",
        How::Receive(|_, _, packet| subscribe(packet, |subscribe| {
            for subscription in &mut subscribe.subscriptions {
                let filter = subscription.filter.as_str().unwrap_or_default();
                let levels = filter
                    .split('/')
                    .map(|level| if level.contains('+') { "+" } else { level });
                subscription.filter = levels.collect::<Vec<_>>().join("/").into();
            }
        }))
    ),
    act!(
        ids![v5: "MQTT-3.2.2-10"],
        "refuses filters that ask for more than QoS 0",
        How::Receive(|_, _, packet| match packet {
            Packet::Subscribe(subscribe) if subscribe.subscriptions.iter().any(|s| s.qos() > 0) => {
                let refusal = SubAck {
                    packet_id: subscribe.packet_id,
                    reason_codes: vec![0x80; subscribe.subscriptions.len()],
                    ..SubAck::default()
                };
                Arrival::Swallow(vec![Packet::SubAck(refusal).into()])
            }
            packet => Arrival::Pass(packet),
        })
    ),
    act!(
        ids![v3_1: "§2.1/retain-live", v3_1_1: "MQTT-3.3.1-9", v5: "MQTT-3.3.1-12"],
        "forwards the publisher's RETAIN to subscribers that did not ask for it",
        How::Receive(|_, _, packet| subscribe(packet, |subscribe| {
            subscribe
                .subscriptions
                .iter_mut()
                .for_each(|s| s.options |= RETAIN_AS_PUBLISHED);
        }))
    ),
    act!(
        ids![v5: "MQTT-3.3.1-13"],
        "forwards with RETAIN 0 to subscribers that asked for it as published",
        How::Receive(|_, _, packet| subscribe(packet, |subscribe| {
            subscribe
                .subscriptions
                .iter_mut()
                .for_each(|s| s.options &= !RETAIN_AS_PUBLISHED);
        }))
    ),
    act!(
        ids![v5: ["MQTT-3.3.1-10", "MQTT-3.3.1-11"]],
        "sends the retained messages whatever Retain Handling says",
        How::Receive(|_, _, packet| subscribe(packet, |subscribe| {
            subscribe.subscriptions.iter_mut().for_each(|s| s.options &= 0b1111);
        }))
    ),
    act!(
        ids![v5: ["MQTT-3.3.1-9/b", "MQTT-3.8.4-4/b"]],
        "sends the retained messages only for a new subscription",
        How::Receive(|_, _, packet| subscribe(packet, |subscribe| {
            for subscription in &mut subscribe.subscriptions {
                subscription.options = subscription.options & 0b1111 | 0b01_0000;
            }
        }))
    ),
];

fn subscribe(packet: Packet, change: impl FnOnce(&mut Subscribe)) -> Arrival {
    pass(packet, |packet| {
        if let Packet::Subscribe(subscribe) = packet {
            change(subscribe);
        }
    })
}

fn sub_ack(outgoing: Outgoing, change: impl FnOnce(&mut SubAck)) -> Vec<Outgoing> {
    changed(outgoing, |packet| {
        if let Packet::SubAck(ack) = packet {
            change(ack);
        }
    })
}

fn unsub_ack(outgoing: Outgoing, change: impl FnOnce(&mut UnsubAck)) -> Vec<Outgoing> {
    changed(outgoing, |packet| {
        if let Packet::UnsubAck(ack) = packet {
            change(ack);
        }
    })
}
