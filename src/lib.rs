//! mqttspec: plays scripted byte-level MQTT exchanges against any broker, judges every byte that comes back, and keeps a
//! snapshot of each exchange for review.
//!
//! The modules form a pipeline, and each knows only those before it:
//! `statements` → `wire` → `transcript` → `rules` → `scenario` → `target` → `play` → `suite` → `report` → `cli`,
//! with `reference` (the embedded broker) beside it, which knows `wire` and `statements` only. `transport`, which knows none
//! of them, carries bytes for `target`, `play` and `reference`.

pub mod cli;
pub mod play;
pub mod reference;
pub mod report;
pub mod rules;
pub mod scenario;
pub mod statements;
pub mod suite;
pub mod target;
pub mod transcript;
pub mod transport;
pub mod wire;
