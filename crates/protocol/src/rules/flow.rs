//! Rules on the limits that the client sets in its CONNECT (5.0).

use super::conn::Conn;
use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::transcript::What;
use crate::wire::property::id::*;
use crate::wire::{Packet, PacketType};

const RECEIVE: PerVersion = ids![v5: "MQTT-3.3.4-9"];
const SIZE: PerVersion = ids![v5: "MQTT-3.1.2-24"];
/// What is left out of each answer if it does not fit: a Reason String, and User Properties.
const TEXTS: [(PacketType, PerVersion, PerVersion); 9] = [
    (
        PacketType::ConnAck,
        ids![v5: "MQTT-3.2.2-19"],
        ids![v5: "MQTT-3.2.2-20"],
    ),
    (PacketType::PubAck, ids![v5: "MQTT-3.4.2-2"], ids![v5: "MQTT-3.4.2-3"]),
    (PacketType::PubRec, ids![v5: "MQTT-3.5.2-2"], ids![v5: "MQTT-3.5.2-3"]),
    (PacketType::PubRel, ids![v5: "MQTT-3.6.2-2"], ids![v5: "MQTT-3.6.2-3"]),
    (PacketType::PubComp, ids![v5: "MQTT-3.7.2-2"], ids![v5: "MQTT-3.7.2-3"]),
    (PacketType::SubAck, ids![v5: "MQTT-3.9.2-1"], ids![v5: "MQTT-3.9.2-2"]),
    (
        PacketType::UnsubAck,
        ids![v5: "MQTT-3.11.2-1"],
        ids![v5: "MQTT-3.11.2-2"],
    ),
    (
        PacketType::Disconnect,
        ids![v5: "MQTT-3.14.2-3"],
        ids![v5: "MQTT-3.14.2-4"],
    ),
    (PacketType::Auth, ids![v5: "MQTT-3.15.2-2"], ids![v5: "MQTT-3.15.2-3"]),
];
const ALIAS: PerVersion = ids![v5: "MQTT-3.1.2-26"];
const NO_ALIAS: PerVersion = ids![v5: "MQTT-3.1.2-27"];
const UNKNOWN_ALIAS: PerVersion = ids![v5: "MQTT-4.7.3-1"];
const CARRIED_OVER: PerVersion = ids![v5: "MQTT-3.3.2-7"];

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "receive-maximum",
        about: "No more PUBLISHes of QoS 1 and 2 are open than the client's Receive Maximum.",
        ids: &[RECEIVE],
        needs: Needs::Connection,
        check: receive_maximum,
    },
    RuleInfo {
        name: "maximum-packet-size",
        about: "No packet is larger than the client's Maximum Packet Size.",
        ids: &[
            SIZE, TEXTS[0].1, TEXTS[0].2, TEXTS[1].1, TEXTS[1].2, TEXTS[2].1, TEXTS[2].2, TEXTS[3].1, TEXTS[3].2,
            TEXTS[4].1, TEXTS[4].2, TEXTS[5].1, TEXTS[5].2, TEXTS[6].1, TEXTS[6].2, TEXTS[7].1, TEXTS[7].2, TEXTS[8].1,
            TEXTS[8].2,
        ],
        needs: Needs::Connection,
        check: maximum_packet_size,
    },
    RuleInfo {
        name: "topic-alias-maximum",
        about: "Topic aliases are at most the client's Topic Alias Maximum; without one there are none.",
        ids: &[ALIAS, NO_ALIAS],
        needs: Needs::Connection,
        check: topic_alias_maximum,
    },
    RuleInfo {
        name: "topic-alias-known",
        about: "A PUBLISH without a topic has an alias that was set on this connection.",
        ids: &[UNKNOWN_ALIAS, CARRIED_OVER],
        needs: Needs::Connection,
        check: topic_alias_known,
    },
];

fn receive_maximum(m: &Moment) -> Vec<Found> {
    let Some((p, _)) = m.delivery() else { return vec![] };
    let (open, limit) = (m.conn.in_flight, m.conn.receive_maximum());
    if p.qos == 0 || m.conn.connect.is_none() || open < limit {
        return vec![];
    }
    let text = format!("one more PUBLISH while {open} are open; the client's Receive Maximum is {limit}");
    vec![Found::new(RECEIVE, text)]
}

fn maximum_packet_size(m: &Moment) -> Vec<Found> {
    let (Some(limit), true) = (m.conn.asked(MAXIMUM_PACKET_SIZE), m.is_from_broker()) else {
        return vec![];
    };
    let What::Packet { raw, .. } = &m.event.what else {
        return vec![];
    };
    let len = raw.len();
    if len <= u64::from(limit) {
        return vec![];
    }
    let text = format!("a packet of {len} bytes; the client's Maximum Packet Size is {limit}");
    let mut found = vec![Found::new(SIZE, text.clone())];
    let packet = m.packet();
    let texts = packet.and_then(|p| TEXTS.iter().find(|(t, ..)| *t == p.packet_type()));
    if let (Some(properties), Some((_, reason, user))) = (packet.and_then(Packet::properties), texts) {
        for (property, ids) in [(REASON_STRING, reason), (USER_PROPERTY, user)] {
            if properties.get(property).is_some() {
                found.push(Found::new(*ids, text.clone()));
            }
        }
    }
    found
}

fn topic_alias_maximum(m: &Moment) -> Vec<Found> {
    let Some((p, _)) = m.delivery() else { return vec![] };
    let Some(alias) = p.properties.number(TOPIC_ALIAS) else {
        return vec![];
    };
    if m.conn.connect.is_none() {
        return vec![];
    }
    let limit = m.conn.asked(TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
    let found = match limit {
        0 => Found::new(NO_ALIAS, format!("Topic Alias {alias}; the client allows none")),
        _ if alias > limit => Found::new(
            ALIAS,
            format!("Topic Alias {alias}; the client's Topic Alias Maximum is {limit}"),
        ),
        _ => return vec![],
    };
    vec![found.at(m.span("topic_alias"))]
}

fn topic_alias_known(m: &Moment) -> Vec<Found> {
    let Some((p, _)) = m.delivery() else { return vec![] };
    let Some(alias) = p.properties.number(TOPIC_ALIAS) else {
        return vec![];
    };
    if !p.topic.is_empty() || m.conn.aliases.contains_key(&(alias as u16)) {
        return vec![];
    }
    let of_client = |conn: &&Conn| conn.client == m.conn.client && conn.number < m.conn.number;
    let before = m
        .history
        .conns
        .values()
        .filter(of_client)
        .any(|c| c.aliases.contains_key(&(alias as u16)));
    let ids = if before { CARRIED_OVER } else { UNKNOWN_ALIAS };
    let text = format!("the topic is left to Topic Alias {alias}, which was not set on this connection");
    vec![Found::new(ids, text).at(m.span("topic_alias"))]
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::property::id::*;
    use crate::wire::{Packet, PropertyValue, Version};

    fn talk(limit: Option<(u32, PropertyValue)>) -> Talk {
        let mut c = connect(Version::V5, "c");
        if let Some((id, value)) = limit {
            c.properties.push(id, value);
        }
        Talk::new(Version::V5)
            .open(1)
            .to(1, c.into())
            .from(1, connack(0, false))
            .subscribed(1, "t", 2)
    }

    #[test]
    fn the_receive_maximum_is_kept() {
        let t = talk(Some((RECEIVE_MAXIMUM, PropertyValue::U16(2))))
            .from(1, message("t", 1, 1, "a"))
            .from(1, message("t", 2, 2, "b"))
            .from(1, message("t", 0, 0, "c"))
            .to(1, pubrec(2))
            .to(1, puback(1))
            .from(1, message("t", 1, 3, "d"));
        assert!(t.breaches().is_empty(), "{:?}", t.findings());
        assert_eq!(t.from(1, message("t", 1, 4, "e")).breaches(), ["MQTT-3.3.4-9"]);
    }

    #[test]
    fn the_maximum_packet_size_is_kept() {
        let t = talk(Some((MAXIMUM_PACKET_SIZE, PropertyValue::U32(20)))).from(1, message("t", 0, 0, "12345678901234"));
        assert!(t.breaches().is_empty());
        assert_eq!(
            t.from(1, message("t", 0, 0, "123456789012345")).breaches(),
            ["MQTT-3.1.2-24"]
        );
    }

    #[test]
    fn a_text_that_does_not_fit_is_left_out() {
        let suback = |reason: &str| {
            let mut properties = crate::wire::Properties::default();
            properties.push(REASON_STRING, PropertyValue::Text(reason.into()));
            Packet::SubAck(crate::wire::SubAck {
                packet_id: 1,
                properties,
                reason_codes: vec![0],
            })
        };
        let limit = || talk(Some((MAXIMUM_PACKET_SIZE, PropertyValue::U32(20))));
        let named = |t: Talk| t.breaches().contains(&"MQTT-3.9.2-1");
        assert!(!named(limit().from(1, suback("short"))));
        assert!(named(limit().from(1, suback("too long for twenty"))));
    }

    /// Above the limit, an acknowledgement makes no room for another message.
    #[test]
    fn what_is_above_the_limit_stays_above_it() {
        let over = talk(Some((RECEIVE_MAXIMUM, PropertyValue::U16(2))))
            .from(1, message("t", 1, 1, "a"))
            .from(1, message("t", 1, 2, "b"))
            .from(1, message("t", 1, 3, "c"))
            .to(1, puback(1))
            .from(1, message("t", 1, 4, "d"));
        assert_eq!(over.breaches(), ["MQTT-3.3.4-9", "MQTT-3.3.4-9"]);
        let room = over.to(1, puback(2)).to(1, puback(3)).from(1, message("t", 1, 5, "e"));
        assert_eq!(room.breaches().len(), 2);
    }

    fn aliased(topic: &str, alias: u16) -> Packet {
        let mut p = publish(topic, 0, 0, "a");
        p.properties.push(TOPIC_ALIAS, PropertyValue::U16(alias));
        Packet::Publish(p)
    }

    #[test]
    fn the_topic_alias_maximum_is_kept() {
        assert_eq!(talk(None).from(1, aliased("t", 1)).breaches(), ["MQTT-3.1.2-27"]);
        let limit = || talk(Some((TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(3))));
        assert!(limit().from(1, aliased("t", 3)).breaches().is_empty());
        assert_eq!(limit().from(1, aliased("t", 4)).breaches(), ["MQTT-3.1.2-26"]);
    }

    #[test]
    fn an_alias_is_set_before_it_is_used() {
        let limit = || talk(Some((TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(3))));
        assert!(
            limit()
                .from(1, aliased("t", 1))
                .from(1, aliased("", 1))
                .breaches()
                .is_empty()
        );
        assert_eq!(
            limit().from(1, aliased("t", 1)).from(1, aliased("", 2)).breaches(),
            ["MQTT-4.7.3-1"]
        );
    }
}
