//! What a session is owed: the messages that its subscriptions match, by publisher, topic and QoS, in their order.
//!
//! Messages are told apart by topic and payload. If two that are on their way have the same, nothing is said of either.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::finding::{Finding, Invariant, Place};
use crate::rules::Outcome;
use crate::statements::{PerVersion, ids};
use crate::wire::{Side, Version};

const ORDERED: PerVersion = ids![v3_1_1: "MQTT-4.6.0-6", v5: "MQTT-4.6.0-5"];
const ADDED: PerVersion = ids![v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"];

pub const ORDER: Invariant = Invariant {
    name: "order-over-connections",
    about: "Messages of one publisher reach a session in the order of publishing, per topic and QoS.",
    ids: &[ORDERED],
    in_cases: false,
    in_captures: true,
};

pub const NO_LOSS: Invariant = Invariant {
    name: "acknowledged-message-arrives",
    about: "A message of QoS 1 or 2 that the broker has acknowledged reaches each session that had a matching subscription.",
    ids: &[ADDED],
    in_cases: true,
    in_captures: true,
};

/// No version says how long a delivery may take. One that did not come within this time is missing.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// At most this many messages of one stream are kept.
const STREAM: usize = 64;
/// At most this many messages and streams are kept for a session.
const SESSION: usize = 4096;

/// A digest of the topic, the publisher's connection, and the QoS of the PUBLISH.
pub type Key = (u64, u32, u8);

/// A message on its way to a session.
#[derive(Debug, Clone)]
struct Owed {
    /// A digest of the payload.
    payload: u64,
    packet_id: Option<u16>,
    published: Place,
    /// The number of its PUBREL among all events, at QoS 2: a broker may hand the message over at either.
    released: Option<u64>,
    /// The last acknowledgement of the broker.
    acknowledged: Option<Place>,
    /// The connection of the session on which it is due; `None` if it was away.
    due: Option<u32>,
    /// The QoS of the PUBLISH.
    sent_qos: u8,
    /// The highest QoS at which it may come.
    qos: u8,
    /// It cannot be told from another one, or may be dropped.
    unsure: bool,
    came: Option<Came>,
}

#[derive(Debug, Clone, Copy)]
struct Came {
    place: Place,
    qos: u8,
    /// It counts for the order.
    counts: bool,
}

#[derive(Debug, Default)]
struct Stream {
    owed: VecDeque<Owed>,
    /// A message of it has come: the publisher may publish here, and the session may receive it.
    flows: bool,
    /// Its publisher is gone.
    over: bool,
}

/// All that is owed to one session.
#[derive(Debug, Default)]
pub struct Streams {
    by_key: BTreeMap<Key, Stream>,
    len: usize,
}

/// A message as it is published.
pub struct Message {
    pub key: Key,
    pub payload: u64,
    pub packet_id: Option<u16>,
    pub published: Place,
    pub due: Option<u32>,
    pub qos: u8,
    pub unsure: bool,
}

/// A delivery to a session.
pub struct Delivery {
    /// A digest of the topic.
    pub topic: u64,
    pub payload: u64,
    pub qos: u8,
    /// It is sent again, or may be a retained message: it has no place in the order.
    pub repeated: bool,
    pub place: Place,
    pub version: Version,
}

/// What a delivery shows.
#[derive(Debug)]
pub enum Shown {
    Nothing,
    /// A message came that is not expected, or has come before.
    More,
    /// A message came after one that was published later: that one's payload, and the finding.
    Overtaken(u64, Finding),
}

impl Streams {
    pub fn clear(&mut self) {
        self.by_key.clear();
        self.len = 0;
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub fn size(&self) -> usize {
        self.len + self.by_key.len()
    }

    /// A message was published that one subscription of the session matches.
    pub fn publish(&mut self, message: Message) {
        let (topic, ..) = message.key;
        let mut unsure = message.unsure;
        for stream in self.of_topic(topic) {
            for other in stream.owed.iter_mut().filter(|o| o.payload == message.payload) {
                // One that has come may come again.
                unsure |= other.came.is_none() || other.qos > 0;
                other.unsure = true;
            }
        }
        if self.size() >= SESSION {
            self.clear();
        }
        let stream = self.by_key.entry(message.key).or_default();
        if stream.owed.len() >= STREAM {
            stream.owed.pop_front();
            self.len -= 1;
        }
        self.len += 1;
        stream.owed.push_back(Owed {
            payload: message.payload,
            packet_id: message.packet_id,
            published: message.published,
            released: None,
            acknowledged: None,
            due: message.due,
            sent_qos: message.key.2,
            qos: message.qos,
            unsure,
            came: None,
        });
    }

    fn of_topic(&mut self, topic: u64) -> impl Iterator<Item = &mut Stream> {
        self.by_key
            .range_mut((topic, 0, 0)..=(topic, u32::MAX, u8::MAX))
            .map(|(_, s)| s)
    }

    /// The newest message that was published with this identifier.
    fn with_id(&mut self, key: &Key, id: u16) -> Option<&mut Owed> {
        let stream = self.by_key.get_mut(key)?;
        stream.owed.iter_mut().rev().find(|o| o.packet_id == Some(id))
    }

    /// The publisher sent PUBREL, as event `number` of all.
    pub fn released(&mut self, key: &Key, id: u16, number: u64) {
        if let Some(owed) = self.with_id(key, id)
            && owed.released.is_none()
        {
            owed.released = Some(number);
        }
    }

    /// The broker has taken the message over.
    pub fn acknowledged(&mut self, key: &Key, id: u16, place: Place) {
        if let Some(owed) = self.with_id(key, id) {
            owed.acknowledged = Some(place);
        }
    }

    /// What becomes of the message cannot be told: it was refused, or published again.
    pub fn doubt(&mut self, key: &Key, id: u16) {
        if let Some(owed) = self.with_id(key, id) {
            owed.unsure = true;
        }
    }

    /// A message came.
    pub fn came(&mut self, delivery: &Delivery) -> Shown {
        let topic = delivery.topic;
        let waiting = |o: &Owed| o.payload == delivery.payload && o.came.is_none();
        let mut matching = 0;
        let mut first = None;
        for (key, stream) in self.by_key.range((topic, 0, 0)..=(topic, u32::MAX, u8::MAX)) {
            let mut places = stream.owed.iter().enumerate().filter(|(_, o)| waiting(o));
            if let (Some((at, _)), None) = (places.next(), first) {
                first = Some((*key, at));
                matching += 1;
            }
            matching += places.count();
        }
        let Some((key, at)) = first else { return Shown::More };
        let stream = self.by_key.get_mut(&key).expect("it was found there");
        let owed = &mut stream.owed[at];
        owed.unsure |= matching > 1;
        let counts = !owed.unsure && !delivery.repeated && key.1 != delivery.place.connection;
        owed.came = Some(Came {
            place: delivery.place,
            qos: delivery.qos,
            counts,
        });
        stream.flows |= !owed.unsure;
        let shown = if counts {
            stream.overtaken(key, at, delivery)
        } else {
            None
        };
        while stream.owed.front().is_some_and(|o| o.came.is_some()) {
            stream.owed.pop_front();
            self.len -= 1;
        }
        if stream.over && stream.owed.is_empty() {
            self.by_key.remove(&key);
        }
        shown.map_or(Shown::Nothing, |(payload, finding)| Shown::Overtaken(payload, finding))
    }

    /// The messages that did not come on this connection, one finding for each stream. `until` is when the broker last
    /// sent something there. `busy`: the client owes acknowledgements, for which the broker may wait.
    pub fn missing(&self, shown: Place, until: Duration, busy: bool, version: Version) -> Vec<Finding> {
        let streams = self.by_key.values();
        streams.filter_map(|s| s.missing(shown, until, busy, version)).collect()
    }

    /// The publisher is gone: the stream ends with what may still come of it.
    pub fn publisher_left(&mut self, key: &Key) {
        if let Some(stream) = self.by_key.get_mut(key) {
            stream.over = true;
            if stream.owed.is_empty() {
                self.by_key.remove(key);
            }
        }
    }
}

impl Stream {
    /// The message that overtook this one, which has just come on the same connection.
    fn overtaken(&self, key: Key, at: usize, delivery: &Delivery) -> Option<(u64, Finding)> {
        let this = &self.owed[at];
        let later = self.owed.iter().skip(at + 1).rev().find(|later| {
            let same_way = later.came.is_some_and(|came| {
                came.counts && came.qos == delivery.qos && came.place.connection == delivery.place.connection
            });
            same_way && !later.unsure && goes_before(key.2, this, later)
        })?;
        let text = "this message was published before one that came earlier; both are of one publisher, topic and QoS";
        let places = [later.came?.place, delivery.place];
        let finding = ORDER.broken(ORDERED, delivery.version, Side::Server, places, text.to_owned())?;
        Some((later.payload, finding))
    }

    fn missing(&self, shown: Place, until: Duration, busy: bool, version: Version) -> Option<Finding> {
        let here = shown.connection;
        let came_here = |o: &&Owed| o.came.is_some_and(|c| c.place.connection == here && c.counts) && !o.unsure;
        let mut found: Option<(&Owed, Place, bool)> = None;
        let mut count = 0;
        for (at, owed) in self.owed.iter().enumerate() {
            let Some(acknowledged) = owed
                .acknowledged
                .filter(|_| owed.came.is_none() && !owed.unsure && owed.qos > 0)
            else {
                continue;
            };
            let later = self.owed.iter().skip(at + 1).filter(came_here);
            let overtaken = later
                .filter(|later| later.acknowledged.is_some())
                .any(|later| goes_before(owed.sent_qos, owed, later));
            let waited = owed.due == Some(here) && !busy && until > acknowledged.at + PATIENCE;
            if !overtaken && !waited {
                continue;
            }
            count += 1;
            // A broker may have queued no more for a client that was away (section 4.1).
            let certain = owed.due == Some(here) && (overtaken || self.flows);
            found = found.or(Some((owed, acknowledged, certain)));
        }
        let (owed, acknowledged, certain) = found?;
        let more = match count {
            1 => String::new(),
            n => format!("; {} more of its stream did not come", n - 1),
        };
        let of = match owed.packet_id {
            Some(id) => format!("PUBLISH {id} of another client"),
            None => "a message".to_owned(),
        };
        let why = if certain {
            ""
        } else if owed.due == Some(here) {
            "; it is not known whether this client may receive it"
        } else {
            "; the client was away, and the broker's queue may have been full"
        };
        let text = format!(
            "{of} was acknowledged, matches a subscription, and did not come in {:.1} s{more}{why}",
            shown.at.saturating_sub(acknowledged.at).as_secs_f64()
        );
        let found = NO_LOSS.broken(ADDED, version, Side::Server, [owed.published, shown], text)?;
        let outcome = if certain { Outcome::Breach } else { Outcome::Unknown };
        Some(Finding { outcome, ..found })
    }
}

/// Whether one message of a stream has to come before another, which was published later. At QoS 2 the broker may hand
/// messages over in the order of PUBLISH or of PUBREL.
fn goes_before(qos: u8, this: &Owed, later: &Owed) -> bool {
    match (qos, this.released, later.released) {
        (2, Some(this), Some(later)) => this < later,
        (2, ..) => false,
        _ => true,
    }
}
