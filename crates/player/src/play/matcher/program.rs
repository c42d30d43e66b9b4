//! Which step comes next: levels of nested steps, turns of `repeat`, and the set-up that `clients:` asks for.

use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{
    ClientSpec, Expect, Expr, FieldPattern, Outside, PacketPattern, PacketTemplate, Part, Pattern, Place, Scope, Send,
    Split, Start, Step, StepKind, Steps, Take, Within, Write,
};
use crate::transcript::{Author, StepId};
use crate::wire::{Packet, PacketType};

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
struct Level {
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
    fn new(steps: Arc<[Step]>) -> Level {
        Level {
            steps,
            next: 0,
            turn: None,
        }
    }

    fn current(&self) -> Option<&Step> {
        self.steps.get(self.next)
    }
}

/// The steps of an exchange, and which of them is at hand: first those of the set-up, then those of the script.
#[derive(Debug)]
pub struct Program {
    /// The steps that are open, the innermost last.
    levels: Vec<Level>,
    /// What comes after the set-up.
    script: Option<Arc<[Step]>>,
    stage: Stage,
}

impl Program {
    /// At the beginning of the set-up.
    pub fn new(setup: Arc<[Step]>, script: Arc<[Step]>) -> Program {
        Program {
            levels: vec![Level::new(setup)],
            script: Some(script),
            stage: Stage::Setup,
        }
    }

    /// How far the exchange is.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Goes on to the next step, through the turns of `repeat`s, of which `scope` has to know. Says whether there is
    /// one.
    fn find_next(&mut self, scope: &mut Scope) -> bool {
        loop {
            let Some(level) = self.levels.last_mut() else {
                let Some(steps) = self.script.take() else {
                    self.stage = Stage::Fence;
                    return false;
                };
                self.stage = Stage::Script;
                self.levels.push(Level::new(steps));
                continue;
            };
            if level.current().is_some() {
                return true;
            }
            match &mut level.turn {
                Some(turn) if turn.now < turn.of => {
                    turn.now += 1;
                    scope.turn(&turn.outside, turn.now);
                    level.next = 0;
                }
                Some(turn) => {
                    scope.leave_repeat(&turn.outside);
                    self.levels.pop();
                }
                None => {
                    self.levels.pop();
                }
            }
        }
    }

    /// Goes past the step at hand.
    fn advance(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.next += 1;
        }
    }

    /// Goes into an alternative of the step at hand, behind its first step.
    fn enter(&mut self, alternative: &Steps) {
        self.advance();
        let mut level = Level::new(Arc::clone(alternative));
        level.next = 1;
        self.levels.push(level);
    }

    /// Goes into the first turn of the `repeat` at hand.
    fn repeat(&mut self, steps: &Steps, times: u32, scope: &mut Scope) {
        let outside = scope.enter_repeat();
        scope.turn(&outside, 1);
        self.advance();
        self.levels.push(Level {
            steps: Arc::clone(steps),
            next: 0,
            turn: Some(Turn {
                now: 1,
                of: times,
                outside,
            }),
        });
    }

    /// The step at hand.
    pub fn step(&self) -> Option<&Step> {
        self.levels.last()?.current()
    }

    /// The step at hand, to be held while the matcher changes.
    pub fn step_held(&self) -> Option<HeldStep> {
        let level = self.levels.last()?;
        level.current()?;
        Some(HeldStep {
            steps: Arc::clone(&level.steps),
            index: level.next,
        })
    }

    /// What is ahead of the step at hand, the nearest first: the rest of its level, the next turn if there is one, and
    /// so on outwards. Each is a run of steps.
    pub fn ahead(&self) -> Vec<&[Step]> {
        let mut runs = Vec::new();
        for (depth, level) in self.levels.iter().rev().enumerate() {
            // The outer levels are already past the step that opened the inner one.
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
    pub fn step_id(&self) -> Option<StepId> {
        let step = self.step()?;
        Some(self.id_of(step))
    }

    /// The number and turns of a step that is open.
    pub fn id_of(&self, step: &Step) -> StepId {
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
    pub fn turns(&self) -> Vec<u32> {
        self.levels.iter().filter_map(|l| Some(l.turn.as_ref()?.now)).collect()
    }

    /// Who writes what the step at hand sends.
    pub fn author(&self) -> Author {
        match self.stage {
            Stage::Setup => Author::Setup,
            _ => Author::Script,
        }
    }

    /// Where the step at hand is written.
    pub fn place(&self) -> Option<Place> {
        self.step().map(|step| step.place.clone())
    }
}

impl Matcher {
    /// Finds the next step and begins it.
    pub(super) fn next_step(&mut self) {
        if self.program.find_next(&mut self.scope) {
            self.settle_first();
        } else {
            self.waiting = Waiting::Farewell(Farewell::default());
        }
    }

    /// Waits for `settle` if a send follows a step on another connection.
    fn settle_first(&mut self) {
        let settle = self.settings.settle;
        let crosses = match self.program.step().map(|s| &s.what) {
            Some(StepKind::Send { client, .. }) => self.last_client.as_ref().is_some_and(|last| last != client),
            // One of its clients at least is another one.
            Some(StepKind::AtOnce(_)) => self.last_client.is_some(),
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
        let Some(held) = self.program.step_held() else { return };
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
            StepKind::Does { client, what } => {
                self.last_client = Some(Arc::clone(client));
                self.tell(client, what, step);
            }
            StepKind::OneOf(_) | StepKind::InAnyOrder(_) => self.begin_alternatives(&step.what),
            StepKind::AtOnce(writes) => self.send_at_once(writes),
            StepKind::Repeat { times: 0, .. } => self.step_done(),
            StepKind::Repeat { times, steps } => {
                self.program.repeat(steps, *times, &mut self.scope);
                self.waiting = Waiting::Ready;
            }
            StepKind::Wait(time) => {
                self.waiting = Waiting::Pause {
                    until: self.now + *time + self.settings.settle,
                }
            }
            StepKind::Broker(action) => {
                let step = self.program.step_id();
                self.outbox.push_back(Action::Broker { action: *action, step });
                self.waiting = Waiting::Pause { until: self.now };
            }
            StepKind::Note(_) => self.step_done(),
        }
    }

    /// Goes into an alternative that was chosen, behind its first step, which has been met.
    pub(super) fn enter(&mut self, alternative: &Steps) {
        self.program.enter(alternative);
        self.waiting = Waiting::Ready;
    }

    /// The step at hand is done.
    pub(super) fn step_done(&mut self) {
        if matches!(self.program.step().map(|s| &s.what), Some(StepKind::Wait(_))) {
            self.waited = self.now;
        }
        self.program.advance();
        self.since = self.now;
        self.waiting = Waiting::Ready;
    }

    /// Ends the exchange since a case needs what the target does not offer.
    pub(super) fn skip(&mut self, reason: String) {
        self.end.get_or_insert(PlayEnd::Skipped(reason));
    }
}

/// The steps that bring the clients to where they begin.
pub fn setup(clients: &[ClientSpec], scope: &Scope) -> Vec<Step> {
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
            });
        };
        add(send(Send::Open));
        if client.start == Start::TcpOnly {
            continue;
        }
        add(send(write(&client.connect)));
        add(expect(PacketType::ConnAck, Vec::new()));
        if let Some(subscribe) = &client.subscribe {
            add(send(write(subscribe)));
            add(expect(PacketType::SubAck, granted(subscribe, client, scope)));
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
fn granted(subscribe: &PacketTemplate, client: &ClientSpec, scope: &Scope) -> Vec<FieldPattern> {
    let Ok((Packet::Subscribe(subscribe), _)) = subscribe.build(client.version, scope, &client.name) else {
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
