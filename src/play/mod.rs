//! Playing: one case against one target. Out: [`Played`].

mod outcome;

pub use outcome::{Advice, Awaited, Failure, Mismatch, PlayEnd, Played, Stage};
