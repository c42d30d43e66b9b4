//! `c does ...`: what the application of a client under test is told, and what it answers. And what only tests of clients
//! have: their set-up, and failures that are none because the client was never brought into the situation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Matcher, Waiting};
use crate::play::outcome::NOT_PROVOKED;
use crate::play::{Action, Failure, FailureKind, PlayEnd};
use crate::scenario::{
    ClientSpec, Does, Expect, Expr, FieldPattern, PacketPattern, PacketTemplate, Part, Pattern, Send, Split, Start,
    Step, StepKind, Take, Verb, Within, Write, print,
};
use crate::transcript::{Application, Author, Event, What};
use crate::wire::{Overrides, Packet, PacketType, Side};

/// The part of the response timeout for which messages are awaited that an application is to acknowledge.
const DELIVERY: u32 = 4;

/// What an application answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Took(u32),
    Refused(u32, String),
    Cannot(u32, String),
}

impl Matcher {
    /// Tells the application of a client what to do, once the client has read its CONNACK.
    pub(super) fn tell(&mut self, client: &str, does: &Does, step: &Step) {
        let index = self.client(client);
        // A person is slower than any CONNACK. Where the application acknowledges, a fence would wait behind its messages.
        let is_new = !self.settings.by_hand
            && !self.settings.manual_acks
            && self.clients[index]
                .connection()
                .is_some_and(|connection| connection.may_ping() && !connection.has_heard);
        if is_new && let Some(id) = self.send_fence(index) {
            self.waiting = Waiting::Hearing { id };
            return;
        }
        if does.verb == Verb::Ack && !self.settings.by_hand && !self.has_delivered() {
            self.waiting = Waiting::Delivery {
                until: self.now.max(self.clock) + self.settings.patience / DELIVERY,
            };
            return;
        }
        self.give(client, does, step);
    }

    /// Gives the application a command.
    fn give(&mut self, client: &str, does: &Does, step: &Step) {
        let index = self.client(client);
        let packet = match &does.packet {
            None => None,
            Some(template) => match template.build(self.clients[index].version, &self.scope, client) {
                Ok((packet, overrides)) => {
                    debug_assert_eq!(overrides, Overrides::default(), "the loader accepts no others");
                    Some(packet)
                }
                Err(error) if error.skip => return self.skip(error.message),
                Err(error) => {
                    self.end.get_or_insert(PlayEnd::Error(error.message));
                    return;
                }
            },
        };
        self.commands += 1;
        let id = self.commands;
        self.outbox.push_back(Action::Tell {
            client: self.clients[index].name.clone(),
            step: Some(self.program.id_of(step)),
            id,
            verb: does.verb,
            packet,
            shown: print::command(does, &self.scope),
        });
        self.waiting = Waiting::Answer {
            id,
            until: self.now.max(self.clock) + self.settings.patience,
            connection: self.clients[index].number(),
        };
    }

    /// Whether the adapter has reported as many messages as went to the client: then the library has handed over all that it
    /// has to acknowledge.
    fn has_delivered(&self) -> bool {
        let is_message = |event: &&Event| match &event.what {
            What::Application(Application::Said(text)) => text.split(' ').next() == Some("message"),
            _ => false,
        };
        let is_publish = |event: &&Event| {
            let packet = event.packet().and_then(|decoded| decoded.packet.as_ref());
            event.author != Author::Peer && matches!(packet, Some(Packet::Publish(_)))
        };
        self.events.iter().filter(is_message).count() >= self.events.iter().filter(is_publish).count()
    }

    /// Looks whether the messages have reached the application that is to acknowledge them, and says until when to wait if they
    /// have not. A library need not hand a message over before another one is acknowledged, so this decides nothing.
    pub(super) fn delivers(&mut self, until: Duration) -> Option<Duration> {
        if !self.has_delivered() && self.clock < until {
            return Some(until);
        }
        let held = self.program.step_held()?;
        if let StepKind::Does { client, what } = &held.step().what {
            self.give(client, what, held.step());
        }
        None
    }

    /// The payload of the last message with this packet identifier that went to the client under test; empty if there is none.
    pub(in crate::play) fn payload_of(&self, packet_id: u16) -> Bytes {
        let sent = self.events.iter().rev().filter(|event| event.author != Author::Peer);
        let mut payloads = sent.filter_map(|event| match event.packet()?.packet.as_ref()? {
            Packet::Publish(publish) if publish.packet_id == Some(packet_id) => publish.payload.bytes().cloned(),
            _ => None,
        });
        payloads.next().unwrap_or_default()
    }

    /// Whether the step at hand waits for what a person causes, which has no time limit.
    pub(super) fn waits_for_a_person(&self) -> bool {
        let causes = |step: &Step| caused_by_application(&step.what).is_some();
        self.settings.by_hand && self.program.step().is_some_and(causes)
    }

    /// Takes note of what an application says.
    pub(super) fn said(&mut self, said: &Application) {
        self.answer = match said {
            Application::Took(id) => Some(Answer::Took(*id)),
            Application::Refused(id, why) => Some(Answer::Refused(*id, why.clone())),
            Application::Cannot(id, why) => Some(Answer::Cannot(*id, why.clone())),
            Application::Told { .. } | Application::Said(_) => return,
        };
    }

    /// Looks whether the command with this number is answered, and says until when to wait if it is not.
    /// `connection` is the client's last connection when the command was given.
    pub(super) fn answers(&mut self, id: u32, until: Duration, connection: Option<u32>) -> Option<Duration> {
        let (verb, may_refuse) = match self.program.step().map(|step| &step.what) {
            Some(StepKind::Does { what, .. }) => (what.verb, what.may_refuse),
            _ => return None,
        };
        let connects = matches!(verb, Verb::Connect | Verb::Reconnect);
        let verb = verb.name();
        match self.answer.take() {
            Some(Answer::Took(answered)) if answered == id => {
                if connects && !self.settings.by_hand {
                    self.waiting = Waiting::Connecting {
                        after: connection,
                        until: self.now.max(self.clock) + self.settings.patience,
                    };
                } else {
                    self.step_done();
                }
            }
            Some(Answer::Refused(answered, why)) if answered == id => {
                if may_refuse {
                    self.step_done();
                } else {
                    self.skip(format!("the library refuses `{verb}`: {why}"));
                }
            }
            Some(Answer::Cannot(answered, why)) if answered == id => {
                self.skip(format!("the client cannot `{verb}`: {why}"));
            }
            // An answer to an earlier command that came too late.
            Some(_) => {}
            None if self.clock < until => return Some(until),
            None => {
                let waited = self.settings.patience;
                let first = self.commands == 1;
                self.fail_plainly(FailureKind::CallUnanswered { verb, waited, first }, None);
            }
        }
        None
    }

    /// Looks whether a client that took a call to connect has sent something on a new connection, and says until when to wait if
    /// it has not. A client that is told the next command before that may never send what it was to send.
    pub(super) fn connects(&mut self, after: Option<u32>, until: Duration) -> Option<Duration> {
        let number = self.clients[0].number().filter(|number| Some(*number) != after);
        let has_spoken = number.is_some_and(|number| {
            let mut events = self.events.iter().rev().filter(|event| event.connection == number);
            events.any(|event| matches!(event.what, What::Packet { .. } | What::Fragment(_) | What::End(_)))
        });
        if !has_spoken && self.clock < until {
            return Some(until);
        }
        self.step_done();
        None
    }

    /// Why a failure is none of the client's: what only its application can cause has not come, so that the situation of
    /// the case did not arise. A client that sends nothing violates nothing, and has shown nothing either.
    pub(super) fn not_provoked(&self, failure: &Failure) -> Option<String> {
        if self.scripted == Side::Client || !is_missing(&failure.kind) {
            return None;
        }
        let step = self.program.step()?;
        let name = caused_by_application(&step.what)?;
        Some(match &failure.kind {
            FailureKind::MissingAtEnd(..) => {
                format!("{NOT_PROVOKED}the client closed the connection before any {name} came")
            }
            _ => format!("{NOT_PROVOKED}no {name} came"),
        })
    }
}

fn is_missing(kind: &FailureKind) -> bool {
    match kind {
        FailureKind::Missing(_) | FailureKind::MissingAtEnd(..) | FailureKind::NoConnection => true,
        FailureKind::TimedOut { awaited, .. } => is_missing(awaited),
        FailureKind::NoneInTime { .. } => true,
        _ => false,
    }
}

/// The packet that a step waits for, if it is one that a client sends only because its application wants it. Of several
/// alternatives, or of several in any order, all must be.
fn caused_by_application(what: &StepKind) -> Option<PacketType> {
    let all = |steps: &[&Step]| {
        let mut names = steps.iter().map(|step| caused_by_application(&step.what));
        let first = names.next()??;
        names.all(|name| name.is_some()).then_some(first)
    };
    match what {
        StepKind::Expect {
            what: Expect::Packet(pattern),
            ..
        } => is_caused_by_application(pattern).then_some(pattern.packet_type),
        StepKind::OneOf(alternatives) => {
            let first: Option<Vec<&Step>> = alternatives.iter().map(|steps| steps.first()).collect();
            all(&first?)
        }
        StepKind::InAnyOrder(steps) => all(&steps.iter().collect::<Vec<_>>()),
        _ => None,
    }
}

/// A PUBLISH with DUP is sent because the session is resumed, and not because of the application.
fn is_caused_by_application(pattern: &PacketPattern) -> bool {
    let repeats = |field: &FieldPattern| field.name == "dup" && field.pattern == Pattern::Is(Expr::Bool(true));
    match pattern.packet_type {
        PacketType::Publish => !pattern.fields.iter().any(repeats),
        PacketType::Connect
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::Disconnect
        | PacketType::Auth => true,
        _ => false,
    }
}

/// The steps that bring clients under test to where they begin.
pub(in crate::play) fn setup(clients: &[ClientSpec]) -> Vec<Step> {
    let mut steps = Vec::new();
    for client in clients.iter().filter(|client| client.start == Start::Connected) {
        let name = || Arc::clone(&client.name);
        let does = |verb, packet: &PacketTemplate| StepKind::Does {
            client: name(),
            what: Does {
                verb,
                packet: Some(packet.clone()),
                may_refuse: false,
            },
        };
        let expect = |packet_type, fields| StepKind::Expect {
            client: name(),
            what: Expect::Packet(PacketPattern {
                packet_type,
                place: client.place.clone(),
                fields,
                how: Take::Oldest,
                within: Within::default(),
            }),
        };
        let send = |template: PacketTemplate| StepKind::Send {
            client: name(),
            what: Send::Write(Write {
                parts: vec![Part::Packet(template)],
                split: Split::Whole,
                pause: Duration::ZERO,
                probe: false,
                text_frame: false,
            }),
        };
        let mut add = |what| {
            steps.push(Step {
                number: 0,
                place: client.place.clone(),
                what,
            });
        };
        add(does(Verb::Connect, &client.connect));
        add(expect(PacketType::Connect, Vec::new()));
        add(send(client.connack.clone()));
        if let Some(subscribe) = &client.subscribe {
            add(does(Verb::Subscribe, subscribe));
            // The variable is none that a script can name.
            let id = || Expr::Var {
                var: crate::scenario::Var(SETUP_ID.to_owned()),
                plus: 0,
            };
            let field = FieldPattern {
                name: "packet_id".to_owned(),
                place: client.place.clone(),
                pattern: Pattern::Is(id()),
            };
            add(expect(PacketType::Subscribe, vec![field]));
            let mut suback = PacketTemplate::new(PacketType::SubAck, client.place.clone());
            let field = |name: &str, value| crate::scenario::FieldExpr {
                name: name.to_owned(),
                place: client.place.clone(),
                value,
            };
            suback.fields.push(field("packet_id", id()));
            suback.fields.push(field("reason_codes", granted(subscribe)));
            add(send(suback));
        }
    }
    steps
}

/// The packet identifier of the SUBSCRIBE of the set-up.
const SETUP_ID: &str = "_setup";

/// Every filter is granted at the QoS that was asked for.
fn granted(subscribe: &PacketTemplate) -> Expr {
    let filters = subscribe.fields.iter().find(|field| field.name == "filters");
    let codes = filters.map_or_else(
        || vec![Expr::Int(0)],
        |filters| filters.value.list().iter().map(asked_qos).collect(),
    );
    Expr::List(codes)
}

fn asked_qos(filter: &Expr) -> Expr {
    let part = |wanted: &str| match filter {
        Expr::Map(parts) => parts
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone()),
        _ => None,
    };
    match (part("qos"), part("options")) {
        (Some(qos), _) => qos,
        (None, Some(Expr::Int(options))) => Expr::Int(options & 0b11),
        _ => Expr::Int(0),
    }
}
