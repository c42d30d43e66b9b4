//! Rules on the messages that the broker delivers.

use super::conn::property::SUBSCRIPTION_IDENTIFIER;
use super::exchange::{Stage, may_repeat};
use super::filter::Match;
use super::history::Moment;
use super::rule::{Found, Ids, Needs, RuleInfo};
use crate::wire::Version;

const IN_USE: Ids = Ids::new("", "MQTT-2.3.1-4", "MQTT-2.2.1-4");
const RESENT: Ids = Ids::new("", "MQTT-3.3.1-1", "MQTT-3.3.1-1");
const FIRST: Ids = Ids::new("", "MQTT-3.3.1-3", "MQTT-3.3.1-3");
const RELEASED: Ids = Ids::new("", "MQTT-4.3.3-1", "MQTT-4.3.3-6");
const REPEAT: Ids = Ids::v5("MQTT-4.4.0-1");
const MATCHING: Ids = Ids::new("", "MQTT-3.3.2-3", "MQTT-3.3.2-3");
const DOLLAR: Ids = Ids::new("", "MQTT-4.7.2-1", "MQTT-4.7.2-1");
const QOS: Ids = Ids::new("", "MQTT-3.8.4-6", "MQTT-3.8.4-8");
const SHARED_QOS: Ids = Ids::new("", "MQTT-3.8.4-6", "MQTT-4.8.2-3");
const IDENTIFIERS: Ids = Ids::v5("MQTT-3.3.4-3");

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "packet-id-and-dup",
        about: "A new PUBLISH has an identifier that is not in use and DUP 0; a repeated one has DUP 1 and is not sent after \
                its PUBREL, and in 5.0 only when the session resumes.",
        ids: &[IN_USE, RESENT, FIRST, RELEASED, REPEAT],
        needs: Needs::Session,
        check: packet_id_and_dup,
    },
    RuleInfo {
        name: "topic-matches-filter",
        about: "The topic of a delivery matches a filter that this client id has sent.",
        ids: &[MATCHING, DOLLAR],
        needs: Needs::Session,
        check: topic_matches_filter,
    },
    RuleInfo {
        name: "qos-at-most-granted",
        about: "A delivery has at most the QoS granted to the subscriptions that match.",
        ids: &[QOS, SHARED_QOS],
        needs: Needs::Session,
        check: qos_at_most_granted,
    },
    RuleInfo {
        name: "subscription-identifiers",
        about: "A delivery carries Subscription Identifiers that were given for filters that match, and one at least where \
                each of them has one.",
        ids: &[IDENTIFIERS],
        needs: Needs::Session,
        check: subscription_identifiers,
    },
];

fn packet_id_and_dup(m: &Moment) -> Vec<Found> {
    let Some((p, topic)) = m.delivery() else { return vec![] };
    let Some(id) = p.packet_id.filter(|id| *id != 0) else {
        return vec![];
    };
    if m.superseded() {
        return vec![];
    }
    let first_with_dup = || {
        let text = format!("the first PUBLISH with packet identifier {id} has DUP 1");
        vec![Found::new(FIRST, text).at(m.span("dup"))]
    };
    let Some(known) = m.conn.exchanges.deliveries.get(&id) else {
        // What came first may have been lost with the connection before.
        return if p.dup && !m.conn.resumed { first_with_dup() } else { vec![] };
    };
    let same = known.qos == p.qos && known.topic == *topic && known.payload_hash == p.payload.hash();
    let here = known.connection == m.conn.number;
    let found = match known.stage {
        _ if known.restarted => return vec![],
        Stage::Done if !p.dup || !here => return vec![],
        Stage::Done if !same => return first_with_dup(),
        // It may have crossed our acknowledgement.
        Stage::Done if may_repeat(m.version) => return vec![],
        Stage::Done => Found::new(REPEAT, format!("PUBLISH {id} was repeated after it was acknowledged")),
        _ if !same => {
            let text = format!("packet identifier {id} is used for another message while its PUBLISH is not acknowledged");
            Found::new(IN_USE, text).at(m.span("packet_id"))
        }
        _ if !p.dup => {
            let text = format!("PUBLISH {id} was sent again, or another with its identifier, with DUP 0");
            Found::new(RESENT, text).at(m.span("dup"))
        }
        Stage::Released => Found::new(RELEASED, format!("PUBLISH {id} was sent again after its PUBREL")),
        _ if here && !may_repeat(m.version) => {
            let text = format!("PUBLISH {id} was repeated on a connection that is still there");
            Found::new(REPEAT, text).at(m.span("dup"))
        }
        _ => return vec![],
    };
    vec![found]
}

fn topic_matches_filter(m: &Moment) -> Vec<Found> {
    let (Some((_, topic)), Some(client)) = (m.delivery(), m.client()) else {
        return vec![];
    };
    // An alias that was never set is another rule's.
    if topic.is_empty() || client.matching(topic).next().is_some() {
        return vec![];
    }
    let ids = match client.filters.iter().find(|h| h.matches(topic) == Match::DollarOnly) {
        Some(held) => (DOLLAR, format!("topic {topic} begins with $ and matches only {}", held.filter)),
        None if client.filters.is_empty() => (MATCHING, format!("a delivery to {topic}, the client has no subscription")),
        None => (MATCHING, format!("topic {topic} matches no filter that this client holds")),
    };
    vec![Found::new(ids.0, ids.1).at(m.span("topic"))]
}

fn qos_at_most_granted(m: &Moment) -> Vec<Found> {
    let (Some((p, topic)), Some(client)) = (m.delivery(), m.client()) else {
        return vec![];
    };
    let Some(limit) = client.matching(topic).filter_map(|h| h.limit()).max() else {
        return vec![];
    };
    if p.qos <= limit {
        return vec![];
    }
    let only_shared = client.matching(topic).all(|h| h.is_shared());
    let ids = if only_shared { SHARED_QOS } else { QOS };
    let text = format!("delivered at QoS {}, the matching subscriptions were granted {limit} at most", p.qos);
    vec![Found::new(ids, text).at(m.span("qos"))]
}

fn subscription_identifiers(m: &Moment) -> Vec<Found> {
    let (Some((p, topic)), Some(client), Version::V5) = (m.delivery(), m.client(), m.version) else {
        return vec![];
    };
    let given: Vec<u32> = p.properties.all(SUBSCRIPTION_IDENTIFIER).filter_map(|v| v.number()).collect();
    let mut matching = client.matching(topic).peekable();
    if matching.peek().is_none() {
        return vec![];
    }
    let asked: Vec<Option<u32>> = matching.map(|h| h.identifier).collect();
    let span = || m.span("subscription_ids");
    if let Some(foreign) = given.iter().find(|id| !asked.contains(&Some(**id))) {
        let text = format!("Subscription Identifier {foreign} was not given for a filter that matches {topic}");
        return vec![Found::new(IDENTIFIERS, text).at(span())];
    }
    if given.is_empty() && asked.iter().all(|id| id.is_some()) {
        let text = format!("no Subscription Identifier, though every filter that matches {topic} was given one");
        return vec![Found::new(IDENTIFIERS, text)];
    }
    vec![]
}
