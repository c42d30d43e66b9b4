//! The broker without sockets, clock and disk.
//!
//! In: what happened on a connection, and the time. Out: what to send, what to close and what to keep, in order. The same
//! inputs at the same times give the same effects.
//!
//! Each obligation stands at one place, with the id of its statement. `self.must(Duty::X)` marks the decisions that can
//! be taken wrongly on purpose; faults that only change packets are under `sabotage`.

mod acknowledge;
mod authenticate;
mod connect;
mod connection;
mod deliver;
mod end;
pub mod message;
pub mod offence;
mod publish;
pub mod reason;
pub mod session;
pub mod state;
mod subscribe;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::config::Config;
use super::duty::Duty;
use super::freedom::Choice;
pub use super::ids::{Cause, ConnectionId};
use crate::wire::{Overrides, Packet, PacketType, Text, Version};
pub use connect::named_version;
pub use connection::{Connection, Phase};
use offence::{Fault, Offence};
use state::{Record, State};

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A client opened a network connection.
    Opened(ConnectionId),
    /// A whole packet came.
    Received(ConnectionId, Received),
    /// The network connection is gone, whoever closed it. Nothing more comes from it.
    Gone(ConnectionId),
    /// Time has passed and everything that came before was handed in.
    Tick,
    /// The broker shuts down.
    Stop,
}

/// A packet as it was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `None` for the reserved type 0.
    pub packet_type: Option<PacketType>,
    /// `None` where too little of it could be read.
    pub packet: Option<Packet>,
    /// The version that a CONNECT names; `None` where it is none of the three, and for other packets.
    pub version: Option<Version>,
    /// What the decoder found wrong, in the order of the bytes.
    pub faults: Vec<Fault>,
    /// The size of the whole packet in bytes.
    pub size: u64,
}

/// What is to be done, in this order; records before everything else that comes of the same input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Keep this change where it survives the broker.
    Store(Record),
    /// Send the packet, written at this version.
    Send(ConnectionId, Version, Packet),
    /// Close the network connection once everything before is sent.
    Close(ConnectionId, Cause),
}

/// The state machine.
#[derive(Debug)]
pub struct Broker {
    config: Arc<Config>,
    state: State,
    connections: BTreeMap<ConnectionId, Connection>,
    /// What the present input has led to so far.
    effects: Vec<Effect>,
    /// The time of the present input, counted from the start of the UNIX epoch.
    now: Duration,
    /// How many client ids were assigned.
    assigned: u64,
    /// Whose turn it is in a shared subscription.
    turn: usize,
    /// The broker shuts down.
    stopping: bool,
    /// Empty, unless aliases are to outlive their connection on purpose (v5:MQTT-3.3.2-7).
    kept_aliases: BTreeMap<(Text, u16), Text>,
}

impl Broker {
    /// A broker that goes on from `state`, which a store has kept.
    pub fn new(config: Arc<Config>, state: State, now: Duration) -> Broker {
        let mut broker = Broker {
            config,
            state,
            connections: BTreeMap::new(),
            effects: Vec::new(),
            now,
            assigned: 0,
            turn: 0,
            stopping: false,
            kept_aliases: BTreeMap::new(),
        };
        broker.restore();
        broker
    }

    /// What outlives the connections.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The connection, as long as its end was not reported.
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// Takes one input, which happened at `now` (counted from the start of the UNIX epoch; it never goes back).
    pub fn handle(&mut self, input: Input, now: Duration) -> Vec<Effect> {
        self.now = self.now.max(now);
        self.expire_state();
        match input {
            Input::Opened(id) => {
                let deadline = self.now + self.config.limits.connect_timeout;
                self.connections.insert(id, Connection::opened(deadline));
            }
            Input::Received(id, received) => self.received(id, received),
            Input::Gone(id) => {
                self.gone(id);
            }
            // Silence can only be judged when nothing is left unread, so connections run out of time on a tick alone.
            Input::Tick => {
                self.repeat_unacknowledged();
                self.expire_connections();
            }
            Input::Stop => self.stop(),
        }
        std::mem::take(&mut self.effects)
    }

    fn must(&self, duty: Duty) -> bool {
        self.config.disobey.obeys(duty)
    }

    /// Whether the broker decides otherwise than usual towards clients of this version, as the standard leaves it free to.
    fn free(&self, choice: Choice, version: Version) -> bool {
        self.config.free.takes(choice, version)
    }

    /// As [`Broker::free`], towards the client of a session; `false` where it is away, for its version is not known then.
    fn free_towards(&self, choice: Choice, client: &Text) -> bool {
        let connection = self.state.sessions.get(client).and_then(|s| s.connection);
        let version = connection.and_then(|id| self.connections.get(&id)).map(|c| c.version);
        version.is_some_and(|version| self.free(choice, version))
    }

    /// The milliseconds of a choice that is one of time; zero where it is not taken.
    fn lateness(&self, choice: Choice) -> Duration {
        Duration::from_millis(self.config.free.value(choice).unwrap_or_default().into())
    }

    /// Makes a change, and has it stored where its session outlives the broker.
    fn record(&mut self, record: Record) {
        self.state.apply(&record);
        let stored = match record.client() {
            None => true,
            Some(_) if record.turns_session() => true,
            Some(client) => self.state.sessions.get(client).is_some_and(|s| s.is_persistent()),
        };
        if stored {
            self.effects.push(Effect::Store(record));
        }
    }

    fn received(&mut self, id: ConnectionId, received: Received) {
        let Some(phase) = self.connections.get(&id).map(|c| c.phase) else {
            return;
        };
        match phase {
            Phase::Opened => self.first_packet(id, received),
            Phase::Connected => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.heard_at = self.now;
                }
                self.later_packet(id, received);
            }
            Phase::Authenticating => match self.unforgiven(received.faults) {
                Some(fault) => self.refuse_authentication(id, fault.reason, &fault.text),
                None => self.authenticating(id, received.packet),
            },
            // What a client sent behind a CONNECT that was refused is not acted upon (v3.1.1:MQTT-3.1.4-5,
            // v5:MQTT-3.1.4-6), nor is anything else that comes after the end.
            Phase::Refused if !self.must(Duty::IgnoreAfterRefusal) => {
                if let Some(Packet::Publish(publish)) = received.packet {
                    self.take_over(publish.topic.clone(), publish, Default::default());
                }
            }
            Phase::Refused | Phase::Ended => {}
        }
    }

    fn first_packet(&mut self, id: ConnectionId, received: Received) {
        if received.packet_type != Some(PacketType::Connect) {
            // v3.1.1:MQTT-3.1.0-1, v5:MQTT-3.1.0-1. Its version is not known, so nothing can be said
            // (v5:MQTT-3.14.0-1).
            let lets = |version: &Version| self.lets_through(&Offence::FirstNotConnect.fault(*version));
            match Version::ALL.iter().find(|version| lets(version)) {
                None => self.end(id, Cause::NotConnected, None),
                // 3.1 lets a server be silent, so there the breach is to serve such a client.
                Some(Version::V3_1) => self.serve_unnamed(id, received),
                Some(_) => {}
            }
            return;
        }
        self.connect(id, received);
    }

    fn later_packet(&mut self, id: ConnectionId, received: Received) {
        let version = self.connections[&id].version;
        if let Some(limit) = self.config.limits.maximum_packet_size
            && received.size > u64::from(limit)
            && self.punish(id, Offence::PacketTooLarge)
        {
            return;
        }
        let is_wrong = received.faults.iter().any(|fault| !fault.is_about_filter());
        if let Some(fault) = self.unforgiven(received.faults) {
            return self.end(id, Cause::Fault, Some(&fault));
        }
        match received.packet {
            // A wrong DISCONNECT that is let through would close the connection all the same, so it is passed over instead.
            Some(Packet::Disconnect(_)) if is_wrong => {}
            Some(Packet::Connect(_)) => {
                self.punish(id, Offence::SecondConnect);
            }
            Some(Packet::Publish(publish)) => self.publish(id, publish),
            Some(Packet::PubAck(ack)) => self.pub_ack(id, ack),
            Some(Packet::PubRec(ack)) => self.pub_rec(id, ack),
            Some(Packet::PubRel(ack)) => self.pub_rel(id, ack),
            Some(Packet::PubComp(ack)) => self.pub_comp(id, ack),
            Some(Packet::Subscribe(subscribe)) => self.subscribe(id, subscribe),
            Some(Packet::Unsubscribe(unsubscribe)) => self.unsubscribe(id, unsubscribe),
            Some(Packet::PingReq) => self.ping(id),
            Some(Packet::Disconnect(disconnect)) => self.disconnect(id, disconnect),
            Some(Packet::Auth(auth)) if version == Version::V5 => self.re_authenticate(id, auth),
            // Packets that only a server sends, and what could not be read, come here only where a breach was let
            // through. There is nothing to be done with them.
            _ => {}
        }
    }

    fn ping(&mut self, id: ConnectionId) {
        // v3.1.1:MQTT-4.1.0-2, v5:MQTT-4.1.0-1: the session lasts at least as long as its connection.
        if !self.must(Duty::SessionLastsWithConnection)
            && let Some(session) = self.state.sessions.get_mut(&self.connections[&id].client)
        {
            session.subscriptions.clear();
        }
        // v3.1.1:MQTT-3.12.4-1, v5:MQTT-3.12.4-1.
        self.send(id, Packet::PingResp);
    }

    /// The first fault for which the connection has to end.
    fn unforgiven(&self, faults: Vec<Fault>) -> Option<Fault> {
        // A wrong packet may breach several statements at one place. Where one of them is disobeyed, all of it passes:
        // else the others would hide that it was.
        if faults.iter().any(|fault| self.lets_through(fault)) {
            return None;
        }
        faults.into_iter().find(|fault| !fault.is_about_filter())
    }

    fn lets_through(&self, fault: &Fault) -> bool {
        fault.statements.iter().any(|s| self.config.disobey.lets_through(*s))
    }

    /// Ends the connection for what its client did; `false` where that is let through.
    fn punish(&mut self, id: ConnectionId, offence: Offence) -> bool {
        let fault = offence.fault(self.connections[&id].version);
        if self.lets_through(&fault) {
            return false;
        }
        self.end(id, Cause::Fault, Some(&fault));
        true
    }

    /// Sends the packet, if it is not too large for the client (v5:MQTT-3.1.2-24).
    fn send(&mut self, id: ConnectionId, packet: Packet) {
        let connection = &self.connections[&id];
        if connection.takes(&packet) {
            self.effects.push(Effect::Send(id, connection.version, packet));
        }
    }
}

/// The size of the whole packet in bytes. The payload is counted, not copied.
pub(super) fn encoded_len(packet: &Packet, version: Version) -> u64 {
    super::outgoing::chunks(packet, version, &Overrides::default())
        .iter()
        .map(|chunk| chunk.len() as u64)
        .sum()
}
