//! Seam 2 of disobedience: packets and closes are changed on their way between the sockets and the core.
//!
//! In: a packet that came, a packet that is to be sent, or a close. Out: what takes its place. An [`Act`] is one way of
//! breaking one or more statements; the table of them is in the submodules. Acts know the connection's CONNECT and what
//! passed by, nothing of the broker: so they could stand in front of any other as well.

mod connect;
mod delivery;
mod handshake;
mod memory;
mod publish;
mod subscribe;
mod v5;

use std::collections::BTreeMap;
use std::fmt;

use super::core::{Cause, ConnectionId};
use crate::wire::{Connect, Overrides, Packet, Version};
pub use memory::Memory;

/// One way of breaking one or more statements.
pub struct Act {
    /// The statements, each with its version and, behind a slash, the letter of its variant.
    pub breaks: &'static [(Version, &'static str)],
    /// What it does.
    pub what: &'static str,
    pub how: How,
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

/// Where an act takes hold.
pub enum How {
    /// A packet that came from the client.
    Receive(fn(&mut Memory, &Peer, Packet) -> Arrival),
    /// A packet on its way to the client.
    Send(fn(&mut Memory, &Peer, Outgoing) -> Vec<Outgoing>),
    /// A close by the broker: `true` leaves the connection open.
    KeepOpen(fn(&Peer, Cause) -> bool),
}

/// What becomes of a packet that came.
pub enum Arrival {
    /// The broker gets this one.
    Pass(Packet),
    /// The broker never sees it; the client gets these.
    Swallow(Vec<Outgoing>),
}

/// A packet on its way to a client, and how its bytes are bent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub packet: Packet,
    pub overrides: Overrides,
}

impl From<Packet> for Outgoing {
    fn from(packet: Packet) -> Outgoing {
        Outgoing {
            packet,
            overrides: Overrides::default(),
        }
    }
}

/// The connection as its own CONNECT tells it.
#[derive(Debug, Clone)]
pub struct Peer {
    pub connection: ConnectionId,
    pub version: Version,
    pub connect: Connect,
}

impl Act {
    /// The statements, version and id.
    pub fn statements(&self) -> impl Iterator<Item = (Version, &'static str)> {
        self.breaks.iter().copied()
    }

    fn is_for(&self, version: Version) -> bool {
        self.breaks.iter().any(|(v, _)| *v == version)
    }
}

/// Every act.
pub fn acts() -> impl Iterator<Item = &'static Act> {
    [
        connect::ACTS,
        publish::ACTS,
        delivery::ACTS,
        handshake::ACTS,
        subscribe::ACTS,
        v5::ACTS,
    ]
    .into_iter()
    .flatten()
}

/// The acts that are played in one broker, and what they remember.
#[derive(Default)]
pub struct Saboteur {
    acts: Vec<&'static Act>,
    peers: BTreeMap<ConnectionId, Peer>,
    memory: Memory,
}

impl Saboteur {
    pub fn new(acts: &[&'static Act]) -> Saboteur {
        Saboteur {
            acts: acts.to_vec(),
            ..Saboteur::default()
        }
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.acts.is_empty()
    }

    /// A packet came. A CONNECT is noted as it came, before anything is done to it.
    pub fn receive(&mut self, connection: ConnectionId, version: Version, packet: Packet) -> Arrival {
        if let Packet::Connect(connect) = &packet
            && !self.peers.contains_key(&connection)
        {
            let peer = Peer {
                connection,
                version,
                connect: connect.clone(),
            };
            self.peers.insert(connection, peer);
        }
        let Some(peer) = self.peers.get(&connection) else {
            return Arrival::Pass(packet);
        };
        let mut packet = packet;
        for act in self.acts.iter().filter(|a| a.is_for(peer.version)) {
            if let How::Receive(change) = act.how {
                match change(&mut self.memory, peer, packet) {
                    Arrival::Pass(changed) => packet = changed,
                    swallowed => return swallowed,
                }
            }
        }
        Arrival::Pass(packet)
    }

    /// A packet is to be sent.
    pub fn send(&mut self, connection: ConnectionId, packet: Packet) -> Vec<Outgoing> {
        let mut packets = vec![Outgoing::from(packet)];
        let Some(peer) = self.peers.get(&connection) else {
            return packets;
        };
        for act in self.acts.iter().filter(|a| a.is_for(peer.version)) {
            if let How::Send(change) = act.how {
                packets = packets
                    .into_iter()
                    .flat_map(|packet| change(&mut self.memory, peer, packet))
                    .collect();
            }
        }
        packets
    }

    /// Whether a connection that the broker would close stays open.
    pub fn keeps_open(&self, connection: ConnectionId, cause: Cause) -> bool {
        let Some(peer) = self.peers.get(&connection) else {
            return false;
        };
        (self.acts.iter().filter(|a| a.is_for(peer.version))).any(|act| match act.how {
            How::KeepOpen(keeps) => keeps(peer, cause),
            _ => false,
        })
    }

    /// The connection is gone.
    pub fn gone(&mut self, connection: ConnectionId) {
        self.peers.remove(&connection);
        self.memory.gone(connection);
    }
}

/// For acts: nothing is sent.
fn nothing() -> Vec<Outgoing> {
    Vec::new()
}

/// For acts that change a packet of one kind and leave others as they are.
fn one(packet: Outgoing) -> Vec<Outgoing> {
    vec![packet]
}
