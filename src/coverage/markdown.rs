//! The coverage as the page `docs/coverage.md`; CI checks that the page is up to date.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::json::{binds, observe};
use super::{Caught, ClientSide, ClientTotals, Coverage, Part, Row, Totals};

const HEAD: &str = "# Coverage

`mqttspec coverage --markdown` generates this page, and CI checks that it is up to date.
`mqttspec explain ID` prints one statement with its text, the names of its cases and the faults that break it.

- *shown by*: how an exchange with a server shows a violation: by the bytes (`wire`), by their timing (`time`) or across a restart (`restart`).
  `peer` (only a server that tests its clients can show it) and `internal` (no peer can show it) do not count as observable.
- *cases*: how many cases prove the statement, and their scenarios.
- *caught*: whether fault injection confirms it: `yes` means that a case fails if the embedded broker breaks the statement.
  `n/a` gives the reason why no fault is possible.
  For a statement that binds the client, the fault is a broker that accepts the violation.
- *clients*: for a statement that binds the client, the cases that test clients, their scenarios, and whether one of them fails
  if the reference client breaks the statement. They are counted separately: a broker that refuses what a client must not
  send says nothing about clients.

[trustworthy.md](trustworthy.md) explains how the results are measured.
";

/// The page.
pub fn markdown(coverage: &Coverage) -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n| part | statements | observable | with a case | caught | no fault possible |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for part in Part::ALL {
        figures(&mut out, &part.name(), Totals::of(coverage, part));
    }
    figures(&mut out, "all numbered", Totals::numbered(coverage));
    figures(&mut out, "all", Totals::all(coverage));
    out.push_str("\nTests of clients:\n\n");
    out.push_str("| part | binds the client | binds both | observable | with a case | caught |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for part in Part::ALL {
        client_figures(&mut out, &part.name(), ClientTotals::of(coverage, part));
    }
    client_figures(&mut out, "all", ClientTotals::all(coverage));
    for part in Part::ALL {
        let rows = coverage
            .rows
            .iter()
            .filter(|r| (r.statement.id.version, r.statement.id.is_own()) == (part.version, part.own));
        let _ = write!(out, "\n## {}\n\n", part.name());
        out.push_str("| statement | | binds | shown by | cases | caught | clients |\n| --- | --- | --- | --- | --- | --- | --- |\n");
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

fn client_figures(out: &mut String, name: &str, t: ClientTotals) {
    let _ = writeln!(
        out,
        "| {name} | {} | {} | {} | {} | {} |",
        t.client, t.both, t.observable, t.with_a_case, t.caught
    );
}

/// How many cases, of which scenarios.
fn cases(cases: &[String], scenarios: &BTreeSet<String>) -> String {
    match cases.len() {
        0 => String::new(),
        n => {
            let scenarios: Vec<&str> = scenarios.iter().map(String::as_str).collect();
            format!("{n}: {}", scenarios.join(", "))
        }
    }
}

fn caught(caught: &Caught) -> String {
    match caught.reason() {
        Some(reason) => format!("{}: {reason}", caught.word()),
        None => caught.word().to_owned(),
    }
}

fn client(side: &ClientSide) -> String {
    match cases(&side.cases, &side.scenarios) {
        none if none.is_empty() => caught(&side.caught),
        cases => format!("{cases}; {}", caught(&side.caught)),
    }
}

fn row(out: &mut String, row: &Row) {
    let statement = row.statement;
    let client = row.client.as_ref().map(client).unwrap_or_default();
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {client} |",
        statement.id.id,
        statement.level.keyword(),
        binds(statement.binds),
        observe(statement.observe),
        cases(&row.cases, &row.scenarios),
        caught(&row.caught),
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
        assert!(page.contains("| MQTT-3.12.4-1 | MUST | server | wire |  | no: no case proves it |  |"));
        assert!(
            page.contains("| MQTT-4.3.2-4 | MUST | both | wire |  | no: no case proves it | no: no case proves it |")
        );
    }
}
