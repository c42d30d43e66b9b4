//! A legal client: what it may send in its state, and what it must answer.
//!
//! A client acknowledges in the order of arrival for each packet type (v3.1.1:MQTT-4.6.0-2 to -4, v5:MQTT-4.6.0-2 to -4), so
//! late and interleaved acknowledgements are generated, and reordered ones of one packet type are not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::action::Kind;
use crate::wire::property::id;
use crate::wire::{Ack, ConnAck, Packet, Publish, Version};

/// A client id with what its client remembers.
#[derive(Debug)]
pub struct Client {
    pub id: String,
    pub version: Version,
    /// The number of its connection.
    pub link: Option<u32>,
    /// The client's own exchanges that are not finished, in the order of their PUBLISH.
    pub open: Vec<Exchange>,
    /// Whether its session outlived the connection before this one.
    pub lasted: bool,
    /// The Session Expiry Interval that it asked for last, in seconds; at 3.x 1 if the session lasts.
    pub expiry: u32,
}

/// An exchange that the client began.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// With the full topic and without an alias.
    pub publish: Publish,
    pub packet_id: u16,
    pub stage: Stage,
    /// Whether its packet was sent on the present connection.
    pub sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// PUBLISH is not acknowledged.
    Published,
    /// PUBREC arrived.
    Received,
    /// PUBREL is sent.
    Released,
}

/// A network connection as its client sees it.
#[derive(Debug)]
pub struct Link {
    pub client: usize,
    /// The CONNACK that accepted it has been read.
    pub connected: bool,
    pub stalled: bool,
    pub automatic: bool,
    pub clean: bool,
    /// What has arrived and is not read.
    pub inbox: VecDeque<Arrival>,
    /// The acknowledgements that the client owes, oldest first.
    pub owed: VecDeque<(Kind, u16)>,
    /// Identifiers of SUBSCRIBE and UNSUBSCRIBE without an answer.
    pub asked: BTreeSet<u16>,
    /// The client's aliases: the topic of each.
    pub aliases: BTreeMap<u16, usize>,
    pub limits: Limits,
}

/// What arrives on a connection.
#[derive(Debug)]
pub enum Arrival {
    Packet(bytes::Bytes),
    Closed,
}

/// What CONNACK says of the broker's limits (5.0, section 3.2.2.3); the defaults of the standard before that.
#[derive(Debug, Clone)]
pub struct Limits {
    pub receive_maximum: usize,
    pub maximum_packet_size: u64,
    pub maximum_qos: u8,
    pub retain: bool,
    pub alias_maximum: u16,
    pub wildcards: bool,
    pub shared: bool,
    pub subscription_ids: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            receive_maximum: usize::from(u16::MAX),
            maximum_packet_size: u64::MAX,
            maximum_qos: 2,
            retain: true,
            alias_maximum: 0,
            wildcards: true,
            shared: true,
            subscription_ids: true,
        }
    }
}

impl Limits {
    fn of(ack: &ConnAck) -> Limits {
        let usual = Limits::default();
        let number = |id| ack.properties.number(id);
        let is_on = |id| number(id) != Some(0);
        Limits {
            receive_maximum: number(id::RECEIVE_MAXIMUM).map_or(usual.receive_maximum, |n| n as usize),
            maximum_packet_size: number(id::MAXIMUM_PACKET_SIZE).map_or(u64::MAX, u64::from),
            maximum_qos: number(id::MAXIMUM_QOS).map_or(2, |n| n as u8),
            retain: is_on(id::RETAIN_AVAILABLE),
            alias_maximum: number(id::TOPIC_ALIAS_MAXIMUM).unwrap_or(0) as u16,
            wildcards: is_on(id::WILDCARD_SUBSCRIPTION_AVAILABLE),
            shared: is_on(id::SHARED_SUBSCRIPTION_AVAILABLE),
            subscription_ids: is_on(id::SUBSCRIPTION_IDENTIFIER_AVAILABLE),
        }
    }
}

impl Link {
    pub fn new(client: usize, clean: bool, automatic: bool) -> Link {
        Link {
            client,
            connected: false,
            stalled: false,
            automatic,
            clean,
            inbox: VecDeque::new(),
            owed: VecDeque::new(),
            asked: BTreeSet::new(),
            aliases: BTreeMap::new(),
            limits: Limits::default(),
        }
    }
}

impl Client {
    pub fn new(id: String, version: Version) -> Client {
        Client {
            id,
            version,
            link: None,
            open: Vec::new(),
            lasted: false,
            expiry: 0,
        }
    }

    /// The lowest identifier that none of the client's packets without an answer has, so that identifiers are used again soon.
    pub fn free_id(&self, link: &Link) -> u16 {
        let is_used = |id: &u16| link.asked.contains(id) || self.open.iter().any(|e| e.packet_id == *id);
        (1..=u16::MAX).find(|id| !is_used(id)).unwrap_or(u16::MAX)
    }

    /// Whether a PUBLISH of QoS 1 or 2 fits into the broker's Receive Maximum (5.0, section 4.9), behind those that wait.
    pub fn has_quota(&self, link: &Link) -> bool {
        self.open.iter().all(|e| e.sent) && self.open.len() < link.limits.receive_maximum
    }

    /// A packet arrived on the client's connection.
    pub fn reads(&mut self, link: &mut Link, packet: &Packet) {
        match packet {
            Packet::ConnAck(ack) if ack.reason_code == 0 => {
                link.connected = true;
                if self.version == Version::V5 {
                    link.limits = Limits::of(ack);
                }
                // At 3.1 CONNACK does not say whether there was a session.
                let is_there = ack.session_present || self.version == Version::V3_1 && self.lasted;
                let goes_on = !link.clean && is_there;
                if !goes_on {
                    self.open.clear();
                }
                self.open.iter_mut().for_each(|e| e.sent = false);
            }
            Packet::Publish(p) => match (p.qos, p.packet_id) {
                (1, Some(id)) => link.owed.push_back((Kind::PubAck, id)),
                (2, Some(id)) => link.owed.push_back((Kind::PubRec, id)),
                _ => {}
            },
            Packet::PubAck(a) => self
                .open
                .retain(|e| e.packet_id != a.packet_id || e.publish.qos != 1 || e.stage != Stage::Published),
            Packet::PubRec(a) => self.received(link, a),
            Packet::PubRel(a) => link.owed.push_back((Kind::PubComp, a.packet_id)),
            Packet::PubComp(a) => self
                .open
                .retain(|e| e.packet_id != a.packet_id || e.stage != Stage::Released),
            Packet::SubAck(p) => {
                link.asked.remove(&p.packet_id);
            }
            Packet::UnsubAck(p) => {
                link.asked.remove(&p.packet_id);
            }
            _ => {}
        }
    }

    fn received(&mut self, link: &mut Link, ack: &Ack) {
        let Some(at) = self
            .open
            .iter()
            .position(|e| e.packet_id == ack.packet_id && e.publish.qos == 2 && e.stage == Stage::Published)
        else {
            return;
        };
        if ack.reason_code >= 0x80 {
            self.open.remove(at);
            return;
        }
        self.open[at].stage = Stage::Received;
        link.owed.push_back((Kind::PubRel, ack.packet_id));
    }

    /// The next packet that the client repeats on a resumed connection (v3.1.1:MQTT-4.4.0-1, v5:MQTT-4.4.0-1), in the order of
    /// the first sendings, within the broker's Receive Maximum.
    pub fn next_repeat(&mut self, link: &mut Link) -> Option<Packet> {
        let sent = self.open.iter().filter(|e| e.sent).count();
        let next = self.open.iter_mut().find(|e| !e.sent)?;
        if !link.connected || sent >= link.limits.receive_maximum {
            return None;
        }
        next.sent = true;
        if next.stage == Stage::Published {
            return Some(Packet::Publish(Publish {
                dup: true,
                ..next.publish.clone()
            }));
        }
        next.stage = Stage::Released;
        let id = next.packet_id;
        link.owed.retain(|owed| *owed != (Kind::PubRel, id));
        Some(Packet::PubRel(Ack::new(id)))
    }

    /// Takes the oldest acknowledgement of this kind that the client owes. At 5.0 `code` is used where the packet may have it.
    pub fn acknowledge(&mut self, link: &mut Link, kind: Kind, code: u8) -> Option<Packet> {
        let at = link.owed.iter().position(|(k, _)| *k == kind)?;
        let (_, packet_id) = link.owed.remove(at)?;
        let mut ack = Ack::new(packet_id);
        if self.version == Version::V5 && matches!(kind, Kind::PubAck | Kind::PubRec) {
            ack.reason_code = code;
        }
        if kind == Kind::PubRel
            && let Some(exchange) = self.open.iter_mut().find(|e| e.packet_id == packet_id)
        {
            exchange.stage = Stage::Released;
        }
        Some(match kind {
            Kind::PubAck => Packet::PubAck(ack),
            Kind::PubRec => Packet::PubRec(ack),
            Kind::PubRel => Packet::PubRel(ack),
            Kind::PubComp => Packet::PubComp(ack),
        })
    }
}
