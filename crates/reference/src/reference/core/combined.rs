//! What the faults of [`Combined`] do to a session when it is resumed, taken over or restored.

use super::session::{Delivery, Session};
use super::state::Record;
use super::{Broker, ConnectionId};
use crate::reference::combined::Combined;
use crate::wire::Text;

impl Broker {
    /// After an older connection was ended by a newer one.
    pub(super) fn disturb_taken_over(&mut self, client: &Text) {
        let Some(session) = self.state.sessions.get(client) else {
            return;
        };
        let received: Vec<u16> = session.received.keys().copied().collect();
        let queued = session.queue.len();
        if self.wrong(Combined::TakeoverForgetsReceived) {
            for packet_id in received {
                self.record(Record::Forget {
                    client: client.clone(),
                    packet_id,
                });
            }
        }
        if self.wrong(Combined::TakeoverDropsQueue) {
            for _ in 0..queued {
                self.record(Record::Drop { client: client.clone() });
            }
        }
    }

    /// What a clean start leaves of the session before it.
    pub(super) fn kept_over_clean_start(&self, client: &Text) -> Vec<Record> {
        let session = self.state.sessions.get(client);
        let kept = session.filter(|_| self.wrong(Combined::CleanStartKeepsReceived));
        let received = kept.into_iter().flat_map(|s| &s.received);
        received
            .map(|(packet_id, message)| Record::Receive {
                client: client.clone(),
                packet_id: *packet_id,
                message: message.clone(),
            })
            .collect()
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

    /// What a restart does to a session that is restored.
    pub(super) fn disturb_restored(&mut self) {
        let config = self.config.clone();
        let wrong = |fault| config.disobey.has(fault);
        for session in self.state.sessions.values_mut() {
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
            if wrong(Combined::RestartForgetsDelayedWill) {
                session.will = None;
            }
            if wrong(Combined::RestartForgetsShares) {
                session.subscriptions.retain(|held| held.shared.is_none());
            }
            for held in &mut session.subscriptions {
                if wrong(Combined::RestartForgetsOptions) {
                    held.options &= 0b11;
                }
                if wrong(Combined::RestartForgetsSubscriptionIds) {
                    held.id = None;
                }
            }
            if wrong(Combined::RestartRenewsExpiry) {
                for delivery in &mut session.queue {
                    std::sync::Arc::make_mut(&mut delivery.message).taken_at = self.now;
                }
            }
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
        self.wrong(Combined::ResumeRestartsIds).then_some(next)
    }
}
