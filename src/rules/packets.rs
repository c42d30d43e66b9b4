//! Rules on the broker's packets as such.

use super::history::Moment;
use super::rule::{Found, Ids, Needs, RuleInfo};
use crate::transcript::What;
use crate::wire::PacketType;

const SILENT: Ids = Ids::v5("MQTT-3.14.4-1");

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "decodes",
        about: "Every packet of the broker decodes without a breach.",
        ids: &[],
        needs: Needs::Bytes,
        check: decodes,
    },
    RuleInfo {
        name: "nothing-after-disconnect",
        about: "After its DISCONNECT the broker sends nothing more on that connection.",
        ids: &[SILENT],
        needs: Needs::Bytes,
        check: nothing_after_disconnect,
    },
];

fn decodes(m: &Moment) -> Vec<Found> {
    let Some(decoded) = m.decoded() else { return vec![] };
    // A broker that does not know the version of the CONNECT may refuse it in the form of any version that it does know.
    if decoded.packet_type == Some(PacketType::ConnAck) && m.conn.connack_in_other_form(m.event) {
        return vec![];
    }
    decoded
        .breaches
        .iter()
        .map(|b| Found::of(b.statement, b.text.clone()).at(Some(b.span.clone())))
        .collect()
}

fn nothing_after_disconnect(m: &Moment) -> Vec<Found> {
    if !m.conn.broker_left || !m.event.from_broker() {
        return vec![];
    }
    let what = match &m.event.what {
        What::Packet { decoded, .. } => decoded.packet_type.map_or("a packet", PacketType::name),
        What::Fragment(_) => "part of a packet",
        _ => return vec![],
    };
    vec![Found::new(SILENT, format!("{what} came after the broker's DISCONNECT"))]
}
