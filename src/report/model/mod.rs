//! A run as files and reports have it: what `--json` writes and what is read back (`docs/json.md`).
//!
//! In: a [`RunResult`](crate::suite::RunResult), or the text of a file. Out: the same data, from which the page, the
//! matrix, Markdown and the comparison are made. Keys that are not known are ignored, so that a file of a newer
//! mqttspec is read as long as its format has the same number.

mod back;
mod event;
mod groups;
mod lines;
mod of;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value as Json, json};
use twox_hash::XxHash64;

use super::case::{self, Counts};
use super::score::{Score, tally};
use super::snapshot;
use crate::play::Stage;
use crate::statements::{Level, StatementId, Version, catalogue};
use crate::suite::{SecondLook, Selected, Shard, Verdict};
use crate::transport::Transport;

pub use event::{Event, EventKind, Field, Packet};

/// The number of the format.
pub const FORMAT: u32 = 2;
/// The format before, which is still read: its violations were called violations.
const FORMER_FORMAT: u32 = 1;

/// One run. What follows from its cases, the summary and the scores, is written and not read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Run {
    pub format: u32,
    /// The version of mqttspec that wrote it.
    pub mqttspec: String,
    pub target: Target,
    /// When the run began: RFC 3339, in UTC.
    #[serde(default)]
    pub started: Option<String>,
    /// What the user calls the run.
    #[serde(default, rename = "label")]
    pub user_label: Option<String>,
    /// The cases that were selected, in all shards.
    #[serde(default)]
    pub selection: Option<Selected>,
    /// The part of them that was played; `None` is all.
    #[serde(default)]
    pub shard: Option<Shard>,
    pub seconds: f64,
    pub interrupted: bool,
    /// How many cases were to be played and were not, because the run ended early.
    #[serde(default)]
    pub unplayed: usize,
    /// What came of `--snapshots`.
    #[serde(default)]
    pub snapshots: Option<Snapshots>,
    #[serde(default)]
    pub notes: Vec<String>,
    #[serde(default)]
    pub crashes_under_load: Vec<String>,
    pub cases: Vec<Case>,
}

/// The broker or client library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub name: String,
    #[serde(default, skip_serializing_if = "Kind::is_broker")]
    pub kind: Kind,
    pub version: Option<String>,
    pub address: String,
    #[serde(default)]
    pub transport: Transport,
    /// The argument that names this target on the command line.
    #[serde(default)]
    pub argument: Option<String>,
    /// The options of the command line that affect how a case is played and judged, word by word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Broker,
    Client,
}

impl Kind {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Broker => "broker",
            Kind::Client => "client",
        }
    }

    // The signature is serde's.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_broker(&self) -> bool {
        *self == Kind::Broker
    }
}

/// The snapshots that a run was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Snapshots {
    /// How many there are in the run.
    pub compared: usize,
    /// How many are new, differ, or belong to no case any more.
    pub changed: usize,
}

/// One case's result; see `docs/json.md` for what each value means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub id: String,
    pub scenario: String,
    /// The file of the scenario; absent if it is the one inside the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    pub title: String,
    pub version: Version,
    pub verdict: Verdict,
    /// Where a failure lies.
    pub stage: Option<Stage>,
    /// The failure lies in the control.
    #[serde(default)]
    pub in_control: bool,
    pub reason: Option<String>,
    /// The causes of a known deviation, and the stale one of a fixed case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<Cause>,
    /// The failure rests on the rigour clause of 5.0 alone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rigour: bool,
    /// The reason with `<time>` for each span of time; absent if it holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_reason: Option<String>,
    /// Tokens, of which this mqttspec need not know all.
    pub statements: Vec<String>,
    #[serde(default, alias = "breaches")]
    pub violations: Vec<Violation>,
    #[serde(default)]
    pub advice: Vec<Violation>,
    pub place: Option<Place>,
    /// The unexpected event, as its index in the transcript.
    #[serde(default)]
    pub found: Option<usize>,
    #[serde(default)]
    pub expected: Vec<Expected>,
    #[serde(default)]
    pub mismatches: Vec<Mismatch>,
    pub seconds: f64,
    #[serde(default = "once")]
    pub plays: u32,
    /// What playing it once more, alone, has shown of its failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_look: Option<SecondLook>,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub transcript: Vec<Event>,
    #[serde(default)]
    pub control_namespace: Option<String>,
    #[serde(default)]
    pub control: Vec<Event>,
    #[serde(default)]
    pub exchange: Option<String>,
    /// A digest of the exchange, which is there if the exchange itself is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_digest: Option<String>,
    /// The exchange and the transcripts are left out of this file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub omitted: bool,
    #[serde(default)]
    pub log: Option<String>,
    /// The report on an unexpected result, as a run prints it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
}

/// A cause of known deviations, as the profile has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub because: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub untriaged: bool,
    /// The file and line: the same of all cases that have this cause.
    pub origin: String,
}

/// What was found in an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    pub statement: Option<String>,
    pub level: Option<Level>,
    pub rule: Option<String>,
    pub text: String,
    pub event: Option<usize>,
    /// Whether the event is one of the control.
    #[serde(default)]
    pub control: bool,
    /// The bytes of the event's packet in which the violation lies: the first, and the one after the last.
    #[serde(default)]
    pub span: Option<[usize; 2]>,
}

/// A step in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// What is there.
    #[serde(default)]
    pub text: String,
}

/// A permitted alternative, and why it was not met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    pub what: String,
    pub why: String,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    pub field: String,
    pub expected: String,
    pub found: String,
    #[serde(default)]
    pub span: Option<[usize; 2]>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn once() -> u32 {
    1
}

impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut run = serializer.serialize_struct("Run", 18)?;
        run.serialize_field("format", &self.format)?;
        run.serialize_field("mqttspec", &self.mqttspec)?;
        run.serialize_field("target", &self.target)?;
        run.serialize_field("started", &self.started)?;
        run.serialize_field("label", &self.user_label)?;
        run.serialize_field("selection", &self.selection)?;
        run.serialize_field("shard", &self.shard)?;
        run.serialize_field("seconds", &self.seconds)?;
        run.serialize_field("interrupted", &self.interrupted)?;
        run.serialize_field("unplayed", &self.unplayed)?;
        run.serialize_field("snapshots", &self.snapshots)?;
        run.serialize_field("summary", &summary_of(&self.counts()))?;
        run.serialize_field("scores", &self.scores().iter().map(score_of).collect::<Vec<_>>())?;
        run.serialize_field("notes", &self.notes)?;
        run.serialize_field("crashes_under_load", &self.crashes_under_load)?;
        run.serialize_field("links", &self.links())?;
        run.serialize_field("groups", &self.groups())?;
        run.serialize_field("cases", &self.cases)?;
        run.end()
    }
}

/// How many cases have which verdict, as an object.
pub(super) fn summary_of(counts: &Counts) -> Map<String, Json> {
    let mut summary: Map<String, Json> = Verdict::ALL
        .into_iter()
        .map(|v| (v.name().to_owned(), counts.get(v).into()))
        .collect();
    summary.insert("advice".to_owned(), counts.advice.into());
    summary.insert("rigour_fail".to_owned(), counts.rigour_fail.into());
    summary.insert("rigour_known".to_owned(), counts.rigour_known.into());
    summary
}

/// A version's score as an object.
pub(super) fn score_of(score: &Score) -> Json {
    json!({ "version": score.version.name(), "held": score.held, "tried": score.tried,
            "own_held": score.own_held, "own_tried": score.own_tried })
}

impl Run {
    /// Reads what `mqttspec run --json` wrote.
    ///
    /// # Errors
    /// A message for the user if the text is no such JSON, or one of another format.
    pub fn read(text: &str) -> Result<Run, String> {
        #[derive(Deserialize)]
        struct Numbered {
            format: Option<u32>,
        }
        let other = |number| format!("its format is {number}, this mqttspec reads {FORMER_FORMAT} and {FORMAT}");
        match serde_json::from_str::<Run>(text) {
            Ok(run) if run.format == FORMAT => Ok(run),
            Ok(run) if run.format == FORMER_FORMAT => Ok(run.renamed()),
            Ok(run) => Err(other(run.format)),
            // Another format may well have other keys.
            Err(error) => Err(match serde_json::from_str::<Numbered>(text) {
                Ok(Numbered { format: Some(number) }) if ![FORMER_FORMAT, FORMAT].contains(&number) => other(number),
                Ok(Numbered { format: None }) => "this is not the JSON of a run: it has no `format`".to_owned(),
                Ok(_) | Err(_) => format!("this is not the JSON of a run: {error}"),
            }),
        }
    }

    /// A run of the former format with the names of this one.
    fn renamed(mut self) -> Run {
        self.format = FORMAT;
        for exchange in self.cases.iter_mut().filter_map(|case| case.exchange.as_mut()) {
            *exchange = exchange.replace("\nbreach: ", "\nviolation: ");
        }
        self
    }

    /// The same without the exchanges of cases that pass, but for the first with each warning: hundreds may have the same.
    #[must_use]
    pub fn with_few_exchanges(mut self) -> Run {
        let mut shown: BTreeSet<String> = BTreeSet::new();
        for case in self.cases.iter_mut().filter(|case| case.verdict == Verdict::Pass) {
            let before = shown.len();
            shown.extend(case.advice.iter().map(|advice| advice.text.clone()));
            if shown.len() > before {
                continue;
            }
            case.omitted |= case.exchange.take().is_some() || !case.transcript.is_empty();
            (case.transcript, case.control) = (Vec::new(), Vec::new());
            (case.namespace, case.control_namespace) = (None, None);
        }
        self
    }

    /// The text that [`Run::read`] reads.
    pub fn write(&self) -> String {
        lines::text(self)
    }

    /// How many cases have which verdict.
    pub fn counts(&self) -> Counts {
        Counts::tally(self.cases.iter().map(|c| (c.verdict, c.rigour, c.advice.len())))
    }

    /// The scores of each version. Statements that this mqttspec does not know are left out.
    pub fn scores(&self) -> Vec<Score> {
        let proves: Vec<Vec<StatementId>> = self.cases.iter().map(Case::proves).collect();
        tally(
            self.cases
                .iter()
                .map(|c| c.verdict)
                .zip(proves.iter().map(Vec::as_slice)),
        )
    }

    /// Where the standard has the statements that are violated or at stake: each token with the URL of its section. Those
    /// of cases that pass or are skipped are left out, unless they come with advice.
    fn links(&self) -> BTreeMap<&str, String> {
        let deviates = |case: &&Case| !matches!(case.verdict, Verdict::Pass | Verdict::Skip);
        let at_stake = self.cases.iter().filter(deviates).flat_map(|case| &case.statements);
        let found = self
            .cases
            .iter()
            .flat_map(|case| case.violations.iter().chain(&case.advice));
        let tokens = at_stake.chain(found.filter_map(|violation| violation.statement.as_ref()));
        let tokens: BTreeSet<&str> = tokens.map(String::as_str).collect();
        let link = |token| Some((token, catalogue().resolve(token).ok()?.url()));
        tokens.into_iter().filter_map(link).collect()
    }

    /// The broker's name with its version.
    pub fn label(&self) -> String {
        case::named(&self.target.name, self.target.version.as_deref())
    }
}

impl Case {
    /// What tells the exchange from that of another run; `None` if there is none.
    pub fn exchange_digest(&self) -> Option<Cow<'_, str>> {
        match (&self.exchange_digest, &self.exchange) {
            (Some(digest), _) => Some(Cow::Borrowed(digest)),
            (None, Some(exchange)) => Some(Cow::Owned(digest(exchange))),
            (None, None) => None,
        }
    }

    /// What the case proves, as far as the catalogue has it.
    pub fn proves(&self) -> Vec<StatementId> {
        let known = |token: &String| catalogue().resolve(token).ok().map(|s| s.id);
        self.statements.iter().filter_map(known).collect()
    }

    /// The reason on one line, with `$ns` for the namespace and `<time>` for spans of time that were measured: the same
    /// in every run in which the broker does the same.
    pub fn steady_reason(&self) -> Option<String> {
        self.without_names(self.steady_reason.as_ref().or(self.reason.as_ref())?)
    }

    /// The same with the times that were measured.
    pub fn plain_reason(&self) -> Option<String> {
        self.without_names(self.reason.as_ref()?)
    }

    fn without_names(&self, text: &str) -> Option<String> {
        let namespaces = [&self.namespace, &self.control_namespace];
        let mut text = text.to_owned();
        for namespace in namespaces.into_iter().flatten() {
            text = snapshot::without(namespace, &text);
        }
        Some(text)
    }
}

/// 16 hexadecimal digits.
fn digest(text: &str) -> String {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(text.as_bytes());
    format!("{:016x}", hasher.finish())
}

/// The folder that holds the tests of clients.
const CLIENTS: &str = "clients/";

/// The first part of a case's path; of a case below `clients/`, the first two; of a case at the top, its path.
pub fn topic(id: &str) -> &str {
    let from = if id.starts_with(CLIENTS) { CLIENTS.len() } else { 0 };
    let end = id[from..].find(['/', '[', '@']).map_or(id.len(), |end| from + end);
    &id[..end]
}

#[cfg(test)]
mod tests {
    use super::super::html::{Scripts, page};
    use super::super::matrix::Matrix;
    use super::super::{compare, json, markdown, testing};
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let run = testing::run();
        let record = Run::read(&json::run(&run)).unwrap();
        assert_eq!(record.counts(), Counts::of(&run));
        assert_eq!(record.scores(), super::super::scores(&run));
        assert_eq!(record.label(), "mosquitto 2.0.11");
        assert_eq!(record.cases.len(), run.cases.len());
        let failed = &record.cases[1];
        assert_eq!(failed.scenario, "qos2/dup-before-pubrel");
        assert_eq!(failed.stage, Some(Stage::Script));
        assert_eq!(failed.found, Some(12));
        assert_eq!(failed.mismatches[0].span, Some([2, 4]));
        assert_eq!(failed.place.as_ref().unwrap().text, "sub <- PUBREL:  { packet_id: $m }");
        assert_eq!(failed.transcript.len(), 14);
    }

    #[test]
    fn a_run_of_the_former_format_is_read_with_the_names_of_this_one() {
        let text = json::run(&testing::run());
        let former = text
            .replacen("\"format\": 2", "\"format\": 1", 1)
            .replace("\"violations\":", "\"breaches\":")
            .replace("\\nviolation: ", "\\nbreach: ");
        assert_ne!(former, text);
        assert_eq!(Run::read(&former), Run::read(&text));
    }

    #[test]
    fn a_run_that_is_read_back_is_the_run() {
        let played = Run::from(&testing::run());
        let read = Run::read(&played.write()).unwrap();
        assert_eq!(read, played);
        assert_eq!(read.write(), played.write());
        assert!(compare::changes(&played, &read).changes.is_empty());
        assert!(compare::changes(&read, &played).changes.is_empty());
        let (one, other) = (Matrix::new(vec![played], []), Matrix::new(vec![read], []));
        assert_eq!(one.json(), other.json());
        assert_eq!(markdown::matrix(&one), markdown::matrix(&other));
        let scripts = Scripts::default();
        assert!(page(&one, &scripts) == page(&other, &scripts));
    }

    #[test]
    fn every_kind_of_event_is_read_as_it_is_written() {
        let kinds = "[\"open\",\"upgrade\",\"text frame\",\"packet\",\"fragment\",\"fin\",\"reset\",\"half close\",\"application\",\
            \"gap\",\"restart\",\"kill\"]";
        let read: Vec<EventKind> = serde_json::from_str(kinds).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), kinds);
        let names: Vec<&str> = read.into_iter().map(EventKind::name).collect();
        assert_eq!(serde_json::to_string(&names).unwrap(), kinds);
    }

    #[test]
    fn what_an_older_mqttspec_did_not_write_has_its_default() {
        let mut run: Json = serde_json::from_str(&json::run(&testing::run())).unwrap();
        run["target"].as_object_mut().unwrap().remove("transport");
        for case in run["cases"].as_array_mut().unwrap() {
            let case = case.as_object_mut().unwrap();
            for key in ["exchange", "control", "control_namespace", "plays", "mismatches"] {
                case.remove(key);
            }
        }
        let read = Run::read(&run.to_string()).unwrap();
        assert_eq!(read.cases[1].plays, 1);
        assert_eq!(read.cases[1].exchange, None);
        assert_eq!(read.target.transport, Transport::Mqtt);
    }

    #[test]
    fn another_format_is_refused_and_so_is_what_is_none() {
        let text = json::run(&testing::run());
        let other = text.replacen("\"format\": 2", "\"format\": 3", 1);
        assert_eq!(
            Run::read(&other).unwrap_err(),
            "its format is 3, this mqttspec reads 1 and 2"
        );
        for wrong in [
            "",
            "[]",
            "{}",
            "{\"format\": 1}",
            &text.replace("\"pass\",", "\"passed\","),
        ] {
            let message = Run::read(wrong).unwrap_err();
            assert!(message.starts_with("this is not the JSON of a run"), "{message}");
        }
        // A newer one may have more.
        let newer = text.replacen("\"format\": 1,", "\"format\": 1, \"colour\": \"red\",", 1);
        assert!(Run::read(&newer).is_ok());
    }

    #[test]
    fn a_path_ends_where_a_row_or_version_begins() {
        assert_eq!(topic("qos2/a@v5"), "qos2");
        assert_eq!(topic("ping@v5"), "ping");
        assert_eq!(topic("clients/acks/codes[puback]@v5"), "clients/acks");
        assert_eq!(topic("clients/alone@v5"), "clients/alone");
        assert_eq!(topic("ping[a/b]@v5"), "ping");
    }
}
