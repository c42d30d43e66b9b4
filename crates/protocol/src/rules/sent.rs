//! What a client has begun and owes on one connection: the other half of what [`Exchanges`](super::exchange::Exchanges)
//! holds of the broker. It is kept only if clients are judged.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::exchange::content;
use crate::transcript::{Event, What};
use crate::wire::property::id;
use crate::wire::{Ack, Decoded, Packet, Publish};

/// The time of a packet is that of its last byte. A longer one, in bytes, may have begun well before.
pub const BRIEF: u64 = 16 * 1024;

/// The client's side of one connection.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// The broker has sent something wrong: what a client makes of it is not held against it.
    pub broker_wrong: bool,
    /// What is open under each packet identifier of the client.
    pub open: BTreeMap<u16, Open>,
    /// How many of them count against the server's Receive Maximum.
    pub in_flight: u32,
    /// What the client owes, by the broker's packet identifier.
    pub owed: BTreeMap<u16, Owed>,
    /// The broker's PUBLISHes of QoS 1 that were not acknowledged, in the order of arrival, and those of QoS 2.
    pub publishes: [VecDeque<u16>; 2],
    /// The broker's PUBRECs that had no PUBREL, in the order of arrival.
    pub pubrecs: VecDeque<u16>,
    /// What the client's topic aliases are set for.
    pub aliases: BTreeSet<u16>,
    /// In seconds, the server's if it named one; 0 is off.
    pub keep_alive: u16,
    /// The time of the client's last packet.
    pub last: Duration,
    /// The time of the broker's last packet.
    pub heard: Option<Duration>,
    pub ended: bool,
    /// A packet of the client came.
    pub spoken: bool,
    /// Packet identifiers that either side has used in an exchange of this connection.
    pub seen: BTreeSet<u16>,
}

/// An exchange that the client began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    Publish {
        qos: u8,
        /// Digest of topic and payload.
        content: (u64, u64),
        /// The client sent PUBREL.
        released: bool,
    },
    Request,
}

/// How many acknowledgements of each kind may come for one identifier.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owed {
    pub puback: u32,
    pub pubrec: u32,
    pub pubcomp: u32,
    pub pubrel: u32,
    /// The client sent PUBREC, and no PUBCOMP yet.
    pub half_done: bool,
}

impl Owed {
    /// Whether nothing is open.
    pub fn is_nothing(&self) -> bool {
        self.puback + self.pubrec + self.pubcomp + self.pubrel == 0 && !self.half_done
    }
}

impl Sent {
    /// Takes an event of the connection in.
    pub fn apply(&mut self, event: &Event, from_broker: bool) {
        match (&event.what, from_broker) {
            (What::Packet { decoded, .. }, true) => {
                self.heard = Some(event.at);
                self.broker(decoded);
            }
            (What::Packet { decoded, .. }, false) => {
                self.spoken = true;
                self.last = event.at;
                self.client(decoded);
            }
            (What::Fragment(_), true) => self.broker_wrong = true,
            (What::End(_), _) => self.ended = true,
            _ => {}
        }
    }

    /// How long the client has been silent at `at`, if that is longer than it may be. Timers and networks may be off by a
    /// tenth and a second.
    pub fn silence(&self, at: Duration) -> Option<Duration> {
        let silent = at.saturating_sub(self.last);
        let allowed = Duration::from_millis(1100 * u64::from(self.keep_alive) + 1000);
        let counts = self.keep_alive > 0 && !self.ended;
        (counts && silent > allowed).then_some(silent)
    }

    fn client(&mut self, decoded: &Decoded) {
        match &decoded.packet {
            Some(Packet::Connect(p)) => self.keep_alive = p.keep_alive,
            Some(Packet::Publish(p)) => self.publish(p),
            Some(Packet::Subscribe(p)) => {
                self.open.insert(p.packet_id, Open::Request);
            }
            Some(Packet::Unsubscribe(p)) => {
                self.open.insert(p.packet_id, Open::Request);
            }
            Some(Packet::PubAck(a)) => {
                self.take(a, |owed| &mut owed.puback);
                self.settle(a.packet_id);
                self.publishes[0].retain(|id| *id != a.packet_id);
            }
            Some(Packet::PubRec(a)) => {
                self.take(a, |owed| &mut owed.pubrec);
                self.owed.entry(a.packet_id).or_default().half_done = a.reason_code < 0x80;
                self.publishes[1].retain(|id| *id != a.packet_id);
            }
            Some(Packet::PubComp(a)) => {
                self.take(a, |owed| &mut owed.pubcomp);
                self.owed.entry(a.packet_id).or_default().half_done = false;
                self.settle(a.packet_id);
            }
            Some(Packet::PubRel(a)) => {
                self.take(a, |owed| &mut owed.pubrel);
                self.settle(a.packet_id);
                self.pubrecs.retain(|id| *id != a.packet_id);
                if let Some(Open::Publish { released, .. }) = self.open.get_mut(&a.packet_id) {
                    *released = true;
                }
            }
            Some(Packet::Disconnect(_)) => self.ended = true,
            _ => {}
        }
    }

    fn publish(&mut self, p: &Publish) {
        if let (Some(alias), false) = (p.properties.number(id::TOPIC_ALIAS), p.topic.is_empty()) {
            self.aliases.insert(alias as u16);
        }
        let Some(packet_id) = p.packet_id else { return };
        self.seen.insert(packet_id);
        let content = content(&p.topic, p);
        let new = Open::Publish {
            qos: p.qos,
            content,
            released: false,
        };
        match self.open.insert(packet_id, new) {
            Some(Open::Publish {
                content: old, released, ..
            }) if p.dup && old == content => {
                if let Some(Open::Publish { released: now, .. }) = self.open.get_mut(&packet_id) {
                    *now = released;
                }
            }
            Some(Open::Publish { .. }) => {}
            _ => self.in_flight += 1,
        }
    }

    fn take(&mut self, ack: &Ack, kind: impl Fn(&mut Owed) -> &mut u32) {
        if let Some(owed) = self.owed.get_mut(&ack.packet_id) {
            let left = kind(owed);
            *left = left.saturating_sub(1);
        }
    }

    /// Forgets an identifier of the broker under which nothing is open.
    fn settle(&mut self, id: u16) {
        if self.owed.get(&id).is_some_and(Owed::is_nothing) {
            self.owed.remove(&id);
        }
    }

    fn broker(&mut self, decoded: &Decoded) {
        if decoded.packet.is_none() || !decoded.breaches.is_empty() {
            self.broker_wrong = true;
        }
        match &decoded.packet {
            Some(Packet::ConnAck(p)) => {
                if let Some(seconds) = p.properties.number(id::SERVER_KEEP_ALIVE) {
                    self.keep_alive = seconds as u16;
                }
            }
            Some(Packet::Publish(p)) => {
                let Some(id) = p.packet_id else { return };
                self.seen.insert(id);
                let owed = self.owed.entry(id).or_default();
                let queue = match p.qos {
                    1 => {
                        owed.puback += 1;
                        &mut self.publishes[0]
                    }
                    _ => {
                        owed.pubrec += 1;
                        &mut self.publishes[1]
                    }
                };
                if !queue.contains(&id) {
                    queue.push_back(id);
                }
            }
            Some(Packet::PubRel(a)) => self.owed.entry(a.packet_id).or_default().pubcomp += 1,
            Some(Packet::PubRec(a)) if a.reason_code < 0x80 => {
                self.owed.entry(a.packet_id).or_default().pubrel += 1;
                if !self.pubrecs.contains(&a.packet_id) {
                    self.pubrecs.push_back(a.packet_id);
                }
            }
            Some(Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a)) => self.close(a.packet_id, true),
            Some(Packet::SubAck(p)) => self.close(p.packet_id, false),
            Some(Packet::UnsubAck(p)) => self.close(p.packet_id, false),
            _ => {}
        }
    }

    fn close(&mut self, packet_id: u16, publish: bool) {
        let is_publish = match self.open.get(&packet_id) {
            Some(Open::Publish { .. }) => true,
            Some(Open::Request) => false,
            None => return,
        };
        if is_publish == publish {
            self.open.remove(&packet_id);
            self.in_flight -= u32::from(publish);
        }
    }
}
