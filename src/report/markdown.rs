//! The matrix as Markdown, for a README or the summary of a CI job: counts, topics, and the cases that not all brokers
//! pass.
//!
//! In: a [`Matrix`]. Out: Markdown in which text stays text.

use std::fmt::Write as _;

use super::case::{Counts, plural};
use super::github::markdown;
use super::matrix::{Matrix, Row, holds};
use crate::statements::Version;
use crate::suite::Verdict;

/// How many cases are listed at most: a job's summary may have 1 MiB.
const CASES: usize = 1000;

/// The heading of the column with the deviations that rest on the rigour clause alone.
const RIGOUR: &str = "of these by the rigour clause alone";

/// The whole document.
pub fn matrix(matrix: &Matrix) -> String {
    let mut out = counts(matrix);
    out.push_str(&circumstances(matrix));
    out.push_str(&topics(matrix));
    out.push_str(&deviations(matrix));
    out
}

/// A table with a line a broker or client.
pub fn counts(matrix: &Matrix) -> String {
    let all: Vec<Counts> = matrix.columns.iter().map(|c| c.record.counts()).collect();
    let verdicts: Vec<Verdict> = Verdict::ALL
        .into_iter()
        .filter(|v| *v == Verdict::Pass || all.iter().any(|counts| counts.get(*v) > 0))
        .collect();
    let scores: Vec<_> = matrix.columns.iter().map(|c| c.record.scores()).collect();
    let versions: Vec<Version> = Version::ALL
        .into_iter()
        .filter(|v| scores.iter().flatten().any(|s| s.version == *v && s.tried > 0))
        .collect();
    let rigour = all.iter().any(|counts| counts.rigour() > 0);
    let mut heading = vec![matrix.noun().to_owned(), "version".to_owned()];
    heading.extend(verdicts.iter().map(|v| v.name().to_owned()));
    heading.extend(rigour.then(|| RIGOUR.to_owned()));
    heading.extend(versions.iter().map(|v| format!("MUST held, {v}")));
    heading.push("seconds".to_owned());
    let mut out = line(&heading);
    let _ = writeln!(out, "| --- | --- |{}", " ---: |".repeat(heading.len() - 2));
    for ((column, counts), scores) in matrix.columns.iter().zip(&all).zip(&scores) {
        let target = &column.record.target;
        let mut cells = vec![
            markdown(&target.name),
            markdown(target.version.as_deref().unwrap_or("–")),
        ];
        cells.extend(verdicts.iter().map(|v| counts.get(*v).to_string()));
        cells.extend(rigour.then(|| counts.rigour().to_string()));
        cells.extend(versions.iter().map(|version| {
            let score = scores.iter().find(|s| s.version == *version && s.tried > 0);
            score.map_or("–".to_owned(), |s| format!("{} of {}", s.held, s.tried))
        }));
        cells.push(format!("{:.1}", column.record.seconds));
        out.push_str(&line(&cells));
    }
    out.push('\n');
    out
}

/// A line a run that says when it began and what the user calls it.
fn circumstances(matrix: &Matrix) -> String {
    let mut out = String::new();
    for column in &matrix.columns {
        let run = &column.record;
        let started = run
            .started
            .as_ref()
            .map(|started| format!("started {}", markdown(started)));
        let shard = run.shard.map(|shard| format!("{shard} only"));
        let parts: Vec<String> = (run.user_label.as_deref().map(markdown).into_iter())
            .chain(started)
            .chain(shard)
            .collect();
        if !parts.is_empty() {
            let _ = writeln!(out, "- {}: {}", markdown(&column.label), parts.join(", "));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// A table with a line a topic: how many of the cases that were tried each broker passes.
fn topics(matrix: &Matrix) -> String {
    let mut topics: Vec<(&str, Vec<&Row>)> = Vec::new();
    for row in &matrix.rows {
        match topics.iter_mut().find(|(topic, _)| *topic == row.topic()) {
            Some((_, rows)) => rows.push(row),
            None => topics.push((row.topic(), vec![row])),
        }
    }
    let mut out = heading(matrix, "topic");
    for (topic, rows) in topics {
        let mut cells = vec![markdown(topic)];
        cells.extend((0..matrix.columns.len()).map(|column| {
            let seen: Vec<bool> = rows
                .iter()
                .filter_map(|row| holds(matrix.cell(row, column)?.verdict))
                .collect();
            match (seen.iter().filter(|holds| **holds).count(), seen.len()) {
                (_, 0) => "–".to_owned(),
                (held, tried) if held == tried => format!("all {tried}"),
                (held, tried) => format!("{held} of {tried}"),
            }
        }));
        out.push_str(&line(&cells));
    }
    out.push('\n');
    out
}

/// The cases at which a broker deviates, folded away.
fn deviations(matrix: &Matrix) -> String {
    let deviates = |row: &&Row| {
        (0..matrix.columns.len())
            .filter_map(|column| matrix.cell(row, column))
            .any(|case| !matches!(case.verdict, Verdict::Pass | Verdict::Skip))
    };
    let rows: Vec<&Row> = matrix.rows.iter().filter(deviates).collect();
    if rows.is_empty() {
        return "Every case that was played passes.\n".to_owned();
    }
    let what = match matrix.columns.len() {
        1 => "that do not pass",
        _ => "that do not pass everywhere",
    };
    let mut out = format!("<details><summary>{} {what}</summary>\n\n", plural(rows.len(), "case"));
    out.push_str(&heading(matrix, "case"));
    for row in rows.iter().take(CASES) {
        let mut cells = vec![markdown(&row.id)];
        cells.extend((0..matrix.columns.len()).map(|column| match matrix.cell(row, column) {
            None => "–".to_owned(),
            Some(case) if case.verdict == Verdict::Pass => "pass".to_owned(),
            Some(case) if case.verdict == Verdict::Skip => "skip".to_owned(),
            Some(case) if case.rigour => format!("**{}** (rigour)", case.verdict.name()),
            Some(case) => format!("**{}**", case.verdict.name()),
        }));
        out.push_str(&line(&cells));
    }
    if rows.len() > CASES {
        let _ = writeln!(out, "\n{} more are not shown.", rows.len() - CASES);
    }
    out.push_str("\n</details>\n");
    out
}

/// The heading of a table whose columns are brokers or clients.
fn heading(matrix: &Matrix, first: &str) -> String {
    let mut cells = vec![first.to_owned()];
    cells.extend(matrix.columns.iter().map(|c| markdown(&c.label)));
    format!("{}| --- |{}\n", line(&cells), " ---: |".repeat(matrix.columns.len()))
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::super::model::Run;
    use super::super::testing::{self, golden};
    use super::*;

    #[test]
    fn two_brokers_side_by_side() {
        let mut other = testing::run();
        other.target.name = "a|b <script>".to_owned();
        for case in &mut other.cases {
            case.verdict = Verdict::Pass;
        }
        let records = vec![Run::from(&testing::run()), Run::from(&other)];
        golden!("markdown", &matrix(&Matrix::new(records, [])));
    }

    #[test]
    fn deviations_by_the_rigour_clause_alone_are_counted_and_marked() {
        let mut run = testing::run();
        run.cases[1].rigour = true;
        let text = matrix(&Matrix::new(vec![Run::from(&run)], []));
        assert!(text.contains(RIGOUR), "{text}");
        assert!(text.contains("| **fail** (rigour) |"), "{text}");
        assert!(text.contains("| **known** |"), "{text}");
    }

    #[test]
    fn a_broker_that_passes_all_has_no_list() {
        let mut run = testing::run();
        run.cases.truncate(1);
        let text = matrix(&Matrix::new(vec![Run::from(&run)], []));
        assert!(text.ends_with("Every case that was played passes.\n"), "{text}");
        assert!(text.contains("| qos2 | all 1 |"), "{text}");
    }
}
