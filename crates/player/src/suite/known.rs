//! The expected failures of a target against its cases: which of them are about a case, and whether the list itself is
//! right.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::scenario::aliases;
use crate::source::{self, Diagnostic};
use crate::statements::StatementId;
use crate::sut::{BrokerVersion, Fails, Known, Listed};

use super::Target;

/// One thing that failed in a case, as `fails` names it.
pub(super) struct Failed {
    pub statements: Vec<StatementId>,
    /// The step's text, for entries that name a step.
    pub step: Option<String>,
}

/// What is listed about one case: each pattern that fits it, with its cause.
pub(super) struct Expected<'k>(Vec<(&'k Arc<Known>, &'k Listed)>);

impl<'k> Expected<'k> {
    /// What is listed about the case `id` of a broker of this version, by its id or a former one.
    pub fn of(known: &'k [Arc<Known>], id: &str, version: Option<&BrokerVersion>) -> Expected<'k> {
        let holding = known.iter().filter(|k| k.holds_for(version).unwrap_or(true));
        let listed = holding.flat_map(|known| known.cases.iter().map(move |listed| (known, listed)));
        let former = aliases().former(id);
        let fits = |listed: &Listed| listed.case.matches(id) || former.iter().any(|id| listed.case.matches(id));
        Expected(listed.filter(|(_, listed)| fits(listed)).collect())
    }

    /// Whether something is listed.
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The cause of a crash.
    pub fn crash(&self) -> Option<&'k Arc<Known>> {
        self.first(|fails| *fails == Fails::Crash)
    }

    /// The causes that together account for everything that failed; `None` if something is not listed.
    pub fn covering(&self, failed: &[Failed]) -> Option<Vec<Arc<Known>>> {
        let mut causes: Vec<Arc<Known>> = Vec::new();
        for one in failed {
            let known = self.first(|fails| names(fails, one))?;
            if !causes.iter().any(|cause| Arc::ptr_eq(cause, known)) {
                causes.push(Arc::clone(known));
            }
        }
        Some(causes)
    }

    /// The first entry that does not allow a pass: if the case passes, the list is stale.
    pub fn stale(&self) -> Option<(&'k Arc<Known>, &'k Listed)> {
        self.0.iter().find(|(_, listed)| !listed.sometimes).copied()
    }

    pub fn sometimes(&self) -> bool {
        self.0.iter().any(|(_, listed)| listed.sometimes)
    }

    pub fn varies(&self) -> bool {
        self.0.iter().any(|(_, listed)| listed.varies)
    }

    fn first(&self, fits: impl Fn(&Fails) -> bool) -> Option<&'k Arc<Known>> {
        let found = self.0.iter().find(|(_, listed)| listed.fails.iter().any(&fits));
        found.map(|(known, _)| *known)
    }
}

/// Whether `fails` names this failure: by a statement's token or id, or by the step.
fn names(fails: &Fails, failed: &Failed) -> bool {
    let Fails::By(text) = fails else { return false };
    let text = text.trim();
    failed.statements.iter().any(|s| s.to_string() == text || s.id == text)
        || failed
            .step
            .as_deref()
            .is_some_and(|step| step == text || step.starts_with(&format!("{text}:")))
}

/// The cause of a target's profile that names a violation outside of the suite, such as `fuzz/RULE@v5`, by its statement.
pub fn known_for(target: &Target, id: &str, statement: StatementId) -> Option<Arc<Known>> {
    let expected = Expected::of(&target.known, id, target.broker_version.as_ref());
    let failed = Failed {
        statements: vec![statement],
        step: None,
    };
    expected.covering(&[failed])?.into_iter().next()
}

/// The beginning of the ids of what generated sequences show. They are no cases of a set.
const GENERATED: &str = "fuzz/";

/// A cause, and the entry of its cases that claims a failure.
type Claim<'k> = (&'k Arc<Known>, &'k Listed);

/// What is wrong with a list of expected failures, given the ids of all cases: a pattern that fits no case, and a
/// failure of a case that two causes claim.
pub fn check_known<'c>(known: &[Arc<Known>], ids: impl IntoIterator<Item = &'c str>) -> Vec<Diagnostic> {
    let mut ids: Vec<&str> = ids.into_iter().collect();
    ids.sort_unstable();
    let mut errors = Vec::new();
    let mut claimed: BTreeMap<(&str, &str), Vec<Claim>> = BTreeMap::new();
    for (cause, listed) in known.iter().flat_map(|k| k.cases.iter().map(move |listed| (k, listed))) {
        let fitting = fitting(listed, &ids);
        let is_generated = listed.case.as_str().starts_with(GENERATED);
        if fitting.is_empty() && !is_generated && !is_former(listed, &ids) {
            errors.push(no_case(cause, listed, &ids));
        }
        let mut other = None;
        for (id, fails) in fitting
            .iter()
            .flat_map(|id| listed.fails.iter().map(move |fails| (*id, fails)))
        {
            let claims = claimed.entry((id, fails.id())).or_default();
            let first = claims.iter().find(|(k, _)| !Arc::ptr_eq(k, cause) && k.meets(cause));
            other = other.or(first.map(|first| (*first, id, fails)));
            claims.push((cause, listed));
        }
        if let Some(((first, at), id, fails)) = other {
            errors.push(claimed_twice(cause, listed, (first, at), id, fails));
        }
    }
    errors
}

/// The cases that a pattern fits, of ids in their order.
fn fitting<'c>(listed: &Listed, ids: &[&'c str]) -> Vec<&'c str> {
    let pattern = listed.case.as_str();
    let head = &pattern[..pattern.find('*').unwrap_or(pattern.len())];
    let begin = ids.partition_point(|id| *id < head);
    let near = ids[begin..].iter().take_while(|id| id.starts_with(head));
    near.filter(|id| listed.case.matches(id)).copied().collect()
}

/// Whether a pattern fits a former id of a case.
fn is_former(listed: &Listed, ids: &[&str]) -> bool {
    let fits = |id: &&str| aliases().former(id).iter().any(|old| listed.case.matches(old));
    ids.iter().any(fits)
}

fn no_case(cause: &Known, listed: &Listed, ids: &[&str]) -> Diagnostic {
    let pattern = listed.case.as_str();
    let error = cause.error_at(&listed.place, format!("no case fits `{pattern}`"));
    match nearest(pattern, ids) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`mqttspec list` shows the ids of all cases"),
    }
}

/// The id that was probably meant, or the scenario's part of it if the pattern ends with one.
fn nearest<'c>(pattern: &str, ids: &[&'c str]) -> Option<&'c str> {
    let path = |id: &'c str| &id[..id.find(['[', '@']).unwrap_or(id.len())];
    let mut paths: Vec<&str> = ids.iter().copied().map(path).collect();
    paths.dedup();
    let last = |path: &'c str| path.rsplit('/').next().unwrap_or(path);
    let wanted = pattern.split(['*', '[', '@']).next().unwrap_or(pattern);
    let whole = || source::nearest(pattern, ids.iter().copied());
    let scenario = || source::nearest(wanted, paths.iter().copied());
    // It may have gone to another folder.
    let moved = || {
        let name = wanted.rsplit('/').next().unwrap_or(wanted);
        paths.iter().copied().find(|path| last(path) == name)
    };
    if pattern.contains('*') {
        let other = |near: &&str| *near != wanted;
        scenario().filter(other).or_else(moved).filter(other)
    } else {
        whole().or_else(moved)
    }
}

fn claimed_twice(
    cause: &Known,
    listed: &Listed,
    (first, at): (&Known, &Listed),
    id: &str,
    fails: &Fails,
) -> Diagnostic {
    let message = format!("`{fails}` of {id} has two causes");
    let error = cause.error_at(&listed.place, message).label("listed again here");
    if Arc::ptr_eq(&first.source, &cause.source) {
        error.also(&at.place, "first listed here")
    } else {
        error.help(format!("it is listed first at {}", first.line_of(&at.place)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::render_all;

    const IDS: [&str; 6] = [
        "qos2/dup@v3.1.1",
        "qos2/dup@v5",
        "retain/grid[a]@v5",
        "retain/grid[b]@v5",
        "retain/late@v5",
        "will/late@v5",
    ];

    fn told(list: &str) -> String {
        let known = Known::parse(list, Path::new("k.yaml")).expect("a list");
        render_all(&check_known(&known, IDS), false)
    }

    #[test]
    fn patterns_that_fit_are_right() {
        let list = "known:\n  - because: c\n    bytes: b\n    cases: { qos2/dup*: MQTT-1, 'retain/grid[*]@v5': [MQTT-2, MQTT-3] }\n  \
                    - because: d\n    bytes: b\n    cases: { qos2/dup@v5: v5:MQTT-4 }\n";
        assert_eq!(told(list), "");
    }

    #[test]
    fn what_generated_sequences_show_is_no_case() {
        let list = "known:\n  - because: c\n    bytes: b\n    cases: { fuzz/newest-is-retained@v5: MQTT-3.3.1-5 }\n";
        assert_eq!(told(list), "");
    }

    #[test]
    fn a_pattern_that_fits_no_case_names_the_nearest() {
        let list = "known:\n  - because: c\n    bytes: b\n    cases:\n      qos2/dub@v5: MQTT-1\n      retain/gird[*: MQTT-1\n      \
                    will/grid*: MQTT-1\n      nothing/like-it@v5: MQTT-1\n";
        assert_eq!(
            told(list),
            "error: no case fits `qos2/dub@v5`
 --> k.yaml:5:7
  |
5 |       qos2/dub@v5: MQTT-1
  |       ^^^^^^^^^^^
  |
  = help: did you mean `qos2/dup@v5`?

error: no case fits `retain/gird[*`
 --> k.yaml:6:7
  |
6 |       retain/gird[*: MQTT-1
  |       ^^^^^^^^^^^^^
  |
  = help: did you mean `retain/grid`?

error: no case fits `will/grid*`
 --> k.yaml:7:7
  |
7 |       will/grid*: MQTT-1
  |       ^^^^^^^^^^
  |
  = help: did you mean `retain/grid`?

error: no case fits `nothing/like-it@v5`
 --> k.yaml:8:7
  |
8 |       nothing/like-it@v5: MQTT-1
  |       ^^^^^^^^^^^^^^^^^^
  |
  = help: `mqttspec list` shows the ids of all cases
"
        );
    }

    #[test]
    fn a_failure_has_one_cause() {
        let list = "known:\n  - because: c\n    bytes: b\n    cases: { qos2/dup@v5: MQTT-1 }\n  - because: d\n    bytes: b\n    \
                    cases:\n      qos2/*: [MQTT-2, v5:MQTT-1]\n";
        assert_eq!(
            told(list),
            "error: `v5:MQTT-1` of qos2/dup@v5 has two causes
 --> k.yaml:8:7
  |
4 |     cases: { qos2/dup@v5: MQTT-1 }
  |              ----------- first listed here
...
8 |       qos2/*: [MQTT-2, v5:MQTT-1]
  |       ^^^^^^ listed again here
"
        );
        // Not in one run.
        let apart = list.replace("- because: c", "- over: [mqtt]\n    because: c");
        assert_eq!(told(&apart.replace("- because: d", "- over: [ws]\n    because: d")), "");
    }
}
