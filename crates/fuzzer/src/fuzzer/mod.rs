//! Generated exchanges, and what they show.
//!
//! In: a broker's [`Config`](crate::reference::Config) and a seed. Out: [`Verdict`]s, each with the [`Sequence`] that shows it.
//!
//! - `action` has what a sequence consists of;
//! - `client` is a legal client: what it may send, and what it must answer;
//! - `party` holds the clients of a sequence and their connections, whatever these lead to;
//! - `packets` makes packets of actions;
//! - `violation` makes packets that a client must not send, and `offence` says what the broker must do about them;
//! - `world` plays a sequence on the reference core in virtual time and records both directions as a transcript;
//! - `live` plays it over connections to any broker, and records the same;
//! - `coverage` says which situations were reached;
//! - `generate` chooses actions from a seed;
//! - `steer` chooses them after the beginning of a sequence that reached something new;
//! - `judge` applies the rules, the history checker and `ledger`, which knows what a broker that forgets nothing owes;
//! - `shrink` drops whatever a finding does not need;
//! - `words` has a sequence in words;
//! - `scenario` writes what is left as a scenario file.
//!
//! An action states what to do, not which packet to send: identifiers, payloads and aliases follow from the state of the client when
//! the action is played. An action that is not legal in that state does nothing. So a part of a sequence is a legal sequence
//! too, which is what shrinking needs.
//!
//! # Why not proptest
//!
//! proptest-state-machine generates transitions from a model that does not see the broker's answers, and checks one model against one
//! system. Here the broker's answers decide what a client may do next (identifiers, limits of CONNACK, what to acknowledge), and the
//! oracle is a set of possible histories. Its strategies also build a tree of values for each step, which takes longer than
//! to play it. Sequences are plain values here, and shrinking drops parts of them.

mod action;
mod client;
mod coverage;
mod generate;
mod judge;
mod ledger;
pub mod live;
#[cfg(all(test, feature = "measure"))]
mod measure;
mod offence;
mod packets;
mod party;
mod scenario;
mod shrink;
mod steer;
#[cfg(test)]
mod tests;
mod violation;
mod words;
mod world;

pub use action::{Act, Action, Connection, FILTERS, Kind, Message, Sequence, TOPICS, WillMessage};
pub use client::Limits;
pub use coverage::Coverage;
pub use generate::{generate, generate_and_play};
pub use judge::{Verdict, judge};
pub use scenario::{scenario, scenario_that_ends};
pub use shrink::{shrink, shrink_while};
pub use steer::{Explored, explore, replay, versions};
pub use violation::Violation;
pub use world::{NAMESPACE, World, play};
