//! What changed between two runs: the thing that a broker's pull request wants to know.
//!
//! In: two [`Run`]s, of one broker before and after, or of two brokers. Out: [`Changes`], as text and as Markdown.

mod kind;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use similar::TextDiff;

use super::case::plural;
use super::github::markdown;
use super::model::{Case, Run};
use super::style::{self, BOLD, DIM, paint};
use crate::scenario::aliases;
use crate::transcript::printable;

pub use kind::Kind;
use kind::kind;

/// How many cases Markdown lists of a kind, and how many differences it shows: a job's summary may have 1 MiB.
const LISTED: usize = 200;
const DIFFS: usize = 40;
/// How much of a difference Markdown shows, in lines.
const DIFF_LINES: usize = 60;

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

/// Whether two runs, each with the name by which messages call it, can be compared.
///
/// # Errors
/// A message of one line for the user: they are not the same shard, or have no case in common, so that a comparison
/// would find nothing whatever the broker does.
pub fn comparable(old: (&str, &Run), new: (&str, &Run)) -> Result<(), String> {
    let part = |run: &Run| run.shard.map_or("a whole run".to_owned(), |shard| shard.to_string());
    let ((old_name, old), (new_name, new)) = (old, new);
    if old.shard != new.shard {
        let merge = "`mqttspec report merge` makes a whole of shards";
        return Err(format!(
            "{old_name} is {}, {new_name} is {}: {merge}",
            part(old),
            part(new)
        ));
    }
    let after: BTreeSet<&str> = new.cases.iter().map(|case| case.id.as_str()).collect();
    let common = |case: &Case| after.contains(&*aliases().current(&case.id));
    let both_empty = old.cases.is_empty() && new.cases.is_empty();
    if both_empty || old.cases.iter().any(common) {
        Ok(())
    } else {
        Err(format!("{old_name} and {new_name} have no case in common"))
    }
}

/// Compares two runs, which are [`comparable`].
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
    let lost = if lost(old, new).is_some() {
        Kind::Missing
    } else {
        Kind::Gone
    };
    changes.extend(gone.map(|case| Change {
        kind: lost,
        old: Some(case),
        new: None,
    }));
    // The order within a kind stays.
    changes.sort_by_key(|c| c.kind);
    Changes { old, new, changes }
}

/// Why cases of the old run may be missing in the new one although the suite still has them; `None` if another suite
/// accounts for it.
fn lost(old: &Run, new: &Run) -> Option<String> {
    if new.interrupted {
        return Some("the new run ended early".to_owned());
    }
    let (before, now) = (&old.selection, &new.selection);
    match (before, now) {
        (Some(before), Some(now)) if before.arguments != now.arguments && !now.arguments.is_empty() => {
            Some(format!("the new run selects `{}`", now.arguments.join(" ")))
        }
        (Some(before), Some(now)) if before.suite == now.suite => Some("the suite is the same".to_owned()),
        (Some(_), Some(_)) => None,
        _ => (old.mqttspec == new.mqttspec).then(|| "the suite has the same version".to_owned()),
    }
}

/// The cases, those last that were contained in others.
fn ranked(cases: &[Case]) -> impl Iterator<Item = (bool, &Case)> {
    let of = move |joined: bool| {
        let ranked = cases.iter().map(|case| (aliases().is_joined(&case.id), case));
        ranked.filter(move |(is_joined, _)| *is_joined == joined)
    };
    of(false).chain(of(true))
}

impl<'r> Changes<'r> {
    /// Whether the new run is worse.
    pub fn is_regression(&self) -> bool {
        self.changes.iter().any(|c| c.kind.is_regression()) || self.changed_snapshots() > 0 || self.ends_under_load()
    }

    /// Whether the broker of the new run ended while several cases ran, and that of the old one did not.
    fn ends_under_load(&self) -> bool {
        !self.new.crashes_under_load.is_empty() && self.old.crashes_under_load.is_empty()
    }

    /// How many snapshots the new run found changed. They are compared with the accepted ones, not with the old run, so
    /// that the old run excuses none of them.
    fn changed_snapshots(&self) -> usize {
        self.new.snapshots.map_or(0, |snapshots| snapshots.changed)
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
        let regressions = (bad > 0).then(|| format!("{}: {}", plural(bad, "regression"), count(true).join(", ")));
        let under_load = self.ends_under_load().then(|| "the broker ended under load".to_owned());
        let snapshots = Some(self.changed_snapshots()).filter(|n| *n > 0);
        let snapshots = snapshots.map(|n| plural(n, "changed snapshot"));
        let mut parts: Vec<String> = [regressions, under_load, snapshots].into_iter().flatten().collect();
        if parts.is_empty() {
            parts.push("no regression".to_owned());
        }
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
        } else if let (Some(a), Some(b)) = (&old.selection, &new.selection)
            && a.suite != b.suite
        {
            notes.push("the suite changed too: the scenarios differ".to_owned());
        }
        if let Some(why) = lost(old, new).filter(|_| self.of(Kind::Missing).next().is_some()) {
            notes.push(format!("cases are no longer played although {why}"));
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

    /// The difference of the exchanges, line by line; empty if there was none to begin with.
    fn diff(&self) -> String {
        let exchange = |case: Option<&Case>| case.and_then(|c| c.exchange.clone());
        match (exchange(self.old), exchange(self.new)) {
            (Some(old), Some(new)) if old != new => {
                let (old, new) = (printable(&old), printable(&new));
                let diff = TextDiff::from_lines(&old, &new);
                diff.unified_diff().context_radius(3).header("old", "new").to_string()
            }
            _ => {
                let omitted = |case: Option<&Case>| case.is_some_and(|c| c.omitted);
                let which = match (omitted(self.old), omitted(self.new)) {
                    (true, _) => "old",
                    (false, true) => "new",
                    (false, false) => return String::new(),
                };
                format!("the {which} results do not have this exchange: `run --exchanges all` keeps every one\n")
            }
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
    use super::super::model::Snapshots;
    use super::super::testing::{self, golden};
    use super::*;
    use crate::suite::{Selected, Shard, Verdict};

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
        case.exchange_digest = None;
        let changes = changes(&old, &new);
        assert_eq!(kinds(&old, &new), [(Kind::Exchange, "qos2/passes@v3.1.1".to_owned())]);
        assert!(!changes.is_regression());
        assert!(changes.text(true).contains("PUBACK") && !changes.text(false).contains("PUBACK"));
    }

    /// The selection of a run.
    fn selection(run: &mut Run) -> &mut Selected {
        run.selection.as_mut().unwrap()
    }

    #[test]
    fn cases_come_and_go_with_the_suite() {
        let (mut old, mut new) = (record(), record());
        let first = old.cases.remove(0);
        let last = new.cases.pop().unwrap();
        selection(&mut new).suite = "another".to_owned();
        let changed = changes(&old, &new);
        assert_eq!(kinds(&old, &new), [(Kind::New, first.id), (Kind::Gone, last.id)]);
        assert!(!changed.is_regression());
        assert!(
            changed
                .text(false)
                .contains("note: the suite changed too: the scenarios differ")
        );
    }

    #[test]
    fn a_case_that_goes_without_the_suite_is_a_regression() {
        let note = |change: fn(&mut Run, &mut Run)| {
            let (mut old, mut new) = (record(), record());
            let last = new.cases.pop().unwrap();
            change(&mut old, &mut new);
            let changed = changes(&old, &new);
            assert_eq!(kinds(&old, &new), [(Kind::Missing, last.id)]);
            assert!(changed.is_regression());
            assert_eq!(changed.summary(), "1 regression: 1 no longer played");
            let text = changed.text(false);
            let note = text.lines().find(|line| line.contains("no longer played although"));
            note.unwrap_or_else(|| panic!("{text}")).to_owned()
        };
        let of = |why: &str| format!("note: cases are no longer played although {why}");
        assert_eq!(note(|_, _| {}), of("the suite is the same"));
        assert_eq!(
            note(|_, new| {
                new.interrupted = true;
                selection(new).suite = "another".to_owned();
            }),
            of("the new run ended early")
        );
        assert_eq!(
            note(|_, new| {
                let selected = selection(new);
                selected.suite = "another".to_owned();
                selected.arguments = vec!["-e".to_owned(), "qos2/".to_owned()];
            }),
            of("the new run selects `-e qos2/`")
        );
        assert_eq!(
            note(|old, _| old.selection = None),
            of("the suite has the same version")
        );
    }

    #[test]
    fn what_cannot_be_compared_is_refused_in_a_line() {
        let refused = |old: &Run, new: &Run| {
            let message = comparable(("a.json", old), ("b.json", new)).unwrap_err();
            assert_eq!(message.lines().count(), 1);
            message
        };
        let (old, mut new) = (record(), record());
        assert_eq!(comparable(("a", &old), ("b", &new)), Ok(()));
        new.shard = Some(Shard { index: 1, count: 4 });
        assert_eq!(comparable(("a", &new), ("b", &new)), Ok(()));
        assert_eq!(
            refused(&old, &new),
            "a.json is a whole run, b.json is shard 1 of 4: `mqttspec report merge` makes a whole of shards"
        );
        let mut other = new.clone();
        other.shard = Some(Shard { index: 2, count: 4 });
        assert!(refused(&new, &other).starts_with("a.json is shard 1 of 4, b.json is shard 2 of 4: "));
        let (mut first, mut second) = (record(), record());
        first.cases.truncate(3);
        second.cases.drain(..3);
        assert_eq!(refused(&first, &second), "a.json and b.json have no case in common");
        second.cases.clear();
        assert_eq!(refused(&first, &second), "a.json and b.json have no case in common");
        first.cases.clear();
        assert_eq!(comparable(("a", &first), ("b", &second)), Ok(()));
    }

    #[test]
    fn a_changed_snapshot_is_excused_by_no_earlier_run() {
        let (mut old, mut new) = (record(), record());
        let changed = |changed| Some(Snapshots { compared: 21, changed });
        (old.snapshots, new.snapshots) = (changed(3), changed(0));
        assert!(!changes(&old, &new).is_regression());
        new.snapshots = changed(3);
        let found = changes(&old, &new);
        assert!(found.is_regression());
        assert_eq!(found.summary(), "3 changed snapshots; nothing changed");
        new.cases[0].verdict = Verdict::Fail;
        let summary = changes(&old, &new).summary();
        assert_eq!(summary, "1 regression: 1 newly failing; 3 changed snapshots");
    }

    #[test]
    fn a_broker_that_ends_under_load_is_a_regression() {
        let (mut old, new) = (record(), record());
        assert!(!new.crashes_under_load.is_empty() && !changes(&old, &new).is_regression());
        old.crashes_under_load.clear();
        let found = changes(&old, &new);
        assert!(found.is_regression());
        assert_eq!(found.summary(), "the broker ended under load; nothing changed");
    }

    #[test]
    fn an_exchange_that_was_left_out_is_compared_by_its_digest() {
        let (old, mut new) = (record(), record());
        let case = &mut new.cases[0];
        case.advice.clear();
        case.exchange = case.exchange.as_ref().map(|text| text.replace("PUBREC", "PUBACK"));
        case.exchange_digest = None;
        case.exchange_digest = case.exchange_digest().map(Cow::into_owned);
        let new = new.with_few_exchanges();
        assert!(new.cases[0].omitted && new.cases[0].exchange.is_none() && new.cases[0].transcript.is_empty());
        let found = changes(&old, &new);
        assert_eq!(kinds(&old, &new), [(Kind::Exchange, "qos2/passes@v3.1.1".to_owned())]);
        let text = found.text(true);
        assert!(
            text.contains("the new results do not have this exchange: `run --exchanges all` keeps every one"),
            "{text}"
        );
        assert!(changes(&old, &old.clone().with_few_exchanges()).changes.is_empty());
        // Of cases with the same warning the first shows it.
        let mut twice = old.clone();
        let mut again = old.cases[0].clone();
        again.id = "qos2/passes-again@v3.1.1".to_owned();
        twice.cases.push(again);
        let twice = twice.with_few_exchanges();
        assert!(!twice.cases[0].omitted && twice.cases[twice.cases.len() - 1].omitted);
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
