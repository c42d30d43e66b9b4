//! What each promise of the standard says of the books.

use std::collections::BTreeMap;
use std::time::Duration;

use super::book::{Book, Connection, Got, NEVER, Publication, Session, When};
use super::{loss, sessions, wills};
use crate::fuzzer::judge::Verdict;
use crate::history::are_among;
use crate::statements::{PerVersion, ids};
use crate::wire::property::id;
use crate::wire::{Property, Text, Version};

pub const ADDED: PerVersion = ids![v3_1_1: "MQTT-4.5.0-1", v5: "MQTT-4.5.0-1"];
const ONCE: PerVersion = ids![v3_1: "§4.1/qos-2-once", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-10"];
const ORDERED: PerVersion = ids![v3_1_1: "MQTT-4.6.0-6", v5: "MQTT-4.6.0-5"];
const RESUMED: PerVersion = ids![v3_1_1: "MQTT-3.1.2-4", v5: "MQTT-3.1.2-5"];
const RETAINED: PerVersion = ids![v3_1_1: "MQTT-3.3.1-5", v5: "MQTT-3.3.1-5"];
const REMOVED: PerVersion = ids![v3_1_1: "MQTT-3.3.1-10", v5: "MQTT-3.3.1-6"];
const EXPIRED: PerVersion = ids![v5: "MQTT-3.3.2-5"];
pub const REMAINING: PerVersion = ids![v5: "MQTT-3.3.2-6"];
const NO_LOCAL: PerVersion = ids![v5: "MQTT-3.8.3-3"];
const AS_PUBLISHED: PerVersion = ids![v5: "MQTT-3.3.1-13"];
/// The properties that are passed on.
const FORWARDED: [(u32, PerVersion); 5] = [
    (id::PAYLOAD_FORMAT_INDICATOR, ids![v5: "MQTT-3.3.2-4"]),
    (id::RESPONSE_TOPIC, ids![v5: "MQTT-3.3.2-15"]),
    (id::CORRELATION_DATA, ids![v5: "MQTT-3.3.2-16"]),
    (id::USER_PROPERTY, ids![v5: "MQTT-3.3.2-17"]),
    (id::CONTENT_TYPE, ids![v5: "MQTT-3.3.2-20"]),
];
const GRANTED: PerVersion = ids![v3_1: "§3.8/granted-level", v3_1_1: "MQTT-3.8.4-6", v5: "MQTT-3.8.4-8"];

/// Every check.
pub fn all(book: &Book) -> Vec<Verdict> {
    let mut found = book.found.clone();
    for session in &book.sessions {
        sessions::check(book, session, &mut found);
        lost(book, session, &mut found);
        delivered(book, session, &mut found);
        repeated(book, session, &mut found);
        reordered(book, session, &mut found);
    }
    for connection in book.connections.values() {
        not_resumed(book, connection, &mut found);
        wills::check(book, connection, &mut found);
    }
    sessions::lost_by_shares(book, &mut found);
    retained(book, &mut found);
    wills::retained(book, &mut found);
    found
}

pub fn verdict(rule: &'static str, duty: PerVersion, version: Version, event: usize, text: String) -> Option<Verdict> {
    Some(Verdict {
        rule,
        statement: duty.first(version)?,
        event,
        text,
    })
}

/// Whether a session must have received a message of at least QoS 1 that was there at `since`: a subscription grants it from before
/// then to the end, and the session has been heard of for long enough after `due`.
///
/// `size` is what a delivery has at most, in bytes: what is too large for the client is not sent.
pub fn is_owed(book: &Book, session: &Session, topic: &Text, size: usize, (since, due): (usize, Duration)) -> bool {
    let held = session.matching(topic).any(|s| {
        let granted = s.granted.is_some_and(|when| when.event < since);
        granted && s.gone.is_none() && !s.is_shared && s.qos.0 >= 1 && !s.no_local.1
    });
    held && has_waited(book, session, due) && session.takes(size)
}

/// Whether the session has been heard of for long enough after `due`.
pub fn has_waited(book: &Book, session: &Session, due: Duration) -> bool {
    session.heard.is_some_and(|when| when.at >= due + book.terms.delivery)
}

/// Whether the message may have expired before the session was last heard of.
pub fn may_expire(book: &Book, publication: &Publication, session: &Session) -> bool {
    let Some(expiry) = publication.expiry else { return false };
    let until = publication.sent.at + Duration::from_secs(expiry.into());
    session.heard.is_none_or(|heard| until <= heard.at + book.terms.margin)
}

fn lost(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    for publication in &book.publications {
        let Some(taken) = publication.completed.filter(|_| !publication.unsure) else {
            continue;
        };
        let nameless = publication.payload.is_empty();
        if publication.qos == 0
            || nameless
            || session.has(&publication.payload)
            || may_expire(book, publication, session)
        {
            continue;
        }
        let (topic, size) = (&publication.topic, publication.size);
        if is_owed(book, session, topic, size, (publication.sent.event, taken.at)) {
            let text = format!(
                "the message of event {} was acknowledged, and has not reached a session whose subscription matches",
                publication.sent.event
            );
            let shown = session.heard.map_or(taken.event, |when| when.event);
            let rule = loss::rule(book, session, taken.event);
            found.extend(verdict(rule, ADDED, book.version(session), shown, text));
        }
    }
}

/// What each delivery shows by itself.
fn delivered(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    for got in &session.got {
        let Some(publication) = book.publication(&got.payload) else {
            continue;
        };
        let version = book.connections.get(&got.connection).map_or(Version::V5, |c| c.version);
        expired(book, got, publication, version, found);
        if version == Version::V5 {
            altered(book, got, publication, found);
        }
        if got.retain && !publication.retain || publication.unsure {
            continue;
        }
        // What is retained is sent for a new subscription; that No Local is about this too is one reading of it.
        let mut matching = session.matching(&publication.topic).peekable();
        if matching.peek().is_some()
            && matching.all(|s| s.no_local.0 && !s.is_shared)
            && publication.client == session.client
            && !got.retain
        {
            let text = format!("this message is the client's own (event {})", publication.sent.event);
            found.extend(verdict(
                "own-message-with-no-local",
                NO_LOCAL,
                version,
                got.when.event,
                text,
            ));
        }
        let Some(held) = session.sole(&publication.topic) else {
            continue;
        };
        let before = held.granted.is_some_and(|when| when.event < publication.sent.event);
        if !before {
            continue;
        }
        if publication.retain && held.as_published.0 && !got.retain {
            let text = "this message was published with RETAIN 1, and the subscription keeps that".to_owned();
            found.extend(verdict(
                "retain-as-published",
                AS_PUBLISHED,
                version,
                got.when.event,
                text,
            ));
        }
        let lowest = held.qos.0.min(publication.qos);
        if held.qos.0 == held.qos.1 && got.qos < lowest {
            let text = format!(
                "this message came at QoS {}; it was published at QoS {}, and QoS {} is granted",
                got.qos, publication.qos, held.qos.0
            );
            found.extend(verdict("qos-as-granted", GRANTED, version, got.when.event, text));
        }
    }
}

/// A message that waited for its connection longer than its Message Expiry Interval, and how much of the interval was left. What
/// came is read after the broker sent it, so only the time before the connection counts.
fn expired(book: &Book, got: &Got, publication: &Publication, version: Version, found: &mut Vec<Verdict>) {
    let Some(connection) = book.connections.get(&got.connection) else {
        return;
    };
    let (Some(expiry), Some(taken)) = (publication.expiry, publication.completed) else {
        return;
    };
    // A message of QoS 1 that its publisher repeats may be a new one for the broker.
    if publication.unsure {
        return;
    }
    let waited = connection.asked.at.saturating_sub(taken.at);
    let interval = Duration::from_secs(expiry.into());
    if !got.again && waited > interval + book.terms.margin {
        let text = format!(
            "this message expired {} s before the client connected",
            (waited - interval).as_secs()
        );
        found.extend(verdict(
            "expired-before-connection",
            EXPIRED,
            version,
            got.when.event,
            text,
        ));
    }
    let left = got.expiry.map(|left| Duration::from_secs(left.into()));
    if version == Version::V5
        && left.is_some_and(|left| !left.is_zero() && left + waited > interval + book.terms.margin)
    {
        let text = format!(
            "this message has waited for {} s of its {expiry} s and says that {} s are left",
            waited.as_secs(),
            got.expiry.unwrap_or_default()
        );
        found.extend(verdict(
            "interval-less-the-wait",
            REMAINING,
            version,
            got.when.event,
            text,
        ));
    }
}

/// The properties of a message, and what is left of its interval. What came is read after the broker sent it, so it has waited
/// for at most as long as the client.
fn altered(book: &Book, got: &Got, publication: &Publication, found: &mut Vec<Verdict>) {
    let Some(forwarded) = &publication.forwarded else {
        return;
    };
    let of = |list: &[Property], id: u32| -> Vec<Property> { list.iter().filter(|p| p.id == id).cloned().collect() };
    if *forwarded != got.forwarded && !publication.unsure {
        let is_kept = |id: u32| {
            let (was, is) = (of(forwarded, id), of(&got.forwarded, id));
            was == is || id == id::USER_PROPERTY && are_among(&was, &is)
        };
        let different = FORWARDED.iter().find(|(id, _)| !is_kept(*id));
        let text = format!(
            "this message has other properties than its PUBLISH, event {}",
            publication.sent.event
        );
        let duty = different.map(|(_, duty)| *duty);
        found.extend(duty.and_then(|duty| verdict("properties-as-published", duty, Version::V5, got.when.event, text)));
    }
    let Some(expiry) = publication.expiry.filter(|_| !publication.unsure) else {
        return;
    };
    let waited = got.when.at.saturating_sub(publication.sent.at);
    let left = got.expiry.map(|left| Duration::from_secs(left.into()));
    if left.is_none_or(|left| left + waited + book.terms.margin < Duration::from_secs(expiry.into())) {
        let text = format!(
            "this message was published {} s before with an interval of {expiry} s, and has one of {:?}",
            waited.as_secs(),
            got.expiry
        );
        found.extend(verdict(
            "interval-as-published",
            REMAINING,
            Version::V5,
            got.when.event,
            text,
        ));
    }
}

/// A message of QoS 2 that came more than once for each subscription.
fn repeated(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
    for got in session.got.iter().filter(|g| g.qos == 2 && !g.again && !g.retain) {
        let Some(publication) = book.publication(&got.payload).filter(|p| !p.unsure && p.qos == 2) else {
            continue;
        };
        let most = session.matching(&publication.topic).count();
        let count = copies.entry(publication.sent.event).or_default();
        *count += 1;
        if *count == most + 1 && most > 0 {
            let text = format!(
                "the message of event {} came {count} times with DUP 0; {most} subscriptions match",
                publication.sent.event
            );
            let version = book.version(session);
            found.extend(verdict("once-in-a-session", ONCE, version, got.when.event, text));
        }
    }
}

/// Messages of QoS 1 of one publisher and topic that first came in another order.
fn reordered(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    let mut newest: BTreeMap<(u32, Text, u8), usize> = BTreeMap::new();
    let mut seen: Vec<usize> = Vec::new();
    for got in session.got.iter().filter(|g| !g.retain) {
        let Some(publication) = book.publication(&got.payload).filter(|p| !p.unsure && p.qos == 1) else {
            continue;
        };
        let sent = publication.sent.event;
        let before = |when: When| when.event < sent;
        let is_sole = session
            .sole(&publication.topic)
            .is_some_and(|s| s.granted.is_some_and(before));
        if !is_sole || seen.contains(&sent) {
            continue;
        }
        seen.push(sent);
        let last = newest
            .entry((publication.connection, publication.topic.clone(), got.qos))
            .or_default();
        if *last > sent {
            let text = format!("the message of event {sent} first came after that of event {last}");
            let version = book.version(session);
            found.extend(verdict("order-in-a-session", ORDERED, version, got.when.event, text));
        }
        *last = sent.max(*last);
    }
}

/// A session that was to go on and did not.
fn not_resumed(book: &Book, connection: &Connection, found: &mut Vec<Verdict>) {
    let Some(accepted) = connection.accepted.filter(|_| !connection.present && !connection.clean) else {
        return;
    };
    let Some(before) = connection.before.and_then(|n| book.connections.get(&n)) else {
        return;
    };
    if before.accepted.is_none() || before.lowest_expiry == 0 || before.version != connection.version {
        return;
    }
    let lasts = match before.ended.filter(|_| before.lowest_expiry != NEVER) {
        Some(ended) => ended.at + Duration::from_secs(before.lowest_expiry.into()) > accepted.at + book.terms.margin,
        None => true,
    };
    if lasts {
        let text = "the client asked for its session, which has not ended, and Session Present is 0".to_owned();
        found.extend(verdict(
            "session-goes-on",
            RESUMED,
            connection.version,
            accepted.event,
            text,
        ));
    }
}

/// What a session that subscribes at the end gets of each topic.
fn retained(book: &Book, found: &mut Vec<Verdict>) {
    let Some(late) = book.sessions.last().filter(|s| s.limit.is_none()) else {
        return;
    };
    let Some(heard) = late.heard else { return };
    let mut topics: BTreeMap<&Text, Vec<&Publication>> = BTreeMap::new();
    for publication in book.publications.iter().filter(|p| p.retain) {
        topics.entry(&publication.topic).or_default().push(publication);
    }
    let wills = || {
        book.connections
            .values()
            .filter_map(|c| c.will.as_ref())
            .filter(|w| w.retain)
    };
    for (topic, writes) in topics {
        let Some(last) = writes.iter().max_by_key(|p| p.sent.event) else {
            continue;
        };
        let is_plain = |p: &&&Publication| {
            let in_order = p.connection == last.connection && p.qos < 2;
            !p.unsure && (in_order || p.completed.is_some_and(|when| when.event < last.sent.event))
        };
        let (Some(_), true) = (
            last.completed,
            writes.iter().filter(|p| p.sent != last.sent).all(|p| is_plain(&p)),
        ) else {
            continue;
        };
        let granted = |s: &super::book::Subscription| {
            let after = |w: When| w.event > last.sent.event && heard.at >= w.at + book.terms.retained;
            s.granted.is_some_and(after)
        };
        let asks = late.matching(topic).any(granted) && late.subscriptions.len() == 1;
        if !asks || last.unsure || last.expiry.is_some() || wills().any(|w| w.topic == *topic) {
            continue;
        }
        let version = book.version(late);
        let came = late.got.iter().find(|g| g.topic == *topic);
        match (last.payload.is_empty(), came) {
            (true, Some(got)) => {
                let text = "the retained message of this topic was removed".to_owned();
                found.extend(verdict("removed-is-gone", REMOVED, version, got.when.event, text));
            }
            (false, came) if came.is_none_or(|got| got.payload != last.payload) => {
                let text = format!("the newest retained message of {topic} did not come");
                let shown = came.map_or(heard.event, |got| got.when.event);
                found.extend(verdict("newest-is-retained", RETAINED, version, shown, text));
            }
            _ => {}
        }
    }
}
