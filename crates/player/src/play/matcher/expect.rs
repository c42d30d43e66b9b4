//! Steps that wait: one expectation, alternatives, and several in any order.

use std::time::Duration;

use crate::scenario::{Expect, Step, StepKind, Steps, Take, print};
use crate::transcript::StepId;

use super::client::Client;
use super::fence::Fence;
use super::probe::{Met, Probe, Refusal};
use super::{Matcher, Maybe, Waiting};
use crate::play::{Awaited, Failure, FailureKind};

impl Matcher {
    /// Begins to wait for what a `c <- ...` step expects.
    pub(super) fn begin_expectation(&mut self, what: &Expect) {
        match what {
            Expect::Packet(pattern) if pattern.how == Take::Maybe => {
                if let (Some(step), Some(client)) = (self.program.step_id(), self.expecting_client()) {
                    self.maybes.push(Maybe {
                        client,
                        pattern: pattern.clone(),
                        step,
                        reached: self.scope.enter_repeat(),
                    });
                }
                self.step_done();
            }
            Expect::Nothing { quiet } => self.begin_fence(*quiet),
            _ => {
                let until = self.since + what.within().to.unwrap_or(self.settings.patience);
                self.waiting = Waiting::Step { until };
            }
        }
    }

    /// Begins to wait for one of several, or for several in any order.
    pub(super) fn begin_alternatives(&mut self, what: &StepKind) {
        let silent = match what {
            StepKind::OneOf(alternatives) => alternatives.iter().find_map(|a| match &a.first()?.what {
                StepKind::Expect {
                    client,
                    what: Expect::Nothing { quiet },
                } => Some((self.client(client), *quiet)),
                _ => None,
            }),
            _ => None,
        };
        if let Some((client, quiet)) = silent {
            // Only a fence can show silence; it runs while the other alternatives are looked for.
            self.waiting = Waiting::Fence(Fence::new(client, quiet.map(|q| self.since + q)));
            return;
        }
        let longest = expectations(what).filter_map(|e| e.within().to).max();
        self.waiting = Waiting::Step {
            until: self.since + longest.unwrap_or(self.settings.patience),
        };
    }

    fn expecting_client(&self) -> Option<usize> {
        match &self.program.step()?.what {
            StepKind::Expect { client, .. } => Some(self.client(client)),
            _ => None,
        }
    }

    /// Looks whether the step at hand is met, and says until when to wait if it is not.
    pub(super) fn expectation(&mut self) -> Option<Duration> {
        let held = self.program.step_held()?;
        let step = held.step();
        let refusal = match &step.what {
            StepKind::Expect { client, what } => {
                let client = self.client(client);
                match self.probe(client, what, &self.scope) {
                    Probe::Met(met) => {
                        let id = self.program.step_id();
                        self.take(client, met, id);
                        self.step_done();
                        return None;
                    }
                    Probe::Pending(why) => return self.wait_on(client, what, why),
                    Probe::Failed(refusal) => refusal,
                }
            }
            StepKind::OneOf(alternatives) => {
                if self.choose(alternatives) {
                    return None;
                }
                match self.all_refused(alternatives) {
                    Some(refusal) => refusal,
                    None => return self.wait_for_any(),
                }
            }
            StepKind::InAnyOrder(steps) => match self.in_any_order(steps) {
                Probe::Met(several) => {
                    self.take_several(several);
                    self.step_done();
                    return None;
                }
                Probe::Pending(_) => return self.wait_for_any(),
                Probe::Failed(refusal) => refusal,
            },
            _ => return None,
        };
        let failure = self.failure_at(step, refusal);
        self.fail(failure);
        None
    }

    /// Goes into the first alternative whose first expectation is met. Says whether there is one.
    pub(super) fn choose(&mut self, alternatives: &[Steps]) -> bool {
        for alternative in alternatives {
            let Some(first) = alternative.first() else { continue };
            let (client, what) = match &first.what {
                StepKind::Expect { client, what } => (client, what),
                StepKind::InAnyOrder(steps) => {
                    if let Probe::Met(several) = self.in_any_order(steps) {
                        self.take_several(several);
                        self.since = self.now;
                        self.enter(alternative);
                        return true;
                    }
                    continue;
                }
                // The loader takes no other beginning.
                _ => continue,
            };
            let name = std::sync::Arc::clone(client);
            let client = self.client(client);
            if let Probe::Met(met) = self.probe(client, what, &self.scope) {
                let id = Some(self.program.id_of(first));
                self.take(client, met, id);
                self.last_client = Some(name);
                self.since = self.now;
                self.enter(alternative);
                return true;
            }
        }
        false
    }

    /// A refusal if no alternative can be met any more: the first with something found.
    fn all_refused(&self, alternatives: &[Steps]) -> Option<Refusal> {
        let mut kept: Option<Refusal> = None;
        for alternative in alternatives {
            let StepKind::Expect { client, what } = &alternative.first()?.what else {
                return None;
            };
            match self.probe(self.client(client), what, &self.scope) {
                Probe::Failed(refusal) => {
                    let better = kept
                        .as_ref()
                        .is_none_or(|k| k.found.is_none() && refusal.found.is_some());
                    if better {
                        kept = Some(refusal);
                    }
                }
                _ => return None,
            }
        }
        kept
    }

    fn wait_on(&mut self, client: usize, what: &Expect, why: FailureKind) -> Option<Duration> {
        let Waiting::Step { until } = self.waiting else {
            return None;
        };
        // What comes restarts the response timeout, a packet that is still arriving too, unless the script names the time: a
        // broker that has much to say says it first.
        let until = match (what.within().to, self.clients[client].progress()) {
            (None, _) if self.waits_for_a_person() => self.deadline,
            (None, progress) => until.max(progress.unwrap_or_default().max(self.heard) + self.settings.patience),
            _ => until,
        };
        if self.clock < until {
            return Some(until);
        }
        let why = FailureKind::TimedOut {
            awaited: Box::new(why),
            waited: until.saturating_sub(self.since),
        };
        let step = self.program.step()?;
        let found = self.clients[client].inbox.iter().find(|a| !a.needless).map(|a| a.event);
        let failure = self.failure_at(step, Refusal::new(why, found));
        self.fail(failure);
        None
    }

    fn wait_for_any(&mut self) -> Option<Duration> {
        let Waiting::Step { until } = self.waiting else {
            return None;
        };
        let step = self.program.step()?;
        // As with one: of several that come in any order, each has the patience that it would have by itself.
        let renewed = expectations(&step.what)
            .all(|e| e.within().to.is_none())
            .then_some(self.heard);
        let progress = self.clients.iter().filter_map(Client::progress).chain(renewed).max();
        let until = if self.waits_for_a_person() {
            self.deadline
        } else {
            progress.map_or(until, |at| until.max(at + self.settings.patience))
        };
        if self.clock < until {
            return Some(until);
        }
        let failure = self.unmet(FailureKind::NoneInTime {
            waited: until.saturating_sub(self.since),
        });
        self.fail(failure);
        None
    }

    /// Marks what an expectation takes.
    pub(super) fn take(&mut self, client: usize, met: Met, step: Option<StepId>) {
        self.scope = met.scope;
        for &index in &met.takes {
            self.events[index].step.clone_from(&step);
        }
        let mut used: Vec<usize> = Vec::new();
        for &(index, maybe) in &met.maybes {
            self.events[index].step = Some(self.maybes[maybe].step.clone());
            used.push(maybe);
        }
        let taken = |event: usize| met.takes.contains(&event) || met.maybes.iter().any(|(e, _)| *e == event);
        self.clients[client].inbox.retain(|a| !taken(a.event));
        used.sort_unstable_by(|a, b| b.cmp(a));
        for maybe in used {
            self.maybes.remove(maybe);
        }
        if met.ends {
            self.clients[client].settle();
            if let Some(end) = self.clients[client].ended() {
                self.events[end].step = step;
            }
        }
        self.advice.extend(met.advice);
    }

    /// The failure of a step for one refusal.
    pub(super) fn failure_at(&self, step: &Step, refusal: Refusal) -> Failure {
        let awaited = self.awaited(step, &refusal.why);
        Failure {
            tests: self.tested(),
            control: self.control,
            stage: self.program.stage(),
            kind: refusal.why,
            place: Some(step.place.clone()),
            awaited,
            found: refusal.found,
            mismatches: refusal.mismatches,
        }
    }

    /// The failure of the step at hand because `why`.
    pub(super) fn unmet(&self, why: FailureKind) -> Failure {
        match self.program.step() {
            Some(step) => {
                let found = self
                    .clients
                    .iter()
                    .flat_map(|c| c.inbox.iter().filter(|a| !a.needless))
                    .map(|a| a.event)
                    .min();
                self.failure_at(step, Refusal::new(why, found))
            }
            None => Failure {
                tests: self.tested(),
                control: self.control,
                stage: self.program.stage(),
                kind: why,
                place: None,
                awaited: Vec::new(),
                found: None,
                mismatches: Vec::new(),
            },
        }
    }

    /// Every alternative of a step, and why it is not met.
    fn awaited(&self, step: &Step, why: &FailureKind) -> Vec<Awaited> {
        let each = |step: &Step| -> Option<Awaited> {
            let StepKind::Expect { client, what } = &step.what else {
                return None;
            };
            let reason = match self.probe(self.client(client), what, &self.scope) {
                Probe::Failed(refusal) => refusal.why,
                Probe::Pending(why) => why,
                Probe::Met(_) => FailureKind::Met,
            };
            Some(Awaited {
                tests: self.tested(),
                what: print::expect(client, what, &self.scope),
                why: reason,
            })
        };
        match &step.what {
            StepKind::Expect { client, what } => vec![Awaited {
                tests: self.tested(),
                what: print::expect(client, what, &self.scope),
                why: why.clone(),
            }],
            StepKind::OneOf(alternatives) => alternatives.iter().filter_map(|a| each(a.first()?)).collect(),
            StepKind::InAnyOrder(steps) => steps.iter().filter_map(each).collect(),
            _ => Vec::new(),
        }
    }
}

/// The expectations that are first in each alternative, or in parallel.
fn expectations(what: &StepKind) -> impl Iterator<Item = &Expect> {
    let steps: Vec<&Step> = match what {
        StepKind::OneOf(alternatives) => alternatives.iter().filter_map(|a| a.first()).collect(),
        StepKind::InAnyOrder(steps) => steps.iter().collect(),
        _ => Vec::new(),
    };
    steps.into_iter().filter_map(|step| match &step.what {
        StepKind::Expect { what, .. } => Some(what),
        _ => None,
    })
}
