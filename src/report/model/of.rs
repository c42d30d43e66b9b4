//! The model of a run that was just played.

use serde_json::{Value as Json, json};

use super::{
    Case, Cause, Event, EventKind, Expected, FORMAT, Field, Kind, Mismatch, Packet, Place, Run, Target, Violation,
};
use crate::play::Failure;
use crate::report::{case, failure, plain, snapshot};
use crate::secret::{is_password, redacted};
use crate::statements::{StatementId, catalogue};
use crate::suite::{CaseResult, Judged, RunResult, Verdict};
use crate::sut::Known;
use crate::transcript::{self, Application, End, Lifecycle, Transcript, WebSocket, What, name, printable, shown};
use crate::wire::{Side, Value};

/// How many bytes of a packet are kept at most.
const BYTES: usize = 4096;

impl From<&RunResult> for Run {
    fn from(run: &RunResult) -> Run {
        Run {
            format: FORMAT,
            mqttspec: env!("CARGO_PKG_VERSION").to_owned(),
            target: Target {
                name: run.target.name.clone(),
                kind: kind(run),
                version: run.target.version.clone(),
                address: run.target.address.clone(),
                transport: run.target.transport,
                argument: run.target.argument.clone(),
                options: run.target.options.clone(),
            },
            started: run.about.started.clone(),
            user_label: run.about.label.clone(),
            selection: run.about.selected.clone(),
            shard: run.about.shard,
            seconds: seconds(run.duration),
            interrupted: run.interrupted,
            unplayed: run.unplayed,
            snapshots: None,
            notes: run.notes.clone(),
            crashes_under_load: run.crashes_under_load.clone(),
            cases: run.cases.iter().map(|case| with_report(case, run)).collect(),
        }
    }
}

/// What the cases of a run test.
fn kind(run: &RunResult) -> Kind {
    let played = run.cases.iter().find(|case| case.verdict != Verdict::Skip);
    match played.or(run.cases.first()).map(|case| case.header.tests) {
        Some(Side::Client) => Kind::Client,
        Some(Side::Server) | None => Kind::Broker,
    }
}

impl From<&CaseResult> for Case {
    fn from(case: &CaseResult) -> Case {
        let failure = case.failure.as_ref();
        let exchange = snapshot::is_kept(case).then(|| exchange(case));
        Case {
            id: case.id.clone(),
            scenario: case.header.path.clone(),
            file: (!case.header.embedded).then(|| case.header.source.file.clone()),
            title: case.title.clone(),
            version: case.version,
            verdict: case.verdict,
            stage: failure.map(|f| f.stage),
            in_control: failure.is_some_and(|f| f.control),
            reason: case.reason.clone(),
            known: case.known.iter().map(|known| Cause::from(&**known)).collect(),
            rigour: case.rigour,
            steady_reason: case.steady_reason.clone(),
            statements: case.proves.iter().map(StatementId::to_string).collect(),
            violations: case.breaches().map(Violation::from).collect(),
            advice: case.advice().map(Violation::from).collect(),
            place: failure.and_then(|f| place(case, f)),
            found: failure.and_then(|f| f.found),
            expected: failure.map(expected).unwrap_or_default(),
            mismatches: failure.map(mismatches).unwrap_or_default(),
            seconds: seconds(case.duration),
            plays: case.plays,
            second_look: case.second_look,
            namespace: case.transcript.as_ref().map(|t| t.namespace.clone()),
            transcript: events(case::transcript_of(case, false)),
            control_namespace: case.control.as_ref().map(|t| t.namespace.clone()),
            control: events(case::transcript_of(case, true)),
            exchange_digest: exchange.as_deref().map(super::digest),
            exchange,
            omitted: false,
            log: case.log.clone(),
            report: None,
        }
    }
}

/// A case of a run, with the report on it if its result is unexpected.
fn with_report(case: &CaseResult, run: &RunResult) -> Case {
    let report = |case| plain(&failure::report(case, &run.target, failure::Options::default()));
    Case {
        report: case.is_bad().then(|| report(case)),
        ..Case::from(case)
    }
}

impl From<&Known> for Cause {
    fn from(known: &Known) -> Cause {
        Cause {
            because: known.because.clone(),
            bytes: known.bytes.clone(),
            links: known.links.clone(),
            severity: known.severity.map(|severity| severity.name().to_owned()),
            ruling: known.ruling.map(|ruling| ruling.name().to_owned()),
            about: known.about.clone(),
            effect: known.effect.clone(),
            untriaged: known.untriaged,
            origin: known.origin(),
        }
    }
}

impl From<&Judged> for Violation {
    fn from(judged: &Judged) -> Violation {
        Violation {
            statement: judged.statement.map(|s| s.to_string()),
            level: judged.statement.and_then(|s| catalogue().get(s)).map(|s| s.level),
            rule: judged.rule.map(str::to_owned),
            text: judged.text.clone(),
            event: judged.event,
            control: judged.in_control(),
            span: judged.span.as_ref().map(|s| [s.start, s.end]),
        }
    }
}

fn place(case: &CaseResult, failure: &Failure) -> Option<Place> {
    let source = &case.header.source;
    failure.place.as_ref().map(|p| Place {
        file: source.file.clone(),
        line: p.line,
        column: p.column,
        text: source
            .text
            .get(p.span.clone())
            .unwrap_or_default()
            .trim_end()
            .to_owned(),
    })
}

fn expected(failure: &Failure) -> Vec<Expected> {
    let expected = failure.awaited.iter().map(|a| Expected {
        what: a.what.clone(),
        why: a.why(),
    });
    expected.collect()
}

fn mismatches(failure: &Failure) -> Vec<Mismatch> {
    let mismatches = failure.mismatches.iter().map(|m| Mismatch {
        field: m.field.clone(),
        expected: m.expected.clone(),
        found: m.found.clone(),
        span: m.span.as_ref().map(|s| [s.start, s.end]),
    });
    mismatches.collect()
}

/// What stays the same from run to run. Of a grid that is the line in its table: rows that cut or change the bytes of a
/// namespace are different each time.
fn exchange(case: &CaseResult) -> String {
    if snapshot::is_grid(case) {
        snapshot::grid(&[case])
    } else {
        snapshot::text(case, &transcript::Usual::default())
    }
}

fn events(transcript: Option<&Transcript>) -> Vec<Event> {
    let events = transcript
        .iter()
        .flat_map(|t| t.events.iter().map(|event| Event::of(t, event)));
    events.collect()
}

impl Event {
    fn of(transcript: &Transcript, event: &transcript::Event) -> Event {
        let (bytes, length, packet) = match &event.what {
            What::Packet { raw, decoded, .. } => {
                let shown = shown(decoded);
                let fields = shown.iter().map(|f| Field {
                    name: f.name.to_string(),
                    value: typed(&f.name, &f.value),
                });
                let packet = Packet {
                    name: name(decoded).to_owned(),
                    fields: fields.collect(),
                };
                (Some(hex_of(&redacted(raw, decoded))), Some(raw.len()), Some(packet))
            }
            What::Fragment(bytes) => (Some(hex_of(bytes)), Some(bytes.len() as u64), None),
            What::Gap(bytes) => (None, Some(*bytes), None),
            _ => (None, None, None),
        };
        Event {
            client: event.client.to_string(),
            connection: event.connection,
            direction: transcript.direction(event),
            author: event.author,
            step: event.step.as_ref().map(|s| s.number),
            at: precise_seconds(event.at),
            kind: EventKind::from(&event.what),
            bytes,
            length,
            packet,
            text: match &event.what {
                What::Application(Application::Took(_)) => None,
                What::Application(application) => Some(printable(&application.to_string())),
                _ => None,
            },
        }
    }
}

impl From<&What> for EventKind {
    fn from(what: &What) -> EventKind {
        match what {
            What::Open => EventKind::Open,
            What::Packet { .. } => EventKind::Packet,
            What::Fragment(_) => EventKind::Fragment,
            What::End(End::Fin) => EventKind::Fin,
            What::End(End::Reset) => EventKind::Reset,
            What::End(End::HalfClose) => EventKind::HalfClose,
            What::WebSocket(WebSocket::Upgraded { .. } | WebSocket::Refused(_)) => EventKind::Upgrade,
            What::WebSocket(WebSocket::TextFrame) => EventKind::TextFrame,
            What::Application(_) => EventKind::Application,
            What::Gap(_) => EventKind::Gap,
            What::Lifecycle(Lifecycle::Restart) => EventKind::Restart,
            What::Lifecycle(Lifecycle::Kill) => EventKind::Kill,
        }
    }
}

fn hex_of(bytes: &[u8]) -> String {
    hex::encode(&bytes[..bytes.len().min(BYTES)])
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

/// Seconds, to the microsecond: packets over loopback are often less than a millisecond apart.
fn precise_seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// Seconds, to the millisecond.
fn seconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
