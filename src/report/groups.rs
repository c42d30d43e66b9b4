//! Failures by cause: cases of a scenario that fail at the same step for the same reason are one group, as far as a program can tell.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use super::case;
use crate::suite::{CaseResult, Verdict};

/// What distinguishes the cause of one failure from that of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause {
    /// The scenario's path.
    pub scenario: String,
    /// The text of the step that fails; empty if no step does.
    pub step: String,
    /// On one line, without the names and times of the run.
    pub reason: String,
}

/// Cases with one verdict and one cause.
#[derive(Debug, Clone)]
pub struct Group<'r> {
    pub verdict: Verdict,
    pub cause: Cause,
    /// In the order of the suite; never empty.
    pub cases: Vec<&'r CaseResult>,
}

impl Cause {
    /// The cause of a case's failure.
    pub fn of(case: &CaseResult) -> Cause {
        Cause {
            scenario: case.header.path.clone(),
            step: step(case).unwrap_or_default(),
            reason: case::plain_reason(case, true),
        }
    }
}

impl Display for Cause {
    /// On one line, as a name: the same in every run in which the broker does the same.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.scenario, self.reason)
    }
}

impl Group<'_> {
    /// The reason on one line, with the times in it if they are the same in all of its cases.
    pub fn reason(&self) -> String {
        let mut reasons = self.cases.iter().map(|case| case::plain_reason(case, false));
        let first = reasons.next().unwrap_or_default();
        if reasons.all(|reason| reason == first) {
            first
        } else {
            self.cause.reason.clone()
        }
    }

    /// Its cases as patterns over `ids`, the ids of the run, at most `max` of them; the rest as a number.
    pub fn label<'i>(&self, ids: impl Iterator<Item = &'i str> + Clone, max: usize) -> String {
        let wanted = self.cases.iter().map(|case| case.id.as_str()).collect();
        let mut patterns = patterns(&wanted, ids);
        let more = patterns.len().saturating_sub(max);
        patterns.truncate(max);
        let mut label = patterns.join(", ");
        if more > 0 {
            label.push_str(&format!(", and {more} more"));
        }
        label
    }
}

/// The groups of these cases, those with the most cases first.
pub fn groups<'r>(cases: impl IntoIterator<Item = &'r CaseResult>) -> Vec<Group<'r>> {
    let mut by_cause: BTreeMap<(Cause, &str), Vec<&CaseResult>> = BTreeMap::new();
    for case in cases {
        let key = (Cause::of(case), case.verdict.name());
        by_cause.entry(key).or_default().push(case);
    }
    let group = |((cause, _), cases): (_, Vec<&'r CaseResult>)| Group {
        verdict: cases[0].verdict,
        cause,
        cases,
    };
    let mut groups: Vec<Group<'_>> = by_cause.into_iter().map(group).collect();
    groups.sort_by_key(|group| usize::MAX - group.cases.len());
    groups
}

/// The text of the step that fails.
pub fn step(case: &CaseResult) -> Option<String> {
    let place = case.failure.as_ref()?.place.as_ref()?;
    let text = case.header.source.text.get(place.span.clone())?;
    Some(text.trim().to_owned())
}

/// Patterns that fit these cases of one scenario and no others: all of the scenario, all of a version, or each case.
pub fn patterns<'i>(wanted: &BTreeSet<&str>, ids: impl Iterator<Item = &'i str> + Clone) -> Vec<String> {
    let mut left = wanted.clone();
    let mut out = Vec::new();
    let mut take = |begin: &str, end: &str, left: &mut BTreeSet<&str>| {
        let fitting: Vec<&str> = ids
            .clone()
            .filter(|id| id.len() >= begin.len() + end.len() && id.starts_with(begin) && id.ends_with(end))
            .collect();
        if fitting.len() > 1
            && fitting.iter().all(|id| wanted.contains(id))
            && fitting.iter().any(|id| left.contains(id))
        {
            left.retain(|id| !fitting.contains(id));
            out.push(format!("{begin}*{end}"));
        }
    };
    let paths: BTreeSet<&str> = wanted
        .iter()
        .map(|id| &id[..id.find(['[', '@']).unwrap_or(id.len())])
        .collect();
    let versions: BTreeSet<&str> = wanted
        .iter()
        .map(|id| &id[id.rfind('@').unwrap_or(id.len())..])
        .collect();
    for path in paths {
        take(path, "", &mut left);
        for version in &versions {
            take(path, version, &mut left);
            take(&format!("{path}["), &format!("]{version}"), &mut left);
        }
    }
    out.extend(left.into_iter().map(str::to_owned));
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn cases_that_fail_alike_are_one_group() {
        let failed = testing::failed();
        let mut again = failed.clone();
        again.id = "qos2/dup[2]@v5".to_owned();
        let mut other = failed.clone();
        other.reason = Some("another reason".to_owned());
        other.steady_reason = None;
        let cases = [other, failed.clone(), again];
        let groups = groups(&cases);
        let counts: Vec<usize> = groups.iter().map(|group| group.cases.len()).collect();
        assert_eq!(counts, [2, 1]);
        assert_eq!(groups[0].cause, Cause::of(&failed));
        assert_eq!(groups[1].cause.reason, "another reason");
        let ids = ["qos2/dup[3]@v5"]
            .into_iter()
            .chain(cases.iter().map(|case| case.id.as_str()));
        assert!(groups[0].label(ids.clone(), 1).ends_with(", and 1 more"));
        assert!(!groups[0].label(ids, 2).contains("more"));
    }

    #[test]
    fn a_time_is_shown_if_all_cases_agree_on_it() {
        let mut one = testing::failed();
        one.reason = Some("no PUBREL came within 2 s".to_owned());
        one.steady_reason = Some("no PUBREL came within <time>".to_owned());
        let mut other = one.clone();
        let reason = |cases: &[CaseResult]| groups(cases)[0].reason();
        assert_eq!(reason(&[one.clone(), other.clone()]), "no PUBREL came within 2 s");
        other.reason = Some("no PUBREL came within 6 s".to_owned());
        assert_eq!(reason(&[one.clone(), other]), "no PUBREL came within <time>");
        assert_eq!(
            Cause::of(&one).to_string(),
            "qos2/dup-before-pubrel: no PUBREL came within <time>"
        );
    }

    #[test]
    fn a_pattern_fits_what_failed_and_nothing_else() {
        let ids = [
            "cut/grid[1]@v3.1.1",
            "cut/grid[1]@v5",
            "cut/grid[2]@v3.1.1",
            "cut/grid[2]@v5",
            "cut/grid[a b]@v5",
            "cut/grids@v5",
            "will/late@v3.1.1",
            "will/late@v5",
        ];
        let of = |wanted: &[&str]| patterns(&wanted.iter().copied().collect(), ids.iter().copied());
        assert_eq!(of(&["will/late@v3.1.1", "will/late@v5"]), ["will/late*"]);
        assert_eq!(of(&["will/late@v5"]), ["will/late@v5"]);
        assert_eq!(of(&["cut/grid[1]@v3.1.1", "cut/grid[2]@v3.1.1"]), ["cut/grid*@v3.1.1"]);
        assert_eq!(
            of(&["cut/grid[1]@v5", "cut/grid[a b]@v5"]),
            ["cut/grid[1]@v5", "cut/grid[a b]@v5"]
        );
    }
}
