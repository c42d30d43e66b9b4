//! Rules on Session Present.

use std::time::Duration;

use super::client::SessionTerms;
use super::conn::Conn;
use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use crate::statements::{PerVersion, ids};
use crate::wire::{ConnAck, Connect, Packet, Version};

const CLEAN: PerVersion = ids![v3_1_1: "MQTT-3.2.2-1", v5: "MQTT-3.2.2-2"];
const NOT_STORED: PerVersion = ids![v3_1_1: "MQTT-3.2.2-3", v5: "MQTT-3.2.2-3"];
const STORED: PerVersion = ids![v3_1_1: "MQTT-3.2.2-2", v5: "MQTT-3.2.2-3"];

/// Timers of a broker may be off by this much.
const SLACK: Duration = Duration::from_secs(1);

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "no-session-after-clean",
        about: "A clean session is accepted with Session Present 0.",
        ids: &[CLEAN],
        needs: Needs::Connection,
        check: no_session_after_clean,
    },
    RuleInfo {
        name: "session-present-as-stored",
        about: "Session Present says whether there is a session of this client id.",
        ids: &[NOT_STORED, STORED],
        needs: Needs::Session,
        check: session_present_as_stored,
    },
];

fn connack<'a>(m: &Moment<'a>) -> Option<(&'a ConnAck, &'a Connect)> {
    match (m.packet()?, &m.conn.connect) {
        (Packet::ConnAck(p), Some(connect)) if m.conn.connacks == 0 => Some((p, connect)),
        _ => None,
    }
}

fn no_session_after_clean(m: &Moment) -> Vec<Found> {
    match connack(m) {
        Some((p, connect)) if connect.clean_start && p.reason_code == 0 && p.session_present => {
            vec![Found::new(CLEAN, "a clean session was asked for, Session Present is 1").at(m.span("session_present"))]
        }
        _ => vec![],
    }
}

fn session_present_as_stored(m: &Moment) -> Vec<Found> {
    let Some((p, connect)) = connack(m) else { return vec![] };
    // Client ids from outside the case may have been used before it.
    if p.reason_code != 0 || connect.clean_start || !m.history.in_namespace(m.conn.number) {
        return vec![];
    }
    // A CONNECT that was never answered may have made a session, or ended one.
    let unanswered = |c: &Conn| c.number != m.conn.number && c.client == m.conn.client && c.connacks == 0;
    if m.history.conns.values().any(unanswered) {
        return vec![];
    }
    let Some(client) = m.client() else { return vec![] };
    let earlier = client.newest.and_then(|n| m.history.conns.get(&n)).zip(client.session);
    let stored = match earlier {
        None => Some(false),
        Some((conn, terms)) => stored(m, conn, terms),
    };
    let found = match (stored, p.session_present) {
        (Some(false), true) => Found::new(
            NOT_STORED,
            "Session Present is 1, there is no session of this client id",
        ),
        (Some(true), false) => Found::new(STORED, "Session Present is 0, this client id has a session"),
        _ => return vec![],
    };
    vec![found.at(m.span("session_present"))]
}

/// Whether the session of an earlier connection is still stored; `None` if that depends on what cannot be seen.
fn stored(m: &Moment, earlier: &Conn, terms: SessionTerms) -> Option<bool> {
    if terms.version != m.version || terms.restarts != m.history.restarts || earlier.hole {
        return None;
    }
    if m.version != Version::V5 {
        return Some(!terms.clean);
    }
    match (terms.expiry, earlier.broker_end) {
        (u32::MAX, _) => Some(true),
        // The session ends with the connection, and that the broker has closed it is all that tells when this was. If the
        // new CONNECT came first, it may have continued the session.
        (0, end) => (end? < m.conn.asked_at?).then_some(false),
        // It cannot have closed the connection before it last said something there.
        (seconds, _) => {
            let gone = m.event.at.saturating_sub(earlier.heard?);
            // When a session is removed after its end is not said.
            (gone + SLACK < Duration::from_secs(seconds.into())).then_some(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::property::id::SESSION_EXPIRY_INTERVAL;
    use crate::wire::{Connect, PropertyValue, Version};

    #[test]
    fn a_clean_session_is_not_present() {
        for (version, id) in [(Version::V3_1_1, "MQTT-3.2.2-1"), (Version::V5, "MQTT-3.2.2-2")] {
            assert!(Talk::new(version).connected(1, "c").breaches().is_empty());
            let t = Talk::new(version)
                .open(1)
                .to(1, connect(version, "c").into())
                .from(1, connack(0, true));
            assert_eq!(t.breaches(), [id]);
        }
    }

    #[test]
    fn session_present_says_what_is_stored() {
        for version in [Version::V3_1_1, Version::V5] {
            let first = || Talk::new(version).resumed(1, "c", false);
            assert!(first().breaches().is_empty());
            assert_eq!(Talk::new(version).resumed(1, "c", true).breaches(), ["MQTT-3.2.2-3"]);
            assert!(first().broker_closes(1).resumed(2, "c", true).breaches().is_empty());
            let lost = if version == Version::V5 {
                "MQTT-3.2.2-3"
            } else {
                "MQTT-3.2.2-2"
            };
            assert_eq!(first().broker_closes(1).resumed(2, "c", false).breaches(), [lost]);
            assert!(first().restart().resumed(2, "c", false).breaches().is_empty());
            let clean = || Talk::new(version).connected(1, "c").broker_closes(1);
            assert!(clean().resumed(2, "c", false).breaches().is_empty());
            assert_eq!(clean().resumed(2, "c", true).breaches(), ["MQTT-3.2.2-3"]);
        }
    }

    #[test]
    fn a_session_that_cannot_have_expired_is_stored_though_no_end_was_seen() {
        let kept = |seconds, session_present| {
            let mut first = connect(Version::V5, "c");
            first.clean_start = false;
            (first.properties).push(SESSION_EXPIRY_INTERVAL, PropertyValue::U32(seconds));
            let t = Talk::new(Version::V5).open(1).to(1, first.into());
            t.from(1, connack(0, false)).resumed(2, "c", session_present)
        };
        assert_eq!(kept(60, false).breaches(), ["MQTT-3.2.2-3"]);
        assert!(kept(60, true).breaches().is_empty());
        // It may have expired, or its connection has not ended, or ended because of the CONNECT.
        assert!(kept(1, false).breaches().is_empty());
        assert!(kept(0, true).breaches().is_empty());
        let taken_over = Talk::new(Version::V5)
            .connected(1, "c")
            .open(2)
            .to(2, {
                let mut second = connect(Version::V5, "c");
                second.clean_start = false;
                second.into()
            })
            .broker_closes(1)
            .from(2, connack(0, true));
        assert!(taken_over.breaches().is_empty());
    }

    #[test]
    fn a_connect_that_was_not_answered_leaves_it_open() {
        let version = Version::V3_1_1;
        let t = |session_present| {
            Talk::new(version)
                .resumed(1, "c", false)
                .broker_closes(1)
                .open(2)
                .to(2, connect(version, "c").into())
                .resumed(3, "c", session_present)
        };
        assert!(t(false).breaches().is_empty());
        assert!(t(true).breaches().is_empty());
    }

    #[test]
    fn a_disconnect_shortens_a_session_and_never_makes_one_last() {
        use crate::wire::Disconnect;
        let leave = |expiry: u32| {
            let mut packet = Disconnect::default();
            packet
                .properties
                .push(SESSION_EXPIRY_INTERVAL, PropertyValue::U32(expiry));
            crate::wire::Packet::Disconnect(packet)
        };
        let brief = |expiry| {
            let t = Talk::new(Version::V5).connected(1, "c");
            t.to(1, leave(expiry)).broker_closes(1)
        };
        assert!(brief(60).resumed(2, "c", false).breaches().is_empty());
        // A server that lowers what CONNECT asks for may lower what DISCONNECT asks for, and no packet says so.
        let raised = Talk::new(Version::V5)
            .resumed(1, "c", false)
            .to(1, leave(1_000_000))
            .broker_closes(1);
        assert!(raised.resumed(2, "c", true).breaches().is_empty());
        let long = Talk::new(Version::V5).resumed(1, "c", false);
        let ended = long.to(1, leave(0)).broker_closes(1);
        assert_eq!(ended.resumed(2, "c", true).breaches(), ["MQTT-3.2.2-3"]);
    }

    #[test]
    fn others_may_have_used_an_id_that_is_not_of_the_case() {
        let mut c = Connect::new(Version::V5, "x");
        c.clean_start = false;
        let t = Talk::new(Version::V5).open(1).to(1, c.into()).from(1, connack(0, true));
        assert!(t.breaches().is_empty());
    }
}
