//! Rules about the broker that apply to captures alone. In a case the steps say what has to come and how long it may take.

use std::collections::BTreeMap;
use std::time::Duration;

use super::history::Moment;
use super::rule::{Found, Needs, RuleInfo};
use super::sent::BRIEF;
use crate::statements::{PerVersion, ids};
use crate::transcript::{Event, What};
use crate::wire::filter::Match;
use crate::wire::{Packet, PacketType, Payload, Text, Version};

const CONNACK: PerVersion = ids![v3_1: "§3.1/connack", v3_1_1: "MQTT-3.1.4-4", v5: "MQTT-3.1.4-5"];
const PUBACK: PerVersion = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-4.3.2-2", v5: "MQTT-4.3.2-4"];
const PUBREC: PerVersion = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-8"];
const PUBREL: PerVersion = ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-4"];
const PUBCOMP: PerVersion = ids![v3_1: "§3.6/pubcomp", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-11"];
const SUBACK: PerVersion = ids![v3_1: "§3.8/suback", v3_1_1: "MQTT-3.8.4-1", v5: "MQTT-3.8.4-1"];
const UNSUBACK: PerVersion = ids![v3_1: "§3.10/unsuback", v3_1_1: "MQTT-3.10.4-4", v5: "MQTT-3.10.4-4"];
const PINGRESP: PerVersion = ids![v3_1: "§3.12/pingresp", v3_1_1: "MQTT-3.12.4-1", v5: "MQTT-3.12.4-1"];
const KEEP_ALIVE: PerVersion = ids![v3_1: "§2.2/keep-alive", v3_1_1: "MQTT-3.1.2-24", v5: "MQTT-3.1.2-22"];
const LIVE: PerVersion = ids![v3_1: "§2.1/retain-live", v3_1_1: "MQTT-3.3.1-9", v5: "MQTT-3.3.1-12"];

/// No version says how long an answer may take. One that did not come within this time, until the client left, is missing.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a broker may take to notice that the Keep Alive has run out, beyond a tenth of the time.
const SLACK: Duration = Duration::from_secs(5);

pub const RULES: &[RuleInfo] = &[
    RuleInfo {
        name: "answer-comes",
        about: "The broker answers each request, in a capture within 20 s or before the client leaves.",
        ids: &[CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, PINGRESP],
        needs: Needs::Connection,
        check: answer_comes,
    },
    RuleInfo {
        name: "keep-alive-enforced",
        about: "The broker closes the connection of a client that is silent for one and a half times its Keep Alive.",
        ids: &[KEEP_ALIVE],
        needs: Needs::Connection,
        check: keep_alive_enforced,
    },
    RuleInfo {
        name: "live-message-has-retain-0",
        about: "A message for a subscription that existed already has RETAIN 0, unless it asks for Retain As Published.",
        ids: &[LIVE],
        needs: Needs::Session,
        check: live_has_retain_0,
    },
];

/// The statement by which this answer comes.
fn duty(answer: PacketType) -> PerVersion {
    match answer {
        PacketType::ConnAck => CONNACK,
        PacketType::PubAck => PUBACK,
        PacketType::PubRec => PUBREC,
        PacketType::PubRel => PUBREL,
        PacketType::PubComp => PUBCOMP,
        PacketType::SubAck => SUBACK,
        PacketType::UnsubAck => UNSUBACK,
        _ => PINGRESP,
    }
}

/// Judged when the client leaves: until then the answer may come.
fn answer_comes(m: &Moment) -> Vec<Found> {
    let leaves = match &m.event.what {
        What::End(_) => true,
        What::Packet { decoded, .. } => decoded.packet_type == Some(PacketType::Disconnect),
        _ => false,
    };
    let conn = m.conn;
    if !leaves || m.is_from_broker() || conn.broker_left || conn.broker_end.is_some() {
        return vec![];
    }
    // A request that did not reach the broker has no answer.
    let reached = |since: Duration| m.sight.arrived || conn.sent.heard.is_some_and(|at| at > since);
    let late = |since: Duration| m.event.at.saturating_sub(since) > PATIENCE && reached(since);
    let mut oldest: BTreeMap<PacketType, (Duration, u16, usize)> = BTreeMap::new();
    let owed = conn
        .waiting
        .broker
        .iter()
        .map(|((answer, id), since)| (*answer, *id, *since));
    let pings = conn.waiting.pings.iter().map(|since| (PacketType::PingResp, 0, *since));
    for (answer, id, since) in owed.chain(pings).filter(|(.., since)| late(*since)) {
        let entry = oldest.entry(answer).or_insert((since, id, 0));
        if since < entry.0 {
            (entry.0, entry.1) = (since, id);
        }
        entry.2 += 1;
    }
    let found = oldest.into_iter().map(|(answer, (since, id, count))| {
        let seconds = m.event.at.saturating_sub(since).as_secs_f64();
        let of = if id == 0 {
            String::new()
        } else {
            format!(" for packet identifier {id}")
        };
        let more = match count {
            1 => String::new(),
            n => format!("; {} more are missing", n - 1),
        };
        let text = format!("no {answer} came{of} in {seconds:.1} s, until the client left{more}");
        Found::new(duty(answer), text)
    });
    found.collect()
}

/// Judged when the silence ends, if the broker sent something after it should have closed.
fn keep_alive_enforced(m: &Moment) -> Vec<Found> {
    let sent = &m.conn.sent;
    if sent.keep_alive == 0 || !ends_silence(m) || sent.ended {
        return vec![];
    }
    let limit = Duration::from_millis(1650 * u64::from(sent.keep_alive)) + SLACK;
    let Some(open) = sent.heard.map(|heard| heard.saturating_sub(sent.last)) else {
        return vec![];
    };
    if open <= limit {
        return vec![];
    }
    let text = format!(
        "the client was silent, and the broker still sent to it {:.1} s later; the Keep Alive is {} s",
        open.as_secs_f64(),
        sent.keep_alive
    );
    vec![Found::new(KEEP_ALIVE, text)]
}

/// Whether the event ends a silence of the client. The time of a packet is that of its last byte, and a long one may have
/// begun well before.
pub(super) fn ends_silence(m: &Moment) -> bool {
    match &m.event.what {
        What::Packet { raw, .. } => !m.is_from_broker() && raw.len() <= BRIEF,
        What::End(_) => true,
        _ => m.sight.last,
    }
}

/// How many messages with RETAIN 1 came of each topic.
#[derive(Debug, Clone, Default)]
pub struct Retained {
    /// By a digest of the topic.
    counts: BTreeMap<u64, u32>,
    /// There are too many topics to count.
    gave_up: bool,
}

impl Retained {
    /// At most this many topics are counted.
    const MOST: usize = 100_000;

    /// Takes an event of the broker in.
    pub fn apply(&mut self, event: &Event) {
        let What::Packet { decoded, topic, .. } = &event.what else {
            return;
        };
        let Some(Packet::Publish(p)) = &decoded.packet else {
            return;
        };
        if !p.retain || p.dup || self.gave_up {
            return;
        }
        *self
            .counts
            .entry(digest(topic.as_ref().unwrap_or(&p.topic)))
            .or_default() += 1;
        if self.counts.len() > Retained::MOST {
            self.gave_up = true;
            self.counts.clear();
        }
    }

    fn count(&self, topic: &Text) -> u32 {
        self.counts.get(&digest(topic)).copied().unwrap_or(0)
    }
}

fn digest(topic: &Text) -> u64 {
    Payload::Bytes(topic.to_bytes()).hash()
}

/// Each SUBSCRIBE brings the retained message of a topic once for each filter that matches; what comes beyond that is live.
fn live_has_retain_0(m: &Moment) -> Vec<Found> {
    let (Some((p, topic)), Some(client)) = (m.delivery(), m.client()) else {
        return vec![];
    };
    if !p.retain || p.dup || topic.is_empty() || m.conn.resumed || m.conn.bridge {
        return vec![];
    }
    let matching = || client.filters.iter().filter(|held| held.matches(topic) == Match::Yes);
    if matching().next().is_none() || m.version == Version::V5 && matching().any(|held| held.as_published) {
        return vec![];
    }
    let (asked, came) = (matching().count(), m.conn.retained.count(topic) + 1);
    if came as usize <= asked {
        return vec![];
    }
    let times = |n: usize| {
        if n == 1 {
            "once".to_owned()
        } else {
            format!("{n} times")
        }
    };
    let text = format!(
        "RETAIN is 1 in message {came} of this topic; the client has subscribed to it {}",
        times(asked)
    );
    vec![Found::new(LIVE, text).at(m.span("retain"))]
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use crate::wire::property::id::SERVER_KEEP_ALIVE;
    use crate::wire::{ConnAck, Disconnect, Packet, PropertyValue, Subscribe, Subscription, Version};

    fn talk(version: Version) -> Talk {
        Talk::captured(version).connected(1, "c")
    }

    fn leave() -> Packet {
        Packet::Disconnect(Disconnect::default())
    }

    #[test]
    fn an_answer_that_never_came_is_missing() {
        for (version, pingresp, acked) in [
            (Version::V3_1, "§3.12/pingresp", "§3.3/puback"),
            (Version::V3_1_1, "MQTT-3.12.4-1", "MQTT-4.3.2-2"),
            (Version::V5, "MQTT-3.12.4-1", "MQTT-4.3.2-4"),
        ] {
            let asked = || {
                talk(version)
                    .to(1, message("t", 1, 7, "a"))
                    .to(1, Packet::PingReq)
                    .pass(30)
            };
            let mut missing = asked().arriving(1, leave()).breaches();
            missing.sort_unstable();
            let mut both = [pingresp, acked];
            both.sort_unstable();
            assert_eq!(missing, both);
            // What the broker's host has not acknowledged may be lost.
            assert!(asked().to(1, leave()).breaches().is_empty());
            // Its later packet shows that it is there.
            let spoke = asked().from(1, Packet::PingResp).to(1, leave());
            assert_eq!(spoke.breaches(), [acked]);
            // Answered late is answered.
            let late = asked().from(1, puback(7)).from(1, Packet::PingResp);
            assert!(late.arriving(1, leave()).breaches().is_empty());
            // A broker may close instead.
            assert!(asked().broker_closes(1).breaches().is_empty());
        }
        let quick = talk(Version::V3_1_1).to(1, Packet::PingReq).pass(10);
        assert!(quick.arriving(1, leave()).breaches().is_empty());
    }

    #[test]
    fn every_request_is_answered() {
        let qos2 = talk(Version::V5).to(1, message("t", 2, 3, "a"));
        let step = |t: Talk| t.pass(30).arriving(1, leave()).breaches();
        assert_eq!(step(qos2), ["MQTT-4.3.3-8"]);
        let released = talk(Version::V5)
            .to(1, message("t", 2, 3, "a"))
            .from(1, pubrec(3))
            .to(1, pubrel(3));
        assert_eq!(step(released), ["MQTT-4.3.3-11"]);
        assert_eq!(
            step(talk(Version::V3_1_1).to(1, subscribe(5, &[("a", 0)]))),
            ["MQTT-3.8.4-1"]
        );
        let connecting = Talk::captured(Version::V3_1_1)
            .open(1)
            .to(1, connect(Version::V3_1_1, "c").into());
        assert_eq!(step(connecting), ["MQTT-3.1.4-4"]);
    }

    #[test]
    fn a_silent_client_is_disconnected() {
        for (version, id) in [
            (Version::V3_1, "§2.2/keep-alive"),
            (Version::V3_1_1, "MQTT-3.1.2-24"),
            (Version::V5, "MQTT-3.1.2-22"),
        ] {
            // Keep Alive is 60 s.
            let served = |seconds| {
                talk(version)
                    .subscribed(1, "t", 0)
                    .pass(seconds)
                    .from(1, message("t", 0, 0, "a"))
                    .to(1, leave())
                    .breaches()
            };
            assert!(!served(100).contains(&id));
            assert!(served(110).contains(&id));
            // That nothing came may be the network's doing.
            let t = talk(version).pass(200).to(1, leave());
            assert!(!t.breaches().contains(&id));
        }
    }

    #[test]
    fn the_servers_keep_alive_counts() {
        let mut ack = ConnAck::default();
        ack.properties.push(SERVER_KEEP_ALIVE, PropertyValue::U16(200));
        let t = Talk::captured(Version::V5)
            .open(1)
            .to(1, connect(Version::V5, "c").into())
            .from(1, Packet::ConnAck(ack))
            .subscribed(1, "t", 0)
            .pass(110)
            .from(1, message("t", 0, 0, "a"))
            .to(1, leave());
        assert!(t.breaches().is_empty());
    }

    fn retained(payload: &str) -> Packet {
        let mut p = publish("t", 0, 0, payload);
        p.retain = true;
        Packet::Publish(p)
    }

    #[test]
    fn what_is_live_has_retain_0() {
        for (version, id) in [
            (Version::V3_1, "§2.1/retain-live"),
            (Version::V3_1_1, "MQTT-3.3.1-9"),
            (Version::V5, "MQTT-3.3.1-12"),
        ] {
            let once = || talk(version).subscribed(1, "t", 0).from(1, retained("kept"));
            assert!(once().findings().is_empty());
            let live = once().from(1, retained("live"));
            assert!(live.breaches().contains(&id), "{:?}", live.findings());
            // A second SUBSCRIBE brings the message again.
            let again = once().subscribed(1, "#", 0).from(1, retained("kept"));
            assert!(again.findings().is_empty());
        }
        let resumed = Talk::captured(Version::V3_1_1)
            .resumed(1, "c", true)
            .subscribed(1, "t", 0)
            .from(1, retained("a"))
            .from(1, retained("b"));
        assert!(resumed.findings().is_empty());
    }

    #[test]
    fn retain_as_published_keeps_the_flag() {
        let asked = Packet::Subscribe(Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription {
                filter: "t".into(),
                options: 0b1000,
            }],
            ..Subscribe::default()
        });
        let t = talk(Version::V5)
            .to(1, asked)
            .from(1, suback(1, &[0]))
            .from(1, retained("a"))
            .from(1, retained("b"));
        assert!(t.findings().is_empty(), "{:?}", t.findings());
    }
}
