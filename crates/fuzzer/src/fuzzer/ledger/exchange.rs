//! The exchanges that the broker begins in a session: identifiers, repeats and their order.
//!
//! Only what the client has read counts: a PUBLISH that was lost with its connection may come again with DUP 1 and its identifier.

use bytes::Bytes;

use super::book::When;
use crate::fuzzer::judge::Verdict;
use crate::statements::{PerVersion, ids};
use crate::wire::{Ack, Publish, Text, Version};

const IN_USE: PerVersion = ids![v3_1: "§2.4/message-id-unique", v3_1_1: "MQTT-2.3.1-4", v5: "MQTT-2.2.1-4"];
const RESENT: PerVersion = ids![v3_1: "§2.1/dup-on-redelivery", v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
const RELEASED: PerVersion = ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-6"];
const ORDERED: PerVersion = ids![v3_1_1: "MQTT-4.6.0-6", v5: "MQTT-4.6.0-5"];
const AGAIN: PerVersion = ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];

/// The exchanges of one session.
#[derive(Debug, Default)]
pub struct Exchanges {
    open: Vec<Exchange>,
    /// How many have begun.
    begun: usize,
    /// The exchanges that were repeated on the newest connection.
    repeated: Vec<Repeat>,
    /// The newest connection.
    connection: u32,
}

/// A PUBLISH of QoS 1 or 2 that the client has read and not acknowledged to its end.
#[derive(Debug)]
pub struct Exchange {
    packet_id: u16,
    topic: Text,
    payload: Bytes,
    pub qos: u8,
    pub began: When,
    /// Its place in the order of the first sendings.
    number: usize,
    stage: Stage,
    /// The newest connection on which the broker sent something of it.
    connection: u32,
    /// Its message may expire.
    expires: bool,
}

/// A repeated PUBLISH, with its place in the order of the first sendings.
#[derive(Debug)]
struct Repeat {
    topic: Text,
    payload: Bytes,
    qos: u8,
    number: usize,
}

impl Repeat {
    /// Whether this one had to come after the other. Copies of one message for overlapping subscriptions have no order that matters.
    fn belongs_after(&self, other: &Repeat) -> bool {
        self.topic == other.topic
            && self.qos == other.qos
            && self.number > other.number
            && self.payload != other.payload
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sent,
    /// The client sent PUBREC. Whether the broker has it is not known.
    Received,
    /// The broker sent PUBREL.
    Released,
}

/// A PUBLISH of QoS 1 or 2 that the client reads.
pub struct Read<'a> {
    pub publish: &'a Publish,
    pub packet_id: u16,
    pub topic: &'a Text,
    pub payload: &'a Bytes,
    pub connection: u32,
    pub version: Version,
    pub when: When,
    /// The message has a Message Expiry Interval, which a PUBLISH at 3.x does not show.
    pub expires: bool,
    /// Whether an exchange of this QoS may end without the client.
    pub may_end: bool,
}

impl Exchanges {
    /// A new connection of the session.
    pub fn resume(&mut self, connection: u32) {
        self.connection = connection;
        self.repeated.clear();
    }

    /// Whether a PUBLISH on the newest connection repeats one that is open since an earlier one, whatever its DUP flag says.
    pub fn goes_on(&self, publish: &Publish, packet_id: u16, payload: &Bytes) -> bool {
        self.open.iter().any(|e| {
            let is_same = e.packet_id == packet_id && e.qos == publish.qos && e.payload == *payload;
            is_same && e.connection != self.connection
        })
    }

    pub fn read(&mut self, read: &Read) -> Option<Verdict> {
        let Read {
            publish: p, packet_id, ..
        } = *read;
        let known = self.open.iter().position(|e| e.packet_id == packet_id);
        let Some(at) = known else {
            // The first copy of a repeat is lost, or its acknowledgement has crossed it.
            if !p.dup {
                self.begin(read);
            }
            return None;
        };
        let is_same = self.open[at].payload == *read.payload && self.open[at].qos == p.qos;
        if is_same && p.dup {
            return self.repeat(at, read);
        }
        let verdict = if is_same {
            let text = format!("PUBLISH {packet_id} came again with DUP 0");
            found("repeat-has-dup", RESENT, read, text)
        } else {
            let text = format!("packet identifier {packet_id} is used for another message while its exchange is open");
            found("identifier-in-use", IN_USE, read, text)
        };
        self.open.remove(at);
        self.begin(read);
        verdict.filter(|_| !read.may_end)
    }

    fn begin(&mut self, read: &Read) {
        self.begun += 1;
        self.open.push(Exchange {
            packet_id: read.packet_id,
            topic: read.topic.clone(),
            payload: read.payload.clone(),
            qos: read.publish.qos,
            began: read.when,
            number: self.begun,
            stage: Stage::Sent,
            connection: read.connection,
            expires: read.expires,
        });
    }

    fn repeat(&mut self, at: usize, read: &Read) -> Option<Verdict> {
        let known = &mut self.open[at];
        let is_first = std::mem::replace(&mut known.connection, read.connection) != read.connection;
        if known.stage == Stage::Released {
            let text = format!("PUBLISH {} came again after its PUBREL", read.packet_id);
            return found("publish-after-pubrel", RELEASED, read, text);
        }
        if !is_first {
            return None;
        }
        let this = Repeat {
            topic: known.topic.clone(),
            payload: known.payload.clone(),
            qos: known.qos,
            number: known.number,
        };
        let is_late = self.repeated.iter().any(|other| other.belongs_after(&this));
        self.repeated.push(this);
        let text = format!(
            "PUBLISH {} is repeated after one that was first sent later",
            read.packet_id
        );
        is_late
            .then(|| found("repeats-in-order", ORDERED, read, text))
            .flatten()
    }

    /// The broker sends PUBREL.
    pub fn released(&mut self, packet_id: u16, connection: u32) {
        if let Some(known) = self.open.iter_mut().find(|e| e.packet_id == packet_id) {
            known.stage = Stage::Released;
            known.connection = connection;
        }
    }

    /// The client sends PUBREC.
    pub fn received(&mut self, ack: &Ack) {
        if ack.reason_code >= 0x80 {
            return self.end(ack.packet_id);
        }
        if let Some(known) = self.open.iter_mut().find(|e| e.packet_id == ack.packet_id)
            && known.stage == Stage::Sent
        {
            known.stage = Stage::Received;
        }
    }

    /// The client sends PUBACK or PUBCOMP.
    pub fn end(&mut self, packet_id: u16) {
        self.open.retain(|e| e.packet_id != packet_id);
    }

    /// The exchanges of which nothing was sent on the newest connection.
    pub fn left(&self) -> impl Iterator<Item = &Exchange> {
        self.open
            .iter()
            .filter(|e| e.connection != self.connection && !e.expires)
    }

    /// That such an exchange did not go on, as of an event.
    pub fn not_repeated(left: &Exchange, version: Version, event: usize) -> Option<Verdict> {
        let packet = match left.stage {
            Stage::Sent => "PUBLISH",
            Stage::Received => "PUBLISH or PUBREL",
            Stage::Released => "PUBREL",
        };
        Some(Verdict {
            rule: "exchange-goes-on",
            statement: AGAIN.first(version)?,
            event,
            text: format!(
                "no {packet} {} came again in the resumed session; its PUBLISH is event {}",
                left.packet_id, left.began.event
            ),
        })
    }
}

fn found(rule: &'static str, duty: PerVersion, read: &Read, text: String) -> Option<Verdict> {
    Some(Verdict {
        rule,
        statement: duty.first(read.version)?,
        event: read.when.event,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// What is said of a PUBLISH of QoS 1.
    fn read(exchanges: &mut Exchanges, packet_id: u16, payload: &'static str, connection: u32) -> Option<&'static str> {
        let publish = Publish {
            qos: 1,
            dup: connection > 1,
            packet_id: Some(packet_id),
            topic: "a".into(),
            ..Publish::default()
        };
        let verdict = exchanges.read(&Read {
            publish: &publish,
            packet_id,
            topic: &"a".into(),
            payload: &payload.into(),
            connection,
            version: Version::V3_1_1,
            when: When {
                event: 0,
                at: Duration::ZERO,
            },
            expires: false,
            may_end: false,
        });
        verdict.map(|v| v.rule)
    }

    fn resumed(first: [&'static str; 2]) -> Option<&'static str> {
        let mut exchanges = Exchanges::default();
        exchanges.resume(1);
        assert_eq!(read(&mut exchanges, 1, first[0], 1), None);
        assert_eq!(read(&mut exchanges, 2, first[1], 1), None);
        exchanges.resume(2);
        assert_eq!(read(&mut exchanges, 2, first[1], 2), None);
        read(&mut exchanges, 1, first[0], 2)
    }

    #[test]
    fn messages_are_repeated_in_their_order() {
        assert_eq!(resumed(["first", "second"]), Some("repeats-in-order"));
    }

    #[test]
    fn copies_of_one_message_have_no_order() {
        assert_eq!(resumed(["same", "same"]), None);
    }
}
