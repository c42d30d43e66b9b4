//! Seam 2 of fault injection: packets and closes are changed in transit between the sockets and the core.
//!
//! In: a received packet, a packet to send, or a close. Out: what replaces it. An [`Act`] is one way of
//! breaking one or more statements; their table is in the submodules. Acts know the connection's CONNECT and the packets
//! that passed, but nothing of the broker, so they work in front of any other as well.

mod acknowledge;
mod authenticate;
mod connect;
mod delivery;
mod end;
mod memory;
mod properties;
mod publish;
mod subscribe;

use std::collections::BTreeMap;
use std::fmt;

use super::ids::{Cause, ConnectionId};
use crate::statements::PerVersion;
use crate::wire::{Connect, Overrides, Packet, Version, encode_bytes};
pub use memory::Memory;

/// One way of breaking one or more statements.
pub struct Act {
    /// The statements, and behind a slash the letter of a variant.
    pub breaks: PerVersion,
    /// What it does.
    pub what: &'static str,
    pub how: How,
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

/// The point at which an act applies.
pub enum How {
    /// A packet received from the client.
    Receive(fn(&mut Memory, &Peer, Packet) -> Arrival),
    /// A packet on its way to the client.
    Send(fn(&mut Memory, &Peer, Outgoing) -> Vec<Outgoing>),
    /// A close by the broker: `true` leaves the connection open.
    KeepOpen(fn(Cause) -> bool),
}

/// What happens to a received packet.
pub enum Arrival {
    /// The broker gets this one.
    Pass(Packet),
    /// The broker never sees it; the client gets these.
    Swallow(Vec<Outgoing>),
}

/// A packet on its way to a client, and how its bytes are changed.
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

/// The connection as described by its own CONNECT.
#[derive(Debug, Clone)]
pub struct Peer {
    pub connection: ConnectionId,
    pub version: Version,
    pub connect: Connect,
}

impl Act {
    /// The statements, version and id.
    pub fn statements(&self) -> impl Iterator<Item = (Version, &'static str)> {
        let at = |version| self.breaks.at(version).iter().map(move |id| (version, *id));
        Version::ALL.into_iter().flat_map(at)
    }

    fn is_for(&self, version: Version) -> bool {
        !self.breaks.at(version).is_empty()
    }
}

/// Every act.
pub fn acts() -> impl Iterator<Item = &'static Act> {
    let tables = [
        acknowledge::ACTS,
        authenticate::ACTS,
        connect::ACTS,
        delivery::ACTS,
        end::ACTS,
        properties::ACTS,
        publish::ACTS,
        subscribe::ACTS,
    ];
    tables.into_iter().flatten()
}

/// The acts that are applied in one broker, and what they remember.
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

    /// A packet arrived. A CONNECT is remembered as received, before any change to it.
    pub fn receive(&mut self, connection: ConnectionId, version: Version, packet: Packet) -> Arrival {
        if let Packet::Connect(connect) = &packet
            && !self.peers.contains_key(&connection)
        {
            let peer = Peer {
                connection,
                version,
                connect: Connect::clone(connect),
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
        // Without a readable CONNECT, the version of a connection is unknown.
        let peer = self.peers.get(&connection);
        let is_meant = |act: &&&'static Act| peer.is_none_or(|peer| act.is_for(peer.version));
        self.acts.iter().filter(is_meant).any(|act| match act.how {
            How::KeepOpen(keeps) => keeps(cause),
            _ => false,
        })
    }

    /// The connection is gone.
    pub fn gone(&mut self, connection: ConnectionId) {
        self.peers.remove(&connection);
        self.memory.gone(connection);
    }
}

/// One row of the table: which statements, what the broker does, and how.
macro_rules! act {
    ($breaks:expr, $what:literal, $how:expr $(,)?) => {
        $crate::reference::sabotage::Act {
            breaks: $breaks,
            what: $what,
            how: $how,
        }
    };
}
use act;

/// Changes the packets that the function applies to, and sends all others unchanged.
fn changed(mut outgoing: Outgoing, change: impl FnOnce(&mut Packet)) -> Vec<Outgoing> {
    change(&mut outgoing.packet);
    vec![outgoing]
}

/// Sends every packet but those that the test selects.
fn without(outgoing: Outgoing, is_meant: impl FnOnce(&Packet) -> bool) -> Vec<Outgoing> {
    if is_meant(&outgoing.packet) {
        Vec::new()
    } else {
        vec![outgoing]
    }
}

/// Changes a received packet, whatever it is.
fn pass(mut packet: Packet, change: impl FnOnce(&mut Packet)) -> Arrival {
    change(&mut packet);
    Arrival::Pass(packet)
}

/// Writes the packet with a body that is changed byte by byte.
pub(super) fn with_body(outgoing: Outgoing, version: Version, change: impl FnOnce(&mut Vec<u8>)) -> Outgoing {
    let bytes = encode_bytes(&outgoing.packet, version);
    let mut body = crate::wire::body(&bytes).to_vec();
    change(&mut body);
    Outgoing {
        overrides: Overrides {
            truncate: usize::MAX,
            append: body.into(),
            ..outgoing.overrides
        },
        packet: outgoing.packet,
    }
}
