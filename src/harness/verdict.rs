//! The verdict on a whole run, for tests in Rust.

use crate::report::{failure, plain, terminal};
use crate::suite::{CaseResult, RunResult, Verdict};

/// What a test asks of a run.
impl RunResult {
    /// Whether nothing is left for a person to act on: at least one case was played, none is bad, the broker did not go
    /// away, and the run was not cut short.
    pub fn conforms(&self) -> bool {
        self.cases.iter().all(|case| !case.is_bad())
            && self.cases.iter().any(|case| case.verdict != Verdict::Skip)
            && self.crashes_under_load.is_empty()
            && !self.interrupted
    }

    /// The reports on bad cases and the summary, as the terminal shows them.
    pub fn report(&self) -> String {
        let failures = terminal::Live::default().failures(self, failure::Options::default());
        failures + &terminal::summary(self, false)
    }

    /// Holds a test to the run.
    ///
    /// # Panics
    /// With [`RunResult::report`], unless the broker [conforms](RunResult::conforms).
    #[track_caller]
    pub fn assert_conforms(&self) {
        assert!(
            self.conforms(),
            "{} does not conform\n{}",
            self.target.name,
            plain(&self.report())
        );
    }

    /// The bad cases.
    pub fn bad(&self) -> impl Iterator<Item = &CaseResult> {
        self.cases.iter().filter(|case| case.is_bad())
    }
}
