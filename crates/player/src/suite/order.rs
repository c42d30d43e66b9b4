//! In which order cases begin: the longest first, so that the run takes as long as its longest timer.

use std::sync::Arc;
use std::time::Duration;

use crate::scenario::Case;

/// What a restart of the broker costs, roughly; only the order depends on it.
const RESTART: Duration = Duration::from_millis(500);

/// The indices of `cases`, longest expected time first; equal ones in their order.
pub fn longest_first(cases: &[Arc<Case>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(expected(&cases[i])));
    order
}

fn expected(case: &Case) -> Duration {
    let restart = if case.script.restarts() {
        RESTART
    } else {
        Duration::ZERO
    };
    case.script.declared_waits() + restart
}
