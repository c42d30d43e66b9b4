//! How a script decides: from the step that was not met to Python that tells the fault from what is right.

use std::time::Duration;

use super::condition::Context;
use super::exchange::{Exchange, Op};
use super::obstacle::Obstacle;
use super::pieces::Pieces;
use crate::play::{Failure, FailureKind, Stage};
use crate::scenario::{Acks, ClientSpec, Expect, PacketPattern, Step, StepKind, Take, Within};
use crate::transcript::{Transcript, What};
use crate::wire::{PacketType, Side, Version};

/// How long a script waits at least for what must come.
const LEAST: Duration = Duration::from_secs(3);
/// How long it waits for what must not, once a PINGREQ has been answered.
const CALM: &str = "list(until(.5))";
/// A broker may be early by this much: brokers tick, and the standard gives whole seconds.
const TICK: Duration = Duration::from_secs(1);

/// Which of the packets that came may be the one that is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    First,
    All,
}

/// The end of a script.
#[derive(Debug, Default)]
pub struct Decision {
    /// What the script does before it looks.
    pub ops: Vec<Op>,
    /// The lines that decide. They call `right()` or `fault()`.
    pub lines: Vec<String>,
}

/// What the decision is made from.
pub struct Question<'q> {
    pub failure: &'q Failure,
    /// The step that was not met.
    pub step: Option<&'q Step>,
    pub transcript: &'q Transcript,
    pub exchange: &'q Exchange,
    /// The clients of the case.
    pub clients: &'q [ClientSpec],
    pub version: Version,
    pub response_timeout: Duration,
}

impl Question<'_> {
    /// The lines that decide.
    ///
    /// # Errors
    /// What is expected has no form in a script.
    pub fn decide(&self) -> Result<Decision, Obstacle> {
        match self.failure.stage {
            Stage::Setup => self.of_setup(),
            Stage::Script => self.of_step(),
            Stage::Account => self.of_account(),
            Stage::Fence => self.of_fence(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            transcript: self.transcript,
            exchange: self.exchange,
            version: self.version,
        }
    }

    /// A CONNACK or SUBACK that has to come for the clients of the case.
    fn of_setup(&self) -> Result<Decision, Obstacle> {
        let awaited = self.failure.awaited.first().map_or("", |awaited| &*awaited.what);
        let unknown = || Obstacle::Expectation(awaited.to_owned());
        let (client, what) = awaited.split_once(" <- ").ok_or_else(unknown)?;
        let name = what.split([':', ' ']).next().unwrap_or_default();
        let kind = PacketType::from_name(name).ok_or_else(unknown)?;
        let pattern = PacketPattern {
            packet_type: kind,
            place: self.failure.place.clone().ok_or_else(unknown)?,
            fields: Vec::new(),
            how: Take::Oldest,
            within: Within::default(),
        };
        let condition = self.packet(client, &pattern, Among::First)?;
        Ok(self.looking(vec![condition], LEAST))
    }

    fn of_step(&self) -> Result<Decision, Obstacle> {
        let Some(step) = self.step else {
            return Err(Obstacle::Expectation(self.failure.to_string()));
        };
        let ways: Vec<(&str, &Expect)> = match &step.what {
            StepKind::Expect { client, what } => vec![(client, what)],
            StepKind::OneOf(alternatives) => {
                let first = |steps: &crate::scenario::Steps| match &steps.first()?.what {
                    StepKind::Expect { .. } => Some(()),
                    _ => None,
                };
                if alternatives.iter().any(|steps| first(steps).is_none()) {
                    return Err(Obstacle::Expectation("alternatives of several packets".to_owned()));
                }
                alternatives
                    .iter()
                    .filter_map(|steps| expectation(steps.first()?))
                    .collect()
            }
            StepKind::InAnyOrder(steps) => return self.all_of(steps),
            _ => return Err(Obstacle::Expectation(self.failure.to_string())),
        };
        if let [(client, what)] = ways.as_slice() {
            return self.one(client, what);
        }
        let silent = ways.iter().find(|(_, what)| matches!(what, Expect::Nothing { .. }));
        let others = ways.iter().filter(|(_, what)| !matches!(what, Expect::Nothing { .. }));
        let conditions: Result<Vec<String>, _> = others.map(|(client, what)| self.condition(client, what)).collect();
        let span = ways.iter().filter_map(|(_, what)| what.within().to).max();
        let mut decision = self.looking(conditions?, span.unwrap_or(LEAST));
        if let Some((client, Expect::Nothing { quiet })) = silent {
            let silence = self.silence(client, *quiet);
            // What is looked for first ends with `fault()`, unless nothing is right too.
            decision.lines.pop();
            decision.ops = silence.ops;
            decision.lines.extend(silence.lines);
        }
        Ok(decision)
    }

    fn one(&self, client: &str, what: &Expect) -> Result<Decision, Obstacle> {
        if let Expect::Nothing { quiet } = what {
            return Ok(self.silence(client, *quiet));
        }
        let within = what.within();
        let mut decision = self.looking(vec![self.condition(client, what)?], within.to.unwrap_or(LEAST));
        if let Some(from) = within.from {
            let least = from.saturating_sub(TICK).as_secs_f64();
            decision.lines[1] = decision.lines[1].replace(
                "right()",
                &format!("right() if time.time() - start >= {least} else fault()"),
            );
            decision.lines.insert(0, "start = time.time()".to_owned());
        }
        Ok(decision)
    }

    /// Looks for one of these until the time is over.
    fn looking(&self, conditions: Vec<String>, span: Duration) -> Decision {
        let span = match span {
            LEAST => LEAST.max(self.response_timeout),
            span => span,
        };
        Decision {
            ops: Vec::new(),
            lines: vec![
                format!("for _ in until({}):", span.as_secs_f64()),
                format!("    if {}: right()", conditions.join(" or ")),
                "fault()".to_owned(),
            ],
        }
    }

    fn condition(&self, client: &str, what: &Expect) -> Result<String, Obstacle> {
        let c = super::python::variable(client);
        Ok(match what {
            Expect::Packet(pattern) => self.packet(client, pattern, Among::First)?,
            Expect::Bytes { pattern, .. } => {
                let first = pattern.0.iter().find_map(|part| match part {
                    crate::scenario::BytePart::Bytes(bytes) => bytes.first(),
                    _ => None,
                });
                let kind = first.ok_or_else(|| Obstacle::Expectation("bytes of any packet".to_owned()))? >> 4;
                format!(
                    "[p for p in {c}.find({kind})[:1] if {}]",
                    self.context().bytes(pattern)?
                )
            }
            Expect::Closed { .. } => format!("(not {c}.open and not {})", self.unread(client)),
            Expect::Refused { .. } => {
                let (goodbye, unread) = (self.goodbye(client), self.unread(client));
                format!("(not {c}.open and len({unread}) < 2 and all({goodbye} for p in {unread}))")
            }
            Expect::Nothing { .. } => return Err(Obstacle::Expectation("nothing, among several".to_owned())),
        })
    }

    /// What a client has and no step took. With automatic acknowledgements no step takes those of the broker either.
    fn unread(&self, client: &str) -> String {
        let c = super::python::variable(client);
        let spec = self.clients.iter().find(|spec| &*spec.name == client);
        match spec.map(|spec| spec.acks) {
            Some(Acks::Auto) => format!("[p for p in {c}.unread if not 4 <= p[0] >> 4 <= 7]"),
            _ => format!("{c}.unread"),
        }
    }

    /// What a broker may say before it closes, as a condition.
    fn goodbye(&self, client: &str) -> String {
        let is_connected = self.exchange.connected.iter().any(|name| name == client);
        match (is_connected, self.version) {
            (true, Version::V5) => "p[0] >> 4 == 14 and body(p)[:1] >= b\"\\x80\"".to_owned(),
            (true, _) => "False".to_owned(),
            (false, Version::V5) => "p[0] >> 4 == 2 and body(p)[1] >= 128".to_owned(),
            (false, _) => "p[0] >> 4 == 2 and body(p)[1] > 0".to_owned(),
        }
    }

    /// The packets with the pattern's key that are what is expected: of those that came the first, or any.
    fn packet(&self, client: &str, pattern: &PacketPattern, among: Among) -> Result<String, Obstacle> {
        let c = super::python::variable(client);
        let context = self.context();
        let kind = pattern.packet_type.number();
        if pattern.how == Take::Next {
            let condition = context.packet(pattern)?;
            let condition = if condition.is_empty() {
                String::new()
            } else {
                format!(" and {condition}")
            };
            let unread = self.unread(client);
            return Ok(format!("[p for p in {unread}[:1] if p[0] >> 4 == {kind}{condition}]"));
        }
        // The key is the type, and for these packets one more field.
        let name = match pattern.packet_type {
            PacketType::Publish => "topic",
            _ => "packet_id",
        };
        let key = pattern.fields.iter().find(|field| field.name == name);
        let key = key.and_then(|field| context.literal(&field.pattern, pattern.packet_type));
        let first = if among == Among::First { "[:1]" } else { "" };
        let (found, rest) = match key {
            Some(pieces) => {
                let mut rest = pattern.clone();
                rest.fields.retain(|field| field.name != name);
                (format!("{c}.find({kind}, {})", pieces.python()), rest)
            }
            None => (format!("{c}.find({kind})"), pattern.clone()),
        };
        let condition = context.packet(&rest)?;
        if condition.is_empty() {
            return Ok(format!("{found}{first}"));
        }
        Ok(format!("[p for p in {found}{first} if {condition}]"))
    }

    /// Several that may come in any order: each of them has to.
    fn all_of(&self, steps: &[Step]) -> Result<Decision, Obstacle> {
        let is_due = |what: &Expect| !matches!(what, Expect::Packet(pattern) if pattern.how == Take::Maybe);
        let due = steps.iter().filter_map(expectation).filter(|(_, what)| is_due(what));
        let all: Result<Vec<String>, _> = due
            .map(|(client, what)| match what {
                Expect::Packet(pattern) => self.packet(client, pattern, Among::All),
                what => self.condition(client, what),
            })
            .collect();
        let span = steps.iter().filter_map(|step| expectation(step)?.1.within().to).max();
        Ok(self.looking(vec![all?.join(" and ")], span.unwrap_or(LEAST)))
    }

    /// Nothing may come to the client: PINGREQs on all clients, then on this one, show that nothing is on its way.
    fn silence(&self, client: &str, quiet: Option<Duration>) -> Decision {
        let c = super::python::variable(client);
        let others = self.exchange.connected.iter().filter(|name| *name != client).cloned();
        let mut ops = Vec::new();
        if let Some(quiet) = quiet {
            ops.push(Op::Sleep(quiet));
        }
        ops.push(Op::Fence {
            clients: others.collect(),
        });
        Decision {
            ops,
            lines: vec![
                format!("{c}.send(\"c000\")  # PINGREQ: what comes before the answer, or just behind it, may not come"),
                format!("for _ in until({}):", LEAST.max(self.response_timeout).as_secs_f64()),
                format!("    if {c}.find(13): break"),
                CALM.to_owned(),
                format!(
                    "right() if {c}.open and [p[0] >> 4 for p in {}] == [13] else fault()",
                    self.unread(client)
                ),
            ],
        }
    }

    /// Something came that no step takes, or a connection ended.
    fn of_account(&self) -> Result<Decision, Obstacle> {
        let fence = Op::Fence {
            clients: self.exchange.connected.clone(),
        };
        match &self.failure.kind {
            FailureKind::Leftover { client, .. } => {
                let found = self.failure.found.and_then(|index| self.transcript.events.get(index));
                let Some(What::Packet { decoded, .. }) = found.map(|event| &event.what) else {
                    return Err(Obstacle::Damaged);
                };
                let kind = decoded.packet_type.ok_or(Obstacle::Damaged)?.number();
                let topic = match &decoded.packet {
                    Some(crate::wire::Packet::Publish(publish)) => publish.topic.as_bytes(),
                    _ => &[],
                };
                let part = Pieces::string(topic, self.transcript.namespace.as_bytes());
                let part = if topic.is_empty() {
                    String::new()
                } else {
                    format!(", {}", part.python())
                };
                let c = super::python::variable(client);
                Ok(Decision {
                    ops: vec![fence],
                    lines: vec![
                        CALM.to_owned(),
                        format!("fault() if {c}.find({kind}{part}) else right()"),
                    ],
                })
            }
            FailureKind::LeftoverEnd { client } => {
                let c = super::python::variable(client);
                Ok(Decision {
                    ops: Vec::new(),
                    lines: vec!["list(until(1))".to_owned(), format!("right() if {c}.open else fault()")],
                })
            }
            other => Err(Obstacle::Expectation(other.told(Side::Server))),
        }
    }

    /// A PINGREQ of the harness was not answered.
    fn of_fence(&self) -> Result<Decision, Obstacle> {
        let FailureKind::FenceUnanswered { client, .. } = &self.failure.kind else {
            return Err(Obstacle::Expectation(self.failure.to_string()));
        };
        let c = super::python::variable(client);
        let mut decision = self.looking(vec![format!("{c}.find(13)")], LEAST);
        decision.lines.insert(0, format!("{c}.send(\"c000\")  # PINGREQ"));
        Ok(decision)
    }
}

fn expectation(step: &Step) -> Option<(&str, &Expect)> {
    match &step.what {
        StepKind::Expect { client, what } => Some((client, what)),
        _ => None,
    }
}
