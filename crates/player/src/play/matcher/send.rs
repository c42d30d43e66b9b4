//! Steps that send: packets, bytes, and what is done to the TCP connection.

use std::sync::Arc;
use std::time::Duration;

use crate::scenario::{BuiltPart, Send, Step, StepKind, Write};
use crate::transcript::{Author, ClientName, StepId};
use crate::wire::{Overrides, Packet, Side};

use super::connection::Connection;
use super::{Matcher, Waiting};
use crate::play::limits;
use crate::play::{Action, PlayEnd};

/// A write that can be done.
struct Ready {
    index: usize,
    probe: bool,
    action: Action,
    /// It says DISCONNECT.
    leaving: Option<Leaving>,
}

/// A client whose part is over.
struct Leaving {
    index: usize,
    name: ClientName,
    id: Option<StepId>,
}

impl Matcher {
    /// Does what a `c -> ...` step says.
    pub(super) fn send(&mut self, client: &str, what: &Send, step: &Step) {
        let index = self.client(client);
        let client = self.clients[index].name.clone();
        let id = self.program.step_id();
        let finish = |half| Action::Finish {
            client: client.clone(),
            step: id.clone(),
            author: Author::Script,
            half,
        };
        match what {
            Send::Write(write) => self.write(index, write, step),
            Send::Open | Send::OpenOffering(_) => {
                let offer = match what {
                    Send::OpenOffering(offer) => Some(offer.clone()),
                    _ => None,
                };
                self.outbox.push_back(Action::Open {
                    client,
                    step: id,
                    offer,
                });
                // A connection that the client leaves behind ends with the new one; its end is of our making.
                self.after_change();
            }
            Send::Close => {
                self.clients[index].settle();
                if !self.clients[index].connection().is_some_and(Connection::has_left) {
                    self.outbox.push_back(finish(false));
                }
                self.drain(vec![index]);
            }
            Send::HalfClose => {
                self.outbox.push_back(finish(true));
                self.step_done();
            }
            Send::Reset => {
                self.clients[index].settle();
                self.outbox.push_back(Action::Reset { client, step: id });
                self.after_change();
            }
            Send::StopReading | Send::Read => {
                let on = matches!(what, Send::Read);
                if let Some(connection) = self.clients[index].connection_mut() {
                    connection.set_reading(on);
                }
                self.outbox.push_back(Action::Reading { client, on });
                self.step_done();
            }
        }
    }

    /// The step at hand changes a connection: the target gets its `settle`, then the step is done.
    fn after_change(&mut self) {
        self.waiting = Waiting::Pause {
            until: self.now + self.settings.settle,
        };
    }

    fn drain(&mut self, clients: Vec<usize>) {
        self.waiting = Waiting::Drain {
            clients,
            until: self.now + self.settings.patience,
        };
    }

    fn write(&mut self, index: usize, write: &Write, step: &Step) {
        if let Some(ready) = self.prepare(index, write, step) {
            let left = self.hand_over(ready);
            self.part_from(left.into_iter().collect());
        }
    }

    /// Writes what several clients send. All of it is built before the first byte goes out, and nothing that comes
    /// meanwhile is answered before the last.
    pub(super) fn send_at_once(&mut self, steps: &[Step]) {
        let mut all = Vec::with_capacity(steps.len());
        for step in steps {
            // The loader takes nothing else.
            let StepKind::Send {
                client,
                what: Send::Write(write),
            } = &step.what
            else {
                continue;
            };
            self.last_client = Some(Arc::clone(client));
            match self.prepare(self.client(client), write, step) {
                Some(ready) => all.push(ready),
                None => return,
            }
        }
        let left: Vec<Leaving> = all.into_iter().filter_map(|ready| self.hand_over(ready)).collect();
        self.part_from(left);
    }

    /// What is to be written; `None` if that ends the case.
    fn prepare(&mut self, index: usize, write: &Write, step: &Step) -> Option<Ready> {
        if self.settings.login.is_some() && write.lacks_login() {
            self.skip("the target requires a login, which this CONNECT cannot carry".to_owned());
            return None;
        }
        let client = &self.clients[index];
        let (name, version) = (client.name.clone(), client.version);
        let built = match write.build(version, &self.scope, &name, &step.place) {
            Ok(built) => built,
            Err(error) => {
                if error.skip {
                    self.skip(error.message)
                } else {
                    self.end = Some(PlayEnd::Error(error.message))
                }
                return None;
            }
        };
        if !write.probe
            && self.scripted == Side::Client
            && let Some(reason) = limits::beyond(&built, version, &self.clients[index], &self.scope, &self.settings)
        {
            self.skip(reason);
            return None;
        }
        let says_goodbye = built.parts.iter().any(|part| match part {
            BuiltPart::Packet { packet, overrides } => {
                matches!(packet, Packet::Disconnect(_)) && *overrides == Overrides::default()
            }
            BuiltPart::Bytes(_) => false,
        });
        let id = Some(self.program.id_of(step));
        let action = Action::Write {
            client: name.clone(),
            step: id.clone(),
            author: self.program.author(),
            writes: built.writes,
            pause: write.pause,
            text: write.text_frame,
        };
        Some(Ready {
            index,
            probe: write.probe,
            action,
            leaving: says_goodbye.then_some(Leaving { index, name, id }),
        })
    }

    /// Hands a write over to be done. Says whether its client closes after it.
    fn hand_over(&mut self, ready: Ready) -> Option<Leaving> {
        self.clients[ready.index].probing = ready.probe;
        self.outbox.push_back(ready.action);
        ready.leaving.filter(|leaving| !self.goes_on_sending(&leaving.name))
    }

    /// Ends the connections of those who have said goodbye, and the step.
    fn part_from(&mut self, left: Vec<Leaving>) {
        if left.is_empty() {
            self.waiting = Waiting::Pause { until: Duration::ZERO };
            return;
        }
        let clients = left.iter().map(|leaving| leaving.index).collect();
        for Leaving { index, name, id } in left {
            // A client closes after its DISCONNECT (3.1.1 MQTT-3.14.4-1, 5.0 MQTT-3.14.4-1), and only when the broker
            // has closed too has it seen the DISCONNECT for sure.
            self.clients[index].settle();
            self.outbox.push_back(Action::Finish {
                client: name,
                step: id,
                author: Author::Script,
                half: false,
            });
        }
        self.drain(clients);
    }

    /// Whether the script has something to do with this connection after its DISCONNECT: it sends more, or waits for
    /// the broker to close first.
    fn goes_on_sending(&self, client: &str) -> bool {
        self.program
            .ahead()
            .into_iter()
            .find_map(|steps| goes_on(steps, client))
            .unwrap_or(false)
    }
}

/// What the first of `steps` that touches the client says; `None` if none does.
fn goes_on(steps: &[Step], client: &str) -> Option<bool> {
    steps.iter().find_map(|step| match &step.what {
        StepKind::Send { client: c, what } if &**c == client => {
            Some(!matches!(what, Send::Open | Send::OpenOffering(_)))
        }
        StepKind::Expect { client: c, .. } if &**c == client => Some(true),
        StepKind::Repeat { times: 0, .. } => None,
        // Whichever alternative is taken: a FIN that comes too early is worse than one that is left out.
        _ => step.children().iter().filter_map(|steps| goes_on(steps, client)).max(),
    })
}
