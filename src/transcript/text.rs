//! The trace for people: every event on one line, in the order of arrival, with its time.

use std::fmt::Write as _;
use std::time::Duration;

use super::hex::{HexLine, printable, secrets};
use super::{Author, Direction, End, Event, Transcript, What};
use crate::wire::{Decoded, Field, Value};

/// How much of a packet's hex a line of the trace holds, in bytes.
const HEX: usize = 24;
/// How much of a field's value, in characters.
const VALUE: usize = 60;

/// The trace: one line an event, such as `  0.012s  pub → PUBLISH      34 0c 00 … topic="a" qos=2`. More than `limit`
/// events are cut in the middle.
pub fn trace(transcript: &Transcript, limit: usize) -> String {
    let events = &transcript.events;
    let width = events.iter().map(|e| e.client.chars().count()).max().unwrap_or(0);
    let left_out = events.len().saturating_sub(limit);
    let head = (limit / 3).min(events.len());
    let mut out = String::new();
    for (i, event) in events.iter().enumerate() {
        if left_out > 0 && i == head {
            let _ = writeln!(out, "  … {left_out} events are left out …");
        }
        if left_out == 0 || i < head || i >= head + left_out {
            let _ = writeln!(out, "{}", line(event, width));
        }
    }
    out
}

/// One line of the trace, with the client's name padded to `width`.
pub fn line(event: &Event, width: usize) -> String {
    let arrow = match event.author.direction() {
        Direction::ToBroker => '→',
        Direction::FromBroker => '←',
    };
    let mut out = format!("{:>8}  {:<width$} ", seconds(event.at), event.client);
    let by = match event.author {
        Author::Setup => "  (setup)",
        Author::Fence => "  (fence)",
        Author::Auto => "  (auto)",
        Author::Cleanup => "  (cleanup)",
        Author::Script | Author::Broker => "",
    };
    match &event.what {
        What::Open => out.push_str("  connection opened"),
        What::Packet { raw, decoded, .. } => {
            let hex = HexLine::new(raw, &secrets(decoded), &[], HEX).text();
            let _ = write!(out, "{arrow} {:<11}  {hex}", name(decoded));
            let fields = fields(decoded);
            if !fields.is_empty() {
                let _ = write!(out, "  {fields}");
            }
            if !decoded.breaches.is_empty() {
                let _ = write!(out, "  ! {}", printable(&decoded.breaches[0].text));
            }
        }
        What::Fragment(bytes) => {
            let raw = crate::wire::Blob::Whole(bytes.clone());
            let _ = write!(
                out,
                "{arrow} {:<11}  {}",
                "fragment",
                HexLine::new(&raw, &[], &[], HEX).text()
            );
        }
        What::End(end) => {
            let _ = write!(out, "{arrow} {}", ended(*end));
        }
        What::Gap(0) => out.push_str("  bytes are missing here"),
        What::Gap(bytes) => {
            let _ = write!(out, "  {bytes} bytes are missing here");
        }
        What::Lifecycle(lifecycle) => {
            let what = match lifecycle {
                super::Lifecycle::Restart => "the broker was restarted",
                super::Lifecycle::Kill => "the broker was killed and started again",
            };
            let _ = write!(out, "  {what}");
        }
    }
    out + by
}

fn ended(end: End) -> &'static str {
    match end {
        End::Fin => "closed (FIN)",
        End::Reset => "closed (RST)",
        End::HalfClose => "half closed",
    }
}

/// Seconds with three places, such as `0.012s`.
pub fn seconds(at: Duration) -> String {
    format!("{:.3}s", at.as_secs_f64())
}

/// The packet's name; its number where it has none.
pub fn name(decoded: &Decoded) -> &'static str {
    decoded.packet_type.map_or("reserved 0", |t| t.name())
}

/// The fields on one line, `topic="a" qos=2`, without flags that are off.
pub fn fields(decoded: &Decoded) -> String {
    let shown: Vec<String> = shown(decoded)
        .iter()
        .filter(|f| f.value != Value::Bool(false))
        .map(|f| format!("{}={}", f.name, short(&value(&f.name, &f.value))))
        .collect();
    shown.join(" ")
}

/// The fields that say something to a person: flags one by one, lengths left out.
pub fn shown(decoded: &Decoded) -> Vec<Field> {
    let mut shown = Vec::new();
    for field in &decoded.fields {
        match (field.name.as_ref(), &field.value) {
            ("type and flags", Value::Int(_))
            | ("remaining_length" | "property_length" | "will.property_length", _) => {}
            // That there is a user name or password is seen where it stands.
            ("connect_flags", Value::Map(flags)) => {
                let flags = flags
                    .iter()
                    .filter(|(name, _)| !matches!(*name, "password" | "username"));
                shown.extend(flags.map(|(name, value)| part(field, name, value)));
            }
            ("type and flags" | "options", Value::Map(parts)) => {
                shown.extend(parts.iter().map(|(name, value)| part(field, name, value)));
            }
            _ => shown.push(field.clone()),
        }
    }
    shown
}

fn part(field: &Field, name: &'static str, value: &Value) -> Field {
    Field {
        name: name.into(),
        value: value.clone(),
        span: field.span.clone(),
    }
}

/// A field's value as text. A password shows its length only.
pub fn value(name: &str, value: &Value) -> String {
    let text = match value {
        Value::Binary(bytes) if name == "password" => format!("<{} bytes>", bytes.len()),
        Value::Text(text) if name == "password" => format!("<{} bytes>", text.len()),
        other => other.to_string(),
    };
    printable(&text)
}

fn short(text: &str) -> String {
    if text.chars().count() <= VALUE {
        return text.to_owned();
    }
    let head: String = text.chars().take(VALUE - 12).collect();
    let tail: String = text.chars().skip(text.chars().count() - 10).collect();
    format!("{head}…{tail}")
}
