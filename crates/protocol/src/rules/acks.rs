//! Rules on acknowledgements: each answers something that is open, once, and is of the right kind.

use super::exchange::{Stage, may_repeat};
use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::wire::{Ack, Packet, Version};

const PUBACK_ID: PerVersion = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
const PUBREC_ID: PerVersion = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
const PUBREL_ID: PerVersion = ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
const PUBCOMP_ID: PerVersion = ids![v3_1: "§3.6/pubcomp", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-2.2.1-5"];
const KIND_1: PerVersion = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-3.3.4-1", v5: "MQTT-3.3.4-1"];
const KIND_2: PerVersion = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-3.3.4-1", v5: "MQTT-3.3.4-1"];
const RELEASE: PerVersion = ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-4"];
const REPEAT: PerVersion = ids![v5: "MQTT-4.4.0-1"];
const SUBACK_ID: PerVersion = ids![v3_1: "§3.8/suback", v3_1_1: "MQTT-2.3.1-7", v5: "MQTT-2.2.1-6"];
const UNSUBACK_ID: PerVersion = ids![v3_1: "§3.10/unsuback", v3_1_1: "MQTT-2.3.1-7", v5: "MQTT-2.2.1-6"];
const SUBACK_CODES: PerVersion = ids![v3_1: "§3.9/one-a-topic", v3_1_1: "MQTT-3.8.4-5", v5: "MQTT-3.8.4-6"];
const UNSUBACK_CODES: PerVersion = ids![v5: "MQTT-3.11.3-2"];
const PING: PerVersion = ids![v3_1: "§3.12/pingresp", v3_1_1: "MQTT-3.12.4-1", v5: "MQTT-3.12.4-1"];

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "ack-answers-open-id",
        about: "PUBACK, PUBREC and PUBCOMP answer an open identifier, once each, as the QoS of its PUBLISH asks.",
        ids: &[PUBACK_ID, PUBREC_ID, PUBCOMP_ID, KIND_1, KIND_2],
        needs: Needs::Session,
        check: ack_answers_open_id,
    },
    RuleInfo {
        name: "pubrel-answers-pubrec",
        about: "PUBREL answers a PUBREC of the client, once; 5.0 repeats it only when the session resumes.",
        ids: &[PUBREL_ID, RELEASE, REPEAT],
        needs: Needs::Session,
        check: pubrel_answers_pubrec,
    },
    RuleInfo {
        name: "suback-answers-subscribe",
        about: "SUBACK answers an open SUBSCRIBE and has one code for each filter.",
        ids: &[SUBACK_ID, SUBACK_CODES],
        needs: Needs::Connection,
        check: suback_answers_subscribe,
    },
    RuleInfo {
        name: "unsuback-answers-unsubscribe",
        about: "UNSUBACK answers an open UNSUBSCRIBE and in 5.0 has one code for each filter.",
        ids: &[UNSUBACK_ID, UNSUBACK_CODES],
        needs: Needs::Connection,
        check: unsuback_answers_unsubscribe,
    },
    RuleInfo {
        name: "pingresp-answers-pingreq",
        about: "PINGRESP comes only for a PINGREQ.",
        ids: &[PING],
        needs: Needs::Connection,
        check: pingresp_answers_pingreq,
    },
];

fn ack_answers_open_id(m: &Moment) -> Vec<Found> {
    let Some(packet) = m.packet() else { return vec![] };
    let ack: &Ack = match packet {
        Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a) => a,
        _ => return vec![],
    };
    let id = ack.packet_id;
    let owed = m.conn.exchanges.owed.get(&id).cloned().unwrap_or_default();
    let found = match packet {
        Packet::PubAck(_) if owed.puback > 0 => None,
        Packet::PubAck(_) if owed.pubrec > 0 => Some((KIND_2, "answers a PUBLISH of QoS 2 with PUBACK")),
        Packet::PubAck(_) => Some((PUBACK_ID, "answers no PUBLISH of QoS 1 that is open")),
        Packet::PubRec(_) if owed.pubrec > 0 => None,
        // Timed repeats of any part of the flow are left open by 3.x.
        Packet::PubRec(_) if may_repeat(m.version) && owed.half_done => None,
        Packet::PubRec(_) if owed.puback > 0 => Some((KIND_1, "answers a PUBLISH of QoS 1 with PUBREC")),
        Packet::PubRec(_) => Some((PUBREC_ID, "answers no PUBLISH of QoS 2 that is open")),
        _ if owed.pubcomp > 0 => None,
        _ => Some((PUBCOMP_ID, "answers no PUBREL that is open")),
    };
    let Some((ids, what)) = found else { return vec![] };
    let text = format!("{} with packet identifier {id} {what}", packet.packet_type());
    vec![Found::new(ids, text).at(m.span("packet_id"))]
}

fn pubrel_answers_pubrec(m: &Moment) -> Vec<Found> {
    let Some(Packet::PubRel(ack)) = m.packet() else {
        return vec![];
    };
    let id = ack.packet_id;
    let exchanges = &m.conn.exchanges;
    if m.superseded() || exchanges.pubrels.get(&id).is_some_and(|allowed| *allowed > 0) {
        return vec![];
    }
    let found = match exchanges.deliveries.get(&id) {
        Some(d) if d.forgotten => return vec![],
        Some(d) if d.qos == 2 && d.stage >= Stage::Received && may_repeat(m.version) => return vec![],
        Some(d) if d.qos == 2 && d.stage >= Stage::Received => Found::new(
            REPEAT,
            format!("PUBREL {id} was repeated on a connection that is still open"),
        ),
        // A resumed session may be further than the transcript shows.
        Some(d) if d.qos == 2 && d.connection != m.conn.number => return vec![],
        Some(d) if d.qos == 2 => Found::new(RELEASE, format!("PUBREL {id} came before the client's PUBREC")),
        _ if m.conn.resumed => return vec![],
        _ => Found::new(
            PUBREL_ID,
            format!("PUBREL {id} belongs to no PUBLISH of QoS 2 that the broker sent"),
        ),
    };
    vec![found.at(m.span("packet_id"))]
}

fn suback_answers_subscribe(m: &Moment) -> Vec<Found> {
    let Some(Packet::SubAck(p)) = m.packet() else {
        return vec![];
    };
    let open = m.conn.exchanges.subscribes.get(&p.packet_id).and_then(|q| q.front());
    let Some(filters) = open else {
        let text = format!("SUBACK {} answers no SUBSCRIBE that is open", p.packet_id);
        return vec![Found::new(SUBACK_ID, text).at(m.span("packet_id"))];
    };
    let (codes, filters) = (p.reason_codes.len(), filters.len());
    if codes == filters {
        return vec![];
    }
    let text = format!(
        "SUBACK has {} for a SUBSCRIBE of {}",
        counted(codes, "code"),
        counted(filters, "filter")
    );
    vec![Found::new(SUBACK_CODES, text).at(m.span("reason_codes").or(m.span("return_codes")))]
}

fn unsuback_answers_unsubscribe(m: &Moment) -> Vec<Found> {
    let Some(Packet::UnsubAck(p)) = m.packet() else {
        return vec![];
    };
    let open = m.conn.exchanges.unsubscribes.get(&p.packet_id).and_then(|q| q.front());
    let Some(&filters) = open else {
        let text = format!("UNSUBACK {} answers no UNSUBSCRIBE that is open", p.packet_id);
        return vec![Found::new(UNSUBACK_ID, text).at(m.span("packet_id"))];
    };
    let codes = p.reason_codes.len();
    if m.version != Version::V5 || codes == filters {
        return vec![];
    }
    let (codes, filters) = (counted(codes, "code"), counted(filters, "filter"));
    let text = format!("UNSUBACK has {codes} for an UNSUBSCRIBE of {filters}");
    vec![Found::new(UNSUBACK_CODES, text).at(m.span("reason_codes"))]
}

fn counted(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}

fn pingresp_answers_pingreq(m: &Moment) -> Vec<Found> {
    match m.packet() {
        Some(Packet::PingResp) if m.conn.pings == 0 => {
            vec![Found::new(PING, "PINGRESP came without a PINGREQ that it answers")]
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::{Packet, UnsubAck, Unsubscribe, Version};

    fn talk(version: Version) -> Talk {
        Talk::new(version).connected(1, "c")
    }

    #[test]
    fn each_acknowledgement_answers_one_packet() {
        for version in Version::ALL {
            let t = talk(version)
                .to(1, message("t", 1, 1, "a"))
                .from(1, puback(1))
                .to(1, message("t", 1, 1, "b"))
                .to(1, message("t", 2, 7, "c"))
                .from(1, pubrec(7))
                .to(1, repeated("t", 2, 7, "c"))
                .from(1, puback(1))
                .from(1, pubrec(7))
                .to(1, pubrel(7))
                .from(1, pubcomp(7));
            assert!(t.breaches().is_empty(), "{version}: {:?}", t.findings());
        }
    }

    #[test]
    fn an_acknowledgement_of_nothing_is_a_breach() {
        for (version, puback_id, pubcomp_id) in [
            (Version::V3_1, "§3.3/puback", "§3.6/pubcomp"),
            (Version::V3_1_1, "MQTT-2.3.1-6", "MQTT-4.3.3-2"),
            (Version::V5, "MQTT-2.2.1-5", "MQTT-2.2.1-5"),
        ] {
            assert_eq!(talk(version).from(1, puback(1)).breaches(), [puback_id]);
            let twice = talk(version)
                .to(1, message("t", 1, 1, "a"))
                .from(1, puback(1))
                .from(1, puback(1));
            assert_eq!(twice.breaches(), [puback_id]);
            let early = talk(version)
                .to(1, message("t", 2, 1, "a"))
                .from(1, pubrec(1))
                .from(1, pubcomp(1));
            assert_eq!(early.breaches(), [pubcomp_id]);
        }
    }

    #[test]
    fn the_kind_of_acknowledgement_goes_by_the_qos() {
        let t = talk(Version::V5).to(1, message("t", 2, 1, "a")).from(1, puback(1));
        assert_eq!(t.breaches(), ["MQTT-3.3.4-1"]);
        let t = talk(Version::V3_1_1).to(1, message("t", 1, 1, "a")).from(1, pubrec(1));
        assert_eq!(t.breaches(), ["MQTT-3.3.4-1"]);
    }

    #[test]
    fn a_repeated_pubrec_is_free_in_3_x_until_pubcomp() {
        let t = |v| {
            talk(v)
                .to(1, message("t", 2, 1, "a"))
                .from(1, pubrec(1))
                .from(1, pubrec(1))
                .to(1, pubrel(1))
                .from(1, pubcomp(1))
        };
        assert!(t(Version::V3_1_1).breaches().is_empty());
        assert_eq!(t(Version::V5).breaches(), ["MQTT-2.2.1-5"]);
        assert_eq!(t(Version::V3_1_1).from(1, pubrec(1)).breaches(), ["MQTT-2.3.1-6"]);
    }

    #[test]
    fn pubrel_follows_pubrec() {
        let sent = |v| talk(v).subscribed(1, "t", 2).from(1, message("t", 2, 5, "a"));
        for version in Version::ALL {
            let right = sent(version).to(1, pubrec(5)).from(1, pubrel(5)).to(1, pubcomp(5));
            assert!(right.breaches().is_empty());
        }
        assert_eq!(sent(Version::V5).from(1, pubrel(5)).breaches(), ["MQTT-4.3.3-4"]);
        assert_eq!(sent(Version::V3_1_1).from(1, pubrel(5)).breaches(), ["MQTT-4.3.3-1"]);
        assert_eq!(sent(Version::V3_1_1).from(1, pubrel(6)).breaches(), ["MQTT-2.3.1-6"]);
        let twice = |v| sent(v).to(1, pubrec(5)).from(1, pubrel(5)).from(1, pubrel(5));
        assert_eq!(twice(Version::V5).breaches(), ["MQTT-4.4.0-1"]);
        assert!(twice(Version::V3_1_1).breaches().is_empty());
    }

    #[test]
    fn pubrel_is_repeated_when_the_session_resumes() {
        let t = Talk::new(Version::V5)
            .resumed(1, "c", false)
            .subscribed(1, "t", 2)
            .from(1, message("t", 2, 5, "a"))
            .to(1, pubrec(5))
            .from(1, pubrel(5))
            .resumed(2, "c", true)
            .from(2, pubrel(5));
        assert!(t.breaches().is_empty());
        assert_eq!(t.from(2, pubrel(5)).breaches(), ["MQTT-4.4.0-1"]);
    }

    #[test]
    fn requests_are_answered_once_with_a_code_a_filter() {
        let filters = &[("a", 0), ("b", 1)];
        for version in Version::ALL {
            let t = talk(version).to(1, subscribe(3, filters)).from(1, suback(3, &[0, 1]));
            assert!(t.breaches().is_empty());
        }
        let t = talk(Version::V5).to(1, subscribe(3, filters));
        let short = t.from(1, suback(3, &[0]));
        assert_eq!(short.breaches(), ["MQTT-3.8.4-6"]);
        assert_eq!(
            short.findings()[0].text,
            "SUBACK has 1 code for a SUBSCRIBE of 2 filters"
        );
        let t = talk(Version::V3_1_1).to(1, subscribe(3, filters));
        assert_eq!(t.from(1, suback(3, &[0, 1, 1])).breaches(), ["MQTT-3.8.4-5"]);
        let t = talk(Version::V3_1_1).to(1, subscribe(3, filters));
        assert_eq!(t.from(1, suback(4, &[0, 1])).breaches(), ["MQTT-2.3.1-7"]);
    }

    #[test]
    fn unsuback_has_a_code_a_filter_in_5_0() {
        let asked = |v| {
            talk(v).to(
                1,
                Packet::Unsubscribe(Unsubscribe {
                    packet_id: 3,
                    filters: vec!["a".into()],
                    ..Default::default()
                }),
            )
        };
        let answer = |id, codes: &[u8]| {
            Packet::UnsubAck(UnsubAck {
                packet_id: id,
                reason_codes: codes.to_vec(),
                ..Default::default()
            })
        };
        assert!(asked(Version::V5).from(1, answer(3, &[0x11])).breaches().is_empty());
        assert!(asked(Version::V3_1_1).from(1, answer(3, &[])).breaches().is_empty());
        assert_eq!(
            asked(Version::V5).from(1, answer(3, &[0, 0])).breaches(),
            ["MQTT-3.11.3-2"]
        );
        assert_eq!(
            asked(Version::V3_1_1).from(1, answer(4, &[])).breaches(),
            ["MQTT-2.3.1-7"]
        );
    }

    #[test]
    fn pingresp_is_an_answer() {
        let t = talk(Version::V3_1_1).to(1, Packet::PingReq).from(1, Packet::PingResp);
        assert!(t.breaches().is_empty());
        assert_eq!(t.from(1, Packet::PingResp).breaches(), ["MQTT-3.12.4-1"]);
    }

    #[test]
    fn what_we_send_wrong_silences_the_rules_that_rest_on_it() {
        // SUBSCRIBE with wrong reserved bits.
        let t = talk(Version::V3_1_1)
            .bytes_to(1, &[0x80, 6, 0, 1, 0, 1, b'a', 0])
            .from(1, suback(1, &[0]));
        assert!(t.from(1, puback(9)).breaches().is_empty());
    }

    #[test]
    fn what_was_not_seen_makes_a_doubt_of_a_breach() {
        let t = talk(Version::V3_1_1).gap(1).from(1, puback(9));
        assert!(t.breaches().is_empty());
        assert_eq!(t.doubts(), ["ack-answers-open-id"]);
        // A capture that starts midway.
        let t = Talk::new(Version::V3_1_1).from(1, puback(9));
        assert!(t.breaches().is_empty());
        assert_eq!(t.doubts(), ["ack-answers-open-id"]);
    }
}
