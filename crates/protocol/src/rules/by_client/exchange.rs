//! The client's packet identifiers, and what it acknowledges.

use std::time::Duration;

use super::super::exchange::{content, may_repeat};
use super::super::history::Moment;
use super::super::rule::{Found, Needs, RuleInfo};
use super::super::sent::Open;
use super::said;
use crate::statements::{PerVersion, ids};
use crate::transcript::What;
use crate::wire::{Ack, Packet, PacketType, Publish, Version};

const IN_USE: PerVersion = ids![v3_1: "§2.4/message-id-unique", v3_1_1: "MQTT-2.3.1-2", v5: "MQTT-2.2.1-3"];
const RESENT: PerVersion = ids![v3_1: "§2.1/dup-on-redelivery", v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
const REPEAT: PerVersion = ids![v5: "MQTT-4.4.0-1"];
const RELEASED: PerVersion = ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-6"];
const FIRST_1: PerVersion = ids![v3_1_1: "MQTT-4.3.2-1", v5: "MQTT-4.3.2-2"];
/// 5.0: the client gives its session up if the server has none.
const DISCARD: PerVersion = ids![v5: "MQTT-3.2.2-5"];
const FIRST_2: PerVersion = ids![v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-2"];
const PUBACK: PerVersion = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
const PUBREC: PerVersion = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
const PUBREL: PerVersion = ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-4"];
const PUBCOMP: PerVersion = ids![v3_1: "§3.6/pubcomp", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-2.2.1-5"];
const ANSWER_1: PerVersion = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-4.3.2-2", v5: "MQTT-4.3.2-4"];
const ANSWER_2: PerVersion = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-8"];
const ANSWER_REC: PerVersion = ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-4"];
const ANSWER_REL: PerVersion = ids![v3_1: "§3.6/pubcomp", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-11"];
const KIND_1: PerVersion = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-3.3.4-1", v5: "MQTT-3.3.4-1"];
const KIND_2: PerVersion = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-3.3.4-1", v5: "MQTT-3.3.4-1"];
const PUBACK_ORDER: PerVersion = ids![v3_1_1: "MQTT-4.6.0-2", v5: "MQTT-4.6.0-2"];
const PUBREC_ORDER: PerVersion = ids![v3_1_1: "MQTT-4.6.0-3", v5: "MQTT-4.6.0-3"];
const PUBREL_ORDER: PerVersion = ids![v3_1_1: "MQTT-4.6.0-4", v5: "MQTT-4.6.0-4"];

/// A client that has not acknowledged a message for so long, while it still speaks, is named.
const PATIENCE: Duration = Duration::from_secs(60);

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "client-packet-id-and-dup",
        about: "A new PUBLISH, SUBSCRIBE or UNSUBSCRIBE has an identifier that is not in use; a PUBLISH has DUP 1 when it is \
                sent again and only then, which in 5.0 is when the session resumes.",
        ids: &[IN_USE, RESENT, REPEAT, RELEASED, FIRST_1, FIRST_2, DISCARD],
        needs: Needs::Session,
        check: packet_id_and_dup,
    },
    RuleInfo {
        name: "client-ack-answers-open-id",
        about: "PUBACK, PUBREC, PUBREL and PUBCOMP answer something that is open, once each, as its QoS asks.",
        ids: &[PUBACK, PUBREC, PUBREL, PUBCOMP, KIND_1, KIND_2, DISCARD],
        needs: Needs::Session,
        check: ack_answers_open_id,
    },
    RuleInfo {
        name: "client-acks-in-order",
        about: "PUBACK, PUBREC and PUBREL come in the order of what they answer.",
        ids: &[PUBACK_ORDER, PUBREC_ORDER, PUBREL_ORDER],
        needs: Needs::Session,
        check: acks_in_order,
    },
    RuleInfo {
        name: "client-answers",
        about: "The client acknowledges the messages that it takes over; undecided, since no capture shows that it has.",
        ids: &[ANSWER_1, ANSWER_2, ANSWER_REC, ANSWER_REL],
        needs: Needs::Connection,
        check: answers,
    },
];

/// Whether the client may go on with a session whose exchanges this connection does not show. Before 5.0 it may do so
/// though the server has lost its own (Session Present 0): 3.1.1 leaves that to the client (3.2.2.2), which with Clean
/// Session 0 has to send again what is not acknowledged (MQTT-4.4.0-1). In 5.0 it has to give the session up
/// (MQTT-3.2.2-5).
fn may_resume(m: &Moment) -> bool {
    let asks = m.conn.connect.as_ref().is_some_and(|c| !c.clean_start);
    let told = m.conn.connack.is_some() && m.version == Version::V5;
    m.conn.resumed || asks && (!told || m.sight.crossed)
}

/// What the client sends belongs to a session that it has to give up, since the CONNACK says that the server has none (5.0,
/// MQTT-3.2.2-5).
fn keeps_lost_session(m: &Moment) -> bool {
    let asks = m.conn.connect.as_ref().is_some_and(|c| !c.clean_start);
    let refused = m
        .conn
        .connack
        .as_ref()
        .is_some_and(|c| c.reason_code == 0 && !c.session_present);
    m.version == Version::V5 && asks && refused
}

fn packet_id_and_dup(m: &Moment) -> Vec<Found> {
    let Some(packet) = said(m) else { return vec![] };
    let Some(id) = packet.packet_id().filter(|id| *id != 0) else {
        return vec![];
    };
    let known = m.conn.sent.open.get(&id);
    match (packet, known) {
        (Packet::Publish(p), Some(known)) => published_again(m, p, id, known),
        (Packet::Publish(p), None) if p.dup && !may_resume(m) => {
            let (ids, text) = if keeps_lost_session(m) {
                let text = format!("PUBLISH {id} was sent again, Session Present is 0");
                (DISCARD, text)
            } else {
                let text = format!("the first PUBLISH with packet identifier {id} has DUP 1");
                (if p.qos == 1 { FIRST_1 } else { FIRST_2 }, text)
            };
            vec![Found::new(ids, text).at(m.span("dup"))]
        }
        // 3.1 has a DUP for requests that are sent again.
        (Packet::Subscribe(_) | Packet::Unsubscribe(_), Some(Open::Request)) if m.version == Version::V3_1 => vec![],
        (Packet::Subscribe(_) | Packet::Unsubscribe(_), Some(_)) => vec![in_use(m, id)],
        _ => vec![],
    }
}

fn in_use(m: &Moment, id: u16) -> Found {
    let text = format!("packet identifier {id} is used again before what it was used for is acknowledged");
    Found::new(IN_USE, text).at(m.span("packet_id"))
}

fn published_again(m: &Moment, p: &Publish, id: u16, known: &Open) -> Vec<Found> {
    let found = match known {
        Open::Publish {
            qos,
            content: old,
            released,
        } if *qos == p.qos && *old == content(&p.topic, p) => match (p.dup, released) {
            (false, _) => {
                let text = format!("PUBLISH {id} was sent again, or another with its identifier, with DUP 0");
                Found::new(RESENT, text).at(m.span("dup"))
            }
            (true, true) => Found::new(RELEASED, format!("PUBLISH {id} was sent again after its PUBREL")),
            (true, false) if may_repeat(m.version) => return vec![],
            (true, false) => {
                let text = format!("PUBLISH {id} was repeated on a connection that is still open");
                Found::new(REPEAT, text).at(m.span("dup"))
            }
        },
        _ => in_use(m, id),
    };
    vec![found]
}

fn ack_answers_open_id(m: &Moment) -> Vec<Found> {
    let Some(packet) = said(m) else { return vec![] };
    let (Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubRel(a) | Packet::PubComp(a)) = packet else {
        return vec![];
    };
    // What it answers may have come on an earlier connection.
    if may_resume(m) {
        return vec![];
    }
    let Ack { packet_id: id, .. } = *a;
    let owed = m.conn.sent.owed.get(&id).copied().unwrap_or_default();
    let repeats = may_repeat(m.version);
    let found = match packet {
        Packet::PubAck(_) if owed.puback > 0 => None,
        Packet::PubAck(_) if owed.pubrec > 0 => Some((KIND_2, "answers a PUBLISH of QoS 2 with PUBACK")),
        Packet::PubAck(_) => Some((PUBACK, "answers no PUBLISH of QoS 1 that is open")),
        Packet::PubRec(_) if owed.pubrec > 0 || repeats && owed.half_done => None,
        Packet::PubRec(_) if owed.puback > 0 => Some((KIND_1, "answers a PUBLISH of QoS 1 with PUBREC")),
        Packet::PubRec(_) => Some((PUBREC, "answers no PUBLISH of QoS 2 that is open")),
        Packet::PubRel(_) if owed.pubrel > 0 => None,
        Packet::PubRel(_) if repeats && m.conn.sent.open.contains_key(&id) => match m.conn.sent.open.get(&id) {
            Some(Open::Publish { released: true, .. }) => None,
            _ => Some((PUBREL, "came before the broker's PUBREC")),
        },
        Packet::PubRel(_) => Some((PUBREL, "answers no PUBREC that is open")),
        _ if owed.pubcomp > 0 => None,
        _ => Some((PUBCOMP, "answers no PUBREL that is open")),
    };
    let Some((ids, what)) = found else { return vec![] };
    // An identifier under which this connection has nothing at all is one of the session before.
    let foreign = owed.is_nothing() && !m.conn.sent.open.contains_key(&id) && !m.conn.sent.seen.contains(&id);
    let (ids, why) = if foreign && keeps_lost_session(m) {
        (DISCARD, format!("{what}, Session Present is 0"))
    } else {
        (ids, what.to_owned())
    };
    let text = format!("{} with packet identifier {id} {why}", packet.packet_type());
    vec![Found::new(ids, text).at(m.span("packet_id"))]
}

/// Judged when the connection ends. A receiver answers once it has taken the message over (4.3.2 and 4.3.3 of 3.1.1 and
/// 5.0); whether it has, no capture shows.
fn answers(m: &Moment) -> Vec<Found> {
    // The last sign of the client.
    let last = match &m.event.what {
        What::Packet { decoded, .. } if !m.is_from_broker() && !m.sight.crossed => {
            (decoded.packet_type == Some(PacketType::Disconnect)).then_some(m.event.at)
        }
        What::End(_) => Some(m.conn.sent.last),
        _ => None,
    };
    let Some(last) = last else { return vec![] };
    let owed = m.conn.waiting.client.iter();
    let late: Vec<_> = owed
        .filter(|(_, since)| last.saturating_sub(**since) > PATIENCE)
        .collect();
    let Some(((answer, id), since)) = late.iter().min_by_key(|(_, since)| **since) else {
        return vec![];
    };
    let ids = match answer {
        PacketType::PubAck => ANSWER_1,
        PacketType::PubRec => ANSWER_2,
        PacketType::PubRel => ANSWER_REC,
        _ => ANSWER_REL,
    };
    let more = match late.len() {
        1 => String::new(),
        n => format!("; {} more are missing", n - 1),
    };
    let seconds = last.saturating_sub(**since).as_secs_f64();
    let text = format!(
        "the client sent no {answer} for packet identifier {id} in {seconds:.1} s{more}; it owes one once it has taken the message over"
    );
    vec![Found::new(ids, text).undecided()]
}

fn acks_in_order(m: &Moment) -> Vec<Found> {
    let sent = &m.conn.sent;
    let (ack, queue, ids, of) = match said(m) {
        Some(Packet::PubAck(a)) => (a, &sent.publishes[0], PUBACK_ORDER, "PUBLISH of QoS 1"),
        Some(Packet::PubRec(a)) => (a, &sent.publishes[1], PUBREC_ORDER, "PUBLISH of QoS 2"),
        Some(Packet::PubRel(a)) => (a, &sent.pubrecs, PUBREL_ORDER, "PUBREC"),
        _ => return vec![],
    };
    let id = ack.packet_id;
    match queue.front() {
        Some(first) if *first != id && queue.contains(&id) => {
            let text = format!(
                "the {of} with packet identifier {id} is answered before that with {first}, which came earlier"
            );
            vec![Found::new(ids, text).at(m.span("packet_id"))]
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::wire::Version;

    fn talk(version: Version) -> Talk {
        Talk::captured(version).connected(1, "c").subscribed(1, "t", 2)
    }

    #[test]
    fn exchanges_in_order_are_right() {
        for version in Version::ALL {
            let t = talk(version)
                .to(1, message("t", 1, 1, "a"))
                .to(1, message("t", 2, 2, "b"))
                .from(1, puback(1))
                .from(1, pubrec(2))
                .to(1, message("t", 1, 1, "c"))
                .to(1, pubrel(2))
                .from(1, pubcomp(2))
                .from(1, puback(1))
                .from(1, message("t", 1, 1, "a"))
                .from(1, message("t", 2, 2, "b"))
                .to(1, puback(1))
                .to(1, pubrec(2))
                .from(1, pubrel(2))
                .to(1, pubcomp(2));
            assert!(t.findings().is_empty(), "{version}: {:?}", t.findings());
        }
    }

    #[test]
    fn an_identifier_in_use_is_not_used_again() {
        for (version, id) in [
            (Version::V3_1, "§2.4/message-id-unique"),
            (Version::V3_1_1, "MQTT-2.3.1-2"),
            (Version::V5, "MQTT-2.2.1-3"),
        ] {
            let open = || talk(version).to(1, message("t", 1, 1, "a"));
            assert_eq!(open().to(1, message("t", 1, 1, "b")).breaches(), [id]);
            assert_eq!(open().to(1, subscribe(1, &[("x", 0)])).breaches(), [id]);
        }
    }

    #[test]
    fn a_message_that_is_sent_again_has_dup() {
        let open = |v| talk(v).to(1, message("t", 1, 1, "a"));
        assert_eq!(
            open(Version::V3_1_1).to(1, message("t", 1, 1, "a")).breaches(),
            ["MQTT-3.3.1-1"]
        );
        assert!(
            open(Version::V3_1_1)
                .to(1, repeated("t", 1, 1, "a"))
                .breaches()
                .is_empty()
        );
        assert_eq!(
            open(Version::V5).to(1, repeated("t", 1, 1, "a")).breaches(),
            ["MQTT-4.4.0-1"]
        );
        assert_eq!(
            talk(Version::V5).to(1, repeated("t", 1, 1, "a")).breaches(),
            ["MQTT-4.3.2-2"]
        );
        let resumed = Talk::captured(Version::V5).resumed(1, "c", true);
        assert!(resumed.to(1, repeated("t", 1, 1, "a")).breaches().is_empty());
    }

    /// Before 5.0 a client with Clean Session 0 may go on with a session that the server has lost.
    #[test]
    fn only_in_5_0_is_a_lost_session_given_up() {
        let lost = |v| Talk::captured(v).resumed(1, "c", false);
        let of_before = [repeated("t", 1, 1, "a"), puback(2), pubrec(3), pubrel(4), pubcomp(5)];
        for packet in of_before {
            for version in [Version::V3_1, Version::V3_1_1] {
                let t = lost(version).to(1, packet.clone());
                assert!(t.breaches().is_empty(), "{version} {packet:?}: {:?}", t.findings());
            }
            assert_eq!(lost(Version::V5).to(1, packet.clone()).breaches(), ["MQTT-3.2.2-5"]);
            // The client had not heard of the CONNACK.
            assert!(lost(Version::V5).crossing(1, packet).breaches().is_empty());
        }
    }

    #[test]
    fn a_client_that_never_acknowledges_is_named() {
        use crate::wire::{Disconnect, Packet};
        for version in Version::ALL {
            let got = || talk(version).from(1, message("t", 1, 5, "a"));
            let leave = || Packet::Disconnect(Disconnect::default());
            let silent = got().pass(59).to(1, Packet::PingReq).pass(20).to(1, leave());
            assert_eq!(silent.doubts(), ["client-answers"], "{:?}", silent.findings());
            assert!(silent.breaches().is_empty());
            let late = got().pass(59).to(1, Packet::PingReq).pass(20).to(1, puback(5));
            assert!(late.to(1, leave()).findings().is_empty());
            // Nothing of the client came any more: it may be gone.
            assert!(got().pass(59).broker_closes(1).findings().is_empty());
        }
    }

    #[test]
    fn an_acknowledgement_of_nothing_is_a_breach() {
        assert_eq!(talk(Version::V5).to(1, puback(9)).breaches(), ["MQTT-2.2.1-5"]);
        assert_eq!(talk(Version::V3_1_1).to(1, pubcomp(9)).breaches(), ["MQTT-4.3.3-2"]);
        assert_eq!(talk(Version::V5).to(1, pubrel(9)).breaches(), ["MQTT-4.3.3-4"]);
        let got = talk(Version::V5).from(1, message("t", 2, 5, "a"));
        assert_eq!(got.to(1, puback(5)).breaches(), ["MQTT-3.3.4-1"]);
        let twice = talk(Version::V5)
            .from(1, message("t", 1, 5, "a"))
            .to(1, puback(5))
            .to(1, puback(5));
        assert_eq!(twice.breaches(), ["MQTT-2.2.1-5"]);
    }

    #[test]
    fn a_pubrel_before_its_pubrec_is_a_breach() {
        let early = |v| talk(v).to(1, message("t", 2, 1, "a")).to(1, pubrel(1));
        assert_eq!(early(Version::V3_1_1).breaches(), ["MQTT-4.3.3-1"]);
        assert_eq!(early(Version::V5).breaches(), ["MQTT-4.3.3-4"]);
        let again = talk(Version::V3_1_1)
            .to(1, message("t", 2, 1, "a"))
            .from(1, pubrec(1))
            .to(1, pubrel(1))
            .to(1, pubrel(1));
        assert!(again.breaches().is_empty());
    }

    #[test]
    fn acknowledgements_keep_the_order() {
        let got = talk(Version::V5)
            .from(1, message("t", 1, 1, "a"))
            .from(1, message("t", 1, 2, "b"));
        assert_eq!(got.to(1, puback(2)).to(1, puback(1)).breaches(), ["MQTT-4.6.0-2"]);
        let sent = talk(Version::V3_1_1)
            .to(1, message("t", 2, 1, "a"))
            .to(1, message("t", 2, 2, "b"))
            .from(1, pubrec(1))
            .from(1, pubrec(2));
        assert_eq!(sent.to(1, pubrel(2)).to(1, pubrel(1)).breaches(), ["MQTT-4.6.0-4"]);
    }

    #[test]
    fn what_the_broker_did_wrong_excuses_the_client() {
        let t = talk(Version::V3_1_1).bytes_from(1, &[0x41, 2, 0, 1]).to(1, puback(9));
        let by_client = t
            .findings()
            .into_iter()
            .filter(|f| f.by == crate::wire::Side::Client)
            .count();
        assert_eq!(by_client, 0);
    }
}
