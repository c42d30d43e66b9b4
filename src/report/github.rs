//! What GitHub Actions shows: annotations on the lines of scenarios, and the job's summary.

use std::fmt::Write as _;

use super::case::{self, Counts};
use super::failure::{self, Options};
use super::scores;
use super::style::plain;
use crate::suite::{CaseResult, RunResult, Verdict};
use crate::transcript::{printable, seconds};

/// How many annotations are made: GitHub shows ten errors a step.
const ANNOTATIONS: usize = 10;
/// How many failures the summary shows in full: it may have 1 MiB.
const FULL: usize = 20;

/// Workflow commands, one a bad case: `::error file=...,line=...,title=...::...`.
pub fn annotations(run: &RunResult) -> String {
    let bad: Vec<&CaseResult> = run.cases.iter().filter(|c| c.is_bad()).collect();
    let mut out = String::new();
    for case in bad.iter().take(ANNOTATIONS) {
        let place = case.failure.as_ref().and_then(|f| f.place.as_ref());
        let (line, column) = place.map_or((1, 1), |p| (p.line, p.column));
        let mut text = case.reason.clone().unwrap_or_else(|| case.title.clone());
        for (statement, finding) in case.breaches().filter_map(|f| Some((f.statement?, f))) {
            let _ = write!(text, "\n{statement}: {}", finding.text);
        }
        let title = format!("{} {}", case::marked_verdict(case), case.id);
        let _ = writeln!(
            out,
            "::error file={},line={line},col={column},title={}::{}",
            property(&case.header.source.file),
            property(&title),
            data(&text)
        );
    }
    if bad.len() > ANNOTATIONS {
        let _ = writeln!(
            out,
            "::error title=mqttspec::{} more cases are in the job summary",
            bad.len() - ANNOTATIONS
        );
    }
    out
}

/// The summary of the job in Markdown.
pub fn summary(run: &RunResult) -> String {
    let counts = Counts::of(run);
    let mut out = format!("## mqttspec: {}\n\n", markdown(&case::target(&run.target)));
    let about: Vec<String> = (run
        .about
        .label
        .iter()
        .chain(&run.about.started)
        .map(|text| markdown(text)))
    .chain(run.about.shard.map(|shard| format!("{shard} only")))
    .collect();
    if !about.is_empty() {
        let _ = writeln!(out, "{}\n", about.join(", "));
    }
    let names: Vec<&str> = Verdict::ALL.into_iter().map(Verdict::name).collect();
    let figures: Vec<String> = Verdict::ALL.into_iter().map(|v| counts.get(v).to_string()).collect();
    let _ = writeln!(out, "| {} | advice | time |", names.join(" | "));
    let _ = writeln!(out, "|{}", " ---: |".repeat(names.len() + 2));
    let _ = writeln!(
        out,
        "| {} | {} | {} |\n",
        figures.join(" | "),
        counts.advice,
        seconds(run.duration)
    );
    if let Some(line) = counts.rigour_line() {
        let _ = writeln!(out, "- {line}");
    }
    for score in scores(run) {
        let _ = writeln!(out, "- {score}");
    }
    if !run.crashes_under_load.is_empty() {
        let cases: Vec<String> = run.crashes_under_load.iter().map(|id| markdown(id)).collect();
        let _ = writeln!(
            out,
            "- the broker ended while these cases ran, but none of them ends it alone: {}",
            cases.join(", ")
        );
    }
    for note in &run.notes {
        let _ = writeln!(out, "- {}", markdown(note));
    }
    let bad: Vec<&CaseResult> = run.cases.iter().filter(|c| c.is_bad()).collect();
    for case in bad.iter().take(FULL) {
        let report = plain(&failure::report(case, &run.target, Options::default()));
        // A fence longer than any run of back quotes inside.
        let fence = "`".repeat(longest_run(&report).max(2) + 1);
        let _ = write!(
            out,
            "\n<details><summary>{} <code>{}</code></summary>\n\n{fence}text\n{report}{fence}\n\n</details>\n",
            case::marked_verdict(case),
            markdown(&case.id)
        );
    }
    if bad.len() > FULL {
        let _ = writeln!(out, "\n{} more cases have unexpected results.", bad.len() - FULL);
    }
    out
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Escapes a message of a workflow command.
fn data(text: &str) -> String {
    printable(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text in Markdown that stays text.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in printable(text).replace('\n', " ").chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, golden};
    use super::*;

    #[test]
    fn bad_cases_are_annotated_on_their_line() {
        golden!("annotations", &annotations(&testing::run()));
    }

    #[test]
    fn the_summary_is_a_table_and_the_failures() {
        golden!("github", &summary(&testing::run()));
    }

    #[test]
    fn what_the_broker_says_stays_text() {
        assert_eq!(markdown("<b>|x`"), "&lt;b&gt;\\|x\\`");
        assert_eq!(property("a,b:c\n%"), "a%2Cb%3Ac%0A%25");
    }
}
