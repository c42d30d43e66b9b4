//! How a client uses WebSocket (3.1.1 and 5.0, section 6).

use super::super::history::Moment;
use super::super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::transcript::{WebSocket, What};

const BINARY: PerVersion = ids![v3_1_1: "MQTT-6.0.0-1", v5: "MQTT-6.0.0-1"];
const OFFERS_MQTT: PerVersion = ids![v3_1_1: "MQTT-6.0.0-3", v5: "MQTT-6.0.0-3"];
/// The subprotocol of MQTT.
const MQTT: &str = "mqtt";

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "client-binary-frames",
        about: "Over WebSocket the client sends binary frames only.",
        ids: &[BINARY],
        needs: Needs::Bytes,
        check: binary,
    },
    RuleInfo {
        name: "client-subprotocol",
        about: "Among the WebSocket subprotocols that the client offers is `mqtt`.",
        ids: &[OFFERS_MQTT],
        needs: Needs::Bytes,
        check: subprotocol,
    },
];

fn event<'m>(m: &'m Moment) -> Option<&'m WebSocket> {
    match &m.event.what {
        What::WebSocket(event) if !m.is_from_broker() => Some(event),
        _ => None,
    }
}

fn binary(m: &Moment) -> Vec<Found> {
    match event(m) {
        Some(WebSocket::TextFrame) => vec![Found::new(BINARY, "the client sent a text frame")],
        _ => vec![],
    }
}

fn subprotocol(m: &Moment) -> Vec<Found> {
    match event(m) {
        Some(WebSocket::Upgraded { offered, .. }) if !offered.iter().any(|offer| offer == MQTT) => {
            let text = match offered.as_slice() {
                [] => "the client offered no WebSocket subprotocol".to_owned(),
                offered => format!(
                    "the client offered the WebSocket subprotocols `{}`",
                    offered.join("`, `")
                ),
            };
            vec![Found::new(OFFERS_MQTT, text)]
        }
        _ => vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use super::*;
    use crate::wire::Version;

    fn upgraded(offered: &[&str]) -> Vec<&'static str> {
        let offered = offered.iter().map(|offer| (*offer).to_owned()).collect();
        let upgrade = WebSocket::Upgraded { offered, chosen: None };
        let talk = Talk::captured(Version::V5).open(1).client_websocket(1, upgrade);
        talk.breaches()
    }

    #[test]
    fn the_client_offers_mqtt_among_others() {
        assert!(upgraded(&["x", "mqtt"]).is_empty());
        assert_eq!(upgraded(&["x"]), ["MQTT-6.0.0-3"]);
        assert_eq!(upgraded(&[]), ["MQTT-6.0.0-3"]);
    }

    #[test]
    fn a_text_frame_of_the_client_is_a_breach() {
        let talk = Talk::captured(Version::V5).open(1);
        assert_eq!(
            talk.client_websocket(1, WebSocket::TextFrame).breaches(),
            ["MQTT-6.0.0-1"]
        );
    }
}
