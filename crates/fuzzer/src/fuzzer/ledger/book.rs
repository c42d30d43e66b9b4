//! The bookkeeping: publications, sessions with their subscriptions and deliveries, connections.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;

use super::Terms;
use super::exchange::{Exchanges, Read};
use super::message::{OVERHEAD, expiry, forwarded, size_of_properties};
use super::wills::Will;
use crate::fuzzer::judge::Verdict;
use crate::fuzzer::offence::Offence;
use crate::transcript::{Event, Lifecycle, Transcript, What};
use crate::wire::filter::shared;
use crate::wire::property::id;
use crate::wire::{ConnAck, Connect, Packet, PacketType, Property, Publish, Side, SubAck, Subscribe, Text, Version};

/// The Session Expiry Interval that means never.
pub const NEVER: u32 = u32::MAX;

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    pub event: usize,
    pub at: Duration,
}

/// A message that a client published.
#[derive(Debug)]
pub struct Publication {
    pub topic: Text,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
    pub expiry: Option<u32>,
    /// The properties that are passed on; `None` if it was not published at 5.0.
    pub forwarded: Option<Vec<Property>>,
    /// How many bytes a PUBLISH that delivers it has at most, without Subscription Identifiers.
    pub size: usize,
    pub connection: u32,
    pub client: Text,
    pub sent: When,
    /// PUBACK or PUBREC that takes the message over.
    pub taken: Option<When>,
    /// PUBACK or PUBCOMP. A broker may hand a message of QoS 2 over when it is released, and then never if it is not.
    pub completed: Option<When>,
    /// It was sent again, or the broker's answer leaves open what becomes of it.
    pub unsure: bool,
}

/// A session of a client id, from the CONNACK that began it.
#[derive(Debug)]
pub struct Session {
    pub client: Text,
    pub subscriptions: Vec<Subscription>,
    pub got: Vec<Got>,
    /// The smallest Maximum Packet Size of its connections.
    pub limit: Option<u32>,
    /// Its connections, in order.
    pub connections: Vec<u32>,
    pub exchanges: Exchanges,
    /// The client refused a message, with 0x80 or above.
    pub refused: bool,
    /// The last PINGRESP.
    pub heard: Option<When>,
}

/// A filter that a session has asked for; a repeated SUBSCRIBE changes the same entry.
#[derive(Debug)]
pub struct Subscription {
    pub filter: Text,
    /// The filter behind the share name, for a shared subscription.
    pub plain: Text,
    pub is_shared: bool,
    pub granted: Option<When>,
    /// The lowest and highest QoS that was ever granted.
    pub qos: (u8, u8),
    /// No Local and Retain As Published: whether each SUBSCRIBE had it, and whether any had.
    pub no_local: (bool, bool),
    pub as_published: (bool, bool),
    /// UNSUBSCRIBE.
    pub gone: Option<When>,
    /// Its UNSUBACK.
    pub confirmed: Option<When>,
}

/// A delivery.
#[derive(Debug)]
pub struct Got {
    pub when: When,
    pub connection: u32,
    pub payload: Bytes,
    pub topic: Text,
    pub qos: u8,
    /// It has DUP 1, or repeats a delivery whose exchange is open since an earlier connection.
    pub again: bool,
    pub retain: bool,
    pub expiry: Option<u32>,
    pub forwarded: Vec<Property>,
}

#[derive(Debug)]
pub struct Connection {
    pub client: Text,
    pub version: Version,
    pub clean: bool,
    /// The Session Expiry Interval in force, in seconds; at 3.x 0 or [`NEVER`].
    pub expiry: u32,
    /// The same, if the server does not grant what DISCONNECT asks for above that: no packet would say so.
    pub lowest_expiry: u32,
    pub will: Option<Will>,
    pub asked: When,
    pub accepted: Option<When>,
    pub present: bool,
    /// DISCONNECT of the client, with its reason code.
    pub goodbye: Option<u8>,
    /// The client ended it before the broker did, or the broker because of an offence.
    pub left: Option<When>,
    pub ended: Option<When>,
    /// The connection of the same client id that was open when this one asked, or came before.
    pub before: Option<u32>,
    pub superseded: bool,
    limit: Option<u32>,
}

/// A packet that the broker must answer and has not answered.
#[derive(Debug)]
pub struct Asked {
    pub connection: u32,
    pub packet: PacketType,
    pub packet_id: u16,
    /// Of a PUBLISH.
    pub qos: u8,
    pub when: When,
}

/// Everything that the transcript shows.
#[derive(Debug, Default)]
pub struct Book {
    pub terms: Terms,
    pub publications: Vec<Publication>,
    pub sessions: Vec<Session>,
    pub connections: BTreeMap<u32, Connection>,
    pub asked: Vec<Asked>,
    /// Graceful restarts.
    pub restarts: Vec<When>,
    /// What single deliveries show of the exchanges that they belong to.
    pub found: Vec<Verdict>,
    /// The connections of offences so far.
    offenders: Vec<u32>,
    by_payload: HashMap<Bytes, usize>,
    /// The session of each connection, and the newest connection of each client id.
    session_of: BTreeMap<u32, usize>,
    newest: HashMap<Text, u32>,
    /// What an identifier on a connection means: a publication, and filters of a SUBSCRIBE.
    published: BTreeMap<(u32, u16), usize>,
    subscribing: BTreeMap<(u32, u16), Vec<Text>>,
    unsubscribing: BTreeMap<(u32, u16), Vec<Text>>,
}

impl Book {
    pub fn read(transcript: &Transcript, offences: &[Offence], terms: Terms) -> Book {
        let mut book = Book {
            terms,
            ..Book::default()
        };
        for (number, event) in transcript.events.iter().enumerate() {
            let when = When {
                event: number,
                at: event.at,
            };
            if offences.iter().any(|offence| offence.event == number) {
                book.offenders.push(event.connection);
            } else {
                book.take(event, event.side(transcript.scripted), when);
            }
        }
        book
    }

    pub fn publication(&self, payload: &Bytes) -> Option<&Publication> {
        self.by_payload.get(payload).map(|at| &self.publications[*at])
    }

    /// The version of a session's newest connection.
    pub fn version(&self, session: &Session) -> Version {
        let newest = session.connections.last().and_then(|n| self.connections.get(n));
        newest.map_or(Version::V5, |c| c.version)
    }

    /// Whether all sendings of a publication belong to one session of its publisher.
    fn is_one_session(&self, old: u32, new: u32) -> bool {
        let v3_1 = self.connections.get(&new).is_some_and(|c| c.version == Version::V3_1);
        !v3_1 && self.session_of.get(&old) == self.session_of.get(&new)
    }

    fn take(&mut self, event: &Event, side: Side, when: When) {
        let number = event.connection;
        match &event.what {
            // It ends every connection, whether its client has read that or not.
            What::Lifecycle(how) => {
                self.restarts.extend((*how == Lifecycle::Restart).then_some(when));
                self.connections.values_mut().for_each(|c| {
                    c.ended.get_or_insert(when);
                });
            }
            What::End(_) => self.ends(number, side, when),
            What::Packet { decoded, topic, .. } => {
                let Some(packet) = &decoded.packet else { return };
                match side {
                    Side::Client => self.sent(number, packet, topic.as_ref(), when),
                    Side::Server => self.came(number, packet, topic.as_ref(), when),
                }
            }
            _ => {}
        }
    }

    fn ends(&mut self, number: u32, side: Side, when: When) {
        if let Some(connection) = self.connections.get_mut(&number) {
            let is_lost = side == Side::Client || self.offenders.contains(&number);
            if connection.ended.is_none() && is_lost {
                connection.left = Some(when);
            }
            connection.ended.get_or_insert(when);
        }
    }

    fn sent(&mut self, number: u32, packet: &Packet, topic: Option<&Text>, when: When) {
        self.asks(number, packet, when);
        match packet {
            Packet::Connect(connect) => self.connects(number, connect, when),
            Packet::Publish(p) => self.publishes(number, p, topic.unwrap_or(&p.topic), when),
            Packet::Subscribe(p) => self.subscribes(number, p),
            Packet::PubRel(a) => self.releases(number, a.packet_id),
            Packet::Unsubscribe(p) => {
                self.unsubscribing.insert((number, p.packet_id), p.filters.clone());
                if let Some(session) = self.session_mut(number) {
                    let gone = session
                        .subscriptions
                        .iter_mut()
                        .filter(|s| p.filters.contains(&s.filter));
                    gone.for_each(|s| s.gone = Some(when));
                }
            }
            Packet::PubAck(a) | Packet::PubComp(a) => {
                if let Some(session) = self.session_mut(number) {
                    session.exchanges.end(a.packet_id);
                    session.refused |= matches!(packet, Packet::PubAck(_)) && a.reason_code >= 0x80;
                }
            }
            Packet::PubRec(a) => {
                if let Some(session) = self.session_mut(number) {
                    session.exchanges.received(a);
                    session.refused |= a.reason_code >= 0x80;
                }
            }
            Packet::Disconnect(p) => {
                if let Some(connection) = self.connections.get_mut(&number) {
                    connection.goodbye = Some(p.reason_code);
                    if connection.expiry > 0 {
                        let asked = p.properties.number(id::SESSION_EXPIRY_INTERVAL);
                        connection.expiry = asked.unwrap_or(connection.expiry);
                        connection.lowest_expiry = connection.lowest_expiry.min(connection.expiry);
                    }
                }
            }
            _ => {}
        }
    }

    /// A packet of the client that needs an answer.
    fn asks(&mut self, number: u32, packet: &Packet, when: When) {
        let qos = match packet {
            Packet::Publish(p) if p.qos > 0 => p.qos,
            Packet::PubRel(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) => 0,
            _ => return,
        };
        let Some(packet_id) = packet.packet_id() else { return };
        self.asked.push(Asked {
            connection: number,
            packet: packet.packet_type(),
            packet_id,
            qos,
            when,
        });
    }

    fn answered(&mut self, number: u32, packet: PacketType, packet_id: u16) {
        let is_it = |a: &Asked| a.connection == number && a.packet == packet && a.packet_id == packet_id;
        if let Some(at) = self.asked.iter().position(is_it) {
            self.asked.remove(at);
        }
    }

    fn connects(&mut self, number: u32, connect: &Connect, when: When) {
        let level = connect.protocol_level;
        let Some(version) = Version::ALL.into_iter().find(|v| v.protocol_level() == level) else {
            return;
        };
        let before = self.newest.insert(connect.client_id.clone(), number);
        if let Some(before) = before.and_then(|n| self.connections.get_mut(&n)) {
            before.superseded |= before.ended.is_none();
        }
        let will = connect.will.as_ref().map(Will::of);
        let expiry = match version {
            Version::V5 => connect.properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0),
            _ if connect.clean_start => 0,
            _ => NEVER,
        };
        let limit = connect.properties.number(id::MAXIMUM_PACKET_SIZE);
        self.connections.insert(
            number,
            Connection {
                client: connect.client_id.clone(),
                version,
                clean: connect.clean_start,
                expiry,
                lowest_expiry: expiry,
                will,
                asked: when,
                accepted: None,
                present: false,
                goodbye: None,
                left: None,
                ended: None,
                before,
                superseded: false,
                limit,
            },
        );
    }

    fn accepted(&mut self, number: u32, ack: &ConnAck, when: When) {
        let Some(connection) = self.connections.get_mut(&number).filter(|_| ack.reason_code == 0) else {
            return;
        };
        connection.accepted = Some(when);
        connection.present = ack.session_present;
        if let Some(expiry) = ack.properties.number(id::SESSION_EXPIRY_INTERVAL) {
            connection.expiry = expiry;
            connection.lowest_expiry = expiry;
        }
        let (client, version, clean, before) = (
            connection.client.clone(),
            connection.version,
            connection.clean,
            connection.before,
        );
        let lasted = before
            .and_then(|n| self.connections.get(&n))
            .is_some_and(|c| c.expiry > 0);
        let goes_on = if version == Version::V3_1 {
            !clean && lasted
        } else {
            ack.session_present
        };
        // The connection before this one may not have been accepted.
        let last = self
            .sessions
            .iter()
            .rposition(|s| s.client == client)
            .filter(|_| goes_on);
        let at = last.unwrap_or_else(|| {
            self.sessions.push(Session {
                client,
                subscriptions: Vec::new(),
                got: Vec::new(),
                limit: None,
                connections: Vec::new(),
                exchanges: Exchanges::default(),
                refused: false,
                heard: None,
            });
            self.sessions.len() - 1
        });
        let limit = self.connections[&number].limit;
        let session = &mut self.sessions[at];
        session.limit = session.limit.into_iter().chain(limit).min();
        session.connections.push(number);
        session.exchanges.resume(number);
        self.session_of.insert(number, at);
    }

    fn session_mut(&mut self, number: u32) -> Option<&mut Session> {
        self.session_of.get(&number).map(|at| &mut self.sessions[*at])
    }

    fn publishes(&mut self, number: u32, p: &Publish, topic: &Text, when: When) {
        let Some(payload) = p.payload.bytes().cloned() else {
            return;
        };
        let Some(connection) = self.connections.get(&number) else {
            return;
        };
        let (client, v5) = (connection.client.clone(), connection.version == Version::V5);
        if let Some(at) = self.by_payload.get(&payload).copied().filter(|_| !payload.is_empty()) {
            let known = self.publications[at].connection;
            // Sent again in the same session, it is the same message (QoS 2) or may come again (QoS 1).
            self.publications[at].unsure |= p.qos != 2 || !self.is_one_session(known, number);
            if let Some(id) = p.packet_id {
                self.published.insert((number, id), at);
            }
            return;
        }
        let at = self.publications.len();
        self.publications.push(Publication {
            topic: topic.clone(),
            payload: payload.clone(),
            qos: p.qos,
            retain: p.retain,
            expiry: expiry(p),
            forwarded: v5.then(|| forwarded(&p.properties)),
            size: OVERHEAD + topic.len() + payload.len() + size_of_properties(&p.properties),
            connection: number,
            client,
            sent: when,
            taken: None,
            completed: None,
            unsure: p.dup,
        });
        if !payload.is_empty() {
            self.by_payload.insert(payload, at);
        }
        if let Some(id) = p.packet_id {
            self.published.insert((number, id), at);
        }
    }

    /// PUBREL may belong to an exchange that began on an earlier connection.
    fn releases(&mut self, number: u32, packet_id: u16) {
        if self.published.contains_key(&(number, packet_id)) {
            return;
        }
        let Some(client) = self.connections.get(&number).map(|c| &c.client) else {
            return;
        };
        let earlier = self.published.iter().rev().find(|((old, id), at)| {
            let publication = &self.publications[**at];
            let is_same = publication.client == *client && self.is_one_session(*old, number);
            *id == packet_id && publication.qos == 2 && is_same
        });
        if let Some(at) = earlier.map(|(_, at)| *at) {
            self.published.insert((number, packet_id), at);
        }
    }

    fn subscribes(&mut self, number: u32, p: &Subscribe) {
        let filters = p.subscriptions.iter().map(|s| s.filter.clone()).collect();
        self.subscribing.insert((number, p.packet_id), filters);
        let v5 = self.connections.get(&number).is_some_and(|c| c.version == Version::V5);
        let Some(session) = self.session_mut(number) else {
            return;
        };
        for wanted in &p.subscriptions {
            let (no_local, as_published) = (wanted.no_local(), wanted.retain_as_published());
            match session.subscriptions.iter_mut().find(|s| s.filter == wanted.filter) {
                Some(held) => {
                    // The answer may not be read.
                    held.qos.0 = held.qos.0.min(wanted.qos());
                    held.no_local = (held.no_local.0 && no_local, held.no_local.1 || no_local);
                    held.as_published = (held.as_published.0 && as_published, held.as_published.1 || as_published);
                    if held.gone.take().is_some() {
                        held.granted = None;
                        held.confirmed = None;
                    }
                }
                None => session.subscriptions.push(Subscription {
                    filter: wanted.filter.clone(),
                    plain: (shared(&wanted.filter).filter(|_| v5)).unwrap_or_else(|| wanted.filter.clone()),
                    is_shared: v5 && shared(&wanted.filter).is_some(),
                    granted: None,
                    qos: (2, 0),
                    no_local: (no_local, no_local),
                    as_published: (as_published, as_published),
                    gone: None,
                    confirmed: None,
                }),
            }
        }
    }

    fn granted(&mut self, number: u32, p: &SubAck, when: When) {
        let filters = self.subscribing.remove(&(number, p.packet_id)).unwrap_or_default();
        let Some(session) = self.session_mut(number) else {
            return;
        };
        for (filter, code) in filters.iter().zip(&p.reason_codes) {
            let Some(held) = session.subscriptions.iter_mut().find(|s| s.filter == *filter) else {
                continue;
            };
            let qos = if *code <= 2 { *code } else { 0 };
            held.qos = (held.qos.0.min(qos), held.qos.1.max(qos));
            if *code <= 2 && held.gone.is_none() {
                held.granted.get_or_insert(when);
            }
        }
    }

    fn came(&mut self, number: u32, packet: &Packet, topic: Option<&Text>, when: When) {
        match packet {
            Packet::ConnAck(ack) => self.accepted(number, ack, when),
            Packet::Publish(p) => {
                let Some(payload) = p.payload.bytes().cloned() else {
                    return;
                };
                let got = Got {
                    when,
                    connection: number,
                    payload,
                    topic: topic.unwrap_or(&p.topic).clone(),
                    qos: p.qos,
                    again: p.dup,
                    retain: p.retain,
                    expiry: expiry(p),
                    forwarded: forwarded(&p.properties),
                };
                self.delivered(number, p, got);
            }
            Packet::PubRel(a) => {
                if let Some(session) = self.session_mut(number) {
                    session.exchanges.released(a.packet_id, number);
                }
            }
            Packet::PubAck(a) | Packet::PubRec(a) => {
                self.answered(number, PacketType::Publish, a.packet_id);
                if let Some(at) = self.published.get(&(number, a.packet_id)) {
                    let publication = &mut self.publications[*at];
                    // 0x10 says that there is no subscriber.
                    publication.unsure |= a.reason_code != 0;
                    publication.taken.get_or_insert(when);
                    if matches!(packet, Packet::PubAck(_)) {
                        publication.completed.get_or_insert(when);
                    }
                }
            }
            Packet::PubComp(a) => {
                if let Some(at) = self.published.remove(&(number, a.packet_id)) {
                    self.publications[at].completed.get_or_insert(when);
                }
                self.answered(number, PacketType::PubRel, a.packet_id);
            }
            Packet::SubAck(p) => {
                self.answered(number, PacketType::Subscribe, p.packet_id);
                self.granted(number, p, when);
            }
            Packet::UnsubAck(p) => {
                self.answered(number, PacketType::Unsubscribe, p.packet_id);
                let filters = self.unsubscribing.remove(&(number, p.packet_id)).unwrap_or_default();
                let subscriptions = self.session_mut(number).into_iter().flat_map(|s| &mut s.subscriptions);
                let gone = subscriptions.filter(|s| s.gone.is_some() && filters.contains(&s.filter));
                gone.for_each(|s| s.confirmed = Some(when));
            }
            Packet::PingResp => {
                if let Some(session) = self.session_mut(number) {
                    session.heard = Some(when);
                }
            }
            _ => {}
        }
    }
}

impl Book {
    fn delivered(&mut self, number: u32, publish: &Publish, mut got: Got) {
        let version = self.connections.get(&number).map_or(Version::V5, |c| c.version);
        let expires = self.expires(&got);
        let Some(session) = self.session_of.get(&number).and_then(|at| self.sessions.get_mut(*at)) else {
            return;
        };
        if let Some(packet_id) = publish.packet_id
            && session.connections.last() == Some(&number)
        {
            got.again |= session.exchanges.goes_on(publish, packet_id, &got.payload);
            let verdict = session.exchanges.read(&Read {
                publish,
                packet_id,
                topic: &got.topic,
                payload: &got.payload,
                connection: number,
                version,
                when: got.when,
                expires,
                may_end: session.limit.is_some() || publish.qos == 1 && session.shares(),
            });
            self.found.extend(verdict);
        }
        session.got.push(got);
    }
}
