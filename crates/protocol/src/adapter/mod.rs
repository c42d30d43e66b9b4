//! The contract between mqttspec and an adapter: the small program through which a client library is told what to do.
//!
//! It is JSON, one object a line. mqttspec writes [`Request`]s to the adapter's standard input; the adapter writes
//! [`Message`]s to its standard output. Both directions are here, since the reference client is an adapter too.
//! `docs/adapters.md` is the contract in words.

mod json;
mod message;
mod request;
mod words;

pub use json::named;
pub use message::{Abilities, Message, Nonsense};
pub use request::{Acknowledge, Command, Endpoint, Planned, Request};

/// The version of the contract that this mqttspec speaks.
pub const CONTRACT: u64 = 1;

/// The commands of the contract that an adapter must have: without them no case can be played.
pub const REQUIRED: [&str; 2] = ["connect", "end"];

/// The command of the contract that only adapters get which name it: what the application will be told.
pub const PLAN: &str = "plan";

/// Every other command of the contract.
pub const COMMANDS: [&str; 9] = [
    "connect",
    "publish",
    "subscribe",
    "unsubscribe",
    "reconnect",
    "disconnect",
    "auth",
    "ack",
    "end",
];
