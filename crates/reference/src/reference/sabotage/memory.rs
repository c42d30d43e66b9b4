//! What acts remember between packets.

use std::collections::{BTreeMap, BTreeSet};

use super::ConnectionId;
use crate::wire::{Packet, Publish, Text, Will};

/// The memory that all acts of one broker share. Most need none.
#[derive(Default)]
pub struct Memory {
    /// The last will of each client id.
    pub wills: BTreeMap<Text, Will>,
    /// A PUBLISH that is held back until the next one has passed it.
    pub held: BTreeMap<ConnectionId, Packet>,
    /// Identifiers that were seen on a connection, with the meaning that an act gives them.
    pub packet_ids: BTreeSet<(ConnectionId, u16)>,
    /// The last delivery by client id and identifier.
    pub sent: BTreeMap<(Text, u16), Publish>,
    /// Identifiers of deliveries that are not acknowledged.
    pub unacknowledged: BTreeMap<ConnectionId, BTreeSet<u16>>,
    /// The Message Expiry Interval that was last published, by topic.
    pub expiries: BTreeMap<Text, u32>,
    /// How many connections were made.
    pub connections: u64,
}

impl Memory {
    /// Forgets what belonged to a connection.
    pub fn gone(&mut self, connection: ConnectionId) {
        self.held.remove(&connection);
        self.unacknowledged.remove(&connection);
        self.packet_ids.retain(|(c, _)| *c != connection);
    }
}
