//! Wills: whether they came, when, and what they leave retained.

use std::time::Duration;

use bytes::Bytes;

use super::book::{Book, Connection, Session, When};
use super::check::{ADDED, REMAINING, is_owed, verdict};
use super::loss;
use crate::fuzzer::judge::Verdict;
use crate::statements::{PerVersion, ids};
use crate::wire::property::id;
use crate::wire::{self, Text, Version};

const PUBLISHED: PerVersion = ids![v3_1: "§2.2/will-published", v3_1_1: "MQTT-3.1.2-8", v5: "MQTT-3.1.2-8"];
const LATER: PerVersion = ids![v5: "MQTT-3.1.3-9"];
const RETAINED: PerVersion = ids![v3_1_1: "MQTT-3.1.2-17", v5: "MQTT-3.1.2-15"];

/// The will of a CONNECT.
#[derive(Debug)]
pub struct Will {
    pub topic: Text,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
    /// The Will Delay Interval in seconds.
    pub delay: u32,
    /// The Message Expiry Interval in seconds.
    pub expiry: Option<u32>,
}

impl Will {
    pub fn of(will: &wire::Will) -> Will {
        Will {
            topic: will.topic.clone(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            delay: will.properties.number(id::WILL_DELAY_INTERVAL).unwrap_or(0),
            expiry: will.properties.number(id::MESSAGE_EXPIRY_INTERVAL),
        }
    }
}

/// What becomes of the will of a connection.
enum Fate {
    /// It is published for certain, not before `at`. From `latest` on it is missing.
    Due {
        since: When,
        at: Duration,
        latest: Duration,
    },
    /// A new connection comes before its delay has passed: it is not published.
    Cancelled,
    /// It is not published before this time, if ever.
    NotBefore(Duration),
    /// The client took it back, or nothing is certain.
    Open,
}

fn fate(book: &Book, connection: &Connection, will: &Will) -> Fate {
    let v5 = connection.version == Version::V5;
    let taken_back = connection.goodbye.is_some_and(|code| !v5 || code == 0);
    if connection.accepted.is_none() || taken_back {
        return Fate::Open;
    }
    let lowest = if v5 {
        will.delay.min(connection.lowest_expiry)
    } else {
        0
    };
    let delay = if v5 { will.delay.min(connection.expiry) } else { 0 };
    if connection.superseded {
        return of_takeover(book, connection, will, delay);
    }
    let Some(left) = connection.left else { return Fate::Open };
    if lowest != delay {
        return Fate::NotBefore(left.at + Duration::from_secs(lowest.into()));
    }
    let due = left.at + Duration::from_secs(delay.into());
    // The next connection of this client.
    let next = (book.connections.values()).find(|c| c.client == connection.client && c.asked.event > left.event);
    // A session that ends before the delay has passed publishes the will. Section 3.1.2.5 also lets any new connection of the client
    // id within the delay remove it, whatever became of the session.
    let interval = Duration::from_secs(if v5 { will.delay.into() } else { 0 });
    let may_be_removed = next.is_some_and(|next| next.asked.at < left.at + interval);
    // A broker may notice a little late that the delay has passed, and a connection that comes first removes the will.
    let noticed = if delay > 0 { due + book.terms.margin } else { due };
    match next.filter(|next| next.asked.at < noticed) {
        None if may_be_removed => Fate::NotBefore(due),
        None => Fate::Due {
            since: left,
            at: due,
            latest: latest(book, will, left.at, due),
        },
        Some(next) if next.present && next.asked.at + book.terms.margin < due => Fate::Cancelled,
        Some(_) => Fate::Open,
    }
}

/// When a will is missing whose connection ended at `ended` and whose session lets it be published at `due`.
fn latest(book: &Book, will: &Will, ended: Duration, due: Duration) -> Duration {
    if book.terms.will_at_session_end {
        due
    } else {
        due.max(ended + Duration::from_secs(will.delay.into()))
    }
}

/// A newer connection closes this one, which publishes a will without a delay (3.1.1, section 3.1.2.5). 3.1 does not say so, and 5.0
/// can be read as if a connection that resumes the session came before the delay of 0 s had passed.
fn of_takeover(book: &Book, connection: &Connection, will: &Will, delay: u32) -> Fate {
    let number = |c: &Connection| {
        book.connections
            .iter()
            .find(|(_, other)| std::ptr::eq(*other, c))
            .map(|(n, _)| *n)
    };
    let this = number(connection);
    let next = book
        .connections
        .values()
        .find(|c| c.before.is_some() && c.before == this);
    let Some((next, accepted)) = next.and_then(|next| Some((next, next.accepted?))) else {
        return Fate::Open;
    };
    match (connection.version, delay) {
        (Version::V3_1, _) => Fate::Open,
        (Version::V5, 0) if next.present => Fate::Open,
        // Section 3.1.2.5 lets a new connection within the delay remove it, although the session ends.
        (Version::V5, 0) if will.delay > 0 => Fate::NotBefore(next.asked.at),
        (_, 0) => Fate::Due {
            since: next.asked,
            at: accepted.at,
            latest: latest(book, will, accepted.at, accepted.at),
        },
        _ if next.present => Fate::Cancelled,
        _ => Fate::NotBefore(next.asked.at),
    }
}

pub fn check(book: &Book, connection: &Connection, found: &mut Vec<Verdict>) {
    let Some(will) = &connection.will else { return };
    let first = || {
        let came = |session: &Session| session.got.iter().find(|g| g.payload == will.payload).map(|g| g.when);
        book.sessions.iter().filter_map(came).min_by_key(|when| when.event)
    };
    let earliest = match fate(book, connection, will) {
        Fate::Open => return,
        Fate::Cancelled => None,
        Fate::NotBefore(at) => Some(at),
        Fate::Due { since, at, latest } => {
            missing(book, connection, will, (since, latest), found);
            shortened(book, will, at, found);
            Some(at)
        }
    };
    // A server that shuts down may publish the wills that wait: it does not know when it is started again.
    let shut_down = |until: When| {
        let since = connection.left.map_or(0, |when| when.event);
        book.restarts.iter().any(|r| (since..until.event).contains(&r.event))
    };
    if let Some(first) = first()
        && earliest.is_none_or(|at| first.at + book.terms.margin < at)
        && !shut_down(first)
    {
        let text = "this will had to wait for its delay, which has not passed without a new connection".to_owned();
        found.extend(verdict("will-waits", LATER, connection.version, first.event, text));
    }
}

/// A will that has not reached a session whose subscription is older than `since` and that was heard of for long enough.
fn missing(
    book: &Book,
    connection: &Connection,
    will: &Will,
    (since, due): (When, Duration),
    found: &mut Vec<Verdict>,
) {
    if will.qos == 0 {
        return;
    }
    let size = 40 + will.topic.len() + will.payload.len();
    for session in book.sessions.iter().filter(|s| s.client != connection.client) {
        let expires = will.expiry.is_some_and(|expiry| {
            let until = due + Duration::from_secs(expiry.into());
            session.heard.is_none_or(|heard| until <= heard.at + book.terms.margin)
        });
        if !expires && !session.has(&will.payload) && is_owed(book, session, &will.topic, size, (since.event, due)) {
            let text =
                "the client was cut off, and its will has not reached a session whose subscription matches".to_owned();
            let shown = session.heard.map_or(since.event, |when| when.event);
            // After a DISCONNECT with another reason code than 0x00, and when another connection takes over, brokers fail for reasons of
            // their own, and so do those that send nothing more to a session.
            let version = book.version(session);
            let (rule, duty, version) = match (connection.goodbye, loss::rule(book, session, shown)) {
                (Some(_), _) => ("will-comes-after-disconnect", PUBLISHED, connection.version),
                (None, rule) if rule == loss::PLAIN || connection.superseded => {
                    ("will-comes", PUBLISHED, connection.version)
                }
                (None, held_up) => (held_up, ADDED, version),
            };
            found.extend(verdict(rule, duty, version, shown, text));
        }
    }
}

/// A will that was published when it was due says what is left of its interval since then.
fn shortened(book: &Book, will: &Will, due: Duration, found: &mut Vec<Verdict>) {
    let Some(expiry) = will.expiry else { return };
    for session in &book.sessions {
        for got in session.got.iter().filter(|g| g.payload == will.payload) {
            let Some(left) = got.expiry else { continue };
            let waited = got.when.at.saturating_sub(due);
            if Duration::from_secs(left.into()) + waited + book.terms.margin < Duration::from_secs(expiry.into()) {
                let text = format!(
                    "this will has waited for {} s of its {expiry} s and says that {left} s are left",
                    waited.as_secs()
                );
                found.extend(verdict(
                    "interval-of-will",
                    REMAINING,
                    Version::V5,
                    got.when.event,
                    text,
                ));
            }
        }
    }
}

/// A will with Will Retain 1 that is the newest retained message of its topic.
pub fn retained(book: &Book, found: &mut Vec<Verdict>) {
    let Some(late) = book.sessions.last().filter(|s| s.limit.is_none()) else {
        return;
    };
    let Some(heard) = late.heard else { return };
    let wills = || {
        book.connections
            .values()
            .filter_map(|c| Some((c, c.will.as_ref().filter(|w| w.retain)?)))
    };
    for (connection, will) in wills() {
        if will.qos == 0 || will.expiry.is_some() || wills().filter(|(_, w)| w.topic == will.topic).count() > 1 {
            continue;
        }
        let Fate::Due { since, latest: at, .. } = fate(book, connection, will) else {
            continue;
        };
        let mut writes = book.publications.iter().filter(|p| p.retain && p.topic == will.topic);
        let asked = |s: &super::book::Subscription| s.granted.is_some_and(|when| when.at >= at + book.terms.delivery);
        let is_newest = writes.all(|p| !p.unsure && p.completed.is_some_and(|when| when.event < since.event));
        if !is_newest || late.subscriptions.len() != 1 || !late.matching(&will.topic).any(asked) {
            continue;
        }
        let came = late.got.iter().find(|g| g.topic == will.topic);
        let mut granted = late.subscriptions.iter().filter_map(|s| s.granted);
        let has_waited = granted.all(|when| heard.at >= when.at + book.terms.retained);
        if came.is_none_or(|got| got.payload != will.payload) && has_waited {
            let text = format!(
                "the retained message of {} is not the newest, which is a will",
                will.topic
            );
            let shown = came.map_or(heard.event, |got| got.when.event);
            let rule = match connection.goodbye {
                Some(_) => "will-is-retained-after-disconnect",
                None => "will-is-retained",
            };
            found.extend(verdict(rule, RETAINED, connection.version, shown, text));
        }
    }
}
