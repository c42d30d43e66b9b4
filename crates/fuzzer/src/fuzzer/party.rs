//! The clients of a sequence and their connections, as the clients see them. What the connections lead to, the reference core or
//! sockets, is for others to know.

use std::collections::BTreeMap;

use super::action::{Act, Connection, FILTERS, Kind};
use super::client::{Client, Link};
use crate::wire::property::id;
use crate::wire::{Disconnect, Packet, PropertyValue, Version};

/// The Session Expiry Interval of the connections with which a sequence ends, in seconds.
const LASTING: u32 = 300;

/// The clients of a sequence.
#[derive(Debug)]
pub struct Party {
    /// All topics and client ids begin with it.
    pub namespace: String,
    pub clients: Vec<Client>,
    /// The open connections by their numbers.
    pub links: BTreeMap<u32, Link>,
    /// How many payloads were made.
    pub(super) published: usize,
}

impl Party {
    /// Clients of these versions without a connection.
    pub fn new(namespace: &str, versions: &[Version]) -> Party {
        let mut party = Party {
            namespace: namespace.to_owned(),
            clients: Vec::new(),
            links: BTreeMap::new(),
            published: 0,
        };
        for (number, version) in versions.iter().enumerate() {
            party.join(&format!("c{number}"), *version);
        }
        party
    }

    /// One more client, and its index.
    pub fn join(&mut self, name: &str, version: Version) -> usize {
        self.clients
            .push(Client::new(format!("{}{name}", self.namespace), version));
        self.clients.len() - 1
    }

    /// The connection of a client.
    pub fn link(&self, client: usize) -> Option<&Link> {
        self.links.get(&self.clients.get(client)?.link?)
    }

    /// A client opens a connection for a CONNECT, and gives the number of the one that it had.
    pub fn opens(&mut self, client: usize, number: u32, how: &Connection) -> Option<u32> {
        self.links.insert(number, Link::new(client, how.clean, how.automatic));
        let client = &mut self.clients[client];
        client.lasted = client.expiry > 0;
        client.expiry = if client.version == Version::V5 {
            how.expiry
        } else {
            u32::from(!how.clean)
        };
        client.link.replace(number)
    }

    /// A connection is over.
    pub fn ends(&mut self, number: u32) -> Option<Link> {
        let link = self.links.remove(&number)?;
        let client = &mut self.clients[link.client];
        if client.link == Some(number) {
            client.link = None;
        }
        Some(link)
    }

    /// A packet arrived. `false` if the connection is no longer its client's.
    pub fn reads(&mut self, number: u32, packet: &Packet) -> bool {
        let Some(link) = self.links.get_mut(&number) else {
            return false;
        };
        let client = &mut self.clients[link.client];
        if client.link != Some(number) {
            return false;
        }
        client.reads(link, packet);
        true
    }

    /// The next packet that the client sends by itself: a repetition, or an acknowledgement if it acknowledges automatically.
    pub fn answer(&mut self, number: u32) -> Option<Packet> {
        let link = self.links.get_mut(&number)?;
        let client = &mut self.clients[link.client];
        if let Some(repeat) = client.next_repeat(link) {
            return Some(repeat);
        }
        let (kind, _) = *link.owed.front().filter(|_| link.automatic)?;
        client.acknowledge(link, kind, 0)
    }

    /// DISCONNECT with a reason code and a new Session Expiry Interval in seconds (both 5.0 only).
    pub fn disconnect(&mut self, client: usize, code: u8, expiry: Option<u32>) -> Packet {
        let mut disconnect = Disconnect::default();
        let sender = &mut self.clients[client];
        if sender.version == Version::V5 {
            disconnect.reason_code = code;
            // An interval of 0 cannot be raised (5.0, section 3.14.2.2.2).
            if let Some(expiry) = expiry.filter(|_| sender.expiry > 0) {
                sender.expiry = expiry;
                disconnect
                    .properties
                    .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(expiry));
            }
        }
        Packet::Disconnect(disconnect)
    }
}

/// The connection with which a client takes what its session still holds.
pub fn lasting() -> Connection {
    Connection {
        expiry: LASTING,
        automatic: true,
        ..Connection::default()
    }
}

/// What a new client does at the end of a sequence to learn what is retained.
pub fn asks_for_retained() -> [Act; 4] {
    let clean = Connection {
        clean: true,
        automatic: true,
        ..Connection::default()
    };
    let all = FILTERS.iter().position(|f| *f == (None, "#")).unwrap_or_default();
    let subscribe = Act::Subscribe {
        filters: vec![(all, 1)],
        id: None,
    };
    let leave = Act::Disconnect { code: 0, expiry: None };
    [Act::Connect(clean), subscribe, Act::Ping, leave]
}

/// Whether a client owes an acknowledgement of this kind.
pub fn owes(link: &Link, kind: Kind) -> bool {
    link.owed.iter().any(|(k, _)| *k == kind)
}
