//! The run as JSON, for programs. The format is stable within its number and described in `docs/json.md`.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::case::{self, Counts};
use super::{Score, scores, snapshot};
use crate::play::Stage;
use crate::secret::{is_password, redacted};
use crate::statements::{StatementId, catalogue};
use crate::suite::{CaseResult, Judged, RunResult, Verdict};
use crate::transcript::{Author, Direction, End, Event, Lifecycle, Transcript, WebSocket, What, name, shown};
use crate::wire::Value;

/// The number of the format.
pub const FORMAT: u32 = 1;
/// How many bytes of a packet are written at most.
const BYTES: usize = 4096;

#[derive(Serialize)]
struct Run<'a> {
    format: u32,
    mqttspec: &'static str,
    target: Target<'a>,
    seconds: f64,
    interrupted: bool,
    summary: Map<String, Json>,
    scores: Vec<Json>,
    notes: &'a [String],
    crashes_under_load: &'a [String],
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Target<'a> {
    name: &'a str,
    version: Option<&'a str>,
    address: &'a str,
    transport: &'static str,
    argument: Option<&'a str>,
}

#[derive(Serialize)]
struct Case<'a> {
    id: &'a str,
    scenario: &'a str,
    title: &'a str,
    version: &'static str,
    verdict: &'static str,
    /// Where a failure lies: `setup`, `script`, `account` or `fence`.
    stage: Option<&'static str>,
    /// The failure lies in the control.
    in_control: bool,
    reason: Option<&'a str>,
    /// The reason with `<time>` for each span of time; absent where it holds none.
    #[serde(skip_serializing_if = "Option::is_none")]
    steady_reason: Option<&'a str>,
    statements: Vec<String>,
    breaches: Vec<Breach>,
    advice: Vec<Breach>,
    place: Option<Place<'a>>,
    /// The event that stands in the way, as its index in the transcript.
    found: Option<usize>,
    expected: Vec<Json>,
    mismatches: Vec<Json>,
    seconds: f64,
    plays: u32,
    namespace: Option<&'a str>,
    transcript: Vec<Entry>,
    control_namespace: Option<&'a str>,
    control: Vec<Entry>,
    exchange: Option<String>,
    log: Option<&'a str>,
}

#[derive(Serialize)]
struct Breach {
    statement: Option<String>,
    level: Option<&'static str>,
    rule: Option<&'static str>,
    text: String,
    event: Option<usize>,
    /// Whether the event is one of the control.
    control: bool,
    /// The bytes of the event's packet in which the breach lies: the first, and the one behind the last.
    span: Option<[usize; 2]>,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    /// What stands there.
    text: &'a str,
}

#[derive(Serialize)]
struct Entry {
    client: String,
    connection: u32,
    direction: &'static str,
    author: &'static str,
    /// The step that caused or took it: its number in the order of the file from 1; 0 is the set-up.
    step: Option<u32>,
    at: f64,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet: Option<Json>,
}

/// The whole run, for files.
pub fn run(run: &RunResult) -> String {
    let mut text = serde_json::to_string_pretty(&document(run)).expect("strings, numbers and lists always serialise");
    text.push('\n');
    text
}

/// The whole run on one line.
pub(super) fn on_one_line(run: &RunResult) -> String {
    serde_json::to_string(&document(run)).expect("strings, numbers and lists always serialise")
}

/// How many cases have which verdict, as an object.
pub(super) fn summary_of(counts: &Counts) -> Map<String, Json> {
    let mut summary: Map<String, Json> = Verdict::ALL
        .into_iter()
        .map(|v| (v.name().to_owned(), counts.get(v).into()))
        .collect();
    summary.insert("advice".to_owned(), counts.advice.into());
    summary
}

/// A version's score as an object.
pub(super) fn score_of(score: &Score) -> Json {
    json!({ "version": score.version.name(), "held": score.held, "tried": score.tried,
            "own_held": score.own_held, "own_tried": score.own_tried })
}

fn document(run: &RunResult) -> Run<'_> {
    Run {
        format: FORMAT,
        mqttspec: env!("CARGO_PKG_VERSION"),
        target: Target {
            name: &run.target.name,
            version: run.target.version.as_deref(),
            address: &run.target.address,
            transport: run.target.transport.name(),
            argument: run.target.argument.as_deref(),
        },
        seconds: seconds(run.duration),
        interrupted: run.interrupted,
        summary: summary_of(&Counts::of(run)),
        scores: scores(run).iter().map(score_of).collect(),
        notes: &run.notes,
        crashes_under_load: &run.crashes_under_load,
        cases: run.cases.iter().map(case_of).collect(),
    }
}

fn case_of(case: &CaseResult) -> Case<'_> {
    let failure = case.failure.as_ref();
    Case {
        id: &case.id,
        scenario: &case.header.path,
        title: &case.title,
        version: case.version.name(),
        verdict: case.verdict.name(),
        stage: failure.map(|f| match f.stage {
            Stage::Setup => "setup",
            Stage::Script => "script",
            Stage::Account => "account",
            Stage::Fence => "fence",
        }),
        in_control: failure.is_some_and(|f| f.control),
        reason: case.reason.as_deref(),
        steady_reason: case.steady_reason.as_deref(),
        statements: case.proves.iter().map(StatementId::to_string).collect(),
        breaches: case.breaches().map(breach).collect(),
        advice: case.advice().map(breach).collect(),
        place: failure.and_then(|f| f.place.as_ref()).map(|p| Place {
            file: &case.header.source.file,
            line: p.line,
            column: p.column,
            text: case
                .header
                .source
                .text
                .get(p.span.clone())
                .unwrap_or_default()
                .trim_end(),
        }),
        found: failure.and_then(|f| f.found),
        expected: failure
            .iter()
            .flat_map(|f| &f.awaited)
            .map(|a| json!({ "what": a.what, "why": a.why.to_string() }))
            .collect(),
        mismatches: failure
            .iter()
            .flat_map(|f| &f.mismatches)
            .map(|m| {
                let span = m.span.as_ref().map(|s| [s.start, s.end]);
                json!({ "field": m.field, "expected": m.expected, "found": m.found, "span": span })
            })
            .collect(),
        seconds: seconds(case.duration),
        plays: case.plays,
        namespace: case.transcript.as_ref().map(|t| t.namespace.as_str()),
        transcript: entries(case::transcript_of(case, false)),
        control_namespace: case.control.as_ref().map(|t| t.namespace.as_str()),
        control: entries(case::transcript_of(case, true)),
        exchange: snapshot::is_kept(case).then(|| exchange(case)),
        log: case.log.as_deref(),
    }
}

/// What stays the same from run to run. Of a grid that is the line in its table: rows that cut or change the bytes of a
/// namespace are different each time.
fn exchange(case: &CaseResult) -> String {
    match snapshot::is_grid(case) {
        true => snapshot::grid(&[case]),
        false => snapshot::text(case),
    }
}

fn breach(judged: &Judged) -> Breach {
    Breach {
        statement: judged.statement.map(|s| s.to_string()),
        level: judged
            .statement
            .and_then(|s| catalogue().get(s))
            .map(|s| s.level.keyword()),
        rule: judged.rule,
        text: judged.text.clone(),
        event: judged.event,
        control: judged.in_control(),
        span: judged.span.as_ref().map(|s| [s.start, s.end]),
    }
}

fn entries(transcript: Option<&Transcript>) -> Vec<Entry> {
    transcript.iter().flat_map(|t| &t.events).map(entry).collect()
}

fn entry(event: &Event) -> Entry {
    let mut entry = Entry {
        client: event.client.to_string(),
        connection: event.connection,
        direction: match event.author.direction() {
            Direction::ToBroker => "to",
            Direction::FromBroker => "from",
        },
        author: match event.author {
            Author::Script => "script",
            Author::Setup => "setup",
            Author::Fence => "fence",
            Author::Auto => "auto",
            Author::Cleanup => "cleanup",
            Author::Broker => "broker",
        },
        step: event.step.as_ref().map(|s| s.number),
        at: seconds(event.at),
        kind: "",
        bytes: None,
        length: None,
        packet: None,
    };
    entry.kind = match &event.what {
        What::Open => "open",
        What::Packet { raw, decoded, .. } => {
            let bytes = redacted(raw, decoded);
            entry.bytes = Some(hex::encode(&bytes[..bytes.len().min(BYTES)]));
            entry.length = Some(raw.len());
            let fields: Vec<Json> = shown(decoded)
                .iter()
                .map(|f| json!({ "name": f.name, "value": typed(&f.name, &f.value) }))
                .collect();
            entry.packet = Some(json!({ "name": name(decoded), "fields": fields }));
            "packet"
        }
        What::Fragment(bytes) => {
            entry.bytes = Some(hex::encode(&bytes[..bytes.len().min(BYTES)]));
            entry.length = Some(bytes.len() as u64);
            "fragment"
        }
        What::End(End::Fin) => "fin",
        What::End(End::Reset) => "reset",
        What::End(End::HalfClose) => "half close",
        What::WebSocket(WebSocket::Upgraded { .. } | WebSocket::Refused(_)) => "upgrade",
        What::WebSocket(WebSocket::TextFrame) => "text frame",
        What::Gap(bytes) => {
            entry.length = Some(*bytes);
            "gap"
        }
        What::Lifecycle(Lifecycle::Restart) => "restart",
        What::Lifecycle(Lifecycle::Kill) => "kill",
    };
    entry
}

/// A field's value as JSON: text as a string, bytes that are no text as `{"hex"}`, a password by its length alone.
fn typed(name: &str, value: &Value) -> Json {
    let bytes = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) if bytes.len() <= BYTES => json!(text),
        _ => json!({ "hex": hex::encode(&bytes[..bytes.len().min(BYTES)]), "length": bytes.len() }),
    };
    match value {
        Value::Text(secret) if is_password(name) => json!({ "length": secret.len() }),
        Value::Binary(secret) if is_password(name) => json!({ "length": secret.len() }),
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Text(text) => bytes(text.as_bytes()),
        Value::Binary(binary) => bytes(binary),
        Value::Payload(payload) => match payload.bytes() {
            Some(payload) => bytes(payload),
            None => json!({ "length": payload.len(), "digest": format!("{:016x}", payload.hash()) }),
        },
        Value::Ints(numbers) => json!(numbers),
        Value::Texts(texts) => texts.iter().map(|t| bytes(t.as_bytes())).collect(),
        Value::Pairs(pairs) => pairs
            .iter()
            .map(|(k, v)| json!([bytes(k.as_bytes()), bytes(v.as_bytes())]))
            .collect(),
        Value::Map(parts) => parts
            .iter()
            .map(|(name, part)| ((*name).to_owned(), typed(name, part)))
            .collect(),
        Value::List(items) => items.iter().map(|item| typed("", item)).collect(),
    }
}

/// Seconds, to the millisecond.
fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, golden};

    #[test]
    fn the_format_is_what_is_documented() {
        let mut all = testing::run();
        all.cases.drain(2..7);
        golden!("json", &super::run(&all));
    }

    #[test]
    fn no_password_is_written() {
        let text = super::run(&testing::run());
        assert!(!text.contains("secret") && !text.contains("736563726574"));
    }
}
