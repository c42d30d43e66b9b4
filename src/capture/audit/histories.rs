//! The histories of a capture: one for each broker's address.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::capture::{Seen, Stream};
use crate::history::{Checker, Finding, Place, Scope, Step};
use crate::transcript::Event;
use crate::wire::{Packet, Side, Text};

/// The sessions of at most this many brokers are judged, the first ones.
const BROKERS: usize = 1024;
/// Of at most this many client ids it is known at which broker they were seen.
const CLIENTS: usize = 20_000;

/// Judges the connections of each broker together.
#[derive(Default)]
pub struct Histories {
    by_broker: HashMap<SocketAddr, Checker>,
    /// Where each client id was seen first.
    clients: HashMap<Text, SocketAddr>,
}

impl Histories {
    /// What the next event of a stream shows, as event `number` of it.
    pub fn event(&mut self, stream: &Stream, seen: Seen, event: &Event, number: usize) -> Vec<Finding> {
        let from = event.side(Side::Client);
        if let Some(Packet::Connect(connect)) = event.packet().and_then(|d| d.packet.as_ref()) {
            self.connects(stream.server, &connect.client_id);
        }
        let Some(checker) = self.of(stream.server) else {
            return Vec::new();
        };
        let place = Place {
            connection: stream.id,
            event: number,
            frame: seen.began,
            at: stream.started + event.at,
        };
        checker.take(&Step {
            place,
            from,
            what: &event.what,
            crossed: seen.crossed,
        })
    }

    /// No more events of a stream come: what that shows, and what is to be said of its session.
    pub fn ended(&mut self, stream: &Stream) -> (Vec<Finding>, Option<&'static str>) {
        let Some(checker) = self.by_broker.get_mut(&stream.server) else {
            return (Vec::new(), None);
        };
        let remark = checker.remark(stream.id);
        (checker.close(stream.id), remark)
    }

    fn of(&mut self, broker: SocketAddr) -> Option<&mut Checker> {
        if self.by_broker.len() >= BROKERS && !self.by_broker.contains_key(&broker) {
            return None;
        }
        let new = || Checker::new(Scope::Capture);
        Some(self.by_broker.entry(broker).or_insert_with(new))
    }

    /// Two addresses may be of one broker, so that a client id that was seen at both may have one session.
    fn connects(&mut self, broker: SocketAddr, client_id: &Text) {
        if client_id.is_empty() {
            return;
        }
        let first = match self.clients.get(client_id) {
            Some(first) => *first,
            None => {
                if self.clients.len() >= CLIENTS {
                    self.clients.clear();
                }
                // A copy of its own: a client id is part of the whole packet's bytes.
                self.clients.insert(client_id.as_bytes().to_vec().into(), broker);
                return;
            }
        };
        if first == broker {
            return;
        }
        for at in [first, broker] {
            if let Some(checker) = self.of(at) {
                checker.used_elsewhere(client_id.as_bytes());
            }
        }
    }
}
