//! Rules on the limits that the server sets in its CONNACK (5.0). They bind a client once it has heard of them.

use super::super::history::Moment;
use super::super::rule::{Found, Needs, RuleInfo};
use super::super::sent::Open;
use super::said;
use crate::statements::{PerVersion, ids};
use crate::transcript::What;
use crate::wire::property::id::*;
use crate::wire::{ConnAck, Packet, Publish};

const RECEIVE: PerVersion = ids![v5: "MQTT-3.3.4-7"];
const SIZE: PerVersion = ids![v5: "MQTT-3.2.2-15"];
const QOS: PerVersion = ids![v5: "MQTT-3.2.2-11"];
const RETAIN: PerVersion = ids![v5: "MQTT-3.2.2-14"];
const ALIAS: PerVersion = ids![v5: "MQTT-3.2.2-17"];
const NO_ALIAS: PerVersion = ids![v5: "MQTT-3.2.2-18"];
const UNKNOWN_ALIAS: PerVersion = ids![v5: "MQTT-4.7.3-1"];

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "client-receive-maximum",
        about: "No more PUBLISHes of QoS 1 and 2 are open than the server's Receive Maximum.",
        ids: &[RECEIVE],
        needs: Needs::Connection,
        check: receive_maximum,
    },
    RuleInfo {
        name: "client-maximum-packet-size",
        about: "No packet is larger than the server's Maximum Packet Size.",
        ids: &[SIZE],
        needs: Needs::Connection,
        check: maximum_packet_size,
    },
    RuleInfo {
        name: "client-maximum-qos",
        about: "No PUBLISH has a QoS above the server's Maximum QoS, and none has RETAIN 1 if the server retains nothing.",
        ids: &[QOS, RETAIN],
        needs: Needs::Connection,
        check: maximum_qos,
    },
    RuleInfo {
        name: "client-topic-alias",
        about: "Topic aliases are at most the server's Topic Alias Maximum, and set before they are used.",
        ids: &[ALIAS, NO_ALIAS, UNKNOWN_ALIAS],
        needs: Needs::Connection,
        check: topic_alias,
    },
];

/// The CONNACK that the client had heard of when it sent this.
fn heard<'a>(m: &Moment<'a>) -> Option<&'a ConnAck> {
    m.conn
        .connack
        .as_ref()
        .filter(|_| !m.sight.crossed && !m.is_from_broker())
}

fn publish<'a>(m: &Moment<'a>) -> Option<&'a Publish> {
    match said(m) {
        Some(Packet::Publish(p)) => Some(p),
        _ => None,
    }
}

fn receive_maximum(m: &Moment) -> Vec<Found> {
    let (Some(connack), Some(p)) = (heard(m), publish(m)) else {
        return vec![];
    };
    let Some(id) = p.packet_id else { return vec![] };
    let limit = connack.properties.number(RECEIVE_MAXIMUM).unwrap_or(65_535);
    let again = matches!(m.conn.sent.open.get(&id), Some(Open::Publish { .. }));
    if again || m.conn.sent.in_flight < limit {
        return vec![];
    }
    let text = format!("one more PUBLISH while {limit} are open; the server's Receive Maximum is {limit}");
    vec![Found::new(RECEIVE, text)]
}

fn maximum_packet_size(m: &Moment) -> Vec<Found> {
    let limit = heard(m).and_then(|c| c.properties.number(MAXIMUM_PACKET_SIZE));
    let (Some(limit), What::Packet { raw, .. }) = (limit, &m.event.what) else {
        return vec![];
    };
    let len = raw.len();
    if len <= u64::from(limit) {
        return vec![];
    }
    let text = format!("a packet of {len} bytes; the server's Maximum Packet Size is {limit}");
    vec![Found::new(SIZE, text)]
}

fn maximum_qos(m: &Moment) -> Vec<Found> {
    let (Some(connack), Some(p)) = (heard(m), publish(m)) else {
        return vec![];
    };
    let mut found = Vec::new();
    let limit = connack.properties.number(MAXIMUM_QOS).unwrap_or(2);
    // QoS 3 is no QoS: such a packet is malformed (3.3.1-4), whatever the limit.
    if p.qos < 3 && u32::from(p.qos) > limit {
        let text = format!("a PUBLISH of QoS {}; the server's Maximum QoS is {limit}", p.qos);
        found.push(Found::new(QOS, text).at(m.span("qos")));
    }
    if p.retain && connack.properties.number(RETAIN_AVAILABLE) == Some(0) {
        found.push(Found::new(RETAIN, "RETAIN is 1; the server retains nothing").at(m.span("retain")));
    }
    found
}

fn topic_alias(m: &Moment) -> Vec<Found> {
    let Some(p) = publish(m) else { return vec![] };
    let Some(alias) = p.properties.number(TOPIC_ALIAS) else {
        return vec![];
    };
    let mut found = Vec::new();
    if let Some(connack) = heard(m) {
        match connack.properties.number(TOPIC_ALIAS_MAXIMUM).unwrap_or(0) {
            0 => found.push(Found::new(
                NO_ALIAS,
                format!("Topic Alias {alias}; the server allows none"),
            )),
            limit if alias > limit => {
                let text = format!("Topic Alias {alias}; the server's Topic Alias Maximum is {limit}");
                found.push(Found::new(ALIAS, text));
            }
            _ => {}
        }
    }
    if p.topic.is_empty() && !m.conn.sent.aliases.contains(&(alias as u16)) {
        let text = format!("the topic is left to Topic Alias {alias}, which was not set on this connection");
        found.push(Found::new(UNKNOWN_ALIAS, text));
    }
    found.into_iter().map(|f| f.at(m.span("topic_alias"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::wire::property::id::*;
    use crate::wire::{ConnAck, Packet, PropertyValue, Version};

    fn limited(limits: &[(u32, PropertyValue)]) -> Talk {
        let mut ack = ConnAck::default();
        for (id, value) in limits {
            ack.properties.push(*id, value.clone());
        }
        Talk::captured(Version::V5)
            .open(1)
            .to(1, connect(Version::V5, "c").into())
            .from(1, Packet::ConnAck(ack))
    }

    fn aliased(topic: &str, alias: u16) -> Packet {
        let mut p = publish(topic, 0, 0, "a");
        p.properties.push(TOPIC_ALIAS, PropertyValue::U16(alias));
        Packet::Publish(p)
    }

    #[test]
    fn the_receive_maximum_is_kept() {
        let t = limited(&[(RECEIVE_MAXIMUM, PropertyValue::U16(2))])
            .to(1, message("t", 1, 1, "a"))
            .to(1, message("t", 2, 2, "b"))
            .to(1, message("t", 0, 0, "c"))
            .from(1, puback(1))
            .to(1, message("t", 1, 3, "d"));
        assert!(t.findings().is_empty(), "{:?}", t.findings());
        assert_eq!(t.to(1, message("t", 1, 4, "e")).breaches(), ["MQTT-3.3.4-7"]);
    }

    #[test]
    fn the_maximum_packet_size_is_kept() {
        let limit = || limited(&[(MAXIMUM_PACKET_SIZE, PropertyValue::U32(20))]);
        assert!(
            limit()
                .to(1, message("t", 0, 0, "12345678901234"))
                .breaches()
                .is_empty()
        );
        assert_eq!(
            limit().to(1, message("t", 0, 0, "123456789012345")).breaches(),
            ["MQTT-3.2.2-15"]
        );
    }

    #[test]
    fn what_the_server_cannot_do_is_not_asked_for() {
        let limit = || {
            limited(&[
                (MAXIMUM_QOS, PropertyValue::Byte(1)),
                (RETAIN_AVAILABLE, PropertyValue::Byte(0)),
            ])
        };
        assert!(limit().to(1, message("t", 1, 1, "a")).breaches().is_empty());
        assert_eq!(limit().to(1, message("t", 2, 1, "a")).breaches(), ["MQTT-3.2.2-11"]);
        assert_eq!(limited(&[]).to(1, message("t", 3, 1, "a")).breaches(), ["MQTT-3.3.1-4"]);
        let mut p = publish("t", 0, 0, "a");
        p.retain = true;
        assert_eq!(limit().to(1, Packet::Publish(p)).breaches(), ["MQTT-3.2.2-14"]);
    }

    #[test]
    fn what_was_sent_before_the_connack_was_heard_breaks_no_limit() {
        let t = limited(&[(MAXIMUM_QOS, PropertyValue::Byte(0))]).crossing(1, message("t", 2, 1, "a"));
        assert!(t.findings().is_empty(), "{:?}", t.findings());
    }

    #[test]
    fn topic_aliases_are_allowed_and_set() {
        assert_eq!(limited(&[]).to(1, aliased("t", 1)).breaches(), ["MQTT-3.2.2-18"]);
        let limit = || limited(&[(TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(3))]);
        assert!(
            limit()
                .to(1, aliased("t", 3))
                .to(1, aliased("", 3))
                .breaches()
                .is_empty()
        );
        assert_eq!(limit().to(1, aliased("t", 4)).breaches(), ["MQTT-3.2.2-17"]);
        assert_eq!(limit().to(1, aliased("", 2)).breaches(), ["MQTT-4.7.3-1"]);
    }
}
