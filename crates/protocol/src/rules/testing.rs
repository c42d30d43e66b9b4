//! Builds transcripts for the tests of rules.

use std::sync::Arc;
use std::time::Duration;

use super::{Judge, Outcome, Sight, check};
use crate::transcript::{Author, End, Event, Lifecycle, Transcript, WebSocket, What};
use crate::wire::property::id;
use crate::wire::{
    Ack, ConnAck, Connect, Frame, Packet, PropertyValue, Publish, Side, SubAck, Subscribe, Subscription, Version,
    decode, encode_bytes,
};

/// The namespace of every transcript built here.
pub const NS: &str = "mqs00000";

/// A transcript in the making. Its connections are numbered from 1.
pub struct Talk {
    transcript: Transcript,
    level: std::collections::BTreeMap<u32, Version>,
    /// Both sides are judged.
    captured: bool,
    /// Events of the client that it sent before it had heard of all.
    crossed: Vec<usize>,
    /// Events of the client before which all that it had sent arrived.
    arrived: Vec<usize>,
    /// The capture ends before the connection.
    cut: bool,
    passed: Duration,
}

impl Talk {
    pub fn new(version: Version) -> Talk {
        Talk {
            transcript: Transcript {
                scripted: Side::Client,
                version,
                namespace: NS.to_owned(),
                events: Vec::new(),
                local: Vec::new(),
                bindings: Vec::new(),
            },
            level: Default::default(),
            captured: false,
            crossed: Vec::new(),
            arrived: Vec::new(),
            cut: false,
            passed: Duration::ZERO,
        }
    }

    /// A connection of a capture.
    pub fn captured(version: Version) -> Talk {
        Talk {
            captured: true,
            ..Talk::new(version)
        }
    }

    /// Lets seconds pass.
    pub fn pass(mut self, seconds: u64) -> Talk {
        self.passed += Duration::from_secs(seconds);
        self
    }

    /// The client sends, and has not heard of all that came before.
    pub fn crossing(mut self, connection: u32, packet: Packet) -> Talk {
        self.crossed.push(self.transcript.events.len());
        self.to(connection, packet)
    }

    /// The client sends, and all that it had sent before has arrived.
    pub fn arriving(mut self, connection: u32, packet: Packet) -> Talk {
        self.arrived.push(self.transcript.events.len());
        self.to(connection, packet)
    }

    /// The capture ends here.
    pub fn capture_ends(mut self) -> Talk {
        self.cut = true;
        self
    }

    pub fn gap_of_client(self, connection: u32, bytes: u64) -> Talk {
        self.push(connection, Author::Script, What::Gap(bytes))
    }

    fn push(mut self, connection: u32, author: Author, what: What) -> Talk {
        let at = self.passed + Duration::from_millis(10 * self.transcript.events.len() as u64);
        self.transcript.events.push(Event {
            at,
            client: format!("c{connection}").into(),
            connection,
            step: None,
            author,
            what,
        });
        self
    }

    fn raw(self, connection: u32, author: Author, bytes: impl Into<bytes::Bytes>) -> Talk {
        let side = if author == Author::Peer {
            Side::Server
        } else {
            Side::Client
        };
        let version = self.level.get(&connection).copied().unwrap_or(self.transcript.version);
        let frame = Frame::loose(bytes).expect("a packet has bytes");
        let decoded = Arc::new(decode(&frame, version, side));
        let topic = match &decoded.packet {
            Some(Packet::Publish(p)) => Some(p.topic.clone()),
            _ => None,
        };
        let raw = frame.raw;
        self.push(connection, author, What::Packet { raw, decoded, topic })
    }

    pub fn open(self, connection: u32) -> Talk {
        self.push(connection, Author::Script, What::Open)
    }

    /// The broker's side of WebSocket.
    pub fn websocket(self, connection: u32, event: WebSocket) -> Talk {
        self.push(connection, Author::Peer, What::WebSocket(event))
    }

    /// The client's side of WebSocket.
    pub fn client_websocket(self, connection: u32, event: WebSocket) -> Talk {
        self.push(connection, Author::Script, What::WebSocket(event))
    }

    pub fn gap(self, connection: u32) -> Talk {
        self.push(connection, Author::Peer, What::Gap(0))
    }

    pub fn broker_closes(self, connection: u32) -> Talk {
        self.push(connection, Author::Peer, What::End(End::Fin))
    }

    pub fn restart(self) -> Talk {
        self.push(0, Author::Script, What::Lifecycle(Lifecycle::Restart))
    }

    /// The client sends.
    pub fn to(mut self, connection: u32, packet: Packet) -> Talk {
        if let Packet::Connect(c) = &packet
            && let Some(version) = super::conn::version_of(c)
        {
            self.level.insert(connection, version);
        }
        let version = self.level.get(&connection).copied().unwrap_or(self.transcript.version);
        self.raw(connection, Author::Script, encode_bytes(&packet, version))
    }

    /// The broker sends.
    pub fn from(self, connection: u32, packet: Packet) -> Talk {
        let version = self.level.get(&connection).copied().unwrap_or(self.transcript.version);
        let bytes = encode_bytes(&packet, version);
        self.raw(connection, Author::Peer, bytes)
    }

    pub fn bytes_to(self, connection: u32, bytes: &[u8]) -> Talk {
        self.raw(connection, Author::Script, bytes.to_vec())
    }

    pub fn bytes_from(self, connection: u32, bytes: &[u8]) -> Talk {
        self.raw(connection, Author::Peer, bytes.to_vec())
    }

    /// A connection of `client`, clean and accepted.
    pub fn connected(self, connection: u32, client: &str) -> Talk {
        let connect = connect(self.transcript.version, client);
        self.open(connection)
            .to(connection, connect.into())
            .from(connection, connack(0, false))
    }

    /// A connection of `client` that asks to go on with its session, and the answer's Session Present.
    pub fn resumed(self, connection: u32, client: &str, session_present: bool) -> Talk {
        let mut connect = connect(self.transcript.version, client);
        connect.clean_start = false;
        if self.transcript.version == Version::V5 {
            connect
                .properties
                .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(100));
        }
        self.open(connection)
            .to(connection, connect.into())
            .from(connection, connack(0, session_present))
    }

    /// Subscribes and is granted what it asks for.
    pub fn subscribed(self, connection: u32, filter: &str, qos: u8) -> Talk {
        self.to(connection, subscribe(90, &[(filter, qos)]))
            .from(connection, suback(90, &[qos]))
    }

    pub fn findings(&self) -> Vec<super::Finding> {
        if !self.captured {
            return check(&self.transcript);
        }
        let mut judge = Judge::of_capture(self.transcript.version);
        let mut findings = Vec::new();
        for (i, event) in self.transcript.events.iter().enumerate() {
            let sight = Sight {
                crossed: self.crossed.contains(&i),
                arrived: self.arrived.contains(&i),
                last: false,
            };
            findings.extend(judge.take(event, sight));
        }
        if self.cut {
            findings
                .extend(judge.finish(self.passed + Duration::from_millis(10 * self.transcript.events.len() as u64)));
        }
        findings
    }

    /// The statements violated, without their version.
    pub fn breaches(&self) -> Vec<&'static str> {
        let of = |outcome| move |f: &super::Finding| f.outcome == outcome;
        self.findings()
            .into_iter()
            .filter(of(Outcome::Breach))
            .map(|f| f.statement.id)
            .collect()
    }

    /// The rules that are in doubt.
    pub fn doubts(&self) -> Vec<&'static str> {
        let findings = self.findings();
        findings
            .into_iter()
            .filter(|f| f.outcome == Outcome::Unknown)
            .map(|f| f.rule)
            .collect()
    }
}

pub fn connect(version: Version, client: &str) -> Connect {
    let client_id = if client.is_empty() {
        String::new()
    } else {
        format!("{NS}{client}")
    };
    Connect::new(version, client_id)
}

pub fn connack(reason_code: u8, session_present: bool) -> Packet {
    Packet::ConnAck(ConnAck {
        session_present,
        reason_code,
        ..ConnAck::default()
    })
}

/// A PUBLISH of QoS 1 or 2 with this identifier, or of QoS 0.
pub fn publish(topic: &str, qos: u8, id: u16, payload: &str) -> Publish {
    Publish {
        qos,
        topic: topic.into(),
        packet_id: (qos > 0).then_some(id),
        payload: payload.into(),
        ..Publish::default()
    }
}

pub fn message(topic: &str, qos: u8, id: u16, payload: &str) -> Packet {
    Packet::Publish(publish(topic, qos, id, payload))
}

pub fn repeated(topic: &str, qos: u8, id: u16, payload: &str) -> Packet {
    let mut p = publish(topic, qos, id, payload);
    p.dup = true;
    Packet::Publish(p)
}

pub fn subscribe(id: u16, filters: &[(&str, u8)]) -> Packet {
    Packet::Subscribe(Subscribe {
        packet_id: id,
        subscriptions: filters.iter().map(|(f, qos)| Subscription::new(*f, *qos)).collect(),
        ..Subscribe::default()
    })
}

pub fn suback(id: u16, codes: &[u8]) -> Packet {
    Packet::SubAck(SubAck {
        packet_id: id,
        reason_codes: codes.to_vec(),
        ..SubAck::default()
    })
}

pub fn puback(id: u16) -> Packet {
    Packet::PubAck(Ack::new(id))
}

pub fn pubrec(id: u16) -> Packet {
    Packet::PubRec(Ack::new(id))
}

pub fn pubrel(id: u16) -> Packet {
    Packet::PubRel(Ack::new(id))
}

pub fn pubcomp(id: u16) -> Packet {
    Packet::PubComp(Ack::new(id))
}
