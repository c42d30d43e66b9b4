//! What the matcher asks the driver to do.

use std::time::Duration;

use crate::scenario::{BrokerAction, Verb};
use crate::transcript::{Author, ClientName, StepId};
use crate::wire::{Chunk, Packet};

/// One thing to do, on behalf of a step or of a fence. Each is done, or given up, before the next is asked for.
#[derive(Debug, Clone)]
pub enum Action {
    /// Open the client's connection.
    Open {
        client: ClientName,
        step: Option<StepId>,
        /// The WebSocket subprotocols to offer; `None` for MQTT's.
        offer: Option<Vec<String>>,
    },
    /// Write, one piece after the other.
    Write {
        client: ClientName,
        step: Option<StepId>,
        author: Author,
        /// Each is one write.
        writes: Vec<Vec<Chunk>>,
        /// Between two writes.
        pause: Duration,
        /// Over WebSocket in text frames.
        text: bool,
    },
    /// FIN, and go on reading.
    Finish {
        client: ClientName,
        step: Option<StepId>,
        author: Author,
        /// `half close`, and not `close` or what follows a DISCONNECT.
        half: bool,
    },
    /// RST.
    Reset { client: ClientName, step: Option<StepId> },
    /// Stop taking bytes from the socket, or go on.
    Reading { client: ClientName, on: bool },
    /// Tell the application of a client under test what to do.
    Tell {
        client: ClientName,
        step: Option<StepId>,
        /// Counts the commands of the exchange from 1.
        id: u32,
        verb: Verb,
        /// The packet whose fields are those of the command.
        packet: Option<Packet>,
        /// The command in the language.
        shown: String,
    },
    /// Tell the application that the case is over, and wait for its answer.
    EndCase { client: ClientName },
    /// Restart or kill the broker; every connection ends.
    Broker { action: BrokerAction, step: Option<StepId> },
}
