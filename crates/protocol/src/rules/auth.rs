//! Rules on enhanced authentication (5.0, section 4.12).

use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::wire::Packet;
use crate::wire::property::id::AUTHENTICATION_METHOD;

const UNASKED: PerVersion = ids![v5: "MQTT-4.12.0-6"];
const MORE: PerVersion = ids![v5: "MQTT-4.12.0-2"];
const SAME: PerVersion = ids![v5: "MQTT-4.12.0-5"];

/// Continue authentication.
const CONTINUE: u8 = 0x18;

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "auth-only-if-asked",
        about: "A client that named no authentication method gets no AUTH and no method in its CONNACK.",
        ids: &[UNASKED],
        needs: Needs::Connection,
        check: only_if_asked,
    },
    RuleInfo {
        name: "auth-asks-for-more",
        about: "An AUTH before CONNACK has reason code 0x18.",
        ids: &[MORE],
        needs: Needs::Connection,
        check: asks_for_more,
    },
    RuleInfo {
        name: "auth-same-method",
        about: "Every AUTH and the successful CONNACK name the method of the CONNECT.",
        ids: &[SAME],
        needs: Needs::Connection,
        check: same_method,
    },
];

fn only_if_asked(m: &Moment) -> Vec<Found> {
    if m.conn.connect.is_none() || m.conn.method().is_some() {
        return vec![];
    }
    match m.packet() {
        Some(Packet::Auth(_)) => vec![Found::new(
            UNASKED,
            "AUTH came, the CONNECT named no authentication method",
        )],
        Some(Packet::ConnAck(p)) if p.properties.get(AUTHENTICATION_METHOD).is_some() => vec![
            Found::new(UNASKED, "CONNACK names an authentication method, the CONNECT did not")
                .at(m.span("authentication_method")),
        ],
        _ => vec![],
    }
}

fn asks_for_more(m: &Moment) -> Vec<Found> {
    match m.packet() {
        Some(Packet::Auth(p)) if m.conn.connack.is_none() && p.reason_code != CONTINUE => vec![
            Found::new(
                MORE,
                format!("AUTH before CONNACK has reason code 0x{:02x}, not 0x18", p.reason_code),
            )
            .at(m.span("reason_code")),
        ],
        _ => vec![],
    }
}

fn same_method(m: &Moment) -> Vec<Found> {
    let Some(asked) = m.conn.method() else { return vec![] };
    let (name, properties) = match m.packet() {
        Some(Packet::Auth(p)) => ("AUTH", &p.properties),
        Some(Packet::ConnAck(p)) if p.reason_code == 0 => ("CONNACK", &p.properties),
        _ => return vec![],
    };
    if properties.get(AUTHENTICATION_METHOD) == Some(asked) {
        return vec![];
    }
    let text = format!("{name} does not name the authentication method of the CONNECT");
    vec![Found::new(SAME, text).at(m.span("authentication_method"))]
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::property::id::AUTHENTICATION_METHOD;
    use crate::wire::{Auth, ConnAck, Packet, PropertyValue, Version};

    fn asked(method: Option<&str>) -> Talk {
        let mut c = connect(Version::V5, "c");
        if let Some(method) = method {
            c.properties
                .push(AUTHENTICATION_METHOD, PropertyValue::Text(method.into()));
        }
        Talk::new(Version::V5).open(1).to(1, c.into())
    }

    fn auth(reason_code: u8, method: &str) -> Packet {
        let mut auth = Auth {
            reason_code,
            ..Auth::default()
        };
        auth.properties
            .push(AUTHENTICATION_METHOD, PropertyValue::Text(method.into()));
        Packet::Auth(auth)
    }

    fn accepted(method: Option<&str>) -> Packet {
        let mut p = ConnAck::default();
        if let Some(method) = method {
            p.properties
                .push(AUTHENTICATION_METHOD, PropertyValue::Text(method.into()));
        }
        Packet::ConnAck(p)
    }

    #[test]
    fn the_method_of_the_connect_is_kept() {
        let t = asked(Some("m"))
            .from(1, auth(0x18, "m"))
            .to(1, auth(0x18, "m"))
            .from(1, accepted(Some("m")));
        assert!(t.breaches().is_empty());
        assert_eq!(asked(Some("m")).from(1, auth(0x18, "n")).breaches(), ["MQTT-4.12.0-5"]);
        assert_eq!(asked(Some("m")).from(1, accepted(None)).breaches(), ["MQTT-4.12.0-5"]);
    }

    #[test]
    fn a_client_without_a_method_is_not_asked() {
        assert!(asked(None).from(1, accepted(None)).breaches().is_empty());
        assert_eq!(asked(None).from(1, accepted(Some("m"))).breaches(), ["MQTT-4.12.0-6"]);
        assert_eq!(asked(None).from(1, auth(0x18, "m")).breaches(), ["MQTT-4.12.0-6"]);
    }

    #[test]
    fn an_auth_before_connack_asks_for_more() {
        assert_eq!(asked(Some("m")).from(1, auth(0, "m")).breaches(), ["MQTT-4.12.0-2"]);
    }
}
