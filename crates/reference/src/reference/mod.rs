//! The reference broker: the standard written as code, for MQTT 3.1, 3.1.1 and 5.0.
//!
//! In: a [`Config`]. Out: a broker on a loopback address that is strict and can break any single statement on purpose
//! ([`Disobey`]), which is how the suite is tested.
//!
//! `core` decides and does no I/O. `server` puts sockets, a clock and `store` around it. `sabotage` and `disobey` inject
//! faults; `freedom` has the other choices that the standards leave to it ([`Free`]); `proxy` applies both in front of any
//! other broker, as far as they change only packets and bytes.

mod combined;
mod config;
pub mod core;
mod disobey;
mod duty;
mod engine;
mod frames;
mod freedom;
mod ids;
mod outgoing;
mod places;
mod proxy;
mod sabotage;
mod server;
pub mod store;
mod tolerance;
mod topic;
#[cfg(test)]
mod walk;

pub use combined::Combined;
pub use config::{AuthMethod, Config, Limits, Listen, User};
pub use disobey::{Disobedience, Disobey, ParseDisobeyError, Seam, UNBREAKABLE};
pub use engine::{Engine, Output};
pub use frames::Frames;
pub use freedom::{Free, ParseFreeError, packs, random_set};
pub use places::{SourceLine, honoured_at};
pub use proxy::Proxy;
pub use sabotage::Outgoing;
pub use server::{Server, run};
