//! The fold over a transcript that all rules share: who has said what on which connection before an event.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::Sight;
use super::client::{Client, Held, SessionTerms};
use super::conn::{Conn, version_of};
use super::published::Published;
use crate::transcript::{Author, Event, What};
use crate::wire::property::id;
use crate::wire::{
    ConnAck, Connect, Decoded, Packet, PacketType, PropertyValue, Publish, Side, Text, Version, marked_level,
};

/// All that was said before some event.
pub struct History {
    /// Of the case; a connection's own is that of its last CONNECT.
    version: Version,
    namespace: String,
    /// The side that the script plays, or that a capture is read from.
    scripted: Side,
    /// The clients are judged too: in a capture they do not break rules on purpose.
    pub(super) both: bool,
    pub conns: BTreeMap<u32, Conn>,
    /// By client id; for a client without one, a key that no client id can be.
    pub clients: BTreeMap<Bytes, Client>,
    /// What the clients published.
    pub published: Published,
    /// How often the broker was restarted or killed.
    pub restarts: u32,
    /// A packet of ours was wrong, on any connection.
    pub any_wrong: bool,
    /// A connection of which nothing was seen yet.
    nobody: Conn,
}

/// An event and what was said before it: what a rule is shown.
pub struct Moment<'a> {
    pub history: &'a History,
    pub index: usize,
    pub event: &'a Event,
    pub conn: &'a Conn,
    /// The version of the connection's last CONNECT; before it, that of the case.
    pub version: Version,
    pub sight: Sight,
}

impl<'a> Moment<'a> {
    /// Whether the event came from the broker.
    pub fn is_from_broker(&self) -> bool {
        self.history.is_from_broker(self.event)
    }

    /// The decoded packet, if the event is one from the broker.
    pub fn decoded(&self) -> Option<&'a Decoded> {
        self.event.packet().filter(|_| self.is_from_broker())
    }

    /// The packet, if the event is one from the broker that could be read.
    pub fn packet(&self) -> Option<&'a Packet> {
        self.decoded()?.packet.as_ref()
    }

    /// A PUBLISH from the broker, and its topic after its alias is resolved.
    pub fn delivery(&self) -> Option<(&'a Publish, &'a Text)> {
        match (self.packet()?, &self.event.what) {
            (Packet::Publish(p), What::Packet { topic, .. }) => Some((p, topic.as_ref().unwrap_or(&p.topic))),
            _ => None,
        }
    }

    /// What its client id has asked for.
    pub fn client(&self) -> Option<&'a Client> {
        self.history.clients.get(self.conn.client.as_ref()?)
    }

    /// Where a field lies in the packet.
    pub fn span(&self, field: &str) -> Option<Range<usize>> {
        if matches!(field, "dup" | "qos" | "retain") {
            return Some(0..1);
        }
        let fields = &self.event.packet()?.fields;
        fields.iter().find(|f| f.name == field).map(|f| f.span.clone())
    }

    /// Whether a newer connection of the same client id has been accepted: what still comes here was sent before, but
    /// how long before cannot be decided.
    pub fn superseded(&self) -> bool {
        self.client()
            .and_then(|c| c.newest)
            .is_some_and(|newest| newest > self.conn.number)
    }
}

impl History {
    /// At the beginning of a transcript of this version and namespace, in which `scripted` is played. `both` where the
    /// clients are judged too.
    pub fn new(version: Version, namespace: &str, scripted: Side, both: bool) -> History {
        History {
            version,
            namespace: namespace.to_owned(),
            scripted,
            both,
            conns: BTreeMap::new(),
            clients: BTreeMap::new(),
            published: Published::default(),
            restarts: 0,
            any_wrong: false,
            nobody: Conn {
                hole: true,
                ..Conn::default()
            },
        }
    }

    fn is_from_broker(&self, event: &Event) -> bool {
        event.side(self.scripted) == Side::Server
    }

    /// An event, with what was said before it.
    pub fn moment<'a>(&'a self, index: usize, event: &'a Event, sight: Sight) -> Moment<'a> {
        let conn = self.conns.get(&event.connection).unwrap_or(&self.nobody);
        Moment {
            history: self,
            index,
            event,
            conn,
            version: conn.version.unwrap_or(self.version),
            sight,
        }
    }

    /// Takes an event in.
    pub fn apply(&mut self, index: usize, event: &Event) {
        if let What::Lifecycle(_) = event.what {
            self.restarts += 1;
            for conn in self.conns.values_mut() {
                conn.exchanges.deliveries.values_mut().for_each(|d| d.forgotten = true);
            }
            return;
        }
        // No connection carries it.
        if let What::Application(_) = event.what {
            return;
        }
        let from_broker = self.is_from_broker(event);
        let conn = self.conns.entry(event.connection).or_insert_with(|| Conn {
            number: event.connection,
            opened: matches!(event.what, What::Open),
            // A capture that starts midway, or a live connection whose opening was not recorded.
            hole: !matches!(event.what, What::Open),
            ..Conn::default()
        });
        if from_broker {
            conn.heard = Some(event.at);
        }
        if self.both {
            conn.sent.apply(event, from_broker);
            conn.waiting.apply(event, from_broker);
            if from_broker {
                conn.retained.apply(event);
            }
            if let (What::Packet { raw, .. }, false) = (&event.what, from_broker) {
                conn.bridge |= marked_level(raw.head()).is_some();
            }
        }
        match (&event.what, from_broker) {
            (What::Packet { decoded, topic, .. }, true) => self.broker_says(event.connection, decoded, topic.as_ref()),
            (What::Packet { decoded, topic, .. }, false) => self.client_says(index, event, decoded, topic.as_ref()),
            (What::Fragment(_), false) => self.taint(event.connection),
            (What::End(_), true) => conn.broker_end = Some(event.at),
            (What::Gap(missing), broker) => {
                conn.hole = true;
                if *missing > 0 {
                    conn.lost[usize::from(broker)] = true;
                }
            }
            (
                What::Open
                | What::Fragment(_)
                | What::End(_)
                | What::WebSocket(_)
                | What::Application(_)
                | What::Lifecycle(_),
                _,
            ) => {}
        }
    }

    /// The end of a capture in which the client of a connection that is still open is silent, as an event of it.
    pub fn last_words(&self, at: Duration) -> Option<Event> {
        let (number, _) = self.conns.iter().find(|(_, conn)| conn.sent.silence(at).is_some())?;
        Some(Event {
            at,
            client: "client".into(),
            connection: *number,
            step: None,
            author: Author::Script,
            what: What::Gap(0),
        })
    }

    fn conn(&mut self, number: u32) -> &mut Conn {
        self.conns
            .get_mut(&number)
            .expect("an event's connection is there once the event is applied")
    }

    /// Notes that we sent something wrong on a connection, and so as its client id.
    fn taint(&mut self, number: u32) {
        self.any_wrong = true;
        let conn = self.conn(number);
        conn.wrong = true;
        if let Some(client) = conn.client.clone() {
            self.clients.entry(client).or_default().wrong = true;
        }
    }

    fn client_says(&mut self, index: usize, event: &Event, decoded: &Decoded, topic: Option<&Text>) {
        let number = event.connection;
        let conn = self.conn(number);
        // Midway in a capture there is no CONNECT to be seen; a connection seen from its beginning must have one.
        let out_of_place = match (&decoded.packet, &conn.connect) {
            (Some(Packet::Connect(_)), Some(_)) => true,
            (Some(Packet::Connect(_)), None) => false,
            (_, None) => conn.opened && !conn.hole,
            (_, Some(_)) => false,
        };
        let after_goodbye = conn.client_left;
        if let Some(Packet::Connect(connect)) = &decoded.packet {
            self.connects(number, connect, event.at);
        }
        let version = self.conn(number).version.unwrap_or(self.version);
        let not_ours = decoded.packet_type.is_none_or(|t| !t.from_client(version));
        if out_of_place || after_goodbye || not_ours || decoded.packet.is_none() || !decoded.breaches.is_empty() {
            self.taint(number);
        }
        let conn = self.conn(number);
        if conn.connects > 0 && decoded.packet_type != Some(PacketType::Connect) {
            conn.said_since_connect += 1;
        }
        let v5 = version == Version::V5;
        match &decoded.packet {
            Some(Packet::Publish(p)) => {
                conn.exchanges.client_publishes(p);
                let topic = topic.unwrap_or(&p.topic);
                if self.may_come_back(number, topic) {
                    self.published.add(index, number, topic, p);
                }
            }
            Some(Packet::PubAck(ack)) => {
                conn.exchanges.client_ends(ack.packet_id);
                conn.in_flight = conn.in_flight.saturating_sub(1);
            }
            Some(Packet::PubRec(ack)) => {
                conn.exchanges.client_pubrec(ack);
                if v5 && ack.reason_code >= 0x80 {
                    conn.in_flight = conn.in_flight.saturating_sub(1);
                }
            }
            Some(Packet::PubComp(ack)) => {
                conn.exchanges.client_ends(ack.packet_id);
                conn.in_flight = conn.in_flight.saturating_sub(1);
            }
            Some(Packet::PubRel(ack)) => {
                conn.exchanges.client_pubrel(ack);
                self.published.release(index, number, ack.packet_id);
            }
            Some(Packet::Subscribe(p)) => {
                conn.exchanges.client_subscribes(p);
                let identifier = p.properties.number(id::SUBSCRIPTION_IDENTIFIER);
                if let Some(client) = conn.client.clone() {
                    let held = p
                        .subscriptions
                        .iter()
                        .map(|s| Held::new(s, number, p.packet_id, identifier));
                    self.clients.entry(client).or_default().filters.extend(held);
                }
            }
            Some(Packet::Unsubscribe(p)) => conn.exchanges.client_unsubscribes(p),
            Some(Packet::PingReq) => conn.pings += 1,
            Some(Packet::Disconnect(p)) => {
                conn.client_left = true;
                let expiry = p.properties.number(id::SESSION_EXPIRY_INTERVAL);
                if let (Some(expiry), Some(client)) = (expiry, conn.client.clone())
                    && let Some(client) = self.clients.get_mut(&client)
                    && client.newest == Some(number)
                    && let Some(session) = &mut client.session
                    // An interval that was 0 cannot be raised: such a packet is no valid DISCONNECT (3.14.2.2.2).
                    && session.expiry > 0
                {
                    // Whether the server grants more than before is not said.
                    session.expiry = session.expiry.min(expiry);
                }
            }
            _ => {}
        }
    }

    fn connects(&mut self, number: u32, connect: &Connect, at: Duration) {
        let conn = self.conn(number);
        conn.connects += 1;
        conn.asked_at = Some(at);
        conn.version = version_of(connect);
        conn.unknown_level = conn.version.is_none();
        conn.connect = Some(connect.clone());
        conn.in_flight = 0;
        let key = if connect.client_id.is_empty() {
            // U+0000 is in no client id.
            Bytes::from(format!("\0{number}"))
        } else {
            connect.client_id.to_bytes()
        };
        conn.client = Some(key.clone());
        if let Some(will) = &connect.will {
            self.published.add_will(number, &will.topic, &will.payload);
        }
        self.clients.entry(key).or_default();
    }

    fn broker_says(&mut self, number: u32, decoded: &Decoded, topic: Option<&Text>) {
        let conn = self.conn(number);
        if decoded.packet_type == Some(PacketType::ConnAck) {
            conn.connacks += 1;
        }
        match &decoded.packet {
            Some(Packet::ConnAck(p)) => self.accepts(number, p),
            Some(Packet::Publish(p)) => {
                if p.qos > 0 {
                    conn.in_flight = conn.in_flight.saturating_add(1);
                }
                if let (Some(alias), false) = (p.properties.number(id::TOPIC_ALIAS), p.topic.is_empty()) {
                    conn.aliases.insert(alias as u16, p.topic.clone());
                }
                let topic = topic.unwrap_or(&p.topic);
                conn.exchanges.broker_publishes(p, topic, number);
                self.published.deliver(number, topic, p);
            }
            Some(packet @ (Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a))) => {
                conn.exchanges
                    .broker_acks(packet.packet_type(), a.packet_id, a.reason_code);
            }
            Some(Packet::PubRel(a)) => conn.exchanges.broker_pubrel(a.packet_id),
            Some(Packet::SubAck(p)) => {
                let asked = conn
                    .exchanges
                    .subscribes
                    .get_mut(&p.packet_id)
                    .and_then(|q| q.pop_front());
                let client = conn.client.clone();
                if let (Some(asked), Some(client)) = (asked, client)
                    && asked.len() == p.reason_codes.len()
                    && let Some(client) = self.clients.get_mut(&client)
                {
                    client.granted(number, p.packet_id, &p.reason_codes);
                }
            }
            Some(Packet::UnsubAck(p)) => {
                if let Some(open) = conn.exchanges.unsubscribes.get_mut(&p.packet_id) {
                    open.pop_front();
                }
            }
            Some(Packet::PingResp) => conn.pings = conn.pings.saturating_sub(1),
            Some(Packet::Disconnect(_)) => conn.broker_left = true,
            _ => {}
        }
    }

    /// Takes a CONNACK in: with it, a session begins or goes on.
    fn accepts(&mut self, number: u32, connack: &ConnAck) {
        let restarts = self.restarts;
        let in_namespace = self.in_namespace(number);
        let conn = self.conn(number);
        conn.connack = Some(connack.clone());
        let (Some(connect), Some(key)) = (conn.connect.clone(), conn.client.clone()) else {
            return;
        };
        if connack.reason_code != 0 || conn.connacks > 1 {
            return;
        }
        let version = conn.version.unwrap_or(self.version);
        let key = self.assign(number, key, connack);
        let client = self.clients.entry(key).or_default();
        // 3.1 does not say in the CONNACK whether there is a session. One that was clean ended with its connection (section 3.1).
        let ended = |before: &SessionTerms| before.version != Version::V5 && before.clean;
        let resumed = match version {
            Version::V3_1 => !connect.clean_start && !client.session.as_ref().is_some_and(ended),
            _ => connack.session_present,
        };
        let earlier = client.newest.replace(number);
        client.session = Some(SessionTerms {
            version,
            clean: connect.clean_start,
            expiry: connack
                .properties
                .number(id::SESSION_EXPIRY_INTERVAL)
                .or(connect.properties.number(id::SESSION_EXPIRY_INTERVAL))
                .unwrap_or(0),
            restarts,
        });
        let conn = self.conn(number);
        conn.resumed = resumed;
        if !resumed {
            return;
        }
        let before = earlier
            .and_then(|n| self.conns.get(&n))
            .map(|c| (c.exchanges.clone(), c.hole || c.session_hole));
        let conn = self.conn(number);
        match before {
            Some((exchanges, hole)) => {
                conn.exchanges.resume(&exchanges);
                conn.session_hole = hole;
                if conn.asked(id::MAXIMUM_PACKET_SIZE).is_some() {
                    let earlier = conn
                        .exchanges
                        .deliveries
                        .values_mut()
                        .filter(|d| d.connection != number);
                    earlier.for_each(|d| d.forgotten = true);
                }
            }
            // A session that began before the transcript did. One with an id of this case cannot have.
            None => conn.session_hole = !(version == Version::V3_1 && in_namespace),
        }
    }

    /// Moves what was said under no client id to the one that the broker assigned (5.0, section 3.2.2.3.7).
    fn assign(&mut self, number: u32, key: Bytes, connack: &ConnAck) -> Bytes {
        let Some(PropertyValue::Text(assigned)) = connack.properties.get(id::ASSIGNED_CLIENT_IDENTIFIER) else {
            return key;
        };
        if key.first() != Some(&0) {
            return key;
        }
        let unnamed = self.clients.remove(&key).unwrap_or_default();
        let assigned = assigned.to_bytes();
        let client = self.clients.entry(assigned.clone()).or_default();
        client.filters.extend(unnamed.filters);
        client.wrong |= unnamed.wrong;
        self.conn(number).client = Some(assigned.clone());
        assigned
    }

    /// Whether a message may be delivered within the transcript. In a capture every connection has one of its own,
    /// which may be long: only what a client sends to itself is kept.
    fn may_come_back(&self, number: u32, topic: &Text) -> bool {
        if !self.both {
            return true;
        }
        let client = self.conns.get(&number).and_then(|c| c.client.as_ref());
        client
            .and_then(|key| self.clients.get(key))
            .is_some_and(|client| client.matching(topic).next().is_some())
    }

    /// Whether the connection's client id is of this case alone, so that no one can have used it before.
    pub fn in_namespace(&self, number: u32) -> bool {
        let ns = self.namespace.as_bytes();
        let client = self.conns.get(&number).and_then(|c| c.client.as_ref());
        !ns.is_empty() && client.is_some_and(|id| id.windows(ns.len()).any(|w| w == ns))
    }
}
