//! mqttspec: plays scripted byte-level MQTT exchanges against any broker, judges every byte that comes back, and keeps a
//! snapshot of each exchange for review.
//!
//! The modules form a pipeline, and each knows only those before it:
//! `statements` → `wire` → `transcript` → `conversation` → `rules` → `scenario` → `sut` → `play` → `suite` → `report` → `coverage` → `cli`,
//! with `source` (files that people write by hand) below `scenario` and `sut`, which knows no other module,
//! with `reference` (the embedded broker) beside it, which knows `wire` and `statements` only, and `capture` (captures to
//! transcripts and back), which knows nothing behind `rules` and is known to `report`. `transport`, which knows none of them,
//! carries bytes for `conversation`, `sut`, `play` and `reference`.

#![forbid(unsafe_code)]

pub mod capture;
pub mod cli;
pub mod conversation;
pub mod coverage;
pub mod play;
pub mod reference;
pub mod replay;
pub mod report;
pub mod rules;
pub mod scenario;
pub mod secret;
pub mod source;
pub mod statements;
pub mod suite;
pub mod sut;
pub mod tap;
pub mod transcript;
pub mod transport;
pub mod wire;
