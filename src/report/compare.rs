//! What changed between two runs: the thing that a broker's pull request wants to know.
//!
//! In: two [`Run`]s, of one broker before and after, or of two brokers. Out: [`Changes`], as text and as Markdown.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use similar::TextDiff;

use super::case::plural;
use super::github::markdown;
use super::model::{Case, Run};
use super::style::{self, BOLD, DIM, paint};
use crate::scenario::aliases;
use crate::suite::Verdict;
use crate::transcript::printable;

/// How many cases Markdown lists of a kind, and how many differences it shows: a job's summary may have 1 MiB.
const LISTED: usize = 200;
const DIFFS: usize = 40;
/// How much of a difference Markdown shows, in lines.
const DIFF_LINES: usize = 60;

/// In which way a case changed. The order is that of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It brings the broker down now.
    Crashes,
    /// It fails now, and is not listed as known.
    Fails,
    /// It could not be judged this time, and was before.
    Unjudged,
    /// It passes now.
    Passes,
    /// It deviates now as the profile says, or another way.
    Known,
    /// It is skipped now.
    Skipped,
    /// It was skipped, or was not judged, and is played now.
    Played,
    /// The verdict is the same, what crossed the wire is not.
    Exchange,
    /// Only the new run has it.
    New,
    /// Only the old run has it.
    Gone,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Kind; 10] = [
        Kind::Crashes,
        Kind::Fails,
        Kind::Unjudged,
        Kind::Passes,
        Kind::Known,
        Kind::Skipped,
        Kind::Played,
        Kind::Exchange,
        Kind::New,
        Kind::Gone,
    ];

    /// Whether the new run is worse for it.
    pub fn is_regression(self) -> bool {
        matches!(self, Kind::Crashes | Kind::Fails | Kind::Unjudged)
    }

    /// A heading.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crashes => "newly crashing",
            Kind::Fails => "newly failing",
            Kind::Unjudged => "no longer judged",
            Kind::Passes => "newly passing",
            Kind::Known => "newly a known deviation",
            Kind::Skipped => "skipped now",
            Kind::Played => "played now",
            Kind::Exchange => "changed exchange",
            Kind::New => "new cases",
            Kind::Gone => "cases that are gone",
        }
    }
}

/// One case that changed.
#[derive(Debug, Clone)]
pub struct Change<'r> {
    pub kind: Kind,
    pub old: Option<&'r Case>,
    pub new: Option<&'r Case>,
}

/// All that changed.
#[derive(Debug, Clone)]
pub struct Changes<'r> {
    old: &'r Run,
    new: &'r Run,
    /// By kind, and then in the order of the new run.
    pub changes: Vec<Change<'r>>,
}

/// Compares two runs.
pub fn changes<'r>(old: &'r Run, new: &'r Run) -> Changes<'r> {
    let mut before: BTreeMap<Cow<'_, str>, &Case> = BTreeMap::new();
    // Of cases that were joined, the one that was kept is compared.
    for (is_joined, case) in ranked(&old.cases) {
        let id = aliases().current(&case.id);
        if !(is_joined && before.contains_key(&id)) {
            before.insert(id, case);
        }
    }
    let after: BTreeMap<&str, &Case> = new.cases.iter().map(|c| (c.id.as_str(), c)).collect();
    let mut changes: Vec<Change<'_>> = Vec::new();
    for case in &new.cases {
        let old = before.get(case.id.as_str()).copied();
        if let Some(kind) = kind(old, case) {
            changes.push(Change {
                kind,
                old,
                new: Some(case),
            });
        }
    }
    let gone = old
        .cases
        .iter()
        .filter(|c| !after.contains_key(&*aliases().current(&c.id)));
    changes.extend(gone.map(|case| Change {
        kind: Kind::Gone,
        old: Some(case),
        new: None,
    }));
    // The order within a kind stays.
    changes.sort_by_key(|c| c.kind);
    Changes { old, new, changes }
}

/// The cases, those last that were contained in others.
fn ranked(cases: &[Case]) -> impl Iterator<Item = (bool, &Case)> {
    let of = move |joined: bool| {
        let ranked = cases.iter().map(|case| (aliases().is_joined(&case.id), case));
        ranked.filter(move |(is_joined, _)| *is_joined == joined)
    };
    of(false).chain(of(true))
}

/// How a case changed; `None` if it did not.
fn kind(old: Option<&Case>, new: &Case) -> Option<Kind> {
    let Some(old) = old else {
        return Some(Kind::New);
    };
    if old.verdict == new.verdict {
        let exchange = old.exchange.is_some() && new.exchange.is_some() && old.exchange != new.exchange;
        return exchange.then_some(Kind::Exchange);
    }
    match (old.verdict, new.verdict) {
        (_, Verdict::Crash) => Some(Kind::Crashes),
        // It was worse before.
        (Verdict::Crash, Verdict::Fail) => Some(Kind::Exchange),
        (_, Verdict::Fail) => Some(Kind::Fails),
        (_, Verdict::Error) => Some(Kind::Unjudged),
        // Of a listed deviation that does not happen any more only the list says the difference.
        (Verdict::Pass, Verdict::Fixed) | (Verdict::Fixed, Verdict::Pass) => None,
        (Verdict::Skip | Verdict::Error, Verdict::Pass | Verdict::Fixed | Verdict::Known) => Some(Kind::Played),
        (_, Verdict::Pass | Verdict::Fixed) => Some(Kind::Passes),
        (_, Verdict::Known) => Some(Kind::Known),
        (_, Verdict::Skip) => Some(Kind::Skipped),
    }
}

impl<'r> Changes<'r> {
    /// Whether the new run is worse.
    pub fn is_regression(&self) -> bool {
        self.changes.iter().any(|c| c.kind.is_regression())
    }

    /// The changes of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Change<'r>> {
        self.changes.iter().filter(move |c| c.kind == kind)
    }

    /// For a terminal. Differences of exchanges are shown with `diffs`.
    pub fn text(&self, diffs: bool) -> String {
        let mut out = format!(
            "{} → {}\n",
            paint(BOLD, self.old.label()),
            paint(BOLD, self.new.label())
        );
        for note in self.notes() {
            let _ = writeln!(out, "note: {note}");
        }
        for kind in Kind::ALL {
            let count = self.of(kind).count();
            if count == 0 {
                continue;
            }
            let _ = writeln!(out, "\n{} ({count})", paint(BOLD, kind.name()));
            for change in self.of(kind) {
                out.push_str(&change.line());
                if diffs {
                    out.push_str(&change.diff());
                }
            }
        }
        let _ = writeln!(out, "\n{}", self.summary());
        out
    }

    /// For a pull request or the summary of a job.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "## mqttspec: {} → {}\n\n{}\n",
            markdown(&self.old.label()),
            markdown(&self.new.label()),
            self.summary()
        );
        let notes: String = self
            .notes()
            .iter()
            .map(|note| format!("- {}\n", markdown(note)))
            .collect();
        if !notes.is_empty() {
            let _ = write!(out, "\n{notes}");
        }
        let mut shown = 0;
        for kind in Kind::ALL {
            let all: Vec<_> = self.of(kind).collect();
            if all.is_empty() {
                continue;
            }
            let _ = writeln!(out, "\n### {} ({})\n", kind.name(), all.len());
            for change in all.iter().take(LISTED) {
                let case = change.case();
                let _ = writeln!(out, "- `{}` {}", case.id.replace('`', "'"), markdown(&change.words()));
                let text = change.diff();
                if text.is_empty() || shown == DIFFS {
                    continue;
                }
                shown += 1;
                out.push_str(&folded(&text));
            }
            if all.len() > LISTED {
                let _ = writeln!(out, "- … and {} more", all.len() - LISTED);
            }
        }
        out
    }

    /// `2 regressions: 1 newly crashing, 1 newly failing; 3 newly passing`.
    pub fn summary(&self) -> String {
        let count = |regressions: bool| -> Vec<String> {
            Kind::ALL
                .into_iter()
                .filter(|kind| kind.is_regression() == regressions)
                .map(|kind| (kind, self.of(kind).count()))
                .filter(|(_, count)| *count > 0)
                .map(|(kind, count)| format!("{count} {}", kind.name()))
                .collect()
        };
        let bad = self.changes.iter().filter(|c| c.kind.is_regression()).count();
        let mut parts = vec![match bad {
            0 => "no regression".to_owned(),
            bad => format!("{}: {}", plural(bad, "regression"), count(true).join(", ")),
        }];
        parts.extend(count(false));
        if self.changes.is_empty() {
            parts.push("nothing changed".to_owned());
        }
        parts.join("; ")
    }

    /// What makes the comparison less than it seems.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let (old, new) = (self.old, self.new);
        if old.target.name != new.target.name {
            notes.push("these runs are of two different brokers".to_owned());
        }
        if old.mqttspec != new.mqttspec {
            notes.push(format!(
                "the suite changed too: mqttspec {} before, {} now",
                old.mqttspec, new.mqttspec
            ));
        }
        for (run, which) in [(old, "old"), (new, "new")] {
            if run.interrupted {
                notes.push(format!("the {which} run ended before every case was played"));
            }
        }
        notes
    }
}

impl Change<'_> {
    fn case(&self) -> &Case {
        self.new.or(self.old).expect("a change is of a case")
    }

    /// What became of what, and why.
    fn words(&self) -> String {
        let verdict = |case: Option<&Case>| case.map_or("–", |c| c.verdict.name());
        let (old, new) = (verdict(self.old), verdict(self.new));
        let mut text = if old == new {
            new.to_owned()
        } else {
            format!("{old} → {new}")
        };
        let reason = self.new.and_then(Case::steady_reason);
        if let Some(reason) = reason {
            let _ = write!(text, ": {}", printable(&reason));
        }
        text
    }

    fn line(&self) -> String {
        let words = self.words();
        let style = self.new.map_or(DIM, |c| style::of(c.verdict));
        format!("  {}  {}\n", printable(&self.case().id), paint(style, words))
    }

    /// The difference of the exchanges, line by line; empty if one of them is not there.
    fn diff(&self) -> String {
        let exchange = |case: Option<&Case>| case.and_then(|c| c.exchange.clone());
        match (exchange(self.old), exchange(self.new)) {
            (Some(old), Some(new)) if old != new => {
                let (old, new) = (printable(&old), printable(&new));
                let diff = TextDiff::from_lines(&old, &new);
                diff.unified_diff().context_radius(3).header("old", "new").to_string()
            }
            _ => String::new(),
        }
    }
}

/// A difference that one can unfold.
fn folded(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = lines[..lines.len().min(DIFF_LINES)].join("\n");
    if lines.len() > DIFF_LINES {
        let _ = write!(shown, "\n… {} more lines", lines.len() - DIFF_LINES);
    }
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let indented: String = format!("{fence}diff\n{shown}\n{fence}")
        .lines()
        .map(|l| format!("  {l}\n"))
        .collect();
    format!("\n  <details><summary>exchange</summary>\n\n{indented}\n  </details>\n\n")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, golden};
    use super::*;

    fn record() -> Run {
        Run::from(&testing::run())
    }

    fn kinds(old: &Run, new: &Run) -> Vec<(Kind, String)> {
        let changes = changes(old, new);
        let kind = |c: &Change<'_>| (c.kind, c.case().id.clone());
        changes.changes.iter().map(kind).collect()
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        let record = record();
        let changes = changes(&record, &record);
        assert!(changes.changes.is_empty() && !changes.is_regression());
        assert_eq!(changes.summary(), "no regression; nothing changed");
    }

    #[test]
    fn every_pair_of_verdicts_has_its_kind() {
        use Verdict::{Crash, Error, Fail, Fixed, Known, Pass, Skip};
        let table: [(Verdict, Verdict, Option<Kind>); 21] = [
            (Pass, Fail, Some(Kind::Fails)),
            (Pass, Crash, Some(Kind::Crashes)),
            (Pass, Known, Some(Kind::Known)),
            (Pass, Skip, Some(Kind::Skipped)),
            (Pass, Error, Some(Kind::Unjudged)),
            (Pass, Fixed, None),
            (Fixed, Pass, None),
            (Fail, Pass, Some(Kind::Passes)),
            (Fail, Known, Some(Kind::Known)),
            (Fail, Crash, Some(Kind::Crashes)),
            (Crash, Fail, Some(Kind::Exchange)),
            (Known, Fail, Some(Kind::Fails)),
            (Known, Pass, Some(Kind::Passes)),
            (Known, Fixed, Some(Kind::Passes)),
            (Skip, Pass, Some(Kind::Played)),
            (Skip, Fail, Some(Kind::Fails)),
            (Skip, Error, Some(Kind::Unjudged)),
            (Error, Known, Some(Kind::Played)),
            (Error, Fail, Some(Kind::Fails)),
            (Crash, Crash, None),
            (Skip, Skip, None),
        ];
        for (before, after, expected) in table {
            let (mut old, mut new) = (record(), record());
            old.cases.truncate(1);
            new.cases.truncate(1);
            old.cases[0].verdict = before;
            new.cases[0].verdict = after;
            let found: Vec<Kind> = kinds(&old, &new).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(
                found,
                expected.into_iter().collect::<Vec<_>>(),
                "{before:?} → {after:?}"
            );
        }
    }

    #[test]
    fn an_exchange_that_is_another_is_a_change_and_no_regression() {
        let (old, mut new) = (record(), record());
        let case = &mut new.cases[0];
        case.exchange = case.exchange.as_ref().map(|text| text.replace("PUBREC", "PUBACK"));
        let changes = changes(&old, &new);
        assert_eq!(kinds(&old, &new), [(Kind::Exchange, "qos2/passes@v3.1.1".to_owned())]);
        assert!(!changes.is_regression());
        assert!(changes.text(true).contains("PUBACK") && !changes.text(false).contains("PUBACK"));
    }

    #[test]
    fn cases_come_and_go() {
        let (mut old, mut new) = (record(), record());
        let first = old.cases.remove(0);
        let last = new.cases.pop().unwrap();
        assert_eq!(kinds(&old, &new), [(Kind::New, first.id), (Kind::Gone, last.id)]);
    }

    #[test]
    fn the_reports() {
        let (mut old, mut new) = (record(), record());
        old.mqttspec = "0.0.9".to_owned();
        new.interrupted = true;
        old.cases[1].verdict = Verdict::Pass;
        old.cases[1].exchange = old.cases[1]
            .exchange
            .as_ref()
            .map(|t| t.replace("verdict: fail", "verdict: pass"));
        new.cases[3].verdict = Verdict::Pass;
        let changes = changes(&old, &new);
        assert!(changes.is_regression());
        golden!("changes", &changes.text(false));
        golden!("changes-markdown", &changes.markdown());
    }
}
