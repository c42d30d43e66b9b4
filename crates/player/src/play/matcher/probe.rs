//! Whether an expectation is met by what has come so far. Nothing changes here: the answer says what would.

use std::time::Duration;

use crate::scenario::{ByteTemplate, Expect, PacketPattern, Pattern, Scope, Take, Within, print};
use crate::transcript::{Author, Event, What};
use crate::wire::{Decoded, Packet, PacketType, Side, Text, Version};

use super::Matcher;
use super::client::Arrived;
use crate::play::{Advice, FailureKind, Mismatch, Sought};

/// The answer.
#[derive(Debug)]
pub enum Probe<M = Met> {
    Met(M),
    /// Not yet: why not, should the time run out.
    Pending(FailureKind),
    /// It can no longer be met.
    Failed(Refusal),
}

/// What the broker may say before it closes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Goodbye<'p> {
    /// Nothing: `closed`.
    No,
    /// What the version permits: `refused`.
    Any,
    /// The same, and best with this code.
    Coded(&'p Pattern),
}

/// What changes when an expectation is met.
#[derive(Debug)]
pub struct Met {
    /// Indices of the events that are taken by the step.
    pub takes: Vec<usize>,
    /// Those taken by `maybe` steps before it: event and index of the maybe.
    pub maybes: Vec<(usize, usize)>,
    pub scope: Scope,
    /// The end of the connection is what was awaited.
    pub ends: bool,
    pub advice: Vec<Advice>,
}

/// Why it can no longer be met.
#[derive(Debug)]
pub struct Refusal {
    pub why: FailureKind,
    pub found: Option<usize>,
    pub mismatches: Vec<Mismatch>,
}

impl Refusal {
    pub fn new(why: FailureKind, found: Option<usize>) -> Refusal {
        Refusal {
            why,
            found,
            mismatches: Vec::new(),
        }
    }
}

/// What a client has and no step has taken, once its `maybe`s have had their turn.
pub struct Leftovers {
    /// Events that must be taken.
    pub events: Vec<usize>,
    /// Event and index of the maybe that takes it.
    pub maybes: Vec<(usize, usize)>,
    pub scope: Scope,
}

impl Matcher {
    /// Whether `what` is met on `client`.
    pub(super) fn probe(&self, client: usize, what: &Expect, scope: &Scope) -> Probe {
        match what {
            Expect::Packet(pattern) => self.probe_packet(client, pattern, scope),
            Expect::Bytes { pattern, within } => self.probe_bytes(client, pattern, *within, scope),
            Expect::Closed { within } => self.probe_closed(client, Goodbye::No, *within, scope),
            Expect::Refused { code, within } => {
                let goodbye = code.as_ref().map_or(Goodbye::Any, Goodbye::Coded);
                self.probe_closed(client, goodbye, *within, scope)
            }
            // A fence decides; see `fence.rs`.
            Expect::Nothing { .. } => Probe::Pending(FailureKind::FenceUnderWay),
        }
    }

    fn probe_packet(&self, client: usize, pattern: &PacketPattern, scope: &Scope) -> Probe {
        if pattern.how == Take::Next {
            if let Some(met) = self.needless_next(client, pattern, scope) {
                return Probe::Met(met);
            }
            let left = self.leftovers(client, scope);
            let Some(&first) = left.events.first() else {
                return self.nothing_there(client, Sought::AnyPacket);
            };
            let mut scope = left.scope.clone();
            return match self.try_take(first, pattern, &mut scope) {
                Ok(advice) => Probe::Met(Met {
                    takes: vec![first],
                    maybes: left.maybes,
                    scope,
                    ends: false,
                    advice,
                }),
                Err(refusal) => Probe::Failed(refusal),
            };
        }
        let mut maybes: Vec<(usize, usize)> = Vec::new();
        let mut scope = scope.clone();
        for arrived in self.inbox(client) {
            let event = &self.events[arrived.event];
            let What::Packet { decoded, topic, .. } = &event.what else {
                continue;
            };
            if !Self::has_key(self.clients[client].version, pattern, decoded, topic.as_ref(), &scope) {
                continue;
            }
            let mut bound = scope.clone();
            match self.try_take(arrived.event, pattern, &mut bound) {
                Ok(advice) => {
                    return Probe::Met(Met {
                        takes: vec![arrived.event],
                        maybes,
                        scope: bound,
                        ends: false,
                        advice,
                    });
                }
                Err(_) if arrived.needless => {}
                Err(refusal) => match self.maybe_for(client, arrived.event, &maybes, &mut scope) {
                    Some(maybe) => maybes.push((arrived.event, maybe)),
                    None => return Probe::Failed(refusal),
                },
            }
        }
        self.nothing_there(client, Sought::Packet(pattern.packet_type))
    }

    /// A packet that needs no step is the next one if it is what the step asks for; else it is passed over.
    fn needless_next(&self, client: usize, pattern: &PacketPattern, scope: &Scope) -> Option<Met> {
        let arrived = self.inbox(client).take_while(|a| a.needless);
        for arrived in arrived {
            let mut scope = scope.clone();
            if let Ok(advice) = self.try_take(arrived.event, pattern, &mut scope) {
                return Some(Met {
                    takes: vec![arrived.event],
                    maybes: Vec::new(),
                    scope,
                    ends: false,
                    advice,
                });
            }
        }
        None
    }

    /// Whether a packet is one that the pattern may take: one that is too damaged to be read goes by its type.
    fn has_key(
        version: Version,
        pattern: &PacketPattern,
        decoded: &Decoded,
        topic: Option<&Text>,
        scope: &Scope,
    ) -> bool {
        match &decoded.packet {
            Some(packet) => pattern.key_matches(packet, topic, version, scope),
            None => decoded.packet_type == Some(pattern.packet_type),
        }
    }

    /// Matches one event against a pattern whose key it has.
    fn try_take(&self, index: usize, pattern: &PacketPattern, scope: &mut Scope) -> Result<Vec<Advice>, Refusal> {
        let event = &self.events[index];
        let What::Packet { decoded, topic, .. } = &event.what else {
            return Err(Refusal::new(FailureKind::NoPacket, Some(index)));
        };
        if decoded.packet_type != Some(pattern.packet_type) {
            let came = decoded.packet_type.map_or("a reserved packet type", |t| t.name());
            return Err(Refusal::new(FailureKind::OtherPacket(came), Some(index)));
        }
        match pattern.matches(decoded, topic.as_ref(), self.version_of(index), scope) {
            Ok(()) => self.in_time(event, index, pattern.within),
            Err(mismatches) => Err(Refusal {
                why: FailureKind::Differs(mismatches.clone()),
                found: Some(index),
                mismatches,
            }),
        }
    }

    fn probe_bytes(&self, client: usize, pattern: &ByteTemplate, within: Within, scope: &Scope) -> Probe {
        let first = pattern.first_byte();
        let mut maybes: Vec<(usize, usize)> = Vec::new();
        let mut scope = scope.clone();
        for arrived in self.inbox(client) {
            let event = &self.events[arrived.event];
            let What::Packet { raw, .. } = &event.what else {
                continue;
            };
            let head = raw.head();
            if first.is_some_and(|f| head.first().is_some_and(|b| b >> 4 != f >> 4)) {
                continue;
            }
            let mut bound = scope.clone();
            let result = match pattern.matches(head, &mut bound) {
                Ok(()) => self.in_time(event, arrived.event, within),
                Err(at) => Err(Refusal {
                    why: FailureKind::BytesDiffer,
                    found: Some(arrived.event),
                    mismatches: vec![at],
                }),
            };
            match result {
                Ok(advice) => {
                    return Probe::Met(Met {
                        takes: vec![arrived.event],
                        maybes,
                        scope: bound,
                        ends: false,
                        advice,
                    });
                }
                Err(_) if arrived.needless => {}
                Err(refusal) => match self.maybe_for(client, arrived.event, &maybes, &mut scope) {
                    Some(maybe) => maybes.push((arrived.event, maybe)),
                    None => return Probe::Failed(refusal),
                },
            }
        }
        self.nothing_there(client, Sought::Bytes)
    }

    /// `closed` and `refused`.
    fn probe_closed(&self, client: usize, goodbye: Goodbye<'_>, within: Within, scope: &Scope) -> Probe {
        let left = self.leftovers(client, scope);
        let state = &self.clients[client];
        let mut takes = Vec::new();
        let mut advice = Vec::new();
        for &index in &left.events {
            let event = &self.events[index];
            let allowed = goodbye != Goodbye::No
                && takes.is_empty()
                && is_goodbye(event.packet(), state.version, state.is_connected(), self.scripted);
            if !allowed {
                let came = name_of(event);
                return Probe::Failed(Refusal::new(FailureKind::BeforeTheEnd(came), Some(index)));
            }
            takes.push(index);
        }
        if let Goodbye::Coded(code) = goodbye {
            advice.extend(self.other_code(client, code, takes.first().copied(), scope));
        }
        let Some((index, _)) = state.end(&self.events) else {
            let open = if state.connection().is_some() {
                FailureKind::StillOpen
            } else {
                FailureKind::NoConnection
            };
            return Probe::Pending(open);
        };
        match self.in_time(&self.events[index], index, within) {
            Ok(more) => advice.extend(more),
            Err(refusal) => return Probe::Failed(refusal),
        }
        Probe::Met(Met {
            takes,
            maybes: left.maybes,
            scope: left.scope,
            ends: true,
            advice,
        })
    }

    /// Another code in the goodbye than the script names is no failure: no statement demands the goodbye itself.
    fn other_code(&self, client: usize, wanted: &Pattern, said: Option<usize>, scope: &Scope) -> Option<Advice> {
        if *wanted == Pattern::Any {
            return None;
        }
        let shown = print::code_pattern(wanted, scope);
        let Some(index) = said else {
            return (self.clients[client].version == Version::V5).then(|| Advice {
                statement: None,
                text: format!("closed without saying why; a reason code of {shown} would tell the client"),
                event: None,
            });
        };
        let code = self.events[index].packet()?.packet.as_ref()?.reason_code()?;
        (!wanted.permits_code(code, scope)).then(|| Advice {
            statement: None,
            text: format!("the reason code is 0x{code:02x}; {shown} fits better"),
            event: Some(index),
        })
    }

    /// Whether an event came within `within`: after its end is too late, also if the clock was read late. Up to one
    /// second early is advice, since brokers tick and the standard gives whole seconds.
    fn in_time(&self, event: &Event, index: usize, within: Within) -> Result<Vec<Advice>, Refusal> {
        let waited = event.at.saturating_sub(self.since);
        if let Some(to) = within.to.filter(|to| waited > *to) {
            let late = FailureKind::TooLate {
                after: waited,
                most: to,
            };
            return Err(Refusal::new(late, Some(index)));
        }
        // Only a lower bound needs to know when the broker began to count, which is to be looked for among all events.
        let Some(from) = within.from else {
            return Ok(Vec::new());
        };
        let took = event.at.saturating_sub(self.since_at_the_broker(index));
        if took >= from {
            return Ok(Vec::new());
        }
        let early = FailureKind::TooEarly {
            after: took,
            least: from,
        };
        if from - took > Duration::from_secs(1) {
            return Err(Refusal::new(early, Some(index)));
        }
        Ok(vec![Advice {
            statement: None,
            text: early.told(self.tested()),
            event: Some(index),
        }])
    }

    /// The earliest time from which the broker can have counted until the event at `index`: when the last step that
    /// sent something began to, or when a `wait` after it ended. The end of the last step is later if that step
    /// awaited an answer, by as long as the answer took to reach us, and a broker that is on time would look early.
    fn since_at_the_broker(&self, index: usize) -> Duration {
        let ours = |e: &&Event| !e.is_from_peer() && e.author != Author::Cleanup;
        let before = &self.events[..index];
        let Some(last) = before.iter().rev().find(ours) else {
            return self.since;
        };
        let sent = match &last.step {
            // A DISCONNECT and the FIN behind it are one step, and the broker may count from the first.
            Some(step) if step.number > 0 => before.iter().filter(ours).find(|e| e.step.as_ref() == Some(step)),
            // The set-up is many steps under one number, and the broker may count from the end of any client's.
            Some(_) => {
                let lasts = self.clients.iter();
                let lasts = lasts.filter_map(|c| before.iter().rev().filter(ours).find(|e| e.client == c.name));
                lasts.min_by_key(|e| e.at)
            }
            None => None,
        };
        sent.unwrap_or(last).at.max(self.waited).min(self.since)
    }

    /// Nothing fits yet; nothing will if the connection has ended.
    fn nothing_there(&self, client: usize, sought: Sought) -> Probe {
        let state = &self.clients[client];
        let garbage = self
            .inbox(client)
            .find(|a| matches!(self.events[a.event].what, What::Fragment(_)));
        if let Some(garbage) = garbage {
            let came = name_of(&self.events[garbage.event]);
            let why = FailureKind::MissingButBytes(sought, came);
            return Probe::Failed(Refusal::new(why, Some(garbage.event)));
        }
        // A client under test comes back by a connection of its own, on which everything may still come.
        let may_come_back = self.scripted == Side::Server
            && (sought == Sought::Packet(PacketType::Connect)
                || state.connection().is_none_or(|connection| connection.has_left()));
        match state.end(&self.events) {
            _ if may_come_back => Probe::Pending(FailureKind::Missing(sought)),
            Some((index, end)) => Probe::Failed(Refusal::new(
                FailureKind::MissingAtEnd(sought, end),
                Some(self.last_word(client).unwrap_or(index)),
            )),
            None if state.connection().is_none() => Probe::Failed(Refusal::new(FailureKind::NoConnection, None)),
            None => Probe::Pending(FailureKind::Missing(sought)),
        }
    }

    /// The last packet that nothing took: often it says why the broker closed.
    fn last_word(&self, client: usize) -> Option<usize> {
        self.clients[client].inbox.last().map(|a| a.event)
    }

    /// What is left for `client` when its `maybe`s have taken what is theirs.
    ///
    /// What an earlier connection left is not among it: only the account at the end asks for that.
    pub(super) fn leftovers(&self, client: usize, scope: &Scope) -> Leftovers {
        self.left_of(client, scope, self.inbox(client))
    }

    /// What is left for `client` on all its connections.
    pub(super) fn all_leftovers(&self, client: usize, scope: &Scope) -> Leftovers {
        self.left_of(client, scope, self.clients[client].inbox.iter())
    }

    /// What has come on the present connection of `client` and is not taken.
    pub(super) fn inbox(&self, client: usize) -> impl Iterator<Item = &Arrived> {
        let state = &self.clients[client];
        let present = |a: &&Arrived| Some(self.events[a.event].connection) == state.number();
        state.inbox.iter().filter(present)
    }

    fn left_of<'a>(&self, client: usize, scope: &Scope, inbox: impl Iterator<Item = &'a Arrived>) -> Leftovers {
        let mut left = Leftovers {
            events: Vec::new(),
            maybes: Vec::new(),
            scope: scope.clone(),
        };
        for arrived in inbox.filter(|a| !a.needless) {
            match self.maybe_for(client, arrived.event, &left.maybes, &mut left.scope) {
                Some(maybe) => left.maybes.push((arrived.event, maybe)),
                None => left.events.push(arrived.event),
            }
        }
        left
    }

    /// The first `maybe` of `client`, not among `used`, that takes this event.
    fn maybe_for(&self, client: usize, event: usize, used: &[(usize, usize)], scope: &mut Scope) -> Option<usize> {
        let What::Packet { decoded, topic, .. } = &self.events[event].what else {
            return None;
        };
        if self.maybes.is_empty() {
            return None;
        }
        let turns = self.program.turns();
        // A `repeat` can leave hundreds of them, which are asked again at each arrival.
        let mut taken = vec![false; if used.is_empty() { 0 } else { self.maybes.len() }];
        used.iter().for_each(|(_, i)| taken[*i] = true);
        self.maybes.iter().enumerate().position(|(i, maybe)| {
            let fits = decoded.packet_type == Some(maybe.pattern.packet_type) && maybe.client == client;
            if !fits || taken.get(i) == Some(&true) {
                return false;
            }
            // In another turn of its `repeat` it means what it meant there; what it binds then has no effect.
            let present = turns.starts_with(&maybe.step.turns);
            let mut bound = scope.clone();
            if present {
                bound.leave_repeat(&maybe.reached)
            } else {
                bound.rewind(&maybe.reached)
            }
            let pattern = &maybe.pattern;
            let takes = (pattern.matches(decoded, topic.as_ref(), self.clients[client].version, &mut bound)).is_ok();
            if takes {
                if present {
                    bound.leave_repeat(&scope.enter_repeat())
                } else {
                    bound.rewind(&scope.enter_repeat())
                }
                *scope = bound;
            }
            takes
        })
    }
}

/// What a broker may say before it closes: in 5.0 a CONNACK or, later, a DISCONNECT with a code of 0x80 or above; in
/// 3.x a CONNACK with a code, and later nothing.
/// A client may say DISCONNECT with any code, at every version.
fn is_goodbye(decoded: Option<&Decoded>, version: Version, connected: bool, scripted: Side) -> bool {
    match decoded.and_then(|d| d.packet.as_ref()) {
        Some(packet) if scripted == Side::Server => matches!(packet, Packet::Disconnect(_)),
        Some(Packet::ConnAck(connack)) if !connected => match version {
            Version::V5 => connack.reason_code >= 0x80,
            Version::V3_1 | Version::V3_1_1 => connack.reason_code != 0,
        },
        Some(Packet::Disconnect(disconnect)) => version == Version::V5 && connected && disconnect.reason_code >= 0x80,
        _ => false,
    }
}

/// An event in a sentence.
pub(super) fn name_of(event: &Event) -> String {
    match &event.what {
        What::Packet { decoded, .. } => match (decoded.packet_type, &decoded.packet) {
            (Some(kind), Some(packet)) => match packet.reason_code() {
                Some(code) if code != 0 => format!("{kind} with 0x{code:02x}"),
                _ => kind.to_string(),
            },
            (Some(kind), None) => format!("a malformed {kind}"),
            (None, _) => "a packet of the reserved type 0".to_owned(),
        },
        What::Fragment(bytes) => format!("{} bytes that are not a whole packet", bytes.len()),
        What::End(end) => format!("the end of the connection ({end})"),
        What::Open => "a connection".to_owned(),
        What::Application(event) => event.to_string(),
        What::WebSocket(event) => event.to_string(),
        What::Gap(_) => "a gap".to_owned(),
        What::Lifecycle(_) => "a restart".to_owned(),
    }
}
