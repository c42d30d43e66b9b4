//! What GitHub Actions shows: annotations by cause, and the job's summary.

use std::fmt::Write as _;

use super::case::{self, Counts};
use super::failure::{self, Options};
use super::groups::{Group, groups};
use super::scores;
use super::style::plain;
use crate::suite::{CaseResult, RunResult, Verdict};
use crate::transcript::{printable, seconds};

/// How many annotations are made: GitHub shows ten errors a step.
const ANNOTATIONS: usize = 10;
/// How many causes the summary shows one case of in full: it may have 1 MiB.
const FULL: usize = 20;
/// How many causes its table has.
const GROUPS: usize = 200;

/// Workflow commands, one a cause, the one with the most cases first: `::error title=...::...`. A scenario of the user's own
/// is named by its file and line; the built-in ones are no files of the repository.
pub fn annotations(run: &RunResult) -> String {
    let groups = groups(run.cases.iter().filter(|c| c.is_bad()));
    let ids = run.cases.iter().map(|case| case.id.as_str());
    let mut out = String::new();
    for group in groups.iter().take(ANNOTATIONS) {
        let case = group.cases[0];
        let mut text = group.reason();
        if text.is_empty() {
            text.clone_from(&case.title);
        }
        for (statement, finding) in case.breaches().filter_map(|f| Some((f.statement?, f))) {
            let _ = write!(text, "\n{statement}: {}", finding.text);
        }
        let link = case.proves.first().and_then(|statement| statement.url());
        text.extend(link.map(|link| format!("\n{link}")));
        let count = match group.cases.len() {
            1 => String::new(),
            n => format!("{n} x "),
        };
        let title = format!("{count}{} {}", case::marked_verdict(case), group.label(ids.clone(), 2));
        let _ = writeln!(
            out,
            "::error {}title={}::{}",
            place(case),
            property(&title),
            data(&text)
        );
    }
    if let Some(rest) = groups.get(ANNOTATIONS..).filter(|rest| !rest.is_empty()) {
        let _ = writeln!(
            out,
            "::error title=mqttspec::{} more are in the job summary",
            case::plural(rest.len(), "cause")
        );
    }
    out
}

/// The file of the user's that an annotation belongs to, as properties of it.
fn place(case: &CaseResult) -> String {
    if case.header.embedded {
        return String::new();
    }
    let place = case.failure.as_ref().and_then(|f| f.place.as_ref());
    let (line, column) = place.map_or((1, 1), |p| (p.line, p.column));
    format!("file={},line={line},col={column},", property(&case.header.source.file))
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
    let groups = groups(run.cases.iter().filter(|c| c.is_bad()));
    out.push_str(&causes(run, &groups));
    for group in groups.iter().take(FULL) {
        let case = group.cases[0];
        let report = plain(&failure::report(case, &run.target, Options::default()));
        // A fence longer than any run of back quotes inside.
        let fence = "`".repeat(longest_run(&report).max(2) + 1);
        let others = match group.cases.len() - 1 {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let _ = write!(
            out,
            "\n<details><summary>{} <code>{}</code>{others}</summary>\n\n{fence}text\n{report}{fence}\n\n</details>\n",
            case::marked_verdict(case),
            markdown(&case.id)
        );
    }
    out
}

/// A table of the unexpected results by cause.
fn causes(run: &RunResult, groups: &[Group<'_>]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let cases: usize = groups.iter().map(|group| group.cases.len()).sum();
    let mut out = format!(
        "\n{} in {}:\n\n| cases | verdict | which | reason |\n| ---: | --- | --- | --- |\n",
        case::plural(cases, "unexpected result"),
        case::plural(groups.len(), "group")
    );
    let ids = run.cases.iter().map(|case| case.id.as_str());
    for group in groups.iter().take(GROUPS) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            group.cases.len(),
            group.verdict.name(),
            markdown(&group.label(ids.clone(), 2)),
            markdown(&group.reason())
        );
    }
    if groups.len() > GROUPS {
        let _ = writeln!(
            out,
            "\n{} more are not shown.",
            case::plural(groups.len() - GROUPS, "group")
        );
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
    use crate::scenario::Files;

    #[test]
    fn causes_are_annotated_on_the_line_of_their_step() {
        golden!("annotations", &annotations(&testing::run()));
    }

    #[test]
    fn a_cause_is_one_annotation_and_a_built_in_scenario_no_file() {
        let mut run = testing::run();
        let scenarios = Files::embedded()
            .load(|path| path == "ping/answered")
            .expect("it loads");
        let mut failed = testing::failed();
        failed.header = std::sync::Arc::clone(&scenarios[0].header);
        let cases = (0..30).map(|n| {
            let mut case = failed.clone();
            case.id = format!("ping/answered[{n}]@v5");
            case
        });
        run.cases = cases.collect();
        let text = annotations(&run);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.starts_with("::error title=30 x fail ping/answered*::none of 2"),
            "{text}"
        );
        assert!(summary(&run).contains("30 unexpected results in 1 group:"));
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
