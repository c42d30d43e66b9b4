//! What the page knows, as JSON inside it: compact, since eight brokers and two thousand cases are half a million
//! events.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::scripts::Scripts;
use super::talk::{Entry, Packet, Tables, Talk};
use crate::play::Stage;
use crate::report::matrix::{Column, Matrix, Row};
use crate::report::model::{self, score_of};
use crate::statements::catalogue;
use crate::suite::Verdict;
use crate::transcript::{printable, without_namespace};

#[derive(Serialize)]
struct Data {
    mqttspec: &'static str,
    verdicts: Vec<&'static str>,
    /// What the columns are: `broker`, `client` or `target`.
    noun: &'static str,
    brokers: Vec<Json>,
    /// Token, level, section, title, what it says, where it is published; except for the first `null` if the catalogue does not have it.
    statements: Vec<Json>,
    /// Path, file, text, about, and for each step its number and line.
    scripts: Vec<Json>,
    cases: Vec<Case>,
    words: Vec<String>,
    packets: Vec<Packet>,
    entries: Vec<Entry>,
    talks: Vec<Vec<u32>>,
}

#[derive(Serialize)]
struct Case {
    id: String,
    title: String,
    version: &'static str,
    /// Its place among the scripts; `null` if the text is not at hand.
    script: Option<usize>,
    statements: Vec<usize>,
    cells: Vec<Option<Cell>>,
}

/// A result. Keys are short, as there are thousands of results; what does not apply is left out.
#[derive(Serialize)]
struct Cell {
    /// The verdict.
    v: usize,
    /// Whether it rests on the rigour clause alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    g: bool,
    /// How long it took, in milliseconds.
    ms: u64,
    /// The reason, a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<u32>,
    /// The cause, as its place among those of the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<usize>,
    /// The exchange, and that of the control.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<Talk>,
    #[serde(skip_serializing_if = "Option::is_none")]
    c: Option<Talk>,
    /// Whether the results do not have the exchange, which there was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    o: bool,
    /// What failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<Fault>,
    /// Violations, and advice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    b: Vec<Violation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    a: Vec<Violation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plays: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

#[derive(Serialize)]
struct Fault {
    stage: Stage,
    control: bool,
    /// File, line, column, text.
    place: Option<(String, u32, u32, String)>,
    found: Option<usize>,
    /// What would have been right, and why it was not met.
    expected: Vec<(String, String)>,
    /// Field, expected, found, bytes.
    wrong: Vec<(String, String, String, Option<[usize; 2]>)>,
}

#[derive(Serialize)]
struct Violation {
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<usize>,
    control: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<[usize; 2]>,
}

/// The data of a page.
pub fn data<'s>(matrix: &'s Matrix, scripts: &'s Scripts) -> String {
    let mut build = Build {
        scripts,
        causes: matrix.columns.iter().map(|column| Causes::of(&column.record)).collect(),
        tables: Tables::new(),
        statements: Vec::new(),
        statement_at: BTreeMap::new(),
        used: Vec::new(),
        script_at: BTreeMap::new(),
    };
    let cases = matrix.rows.iter().map(|row| build.case(matrix, row)).collect();
    let data = Data {
        mqttspec: env!("CARGO_PKG_VERSION"),
        verdicts: Verdict::ALL.into_iter().map(Verdict::name).collect(),
        noun: matrix.noun(),
        brokers: matrix.columns.iter().map(broker).collect(),
        statements: build.statements,
        scripts: build.used,
        cases,
        words: build.tables.words.into_items(),
        packets: build.tables.packets.into_items(),
        entries: build.tables.entries.into_items(),
        talks: build.tables.talks.into_items(),
    };
    serde_json::to_string(&data).expect("strings, numbers and lists always serialise")
}

fn broker(column: &Column) -> Json {
    let record = &column.record;
    json!({
        "label": printable(&column.label),
        "name": printable(&record.target.name),
        "version": record.target.version.as_deref().map(printable),
        "address": printable(&record.target.address),
        "argument": record.target.argument.as_deref().map(|word| printable(without_folders(word))),
        "causes": Causes::of(record).names,
        "options": record.target.options.iter().map(|word| printable(without_folders(word))).collect::<Vec<_>>(),
        "mqttspec": record.mqttspec,
        "started": record.started.as_deref().map(printable),
        "run": record.user_label.as_deref().map(printable),
        "shard": record.shard.map(|shard| shard.to_string()),
        "seconds": record.seconds,
        "interrupted": record.interrupted,
        "notes": record.notes,
        "under_load": record.crashes_under_load,
        "scores": record.scores().iter().map(score_of).collect::<Vec<_>>(),
    })
}

/// A word of the command line as the page shows it: of an absolute path only the file name. A page is passed on, and the
/// path of a file often names a home directory.
fn without_folders(word: &str) -> &str {
    let drive = |c: &[u8]| c[0].is_ascii_alphabetic() && c[1] == b':' && matches!(c[2], b'\\' | b'/');
    let is_absolute = word.starts_with(['/', '~']) || word.as_bytes().first_chunk::<3>().is_some_and(|c| drive(c));
    let is_path = is_absolute && !word.contains("://");
    let name = word.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next();
    name.filter(|name| is_path && !name.is_empty()).unwrap_or(word)
}

/// The deviations of a broker by cause: the unexpected ones as a program groups them, and the known ones as the profile does.
struct Causes<'r> {
    /// Verdict, scenario (`null` for a known one) and words.
    names: Vec<Json>,
    /// Which cause each case has.
    of_case: BTreeMap<&'r str, usize>,
}

impl<'r> Causes<'r> {
    fn of(record: &'r model::Run) -> Causes<'r> {
        let mut causes = Causes {
            names: Vec::new(),
            of_case: BTreeMap::new(),
        };
        for group in record.groups() {
            let place = causes.names.len();
            causes.of_case.extend(group.cases.iter().map(|id| (*id, place)));
            causes.names.push(json!([
                group.verdict as usize,
                group.scenario,
                printable(&group.reason)
            ]));
        }
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let listed = record.cases.iter().filter(|case| case.verdict == Verdict::Known);
        for (case, cause) in listed.filter_map(|case| Some((case, case.known.first()?))) {
            let place = *known.entry(&cause.origin).or_insert_with(|| {
                causes
                    .names
                    .push(json!([Verdict::Known as usize, null, printable(&cause.because)]));
                causes.names.len() - 1
            });
            causes.of_case.insert(&case.id, place);
        }
        causes
    }
}

struct Build<'s> {
    scripts: &'s Scripts,
    /// The causes of each broker.
    causes: Vec<Causes<'s>>,
    tables: Tables,
    statements: Vec<Json>,
    statement_at: BTreeMap<String, usize>,
    used: Vec<Json>,
    script_at: BTreeMap<String, usize>,
}

impl Build<'_> {
    fn case(&mut self, matrix: &Matrix, row: &Row) -> Case {
        let cases: Vec<Option<&model::Case>> = (0..matrix.columns.len()).map(|c| matrix.cell(row, c)).collect();
        let path = cases.iter().flatten().next().map(|c| c.scenario.clone());
        Case {
            id: row.id.clone(),
            title: row.title.clone(),
            version: row.version.name(),
            script: path.and_then(|path| self.script(&path)),
            statements: row.statements.iter().map(|token| self.statement(token)).collect(),
            cells: (cases.into_iter().enumerate())
                .map(|(column, case)| case.map(|c| self.cell(c, column)))
                .collect(),
        }
    }

    fn statement(&mut self, token: &str) -> usize {
        if let Some(at) = self.statement_at.get(token) {
            return *at;
        }
        let at = self.statements.len();
        self.statements.push(match catalogue().resolve(token) {
            Ok(s) => json!([token, s.level.keyword(), s.section, s.title, s.says, s.url()]),
            Err(_) => json!([token, null, null, null, null, null]),
        });
        self.statement_at.insert(token.to_owned(), at);
        at
    }

    fn script(&mut self, path: &str) -> Option<usize> {
        if let Some(at) = self.script_at.get(path) {
            return Some(*at);
        }
        let script = self.scripts.get(path)?;
        let at = self.used.len();
        let lines: Vec<[u32; 2]> = script.lines.iter().map(|(number, line)| [*number, *line]).collect();
        let header = &script.header;
        self.used.push(json!([
            path,
            without_folders(&header.source.file),
            header.source.text,
            header.about,
            lines
        ]));
        self.script_at.insert(path.to_owned(), at);
        Some(at)
    }

    fn cell(&mut self, case: &model::Case, column: usize) -> Cell {
        let namespaces = [&case.namespace, &case.control_namespace];
        let clean = |text: &str| {
            let mut text = text.to_owned();
            for namespace in namespaces.into_iter().flatten().filter(|n| !n.is_empty()) {
                text = without_namespace(namespace, &text);
            }
            super::talk::text(&text, "")
        };
        let named = |control: bool| -> BTreeSet<usize> {
            let found = case.found.filter(|_| case.in_control == control);
            let others = case
                .violations
                .iter()
                .chain(&case.advice)
                .filter(|b| b.control == control);
            found.into_iter().chain(others.filter_map(|b| b.event)).collect()
        };
        let exchange = self
            .tables
            .talk(&case.transcript, case.namespace.as_deref(), &named(false));
        let control = self
            .tables
            .talk(&case.control, case.control_namespace.as_deref(), &named(true));
        let fault = case.stage.map(|stage| Fault {
            stage,
            control: case.in_control,
            place: case
                .place
                .as_ref()
                .map(|p| (without_folders(&p.file).to_owned(), p.line, p.column, p.text.clone())),
            found: case.found,
            expected: case.expected.iter().map(|e| (clean(&e.what), clean(&e.why))).collect(),
            wrong: case
                .mismatches
                .iter()
                .map(|m| (m.field.clone(), clean(&m.expected), clean(&m.found), m.span))
                .collect(),
        });
        let violations = case
            .violations
            .iter()
            .map(|b| self.violation(b, clean(&b.text)))
            .collect();
        let advice = case.advice.iter().map(|b| self.violation(b, clean(&b.text))).collect();
        Cell {
            v: case.verdict as usize,
            g: case.rigour,
            ms: (case.seconds * 1000.0).round() as u64,
            r: reason(case).map(|reason| self.tables.word(&clean(&reason))),
            k: self.causes[column].of_case.get(case.id.as_str()).copied(),
            x: exchange,
            c: control,
            o: case.omitted,
            f: fault,
            b: violations,
            a: advice,
            plays: Some(case.plays).filter(|plays| *plays > 1 && case.second_look.is_none()),
            log: case.log.as_deref().map(tail),
        }
    }

    fn violation(&mut self, violation: &model::Violation, text: String) -> Violation {
        Violation {
            statement: violation.statement.as_deref().map(|token| self.statement(token)),
            rule: violation.rule.clone(),
            text,
            event: violation.event,
            control: violation.control,
            span: violation.span,
        }
    }
}

/// How many lines of a log are shown, and how many characters of each.
const LOG: (usize, usize) = (40, 300);

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<String> = log.lines().map(|line| line.chars().take(LOG.1).collect()).collect();
    lines[lines.len().saturating_sub(LOG.0)..].join("\n")
}

/// The reason of a verdict; below it what else the profile says of the causes, a line each.
fn reason(case: &model::Case) -> Option<String> {
    let mut lines = vec![case.reason.clone()?];
    for cause in &case.known {
        let severity = cause.severity.iter().chain(&cause.effect);
        lines.push(severity.map(String::as_str).collect::<Vec<_>>().join(": "));
        let ruling = cause.ruling.iter().map(|ruling| format!("ruling: {ruling}"));
        lines.push(ruling.chain(cause.about.clone()).collect::<Vec<_>>().join(". "));
        lines.extend(cause.bytes.iter().chain(&cause.links).cloned());
    }
    lines.retain(|line| !line.is_empty());
    Some(lines.join("\n"))
}
