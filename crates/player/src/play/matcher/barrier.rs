//! The fence towards a client under test: a PUBLISH of QoS 1, which every client has to acknowledge, whether or not it
//! wants the message (3.1.1 and 5.0, MQTT-4.5.0-2; 3.1, section 3.4). What the client sent because of earlier packets
//! comes before that.

use std::time::Duration;

use bytes::Bytes;

use super::farewell::ROUNDS;
use super::{Matcher, Waiting};
use crate::play::{Action, FailureKind, PlayEnd, Stage};
use crate::scenario::Verb;
use crate::transcript::Author;
use crate::wire::property::id;
use crate::wire::{Ack, Packet, Publish, encode_bytes};

/// How many fences one after the other show silence. While the first one is on its way, the library may still be taking
/// over what its application has told it.
pub(super) const FENCES: u32 = 2;

/// The part of the response timeout for which silence is awaited on a connection that takes no fence.
const UNFENCED: u32 = 4;

/// How far a fence is.
pub(super) enum Fenced {
    Acknowledged,
    /// The connection has ended.
    Gone,
    Waiting(Duration),
    /// It was not acknowledged in time.
    Mute,
}

impl Matcher {
    /// Sends a fence, and returns its packet identifier; `None` if the client can take none: it is not connected, or its
    /// limits forbid one.
    pub(super) fn send_fence(&mut self, index: usize) -> Option<u16> {
        let client = &self.clients[index];
        if !client.may_ping() {
            return None;
        }
        let limit = |property| client.connect().and_then(|c| c.properties.number(property));
        let quota = limit(id::RECEIVE_MAXIMUM).map_or(usize::MAX, |n| n as usize);
        let largest = limit(id::MAXIMUM_PACKET_SIZE).map_or(usize::MAX, |n| n as usize);
        self.fences += 1;
        let id = self.fence_id(index);
        let publish = Packet::Publish(Publish {
            qos: 1,
            topic: self.scope.namespace().into(),
            packet_id: Some(id),
            payload: Bytes::from(format!("{}{}", self.fence_marker(), self.fences)).into(),
            ..Publish::default()
        });
        let client = &self.clients[index];
        if client.outgoing.len() >= quota || encode_bytes(&publish, client.version).len() > largest {
            return None;
        }
        // Noted here and not when it is written, so that no one takes it for acknowledged before.
        self.clients[index].sent(&publish, Author::Fence);
        self.asked = self.now.max(self.clock);
        self.answer(index, &publish, Author::Fence);
        if self.settings.manual_acks {
            self.acknowledge_fence(index, id);
        }
        Some(id)
    }

    /// Has the application acknowledge a fence, where it acknowledges and not the library.
    fn acknowledge_fence(&mut self, index: usize, id: u16) {
        self.commands += 1;
        let client = self.clients[index].name.clone();
        self.outbox.push_back(Action::Tell {
            shown: format!("ack: {{ packet_id: {id} }}"),
            client,
            step: None,
            id: self.commands,
            verb: Verb::Ack,
            packet: Some(Packet::PubAck(Ack::new(id))),
        });
    }

    /// Whether the fence with this packet identifier is acknowledged.
    pub(super) fn fenced(&self, index: usize, id: u16) -> Fenced {
        let client = &self.clients[index];
        if !client.outgoing.get(&id).is_some_and(|outgoing| outgoing.fence) {
            return Fenced::Acknowledged;
        }
        if !client.may_ping() {
            return Fenced::Gone;
        }
        let until = self.answered_by();
        if self.clock < until {
            Fenced::Waiting(until)
        } else {
            Fenced::Mute
        }
    }

    /// How long a client is given that can take no fence.
    pub(super) fn unfenced(&self, index: usize) -> Duration {
        if self.clients[index].is_connected() {
            self.settings.patience / UNFENCED
        } else {
            self.settings.settle
        }
    }

    pub(super) fn mute(&self, index: usize) -> FailureKind {
        FailureKind::Mute {
            client: self.clients[index].name.clone(),
            waited: self.settings.patience,
        }
    }

    /// Waits until a client has read its CONNACK, before its application is told what to do: how the client treats the
    /// command may depend on the limits in it.
    pub(super) fn hears(&mut self, id: u16) -> Option<Duration> {
        match self.fenced(0, id) {
            Fenced::Waiting(until) => return Some(until),
            Fenced::Mute => {
                let mut failure = self.unmet(self.mute(0));
                failure.stage = Stage::Fence;
                self.fail(failure);
            }
            // What is to be said of a connection that has ended, the next expectation says.
            Fenced::Acknowledged | Fenced::Gone => {
                if let Some(connection) = self.clients[0].connection_mut() {
                    connection.heard();
                }
                self.begin_step();
            }
        }
        None
    }

    /// The end of a test of a client: fences, then the account of everything that came and that no step took.
    pub(super) fn client_farewell(&mut self) -> Option<Duration> {
        let Waiting::Farewell(farewell) = &mut self.waiting else {
            return None;
        };
        if self.settings.by_hand {
            // A fence would be a message that the person's application takes for one of the case.
            let until = *farewell
                .until
                .get_or_insert(self.clock + self.settings.patience / UNFENCED);
            let is_open = self.clients[0].ended().is_none() && self.clients[0].connection().is_some();
            if is_open && self.clock < until {
                return Some(until);
            }
            if !self.account() {
                self.end.get_or_insert(PlayEnd::Met);
            }
            return None;
        }
        if let Some(id) = farewell.fence {
            match self.fenced(0, id) {
                Fenced::Waiting(until) => return Some(until),
                Fenced::Mute => {
                    if !self.account() {
                        let mut failure = self.unmet(self.mute(0));
                        failure.stage = Stage::Fence;
                        self.fail(failure);
                    }
                    return None;
                }
                Fenced::Acknowledged | Fenced::Gone => {}
            }
        }
        let Waiting::Farewell(farewell) = &mut self.waiting else {
            return None;
        };
        farewell.fence = None;
        if farewell.rounds < ROUNDS {
            farewell.rounds += 1;
            let fence = self.send_fence(0);
            if let Waiting::Farewell(farewell) = &mut self.waiting {
                farewell.fence = fence;
            }
            return None;
        }
        if !self.account() {
            self.end.get_or_insert(PlayEnd::Met);
        }
        None
    }
}
