//! What a run says on a terminal: a line a case, the reports on bad ones, and the summary.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::case::{self, Counts, plural};
use super::style::{self, BOLD, DIM, YELLOW, paint};
use super::{failure, scores};
use crate::suite::{CaseResult, RunResult, TargetInfo, Verdict};
use crate::sut::Known;
use crate::transcript::{printable, seconds};
use crate::transport::Transport;

/// The first line of a run.
pub fn began(target: &TargetInfo, cases: usize) -> String {
    let over = match target.transport {
        Transport::Mqtt => String::new(),
        other => format!(" over {}", paint(BOLD, other)),
    };
    format!(
        "{} against {} at {}{over}\n",
        plural(cases, "case"),
        paint(BOLD, case::target(target)),
        printable(&target.address)
    )
}

/// One line about a case, as `-v` shows every case and the rest of the world the bad ones.
pub fn line(case: &CaseResult) -> String {
    let verdict = paint(style::of(case.verdict), format!("{:<14}", case::verdict(case)));
    let mut out = format!("{verdict} {:>8}  {}", seconds(case.duration), case.id);
    if let Some(reason) = &case.reason {
        let more: String = case.known.iter().map(|cause| case::severity_and_links(cause)).collect();
        let _ = write!(out, "  {}", paint(DIM, one_line(&format!("{reason}{more}"))));
    }
    out.push('\n');
    out
}

/// What is said of a case when it ends: the whole report if a person must act, a line with `verbose`, else nothing.
pub fn ended(case: &CaseResult, target: &TargetInfo, verbose: bool, options: failure::Options) -> String {
    let mut out = if case.is_bad() {
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

/// How far a run is: `[ 57/123] 2 fail  qos2/dup@v5`, without an end of line.
pub fn progress(done: usize, all: usize, bad: usize, running: &str, width: usize) -> String {
    let digits = all.to_string().len();
    let bad = if bad > 0 { format!(" {bad} bad ") } else { String::new() };
    let text = format!("[{done:>digits$}/{all}]{bad} {}", printable(running));
    text.chars().take(width).collect()
}

/// The last lines of a run: the cases to look at, counts, the score of each version, and why cases were skipped. With
/// `verbose` every cause of known deviations too, with its number of cases.
pub fn summary(run: &RunResult, verbose: bool) -> String {
    let mut out = String::new();
    let bad: Vec<&CaseResult> = run.cases.iter().filter(|c| c.is_bad()).collect();
    for case in &bad {
        out.push_str(&line(case));
    }
    if !bad.is_empty() {
        out.push('\n');
    }
    out.push_str(&skips(run));
    let causes = case::causes(run);
    if verbose {
        out.push_str(&known(&causes));
    }
    for note in &run.notes {
        let _ = writeln!(out, "{} {}", paint(YELLOW, "note:"), printable(note));
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
    for score in scores(run) {
        let _ = writeln!(out, "{score}");
    }
    out.push_str(&last_line(run));
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
                format!("{} {}{}", counts.get(v), v.name(), of_causes(v, run)),
            )
        })
        .collect();
    if counts.advice > 0 {
        parts.push(format!("{} advice", counts.advice));
    }
    if parts.is_empty() {
        parts.push("no case was played".to_owned());
    }
    let interrupted = if run.interrupted {
        ", interrupted before the end"
    } else {
        ""
    };
    format!(
        "{}: {} in {}{interrupted}\n",
        paint(BOLD, case::target(&run.target)),
        parts.join(", "),
        seconds(run.duration)
    )
}

/// ` in 44 causes`, behind the number of known deviations.
fn of_causes(verdict: Verdict, run: &RunResult) -> String {
    match case::causes(run).len() {
        n if verdict == Verdict::Known && n > 0 => format!(" in {}", plural(n, "cause")),
        _ => String::new(),
    }
}

/// The causes of known deviations, most frequent first.
fn known(causes: &[(&Known, usize)]) -> String {
    let mut out = String::new();
    if !causes.is_empty() {
        let _ = writeln!(out, "{}", paint(DIM, "known:"));
    }
    for (cause, count) in causes {
        let text = format!("{}{}", cause.because, case::severity_and_links(cause));
        let _ = writeln!(out, "{}", paint(DIM, format!("  {count:>4}  {}", one_line(&text))));
    }
    out
}

/// The reasons of the skips, most frequent first.
fn skips(run: &RunResult) -> String {
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
        let _ = writeln!(out, "{}", paint(DIM, format!("  {count:>4}  {}", one_line(reason))));
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
        golden!(
            "summary",
            &(began(&run.target, run.cases.len()) + &summary(&run, false))
        );
        golden!("summary-verbose", &summary(&run, true));
    }

    #[test]
    fn a_quiet_run_speaks_of_bad_cases_only() {
        let run = run();
        let options = failure::Options {
            trace: false,
            width: 80,
        };
        assert_eq!(ended(&run.cases[0], &run.target, false, options), "");
        let verbose = ended(&run.cases[0], &run.target, true, options);
        golden!("verbose", &verbose);
    }

    #[test]
    fn progress_fits_the_terminal() {
        assert_eq!(progress(7, 123, 0, "a/b@v5", 80), "[  7/123] a/b@v5");
        assert_eq!(progress(7, 123, 2, "a/b@v5", 20), "[  7/123] 2 bad  a/b");
    }
}
