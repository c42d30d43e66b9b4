//! What waits for an answer on one connection, and since when. It is kept only if both sides are judged.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::transcript::{Event, What};
use crate::wire::{Decoded, Packet, PacketType};

/// The type of the answer and its packet identifier; 0 for CONNACK.
type Answer = (PacketType, u16);

/// Requests without an answer.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// Answers that the broker owes, and when it was asked.
    pub broker: BTreeMap<Answer, Duration>,
    /// When each PINGREQ without its PINGRESP was sent, oldest first.
    pub pings: VecDeque<Duration>,
    /// Answers that the client owes, and when the broker's packet came.
    pub client: BTreeMap<Answer, Duration>,
}

impl Waiting {
    /// Takes an event of the connection in.
    pub fn apply(&mut self, event: &Event, from_broker: bool) {
        match (&event.what, from_broker) {
            (What::Packet { decoded, .. }, true) => self.broker_says(event.at, decoded),
            (What::Packet { decoded, .. }, false) => self.client_says(event.at, decoded),
            // Who leaves is owed nothing more, and owes nothing more here.
            (What::End(_), _) => *self = Waiting::default(),
            _ => {}
        }
    }

    fn client_says(&mut self, at: Duration, decoded: &Decoded) {
        let Some(packet) = &decoded.packet else { return };
        match packet {
            Packet::Connect(_) => asked(&mut self.broker, PacketType::ConnAck, 0, at),
            Packet::Publish(p) => delivered(&mut self.broker, p.qos, p.packet_id, at),
            Packet::Subscribe(p) => asked(&mut self.broker, PacketType::SubAck, p.packet_id, at),
            Packet::Unsubscribe(p) => asked(&mut self.broker, PacketType::UnsubAck, p.packet_id, at),
            Packet::PingReq => self.pings.push_back(at),
            Packet::Disconnect(_) => *self = Waiting::default(),
            _ => acknowledged(packet, at, &mut self.client, &mut self.broker),
        }
    }

    fn broker_says(&mut self, at: Duration, decoded: &Decoded) {
        let Some(packet) = &decoded.packet else { return };
        match packet {
            Packet::ConnAck(p) if p.reason_code != 0 => *self = Waiting::default(),
            // With AUTH, the CONNACK waits for the client (5.0, section 4.12).
            Packet::ConnAck(_) | Packet::Auth(_) => {
                self.broker.remove(&(PacketType::ConnAck, 0));
            }
            Packet::Publish(p) => delivered(&mut self.client, p.qos, p.packet_id, at),
            Packet::SubAck(p) => {
                self.broker.remove(&(PacketType::SubAck, p.packet_id));
            }
            Packet::UnsubAck(p) => {
                self.broker.remove(&(PacketType::UnsubAck, p.packet_id));
            }
            Packet::PingResp => {
                self.pings.pop_front();
            }
            Packet::Disconnect(_) => *self = Waiting::default(),
            _ => acknowledged(packet, at, &mut self.broker, &mut self.client),
        }
    }
}

fn asked(owed: &mut BTreeMap<Answer, Duration>, answer: PacketType, id: u16, at: Duration) {
    owed.entry((answer, id)).or_insert(at);
}

/// A PUBLISH is owed a PUBACK or a PUBREC.
fn delivered(owed: &mut BTreeMap<Answer, Duration>, qos: u8, id: Option<u16>, at: Duration) {
    match (qos, id) {
        (1, Some(id)) => asked(owed, PacketType::PubAck, id, at),
        (2, Some(id)) => asked(owed, PacketType::PubRec, id, at),
        _ => {}
    }
}

/// An acknowledgement: what the sender owed is done, and the other side may owe the next step. One of the wrong kind is
/// another rule's.
fn acknowledged(
    packet: &Packet,
    at: Duration,
    mine: &mut BTreeMap<Answer, Duration>,
    theirs: &mut BTreeMap<Answer, Duration>,
) {
    match packet {
        Packet::PubAck(a) | Packet::PubRec(a) => {
            mine.remove(&(PacketType::PubAck, a.packet_id));
            mine.remove(&(PacketType::PubRec, a.packet_id));
            if matches!(packet, Packet::PubRec(_)) && a.reason_code < 0x80 {
                asked(theirs, PacketType::PubRel, a.packet_id, at);
            }
        }
        Packet::PubRel(a) => {
            mine.remove(&(PacketType::PubRel, a.packet_id));
            asked(theirs, PacketType::PubComp, a.packet_id, at);
        }
        Packet::PubComp(a) => {
            mine.remove(&(PacketType::PubComp, a.packet_id));
        }
        _ => {}
    }
}
