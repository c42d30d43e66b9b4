//! Everything that crossed the wire in a case, in order, with time, bytes and decoded fields.
//!
//! This is the narrow waist of mqttspec: a live run and a capture both produce a [`Transcript`]; rules, reports,
//! snapshots and pcap export read nothing else.

mod event;

pub use event::{Author, ClientName, Direction, End, Event, Lifecycle, StepId, Transcript, What};
