//! What the matcher knows of one client: its connection, what it holds, and what has come and is not yet taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{Acks, ClientSpec};
use crate::transcript::{Author, ClientName, End, Event, What};
use crate::wire::filter::{self, Match};
use crate::wire::property::id;
use crate::wire::{ConnAck, Connect, Packet, PacketType, Publish, Side, Subscribe, Subscription, Text, Version};

use super::connection::Connection;
use super::copies::Crossings;

/// One named client of a case.
#[derive(Debug, Clone)]
pub struct Client {
    pub name: ClientName,
    pub version: Version,
    /// The side that the script plays.
    scripted: Side,
    pub auto_acks: bool,
    /// The last connection; `None` before the first.
    connection: Option<Connection>,
    /// The step that is being played is a probe.
    pub probing: bool,
    /// The broker's events that nothing has taken yet.
    pub inbox: Vec<Arrived>,
    /// Messages of ours that are not acknowledged: identifier → QoS.
    pub outgoing: BTreeMap<u16, Outgoing>,
    /// Messages of the broker that we have not acknowledged: identifier → how far.
    pub incoming: BTreeMap<u16, Incoming>,
    /// What was acknowledged, and may come once more.
    pub crossings: Crossings,
    /// The QoS that was granted and the one that was asked for, where a SUBACK grants less.
    pub lowered: Option<(u8, u8)>,
    /// Filters that a SUBACK granted on this session.
    pub subscriptions: Vec<Held>,
    /// SUBSCRIBEs without their SUBACK.
    subscribing: BTreeMap<u16, Subscribe>,
    unsubscribing: BTreeMap<u16, Vec<Text>>,
    /// Every filter that this client has ever asked for in the case.
    pub asked: Vec<Text>,
}

/// An event of the broker that waits to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Arrived {
    /// Its index in the transcript.
    pub event: usize,
    /// Left over, it is no failure.
    pub needless: bool,
}

/// A message of ours on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    pub qos: u8,
    pub fence: bool,
}

/// A message of the broker on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incoming {
    /// The connection on which it came last.
    pub connection: Option<u32>,
    /// The PUBREL has come.
    pub released: bool,
    /// The harness acknowledges it by itself: a fence, or noise.
    pub absorbed: bool,
    /// Of the message.
    pub digest: u64,
}

/// A subscription that was granted.
#[derive(Debug, Clone)]
pub struct Held {
    pub filter: Text,
    pub granted_qos: u8,
    pub no_local: bool,
}

impl Client {
    pub fn new(spec: &ClientSpec, scripted: Side) -> Client {
        Client {
            name: Arc::clone(&spec.name),
            version: spec.version,
            scripted,
            auto_acks: spec.acks == Acks::Auto,
            connection: None,
            probing: false,
            inbox: Vec::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            crossings: Crossings::default(),
            lowered: None,
            subscriptions: Vec::new(),
            subscribing: BTreeMap::new(),
            unsubscribing: BTreeMap::new(),
            asked: Vec::new(),
        }
    }

    /// A new connection begins.
    pub fn opened(&mut self, number: u32) {
        self.connection = Some(Connection::new(number, self.scripted));
        self.crossings.carry_over();
    }

    /// The last connection, ended or not; `None` before the first.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    pub fn connection_mut(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut()
    }

    /// The number of the last connection.
    pub fn number(&self) -> Option<u32> {
        self.connection.as_ref().map(|c| c.number)
    }

    /// The first CONNECT of the last connection.
    pub fn connect(&self) -> Option<&Connect> {
        self.connection.as_ref()?.connect.as_ref()
    }

    /// Whether the last CONNACK of the last connection had code 0.
    pub fn is_connected(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_connected)
    }

    /// Whether a PINGREQ would be answered by a broker that keeps to the standard, and disturbs nothing.
    pub fn may_ping(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::may_ping)
    }

    /// How the broker ended the last connection, as the index of the event.
    pub fn ended(&self) -> Option<usize> {
        self.connection.as_ref()?.ended()
    }

    /// The broker's end of the last connection, if no step took it and we did not cause it.
    pub fn unsettled_end(&self) -> Option<usize> {
        self.connection.as_ref()?.unsettled_end()
    }

    /// When the last byte of an unfinished packet came.
    pub fn progress(&self) -> Option<Duration> {
        self.connection.as_ref()?.progress
    }

    /// The end by the broker is taken, or will be of our making.
    pub fn settle(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.settle();
        }
    }

    /// Whether the broker has dealt with all that was sent on the connection, as far as its answers tell.
    pub fn is_answered(&self) -> bool {
        let asks = !self.subscribing.is_empty() || !self.unsubscribing.is_empty();
        !asks
            && self
                .connection
                .as_ref()
                .is_some_and(|c| c.is_connected() && c.asked_last() && !c.awaits_pings())
    }

    /// Takes note of what we sent.
    pub fn sent(&mut self, packet: &Packet, author: Author) {
        if let Some(connection) = &mut self.connection {
            connection.sent(packet, author);
        }
        match packet {
            Packet::Publish(publish) => {
                if let Some(id) = publish.packet_id.filter(|_| publish.qos > 0) {
                    let fence = author == Author::Fence;
                    self.outgoing.insert(
                        id,
                        Outgoing {
                            qos: publish.qos,
                            fence,
                        },
                    );
                }
            }
            Packet::ConnAck(connack) if self.scripted == Side::Server => self.accepted(connack, self.version),
            Packet::PubAck(_) | Packet::PubComp(_) if author == Author::Script => self.acknowledged(packet),
            Packet::PubRec(ack) if ack.reason_code >= 0x80 => {
                self.incoming.remove(&ack.packet_id);
            }
            Packet::Subscribe(subscribe) => {
                self.asked
                    .extend(subscribe.subscriptions.iter().map(|s| s.filter.clone()));
                self.subscribing.insert(subscribe.packet_id, subscribe.clone());
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribing
                    .insert(unsubscribe.packet_id, unsubscribe.filters.clone());
            }
            _ => {}
        }
    }

    /// Takes note of a PUBACK or PUBCOMP. One of the harness counts from when it is asked for, not from when it is sent:
    /// what has come meanwhile may be a new message with this identifier.
    pub fn acknowledged(&mut self, packet: &Packet) {
        let (Packet::PubAck(ack) | Packet::PubComp(ack)) = packet else {
            return;
        };
        if let Some(incoming) = self.incoming.remove(&ack.packet_id) {
            let pings = self.connection.as_ref().map_or(0, Connection::open_pings);
            let (repeated, digest) = match packet {
                Packet::PubAck(_) => (PacketType::Publish, incoming.digest),
                _ => (PacketType::PubRel, 0),
            };
            self.crossings.acknowledged(repeated, ack.packet_id, digest, pings);
        }
    }

    /// Takes note that what came again needs an acknowledgement again.
    pub fn acknowledged_again(&mut self, repeated: PacketType, packet_id: u16) {
        let pings = self.connection.as_ref().map_or(0, Connection::open_pings);
        self.crossings.acknowledged_again(repeated, packet_id, pings);
    }

    /// Takes note of what the broker sent. Called before it is decided who takes it.
    pub fn received(&mut self, packet: &Packet, version: Version) {
        if let Some(connection) = &mut self.connection {
            connection.received(packet);
        }
        match packet {
            Packet::ConnAck(connack) if self.scripted == Side::Client => self.accepted(connack, version),
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.outgoing.remove(&ack.packet_id);
            }
            Packet::PubRec(ack) if ack.reason_code >= 0x80 => {
                self.outgoing.remove(&ack.packet_id);
            }
            Packet::SubAck(suback) => {
                if let Some(subscribe) = self.subscribing.remove(&suback.packet_id) {
                    self.lowered = self.lowered.or_else(|| lowered(&subscribe, &suback.reason_codes));
                    for (asked, code) in subscribe.subscriptions.iter().zip(&suback.reason_codes) {
                        self.granted(asked, *code, version);
                    }
                }
            }
            Packet::UnsubAck(unsuback) => {
                if let Some(filters) = self.unsubscribing.remove(&unsuback.packet_id) {
                    self.subscriptions.retain(|s| !filters.contains(&s.filter));
                }
            }
            _ => {}
        }
    }

    /// Takes note of a CONNACK: unless the session goes on, nothing of it is left.
    fn accepted(&mut self, connack: &ConnAck, version: Version) {
        // 3.1 does not say whether there was a session.
        let anew = match version {
            Version::V3_1 => self.connect().is_none_or(|c| c.clean_start),
            Version::V3_1_1 | Version::V5 => !connack.session_present,
        };
        if connack.reason_code == 0 && anew {
            self.crossings.clear();
            self.incoming.clear();
            self.outgoing.clear();
            self.subscriptions.clear();
        }
    }

    fn granted(&mut self, asked: &Subscription, code: u8, version: Version) {
        if code > 2 {
            return;
        }
        self.subscriptions.retain(|s| s.filter != asked.filter);
        self.subscriptions.push(Held {
            filter: asked.filter.clone(),
            granted_qos: code,
            no_local: version == Version::V5 && asked.no_local(),
        });
    }

    /// Whether a message on `topic` from `publisher` must reach this client through a subscription that is not shared.
    pub fn must_get(&self, topic: &Text, publisher: &str) -> Option<u8> {
        self.subscriptions
            .iter()
            .filter(|s| !s.filter.as_bytes().starts_with(b"$share/"))
            .filter(|s| !(s.no_local && publisher == &*self.name))
            .filter(|s| filter::matches(&s.filter, topic) == Match::Yes)
            .map(|s| s.granted_qos)
            .max()
    }

    /// Whether a message on `topic` could come to this client and spoil what the script does there: it is away, has
    /// stated limits, or holds back acknowledgements.
    pub fn is_disturbed_by(&self, topic: &Text) -> bool {
        let hears = |f: &Text| match f.as_bytes().strip_prefix(b"$share/") {
            // Whom of a group it reaches is the broker's choice.
            Some(_) => true,
            None => filter::matches(f, topic) != Match::No,
        };
        (!self.may_ping() || self.is_limited() || !self.incoming.is_empty()) && self.asked.iter().any(hears)
    }

    /// Whether its CONNECT limits what the broker may send: Receive Maximum, Maximum Packet Size, Topic Alias Maximum.
    pub fn is_limited(&self) -> bool {
        let limits = [id::RECEIVE_MAXIMUM, id::MAXIMUM_PACKET_SIZE, id::TOPIC_ALIAS_MAXIMUM];
        self.connect()
            .is_some_and(|c| limits.iter().any(|limit| c.properties.get(*limit).is_some()))
    }

    /// Whether an exchange with this packet identifier is open on our side.
    pub fn uses(&self, id: u16) -> bool {
        self.outgoing.contains_key(&id) || self.subscribing.contains_key(&id) || self.unsubscribing.contains_key(&id)
    }

    /// Whether it holds a filter through which traffic of others can come.
    pub fn hears_others(&self) -> bool {
        self.asked
            .iter()
            .any(|f| matches!(f.as_bytes().first(), Some(b'#' | b'+' | b'$')))
    }

    /// How the broker ended the connection, if it did.
    pub fn end<'e>(&self, events: &'e [Event]) -> Option<(usize, End)> {
        let index = self.ended()?;
        match events.get(index).map(|e: &'e Event| &e.what) {
            Some(What::End(end)) => Some((index, *end)),
            _ => None,
        }
    }
}

/// The QoS that was granted and the one that was requested, if a server grants less, which section 3.8.4 of 3.1.1 and 5.0
/// permits. `None` if a code grants more or refuses, or if the numbers of codes and filters differ: that is no lower grant.
fn lowered(subscribe: &Subscribe, codes: &[u8]) -> Option<(u8, u8)> {
    let asked = subscribe.subscriptions.iter().map(Subscription::qos);
    let pairs: Vec<(u8, u8)> = codes.iter().copied().zip(asked).collect();
    let as_many = codes.len() == subscribe.subscriptions.len();
    let is_grant = as_many && pairs.iter().all(|(granted, asked)| granted <= asked && *asked <= 2);
    pairs
        .into_iter()
        .find(|(granted, asked)| granted < asked)
        .filter(|_| is_grant)
}

/// Whether the message is one that the harness sent to prove that nothing else is on its way.
pub fn is_fence_message(publish: &Publish, marker: &str) -> bool {
    publish
        .payload
        .bytes()
        .is_some_and(|payload| payload.starts_with(marker.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::lowered;
    use crate::wire::{Subscribe, Subscription};

    #[test]
    fn a_grant_is_lower_where_no_code_says_anything_else() {
        let asked = |qos: &[u8]| Subscribe {
            subscriptions: qos.iter().map(|qos| Subscription::new("t", *qos)).collect(),
            ..Subscribe::default()
        };
        assert_eq!(lowered(&asked(&[2]), &[1]), Some((1, 2)));
        assert_eq!(lowered(&asked(&[0, 1]), &[0, 0]), Some((0, 1)));
        assert_eq!(lowered(&asked(&[2]), &[2]), None);
        // Codes that are in the wrong order, refuse, or are too many or too few.
        assert_eq!(lowered(&asked(&[0, 2]), &[2, 0]), None);
        assert_eq!(lowered(&asked(&[2, 2]), &[0x80, 1]), None);
        assert_eq!(lowered(&asked(&[2]), &[1, 0]), None);
        assert_eq!(lowered(&asked(&[2, 2]), &[1]), None);
    }
}
