//! Which statements the scenarios prove, and which violations they are known to catch.
//!
//! In: the catalogue, the cases of both sides, and the faults of the reference broker and the reference client. Out: a [`Coverage`], and its text
//! for a terminal, for programs and for `docs/coverage.md`. A [`walk`](walk::walk) finds what is caught; what it
//! finds missing is listed in `not-noticed.txt` with its reason, which a test keeps in step, so that the answer is
//! available at once as well. The [walk of freedoms](walk_freely) is the counterpart: it finds cases that fail although the
//! broker is correct. [`Pairs`] counts which features meet in the cases, and in generated sequences.

mod client_side;
mod exceptions;
mod freely;
mod json;
mod markdown;
mod pairs;
mod rows;
mod terminal;
mod totals;
mod walk;
mod ways;

pub use client_side::{ClientSide, ClientTotals};
pub use exceptions::{Exception, Exceptions};
pub use freely::{FalseAlarm, FreeTrial, FreeWalker, walk_freely};
pub use json::json;
pub use markdown::markdown;
pub use pairs::{Feature, Pairs, features};
pub use rows::{Caught, Coverage, Evidence, Row};
pub use terminal::terminal;
pub use totals::{Part, Totals};
pub use walk::{Noticed, TooSlow, Walk, Walker, notices, walk, walk_with};
pub use ways::ways;
