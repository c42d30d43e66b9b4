//! The end of a case: a fence on all clients, then the account of everything that came and that no step took.

use std::time::Duration;

use crate::transcript::Author;
use crate::wire::{Packet, Side};

use super::probe::name_of;
use super::{Matcher, Waiting};
use crate::play::{Failure, FailureKind, PlayEnd, Stage};

/// How far the farewell is. Two rounds of PINGREQs: first on the client that spoke last and on those whose last packet
/// may still be on its way to the broker, then on those that a message can reach. What the last packet of one client
/// caused at another has then had its turn, and every client was asked at least once.
#[derive(Debug, Default)]
pub struct Farewell {
    pub(super) rounds: u32,
    /// The fence of this round that a client under test has to acknowledge.
    pub(super) fence: Option<u16>,
    /// Until when a client that a person operates may still send something.
    pub(super) until: Option<Duration>,
}

pub(super) const ROUNDS: u32 = 2;

impl Matcher {
    /// Takes the farewell one step further, or says until when to wait.
    pub(super) fn farewell_goes_on(&mut self) -> Option<Duration> {
        if self.scripted == Side::Server {
            return self.client_farewell();
        }
        let Waiting::Farewell(farewell) = &self.waiting else {
            return None;
        };
        if farewell.rounds > 0
            && let Some(index) = (0..self.clients.len()).find(|&i| self.awaits_fence_ping(i))
        {
            let until = self.answered_by();
            if self.clock < until {
                return Some(until);
            }
            // What came is the better story, if anything did.
            if !self.account() {
                let failure = self.unmet(self.no_pingresp(index));
                self.fail(failure);
            }
            return None;
        }
        let Waiting::Farewell(farewell) = &mut self.waiting else {
            return None;
        };
        if farewell.rounds < ROUNDS {
            farewell.rounds += 1;
            let first = farewell.rounds == 1;
            for index in self.asked_in_the(first) {
                self.answer(index, &Packet::PingReq, Author::Fence);
            }
            return None;
        }
        if !self.account() {
            self.end.get_or_insert(PlayEnd::Met);
        }
        None
    }

    /// The clients that are asked in the first round, or in the second.
    fn asked_in_the(&self, first: bool) -> Vec<usize> {
        let open: Vec<usize> = (0..self.clients.len())
            .filter(|&i| self.clients[i].may_ping())
            .collect();
        let hears = |index: usize| !self.clients[index].asked.is_empty();
        // A client that only listens, and has had its answers since others spoke, has caused nothing that is still to come. A
        // listener that spoke last is asked in both rounds: what a CONNACK or SUBACK brings may come behind the next
        // answer. So are all listeners if no other client can be asked first: this takes time.
        let listens =
            |index: usize| hears(index) && self.clients[index].is_answered() && self.spoke_last != Some(index);
        let all_listen = open.iter().all(|&index| listens(index));
        let asked = open.into_iter();
        if first {
            asked.filter(|&index| all_listen || !listens(index)).collect()
        } else {
            asked.filter(|&index| hears(index)).collect()
        }
    }

    /// Whether this is a DISCONNECT by which a client leaves without an error (5.0, section 3.14.2.1).
    fn is_farewell(&self, event: usize) -> bool {
        let packet = self.events[event].packet().and_then(|decoded| decoded.packet.as_ref());
        matches!(packet, Some(Packet::Disconnect(disconnect)) if matches!(disconnect.reason_code, 0x00 | 0x04))
    }

    /// Fails the exchange if something is left, and says whether it did.
    pub(super) fn account(&mut self) -> bool {
        for index in 0..self.clients.len() {
            let left = self.all_leftovers(index, &self.scope);
            let client = &self.clients[index];
            let may_leave = self.settings.may_leave;
            let mut found = left.events.iter().copied();
            let found = found.find(|event| !(may_leave && self.is_farewell(*event)));
            let kind = match found {
                Some(event) => FailureKind::Leftover {
                    client: client.name.clone(),
                    came: name_of(&self.events[event]),
                },
                None if client.unsettled_end().is_some() && !may_leave => FailureKind::LeftoverEnd {
                    client: client.name.clone(),
                },
                None => {
                    let met = super::probe::Met {
                        takes: Vec::new(),
                        maybes: left.maybes,
                        scope: left.scope,
                        ends: false,
                        advice: Vec::new(),
                    };
                    self.take(index, met, None);
                    continue;
                }
            };
            let found = found.or(client.ended());
            self.fail(Failure {
                tests: self.tested(),
                control: self.control,
                stage: Stage::Account,
                kind,
                place: None,
                awaited: Vec::new(),
                found,
                mismatches: Vec::new(),
            });
            return true;
        }
        false
    }
}
