//! The session of one client id (3.1.1 and 5.0, section 4.1), which outlives its connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::ConnectionId;
use super::message::Message;
use crate::reference::topic;
use crate::wire::{Text, Will};

/// The Session Expiry Interval that means never (5.0, section 3.1.2.11.2). A 3.x session with Clean Session 0 has it.
pub const NEVER: u32 = u32::MAX;

/// The state of one session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Its current connection.
    pub connection: Option<ConnectionId>,
    /// How many seconds it lasts without a connection; 0 ends it with the connection, [`NEVER`] keeps it.
    pub expiry: u32,
    /// When it lost its connection.
    pub away_since: Option<Duration>,
    /// In the order of their creation.
    pub subscriptions: Vec<Held>,
    /// QoS 1 and 2 messages that wait for their first sending, oldest first.
    pub queue: VecDeque<Delivery>,
    /// Sent and not acknowledged, in the order of their first sending.
    pub in_flight: VecDeque<InFlight>,
    /// QoS 2 identifiers whose PUBREC arrived and whose PUBCOMP did not, in the order of the PUBRECs.
    pub released: VecDeque<u16>,
    /// Identifiers of the client's QoS 2 messages whose PUBREL has not arrived yet, each with its message if that was not
    /// passed on at PUBLISH.
    pub received: BTreeMap<u16, Option<Arc<Message>>>,
    /// The identifier that was assigned last.
    pub last_packet_id: u16,
    /// A will that waits for its Will Delay.
    pub will: Option<PendingWill>,
}

/// A subscription of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// As the client sent it, including `$share/`.
    pub filter: Text,
    /// The share name and the filter behind it, for a shared subscription.
    pub shared: Option<(Text, Text)>,
    /// The granted QoS and, for v5, the other options, laid out as in the SUBSCRIBE packet.
    pub options: u8,
    /// The Subscription Identifier.
    pub id: Option<u32>,
}

impl Held {
    pub fn new(filter: Text, may_share: bool, options: u8, id: Option<u32>) -> Held {
        Held {
            shared: if may_share { topic::shared(&filter) } else { None },
            filter,
            options,
            id,
        }
    }

    pub fn qos(&self) -> u8 {
        self.options & 0b11
    }
    pub fn no_local(&self) -> bool {
        self.options & 0b100 != 0
    }
    pub fn retain_as_published(&self) -> bool {
        self.options & 0b1000 != 0
    }

    /// The filter that topics are compared with.
    pub fn matched_by(&self) -> &[u8] {
        self.shared
            .as_ref()
            .map_or(&self.filter, |(_, filter)| filter)
            .as_bytes()
    }
}

/// A message on its way to one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub message: Arc<Message>,
    /// The lower of the published and the granted QoS.
    pub qos: u8,
    pub retain: bool,
    pub subscription_ids: Vec<u32>,
}

/// A delivery of QoS 1 or 2 that was sent and is not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    pub packet_id: u16,
    pub delivery: Delivery,
    /// Whether it was sent on the current connection.
    pub sent: bool,
    /// When it was sent last, for repeats on a timer.
    pub sent_at: Duration,
}

/// The order in which a broker assigns packet identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdOrder {
    Ascending,
    Descending,
    Lowest,
    Scattered,
}

/// A will whose connection is gone and whose Will Delay still runs (5.0, section 3.1.3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingWill {
    pub will: Will,
    /// When it is published.
    pub due: Duration,
}

impl Session {
    /// Whether it outlives its connection.
    pub fn is_persistent(&self) -> bool {
        self.expiry > 0
    }

    /// When it ends if its client does not reconnect.
    pub fn ends_at(&self) -> Option<Duration> {
        match (self.connection, self.away_since, self.expiry) {
            (None, Some(since), expiry) if expiry != NEVER => Some(since + Duration::from_secs(expiry.into())),
            _ => None,
        }
    }

    /// Whether an exchange from the broker to the client uses this identifier.
    pub fn is_in_use(&self, packet_id: u16) -> bool {
        self.in_flight.iter().any(|m| m.packet_id == packet_id) || self.released.contains(&packet_id)
    }

    /// An identifier that is not 0 and not in use (v3.1.1:MQTT-2.3.1-4, v5:MQTT-2.2.1-4), or `None` if all are in use. The
    /// broker may choose the order.
    pub fn free_packet_id(&self, order: IdOrder) -> Option<u16> {
        let mut packet_id = if order == IdOrder::Lowest {
            0
        } else {
            self.last_packet_id
        };
        for _ in 0..=u16::MAX {
            packet_id = match order {
                IdOrder::Ascending | IdOrder::Lowest => packet_id.wrapping_add(1),
                IdOrder::Descending => packet_id.wrapping_sub(1),
                // It reaches every number once before it starts again.
                IdOrder::Scattered => packet_id.wrapping_mul(25_173).wrapping_add(13_849),
            };
            if packet_id != 0 && !self.is_in_use(packet_id) {
                return Some(packet_id);
            }
        }
        None
    }

    /// The exchanges that count against the client's Receive Maximum: those started or resumed on this connection.
    pub fn open_exchanges(&self) -> usize {
        self.in_flight.iter().filter(|m| m.sent).count() + self.released.len()
    }
}
