//! What the clients of a transcript have published, and what of it came where.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::{Payload, Publish, Text};

/// What the clients published and what of it came where. Messages are distinguished by topic and payload, so nothing is
/// said of those that were published more than once.
#[derive(Debug, Default)]
pub struct Published {
    list: Vec<Publication>,
    by_content: BTreeMap<Text, BTreeMap<u64, Vec<usize>>>,
    /// For each stream of messages the latest publication that came.
    latest: BTreeMap<Stream, usize>,
    came: BTreeSet<(u32, usize)>,
    gave_up: bool,
}

/// At most this many publications of a transcript are kept.
const MOST: usize = 100_000;

#[derive(Debug)]
pub struct Publication {
    /// The connection of the publisher.
    connection: u32,
    qos: u8,
    packet_id: Option<u16>,
    /// Index of its PUBLISH among the events.
    pub published: usize,
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
            // Which of this many a delivery is can no longer be reported in bounded memory.
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

    /// The publication that should have come later than this delivery's, if one has come before it.
    pub fn overtaken(&self, connection: u32, topic: &Text, p: &Publish) -> Option<(&Publication, &Publication)> {
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
