//! Rules on the beginning of a connection.

use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::transcript::What;
use crate::wire::property::id::*;
use crate::wire::{Packet, PacketType, PropertyValue, Version};

const FIRST: PerVersion = ids![v3_1_1: "MQTT-3.2.0-1", v5: "MQTT-3.2.0-1"];
const REFUSED: PerVersion = ids![v3_1_1: "MQTT-3.2.2-5", v5: "MQTT-3.2.0-1"];
const EARLY_DISCONNECT: PerVersion = ids![v5: "MQTT-3.14.0-1"];
const ONCE: PerVersion = ids![v5: "MQTT-3.2.0-2"];
const ASSIGNED: PerVersion = ids![v5: "MQTT-3.2.2-16"];
const RESPONSE: PerVersion = ids![v5: "MQTT-3.1.2-28"];
const PROBLEM: PerVersion = ids![v5: "MQTT-3.1.2-29"];

const ANSWER: PerVersion = ids![v3_1: "§3.1/connack", v3_1_1: "MQTT-3.2.0-1", v5: "MQTT-3.2.0-1"];

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "connack-seen",
        about: "A client that goes on after its CONNECT has received a CONNACK or did not wait for it; undecided after a gap.",
        ids: &[ANSWER],
        needs: Needs::Connection,
        check: connack_seen,
    },
    RuleInfo {
        name: "connack-first",
        about: "The first packet of the broker is CONNACK; in 5.0 AUTH may come before it.",
        ids: &[FIRST, EARLY_DISCONNECT],
        needs: Needs::Bytes,
        check: connack_first,
    },
    RuleInfo {
        name: "nothing-after-refusal",
        about: "After a CONNACK that refuses the connection nothing follows.",
        ids: &[REFUSED, EARLY_DISCONNECT],
        needs: Needs::Bytes,
        check: nothing_after_refusal,
    },
    RuleInfo {
        name: "connack-once",
        about: "A connection gets at most one CONNACK.",
        ids: &[ONCE],
        needs: Needs::Bytes,
        check: connack_once,
    },
    RuleInfo {
        name: "assigned-client-id",
        about: "A client that is accepted without a client identifier receives the one assigned to it.",
        ids: &[ASSIGNED],
        needs: Needs::Connection,
        check: assigned_client_id,
    },
    RuleInfo {
        name: "response-information-on-request",
        about: "Response Information is returned only to a client that asked for it.",
        ids: &[RESPONSE],
        needs: Needs::Connection,
        check: response_information,
    },
    RuleInfo {
        name: "problem-information-on-request",
        about: "Reason String and User Property are omitted if the client requests no problem information.",
        ids: &[PROBLEM],
        needs: Needs::Connection,
        check: problem_information,
    },
];

fn connack_first(m: &Moment) -> Vec<Found> {
    let Some(packet) = m.packet() else { return vec![] };
    if m.conn.connacks > 0 || !m.conn.opened || m.conn.hole {
        return vec![];
    }
    let name = packet.packet_type().name();
    let found = match packet {
        Packet::ConnAck(_) => return vec![],
        Packet::Auth(_) if m.version == Version::V5 => return vec![],
        Packet::Disconnect(_) if m.version == Version::V5 => {
            Found::new(EARLY_DISCONNECT, "DISCONNECT came before any CONNACK")
        }
        _ => Found::new(FIRST, format!("{name} came before any CONNACK")),
    };
    vec![found]
}

/// A client may send before its CONNACK (3.1.1 and 5.0, section 3.1.4), so without a gap this says nothing.
fn connack_seen(m: &Moment) -> Vec<Found> {
    let What::Packet { decoded, .. } = &m.event.what else {
        return vec![];
    };
    let conn = m.conn;
    let goes_on = !m.is_from_broker() && conn.connects == 1 && conn.said_since_connect == 0;
    if !goes_on || conn.connacks > 0 || !conn.hole {
        return vec![];
    }
    let name = decoded.packet_type.map_or("a packet", PacketType::name);
    let text = format!("{name} came, and no CONNACK before it was seen: bytes of the broker are missing");
    vec![Found::new(ANSWER, text)]
}

fn nothing_after_refusal(m: &Moment) -> Vec<Found> {
    let Some(packet) = m.packet() else { return vec![] };
    let code = match &m.conn.connack {
        Some(connack) if connack.reason_code != 0 => connack.reason_code,
        _ => return vec![],
    };
    let text = format!(
        "{} came after the CONNACK that refused the connection with 0x{code:02x}",
        packet.packet_type()
    );
    let found = match packet {
        // A second one is the next rule's.
        Packet::ConnAck(_) => return vec![],
        Packet::Disconnect(_) if m.version == Version::V5 => Found::new(EARLY_DISCONNECT, text),
        _ => Found::new(REFUSED, text),
    };
    vec![found]
}

fn connack_once(m: &Moment) -> Vec<Found> {
    match m.packet() {
        Some(Packet::ConnAck(_)) if m.conn.connacks > 0 => vec![Found::new(ONCE, "a second CONNACK came")],
        _ => vec![],
    }
}

fn assigned_client_id(m: &Moment) -> Vec<Found> {
    let (Some(Packet::ConnAck(p)), Some(connect)) = (m.packet(), &m.conn.connect) else {
        return vec![];
    };
    if p.reason_code != 0 || !connect.client_id.is_empty() || m.conn.connacks > 0 {
        return vec![];
    }
    match p.properties.get(ASSIGNED_CLIENT_IDENTIFIER) {
        Some(PropertyValue::Text(id)) if !id.is_empty() => vec![],
        _ => vec![Found::new(
            ASSIGNED,
            "an empty client id was accepted without an Assigned Client Identifier",
        )],
    }
}

fn response_information(m: &Moment) -> Vec<Found> {
    match m.packet() {
        Some(Packet::ConnAck(p))
            if m.conn.connect.is_some()
                && m.conn.asked(REQUEST_RESPONSE_INFORMATION).unwrap_or(0) == 0
                && p.properties.get(RESPONSE_INFORMATION).is_some() =>
        {
            vec![
                Found::new(
                    RESPONSE,
                    "Response Information was returned, the CONNECT did not ask for it",
                )
                .at(m.span("response_information")),
            ]
        }
        _ => vec![],
    }
}

fn problem_information(m: &Moment) -> Vec<Found> {
    let Some(packet) = m.packet() else { return vec![] };
    if m.conn.asked(REQUEST_PROBLEM_INFORMATION) != Some(0)
        || matches!(packet, Packet::Publish(_) | Packet::ConnAck(_) | Packet::Disconnect(_))
    {
        return vec![];
    }
    let Some(properties) = packet.properties() else {
        return vec![];
    };
    [
        (REASON_STRING, "a Reason String", "reason_string"),
        (USER_PROPERTY, "a User Property", "user_properties"),
    ]
    .into_iter()
    .filter(|(id, ..)| properties.get(*id).is_some())
    .map(|(_, what, field)| {
        let text = format!(
            "{} has {what}, the CONNECT asked for no problem information",
            packet.packet_type()
        );
        Found::new(PROBLEM, text).at(m.span(field))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::property::id::*;
    use crate::wire::{Ack, ConnAck, Disconnect, Packet, PropertyValue, Version};

    fn asked(version: Version) -> Talk {
        Talk::new(version).open(1).to(1, connect(version, "c").into())
    }

    fn bye() -> Packet {
        Packet::Disconnect(Disconnect {
            reason_code: 0x87,
            ..Disconnect::default()
        })
    }

    #[test]
    fn connack_comes_first() {
        for version in Version::ALL {
            assert!(asked(version).from(1, connack(0, false)).breaches().is_empty());
        }
        for version in [Version::V3_1_1, Version::V5] {
            let t = asked(version).to(1, Packet::PingReq).from(1, Packet::PingResp);
            assert_eq!(t.breaches(), ["MQTT-3.2.0-1"]);
        }
        assert_eq!(asked(Version::V5).from(1, bye()).breaches(), ["MQTT-3.14.0-1"]);
    }

    #[test]
    fn nothing_follows_a_refusal() {
        let refused = |v, code| asked(v).from(1, connack(code, false));
        assert!(refused(Version::V3_1_1, 5).broker_closes(1).breaches().is_empty());
        let t = refused(Version::V3_1_1, 5)
            .to(1, Packet::PingReq)
            .from(1, Packet::PingResp);
        assert_eq!(t.breaches(), ["MQTT-3.2.2-5"]);
        assert_eq!(refused(Version::V5, 0x87).from(1, bye()).breaches(), ["MQTT-3.14.0-1"]);
    }

    #[test]
    fn connack_comes_once() {
        let t = asked(Version::V5).from(1, connack(0, false)).from(1, connack(0, false));
        assert_eq!(t.breaches(), ["MQTT-3.2.0-2"]);
        // Also where we asked for it with a second CONNECT.
        let t = Talk::new(Version::V5)
            .connected(1, "c")
            .to(1, connect(Version::V5, "c").into())
            .from(1, connack(0, false));
        assert_eq!(t.breaches(), ["MQTT-3.2.0-2"]);
    }

    #[test]
    fn an_assigned_client_id_is_told() {
        let asked = || Talk::new(Version::V5).open(1).to(1, connect(Version::V5, "").into());
        let mut told = ConnAck::default();
        told.properties
            .push(ASSIGNED_CLIENT_IDENTIFIER, PropertyValue::Text("x1".into()));
        assert!(asked().from(1, Packet::ConnAck(told)).breaches().is_empty());
        assert_eq!(asked().from(1, connack(0, false)).breaches(), ["MQTT-3.2.2-16"]);
        assert!(asked().from(1, connack(0x85, false)).breaches().is_empty());
    }

    #[test]
    fn information_comes_on_request() {
        let mut answer = ConnAck::default();
        answer
            .properties
            .push(RESPONSE_INFORMATION, PropertyValue::Text("r".into()));
        let answer = Packet::ConnAck(answer);
        assert_eq!(asked(Version::V5).from(1, answer.clone()).breaches(), ["MQTT-3.1.2-28"]);
        let mut c = connect(Version::V5, "c");
        c.properties.push(REQUEST_RESPONSE_INFORMATION, PropertyValue::Byte(1));
        c.properties.push(REQUEST_PROBLEM_INFORMATION, PropertyValue::Byte(0));
        let t = Talk::new(Version::V5)
            .open(1)
            .to(1, c.into())
            .from(1, answer)
            .to(1, message("t", 1, 1, "a"));
        let mut ack = Ack::new(1);
        ack.reason_code = 0x10;
        ack.properties.push(REASON_STRING, PropertyValue::Text("nobody".into()));
        assert!(t.breaches().is_empty());
        assert_eq!(t.from(1, Packet::PubAck(ack)).breaches(), ["MQTT-3.1.2-29"]);
    }
}
