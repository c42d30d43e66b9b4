//! What a broker must do about a packet that a client must not send: it closes the connection, and the packet has no effect.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::judge::Verdict;
use crate::statements::{PerVersion, StatementId, Version, ids};
use crate::transcript::{Event, Transcript, What};
use crate::wire::property::id;
use crate::wire::{Breach, Decoded, Packet, PacketType, Side};

/// The rule that the connection is closed.
pub const CLOSED: &str = "closed-on-violation";

/// A packet that obliges the broker to close the connection.
#[derive(Debug, Clone)]
pub struct Offence {
    pub event: usize,
    pub connection: u32,
    /// The statement that demands the close.
    pub statement: StatementId,
    /// The payload of a PUBLISH. No other packet of the sequence has it.
    payload: Option<Bytes>,
    /// What would answer the packet if it were legal: the packet type and identifier.
    answers: Vec<(PacketType, Option<u16>)>,
}

/// What matters of a connection.
struct Peer {
    version: Version,
    /// The Session Expiry Interval of CONNECT is 0 (5.0).
    expires: bool,
    /// The Topic Alias Maximum of CONNACK.
    alias_maximum: u32,
}

/// Every offence, in order.
pub fn read(transcript: &Transcript) -> Vec<Offence> {
    let mut peers: BTreeMap<u32, Peer> = BTreeMap::new();
    let mut found = Vec::new();
    for (number, event) in transcript.events.iter().enumerate() {
        let What::Packet { decoded, topic, .. } = &event.what else {
            continue;
        };
        let connection = event.connection;
        let packet = decoded.packet.as_ref();
        let Some(peer) = peers.get_mut(&connection) else {
            if let Some(Packet::Connect(connect)) = packet {
                let level = connect.protocol_level;
                let version = Version::ALL.into_iter().find(|v| v.protocol_level() == level);
                let expiry = connect.properties.number(id::SESSION_EXPIRY_INTERVAL);
                let peer = Peer {
                    version: version.unwrap_or(Version::V5),
                    expires: expiry.unwrap_or_default() == 0,
                    alias_maximum: 0,
                };
                peers.insert(connection, peer);
            }
            continue;
        };
        if event.side(transcript.scripted) == Side::Server {
            if let Some(Packet::ConnAck(ack)) = packet {
                peer.alias_maximum = ack.properties.number(id::TOPIC_ALIAS_MAXIMUM).unwrap_or_default();
            }
            continue;
        }
        let no_topic = topic.as_ref().is_some_and(|topic| topic.is_empty());
        if let Some(statement) = demand(peer, decoded, no_topic) {
            found.push(Offence {
                event: number,
                connection,
                statement,
                payload: match packet {
                    Some(Packet::Publish(p)) => p.payload.bytes().cloned(),
                    _ => None,
                },
                answers: packet.map(answers).unwrap_or_default(),
            });
        }
    }
    found
}

/// The statement that obliges the server to close the connection, if there is one.
fn demand(peer: &Peer, decoded: &Decoded, no_topic: bool) -> Option<StatementId> {
    let is_forbidden = || match &decoded.packet {
        Some(Packet::Publish(p)) => {
            let alias = p.properties.number(id::TOPIC_ALIAS);
            no_topic || alias.is_some_and(|alias| alias > peer.alias_maximum)
        }
        Some(Packet::Disconnect(p)) => {
            let expiry = p.properties.number(id::SESSION_EXPIRY_INTERVAL);
            peer.expires && expiry.is_some_and(|seconds| seconds > 0)
        }
        _ => false,
    };
    let of = |id| Some(StatementId::new(peer.version, id));
    let own = |breach: &Breach| breach.statements().find(|s| CLOSES.at(peer.version).contains(&s.id));
    let is_wrong = decoded.breaches.iter().any(Breach::is_must);
    match (peer.version, &decoded.packet) {
        (Version::V3_1, _) => None,
        (_, Some(Packet::Connect(_))) => of("MQTT-3.1.0-2"),
        (version, _) if is_wrong || version == Version::V5 && is_forbidden() => {
            let own = decoded.breaches.iter().find_map(own);
            let general = if version == Version::V5 {
                "MQTT-4.13.1-1"
            } else {
                "MQTT-4.8.0-1"
            };
            own.or_else(|| of(general))
        }
        _ => None,
    }
}

/// The statements of the decoder whose own words demand that the connection is closed.
const CLOSES: PerVersion = ids![
    v3_1_1: [
        "MQTT-1.5.3-1",
        "MQTT-1.5.3-2",
        "MQTT-2.2.2-2",
        "MQTT-3.3.1-4",
        "MQTT-3.6.1-1",
        "MQTT-3.8.1-1",
        "MQTT-3.8.3-4",
        "MQTT-3.10.1-1",
        "MQTT-3.14.1-1",
    ],
    v5: ["MQTT-3.6.1-1", "MQTT-3.8.1-1", "MQTT-3.10.1-1", "MQTT-3.14.1-1"],
];

fn answers(packet: &Packet) -> Vec<(PacketType, Option<u16>)> {
    let types: &[PacketType] = match packet {
        Packet::Connect(_) => &[PacketType::ConnAck],
        Packet::Publish(p) if p.qos > 0 => &[PacketType::PubAck, PacketType::PubRec],
        Packet::PubRel(_) => &[PacketType::PubComp],
        Packet::Subscribe(_) => &[PacketType::SubAck],
        Packet::Unsubscribe(_) => &[PacketType::UnsubAck],
        _ => &[],
    };
    types.iter().map(|t| (*t, packet.packet_id())).collect()
}

/// What the broker did wrong about an offence. What comes after one that it has not closed a connection for ([`CLOSED`]) is not looked at.
pub fn check(transcript: &Transcript, offence: &Offence) -> Option<Verdict> {
    let later = || {
        let numbered = transcript.events.iter().enumerate();
        numbered.skip(offence.event + 1)
    };
    let verdict = |rule, event, text| {
        Some(Verdict {
            rule,
            statement: offence.statement,
            event,
            text,
        })
    };
    let end = later().find(|(_, event)| {
        let is_end = matches!(event.what, What::End(_)) && event.connection == offence.connection;
        is_end || matches!(event.what, What::Lifecycle(_))
    });
    if let Some((number, event)) = end
        && matches!(event.what, What::End(_))
        && event.side(transcript.scripted) == Side::Client
    {
        let text = format!(
            "the broker has not closed the connection on which it received the packet of event {}",
            offence.event
        );
        return verdict(CLOSED, number, text);
    }
    let shows = |event: &Event| {
        let packet = event.packet().and_then(|decoded| decoded.packet.as_ref())?;
        if event.side(transcript.scripted) == Side::Client {
            return None;
        }
        let is_delivery = match packet {
            Packet::Publish(p) => offence.payload.is_some() && p.payload.bytes() == offence.payload.as_ref(),
            _ => false,
        };
        let answer = (packet.packet_type(), packet.packet_id());
        let is_answer = event.connection == offence.connection && offence.answers.contains(&answer);
        (is_delivery || is_answer).then_some(if is_delivery { "message" } else { "answer" })
    };
    let (number, kind) = later().find_map(|(number, event)| Some((number, shows(event)?)))?;
    let text = format!(
        "this is the {kind} of the packet of event {}, for which the connection was to be closed",
        offence.event
    );
    verdict("violation-has-no-effect", number, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzer::tests::{disobeying, obedient, show};
    use crate::fuzzer::{Act, Action, Connection, Sequence, Violation, judge, play};
    use crate::reference::Config;
    use crate::transcript::Author;

    /// A client with a session that subscribes and sends this.
    fn sequence(version: Version, violation: Violation) -> Sequence {
        let lasting = Connection {
            expiry: if violation == Violation::ExpiryFromZero { 0 } else { 300 },
            automatic: true,
            ..Connection::default()
        };
        let subscribe = Act::Subscribe {
            filters: vec![(6, 1)],
            id: None,
        };
        let acts = [
            (0, Act::Connect(lasting.clone())),
            (1, Act::Connect(lasting)),
            (0, subscribe.clone()),
            (1, subscribe),
            (0, Act::Violate(violation)),
        ];
        Sequence {
            versions: vec![version; 2],
            actions: acts.map(|(client, act)| Action { client, act }).to_vec(),
        }
    }

    /// The rules that this broker breaks with the violation.
    fn broken(config: &std::sync::Arc<Config>, version: Version, violation: Violation) -> Vec<&'static str> {
        let transcript = play(config, &sequence(version, violation));
        judge(&transcript).iter().map(|verdict| verdict.rule).collect()
    }

    #[test]
    fn each_violation_has_the_statement_that_demands_the_close() {
        use Violation::*;
        let of = |violation| match violation {
            SecondConnect => ["MQTT-3.1.0-2", "MQTT-3.1.0-2"],
            PublishQos3 => ["MQTT-3.3.1-4", "MQTT-4.13.1-1"],
            TopicNotUtf8 => ["MQTT-1.5.3-1", "MQTT-4.13.1-1"],
            TopicWithNull => ["MQTT-1.5.3-2", "MQTT-4.13.1-1"],
            IdentifierZero => ["MQTT-4.8.0-1", ""],
            AliasZero | AliasAboveMaximum | AliasUnknown | NoLocalOnShared | ExpiryFromZero => ["", "MQTT-4.13.1-1"],
            PubRelFlags => ["MQTT-3.6.1-1", "MQTT-3.6.1-1"],
            SubscribeFlags => ["MQTT-3.8.1-1", "MQTT-3.8.1-1"],
            SubscribeWithoutFilter | UnsubscribeWithoutFilter | ReservedType => ["MQTT-4.8.0-1", "MQTT-4.13.1-1"],
            SubscribeReservedBits | SubscribeQos3 => ["MQTT-3.8.3-4", "MQTT-4.13.1-1"],
            UnsubscribeFlags => ["MQTT-3.10.1-1", "MQTT-3.10.1-1"],
            PingReqFlags => ["MQTT-2.2.2-2", "MQTT-4.13.1-1"],
            DisconnectFlags => ["MQTT-3.14.1-1", "MQTT-3.14.1-1"],
        };
        for violation in Violation::ALL {
            for (version, statement) in [Version::V3_1_1, Version::V5].into_iter().zip(of(violation)) {
                let transcript = play(&obedient(), &sequence(version, violation));
                let found: Vec<&str> = read(&transcript).iter().map(|offence| offence.statement.id).collect();
                let wanted: &[&str] = if statement.is_empty() { &[] } else { &[statement] };
                assert_eq!(found, wanted, "{version} {violation:?}: {}", show(&transcript));
            }
        }
    }

    #[test]
    fn the_reference_broker_closes_the_connection_and_does_nothing_else() {
        for violation in Violation::ALL {
            for version in Version::ALL {
                let transcript = play(&obedient(), &sequence(version, violation));
                let verdicts = judge(&transcript);
                assert!(
                    verdicts.is_empty(),
                    "{violation:?}: {verdicts:?}\n{}",
                    show(&transcript)
                );
                for offence in read(&transcript) {
                    let later = transcript.events[offence.event..].iter();
                    let mut ends = later.filter(|e| e.connection == 1 && matches!(e.what, What::End(_)));
                    let by = ends.next().map(|end| end.author);
                    assert_eq!(by, Some(Author::Peer), "{version} {violation:?}");
                }
            }
        }
    }

    #[test]
    fn a_violation_of_3_1_demands_nothing() {
        for violation in Violation::ALL {
            let transcript = play(&obedient(), &sequence(Version::V3_1, violation));
            assert!(read(&transcript).is_empty(), "{violation:?}");
        }
    }

    #[test]
    fn a_broker_that_goes_on_with_the_connection_has_one_violation() {
        for (token, version, violation) in [
            ("v5:MQTT-3.8.1-1", Version::V5, Violation::SubscribeFlags),
            ("v3.1.1:MQTT-3.8.1-1", Version::V3_1_1, Violation::SubscribeFlags),
            ("v5:MQTT-3.1.0-2", Version::V5, Violation::SecondConnect),
            ("v3.1.1:MQTT-3.3.1-4", Version::V3_1_1, Violation::PublishQos3),
            ("v5:MQTT-3.3.2-9", Version::V5, Violation::AliasAboveMaximum),
        ] {
            assert_eq!(broken(&disobeying(token), version, violation), [CLOSED], "{token}");
        }
    }

    #[test]
    fn a_violation_has_no_effect() {
        let config = disobeying("combined:malformed-publish-is-retained");
        assert_eq!(
            broken(&config, Version::V5, Violation::PublishQos3),
            ["violation-has-no-effect"]
        );
    }
}
