//! Signs in an exchange that its verdict may be due to the load and not to the broker alone: slow answers, and messages of
//! other cases.

use std::collections::BTreeMap;
use std::time::Duration;

use super::namespace::is_namespace;
use crate::transcript::{Author, Transcript, What};
use crate::wire::filter::{Match, matches, shared};
use crate::wire::{Packet, PacketType, Text};

/// How long the broker took to answer each CONNECT and each PINGREQ that it answered. Nothing else is answered without
/// work that a case may ask for.
pub fn answer_times(transcript: &Transcript) -> Vec<Duration> {
    let mut asked: BTreeMap<(u32, PacketType), Duration> = BTreeMap::new();
    let mut times = Vec::new();
    for event in &transcript.events {
        let Some(packet_type) = event.packet().and_then(|decoded| decoded.packet_type) else {
            continue;
        };
        let request = match packet_type {
            PacketType::ConnAck => PacketType::Connect,
            PacketType::PingResp => PacketType::PingReq,
            other => other,
        };
        let key = (event.connection, request);
        if transcript.is_from_broker(event) {
            times.extend(asked.remove(&key).map(|at| event.at.saturating_sub(at)));
        } else if matches!(request, PacketType::Connect | PacketType::PingReq) {
            // Of several PINGREQs in a row the first is the one that is answered first.
            asked.entry(key).or_insert(event.at);
        }
    }
    times
}

/// The longest time for which a step waited until what it takes came.
pub fn longest_wait(transcript: &Transcript) -> Duration {
    let mut since = Duration::ZERO;
    let mut longest = Duration::ZERO;
    for event in &transcript.events {
        let is_taken = event.is_from_peer() && event.step.is_some();
        if is_taken {
            longest = longest.max(event.at.saturating_sub(since));
        }
        if is_taken || matches!(event.author, Author::Script | Author::Setup) {
            since = event.at;
        }
    }
    longest
}

/// The topic of a message that belongs to another case: it has the namespace of another, and none of the filters that were
/// subscribed to in this exchange matches it.
pub fn stray_topic(transcript: &Transcript) -> Option<String> {
    let packets = || {
        transcript
            .events
            .iter()
            .filter_map(|event| Some((event, event.packet()?.packet.as_ref()?)))
    };
    let filters: Vec<Text> = packets()
        .filter(|(event, _)| !transcript.is_from_broker(event))
        .filter_map(|(_, packet)| match packet {
            Packet::Subscribe(subscribe) => Some(&subscribe.subscriptions),
            _ => None,
        })
        .flatten()
        .map(|subscription| shared(&subscription.filter).unwrap_or_else(|| subscription.filter.clone()))
        .collect();
    transcript.events.iter().find_map(|event| {
        let What::Packet { topic: Some(topic), .. } = &event.what else {
            return None;
        };
        let text = topic.as_str().filter(|_| transcript.is_from_broker(event))?;
        let is_strange = text
            .split('/')
            .any(|level| is_namespace(level) && level != transcript.namespace);
        let is_wanted = filters.iter().any(|filter| matches(filter, topic) != Match::No);
        (is_strange && !is_wanted).then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::testing::{NS, Talk};
    use crate::wire::{ConnAck, Connect, Publish, Subscribe, Subscription, Version};

    fn publish(topic: &str) -> Packet {
        Packet::Publish(Publish {
            topic: topic.into(),
            ..Publish::default()
        })
    }

    fn subscribe(filter: &str) -> Packet {
        Packet::Subscribe(Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription::new(filter, 0)],
            ..Subscribe::default()
        })
    }

    #[test]
    fn connack_and_pingresp_are_timed_on_their_own_connections() {
        let talk = Talk::new()
            .packet(
                "sub",
                None,
                Author::Setup,
                Packet::from(Connect::new(Version::V3_1_1, NS)),
            )
            .packet(
                "pub",
                None,
                Author::Setup,
                Packet::from(Connect::new(Version::V3_1_1, NS)),
            )
            .packet("pub", None, Author::Peer, Packet::ConnAck(ConnAck::default()))
            .packet("sub", None, Author::Peer, Packet::ConnAck(ConnAck::default()))
            .packet("sub", None, Author::Fence, Packet::PingReq)
            .packet("sub", None, Author::Fence, Packet::PingReq)
            .packet("sub", None, Author::Peer, Packet::PingResp)
            // Nobody asked for this one.
            .packet("pub", None, Author::Peer, Packet::PingResp);
        let expected = [3, 9, 6].map(Duration::from_millis);
        assert_eq!(answer_times(&talk.transcript()), expected);
    }

    #[test]
    fn a_wait_begins_with_what_was_sent_or_taken_last() {
        let talk = Talk::new()
            .packet("sub", Some(1), Author::Script, Packet::PingReq)
            .packet("sub", None, Author::Fence, Packet::PingReq)
            // No step takes it, so the wait of the next goes on.
            .packet("sub", None, Author::Peer, Packet::PingResp)
            .packet("sub", Some(2), Author::Peer, Packet::PingResp)
            .packet("sub", Some(3), Author::Peer, Packet::PingResp);
        assert_eq!(longest_wait(&talk.transcript()), Duration::from_millis(9));
    }

    #[test]
    fn a_message_of_another_case_is_one_that_nothing_here_asked_for() {
        let stray = |filter: &str, topic: &str| {
            let talk = Talk::new()
                .packet("sub", None, Author::Setup, subscribe(filter))
                .packet("sub", None, Author::Peer, publish(topic));
            stray_topic(&talk.transcript())
        };
        assert_eq!(stray("a", "msabc123/t").as_deref(), Some("msabc123/t"));
        assert_eq!(stray("a", "$t/msabc123/t").as_deref(), Some("$t/msabc123/t"));
        // Its own, one of no case, and one that was asked for.
        assert_eq!(stray("a", &format!("{NS}/t")), None);
        assert_eq!(stray("a", "plant/state"), None);
        assert_eq!(stray("+/t", "msabc123/t"), None);
        assert_eq!(stray("$share/g/#", "msabc123/t"), None);
        // What a client sends is no delivery.
        let sent = Talk::new().packet("pub", None, Author::Script, publish("msabc123/t"));
        assert_eq!(stray_topic(&sent.transcript()), None);
    }
}
