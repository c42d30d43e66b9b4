//! Messages that the application acknowledges, and not the client by itself.

use std::collections::BTreeMap;

use super::core::Core;
use super::duty;
use crate::adapter::Acknowledge;
use crate::wire::{Ack, Packet};

/// What the application has yet to acknowledge on this connection.
#[derive(Debug, Default)]
pub(super) struct Manual {
    /// In the order in which the messages came.
    held: Vec<Held>,
    /// Reason codes by packet identifier, for messages that have not come yet.
    early: BTreeMap<u16, u8>,
}

/// A message of the server.
#[derive(Debug)]
struct Held {
    id: u16,
    qos: u8,
    /// The application's reason code; `None` until it acknowledges.
    reason_code: Option<u8>,
}

impl Core {
    /// Whether the application acknowledges messages.
    pub(super) fn is_manual(&self) -> bool {
        self.endpoint().is_some_and(|endpoint| endpoint.manual_acks)
    }

    /// Leaves the acknowledgement of a message to the application.
    pub(super) fn hold(&mut self, id: u16, qos: u8) {
        let reason_code = self.manual.early.remove(&id);
        self.manual.held.push(Held { id, qos, reason_code });
        self.acknowledge_held();
    }

    /// Acknowledges a message as the application says, or once it comes.
    ///
    /// # Errors
    /// The client acknowledges by itself.
    pub(super) fn ack(&mut self, ack: &Acknowledge) -> Result<(), String> {
        if !self.is_manual() {
            return Err("the client acknowledges messages by itself".to_owned());
        }
        let mut open = self.manual.held.iter_mut().filter(|one| one.reason_code.is_none());
        match open.find(|one| one.id == ack.packet_id) {
            Some(one) => one.reason_code = Some(ack.reason_code),
            None => drop(self.manual.early.insert(ack.packet_id, ack.reason_code)),
        }
        self.acknowledge_held();
        Ok(())
    }

    /// Sends what the application has acknowledged: PUBACKs and PUBRECs each in the order of the messages (MQTT-4.6.0-2,
    /// MQTT-4.6.0-3).
    fn acknowledge_held(&mut self) {
        for (qos, order) in [(1, duty::PUBACK_ORDER), (2, duty::PUBREC_ORDER)] {
            let in_order = !self.breaks(order);
            let next = |held: &[Held]| {
                let at = held
                    .iter()
                    .position(|one| one.qos == qos && (in_order || one.reason_code.is_some()))?;
                Some((at, held[at].reason_code?))
            };
            while let Some((at, reason_code)) = next(&self.manual.held) {
                let mut ack = Ack::new(self.manual.held.remove(at).id);
                ack.reason_code = reason_code;
                if qos == 1 {
                    self.send(Packet::PubAck(ack));
                    continue;
                }
                if reason_code >= 0x80 && !self.breaks(duty::REFUSED_ENDS) {
                    self.session.incoming.remove(&ack.packet_id);
                }
                self.send(Packet::PubRec(ack));
            }
        }
    }
}
