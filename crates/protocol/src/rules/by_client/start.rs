//! How a client begins and ends a connection, and its packets as such.

use super::super::history::Moment;
use super::super::rule::{Found, Needs, RuleInfo};
use super::said;
use crate::statements::{PerVersion, ids};
use crate::transcript::What;
use crate::wire::property::id::SESSION_EXPIRY_INTERVAL;
use crate::wire::{Packet, PacketType};

const FIRST: PerVersion = ids![v3_1: "§3.1/connect-first", v3_1_1: "MQTT-3.1.0-1", v5: "MQTT-3.1.0-1"];
const ONCE: PerVersion = ids![v3_1_1: "MQTT-3.1.0-2", v5: "MQTT-3.1.0-2"];
const SILENT: PerVersion = ids![v3_1_1: "MQTT-3.14.4-2", v5: "MQTT-3.14.4-1"];
const EXPIRY: PerVersion = ids![v5: "§3.14.2.2.2/expiry-from-zero"];

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "client-decodes",
        about: "Every packet of the client decodes without a violation.",
        ids: &[],
        needs: Needs::Bytes,
        check: decodes,
    },
    RuleInfo {
        name: "connect-first",
        about: "The first packet of the client is CONNECT.",
        ids: &[FIRST],
        needs: Needs::Connection,
        check: connect_first,
    },
    RuleInfo {
        name: "connect-once",
        about: "The client sends CONNECT once on a connection.",
        ids: &[ONCE],
        needs: Needs::Bytes,
        check: connect_once,
    },
    RuleInfo {
        name: "client-silent-after-disconnect",
        about: "After its DISCONNECT the client sends nothing more on that connection.",
        ids: &[SILENT],
        needs: Needs::Bytes,
        check: silent_after_disconnect,
    },
    RuleInfo {
        name: "expiry-from-zero",
        about: "DISCONNECT sets no Session Expiry Interval if the CONNECT had none.",
        ids: &[EXPIRY],
        needs: Needs::Connection,
        check: expiry_from_zero,
    },
];

fn decodes(m: &Moment) -> Vec<Found> {
    let Some(decoded) = m.event.packet().filter(|_| !m.is_from_broker()) else {
        return vec![];
    };
    // No statement binds a client to a level that the server knows; MQTT-3.1.2-2 binds the server.
    let level = m
        .span("protocol_level")
        .filter(|_| decoded.packet_type == Some(PacketType::Connect));
    decoded
        .breaches
        .iter()
        .filter(|b| Some(&b.span) != level.as_ref())
        .map(|b| Found::of(b.statement, b.text.clone()).at(Some(b.span.clone())))
        .collect()
}

fn connect_first(m: &Moment) -> Vec<Found> {
    let What::Packet { decoded, .. } = &m.event.what else {
        return vec![];
    };
    let is_connect = decoded.packet_type == Some(PacketType::Connect);
    // Without its beginning a connection says nothing. The first packet alone is reported.
    if m.is_from_broker() || is_connect || !m.conn.opened || m.conn.connects > 0 || m.conn.sent.spoken {
        return vec![];
    }
    let name = decoded
        .packet_type
        .map_or("a packet of a reserved type", PacketType::name);
    let text = if m.conn.hole {
        format!("{name} came before any CONNECT, and bytes before it are missing")
    } else {
        format!("{name} came before any CONNECT")
    };
    vec![Found::new(FIRST, text)]
}

fn connect_once(m: &Moment) -> Vec<Found> {
    match said(m) {
        Some(Packet::Connect(_)) if m.conn.connects > 0 => vec![Found::new(ONCE, "a second CONNECT came")],
        _ => vec![],
    }
}

fn silent_after_disconnect(m: &Moment) -> Vec<Found> {
    if !m.conn.client_left || m.is_from_broker() {
        return vec![];
    }
    let what = match &m.event.what {
        What::Packet { decoded, .. } => decoded.packet_type.map_or("a packet", PacketType::name),
        What::Fragment(_) => "part of a packet",
        _ => return vec![],
    };
    vec![Found::new(SILENT, format!("{what} came after the client's DISCONNECT"))]
}

fn expiry_from_zero(m: &Moment) -> Vec<Found> {
    let Some(Packet::Disconnect(p)) = said(m) else {
        return vec![];
    };
    let now = p.properties.number(SESSION_EXPIRY_INTERVAL).unwrap_or(0);
    if now == 0 || m.conn.connect.is_none() || m.conn.asked(SESSION_EXPIRY_INTERVAL).unwrap_or(0) > 0 {
        return vec![];
    }
    let text = format!("DISCONNECT sets a Session Expiry Interval of {now}; that of the CONNECT was 0");
    vec![Found::new(EXPIRY, text).at(m.span("session_expiry_interval"))]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::wire::property::id::SESSION_EXPIRY_INTERVAL;
    use crate::wire::{Disconnect, Packet, PropertyValue, Version};

    fn talk(version: Version) -> Talk {
        Talk::captured(version).connected(1, "c")
    }

    #[test]
    fn a_client_that_does_right_is_not_blamed() {
        for version in Version::ALL {
            let t = talk(version)
                .subscribed(1, "t", 2)
                .to(1, Packet::PingReq)
                .from(1, Packet::PingResp)
                .to(1, Packet::Disconnect(Disconnect::default()));
            assert!(t.findings().is_empty(), "{:?}", t.findings());
        }
    }

    #[test]
    fn a_level_that_nobody_knows_is_no_breach() {
        for level in [0, 6, 0x85, 0xff] {
            let mut connect = connect(Version::V3_1_1, "c");
            connect.protocol_level = level;
            let t = Talk::captured(Version::V3_1_1).open(1).to(1, connect.into());
            assert!(t.findings().is_empty(), "{level}: {:?}", t.findings());
        }
    }

    #[test]
    fn connect_comes_first_and_once() {
        for (version, id) in [(Version::V3_1, "§3.1/connect-first"), (Version::V5, "MQTT-3.1.0-1")] {
            let t = Talk::captured(version)
                .open(1)
                .to(1, Packet::PingReq)
                .to(1, Packet::PingReq);
            assert_eq!(t.breaches(), [id]);
        }
        let t = talk(Version::V5).to(1, connect(Version::V5, "c").into());
        assert_eq!(t.breaches(), ["MQTT-3.1.0-2"]);
    }

    #[test]
    fn what_a_hole_hides_is_a_doubt() {
        let t = Talk::captured(Version::V3_1_1)
            .open(1)
            .gap_of_client(1, 16)
            .to(1, Packet::PingReq);
        assert!(t.breaches().is_empty());
        assert_eq!(t.doubts(), ["connect-first"]);
        // A capture that starts midway.
        let t = Talk::captured(Version::V3_1_1).to(1, Packet::PingReq);
        assert!(t.findings().is_empty());
    }

    #[test]
    fn wrong_bytes_of_the_client_are_its_breach() {
        let t = talk(Version::V3_1_1).bytes_to(1, &[0x36, 5, 0, 1, b'a', 0, 1]);
        assert_eq!(t.breaches(), ["MQTT-3.3.1-4"]);
        assert_eq!(t.findings()[0].by, crate::wire::Side::Client);
        // Behind a gap packets may have been found where none are.
        let t = talk(Version::V3_1_1).gap_of_client(1, 5).bytes_to(1, &[0xc1, 0]);
        assert_eq!(t.doubts(), ["client-decodes"]);
    }

    #[test]
    fn nothing_follows_the_disconnect_of_the_client() {
        let left = |v| talk(v).to(1, Packet::Disconnect(Disconnect::default()));
        assert_eq!(
            left(Version::V3_1_1).to(1, Packet::PingReq).breaches(),
            ["MQTT-3.14.4-2"]
        );
        assert_eq!(left(Version::V5).to(1, Packet::PingReq).breaches(), ["MQTT-3.14.4-1"]);
    }

    #[test]
    fn a_session_that_ends_at_once_is_not_made_to_last() {
        let mut leave = Disconnect::default();
        leave.properties.push(SESSION_EXPIRY_INTERVAL, PropertyValue::U32(60));
        let t = talk(Version::V5).to(1, Packet::Disconnect(leave.clone()));
        assert_eq!(t.breaches(), ["§3.14.2.2.2/expiry-from-zero"]);
        let t = Talk::captured(Version::V5)
            .resumed(1, "c", false)
            .to(1, Packet::Disconnect(leave));
        assert!(t.breaches().is_empty());
    }
}
