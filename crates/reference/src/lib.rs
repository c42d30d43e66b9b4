//! The reference broker and the reference client: the standard as code, which can disobey each statement.

#![forbid(unsafe_code)]

use mqttspec_protocol::{adapter, statements, transport, wire};

pub mod client;
pub mod reference;
