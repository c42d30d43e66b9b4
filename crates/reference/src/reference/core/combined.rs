//! What the faults of [`Combined`] do to a session when it is resumed, taken over or restored.

use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::session::{Delivery, Held, InFlight, Session};
use super::state::{Record, State};
use super::{Broker, ConnectionId};
use crate::reference::combined::Combined;
use crate::reference::config::Config;
use crate::wire::property::id;
use crate::wire::{Connect, Packet, Properties, PropertyValue, Text, Version, Will};

/// The time of sending of what a takeover makes the broker forget: not zero, which a restart leaves.
const FORGOTTEN: Duration = Duration::from_nanos(1);
/// Longer payloads are lost by [`Combined::RestartDropsLarge`].
const LARGE: u64 = 100;

impl Broker {
    /// After an older connection was ended by a newer one.
    pub(super) fn disturb_taken_over(&mut self, client: &Text) {
        let Some(session) = self.state.sessions.get(client) else {
            return;
        };
        let received: Vec<u16> = session.received.keys().copied().collect();
        let in_flight: Vec<InFlight> = session.in_flight.iter().cloned().collect();
        if self.wrong(Combined::TakeoverForgetsReceived) {
            for packet_id in received {
                self.record(Record::Forget {
                    client: client.clone(),
                    packet_id,
                });
            }
        }
        if self.wrong(Combined::TakeoverDropsQueue) {
            self.drop_queue(client);
        }
        if self.wrong(Combined::TakeoverDropsInFlight) {
            for message in &in_flight {
                self.record(Record::Finish {
                    client: client.clone(),
                    packet_id: message.packet_id,
                });
            }
        }
        if self.wrong(Combined::TakeoverQueuesInFlight) {
            for message in in_flight.into_iter().filter(|m| m.delivery.qos == 2) {
                self.record(Record::Queue {
                    client: client.clone(),
                    delivery: message.delivery,
                });
            }
        }
        if self.wrong(Combined::TakeoverForgetsSending)
            && let Some(session) = self.state.sessions.get_mut(client)
        {
            session.in_flight.iter_mut().for_each(|m| m.sent_at = FORGOTTEN);
        }
    }

    /// Before an older connection is ended by a newer one.
    pub(super) fn disturb_will_of_taken_over(&mut self, id: ConnectionId, client: &Text) {
        let lasts = self.state.sessions.get(client).is_some_and(Session::is_persistent);
        if lasts
            && self.wrong(Combined::TakeoverDropsWill)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            // 5.0 can be read as if it allowed this.
            let keeps = connection.version == Version::V5;
            connection.will = connection.will.take().filter(|_| keeps);
        }
    }

    /// Before a connection ends because of a violation by its client.
    pub(super) fn disturb_offender(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let client = connection.client.clone();
        let Some(session) = self.state.sessions.get(&client).filter(|s| s.is_persistent()) else {
            return;
        };
        let received: Vec<u16> = session.received.keys().copied().collect();
        let open = session.in_flight.len() as u16;
        if self.config.disobey.has(Combined::ViolationDropsWill) {
            connection.will = None;
        }
        if self.wrong(Combined::ViolationForgetsReceived) {
            for packet_id in received {
                self.record(Record::Forget {
                    client: client.clone(),
                    packet_id,
                });
            }
        }
        if self.wrong(Combined::ViolationUsesWindow) && open > 0 {
            self.lost_window.insert(client.clone(), open);
        }
        if self.wrong(Combined::ViolationEndsSession) {
            self.end_session(&client);
        }
    }

    /// Does part of what a malformed packet asks for.
    pub(super) fn obey_malformed(&mut self, id: ConnectionId, packet: Option<Packet>) {
        let client = self.connections[&id].client.clone();
        match packet {
            Some(Packet::Publish(publish)) if self.wrong(Combined::MalformedPublishIsRetained) && publish.retain => {
                let topic = publish.topic.clone();
                self.retain(&Arc::new(Message::from_publish(publish, topic, client, self.now)));
            }
            Some(Packet::Unsubscribe(unsubscribe)) if self.wrong(Combined::MalformedUnsubscribeCounts) => {
                for filter in unsubscribe.filters {
                    self.record(Record::Unsubscribe {
                        client: client.clone(),
                        filter,
                    });
                }
            }
            _ => {}
        }
    }

    pub(super) fn obey_second_connect(&mut self, id: ConnectionId, connect: &Connect) {
        if connect.clean_start && self.wrong(Combined::SecondConnectEndsSession) {
            let client = self.connections[&id].client.clone();
            self.end_session(&client);
        }
    }

    /// Drops all that waits for its first sending.
    pub(super) fn drop_queue(&mut self, client: &Text) {
        let queued = self.state.sessions.get(client).map_or(0, |s| s.queue.len());
        for _ in 0..queued {
            self.record(Record::Drop { client: client.clone() });
        }
    }

    /// What a clean start leaves of the session before it.
    pub(super) fn kept_over_clean_start(&self, client: &Text, took_over: bool) -> Vec<Record> {
        let Some(session) = self.state.sessions.get(client) else {
            return Vec::new();
        };
        let client = || client.clone();
        let mut records = Vec::new();
        if self.wrong(Combined::CleanStartKeepsReceived) {
            records.extend(session.received.iter().map(|(packet_id, message)| Record::Receive {
                client: client(),
                packet_id: *packet_id,
                message: message.clone(),
            }));
        }
        if took_over && self.wrong(Combined::TakeoverKeepsSubscriptions) {
            records.extend(session.subscriptions.iter().map(|held| Record::Subscribe {
                client: client(),
                held: held.clone(),
            }));
        }
        if self.wrong(Combined::CleanStartKeepsQueue) {
            records.extend(session.queue.iter().map(|delivery| Record::Queue {
                client: client(),
                delivery: delivery.clone(),
            }));
        }
        records
    }

    /// Mixes the limits of a CONNECT with those of the client's connection before it.
    pub(super) fn apply_older_limits(&mut self, id: ConnectionId, client: &Text, resumed: bool) {
        let (window, size) = (
            self.wrong(Combined::ResumeKeepsWindow),
            self.wrong(Combined::ResumeKeepsPacketSize),
        );
        if !window && !size {
            return;
        }
        let older = self.kept_limits.get(client).copied().filter(|_| resumed);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Some((maximum, limit)) = older {
            if window {
                connection.receive_maximum = connection.receive_maximum.max(maximum);
            }
            if size {
                connection.maximum_packet_size = limit;
            }
        }
        let limits = (connection.receive_maximum, connection.maximum_packet_size);
        self.kept_limits.insert(client.clone(), limits);
    }

    /// Before anything is sent to a session that has a connection again.
    pub(super) fn disturb_resumed(&mut self, client: &Text, resumed: bool) {
        let lost = self.lost_window.remove(client).filter(|_| resumed);
        let connection = self.state.sessions.get(client).and_then(|s| s.connection);
        if let (Some(lost), Some(id)) = (lost, connection) {
            (0..lost).for_each(|_| self.shrink_window(id));
        }
        if self.wrong(Combined::ResumeReversesQueue) {
            let session = self.state.sessions.get(client);
            let waiting: Vec<Delivery> = session
                .filter(|s| resumed && !s.in_flight.is_empty())
                .map(|s| s.queue.iter().rev().cloned().collect())
                .unwrap_or_default();
            for _ in 0..waiting.len() {
                self.record(Record::Drop { client: client.clone() });
            }
            for delivery in waiting {
                self.record(Record::Queue {
                    client: client.clone(),
                    delivery,
                });
            }
        }
        if self.wrong(Combined::ResumeRestartsIds)
            && let Some(session) = self.state.sessions.get_mut(client)
        {
            session.last_packet_id = 0;
        }
    }

    /// What a restart does to the state that is restored.
    pub(super) fn disturb_restored(&mut self) {
        let config = self.config.clone();
        for session in self.state.sessions.values_mut() {
            disturb_exchanges(session, &config);
            disturb_subscriptions(session, &config);
            disturb_queue(session, &config, self.now);
            if config.disobey.has(Combined::RestartForgetsDelayedWill) {
                session.will = None;
            }
        }
        if config.disobey.has(Combined::RestartRenewsRetained) {
            renew(&mut self.state, self.now);
        }
    }

    /// Whether the oldest of several queued messages blocks the others.
    pub(super) fn is_blocked(&self, id: ConnectionId, session: &Session) -> bool {
        let Some(oldest) = session.queue.front().filter(|_| session.queue.len() > 1) else {
            return false;
        };
        let expired = oldest.message.is_expired(self.now) && self.wrong(Combined::ExpiredBlocksQueue);
        let is_too_large = || {
            let packet = self.publish_packet(id, oldest, Some(1), false);
            !self.connections[&id].takes(&packet)
        };
        expired || self.wrong(Combined::TooLargeBlocksQueue) && is_too_large()
    }

    /// The identifier for the next message, whether it is in use or not; `None` if the broker looks.
    pub(super) fn careless_id(&self, session: &Session) -> Option<u16> {
        let next = session.last_packet_id.wrapping_add(1).max(1);
        let is_sent = |packet_id: &&u16| session.in_flight.iter().any(|m| m.packet_id == **packet_id);
        if self.wrong(Combined::ResumeRestartsIds) {
            Some(next)
        } else if self.wrong(Combined::IdsWrapAtFour) {
            Some(session.last_packet_id % 4 + 1)
        } else if self.wrong(Combined::ReleasedFreesId) {
            session.released.iter().find(|packet_id| !is_sent(packet_id)).copied()
        } else {
            None
        }
    }
    /// Takes one place of the client's Receive Maximum for good.
    pub(super) fn shrink_window(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.receive_maximum = connection.receive_maximum.saturating_sub(1);
        }
    }

    /// Whether the broker remembers that it has sent the message. What was read from the store has no time of sending.
    pub(super) fn is_known_as_sent(&self, message: &InFlight) -> bool {
        let restarted = message.sent_at.is_zero() && self.wrong(Combined::RestartForgetsSending);
        let taken_over = message.sent_at == FORGOTTEN && self.wrong(Combined::TakeoverForgetsSending);
        !restarted && !taken_over
    }

    /// The delivery as if its message had been taken over now.
    pub(super) fn renewed(&self, delivery: &Delivery) -> Option<Delivery> {
        let renews = delivery.message.expiry.is_some() && self.wrong(Combined::RepeatRenewsExpiry);
        renews.then(|| {
            let mut delivery = delivery.clone();
            Arc::make_mut(&mut delivery.message).taken_at = self.now;
            delivery
        })
    }

    /// A message whose topic was given by an alias alone.
    pub(super) fn disturb_by_alias(&self, message: &mut Message) {
        message.retain &= !self.wrong(Combined::AliasIsNotRetained);
        if self.wrong(Combined::AliasLosesExpiry) {
            message.expiry = None;
        }
        if self.wrong(Combined::AliasLosesProperties) {
            message.properties = Properties::default();
        }
    }

    /// A will that starts to wait for its delay, in seconds.
    pub(super) fn disturb_delayed(&self, will: &mut Will, delay: u32) {
        will.retain &= !self.wrong(Combined::DelayedWillIsNotRetained);
        if self.wrong(Combined::DelayedWillLosesInterval) {
            for property in &mut will.properties.0 {
                if property.id == id::MESSAGE_EXPIRY_INTERVAL
                    && let PropertyValue::U32(expiry) = &mut property.value
                {
                    *expiry = expiry.saturating_sub(delay);
                }
            }
        }
    }

    /// A will that is published.
    pub(super) fn disturb_will(&self, message: &mut Message) {
        let is_second = self.state.retained.contains_key(&message.topic);
        message.retain &= !(is_second && self.wrong(Combined::WillKeepsOlderRetained));
    }

    /// The subscriptions with which topics are compared.
    pub(super) fn routed<'a>(&self, session: &'a Session) -> &'a [Held] {
        let is_away = session.connection.is_none();
        if is_away && session.subscriptions.len() > 1 && self.wrong(Combined::AwayMatchesFirst) {
            return &session.subscriptions[..1];
        }
        &session.subscriptions
    }

    /// Ends the QoS 1 exchanges of all other clients that have this identifier.
    pub(super) fn acknowledge_for_others(&mut self, client: &Text, packet_id: u16) {
        let others: Vec<Text> = self.state.sessions.keys().filter(|c| *c != client).cloned().collect();
        for other in others {
            if self.sent_qos(&other, packet_id) == Some(1) {
                self.finish(&other, packet_id, 0);
            }
        }
    }
}

fn disturb_exchanges(session: &mut Session, config: &Config) {
    let wrong = |fault| config.disobey.has(fault);
    if wrong(Combined::RestartForgetsReceived) {
        session.received.clear();
    }
    if wrong(Combined::RestartForgetsReleased) {
        session.released.clear();
    }
    if wrong(Combined::RestartReversesInFlight) {
        session.in_flight.make_contiguous().reverse();
    }
    if wrong(Combined::RestartQueuesInFlight) {
        let again = session.in_flight.iter().map(|m| m.delivery.clone());
        let again: Vec<Delivery> = again.filter(|delivery| delivery.qos == 2).collect();
        session.queue.extend(again);
    }
}

fn disturb_subscriptions(session: &mut Session, config: &Config) {
    let wrong = |fault| config.disobey.has(fault);
    if wrong(Combined::RestartForgetsShares) {
        session.subscriptions.retain(|held| held.shared.is_none());
    }
    if wrong(Combined::RestartKeepsOneSubscription) {
        session.subscriptions.truncate(1);
    }
    for held in &mut session.subscriptions {
        if wrong(Combined::RestartForgetsOptions) {
            held.options &= 0b11;
        }
        if wrong(Combined::RestartForgetsSubscriptionIds) {
            held.id = None;
        }
    }
}

fn disturb_queue(session: &mut Session, config: &Config, now: Duration) {
    let wrong = |fault| config.disobey.has(fault);
    if wrong(Combined::RestartKeepsOneQueued) {
        session.queue.truncate(1);
    }
    if wrong(Combined::RestartReversesQueue) {
        session.queue.make_contiguous().reverse();
    }
    if wrong(Combined::RestartExpiresQueue) {
        session.queue.retain(|delivery| delivery.message.expiry.is_none());
    }
    if wrong(Combined::RestartDropsLarge) {
        session.queue.retain(|delivery| delivery.message.payload.len() <= LARGE);
    }
    for delivery in &mut session.queue {
        if wrong(Combined::RestartForgetsProperties) {
            Arc::make_mut(&mut delivery.message).properties = Properties::default();
        }
        if wrong(Combined::RestartRenewsExpiry) {
            Arc::make_mut(&mut delivery.message).taken_at = now;
        }
    }
}

fn renew(state: &mut State, now: Duration) {
    for message in state.retained.values_mut() {
        Arc::make_mut(message).taken_at = now;
    }
}
