//! The client's Keep Alive.

use super::super::history::Moment;
use super::super::in_captures::ends_silence;
use super::super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};

const KEEP_ALIVE: PerVersion = ids![v3_1: "§2.2/keep-alive-client", v3_1_1: "MQTT-3.1.2-23", v5: "MQTT-3.1.2-20"];

pub const RULES: &[RuleInfo] = &[RuleInfo {
    name: "client-keep-alive",
    about: "The client is never silent for longer than its Keep Alive, or than the Server Keep Alive if there is one.",
    ids: &[KEEP_ALIVE],
    needs: Needs::Connection,
    check: keep_alive,
}];

fn keep_alive(m: &Moment) -> Vec<Found> {
    if !ends_silence(m) {
        return vec![];
    }
    let Some(silent) = m.conn.sent.silence(m.event.at) else {
        return vec![];
    };
    let text = format!(
        "the client was silent for {:.1} s; the Keep Alive is {} s",
        silent.as_secs_f64(),
        m.conn.sent.keep_alive
    );
    vec![Found::new(KEEP_ALIVE, text)]
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::*;
    use crate::wire::property::id::SERVER_KEEP_ALIVE;
    use crate::wire::{ConnAck, Packet, PropertyValue, Version};

    /// Keep Alive is 60 s.
    fn talk(version: Version) -> Talk {
        Talk::captured(version).connected(1, "c")
    }

    #[test]
    fn silence_is_told_once_and_only_when_it_is_too_long() {
        for (version, id) in [
            (Version::V3_1, "§2.2/keep-alive-client"),
            (Version::V3_1_1, "MQTT-3.1.2-23"),
            (Version::V5, "MQTT-3.1.2-20"),
        ] {
            let t = talk(version)
                .pass(60)
                .to(1, Packet::PingReq)
                .pass(65)
                .to(1, Packet::PingReq);
            assert!(t.breaches().is_empty(), "{:?}", t.findings());
            let t = t
                .from(1, Packet::PingResp)
                .pass(100)
                .from(1, Packet::PingResp)
                .broker_closes(1);
            assert_eq!(t.breaches(), [id]);
        }
    }

    /// The silence lasts until the client's next packet, the end of the connection, or that of the capture.
    #[test]
    fn the_whole_silence_is_told() {
        let silent = |t: Talk| {
            let findings = t.findings();
            assert_eq!(findings.len(), 1, "{findings:?}");
            findings[0].text.clone()
        };
        let idle = || {
            talk(Version::V3_1_1)
                .subscribed(1, "t", 0)
                .pass(70)
                .from(1, message("t", 0, 0, "a"))
                .pass(20)
        };
        for ended in [
            idle().to(1, Packet::PingReq),
            idle().broker_closes(1),
            idle().capture_ends(),
        ] {
            let text = silent(ended);
            assert!(text.starts_with("the client was silent for 90.0 s"), "{text}");
        }
    }

    #[test]
    fn the_server_may_name_another_one() {
        let mut ack = ConnAck::default();
        ack.properties.push(SERVER_KEEP_ALIVE, PropertyValue::U16(10));
        let t = Talk::captured(Version::V5)
            .open(1)
            .to(1, connect(Version::V5, "c").into())
            .from(1, Packet::ConnAck(ack))
            .pass(20);
        assert_eq!(t.to(1, Packet::PingReq).breaches(), ["MQTT-3.1.2-20"]);
    }
}
