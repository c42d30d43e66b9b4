//! Rules on what carries MQTT over WebSocket (3.1.1 and 5.0, section 6).

use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::transcript::{WebSocket, What};

const BINARY: PerVersion = ids![v3_1_1: "MQTT-6.0.0-1", v5: "MQTT-6.0.0-1"];
const SUBPROTOCOL: PerVersion = ids![v3_1_1: "MQTT-6.0.0-4", v5: "MQTT-6.0.0-4"];
/// The subprotocol of MQTT.
const MQTT: &str = "mqtt";

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "binary-frames",
        about: "Over WebSocket the broker sends binary frames only.",
        ids: &[BINARY],
        needs: Needs::Bytes,
        check: binary,
    },
    RuleInfo {
        name: "subprotocol",
        about: "The WebSocket subprotocol that the broker chooses is `mqtt`.",
        ids: &[SUBPROTOCOL],
        needs: Needs::Bytes,
        check: subprotocol,
    },
];

fn event<'m>(m: &'m Moment) -> Option<&'m WebSocket> {
    match &m.event.what {
        What::WebSocket(event) if m.is_from_broker() => Some(event),
        _ => None,
    }
}

fn binary(m: &Moment) -> Vec<Found> {
    match event(m) {
        Some(WebSocket::TextFrame) => vec![Found::new(BINARY, "the broker sent a text frame")],
        _ => vec![],
    }
}

/// A server that was not offered `mqtt` may choose none; then its client has broken MQTT-6.0.0-3.
fn subprotocol(m: &Moment) -> Vec<Found> {
    let Some(WebSocket::Upgraded { offered, chosen }) = event(m) else {
        return vec![];
    };
    let was_offered = offered.iter().any(|o| o == MQTT);
    match chosen.as_deref() {
        Some(MQTT) => vec![],
        None if !was_offered => vec![],
        Some(other) => vec![Found::new(
            SUBPROTOCOL,
            format!("the broker chose the WebSocket subprotocol `{other}`"),
        )],
        None => vec![Found::new(
            SUBPROTOCOL,
            "the broker was offered the WebSocket subprotocol `mqtt` and chose none",
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::wire::Version;

    fn upgraded(offered: &[&str], chosen: Option<&str>) -> Talk {
        Talk::new(Version::V5).open(1).websocket(
            1,
            WebSocket::Upgraded {
                offered: offered.iter().map(|o| (*o).to_owned()).collect(),
                chosen: chosen.map(str::to_owned),
            },
        )
    }

    #[test]
    fn the_subprotocol_is_mqtt_where_it_was_offered() {
        assert!(upgraded(&["mqtt"], Some("mqtt")).breaches().is_empty());
        assert!(upgraded(&["x", "mqtt"], Some("mqtt")).breaches().is_empty());
        assert!(upgraded(&["x"], None).breaches().is_empty());
        assert_eq!(upgraded(&["x", "mqtt"], Some("x")).breaches(), ["MQTT-6.0.0-4"]);
        assert_eq!(upgraded(&["mqtt"], None).breaches(), ["MQTT-6.0.0-4"]);
        assert_eq!(upgraded(&["x"], Some("x")).breaches(), ["MQTT-6.0.0-4"]);
    }

    #[test]
    fn a_text_frame_of_the_broker_is_a_breach() {
        let talk = upgraded(&["mqtt"], Some("mqtt")).websocket(1, WebSocket::TextFrame);
        assert_eq!(talk.breaches(), ["MQTT-6.0.0-1"]);
    }
}
