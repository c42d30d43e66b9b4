//! PUBACK, PUBREC, PUBREL, PUBCOMP and PINGRESP, and the fixed header of all answers, wrongly sent.

use super::{Act, Arrival, How, Outgoing, Peer, act, changed, without};
use crate::statements::ids;
use crate::wire::{Ack, Packet, PacketType};

/// The identifier of an answer, changed.
const OTHER_ID: u16 = 0x5a00;

pub const ACTS: &[Act] = &[
    act!(
        ids![v3_1: "§3.12/pingresp", v3_1_1: "MQTT-3.12.4-1", v5: "MQTT-3.12.4-1"],
        "does not answer PINGREQ",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::PingResp)))
    ),
    act!(
        ids![v3_1_1: "MQTT-3.3.4-1", v5: "MQTT-3.3.4-1"],
        "answers PUBLISH neither with PUBACK nor with PUBREC",
        How::Send(|_, _, outgoing| without(outgoing, |packet| {
            matches!(packet, Packet::PubAck(_) | Packet::PubRec(_))
        }))
    ),
    act!(
        ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-4.3.2-2/b", v5: "MQTT-4.3.2-4"],
        "sends no PUBACK",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::PubAck(_))))
    ),
    act!(
        ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-4.3.3-2/d", v5: "MQTT-4.3.3-8"],
        "sends no PUBREC",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::PubRec(_))))
    ),
    act!(
        ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-4"],
        "sends no PUBREL",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::PubRel(_))))
    ),
    act!(
        ids![v3_1: "§3.6/pubcomp", v3_1_1: "MQTT-4.3.3-2/c", v5: "MQTT-4.3.3-11"],
        "sends no PUBCOMP",
        How::Send(|_, _, outgoing| without(outgoing, |packet| matches!(packet, Packet::PubComp(_))))
    ),
    act!(
        ids![v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"],
        "answers a PUBLISH with another identifier",
        How::Send(|_, _, outgoing| ack(outgoing, |ack| ack.packet_id ^= OTHER_ID))
    ),
    act!(
        ids![v3_1: "§2.6/unused-bits", v3_1_1: "MQTT-2.2.2-1", v5: "MQTT-2.1.3-1"],
        "sets a reserved flag in its answers",
        How::Send(|_, _, outgoing| flagged(outgoing, 0b0001, |t| {
            !matches!(t, PacketType::ConnAck | PacketType::Publish | PacketType::PubRel)
        }))
    ),
    act!(
        ids![v3_1: "§3.6/qos-1", v3_1_1: "MQTT-3.6.1-1", v5: "MQTT-3.6.1-1"],
        "sends PUBREL with the flags 0000",
        How::Send(|_, _, outgoing| flagged(outgoing, 0b0000, |t| t == PacketType::PubRel))
    ),
    act!(
        ids![v3_1: "§2.1/message-type", v3_1_1: "§2.2.1/packet-type", v5: "§2.1.2/packet-type"],
        "answers PINGREQ with PINGREQ",
        How::Send(|_, _, outgoing| changed(outgoing, |packet| {
            if matches!(packet, Packet::PingResp) {
                *packet = Packet::PingReq;
            }
        }))
    ),
    act!(
        ids![v3_1: "§2.1/remaining-length", v3_1_1: "§2.2.3/remaining-length", v5: "§2.1.4/remaining-length"],
        "counts one byte too many in the Remaining Length of PUBLISH",
        How::Send(|_, peer, outgoing| counted(outgoing, peer, |length| length_bytes(length + 1, 1)))
    ),
    act!(
        ids![v5: "MQTT-1.5.5-1"],
        "writes the Remaining Length of an answer with one byte more than needed",
        How::Send(|_, peer, mut outgoing| {
            let bytes = crate::wire::encode_bytes(&outgoing.packet, peer.version);
            // Only lengths of a single byte: a longer one would have to be decoded first.
            if outgoing.packet.packet_type() != PacketType::ConnAck && bytes[1] & 0x80 == 0 {
                outgoing.overrides.remaining_length = Some(vec![bytes[1] | 0x80, 0].into());
            }
            vec![outgoing]
        })
    ),
    act!(
        ids![v3_1: "§2.1/four-bytes", v3_1_1: "§2.2.3/four-bytes", v5: "§1.5.5/four-bytes"],
        "writes the Remaining Length of PUBLISH with five bytes",
        How::Send(|_, peer, outgoing| counted(outgoing, peer, |length| length_bytes(length, 5)))
    ),
    act!(
        ids![v5: "MQTT-2.2.2-1"],
        "omits the Property Length if there are no properties",
        How::Send(|_, _, mut outgoing| {
            let has_none = outgoing.packet.properties().is_some_and(|p| p.is_empty());
            let needs_length = matches!(
                outgoing.packet.packet_type(),
                PacketType::Publish | PacketType::SubAck | PacketType::UnsubAck
            );
            if has_none && needs_length {
                outgoing.overrides.property_length = Some(bytes::Bytes::new());
            }
            vec![outgoing]
        })
    ),
    act!(
        ids![v5: "MQTT-4.3.3-6"],
        "resends the PUBLISH before the PUBREL when a session is resumed",
        How::Send(|memory, peer, outgoing| {
            let client = peer.connect.client_id.clone();
            match &outgoing.packet {
                Packet::Publish(publish) => {
                    if let Some(packet_id) = publish.packet_id {
                        memory.sent.insert((client, packet_id), publish.clone());
                    }
                    vec![outgoing]
                }
                // A PUBREL without a PUBREC on the same connection is a repeat.
                Packet::PubRel(ack) if !memory.packet_ids.remove(&(peer.connection, ack.packet_id)) => {
                    let repeat = memory.sent.get(&(client, ack.packet_id)).cloned();
                    let repeat = repeat.map(|mut publish| {
                        publish.dup = true;
                        Outgoing::from(Packet::Publish(publish))
                    });
                    repeat.into_iter().chain([outgoing]).collect()
                }
                _ => vec![outgoing],
            }
        })
    ),
    // The other half of the act above: it has to see the PUBREC.
    act!(
        ids![v5: "MQTT-4.3.3-6"],
        "resends the PUBLISH before the PUBREL when a session is resumed",
        How::Receive(|memory, peer, packet| {
            if let Packet::PubRec(ack) = &packet {
                memory.packet_ids.insert((peer.connection, ack.packet_id));
            }
            Arrival::Pass(packet)
        })
    ),
    act!(
        ids![v5: "MQTT-3.4.2-1"],
        "sends PUBACK with a code that the table does not have",
        How::Send(|_, _, outgoing| coded(outgoing, PacketType::PubAck))
    ),
    act!(
        ids![v5: "MQTT-3.5.2-1"],
        "sends PUBREC with a code that the table does not have",
        How::Send(|_, _, outgoing| coded(outgoing, PacketType::PubRec))
    ),
    act!(
        ids![v5: "MQTT-3.6.2-1"],
        "sends PUBREL with a code that the table does not have",
        How::Send(|_, _, outgoing| coded(outgoing, PacketType::PubRel))
    ),
    act!(
        ids![v5: "MQTT-3.7.2-1"],
        "sends PUBCOMP with a code that the table does not have",
        How::Send(|_, _, outgoing| coded(outgoing, PacketType::PubComp))
    ),
];

fn ack(outgoing: Outgoing, change: impl FnOnce(&mut Ack)) -> Vec<Outgoing> {
    changed(outgoing, |packet| {
        if let Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) = packet {
            change(ack);
        }
    })
}

fn flagged(mut outgoing: Outgoing, flags: u8, is_meant: impl FnOnce(PacketType) -> bool) -> Vec<Outgoing> {
    if is_meant(outgoing.packet.packet_type()) {
        outgoing.overrides.flags = Some(flags);
    }
    vec![outgoing]
}

/// Writes another Remaining Length into PUBLISH, which follows a setup, so that the violation shows where the case looks.
fn counted(mut outgoing: Outgoing, peer: &Peer, write: impl FnOnce(usize) -> Vec<u8>) -> Vec<Outgoing> {
    if outgoing.packet.packet_type() == PacketType::Publish {
        let bytes = crate::wire::encode_bytes(&outgoing.packet, peer.version);
        outgoing.overrides.remaining_length = Some(write(crate::wire::body(&bytes).len()).into());
    }
    vec![outgoing]
}

/// A Remaining Length in its shortest form, or with the given number of bytes.
fn length_bytes(length: usize, at_least: usize) -> Vec<u8> {
    let needed = (1..4).find(|n| length < 1 << (7 * n)).unwrap_or(4);
    let count = needed.max(at_least);
    (0..count)
        .map(|i| {
            let seven = (length.checked_shr(7 * i as u32).unwrap_or(0) & 0x7f) as u8;
            if i + 1 < count { seven | 0x80 } else { seven }
        })
        .collect()
}

fn coded(outgoing: Outgoing, packet_type: PacketType) -> Vec<Outgoing> {
    if outgoing.packet.packet_type() != packet_type {
        return vec![outgoing];
    }
    ack(outgoing, |ack| ack.reason_code = 0x7f)
}
