//! Patterns against what came: is this the packet that a step waits for, and which fields differ?
//!
//! Nothing here changes a [`Scope`] unless the whole packet matches.

use std::ops::Range;

use super::scope::Scope;
use super::{BytePart, ByteTemplate, Expr, PacketPattern, Pattern};
use super::{fields, print};
use crate::wire::{Decoded, FieldSpec, Packet, PacketType, Payload, Text, Value, Version, field, reason_is_success};

/// The fields that hold reason or return codes.
const CODES: [&str; 4] = ["reason_code", "reason_codes", "return_code", "return_codes"];

/// A field that is not what the script names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub field: String,
    pub expected: String,
    pub found: String,
    /// The field's bytes in the packet.
    pub span: Option<Range<usize>>,
}

impl PacketPattern {
    /// Whether the packet has the key that this pattern looks for: the type; for acknowledgements the packet identifier
    /// too, for PUBLISH the topic, if the script names it. `topic` is the topic after a Topic Alias is resolved.
    pub fn key_matches(&self, packet: &Packet, topic: Option<&Text>, version: Version, scope: &Scope) -> bool {
        use PacketType::*;
        if packet.packet_type() != self.packet_type {
            return false;
        }
        let (name, found) = match self.packet_type {
            PubAck | PubRec | PubRel | PubComp | SubAck | UnsubAck => {
                ("packet_id", field(packet, version, "packet_id"))
            }
            Publish => ("topic", resolved_topic(packet, topic)),
            _ => return true,
        };
        self.fields
            .iter()
            .filter(|f| f.name == name)
            .all(|f| f.pattern.meets(found.as_ref(), None, &mut scope.clone()))
    }

    /// Compares every field that the script names, and the success of a reason code that it does not name. If all
    /// hold, variables that had no value are bound to what came; else `scope` stays as it was.
    ///
    /// # Errors
    /// Every field that differs.
    pub fn matches(
        &self,
        decoded: &Decoded,
        topic: Option<&Text>,
        version: Version,
        scope: &mut Scope,
    ) -> Result<(), Vec<Mismatch>> {
        let Some(packet) = decoded.packet.as_ref().filter(|p| p.packet_type() == self.packet_type) else {
            let found = match (&decoded.packet, decoded.packet_type) {
                (Some(packet), _) => packet.packet_type().to_string(),
                (None, Some(packet_type)) => format!("a {packet_type} that does not decode"),
                (None, None) => "bytes that are not a packet".to_owned(),
            };
            return Err(vec![Mismatch {
                field: "packet".to_owned(),
                expected: self.packet_type.to_string(),
                found,
                span: Some(0..1),
            }]);
        };
        let mut trial = scope.clone();
        let mut mismatches = Vec::new();
        for wanted in &self.fields {
            let name = wanted.name.as_str();
            let (wire_name, found) = match name {
                "topic" => ("topic", resolved_topic(packet, topic)),
                "wire_topic" => ("topic", field(packet, version, "topic")),
                _ => (name, field(packet, version, name)),
            };
            let span = span_of(decoded, wire_name);
            let spec = fields::named(self.packet_type, version, wire_name);
            let holds = match &wanted.pattern {
                Pattern::Absent => is_absent(found.as_ref(), span.as_ref(), wire_name),
                pattern => pattern.meets(found.as_ref(), spec, &mut trial),
            };
            if !holds {
                let is_code = CODES.contains(&wire_name);
                let shown = |value: &Value| {
                    if is_code {
                        print::named_codes(value, self.packet_type, version)
                    } else {
                        print::value(value)
                    }
                };
                mismatches.push(Mismatch {
                    field: name.to_owned(),
                    expected: if is_code {
                        print::code_pattern(&wanted.pattern, scope)
                    } else {
                        print::pattern(&wanted.pattern, scope)
                    },
                    found: found.as_ref().map_or_else(|| "absent".to_owned(), shown),
                    span,
                });
            }
        }
        mismatches.extend(self.unnamed_code(packet, decoded, version));
        if mismatches.is_empty() {
            *scope = trial;
            Ok(())
        } else {
            Err(mismatches)
        }
    }

    /// An unnamed reason code means success: below 0x80 in 5.0; in 3.x CONNACK 0 and SUBACK not 0x80.
    fn unnamed_code(&self, packet: &Packet, decoded: &Decoded, version: Version) -> Option<Mismatch> {
        let v5 = version == Version::V5;
        let (names, codes, expected) = match packet {
            Packet::SubAck(p) => (
                ["reason_codes", "return_codes"],
                p.reason_codes.clone(),
                "success (none 0x80 or above)",
            ),
            Packet::UnsubAck(p) => (
                ["reason_codes", "return_codes"],
                p.reason_codes.clone(),
                "success (each below 0x80)",
            ),
            packet => (
                ["reason_code", "return_code"],
                vec![packet.reason_code()?],
                if v5 { "success (below 0x80)" } else { "success (0)" },
            ),
        };
        let is_named = self.fields.iter().any(|f| names.contains(&f.name.as_str()));
        let success = |code: &u8| reason_is_success(*code, packet.packet_type(), version);
        if is_named || codes.iter().all(success) {
            return None;
        }
        let value = match codes.as_slice() {
            [code] if names[0] == "reason_code" => Value::Int(u64::from(*code)),
            codes => Value::Ints(codes.iter().map(|c| u64::from(*c)).collect()),
        };
        let found = print::named_codes(&value, packet.packet_type(), version);
        Some(Mismatch {
            field: names[usize::from(!v5)].to_owned(),
            expected: expected.to_owned(),
            found,
            span: span_of(decoded, names[0]),
        })
    }
}

/// The bytes of a field: of all its elements if it has several.
fn span_of(decoded: &Decoded, name: &str) -> Option<Range<usize>> {
    // DUP, QoS and RETAIN are bits of the first byte.
    if matches!(name, "dup" | "qos" | "retain") {
        return Some(0..1);
    }
    let names = match name {
        "reason_code" | "return_code" => ["reason_code", "return_code"],
        "reason_codes" | "return_codes" => ["reason_codes", "return_codes"],
        name => [name, name],
    };
    decoded
        .fields
        .iter()
        .filter(|f| names.contains(&&*f.name))
        .map(|f| f.span.clone())
        .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
}

/// The topic after an alias is resolved; the one on the wire if the caller knows no better.
fn resolved_topic(packet: &Packet, topic: Option<&Text>) -> Option<Value> {
    match (packet, topic) {
        (Packet::Publish(_), Some(topic)) => Some(Value::Text(topic.clone())),
        (Packet::Publish(p), None) => Some(Value::Text(p.topic.clone())),
        _ => None,
    }
}

/// Whether the field is not on the wire. A reason code that a short form leaves out has a value, but no bytes.
fn is_absent(found: Option<&Value>, span: Option<&Range<usize>>, name: &str) -> bool {
    match found {
        None => true,
        Some(_) => matches!(name, "reason_code" | "return_code") && span.is_none_or(|s| s.is_empty()),
    }
}

impl Pattern {
    /// Whether a reason code is one that the pattern permits.
    pub fn permits_code(&self, code: u8, scope: &Scope) -> bool {
        self.meets(Some(&Value::Int(code.into())), None, &mut scope.clone())
    }

    /// Whether a value meets the pattern; binds variables in `scope` if it does. `spec` says what absence stands
    /// for.
    fn meets(&self, found: Option<&Value>, spec: Option<&FieldSpec>, scope: &mut Scope) -> bool {
        let stand_in = match (found, spec) {
            (None, Some(spec)) => absent_value(spec),
            _ => None,
        };
        let Some(value) = found.or(stand_in.as_ref()) else {
            return match self {
                Pattern::Any | Pattern::Absent => true,
                Pattern::Not(inner) => !inner.meets(None, spec, &mut scope.clone()),
                Pattern::OneOf(items) => items.iter().any(|one| one.meets(None, spec, scope)),
                _ => false,
            };
        };
        match self {
            Pattern::Any => true,
            Pattern::Absent => found.is_none(),
            // What is inside a `not` is compared only: it binds nothing.
            Pattern::Not(inner) => !inner.meets(Some(value), spec, &mut scope.clone()),
            Pattern::OneOf(items) => items.iter().any(|one| {
                let mut trial = scope.clone();
                let holds = one.meets(found, spec, &mut trial);
                if holds {
                    *scope = trial;
                }
                holds
            }),
            Pattern::Range(from, to) => {
                number_of(value).is_some_and(|n| from.is_none_or(|from| n >= from) && to.is_none_or(|to| n <= to))
            }
            Pattern::Is(expr) => is_equal(expr, value, spec, scope),
            Pattern::List(patterns) => meets_list(patterns, value, spec, scope),
            Pattern::Map(parts) => match value {
                Value::Map(fields) => parts.iter().all(|(name, pattern)| {
                    let part = fields.iter().find(|(n, _)| n == name).map(|(_, v)| v);
                    pattern.meets(part, None, scope)
                }),
                _ => false,
            },
        }
    }
}

/// What the absence of a field stands for: the standard's default, no user properties, no subscription identifiers.
fn absent_value(spec: &FieldSpec) -> Option<Value> {
    use crate::wire::Kind;
    match (&spec.kind, spec.default) {
        (Kind::Pairs, _) => Some(Value::Pairs(Vec::new())),
        (Kind::Numbers { .. }, _) => Some(Value::Ints(Vec::new())),
        (_, Some(default)) => Some(Value::Int(default)),
        _ => None,
    }
}

/// A number, or text that is one in decimal.
fn number_of(value: &Value) -> Option<u64> {
    let text = match value {
        Value::Int(n) => return Some(*n),
        Value::Text(text) => text.as_bytes(),
        Value::Binary(bytes) => bytes,
        Value::Payload(payload) => payload.bytes()?,
        _ => return None,
    };
    let digits = std::str::from_utf8(text).ok()?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn is_equal(expr: &Expr, found: &Value, spec: Option<&FieldSpec>, scope: &mut Scope) -> bool {
    if let Expr::Var { var, plus: 0 } = expr {
        if !var.0.contains('.') && !scope.is_bound(var) {
            scope.bind(&var.0, found.clone());
            return true;
        }
        if scope.get(var).is_ok_and(|value| value == *found) {
            return true;
        }
    }
    match found {
        Value::Bool(b) => expr.boolean(scope).is_ok_and(|wanted| wanted == *b),
        Value::Int(n) => expr.number(u64::MAX, scope).is_ok_and(|wanted| wanted == *n),
        Value::Text(text) => expr.data(scope).is_ok_and(|wanted| wanted == text.as_bytes()),
        Value::Binary(bytes) => expr.data(scope).is_ok_and(|wanted| wanted == *bytes),
        Value::Payload(payload) => expr.payload(scope).is_ok_and(|wanted: Payload| wanted == *payload),
        Value::Ints(_) | Value::Texts(_) | Value::List(_) => {
            let patterns: Vec<Pattern> = expr.list().iter().cloned().map(Pattern::Is).collect();
            meets_list(&patterns, found, spec, scope)
        }
        Value::Pairs(pairs) => {
            let wanted: Result<Vec<_>, _> = expr.list().iter().map(|one| one.pair(scope)).collect();
            wanted.is_ok_and(|wanted| wanted == *pairs)
        }
        Value::Map(_) => match expr {
            Expr::Map(parts) => {
                let parts = parts.iter().map(|(n, e)| (n.clone(), Pattern::Is(e.clone()))).collect();
                Pattern::Map(parts).meets(Some(found), spec, scope)
            }
            _ => false,
        },
    }
}

/// Element by element, except subscription identifiers, which have no order (5.0, section 3.3.4).
fn meets_list(patterns: &[Pattern], found: &Value, spec: Option<&FieldSpec>, scope: &mut Scope) -> bool {
    let items: Vec<Value> = match found {
        Value::Ints(numbers) => numbers.iter().map(|n| Value::Int(*n)).collect(),
        Value::Texts(texts) => texts.iter().cloned().map(Value::Text).collect(),
        Value::Pairs(pairs) => pairs
            .iter()
            .map(|(name, value)| Value::Texts(vec![name.clone(), value.clone()]))
            .collect(),
        Value::List(items) => items.clone(),
        _ => return false,
    };
    if items.len() != patterns.len() {
        return false;
    }
    if spec.is_some_and(|s| s.name == "subscription_ids") {
        return in_some_order(patterns, &items, scope);
    }
    patterns
        .iter()
        .zip(&items)
        .all(|(p, item)| p.meets(Some(item), None, scope))
}

/// Whether the items, in some order, meet the patterns. Tries what is left for each pattern in turn; the lists are
/// short.
fn in_some_order(patterns: &[Pattern], items: &[Value], scope: &mut Scope) -> bool {
    let Some((first, rest)) = patterns.split_first() else {
        return true;
    };
    for (i, item) in items.iter().enumerate() {
        let mut trial = scope.clone();
        if !first.meets(Some(item), None, &mut trial) {
            continue;
        }
        let mut left = items.to_vec();
        left.remove(i);
        if in_some_order(rest, &left, &mut trial) {
            *scope = trial;
            return true;
        }
        // Equal items fail alike, and a constant pattern that met this one meets no other value.
        if matches!(first, Pattern::Is(Expr::Int(_))) {
            return false;
        }
    }
    false
}

impl ByteTemplate {
    /// Compares one whole packet with the template: `..` is any byte, `...` the rest, a variable without a value is
    /// bound to the two bytes that are in its place. `scope` is changed only if all of it matches.
    ///
    /// # Errors
    /// The first place that differs.
    pub fn matches(&self, raw: &[u8], scope: &mut Scope) -> Result<(), Mismatch> {
        let mut trial = scope.clone();
        let mut at = 0;
        for part in &self.0 {
            match self.part_matches(part, raw, at, &mut trial) {
                Ok(end) => at = end,
                Err(span) => return Err(self.mismatch(raw, span, scope)),
            }
        }
        if at < raw.len() {
            return Err(self.mismatch(raw, at..raw.len(), scope));
        }
        *scope = trial;
        Ok(())
    }

    /// The end of the part in the bytes, or the bytes that are not it.
    fn part_matches(&self, part: &BytePart, raw: &[u8], at: usize, scope: &mut Scope) -> Result<usize, Range<usize>> {
        let wanted = match part {
            BytePart::Rest => return Ok(raw.len()),
            BytePart::AnyByte if at < raw.len() => return Ok(at + 1),
            BytePart::AnyByte => return Err(at..at),
            BytePart::Id(var) if !scope.is_bound(var) => {
                let Some(&[high, low]) = raw.get(at..at + 2) else {
                    return Err(at..raw.len());
                };
                scope.bind(&var.0, Value::Int(u16::from_be_bytes([high, low]).into()));
                return Ok(at + 2);
            }
            part => {
                let mut bytes = Vec::new();
                if super::eval::append(&mut bytes, part, scope).is_err() {
                    return Err(at..raw.len());
                }
                bytes
            }
        };
        for (i, byte) in wanted.iter().enumerate() {
            if raw.get(at + i) != Some(byte) {
                return Err(at + i..(at + i + 1).min(raw.len()).max(at + i));
            }
        }
        Ok(at + wanted.len())
    }

    fn mismatch(&self, raw: &[u8], span: Range<usize>, scope: &Scope) -> Mismatch {
        Mismatch {
            field: "bytes".to_owned(),
            expected: print::bytes(self, scope),
            found: print::hex(raw),
            span: Some(span),
        }
    }
}
