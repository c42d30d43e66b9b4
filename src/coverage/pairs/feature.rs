//! The features of MQTT that an exchange uses.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::transcript::{Event, Transcript, What};
use crate::wire::filter::shared;
use crate::wire::property::id;
use crate::wire::{Connect, Packet, Publish, Side, Subscribe, Text};

macro_rules! features {
    ($($feature:ident = $name:literal;)*) => {
        /// What an exchange uses beyond a connection and messages of QoS 0.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Feature {
            $($feature,)*
        }

        impl Feature {
            /// Every feature.
            pub const ALL: &[Feature] = &[$(Feature::$feature,)*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Feature::$feature => $name,)*
                }
            }
        }
    };
}

features! {
    Qos1 = "QoS 1";
    Qos2 = "QoS 2";
    Retained = "retained message";
    Will = "will";
    WillDelay = "will delay";
    Wildcard = "wildcard";
    SharedSubscription = "shared subscription";
    SubscriptionId = "subscription identifier";
    SubscriptionOptions = "subscription options";
    Unsubscribed = "unsubscribe";
    TopicAlias = "topic alias";
    MessageExpiry = "message expiry";
    Properties = "forwarded properties";
    ReceiveMaximum = "receive maximum";
    PacketSize = "maximum packet size";
    SessionExpiry = "session expiry";
    LostConnection = "lost connection";
    TakenOver = "takeover";
    Resumed = "resumed session";
    Discarded = "discarded session";
    Queued = "queued message";
    Repeated = "repeated packet";
    Refused = "refused delivery";
    Violation = "violation by a client";
    Restarted = "restart";
}

/// The features of an exchange between a broker and its clients.
pub fn features(transcript: &Transcript) -> BTreeSet<Feature> {
    let mut reader = Reader::default();
    for (number, event) in transcript.events.iter().enumerate() {
        reader.take(number, event, event.side(transcript.scripted));
    }
    reader.found
}

#[derive(Default)]
struct Reader {
    found: BTreeSet<Feature>,
    connections: BTreeMap<u32, Connection>,
    /// The event of the first PUBLISH by a client with this payload.
    published: BTreeMap<Bytes, usize>,
}

struct Connection {
    client: Text,
    /// The event of its CONNECT.
    began: usize,
    resumed: bool,
    left: bool,
    over: bool,
}

impl Reader {
    fn take(&mut self, number: usize, event: &Event, side: Side) {
        match &event.what {
            What::Lifecycle(_) => {
                self.found.insert(Feature::Restarted);
                self.connections.values_mut().for_each(|c| c.over = true);
            }
            What::End(_) => {
                if let Some(connection) = self.connections.get_mut(&event.connection) {
                    let is_first = !std::mem::replace(&mut connection.over, true);
                    if is_first && side == Side::Client && !connection.left {
                        self.found.insert(Feature::LostConnection);
                    }
                }
            }
            What::Packet { decoded, .. } => {
                if side == Side::Client && decoded.breaches.iter().any(|breach| breach.is_must()) {
                    self.found.insert(Feature::Violation);
                }
                match (&decoded.packet, side) {
                    (Some(packet), Side::Client) => self.sent(number, event.connection, packet),
                    (Some(packet), Side::Server) => self.came(event.connection, packet),
                    (None, _) => {}
                }
            }
            _ => {}
        }
    }

    /// Adds a feature if a packet has it.
    fn note(&mut self, has: bool, feature: Feature) {
        if has {
            self.found.insert(feature);
        }
    }

    fn sent(&mut self, number: usize, connection: u32, packet: &Packet) {
        match packet {
            Packet::Connect(connect) => self.connects(number, connection, connect),
            Packet::Publish(publish) => self.publishes(number, publish),
            Packet::Subscribe(subscribe) => self.subscribes(subscribe),
            Packet::Unsubscribe(_) => self.note(true, Feature::Unsubscribed),
            Packet::PubAck(ack) | Packet::PubRec(ack) => self.note(ack.reason_code >= 0x80, Feature::Refused),
            Packet::Disconnect(_) => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.left = true;
                }
            }
            _ => {}
        }
    }

    fn connects(&mut self, number: usize, connection: u32, connect: &Connect) {
        let known = |c: &Connection| c.client == connect.client_id && !connect.client_id.is_empty();
        let is_open = self.connections.values().any(|c| known(c) && !c.over);
        let is_known = self.connections.values().any(known);
        let has = |id| connect.properties.number(id);
        self.note(self.connections.contains_key(&connection), Feature::Violation);
        self.note(is_open, Feature::TakenOver);
        self.note(is_known && connect.clean_start, Feature::Discarded);
        self.note(connect.will.is_some(), Feature::Will);
        let delay = (connect.will.as_ref()).and_then(|will| will.properties.number(id::WILL_DELAY_INTERVAL));
        self.note(delay.is_some_and(|seconds| seconds > 0), Feature::WillDelay);
        self.note(has(id::RECEIVE_MAXIMUM).is_some(), Feature::ReceiveMaximum);
        self.note(has(id::MAXIMUM_PACKET_SIZE).is_some(), Feature::PacketSize);
        let expiry = has(id::SESSION_EXPIRY_INTERVAL);
        self.note(expiry.is_some_and(|seconds| seconds > 0), Feature::SessionExpiry);
        self.connections.insert(
            connection,
            Connection {
                client: connect.client_id.clone(),
                began: number,
                resumed: false,
                left: false,
                over: false,
            },
        );
    }

    fn publishes(&mut self, number: usize, publish: &Publish) {
        let has = |id| publish.properties.get(id).is_some();
        self.note(publish.qos == 1, Feature::Qos1);
        self.note(publish.qos == 2, Feature::Qos2);
        self.note(publish.retain, Feature::Retained);
        self.note(publish.dup, Feature::Repeated);
        self.note(has(id::TOPIC_ALIAS), Feature::TopicAlias);
        self.note(has(id::MESSAGE_EXPIRY_INTERVAL), Feature::MessageExpiry);
        let forwarded = [
            id::PAYLOAD_FORMAT_INDICATOR,
            id::CONTENT_TYPE,
            id::RESPONSE_TOPIC,
            id::CORRELATION_DATA,
            id::USER_PROPERTY,
        ];
        self.note(forwarded.into_iter().any(has), Feature::Properties);
        if let Some(payload) = publish.payload.bytes() {
            self.published.entry(payload.clone()).or_insert(number);
        }
    }

    fn subscribes(&mut self, subscribe: &Subscribe) {
        let has_id = subscribe.properties.get(id::SUBSCRIPTION_IDENTIFIER).is_some();
        self.note(has_id, Feature::SubscriptionId);
        for subscription in &subscribe.subscriptions {
            let filter = &subscription.filter;
            let wild = filter.as_bytes().iter().any(|byte| matches!(byte, b'+' | b'#'));
            self.note(wild, Feature::Wildcard);
            self.note(shared(filter).is_some(), Feature::SharedSubscription);
            self.note(subscription.options & 0b11_1100 != 0, Feature::SubscriptionOptions);
        }
    }

    fn came(&mut self, connection: u32, packet: &Packet) {
        match packet {
            Packet::ConnAck(ack) if ack.session_present => {
                if let Some(connection) = self.connections.get_mut(&connection) {
                    connection.resumed = true;
                }
                self.note(true, Feature::Resumed);
            }
            Packet::Publish(publish) => {
                self.note(publish.dup, Feature::Repeated);
                let sent = publish.payload.bytes().and_then(|payload| self.published.get(payload));
                let of = self.connections.get(&connection).filter(|c| c.resumed);
                let is_queued = of.zip(sent).is_some_and(|(of, sent)| *sent < of.began);
                self.note(is_queued && !publish.dup && !publish.retain, Feature::Queued);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzer::{Act, Action, Connection, Message, Sequence, Violation, WillMessage, play};
    use crate::reference::Config;
    use crate::statements::Version;

    fn of(acts: Vec<(usize, Act)>) -> Vec<&'static str> {
        let sequence = Sequence {
            versions: vec![Version::V5; 2],
            actions: acts.into_iter().map(|(client, act)| Action { client, act }).collect(),
        };
        let transcript = play(&std::sync::Arc::new(Config::default()), &sequence);
        features(&transcript).into_iter().map(Feature::name).collect()
    }

    fn connect(expiry: u32) -> Act {
        Act::Connect(Connection {
            expiry,
            automatic: true,
            ..Connection::default()
        })
    }

    fn publish(qos: u8) -> Act {
        Act::Publish(Message {
            qos,
            size: 1,
            ..Message::default()
        })
    }

    fn subscribe(index: usize, options: u8) -> Act {
        Act::Subscribe {
            filters: vec![(index, options)],
            id: None,
        }
    }

    #[test]
    fn a_session_that_misses_a_message_has_it_queued() {
        let lost = Act::Cut { reset: false };
        let acts = vec![
            (0, connect(300)),
            (1, connect(0)),
            (0, subscribe(0, 1)),
            (0, lost),
            (1, publish(1)),
        ];
        // The client that asks for retained messages at the end has a wildcard.
        let expected = [
            "QoS 1",
            "wildcard",
            "session expiry",
            "lost connection",
            "resumed session",
            "queued message",
        ];
        assert_eq!(of(acts), expected);
    }

    #[test]
    fn features_of_connections_and_of_messages() {
        let will = Act::Connect(Connection {
            will: Some(WillMessage {
                delay: 1,
                ..WillMessage::default()
            }),
            automatic: true,
            receive_maximum: Some(1),
            ..Connection::default()
        });
        let acts = vec![
            (0, will.clone()),
            (0, will),
            (0, subscribe(7, 0b1001)),
            (0, Act::Unsubscribe(vec![7])),
            (0, Act::Violate(Violation::PingReqFlags)),
            (0, Act::Restart),
        ];
        let expected = [
            "will",
            "will delay",
            "wildcard",
            "shared subscription",
            "subscription options",
            "unsubscribe",
            "receive maximum",
            "session expiry",
            "takeover",
            "violation by a client",
            "restart",
        ];
        assert_eq!(of(acts), expected);
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = Feature::ALL.iter().map(|feature| feature.name()).collect();
        assert_eq!(names.len(), Feature::ALL.len());
    }
}
