//! After the end: DISCONNECT and FIN on every connection that is still there, then a moment for what the broker still
//! says. The end is decided by then; rules judge what comes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::transcript::Author;
use crate::wire::{Disconnect, Packet, Side};

use super::client::Client;
use super::connection::Connection;
use super::{Matcher, Poll};
use crate::play::Action;

/// How long trailing bytes are read after the parting. A write to a broker that does not read any more is given up as
/// soon.
const TRAILING: Duration = Duration::from_millis(250);

/// How far the parting is.
#[derive(Debug)]
pub enum Parting {
    /// These clients are yet to leave.
    Leaving(VecDeque<usize>),
    /// All have left; what still comes is noted until then.
    Trailing { until: Duration },
}

impl Matcher {
    /// Takes the parting one step further.
    pub(super) fn part(&mut self) -> Poll {
        if self.parting.is_none() {
            self.outbox.clear();
            let mut clients: Vec<usize> = (0..self.clients.len()).collect();
            clients.retain(|&index| self.clients[index].connection().is_some());
            clients.sort_by(|&a, &b| self.clients[a].name.cmp(&self.clients[b].name));
            self.parting = Some(Parting::Leaving(clients.into()));
            if self.scripted == Side::Server && self.commands > 0 {
                self.outbox.push_back(Action::EndCase {
                    client: self.clients[0].name.clone(),
                });
            }
        }
        loop {
            if let Some(action) = self.outbox.pop_front() {
                let is_call = matches!(action, Action::EndCase { .. });
                return self.ask(action, if is_call { self.settings.patience } else { TRAILING });
            }
            match &mut self.parting {
                Some(Parting::Leaving(clients)) => match clients.pop_front() {
                    Some(index) => self.leave(index),
                    None => {
                        let until = self.clock + TRAILING;
                        self.parting = Some(Parting::Trailing { until });
                    }
                },
                Some(Parting::Trailing { until }) => {
                    let until = *until;
                    if self.clock < until && self.awaits_ends() {
                        return Poll::Wait { until };
                    }
                    return Poll::Done;
                }
                None => return Poll::Done,
            }
        }
    }

    /// Asks for what a client says when it leaves. The driver passes over a connection that is not there any more.
    fn leave(&mut self, index: usize) {
        let is_client = self.scripted == Side::Client;
        if self.clients[index]
            .connection()
            .is_some_and(|connection| is_client && connection.may_say_goodbye())
        {
            self.answer(index, &Packet::Disconnect(Disconnect::default()), Author::Cleanup);
        }
        self.outbox.push_back(Action::Finish {
            client: self.clients[index].name.clone(),
            step: None,
            author: Author::Cleanup,
            half: false,
        });
    }

    /// Whether a connection that we have ended is not yet ended by the broker.
    fn awaits_ends(&self) -> bool {
        self.clients
            .iter()
            .filter_map(Client::connection)
            .any(Connection::awaits_end)
    }
}
