//! An application message inside the broker, without the packet that carried it.

use std::time::Duration;

use crate::wire::property::id;
use crate::wire::{Payload, Properties, PropertyValue, Publish, Text, Will};

/// What a publisher sent, or a will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: Text,
    pub payload: Payload,
    /// 0 to 2, as it was published.
    pub qos: u8,
    /// Whether it was published with RETAIN 1.
    pub retain: bool,
    /// The properties that are passed on, in the publisher's order; the message's expiry is not among them.
    pub properties: Properties,
    /// The client id of the publisher, for No Local.
    pub publisher: Text,
    /// When the broker accepted it.
    pub taken_at: Duration,
    /// Message Expiry Interval in seconds.
    pub expiry: Option<u32>,
}

impl Message {
    /// The message in a PUBLISH; `topic` is the topic after its alias is resolved.
    pub fn from_publish(publish: Publish, topic: Text, publisher: Text, now: Duration) -> Message {
        Message {
            topic,
            payload: publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            expiry: publish.properties.number(id::MESSAGE_EXPIRY_INTERVAL),
            properties: passed_on(publish.properties),
            publisher,
            taken_at: now,
        }
    }

    /// The message of a will, published now.
    pub fn from_will(will: Will, publisher: Text, now: Duration) -> Message {
        Message {
            topic: will.topic,
            payload: will.payload.into(),
            qos: will.qos,
            retain: will.retain,
            expiry: will.properties.number(id::MESSAGE_EXPIRY_INTERVAL),
            properties: passed_on(will.properties),
            publisher,
            taken_at: now,
        }
    }

    /// Whether its Message Expiry Interval has passed (5.0, section 3.3.2.3.3). At that exact moment it has not: a message
    /// with an interval of 0 still reaches clients that are connected when it arrives.
    pub fn is_expired(&self, now: Duration) -> bool {
        self.expiry
            .is_some_and(|expiry| now.saturating_sub(self.taken_at) > Duration::from_secs(expiry.into()))
    }

    /// The seconds left of its Message Expiry Interval (v5:MQTT-3.3.2-6). Parts of a second do not count.
    pub fn remaining(&self, now: Duration) -> Option<u32> {
        let waited = u32::try_from(now.saturating_sub(self.taken_at).as_secs()).unwrap_or(u32::MAX);
        self.expiry.map(|expiry| expiry.saturating_sub(waited))
    }
}

/// The publisher's properties that reach the subscribers: those that belong to the message and not to the connection
/// it came on (v5:MQTT-3.3.2-4, -15, -16, -17, -18, -20).
fn passed_on(properties: Properties) -> Properties {
    let of_the_message = [
        id::PAYLOAD_FORMAT_INDICATOR,
        id::CONTENT_TYPE,
        id::RESPONSE_TOPIC,
        id::CORRELATION_DATA,
        id::USER_PROPERTY,
    ];
    Properties(
        properties
            .0
            .into_iter()
            .filter(|p| of_the_message.contains(&p.id))
            .collect(),
    )
}

/// The properties of a delivery to a v5 client.
pub fn delivered_properties(message: &Message, subscription_ids: &[u32], now: Duration) -> Properties {
    let mut properties = message.properties.clone();
    if let Some(left) = message.remaining(now) {
        properties.push(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(left));
    }
    for subscription in subscription_ids {
        properties.push(id::SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(*subscription));
    }
    properties
}
