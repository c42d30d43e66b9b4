//! The coverage for a terminal: one line per statement, and the totals.

use std::fmt::Write;

use super::{Caught, Coverage, Part, Row, Totals};

/// The whole coverage.
pub fn terminal(coverage: &Coverage) -> String {
    let mut out = String::new();
    for row in &coverage.rows {
        line(&mut out, row);
    }
    out.push('\n');
    let _ = writeln!(
        out,
        "{:<18} {:>10} {:>10} {:>11} {:>6} {:>19}",
        "", "statements", "observable", "with a case", "caught", "no fault possible"
    );
    for part in Part::ALL {
        figures(&mut out, &part.name(), Totals::of(coverage, part));
    }
    figures(&mut out, "all numbered", Totals::numbered(coverage));
    figures(&mut out, "all", Totals::all(coverage));
    out
}

fn line(out: &mut String, row: &Row) {
    let cases = match row.cases.len() {
        0 => "no case".to_owned(),
        1 => "1 case".to_owned(),
        n => format!("{n} cases"),
    };
    let caught = match &row.caught {
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
        let text = terminal(&coverage);
        let ping = text.lines().find(|l| l.starts_with("v5:MQTT-3.12.4-1 "));
        let expected = "v5:MQTT-3.12.4-1                     MUST       no case   NOT CAUGHT: no case proves it";
        assert_eq!(ping, Some(expected));
        assert!(text.lines().last().is_some_and(|l| l.starts_with("all ")));
    }
}
