//! Everything that crossed the wire in a case, in order, with time, bytes and decoded fields.
//!
//! This is the narrow waist of mqttspec: a live run and a capture both produce a [`Transcript`]; rules, reports,
//! snapshots and pcap export read nothing else. It comes as a trace for people ([`trace`]) and normalised for snapshots
//! ([`normalise`]).

mod alias;
mod event;
mod fold;
mod hex;
mod local;
mod normalise;
mod notation;
mod order;
#[doc(hidden)]
pub mod testing;
mod text;
mod usual;

pub use alias::Aliases;
pub use event::{
    Application, Author, ClientName, Direction, End, Event, Lifecycle, StepId, Transcript, WebSocket, What,
};
pub use hex::{HexLine, Mark, printable, secrets};
pub use local::{Happened, Local, Stop};
pub use normalise::{connacks, normalise, normalise_sent};
pub use notation::without_namespace;
pub use text::{codes, fields, line, name, precise_seconds, seconds, shown, trace, value};
pub use usual::Usual;
