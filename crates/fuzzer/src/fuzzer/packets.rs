//! The packets of actions: what the state of a client makes of a choice.

use super::action::{Connection, FILTERS, Message, TOPICS, WillMessage};
use super::client::{Client, Exchange, Stage};
use super::party::Party;
use crate::wire::property::id;
use crate::wire::{
    Connect, Packet, Properties, PropertyValue, Publish, Subscribe, Subscription, Text, Unsubscribe, Version, Will,
    encode_bytes,
};

/// In seconds: longer than a sequence. Some brokers refuse a keep alive of 0.
pub const KEEP_ALIVE: u16 = 3600;

impl Party {
    pub(super) fn connect_packet(&mut self, client: usize, how: &Connection) -> Packet {
        let Client { id, version, .. } = &self.clients[client];
        let version = *version;
        let mut connect = Connect::new(version, id.as_str());
        connect.clean_start = how.clean;
        connect.keep_alive = KEEP_ALIVE;
        if version == Version::V5 {
            let mut add = |id, value| connect.properties.push(id, value);
            if how.expiry > 0 {
                add(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(how.expiry));
            }
            if let Some(maximum) = how.receive_maximum {
                add(id::RECEIVE_MAXIMUM, PropertyValue::U16(maximum.max(1)));
            }
            if let Some(maximum) = how.maximum_packet_size {
                add(id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(maximum.max(1)));
            }
            if how.alias_maximum > 0 {
                add(id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(how.alias_maximum));
            }
        }
        connect.will = how.will.as_ref().map(|will| self.will(will, version));
        connect.into()
    }

    fn will(&mut self, will: &WillMessage, version: Version) -> Will {
        let mut properties = Properties::default();
        if version == Version::V5 {
            if will.delay > 0 {
                properties.push(id::WILL_DELAY_INTERVAL, PropertyValue::U32(will.delay));
            }
            if let Some(expiry) = will.expiry {
                properties.push(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(expiry));
            }
        }
        Will {
            qos: will.qos,
            retain: will.retain,
            topic: self.topic(will.topic),
            payload: self.payload(0).into(),
            properties,
        }
    }

    /// A payload that no other message of the sequence has.
    pub(super) fn payload(&mut self, size: usize) -> Vec<u8> {
        self.published += 1;
        let mut payload = format!("m{}", self.published).into_bytes();
        payload.resize(payload.len().max(size), b'.');
        payload
    }

    pub(super) fn subscribe(
        &mut self,
        client: usize,
        number: u32,
        filters: &[(usize, u8)],
        id: Option<u32>,
    ) -> Option<Packet> {
        let version = self.clients[client].version;
        let link = self.links.get(&number)?;
        let mut subscriptions = Vec::new();
        for (index, options) in filters {
            let (share, plain) = FILTERS.get(*index)?;
            let wild = plain.contains(['+', '#']);
            let shared = share.is_some();
            if shared && (version != Version::V5 || !link.limits.shared) || wild && !link.limits.wildcards {
                return None;
            }
            // v5:MQTT-3.8.3-4: No Local is an error on a shared subscription.
            let allowed = match (version, shared) {
                (Version::V5, true) => 0b11_1011,
                (Version::V5, false) => 0b11_1111,
                _ => 0b11,
            };
            subscriptions.push(Subscription {
                filter: self.filter(*index),
                options: options & allowed,
            });
        }
        if subscriptions.is_empty() {
            return None;
        }
        let mut properties = Properties::default();
        if let Some(id) = id.filter(|_| version == Version::V5 && link.limits.subscription_ids) {
            properties.push(id::SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(id.max(1)));
        }
        let packet_id = self.ask(client, number)?;
        Some(Packet::Subscribe(Subscribe {
            packet_id,
            properties,
            subscriptions,
        }))
    }

    pub(super) fn unsubscribe(&mut self, client: usize, number: u32, filters: &[usize]) -> Option<Packet> {
        let filters: Vec<Text> = filters
            .iter()
            .filter(|f| **f < FILTERS.len())
            .map(|f| self.filter(*f))
            .collect();
        if filters.is_empty() {
            return None;
        }
        let packet_id = self.ask(client, number)?;
        Some(Packet::Unsubscribe(Unsubscribe {
            packet_id,
            filters,
            ..Unsubscribe::default()
        }))
    }

    fn ask(&mut self, client: usize, number: u32) -> Option<u16> {
        let link = self.links.get_mut(&number)?;
        let packet_id = self.clients[client].free_id(link);
        link.asked.insert(packet_id);
        Some(packet_id)
    }

    pub(super) fn publish(&mut self, client: usize, number: u32, message: &Message) -> Option<Packet> {
        let first_topic = self.topic(0);
        let link = self.links.get_mut(&number)?;
        let sender = &mut self.clients[client];
        let limits = &link.limits;
        if message.qos > limits.maximum_qos || message.retain && !limits.retain {
            return None;
        }
        if message.qos > 0 && !sender.has_quota(link) {
            return None;
        }
        let is_v5 = sender.version == Version::V5;
        let packet_id = (message.qos > 0).then(|| sender.free_id(link));
        let mut properties = Properties::default();
        if is_v5 {
            if message.properties {
                properties.push(id::PAYLOAD_FORMAT_INDICATOR, PropertyValue::Byte(1));
                properties.push(id::CONTENT_TYPE, PropertyValue::Text("text".into()));
                properties.push(id::RESPONSE_TOPIC, PropertyValue::Text(first_topic));
                properties.push(id::CORRELATION_DATA, PropertyValue::Binary(b"x"[..].into()));
                properties.push(id::USER_PROPERTY, PropertyValue::Pair("k".into(), "1".into()));
                properties.push(id::USER_PROPERTY, PropertyValue::Pair("k".into(), "2".into()));
            }
            if let Some(expiry) = message.expiry {
                properties.push(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(expiry));
            }
        }
        let empty = message.retain && message.size == 0;
        let payload = if empty { Vec::new() } else { self.payload(message.size) };
        let mut publish = Publish {
            qos: message.qos,
            retain: message.retain,
            topic: self.topic(message.topic),
            packet_id,
            properties,
            payload: bytes::Bytes::from(payload).into(),
            ..Publish::default()
        };
        let whole = publish.clone();
        let link = self.links.get_mut(&number)?;
        if let Some(alias) = message
            .alias
            .filter(|a| is_v5 && (1..=link.limits.alias_maximum).contains(a))
        {
            publish.properties.push(id::TOPIC_ALIAS, PropertyValue::U16(alias));
            if link.aliases.insert(alias, message.topic) == Some(message.topic) {
                publish.topic = Text::default();
            }
        }
        let sender = &mut self.clients[client];
        let packet = Packet::Publish(publish);
        let limit = link.limits.maximum_packet_size;
        if limit < u64::MAX && encode_bytes(&packet, sender.version).len() as u64 > limit {
            return None;
        }
        if let Some(packet_id) = packet_id {
            sender.open.push(Exchange {
                publish: whole,
                packet_id,
                stage: Stage::Published,
                sent: true,
            });
        }
        Some(packet)
    }

    /// A topic with its namespace.
    pub fn topic(&self, index: usize) -> Text {
        format!("{}/{}", self.namespace, TOPICS[index % TOPICS.len()]).into()
    }

    /// A filter with its namespace.
    pub(super) fn filter(&self, index: usize) -> Text {
        let namespace = &self.namespace;
        match FILTERS[index % FILTERS.len()] {
            (None, plain) => format!("{namespace}/{plain}").into(),
            (Some(share), plain) => format!("$share/{share}/{namespace}/{plain}").into(),
        }
    }
}
