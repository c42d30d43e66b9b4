//! Steps as text of the language, with what their variables stand for.

use std::time::Duration;

use super::scope::Scope;
use super::{
    BytePart, ByteTemplate, Does, Expect, Expr, PacketPattern, PacketTemplate, Part, Pattern, Send, Split, Step,
    StepKind, Take, TextPart, TextTemplate, Var, Within, Write,
};
use crate::wire::{PacketType, Text, Value, Version, reason_text};

/// A step of one client, such as `pub <- PUBREC: { packet_id: 7 }`; a step of another kind by its key.
pub fn step(step: &Step, scope: &Scope) -> String {
    match &step.what {
        StepKind::Send { client, what } => send(client, what, scope),
        StepKind::Expect { client, what } => expect(client, what, scope),
        StepKind::Does { client, what } => does(client, what, scope),
        StepKind::OneOf(_) => "one of".to_owned(),
        StepKind::InAnyOrder(_) => "in any order".to_owned(),
        StepKind::AtOnce(_) => "at once".to_owned(),
        StepKind::Repeat { times, .. } => format!("repeat: {times} times"),
        StepKind::Wait(span) => format!("wait: {}", duration(*span)),
        StepKind::Broker(action) => format!("broker: {action}"),
        StepKind::Note(text) => format!("note: {text}"),
    }
}

/// `c -> ...`
pub fn send(client: &str, send: &Send, scope: &Scope) -> String {
    let what = match send {
        Send::Write(w) => write(w, scope),
        Send::Open => "open".to_owned(),
        Send::OpenOffering(offer) => format!("open: {{ subprotocols: [{}] }}", offer.join(", ")),
        Send::Close => "close".to_owned(),
        Send::HalfClose => "half close".to_owned(),
        Send::Reset => "reset".to_owned(),
        Send::StopReading => "stop reading".to_owned(),
        Send::Read => "read".to_owned(),
    };
    format!("{client} {} {what}", scope.arrows().0)
}

/// `c does ...`
pub fn does(client: &str, does: &Does, scope: &Scope) -> String {
    let word = if does.may_refuse { "tries" } else { "does" };
    format!("{client} {word} {}", command(does, scope))
}

/// The verb of a command with its fields.
pub fn command(does: &Does, scope: &Scope) -> String {
    let fields = does.packet.as_ref().map(|packet| parts_of(packet, scope));
    with_parts(does.verb.name(), &fields.unwrap_or_default())
}

/// `c <- ...`
pub fn expect(client: &str, expect: &Expect, scope: &Scope) -> String {
    let what = match expect {
        Expect::Packet(pattern) => packet(pattern, scope),
        Expect::Bytes { pattern, within: w } => {
            let text = bytes(pattern, scope);
            match within(*w) {
                None => format!("bytes: '{text}'"),
                Some(w) => format!("bytes: {{ hex: '{text}', within: {w} }}"),
            }
        }
        Expect::Nothing { quiet: None } => "nothing".to_owned(),
        Expect::Nothing { quiet: Some(span) } => format!("nothing: {}", duration(*span)),
        Expect::Closed { within: w } => match within(*w) {
            None => "closed".to_owned(),
            Some(w) => format!("closed: {{ within: {w} }}"),
        },
        Expect::Refused { code, within: w } => {
            let code = code.as_ref().map(|c| code_pattern(c, scope));
            match (code, within(*w)) {
                (None, None) => "refused".to_owned(),
                (Some(code), None) => format!("refused: {code}"),
                (None, Some(w)) => format!("refused: {{ within: {w} }}"),
                (Some(code), Some(w)) => format!("refused: {{ code: {code}, within: {w} }}"),
            }
        }
    };
    format!("{client} {} {what}", scope.arrows().1)
}

fn packet(pattern: &PacketPattern, scope: &Scope) -> String {
    let how = match pattern.how {
        Take::Oldest => "",
        Take::Next => "next ",
        Take::Maybe => "maybe ",
    };
    let mut parts: Vec<String> = pattern
        .fields
        .iter()
        .map(|f| format!("{}: {}", f.name, field_pattern(&f.name, &f.pattern, scope)))
        .collect();
    parts.extend(within(pattern.within).map(|w| format!("within: {w}")));
    format!("{how}{}", with_parts(pattern.packet_type.name(), &parts))
}

/// The bytes or packets of a write.
pub fn write(write: &Write, scope: &Scope) -> String {
    let part = |part: &Part| match part {
        Part::Packet(t) => template(t, scope),
        Part::Bytes(b) => format!("bytes: '{}'", bytes(b, scope)),
        Part::Frame(b) => format!("frame: '{}'", bytes(b, scope)),
    };
    let text = match write.parts.as_slice() {
        [one] => part(one),
        many => format!("together: [{}]", many.iter().map(part).collect::<Vec<_>>().join(", ")),
    };
    let text = if write.text_frame {
        format!("{text} (in a text frame)")
    } else {
        text
    };
    match &write.split {
        Split::Whole => text,
        Split::Every(n) => format!("{text} (split: {n})"),
        Split::At(sizes) => {
            let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
            format!("{text} (split: [{}])", sizes.join(", "))
        }
    }
}

fn template(t: &PacketTemplate, scope: &Scope) -> String {
    with_parts(t.packet_type.name(), &parts_of(t, scope))
}

/// The fields and further keys of a packet that is sent.
fn parts_of(t: &PacketTemplate, scope: &Scope) -> Vec<String> {
    let mut parts: Vec<String> = t
        .fields
        .iter()
        .map(|f| format!("{}: {}", f.name, field_expr(&f.name, &f.value, scope)))
        .collect();
    parts.extend(t.flags.map(|f| format!("flags: 0x{f:x}")));
    parts.extend(t.connect_flags.map(|f| {
        let login = if t.places_login { "|$login" } else { "" };
        format!("connect_flags: 0x{f:02x}{login}")
    }));
    parts.extend(
        t.remaining_length
            .as_ref()
            .map(|b| format!("remaining_length: '{}'", hex(b))),
    );
    parts.extend(
        t.property_length
            .as_ref()
            .map(|b| format!("property_length: '{}'", hex(b))),
    );
    parts.extend(
        t.properties
            .as_ref()
            .map(|b| format!("properties: {{ hex: '{}' }}", bytes(b, scope))),
    );
    parts.extend(t.append.as_ref().map(|b| format!("append: '{}'", bytes(b, scope))));
    if t.truncate > 0 {
        parts.push(format!("truncate: {}", t.truncate));
    }
    parts
}

fn with_parts(name: &str, parts: &[String]) -> String {
    if parts.is_empty() {
        return name.to_owned();
    }
    format!("{name}: {{ {} }}", parts.join(", "))
}

fn within(within: Within) -> Option<String> {
    match (within.from, within.to) {
        (None, None) => None,
        (None, Some(to)) => Some(duration(to)),
        (Some(from), None) => Some(format!("{}..", duration(from))),
        (Some(from), Some(to)) => Some(format!("{}..{}", duration(from), duration(to))),
    }
}

/// `1.5s` or `200ms`.
pub fn duration(span: Duration) -> String {
    let ms = span.as_millis();
    if ms == 0 || ms < 1000 || !ms.is_multiple_of(100) {
        return format!("{ms}ms");
    }
    match (ms / 1000, ms % 1000 / 100) {
        (s, 0) => format!("{s}s"),
        (s, tenths) => format!("{s}.{tenths}s"),
    }
}

fn is_code(field: &str) -> bool {
    matches!(field, "reason_code" | "return_code" | "reason_codes" | "return_codes")
}

fn field_pattern(name: &str, p: &Pattern, scope: &Scope) -> String {
    if is_code(name) {
        code_pattern(p, scope)
    } else {
        pattern(p, scope)
    }
}

fn field_expr(name: &str, e: &Expr, scope: &Scope) -> String {
    show_expr(e, scope, is_code(name))
}

/// A pattern, with its variables resolved if they have a value.
pub fn pattern(pattern: &Pattern, scope: &Scope) -> String {
    show_pattern(pattern, scope, false)
}

/// A pattern over reason codes: numbers in hex.
pub fn code_pattern(pattern: &Pattern, scope: &Scope) -> String {
    show_pattern(pattern, scope, true)
}

fn show_pattern(pattern: &Pattern, scope: &Scope, codes: bool) -> String {
    let list = |items: &[Pattern], between: &str| {
        let items: Vec<String> = items.iter().map(|p| show_pattern(p, scope, codes)).collect();
        items.join(between)
    };
    match pattern {
        Pattern::Is(expr) => show_expr(expr, scope, codes),
        Pattern::Not(inner) => format!("not {}", show_pattern(inner, scope, codes)),
        Pattern::OneOf(items) => list(items, " or "),
        Pattern::Range(from, to) => {
            let end = |end: &Option<u64>| end.map(|n| number(n, codes)).unwrap_or_default();
            format!("{}..{}", end(from), end(to))
        }
        Pattern::Any => "any".to_owned(),
        Pattern::Absent => "absent".to_owned(),
        Pattern::List(items) => format!("[{}]", list(items, ", ")),
        Pattern::Map(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(n, p)| format!("{n}: {}", show_pattern(p, scope, codes)))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}

fn show_expr(expr: &Expr, scope: &Scope, codes: bool) -> String {
    match expr {
        Expr::Bool(b) => b.to_string(),
        Expr::Int(n) => number(*n, codes),
        Expr::Text(text) => match text.text(scope) {
            Ok(text) => show_text(&text),
            Err(_) => template_text(text, scope),
        },
        Expr::Hex(template) => format!("{{ hex: '{}' }}", bytes(template, scope)),
        Expr::Var { var, plus } => match super::eval::var_value(var, *plus, scope) {
            Ok(Value::Int(n)) => number(n, codes),
            Ok(found) => value(&found),
            Err(_) if *plus == 0 => format!("${}", var.0),
            Err(_) if *plus < 0 => format!("${} - {}", var.0, plus.unsigned_abs()),
            Err(_) => format!("${} + {plus}", var.0),
        },
        Expr::Fill { len, byte } => format!("{{ size: {len}, fill: {} }}", show_byte(*byte)),
        Expr::Padded { start, len, byte } => {
            format!(
                "{{ start: {}, size: {len}, fill: {} }}",
                template_text(start, scope),
                show_byte(*byte)
            )
        }
        Expr::Absent => "absent".to_owned(),
        Expr::List(items) => {
            let items: Vec<String> = items.iter().map(|e| show_expr(e, scope, codes)).collect();
            format!("[{}]", items.join(", "))
        }
        Expr::Map(parts) => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(n, e)| format!("{n}: {}", show_expr(e, scope, codes)))
                .collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}

fn show_byte(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        char::from(byte).to_string()
    } else {
        format!("'0x{byte:02x}'")
    }
}

fn number(n: u64, code: bool) -> String {
    if code { format!("0x{n:02x}") } else { n.to_string() }
}

fn template_text(text: &TextTemplate, scope: &Scope) -> String {
    text.0
        .iter()
        .map(|part| match part {
            TextPart::Plain(text) => text.clone(),
            TextPart::Var(var) => var_text(var, scope),
        })
        .collect()
}

fn var_text(var: &Var, scope: &Scope) -> String {
    match scope.get(var) {
        Ok(Value::Text(text)) => text.as_str().map_or_else(|| text.to_string(), str::to_owned),
        Ok(value) => value.to_string(),
        Err(_) => format!("${}", var.0),
    }
}

/// Text without quotes where YAML would read it back as itself.
fn show_text(text: &Text) -> String {
    let plain = |s: &&str| {
        let mut chars = s.chars();
        chars
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric() || c == '$' || c == '/')
            && chars.all(|c| c.is_ascii_alphanumeric() || "$/._-+".contains(c))
            && !matches!(*s, "any" | "absent" | "true" | "false" | "null")
    };
    match text.as_str().filter(plain) {
        Some(plain) => plain.to_owned(),
        None => text.to_string(),
    }
}

/// A value as it is named in a mismatch.
pub fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => show_text(text),
        Value::Payload(payload) => match payload.bytes() {
            Some(bytes) => show_text(&bytes.clone().into()),
            None => payload.to_string(),
        },
        other => other.to_string(),
    }
}

/// Reason or return codes as they are named in a mismatch: in hex, each with the name that it has in this packet.
pub fn named_codes(value: &Value, packet_type: PacketType, version: Version) -> String {
    let name = |code: &u64| match u8::try_from(*code) {
        Ok(code) => reason_text(code, packet_type, version),
        Err(_) => code.to_string(),
    };
    match value {
        Value::Int(code) => name(code),
        Value::Ints(codes) => format!("[{}]", codes.iter().map(name).collect::<Vec<_>>().join(", ")),
        other => self::value(other),
    }
}

/// A template in the bytes notation.
pub fn bytes(template: &ByteTemplate, scope: &Scope) -> String {
    let parts: Vec<String> = template
        .0
        .iter()
        .map(|part| match part {
            BytePart::Bytes(bytes) => hex(bytes),
            BytePart::Text(text) => format!("\"{}\"", template_text(text, scope)),
            BytePart::String(text) => format!("s\"{}\"", template_text(text, scope)),
            BytePart::Id(var) => match scope.get(var) {
                Ok(Value::Int(n)) if n <= 0xffff => hex(&(n as u16).to_be_bytes()),
                _ => format!("${}", var.0),
            },
            BytePart::Login => "$login".to_owned(),
            BytePart::LoginFlags(flags) => format!("{flags:02x}|$login"),
            BytePart::AnyByte => "..".to_owned(),
            BytePart::Rest => "...".to_owned(),
        })
        .collect();
    parts.join(" ")
}

/// `00 0a ff`; long ones are cut in the middle.
pub fn hex(bytes: &[u8]) -> String {
    let pairs = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    if bytes.len() > 96 {
        let tail = &bytes[bytes.len() - 16..];
        return format!("{} … {} ({} bytes)", pairs(&bytes[..64]), pairs(tail), bytes.len());
    }
    pairs(bytes)
}
