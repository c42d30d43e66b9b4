//! A packet for people: field by field alongside its bytes, the bytes at fault underlined and the statement named.
//!
//! In: bytes or a decoded packet. Out: plain text, each line without blanks at its end.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::ops::Range;

use bytes::Bytes;

use super::{
    Breach, Decoded, Field, Frame, PacketType, Piece, Side, Splitter, Value, Version, decode, decode_bytes, reason_name,
};
use crate::statements::catalogue;

/// How many bytes are in a line.
const LINE: usize = 8;
/// How many lines of a long field are shown from its beginning.
const LINES: usize = 4;
/// Where names begin: behind the offset and the bytes.
const HEX_WIDTH: usize = LINE * 3 + 1;

/// What [`describe_bytes`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub text: String,
    /// How many MUST statements are violated in all.
    pub breaches: usize,
    /// How many SHOULD statements.
    pub advice: usize,
}

/// Describes bytes that `from` sent on a connection of `version`: one packet or several, the last one complete or not.
pub fn describe_bytes(bytes: &[u8], version: Version, from: Side) -> Description {
    let mut splitter = Splitter::new();
    let mut parts = Vec::new();
    let mut broken: Option<Vec<u8>> = None;
    for piece in splitter.push(bytes) {
        match piece {
            Piece::Frame(frame) => parts.push((decode(&frame, version, from), frame.raw.head().clone())),
            Piece::Broken { bytes, .. } => broken = Some(bytes.to_vec()),
        }
    }
    // What is left is part of a packet, or what followed the place where framing ended.
    let mut left = broken.unwrap_or_default();
    left.extend_from_slice(splitter.pending());
    if !left.is_empty() {
        let left = Bytes::from(left);
        parts.push((decode_bytes(&left, version, from), left));
    }

    let texts: Vec<String> = parts
        .iter()
        .map(|(decoded, raw)| describe_decoded(decoded, raw, version, from))
        .collect();
    let all = || parts.iter().flat_map(|(decoded, _)| &decoded.breaches);
    Description {
        text: texts.join("\n"),
        breaches: all().filter(|b| b.is_must()).count(),
        advice: all().filter(|b| !b.is_must()).count(),
    }
}

/// Describes one packet.
pub fn describe(frame: &Frame, version: Version, from: Side) -> String {
    describe_decoded(&decode(frame, version, from), frame.raw.head(), version, from)
}

fn describe_decoded(decoded: &Decoded, raw: &Bytes, version: Version, from: Side) -> String {
    let mut out = String::new();
    let len = decoded.fields.last().map_or(0, |f| f.span.end);
    let name = decoded.packet_type.map_or("reserved packet type", PacketType::name);
    let plural = if len == 1 { "byte" } else { "bytes" };
    line(&mut out, &format!("{name} of {len} {plural} from a {from}, {version}"));

    let layout = Layout {
        name: decoded.fields.iter().map(|f| f.name.chars().count()).max().unwrap_or(0),
        offset: format!("{:x}", len.saturating_sub(1)).len().max(4),
    };
    for (i, field) in decoded.fields.iter().enumerate() {
        let last = i + 1 == decoded.fields.len();
        let breaches: Vec<&Breach> = decoded.breaches.iter().filter(|b| belongs(b, field, last)).collect();
        let value = show(decoded, field, version);
        layout.field(&mut out, field, &value, raw, &breaches);
    }
    footer(&mut out, &decoded.breaches);
    out
}

/// Whether the violation is shown with this field: where its first byte is, and at the end where something is missing
/// there.
fn belongs(breach: &Breach, field: &Field, last: bool) -> bool {
    field.span.contains(&breach.span.start) || last && breach.span.start >= field.span.end
}

/// The widths of the columns that depend on the packet.
struct Layout {
    name: usize,
    offset: usize,
}

impl Layout {
    fn field(&self, out: &mut String, field: &Field, value: &str, raw: &Bytes, breaches: &[&Breach]) {
        let kept = field.span.start.min(raw.len())..field.span.end.min(raw.len());
        let whole = kept.end == field.span.end;
        let starts: Vec<usize> = kept.clone().step_by(LINE).collect();
        let mut skipped = false;
        for (i, start) in starts.iter().copied().enumerate() {
            let span = start..kept.end.min(start + LINE);
            let last = i + 1 == starts.len();
            let at_fault = breaches.iter().any(|b| span.contains(&b.span.start));
            if i >= LINES && !(last && whole) && !at_fault {
                if !skipped && whole {
                    self.ellipsis(out);
                }
                skipped = true;
                continue;
            }
            skipped = false;
            let hex = spaced_hex(&raw[span.clone()]);
            if i == 0 {
                self.row(out, start, &hex, field, value);
            } else {
                line(out, &format!("{start:0w$x}  {hex}", w = self.offset));
            }
            for breach in breaches {
                if span.contains(&breach.span.start) || last && breach.span.start >= span.end {
                    self.underline(out, &span, breach);
                }
            }
        }
        match (starts.is_empty(), whole) {
            (true, true) => self.row(out, field.span.start, "", field, value),
            (true, false) => self.row(out, field.span.start, "…", field, value),
            (false, true) => {}
            (false, false) => self.ellipsis(out),
        }
        if starts.is_empty() {
            for breach in breaches {
                self.underline(out, &kept, breach);
            }
        }
    }

    fn row(&self, out: &mut String, start: usize, hex: &str, field: &Field, value: &str) {
        let (offset, name) = (self.offset, self.name);
        line(
            out,
            &format!("{start:0offset$x}  {hex:HEX_WIDTH$} {:name$}  {value}", field.name),
        );
    }

    fn ellipsis(&self, out: &mut String) {
        line(out, &format!("{:w$}…", "", w = self.offset + 2));
    }

    /// Tildes below the bytes at fault, or a caret where bytes are missing, and the statement that says so.
    fn underline(&self, out: &mut String, shown: &Range<usize>, breach: &Breach) {
        let first = breach.span.start.min(shown.end) - shown.start;
        let bytes = breach.span.end.min(shown.end).saturating_sub(breach.span.start);
        let mark = match bytes {
            0 => "^".to_owned(),
            n => "~".repeat(n * 3 - 1),
        };
        let indent = " ".repeat(self.offset + 2 + first * 3);
        line(out, &format!("{indent}{mark} {}: {}", breach.statement, breach.text));
    }
}

/// What the violated statements say, each once.
fn footer(out: &mut String, breaches: &[Breach]) {
    let mut said = Vec::new();
    for breach in breaches {
        if said.contains(&breach.statement) {
            continue;
        }
        if said.is_empty() {
            out.push('\n');
        }
        said.push(breach.statement);
        if let Some(statement) = catalogue().get(breach.statement) {
            let level = statement.level.keyword();
            line(out, &format!("{} ({level}): {}", statement.id, statement.says));
        }
    }
}

/// The value as people read it: codes by number and name, the first byte as the type and flags that it is. What is no
/// value of its field (because bytes are missing or too many) is alongside it as bytes alone.
fn show(decoded: &Decoded, field: &Field, version: Version) -> String {
    let Some(packet_type) = decoded.packet_type else {
        return match (field.name.as_ref(), &field.value) {
            ("type and flags", Value::Int(n)) => format!("reserved type {}, flags {:04b}", n >> 4, n & 0x0f),
            (_, Value::Binary(_)) => String::new(),
            (_, value) => value.to_string(),
        };
    };
    let code = |n: u64| {
        let name = u8::try_from(n).ok().and_then(|n| reason_name(n, packet_type, version));
        format!("0x{n:02x} {}", name.unwrap_or("(no such code)"))
    };
    match (field.name.as_ref(), &field.value) {
        ("type and flags", Value::Map(flags)) => {
            let flags: Vec<String> = flags
                .iter()
                .map(|(name, value)| match value {
                    Value::Bool(on) => format!("{name} {}", u8::from(*on)),
                    value => format!("{name} {value}"),
                })
                .collect();
            format!("{packet_type}, {}", flags.join(", "))
        }
        ("type and flags", Value::Int(n)) => match n & 0x0f {
            0 => packet_type.to_string(),
            flags => format!("{packet_type}, flags {flags:04b}"),
        },
        ("reason_code" | "return_code", Value::Int(n)) => code(*n),
        ("reason_codes" | "return_codes", Value::Ints(list)) => {
            let list: Vec<String> = list.iter().map(|n| code(*n)).collect();
            list.join(", ")
        }
        ("not kept", Value::Int(n)) => format!("{n} bytes"),
        ("password" | "will.payload" | "correlation_data" | "will.correlation_data" | "authentication_data", value) => {
            value.to_string()
        }
        (_, Value::Binary(_)) => String::new(),
        (_, value) => value.to_string(),
    }
}

fn spaced_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(bytes.len() * 3);
    for (i, byte) in bytes.iter().enumerate() {
        let gap = if i == 0 { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(hex, "{gap}{byte:02x}");
    }
    hex
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
