//! The state that outlives a connection, and the one way to change it: a [`Record`].
//!
//! The broker changes its sessions and retained messages by applying records, and the store keeps the same records. So
//! the memory and the state after a restart cannot diverge.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::message::Message;
use super::session::{Delivery, Held, InFlight, PendingWill, Session};
use crate::wire::Text;

/// All sessions, by client id, and all retained messages, by topic.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub sessions: BTreeMap<Text, Session>,
    pub retained: BTreeMap<Text, Arc<Message>>,
}

/// One change. `client` is the client id of the session that it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The retained message of a topic is replaced, or removed.
    Retain {
        topic: Text,
        message: Option<Arc<Message>>,
    },
    /// A new session; an older one of the same client id is gone.
    Begin {
        client: Text,
    },
    /// The session is over.
    End {
        client: Text,
    },
    /// The Session Expiry Interval, and when it started to run (not at all while the client is connected).
    Expire {
        client: Text,
        seconds: u32,
        away_since: Option<Duration>,
    },
    /// A subscription is made, or replaces one with the same filter.
    Subscribe {
        client: Text,
        held: Held,
    },
    Unsubscribe {
        client: Text,
        filter: Text,
    },
    /// A delivery is added to the queue.
    Queue {
        client: Text,
        delivery: Delivery,
    },
    /// The oldest delivery of the queue is sent for the first time.
    Send {
        client: Text,
        packet_id: u16,
    },
    /// The oldest delivery of the queue is dropped: it has expired, or is too large for the client.
    Drop {
        client: Text,
    },
    /// PUBREC arrived: the message is done, its identifier is not.
    Release {
        client: Text,
        packet_id: u16,
    },
    /// The exchange with this identifier is over.
    Finish {
        client: Text,
        packet_id: u16,
    },
    /// A QoS 2 message of the client was accepted.
    Receive {
        client: Text,
        packet_id: u16,
        /// Present if it is passed on at PUBREL and not at PUBLISH.
        message: Option<Arc<Message>>,
    },
    /// PUBREL arrived for it.
    Forget {
        client: Text,
        packet_id: u16,
    },
    /// A will starts to wait for its delay, or stops waiting.
    Will {
        client: Text,
        will: Option<PendingWill>,
    },
}

impl Record {
    /// The session that it changes; `None` for a retained message.
    pub fn client(&self) -> Option<&Text> {
        match self {
            Record::Retain { .. } => None,
            Record::Begin { client }
            | Record::End { client }
            | Record::Expire { client, .. }
            | Record::Subscribe { client, .. }
            | Record::Unsubscribe { client, .. }
            | Record::Queue { client, .. }
            | Record::Send { client, .. }
            | Record::Drop { client }
            | Record::Release { client, .. }
            | Record::Finish { client, .. }
            | Record::Receive { client, .. }
            | Record::Forget { client, .. }
            | Record::Will { client, .. } => Some(client),
        }
    }

    /// Whether it starts, ends or changes the lifetime of a session, so that a store needs it in every case.
    pub fn turns_session(&self) -> bool {
        matches!(self, Record::Begin { .. } | Record::End { .. } | Record::Expire { .. })
    }
}

impl State {
    /// Applies the change. One that names a missing session changes nothing.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Retain { topic, message } => {
                match message {
                    Some(message) => self.retained.insert(topic.clone(), message.clone()),
                    None => self.retained.remove(topic),
                };
                return;
            }
            Record::Begin { client } => {
                self.sessions.insert(client.clone(), Session::default());
                return;
            }
            Record::End { client } => {
                self.sessions.remove(client);
                return;
            }
            _ => {}
        }
        if let Some(session) = record.client().and_then(|client| self.sessions.get_mut(client)) {
            session.apply(record);
        }
    }

    /// The shortest list of records that leads from nothing to this state. State of a session that ends with its
    /// connection is left out.
    pub fn dump(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self
            .retained
            .iter()
            .map(|(topic, message)| Record::Retain {
                topic: topic.clone(),
                message: Some(message.clone()),
            })
            .collect();
        for (client, session) in self.sessions.iter().filter(|(_, s)| s.is_persistent()) {
            session.dump(client, &mut records);
        }
        records
    }
}

impl Session {
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Retain { .. } | Record::Begin { .. } | Record::End { .. } => {}
            Record::Expire {
                seconds, away_since, ..
            } => {
                self.expiry = *seconds;
                self.away_since = *away_since;
            }
            Record::Subscribe { held, .. } => match self.subscriptions.iter_mut().find(|s| s.filter == held.filter) {
                Some(old) => *old = held.clone(),
                None => self.subscriptions.push(held.clone()),
            },
            Record::Unsubscribe { filter, .. } => self.subscriptions.retain(|s| s.filter != *filter),
            Record::Queue { delivery, .. } => self.queue.push_back(delivery.clone()),
            Record::Send { packet_id, .. } => {
                if let Some(delivery) = self.queue.pop_front() {
                    self.last_packet_id = *packet_id;
                    self.in_flight.push_back(InFlight {
                        packet_id: *packet_id,
                        delivery,
                        sent: true,
                        sent_at: Duration::ZERO,
                    });
                }
            }
            Record::Drop { .. } => {
                self.queue.pop_front();
            }
            Record::Release { packet_id, .. } => {
                self.in_flight.retain(|m| m.packet_id != *packet_id);
                self.released.push_back(*packet_id);
            }
            Record::Finish { packet_id, .. } => {
                self.in_flight.retain(|m| m.packet_id != *packet_id);
                self.released.retain(|id| id != packet_id);
            }
            Record::Receive { packet_id, message, .. } => {
                self.received.insert(*packet_id, message.clone());
            }
            Record::Forget { packet_id, .. } => {
                self.received.remove(packet_id);
            }
            Record::Will { will, .. } => self.will = will.clone(),
        }
    }

    fn dump(&self, client: &Text, records: &mut Vec<Record>) {
        let client = || client.clone();
        records.push(Record::Begin { client: client() });
        records.push(Record::Expire {
            client: client(),
            seconds: self.expiry,
            away_since: self.away_since,
        });
        for held in &self.subscriptions {
            records.push(Record::Subscribe {
                client: client(),
                held: held.clone(),
            });
        }
        for (packet_id, message) in &self.received {
            records.push(Record::Receive {
                client: client(),
                packet_id: *packet_id,
                message: message.clone(),
            });
        }
        let sent = |delivery: &Delivery, packet_id: u16, records: &mut Vec<Record>| {
            records.push(Record::Queue {
                client: client(),
                delivery: delivery.clone(),
            });
            records.push(Record::Send {
                client: client(),
                packet_id,
            });
        };
        for message in &self.in_flight {
            sent(&message.delivery, message.packet_id, records);
        }
        for packet_id in &self.released {
            records.push(Record::Release {
                client: client(),
                packet_id: *packet_id,
            });
        }
        for delivery in &self.queue {
            records.push(Record::Queue {
                client: client(),
                delivery: delivery.clone(),
            });
        }
        if let Some(will) = &self.will {
            records.push(Record::Will {
                client: client(),
                will: Some(will.clone()),
            });
        }
    }
}
