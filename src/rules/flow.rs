//! Rules on the limits that the client sets in its CONNECT (5.0).

use super::conn::property::*;
use super::history::Moment;
use super::rule::{Found, Ids, Needs, RuleInfo};
use crate::transcript::What;

const RECEIVE: Ids = Ids::v5("MQTT-3.3.4-9");
const SIZE: Ids = Ids::v5("MQTT-3.1.2-24");
const ALIAS: Ids = Ids::v5("MQTT-3.1.2-26");
const NO_ALIAS: Ids = Ids::v5("MQTT-3.1.2-27");
const UNKNOWN_ALIAS: Ids = Ids::v5("MQTT-3.3.2-1");

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
        ids: &[SIZE],
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
        ids: &[UNKNOWN_ALIAS],
        needs: Needs::Connection,
        check: topic_alias_known,
    },
];

fn receive_maximum(m: &Moment) -> Vec<Found> {
    let Some((p, _)) = m.delivery() else { return vec![] };
    if p.qos == 0 || m.conn.connect.is_none() || m.conn.quota > 0 {
        return vec![];
    }
    let limit = m.conn.receive_maximum();
    let text = format!("one more PUBLISH while {limit} are open; the client's Receive Maximum is {limit}");
    vec![Found::new(RECEIVE, text)]
}

fn maximum_packet_size(m: &Moment) -> Vec<Found> {
    let (Some(limit), true) = (m.conn.asked(MAXIMUM_PACKET_SIZE), m.event.from_broker()) else {
        return vec![];
    };
    let What::Packet { raw, .. } = &m.event.what else { return vec![] };
    let len = raw.len();
    if len <= u64::from(limit) {
        return vec![];
    }
    let text = format!("a packet of {len} bytes; the client's Maximum Packet Size is {limit}");
    vec![Found::new(SIZE, text)]
}

fn topic_alias_maximum(m: &Moment) -> Vec<Found> {
    let Some((p, _)) = m.delivery() else { return vec![] };
    let Some(alias) = p.properties.number(TOPIC_ALIAS) else { return vec![] };
    if m.conn.connect.is_none() {
        return vec![];
    }
    let limit = m.conn.asked(TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
    let found = match limit {
        0 => Found::new(NO_ALIAS, format!("Topic Alias {alias}; the client allows none")),
        _ if alias > limit => {
            Found::new(ALIAS, format!("Topic Alias {alias}; the client's Topic Alias Maximum is {limit}"))
        }
        _ => return vec![],
    };
    vec![found.at(m.span("topic_alias"))]
}

fn topic_alias_known(m: &Moment) -> Vec<Found> {
    let Some((p, _)) = m.delivery() else { return vec![] };
    let Some(alias) = p.properties.number(TOPIC_ALIAS) else { return vec![] };
    if !p.topic.is_empty() || m.conn.aliases.contains_key(&(alias as u16)) {
        return vec![];
    }
    let text = format!("the topic is left to Topic Alias {alias}, which was not set on this connection");
    vec![Found::new(UNKNOWN_ALIAS, text).at(m.span("topic_alias"))]
}
