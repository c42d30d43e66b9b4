//! The matcher: what a case does next, and whether what came is what its script permits. Pure: it sees events and the
//! time, and asks for actions; it touches no socket and no clock.
//!
//! Before each [`Input`] the driver says how late it is when that happened and calls [`Matcher::poll`]; an action that
//! this asks for is done at once, and what comes of it is input too, up to [`Happened::Done`]. All input is kept in the
//! transcript: given again in its order, it leads to the same end.

mod barrier;
mod client;
mod connection;
mod copies;
mod does;
mod expect;
mod farewell;
mod fence;
mod observe;
mod order;
mod parting;
mod probe;
mod program;
mod send;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{Case, Outside, PacketPattern, Scope, Step, Which, declared_waits, silence};
use crate::statements::Version;
use crate::transcript::{ClientName, Event, Happened, Local, StepId, Transcript};
use crate::wire::Side;

use super::{Action, Advice, Failure, FailureKind, PlayEnd, Settings, Stage};
pub use client::Client;
use copies::Copies;
use does::Answer;
pub(super) use does::setup;
use farewell::Farewell;
use fence::Fence;
use parting::Parting;
use program::Program;

/// The deadline of an exchange that takes as long as it takes: a year.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The input of the matcher. Times count from the beginning of the exchange.
#[derive(Debug, Clone)]
pub enum Input {
    /// The next event of the transcript.
    Event(Event),
    /// What crossed no wire, and when it happened.
    Local(Duration, Happened),
}

impl Input {
    /// When it happened.
    pub fn at(&self) -> Duration {
        match self {
            Input::Event(event) => event.at,
            Input::Local(at, _) => *at,
        }
    }
}

/// What the matcher wants next.
#[derive(Debug)]
pub enum Poll {
    /// This is to be done now, and given up if it takes longer than `within`; then [`Happened::Done`] is reported.
    Do { action: Action, within: Duration },
    /// Something must happen, or this time must come.
    Wait { until: Duration },
    /// It has ended: [`Matcher::finish`].
    Done,
}

/// One exchange being played.
#[derive(Debug)]
pub struct Matcher {
    /// The side whose part the script is; the other one is judged.
    scripted: Side,
    version: Version,
    settings: Arc<Settings>,
    scope: Scope,
    clients: Vec<Client>,
    events: Vec<Event>,
    local: Vec<Local>,
    program: Program,
    control: bool,
    /// What is to be done before any step: answers of `acks: auto` and of fences.
    outbox: VecDeque<Action>,
    doing: Doing,
    waiting: Waiting,
    /// `maybe` expectations that nothing has met yet.
    maybes: Vec<Maybe>,
    /// The time of the last input.
    clock: Duration,
    /// A time that was given, and nothing has happened since.
    ticked: Option<Duration>,
    /// When the exchange must have ended.
    deadline: Duration,
    /// How long the steps are silent by themselves.
    silence: Duration,
    /// The time of the last event or timer.
    now: Duration,
    /// When the last step ended; what `within` counts from.
    since: Duration,
    /// When the last of the questions of a fence was written; what the broker's response timeout with them counts from.
    /// Not `now`: that is when what was looked at last had come, and to look at a packet of 256 MB may take longer than
    /// an answer.
    asked: Duration,
    /// When the broker's last packet came that is none of the harness's own business.
    heard: Duration,
    /// When the last `wait` ended.
    waited: Duration,
    /// The client of the last step that touched a connection.
    last_client: Option<ClientName>,
    /// The client that sent the last packet of the script or of an acknowledgement.
    spoke_last: Option<usize>,
    fences: u32,
    /// How many commands the application of a client under test has been given.
    commands: u32,
    /// Its last answer.
    answer: Option<Answer>,
    copies: Copies,
    advice: Vec<Advice>,
    end: Option<PlayEnd>,
    parting: Option<Parting>,
}

/// What the driver is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Nothing,
    /// With a write on the connection of this client.
    Write(usize),
    Other,
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
    /// For the broker to close after our FINs, then the step at hand is done.
    Drain {
        clients: Vec<usize>,
        until: Duration,
    },
    /// For a fence that the step at hand needs.
    Fence(Fence),
    /// For a client under test to acknowledge this PUBLISH of a fence, which shows that it has read the CONNACK: then
    /// the step at hand is begun.
    Hearing {
        id: u16,
    },
    /// For messages to reach the application, which is to acknowledge them.
    Delivery {
        until: Duration,
    },
    /// For the answer of an application to the command with this number.
    Answer {
        id: u32,
        until: Duration,
        /// The client's last connection when the command was given.
        connection: Option<u32>,
    },
    /// For a client that took a call to connect to send something on a connection after this one.
    Connecting {
        after: Option<u32>,
        until: Duration,
    },
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
    /// The matcher at the beginning of an exchange. `scripted` is the side whose part the script is, `namespace` what
    /// `$ns` stands for.
    pub fn new(case: &Case, which: Which, scripted: Side, namespace: &str, settings: &Arc<Settings>) -> Matcher {
        let scope = Scope::new(namespace)
            .with_scripted(scripted)
            .with_login(settings.login.clone())
            .with_auth(settings.auth.clone())
            .with_users(settings.users.clone());
        let script = &case.script;
        let steps = script.exchange(which);
        let setup: Arc<[Step]> = match scripted {
            Side::Client => program::setup(&script.clients, &scope),
            Side::Server => setup(&script.clients),
        }
        .into();
        Matcher {
            scripted,
            version: case.version,
            settings: Arc::clone(settings),
            scope,
            clients: (script.clients.iter())
                .map(|client| Client::new(client, scripted))
                .collect(),
            events: Vec::new(),
            local: Vec::new(),
            program: Program::new(setup, Arc::clone(steps)),
            control: which == Which::Control,
            outbox: VecDeque::new(),
            doing: Doing::Nothing,
            waiting: Waiting::Ready,
            maybes: Vec::new(),
            clock: Duration::ZERO,
            ticked: None,
            deadline: if settings.by_hand {
                NO_LIMIT
            } else {
                case.conditions.timeout + declared_waits(steps)
            },
            silence: silence(steps),
            now: Duration::ZERO,
            since: Duration::ZERO,
            asked: Duration::ZERO,
            heard: Duration::ZERO,
            waited: Duration::ZERO,
            last_client: None,
            spoke_last: None,
            fences: 0,
            commands: 0,
            answer: None,
            copies: Copies::default(),
            advice: Vec::new(),
            end: None,
            parting: None,
        }
    }

    /// What to do or to wait for, at the time that was given last. While an action is being done there is nothing to
    /// ask for.
    pub fn poll(&mut self) -> Poll {
        if self.doing != Doing::Nothing {
            return Poll::Wait { until: self.deadline };
        }
        while self.end.is_none() {
            if let Some(action) = self.outbox.pop_front() {
                let within = self.deadline.saturating_sub(self.clock);
                return self.ask(action, within);
            }
            if let Some(until) = self.go_on() {
                if self.clock < self.deadline {
                    let until = until.min(self.deadline);
                    return Poll::Wait { until };
                }
                self.expire();
            }
        }
        self.part()
    }

    fn ask(&mut self, action: Action, within: Duration) -> Poll {
        self.doing = match &action {
            Action::Write { client, .. } => Doing::Write(self.client(client)),
            _ => Doing::Other,
        };
        Poll::Do { action, within }
    }

    /// Takes the exchange one step further, or says until when there is nothing to do.
    fn go_on(&mut self) -> Option<Duration> {
        match &self.waiting {
            Waiting::Ready => self.next_step(),
            Waiting::Step { .. } => return self.expectation(),
            Waiting::Pause { until } => {
                let until = *until;
                if self.clock < until {
                    return Some(until);
                }
                self.now = self.now.max(until);
                self.step_done();
            }
            Waiting::Settle { until } => {
                let until = *until;
                if self.clock < until {
                    return Some(until);
                }
                self.now = self.now.max(until);
                self.begin_step();
            }
            Waiting::Drain { clients, until } => {
                let until = *until;
                let over = clients.iter().all(|client| self.clients[*client].ended().is_some());
                if !over && self.clock < until {
                    return Some(until);
                }
                if !over {
                    self.now = self.now.max(until);
                }
                // A target may need its `settle` after a close, as after any change of a connection.
                self.waiting = Waiting::Pause {
                    until: self.now + self.settings.settle,
                };
            }
            Waiting::Fence(_) => return self.fence_goes_on(),
            Waiting::Hearing { id } => return self.hears(*id),
            Waiting::Delivery { until } => return self.delivers(*until),
            Waiting::Answer { id, until, connection } => return self.answers(*id, *until, *connection),
            Waiting::Connecting { after, until } => return self.connects(*after, *until),
            Waiting::Farewell(_) => return self.farewell_goes_on(),
        }
        None
    }

    /// Ends the exchange because its deadline has passed; what was awaited is in the failure.
    fn expire(&mut self) {
        let failure = self.unmet(FailureKind::Deadline { limit: self.deadline });
        self.fail(failure);
    }

    /// The result.
    pub fn finish(mut self) -> (Transcript, PlayEnd, Vec<Advice>) {
        self.keep_tick();
        let transcript = Transcript {
            scripted: self.scripted,
            version: self.version,
            namespace: self.scope.namespace().to_owned(),
            bindings: self.scope.bindings(),
            events: self.events,
            local: self.local,
        };
        let end = self
            .end
            .unwrap_or_else(|| PlayEnd::Error("the exchange was abandoned before its end".to_owned()));
        (transcript, end, self.advice)
    }

    /// The version of the client on whose connection an event of the transcript is.
    fn version_of(&self, event: usize) -> Version {
        self.clients[self.client(&self.events[event].client)].version
    }

    /// The side under test.
    fn tested(&self) -> Side {
        match self.scripted {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    fn client(&self, name: &str) -> usize {
        // Every name was checked when the scenario was read.
        self.clients
            .iter()
            .position(|c| &*c.name == name)
            .expect("the loader checks that clients exist")
    }

    fn fail(&mut self, failure: Failure) {
        // What does not come as the steps want it may be the lower QoS that was granted. A connection that ends is not.
        let is_end = matches!(
            failure.kind,
            FailureKind::Closed | FailureKind::MissingAtEnd(..) | FailureKind::Endless { .. }
        );
        if !is_end && self.end.is_none() && self.skip_lowered() {
            return;
        }
        if self.end.is_none()
            && let Some(reason) = self.not_provoked(&failure)
        {
            return self.skip(reason);
        }
        self.end.get_or_insert(PlayEnd::Failed(failure));
    }

    /// A failure at the step at hand that no alternative of it explains.
    fn fail_plainly(&mut self, kind: FailureKind, found: Option<usize>) {
        let failure = Failure {
            tests: self.tested(),
            control: self.control,
            stage: self.program.stage(),
            kind,
            place: self.program.place(),
            awaited: Vec::new(),
            found,
            mismatches: Vec::new(),
        };
        self.fail(failure);
    }
}
