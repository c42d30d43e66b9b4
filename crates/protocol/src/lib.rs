//! MQTT for mqttspec: the statements of the standards, packets and the bytes that they are, transports, and transcripts with
//! the rules that judge them. Nothing here knows who is under test.

#![forbid(unsafe_code)]

pub mod adapter;
pub mod conversation;
pub mod history;
pub mod rules;
pub mod secret;
pub mod source;
pub mod statements;
pub mod transcript;
pub mod transport;
pub mod wire;
