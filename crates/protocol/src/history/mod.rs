//! Histories: what holds over all connections of one broker, and over a session from one connection to the next.
//!
//! In: the events of many connections in the order in which they were seen, with their times on one clock. Out:
//! [`Finding`]s, each with the packet that began it and the packet that shows it. The checker streams: what it holds grows with
//! what is open (connections, sessions, exchanges, messages on their way) and not with the length of the history. Each kind
//! has an upper bound, and beyond it less is judged.
//!
//! It keeps what may be, not what is likely. What a gap, an unseen connection or a choice of the server (`statements/freedoms.yaml`)
//! may explain is no finding, or one with [`Outcome::Unknown`].
//!
//! [`rules`](crate::rules) judge each connection; this module judges what no single connection shows.

mod case;
#[cfg(test)]
mod case_tests;
mod conn;
mod exchange;
mod finding;
#[cfg(test)]
mod notation;
mod packets;
mod presence;
mod routes;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod will;

use std::collections::BTreeMap;
use std::time::Duration;

use twox_hash::XxHash3_64;

use self::case::Published;
use self::conn::{Conn, Terms, Will};
use self::exchange::Exchanges;
use self::routes::Routes;
use self::session::Sessions;
use self::stream::PATIENCE;
use self::will::Wills;
use crate::rules::Outcome;
use crate::transcript::{Transcript, What};
use crate::wire::{Side, Text, Version};

pub use self::case::are_among;
pub use self::finding::{Finding, Invariant, Place};

/// Every invariant.
pub fn all() -> impl Iterator<Item = &'static Invariant> {
    static ALL: [Invariant; 11] = [
        exchange::REPEAT,
        exchange::RESUMED,
        presence::PRESENT,
        presence::ONE_CONNECTION,
        stream::ORDER,
        stream::NO_LOSS,
        will::WILL,
        case::UNALTERED,
        case::COPIES,
        case::NEWEST,
        case::TAKEN_BACK,
    ];
    ALL.iter()
}

/// An invariant reports at most this many findings for one connection.
const MOST: usize = 20;

/// What is known of the clients in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A case: all clients are seen, and they may break rules on purpose. Only the broker is judged.
    Case,
    /// A capture: clients that are not in it may publish and subscribe as well. Both sides are judged.
    Capture,
}

/// An event of a history.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub place: Place,
    pub from: Side,
    pub what: &'a What,
    /// A packet of the client that may have been on its way before the newest ones of the broker arrived.
    pub crossed: bool,
}

/// Judges the history of one broker, event by event.
#[derive(Debug)]
pub struct Checker {
    scope: Scope,
    conns: BTreeMap<u32, Conn>,
    sessions: Sessions,
    routes: Routes,
    wills: Wills,
    /// What was published, if all of it is seen.
    published: Option<Published>,
    /// How many events there were.
    number: u64,
}

/// A digest of a topic, a payload or a name.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// What the history of a case shows.
pub fn check(transcript: &Transcript) -> Vec<Finding> {
    // In a test of a client the harness is the broker, and each exchange stands alone.
    if transcript.scripted == Side::Server {
        return Vec::new();
    }
    let mut checker = Checker::new(Scope::Case);
    let mut found = Vec::new();
    for (index, event) in transcript.events.iter().enumerate() {
        let place = Place {
            connection: event.connection,
            event: index,
            frame: 0,
            at: event.at,
        };
        found.extend(checker.take(&Step {
            place,
            from: event.side(transcript.scripted),
            what: &event.what,
            crossed: false,
        }));
    }
    found.extend(checker.finish());
    found
}

impl Checker {
    pub fn new(scope: Scope) -> Checker {
        Checker {
            scope,
            conns: BTreeMap::new(),
            sessions: Sessions::default(),
            routes: Routes::default(),
            wills: Wills::default(),
            published: (scope == Scope::Case).then(Published::default),
            number: 0,
        }
    }

    /// What the next event shows.
    pub fn take(&mut self, step: &Step) -> Vec<Finding> {
        self.number += 1;
        let number = step.place.connection;
        match step.what {
            What::Lifecycle(_) => self.restarted(),
            What::Application(_) | What::WebSocket(_) => {}
            What::Open => {
                self.conns.entry(number).or_default();
            }
            What::Packet { decoded, topic, .. } => {
                self.conn(number);
                let found = self.packet(step, decoded, topic.as_ref());
                return self.limited(found);
            }
            What::Fragment(_) => {
                self.conn(number);
                self.taint(number, step.from);
            }
            What::Gap(_) => {
                self.conn(number).hole = true;
                self.hole(number);
            }
            What::End(_) => {
                let conn = self.conn(number);
                conn.ended[step.from as usize].get_or_insert(step.place);
                if step.from == Side::Server
                    && let Some(id) = conn.session
                    && let Some(session) = self.sessions.get_mut(id)
                    && session.newest == number
                {
                    session.closed.get_or_insert(step.place.at);
                }
                let found = self.over(number, step.place, true);
                return self.limited(found);
            }
        }
        Vec::new()
    }

    /// What shows when no more events of a connection come: it has ended, or the capture has.
    pub fn close(&mut self, connection: u32) -> Vec<Finding> {
        let Some(conn) = self.conns.get(&connection) else {
            return Vec::new();
        };
        let last = conn.last.iter().flatten().max_by_key(|place| place.at).copied();
        let found = match last.or(conn.accepted) {
            Some(last) => self.over(connection, last, false),
            None => Vec::new(),
        };
        let found = self.limited(found);
        if let Some(conn) = self.conns.remove(&connection) {
            for (session, key) in conn.streams {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.streams.publisher_left(&key);
                }
            }
        }
        found
    }

    /// What shows when the history ends.
    pub fn finish(&mut self) -> Vec<Finding> {
        let open: Vec<u32> = self.conns.keys().copied().collect();
        open.into_iter().flat_map(|number| self.close(number)).collect()
    }

    /// The client id is used elsewhere as well: at another address of the same broker, perhaps. Nothing is said of its
    /// session.
    pub fn used_elsewhere(&mut self, client_id: &[u8]) {
        let session = self.sessions.open(client_id);
        session.ambiguous = true;
        let (id, live) = (session.id, session.live);
        if !live {
            self.sessions.leave(id, &mut self.routes);
        }
    }

    /// Why nothing, or little, is said of the session of a connection, as a clause.
    pub fn remark(&self, connection: u32) -> Option<&'static str> {
        let conn = self.conns.get(&connection)?;
        let session = self.sessions.get(conn.session?)?;
        if session.ambiguous {
            return Some("its client id has several users or brokers: its session is judged on this connection alone");
        }
        let asks = conn.connect.as_ref().is_some_and(|c| !c.clean);
        let unseen = conn.resumed && asks && !conn.hole && !session.known;
        unseen.then_some("its session began before the capture: what the session holds from then is not known")
    }

    /// How many things are held: connections, sessions, subscriptions, exchanges, messages.
    pub fn size(&self) -> usize {
        let conns: usize = self.conns.values().map(Conn::size).sum();
        conns
            + self.sessions.size()
            + self.routes.len()
            + self.wills.size()
            + self.published.as_ref().map_or(0, Published::size)
    }

    /// A connection; one whose opening was not seen has a hole.
    fn conn(&mut self, number: u32) -> &mut Conn {
        self.conns.entry(number).or_insert_with(|| Conn {
            hole: true,
            ..Conn::default()
        })
    }

    /// What the broker remembers of before is not judged here.
    fn restarted(&mut self) {
        for session in self.sessions.all_mut() {
            session.streams.clear();
            session.exchanges.iter_mut().for_each(Exchanges::clear);
            session.terms = None;
        }
        self.wills = Wills::default();
        if let Some(published) = &mut self.published {
            published.restarted();
        }
        self.conns.values_mut().for_each(|conn| conn.published.clear());
    }

    /// A side did something wrong on a connection, and so in its session.
    fn taint(&mut self, number: u32, side: Side) {
        if let (Some(published), Side::Client) = (&mut self.published, side) {
            published.give_up();
        }
        let conn = self.conn(number);
        conn.wrong[side as usize] = true;
        if let Some(session) = conn.session.and_then(|id| self.sessions.get_mut(id)) {
            session.wrong[side as usize] = true;
        }
    }

    /// Bytes of a connection are missing: what is open, and which subscriptions there are, is not known any more.
    fn hole(&mut self, number: u32) {
        let conn = self.conn(number);
        conn.published.clear();
        conn.tentative.clear();
        if let Some(session) = conn.session.and_then(|id| self.sessions.get_mut(id)) {
            session.known = false;
            session.streams.clear();
            session.exchanges.iter_mut().for_each(Exchanges::clear);
        }
    }

    /// At most [`MOST`] findings of an invariant for each connection. A case is judged by what is certain, and only the broker is.
    fn limited(&mut self, mut found: Vec<Finding>) -> Vec<Finding> {
        found.retain(|finding| {
            let in_case = self.scope == Scope::Case;
            let invariant = all().find(|i| i.name == finding.rule);
            if !invariant.is_some_and(|i| if in_case { i.in_cases } else { i.in_captures })
                || in_case && (finding.by == Side::Client || finding.outcome == Outcome::Unknown)
            {
                return false;
            }
            let Some(conn) = self.conns.get_mut(&finding.shown.connection) else {
                return false;
            };
            let said = conn.said.entry(finding.rule).or_default();
            *said += 1;
            *said <= MOST
        });
        found
    }

    /// The connection is over for its session: it ended, the client left, or a newer one took its place. Nothing more can come
    /// on it. `ends` is false if only the capture does.
    fn over(&mut self, number: u32, shown: Place, ends: bool) -> Vec<Finding> {
        let Some(conn) = self.conns.get_mut(&number) else {
            return Vec::new();
        };
        if std::mem::replace(&mut conn.over, true) {
            return Vec::new();
        }
        let Some(terms) = conn.connect.clone() else {
            return Vec::new();
        };
        let Some(id) = conn.session else {
            if !conn.answered {
                self.unanswered(&terms.client_id);
            }
            return Vec::new();
        };
        let mut found = self.judge_session(number, id, &terms, shown, ends);
        if let Some(will) = &terms.will {
            self.wills.end(number, will);
        }
        if ends {
            self.will_due(number, id, &terms, shown);
        }
        let shown_here = |finding: &Finding| finding.shown.connection == number;
        found.retain(shown_here);
        if let Some(session) = self.sessions.get_mut(id)
            && session.newest == number
        {
            if !terms.lasts() {
                session.streams.clear();
            }
            self.sessions.leave(id, &mut self.routes);
        }
        found
    }

    /// A CONNECT without an answer may have begun a session, or ended one.
    fn unanswered(&mut self, client_id: &Text) {
        if let Some(session) = self.sessions.of_client(client_id.as_bytes()) {
            session.connecting = session.connecting.saturating_sub(1);
            session.terms = None;
            session.known = false;
            session.streams.clear();
            session.exchanges.iter_mut().for_each(Exchanges::clear);
        }
    }

    /// What a connection that is over shows of its session.
    fn judge_session(&mut self, number: u32, id: u64, terms: &Terms, shown: Place, ends: bool) -> Vec<Finding> {
        let mut found = Vec::new();
        let version = terms.version;
        let until = self.conns.get(&number).and_then(|c| c.last[Side::Server as usize]);
        let until = until.map_or(Duration::ZERO, |place| place.at);
        let wills = self.wills.missing(id, shown, until, version);
        let (Some(conn), Some(session)) = (self.conns.get(&number), self.sessions.get(id)) else {
            return found;
        };
        if session.newest != number || conn.hole {
            return found;
        }
        if session.is_clear() {
            found.extend(wills);
            let tentative = conn.tentative.iter();
            found.extend(tentative.map(|(_, finding)| finding.clone().certain(ends)));
            let busy = !conn.unacknowledged.is_empty();
            // What is too large for this client is not sent to it (5.0, MQTT-3.1.2-25).
            if !terms.limits_size {
                found.extend(session.streams.missing(shown, until, busy, version));
            }
        }
        let [by_client, by_broker] = &session.exchanges;
        let quota = version != Version::V5 || by_client.on(number) < conn.server_maximum;
        let spoke = conn.spoke_for(Side::Client);
        if conn.resumed && conn.aware && quota && spoke > PATIENCE && session.judges(Side::Client) {
            found.extend(by_client.left(shown, version, spoke.as_secs_f64()));
        }
        let spoke = conn.spoke_for(Side::Server);
        let shares = session.subscriptions.values().any(|held| held.shared);
        let room = conn.unacknowledged.is_empty() && !terms.limits_size && !shares;
        if conn.resumed && room && spoke > PATIENCE && session.judges(Side::Server) {
            let left = by_broker.left(shown, version, spoke.as_secs_f64());
            // A broker that was restarted may have lost what was open (section 4.1).
            found.extend(left.map(|f| {
                let up = conn.accepted.is_some_and(|since| self.was_up(f.began, since));
                f.certain(up)
            }));
        }
        found
    }

    /// The will of a connection that ended is due, unless the client took it back.
    fn will_due(&mut self, number: u32, owner: u64, terms: &Terms, shown: Place) {
        let (Some(conn), Some(will)) = (self.conns.get(&number), &terms.will) else {
            return;
        };
        let v5 = terms.version == Version::V5;
        let taken_back = conn.goodbye.is_some_and(|code| !v5 || code == 0);
        // In 5.0 a takeover need not publish it (section 3.1.2.5).
        if taken_back || conn.hole || v5 && conn.superseded.is_some() || self.scope == Scope::Case {
            return;
        }
        if conn.wrong(Side::Client) {
            return;
        }
        let expiry = if terms.lasts() { will.delay.min(terms.expiry) } else { 0 };
        let will = Will {
            delay: if v5 { expiry } else { 0 },
            ..will.clone()
        };
        let waiting: BTreeMap<u64, u32> = self
            .receivers(&will.topic, Some(owner))
            .into_iter()
            .filter(|r| r.due.is_some() && !conn.will_came.contains(&r.session))
            .filter_map(|r| Some((r.session, r.due?)))
            .collect();
        self.wills.due(will, terms.version, shown, owner, waiting);
    }

    /// The sessions that one subscription gives a message of this topic, and of which it is known what they are owed.
    fn receivers(&self, topic: &Text, publisher: Option<u64>) -> Vec<Receiver> {
        let mut matching = self.routes.matching(topic);
        matching.sort_unstable_by_key(|(session, _)| *session);
        let mut receivers = Vec::new();
        for same in matching.chunk_by(|a, b| a.0 == b.0) {
            let [(id, filter)] = same else { continue };
            let Some(session) = self.sessions.get(*id).filter(|s| s.is_clear()) else {
                continue;
            };
            let Some(held) = session.subscriptions.get(filter) else {
                continue;
            };
            let Some(granted) = held.granted.filter(|_| !held.shared) else {
                continue;
            };
            let conn = self.conns.get(&session.newest).filter(|_| session.live);
            let whole = conn.is_none_or(|c| !c.hole);
            let own = held.no_local && publisher == Some(*id);
            let lasts = session.terms.as_ref().is_some_and(Terms::lasts);
            if own || !whole || !session.live && !lasts {
                continue;
            }
            receivers.push(Receiver {
                session: *id,
                granted,
                due: session.live.then_some(session.newest),
                unsure: session.connecting > 0 || session.terms.as_ref().is_some_and(|t| t.limits_size),
            });
        }
        receivers
    }
}

/// A session that is to receive a message.
struct Receiver {
    session: u64,
    granted: u8,
    /// Its connection, if it has one.
    due: Option<u32>,
    unsure: bool,
}
