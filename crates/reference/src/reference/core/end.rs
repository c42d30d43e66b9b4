//! The end of a connection and of a session, and the publication of the will (3.1.1 and 5.0, sections 3.1.2.5, 3.14, 4.13).

use std::time::Duration;

use super::connection::Phase;
use super::message::Message;
use super::offence::{Fault, Offence};
use super::reason;
use super::session::PendingWill;
use super::state::Record;
use super::{Broker, Cause, ConnectionId, Effect};
use crate::reference::combined::Combined;
use crate::reference::duty::Duty;
use crate::reference::freedom::Choice;
use crate::wire::property::id;
use crate::wire::{Disconnect, Text, Version, Will};

impl Broker {
    /// DISCONNECT from the client.
    pub(super) fn disconnect(&mut self, id: ConnectionId, disconnect: Disconnect) {
        let connection = &self.connections[&id];
        let (version, client) = (connection.version, connection.client.clone());
        if version == Version::V5
            && let Some(expiry) = disconnect.properties.number(id::SESSION_EXPIRY_INTERVAL)
        {
            let before = self.state.sessions.get(&client).map_or(0, |s| s.expiry);
            // 5.0, section 3.14.2.2.2.
            if before == 0 && expiry > 0 && self.punish(id, Offence::ExpiryRaised) {
                return;
            }
            self.record(Record::Expire {
                client,
                seconds: expiry.min(self.config.limits.session_expiry_maximum),
                away_since: None,
            });
        }
        // v3.1.1:MQTT-3.1.2-10 and -3.14.4-3, v5:MQTT-3.1.2-10 and -3.14.4-3. With another code the will is published
        // (v5:MQTT-3.1.2-8).
        let drops_will = version != Version::V5 || disconnect.reason_code == reason::SUCCESS;
        if drops_will
            && self.must(Duty::DisconnectDropsWill)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.will = None;
        }
        if self.wrong(Combined::DisconnectDropsQueue) {
            let client = self.connections[&id].client.clone();
            self.drop_queue(&client);
        }
        self.end(id, Cause::Disconnected, None);
    }

    /// The network connection is gone. If the broker did not end it, that is a network failure.
    pub(super) fn gone(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(|c| c.phase == Phase::Connected) {
            self.leave(id);
        }
        self.connections.remove(&id);
    }

    /// Ends a connection. 5.0 gives the reason in DISCONNECT, but not before CONNACK (v5:MQTT-3.14.0-1). Nothing follows it
    /// (v5:MQTT-3.14.4-1), and the connection is closed (v3.1.1:MQTT-4.8.0-1, v5:MQTT-4.13.2-1, v5:MQTT-3.14.4-2).
    pub(super) fn end(&mut self, id: ConnectionId, cause: Cause, why: Option<&Fault>) {
        let connection = &self.connections[&id];
        let was_connected = connection.phase == Phase::Connected;
        if was_connected
            && connection.version == Version::V5
            && let Some(fault) = why
        {
            self.say_goodbye(id, fault.reason, &fault.text);
        }
        self.effects.push(Effect::Close(id, cause));
        if was_connected {
            if cause == Cause::Fault {
                self.disturb_offender(id);
            }
            self.leave(id);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.phase = Phase::Ended;
        }
    }

    /// The session has no connection from now on.
    fn leave(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.phase = Phase::Ended;
        let client = connection.client.clone();
        let will = connection.will.take();
        let Some(session) = self.state.sessions.get_mut(&client) else {
            return;
        };
        session.connection = None;
        let expiry = session.expiry;
        let unfinished: Vec<_> = session.in_flight.iter().map(|m| m.delivery.clone()).collect();
        if self.config.free.value(Choice::ShareRedistributed).is_some() {
            self.redistribute(&client);
        }
        // v3.1.1:MQTT-3.1.2-8, v5:MQTT-3.1.2-7 and -8.
        if let Some(will) = will.filter(|_| self.must(Duty::PublishWill)) {
            self.leave_will(&client, will);
        }
        // v5:MQTT-4.8.2-4: an interrupted delivery waits for this client.
        if !self.must(Duty::UnfinishedShareWaits) {
            for delivery in unfinished {
                self.offer_again(&client, delivery);
            }
        }
        let lasts = (expiry > 0 && self.must(Duty::KeepSession)) || !self.must(Duty::EndSession);
        if !lasts {
            self.end_session(&client);
        } else {
            // v5:MQTT-3.1.2-23.
            self.record(Record::Expire {
                client,
                seconds: expiry,
                away_since: Some(self.now),
            });
        }
    }

    /// Publishes the will, now or after its delay.
    fn leave_will(&mut self, client: &Text, mut will: Will) {
        let delay = will.properties.number(id::WILL_DELAY_INTERVAL).unwrap_or(0);
        // Section 3.1.2.5 of both: a server that shuts down may publish wills when it has started again.
        let waits = self.stopping && self.config.free.value(Choice::WillsAfterRestart).is_some();
        if waits && (self.state.sessions.get(client)).is_some_and(|s| s.is_persistent()) {
            let due = self.now + Duration::from_secs(delay.into());
            return self.set_pending_will(client, Some(PendingWill { will, due }));
        }
        if delay == 0 || !self.must(Duty::WaitForWillDelay) {
            return self.publish_will(client, will);
        }
        self.disturb_delayed(&mut will, delay);
        let due = self.now + Duration::from_secs(delay.into()) + self.lateness(Choice::WillDelayLate);
        self.set_pending_will(client, Some(PendingWill { will, due }));
    }

    pub(super) fn publish_will(&mut self, client: &Text, will: Will) {
        if self.is_denied(&will.topic) {
            return;
        }
        self.distribute_will(Message::from_will(will, client.clone(), self.now));
    }

    pub(super) fn set_pending_will(&mut self, client: &Text, will: Option<PendingWill>) {
        let waits = (self.state.sessions.get(client)).is_some_and(|s| s.will.is_some());
        if waits || will.is_some() {
            self.record(Record::Will {
                client: client.clone(),
                will,
            });
        }
    }

    /// The session ends (v5:MQTT-4.1.0-2): a will that still waits is published (v5:MQTT-3.1.2-8,
    /// v5:§3.1.3.2.2/session-end), and everything else
    /// is dropped. Retained messages do not belong to it (v3.1.1:MQTT-3.1.2-7).
    pub(super) fn end_session(&mut self, client: &Text) {
        let Some(session) = self.state.sessions.get_mut(client) else {
            return;
        };
        let will = session.will.take();
        let unfinished: Vec<_> = session.in_flight.drain(..).map(|m| m.delivery).collect();
        self.record(Record::End { client: client.clone() });
        if let Some(pending) = will.filter(|_| self.must(Duty::PublishWillWithSession)) {
            self.publish_will(client, pending.will);
        }
        // v5:MQTT-4.8.2-5.
        if !self.must(Duty::UnfinishedShareEnds) {
            for delivery in unfinished {
                self.offer_again(client, delivery);
            }
        }
        if !self.must(Duty::RetainedOutliveSessions) {
            let topics: Vec<Text> = self.state.retained.keys().cloned().collect();
            for topic in topics {
                self.record(Record::Retain { topic, message: None });
            }
        }
    }

    /// The broker shuts down: every connection ends, which publishes the wills. Wills that wait for their delay are kept
    /// with their sessions.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        let fault = Fault {
            statements: Vec::new(),
            reason: reason::SERVER_SHUTTING_DOWN,
            text: "the server is shutting down".to_owned(),
        };
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            if !matches!(self.connections[&id].phase, Phase::Ended | Phase::Refused) {
                self.end(id, Cause::ShuttingDown, Some(&fault));
            }
        }
    }
}
