//! What a session shows as a whole: exchanges that go on, answers, shared subscriptions, and what it must not get.

use super::book::{Book, Publication, Session, Subscription};
use super::check::{ADDED, has_waited, may_expire, verdict};
use super::exchange::Exchanges;
use super::loss;
use crate::fuzzer::judge::Verdict;
use crate::statements::{PerVersion, ids};
use crate::wire::{PacketType, Text, Version};

const STOPPED: PerVersion = ids![v3_1_1: "MQTT-3.10.4-2", v5: "MQTT-3.10.4-2"];
const NEW: PerVersion = ids![v3_1_1: "MQTT-3.1.2-6", v5: "MQTT-3.1.2-4"];
const PUBACK: PerVersion = ids![v3_1_1: "MQTT-4.3.2-2", v5: "MQTT-4.3.2-4"];
const PUBREC: PerVersion = ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-8"];
const PUBCOMP: PerVersion = ids![v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-11"];
const SUBACK: PerVersion = ids![v3_1_1: "MQTT-3.8.4-1", v5: "MQTT-3.8.4-1"];
const UNSUBACK: PerVersion = ids![v3_1_1: "MQTT-3.10.4-4", v5: "MQTT-3.10.4-4"];

pub fn check(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    not_repeated(book, session, found);
    not_answered(book, session, found);
    not_subscribed(book, session, found);
}

/// The newest connection goes on with every exchange (section 4.4).
fn not_repeated(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    let newest = session.connections.last().and_then(|n| book.connections.get(n));
    let (Some(newest), Some(heard)) = (newest, session.heard) else {
        return;
    };
    let Some(accepted) = newest.accepted.filter(|_| newest.present) else {
        return;
    };
    if heard.at < accepted.at + book.terms.delivery || session.limit.is_some() {
        return;
    }
    // A server may give a QoS 1 message of a shared subscription to another member (5.0, section 4.8.2).
    let left = session.exchanges.left().find(|e| e.qos == 2 || !session.shares());
    found.extend(left.and_then(|left| Exchanges::not_repeated(left, newest.version, heard.event)));
}

/// Packets of the newest connection that were not answered.
fn not_answered(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    let (Some(number), Some(heard)) = (session.connections.last(), session.heard) else {
        return;
    };
    let version = book.version(session);
    for asked in book.asked.iter().filter(|a| a.connection == *number) {
        if heard.event < asked.when.event || heard.at < asked.when.at + book.terms.delivery {
            continue;
        }
        let (duty, answer) = match (asked.packet, asked.qos) {
            (PacketType::Publish, 1) => (PUBACK, "PUBACK"),
            (PacketType::Publish, _) => (PUBREC, "PUBREC"),
            (PacketType::PubRel, _) => (PUBCOMP, "PUBCOMP"),
            (PacketType::Subscribe, _) => (SUBACK, "SUBACK"),
            _ => (UNSUBACK, "UNSUBACK"),
        };
        let text = format!(
            "no {answer} {} has come for event {}",
            asked.packet_id, asked.when.event
        );
        found.extend(verdict("answers-come", duty, version, heard.event, text));
    }
}

/// Deliveries for which the session has no subscription.
fn not_subscribed(book: &Book, session: &Session, found: &mut Vec<Verdict>) {
    for got in &session.got {
        let Some(publication) = book.publication(&got.payload) else {
            continue;
        };
        let Some(connection) = book.connections.get(&got.connection) else {
            continue;
        };
        let ended = |s: &Subscription| s.confirmed.is_some_and(|when| when.event < publication.sent.event);
        let mut matching = session.matching(&publication.topic).peekable();
        let (duty, text) = if matching.peek().is_none() {
            (NEW, "this session has never asked for this topic".to_owned())
        } else if matching.all(ended) && !publication.unsure {
            let text = format!(
                "the subscription was deleted before this message was published, event {}",
                publication.sent.event
            );
            (STOPPED, text)
        } else {
            continue;
        };
        // At 3.1, CONNACK does not say where a session begins.
        if connection.version != Version::V3_1 {
            found.extend(verdict(
                "only-what-is-subscribed",
                duty,
                connection.version,
                got.when.event,
                text,
            ));
        }
    }
}

/// Messages that reached none of the members of a shared subscription, all of whom have held it since before the message.
pub fn lost_by_shares(book: &Book, found: &mut Vec<Verdict>) {
    let mut filters: Vec<&Text> = Vec::new();
    for session in &book.sessions {
        let shared = session.subscriptions.iter().filter(|s| s.is_shared).map(|s| &s.filter);
        filters.extend(shared);
    }
    filters.sort_unstable();
    filters.dedup();
    for filter in filters {
        let holds = |session: &&Session| session.subscriptions.iter().any(|s| s.filter == *filter);
        let members: Vec<&Session> = book.sessions.iter().filter(holds).collect();
        for publication in &book.publications {
            if is_lost(book, publication, filter, &members) {
                let heard = members.iter().filter_map(|m| m.heard).map(|when| when.event).max();
                let text = format!(
                    "the message of event {} has reached no member of {filter}",
                    publication.sent.event
                );
                let shown = heard.unwrap_or(publication.sent.event);
                let taken = publication.completed.map_or(shown, |when| when.event);
                let mut rules = members.iter().map(|m| loss::rule(book, m, taken));
                let rule = rules.find(|rule| *rule != loss::PLAIN).unwrap_or(loss::PLAIN);
                found.extend(verdict(rule, ADDED, Version::V5, shown, text));
            }
        }
    }
}

fn is_lost(book: &Book, publication: &Publication, filter: &Text, members: &[&Session]) -> bool {
    let Some(taken) = publication.completed.filter(|_| !publication.unsure) else {
        return false;
    };
    if publication.qos == 0 || publication.payload.is_empty() {
        return false;
    }
    members.iter().all(|session| {
        let held = session.subscriptions.iter().find(|s| s.filter == *filter);
        held.is_some_and(|s| {
            let granted = s.granted.is_some_and(|when| when.event < publication.sent.event);
            granted && s.gone.is_none() && s.qos.0 >= 1 && s.matches(&publication.topic)
        }) && has_waited(book, session, taken.at)
            && session.takes(publication.size)
            && !may_expire(book, publication, session)
            && !session.has(&publication.payload)
    })
}
