//! PUBLISH to a client (3.1.1 and 5.0, sections 4.3, 4.4 and 4.9): queue, packet identifiers, flow control, and what is
//! sent again when a session is resumed.

use std::time::Duration;

use super::connection::Phase;
use super::message::delivered_properties;
use super::reason;
use super::session::{Delivery, IdOrder, InFlight, Session};
use super::state::Record;
use super::{Broker, ConnectionId};
use crate::reference::combined::Combined;
use crate::reference::duty::Duty;
use crate::reference::freedom::Choice;
use crate::wire::{Ack, Packet, Properties, Publish, Text, Version};

impl Broker {
    /// Delivers a message to a session (v3.1.1:MQTT-4.5.0-1, v5:MQTT-4.5.0-1).
    pub(super) fn deliver(&mut self, client: &Text, mut delivery: Delivery) {
        let Some(session) = self.state.sessions.get(client) else {
            return;
        };
        let connection = session.connection;
        if delivery.qos == 0 {
            // QoS 0 needs no acknowledgement, so it waits for nothing; it is not kept for an absent client (3.1.1, section
            // 3.1.2.4, leaves that open).
            if let Some(id) = connection {
                let packet = self.publish_packet(id, &delivery, None, false);
                // Section 3.8.4 of both permits duplicates if QoS 1 was published and QoS 0 granted.
                if delivery.message.qos == 1 && self.free_towards(Choice::DuplicatesToQos0, client) {
                    self.send(id, packet.clone());
                }
                return self.send(id, packet);
            }
            if self.config.free.value(Choice::Qos0Queued).is_none() {
                return;
            }
        }
        if connection.is_none() {
            if delivery.qos == 2 && !session.queue.is_empty() && self.wrong(Combined::QueueLowersQos) {
                delivery.qos = 1;
            }
            if self.wrong(Combined::QueueForgetsSubscriptionIds) {
                delivery.subscription_ids.clear();
            }
            delivery.retain &= !self.wrong(Combined::QueueForgetsRetain);
        }
        // v3.1.1:MQTT-3.1.2-5.
        if connection.is_none() && !self.must(Duty::QueueWhileAway) {
            return;
        }
        self.record(Record::Queue {
            client: client.clone(),
            delivery,
        });
        self.pump(client);
    }

    /// A session has a connection again (v3.1.1:MQTT-4.4.0-1, v5:MQTT-4.4.0-1): PUBREL packets are repeated in the order
    /// of the PUBRECs, then the unacknowledged PUBLISH packets in the order of their first sending (section 4.6), then
    /// the queue follows.
    pub(super) fn resume(&mut self, client: &Text) {
        let Some((id, session)) = self.connected_session(client) else {
            return;
        };
        let mut released = session.released.clone();
        if !session.in_flight.is_empty() && self.wrong(Combined::ResumeForgetsReleased) {
            released.clear();
        }
        let version = self.connections[&id].version;
        if self.free(Choice::ResumePublishFirst, version) && self.must(Duty::RepeatOnResume) {
            self.pump(client);
            for packet_id in released {
                self.send(id, Packet::PubRel(Ack::new(packet_id)));
            }
            return;
        }
        if self.must(Duty::RepeatOnResume) {
            for packet_id in released {
                self.send(id, Packet::PubRel(Ack::new(packet_id)));
            }
        } else if let Some(session) = self.state.sessions.get_mut(client) {
            session.in_flight.iter_mut().for_each(|message| message.sent = true);
        }
        self.pump(client);
    }

    /// Sends as much as the client's Receive Maximum permits: repeats first, then the queue.
    pub(super) fn pump(&mut self, client: &Text) {
        while let Some((id, session)) = self.connected_session(client) {
            // v5:MQTT-3.3.4-9, v5:MQTT-4.9.0-1 and v5:MQTT-4.9.0-2. Other packets do not wait (v5:MQTT-4.9.0-3).
            let connection = &self.connections[&id];
            let mut limit = usize::from(connection.receive_maximum);
            if self.free(Choice::InFlightOne, connection.version) {
                limit = limit.min(1);
            }
            if session.open_exchanges() >= limit && self.must(Duty::KeepReceiveMaximum) {
                return;
            }
            if self.is_blocked(id, session) && session.in_flight.iter().all(|m| m.sent) {
                return;
            }
            if let Some(message) = session.in_flight.iter().find(|m| !m.sent).cloned() {
                self.repeat(id, client, &message);
            } else if let Some(delivery) = session.queue.front().cloned() {
                if delivery.qos == 0 {
                    self.send_kept(id, client, &delivery);
                    continue;
                }
                let free = || session.free_packet_id(self.id_order());
                let Some(packet_id) = self.careless_id(session).or_else(free) else {
                    return;
                };
                self.send_first(id, client, delivery, packet_id);
            } else {
                return;
            }
        }
    }

    /// The order in which identifiers are assigned.
    fn id_order(&self) -> IdOrder {
        let takes = |choice| self.config.free.value(choice).is_some();
        if takes(Choice::PacketIdsDescending) {
            IdOrder::Descending
        } else if takes(Choice::PacketIdsLowest) {
            IdOrder::Lowest
        } else if takes(Choice::PacketIdsScattered) {
            IdOrder::Scattered
        } else {
            IdOrder::Ascending
        }
    }

    /// Sends a QoS 0 message that was kept while its client was away (3.1.1, section 3.1.2.4, leaves that open).
    fn send_kept(&mut self, id: ConnectionId, client: &Text, delivery: &Delivery) {
        self.record(Record::Drop { client: client.clone() });
        if delivery.message.is_expired(self.now) && self.must(Duty::DropExpired) {
            return;
        }
        let packet = self.publish_packet(id, delivery, None, false);
        self.send(id, packet);
    }

    /// When the next optional repeat is due: at 3.x a broker may repeat on a living connection.
    pub(super) fn next_repeat(&self) -> Option<Duration> {
        let after = self.lateness(Choice::RepeatsOnTimer);
        if after.is_zero() {
            return None;
        }
        let connected = self
            .state
            .sessions
            .keys()
            .filter(|client| self.free_towards(Choice::RepeatsOnTimer, client));
        let sessions = connected.filter_map(|client| self.state.sessions.get(client));
        let sent = sessions.flat_map(|session| session.in_flight.iter().filter(|m| m.sent));
        sent.map(|message| message.sent_at + after).min()
    }

    /// Repeats what has not been acknowledged for too long.
    pub(super) fn repeat_unacknowledged(&mut self) {
        let after = self.lateness(Choice::RepeatsOnTimer);
        if after.is_zero() {
            return;
        }
        let clients: Vec<Text> = self.state.sessions.keys().cloned().collect();
        for client in clients {
            if !self.free_towards(Choice::RepeatsOnTimer, &client) {
                continue;
            }
            let Some((id, session)) = self.connected_session(&client) else {
                continue;
            };
            let due = |m: &&InFlight| m.sent && m.sent_at + after <= self.now;
            let due: Vec<InFlight> = session.in_flight.iter().filter(due).cloned().collect();
            for message in due {
                self.repeat(id, &client, &message);
            }
        }
    }

    /// v3.1.1:MQTT-3.3.1-1, v5:MQTT-3.3.1-1: DUP 1 and the identifier of the first sending.
    pub(super) fn repeat(&mut self, id: ConnectionId, client: &Text, message: &InFlight) {
        let is_repeat = self.is_known_as_sent(message);
        let renewed = self.renewed(&message.delivery);
        let delivery = renewed.as_ref().unwrap_or(&message.delivery);
        let packet = self.publish_packet(id, delivery, Some(message.packet_id), is_repeat);
        if self.wrong(Combined::RepeatUsesWindow) {
            self.shrink_window(id);
        }
        let sent_before = |m: &&mut InFlight| m.packet_id == message.packet_id;
        if let Some(session) = self.state.sessions.get_mut(client)
            && let Some(message) = session.in_flight.iter_mut().find(sent_before)
        {
            message.sent = true;
            message.sent_at = self.now;
        }
        // v5:MQTT-4.3.3-7: what was sent once does not expire.
        let expires = message.delivery.message.is_expired(self.now) && !self.must(Duty::SentDoesNotExpire);
        if self.connections[&id].takes(&packet) && !expires {
            self.send(id, packet);
        } else {
            // Too large for what the client accepts now: treated as sent (v5:MQTT-3.1.2-25).
            self.record(Record::Finish {
                client: client.clone(),
                packet_id: message.packet_id,
            });
        }
    }

    fn send_first(&mut self, id: ConnectionId, client: &Text, delivery: Delivery, packet_id: u16) {
        let client = client.clone();
        // v5:MQTT-3.3.2-5: a message that expires before its delivery starts is deleted.
        if delivery.message.is_expired(self.now) && self.must(Duty::DropExpired) {
            if self.wrong(Combined::ExpiredUsesWindow) {
                self.shrink_window(id);
            }
            return self.record(Record::Drop { client });
        }
        let packet = self.publish_packet(id, &delivery, Some(packet_id), false);
        if !self.connections[&id].takes(&packet) {
            if self.wrong(Combined::TooLargeUsesWindow) {
                self.shrink_window(id);
            }
            // v5:MQTT-3.1.2-25: dropped, and treated as sent.
            if self.must(Duty::DropTooLarge) {
                return self.record(Record::Drop { client });
            }
            return self.record(Record::Send { client, packet_id });
        }
        // The identifier is stored before the packet leaves: after a crash the repeat must have the same one.
        self.record(Record::Send {
            client: client.clone(),
            packet_id,
        });
        let sent = (self.state.sessions.get_mut(&client)).and_then(|s| s.in_flight.back_mut());
        if let Some(message) = sent {
            message.sent_at = self.now;
        }
        self.send(id, packet);
    }

    pub(super) fn publish_packet(
        &self,
        id: ConnectionId,
        delivery: &Delivery,
        packet_id: Option<u16>,
        repeat: bool,
    ) -> Packet {
        let message = &delivery.message;
        let properties = match self.connections[&id].version {
            Version::V5 => delivered_properties(message, &delivery.subscription_ids, self.now),
            _ => Properties::default(),
        };
        Packet::Publish(Publish {
            // v3.1.1:MQTT-3.3.1-3, v5:MQTT-3.3.1-3: the publisher's DUP has no effect.
            dup: repeat,
            qos: delivery.qos,
            retain: delivery.retain,
            topic: message.topic.clone(),
            packet_id,
            properties,
            payload: message.payload.clone(),
        })
    }

    /// The session and its connection, if it has one.
    pub(super) fn connected_session(&self, client: &Text) -> Option<(ConnectionId, &Session)> {
        let session = self.state.sessions.get(client)?;
        let id = session.connection?;
        (self.connections.get(&id)?.phase == Phase::Connected).then_some((id, session))
    }

    /// Breaks v5:MQTT-4.8.2-4, -5 and -6: a delivery of one member is offered to another member of a share.
    pub(super) fn offer_again(&mut self, refused_by: &Text, delivery: Delivery) {
        let topic = &delivery.message.topic;
        let other = self.state.sessions.iter().find(|(client, session)| {
            *client != refused_by
                && (session.subscriptions.iter()).any(|held| held.shared.is_some() && self.matches(held, topic))
        });
        if let Some((other, _)) = other {
            let other = other.clone();
            self.deliver(&other, delivery);
        }
    }

    /// Sends DISCONNECT to a v5 client, with a Reason String if there is room for it (v5:MQTT-3.14.2-3).
    pub(super) fn say_goodbye(&mut self, id: ConnectionId, code: u8, why: &str) {
        let mut disconnect = crate::wire::Disconnect {
            reason_code: code,
            ..Default::default()
        };
        if reason::is_failure(code) && !why.is_empty() {
            let text = crate::wire::PropertyValue::Text(why.into());
            disconnect
                .properties
                .push(crate::wire::property::id::REASON_STRING, text);
        }
        let packet = Packet::Disconnect(disconnect);
        if self.connections[&id].takes(&packet) {
            self.send(id, packet);
        } else {
            let bare = crate::wire::Disconnect {
                reason_code: code,
                ..Default::default()
            };
            self.send(id, Packet::Disconnect(bare));
        }
    }
}
