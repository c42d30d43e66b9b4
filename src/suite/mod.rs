//! The suite: what came of all the cases of a run, as [`RunResult`].

mod result;

pub use result::{CaseResult, RunEvent, RunResult, TargetInfo, Verdict};
