//! What a message is for a subscriber: its properties, and which subscriptions of a session it matches.

use bytes::Bytes;

use super::book::{Book, Got, Session, Subscription};
use crate::wire::filter::{Match, matches};
use crate::wire::property::id;
use crate::wire::{Properties, Property, PropertyValue, Publish, Text};

/// More bytes than a PUBLISH has besides topic, payload and properties that are passed on.
pub const OVERHEAD: usize = 30;

/// The Message Expiry Interval in seconds.
pub fn expiry(publish: &Publish) -> Option<u32> {
    publish.properties.number(id::MESSAGE_EXPIRY_INTERVAL)
}

/// The properties that a server passes on (5.0, section 3.3.2.3), in their order.
pub fn forwarded(properties: &Properties) -> Vec<Property> {
    let is_forwarded = |p: &&Property| {
        matches!(
            p.id,
            id::PAYLOAD_FORMAT_INDICATOR
                | id::RESPONSE_TOPIC
                | id::CORRELATION_DATA
                | id::USER_PROPERTY
                | id::CONTENT_TYPE
        )
    };
    properties.0.iter().filter(is_forwarded).cloned().collect()
}

/// At most how many bytes the properties of a PUBLISH have.
pub fn size_of_properties(properties: &Properties) -> usize {
    let size = |p: &Property| match &p.value {
        PropertyValue::Text(text) => 3 + text.len(),
        PropertyValue::Pair(name, value) => 5 + name.len() + value.len(),
        PropertyValue::Binary(bytes) => 3 + bytes.len(),
        _ => 5,
    };
    properties.0.iter().map(size).sum()
}

impl Book {
    /// Whether what was delivered may have a Message Expiry Interval. A PUBLISH at 3.x does not show that, and one without a payload
    /// does not show whose it is.
    pub fn expires(&self, got: &Got) -> bool {
        let mut wills = self.connections.values().filter_map(|c| c.will.as_ref());
        let mut published = self.publications.iter();
        got.expiry.is_some()
            || published.any(|p| p.payload == got.payload && p.expiry.is_some())
            || wills.any(|w| w.payload == got.payload && w.expiry.is_some())
    }
}

impl Subscription {
    pub fn matches(&self, topic: &Text) -> bool {
        matches(&self.plain, topic) == Match::Yes
    }
}

impl Session {
    /// All subscriptions that it ever had for a topic.
    pub fn matching<'a>(&'a self, topic: &'a Text) -> impl Iterator<Item = &'a Subscription> {
        self.subscriptions.iter().filter(move |s| s.matches(topic))
    }

    /// The only subscription that it ever had for a topic, if it is not a shared one.
    pub fn sole<'a>(&'a self, topic: &'a Text) -> Option<&'a Subscription> {
        let mut matching = self.matching(topic);
        let first = matching.next()?;
        (matching.next().is_none() && !first.is_shared).then_some(first)
    }

    /// Whether it ever had a shared subscription.
    pub fn shares(&self) -> bool {
        self.subscriptions.iter().any(|s| s.is_shared)
    }

    /// Whether the client takes a delivery of this many bytes. Each subscription may add an identifier.
    pub fn takes(&self, size: usize) -> bool {
        let most = size + 6 * self.subscriptions.len();
        self.limit.is_none_or(|limit| most <= limit as usize)
    }

    pub fn has(&self, payload: &Bytes) -> bool {
        self.got.iter().any(|g| g.payload == *payload)
    }
}
