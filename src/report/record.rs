//! A run read back from its JSON (`docs/json.md`), as every report that takes more than one run needs it.
//!
//! In: the text that [`json`](super::json) writes. Out: the same with types. Keys that are not known are ignored, so that a
//! file of a newer mqttspec is read as long as its format has the same number.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::case::{self, Counts};
use super::score::{Score, tally};
use super::{json, snapshot};
use crate::statements::{StatementId, Version, catalogue};
use crate::suite::{RunResult, Verdict};

/// One run.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    pub format: u32,
    /// The version of mqttspec that wrote it.
    pub mqttspec: String,
    pub target: TargetRecord,
    pub seconds: f64,
    pub interrupted: bool,
    #[serde(default)]
    pub notes: Vec<String>,
    #[serde(default)]
    pub crashes_under_load: Vec<String>,
    pub cases: Vec<CaseRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TargetRecord {
    pub name: String,
    pub version: Option<String>,
    pub address: String,
    /// The argument that names this target on the command line.
    #[serde(default)]
    pub argument: Option<String>,
}

/// One case's result; see `docs/json.md` for what each value means.
#[derive(Debug, Clone, Deserialize)]
pub struct CaseRecord {
    pub id: String,
    pub title: String,
    #[serde(deserialize_with = "version")]
    pub version: Version,
    #[serde(deserialize_with = "verdict")]
    pub verdict: Verdict,
    pub stage: Option<String>,
    #[serde(default)]
    pub in_control: bool,
    pub reason: Option<String>,
    #[serde(default)]
    pub steady_reason: Option<String>,
    pub statements: Vec<String>,
    #[serde(default)]
    pub breaches: Vec<BreachRecord>,
    #[serde(default)]
    pub advice: Vec<BreachRecord>,
    pub place: Option<PlaceRecord>,
    #[serde(default)]
    pub found: Option<usize>,
    #[serde(default)]
    pub expected: Vec<AwaitedRecord>,
    #[serde(default)]
    pub mismatches: Vec<MismatchRecord>,
    pub seconds: f64,
    #[serde(default = "once")]
    pub plays: u32,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub transcript: Vec<EventRecord>,
    #[serde(default)]
    pub control_namespace: Option<String>,
    #[serde(default)]
    pub control: Vec<EventRecord>,
    #[serde(default)]
    pub exchange: Option<String>,
    #[serde(default)]
    pub log: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct BreachRecord {
    pub statement: Option<String>,
    pub level: Option<String>,
    pub rule: Option<String>,
    pub text: String,
    pub event: Option<usize>,
    #[serde(default)]
    pub control: bool,
    #[serde(default)]
    pub span: Option<[usize; 2]>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PlaceRecord {
    pub file: String,
    pub line: u32,
    pub column: u32,
    #[serde(default)]
    pub text: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct AwaitedRecord {
    pub what: String,
    pub why: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct MismatchRecord {
    pub field: String,
    pub expected: String,
    pub found: String,
    #[serde(default)]
    pub span: Option<[usize; 2]>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct EventRecord {
    pub client: String,
    pub connection: u32,
    pub author: String,
    pub step: Option<u32>,
    /// Seconds since the case began.
    pub at: f64,
    pub kind: String,
    #[serde(default)]
    pub bytes: Option<String>,
    #[serde(default)]
    pub length: Option<u64>,
    #[serde(default)]
    pub packet: Option<PacketRecord>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct PacketRecord {
    pub name: String,
    pub fields: Vec<FieldRecord>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct FieldRecord {
    pub name: String,
    pub value: Json,
}

fn once() -> u32 {
    1
}

fn verdict<'de, D: Deserializer<'de>>(source: D) -> Result<Verdict, D::Error> {
    let text = Cow::<str>::deserialize(source)?;
    let found = Verdict::ALL.into_iter().find(|v| v.name() == text);
    found.ok_or_else(|| D::Error::custom(format!("no verdict `{text}`")))
}

fn version<'de, D: Deserializer<'de>>(source: D) -> Result<Version, D::Error> {
    Cow::<str>::deserialize(source)?.parse().map_err(D::Error::custom)
}

impl Record {
    /// Reads what `mqttspec run --json` wrote.
    ///
    /// # Errors
    /// A message for the user where the text is no such JSON, or one of another format.
    pub fn read(text: &str) -> Result<Record, String> {
        #[derive(Deserialize)]
        struct Numbered {
            format: Option<u32>,
        }
        match serde_json::from_str::<Numbered>(text) {
            Err(error) => return Err(format!("this is no JSON of a run: {error}")),
            Ok(Numbered { format: None }) => return Err("this is no JSON of a run: it has no `format`".to_owned()),
            Ok(Numbered { format: Some(number) }) if number != json::FORMAT => {
                return Err(format!("its format is {number}, this mqttspec reads {}", json::FORMAT));
            }
            Ok(_) => {}
        }
        serde_json::from_str(text).map_err(|error| format!("this is no JSON of a run: {error}"))
    }

    /// A run that was just played.
    pub fn of(run: &RunResult) -> Record {
        Record::read(&json::on_one_line(run)).expect("what is written is read")
    }

    /// How many cases have which verdict.
    pub fn counts(&self) -> Counts {
        Counts::tally(self.cases.iter().map(|c| (c.verdict, c.advice.len())))
    }

    /// The scores of each version. Statements that this mqttspec does not know are left out.
    pub fn scores(&self) -> Vec<Score> {
        let proves: Vec<Vec<StatementId>> = self.cases.iter().map(CaseRecord::proves).collect();
        tally(
            self.cases
                .iter()
                .map(|c| c.verdict)
                .zip(proves.iter().map(Vec::as_slice)),
        )
    }

    /// The broker's name with its version.
    pub fn label(&self) -> String {
        case::named(&self.target.name, self.target.version.as_deref())
    }
}

impl CaseRecord {
    /// The scenario's path: the id up to its row or version.
    pub fn scenario(&self) -> &str {
        let end = self.id.find(['[', '@']).unwrap_or(self.id.len());
        &self.id[..end]
    }

    /// The first part of the path, such as `qos2`.
    pub fn topic(&self) -> &str {
        topic(&self.id)
    }

    /// What the case proves, as far as the catalogue has it.
    pub fn proves(&self) -> Vec<StatementId> {
        let known = |token: &String| catalogue().resolve(token).ok().map(|s| s.id);
        self.statements.iter().filter_map(known).collect()
    }

    /// The reason on one line, with `$ns` for the namespace and `<time>` for spans of time that were measured: the same in
    /// every run in which the broker does the same.
    pub fn steady_reason(&self) -> Option<String> {
        let namespaces = [&self.namespace, &self.control_namespace];
        let mut text = self.steady_reason.as_ref().or(self.reason.as_ref())?.clone();
        for namespace in namespaces.into_iter().flatten() {
            text = snapshot::without(namespace, &text);
        }
        Some(text)
    }
}

/// The first part of a case's path; of a case at the top, its path.
pub fn topic(id: &str) -> &str {
    let end = id.find(['/', '[', '@']).unwrap_or(id.len());
    &id[..end]
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let run = testing::run();
        let record = Record::read(&json::run(&run)).unwrap();
        assert_eq!(record.counts(), Counts::of(&run));
        assert_eq!(record.scores(), super::super::scores(&run));
        assert_eq!(record.label(), "mosquitto 2.0.11");
        assert_eq!(record.cases.len(), run.cases.len());
        let failed = &record.cases[1];
        assert_eq!(failed.scenario(), "qos2/dup-before-pubrel");
        assert_eq!(failed.topic(), "qos2");
        assert_eq!(failed.found, Some(12));
        assert_eq!(failed.mismatches[0].span, Some([2, 4]));
        assert_eq!(failed.place.as_ref().unwrap().text, "sub <- PUBREL:  { packet_id: $m }");
        assert_eq!(failed.transcript.len(), 14);
    }

    #[test]
    fn another_format_is_refused_and_so_is_what_is_none() {
        let text = json::run(&testing::run());
        let other = text.replacen("\"format\": 1", "\"format\": 2", 1);
        assert_eq!(
            Record::read(&other).unwrap_err(),
            "its format is 2, this mqttspec reads 1"
        );
        for wrong in [
            "",
            "[]",
            "{}",
            "{\"format\": 1}",
            &text.replace("\"pass\",", "\"passed\","),
        ] {
            let message = Record::read(wrong).unwrap_err();
            assert!(message.starts_with("this is no JSON of a run"), "{message}");
        }
        // A newer one may have more.
        let newer = text.replacen("\"format\": 1,", "\"format\": 1, \"colour\": \"red\",", 1);
        assert!(Record::read(&newer).is_ok());
    }

    #[test]
    fn a_path_ends_where_a_row_or_version_begins() {
        assert_eq!(topic("qos2/a@v5"), "qos2");
        assert_eq!(topic("ping@v5"), "ping");
        assert_eq!(topic("ping[a/b]@v5"), "ping");
    }
}
