//! The run as JSON, for programs. The format is stable within its number and described in `docs/json.md`.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::case::{self, Counts, breaches};
use super::scores;
use crate::play::{Advice, Stage};
use crate::statements::{StatementId, catalogue};
use crate::suite::{CaseResult, RunResult, Verdict};
use crate::transcript::{Author, Direction, End, Event, Lifecycle, Transcript, WebSocket, What, name, redacted, shown};
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
}

#[derive(Serialize)]
struct Case<'a> {
    id: &'a str,
    title: &'a str,
    version: &'static str,
    verdict: &'static str,
    /// Where a failure lies: `setup`, `script`, `control` or `farewell`.
    stage: Option<&'static str>,
    /// The failure lies in the control.
    in_control: bool,
    reason: Option<&'a str>,
    statements: Vec<String>,
    breaches: Vec<Breach>,
    advice: Vec<Breach>,
    place: Option<Place<'a>>,
    expected: Vec<Json>,
    mismatches: Vec<Json>,
    seconds: f64,
    plays: u32,
    transcript: Vec<Entry>,
    control: Vec<Entry>,
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
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct Entry {
    client: String,
    connection: u32,
    direction: &'static str,
    author: &'static str,
    /// The step that caused or took it: its number in the order of the file, from 0.
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

/// The whole run.
pub fn run(run: &RunResult) -> String {
    let counts = Counts::of(run);
    let mut summary: Map<String, Json> = Verdict::ALL
        .into_iter()
        .map(|v| (v.name().to_owned(), counts.get(v).into()))
        .collect();
    summary.insert("advice".to_owned(), counts.advice.into());
    let document = Run {
        format: FORMAT,
        mqttspec: env!("CARGO_PKG_VERSION"),
        target: Target {
            name: &run.target.name,
            version: run.target.version.as_deref(),
            address: &run.target.address,
            transport: run.target.transport.name(),
        },
        seconds: seconds(run.duration),
        interrupted: run.interrupted,
        summary,
        scores: scores(run)
            .into_iter()
            .map(|s| {
                json!({ "version": s.version.name(), "held": s.held, "tried": s.tried,
                        "own_held": s.own_held, "own_tried": s.own_tried })
            })
            .collect(),
        notes: &run.notes,
        crashes_under_load: &run.crashes_under_load,
        cases: run.cases.iter().map(case_of).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).expect("strings, numbers and lists always serialise");
    text.push('\n');
    text
}

fn case_of(case: &CaseResult) -> Case<'_> {
    let failure = case.failure.as_ref();
    Case {
        id: &case.id,
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
        statements: case.proves.iter().map(StatementId::to_string).collect(),
        breaches: breaches(case)
            .map(|(f, control)| Breach {
                rule: Some(f.rule),
                control,
                ..breach(Some(f.statement), &f.text, Some(f.event))
            })
            .collect(),
        advice: case
            .advice
            .iter()
            .map(|Advice { statement, text, event }| breach(*statement, text, *event))
            .collect(),
        place: failure.and_then(|f| f.place.as_ref()).map(|p| Place {
            file: &case.header.source.file,
            line: p.line,
            column: p.column,
        }),
        expected: failure
            .iter()
            .flat_map(|f| &f.awaited)
            .map(|a| json!({ "what": a.what, "why": a.why }))
            .collect(),
        mismatches: failure
            .iter()
            .flat_map(|f| &f.mismatches)
            .map(|m| json!({ "field": m.field, "expected": m.expected, "found": m.found }))
            .collect(),
        seconds: seconds(case.duration),
        plays: case.plays,
        transcript: entries(case::transcript_of(case, false)),
        control: entries(case::transcript_of(case, true)),
        log: case.log.as_deref(),
    }
}

fn breach(statement: Option<StatementId>, text: &str, event: Option<usize>) -> Breach {
    Breach {
        statement: statement.map(|s| s.to_string()),
        level: statement.and_then(|s| catalogue().get(s)).map(|s| s.level.keyword()),
        rule: None,
        text: text.to_owned(),
        event,
        control: false,
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
        Value::Text(secret) if name == "password" => json!({ "length": secret.len() }),
        Value::Binary(secret) if name == "password" => json!({ "length": secret.len() }),
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
