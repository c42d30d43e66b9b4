//! Messages arrive in the order in which they were published (section 4.6 of 3.1.1 and 5.0).

use std::collections::{BTreeMap, BTreeSet};

use super::history::Moment;
use super::rule::{Found, Ids, Needs, RuleInfo};
use crate::wire::{Payload, Publish, Text};

const ORDERED: Ids = Ids::new("", "MQTT-4.6.0-6", "MQTT-4.6.0-5");

pub const RULES: &[RuleInfo] = &[RuleInfo {
    name: "order-per-topic-and-qos",
    about: "Messages of one publisher reach a subscriber in the order of publishing, per topic and QoS.",
    ids: &[ORDERED],
    needs: Needs::Session,
    check: ordered,
}];

/// What the clients published and what of it came where. Messages are told apart by topic and payload, so nothing is said
/// of those that were published more than once.
#[derive(Debug, Default)]
pub struct Published {
    list: Vec<Publication>,
    by_content: BTreeMap<Text, BTreeMap<u64, Vec<usize>>>,
    /// For each stream of messages the latest publication that came.
    latest: BTreeMap<Stream, usize>,
    came: BTreeSet<(u32, usize)>,
    gave_up: bool,
}

/// So many publications are kept of one transcript.
const MOST: usize = 100_000;

#[derive(Debug)]
struct Publication {
    /// The connection of the publisher.
    connection: u32,
    qos: u8,
    packet_id: Option<u16>,
    /// Index of its PUBLISH among the events.
    published: usize,
    /// Index of its PUBREL, at QoS 2: a broker may pass the message on at either.
    released: Option<usize>,
    will: bool,
}

/// Messages that keep their order: one subscriber's connection, one publisher's connection, the publisher's and the
/// delivered QoS, one topic.
type Stream = (u32, u32, u8, u8, Text);

impl Published {
    pub fn add(&mut self, index: usize, connection: u32, topic: &Text, p: &Publish) {
        let publication = Publication {
            connection,
            qos: p.qos,
            packet_id: p.packet_id,
            published: index,
            released: None,
            will: false,
        };
        self.push(topic, p.payload.hash(), publication);
    }

    /// A will may be published at any time, so a message that could be one has no place in the order.
    pub fn add_will(&mut self, connection: u32, topic: &Text, payload: &bytes::Bytes) {
        let publication = Publication {
            connection,
            qos: 0,
            packet_id: None,
            published: 0,
            released: None,
            will: true,
        };
        self.push(topic, Payload::Bytes(payload.clone()).hash(), publication);
    }

    fn push(&mut self, topic: &Text, hash: u64, publication: Publication) {
        if self.list.len() == MOST {
            // Which of so many a delivery is can no longer be told in bounded memory.
            *self = Published::default();
            self.gave_up = true;
        }
        if self.gave_up {
            return;
        }
        if !self.by_content.contains_key(topic) {
            // A copy of its own: a topic is part of the whole packet's bytes.
            self.by_content
                .insert(topic.as_bytes().to_vec().into(), BTreeMap::new());
        }
        let same_topic = self.by_content.get_mut(topic).expect("it was put there");
        same_topic.entry(hash).or_default().push(self.list.len());
        self.list.push(publication);
    }

    pub fn release(&mut self, index: usize, connection: u32, packet_id: u16) {
        let open = self.list.iter_mut().rev().find(|p| {
            p.connection == connection && p.qos == 2 && p.packet_id == Some(packet_id) && p.released.is_none()
        });
        if let Some(publication) = open {
            publication.released = Some(index);
        }
    }

    pub fn deliver(&mut self, connection: u32, topic: &Text, p: &Publish) {
        if let Some((at, stream)) = self.stream(connection, topic, p)
            && self.came.insert((connection, at))
        {
            let latest = self.latest.entry(stream).or_insert(at);
            *latest = (*latest).max(at);
        }
    }

    /// The publication that a delivery is a copy of, and the stream that it belongs to.
    fn stream(&self, connection: u32, topic: &Text, p: &Publish) -> Option<(usize, Stream)> {
        if p.dup || p.retain {
            return None;
        }
        let &[at] = self.by_content.get(topic)?.get(&p.payload.hash())?.as_slice() else {
            return None;
        };
        let publication = &self.list[at];
        let stream = (
            connection,
            publication.connection,
            publication.qos,
            p.qos,
            topic.as_bytes().to_vec().into(),
        );
        (!publication.will).then_some((at, stream))
    }

    /// The publication that should have come later than this delivery's, where one has come before it.
    fn overtaken(&self, connection: u32, topic: &Text, p: &Publish) -> Option<(&Publication, &Publication)> {
        let (at, stream) = self.stream(connection, topic, p)?;
        if self.came.contains(&(connection, at)) {
            return None;
        }
        let this = &self.list[at];
        let later = &self.list[*self.latest.get(&stream)?];
        let published_before = this.published < later.published;
        let released_before = match (this.qos, this.released, later.released) {
            (2, Some(this), Some(later)) => this < later,
            (2, ..) => false,
            _ => true,
        };
        (published_before && released_before).then_some((this, later))
    }
}

fn ordered(m: &Moment) -> Vec<Found> {
    let Some((p, topic)) = m.delivery() else { return vec![] };
    let Some(client) = m.client() else { return vec![] };
    // Overlapping subscriptions may each bring a copy, and shared ones promise no order.
    let matching: Vec<_> = client.matching(topic).collect();
    if m.superseded() || matching.len() != 1 || matching[0].is_shared() {
        return vec![];
    }
    let Some((_, later)) = m.history.published.overtaken(m.conn.number, topic, p) else {
        return vec![];
    };
    let text = format!(
        "this message was published before the one of event {} and came after it; both are of one publisher, topic and QoS",
        later.published
    );
    vec![Found::new(ORDERED, text).at(m.span("payload"))]
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::Version;

    fn published(version: Version) -> Talk {
        Talk::new(version)
            .connected(1, "pub")
            .connected(2, "sub")
            .subscribed(2, "t", 0)
            .to(1, message("t", 0, 0, "a"))
            .to(1, message("t", 0, 0, "b"))
    }

    #[test]
    fn the_order_of_one_publisher_is_kept() {
        for (version, id) in [(Version::V3_1_1, "MQTT-4.6.0-6"), (Version::V5, "MQTT-4.6.0-5")] {
            let right = published(version)
                .from(2, message("t", 0, 0, "a"))
                .from(2, message("t", 0, 0, "b"));
            assert!(right.breaches().is_empty());
            let wrong = published(version)
                .from(2, message("t", 0, 0, "b"))
                .from(2, message("t", 0, 0, "a"));
            assert_eq!(wrong.breaches(), [id]);
        }
    }

    #[test]
    fn messages_that_cannot_be_told_apart_have_no_order() {
        let t = published(Version::V5)
            .to(1, message("t", 0, 0, "a"))
            .from(2, message("t", 0, 0, "b"))
            .from(2, message("t", 0, 0, "a"));
        assert!(t.breaches().is_empty());
    }

    #[test]
    fn a_second_copy_for_an_overlapping_subscription_is_free() {
        let t = published(Version::V5)
            .subscribed(2, "#", 0)
            .from(2, message("t", 0, 0, "a"))
            .from(2, message("t", 0, 0, "b"))
            .from(2, message("t", 0, 0, "a"));
        assert!(t.breaches().is_empty());
    }

    #[test]
    fn at_qos_2_the_order_may_be_that_of_publish_or_of_pubrel() {
        let t = || {
            Talk::new(Version::V5)
                .connected(1, "pub")
                .connected(2, "sub")
                .subscribed(2, "t", 0)
                .to(1, message("t", 2, 1, "a"))
                .to(1, message("t", 2, 2, "b"))
                .from(1, pubrec(1))
                .from(1, pubrec(2))
                .to(1, pubrel(2))
                .to(1, pubrel(1))
        };
        assert!(
            t().from(2, message("t", 0, 0, "b"))
                .from(2, message("t", 0, 0, "a"))
                .breaches()
                .is_empty()
        );
        assert!(
            t().from(2, message("t", 0, 0, "a"))
                .from(2, message("t", 0, 0, "b"))
                .breaches()
                .is_empty()
        );
    }
}
