//! In which order cases begin: the longest first, so that the run takes as long as its longest timer.

use std::sync::Arc;
use std::time::Duration;

use crate::scenario::Case;

/// What a restart of the broker costs, roughly; only the order depends on it.
const RESTART: Duration = Duration::from_millis(500);

/// The indices of `cases`, longest expected time first; equal ones in their order. One that `fails`, as far as is known, may
/// wait for the response timeout, `patience`.
pub fn longest_first(cases: &[Arc<Case>], fails: impl Fn(&Case) -> bool, patience: Duration) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_cached_key(|&i| {
        let failure = if fails(&cases[i]) { patience } else { Duration::ZERO };
        std::cmp::Reverse(expected(&cases[i]) + failure)
    });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Files;

    #[test]
    fn what_waits_the_longest_begins_first() {
        let wanted = [
            "message-expiry/not-once-sent",
            "keep-alive/silence",
            "connect/second-connect",
        ];
        let scenarios = Files::embedded()
            .load(|path| wanted.contains(&path))
            .expect("they are well-formed");
        let cases: Vec<Arc<Case>> = scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect();
        let first = |fails: fn(&Case) -> bool, patience| {
            let order = longest_first(&cases, fails, Duration::from_secs(patience));
            let names = order
                .into_iter()
                .map(|i| cases[i].id.split(['@', '[']).next().expect("a name"));
            let mut names: Vec<&str> = names.collect();
            names.dedup();
            names.join(" ")
        };
        let plain = first(|_| false, 60);
        assert_eq!(
            plain,
            "keep-alive/silence message-expiry/not-once-sent connect/second-connect"
        );
        // A failure that is expected may be a timeout.
        let failing = |case: &Case| case.id.starts_with("connect/");
        assert_eq!(
            first(failing, 60),
            "connect/second-connect keep-alive/silence message-expiry/not-once-sent"
        );
    }
}
