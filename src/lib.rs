//! mqttspec tests MQTT brokers: it plays scripted byte-level exchanges against any broker, judges every byte that comes
//! back by the standards (3.1, 3.1.1 and 5.0), and says which statement was broken, with the bytes that show it.
//!
//! As a program it is `mqttspec run mqtt://localhost:1883`. As a library it is a dev-dependency of a broker, whose tests
//! play the suite against the broker in their own process:
//!
//! ```
//! use mqttspec::{Suite, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! Suite::embedded()
//!     .select("qos2/dup-before-pubrel")?
//!     .run(Target::reference())? // or Target::at("127.0.0.1:1883"), Target::launching(start)
//!     .assert_conforms();
//! # Ok(())
//! # }
//! ```
//!
//! [`Target`] describes what is under test, [`Suite`] what is played, [`harness`](mod@harness) has the rest of that door.
//! `docs/embedding.md` shows more of it. The types behind it serve the program first, and change with it.
//!
//! # Modules
//!
//! They form a pipeline, and each knows only those before it, as `tests/it/layers.rs` checks:
//! `source` → `statements` → `wire` → `transport` → `adapter` → `secret` → `transcript` → `conversation` → `rules` → `history` →
//! `capture` → `reference` → `client` → `fuzzer` → `scenario` → `sut` → `play` → `suite` → `tap` → `replay` → `report` →
//! `coverage` → `harness` → `campaign` → `cli`. Not each knows all of those: `source` and `transport` know none, and `reference` (the
//! embedded broker) only `statements`, `wire` and `transport`. `docs/design.md` says what each is.
//!
//! They are in five packages, so that they build side by side: `mqttspec-protocol` up to `history`, `mqttspec-reference` with
//! `reference` and `client`, `mqttspec-fuzzer` with `fuzzer`, `mqttspec-player` from `scenario` to `suite`, and this one, which
//! has all of them under one name.
//!
//! # Features
//!
//! - `cli` (default): the program, and the reports that only it writes;
//! - `harness` (default): [`harness!`], which makes each case a test of its own. It needs libtest-mimic.

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("mqttspec needs a Unix system: process groups, signals and Unix sockets. On Windows, build it in WSL.");

#[cfg(feature = "cli")]
pub mod campaign;
pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
pub mod coverage;
pub mod harness;
pub mod replay;
pub mod report;
pub mod tap;

#[doc(inline)]
pub use mqttspec_fuzzer::fuzzer;
#[doc(inline)]
pub use mqttspec_player::{play, scenario, suite, sut};
#[doc(inline)]
pub use mqttspec_protocol::{
    adapter, conversation, history, rules, secret, source, statements, transcript, transport, wire,
};
#[doc(inline)]
pub use mqttspec_reference::{client, reference};

#[doc(inline)]
pub use harness::{Conformance, Suite, Target};

/// The code of `docs/embedding.md`, which runs as tests.
#[cfg(all(doctest, feature = "harness"))]
#[doc = include_str!("../docs/embedding.md")]
struct Embedding;
