//! The rules of the language, one test each: a script, a broker whose every packet the test says, and a clock that the
//! test sets. No socket, no waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::conversation::Dialogue;
use crate::scenario::{Case, Source, load, render_all};
use crate::transcript::{Author, End, Happened, Lifecycle, What};
use crate::wire::{Ack, ConnAck, Disconnect, Packet, Publish, Side, SubAck, Version as V, encode_bytes};

mod alternatives;
mod by_hand;
mod calls;
mod closing;
mod fences;
mod limits;
mod parting;
mod reconnect;
mod replays;
mod taking;
mod together;

/// Every exchange's namespace here.
pub const NS: &str = "ms00abcd";

/// A case from its clients and steps, as they are in a file.
pub fn case(version: V, clients: &str, steps: &str) -> Case {
    let text = format!(
        "format: 1\ntitle: T\nversions: [{version}]\nserial: true\nclients: {{ {clients} }}\nsteps:\n{steps}control:\n  - c <- PINGRESP\n"
    );
    let source = Arc::new(Source {
        file: "a.yaml".to_owned(),
        text,
    });
    let scenario = load(&source, "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
    scenario.cases[0].clone()
}

/// A matcher, with a fake driver and broker.
pub struct Rig {
    pub matcher: Matcher,
    pub now: Duration,
    /// By client: the connection's number and its byte streams.
    connections: BTreeMap<ClientName, (u32, Dialogue)>,
    opened: u32,
    /// Everything that was sent, with its author.
    pub sent: Vec<(String, Author, Packet)>,
    /// Our FINs and RSTs.
    pub ends: Vec<(String, End)>,
    /// Answer the PINGREQs of fences.
    pub pongs: bool,
    /// Do what is asked for after the end.
    pub parts: bool,
    /// What the SUBACKs and CONNACKs of the set-up say besides success.
    pub connack: ConnAck,
    wait: Option<Duration>,
}

impl Rig {
    /// Before the first step; the set-up is answered as a good broker does.
    pub fn new(version: V, clients: &str, steps: &str) -> Rig {
        let mut rig = Rig::idle(version, clients, steps, Settings::default());
        rig.run();
        rig
    }

    pub fn v3(steps: &str) -> Rig {
        Rig::new(V::V3_1_1, "c: {}, d: {}", steps)
    }

    pub fn v5(steps: &str) -> Rig {
        Rig::new(V::V5, "c: {}, d: {}", steps)
    }

    /// Before anything.
    pub fn idle(version: V, clients: &str, steps: &str, settings: Settings) -> Rig {
        let case = case(version, clients, steps);
        Rig {
            matcher: Matcher::new(&case, Which::Case, Side::Client, NS, &Arc::new(settings)),
            now: Duration::ZERO,
            connections: BTreeMap::new(),
            opened: 0,
            sent: Vec::new(),
            ends: Vec::new(),
            pongs: true,
            parts: false,
            connack: ConnAck::default(),
            wait: None,
        }
    }

    /// Does what the matcher asks for until it waits or has ended.
    pub fn run(&mut self) {
        loop {
            self.happened(Happened::Clock);
            match self.matcher.poll() {
                // The parting has its own tests.
                _ if self.matcher.end.is_some() && !self.parts => break,
                Poll::Do { action, .. } => self.act(action),
                Poll::Wait { until } => {
                    self.wait = Some(until);
                    return;
                }
                Poll::Done => break,
            }
        }
        self.wait = None;
    }

    pub fn happened(&mut self, what: Happened) {
        self.matcher.input(Input::Local(self.now, what));
    }

    /// As all the reads of a packet but the last.
    pub fn partial(&mut self, client: &str) {
        let connection = self.connections[client].0;
        self.happened(Happened::Clock);
        self.matcher.poll();
        self.happened(Happened::Partial { connection });
    }

    fn act(&mut self, action: Action) {
        let mut heard = None;
        let mut whole = true;
        match action {
            Action::Tell { .. } | Action::EndCase { .. } => unreachable!("the broker is under test"),
            Action::Open { client, step, .. } => {
                self.opened += 1;
                let dialogue = Dialogue::new(self.version_of(&client));
                self.connections.insert(client.clone(), (self.opened, dialogue));
                self.note(&client, step, Author::Script, What::Open);
            }
            Action::Write {
                client,
                step,
                author,
                writes,
                ..
            } => {
                let connection = self.connections.get_mut(&client);
                let events: Vec<What> = connection.map_or_else(Vec::new, |(_, dialogue)| {
                    let events = writes.iter().flat_map(|w| dialogue.chunks(Side::Client, w)).collect();
                    whole = dialogue.pending(Side::Client) == 0;
                    events
                });
                let mut answers = Vec::new();
                for what in events {
                    if let What::Packet { decoded, .. } = &what
                        && let Some(packet) = &decoded.packet
                    {
                        answers.extend(self.answer_to(packet, author));
                        self.sent.push((client.to_string(), author, packet.clone()));
                    }
                    self.note(&client, step.clone(), author, what);
                }
                heard = Some((client, answers));
            }
            Action::Finish { client, step, half, .. } => {
                let end = if half { End::HalfClose } else { End::Fin };
                self.ends.push((client.to_string(), end));
                self.note(&client, step, Author::Script, What::End(end));
            }
            Action::Reset { client, step } => {
                self.ends.push((client.to_string(), End::Reset));
                self.note(&client, step, Author::Script, What::End(End::Reset));
                self.connections.remove(&client);
            }
            Action::Reading { .. } => {}
            Action::Broker { step, .. } => {
                self.connections.clear();
                self.event(Event {
                    at: self.now,
                    client: "".into(),
                    connection: 0,
                    step,
                    author: Author::Script,
                    what: What::Lifecycle(Lifecycle::Restart),
                });
            }
        }
        self.happened(Happened::Done { whole });
        if let Some((client, answers)) = heard {
            for answer in answers {
                let bytes = encode_bytes(&answer, self.version_of(&client));
                self.hear(&client, &bytes);
            }
        }
    }

    fn version_of(&self, client: &str) -> V {
        self.matcher.clients[self.matcher.client(client)].version
    }

    fn event(&mut self, event: Event) {
        self.matcher.input(Input::Event(event));
    }

    fn answer_to(&self, packet: &Packet, author: Author) -> Option<Packet> {
        match (packet, author) {
            (Packet::Connect(_), Author::Setup) => Some(Packet::ConnAck(self.connack.clone())),
            (Packet::Subscribe(s), Author::Setup) => Some(Packet::SubAck(SubAck {
                packet_id: s.packet_id,
                reason_codes: s.subscriptions.iter().map(|s| s.qos()).collect(),
                ..SubAck::default()
            })),
            (Packet::PingReq, Author::Fence) if self.pongs => Some(Packet::PingResp),
            _ => None,
        }
    }

    fn note(&mut self, client: &ClientName, step: Option<StepId>, author: Author, what: What) {
        let connection = self.connections.get(client).map_or(0, |(number, _)| *number);
        self.note_at(client, connection, step, author, what);
    }

    fn note_at(&mut self, client: &str, connection: u32, step: Option<StepId>, author: Author, what: What) {
        self.event(Event {
            at: self.now,
            client: client.into(),
            connection,
            step,
            author,
            what,
        });
    }

    fn hear(&mut self, client: &str, bytes: &[u8]) {
        let (number, dialogue) = self.connections.get_mut(client).expect("the client is connected");
        let number = *number;
        for what in dialogue.bytes(Side::Server, bytes) {
            self.note_at(client, number, None, Author::Peer, what);
        }
    }

    /// The broker says this.
    pub fn says(&mut self, client: &str, packet: impl Into<Packet>) -> &mut Rig {
        let bytes = encode_bytes(&packet.into(), self.version_of(client));
        self.bytes(client, &bytes)
    }

    pub fn bytes(&mut self, client: &str, bytes: &[u8]) -> &mut Rig {
        self.hear(client, bytes);
        self.run();
        self
    }

    /// Several at once: the matcher is asked only when all are there.
    pub fn all(&mut self, client: &str, packets: &[Packet]) -> &mut Rig {
        for packet in packets {
            let bytes = encode_bytes(packet, self.version_of(client));
            self.hear(client, &bytes);
        }
        self.run();
        self
    }

    /// The broker closes.
    pub fn closes(&mut self, client: &str) -> &mut Rig {
        let number = self.connections[client].0;
        self.closes_old(client, number)
    }

    /// The broker closes the connection with this number.
    pub fn closes_old(&mut self, client: &str, number: u32) -> &mut Rig {
        self.note_at(client, number, None, Author::Peer, What::End(End::Fin));
        self.run();
        self
    }

    /// Time passes.
    pub fn after(&mut self, ms: u64) -> &mut Rig {
        self.now += Duration::from_millis(ms);
        self.run();
        self
    }

    /// Whether the exchange has ended by now.
    pub fn is_over(&self) -> bool {
        self.wait.is_none()
    }

    /// Nothing more comes: how it ends.
    pub fn end(mut self) -> PlayEnd {
        self.run_out();
        self.matcher.finish().1
    }

    /// Nothing more comes.
    pub fn run_out(&mut self) {
        while let Some(until) = self.wait {
            self.now = self.now.max(until);
            self.run();
        }
    }

    /// It ends well, with this advice.
    #[track_caller]
    pub fn met(mut self) -> Vec<String> {
        self.run_out();
        let (_, end, advice) = self.matcher.finish();
        assert!(matches!(end, PlayEnd::Met), "{end:?}");
        advice.into_iter().map(|a| a.text).collect()
    }

    /// It fails, and the summary holds these words.
    #[track_caller]
    pub fn fails(self, words: &str) -> Failure {
        match self.end() {
            PlayEnd::Failed(failure) => {
                let shown = format!(
                    "{failure} {:?}",
                    failure.awaited.iter().map(|a| a.why()).collect::<Vec<_>>()
                );
                assert!(shown.contains(words), "{shown}");
                failure
            }
            other => panic!("{other:?}"),
        }
    }

    /// The names of what one author sent on one client's connection.
    pub fn sent_by(&self, client: &str, author: Author) -> Vec<String> {
        let own = self.sent.iter().filter(|(c, a, _)| c == client && *a == author);
        own.map(|(_, _, p)| p.packet_type().to_string()).collect()
    }

    /// The PUBLISHs of fences.
    pub fn fence_messages(&self) -> Vec<Publish> {
        let all = self.sent.iter().filter(|(_, a, _)| *a == Author::Fence);
        all.filter_map(|(_, _, p)| match p {
            Packet::Publish(publish) => Some(publish.clone()),
            _ => None,
        })
        .collect()
    }
}

/// A delivery on `$ns/` and this; an identifier of 0 means QoS 0.
pub fn delivery(topic: &str, payload: &str, qos: u8, id: u16) -> Packet {
    Packet::Publish(Publish {
        topic: format!("{NS}/{topic}").into(),
        qos,
        packet_id: (qos > 0).then_some(id),
        payload: bytes::Bytes::from(payload.to_owned()).into(),
        ..Publish::default()
    })
}

pub fn again(packet: Packet) -> Packet {
    match packet {
        Packet::Publish(publish) => Packet::Publish(Publish { dup: true, ..publish }),
        other => other,
    }
}

pub fn puback(id: u16) -> Packet {
    Packet::PubAck(Ack::new(id))
}

pub fn goodbye(reason_code: u8) -> Packet {
    Packet::Disconnect(Disconnect {
        reason_code,
        ..Disconnect::default()
    })
}

pub fn connack(reason_code: u8) -> Packet {
    Packet::ConnAck(ConnAck {
        reason_code,
        ..ConnAck::default()
    })
}
