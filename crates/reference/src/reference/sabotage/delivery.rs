//! PUBLISH to a client, wrongly sent.

use super::{Act, How, Outgoing, act, changed, with_body, without};
use crate::statements::ids;
use crate::wire::{Packet, Publish, Text};

pub const ACTS: &[Act] = &[
    act!(
        ids![v3_1_1: "MQTT-1.5.3-3", v5: "MQTT-1.5.4-3"],
        "strips U+FEFF from topics",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            if let Some(topic) = publish.topic.as_str() {
                publish.topic = topic.replace('\u{feff}', "").into();
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.4/message-id-zero", v3_1_1: "MQTT-2.3.1-1", v5: "MQTT-2.2.1-4/b"],
        "delivers with the identifier 0",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            if let Some(packet_id) = &mut publish.packet_id {
                *packet_id = 0;
            }
        }))
    ),
    act!(
        ids![
            v3_1: "§2.4/message-id-unique",
            v3_1_1: ["MQTT-2.3.1-4", "MQTT-4.3.2-1/c", "MQTT-4.3.3-1/b"],
            v5: ["MQTT-2.2.1-4", "MQTT-4.3.2-1", "MQTT-4.3.3-1"],
        ],
        "delivers everything with the identifier 1",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            if let Some(packet_id) = &mut publish.packet_id {
                *packet_id = 1;
            }
        }))
    ),
    act!(
        ids![v3_1_1: ["MQTT-2.3.1-4/b", "MQTT-4.4.0-1/b"], v5: "MQTT-4.4.0-1/b"],
        "resends deliveries with another identifier",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            if publish.dup
                && let Some(packet_id) = &mut publish.packet_id
            {
                *packet_id = packet_id.wrapping_add(1_000).max(1);
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.4/message-id-qos", v3_1_1: "MQTT-2.3.1-5", v5: "MQTT-2.2.1-2"],
        "puts an identifier into QoS 0 deliveries",
        How::Send(|_, peer, outgoing| match &outgoing.packet {
            Packet::Publish(publish) if publish.qos == 0 => {
                let behind_topic = 2 + publish.topic.len();
                vec![with_body(outgoing, peer.version, |body| {
                    body.splice(behind_topic..behind_topic, [0, 1]);
                })]
            }
            _ => vec![outgoing],
        })
    ),
    act!(
        ids![v3_1: ["§2.1/dup-on-redelivery", "§4.2/dup-on-retry"], v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"],
        "resends deliveries with DUP 0",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| publish.dup = false))
    ),
    act!(
        ids![v3_1: "§2.1/dup-qos-0", v3_1_1: ["MQTT-3.3.1-2", "MQTT-4.3.1-1"], v5: ["MQTT-3.3.1-2", "MQTT-4.3.1-1"]],
        "sends QoS 0 deliveries with DUP 1",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| publish.dup |= publish.qos == 0))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.3.1-3", v5: "MQTT-3.3.1-3"],
        "sends deliveries with DUP 1 for the first time",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| publish.dup |= publish.qos > 0))
    ),
    act!(
        ids![v3_1_1: "MQTT-4.3.2-1", v5: "MQTT-4.3.2-2"],
        "sends QoS 1 deliveries with DUP 1 for the first time",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| publish.dup |= publish.qos == 1))
    ),
    act!(
        ids![v3_1_1: "MQTT-4.3.3-1/c", v5: "MQTT-4.3.3-2"],
        "sends QoS 2 deliveries with DUP 1 for the first time",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| publish.dup |= publish.qos == 2))
    ),
    act!(
        ids![v3_1: "§2.1/qos-3", v3_1_1: "MQTT-3.3.1-4/b", v5: "MQTT-3.3.1-4/b"],
        "delivers at QoS 3",
        How::Send(|_, _, mut outgoing| {
            if matches!(&outgoing.packet, Packet::Publish(publish) if publish.qos > 0) {
                outgoing.overrides.flags = Some(0b0110);
            }
            vec![outgoing]
        })
    ),
    act!(
        ids![v3_1: "§2.1/retain-new-subscription/b", v3_1_1: "MQTT-3.3.1-6", v5: "MQTT-3.3.1-9"],
        "sends no retained messages to new subscriptions",
        How::Send(|_, _, outgoing| without(outgoing, |packet| {
            matches!(packet, Packet::Publish(publish) if publish.retain)
        }))
    ),
    act!(
        ids![v3_1: "§2.1/retain-new-subscription", v3_1_1: "MQTT-3.3.1-8"],
        "sends retained messages to new subscriptions with RETAIN 0",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| publish.retain = false))
    ),
    act!(
        ids![v3_1: "§2.5/utf-8", v3_1_1: "MQTT-3.3.2-1", v5: "MQTT-3.3.2-1"],
        "delivers under an ill-formed topic",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| publish.topic = Text::from(vec![0xff, 0xfe])))
    ),
    act!(
        ids![
            v3_1: ["§A/leading-slash", "§A/multi-level-match", "§A/single-level-match"],
            v3_1_1: "MQTT-3.3.2-3",
            v5: "MQTT-3.3.2-3",
        ],
        "delivers under another topic",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            publish.topic = [publish.topic.as_bytes(), b"/x"].concat().into();
        }))
    ),
    act!(
        ids![v3_1: "§A/null"],
        "delivers under a topic with U+0000",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            publish.topic = [publish.topic.as_bytes(), b"\0"].concat().into();
        }))
    ),
    act!(
        ids![v3_1_1: "§1.5.3/disallowed-code-points"],
        "delivers under a topic with a control character",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            publish.topic = [publish.topic.as_bytes(), b"\x01"].concat().into();
        }))
    ),
    act!(
        ids![v3_1: "§3.3/topic-wildcards", v3_1_1: "MQTT-3.3.2-2/b", v5: "MQTT-3.3.2-2/b"],
        "delivers under a topic with a wildcard",
        How::Send(|_, _, outgoing| publish(outgoing, |publish| {
            publish.topic = [publish.topic.as_bytes(), b"/+"].concat().into();
        }))
    ),
    act!(
        ids![v3_1: "§3.6/deliver", v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"],
        "delivers no messages of QoS 1 and 2",
        How::Send(|_, _, outgoing| without(outgoing, |packet| {
            matches!(packet, Packet::Publish(publish) if publish.qos > 0)
        }))
    ),
    act!(
        ids![v3_1: "§3.3/qos-0"],
        "delivers no messages of QoS 0",
        How::Send(|_, _, outgoing| without(outgoing, |packet| {
            matches!(packet, Packet::Publish(publish) if publish.qos == 0)
        }))
    ),
    act!(
        ids![v3_1_1: ["MQTT-4.6.0-5", "MQTT-4.6.0-6"], v5: ["MQTT-4.6.0-5", "MQTT-4.6.0-6"]],
        "holds back every delivery until the next one has overtaken it",
        How::Send(|memory, peer, outgoing| match &outgoing.packet {
            Packet::Publish(_) => match memory.held.remove(&peer.connection) {
                Some(held) => vec![outgoing, held.into()],
                None => {
                    memory.held.insert(peer.connection, outgoing.packet);
                    Vec::new()
                }
            },
            _ => vec![outgoing],
        })
    ),
];

fn publish(outgoing: Outgoing, change: impl FnOnce(&mut Publish)) -> Vec<Outgoing> {
    changed(outgoing, |packet| {
        if let Packet::Publish(publish) = packet {
            change(publish);
        }
    })
}
