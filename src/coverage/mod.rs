//! Which statements the scenarios prove, and which of their breaches they are known to notice.
//!
//! In: the catalogue, the cases, and the ways in which the reference broker can disobey. Out: a [`Coverage`], and its text
//! for a terminal, for programs and for `docs/coverage.md`. What is noticed is found out by a [`walk`](walk::walk); what it
//! finds missing is on the list in `not-noticed.txt` with its reason, which a test keeps in step, so that the answer is
//! there at once as well. The [walk of freedoms](walk_freely) is the other half: it finds the cases that fail where a broker is
//! right.

mod exceptions;
mod freely;
mod json;
mod markdown;
mod rows;
mod terminal;
mod totals;
mod walk;
mod ways;

pub use exceptions::{Exception, Exceptions};
pub use freely::{FalseAlarm, FreeTrial, FreeWalker, walk_freely};
pub use json::json;
pub use markdown::markdown;
pub use rows::{Caught, Coverage, Evidence, Row};
pub use terminal::terminal;
pub use totals::{Part, Totals};
pub use walk::{Noticed, TooSlow, Walk, Walker, notices, walk, walk_with};
pub use ways::ways;
