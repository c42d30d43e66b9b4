//! Reports: each a pure function of results.
//!
//! In: a [`RunResult`](crate::suite::RunResult) or [`CaseResult`](crate::suite::CaseResult). Out: text, or a pcapng
//! file. Styles are ANSI escapes; the caller removes them if the output is no terminal.

pub mod accepted;
mod case;
pub mod compare;
pub mod failure;
pub mod github;
mod grid;
pub mod groups;
#[cfg(feature = "cli")]
pub mod html;
pub mod json;
#[cfg(feature = "cli")]
pub mod junit;
pub mod markdown;
pub mod matrix;
pub mod merge;
pub mod model;
pub mod pcap;
pub mod repro;
pub mod review;
mod score;
pub mod snapshot;
mod style;
pub mod terminal;
#[cfg(test)]
mod testing;
mod verdicts;

pub use case::{Counts, plural};
pub use score::{Score, scores};
pub use style::{plain, wrapped};
