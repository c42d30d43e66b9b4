//! What holds in a case, where each client is seen: nobody else publishes to its topics.
//!
//! Messages are told apart by topic and payload. Of those that were published more than once, nothing is said.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::finding::{Finding, Invariant, Place};
use crate::statements::{PerVersion, ids};
use crate::wire::filter::{Match, matches, shared};
use crate::wire::property::id;
use crate::wire::{Properties, Property, Publish, Side, Text, Version};

const ONCE_0: PerVersion = ids![v3_1_1: "MQTT-3.3.5-1", v5: "MQTT-3.3.4-2"];
const ONCE_2: PerVersion = ids![v3_1: "§4.1/qos-2-once", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"];
const REPLACED: PerVersion = ids![v3_1_1: "MQTT-3.3.1-5", v5: "MQTT-3.3.1-5"];
const REMOVED: PerVersion = ids![v3_1_1: "MQTT-3.3.1-10", v5: "MQTT-3.3.1-6"];
const WILL_GONE: PerVersion = ids![v3_1: "§2.2/will-not-on-disconnect", v3_1_1: "MQTT-3.14.4-3", v5: "MQTT-3.14.4-3"];
const PAIRS_IN_ORDER: PerVersion = ids![v5: "MQTT-3.3.2-18"];
/// What reaches the subscriber as it was published (5.0, section 3.3.2.3).
const FORWARDED: [(u32, &str, PerVersion); 5] = [
    (
        id::PAYLOAD_FORMAT_INDICATOR,
        "the Payload Format Indicator",
        ids![v5: "MQTT-3.3.2-4"],
    ),
    (id::RESPONSE_TOPIC, "the Response Topic", ids![v5: "MQTT-3.3.2-15"]),
    (id::CORRELATION_DATA, "the Correlation Data", ids![v5: "MQTT-3.3.2-16"]),
    (
        id::USER_PROPERTY,
        "the list of User Properties",
        ids![v5: "MQTT-3.3.2-17"],
    ),
    (id::CONTENT_TYPE, "the Content Type", ids![v5: "MQTT-3.3.2-20"]),
];

pub const UNALTERED: Invariant = Invariant {
    name: "forwarded-unaltered",
    about: "A delivery has the properties with which its message was published; User Properties may be added.",
    ids: &[
        FORWARDED[0].2,
        FORWARDED[1].2,
        FORWARDED[2].2,
        FORWARDED[3].2,
        FORWARDED[4].2,
        PAIRS_IN_ORDER,
    ],
    in_cases: true,
    in_captures: false,
};

pub const COPIES: Invariant = Invariant {
    name: "no-more-copies-than-subscriptions",
    about: "A message of QoS 0 or 2 comes to a session at most once for each matching subscription.",
    ids: &[ONCE_0, ONCE_2],
    in_cases: true,
    in_captures: false,
};

pub const NEWEST: Invariant = Invariant {
    name: "retained-is-newest",
    about: "A subscription made after a retained message was acknowledged does not bring an older one of its topic.",
    ids: &[REPLACED, REMOVED],
    in_cases: true,
    in_captures: false,
};

pub const TAKEN_BACK: Invariant = Invariant {
    name: "no-will-after-disconnect",
    about: "The will of a client that left with DISCONNECT is not published.",
    ids: &[WILL_GONE],
    in_cases: true,
    in_captures: false,
};

/// At most this many messages are kept, the newest.
const MOST: usize = 100_000;
/// At most this many retained messages of one topic are kept.
const WRITES: usize = 64;

/// What the clients of a case have published.
#[derive(Debug, Default)]
pub struct Published {
    by_content: HashMap<(u64, u64), Publication>,
    order: VecDeque<(u64, u64)>,
    retained: HashMap<u64, VecDeque<Write>>,
    /// The filters that each session has ever asked for, with the number of the event.
    asked: HashMap<u64, Vec<(Text, u64)>>,
    /// A client did something wrong: what the broker makes of it is open.
    gave_up: bool,
}

#[derive(Debug)]
struct Publication {
    /// How many messages have this topic and payload.
    count: u32,
    qos: u8,
    retain: bool,
    place: Place,
    /// What is forwarded; `None` if it was not published at 5.0.
    properties: Option<Vec<Property>>,
    /// The connections with this will.
    wills: Vec<u32>,
    /// How often it came to each session.
    copies: BTreeMap<u64, u32>,
}

/// A PUBLISH with RETAIN 1.
#[derive(Debug)]
struct Write {
    payload: u64,
    is_empty: bool,
    qos: u8,
    connection: u32,
    packet_id: Option<u16>,
    place: Place,
    /// The numbers of the PUBLISH and of the broker's last acknowledgement.
    sent: u64,
    acknowledged: Option<u64>,
}

fn forwarded(properties: &Properties) -> Vec<Property> {
    let mut list = properties.0.clone();
    // A Payload Format Indicator of 0 says what its absence says.
    let is_default = |p: &Property| p.id == id::PAYLOAD_FORMAT_INDICATOR && p.value.number() == Some(0);
    list.retain(|p| FORWARDED.iter().any(|(id, ..)| *id == p.id) && !is_default(p));
    list
}

/// Whether a list has all User Properties of a message, in their order. No statement forbids a server to add some of its own.
pub fn are_among(published: &[Property], came: &[Property]) -> bool {
    let mut rest = came.iter();
    published.iter().all(|pair| rest.any(|other| other == pair))
}

/// The filter by which messages are matched.
fn is_match(filter: &Text, topic: &Text) -> bool {
    let plain = shared(filter).unwrap_or_else(|| filter.clone());
    matches(filter, topic) == Match::Yes || matches(&plain, topic) == Match::Yes
}

impl Published {
    /// The broker was restarted: what it remembers is not judged here. Of the messages from before, nothing is said any more,
    /// also if one like them is published later.
    pub fn restarted(&mut self) {
        self.by_content
            .values_mut()
            .for_each(|known| known.count = known.count.max(2));
        self.retained.clear();
    }

    fn clear(&mut self) {
        self.by_content.clear();
        self.order.clear();
        self.retained.clear();
    }

    pub fn give_up(&mut self) {
        self.clear();
        self.gave_up = true;
    }

    pub fn size(&self) -> usize {
        let copies: usize = self
            .by_content
            .values()
            .map(|p| 1 + p.copies.len() + p.wills.len())
            .sum();
        let writes: usize = self.retained.values().map(VecDeque::len).sum();
        copies + writes + self.asked.values().map(Vec::len).sum::<usize>()
    }

    fn entry(&mut self, content: (u64, u64), place: Place) -> &mut Publication {
        if !self.by_content.contains_key(&content) {
            if self.order.len() >= MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_content.remove(&oldest);
            }
            self.order.push_back(content);
        }
        self.by_content.entry(content).or_insert_with(|| Publication {
            count: 0,
            qos: 0,
            retain: false,
            place,
            properties: None,
            wills: Vec::new(),
            copies: BTreeMap::new(),
        })
    }

    /// A client connects with a will.
    pub fn will(&mut self, content: (u64, u64), place: Place) {
        self.entry(content, place).wills.push(place.connection);
    }

    /// A message is published, as event `number`. `again`: it is the repetition of one whose exchange is open.
    pub fn publish(
        &mut self,
        p: &Publish,
        content: (u64, u64),
        place: Place,
        version: Version,
        number: u64,
        again: bool,
    ) {
        if self.gave_up || again {
            return;
        }
        let entry = self.entry(content, place);
        entry.count += 1;
        entry.qos = p.qos;
        entry.retain |= p.retain;
        entry.place = place;
        entry.properties = (version == Version::V5).then(|| forwarded(&p.properties));
        // A repeat of a PUBLISH from before a restart is not newer than what came in between.
        if p.retain && !p.dup {
            let writes = self.retained.entry(content.0).or_default();
            if writes.len() >= WRITES {
                writes.pop_front();
            }
            writes.push_back(Write {
                payload: content.1,
                is_empty: p.payload.is_empty(),
                qos: p.qos,
                connection: place.connection,
                packet_id: p.packet_id,
                place,
                sent: number,
                acknowledged: None,
            });
        }
    }

    /// The broker has taken a message over, as event `number`.
    pub fn acknowledged(&mut self, connection: u32, packet_id: u16, number: u64) {
        for writes in self.retained.values_mut() {
            let newest = writes
                .iter_mut()
                .rev()
                .find(|w| w.connection == connection && w.packet_id == Some(packet_id));
            if let Some(write) = newest.filter(|w| w.acknowledged.is_none()) {
                write.acknowledged = Some(number);
            }
        }
    }

    /// A session asks for a filter, as event `number`.
    pub fn subscribe(&mut self, session: u64, filter: &Text, number: u64) {
        self.asked
            .entry(session)
            .or_default()
            .push((super::routes::owned(filter), number));
    }

    fn filters<'a>(&'a self, session: u64, topic: &'a Text) -> impl Iterator<Item = u64> + 'a {
        let asked = self.asked.get(&session).into_iter().flatten();
        asked
            .filter(|(filter, _)| is_match(filter, topic))
            .map(|(_, number)| *number)
    }

    /// A message comes to a session. `goodbye` gives when a connection's client left with a DISCONNECT that takes the will back,
    /// and the broker closed the connection after it.
    pub fn deliver(&mut self, came: &Arrived, goodbye: impl Fn(u32) -> Option<Place>) -> Vec<Finding> {
        if self.gave_up || came.publish.dup {
            return Vec::new();
        }
        let mut found = Vec::new();
        let asked = self.filters(came.session, came.topic).count();
        let Some(known) = self.by_content.get_mut(&came.content) else {
            return found;
        };
        let p = came.publish;
        if known.count == 0 {
            found.extend(known.taken_back(came, goodbye));
            return found;
        }
        if known.count > 1 || !known.wills.is_empty() {
            return found;
        }
        found.extend(known.altered(came));
        let counts = known.qos == p.qos && p.qos != 1 && !p.retain && !known.retain;
        if counts && asked > 0 {
            let copies = known.copies.entry(came.session).or_default();
            *copies += 1;
            if *copies as usize == asked + 1 {
                found.extend(known.copied(came, asked));
            }
        }
        if p.retain {
            found.extend(self.outdated(came));
        }
        found
    }

    /// Whether a newer retained message was there when the session first asked for this topic.
    fn outdated(&self, came: &Arrived) -> Option<Finding> {
        let writes = self.retained.get(&came.content.0)?;
        // A shared subscription gets no retained messages. One that comes with RETAIN 1 is as it was published, and may have
        // waited for another member (5.0, section 4.8.2).
        let mut filters = self.asked.get(&came.session).into_iter().flatten();
        if filters.any(|(filter, _)| shared(filter).is_some() && is_match(filter, came.topic)) {
            return None;
        }
        let asked = self.filters(came.session, came.topic).min()?;
        let this = writes.iter().find(|w| w.payload == came.content.1)?;
        let newer = writes.iter().find(|w| {
            let acknowledged = w.acknowledged.is_some_and(|number| number < asked);
            // A broker may take a message of QoS 2 over when it is released (5.0, section 4.3.3), in whatever order that is.
            let in_order = w.connection == this.connection && this.qos < 2;
            let after = w.sent > this.sent && (in_order || this.acknowledged.is_some_and(|number| number < w.sent));
            acknowledged && after && w.payload != this.payload
        })?;
        let (duty, what) = if newer.is_empty {
            (REMOVED, "it was removed")
        } else {
            (REPLACED, "a newer one was acknowledged")
        };
        let text = format!("this retained message came, {what} before the client subscribed");
        NEWEST.broken(duty, came.version, Side::Server, [newer.place, came.place], text)
    }
}

/// A delivery.
pub struct Arrived<'a> {
    pub publish: &'a Publish,
    pub topic: &'a Text,
    pub content: (u64, u64),
    pub session: u64,
    pub place: Place,
    pub version: Version,
}

impl Publication {
    fn altered(&self, came: &Arrived) -> Option<Finding> {
        let before = self.properties.as_ref().filter(|_| came.version == Version::V5)?;
        let now = forwarded(&came.publish.properties);
        let of =
            |list: &[Property], id: u32| -> Vec<Property> { list.iter().filter(|p| p.id == id).cloned().collect() };
        let is_kept = |id: u32| {
            let (was, is) = (of(before, id), of(&now, id));
            was == is || id == id::USER_PROPERTY && are_among(&was, &is)
        };
        let (_, name, duty) = FORWARDED.iter().find(|(id, ..)| !is_kept(*id))?;
        let text = format!("{name} of this delivery is not the one of its PUBLISH");
        let (was, is) = (of(before, id::USER_PROPERTY), of(&now, id::USER_PROPERTY));
        // The same pairs in another order.
        let is_reordered = was.len() == is.len() && was.iter().all(|pair| is.contains(pair));
        let duty = if *duty == FORWARDED[3].2 && is_reordered {
            &PAIRS_IN_ORDER
        } else {
            duty
        };
        UNALTERED.broken(*duty, came.version, Side::Server, [self.place, came.place], text)
    }

    fn copied(&self, came: &Arrived, asked: usize) -> Option<Finding> {
        let duty = if self.qos == 2 { ONCE_2 } else { ONCE_0 };
        let subscriptions = match asked {
            1 => "one SUBSCRIBE".to_owned(),
            n => format!("{n} SUBSCRIBEs"),
        };
        let text = format!(
            "a message of QoS {} that was published once came {} times; {subscriptions} of this client matched it",
            self.qos,
            asked + 1
        );
        COPIES.broken(duty, came.version, Side::Server, [self.place, came.place], text)
    }

    fn taken_back(&self, came: &Arrived, goodbye: impl Fn(u32) -> Option<Place>) -> Option<Finding> {
        let left: Option<Vec<Place>> = self.wills.iter().map(|number| goodbye(*number)).collect();
        let first = left?.into_iter().min_by_key(|place| place.at)?;
        let text = "this is the will of a client that left with DISCONNECT";
        TAKEN_BACK.broken(
            WILL_GONE,
            came.version,
            Side::Server,
            [first, came.place],
            text.to_owned(),
        )
    }
}
