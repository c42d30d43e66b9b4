//! Rules on the broker's packets as such.

use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::transcript::What;
use crate::wire::{PacketType, Side, Version, decode_bytes};

const SILENT: PerVersion = ids![v5: "MQTT-3.14.4-1"];

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "decodes",
        about: "Every packet of the broker decodes without a violation.",
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
    if decoded.packet_type == Some(PacketType::ConnAck) && right_in_another_form(m) {
        return vec![];
    }
    decoded
        .breaches
        .iter()
        .map(|b| Found::of(b.statement, b.text.clone()).at(Some(b.span.clone())))
        .collect()
}

/// A broker that does not know the version of the CONNECT may refuse it in the form of any version that it does know;
/// to one of 5.0 that is code 1 of 3.x (3.1.1, MQTT-3.1.2-2).
fn right_in_another_form(m: &Moment) -> bool {
    let What::Packet { raw, .. } = &m.event.what else {
        return false;
    };
    let Some(bytes) = raw.bytes() else { return false };
    let as_version = |v| decode_bytes(bytes, v, Side::Server);
    match m.conn.version {
        None => Version::ALL.into_iter().any(|v| as_version(v).breaches.is_empty()),
        Some(Version::V5) => {
            let old = as_version(Version::V3_1_1);
            old.breaches.is_empty() && old.packet.and_then(|p| p.reason_code()) == Some(1)
        }
        Some(_) => false,
    }
}

fn nothing_after_disconnect(m: &Moment) -> Vec<Found> {
    if !m.conn.broker_left || !m.is_from_broker() {
        return vec![];
    }
    let what = match &m.event.what {
        What::Packet { decoded, .. } => decoded.packet_type.map_or("a packet", PacketType::name),
        What::Fragment(_) => "part of a packet",
        _ => return vec![],
    };
    vec![Found::new(SILENT, format!("{what} came after the broker's DISCONNECT"))]
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::{Connect, Disconnect, Packet, Version};

    #[test]
    fn a_breach_of_the_decoder_is_a_finding_with_its_span() {
        let t = Talk::new(Version::V3_1_1).connected(1, "c").to(1, Packet::PingReq);
        assert!(t.breaches().is_empty());
        let t = t.bytes_from(1, &[0xd1, 0]);
        assert_eq!(t.breaches(), ["MQTT-2.2.2-1"]);
        assert_eq!(t.findings()[0].span, Some(0..1));
    }

    #[test]
    fn what_only_clients_send_is_a_breach() {
        let t = Talk::new(Version::V3_1_1).connected(1, "c").from(1, Packet::PingReq);
        assert_eq!(t.breaches(), ["§2.2.1/packet-type"]);
        let t = Talk::new(Version::V3_1_1)
            .connected(1, "c")
            .from(1, Packet::Disconnect(Disconnect::default()));
        assert_eq!(t.breaches(), ["§2.2.1/packet-type"]);
        let t = Talk::new(Version::V5)
            .connected(1, "c")
            .from(1, Packet::Disconnect(Disconnect::default()));
        assert!(!t.breaches().contains(&"§2.1.2/packet-type"));
    }

    #[test]
    fn an_unknown_level_may_be_refused_in_any_form() {
        let asked = || {
            let mut connect = Connect::new(Version::V5, "x");
            connect.protocol_level = 6;
            Talk::new(Version::V5).open(1).to(1, connect.into())
        };
        assert!(asked().bytes_from(1, &[0x20, 2, 0, 1]).breaches().is_empty());
        assert!(asked().bytes_from(1, &[0x20, 3, 0, 0x84, 0]).breaches().is_empty());
        assert!(!asked().bytes_from(1, &[0x20, 4, 0, 0x84, 9, 9]).breaches().is_empty());
        // A broker of 3.1.1 alone answers one of 5.0 so.
        let t = Talk::new(Version::V5).open(1).to(1, connect(Version::V5, "c").into());
        assert!(t.bytes_from(1, &[0x20, 2, 0, 1]).breaches().is_empty());
    }

    #[test]
    fn nothing_follows_the_disconnect_of_the_broker() {
        let t = Talk::new(Version::V5)
            .connected(1, "c")
            .from(
                1,
                Packet::Disconnect(Disconnect {
                    reason_code: 0x8b,
                    ..Default::default()
                }),
            )
            .broker_closes(1);
        assert!(t.breaches().is_empty());
        let t = t.to(1, Packet::PingReq).from(1, Packet::PingResp);
        assert_eq!(t.breaches(), ["MQTT-3.14.4-1"]);
    }
}
