//! What one client id has asked for in the whole transcript, over all its connections.

use crate::wire::filter::{Match, matches, shared};
use crate::wire::{Subscription, Text, Version};

/// A client id.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// Every filter that it ever sent: buffered messages may follow an UNSUBACK, and deliveries may precede a SUBACK.
    pub filters: Vec<Held>,
    /// A packet that we sent as this client was wrong.
    pub wrong: bool,
    /// The newest accepted connection.
    pub newest: Option<u32>,
    /// The session of that connection.
    pub session: Option<SessionTerms>,
}

/// A filter that was sent in a SUBSCRIBE.
#[derive(Debug, Clone)]
pub struct Held {
    pub filter: Text,
    /// The packet that asked for it.
    pub connection: u32,
    pub packet_id: u16,
    pub requested: u8,
    /// The SUBACK's code, once it is there.
    pub code: Option<u8>,
    /// 5.0: the Subscription Identifier of the SUBSCRIBE.
    pub identifier: Option<u32>,
    /// 5.0: Retain As Published.
    pub as_published: bool,
}

/// What was agreed about the session of an accepted connection.
#[derive(Debug, Clone, Copy)]
pub struct SessionTerms {
    pub version: Version,
    /// 3.x: Clean Session.
    pub clean: bool,
    /// 5.0: Session Expiry Interval in seconds, as CONNECT, CONNACK and DISCONNECT left it; `u32::MAX` never ends.
    pub expiry: u32,
    /// How often the broker had been restarted by then.
    pub restarts: u32,
}

impl Held {
    pub fn new(s: &Subscription, connection: u32, packet_id: u16, identifier: Option<u32>) -> Held {
        Held {
            filter: s.filter.clone(),
            connection,
            packet_id,
            requested: s.qos(),
            code: None,
            identifier,
            as_published: s.retain_as_published(),
        }
    }

    /// The highest QoS at which it lets messages through; `None` for a subscription that was refused.
    pub fn limit(&self) -> Option<u8> {
        match self.code {
            None => Some(self.requested),
            Some(code) if code <= 2 => Some(code),
            Some(_) => None,
        }
    }

    pub fn is_shared(&self) -> bool {
        shared(&self.filter).is_some()
    }

    /// `$share/g/f` is read both ways: as a shared subscription, and as the plain filter that it is before 5.0.
    pub fn matches(&self, topic: &Text) -> Match {
        let plain = matches(&self.filter, topic);
        match (plain, shared(&self.filter)) {
            (Match::No, Some(inner)) => matches(&inner, topic),
            _ => plain,
        }
    }
}

impl Client {
    /// Takes the codes of a SUBACK in, one a filter, in order.
    pub fn granted(&mut self, connection: u32, packet_id: u16, codes: &[u8]) {
        let asked = self
            .filters
            .iter_mut()
            .filter(|h| h.connection == connection && h.packet_id == packet_id && h.code.is_none());
        for (held, code) in asked.zip(codes) {
            held.code = Some(*code);
        }
    }

    /// The filters not refused that match this topic.
    pub fn matching<'a>(&'a self, topic: &'a Text) -> impl Iterator<Item = &'a Held> {
        self.filters
            .iter()
            .filter(move |h| h.limit().is_some() && h.matches(topic) == Match::Yes)
    }
}
