//! Rules on Session Present.

use std::time::Duration;

use super::client::SessionTerms;
use super::conn::Conn;
use super::history::Moment;
use super::rule::{Found, Ids, Needs, RuleInfo};
use crate::wire::{ConnAck, Connect, Packet, Version};

const CLEAN: Ids = Ids::new("", "MQTT-3.2.2-1", "MQTT-3.2.2-2");
const REFUSED: Ids = Ids::new("", "MQTT-3.2.2-4", "MQTT-3.2.2-6");
const NOT_STORED: Ids = Ids::new("", "MQTT-3.2.2-3", "MQTT-3.2.2-3");
const STORED: Ids = Ids::new("", "MQTT-3.2.2-2", "MQTT-3.2.2-3");

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
        name: "no-session-when-refused",
        about: "A CONNACK that refuses has Session Present 0.",
        ids: &[REFUSED],
        needs: Needs::Bytes,
        check: no_session_when_refused,
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

fn no_session_when_refused(m: &Moment) -> Vec<Found> {
    match m.packet() {
        Some(Packet::ConnAck(p)) if p.reason_code != 0 && p.session_present => {
            let text = format!("the CONNACK refuses with 0x{:02x}, Session Present is 1", p.reason_code);
            vec![Found::new(REFUSED, text).at(m.span("session_present"))]
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
    let Some(client) = m.client() else { return vec![] };
    let earlier = client.newest.and_then(|n| m.history.conns.get(&n)).zip(client.session);
    let stored = match earlier {
        None => Some(false),
        Some((conn, terms)) => stored(m, conn, terms),
    };
    let found = match (stored, p.session_present) {
        (Some(false), true) => Found::new(NOT_STORED, "Session Present is 1, there is no session of this client id"),
        (Some(true), false) => Found::new(STORED, "Session Present is 0, this client id has a session"),
        _ => return vec![],
    };
    vec![found.at(m.span("session_present"))]
}

/// Whether the session of an earlier connection is still stored; `None` where that depends on what cannot be seen.
fn stored(m: &Moment, earlier: &Conn, terms: SessionTerms) -> Option<bool> {
    if terms.version != m.version || terms.restarts != m.history.restarts || earlier.hole {
        return None;
    }
    if m.version != Version::V5 {
        return Some(!terms.clean);
    }
    let end = earlier.broker_end;
    match (terms.expiry, end) {
        (u32::MAX, _) => Some(true),
        // The session ends with the connection, and that the broker has closed it is all that tells when this was.
        (0, Some(_)) => Some(false),
        (0, None) => None,
        (seconds, Some(end)) => {
            let gone = m.event.at.saturating_sub(end);
            let expiry = Duration::from_secs(seconds.into());
            if gone + SLACK < expiry {
                Some(true)
            } else {
                // When it is removed after its end is not said.
                None
            }
        }
        (_, None) => None,
    }
}

