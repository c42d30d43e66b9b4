//! The matcher once more, over a transcript that was recorded: it must come to the same end as it did live.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{Case, Which};
use crate::transcript::{Author, ClientName, Event, Transcript, What};

use super::assemble::Assembler;
use super::matcher::{Matcher, Poll};
use super::{Action, Advice, PlayEnd, Settings};

/// Plays `case` over what `transcript` recorded, without a broker.
pub fn replay(
    case: &Case,
    which: Which,
    transcript: &Transcript,
    settings: &Arc<Settings>,
) -> (Transcript, PlayEnd, Vec<Advice>) {
    let mut replayer = Replayer {
        matcher: Matcher::new(case, which, &transcript.namespace, settings),
        recorded: transcript.events.iter().map(untaken).collect(),
        next: 0,
        now: Duration::ZERO,
        assemblers: BTreeMap::new(),
        case,
    };
    replayer.run();
    replayer.matcher.finish()
}

/// An event as the driver first told it: nothing has taken it.
fn untaken(event: &Event) -> Event {
    let step = if event.from_broker() { None } else { event.step.clone() };
    Event { step, ..event.clone() }
}

struct Replayer<'a> {
    matcher: Matcher,
    recorded: Vec<Event>,
    next: usize,
    now: Duration,
    assemblers: BTreeMap<ClientName, Assembler>,
    case: &'a Case,
}

impl Replayer<'_> {
    fn run(&mut self) {
        loop {
            match self.matcher.poll(self.now) {
                Poll::Done => return,
                Poll::Do(action) => self.act(&action),
                Poll::Wait { until } => match self.recorded.get(self.next) {
                    Some(event) if event.from_broker() && event.at <= until => {
                        self.now = self.now.max(event.at);
                        self.matcher.observe(event.clone());
                        self.next += 1;
                    }
                    _ => self.now = self.now.max(until),
                },
            }
        }
    }

    /// What an action recorded stands next in the transcript.
    fn act(&mut self, action: &Action) {
        let (client, events) = match action {
            Action::Open { client, .. } => {
                self.assemblers
                    .insert(client.clone(), Assembler::new(self.case.version));
                (client.clone(), 1)
            }
            Action::Write {
                client, writes, text, ..
            } => {
                let Some(assembler) = self.assemblers.get_mut(client) else {
                    return;
                };
                let sent: usize = writes.iter().map(|w| assembler.sent(w).len()).sum();
                let incomplete = assembler.our_pending() > 0;
                self.take(sent + if *text { writes.len() } else { 0 });
                self.matcher.incomplete(client, incomplete);
                return;
            }
            Action::Finish { client, .. } => (client.clone(), 1),
            Action::Reset { client, .. } => {
                if self.assemblers.remove(client).is_some() {
                    self.take(1);
                }
                return;
            }
            Action::Reading { .. } => return,
            Action::Broker { .. } => {
                self.assemblers.clear();
                while let Some(event) = self.recorded.get(self.next).cloned() {
                    self.now = self.now.max(event.at);
                    self.next += 1;
                    let back = matches!(event.what, What::Lifecycle(_));
                    self.matcher.observe(event);
                    if back {
                        return;
                    }
                }
                return;
            }
        };
        // Without a connection the driver did nothing, and recorded nothing.
        if self.assemblers.contains_key(&client) {
            self.take(events);
        }
    }

    /// Hands over the next events that are ours, and those of the broker that stand between them.
    fn take(&mut self, ours: usize) {
        let mut left = ours;
        while left > 0 {
            let Some(event) = self.recorded.get(self.next).cloned() else {
                return;
            };
            self.next += 1;
            self.now = self.now.max(event.at);
            left -= usize::from(event.author != Author::Broker);
            self.matcher.observe(event);
        }
    }
}
