//! The unexpected results of a run by cause: those of one scenario that fail at the same step for the same reason.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Case, Run};
use crate::suite::Verdict;

/// Cases with one verdict and one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group<'r> {
    pub verdict: Verdict,
    pub scenario: &'r str,
    /// The text of the step that fails.
    pub step: Option<&'r str>,
    /// With `$ns` for the names of the run, and `<time>` for times that differ between the cases.
    pub reason: String,
    /// The ids, in the order of the suite; never empty.
    pub cases: Vec<&'r str>,
}

/// What distinguishes one group from another. The verdict goes by its place among verdicts.
type Key<'r> = (&'r str, Option<&'r str>, String, usize);

impl Run {
    /// The unexpected results by cause, those with the most cases first.
    pub fn groups(&self) -> Vec<Group<'_>> {
        let is_bad = |case: &&Case| {
            matches!(
                case.verdict,
                Verdict::Fail | Verdict::Crash | Verdict::Fixed | Verdict::Error
            )
        };
        let mut by_cause: BTreeMap<Key<'_>, Vec<&Case>> = BTreeMap::new();
        for case in self.cases.iter().filter(is_bad) {
            let step = case
                .place
                .as_ref()
                .map(|place| place.text.trim())
                .filter(|text| !text.is_empty());
            let key = (
                case.scenario.as_str(),
                step,
                case.steady_reason().unwrap_or_default(),
                case.verdict as usize,
            );
            by_cause.entry(key).or_default().push(case);
        }
        let mut groups: Vec<Group<'_>> = Vec::new();
        for ((scenario, step, steady, _), cases) in by_cause {
            let exact = cases[0].plain_reason();
            let agree = cases.iter().all(|case| case.plain_reason() == exact);
            groups.push(Group {
                verdict: cases[0].verdict,
                scenario,
                step,
                reason: exact.filter(|_| agree).unwrap_or(steady),
                cases: cases.into_iter().map(|case| case.id.as_str()).collect(),
            });
        }
        groups.sort_by_key(|group| usize::MAX - group.cases.len());
        groups
    }
}

#[cfg(test)]
mod tests {
    use crate::report::model::Run;
    use crate::report::{groups, testing};

    #[test]
    fn a_run_and_what_is_read_of_it_have_the_same_groups() {
        let mut run = testing::run();
        let mut failed = testing::failed();
        for n in 0..3 {
            failed.id = format!("qos2/dup[{n}]@v5");
            failed.reason = Some(format!("no PUBREC came within {n} s"));
            failed.steady_reason = Some("no PUBREC came within <time>".to_owned());
            run.cases.push(failed.clone());
        }
        let record = Run::from(&run);
        let of_record = record.groups();
        let bad = run.cases.iter().filter(|case| case.is_bad());
        let of_run = groups::groups(bad);
        let said: Vec<(usize, &str)> = of_record.iter().map(|g| (g.cases.len(), &*g.reason)).collect();
        let expected: Vec<(usize, String)> = of_run.iter().map(|g| (g.cases.len(), g.reason())).collect();
        assert_eq!(said.len(), expected.len());
        assert!(
            said.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && a.1 == b.1),
            "{said:?} {expected:?}"
        );
        assert_eq!(
            of_record[0].cases,
            ["qos2/dup[0]@v5", "qos2/dup[1]@v5", "qos2/dup[2]@v5"]
        );
        assert_eq!(of_record[0].reason, "no PUBREC came within <time>");
        assert_eq!(of_record[0].step, Some("sub <- PUBREL:  { packet_id: $m }"));
    }
}
