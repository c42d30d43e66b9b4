//! Deliveries that the standard permits beyond the ones that a step has to take.
//!
//! In: what was published, what came, and what was acknowledged. Out: whether a delivery is a further copy, or a repeat that
//! crossed its acknowledgement.

use std::collections::BTreeMap;

use crate::wire::{PacketType, Publish, Text, Version};

/// A message by its topic and a digest of its payload.
type Message = (Text, u64);

/// What was published in the exchange, and how often each client got it at QoS 0.
#[derive(Debug, Default)]
pub struct Copies {
    published: BTreeMap<Message, Published>,
    delivered: BTreeMap<(usize, Message), u32>,
    /// The last delivery of each client.
    last: BTreeMap<usize, Message>,
}

#[derive(Debug, Default)]
struct Published {
    times: u32,
    at_qos_1: bool,
}

impl Copies {
    /// A message of the exchange was published, or left as a will.
    pub fn published(&mut self, topic: &Text, payload: u64, qos: u8) {
        let published = self.published.entry((topic.clone(), payload)).or_default();
        published.times += 1;
        published.at_qos_1 |= qos == 1;
    }

    /// A message came to a client: whether it is a duplicate that section 3.8.4 of 3.1.1 and 5.0 permits, of a message that was
    /// published at QoS 1 and came at QoS 0. Of retained messages only one right behind the other is taken for that: they
    /// come again with each subscription.
    pub fn came(&mut self, client: usize, publish: &Publish, topic: &Text, version: Version) -> bool {
        let message = (topic.clone(), publish.payload.hash());
        let follows = self.last.insert(client, message.clone()).as_ref() == Some(&message);
        if publish.qos != 0 || version == Version::V3_1 {
            return false;
        }
        let Some(published) = self.published.get(&message).filter(|p| p.at_qos_1) else {
            return false;
        };
        let delivered = self.delivered.entry((client, message)).or_default();
        *delivered += 1;
        *delivered > published.times && (follows || !publish.retain)
    }
}

/// What was acknowledged, and may come again because the broker had not received that when it sent it: on a living connection
/// of 3.x (3.1.1, section 4.4: there a repeat is not demanded, and not forbidden), and when a session is resumed whose
/// connection ended behind the acknowledgement (section 4.4 of 3.1.1 and 5.0).
#[derive(Debug, Clone, Default)]
pub struct Crossings(Vec<Crossing>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Crossing {
    /// What is repeated: PUBLISH or PUBREL.
    packet_type: PacketType,
    packet_id: u16,
    /// Of a PUBLISH.
    digest: u64,
    /// How many PINGRESPs may still come until one shows that the broker has had the acknowledgement.
    pongs: usize,
    /// The acknowledgement went out on an earlier connection.
    earlier: bool,
}

impl Crossings {
    /// An acknowledgement went out, behind `pings` PINGREQs that are not answered.
    pub fn acknowledged(&mut self, packet_type: PacketType, packet_id: u16, digest: u64, pings: usize) {
        self.0.push(Crossing {
            packet_type,
            packet_id,
            digest,
            pongs: pings + 1,
            earlier: false,
        });
    }

    /// A PINGRESP came.
    pub fn pong(&mut self) {
        self.0.retain_mut(|crossing| {
            crossing.pongs -= 1;
            crossing.pongs > 0
        });
    }

    /// Whether such a repeat may be on its way to a client of this version. On a living connection of 5.0 none is.
    pub fn may_bring(&self, packet_type: PacketType, packet_id: u16, digest: u64, version: Version) -> bool {
        let is_it = |c: &Crossing| (c.packet_type, c.packet_id, c.digest) == (packet_type, packet_id, digest);
        let may_be = |c: &Crossing| c.earlier || version != Version::V5;
        self.0.iter().any(|c| is_it(c) && may_be(c))
    }

    /// What came again on a resumed session is acknowledged again, behind `pings` PINGREQs that are not answered: from now on it
    /// may cross that acknowledgement, as on any living connection.
    pub fn acknowledged_again(&mut self, packet_type: PacketType, packet_id: u16, pings: usize) {
        let carried = self.0.iter_mut().filter(|c| c.earlier);
        for crossing in carried.filter(|c| (c.packet_type, c.packet_id) == (packet_type, packet_id)) {
            crossing.earlier = false;
            crossing.pongs = pings + 1;
        }
    }

    /// A new connection has begun. On it, the first PINGRESP comes behind all that a resumed session brings again.
    pub fn carry_over(&mut self) {
        for crossing in &mut self.0 {
            crossing.pongs = 1;
            crossing.earlier = true;
        }
    }

    /// The session has ended.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What tells one message of an identifier from another.
pub fn digest(publish: &Publish) -> u64 {
    let topic = publish.topic.as_bytes().iter();
    topic.fold(publish.payload.hash(), |sum, byte| {
        sum.rotate_left(5) ^ u64::from(*byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(qos: u8, retain: bool) -> Publish {
        Publish {
            topic: "t".into(),
            qos,
            retain,
            payload: "m".into(),
            ..Publish::default()
        }
    }

    #[test]
    fn a_second_copy_of_qos_1_at_qos_0_is_permitted() {
        let came = |published: u8, qos: u8, version| {
            let mut copies = Copies::default();
            let topic = Text::from("t");
            copies.published(&topic, publish(0, false).payload.hash(), published);
            [0; 3].map(|_| copies.came(0, &publish(qos, false), &topic, version))
        };
        assert_eq!(came(1, 0, Version::V5), [false, true, true]);
        assert_eq!(came(1, 0, Version::V3_1_1), [false, true, true]);
        assert_eq!(came(1, 0, Version::V3_1), [false; 3]);
        assert_eq!(came(2, 0, Version::V5), [false; 3]);
        assert_eq!(came(0, 0, Version::V5), [false; 3]);
        assert_eq!(came(1, 1, Version::V5), [false; 3]);
    }

    #[test]
    fn a_message_that_is_published_again_is_no_duplicate() {
        let mut copies = Copies::default();
        let topic = Text::from("t");
        for _ in 0..2 {
            copies.published(&topic, publish(1, false).payload.hash(), 1);
            assert!(!copies.came(0, &publish(0, false), &topic, Version::V5));
        }
        // Another client has had none yet.
        assert!(!copies.came(1, &publish(0, false), &topic, Version::V5));
    }

    #[test]
    fn a_retained_message_comes_again_with_a_new_subscription() {
        let mut copies = Copies::default();
        let (topic, other) = (Text::from("t"), Text::from("u"));
        copies.published(&topic, publish(1, true).payload.hash(), 1);
        assert!(!copies.came(0, &publish(0, true), &topic, Version::V5));
        assert!(copies.came(0, &publish(0, true), &topic, Version::V5));
        copies.came(0, &publish(0, true), &other, Version::V5);
        assert!(!copies.came(0, &publish(0, true), &topic, Version::V5));
    }

    #[test]
    fn a_repeat_may_cross_until_a_pong_shows_that_the_acknowledgement_came() {
        let mut crossings = Crossings::default();
        let digest = digest(&publish(1, false));
        crossings.acknowledged(PacketType::Publish, 7, digest, 1);
        let may_bring = |crossings: &Crossings, kind, digest| crossings.may_bring(kind, 7, digest, Version::V3_1_1);
        assert!(may_bring(&crossings, PacketType::Publish, digest));
        assert!(!may_bring(&crossings, PacketType::Publish, digest + 1));
        assert!(!may_bring(&crossings, PacketType::PubRel, digest));
        // This one answers the PINGREQ that was sent before.
        crossings.pong();
        assert!(may_bring(&crossings, PacketType::Publish, digest));
        crossings.pong();
        assert!(!may_bring(&crossings, PacketType::Publish, digest));
    }

    #[test]
    fn at_5_0_a_repeat_may_cross_only_when_the_session_is_resumed() {
        let mut crossings = Crossings::default();
        crossings.acknowledged(PacketType::PubRel, 7, 0, 3);
        let may_bring = |crossings: &Crossings| crossings.may_bring(PacketType::PubRel, 7, 0, Version::V5);
        assert!(!may_bring(&crossings));
        crossings.carry_over();
        assert!(may_bring(&crossings));
        crossings.pong();
        assert!(!may_bring(&crossings));
    }

    #[test]
    fn what_a_resumed_session_brings_again_may_cross_its_second_acknowledgement_at_3_x() {
        for (version, crosses) in [(Version::V3_1_1, true), (Version::V5, false)] {
            let mut crossings = Crossings::default();
            crossings.acknowledged(PacketType::Publish, 7, 1, 0);
            crossings.carry_over();
            crossings.acknowledged_again(PacketType::Publish, 7, 1);
            // The PINGRESP answers a PINGREQ that was sent before the acknowledgement.
            crossings.pong();
            assert_eq!(crossings.may_bring(PacketType::Publish, 7, 1, version), crosses);
            crossings.pong();
            assert!(!crossings.may_bring(PacketType::Publish, 7, 1, version));
        }
    }
}
