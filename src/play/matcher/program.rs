//! Which step comes next: levels of nested steps, turns of `repeat`, and the set-up that `clients:` asks for.

use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{
    ClientSpec, Expect, Expr, FieldPattern, Outside, PacketPattern, PacketTemplate, Part, Pattern, Scope, Send, Split,
    Start, Step, StepKind, Steps, Take, Within, Write,
};
use crate::transcript::{Author, StepId};
use crate::wire::{Packet, PacketType, Version};

use super::farewell::Farewell;
use super::{Matcher, Stage, Waiting};
use crate::play::{Action, PlayEnd};

/// A step that is held through the script that it belongs to: a step itself may be large.
pub(super) struct HeldStep {
    steps: Steps,
    index: usize,
}

impl HeldStep {
    pub(super) fn step(&self) -> &Step {
        &self.steps[self.index]
    }
}

/// Steps at one depth of nesting.
#[derive(Debug)]
pub struct Level {
    steps: Steps,
    next: usize,
    turn: Option<Turn>,
}

#[derive(Debug)]
struct Turn {
    now: u32,
    of: u32,
    outside: Outside,
}

impl Level {
    pub fn new(steps: Arc<[Step]>) -> Level {
        Level {
            steps,
            next: 0,
            turn: None,
        }
    }

    pub fn current(&self) -> Option<&Step> {
        self.steps.get(self.next)
    }
}

impl Matcher {
    /// Finds the next step and begins it.
    pub(super) fn next_step(&mut self) {
        loop {
            let Some(level) = self.levels.last_mut() else {
                let Some(steps) = self.script.take() else {
                    self.stage = Stage::Fence;
                    self.waiting = Waiting::Farewell(Farewell::default());
                    return;
                };
                self.stage = Stage::Script;
                self.levels.push(Level::new(steps));
                continue;
            };
            if level.current().is_some() {
                return self.settle_first();
            }
            match &mut level.turn {
                Some(turn) if turn.now < turn.of => {
                    turn.now += 1;
                    self.scope.turn(&turn.outside, turn.now);
                    level.next = 0;
                }
                Some(turn) => {
                    self.scope.leave_repeat(&turn.outside);
                    self.levels.pop();
                }
                None => {
                    self.levels.pop();
                }
            }
        }
    }

    /// Waits for `settle` where a send follows a step on another connection.
    fn settle_first(&mut self) {
        let settle = self.settings.settle;
        let crosses = match self.step().map(|s| &s.what) {
            Some(StepKind::Send { client, .. }) => self.last_client.as_ref().is_some_and(|last| last != client),
            _ => false,
        };
        if crosses && settle > Duration::ZERO {
            self.waiting = Waiting::Settle {
                until: self.now + settle,
            };
        } else {
            self.begin_step();
        }
    }

    /// Begins the step at hand.
    pub(super) fn begin_step(&mut self) {
        let Some(held) = self.step_held() else { return };
        let step = held.step();
        match &step.what {
            StepKind::Send { client, what } => {
                self.last_client = Some(Arc::clone(client));
                self.send(client, what, step);
            }
            StepKind::Expect { client, what } => {
                self.last_client = Some(Arc::clone(client));
                self.begin_expectation(what);
            }
            StepKind::OneOf(_) | StepKind::InAnyOrder(_) => self.begin_alternatives(&step.what),
            StepKind::Repeat { times: 0, .. } => self.step_done(),
            StepKind::Repeat { times, steps } => {
                let outside = self.scope.enter_repeat();
                self.scope.turn(&outside, 1);
                self.advance();
                self.levels.push(Level {
                    steps: Arc::clone(steps),
                    next: 0,
                    turn: Some(Turn {
                        now: 1,
                        of: *times,
                        outside,
                    }),
                });
                self.waiting = Waiting::Ready;
            }
            StepKind::Wait(time) => {
                self.waiting = Waiting::Pause {
                    until: self.now + *time + self.settings.settle,
                }
            }
            StepKind::Broker(action) => {
                let step = self.step_id();
                self.outbox.push_back(Action::Broker { action: *action, step });
                self.waiting = Waiting::Pause { until: self.now };
            }
            StepKind::Note(_) => self.step_done(),
        }
    }

    /// Goes into an alternative that was chosen, behind its first step, which has been met.
    pub(super) fn enter(&mut self, alternative: &Steps) {
        self.advance();
        let mut level = Level::new(Arc::clone(alternative));
        level.next = 1;
        self.levels.push(level);
        self.waiting = Waiting::Ready;
    }

    /// The step at hand is done.
    pub(super) fn step_done(&mut self) {
        if matches!(self.step().map(|s| &s.what), Some(StepKind::Wait(_))) {
            self.waited = self.now;
        }
        self.advance();
        self.since = self.now;
        self.waiting = Waiting::Ready;
    }

    fn advance(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.next += 1;
        }
    }

    pub(super) fn step(&self) -> Option<&Step> {
        self.levels.last()?.current()
    }

    /// The step at hand, to be held while the matcher changes.
    pub(super) fn step_held(&self) -> Option<HeldStep> {
        let level = self.levels.last()?;
        level.current()?;
        Some(HeldStep {
            steps: Arc::clone(&level.steps),
            index: level.next,
        })
    }

    /// What is ahead of the step at hand, the nearest first: the rest of its level, the next turn where there is one, and
    /// so on outwards. Each is a run of steps.
    pub(super) fn ahead(&self) -> Vec<&[Step]> {
        let mut runs = Vec::new();
        for (depth, level) in self.levels.iter().rev().enumerate() {
            // The outer levels already stand behind the step that opened the inner one.
            let from = level.next + usize::from(depth == 0);
            runs.push(level.steps.get(from..).unwrap_or_default());
            if level.turn.as_ref().is_some_and(|turn| turn.now < turn.of) {
                runs.push(&level.steps);
            }
        }
        if self.stage == Stage::Setup
            && let Some(script) = &self.script
        {
            runs.push(script);
        }
        runs
    }

    /// The number and turns of the step at hand; 0 in the set-up, `None` in the farewell.
    pub(super) fn step_id(&self) -> Option<StepId> {
        let step = self.step()?;
        Some(self.id_of(step))
    }

    pub(super) fn id_of(&self, step: &Step) -> StepId {
        if self.stage == Stage::Setup {
            return StepId {
                number: 0,
                turns: Vec::new(),
            };
        }
        StepId {
            number: step.number + 1,
            turns: self.turns(),
        }
    }

    /// The turns of the `repeat`s that are open, the outermost first.
    pub(super) fn turns(&self) -> Vec<u32> {
        self.levels.iter().filter_map(|l| Some(l.turn.as_ref()?.now)).collect()
    }

    pub(super) fn author(&self) -> Author {
        match self.stage {
            Stage::Setup => Author::Setup,
            _ => Author::Script,
        }
    }

    /// Ends the exchange since a case needs what the target does not offer.
    pub(super) fn skip(&mut self, reason: String) {
        self.end.get_or_insert(PlayEnd::Skipped(reason));
    }
}

/// The steps that bring the clients to where they begin.
pub fn setup(clients: &[ClientSpec], version: Version, scope: &Scope) -> Vec<Step> {
    let mut steps = Vec::new();
    for client in clients {
        let send = |what| StepKind::Send {
            client: Arc::clone(&client.name),
            what,
        };
        let expect = |packet_type, fields| StepKind::Expect {
            client: Arc::clone(&client.name),
            what: Expect::Packet(PacketPattern {
                packet_type,
                place: client.place.clone(),
                fields,
                how: Take::Oldest,
                within: Within::default(),
            }),
        };
        let mut add = |what| {
            steps.push(Step {
                number: 0,
                place: client.place.clone(),
                what,
            })
        };
        add(send(Send::Open));
        if client.start == Start::TcpOnly {
            continue;
        }
        add(send(write(&client.connect)));
        add(expect(PacketType::ConnAck, Vec::new()));
        if let Some(subscribe) = &client.subscribe {
            add(send(write(subscribe)));
            add(expect(PacketType::SubAck, granted(subscribe, client, version, scope)));
        }
    }
    steps
}

fn write(template: &PacketTemplate) -> Send {
    Send::Write(Write {
        parts: vec![Part::Packet(template.clone())],
        split: Split::Whole,
        pause: Duration::ZERO,
        probe: false,
        text_frame: false,
    })
}

/// A subscription of the set-up must be granted as asked for: a case that goes on with less would show nothing.
fn granted(subscribe: &PacketTemplate, client: &ClientSpec, version: Version, scope: &Scope) -> Vec<FieldPattern> {
    let Ok((Packet::Subscribe(subscribe), _)) = subscribe.build(version, scope, &client.name) else {
        // It names what is not known yet; a grant at any QoS must do.
        return Vec::new();
    };
    let codes = subscribe
        .subscriptions
        .iter()
        .map(|s| Pattern::Is(Expr::Int(s.qos().into())));
    vec![FieldPattern {
        name: "reason_codes".to_owned(),
        place: client.place.clone(),
        pattern: Pattern::List(codes.collect()),
    }]
}
