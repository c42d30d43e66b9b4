//! What each packet means for the history.

use super::case::{Arrived, Published};
use super::conn::Terms;
use super::exchange::Sent;
use super::finding::{Finding, Place};
use super::routes::owned;
use super::session::Held;
use super::stream::{Delivery, Message, Shown};
use super::{Checker, Step, digest};
use crate::transcript::What;
use crate::wire::filter::shared;
use crate::wire::property::id;
use crate::wire::{
    Ack, Connect, Decoded, Disconnect, Packet, PacketType, Publish, Side, SubAck, Subscribe, Text, Unsubscribe,
    Version, marked_level,
};

/// 5.0: the message was taken over, and has no subscriber.
const NO_SUBSCRIBERS: u8 = 0x10;

impl Checker {
    pub(super) fn packet(&mut self, step: &Step, decoded: &Decoded, topic: Option<&Text>) -> Vec<Finding> {
        let place = step.place;
        let number = place.connection;
        let Some(packet) = decoded.packet.as_ref().filter(|_| decoded.breaches.is_empty()) else {
            self.taint(number, step.from);
            return Vec::new();
        };
        let conn = self.conn(number);
        let over = conn.over;
        conn.last[step.from as usize] = Some(place);
        match step.from {
            Side::Client => {
                conn.aware |= conn.accepted.is_some() && !step.crossed;
                if conn.goodbye.is_some() || conn.connect.is_none() && !matches!(packet, Packet::Connect(_)) {
                    self.taint(number, Side::Client);
                }
                self.client_says(step, packet, topic, over)
            }
            Side::Server => {
                let mut found: Vec<Finding> = self.still_serves(place).into_iter().collect();
                found.extend(self.broker_says(place, packet, topic));
                found
            }
        }
    }

    /// The session of a connection, if it is that session's newest one.
    fn session_of(&self, number: u32) -> Option<u64> {
        let id = self.conns.get(&number)?.session?;
        self.sessions.get(id).filter(|s| s.newest == number).map(|s| s.id)
    }

    fn client_says(&mut self, step: &Step, packet: &Packet, topic: Option<&Text>, over: bool) -> Vec<Finding> {
        let place = step.place;
        let number = place.connection;
        match packet {
            Packet::Connect(connect) => {
                // What a broker sends to another one is up to the two.
                if let What::Packet { raw, .. } = step.what {
                    self.conn(number).early |= marked_level(raw.head()).is_some();
                }
                match version_of(connect) {
                    Some(version) => {
                        let terms = Terms::new(version, connect, place);
                        if let (Some(published), Some(will)) = (&mut self.published, &terms.will) {
                            published.will(will.content, place);
                        }
                        self.connects(terms, place);
                    }
                    None => self.taint(number, Side::Client),
                }
            }
            Packet::Publish(p) => {
                let topic = topic.unwrap_or(&p.topic);
                return self.client_publishes(p, topic, place).into_iter().collect();
            }
            Packet::PubRel(a) => self.client_releases(a, number),
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a) => {
                let conn = self.conn(number);
                if !matches!(packet, Packet::PubRec(_)) || a.reason_code >= 0x80 {
                    conn.unacknowledged.remove(&a.packet_id);
                }
                if let Some(session) = conn.session.and_then(|id| self.sessions.get_mut(id)) {
                    session.exchanges[Side::Server as usize].acknowledged(packet);
                }
            }
            Packet::Subscribe(p) => self.subscribes(p, number),
            Packet::Unsubscribe(p) => self.unsubscribes(p, number),
            Packet::Disconnect(p) if !over => return self.leaves(p, place),
            _ => {}
        }
        Vec::new()
    }

    fn leaves(&mut self, p: &Disconnect, place: Place) -> Vec<Finding> {
        let expiry = p.properties.number(id::SESSION_EXPIRY_INTERVAL);
        let conn = self.conn(place.connection);
        // An interval that was 0 cannot be raised: such a packet is no valid DISCONNECT (3.14.2.2.2).
        if expiry.is_some_and(|e| e > 0) && conn.connect.as_ref().is_some_and(|terms| terms.expiry == 0) {
            self.taint(place.connection, Side::Client);
            return Vec::new();
        }
        conn.goodbye = Some(p.reason_code);
        if let (Some(expiry), Some(terms)) = (expiry, &mut conn.connect) {
            terms.expiry = expiry;
            let session = conn.session.and_then(|id| self.sessions.get_mut(id));
            if let Some(terms) = session
                .filter(|s| s.newest == place.connection)
                .and_then(|s| s.terms.as_mut())
            {
                terms.expiry = expiry;
            }
        }
        self.over(place.connection, place, true)
    }

    fn client_publishes(&mut self, p: &Publish, topic: &Text, place: Place) -> Option<Finding> {
        let number = place.connection;
        let session = self.session_of(number);
        let conn = self.conns.get(&number)?;
        let (resumed, wrong) = (conn.resumed, conn.wrong(Side::Client) || conn.hole);
        let version = conn.connect.as_ref()?.version;
        let topic_digest = digest(topic.as_bytes());
        if let Some(published) = self.published.as_mut().filter(|_| !topic.is_empty()) {
            let content = (topic_digest, p.payload.hash());
            let exchanges = session
                .and_then(|id| self.sessions.get(id))
                .map(|s| &s.exchanges[Side::Client as usize]);
            let again = exchanges.is_some_and(|e| e.is_repeat(p, content));
            published.publish(p, content, place, version, self.number, again);
        }
        let mut found = None;
        if let (Some(id), Some(packet_id)) = (session, p.packet_id)
            && let Some(session) = self.sessions.get_mut(id)
        {
            // A client that asks for its session goes on with it before it has heard whether the broker has it, too.
            let judged = session.judges(Side::Client);
            let exchanges = &mut session.exchanges[Side::Client as usize];
            if wrong {
                exchanges.forget(packet_id);
            } else {
                let content = (topic_digest, p.payload.hash());
                let sent = Sent {
                    publish: p,
                    content,
                    place,
                    resumed,
                    version,
                };
                found = exchanges.publish(&sent).filter(|_| judged);
            }
        }
        if self.routes.len() == 0 || topic.is_empty() || wrong || self.conns[&number].accepted.is_none() {
            return found;
        }
        self.passes_on(p, topic, topic_digest, place, session);
        found
    }

    /// Notes which sessions a message is owed to.
    fn passes_on(&mut self, p: &Publish, topic: &Text, topic_digest: u64, place: Place, session: Option<u64>) {
        let number = place.connection;
        let Some(conn) = self.conns.get_mut(&number) else {
            return;
        };
        if p.dup
            && let Some(places) = p.packet_id.and_then(|id| conn.published.get(&id))
        {
            // Sent again: it may come twice, and at any place in the order.
            for (session, key) in places.clone() {
                if let (Some(session), Some(id)) = (self.sessions.get_mut(session), p.packet_id) {
                    session.streams.doubt(&key, id);
                }
            }
            return;
        }
        let receivers = self.receivers(topic, session);
        if receivers.is_empty() {
            return;
        }
        let payload = p.payload.hash();
        let key = (topic_digest, number, p.qos);
        let expires = p.properties.number(id::MESSAGE_EXPIRY_INTERVAL).is_some();
        let private = topic.as_bytes().first() == Some(&b'$');
        let mut places = Vec::new();
        for receiver in receivers {
            let qos = receiver.granted.min(p.qos);
            // QoS 0 need not be queued.
            if receiver.due.is_none() && qos == 0 {
                continue;
            }
            if let Some(session) = self.sessions.get_mut(receiver.session) {
                session.streams.publish(Message {
                    key,
                    payload,
                    packet_id: p.packet_id,
                    published: place,
                    due: receiver.due,
                    qos,
                    unsure: receiver.unsure || p.dup || expires || private,
                });
                places.push((receiver.session, key));
            }
        }
        if let Some(conn) = self.conns.get_mut(&number) {
            conn.streams.extend(places.iter().copied());
            if let Some(id) = p.packet_id {
                conn.published.insert(id, places);
            }
        }
    }

    fn client_releases(&mut self, a: &Ack, number: u32) {
        let session = self.session_of(number);
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.exchanges[Side::Client as usize].release(a, number);
        }
        let Some(conn) = self.conns.get(&number) else { return };
        for (session, key) in conn.published.get(&a.packet_id).into_iter().flatten() {
            if let Some(session) = self.sessions.get_mut(*session) {
                session.streams.released(key, a.packet_id, self.number);
            }
        }
    }

    fn subscribes(&mut self, p: &Subscribe, number: u32) {
        let Some(id) = self.session_of(number) else {
            self.conn(number).early = true;
            self.published.iter_mut().for_each(Published::give_up);
            return;
        };
        for subscription in &p.subscriptions {
            if let Some(published) = &mut self.published {
                published.subscribe(id, &subscription.filter, self.number);
            }
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.streams.clear();
        for subscription in &p.subscriptions {
            let before = session.subscriptions.get(&subscription.filter);
            let held = Held {
                granted: None,
                no_local: subscription.no_local(),
                shared: shared(&subscription.filter).is_some(),
                replaces: before.is_some(),
            };
            session.subscriptions.insert(owned(&subscription.filter), held);
            self.routes.add(id, &subscription.filter);
        }
        let filters = p.subscriptions.iter().map(|s| owned(&s.filter)).collect();
        self.conn(number).subscribing.insert(p.packet_id, filters);
    }

    fn unsubscribes(&mut self, p: &Unsubscribe, number: u32) {
        let Some(id) = self.session_of(number) else {
            self.conn(number).early = true;
            return;
        };
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.streams.clear();
        for filter in &p.filters {
            session.subscriptions.remove(filter);
            self.routes.remove(id, filter);
        }
    }

    fn subscribed(&mut self, p: &SubAck, number: u32) {
        let session = self.session_of(number);
        let Some(filters) = self.conn(number).subscribing.remove(&p.packet_id) else {
            return;
        };
        let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) else {
            return;
        };
        if filters.len() != p.reason_codes.len() {
            session.unclear = true;
            return;
        }
        for (filter, code) in filters.iter().zip(&p.reason_codes) {
            let Some(held) = session.subscriptions.get_mut(filter) else {
                continue;
            };
            if *code <= 2 {
                held.granted = Some(*code);
                continue;
            }
            // Whether an older subscription of this filter is still there is not said.
            session.unclear |= held.replaces;
            session.subscriptions.remove(filter);
            self.routes.remove(session.id, filter);
        }
    }

    fn broker_says(&mut self, place: Place, packet: &Packet, topic: Option<&Text>) -> Vec<Finding> {
        let number = place.connection;
        match packet {
            Packet::ConnAck(p) => return self.answers(p, place),
            Packet::Publish(p) => {
                let topic = topic.unwrap_or(&p.topic);
                let content = (digest(topic.as_bytes()), p.payload.hash());
                let session = self.session_of(number).and_then(|id| self.sessions.get(id));
                // With DUP 0 it breaks another statement, and is not a second copy.
                let again = session.is_some_and(|s| s.exchanges[Side::Server as usize].goes_on(p, content, number));
                let mut found: Vec<Finding> = self.broker_publishes(p, topic, place).into_iter().collect();
                if !again {
                    found.extend(self.delivered(p, topic, place));
                }
                return found;
            }
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a) => {
                if let Some(session) = self.session_of(number).and_then(|id| self.sessions.get_mut(id)) {
                    session.exchanges[Side::Client as usize].acknowledged(packet);
                }
                self.broker_acknowledges(packet.packet_type(), a, place);
            }
            Packet::PubRel(a) => {
                if let Some(session) = self.session_of(number).and_then(|id| self.sessions.get_mut(id)) {
                    session.exchanges[Side::Server as usize].release(a, number);
                }
            }
            Packet::SubAck(p) => self.subscribed(p, number),
            _ => {}
        }
        Vec::new()
    }

    /// The broker has taken a message over, or refused it.
    fn broker_acknowledges(&mut self, kind: PacketType, a: &Ack, place: Place) {
        let Some(conn) = self.conns.get_mut(&place.connection) else {
            return;
        };
        let refused = a.reason_code >= 0x80 || a.reason_code == NO_SUBSCRIBERS;
        if kind == PacketType::PubRec && !refused {
            return;
        }
        if let Some(published) = self.published.as_mut().filter(|_| a.reason_code < 0x80) {
            published.acknowledged(place.connection, a.packet_id, self.number);
        }
        for (session, key) in conn.published.remove(&a.packet_id).into_iter().flatten() {
            let Some(session) = self.sessions.get_mut(session) else {
                continue;
            };
            if refused {
                session.streams.doubt(&key, a.packet_id);
            } else {
                session.streams.acknowledged(&key, a.packet_id, place);
            }
        }
    }

    fn broker_publishes(&mut self, p: &Publish, topic: &Text, place: Place) -> Option<Finding> {
        let number = place.connection;
        let newest = self.session_of(number);
        let conn = self.conns.get_mut(&number)?;
        if let Some(id) = p.packet_id {
            conn.unacknowledged.insert(id);
        }
        let (resumed, hole) = (conn.resumed, conn.hole);
        let version = conn.connect.as_ref()?.version;
        let id = conn.session?;
        let session = self.sessions.get_mut(id)?;
        if newest.is_none() {
            // A newer connection has the session: when this was sent is not known.
            session.streams.clear();
            if let Some(id) = p.packet_id {
                session.exchanges[Side::Server as usize].forget(id);
            }
            return None;
        }
        let waits = !session.streams.is_empty() || !self.wills.is_empty();
        if hole || p.packet_id.is_none() && !waits {
            return None;
        }
        let content = (digest(topic.as_bytes()), p.payload.hash());
        let mut found = None;
        if p.packet_id.is_some() {
            let sent = Sent {
                publish: p,
                content,
                place,
                resumed,
                version,
            };
            let judged = session.judges(Side::Server);
            found = session.exchanges[Side::Server as usize]
                .publish(&sent)
                .filter(|_| judged);
        }
        if waits {
            self.arrives(p, content, place, id, version);
        }
        // A broker that was restarted may not know that it has sent a message before (section 4.1).
        found.map(|f| {
            let since = self.conns.get(&number).and_then(|c| c.accepted);
            let up = since.is_some_and(|since| self.was_up(f.began, since));
            f.certain(up)
        })
    }

    /// A message came to a session of a case.
    fn delivered(&mut self, p: &Publish, topic: &Text, place: Place) -> Vec<Finding> {
        let session = self.session_of(place.connection);
        let (Some(published), Some(id)) = (&mut self.published, session) else {
            return Vec::new();
        };
        let terms = self.conns.get(&place.connection).and_then(|c| c.connect.as_ref());
        let Some(version) = terms.map(|terms| terms.version).filter(|_| !topic.is_empty()) else {
            return Vec::new();
        };
        let came = Arrived {
            publish: p,
            topic,
            content: (digest(topic.as_bytes()), p.payload.hash()),
            session: id,
            place,
            version,
        };
        let goodbye = |number: u32| {
            let conn = self.conns.get(&number)?;
            let is_newest = conn
                .session
                .and_then(|id| self.sessions.get(id))
                .is_some_and(|s| s.newest == number && s.connecting == 0);
            let closed = conn.ended[Side::Server as usize].is_some();
            conn.last[Side::Client as usize].filter(|_| conn.goodbye == Some(0) && is_newest && closed)
        };
        published.deliver(&came, goodbye)
    }

    /// A message came to a session.
    fn arrives(&mut self, p: &Publish, content: (u64, u64), place: Place, id: u64, version: Version) {
        for owner in Vec::from_iter(self.wills.open_with(content)) {
            if let Some(conn) = self.conns.get_mut(&owner) {
                conn.will_came.insert(id);
            }
        }
        self.wills.came(id, content);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let delivery = Delivery {
            topic: content.0,
            payload: content.1,
            qos: p.qos,
            repeated: p.dup || p.retain,
            place,
            version,
        };
        let shown = session.streams.came(&delivery);
        let Some(conn) = self.conns.get_mut(&place.connection) else {
            return;
        };
        match shown {
            Shown::Nothing => {}
            // The first copy may have been of another publisher, who was not seen.
            Shown::More => conn.tentative.retain(|(later, _)| *later != content),
            Shown::Overtaken(payload, finding) => {
                if conn.tentative.len() < super::MOST {
                    conn.tentative.push(((content.0, payload), finding));
                }
            }
        }
    }

    /// Whether the broker cannot have been restarted between two events: another connection was open all the time.
    pub(super) fn was_up(&self, began: Place, since: Place) -> bool {
        self.conns.iter().any(|(number, conn)| {
            let before = conn.accepted.is_some_and(|p| p.at < began.at);
            let after = conn.last[Side::Server as usize].is_some_and(|p| p.at > since.at);
            *number != since.connection && *number != began.connection && !conn.over && before && after
        })
    }
}

/// The version that a CONNECT names.
fn version_of(connect: &Connect) -> Option<Version> {
    Version::ALL.into_iter().find(|v| {
        v.protocol_level() == connect.protocol_level && v.protocol_name().as_bytes() == connect.protocol_name.as_bytes()
    })
}
