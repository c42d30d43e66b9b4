//! Several runs in parallel: cases as rows, brokers or clients as columns.
//!
//! In: [`Run`]s, and the order of the suite. Out: a [`Matrix`], which the page, the Markdown and the JSON are made of.

use std::collections::BTreeMap;

use serde_json::json;

use super::model::{Case, Run, score_of, summary_of, topic};
use crate::statements::Version;
use crate::suite::Verdict;

/// The number of the JSON's format.
pub const FORMAT: u32 = 1;

/// The runs, in parallel.
#[derive(Debug)]
pub struct Matrix {
    pub columns: Vec<Column>,
    /// In the order of the suite.
    pub rows: Vec<Row>,
}

/// One broker or client.
#[derive(Debug)]
pub struct Column {
    /// Its name; with its version, and then with a number, if two would be alike.
    pub label: String,
    pub record: Run,
}

/// One case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub title: String,
    pub version: Version,
    pub statements: Vec<String>,
    /// For each column the case's place in its record; `None` if that run has no such case.
    pub cells: Vec<Option<usize>>,
}

impl Row {
    /// The first part of the case's path, such as `qos2`, or the first two, such as `clients/acks`.
    pub fn topic(&self) -> &str {
        topic(&self.id)
    }
}

impl Matrix {
    /// Puts runs in parallel. `order` are the ids of the suite in its order; cases that it does not have come last, in
    /// the order of the runs.
    pub fn new<'o>(records: Vec<Run>, order: impl IntoIterator<Item = &'o str>) -> Matrix {
        let mut place: BTreeMap<String, usize> = BTreeMap::new();
        for id in order {
            let next = place.len();
            place.entry(id.to_owned()).or_insert(next);
        }
        let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
        for (column, record) in records.iter().enumerate() {
            for (index, case) in record.cases.iter().enumerate() {
                let next = place.len();
                let place = *place.entry(case.id.clone()).or_insert(next);
                let row = rows.entry(place).or_insert_with(|| Row {
                    id: case.id.clone(),
                    title: case.title.clone(),
                    version: case.version,
                    statements: case.statements.clone(),
                    cells: vec![None; records.len()],
                });
                row.cells[column] = Some(index);
            }
        }
        let labels = labels(&records);
        let columns = labels.into_iter().zip(records);
        Matrix {
            columns: columns.map(|(label, record)| Column { label, record }).collect(),
            rows: rows.into_values().collect(),
        }
    }

    /// What the columns are: `broker` or `client`, or `target` if there are both.
    pub fn noun(&self) -> &'static str {
        let mut kinds = self.columns.iter().map(|column| column.record.target.kind);
        let first = kinds.next().unwrap_or_default();
        if kinds.all(|kind| kind == first) {
            first.name()
        } else {
            "target"
        }
    }

    /// The result of a row at a column.
    pub fn cell(&self, row: &Row, column: usize) -> Option<&Case> {
        row.cells[column].map(|index| &self.columns[column].record.cases[index])
    }

    /// Whether brokers differ in a row. That one does not offer what the case needs is no difference, nor is our own
    /// fault.
    pub fn differs(&self, row: &Row) -> bool {
        let mut seen = (0..self.columns.len())
            .filter_map(|column| holds(self.cell(row, column)?.verdict))
            .peekable();
        let first = seen.peek().copied();
        seen.any(|holds| Some(holds) != first)
    }

    /// The verdicts as JSON, without the exchanges; described in `docs/json.md`.
    pub fn json(&self) -> String {
        let targets: Vec<_> = self
            .columns
            .iter()
            .map(|c| {
                let scores: Vec<_> = c.record.scores().iter().map(score_of).collect();
                json!({
                    "label": c.label, "name": c.record.target.name, "version": c.record.target.version,
                    "address": c.record.target.address, "seconds": c.record.seconds,
                    "started": c.record.started, "run": c.record.user_label,
                    "interrupted": c.record.interrupted, "summary": summary_of(&c.record.counts()), "scores": scores,
                })
            })
            .collect();
        let cases: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let cells = || (0..self.columns.len()).map(|column| self.cell(row, column));
                let verdicts: Vec<_> = cells().map(|c| c.map(|c| c.verdict.name())).collect();
                let reasons: Vec<_> = cells().map(|c| c.and_then(Case::steady_reason)).collect();
                let mut case = json!({
                    "id": row.id, "title": row.title, "version": row.version.name(), "statements": row.statements,
                    "verdicts": verdicts, "reasons": reasons,
                });
                if cells().flatten().any(|c| c.rigour) {
                    case["rigour"] = cells().map(|c| c.is_some_and(|c| c.rigour)).collect();
                }
                case
            })
            .collect();
        let document = json!({
            "format": FORMAT, "mqttspec": env!("CARGO_PKG_VERSION"), "targets": targets, "cases": cases,
        });
        format!("{document:#}\n")
    }
}

/// Whether the broker did what the case asks for; `None` if it was not to be seen.
pub fn holds(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::Pass | Verdict::Fixed => Some(true),
        Verdict::Fail | Verdict::Crash | Verdict::Known => Some(false),
        Verdict::Skip | Verdict::Error => None,
    }
}

/// A name for each column, no two alike.
fn labels(records: &[Run]) -> Vec<String> {
    let count = |names: &[String], name: &str| names.iter().filter(|n| *n == name).count();
    let names: Vec<String> = records.iter().map(|r| r.target.name.clone()).collect();
    let longer: Vec<String> = records
        .iter()
        .zip(&names)
        .map(|(r, name)| {
            if count(&names, name) > 1 {
                r.label()
            } else {
                name.clone()
            }
        })
        .collect();
    let mut labels: Vec<String> = Vec::new();
    for name in &longer {
        let mut label = name.clone();
        let mut number = 1;
        while labels.contains(&label) {
            number += 1;
            label = format!("{name} ({number})");
        }
        labels.push(label);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::super::model::Kind;
    use super::super::testing;
    use super::*;

    fn record(version: &str) -> Run {
        let mut run = testing::run();
        run.target.version = Some(version.to_owned());
        Run::from(&run)
    }

    #[test]
    fn rows_come_in_the_order_of_the_suite_and_then_in_that_of_the_runs() {
        let matrix = Matrix::new(
            vec![record("1"), record("2")],
            ["connect/crash@v3.1.1", "nobody/has-it@v5", "qos2/passes@v3.1.1"],
        );
        let ids: Vec<&str> = matrix.rows.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(
            ids[..3],
            [
                "connect/crash@v3.1.1",
                "qos2/passes@v3.1.1",
                "qos2/dup-before-pubrel@v3.1.1"
            ]
        );
        assert_eq!(matrix.rows[1].cells, [Some(0), Some(0)]);
        assert_eq!(matrix.rows[1].topic(), "qos2");
    }

    #[test]
    fn columns_have_names_of_their_own() {
        let label = |records: Vec<Run>| -> Vec<String> {
            let matrix = Matrix::new(records, []);
            matrix.columns.into_iter().map(|c| c.label).collect()
        };
        assert_eq!(label(vec![record("1")]), ["mosquitto"]);
        assert_eq!(label(vec![record("1"), record("2")]), ["mosquitto 1", "mosquitto 2"]);
        assert_eq!(
            label(vec![record("1"), record("1")]),
            ["mosquitto 1", "mosquitto 1 (2)"]
        );
    }

    #[test]
    fn columns_are_brokers_or_clients_or_both() {
        let of = |kinds: &[Kind]| {
            let records = kinds.iter().map(|kind| {
                let mut record = record("1");
                record.target.kind = *kind;
                record
            });
            Matrix::new(records.collect(), []).noun()
        };
        assert_eq!(of(&[Kind::Broker, Kind::Broker]), "broker");
        assert_eq!(of(&[Kind::Client, Kind::Client]), "client");
        assert_eq!(of(&[Kind::Client, Kind::Broker]), "target");
    }

    #[test]
    fn a_skip_is_no_difference_and_a_known_deviation_is_none_from_a_failure() {
        let one = record("1");
        let with = |verdict| {
            let mut other = record("2");
            other.cases[0].verdict = verdict;
            other.cases[1].verdict = Verdict::Known;
            Matrix::new(vec![one.clone(), other], [])
        };
        let differs = |matrix: &Matrix| matrix.rows.iter().map(|r| matrix.differs(r)).collect::<Vec<_>>();
        assert_eq!(differs(&with(Verdict::Fail))[..2], [true, false]);
        assert_eq!(differs(&with(Verdict::Skip))[..2], [false, false]);
        assert_eq!(differs(&with(Verdict::Fixed))[..2], [false, false]);
    }

    #[test]
    fn the_json_has_a_verdict_a_column() {
        let mut short = record("2");
        short.cases.truncate(1);
        let text = Matrix::new(vec![record("1"), short], []).json();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["cases"][0]["verdicts"], json!(["pass", "pass"]));
        assert_eq!(json["cases"][1]["verdicts"], json!(["fail", null]));
        assert_eq!(json["targets"][1]["summary"]["pass"], 1);
        assert_eq!(json["cases"][1].get("rigour"), None);
    }

    #[test]
    fn the_json_says_which_failures_rest_on_the_rigour_clause() {
        let mut marked = record("2");
        marked.cases[1].rigour = true;
        let text = Matrix::new(vec![record("1"), marked], []).json();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["cases"][0].get("rigour"), None);
        assert_eq!(json["cases"][1]["rigour"], json!([false, true]));
        assert_eq!(json["targets"][0]["summary"]["rigour_fail"], 0);
        assert_eq!(json["targets"][1]["summary"]["rigour_fail"], 1);
    }
}
