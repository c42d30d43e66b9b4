//! What a recorded exchange makes the clients do: from a transcript to the operations of a script.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::obstacle::Obstacle;
use super::pieces::Pieces;
use super::sequence::Sequence;
use crate::scenario::{Expect, Expr, Pattern, Send, Split, Step, StepKind, Take};
use crate::secret::run_spans;
use crate::transcript::{Author, End, Event, StepId, Transcript, What, fields, name, without_namespace};
use crate::wire::{Decoded, Packet, PacketType, body};

/// The most bytes that a script sends at once.
const LONG: u64 = 2000;
/// The payload of the harness's own messages begins with the namespace and this.
const FENCE: &[u8] = b"~fence~";

/// One thing that a script does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Open {
        client: String,
    },
    Send {
        client: String,
        bytes: Pieces,
        note: String,
    },
    /// Waits for a packet of this type that has these bytes in it. If `id` is there, the packet identifier is kept.
    Take {
        client: String,
        kind: PacketType,
        part: Pieces,
        id: Option<usize>,
    },
    /// Waits for the broker to end the connection.
    Ended {
        client: String,
    },
    Close {
        client: String,
    },
    HalfClose {
        client: String,
    },
    Reset {
        client: String,
    },
    /// PINGREQs on these clients show that what came before them was dealt with.
    Fence {
        clients: Vec<String>,
    },
    Sleep(Duration),
}

/// What belongs to the target's profile and may not be shown.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// The password of the login that clients use: the script is given it.
    pub password: Option<String>,
    /// Whatever else: what has it in it is no script.
    pub others: Vec<Vec<u8>>,
}

/// An exchange up to where it ended.
#[derive(Debug, Default)]
pub struct Exchange {
    pub ops: Vec<Op>,
    /// The clients whose connection was accepted and has not ended, in the order of the case.
    pub connected: Vec<String>,
    /// `$name` → the variable that holds that packet identifier.
    pub ids: BTreeMap<String, usize>,
}

/// A packet that a step took, until what is sent behind that step.
struct Pending {
    step: StepId,
    op: Op,
}

struct Walk<'t> {
    transcript: &'t Transcript,
    sequence: &'t Sequence<'t>,
    secrets: &'t Secrets,
    out: Exchange,
    pending: Vec<Pending>,
    /// Waits of the script, with their place in it.
    waits: Vec<(StepId, Duration)>,
    /// (client, packet identifier) of a PUBLISH of the broker → its variable.
    bound: BTreeMap<(String, u16), usize>,
    variables: usize,
    /// The step of the last write, to join what goes out in one.
    last_write: Option<(String, Option<StepId>)>,
}

impl Exchange {
    /// What the clients of a transcript did. `failing` is the number of the step that was not met, and `None` if every step
    /// was.
    ///
    /// # Errors
    /// Something in it has no form in a script.
    pub fn of(
        transcript: &Transcript,
        sequence: &Sequence<'_>,
        failing: Option<u32>,
        secrets: &Secrets,
    ) -> Result<Exchange, Obstacle> {
        let until = failing.unwrap_or(u32::MAX);
        let waits = check(sequence, until)?;
        let mut walk = Walk {
            transcript,
            sequence,
            secrets,
            out: Exchange::default(),
            pending: Vec::new(),
            waits,
            bound: BTreeMap::new(),
            variables: 0,
            last_write: None,
        };
        let events = &transcript.events;
        let last = events.iter().rposition(is_the_scripts).map_or(0, |at| at + 1);
        for (index, event) in events.iter().enumerate() {
            if event.author == Author::Cleanup {
                break;
            }
            walk.event(index, event, index < last)?;
        }
        walk.flush(None);
        Ok(walk.out)
    }
}

/// Whether the script, its set-up or an automatic acknowledgement caused the event, or a step took it.
fn is_the_scripts(event: &Event) -> bool {
    match event.author {
        Author::Script | Author::Setup | Author::Auto => true,
        Author::Peer => event.step.is_some(),
        Author::Fence | Author::Cleanup => false,
    }
}

/// The waits of the script before the step `until`.
///
/// # Errors
/// A step that has no form in a script.
fn check(sequence: &Sequence<'_>, until: u32) -> Result<Vec<(StepId, Duration)>, Obstacle> {
    let mut waits = Vec::new();
    for (number, step) in sequence.iter().filter(|(number, _)| *number <= until) {
        match &step.what {
            StepKind::Broker(_) => return Err(Obstacle::Lifecycle),
            StepKind::Send { what, .. } => sendable(what)?,
            StepKind::Wait(_) if sequence.is_nested(number) => return Err(Obstacle::NestedWait),
            StepKind::Wait(span) => {
                let id = StepId {
                    number,
                    turns: Vec::new(),
                };
                waits.push((id, *span));
            }
            _ => {}
        }
    }
    Ok(waits)
}

fn sendable(what: &Send) -> Result<(), Obstacle> {
    match what {
        Send::OpenOffering(_) => Err(Obstacle::WebSocket),
        Send::StopReading | Send::Read => Err(Obstacle::StopsReading),
        Send::Write(write) if write.text_frame => Err(Obstacle::WebSocket),
        Send::Write(write) if write.split != Split::Whole => Err(Obstacle::Split),
        Send::Write(_) | Send::Open | Send::Close | Send::HalfClose | Send::Reset => Ok(()),
    }
}

impl Walk<'_> {
    fn event(&mut self, index: usize, event: &Event, goes_on: bool) -> Result<(), Obstacle> {
        let client = event.client.to_string();
        match (&event.what, event.is_from_peer()) {
            (What::Lifecycle(_), _) => return Err(Obstacle::Lifecycle),
            (What::WebSocket(_), _) => return Err(Obstacle::WebSocket),
            (What::Gap(_), _) => return Err(Obstacle::Damaged),
            (What::Application(_), _) => return Err(Obstacle::Client),
            (What::Open, _) => {
                self.before(event.step.as_ref());
                self.out.connected.retain(|name| *name != client);
                self.push(Op::Open { client });
            }
            (What::End(end), false) => {
                self.before(event.step.as_ref());
                if *end != End::HalfClose {
                    self.out.connected.retain(|name| *name != client);
                }
                self.push(match end {
                    End::Fin => Op::Close { client },
                    End::HalfClose => Op::HalfClose { client },
                    End::Reset => Op::Reset { client },
                });
            }
            (What::End(_), true) => {
                self.out.connected.retain(|name| *name != client);
                if let Some(step) = &event.step {
                    self.wait(step, Op::Ended { client });
                }
            }
            // Its own fences have a form of their own.
            (What::Packet { .. }, false) if event.author == Author::Fence => {
                let clients = self.out.connected.clone();
                if goes_on && !matches!(self.out.ops.last(), Some(Op::Fence { .. })) {
                    self.flush_all();
                    self.push(Op::Fence { clients });
                }
            }
            (What::Packet { raw, decoded, .. }, false) => {
                let bytes = raw.bytes().filter(|bytes| bytes.len() as u64 <= LONG);
                let bytes = bytes.ok_or(Obstacle::TooLong(raw.len()))?;
                self.send(index, event, decoded, bytes)?;
            }
            (What::Fragment(bytes), false) => {
                if bytes.len() as u64 > LONG {
                    return Err(Obstacle::TooLong(bytes.len() as u64));
                }
                self.before(event.step.as_ref());
                let pieces = Pieces::of(bytes, self.transcript.namespace.as_bytes(), None);
                self.write(event, client, pieces, "bytes that are no whole packet".to_owned());
            }
            (What::Packet { decoded, .. }, true) => self.came(event, decoded),
            (What::Fragment(_), true) if event.step.is_some() => return Err(Obstacle::Damaged),
            (What::Fragment(_), true) => {}
        }
        Ok(())
    }

    /// A packet of a client.
    fn send(&mut self, index: usize, event: &Event, decoded: &Decoded, bytes: &[u8]) -> Result<(), Obstacle> {
        let client = event.client.to_string();
        if event.author == Author::Auto && !self.answered(index, event, decoded) {
            return Ok(());
        }
        self.before(event.step.as_ref());
        // An acknowledgement repeats the identifier that the broker chose.
        let id = match &decoded.packet {
            Some(Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack)) => {
                let variable = self.bound.get(&(client.clone(), ack.packet_id));
                let from = bytes.len() - body(bytes).len();
                variable.map(|variable| (from..from + 2, *variable))
            }
            _ => None,
        };
        let namespace = self.transcript.namespace.as_bytes();
        let pieces = match self.password(decoded, bytes)? {
            Some(span) => Pieces::with_password(bytes, bytes.len() - body(bytes).len(), span, namespace),
            None => Pieces::of(bytes, namespace, id),
        };
        let note = format!("{} {}", name(decoded), fields(decoded));
        let note = without_namespace(&self.transcript.namespace, note.trim_end());
        self.write(event, client, pieces, note);
        Ok(())
    }

    /// Whether the packet that an automatic acknowledgement answers is part of the script. If no step took it, as none
    /// takes the PUBREL in such a flow, it is awaited here.
    fn answered(&mut self, index: usize, event: &Event, decoded: &Decoded) -> bool {
        let Some(ack) = &decoded.packet else { return false };
        let kind = match ack.packet_type() {
            PacketType::PubAck | PacketType::PubRec => PacketType::Publish,
            PacketType::PubRel => PacketType::PubRec,
            PacketType::PubComp => PacketType::PubRel,
            _ => return false,
        };
        let before = self.transcript.events[..index].iter().rev();
        let asked = before
            .filter(|e| e.connection == event.connection && e.is_from_peer())
            .find(|e| {
                let packet = e.packet().and_then(|d| d.packet.as_ref());
                packet.is_some_and(|p| p.packet_type() == kind && p.packet_id() == ack.packet_id())
            });
        match asked {
            Some(asked) if asked.step.is_some() => {
                self.flush_all();
                true
            }
            Some(asked) if kind != PacketType::Publish => {
                let packet = asked.packet().expect("it is one");
                let op = self.taken(&event.client, packet, None);
                self.push(op);
                true
            }
            _ => false,
        }
    }

    /// A packet of the broker: if a step took it, the script waits for it too.
    fn came(&mut self, event: &Event, decoded: &Decoded) {
        let Some(step) = &event.step else { return };
        if is_fence(decoded, &self.transcript.namespace) {
            return;
        }
        if let Some(Packet::ConnAck(connack)) = &decoded.packet
            && connack.reason_code == 0
        {
            self.out.connected.push(event.client.to_string());
        }
        let pattern = self.sequence.step(step.number).and_then(pattern_of);
        if pattern.as_ref().is_some_and(|(how, _)| *how == Take::Maybe) {
            return;
        }
        let name = pattern.and_then(|(_, id)| id);
        let op = self.taken(&event.client, decoded, name);
        self.wait(step, op);
    }

    /// The wait for a packet of the broker.
    fn taken(&mut self, client: &str, decoded: &Decoded, name: Option<String>) -> Op {
        let kind = decoded.packet_type.unwrap_or(PacketType::PingResp);
        let namespace = self.transcript.namespace.as_bytes();
        let mut id = None;
        let part = match &decoded.packet {
            Some(Packet::Publish(publish)) => {
                if let Some(number) = publish.packet_id.filter(|_| publish.qos > 0) {
                    self.variables += 1;
                    id = Some(self.variables);
                    self.bound.insert((client.to_owned(), number), self.variables);
                    self.out.ids.extend(name.map(|name| (name, self.variables)));
                }
                // With its length it is no part of a longer one.
                Pieces::string(publish.topic.as_bytes(), namespace)
            }
            Some(Packet::PubRel(ack)) => {
                let variable = self.bound.get(&(client.to_owned(), ack.packet_id));
                let bytes = ack.packet_id.to_be_bytes();
                Pieces::of(&bytes, b"", variable.map(|variable| (0..2, *variable)))
            }
            Some(packet) => match packet.packet_id() {
                Some(number) => Pieces::of(&number.to_be_bytes(), b"", None),
                None => Pieces::default(),
            },
            None => Pieces::default(),
        };
        Op::Take {
            client: client.to_owned(),
            kind,
            part,
            id,
        }
    }

    fn write(&mut self, event: &Event, client: String, pieces: Pieces, note: String) {
        let this = (client.clone(), event.step.clone());
        // What a step sends goes out in one write. The set-up is many steps under one number.
        let is_framed = |op: Option<&Op>| matches!(op, Some(Op::Send { bytes, .. }) if bytes.frame.is_some());
        let plain = pieces.frame.is_none() && !is_framed(self.out.ops.last());
        let joins =
            plain && event.author == Author::Script && event.step.is_some() && self.last_write.as_ref() == Some(&this);
        if joins
            && let Some(Op::Send {
                bytes, note: before, ..
            }) = self.out.ops.last_mut()
        {
            bytes.append(pieces);
            before.push_str(", then ");
            before.push_str(&note);
            return;
        }
        self.push(Op::Send {
            client,
            bytes: pieces,
            note,
        });
        self.last_write = Some(this);
    }

    fn push(&mut self, op: Op) {
        self.last_write = None;
        self.out.ops.push(op);
    }

    fn wait(&mut self, step: &StepId, op: Op) {
        let step = step.clone();
        self.pending.push(Pending { step, op });
    }

    /// Emits what has to be there before the step `next` does something. A packet may come earlier than the step that
    /// takes it, and from another broker later.
    fn before(&mut self, next: Option<&StepId>) {
        match next {
            Some(next) => self.flush(Some(next)),
            None => self.flush_all(),
        }
    }

    fn flush_all(&mut self) {
        let latest = self.pending.iter().map(|pending| pending.step.clone());
        let latest = latest.reduce(|a, b| if self.sequence.order(&a, &b).is_lt() { b } else { a });
        if let Some(latest) = latest {
            self.take_until(|sequence, step| sequence.order(step, &latest).is_le());
        }
    }

    fn flush(&mut self, next: Option<&StepId>) {
        match next {
            None => self.take_until(|_, _| true),
            // The set-up is many steps under one number, in the order of events.
            Some(next) if next.number == 0 => self.take_until(|_, step| step.number == 0),
            Some(next) => self.take_until(|sequence, step| sequence.order(step, next).is_lt()),
        }
    }

    fn take_until(&mut self, is_due: impl Fn(&Sequence<'_>, &StepId) -> bool) {
        let mut due: Vec<(StepId, Op)> = Vec::new();
        let mut later = Vec::new();
        for pending in std::mem::take(&mut self.pending) {
            if is_due(self.sequence, &pending.step) {
                due.push((pending.step, pending.op));
            } else {
                later.push(pending);
            }
        }
        self.pending = later;
        let (waits, rest) = std::mem::take(&mut self.waits)
            .into_iter()
            .partition(|(step, _)| is_due(self.sequence, step));
        self.waits = rest;
        let waits: Vec<(StepId, Duration)> = waits;
        due.extend(waits.into_iter().map(|(step, span)| (step, Op::Sleep(span))));
        due.sort_by(|(a, _), (b, _)| self.sequence.order(a, b));
        due.into_iter().for_each(|(_, op)| self.push(op));
    }

    /// Where the password of the login is in a packet, with its length.
    ///
    /// # Errors
    /// The packet holds another secret of the target's profile, or the password in another place.
    fn password(&self, decoded: &Decoded, bytes: &[u8]) -> Result<Option<Range<usize>>, Obstacle> {
        let holds = |part: &[u8], secret: &[u8]| {
            !secret.is_empty() && part.windows(secret.len()).any(|window| window == secret)
        };
        let data = decoded
            .fields
            .iter()
            .filter(|field| &*field.name == "authentication_data");
        let spans = run_spans(decoded)
            .into_iter()
            .chain(data.map(|field| field.span.clone()));
        let mut found = None;
        for span in spans {
            let part = bytes.get(span.clone()).unwrap_or_default();
            if self.secrets.others.iter().any(|secret| holds(part, secret)) {
                return Err(Obstacle::Secret);
            }
            let Some(password) = self
                .secrets
                .password
                .as_ref()
                .map(String::as_bytes)
                .filter(|p| holds(part, p))
            else {
                continue;
            };
            let end = span.end;
            let begin = end.checked_sub(password.len() + 2).ok_or(Obstacle::Secret)?;
            let length = u16::try_from(password.len())
                .map_err(|_| Obstacle::Secret)?
                .to_be_bytes();
            // Nothing else is behind it, so that the lengths can follow from it.
            let is_whole = bytes.get(begin..end) == Some(&[&length, password].concat()) && end == bytes.len();
            if !is_whole || !decoded.breaches.is_empty() {
                return Err(Obstacle::Secret);
            }
            found = Some(begin..end);
        }
        Ok(found)
    }
}

/// How the step takes its packet, and the name of the variable that its identifier is bound to.
fn pattern_of(step: &Step) -> Option<(Take, Option<String>)> {
    let StepKind::Expect {
        what: Expect::Packet(pattern),
        ..
    } = &step.what
    else {
        return None;
    };
    let named = pattern.fields.iter().find_map(|field| match &field.pattern {
        Pattern::Is(Expr::Var { var, plus: 0 }) if field.name == "packet_id" => Some(var.0.clone()),
        _ => None,
    });
    Some((pattern.how, named))
}

/// Whether it is a message of the harness's own.
fn is_fence(decoded: &Decoded, namespace: &str) -> bool {
    let Some(Packet::Publish(publish)) = &decoded.packet else {
        return false;
    };
    let payload = publish
        .payload
        .bytes()
        .and_then(|bytes| bytes.strip_prefix(namespace.as_bytes()));
    payload.is_some_and(|rest| rest.starts_with(FENCE))
}
