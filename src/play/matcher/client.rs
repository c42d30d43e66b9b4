//! What the matcher knows of one client: its connection, what it holds, and what has come and is not yet taken.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{Acks, ClientSpec};
use crate::transcript::{Author, ClientName, End, Event, What};
use crate::wire::filter::{self, Match};
use crate::wire::property::id;
use crate::wire::{Connect, Packet, Publish, Subscribe, Subscription, Text, Version};

/// One named client of a case.
#[derive(Debug, Clone)]
pub struct Client {
    pub name: ClientName,
    pub auto_acks: bool,
    /// Number of the current connection; `None` before the first.
    pub connection: Option<u32>,
    /// How the broker ended the current connection, as the index of the event.
    pub ended: Option<usize>,
    /// A step took that end, or we caused it.
    pub end_settled: bool,
    /// Our FIN or RST is out.
    pub finished: bool,
    /// Our FIN is out, so nothing more can be said.
    pub muted: bool,
    /// The last CONNECT of the current connection.
    pub connect: Option<Connect>,
    /// That CONNECT has no breach, and its step is no probe: what the broker takes back of it is believed.
    pub connect_is_plain: bool,
    /// The step that is being played is a probe.
    pub probing: bool,
    /// A CONNECT went out, well-formed or not.
    pub connect_sent: bool,
    /// The current connection has a CONNACK with code 0.
    pub connected: bool,
    pub disconnect_sent: bool,
    /// The broker sent DISCONNECT: nothing that we say is answered any more.
    pub sent_away: bool,
    /// One side sent AUTH and the exchange has not ended.
    pub authenticating: bool,
    pub reading: bool,
    /// Our last packet is not whole.
    pub incomplete: bool,
    /// When the last byte of an unfinished packet came.
    pub progress: Option<Duration>,
    /// The broker's events that nothing has taken yet.
    pub inbox: Vec<Arrived>,
    /// Who asked for the PINGRESPs that are to come.
    pub pings: VecDeque<Author>,
    /// Messages of ours that are not acknowledged: identifier → QoS.
    pub outgoing: BTreeMap<u16, Outgoing>,
    /// Messages of the broker that we have not acknowledged: identifier → how far.
    pub incoming: BTreeMap<u16, Incoming>,
    /// Filters that a SUBACK granted on this session.
    pub subscriptions: Vec<Held>,
    /// SUBSCRIBEs without their SUBACK.
    subscribing: BTreeMap<u16, Subscribe>,
    unsubscribing: BTreeMap<u16, Vec<Text>>,
    /// Every filter that this client has ever asked for in the case.
    pub asked: Vec<Text>,
    /// Topic and QoS of each message that it published on the current connection, once each.
    pub published: Vec<(Text, u8)>,
    /// Anything at all was sent on the current connection behind its CONNECT.
    pub spoke: bool,
    /// The last packet that was sent on it is one that the broker answers, whatever else it does.
    pub asked_last: bool,
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
}

/// A subscription that was granted.
#[derive(Debug, Clone)]
pub struct Held {
    pub filter: Text,
    pub granted_qos: u8,
    pub no_local: bool,
}

impl Client {
    pub fn new(spec: &ClientSpec) -> Client {
        Client {
            name: Arc::clone(&spec.name),
            auto_acks: spec.acks == Acks::Auto,
            connection: None,
            ended: None,
            end_settled: false,
            finished: false,
            muted: false,
            connect: None,
            connect_is_plain: false,
            probing: false,
            connect_sent: false,
            connected: false,
            disconnect_sent: false,
            sent_away: false,
            authenticating: false,
            reading: true,
            incomplete: false,
            progress: None,
            inbox: Vec::new(),
            pings: VecDeque::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            subscriptions: Vec::new(),
            subscribing: BTreeMap::new(),
            unsubscribing: BTreeMap::new(),
            asked: Vec::new(),
            published: Vec::new(),
            spoke: false,
            asked_last: false,
        }
    }

    /// Whether there is a connection that neither side has ended.
    pub fn is_open(&self) -> bool {
        self.connection.is_some() && self.ended.is_none() && !self.finished
    }

    /// Whether a PINGREQ would be answered by a broker that keeps to the standard, and disturbs nothing.
    pub fn may_ping(&self) -> bool {
        self.is_open()
            && self.connected
            && !self.disconnect_sent
            && !self.sent_away
            && !self.muted
            && !self.authenticating
            && self.reading
            && !self.incomplete
    }

    /// A new connection begins.
    pub fn opened(&mut self, connection: u32) {
        self.connection = Some(connection);
        self.ended = None;
        self.end_settled = false;
        self.finished = false;
        self.muted = false;
        self.connect = None;
        self.connect_sent = false;
        self.connected = false;
        self.disconnect_sent = false;
        self.sent_away = false;
        self.authenticating = false;
        self.reading = true;
        self.incomplete = false;
        self.progress = None;
        self.pings.clear();
        self.published.clear();
        self.spoke = false;
        self.asked_last = false;
    }

    /// Whether the broker has dealt with all that was sent on the connection, as far as its answers tell.
    pub fn is_answered(&self) -> bool {
        let open = !self.subscribing.is_empty() || !self.unsubscribing.is_empty() || !self.pings.is_empty();
        self.connected && self.asked_last && !open
    }

    /// Takes note of what we sent.
    pub fn sent(&mut self, packet: &Packet, author: Author) {
        self.spoke |= !matches!(packet, Packet::Connect(_));
        self.asked_last = matches!(
            packet,
            Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq
        );
        match packet {
            Packet::Connect(connect) => {
                // A second one on a connection is a fault (3.1.0-2), and changes nothing.
                self.connect.get_or_insert_with(|| Connect::clone(connect));
                self.connect_sent = true;
            }
            Packet::Publish(publish) => {
                let key = (publish.topic.clone(), publish.qos);
                if author != Author::Fence && !key.0.is_empty() && !self.published.contains(&key) {
                    self.published.push(key);
                }
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
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.incoming.remove(&ack.packet_id);
            }
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
            // A fence's was noted when it was asked for.
            Packet::PingReq if author != Author::Fence => self.pings.push_back(author),
            Packet::Disconnect(_) => self.disconnect_sent = true,
            // Until the broker answers, the exchange is open (5.0, 4.12 and 4.12.1).
            Packet::Auth(_) => self.authenticating = true,
            _ => {}
        }
    }

    /// Takes note of what the broker sent. Called before it is decided who takes it.
    pub fn received(&mut self, packet: &Packet, version: Version) {
        match packet {
            Packet::ConnAck(connack) => {
                self.connected = connack.reason_code == 0;
                self.authenticating = false;
                // 3.1 does not say whether there was a session.
                let anew = match version {
                    Version::V3_1 => self.connect.as_ref().is_none_or(|c| c.clean_start),
                    Version::V3_1_1 | Version::V5 => !connack.session_present,
                };
                if self.connected && anew {
                    self.incoming.clear();
                    self.outgoing.clear();
                    self.subscriptions.clear();
                }
            }
            Packet::Disconnect(_) => self.sent_away = true,
            Packet::Auth(auth) => self.authenticating = auth.reason_code == 0x18,
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.outgoing.remove(&ack.packet_id);
            }
            Packet::PubRec(ack) if ack.reason_code >= 0x80 => {
                self.outgoing.remove(&ack.packet_id);
            }
            Packet::SubAck(suback) => {
                if let Some(subscribe) = self.subscribing.remove(&suback.packet_id) {
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

    /// Whether a message on `topic` could come to this client and spoil what the script does there: it is away, has stated
    /// limits, or holds back acknowledgements.
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
        let connect = self.connect.as_ref();
        connect.is_some_and(|c| limits.iter().any(|limit| c.properties.get(*limit).is_some()))
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

    /// How the broker ended the connection, where it did.
    pub fn end<'e>(&self, events: &'e [Event]) -> Option<(usize, End)> {
        let index = self.ended?;
        match events.get(index).map(|e: &'e Event| &e.what) {
            Some(What::End(end)) => Some((index, *end)),
            _ => None,
        }
    }
}

/// Whether the message is one that the harness sent to prove that nothing else is on its way.
pub fn is_fence_message(publish: &Publish, marker: &str) -> bool {
    publish
        .payload
        .bytes()
        .is_some_and(|payload| payload.starts_with(marker.as_bytes()))
}
