//! Rules on the messages that the broker delivers.

use super::exchange::{Stage, content, may_repeat};
use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::wire::filter::Match;
use crate::wire::property::id::{SUBSCRIPTION_IDENTIFIER, SUBSCRIPTION_IDENTIFIER_AVAILABLE};
use crate::wire::{ConnAck, Version};

const IN_USE: PerVersion = ids![v3_1: "§2.4/message-id-unique", v3_1_1: "MQTT-2.3.1-4", v5: "MQTT-2.2.1-4"];
const RESENT: PerVersion = ids![v3_1: "§2.1/dup-on-redelivery", v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
const FIRST: PerVersion = ids![v3_1_1: "MQTT-3.3.1-3", v5: "MQTT-3.3.1-3"];
const RELEASED: PerVersion = ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-6"];
const REPEAT: PerVersion = ids![v5: "MQTT-4.4.0-1"];
const MATCHING: PerVersion = ids![v3_1_1: "MQTT-3.3.2-3", v5: "MQTT-3.3.2-3"];
const DOLLAR: PerVersion = ids![v3_1_1: "MQTT-4.7.2-1", v5: "MQTT-4.7.2-1"];
const QOS: PerVersion = ids![v3_1: "§3.8/granted-level", v3_1_1: "MQTT-3.8.4-6", v5: "MQTT-3.8.4-8"];
const SHARED_QOS: PerVersion = ids![v3_1: "§3.8/granted-level", v3_1_1: "MQTT-3.8.4-6", v5: "MQTT-4.8.2-3"];
const IDENTIFIERS: PerVersion = ids![v5: "MQTT-3.3.4-3"];

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
        needs: Needs::Subscriptions,
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
        return if p.dup && !m.conn.resumed {
            first_with_dup()
        } else {
            vec![]
        };
    };
    let same = known.qos == p.qos && known.content == content(topic, p);
    let here = known.connection == m.conn.number;
    let found = match known.stage {
        _ if known.forgotten => return vec![],
        Stage::Done if !p.dup || !here => return vec![],
        Stage::Done if !same => return first_with_dup(),
        // It may have crossed our acknowledgement.
        Stage::Done if may_repeat(m.version) => return vec![],
        Stage::Done => Found::new(REPEAT, format!("PUBLISH {id} was repeated after it was acknowledged")),
        _ if !same => {
            let text =
                format!("packet identifier {id} is used for another message while its PUBLISH is not acknowledged");
            Found::new(IN_USE, text).at(m.span("packet_id"))
        }
        _ if !p.dup => {
            let text = format!("PUBLISH {id} was sent again, or another with its identifier, with DUP 0");
            Found::new(RESENT, text).at(m.span("dup"))
        }
        Stage::Released => Found::new(RELEASED, format!("PUBLISH {id} was sent again after its PUBREL")),
        _ if here && !may_repeat(m.version) => {
            let text = format!("PUBLISH {id} was repeated on a connection that is still open");
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
    // Of a session that began before the capture, or on another connection of it, the subscriptions are not known.
    if m.history.both && m.conn.session_hole {
        return vec![];
    }
    // An alias that was never set is another rule's.
    if topic.is_empty() || client.matching(topic).next().is_some() {
        return vec![];
    }
    let ids = match client.filters.iter().find(|h| h.matches(topic) == Match::DollarOnly) {
        Some(held) => (
            DOLLAR,
            format!("topic {topic} begins with $ and matches only {}", held.filter),
        ),
        // A server may subscribe its clients to topics of its own (3.1.1 and 5.0, section 4.5), and those begin with $ (4.7.2).
        None if topic.as_bytes().first() == Some(&b'$') => return vec![],
        None if client.filters.is_empty() => (
            MATCHING,
            format!("a delivery to {topic}, the client has no subscription"),
        ),
        None => (
            MATCHING,
            format!("topic {topic} matches no filter that this client holds"),
        ),
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
    let text = format!(
        "delivered at QoS {}, the matching subscriptions were granted {limit} at most",
        p.qos
    );
    vec![Found::new(ids, text).at(m.span("qos"))]
}

fn subscription_identifiers(m: &Moment) -> Vec<Found> {
    let (Some((p, topic)), Some(client), Version::V5) = (m.delivery(), m.client(), m.version) else {
        return vec![];
    };
    let given: Vec<u32> = p
        .properties
        .all(SUBSCRIPTION_IDENTIFIER)
        .filter_map(|v| v.number())
        .collect();
    // A server that does not offer them may leave them out.
    let offered = |c: &ConnAck| c.properties.number(SUBSCRIPTION_IDENTIFIER_AVAILABLE) != Some(0);
    if !m.conn.connack.as_ref().is_some_and(offered) {
        return vec![];
    }
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

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::property::id::{MAXIMUM_PACKET_SIZE, SUBSCRIPTION_IDENTIFIER};
    use crate::wire::{Packet, PropertyValue, Subscribe, Subscription, Version};

    fn talk(version: Version) -> Talk {
        Talk::new(version).connected(1, "c").subscribed(1, "t", 2)
    }

    #[test]
    fn an_identifier_is_free_again_after_its_end() {
        for version in Version::ALL {
            let t = talk(version)
                .from(1, message("t", 1, 1, "a"))
                .to(1, puback(1))
                .from(1, message("t", 2, 1, "b"))
                .to(1, pubrec(1))
                .from(1, pubrel(1))
                .to(1, pubcomp(1))
                .from(1, message("t", 1, 1, "b"));
            assert!(t.breaches().is_empty(), "{:?}", t.findings());
        }
    }

    #[test]
    fn an_identifier_in_use_is_not_used_again() {
        for (version, id) in [
            (Version::V3_1, "§2.4/message-id-unique"),
            (Version::V3_1_1, "MQTT-2.3.1-4"),
            (Version::V5, "MQTT-2.2.1-4"),
        ] {
            let t = talk(version)
                .from(1, message("t", 1, 1, "a"))
                .from(1, message("t", 1, 1, "b"));
            assert_eq!(t.breaches(), [id]);
        }
        assert_eq!(
            talk(Version::V5).from(1, message("t", 1, 0, "a")).breaches(),
            ["MQTT-2.2.1-4"]
        );
    }

    #[test]
    fn an_identifier_is_free_in_the_session_after_a_clean_one() {
        // The clean session ended with its connection, so the second one begins a session, whatever its CONNECT asks for.
        for version in Version::ALL {
            let t = talk(version)
                .from(1, message("t", 1, 1, "a"))
                .broker_closes(1)
                .resumed(2, "c", false)
                .subscribed(2, "t", 1)
                .from(2, message("t", 1, 1, "b"));
            assert!(t.breaches().is_empty(), "{:?}", t.findings());
        }
    }

    #[test]
    fn a_repeat_that_crossed_its_puback_does_not_hold_the_identifier() {
        for version in [Version::V3_1, Version::V3_1_1] {
            let t = talk(version)
                .from(1, message("t", 1, 1, "a"))
                .to(1, puback(1))
                .from(1, repeated("t", 1, 1, "a"))
                .from(1, message("t", 1, 1, "b"))
                .to(1, puback(1))
                .to(1, puback(1));
            assert!(t.breaches().is_empty(), "{:?}", t.findings());
            // The identifier of a repeat that no acknowledgement could cross is in use.
            let t = talk(version)
                .from(1, message("t", 1, 1, "a"))
                .from(1, repeated("t", 1, 1, "a"))
                .from(1, message("t", 1, 1, "b"));
            assert_eq!(t.breaches().len(), 1);
        }
    }

    #[test]
    fn the_first_copy_has_dup_0() {
        assert_eq!(
            talk(Version::V5).from(1, repeated("t", 1, 1, "a")).breaches(),
            ["MQTT-3.3.1-3"]
        );
        assert_eq!(
            talk(Version::V3_1_1).from(1, repeated("t", 1, 1, "a")).breaches(),
            ["MQTT-3.3.1-3"]
        );
        // What came before the session was resumed may have been lost.
        let t = Talk::new(Version::V5)
            .resumed(1, "c", false)
            .subscribed(1, "t", 1)
            .resumed(2, "c", true)
            .from(2, repeated("t", 1, 1, "a"));
        assert!(t.breaches().is_empty());
    }

    #[test]
    fn a_repeat_has_dup_1() {
        let t = talk(Version::V3_1_1).from(1, message("t", 1, 1, "a"));
        assert_eq!(t.from(1, message("t", 1, 1, "a")).breaches(), ["MQTT-3.3.1-1"]);
        let resumed = |again| {
            Talk::new(Version::V5)
                .resumed(1, "c", false)
                .subscribed(1, "t", 1)
                .from(1, message("t", 1, 1, "a"))
                .resumed(2, "c", true)
                .from(2, again)
        };
        assert!(resumed(repeated("t", 1, 1, "a")).breaches().is_empty());
        assert_eq!(resumed(message("t", 1, 1, "a")).breaches(), ["MQTT-3.3.1-1"]);
    }

    #[test]
    fn a_live_connection_sees_repeats_in_3_x_only() {
        let again = |v| {
            talk(v)
                .from(1, message("t", 1, 1, "a"))
                .from(1, repeated("t", 1, 1, "a"))
        };
        assert!(again(Version::V3_1).breaches().is_empty());
        assert!(again(Version::V3_1_1).breaches().is_empty());
        assert_eq!(again(Version::V5).breaches(), ["MQTT-4.4.0-1"]);
        // A timed repeat that crosses our PUBACK.
        let crossed = |v| {
            talk(v)
                .from(1, message("t", 1, 1, "a"))
                .to(1, puback(1))
                .from(1, repeated("t", 1, 1, "a"))
        };
        assert!(crossed(Version::V3_1_1).breaches().is_empty());
        assert_eq!(crossed(Version::V5).breaches(), ["MQTT-4.4.0-1"]);
    }

    #[test]
    fn after_pubrel_the_publish_does_not_come_again() {
        let t = |v| {
            talk(v)
                .from(1, message("t", 2, 1, "a"))
                .to(1, pubrec(1))
                .from(1, pubrel(1))
                .from(1, repeated("t", 2, 1, "a"))
        };
        assert_eq!(t(Version::V3_1_1).breaches(), ["MQTT-4.3.3-1"]);
        assert_eq!(t(Version::V5).breaches(), ["MQTT-4.3.3-6"]);
    }

    #[test]
    fn what_may_be_too_large_for_a_newer_connection_is_not_judged() {
        let t = |limit: Option<u32>| {
            let mut connect = crate::wire::Connect::new(Version::V5, format!("{NS}c"));
            connect.clean_start = false;
            let limit = limit.map(|n| (MAXIMUM_PACKET_SIZE, PropertyValue::U32(n)));
            limit
                .into_iter()
                .for_each(|(id, value)| connect.properties.push(id, value));
            Talk::new(Version::V5)
                .resumed(1, "c", false)
                .subscribed(1, "t", 1)
                .from(1, message("t", 1, 1, "long"))
                .open(2)
                .to(2, connect.into())
                .from(2, connack(0, true))
                .from(2, message("t", 1, 1, "b"))
        };
        assert!(t(Some(20)).breaches().is_empty());
        assert_eq!(t(None).breaches(), ["MQTT-2.2.1-4"]);
    }

    #[test]
    fn what_a_restart_forgot_is_not_judged() {
        let t = Talk::new(Version::V3_1_1)
            .resumed(1, "c", false)
            .subscribed(1, "t", 1)
            .from(1, message("t", 1, 1, "a"))
            .restart()
            .resumed(2, "c", true)
            .from(2, message("t", 1, 1, "b"));
        assert!(t.breaches().is_empty());
    }

    #[test]
    fn the_topic_matches_a_filter() {
        for version in [Version::V3_1_1, Version::V5] {
            let t = |filter| Talk::new(version).connected(1, "c").subscribed(1, filter, 0);
            assert!(t("a/+").from(1, message("a/b", 0, 0, "x")).breaches().is_empty());
            assert_eq!(t("a/+").from(1, message("a", 0, 0, "x")).breaches(), ["MQTT-3.3.2-3"]);
            assert_eq!(
                t("#").from(1, message("$SYS/x", 0, 0, "x")).breaches(),
                ["MQTT-4.7.2-1"]
            );
            assert!(
                t("$share/g/a/#")
                    .from(1, message("a/b", 0, 0, "x"))
                    .breaches()
                    .is_empty()
            );
            // A delivery may precede the SUBACK, but not follow a refusal.
            let asked = || Talk::new(version).connected(1, "c").to(1, subscribe(1, &[("a", 0)]));
            assert!(
                asked()
                    .from(1, message("a", 0, 0, "x"))
                    .from(1, suback(1, &[0]))
                    .breaches()
                    .is_empty()
            );
            let refused = asked().from(1, suback(1, &[0x80])).from(1, message("a", 0, 0, "x"));
            assert_eq!(refused.breaches(), ["MQTT-3.3.2-3"]);
        }
    }

    #[test]
    fn subscriptions_of_an_earlier_connection_count() {
        let t = Talk::new(Version::V3_1_1)
            .resumed(1, "c", false)
            .subscribed(1, "a", 1)
            .resumed(2, "c", true)
            .from(2, message("a", 1, 1, "x"));
        assert!(t.breaches().is_empty());
        // Those of a session that began before the transcript are not known.
        let t = Talk::new(Version::V3_1_1)
            .open(1)
            .to(1, foreign())
            .from(1, connack(0, true))
            .from(1, message("a", 0, 0, "x"));
        assert!(t.breaches().is_empty());
        assert_eq!(t.doubts(), ["topic-matches-filter"]);
        // Nor are they in a capture, in which each connection is judged alone.
        let t = Talk::captured(Version::V3_1_1)
            .resumed(1, "c", true)
            .from(1, message("a", 0, 0, "x"));
        assert!(t.findings().is_empty());
    }

    fn foreign() -> Packet {
        let mut c = crate::wire::Connect::new(Version::V3_1_1, "other");
        c.clean_start = false;
        c.into()
    }

    #[test]
    fn the_qos_is_at_most_what_was_granted() {
        for (version, id) in [
            (Version::V3_1, "§3.8/granted-level"),
            (Version::V3_1_1, "MQTT-3.8.4-6"),
            (Version::V5, "MQTT-3.8.4-8"),
        ] {
            let t = || Talk::new(version).connected(1, "c").subscribed(1, "a", 1);
            assert!(t().from(1, message("a", 1, 1, "x")).breaches().is_empty());
            assert_eq!(t().from(1, message("a", 2, 1, "x")).breaches(), [id]);
            assert!(
                t().subscribed(1, "#", 2)
                    .from(1, message("a", 2, 1, "x"))
                    .breaches()
                    .is_empty()
            );
            let less = Talk::new(version)
                .connected(1, "c")
                .to(1, subscribe(1, &[("a", 2)]))
                .from(1, suback(1, &[0]));
            assert_eq!(less.from(1, message("a", 1, 1, "x")).breaches(), [id]);
        }
        let shared = Talk::new(Version::V5).connected(1, "c").subscribed(1, "$share/g/a", 0);
        assert_eq!(shared.from(1, message("a", 1, 1, "x")).breaches(), ["MQTT-4.8.2-3"]);
    }

    fn with_id(filter: &str, id: u32) -> Packet {
        let mut p = Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription::new(filter, 1)],
            ..Subscribe::default()
        };
        p.properties.push(SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(id));
        Packet::Subscribe(p)
    }

    #[test]
    fn subscription_identifiers_are_those_given() {
        let t = || {
            Talk::new(Version::V5)
                .connected(1, "c")
                .to(1, with_id("a", 7))
                .from(1, suback(1, &[1]))
        };
        let delivered = |ids: &[u32]| {
            let mut p = publish("a", 0, 0, "x");
            for id in ids {
                p.properties.push(SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(*id));
            }
            Packet::Publish(p)
        };
        assert!(t().from(1, delivered(&[7])).breaches().is_empty());
        assert_eq!(t().from(1, delivered(&[7, 8])).breaches(), ["MQTT-3.3.4-3"]);
        assert_eq!(t().from(1, delivered(&[])).breaches(), ["MQTT-3.3.4-3"]);
        assert!(t().subscribed(1, "#", 0).from(1, delivered(&[])).breaches().is_empty());
    }

    #[test]
    fn what_still_comes_on_a_connection_that_was_taken_over_is_not_judged_by_order() {
        let t = Talk::new(Version::V3_1_1)
            .resumed(1, "c", false)
            .subscribed(1, "t", 1)
            .resumed(2, "c", true)
            .from(2, repeated("t", 1, 1, "a"))
            .from(1, message("t", 1, 1, "a"));
        assert!(t.breaches().is_empty());
    }
}
