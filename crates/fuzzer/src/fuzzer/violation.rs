//! Packets that a client must not send, and that oblige the broker to close the connection.
//!
//! Only packets for which the standard demands the close: by a statement of their own, by the general clause of 3.1.1 (section 4.8), or
//! because 5.0 calls them malformed or a Protocol Error (section 4.13.1). 3.1 demands it for none of them.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::action::{Connection, FILTERS};
use super::client::{Client, Link};
use super::party::Party;
use crate::wire::property::id;
use crate::wire::{
    Ack, Chunk, Disconnect, Overrides, Packet, Properties, PropertyValue, Publish, Subscribe, Subscription, Text,
    Unsubscribe, Version, encode,
};

/// What is wrong with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Violation {
    /// It asks for a new session.
    SecondConnect,
    PublishQos3,
    /// An ill-formed topic name in PUBLISH.
    TopicNotUtf8,
    /// U+0000 in the topic name of PUBLISH.
    TopicWithNull,
    /// PUBLISH with QoS 1 (3.1.1 only).
    IdentifierZero,
    /// 5.0 only, as is the rest of the aliases.
    AliasZero,
    AliasAboveMaximum,
    /// An alias without a topic that the connection has not set.
    AliasUnknown,
    PubRelFlags,
    SubscribeFlags,
    SubscribeWithoutFilter,
    SubscribeReservedBits,
    SubscribeQos3,
    /// No Local on a shared subscription (5.0 only).
    NoLocalOnShared,
    UnsubscribeFlags,
    UnsubscribeWithoutFilter,
    PingReqFlags,
    DisconnectFlags,
    /// DISCONNECT with a Session Expiry Interval although CONNECT had none (5.0 only).
    ExpiryFromZero,
    /// Packet type 0.
    ReservedType,
}

use Violation::*;

impl Violation {
    pub const ALL: [Violation; 20] = [
        SecondConnect,
        PublishQos3,
        TopicNotUtf8,
        TopicWithNull,
        IdentifierZero,
        AliasZero,
        AliasAboveMaximum,
        AliasUnknown,
        PubRelFlags,
        SubscribeFlags,
        SubscribeWithoutFilter,
        SubscribeReservedBits,
        SubscribeQos3,
        NoLocalOnShared,
        UnsubscribeFlags,
        UnsubscribeWithoutFilter,
        PingReqFlags,
        DisconnectFlags,
        ExpiryFromZero,
        ReservedType,
    ];

    /// The packet in words, after "sends".
    pub fn words(self) -> &'static str {
        match self {
            SecondConnect => "a second CONNECT that asks for a new session",
            PublishQos3 => "PUBLISH with QoS 3",
            TopicNotUtf8 => "PUBLISH with a topic that is not UTF-8",
            TopicWithNull => "PUBLISH with U+0000 in its topic",
            IdentifierZero => "PUBLISH with packet identifier 0",
            AliasZero => "PUBLISH with Topic Alias 0",
            AliasAboveMaximum => "PUBLISH with a Topic Alias above the maximum",
            AliasUnknown => "PUBLISH with a Topic Alias that is not set",
            PubRelFlags => "PUBREL with flags 0000",
            SubscribeFlags => "SUBSCRIBE with flags 0000",
            SubscribeWithoutFilter => "SUBSCRIBE without a filter",
            SubscribeReservedBits => "SUBSCRIBE with reserved bits set in its options",
            SubscribeQos3 => "SUBSCRIBE with QoS 3",
            NoLocalOnShared => "SUBSCRIBE with No Local on a shared subscription",
            UnsubscribeFlags => "UNSUBSCRIBE with flags 0000",
            UnsubscribeWithoutFilter => "UNSUBSCRIBE without a filter",
            PingReqFlags => "PINGREQ with flags 0001",
            DisconnectFlags => "DISCONNECT with flags 0001",
            ExpiryFromZero => "DISCONNECT with a Session Expiry Interval although that of CONNECT is 0",
            ReservedType => "a packet of type 0",
        }
    }

    /// Whether a client can send it on this connection, and its version demands the close.
    pub(super) fn fits(self, client: &Client, link: &Link) -> bool {
        let v5 = client.version == Version::V5;
        let of_version = match self {
            AliasZero | AliasAboveMaximum | NoLocalOnShared => v5,
            AliasUnknown => v5 && free_alias(link).is_some(),
            ExpiryFromZero => v5 && client.expiry == 0,
            IdentifierZero => client.version == Version::V3_1_1,
            _ => client.version != Version::V3_1,
        };
        of_version && link.connected
    }
}

/// An alias that the broker accepts and the connection has not set.
fn free_alias(link: &Link) -> Option<u16> {
    (1..=link.limits.alias_maximum).find(|alias| !link.aliases.contains_key(alias))
}

impl Party {
    /// The bytes of a packet with this violation. The client remembers nothing of it: it must have no effect.
    pub(super) fn violation(&mut self, client: usize, number: u32, violation: Violation) -> Option<Bytes> {
        let link = self.links.get(&number)?;
        let sender = &self.clients[client];
        if !violation.fits(sender, link) {
            return None;
        }
        let version = sender.version;
        let retain = link.limits.retain;
        let packet_id = sender.free_id(link);
        let above = link.limits.alias_maximum.saturating_add(1);
        let unknown = free_alias(link).unwrap_or_default();
        let mut flags = None;
        let packet = match violation {
            SecondConnect => {
                let how = Connection {
                    clean: true,
                    ..Connection::default()
                };
                self.connect_packet(client, &how)
            }
            PublishQos3 | TopicNotUtf8 | TopicWithNull | IdentifierZero | AliasZero | AliasAboveMaximum
            | AliasUnknown => {
                let mut publish = Publish {
                    qos: 1,
                    retain,
                    topic: self.topic(0),
                    packet_id: Some(packet_id),
                    payload: Bytes::from(self.payload(0)).into(),
                    ..Publish::default()
                };
                let mut alias = |alias| publish.properties.push(id::TOPIC_ALIAS, PropertyValue::U16(alias));
                match violation {
                    PublishQos3 => publish.qos = 3,
                    TopicNotUtf8 => publish.topic = ill_formed(&publish.topic, &[0xc3, 0x28]),
                    TopicWithNull => publish.topic = ill_formed(&publish.topic, &[0]),
                    IdentifierZero => publish.packet_id = Some(0),
                    AliasZero => alias(0),
                    AliasAboveMaximum => alias(above),
                    _ => {
                        alias(unknown);
                        publish.topic = Text::default();
                    }
                }
                Packet::Publish(publish)
            }
            PubRelFlags => {
                flags = Some(0);
                Packet::PubRel(Ack::new(packet_id))
            }
            SubscribeFlags | SubscribeWithoutFilter | SubscribeReservedBits | SubscribeQos3 | NoLocalOnShared => {
                let (filter, options) = match violation {
                    SubscribeReservedBits => ((None, "#"), 0b1100_0001),
                    SubscribeQos3 => ((None, "#"), 0b11),
                    NoLocalOnShared => ((Some("g"), "a"), 0b101),
                    _ => ((None, "#"), 1),
                };
                let index = FILTERS.iter().position(|known| *known == filter).unwrap_or_default();
                let subscription = Subscription {
                    filter: self.filter(index),
                    options,
                };
                flags = (violation == SubscribeFlags).then_some(0);
                let subscriptions = (violation != SubscribeWithoutFilter).then_some(subscription);
                Packet::Subscribe(Subscribe {
                    packet_id,
                    subscriptions: subscriptions.into_iter().collect(),
                    ..Subscribe::default()
                })
            }
            UnsubscribeFlags | UnsubscribeWithoutFilter => {
                flags = (violation == UnsubscribeFlags).then_some(0);
                let all = (0..FILTERS.len()).filter(|index| FILTERS[*index].0.is_none());
                let filters = all.filter(|_| violation == UnsubscribeFlags).map(|f| self.filter(f));
                Packet::Unsubscribe(Unsubscribe {
                    packet_id,
                    filters: filters.collect(),
                    ..Unsubscribe::default()
                })
            }
            PingReqFlags => {
                flags = Some(1);
                Packet::PingReq
            }
            DisconnectFlags => {
                flags = Some(1);
                Packet::Disconnect(Disconnect::default())
            }
            ExpiryFromZero => {
                let mut properties = Properties::default();
                properties.push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(60));
                Packet::Disconnect(Disconnect {
                    properties,
                    ..Disconnect::default()
                })
            }
            ReservedType => return Some(Bytes::from_static(&[0, 0])),
        };
        let overrides = Overrides {
            flags,
            ..Overrides::default()
        };
        let chunks = encode(&packet, version, &overrides);
        let bytes = chunks.iter().map(|chunk| match chunk {
            Chunk::Bytes(bytes) => Cow::Borrowed(&bytes[..]),
            Chunk::Fill { len, byte } => vec![*byte; *len as usize].into(),
        });
        Some(bytes.collect::<Vec<_>>().concat().into())
    }
}

/// A topic with these bytes behind it.
fn ill_formed(topic: &Text, bytes: &[u8]) -> Text {
    [topic.as_bytes(), bytes].concat().into()
}
