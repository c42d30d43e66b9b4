//! The verdict on a whole run, for tests in Rust.

use std::ops::Deref;
use std::sync::Arc;

use crate::report::{failure, plain, terminal};
use crate::suite::RunResult;

/// A run that is over, as a test asks about it.
#[derive(Clone)]
pub struct Conformance(pub Arc<RunResult>);

impl Deref for Conformance {
    type Target = RunResult;

    fn deref(&self) -> &RunResult {
        &self.0
    }
}

impl Conformance {
    /// The reports on bad cases and the summary, as the terminal shows them.
    pub fn report(&self) -> String {
        let failures = terminal::Live::default().failures(self, failure::Options::default());
        failures + &terminal::summary(self, false, usize::MAX)
    }

    /// Holds a test to the run.
    ///
    /// # Panics
    /// With [`Conformance::report`], unless the broker [conforms](RunResult::conforms).
    #[track_caller]
    pub fn assert_conforms(&self) {
        assert!(
            self.conforms(),
            "{} does not conform\n{}",
            self.target.name,
            plain(&self.report())
        );
    }
}
