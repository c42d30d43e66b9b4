//! Generated exchanges: sequences of what legal clients may do, played against the reference broker in one process without
//! sockets or against any broker, judged by the rules and by the history checker, and made as short as possible.

#![forbid(unsafe_code)]

use mqttspec_protocol::{history, rules, statements, transcript, transport, wire};
use mqttspec_reference::reference;

pub mod fuzzer;
