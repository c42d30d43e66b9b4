//! The exchanges by which messages and requests are acknowledged, as far as the transcript shows them.

use std::collections::{BTreeMap, VecDeque};

use crate::wire::{Ack, PacketType, Payload, Publish, Subscribe, Text, Unsubscribe, Version};

/// A message that the broker sent with a packet identifier. It stays on record after its end, until the identifier is
/// used again: the broker may not know yet that it has ended.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub qos: u8,
    /// Digests of topic and payload: many of these are kept of a long capture.
    pub content: (u64, u64),
    /// The connection on which the broker sent it last.
    pub connection: u32,
    pub stage: Stage,
    /// The broker was restarted since: what it remembers of this is another question than this rule's. Or the session went on with
    /// a Maximum Packet Size: what is too large for it is done (5.0, MQTT-3.1.2-25).
    pub forgotten: bool,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// PUBLISH came.
    Sent,
    /// We sent PUBREC.
    Received,
    /// PUBREL came.
    Released,
    /// We sent PUBACK, PUBCOMP or a PUBREC with an error.
    Done,
}

/// Acknowledgements that the broker owes, and those it has given, for one packet identifier of the client.
#[derive(Debug, Clone, Default)]
pub struct Owed {
    pub puback: u32,
    pub pubrec: u32,
    pub pubcomp: u32,
    /// A PUBREC came, and no PUBCOMP yet.
    pub half_done: bool,
}

impl Owed {
    fn is_settled(&self) -> bool {
        self.puback + self.pubrec + self.pubcomp == 0 && !self.half_done
    }
}

/// All that is open on one connection, with what it took over from the session.
#[derive(Debug, Clone, Default)]
pub struct Exchanges {
    /// From the broker, by packet identifier.
    pub deliveries: BTreeMap<u16, Delivery>,
    /// How many PUBRELs of the broker are accounted for, by packet identifier: one for each PUBREC of ours, and one for
    /// what a resumed session may repeat.
    pub pubrels: BTreeMap<u16, u32>,
    /// Towards the broker, by packet identifier.
    pub owed: BTreeMap<u16, Owed>,
    /// Each SUBSCRIBE without its SUBACK, oldest first: its filters.
    pub subscribes: BTreeMap<u16, VecDeque<Vec<Text>>>,
    /// Each UNSUBSCRIBE without its UNSUBACK, oldest first: how many filters it has.
    pub unsubscribes: BTreeMap<u16, VecDeque<usize>>,
}

impl Exchanges {
    /// What a connection that resumes the session begins with, alongside what was sent on it already.
    pub fn resume(&mut self, earlier: &Exchanges) {
        for (id, delivery) in &earlier.deliveries {
            self.deliveries.entry(*id).or_insert_with(|| delivery.clone());
            if delivery.qos == 2 && delivery.stage >= Stage::Received {
                *self.pubrels.entry(*id).or_default() += 1;
            }
        }
        for (id, owed) in &earlier.owed {
            let mine = self.owed.entry(*id).or_default();
            mine.puback += owed.puback;
            mine.pubrec += owed.pubrec;
            mine.pubcomp += owed.pubcomp;
            mine.half_done |= owed.half_done;
        }
    }

    pub fn client_publishes(&mut self, p: &Publish) {
        let Some(id) = p.packet_id else { return };
        let owed = self.owed.entry(id).or_default();
        match p.qos {
            1 => owed.puback += 1,
            2 => owed.pubrec += 1,
            _ => {}
        }
    }

    /// PUBACK, PUBCOMP, or a PUBREC that refuses the message.
    pub fn client_ends(&mut self, packet_id: u16) {
        if let Some(delivery) = self.deliveries.get_mut(&packet_id) {
            delivery.stage = Stage::Done;
        }
    }

    pub fn client_pubrec(&mut self, ack: &Ack) {
        *self.pubrels.entry(ack.packet_id).or_default() += 1;
        if ack.reason_code >= 0x80 {
            self.client_ends(ack.packet_id);
        } else if let Some(delivery) = self.deliveries.get_mut(&ack.packet_id) {
            delivery.stage = delivery.stage.max(Stage::Received);
        }
    }

    pub fn client_pubrel(&mut self, ack: &Ack) {
        self.owed.entry(ack.packet_id).or_default().pubcomp += 1;
    }

    pub fn client_subscribes(&mut self, p: &Subscribe) {
        let filters = p.subscriptions.iter().map(|s| s.filter.clone()).collect();
        self.subscribes.entry(p.packet_id).or_default().push_back(filters);
    }

    pub fn client_unsubscribes(&mut self, p: &Unsubscribe) {
        self.unsubscribes
            .entry(p.packet_id)
            .or_default()
            .push_back(p.filters.len());
    }

    pub fn broker_publishes(&mut self, p: &Publish, topic: &Text, connection: u32) {
        let Some(id) = p.packet_id else { return };
        let repeat = p.dup.then(|| self.deliveries.get(&id)).flatten();
        let stage = match repeat {
            Some(known) if known.stage != Stage::Done && known.qos == p.qos => known.stage,
            // It has crossed the PUBACK, with which the identifier is free again.
            Some(known) if p.qos == 1 && known.connection == connection && known.content == content(topic, p) => {
                known.stage
            }
            _ => Stage::Sent,
        };
        self.deliveries.insert(
            id,
            Delivery {
                qos: p.qos,
                content: content(topic, p),
                connection,
                stage,
                forgotten: false,
            },
        );
    }

    /// PUBACK, PUBREC or PUBCOMP.
    pub fn broker_acks(&mut self, kind: PacketType, id: u16, reason_code: u8) {
        let owed = self.owed.entry(id).or_default();
        match kind {
            PacketType::PubAck => owed.puback = owed.puback.saturating_sub(1),
            PacketType::PubRec => {
                owed.pubrec = owed.pubrec.saturating_sub(1);
                owed.half_done = reason_code < 0x80;
            }
            PacketType::PubComp => {
                owed.pubcomp = owed.pubcomp.saturating_sub(1);
                owed.half_done = false;
            }
            _ => {}
        }
        if owed.is_settled() {
            self.owed.remove(&id);
        }
    }

    pub fn broker_pubrel(&mut self, id: u16) {
        if let Some(allowed) = self.pubrels.get_mut(&id) {
            *allowed = allowed.saturating_sub(1);
        }
        if let Some(delivery) = self.deliveries.get_mut(&id) {
            delivery.stage = delivery.stage.max(Stage::Released);
        }
    }
}

/// Digests of what makes a message the same when it is sent again.
pub fn content(topic: &Text, p: &Publish) -> (u64, u64) {
    (Payload::Bytes(topic.to_bytes()).hash(), p.payload.hash())
}

/// Whether a sender may repeat a packet on a connection that is still there: 3.x leaves it open, 5.0 forbids it
/// (section 4.4).
pub fn may_repeat(version: Version) -> bool {
    version != Version::V5
}
