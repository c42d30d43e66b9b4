//! `c <- nothing`: a fence that shows that nothing untaken is on its way. Absence is proved by a barrier, never by
//! waiting and looking.
//!
//! The barrier of choice is causal: each client that published to `c` sends one more message on the same topic and at
//! the same QoS, which the broker must deliver after the earlier ones (3.1.1 MQTT-4.6.0-6, 5.0 MQTT-4.6.0-5). Where
//! that is not possible, PINGREQs go out on every client that said something, then on `c`, then `settle` is waited. A
//! client under test gets messages that it has to acknowledge (`barrier.rs`).

use std::time::Duration;

use bytes::Bytes;

use crate::scenario::{Expect, StepKind};
use crate::transcript::Author;
use crate::wire::{Chunk, Packet, Publish, Side, Text, encode_bytes};

use super::barrier::{FENCES, Fenced};
use super::connection::Connection;
use super::probe::{Met, Refusal, name_of};
use super::{Matcher, Waiting};
use crate::play::{Action, FailureKind, Stage};

/// Packet identifiers of fence messages count down from here: scripts use small ones.
const FENCE_ID: u16 = 0xfe00;

/// A fence on its way.
#[derive(Debug)]
pub struct Fence {
    client: usize,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// The silence that the script asks for first.
    Quiet {
        until: Duration,
    },
    Begin,
    /// Fence messages that have not arrived at the client yet, by their payloads.
    Messages {
        awaited: Vec<Bytes>,
    },
    /// PINGRESPs awaited on the other clients.
    Others,
    /// A PINGRESP awaited on the client itself.
    Itself,
    /// A client under test is to acknowledge the PUBLISH with this identifier, and so many more after it.
    Acknowledged {
        id: u16,
        more: u32,
    },
    Settle {
        until: Duration,
    },
    Over,
}

impl Fence {
    pub fn new(client: usize, quiet_until: Option<Duration>) -> Fence {
        Fence {
            client,
            phase: match quiet_until {
                Some(until) => Phase::Quiet { until },
                None => Phase::Begin,
            },
        }
    }
}

/// What comes next in a fence.
enum Next {
    Phase(Phase),
    Wait(Duration),
    Fail(FailureKind),
}

impl Matcher {
    /// Begins the fence of a `nothing` step, after `quiet` of silence.
    pub(super) fn begin_fence(&mut self, quiet: Option<Duration>) {
        let Some(StepKind::Expect { client, .. }) = self.program.step().map(|s| &s.what) else {
            return;
        };
        let client = self.client(&client.clone());
        self.waiting = Waiting::Fence(Fence::new(client, quiet.map(|q| self.since + q)));
    }

    /// The payload that marks fence messages of this exchange.
    pub(super) fn fence_marker(&self) -> String {
        format!("{}~fence~", self.scope.namespace())
    }

    /// Takes the fence one step further, or says until when to wait.
    pub(super) fn fence_goes_on(&mut self) -> Option<Duration> {
        let now = self.clock;
        let Waiting::Fence(fence) = &self.waiting else {
            return None;
        };
        let client = fence.client;
        if let Some(held) = self.program.step_held()
            && let StepKind::OneOf(alternatives) = &held.step().what
            && self.choose(alternatives)
        {
            return None;
        }
        if self.disturbed(client) {
            return None;
        }
        let next = {
            let Waiting::Fence(fence) = &self.waiting else {
                return None;
            };
            match &fence.phase {
                Phase::Quiet { until } if now < *until => Next::Wait(*until),
                Phase::Quiet { until } => {
                    self.now = self.now.max(*until);
                    Next::Phase(Phase::Begin)
                }
                Phase::Begin => self.begin_barrier(client),
                Phase::Messages { awaited } => self.messages_arrive(client, awaited.clone(), now),
                Phase::Acknowledged { id, more } => self.acknowledges(client, *id, *more),
                Phase::Others => self.others_answer(client, now),
                Phase::Itself => self.itself_answers(client, now),
                Phase::Settle { until } if now < *until => Next::Wait(*until),
                Phase::Settle { .. } => Next::Phase(Phase::Over),
                Phase::Over => {
                    self.fence_is_through();
                    return None;
                }
            }
        };
        match next {
            Next::Wait(until) => Some(until),
            Next::Fail(why) => {
                let mut failure = self.failure_at(self.program.step()?, Refusal::new(why, None));
                failure.stage = Stage::Fence;
                self.fail(failure);
                None
            }
            Next::Phase(phase) => {
                if let Waiting::Fence(fence) = &mut self.waiting {
                    fence.phase = phase;
                }
                None
            }
        }
    }

    /// Fails if something came that no step takes, or the connection ended: then the fence need not go on. Says
    /// whether it did.
    fn disturbed(&mut self, client: usize) -> bool {
        let Some(step) = self
            .program
            .step()
            .filter(|step| matches!(step.what, StepKind::Expect { .. }))
        else {
            return false;
        };
        let left = self.leftovers(client, &self.scope);
        let state = &self.clients[client];
        let (why, found) = match (left.events.first(), state.unsettled_end()) {
            (Some(&event), _) => (FailureKind::Came(name_of(&self.events[event])), event),
            (None, Some(end)) => (FailureKind::Closed, end),
            (None, None) => return false,
        };
        let failure = self.failure_at(step, Refusal::new(why, Some(found)));
        self.fail(failure);
        true
    }

    /// Sends fence messages if they prove more, else PINGREQs.
    fn begin_barrier(&mut self, client: usize) -> Next {
        if self.scripted == Side::Server {
            return self.begin_acknowledged(client, FENCES - 1);
        }
        if !self.clients[client].may_ping() {
            // Closed, or not to be disturbed: what the others said is all that can be waited for.
            return self.ping_others(client);
        }
        let awaited = self.send_fence_messages(client);
        if awaited.is_empty() {
            return self.ping_others(client);
        }
        Next::Phase(Phase::Messages { awaited })
    }

    /// Sends a fence to a client under test. One that cannot get any is given time.
    fn begin_acknowledged(&mut self, client: usize, more: u32) -> Next {
        match self.send_fence(client) {
            Some(id) => Next::Phase(Phase::Acknowledged { id, more }),
            None => Next::Phase(Phase::Settle {
                until: self.now + self.unfenced(client),
            }),
        }
    }

    fn acknowledges(&mut self, client: usize, id: u16, more: u32) -> Next {
        match self.fenced(client, id) {
            Fenced::Waiting(until) => Next::Wait(until),
            Fenced::Mute => Next::Fail(self.mute(client)),
            Fenced::Acknowledged if more > 0 => self.begin_acknowledged(client, more - 1),
            Fenced::Acknowledged | Fenced::Gone => Next::Phase(Phase::Settle {
                until: self.now + self.settings.settle,
            }),
        }
    }

    fn send_fence_messages(&mut self, client: usize) -> Vec<Bytes> {
        let receiver = &self.clients[client];
        if receiver.is_limited() || !receiver.incoming.is_empty() {
            // A message behind others that we hold back may rightly wait for them.
            return Vec::new();
        }
        let mut sends: Vec<(usize, Text, u8)> = Vec::new();
        for (index, publisher) in self.clients.iter().enumerate() {
            if !publisher.may_ping() || publisher.outgoing.values().any(|o| !o.fence) {
                continue;
            }
            let quota = self
                .scope
                .facts(&publisher.name)
                .map_or(usize::MAX, |f| f.receive_maximum.into());
            let mut open = publisher.outgoing.len();
            for (topic, qos) in publisher.connection().map_or(&[][..], Connection::published) {
                let disturbs = self.clients.iter().any(|c| c.is_disturbed_by(topic));
                open += usize::from(*qos > 0);
                if !disturbs && open <= quota && receiver.must_get(topic, &publisher.name).is_some() {
                    sends.push((index, topic.clone(), *qos));
                }
            }
        }
        let marker = self.fence_marker();
        let mut awaited = Vec::new();
        for (publisher, topic, qos) in sends {
            self.fences += 1;
            let payload = Bytes::from(format!("{marker}{}", self.fences));
            let id = self.fence_id(publisher);
            let publish = Publish {
                qos,
                topic,
                packet_id: (qos > 0).then_some(id),
                payload: payload.clone().into(),
                ..Publish::default()
            };
            self.answer(publisher, &Packet::Publish(publish), Author::Fence);
            awaited.push(payload);
        }
        awaited
    }

    /// A packet identifier that neither the script nor another fence has in use.
    pub(super) fn fence_id(&self, publisher: usize) -> u16 {
        let first = FENCE_ID - (self.fences % u32::from(FENCE_ID)) as u16;
        let below = (1..=first).rev().chain((first..=u16::MAX).rev());
        let mut free = below.filter(|id| !self.clients[publisher].uses(*id));
        free.next().unwrap_or(first)
    }

    fn messages_arrive(&mut self, client: usize, awaited: Vec<Bytes>, now: Duration) -> Next {
        let until = self.answered_by();
        let arrived = |payload: &Bytes| {
            self.events.iter().any(|event| {
                event.client == self.clients[client].name
                    && event.is_from_peer()
                    && matches!(event.packet().and_then(|d| d.packet.as_ref()),
                        Some(Packet::Publish(p)) if p.payload.bytes() == Some(payload))
            })
        };
        let left: Vec<Bytes> = awaited.into_iter().filter(|p| !arrived(p)).collect();
        if left.is_empty() {
            // They prove what they were sent behind; the answers to other things that were sent come before PINGRESPs.
            return self.ping_others(client);
        }
        if now < until && self.clients[client].ended().is_none() {
            let wait = Next::Wait(until);
            if let Waiting::Fence(fence) = &mut self.waiting {
                fence.phase = Phase::Messages { awaited: left };
            }
            return wait;
        }
        // A fence message that is lost is no finding of this step: PINGREQs must do.
        self.now = self.now.max(until.min(now));
        self.ping_others(client)
    }

    fn ping_others(&mut self, client: usize) -> Next {
        for index in 0..self.clients.len() {
            let other = &self.clients[index];
            if index != client && other.may_ping() && other.connection().is_some_and(Connection::spoke) {
                self.answer(index, &Packet::PingReq, Author::Fence);
            }
        }
        Next::Phase(Phase::Others)
    }

    fn others_answer(&mut self, client: usize, now: Duration) -> Next {
        let until = self.answered_by();
        let silent = (0..self.clients.len()).find(|&i| i != client && self.awaits_fence_ping(i));
        if let Some(index) = silent {
            if now < until {
                return Next::Wait(until);
            }
            return Next::Fail(self.no_pingresp(index));
        }
        if !self.clients[client].may_ping() {
            return Next::Phase(Phase::Settle {
                until: self.now + self.settings.settle,
            });
        }
        self.answer(client, &Packet::PingReq, Author::Fence);
        Next::Phase(Phase::Itself)
    }

    fn itself_answers(&mut self, client: usize, now: Duration) -> Next {
        let until = self.answered_by();
        if !self.awaits_fence_ping(client) {
            return Next::Phase(Phase::Settle {
                until: self.now + self.settings.settle,
            });
        }
        if now < until {
            return Next::Wait(until);
        }
        Next::Fail(self.no_pingresp(client))
    }

    /// When the answers to what a fence has asked have to be there.
    pub(super) fn answered_by(&self) -> Duration {
        self.asked.max(self.heard) + self.settings.patience
    }

    /// Whether a PINGREQ of a fence is open on a connection that is still there.
    pub(super) fn awaits_fence_ping(&self, index: usize) -> bool {
        self.clients[index]
            .connection()
            .is_some_and(Connection::awaits_fence_ping)
    }

    pub(super) fn no_pingresp(&self, index: usize) -> FailureKind {
        FailureKind::FenceUnanswered {
            client: self.clients[index].name.clone(),
            waited: self.settings.patience,
        }
    }

    fn fence_is_through(&mut self) {
        let alternative = match self.program.step().map(|s| &s.what) {
            Some(StepKind::OneOf(alternatives)) => alternatives.iter().find(|a| {
                matches!(
                    a.first().map(|s| &s.what),
                    Some(StepKind::Expect {
                        what: Expect::Nothing { .. },
                        ..
                    })
                )
            }),
            _ => None,
        }
        .cloned();
        let client = match &self.waiting {
            Waiting::Fence(fence) => fence.client,
            _ => return,
        };
        let left = self.leftovers(client, &self.scope);
        if let Some(alternative) = alternative {
            if left.events.is_empty() && self.clients[client].unsettled_end().is_none() {
                self.since = self.now;
                self.enter(&alternative);
            } else {
                // Silence it is not. Another alternative may still be: what came can be the beginning of it, such as
                // the DISCONNECT before a close.
                self.waiting = Waiting::Step {
                    until: self.now + self.settings.patience,
                };
            }
            return;
        }
        let met = Met {
            takes: Vec::new(),
            maybes: left.maybes,
            scope: left.scope,
            ends: false,
            advice: Vec::new(),
        };
        self.take(client, met, None);
        self.step_done();
    }

    /// Has the harness itself send a packet on a client's connection.
    pub(super) fn answer(&mut self, index: usize, packet: &Packet, author: Author) {
        if author == Author::Fence
            && matches!(packet, Packet::PingReq)
            && let Some(connection) = self.clients[index].connection_mut()
        {
            // Noted here and not when it is sent, so that no one waits for an answer to a PINGREQ that is yet to go
            // out.
            connection.ping(Author::Fence);
        }
        self.clients[index].acknowledged(packet);
        self.outbox.push_back(Action::Write {
            client: self.clients[index].name.clone(),
            step: None,
            author,
            writes: vec![vec![Chunk::Bytes(encode_bytes(packet, self.clients[index].version))]],
            pause: Duration::ZERO,
            text: false,
        });
    }
}
