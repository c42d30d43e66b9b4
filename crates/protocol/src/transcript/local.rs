//! What decides an exchange and crosses no wire: kept alongside the events, so that it can be played again exactly.

use std::time::Duration;

/// Something that happened on the side of the harness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The index of the event before which it happened.
    pub before: u32,
    /// Since the exchange began.
    pub at: Duration,
    pub what: Happened,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// What was to be done is done, or was given up.
    Done {
        /// Of a write: nothing of a packet is left for a later one.
        whole: bool,
    },
    /// Bytes came on this connection of a packet that is not whole yet. Of many in a row
    /// a few are kept, the first and the last among them.
    Partial { connection: u32 },
    /// It became this late, and then something was looked at that had come earlier.
    Clock,
    /// The peer sent more than is kept.
    Flood,
    /// The exchange cannot go on. Boxed, since it is rare and large.
    Stopped(Box<Stop>),
}

/// Why an exchange cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The target does not offer what the case needs: the reason.
    Skipped(String),
    /// The harness or its machine is too slow: the experiment is void.
    Late(String),
    /// The broker went away as a process, or no connection can be made any more.
    BrokerGone(String),
    /// Our own fault: the message.
    Error(String),
}
