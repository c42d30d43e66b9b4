//! The end of a sequence: every session is drained, what is retained is asked for, and nothing is left at the broker.

use std::time::{Duration, Instant};

use super::play::Live;
use super::{CutShort, terms};
use crate::fuzzer::action::{Act, Connection, TOPICS};
use crate::fuzzer::party::{asks_for_retained, lasting};
use crate::fuzzer::{ledger, offence};
use crate::transcript::{Author, Event, Transcript};
use crate::wire::{Packet, Publish, Side, Version};

/// At most this many times in a row clients take what their acknowledgements bring.
const ROUNDS: usize = 64;
/// How long the clients wait before they look whether what was missing has come. Each further wait is twice as long.
const LOOK: Duration = Duration::from_millis(20);
/// What the wait is longer than the broker's patience.
const MARGIN: Duration = Duration::from_millis(20);

impl Live<'_> {
    /// Each client that has been there reads and acknowledges everything, and resumes its session if it is away. A new client
    /// asks for the retained messages. If something is missing then, all of them go on reading for a while. Then they leave.
    pub async fn finish(&mut self) -> Result<(), CutShort> {
        let clients = self.party.clients.len();
        for client in 0..clients {
            let Some(number) = self.party.clients[client].link else {
                // A session that has ended holds nothing.
                if self.party.clients[client].expiry > 0 && self.has_been_there(client) {
                    self.connect(client, &lasting()).await?;
                }
                continue;
            };
            if let Some(link) = self.party.links.get_mut(&number) {
                link.stalled = false;
                link.automatic = true;
            }
            self.answer(number);
            self.flush(number).await;
        }
        self.drain().await?;
        let late = self.join("late");
        // The fence after each action is the PINGREQ that the books need.
        let [connect, subscribe, _, leave] = asks_for_retained();
        for act in [connect, subscribe] {
            self.perform(late, &act).await?;
        }
        self.wait_for_what_is_missing().await?;
        for client in 0..clients {
            self.perform(client, &leave).await?;
        }
        self.tidy(late).await;
        Ok(())
    }

    fn has_been_there(&self, client: usize) -> bool {
        let name = format!("c{client}");
        self.events.iter().any(|event| *event.client == *name)
    }

    /// Acknowledgements bring further messages out of queues.
    async fn drain(&mut self) -> Result<(), CutShort> {
        for _ in 0..ROUNDS {
            let before = self.exchanged();
            self.fence_all().await?;
            if self.exchanged() == before {
                break;
            }
        }
        Ok(())
    }

    /// How many packets have come that are no answers to fences.
    fn exchanged(&self) -> usize {
        let is_other = |e: &&Event| {
            let packet = e.packet().and_then(|d| d.packet.as_ref());
            e.author == Author::Peer && packet.is_some_and(|p| !matches!(p, Packet::PingResp))
        };
        self.events.iter().filter(is_other).count()
    }

    async fn wait_for_what_is_missing(&mut self) -> Result<(), CutShort> {
        let end = Instant::now() + self.broker.patience + MARGIN;
        let mut wait = LOOK;
        while self.lacks_something() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(wait.min(left)).await;
            wait *= 2;
            self.fence_all().await?;
        }
        Ok(())
    }

    /// Whether the books have something that has not come, however short the time was.
    fn lacks_something(&mut self) -> bool {
        let events = std::mem::take(&mut self.events);
        let mut transcript = Transcript {
            scripted: Side::Client,
            version: self.party.clients.first().map_or(Version::V5, |c| c.version),
            namespace: self.party.namespace.clone(),
            events,
            local: Vec::new(),
            bindings: Vec::new(),
        };
        let offences = offence::read(&transcript);
        let at = |patience| ledger::check(&transcript, &offences, terms(patience)).len();
        let lacks = at(Duration::ZERO) > at(self.broker.patience);
        self.events = std::mem::take(&mut transcript.events);
        lacks
    }

    /// Removes what the sequence leaves at the broker: retained messages and sessions. None of it is recorded, and nothing is made of
    /// what goes wrong with it.
    async fn tidy(&mut self, late: usize) {
        let seen = self.events.len();
        if let Some(number) = self.party.clients[late].link {
            for index in 0..TOPICS.len() {
                let topic = self.party.topic(index);
                let is_retained = |e: &Event| match e.packet().and_then(|d| d.packet.as_ref()) {
                    Some(Packet::Publish(p)) => p.retain && e.author == Author::Peer && p.topic == topic,
                    _ => false,
                };
                if self.events.iter().any(is_retained) {
                    let empty = Publish {
                        retain: true,
                        topic,
                        ..Publish::default()
                    };
                    self.put(number, &Packet::Publish(empty), Author::Cleanup);
                }
            }
            let _ = self.perform(late, &Act::Disconnect { code: 0, expiry: None }).await;
        }
        for client in 0..late {
            if self.party.clients[client].expiry > 0 && self.has_been_there(client) {
                let clean = Connection {
                    clean: true,
                    ..Connection::default()
                };
                if self.connect(client, &clean).await.is_ok() {
                    let leave = Act::Disconnect { code: 0, expiry: None };
                    let _ = self.perform(client, &leave).await;
                }
            }
        }
        self.events.truncate(seen);
    }
}
