//! mqttspec: plays scripted byte-level MQTT exchanges against any broker, judges every byte that comes back, and keeps a
//! snapshot of each exchange for review.
//!
//! The modules form a pipeline, and each knows only those before it, as `tests/layers.rs` checks:
//! `source` → `statements` → `wire` → `transport` → `secret` → `transcript` → `conversation` → `rules` → `capture` →
//! `reference` → `scenario` → `sut` → `play` → `suite` → `tap` → `replay` → `report` → `coverage` → `cli`. Not each knows all
//! of those: `source` and `transport` know none, and `reference` (the embedded broker) only `statements`, `wire` and
//! `transport`.

#![forbid(unsafe_code)]

pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
pub mod conversation;
pub mod coverage;
pub mod harness;
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

pub use harness::{Suite, TargetBuilder};
pub use suite::Target;
