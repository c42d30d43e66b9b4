//! Which cases, how many at a time, in which order; what is said of each in the end. Emits events, prints nothing.
//!
//! In: cases, a [`Target`] and a [`Player`](crate::play::Player). Out: [`RunEvent`]s while it goes on, a [`RunResult`].

mod about;
mod admission;
mod judge;
mod known;
mod load;
mod order;
mod result;
mod rigour;
mod run;
mod second;
mod select;
mod session;
mod target;

pub use about::{About, Selected, Shard};
pub use judge::Judge;
pub use known::{check_known, known_for};
pub use result::{CaseResult, Judged, RunEvent, RunResult, TargetInfo, Verdict, Weight};
pub use rigour::Rigour;
pub use run::{RunOptions, run};
pub use second::{LookLimit, SecondLook};
pub use select::{Renamed, Selection, nearest, proves, renamed};
pub use session::{Ended, Session};
pub use target::{Setup, Target};
