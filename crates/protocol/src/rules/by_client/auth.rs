//! Rules on enhanced authentication (5.0, section 4.12), from the client's side.

use super::super::history::Moment;
use super::super::rule::{Found, Needs, RuleInfo};
use super::said;
use crate::statements::{PerVersion, ids};
use crate::wire::Packet;
use crate::wire::property::id::AUTHENTICATION_METHOD;

const UNNAMED: PerVersion = ids![v5: "MQTT-4.12.0-7"];
const ANSWER: PerVersion = ids![v5: "MQTT-4.12.0-3"];
const SAME: PerVersion = ids![v5: "MQTT-4.12.0-5"];
const AGAIN: PerVersion = ids![v5: "MQTT-4.12.1-1"];
const ONLY: PerVersion = ids![v5: "MQTT-3.1.2-30"];

/// Continue authentication, and re-authenticate.
const CONTINUE: u8 = 0x18;
const REAUTHENTICATE: u8 = 0x19;

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "client-auth",
        about: "The client's AUTH names the method of its CONNECT, and answers with reason code 0x18.",
        ids: &[UNNAMED, ANSWER, SAME, AGAIN],
        needs: Needs::Connection,
        check: auth,
    },
    RuleInfo {
        name: "client-auth-before-all-else",
        about: "A client that named an authentication method sends only AUTH and DISCONNECT before the CONNACK.",
        ids: &[ONLY],
        needs: Needs::Connection,
        check: only_auth,
    },
];

fn auth(m: &Moment) -> Vec<Found> {
    let Some(Packet::Auth(p)) = said(m) else { return vec![] };
    if m.conn.connect.is_none() {
        return vec![];
    }
    let Some(method) = m.conn.method() else {
        return vec![Found::new(
            UNNAMED,
            "AUTH came, the CONNECT named no authentication method",
        )];
    };
    let mut found = Vec::new();
    if m.conn.connack.is_none() && p.reason_code != CONTINUE {
        let text = format!("AUTH before CONNACK has reason code 0x{:02x}, not 0x18", p.reason_code);
        found.push(Found::new(ANSWER, text).at(m.span("reason_code")));
    }
    if p.properties.get(AUTHENTICATION_METHOD) != Some(method) {
        let ids = if p.reason_code == REAUTHENTICATE { AGAIN } else { SAME };
        let text = "AUTH does not name the authentication method of the CONNECT";
        found.push(Found::new(ids, text).at(m.span("authentication_method")));
    }
    found
}

fn only_auth(m: &Moment) -> Vec<Found> {
    if m.conn.method().is_none() || m.conn.connacks > 0 {
        return vec![];
    }
    match said(m) {
        None | Some(Packet::Auth(_) | Packet::Disconnect(_) | Packet::Connect(_)) => vec![],
        Some(other) => {
            let text = format!(
                "{} came before the CONNACK that ends the authentication",
                other.packet_type()
            );
            vec![Found::new(ONLY, text)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::wire::property::id::AUTHENTICATION_METHOD;
    use crate::wire::{Auth, Packet, PropertyValue, Version};

    fn asked(method: Option<&str>) -> Talk {
        let mut c = connect(Version::V5, "c");
        if let Some(method) = method {
            c.properties
                .push(AUTHENTICATION_METHOD, PropertyValue::Text(method.into()));
        }
        Talk::captured(Version::V5).open(1).to(1, c.into())
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

    #[test]
    fn the_method_of_the_connect_is_kept() {
        let challenged = || asked(Some("m")).from(1, auth(0x18, "m"));
        assert!(challenged().to(1, auth(0x18, "m")).breaches().is_empty());
        assert_eq!(challenged().to(1, auth(0x18, "n")).breaches(), ["MQTT-4.12.0-5"]);
        assert_eq!(challenged().to(1, auth(0x19, "m")).breaches(), ["MQTT-4.12.0-3"]);
        assert_eq!(asked(None).to(1, auth(0x18, "m")).breaches(), ["MQTT-4.12.0-7"]);
    }

    #[test]
    fn authentication_comes_before_all_else() {
        assert_eq!(
            asked(Some("m")).to(1, message("t", 0, 0, "a")).breaches(),
            ["MQTT-3.1.2-30"]
        );
        assert!(asked(None).to(1, message("t", 0, 0, "a")).breaches().is_empty());
    }
}
