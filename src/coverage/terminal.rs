//! The coverage for a terminal: one line per statement, and the totals.

use std::fmt::Write;

use super::{Caught, ClientTotals, Coverage, Part, Row, Totals};

/// The whole coverage, or what is left of it: statements without rows have no figures. With `gaps` a statement is shown
/// for the side on which it is one.
pub fn terminal(coverage: &Coverage, gaps: bool) -> String {
    let mut of_brokers = coverage.clone();
    of_brokers.rows.retain(|row| !gaps || row.is_gap());
    let mut out = String::new();
    if !of_brokers.rows.is_empty() {
        brokers(&mut out, &of_brokers);
    }
    if coverage.rows.iter().any(|row| row.client.is_some()) {
        clients(&mut out, coverage);
    }
    out
}

/// What the tests of brokers prove.
fn brokers(out: &mut String, coverage: &Coverage) {
    for row in &coverage.rows {
        line(out, row);
    }
    out.push('\n');
    let _ = writeln!(
        out,
        "{:<18} {:>10} {:>10} {:>11} {:>6} {:>19}",
        "", "statements", "observable", "with a case", "caught", "no fault possible"
    );
    for part in Part::ALL {
        figures(out, &part.name(), Totals::of(coverage, part));
    }
    figures(out, "all numbered", Totals::numbered(coverage));
    figures(out, "all", Totals::all(coverage));
}

/// The other side: what the tests of clients prove.
fn clients(out: &mut String, coverage: &Coverage) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str("tests of clients\n");
    for row in &coverage.rows {
        let Some(side) = &row.client else { continue };
        statement_line(out, row, side.cases.len(), &side.caught);
    }
    let _ = writeln!(
        out,
        "\n{:<18} {:>12} {:>10} {:>10} {:>11} {:>6}",
        "tests of clients", "binds client", "binds both", "observable", "with a case", "caught"
    );
    let mut figures = |name: &str, t: ClientTotals| {
        if t.client + t.both == 0 {
            return;
        }
        let _ = writeln!(
            out,
            "{name:<18} {:>12} {:>10} {:>10} {:>11} {:>6}",
            t.client, t.both, t.observable, t.with_a_case, t.caught
        );
    };
    for part in Part::ALL {
        figures(&part.name(), ClientTotals::of(coverage, part));
    }
    figures("all", ClientTotals::all(coverage));
}

fn line(out: &mut String, row: &Row) {
    statement_line(out, row, row.cases.len(), &row.caught);
}

fn statement_line(out: &mut String, row: &Row, cases: usize, caught: &Caught) {
    let cases = match cases {
        0 => "no case".to_owned(),
        1 => "1 case".to_owned(),
        n => format!("{n} cases"),
    };
    let caught = match caught {
        Caught::Yes => "caught".to_owned(),
        Caught::No(reason) => format!("NOT CAUGHT: {reason}"),
        Caught::NotPossible(reason) => format!("n/a: {reason}"),
        Caught::Unknown => "not tried".to_owned(),
    };
    let statement = row.statement;
    let _ = writeln!(
        out,
        "{:<36} {:<10} {cases:<9} {caught}",
        statement.id.to_string(),
        statement.level.keyword()
    );
}

fn figures(out: &mut String, name: &str, t: Totals) {
    if t.statements == 0 {
        return;
    }
    let _ = writeln!(
        out,
        "{name:<18} {:>10} {:>10} {:>11} {:>6} {:>19}",
        t.statements, t.observable, t.with_a_case, t.caught, t.not_possible
    );
}

#[cfg(test)]
mod tests {
    use super::super::Evidence;
    use super::*;

    #[test]
    fn a_statement_takes_a_line_and_the_figures_come_last() {
        let coverage = Coverage::of(&[], &Evidence::None);
        let text = terminal(&coverage, false);
        let ping = text.lines().find(|l| l.starts_with("v5:MQTT-3.12.4-1 "));
        let expected = "v5:MQTT-3.12.4-1                     MUST       no case   NOT CAUGHT: no case proves it";
        assert_eq!(ping, Some(expected));
        let (_, clients) = text.split_once("\ntests of clients\n").unwrap();
        let expected = "v5:MQTT-4.3.2-4                      MUST       no case   NOT CAUGHT: no case proves it";
        assert_eq!(
            clients.lines().find(|l| l.starts_with("v5:MQTT-4.3.2-4 ")),
            Some(expected)
        );
        assert!(clients.lines().all(|l| !l.starts_with("v5:MQTT-3.12.4-1 ")));
        assert!(text.lines().last().is_some_and(|l| l.starts_with("all ")));
    }
}
