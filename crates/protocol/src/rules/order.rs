//! Messages arrive in the order in which they were published (section 4.6 of 3.1.1 and 5.0).

use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};

const ORDERED: PerVersion = ids![v3_1_1: "MQTT-4.6.0-6", v5: "MQTT-4.6.0-5"];

pub const RULES: &[RuleInfo] = &[RuleInfo {
    name: "order-per-topic-and-qos",
    about: "Messages of one publisher reach a subscriber in the order of publishing, per topic and QoS.",
    ids: &[ORDERED],
    needs: Needs::Session,
    check: ordered,
}];

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
