//! PUBACK, PUBREC, PUBREL and PUBCOMP from a client (3.1.1 and 5.0, sections 3.4 to 3.7 and 4.3).

use super::offence::Fault;
use super::reason::{self, is_failure};
use super::state::Record;
use super::{Broker, Cause, ConnectionId};
use crate::reference::combined::Combined;
use crate::reference::duty::Duty;
use crate::reference::freedom::Choice;
use crate::wire::{Ack, Packet, Text, Version};

impl Broker {
    /// v3.1.1:MQTT-4.3.2-1, v5:MQTT-4.3.2-3: the exchange is over, whatever the code (v5:MQTT-4.4.0-2). One for an
    /// identifier without a QoS 1 exchange changes nothing.
    pub(super) fn pub_ack(&mut self, id: ConnectionId, ack: Ack) {
        let client = self.connections[&id].client.clone();
        if self.sent_qos(&client, ack.packet_id) == Some(1) {
            self.cross(id, &client, ack.packet_id);
            self.finish(&client, ack.packet_id, ack.reason_code);
            if self.wrong(Combined::AcksAreGlobal) {
                self.acknowledge_for_others(&client, ack.packet_id);
            }
        }
    }

    pub(super) fn pub_rec(&mut self, id: ConnectionId, ack: Ack) {
        let client = self.connections[&id].client.clone();
        let packet_id = ack.packet_id;
        if self.sent_qos(&client, packet_id) == Some(2) {
            self.cross(id, &client, packet_id);
            if is_failure(ack.reason_code) {
                // v5:MQTT-4.4.0-2: nothing follows, PUBREL neither.
                return self.finish(&client, packet_id, ack.reason_code);
            }
            // v3.1.1:MQTT-4.3.3-1, v5:MQTT-4.3.3-4 to -6.
            let record = Record::Release {
                client: client.clone(),
                packet_id,
            };
            if self.wrong(Combined::RestartForgetsRelease) {
                self.state.apply(&record);
            } else {
                self.record(record);
            }
            return self.send(id, Packet::PubRel(Ack::new(packet_id)));
        }
        let is_released = (self.state.sessions.get(&client)).is_some_and(|s| s.released.contains(&packet_id));
        // An identifier without an exchange: 5.0 has a code for it. 3.x has none, and there only a PUBREL lets the client
        // finish.
        let is_v5 = self.connections[&id].version == Version::V5;
        let unknown = is_v5 && !is_released;
        if is_v5 && is_failure(ack.reason_code) {
            return;
        }
        // Under the fault, UNSUBSCRIBE has dropped the exchange, and its PUBREC gets no PUBREL.
        if !is_released && !self.must(Duty::FinishAfterUnsubscribe) {
            return;
        }
        self.send(
            id,
            Packet::PubRel(Ack {
                reason_code: if unknown {
                    reason::PACKET_ID_NOT_FOUND
                } else {
                    reason::SUCCESS
                },
                ..Ack::new(packet_id)
            }),
        );
    }

    /// v3.1.1:MQTT-4.3.3-2, v5:MQTT-4.3.3-11 and -12. The answer also comes if PUBREL is a repeat after a lost PUBCOMP.
    pub(super) fn pub_rel(&mut self, id: ConnectionId, ack: Ack) {
        let client = self.connections[&id].client.clone();
        let packet_id = ack.packet_id;
        let open = (self.state.sessions.get(&client)).and_then(|s| s.received.get(&packet_id).cloned());
        let is_open = open.is_some();
        let sender = client.clone();
        let is_here = self.connections[&id].open.contains(&packet_id);
        let keeps = !is_here && self.wrong(Combined::ResumeKeepsReceived);
        if is_open && self.must(Duty::FreeQos2Id) && !keeps {
            self.record(Record::Forget { client, packet_id });
        }
        // This is the first of the two methods in figure 4.3: the message was kept until now.
        if let Some(message) = open.flatten() {
            self.distribute_kept(message);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.open.remove(&packet_id);
        }
        let version = self.connections[&id].version;
        let unknown = !is_open && version == Version::V5;
        if is_open && !is_here && self.wrong(Combined::ResumeIgnoresPubrel) {
            return;
        }
        if unknown && self.free(Choice::UnknownPubrelCloses, version) && !self.used.contains(&(sender, packet_id)) {
            let fault = Fault {
                statements: Vec::new(),
                reason: reason::PROTOCOL_ERROR,
                text: "PUBREL for a packet identifier that was never used".to_owned(),
            };
            return self.end(id, Cause::Fault, Some(&fault));
        }
        self.send(
            id,
            Packet::PubComp(Ack {
                reason_code: if unknown {
                    reason::PACKET_ID_NOT_FOUND
                } else {
                    reason::SUCCESS
                },
                ..Ack::new(packet_id)
            }),
        );
    }

    /// v3.1.1:MQTT-4.3.3-1, v5:MQTT-4.3.3-5.
    pub(super) fn pub_comp(&mut self, id: ConnectionId, ack: Ack) {
        let client = self.connections[&id].client.clone();
        let is_released = (self.state.sessions.get(&client)).is_some_and(|s| s.released.contains(&ack.packet_id));
        if is_released {
            let version = self.connections[&id].version;
            if self.free(Choice::RepeatsCrossing, version) {
                self.send(id, Packet::PubRel(Ack::new(ack.packet_id)));
            }
            self.finish(&client, ack.packet_id, reason::SUCCESS);
        }
    }

    /// A repeat that was sent before this acknowledgement arrived.
    fn cross(&mut self, id: ConnectionId, client: &Text, packet_id: u16) {
        let version = self.connections[&id].version;
        if !self.free(Choice::RepeatsCrossing, version) {
            return;
        }
        let message =
            (self.state.sessions.get(client)).and_then(|s| s.in_flight.iter().find(|m| m.packet_id == packet_id));
        if let Some(message) = message.cloned() {
            self.repeat(id, client, &message);
        }
    }

    /// The QoS of the PUBLISH that was sent under this identifier and waits for PUBACK or PUBREC.
    pub(super) fn sent_qos(&self, client: &Text, packet_id: u16) -> Option<u8> {
        let session = self.state.sessions.get(client)?;
        let message = session.in_flight.iter().find(|m| m.packet_id == packet_id)?;
        Some(message.delivery.qos)
    }

    /// Ends an exchange, which makes room for the next message.
    pub(super) fn finish(&mut self, client: &Text, packet_id: u16, reason_code: u8) {
        let session = self.state.sessions.get(client);
        let refused = is_failure(reason_code)
            .then(|| session?.in_flight.iter().find(|m| m.packet_id == packet_id).cloned())
            .flatten();
        if refused.is_some()
            && self.wrong(Combined::RefusalUsesWindow)
            && let Some(id) = session.and_then(|s| s.connection)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.receive_maximum = connection.receive_maximum.saturating_sub(1);
        }
        if refused.is_some() && self.wrong(Combined::RefusalDropsQueue) {
            self.drop_queue(client);
        }
        let keeps = refused.is_some() && !self.must(Duty::RefusedIsAcknowledged);
        if !keeps && self.must(Duty::AcknowledgedIsDone) {
            self.record(Record::Finish {
                client: client.clone(),
                packet_id,
            });
        }
        if let Some(refused) = refused
            && !self.must(Duty::RefusedShareIsDropped)
        {
            self.offer_again(client, refused.delivery);
        }
        self.pump(client);
    }
}
