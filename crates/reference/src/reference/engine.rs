//! The core with the saboteur and the editor around it: the interface for a server.

use std::sync::Arc;
use std::time::Duration;

use super::config::Config;
use super::core::state::{Record, State};
use super::core::{Broker, ConnectionId, Effect, Input};
use super::freedom::Editor;
use super::sabotage::{Arrival, Outgoing, Saboteur};
use crate::wire::{Packet, Version};

/// The broker as its clients see it.
pub struct Engine {
    broker: Broker,
    saboteur: Saboteur,
    editor: Editor,
}

/// What a server must do.
pub enum Output {
    Store(Record),
    Send(ConnectionId, Version, Outgoing),
    Close(ConnectionId),
}

impl Output {
    /// The change to store, if it is one.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Output::Store(record) => Some(record),
            _ => None,
        }
    }
}

impl Engine {
    pub fn new(config: Arc<Config>, state: State, now: Duration) -> Engine {
        Engine {
            saboteur: Saboteur::new(config.disobey.acts()),
            editor: config.free.editor(),
            broker: Broker::new(config, state, now),
        }
    }

    /// When the next [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.broker.next_deadline()
    }

    /// As [`Broker::handle`].
    pub fn handle(&mut self, input: Input, now: Duration) -> Vec<Output> {
        let mut outputs = Vec::new();
        let input = match input {
            Input::Gone(connection) => {
                self.saboteur.gone(connection);
                self.editor.gone(connection);
                Input::Gone(connection)
            }
            Input::Received(connection, mut received) => {
                if let Some(packet) = received.packet.take() {
                    if let Packet::Connect(connect) = &packet {
                        let version = received.version.unwrap_or(Version::V3_1_1);
                        self.editor.connect(connection, version, connect);
                    }
                    match self.arrival(connection, received.version, packet) {
                        Arrival::Pass(packet) => received.packet = Some(packet),
                        Arrival::Swallow(answers) => {
                            let version = self.version(connection);
                            let sends = answers
                                .into_iter()
                                .map(|answer| Output::Send(connection, version, answer));
                            return sends.collect();
                        }
                    }
                }
                Input::Received(connection, received)
            }
            other => other,
        };
        for effect in self.broker.handle(input, now) {
            match effect {
                Effect::Store(record) => outputs.push(Output::Store(record)),
                Effect::Send(connection, version, packet) => {
                    for packet in self.saboteur.send(connection, packet) {
                        let packet = self.editor.send(connection, packet);
                        outputs.extend(packet.map(|packet| Output::Send(connection, version, packet)));
                    }
                }
                Effect::Close(connection, cause) => {
                    if !self.saboteur.keeps_open(connection, cause) {
                        outputs.push(Output::Close(connection));
                    }
                }
            }
        }
        outputs
    }

    fn arrival(&mut self, connection: ConnectionId, version: Option<Version>, packet: Packet) -> Arrival {
        if self.saboteur.is_idle() {
            return Arrival::Pass(packet);
        }
        self.saboteur
            .receive(connection, version.unwrap_or(Version::V3_1_1), packet)
    }

    fn version(&self, connection: ConnectionId) -> Version {
        self.broker
            .connection(connection)
            .map_or(Version::V3_1_1, |c| c.version)
    }
}
