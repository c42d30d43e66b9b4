//! From the streams of a capture to what is to be done, in the captured order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::before::{self, Asked};
use super::{Line, Options};
use crate::capture::Recorded;
use crate::transcript::{End, Event, Transcript, What};
use crate::wire::{
    Blob, Connect, Decoded, Frame, Packet, PacketType, Side, Text, Version, decode, encode_bytes, unmarked,
};

/// One thing to do or to wait for.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The index of its line.
    pub line: usize,
    /// Since the beginning of the capture.
    pub at: Duration,
    /// The number of the captured packet.
    pub packet: Option<u64>,
    pub act: Act,
}

#[derive(Debug, Clone)]
pub enum Act {
    Open,
    Send {
        bytes: Bytes,
        /// `None` for bytes that are not a whole packet.
        decoded: Option<Arc<Decoded>>,
    },
    /// The client's end.
    Finish(End),
    /// What the captured broker sent.
    Expect {
        decoded: Arc<Decoded>,
        topic: Option<Text>,
        /// A message of a subscription that the capture does not show.
        foreign: bool,
    },
    /// The captured broker closed.
    ExpectEnd,
    /// Nothing more can be compared: bytes of the captured broker are missing.
    Blind,
}

/// The whole capture, ready to be played.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub turns: Vec<Turn>,
    pub lines: Vec<Line>,
    /// Sessions that began before the capture: the line whose client goes on with it, and the CONNECT that makes it.
    pub sessions: Vec<(usize, Connect)>,
    /// Streams that cannot be played, and why.
    pub left_out: Vec<(u32, String)>,
}

/// Puts the streams together. `offered` says whether the target has a version.
pub fn plan(streams: &[Recorded], options: &Options, offered: &dyn Fn(Version) -> bool) -> Plan {
    let mut plan = Plan::default();
    let asked = Asked::of(streams);
    let first = streams.iter().map(|s| s.stream.started).min().unwrap_or_default();
    for recorded in streams {
        let stream = &recorded.stream;
        let version = recorded.transcript.version;
        let not_offered = (!offered(version)).then(|| format!("the target does not offer {version}"));
        if let Some(why) = why_not(recorded, options).or(not_offered) {
            plan.left_out.push((stream.id, why));
            continue;
        }
        let line = plan.lines.len();
        plan.lines.push(Line {
            number: stream.id,
            version,
            client_id: stream.client_id.clone(),
        });
        plan.sessions
            .extend(before::session(recorded, streams).map(|connect| (line, connect)));
        let began = stream.started.saturating_sub(first);
        let events = &recorded.transcript.events;
        if !stream.from_connect {
            plan.turns.extend(beginning(recorded, line, began));
        } else if !events.iter().any(|e| matches!(e.what, What::Open)) {
            plan.turns.push(opening(line, began));
        }
        let midway = !stream.from_connect;
        plan.turns
            .extend(events.iter().zip(&recorded.frames).filter_map(|(event, frame)| {
                let mut act = act(&recorded.transcript, event)?;
                if let Act::Expect {
                    topic: Some(topic),
                    foreign,
                    ..
                } = &mut act
                {
                    *foreign = !asked.covers(stream.client_id.as_ref(), topic);
                }
                // A stream that gets a CONNECT of ours has its opening and its CONNACK from that.
                let ours = matches!(&act, Act::Open)
                    || matches!(&act, Act::Expect { decoded, .. } if decoded.packet_type == Some(PacketType::ConnAck));
                (!midway || !ours).then_some(Turn {
                    line,
                    at: began + event.at,
                    packet: Some(*frame),
                    act,
                })
            }));
    }
    // Stable: within a stream the order stays, also if two events have the same time.
    plan.turns.sort_by_key(|turn| turn.at);
    plan
}

/// Why a stream cannot be played.
fn why_not(recorded: &Recorded, options: &Options) -> Option<String> {
    let events = &recorded.transcript.events;
    let ours = |event: &&Event| !event.is_from_peer();
    let said = |event: &Event| matches!(event.what, What::Packet { .. } | What::Fragment(_));
    if !events.iter().filter(ours).any(said) {
        return Some("the client's side is not in the capture".to_owned());
    }
    if let Some(why) = &recorded.stream.unusable {
        return Some(why.clone());
    }
    let long = |e: &Event| match &e.what {
        What::Packet {
            raw: Blob::Long(long), ..
        } => Some(long.len),
        _ => None,
    };
    if let Some(bytes) = events.iter().filter(ours).find_map(long) {
        return Some(format!("a packet of the client has {bytes} bytes, too many to keep"));
    }
    if !recorded.stream.from_connect && !options.assume_connect {
        return Some("it does not start with a CONNECT (--assume-connect adds one)".to_owned());
    }
    None
}

fn opening(line: usize, at: Duration) -> Turn {
    Turn {
        line,
        at,
        packet: None,
        act: Act::Open,
    }
}

/// How a stream begins whose beginning is not in the capture.
fn beginning(recorded: &Recorded, line: usize, at: Duration) -> Vec<Turn> {
    let version = recorded.transcript.version;
    let name = format!("midway{}", recorded.stream.id);
    let bytes = encode_bytes(&Packet::from(Connect::new(version, name)), version);
    let decoded = decoded(&bytes, version, Side::Client);
    let connack = encode_bytes(&Packet::ConnAck(crate::wire::ConnAck::default()), version);
    let answer = self::decoded(&connack, version, Side::Server);
    let turn = |act| Turn {
        line,
        at,
        packet: None,
        act,
    };
    vec![
        opening(line, at),
        turn(Act::Send {
            bytes,
            decoded: Some(decoded),
        }),
        turn(Act::Expect {
            decoded: answer,
            topic: None,
            foreign: false,
        }),
    ]
}

/// A whole packet, decoded.
pub fn decoded(bytes: &Bytes, version: Version, from: Side) -> Arc<Decoded> {
    let frame = Frame::loose(bytes.clone()).expect("a packet has bytes");
    Arc::new(decode(&frame, version, from))
}

fn act(transcript: &Transcript, event: &Event) -> Option<Act> {
    Some(match (&event.what, transcript.is_from_broker(event)) {
        (What::Open, _) => Act::Open,
        (What::Packet { raw, decoded, .. }, false) => Act::Send {
            // A bridge's mark asks for what only its own broker knows.
            bytes: raw.bytes().map(|raw| unmarked(raw).unwrap_or_else(|| raw.clone()))?,
            decoded: Some(Arc::clone(decoded)),
        },
        (What::Fragment(bytes), false) => Act::Send {
            bytes: bytes.clone(),
            decoded: None,
        },
        (What::End(end), false) => Act::Finish(*end),
        (What::Packet { decoded, topic, .. }, true) => Act::Expect {
            decoded: Arc::clone(decoded),
            topic: topic.clone(),
            foreign: false,
        },
        (What::End(_), true) => Act::ExpectEnd,
        // If bytes of either side are missing, what would follow cannot be decided any more.
        (What::Gap(_), _) => Act::Blind,
        (What::Fragment(_), true) | (What::WebSocket(_) | What::Application(_) | What::Lifecycle(_), _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Holes, Stream, Transport};
    use crate::transcript::Author;
    use crate::transcript::testing::Talk;
    use crate::wire::ConnAck;

    fn source(id: u32, began: u64, from_connect: bool, talk: Talk) -> Recorded {
        let transcript = talk.transcript();
        Recorded {
            stream: Stream {
                id,
                client: "10.0.0.1:5000".parse().unwrap(),
                server: "10.0.0.2:1883".parse().unwrap(),
                transport: Transport::Tcp,
                version: Some(Version::V3_1_1),
                read_as: Version::V3_1_1,
                bridge: None,
                client_id: Some("c".into()),
                started: Duration::from_secs(1_700_000_000) + Duration::from_millis(began),
                duration: Duration::ZERO,
                handshake: true,
                from_connect,
                packets: [0; 16],
                qos: [0; 4],
                client_holes: Holes::default(),
                server_holes: Holes::default(),
                end: None,
                unusable: None,
            },
            frames: (1..).take(transcript.events.len()).collect(),
            transcript,
        }
    }

    fn options() -> Options {
        Options {
            dialer: Default::default(),
            speed: None,
            rename: None,
            login: None,
            assume_connect: false,
            patience: Duration::from_secs(1),
        }
    }

    fn connect() -> Packet {
        Packet::from(Connect::new(Version::V3_1_1, "c"))
    }

    fn whole() -> Talk {
        Talk::new()
            .event("c", None, Author::Script, What::Open)
            .packet("c", None, Author::Script, connect())
            .packet("c", None, Author::Peer, Packet::ConnAck(ConnAck::default()))
    }

    #[test]
    fn streams_are_merged_by_time() {
        let plan = plan(
            &[source(1, 0, true, whole()), source(2, 4, true, whole())],
            &options(),
            &|_| true,
        );
        let order: Vec<(usize, u128)> = plan.turns.iter().map(|t| (t.line, t.at.as_millis())).collect();
        assert_eq!(order, [(0, 0), (0, 3), (1, 4), (0, 6), (1, 7), (1, 10)]);
        assert_eq!(plan.lines[1].number, 2);
        assert_eq!(plan.lines[0].client_id, Some("c".into()));
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        let midway = || Talk::new().packet("c", None, Author::Script, Packet::PingReq);
        let answer = || Talk::new().packet("c", None, Author::Peer, Packet::PingResp);
        for (talk, why) in [(midway(), "start with a CONNECT"), (answer(), "client's side")] {
            let plan = plan(&[source(7, 0, false, talk)], &options(), &|_| true);
            assert!(plan.turns.is_empty());
            assert!(plan.left_out[0].1.contains(why), "{:?}", plan.left_out);
            assert_eq!(plan.left_out[0].0, 7);
        }
        let assumed = Options {
            assume_connect: true,
            ..options()
        };
        let plan = plan(&[source(7, 0, false, midway())], &assumed, &|_| true);
        assert!(matches!(
            plan.turns.iter().map(|t| &t.act).collect::<Vec<_>>()[..],
            [Act::Open, Act::Send { .. }, Act::Expect { .. }, Act::Send { .. }]
        ));
    }

    #[test]
    fn a_version_that_the_target_lacks_is_left_out() {
        let plan = plan(&[source(0, 0, true, whole())], &options(), &|v| v == Version::V5);
        assert_eq!(plan.left_out, [(0, "the target does not offer v3.1.1".to_owned())]);
    }

    #[test]
    fn after_a_hole_of_the_broker_nothing_is_compared() {
        let talk = whole().event("c", None, Author::Peer, What::Gap(0));
        let plan = plan(&[source(1, 0, true, talk)], &options(), &|_| true);
        assert!(matches!(plan.turns.last().map(|t| &t.act), Some(Act::Blind)));
    }
}
