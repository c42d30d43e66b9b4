//! Rules on acknowledgements: each answers something that is open, once, and is of the right kind.

use super::exchange::{Stage, may_repeat};
use super::history::Moment;
use super::rule::{Found, Ids, Needs, RuleInfo};
use crate::wire::{Ack, Packet, Version};

const SAME_ID: Ids = Ids::new("", "MQTT-2.3.1-6", "MQTT-2.2.1-5");
const PUBCOMP_ID: Ids = Ids::new("", "MQTT-4.3.3-2", "MQTT-2.2.1-5");
const KIND: Ids = Ids::new("", "MQTT-3.3.4-1", "MQTT-3.3.4-1");
const RELEASE: Ids = Ids::new("", "MQTT-4.3.3-1", "MQTT-4.3.3-4");
const REPEAT: Ids = Ids::v5("MQTT-4.4.0-1");
const REQUEST: Ids = Ids::new("", "MQTT-2.3.1-7", "MQTT-2.2.1-6");
const SUBACK_CODES: Ids = Ids::new("", "MQTT-3.8.4-5", "MQTT-3.8.4-6");
const UNSUBACK_CODES: Ids = Ids::v5("MQTT-3.11.3-2");
const PING: Ids = Ids::new("", "MQTT-3.12.4-1", "MQTT-3.12.4-1");

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "ack-answers-open-id",
        about: "PUBACK, PUBREC and PUBCOMP answer an open identifier, once each, as the QoS of its PUBLISH asks.",
        ids: &[SAME_ID, PUBCOMP_ID, KIND],
        needs: Needs::Session,
        check: ack_answers_open_id,
    },
    RuleInfo {
        name: "pubrel-answers-pubrec",
        about: "PUBREL answers a PUBREC of the client, once; 5.0 repeats it only when the session resumes.",
        ids: &[SAME_ID, RELEASE, REPEAT],
        needs: Needs::Session,
        check: pubrel_answers_pubrec,
    },
    RuleInfo {
        name: "suback-answers-subscribe",
        about: "SUBACK answers an open SUBSCRIBE and has one code a filter.",
        ids: &[REQUEST, SUBACK_CODES],
        needs: Needs::Connection,
        check: suback_answers_subscribe,
    },
    RuleInfo {
        name: "unsuback-answers-unsubscribe",
        about: "UNSUBACK answers an open UNSUBSCRIBE and in 5.0 has one code a filter.",
        ids: &[REQUEST, UNSUBACK_CODES],
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
        Packet::PubAck(_) if owed.pubrec > 0 => Some((KIND, "answers a PUBLISH of QoS 2 with PUBACK")),
        Packet::PubAck(_) => Some((SAME_ID, "answers no PUBLISH of QoS 1 that is open")),
        Packet::PubRec(_) if owed.pubrec > 0 => None,
        // Timed repeats of any part of the flow are left open by 3.x.
        Packet::PubRec(_) if may_repeat(m.version) && owed.half_done => None,
        Packet::PubRec(_) if owed.puback > 0 => Some((KIND, "answers a PUBLISH of QoS 1 with PUBREC")),
        Packet::PubRec(_) => Some((SAME_ID, "answers no PUBLISH of QoS 2 that is open")),
        _ if owed.pubcomp > 0 => None,
        _ => Some((PUBCOMP_ID, "answers no PUBREL that is open")),
    };
    let Some((ids, what)) = found else { return vec![] };
    let text = format!("{} with packet identifier {id} {what}", packet.packet_type());
    vec![Found::new(ids, text).at(m.span("packet_id"))]
}

fn pubrel_answers_pubrec(m: &Moment) -> Vec<Found> {
    let Some(Packet::PubRel(ack)) = m.packet() else { return vec![] };
    let id = ack.packet_id;
    let exchanges = &m.conn.exchanges;
    if m.superseded() || exchanges.pubrels.get(&id).is_some_and(|allowed| *allowed > 0) {
        return vec![];
    }
    let found = match exchanges.deliveries.get(&id) {
        Some(d) if d.restarted => return vec![],
        Some(d) if d.qos == 2 && d.stage >= Stage::Received && may_repeat(m.version) => return vec![],
        Some(d) if d.qos == 2 && d.stage >= Stage::Received => Found::new(
            REPEAT,
            format!("PUBREL {id} was repeated on a connection that is still there"),
        ),
        // A resumed session may be further than the transcript shows.
        Some(d) if d.qos == 2 && d.connection != m.conn.number => return vec![],
        Some(d) if d.qos == 2 => Found::new(RELEASE, format!("PUBREL {id} came before the client's PUBREC")),
        _ if m.conn.resumed => return vec![],
        _ => Found::new(SAME_ID, format!("PUBREL {id} belongs to no PUBLISH of QoS 2 that the broker sent")),
    };
    vec![found.at(m.span("packet_id"))]
}

fn suback_answers_subscribe(m: &Moment) -> Vec<Found> {
    let Some(Packet::SubAck(p)) = m.packet() else { return vec![] };
    let open = m.conn.exchanges.subscribes.get(&p.packet_id).and_then(|q| q.front());
    let Some(filters) = open else {
        let text = format!("SUBACK {} answers no SUBSCRIBE that is open", p.packet_id);
        return vec![Found::new(REQUEST, text).at(m.span("packet_id"))];
    };
    let (codes, filters) = (p.reason_codes.len(), filters.len());
    if codes == filters {
        return vec![];
    }
    let text = format!("SUBACK has {codes} codes for a SUBSCRIBE of {filters} filters");
    vec![Found::new(SUBACK_CODES, text).at(m.span("reason_codes").or(m.span("return_codes")))]
}

fn unsuback_answers_unsubscribe(m: &Moment) -> Vec<Found> {
    let Some(Packet::UnsubAck(p)) = m.packet() else { return vec![] };
    let open = m.conn.exchanges.unsubscribes.get(&p.packet_id).and_then(|q| q.front());
    let Some(&filters) = open else {
        let text = format!("UNSUBACK {} answers no UNSUBSCRIBE that is open", p.packet_id);
        return vec![Found::new(REQUEST, text).at(m.span("packet_id"))];
    };
    let codes = p.reason_codes.len();
    if m.version != Version::V5 || codes == filters {
        return vec![];
    }
    let text = format!("UNSUBACK has {codes} codes for an UNSUBSCRIBE of {filters} filters");
    vec![Found::new(UNSUBACK_CODES, text).at(m.span("reason_codes"))]
}

fn pingresp_answers_pingreq(m: &Moment) -> Vec<Found> {
    match m.packet() {
        Some(Packet::PingResp) if m.conn.pings == 0 => {
            vec![Found::new(PING, "PINGRESP came without a PINGREQ that it answers")]
        }
        _ => vec![],
    }
}
