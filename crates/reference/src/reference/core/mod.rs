//! The broker without sockets, clock and disk.
//!
//! In: events on a connection, and the time. Out: what to send, close and store, in order. The same
//! inputs at the same times give the same effects.
//!
//! Each obligation is implemented in one place, with the id of its statement. `self.must(Duty::X)` marks the decisions that
//! a fault can turn; faults that only change packets are in `sabotage`.

mod acknowledge;
mod authenticate;
mod combined;
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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::combined::Combined;
use super::config::Config;
use super::duty::Duty;
use super::freedom::Choice;
pub use super::ids::{Cause, ConnectionId};
use crate::wire::{Overrides, Packet, PacketType, Text, Version};
pub use connect::named_version;
pub use connection::{Connection, Phase};
use offence::{Fault, Offence};
use state::{Record, State};

/// An event for the core.
#[derive(Debug, Clone)]
pub enum Input {
    /// A client opened a network connection.
    Opened(ConnectionId),
    /// A whole packet arrived.
    Received(ConnectionId, Received),
    /// The network connection is gone, closed by either side. Nothing more arrives on it.
    Gone(ConnectionId),
    /// Time has passed, and all input that arrived before has been passed in.
    Tick,
    /// The broker is to shut down.
    Stop,
}

/// A packet as it was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `None` for the reserved type 0.
    pub packet_type: Option<PacketType>,
    /// `None` if too little of it could be read.
    pub packet: Option<Packet>,
    /// The version that a CONNECT names; `None` if it is none of the three, and for other packets.
    pub version: Option<Version>,
    /// The violations that the decoder found, in the order of the bytes.
    pub faults: Vec<Fault>,
    /// The size of the whole packet in bytes.
    pub size: u64,
}

/// What to do, in this order; records come before all other effects of the same input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Store this change so that it survives the broker.
    Store(Record),
    /// Send the packet, encoded at this version.
    Send(ConnectionId, Version, Packet),
    /// Close the network connection after everything before it is sent.
    Close(ConnectionId, Cause),
}

/// The state machine.
#[derive(Debug)]
pub struct Broker {
    config: Arc<Config>,
    state: State,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The effects of the current input so far.
    effects: Vec<Effect>,
    /// The time of the current input, counted from the UNIX epoch.
    now: Duration,
    /// How many client ids the broker has assigned.
    assigned: u64,
    /// Whose turn it is in a shared subscription.
    turn: usize,
    /// The broker is shutting down.
    stopping: bool,
    /// The identifiers that each client has used for QoS 2, if a PUBREL for another may end its connection.
    used: BTreeSet<(Text, u16)>,
    /// Empty, unless a fault makes the limits of a client's CONNECT outlive its connection: Receive Maximum and Maximum Packet
    /// Size.
    kept_limits: BTreeMap<Text, (u16, Option<u32>)>,
    /// Empty, unless a fault makes the places in the Receive Maximum outlive a connection: how many each client has lost.
    lost_window: BTreeMap<Text, u16>,
    /// Empty, unless a fault makes aliases outlive their connection (v5:MQTT-3.3.2-7).
    kept_aliases: BTreeMap<(Text, u16), Text>,
}

impl Broker {
    /// A broker that continues from `state`, as read from a store.
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
            used: BTreeSet::new(),
            kept_limits: BTreeMap::new(),
            lost_window: BTreeMap::new(),
            kept_aliases: BTreeMap::new(),
        };
        broker.restore();
        broker
    }

    /// The state that outlives the connections.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The connection, until its end is reported.
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// Processes one input, which happened at `now` (counted from the UNIX epoch; it never goes back).
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
            // Silence can be judged only when nothing is left unread, so connections time out only on a tick.
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

    fn wrong(&self, fault: Combined) -> bool {
        self.config.disobey.has(fault)
    }

    /// Whether the broker deviates from its usual decision for clients of this version, as the standard permits.
    fn free(&self, choice: Choice, version: Version) -> bool {
        self.config.free.takes(choice, version)
    }

    /// As [`Broker::free`], for the client of a session; `false` if it is not connected, as its version is unknown then.
    fn free_towards(&self, choice: Choice, client: &Text) -> bool {
        let connection = self.state.sessions.get(client).and_then(|s| s.connection);
        let version = connection.and_then(|id| self.connections.get(&id)).map(|c| c.version);
        version.is_some_and(|version| self.free(choice, version))
    }

    /// The milliseconds of a choice that is a duration; zero if it is not taken.
    fn lateness(&self, choice: Choice) -> Duration {
        Duration::from_millis(self.config.free.value(choice).unwrap_or_default().into())
    }

    /// Makes a change, and stores it if its session outlives the broker.
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
            // Packets behind a CONNECT that was refused are not processed (v3.1.1:MQTT-3.1.4-5,
            // v5:MQTT-3.1.4-6), nor is anything else that arrives after the end.
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
            // v3.1.1:MQTT-3.1.0-1, v5:MQTT-3.1.0-1. Its version is unknown, so nothing can be sent
            // (v5:MQTT-3.14.0-1).
            let lets = |version: &Version| self.lets_through(&Offence::FirstNotConnect.fault(*version));
            match Version::ALL.iter().find(|version| lets(version)) {
                None => self.end(id, Cause::NotConnected, None),
                // 3.1 permits a server to be silent, so there the violation is to serve such a client.
                Some(Version::V3_1) => self.serve_unnamed(id, received),
                Some(_) => {}
            }
            return;
        }
        self.connect(id, received);
    }

    fn later_packet(&mut self, id: ConnectionId, received: Received) {
        let version = self.connections[&id].version;
        if let Some(limit) = self.config.limits.packet_size(version)
            && received.size > u64::from(limit)
            && self.punish(id, Offence::PacketTooLarge)
        {
            return;
        }
        let is_wrong = received.faults.iter().any(|fault| !fault.is_about_filter());
        if let Some(fault) = self.unforgiven(received.faults) {
            self.obey_malformed(id, received.packet);
            return self.end(id, Cause::Fault, Some(&fault));
        }
        match received.packet {
            // A wrong DISCONNECT that is let through would close the connection anyway, so it is ignored instead.
            Some(Packet::Disconnect(_)) if is_wrong => {}
            Some(Packet::Connect(connect)) => {
                self.obey_second_connect(id, &connect);
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
            // Packets that only a server sends, and unreadable ones, arrive here only if a violation was let
            // through. There is nothing to do with them.
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

    /// The first fault that ends the connection.
    fn unforgiven(&self, faults: Vec<Fault>) -> Option<Fault> {
        // A wrong packet may violate several statements at one place. If one of them is under fault injection, all of it
        // is let through: otherwise the other statements would hide the fault.
        if faults.iter().any(|fault| self.lets_through(fault)) {
            return None;
        }
        faults.into_iter().find(|fault| !fault.is_about_filter())
    }

    fn lets_through(&self, fault: &Fault) -> bool {
        fault.statements.iter().any(|s| self.config.disobey.lets_through(*s))
    }

    /// Ends the connection because of what its client did; `false` if that is let through.
    fn punish(&mut self, id: ConnectionId, offence: Offence) -> bool {
        let fault = offence.fault(self.connections[&id].version);
        if self.lets_through(&fault) {
            return false;
        }
        self.end(id, Cause::Fault, Some(&fault));
        true
    }

    /// Sends the packet, unless it is too large for the client (v5:MQTT-3.1.2-24).
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
