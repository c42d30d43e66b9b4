//! The matcher: what a case does next, and whether what came is what its script permits. Pure: it sees events and the
//! time, and asks for actions; it touches no socket and no clock.
//!
//! The driver calls [`Matcher::poll`] until it says `Wait` or `Done`, does each action at once, and tells
//! [`Matcher::observe`] of every event in the order of the transcript.

mod client;
mod expect;
mod farewell;
mod fence;
mod observe;
mod order;
mod probe;
mod program;
mod send;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{Case, Outside, PacketPattern, Place, Scope, Step, Which};
use crate::statements::Version;
use crate::transcript::{ClientName, Event, StepId, Transcript};

use super::{Action, Advice, Failure, FailureKind, PlayEnd, Settings, Stage};
pub use client::Client;
use farewell::Farewell;
use fence::Fence;
use program::Level;

/// What the matcher wants next.
#[derive(Debug)]
pub enum Poll {
    /// This is to be done now.
    Do(Action),
    /// Something must happen, or this time must come.
    Wait { until: Duration },
    /// It has ended: [`Matcher::finish`].
    Done,
}

/// One exchange being played.
#[derive(Debug)]
pub struct Matcher {
    version: Version,
    settings: Arc<Settings>,
    scope: Scope,
    clients: Vec<Client>,
    events: Vec<Event>,
    /// The steps that are open, the innermost last.
    levels: Vec<Level>,
    /// What comes after the set-up.
    script: Option<Arc<[Step]>>,
    stage: Stage,
    control: bool,
    /// What is to be done before any step: answers of `acks: auto` and of fences.
    outbox: VecDeque<Action>,
    waiting: Waiting,
    /// `maybe` expectations that nothing has met yet.
    maybes: Vec<Maybe>,
    /// The time of the last event or timer.
    now: Duration,
    /// When the last step ended; what `within` counts from.
    since: Duration,
    /// When the last of the questions of a fence was written; what the broker's patience with them counts from. Not `now`: that
    /// is when what was looked at last had come, and to look at a packet of 256 MB may take longer than an answer.
    asked: Duration,
    /// When the last `wait` ended.
    waited: Duration,
    /// The client of the last step that touched a connection.
    last_client: Option<ClientName>,
    /// The client that sent the last packet of the script or of an acknowledgement.
    spoke_last: Option<usize>,
    fences: u32,
    advice: Vec<Advice>,
    end: Option<PlayEnd>,
}

#[derive(Debug)]
enum Waiting {
    /// For nothing: the next step can begin.
    Ready,
    /// For what the step at hand expects.
    Step {
        until: Duration,
    },
    /// For time to pass, then the step at hand is done.
    Pause {
        until: Duration,
    },
    /// For `settle` to pass, before the step at hand.
    Settle {
        until: Duration,
    },
    /// For the broker to close after our FIN, then the step at hand is done.
    Drain {
        client: usize,
        until: Duration,
    },
    /// For a fence that the step at hand needs.
    Fence(Fence),
    Farewell(Farewell),
}

#[derive(Debug, Clone)]
struct Maybe {
    client: usize,
    pattern: PacketPattern,
    step: StepId,
    /// The bindings when the step was reached: `$i` of a later turn is not the one that is meant.
    reached: Outside,
}

impl Matcher {
    /// The matcher at the beginning of an exchange. `namespace` is what `$ns` stands for.
    pub fn new(case: &Case, which: Which, namespace: &str, settings: &Arc<Settings>) -> Matcher {
        let scope = Scope::new(namespace)
            .with_login(settings.login.clone())
            .with_auth(settings.auth.clone())
            .with_users(settings.users.clone());
        let script = &case.script;
        let steps = script.exchange(which);
        let setup: Arc<[Step]> = program::setup(&script.clients, case.version, &scope).into();
        Matcher {
            version: case.version,
            settings: Arc::clone(settings),
            scope,
            clients: script.clients.iter().map(Client::new).collect(),
            events: Vec::new(),
            levels: vec![Level::new(setup)],
            script: Some(Arc::clone(steps)),
            stage: Stage::Setup,
            control: which == Which::Control,
            outbox: VecDeque::new(),
            waiting: Waiting::Ready,
            maybes: Vec::new(),
            now: Duration::ZERO,
            since: Duration::ZERO,
            asked: Duration::ZERO,
            waited: Duration::ZERO,
            last_client: None,
            spoke_last: None,
            fences: 0,
            advice: Vec::new(),
            end: None,
        }
    }

    /// What to do or to wait for. `now` counts from the beginning of the exchange, like the events' times.
    pub fn poll(&mut self, now: Duration) -> Poll {
        loop {
            if self.end.is_some() {
                return Poll::Done;
            }
            if let Some(action) = self.outbox.pop_front() {
                return Poll::Do(action);
            }
            match &self.waiting {
                Waiting::Ready => {
                    if let Some(poll) = self.next_step() {
                        return poll;
                    }
                }
                Waiting::Step { .. } => {
                    if let Some(poll) = self.expectation(now) {
                        return poll;
                    }
                }
                Waiting::Pause { until } => {
                    let until = *until;
                    if now < until {
                        return Poll::Wait { until };
                    }
                    self.now = self.now.max(until);
                    self.step_done();
                }
                Waiting::Settle { until } => {
                    let until = *until;
                    if now < until {
                        return Poll::Wait { until };
                    }
                    self.now = self.now.max(until);
                    if let Some(poll) = self.begin_step() {
                        return poll;
                    }
                }
                Waiting::Drain { client, until } => {
                    let (client, until) = (*client, *until);
                    let over = self.clients[client].ended.is_some();
                    if !over && now < until {
                        return Poll::Wait { until };
                    }
                    if !over {
                        self.now = self.now.max(until);
                    }
                    // A target may need its `settle` after a close, as after any change of a connection.
                    self.waiting = Waiting::Pause {
                        until: self.now + self.settings.settle,
                    };
                }
                Waiting::Fence(_) => {
                    if let Some(poll) = self.fence_goes_on(now) {
                        return poll;
                    }
                }
                Waiting::Farewell(_) => {
                    if let Some(poll) = self.farewell_goes_on(now) {
                        return poll;
                    }
                }
            }
        }
    }

    /// Ends the exchange from outside: its deadline has passed, the broker is gone, our own fault.
    pub fn stop(&mut self, end: PlayEnd) {
        self.end.get_or_insert(end);
    }

    /// Ends it because the deadline of the case has passed; what was awaited is in the failure.
    pub fn expire(&mut self, limit: Duration) {
        if self.end.is_none() {
            let failure = self.unmet(FailureKind::Deadline { limit });
            self.end = Some(PlayEnd::Failed(failure));
        }
    }

    /// What came of it.
    pub fn finish(self) -> (Transcript, PlayEnd, Vec<Advice>) {
        let transcript = Transcript {
            version: self.version,
            namespace: self.scope.namespace().to_owned(),
            bindings: self.scope.bindings(),
            events: self.events,
        };
        let end = self
            .end
            .unwrap_or_else(|| PlayEnd::Error("the exchange was left before its end".to_owned()));
        (transcript, end, self.advice)
    }

    /// The events so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The namespace of the exchange.
    pub fn namespace(&self) -> &str {
        self.scope.namespace()
    }

    fn client(&self, name: &str) -> usize {
        // Every name was checked when the scenario was read.
        self.clients
            .iter()
            .position(|c| &*c.name == name)
            .expect("the loader checks that clients exist")
    }

    fn fail(&mut self, failure: Failure) {
        self.end.get_or_insert(PlayEnd::Failed(failure));
    }

    /// A failure at the step at hand that no alternative of it explains.
    fn fail_plainly(&mut self, kind: FailureKind, found: Option<usize>) {
        let failure = Failure {
            control: self.control,
            stage: self.stage,
            kind,
            place: self.place(),
            awaited: Vec::new(),
            found,
            mismatches: Vec::new(),
        };
        self.fail(failure);
    }

    fn place(&self) -> Option<Place> {
        let level = self.levels.last()?;
        level.current().map(|step| step.place.clone())
    }
}
