//! `--write-known`: a first list of known deviations by cause, each to be looked at by a person.
//!
//! In: the results of one run or of several. Out: YAML that a profile takes by `known_from`. Cases of a scenario that
//! fail at the same step for the same reason are one cause, as far as a program can tell.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::report::groups::{Cause, patterns, step};
use crate::suite::{CaseResult, RunResult, Verdict};

/// What failed so far.
#[derive(Debug, Default)]
pub struct Draft {
    causes: BTreeMap<Cause, BTreeMap<String, BTreeSet<String>>>,
    /// Every case that failed, with how often it failed and how often it was played.
    plays: BTreeMap<String, (usize, usize)>,
    /// The failures that have a cause.
    claimed: BTreeSet<(String, String)>,
}

impl Draft {
    /// Adds a run. A case that fails in some runs only is listed with `sometimes`.
    pub fn add(&mut self, run: &RunResult) {
        for case in &run.cases {
            match case.verdict {
                Verdict::Fail | Verdict::Crash => {
                    self.failed(&case.id, Cause::of(case), names(case));
                }
                Verdict::Pass | Verdict::Known | Verdict::Fixed => self.played(&case.id, 0),
                Verdict::Skip | Verdict::Error => {}
            }
        }
    }

    fn played(&mut self, id: &str, failed: usize) {
        let (failures, plays) = self.plays.entry(id.to_owned()).or_default();
        *failures += failed;
        *plays += 1;
    }

    fn failed(&mut self, id: &str, cause: Cause, fails: Vec<String>) {
        self.played(id, 1);
        for fails in fails {
            // Of one failure there is one cause: what it was when it was first seen.
            if self.claimed.insert((id.to_owned(), fails.clone())) {
                let cases = self.causes.entry(cause.clone()).or_default();
                cases.entry(id.to_owned()).or_default().insert(fails);
            }
        }
    }

    /// The list, as a profile and `known_from` take it. `ids` has every case of the set: a pattern fits no case that
    /// has not failed so.
    pub fn text(&self, ids: &[String]) -> String {
        if self.causes.is_empty() {
            return "known: []\n".to_owned();
        }
        let mut out = "known:\n".to_owned();
        // As on the terminal, the causes with the most cases come first.
        let mut causes: Vec<_> = self.causes.iter().collect();
        causes.sort_by_key(|(_, cases)| Reverse(cases.len()));
        for (cause, cases) in causes {
            let count = cases.len();
            let plural = if count == 1 { "" } else { "s" };
            let reason = cause.reason.chars().filter(|c| !c.is_control()).collect::<String>();
            let _ = writeln!(out, "  # {count} case{plural}: {reason}");
            out.push_str("  - because: untriaged\n    cases:\n");
            for (pattern, fails, sometimes) in self.rows(cases, ids) {
                let fails = match fails.iter().map(|f| scalar(f)).collect::<Vec<_>>().as_slice() {
                    [one] => one.clone(),
                    several => format!("[{}]", several.join(", ")),
                };
                let fails = if sometimes {
                    format!("{{ fails: {fails}, sometimes: true }}")
                } else {
                    fails
                };
                let _ = writeln!(out, "      {}: {fails}", scalar(&pattern));
            }
        }
        out
    }

    /// The patterns of a cause with what fails in their cases, and whether it does so in some runs only.
    fn rows<'d>(
        &self,
        cases: &'d BTreeMap<String, BTreeSet<String>>,
        ids: &[String],
    ) -> Vec<(String, &'d BTreeSet<String>, bool)> {
        let mut alike: BTreeMap<(&BTreeSet<String>, bool), BTreeSet<&str>> = BTreeMap::new();
        for (id, fails) in cases {
            let sometimes = self.plays.get(id).is_some_and(|(failed, played)| failed < played);
            alike.entry((fails, sometimes)).or_default().insert(id);
        }
        let mut rows: Vec<_> = alike
            .into_iter()
            .flat_map(|((fails, sometimes), wanted)| {
                let patterns = patterns(&wanted, ids.iter().map(String::as_str));
                patterns.into_iter().map(move |pattern| (pattern, fails, sometimes))
            })
            .collect();
        rows.sort();
        rows
    }
}

/// What fails in a case, as `fails` names it.
fn names(case: &CaseResult) -> Vec<String> {
    if case.verdict == Verdict::Crash {
        return vec!["crash".to_owned()];
    }
    let script = case.failure.as_ref().and_then(|_| match case.proves.first() {
        Some(statement) => Some(statement.id.to_owned()),
        None => step(case),
    });
    let found = case.breaches().filter_map(|f| f.statement).map(|s| s.id.to_owned());
    script.into_iter().chain(found).collect()
}

/// As a YAML scalar: JSON's strings are YAML too.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_.@-§".contains(c);
    if text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '§') && text.chars().all(plain) {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::suite::check_known;
    use crate::sut::Known;

    fn cause(scenario: &str, reason: &str) -> Cause {
        Cause {
            scenario: scenario.to_owned(),
            step: "c <- closed".to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn ids() -> Vec<String> {
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
        ids.map(str::to_owned).to_vec()
    }

    #[test]
    fn cases_that_fail_alike_are_one_cause() {
        let mut draft = Draft::default();
        for id in [
            "cut/grid[1]@v5",
            "cut/grid[2]@v5",
            "cut/grid[a b]@v5",
            "cut/grid[2]@v3.1.1",
        ] {
            let fails = vec!["§2.1.4/remaining-length".to_owned(), "MQTT-1".to_owned()];
            draft.failed(id, cause("cut/grid", "closed is missing"), fails);
        }
        for id in ["will/late@v3.1.1", "will/late@v5"] {
            draft.failed(id, cause("will/late", "no will"), vec!["MQTT-2".to_owned()]);
        }
        draft.failed("will/late@v5", cause("will/late", "other"), vec!["crash".to_owned()]);
        draft.played("will/late@v3.1.1", 0);
        // The first by name, and the one with the fewest cases.
        draft.failed("cut/grids@v5", cause("cut/a", "rare"), vec!["MQTT-3".to_owned()]);
        let text = draft.text(&ids());
        assert_eq!(
            text,
            r#"known:
  # 4 cases: closed is missing
  - because: untriaged
    cases:
      "cut/grid[*]@v5": [MQTT-1, §2.1.4/remaining-length]
      "cut/grid[2]@v3.1.1": [MQTT-1, §2.1.4/remaining-length]
  # 2 cases: no will
  - because: untriaged
    cases:
      will/late@v3.1.1: { fails: MQTT-2, sometimes: true }
      will/late@v5: MQTT-2
  # 1 case: rare
  - because: untriaged
    cases:
      cut/grids@v5: MQTT-3
  # 1 case: other
  - because: untriaged
    cases:
      will/late@v5: crash
"#
        );
        let known = Known::parse(&text, Path::new("known.yaml")).expect("a list that can be used");
        assert_eq!(check_known(&known, ids().iter().map(String::as_str)), []);
        assert!(known.iter().all(|k| k.untriaged));
    }

    #[test]
    fn nothing_that_failed_is_an_empty_list() {
        assert_eq!(Draft::default().text(&[]), "known: []\n");
    }
}
