//! How connections of one client id follow one another (sections 3.1.4 and 3.2.2).

use super::finding::{Finding, Invariant, Place};
use super::session::Session;
use super::stream::PATIENCE;
use super::{Checker, conn};
use crate::statements::{PerVersion, ids};
use crate::wire::{ConnAck, PropertyValue, Side, Text, Version, property::id};

const NOT_STORED: PerVersion = ids![v3_1_1: "MQTT-3.2.2-3", v5: "MQTT-3.2.2-3"];
const REPLACED: PerVersion = ids![v3_1: "§3.1/client-id-unique", v3_1_1: "MQTT-3.1.4-2", v5: "MQTT-3.1.4-3"];

pub const PRESENT: Invariant = Invariant {
    name: "no-session-after-its-end",
    about: "A session that ended with its connection is not present on the next one.",
    ids: &[NOT_STORED],
    in_cases: false,
    in_captures: true,
};

pub const ONE_CONNECTION: Invariant = Invariant {
    name: "one-connection-per-client",
    about: "A connection is closed when a newer one of the same client id is accepted.",
    ids: &[REPLACED],
    in_cases: true,
    in_captures: true,
};

/// Whether the session ended with its connection, before this CONNECT.
fn has_ended(session: &Session, new: &conn::Terms) -> bool {
    let Some(old) = &session.terms else { return false };
    let brief = match old.version {
        Version::V5 => old.expiry == 0,
        Version::V3_1_1 => old.clean,
        Version::V3_1 => false,
    };
    // Until the broker has closed the connection, it may not know that it is over.
    let closed = session.closed.is_some_and(|closed| closed < new.place.at);
    brief && closed && old.version == new.version && session.connecting == 0
}

impl Checker {
    /// A client asks to connect.
    pub(super) fn connects(&mut self, terms: conn::Terms, place: Place) {
        let conn = self.conn(place.connection);
        if conn.connect.is_some() {
            return self.taint(place.connection, Side::Client);
        }
        conn.connect = Some(terms.clone());
        if let Some(session) = self.sessions.of_client(terms.client_id.as_bytes()) {
            session.connecting += 1;
            // Whatever the answer will be, the broker may have begun to discard it.
            if terms.clean {
                session.streams.clear();
                session.exchanges.iter_mut().for_each(super::Exchanges::clear);
            }
            let id = session.id;
            self.wills.taken_back(id);
        }
    }

    /// The broker answers a CONNECT.
    pub(super) fn answers(&mut self, connack: &ConnAck, place: Place) -> Vec<Finding> {
        let number = place.connection;
        let conn = self.conn(number);
        let Some(mut terms) = conn.connect.clone().filter(|_| !conn.answered) else {
            return Vec::new();
        };
        conn.answered = true;
        if let Some(session) = self.sessions.of_client(terms.client_id.as_bytes()) {
            session.connecting = session.connecting.saturating_sub(1);
        }
        if connack.reason_code != 0 {
            return Vec::new();
        }
        let number_of = |id| connack.properties.number(id);
        terms.expiry = number_of(id::SESSION_EXPIRY_INTERVAL).unwrap_or(terms.expiry);
        if let Some(PropertyValue::Text(assigned)) = connack.properties.get(id::ASSIGNED_CLIENT_IDENTIFIER) {
            terms.client_id = super::routes::owned(assigned);
        }
        // 3.1 does not say whether there is a session.
        let tells = terms.version != Version::V3_1;
        let resumed = tells && connack.session_present;
        let (conn_hole, conn_wrong, early) = {
            let conn = self.conn(number);
            conn.accepted = Some(place);
            conn.resumed = resumed;
            conn.connect = Some(terms.clone());
            conn.server_maximum = number_of(id::RECEIVE_MAXIMUM).map_or(65_535, |n| n as usize);
            (conn.hole, conn.wrong, conn.early)
        };
        let (found, before) = self.judge_presence(&terms, resumed, place);
        let mut all = Vec::from_iter(found);
        if let Some(before) = before {
            if let Some(conn) = self.conns.get_mut(&before) {
                conn.superseded = Some(place);
            }
            let shown = self.conns.get(&before).and_then(|c| c.last[Side::Server as usize]);
            // What is open on it is judged when it goes on.
            all.extend(self.over(before, shown.unwrap_or(place), true));
        }
        let session = self.sessions.open(terms.client_id.as_bytes());
        let id = session.id;
        if !resumed {
            self.sessions.renew(id, &mut self.routes);
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return all;
        };
        if !resumed {
            session.known = tells || terms.clean;
        }
        // What is too large for this client is done, and its identifier is free (5.0, MQTT-3.1.2-25).
        if terms.limits_size {
            session.exchanges[Side::Server as usize].may_end();
        }
        session.known &= !conn_hole;
        session.unclear |= early;
        for (known, here) in session.wrong.iter_mut().zip(conn_wrong) {
            *known |= here;
        }
        session.newest = number;
        session.live = true;
        session.closed = None;
        session.accepted = Some(place);
        session.terms = Some(terms.clone());
        if let Some(will) = &terms.will {
            self.wills.begin(number, will);
        }
        self.conn(number).session = Some(id);
        all
    }

    /// Whether Session Present can be right, and the open connection of this client id.
    fn judge_presence(&mut self, terms: &conn::Terms, resumed: bool, place: Place) -> (Option<Finding>, Option<u32>) {
        let client_id: &Text = &terms.client_id;
        if client_id.is_empty() {
            return (None, None);
        }
        let Some(session) = self.sessions.of_client(client_id.as_bytes()) else {
            return (None, None);
        };
        if session.terms.as_ref().is_some_and(|old| old.user != terms.user) {
            session.ambiguous = true;
        }
        let mut found = None;
        if resumed && !terms.clean && has_ended(session, terms) && session.judges(Side::Server) {
            let text = "Session Present is 1, the session of this client id ended with its connection";
            let began = session.accepted.unwrap_or(place);
            found = PRESENT.broken(NOT_STORED, terms.version, Side::Server, [began, place], text.to_owned());
        }
        let before = Some(session.newest).filter(|n| session.live && *n != place.connection);
        (found, before)
    }

    /// The broker sends something on a connection that a newer one replaced long ago.
    pub(super) fn still_serves(&mut self, place: Place) -> Option<Finding> {
        let conn = self.conns.get_mut(&place.connection)?;
        let superseded = conn.superseded?;
        let waited = place.at.saturating_sub(superseded.at);
        if waited <= PATIENCE || conn.hole {
            return None;
        }
        conn.superseded = None;
        let version = conn.connect.as_ref()?.version;
        let session = self.sessions.get(conn.session?)?;
        if !session.judges(Side::Server) {
            return None;
        }
        let text = format!(
            "the broker serves this connection, {:.1} s after it accepted another one of the same client id",
            waited.as_secs_f64()
        );
        ONE_CONNECTION.broken(REPLACED, version, Side::Server, [superseded, place], text)
    }
}
