//! What events change: the state of each client, what needs no step, and the answers that the harness owes.

use std::time::Duration;

use crate::statements::Version;
use crate::transcript::{Author, End, Event, Happened, Local, Stop, What};
use crate::wire::{Ack, ConnAck, Packet, PacketType, Publish, Side, SubAck, Subscription};

use super::client::{Arrived, Client, Incoming, is_fence_message};
use super::connection::Connection;
use super::copies::digest;
use super::{Doing, Input, Matcher};
use crate::play::{FailureKind, PlayEnd, Stage, limits};

/// Why a broker that stops may send its clients away: unspecified error, implementation specific error, busy, shutting
/// down, administrative action, use another server, server moved.
const PARTING_CODES: [u8; 7] = [0x80, 0x83, 0x89, 0x8b, 0x98, 0x9c, 0x9d];

/// What becomes of a packet that the broker sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// A step must take it.
    Step,
    /// A step may take it; left over, it is no failure.
    Optional,
    /// The harness's own business: a fence, or noise.
    Absorbed,
}

impl Matcher {
    /// Takes note of what has happened. It is kept, for the exchange to be played again.
    pub fn input(&mut self, input: Input) {
        let at = input.at();
        if self.ticked.is_some_and(|tick| tick > at) {
            self.keep_tick();
        }
        self.clock = at;
        self.ticked = None;
        match input {
            Input::Event(event) => self.observe(event),
            Input::Local(_, Happened::Clock) => self.ticked = Some(at),
            Input::Local(_, what) => {
                self.happened(at, &what);
                self.keep(at, what);
            }
        }
    }

    /// Keeps the time that was given last, if nothing since says as much.
    pub(super) fn keep_tick(&mut self) {
        if let Some(at) = self.ticked.take() {
            self.keep(at, Happened::Clock);
        }
    }

    fn keep(&mut self, at: Duration, what: Happened) {
        let before = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        // A long packet comes in many parts. One that comes long before the response timeout with the last but one is
        // over need not be distinguished from the one before.
        let replaced = match (&what, self.local.as_slice()) {
            (Happened::Partial { .. }, [.., first, last]) => {
                let same = |local: &Local| local.before == before && local.what == what;
                same(first) && same(last) && at.saturating_sub(first.at) < self.settings.patience / 2
            }
            _ => false,
        };
        if replaced {
            self.local.pop();
        }
        self.local.push(Local { before, at, what });
    }

    fn happened(&mut self, at: Duration, what: &Happened) {
        match what {
            Happened::Done { whole } => {
                if let Doing::Write(client) = self.doing {
                    if let Some(connection) = self.clients[client].connection_mut() {
                        connection.written(*whole);
                    }
                    // A write may take its time.
                    self.now = self.now.max(at);
                }
                self.doing = Doing::Nothing;
                if at >= self.deadline && self.end.is_none() {
                    self.expire();
                }
            }
            Happened::Partial { connection } => {
                let mut connections = self.clients.iter_mut().filter_map(Client::connection_mut);
                if let Some(connection) = connections.find(|c| c.number == *connection) {
                    connection.progress = Some(at);
                }
            }
            Happened::Clock => {}
            Happened::Flood => {
                let packets = self.events.len();
                self.fail_plainly(FailureKind::Endless { packets }, None);
            }
            Happened::Stopped(stop) => {
                self.end.get_or_insert_with(|| PlayEnd::from(Stop::clone(stop)));
            }
        }
    }

    fn observe(&mut self, event: Event) {
        self.now = self.now.max(event.at);
        if event.author == Author::Fence {
            self.asked = self.now;
        }
        if let What::Lifecycle(_) = event.what {
            self.events.push(event);
            self.broker_was_away();
            return;
        }
        let index = self.events.len();
        let client = self.client(&event.client);
        let ours = matches!(event.what, What::Packet { .. } | What::Fragment(_)) && !event.is_from_peer();
        if ours && event.author != Author::Fence {
            self.spoke_last = Some(client);
        }
        // A client under test opens its connections itself, and its application speaks on none.
        let replaced = event.is_from_peer() && self.clients[client].number() != Some(event.connection);
        match &event.what {
            What::Application(said) => self.said(said),
            What::Open => self.clients[client].opened(event.connection),
            // What still comes on a connection that the client has left behind says nothing about the present one, and
            // no one can take it any more: rules judge it.
            _ if replaced => {}
            What::End(end) => {
                if let Some(connection) = self.clients[client].connection_mut() {
                    if event.is_from_peer() {
                        connection.end(index)
                    } else {
                        connection.close(*end)
                    }
                }
            }
            What::Packet { decoded, topic, .. } => {
                let decoded = std::sync::Arc::clone(decoded);
                let topic = topic.clone();
                if event.is_from_peer() {
                    if let Some(connection) = self.clients[client].connection_mut() {
                        connection.progress = None;
                    }
                    let role = match &decoded.packet {
                        Some(packet) => self.received(client, packet, topic.as_ref(), !decoded.breaches.is_empty()),
                        None => Use::Step,
                    };
                    if role != Use::Absorbed {
                        self.heard = self.now;
                        self.clients[client].inbox.push(Arrived {
                            event: index,
                            needless: role == Use::Optional,
                        });
                    } else if matches!(decoded.packet, Some(Packet::Publish(_) | Packet::PubRel(_))) {
                        // A repeat. Behind a hundred of them, the answer to a fence takes its time.
                        self.heard = self.now;
                    }
                } else if let Some(packet) = &decoded.packet {
                    match packet {
                        Packet::Publish(publish) => {
                            let topic = topic.as_ref().unwrap_or(&publish.topic);
                            self.copies.published(topic, publish.payload.hash(), publish.qos);
                        }
                        Packet::Connect(connect) => {
                            if let Some(will) = &connect.will {
                                let payload = crate::wire::Payload::from(will.payload.clone());
                                self.copies.published(&will.topic, payload.hash(), will.qos);
                            }
                        }
                        _ => {}
                    }
                    let first = self.clients[client].connect().is_none();
                    let is_noted = event.author == Author::Fence && self.scripted == Side::Server;
                    if !is_noted {
                        self.clients[client].sent(packet, event.author);
                    }
                    if let (Packet::ConnAck(connack), Side::Server) = (packet, self.scripted) {
                        let name = self.clients[client].name.clone();
                        self.scope.connected(&name, self.clients[client].connect(), connack);
                    }
                    let plain = decoded.breaches.is_empty() && !self.clients[client].probing;
                    if first && let Some(connection) = self.clients[client].connection_mut() {
                        connection.connect_is_plain = plain;
                    }
                } else {
                    self.sent_bytes(client);
                }
            }
            What::Fragment(_) if event.is_from_peer() => self.clients[client].inbox.push(Arrived {
                event: index,
                needless: false,
            }),
            What::Fragment(_) => self.sent_bytes(client),
            What::WebSocket(_) | What::Gap(_) | What::Lifecycle(_) => {}
        }
        self.events.push(event);
    }

    /// Bytes went out that are no packet.
    fn sent_bytes(&mut self, client: usize) {
        if let Some(connection) = self.clients[client].connection_mut() {
            connection.sent_bytes();
        }
    }

    /// The broker was stopped and started: every connection has ended by our doing.
    fn broker_was_away(&mut self) {
        for client in &mut self.clients {
            if let Some(connection) = client.connection_mut() {
                connection.close(End::Fin);
            }
            // A 5.0 broker may say why it goes, with any code that the table has for a server (3.14.2.1): it shuts
            // down, is busy, hands its clients over to another one. A packet that was on its way is no fault.
            for arrived in &mut client.inbox {
                arrived.needless |= matches!(self.events[arrived.event].packet().and_then(|d| d.packet.as_ref()),
                    Some(Packet::Disconnect(d)) if PARTING_CODES.contains(&d.reason_code));
            }
        }
    }

    /// Decides what becomes of a packet from the broker, and answers it if the harness must.
    fn received(&mut self, index: usize, packet: &Packet, topic: Option<&crate::wire::Text>, breached: bool) -> Use {
        let version = self.clients[index].version;
        let marker = self.fence_marker();
        let of_broker = self.scripted == Side::Client;
        let noise = of_broker && !breached && self.is_noise(index, topic);
        let client = &mut self.clients[index];
        let auto = client.auto_acks;
        let role = match packet {
            Packet::Publish(publish) => {
                let known = publish.packet_id.and_then(|id| client.incoming.get(&id).copied());
                let absorbed = noise || is_fence_message(publish, &marker);
                let topic = topic.unwrap_or(&publish.topic);
                let is_copy = of_broker && self.copies.came(index, publish, topic, version);
                match self.publish_came(index, publish, known, absorbed, auto) {
                    Use::Step if is_copy => Use::Optional,
                    other => other,
                }
            }
            // A repeat that crossed our PUBCOMP, which ended the exchange for us.
            Packet::PubRel(ack)
                if !client.incoming.contains_key(&ack.packet_id)
                    && client
                        .crossings
                        .may_bring(PacketType::PubRel, ack.packet_id, 0, version) =>
            {
                client.acknowledged_again(PacketType::PubRel, ack.packet_id);
                self.answer(index, &Packet::PubComp(Ack::new(ack.packet_id)), Author::Auto);
                Use::Absorbed
            }
            Packet::PubRel(ack) => {
                let known = client.incoming.get_mut(&ack.packet_id);
                let (absorbed, repeat) = match known {
                    Some(incoming) => (incoming.absorbed, std::mem::replace(&mut incoming.released, true)),
                    None => (false, false),
                };
                if absorbed || auto {
                    let author = if absorbed { Author::Fence } else { Author::Auto };
                    self.answer(index, &Packet::PubComp(Ack::new(ack.packet_id)), author);
                }
                match (absorbed, auto || (repeat && version != Version::V5)) {
                    (true, _) => Use::Absorbed,
                    (false, true) => Use::Optional,
                    (false, false) => Use::Step,
                }
            }
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
                let fence = client.outgoing.get(&ack.packet_id).is_some_and(|o| o.fence);
                // A client that acknowledges a fence has read what was sent before it.
                if fence && !of_broker {
                    client.crossings.pong();
                }
                if matches!(packet, Packet::PubRec(a) if a.reason_code < 0x80) && (fence || auto) {
                    let author = if fence { Author::Fence } else { Author::Auto };
                    self.answer(index, &Packet::PubRel(Ack::new(ack.packet_id)), author);
                }
                match (fence, auto) {
                    (true, _) => Use::Absorbed,
                    (false, true) => Use::Optional,
                    (false, false) => Use::Step,
                }
            }
            Packet::Subscribe(subscribe) if !of_broker && self.settings.subscribes => {
                let granted = SubAck {
                    packet_id: subscribe.packet_id,
                    reason_codes: subscribe.subscriptions.iter().map(Subscription::qos).collect(),
                    ..SubAck::default()
                };
                self.answer(index, &Packet::SubAck(granted), Author::Auto);
                if let Some(connection) = self.clients[index].connection_mut() {
                    connection.gets_news();
                }
                Use::Absorbed
            }
            // A client may ping at any time, and a step may ask for it (3.1.1, 3.12; 5.0, 3.12).
            Packet::PingReq if !of_broker => {
                if client.connection().is_some_and(Connection::answers_pings) {
                    self.answer(index, &Packet::PingResp, Author::Auto);
                }
                Use::Optional
            }
            Packet::PingResp if of_broker => {
                client.crossings.pong();
                match client.connection_mut().and_then(Connection::pinged) {
                    Some(Author::Fence) => Use::Absorbed,
                    _ => Use::Step,
                }
            }
            _ => Use::Step,
        };
        self.clients[index].received(packet, version);
        if let Packet::ConnAck(connack) = packet
            && connack.reason_code == 0
            && of_broker
        {
            let name = self.clients[index].name.clone();
            self.scope.connected(&name, self.clients[index].connect(), connack);
        }
        if let (Packet::ConnAck(connack), true) = (packet, of_broker) {
            self.believe(index, connack);
        }
        // What the set-up asks for is what the steps need.
        if matches!(packet, Packet::SubAck(_)) && self.program.stage() == Stage::Setup {
            self.skip_lowered();
        }
        role
    }

    /// Leaves a case that the broker's CONNACK takes the ground from. Before 5.0 a CONNACK says nothing of the kind.
    fn believe(&mut self, index: usize, connack: &ConnAck) {
        let client = &self.clients[index];
        let plain = client.connection().is_some_and(|c| c.connect_is_plain);
        let taken_back = match client.connect() {
            Some(connect) if plain && client.version == Version::V5 => {
                limits::taken_back(connect, connack, self.silence, &self.settings)
            }
            _ => None,
        };
        if let Some(reason) = taken_back {
            self.skip(reason);
        }
    }

    /// Skips the case if the broker has granted a lower QoS than was requested, which section 3.8.4 of 3.1.1 and 5.0 permits.
    /// Returns whether it has.
    pub(super) fn skip_lowered(&mut self) -> bool {
        let lowered = self.clients.iter().find_map(|client| client.lowered);
        if let Some((granted, asked)) = lowered {
            self.skip(format!("the broker grants QoS {granted} instead of {asked}"));
        }
        lowered.is_some()
    }

    fn publish_came(
        &mut self,
        index: usize,
        publish: &Publish,
        known: Option<Incoming>,
        absorbed: bool,
        auto: bool,
    ) -> Use {
        // In 3.x a sender may repeat what is not acknowledged at any time (3.1.1, 4.4: only in 5.0 is it forbidden).
        // But what comes first in a resumed session is what 3.1.1 demands (MQTT-4.4.0-1), in the order that it demands.
        let connection = self.clients[index].number();
        let repeat = publish.dup
            && match self.clients[index].version {
                Version::V3_1 => known.is_some(),
                Version::V3_1_1 => known.is_some_and(|k| k.connection == connection),
                Version::V5 => false,
            };
        if let Some(id) = publish.packet_id.filter(|_| publish.dup && publish.qos == 1)
            && known.is_none()
            && self.clients[index].crossings.may_bring(
                PacketType::Publish,
                id,
                digest(publish),
                self.clients[index].version,
            )
        {
            // A repeat that crossed our PUBACK, which ended the exchange for us.
            self.clients[index].acknowledged_again(PacketType::Publish, id);
            self.answer(index, &Packet::PubAck(Ack::new(id)), Author::Auto);
            // No step can want it, and one that says little of its packet must not take it for another.
            return Use::Absorbed;
        }
        if let Some(id) = publish.packet_id.filter(|_| publish.qos > 0) {
            let released = known.is_some_and(|k| k.released);
            let incoming = Incoming {
                connection,
                released,
                absorbed,
                digest: digest(publish),
            };
            self.clients[index].incoming.insert(id, incoming);
            if absorbed || auto {
                let author = if absorbed { Author::Fence } else { Author::Auto };
                let answer = match publish.qos {
                    1 => Packet::PubAck(Ack::new(id)),
                    _ => Packet::PubRec(Ack::new(id)),
                };
                self.answer(index, &answer, author);
            }
        }
        match (absorbed, repeat) {
            (true, _) => Use::Absorbed,
            (false, true) => Use::Optional,
            (false, false) => Use::Step,
        }
    }

    /// Whether a delivery is none of this case: traffic of others that came through a filter wider than the case, or of the broker
    /// itself.
    fn is_noise(&self, index: usize, topic: Option<&crate::wire::Text>) -> bool {
        let namespace = self.scope.namespace().as_bytes();
        topic.is_some_and(|topic| {
            let ours = topic.as_bytes().windows(namespace.len()).any(|w| w == namespace);
            // A server may subscribe its clients to topics of its own (3.1.1 and 5.0, section 4.5), and those begin with $ (4.7.2).
            !ours && (topic.as_bytes().first() == Some(&b'$') || self.clients[index].hears_others())
        })
    }
}
