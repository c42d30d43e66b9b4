//! What happens because time has passed.

use std::time::Duration;

use super::connection::Phase;
use super::offence::Fault;
use super::reason;
use super::session::Session;
use super::state::Record;
use super::{Broker, Cause, ConnectionId};
use crate::reference::duty::Duty;
use crate::reference::freedom::Choice;
use crate::wire::Text;

impl Broker {
    /// When the next [`super::Input::Tick`] is due, on the clock of `handle`.
    pub fn next_deadline(&self) -> Option<Duration> {
        let connections = self.connections.values().filter_map(|c| c.silent_until());
        let ends = self.must(Duty::EndSession);
        let sessions = (self.state.sessions.values())
            .flat_map(|s| [self.ends_at(s).filter(|_| ends), s.will.as_ref().map(|w| w.due)]);
        connections.chain(sessions.flatten()).chain(self.next_repeat()).min()
    }

    /// When a session ends if its client does not reconnect. The state may be deleted a little later (5.0, section
    /// 3.1.2.11.2).
    fn ends_at(&self, session: &Session) -> Option<Duration> {
        Some(session.ends_at()? + self.lateness(Choice::SessionExpiryLate))
    }

    /// After a restart no session has a connection: those that only lasted as long as theirs have ended, and for
    /// the others the Session Expiry Interval runs.
    pub(super) fn restore(&mut self) {
        if !self.must(Duty::KeepRetainedOverRestart) {
            self.state.retained.clear();
        }
        self.disturb_restored();
        let keeps_sessions = self.must(Duty::KeepSessionsOverRestart);
        for (client, session) in self.state.sessions.clone() {
            if !session.is_persistent() || !keeps_sessions {
                self.state.apply(&Record::End { client });
            } else if session.away_since.is_none() {
                self.state.apply(&Record::Expire {
                    client,
                    seconds: session.expiry,
                    away_since: Some(self.now),
                });
            }
        }
    }

    /// Sessions that have expired and wills whose delay has passed.
    pub(super) fn expire_state(&mut self) {
        let now = self.now;
        let over: Vec<Text> = (self.state.sessions.iter())
            .filter(|(_, s)| self.ends_at(s).is_some_and(|at| at <= now) && self.must(Duty::EndSession))
            .map(|(client, _)| client.clone())
            .collect();
        for client in over {
            self.end_session(&client);
        }
        let due: Vec<Text> = (self.state.sessions.iter())
            .filter(|(_, s)| s.will.as_ref().is_some_and(|w| w.due <= now))
            .map(|(client, _)| client.clone())
            .collect();
        for client in due {
            let pending = self.state.sessions.get(&client).and_then(|s| s.will.clone());
            self.set_pending_will(&client, None);
            if let Some(pending) = pending {
                self.publish_will(&client, pending.will);
            }
        }
    }

    /// Connections that were silent for too long.
    pub(super) fn expire_connections(&mut self) {
        let now = self.now;
        let silent: Vec<(ConnectionId, Phase)> = (self.connections.iter())
            .filter(|(_, c)| c.silent_until().is_some_and(|at| at <= now))
            .map(|(id, c)| (*id, c.phase))
            .collect();
        for (id, phase) in silent {
            if matches!(phase, Phase::Opened | Phase::Authenticating) {
                self.end(id, Cause::NotConnected, None);
                continue;
            }
            let fault = Fault {
                statements: Vec::new(),
                reason: reason::KEEP_ALIVE_TIMEOUT,
                text: "nothing came for one and a half times the Keep Alive".to_owned(),
            };
            self.end(id, Cause::KeepAlive, Some(&fault));
        }
    }
}
