//! A coverage as the page `docs/coverage.md`, which CI keeps in step.

use std::fmt::Write;

use super::json::{binds, observe};
use super::{Coverage, Part, Row, Totals};

const HEAD: &str = "# What is covered

This page is written by `mqttspec coverage --markdown`, and CI checks that it is what the program says. `mqttspec explain ID` prints
one statement with its text, its cases by name and the ways of breaking it.

*Seen* is how an exchange with a server shows a violation: in the bytes (wire), in their time, or across a restart. *Cases* counts the
cases that prove the statement, and names their scenarios. *Caught* says whether they notice when the embedded broker breaks it on
purpose, or why it cannot be broken so. A statement that binds the client is broken by a broker that puts up with such a client.
How both are found out is told in [trustworthy.md](trustworthy.md).
";

/// The page.
pub fn markdown(coverage: &Coverage) -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n| part | statements | observable | with a case | caught | cannot be broken |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for part in Part::ALL {
        figures(&mut out, &part.name(), Totals::of(coverage, part));
    }
    figures(&mut out, "all numbered", Totals::numbered(coverage));
    figures(&mut out, "all", Totals::all(coverage));
    for part in Part::ALL {
        let rows = coverage
            .rows
            .iter()
            .filter(|r| (r.statement.id.version, r.statement.id.is_own()) == (part.version, part.own));
        let _ = write!(out, "\n## {}\n\n", part.name());
        out.push_str("| statement | | binds | seen | cases | caught |\n| --- | --- | --- | --- | --- | --- |\n");
        rows.for_each(|r| row(&mut out, r));
    }
    out
}

fn figures(out: &mut String, name: &str, t: Totals) {
    let _ = writeln!(
        out,
        "| {name} | {} | {} | {} | {} | {} |",
        t.statements, t.observable, t.with_a_case, t.caught, t.not_possible
    );
}

fn row(out: &mut String, row: &Row) {
    let statement = row.statement;
    let cases = match row.cases.len() {
        0 => String::new(),
        n => format!(
            "{n}: {}",
            row.scenarios.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ),
    };
    let caught = match row.caught.reason() {
        Some(reason) => format!("{}: {reason}", row.caught.word()),
        None => row.caught.word().to_owned(),
    };
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {cases} | {caught} |",
        statement.id.id,
        statement.level.keyword(),
        binds(statement.binds),
        observe(statement.observe),
    );
}

#[cfg(test)]
mod tests {
    use super::super::Evidence;
    use super::*;

    #[test]
    fn every_statement_has_its_row() {
        let coverage = Coverage::of(&[], &Evidence::None);
        let page = markdown(&coverage);
        assert_eq!(
            page.lines()
                .filter(|l| l.starts_with("| MQTT-") || l.starts_with("| §"))
                .count(),
            coverage.rows.len()
        );
        assert!(page.contains("| all numbered | 392 | 357 | 0 | 0 | "), "{page}");
        assert!(page.contains("| MQTT-3.12.4-1 | MUST | server | wire |  | no: no case proves it |"));
    }
}
