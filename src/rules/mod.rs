//! The rules: checks that hold in every exchange, whatever the script says. Each is a small pure function over a
//! transcript and names the statement that is breached.
//!
//! In: a [`Transcript`](crate::transcript::Transcript), live or from a capture. Out: [`Finding`]s.

mod finding;

pub use finding::{Finding, Outcome};
