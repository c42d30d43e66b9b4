//! What a run says on a terminal: a line a case, the reports on bad ones, and the summary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::case::{self, Counts, plural};
use super::groups::{Cause, groups};
use super::style::{self, BOLD, DIM, YELLOW, paint, wrapped};
use super::{failure, scores};
use crate::suite::{CaseResult, RunResult, SecondLook, TargetInfo, Verdict};
use crate::sut::Known;
use crate::transcript::{printable, seconds};
use crate::transport::Transport;

/// Up to this many bad cases are shown one by one.
const FEW: usize = 10;
/// How many lines of reports are printed while a run lasts. With those of [`GROUPS`] at its end a run prints at most 200.
const LIVE: usize = 60;
/// How many lines of groups are listed at the end; a group has two if the terminal is wide enough.
const GROUPS: usize = 80;

/// The first line of a run.
pub fn began(target: &TargetInfo, cases: usize) -> String {
    let over = match target.transport {
        Transport::Mqtt => String::new(),
        other => format!(" over {}", paint(BOLD, other)),
    };
    // A target that no profile describes is called by its address.
    let at = if target.name == target.address {
        String::new()
    } else {
        format!(" at {}", printable(&target.address))
    };
    format!(
        "{} against {}{at}{over}\n",
        plural(cases, "case"),
        paint(BOLD, case::target(target))
    )
}

/// One line about a case, as `-v` shows every case and the rest of the world the bad ones.
pub fn line(case: &CaseResult) -> String {
    let verdict = paint(style::of(case.verdict), format!("{:<14}", case::marked_verdict(case)));
    let mut out = format!("{verdict} {:>8}  {}", seconds(case.duration), case.id);
    if let Some(reason) = &case.reason {
        let more: String = case.known.iter().map(|cause| case::details(cause)).collect();
        let _ = write!(out, "  {}", paint(DIM, one_line(&format!("{reason}{more}"))));
    }
    out.push('\n');
    out
}

/// The whole report of a case if a person must act, a line with `verbose`, else nothing.
pub(super) fn ended(case: &CaseResult, target: &TargetInfo, verbose: bool, options: failure::Options) -> String {
    let mut out = if case::is_excused(case) {
        line(case)
    } else if case.is_bad() {
        failure::report(case, target, options) + "\n"
    } else if verbose {
        line(case)
    } else {
        String::new()
    };
    if verbose {
        for advice in case.advice() {
            let _ = writeln!(
                out,
                "  {}{}: {}",
                paint(YELLOW, "advice"),
                case::place(advice),
                printable(&advice.text)
            );
        }
    }
    out
}

/// What is printed about the cases of a run while it lasts, and what is left for its end.
#[derive(Debug, Default)]
pub struct Live {
    /// Every bad case in full.
    all: bool,
    /// Every other case on a line.
    verbose: bool,
    /// The lines of reports so far.
    lines: usize,
    /// The causes that have been reported.
    causes: BTreeSet<Cause>,
    /// The ids of the bad cases that have been reported in full.
    shown: BTreeSet<String>,
}

impl Live {
    /// `all` shows every bad case in full, and so does `verbose`, with a line for every other case.
    pub fn new(all: bool, verbose: bool) -> Live {
        Live {
            all: all || verbose,
            verbose,
            ..Live::default()
        }
    }

    /// What is printed when a case ends. Unless all are shown in full: the first of each cause, until the reports have
    /// [`LIVE`] lines in all.
    pub fn ended(&mut self, case: &CaseResult, target: &TargetInfo, options: failure::Options) -> String {
        let is_bad = case.is_bad();
        if case::is_excused(case) && !self.all {
            return String::new();
        }
        if is_bad && !self.all && (self.lines >= LIVE || !self.causes.insert(Cause::of(case))) {
            return String::new();
        }
        let text = ended(case, target, self.verbose, options);
        if is_bad {
            self.lines += text.lines().count();
            self.shown.insert(case.id.clone());
        }
        text
    }

    /// What is printed about the bad cases of a run at its end: the reports that are missing and a line for each, or above
    /// [`FEW`] the groups of those that fail alike.
    pub fn failures(&self, run: &RunResult, options: failure::Options) -> String {
        let bad: Vec<&CaseResult> = run.cases.iter().filter(|c| c.is_bad()).collect();
        let mut out = String::new();
        if bad.len() > FEW && !self.all {
            out.push_str(&grouped(run, &bad, options.wrap));
        } else {
            let is_missing = |case: &&&CaseResult| !self.shown.contains(&case.id) && !case::is_excused(case);
            for case in bad.iter().filter(is_missing) {
                out.push_str(&failure::report(case, &run.target, options));
                out.push('\n');
            }
            out.extend(bad.iter().map(|case| line(case)));
        }
        if !bad.is_empty() {
            out.push('\n');
        }
        out
    }
}

/// The bad cases by cause, most frequent first, in lines of at most `width` columns.
fn grouped(run: &RunResult, bad: &[&CaseResult], width: usize) -> String {
    let groups = groups(bad.iter().copied());
    let mut out = format!(
        "{} in {} (--failures all shows each in full):\n",
        paint(BOLD, plural(bad.len(), "unexpected result")),
        plural(groups.len(), "group")
    );
    let ids = run.cases.iter().map(|case| case.id.as_str());
    let mut lines = 0;
    let mut listed = 0;
    for group in &groups {
        if lines >= GROUPS {
            break;
        }
        let verdict = paint(style::of(group.verdict), group.verdict.name());
        let statement = group.cases[0]
            .proves
            .first()
            .map(|statement| format!("  {}", statement.id));
        let head = format!(
            "{:>6} {verdict}  {}{}",
            group.cases.len(),
            group.label(ids.clone(), 2),
            paint(DIM, statement.unwrap_or_default())
        );
        let mut text = wrapped(&head, width, 10);
        let reason = group.reason();
        if !reason.is_empty() {
            text.push('\n');
            text += &wrapped(&format!("        {}", paint(DIM, one_line(&reason))), width, 10);
        }
        text.push('\n');
        lines += text.lines().count();
        listed += 1;
        out.push_str(&text);
    }
    if let Some(rest) = groups.get(listed..).filter(|rest| !rest.is_empty()) {
        let cases: usize = rest.iter().map(|group| group.cases.len()).sum();
        let _ = writeln!(
            out,
            "       and {} with {}",
            plural(rest.len(), "more group"),
            plural(cases, "case")
        );
    }
    out
}

/// The last lines of a run, behind [`Live::failures`]: counts, the score of each version, and why cases were skipped. With
/// `verbose` every cause of known deviations too, with its number of cases. Sentences are wrapped in `width` columns.
pub fn summary(run: &RunResult, verbose: bool, width: usize) -> String {
    let mut out = skips(run, width);
    let causes = case::causes(run);
    if verbose {
        out.push_str(&known(&causes, width));
    }
    for note in &run.notes {
        let note = format!("{} {}", paint(YELLOW, "note:"), printable(note));
        let _ = writeln!(out, "{}", wrapped(&note, width, 2));
    }
    if !run.crashes_under_load.is_empty() {
        let what = paint(style::of(Verdict::Crash), "crash under load");
        let _ = writeln!(
            out,
            "{what}: the broker ended while these cases ran, but none of them ends it alone:"
        );
        for id in &run.crashes_under_load {
            let _ = writeln!(out, "  {id}");
        }
    }
    match causes.iter().filter(|(cause, _)| cause.untriaged).count() {
        0 => {}
        n => {
            let what = paint(YELLOW, plural(n, "cause"));
            let _ = writeln!(
                out,
                "{what} of known deviations untriaged: no one has given the reason yet"
            );
        }
    }
    if let Some(line) = Counts::of(run).rigour_line() {
        let _ = writeln!(out, "{line}");
    }
    for score in scores(run) {
        let _ = writeln!(out, "{}", wrapped(&score.to_string(), width, 2));
    }
    let _ = writeln!(out, "{}", wrapped(last_line(run).trim_end(), width, 2));
    out
}

/// The counts of a run on one line.
pub fn last_line(run: &RunResult) -> String {
    let counts = Counts::of(run);
    let mut parts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|v| counts.get(*v) > 0)
        .map(|v| {
            paint(
                style::of(v),
                format!("{} {}{}{}", counts.get(v), v.name(), of_causes(v, run), excused(v, run)),
            )
        })
        .collect();
    if counts.advice > 0 {
        parts.push(format!("{} advice", counts.advice));
    }
    if parts.is_empty() {
        parts.push("no case was played".to_owned());
    }
    let interrupted = match (run.interrupted, run.unplayed) {
        (false, _) => String::new(),
        (true, 0) => ", interrupted before the end".to_owned(),
        (true, n) => format!(", interrupted before the end: {n} not played"),
    };
    format!(
        "{}: {} in {}{interrupted}\n",
        paint(BOLD, case::target(&run.target)),
        parts.join(", "),
        seconds(run.duration)
    )
}

/// ` in 24 causes (15 must, 9 strict)`, behind the number of known deviations.
fn of_causes(verdict: Verdict, run: &RunResult) -> String {
    let causes = case::causes(run);
    if verdict != Verdict::Known || causes.is_empty() {
        return String::new();
    }
    let rulings = match case::rulings(&causes) {
        rulings if rulings.is_empty() => rulings,
        rulings => format!(" ({rulings})"),
    };
    format!(" in {}{rulings}", plural(causes.len(), "cause"))
}

/// ` (220 only beside others, 3 late, 40 unconfirmed)`, behind the number of errors.
fn excused(verdict: Verdict, run: &RunResult) -> String {
    let count = |look| run.cases.iter().filter(|case| case.second_look == Some(look)).count();
    let parts = [
        (SecondLook::Alone, "only beside others"),
        (SecondLook::Late, "late"),
        (SecondLook::Unconfirmed, "unconfirmed"),
    ]
    .map(|(look, words)| (count(look), words));
    let parts: Vec<String> = (parts.into_iter().filter(|(n, _)| *n > 0 && verdict == Verdict::Error))
        .map(|(n, words)| format!("{n} {words}"))
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

/// The causes of known deviations, most frequent first.
fn known(causes: &[(&Known, usize)], width: usize) -> String {
    let mut out = String::new();
    if !causes.is_empty() {
        let _ = writeln!(out, "{}", paint(DIM, "known:"));
    }
    for (cause, count) in causes {
        let text = format!("{}{}", cause.because, case::details(cause));
        let line = wrapped(&format!("  {count:>4}  {}", one_line(&text)), width, 8);
        let _ = writeln!(out, "{}", paint(DIM, line));
    }
    out
}

/// The warnings of a run by their text, most frequent first, each with its number and a case that has it. Sentences are wrapped
/// in `width` columns.
pub fn advice(run: &RunResult, width: usize) -> String {
    let mut texts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for case in &run.cases {
        for advice in case.advice() {
            let mut text = format!("{}{}", advice.text, case::place(advice));
            for transcript in case.transcript.iter().chain(&case.control) {
                text = super::snapshot::without(&transcript.namespace, &text);
            }
            texts.entry(text).or_default().push(&case.id);
        }
    }
    let mut texts: Vec<(String, Vec<&str>)> = texts.into_iter().collect();
    texts.sort_by_key(|(_, ids)| usize::MAX - ids.len());
    let mut out = String::new();
    if !texts.is_empty() {
        let _ = writeln!(out, "{}", paint(YELLOW, "advice:"));
    }
    for (text, ids) in texts {
        let _ = writeln!(
            out,
            "{}\n        {}",
            wrapped(&format!("  {:>4}  {}", ids.len(), one_line(&text)), width, 8),
            paint(DIM, ids[0])
        );
    }
    out
}

/// The reasons of the skips, most frequent first.
fn skips(run: &RunResult, width: usize) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for case in run.cases.iter().filter(|c| c.verdict == Verdict::Skip) {
        *reasons
            .entry(case.reason.as_deref().unwrap_or("no reason was given"))
            .or_default() += 1;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, count)| (usize::MAX - count, *reason));
    let mut out = String::new();
    if !reasons.is_empty() {
        let _ = writeln!(out, "{}", paint(DIM, "skipped:"));
    }
    for (reason, count) in reasons {
        let line = wrapped(&format!("  {count:>4}  {}", one_line(reason)), width, 8);
        let _ = writeln!(out, "{}", paint(DIM, line));
    }
    out
}

/// The text on one line.
pub(super) fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[test]
    fn the_summary_counts_and_says_why() {
        let run = run();
        let failures = |live: &Live| live.failures(&run, options());
        let mut live = Live::new(true, false);
        for case in &run.cases {
            live.ended(case, &run.target, options());
        }
        golden!(
            "summary",
            &(began(&run.target, run.cases.len()) + &failures(&live) + &summary(&run, false, usize::MAX))
        );
        golden!("summary-verbose", &(failures(&live) + &summary(&run, true, usize::MAX)));
    }

    fn options() -> failure::Options {
        failure::Options {
            trace: false,
            width: 80,
            wrap: usize::MAX,
        }
    }

    #[test]
    fn more_than_a_few_failures_are_shown_by_cause() {
        let mut run = run();
        let failed = failed();
        run.cases = (0..60)
            .map(|n| {
                let mut case = failed.clone();
                case.id = format!("qos2/dup[{n}]@v5");
                if n % 3 == 0 {
                    case.steady_reason = None;
                    case.reason = Some(format!("reason {}", n % 2));
                }
                case
            })
            .collect();
        let mut live = Live::default();
        let reports: Vec<String> = run
            .cases
            .iter()
            .map(|case| live.ended(case, &run.target, options()))
            .filter(|text| !text.is_empty())
            .collect();
        assert_eq!(reports.len(), 3, "one a cause");
        golden!("groups", &live.failures(&run, options()));
        let narrow = failure::Options { wrap: 40, ..options() };
        golden!("groups-narrow", &live.failures(&run, narrow));
        // A few are all shown in full.
        run.cases.truncate(FEW);
        let rest = live.failures(&run, options());
        assert!(
            rest.starts_with(&failure::report(&run.cases[2], &run.target, options())),
            "{rest}"
        );
    }

    #[test]
    fn a_quiet_run_speaks_of_bad_cases_only() {
        let run = run();
        let options = failure::Options {
            trace: false,
            width: 80,
            wrap: usize::MAX,
        };
        assert_eq!(ended(&run.cases[0], &run.target, false, options), "");
        let verbose = ended(&run.cases[0], &run.target, true, options);
        golden!("verbose", &verbose);
    }

    #[test]
    fn advice_is_counted_by_its_text() {
        let mut run = run();
        let advised = run
            .cases
            .iter()
            .find(|case| case.advice().count() > 0)
            .expect("one has")
            .clone();
        run.cases = (0..3)
            .map(|n| {
                let mut case = advised.clone();
                case.id = format!("a/b[{n}]@v5");
                case
            })
            .collect();
        let text = anstream::adapter::strip_str(&advice(&run, usize::MAX)).to_string();
        assert_eq!(
            text,
            "advice:\n     3  the code is 0x80, the standard names 0x87\n        a/b[0]@v5\n"
        );
        run.cases.clear();
        assert_eq!(advice(&run, usize::MAX), "");
    }
}
