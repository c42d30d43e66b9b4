//! Scenarios, what is under test, and the runs that lead to verdicts.

#![forbid(unsafe_code)]

use mqttspec_protocol::{adapter, conversation, history, rules, source, statements, transcript, transport, wire};

pub mod play;
pub mod scenario;
pub mod suite;
pub mod sut;
