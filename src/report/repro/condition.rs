//! What a scenario expects of a packet as a condition in Python on `p`, the bytes of that packet.

use super::exchange::Exchange;
use super::obstacle::Obstacle;
use super::pieces::Pieces;
use crate::scenario::{BytePart, ByteTemplate, Expr, PacketPattern, Pattern, TextPart, TextTemplate, Var};
use crate::transcript::Transcript;
use crate::wire::{FieldSpec, Kind, PacketType, Version, field_named};

/// What an expectation is compiled with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    pub transcript: &'c Transcript,
    pub exchange: &'c Exchange,
    pub version: Version,
}

/// A value that is compared.
struct Subject {
    python: String,
    kind: Kind,
    name: String,
}

fn no_form<T>(what: impl Into<String>) -> Result<T, Obstacle> {
    Err(Obstacle::Expectation(what.into()))
}

impl Context<'_> {
    /// The conditions on a packet of the pattern's type, joined by `and`; empty if there are none.
    pub fn packet(&self, pattern: &PacketPattern) -> Result<String, Obstacle> {
        let kind = pattern.packet_type;
        let mut conditions = Vec::new();
        for field in &pattern.fields {
            conditions.extend(self.field(kind, &field.name, &field.pattern)?);
        }
        let names = ["reason_code", "reason_codes", "return_code", "return_codes"];
        if !pattern.fields.iter().any(|field| names.contains(&field.name.as_str())) {
            conditions.extend(self.success(kind));
        }
        Ok(conditions.join(" and "))
    }

    /// The bytes of a topic or packet identifier that a pattern names; `None` if it names none.
    pub fn literal(&self, pattern: &Pattern, kind: PacketType) -> Option<Pieces> {
        let Pattern::Is(expr) = pattern else { return None };
        match expr {
            Expr::Text(text) if kind == PacketType::Publish => {
                let topic = self.text(text).ok()?.bytes(self.transcript.namespace.as_bytes())?;
                Some(Pieces::string(&topic, self.transcript.namespace.as_bytes()))
            }
            Expr::Int(id) => Some(Pieces::of(&u16::try_from(*id).ok()?.to_be_bytes(), b"", None)),
            _ => None,
        }
    }

    /// An unnamed reason code means success.
    fn success(&self, kind: PacketType) -> Option<String> {
        use PacketType::{Auth, ConnAck, Disconnect, PubAck, PubComp, PubRec, PubRel, SubAck, UnsubAck};
        let v5 = self.version == Version::V5;
        match kind {
            ConnAck if !v5 => Some(format!("{} == 0", code(kind))),
            ConnAck | PubAck | PubRec | PubRel | PubComp | Disconnect | Auth if v5 => {
                Some(format!("{} < 128", code(kind)))
            }
            SubAck => Some(format!("all(code < 128 for code in {})", self.codes())),
            UnsubAck if v5 => Some(format!("all(code < 128 for code in {})", self.codes())),
            _ => None,
        }
    }

    fn codes(&self) -> &'static str {
        match self.version {
            Version::V5 => "after(body(p), 2)",
            Version::V3_1 | Version::V3_1_1 => "body(p)[2:]",
        }
    }

    fn field(&self, kind: PacketType, name: &str, pattern: &Pattern) -> Result<Option<String>, Obstacle> {
        let known = match name {
            "wire_topic" => "topic",
            other => other,
        };
        let Some(spec) = field_named(kind, self.version, known) else {
            return no_form(format!("{kind} has no field {name}"));
        };
        let subject = self.subject(kind, known, &spec)?;
        if name == "packet_id"
            && let Pattern::Is(Expr::Var { var, plus: 0 }) = pattern
            && !self.is_bound(var)
        {
            return Ok(None);
        }
        self.condition(&subject, pattern)
            .map(|condition| Some(condition).filter(|c| c != "True"))
    }

    /// The field in Python: a number, bytes, or a list; `None` if an optional property is absent.
    fn subject(&self, kind: PacketType, name: &str, spec: &FieldSpec) -> Result<Subject, Obstacle> {
        use PacketType::{Auth, ConnAck, Disconnect, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, UnsubAck};
        let subject = |python: String, kind: Kind| Subject {
            python,
            kind,
            name: name.to_owned(),
        };
        let number = |python: &str| Ok(subject(python.to_owned(), Kind::Number { max: u64::MAX }));
        if let Some(id) = spec.property {
            let block = match kind {
                Publish => "publish(p)[2]",
                ConnAck | SubAck | UnsubAck => "body(p)[2:]",
                PubAck | PubRec | PubRel | PubComp => "body(p)[3:]",
                Disconnect | Auth => "body(p)[1:]",
                _ => return no_form(format!("the properties of {kind}")),
            };
            let python = match (&spec.kind, spec.default) {
                (Kind::Pairs | Kind::Numbers { .. }, _) => format!("properties({block}).get({id}, [])"),
                (_, Some(default)) => format!("properties({block}).get({id}, [{default}])[0]"),
                (_, None) => format!("properties({block}).get({id}, [None])[0]"),
            };
            return Ok(subject(python, spec.kind.clone()));
        }
        match (kind, name) {
            (ConnAck, "session_present") => number("(body(p)[0] & 1)"),
            (ConnAck | PubAck | PubRec | PubRel | PubComp | Disconnect | Auth, "reason_code" | "return_code") => {
                number(code(kind))
            }
            (SubAck | UnsubAck, "reason_codes" | "return_codes") => {
                Ok(subject(format!("list({})", self.codes()), Kind::Numbers { max: 255 }))
            }
            (Publish, "dup") => number("(p[0] >> 3 & 1)"),
            (Publish, "qos") => number("(p[0] >> 1 & 3)"),
            (Publish, "retain") => number("(p[0] & 1)"),
            (Publish, "topic") => Ok(subject("publish(p)[0]".to_owned(), Kind::Text)),
            (Publish, "packet_id") => number("publish(p)[1]"),
            (Publish, "payload") => Ok(subject("publish(p)[3]".to_owned(), Kind::Binary)),
            (_, "packet_id") => number("int.from_bytes(body(p)[:2], \"big\")"),
            _ => no_form(format!("the field {name} of {kind}")),
        }
    }

    fn condition(&self, subject: &Subject, pattern: &Pattern) -> Result<String, Obstacle> {
        let value = &subject.python;
        Ok(match pattern {
            Pattern::Any => "True".to_owned(),
            Pattern::Absent if matches!(subject.kind, Kind::Pairs | Kind::Numbers { .. }) => format!("not {value}"),
            Pattern::Absent if value.starts_with("properties") => format!("{value} is None"),
            Pattern::Absent => return no_form(format!("the absence of {}", subject.name)),
            Pattern::Not(inner) => format!("not ({})", self.condition(subject, inner)?),
            Pattern::OneOf(patterns) => {
                let all: Result<Vec<_>, _> = patterns.iter().map(|one| self.condition(subject, one)).collect();
                format!("({})", all?.join(" or "))
            }
            Pattern::Range(from, to) => match (from, to, &subject.kind) {
                (_, _, Kind::Text | Kind::Binary | Kind::Payload) => {
                    return no_form(format!("a range of {}", subject.name));
                }
                (Some(from), Some(to), _) => format!("{from} <= ({value} or 0) <= {to}"),
                (Some(from), None, _) => format!("{from} <= ({value} or 0)"),
                (None, Some(to), _) => format!("({value} or 0) <= {to}"),
                (None, None, _) => "True".to_owned(),
            },
            Pattern::Is(Expr::List(items)) => {
                let items: Vec<Pattern> = items.iter().cloned().map(Pattern::Is).collect();
                self.list(subject, &items)?
            }
            Pattern::Is(expr) => format!("{value} == {}", self.value(subject, expr)?),
            Pattern::List(patterns) => self.list(subject, patterns)?,
            Pattern::Map(_) => return no_form(format!("the parts of {}", subject.name)),
        })
    }

    fn list(&self, subject: &Subject, patterns: &[Pattern]) -> Result<String, Obstacle> {
        let value = &subject.python;
        let plain: Option<Vec<&Expr>> = patterns
            .iter()
            .map(|pattern| match pattern {
                Pattern::Is(expr) => Some(expr),
                _ => None,
            })
            .collect();
        if let Some(plain) = plain {
            let values: Result<Vec<_>, _> = plain.iter().map(|expr| self.value(subject, expr)).collect();
            let values = values?.join(", ");
            // Identifiers of subscriptions have no order (5.0, section 3.3.4).
            return Ok(if subject.name == "subscription_ids" {
                format!("sorted({value}) == sorted([{values}])")
            } else {
                format!("{value} == [{values}]")
            });
        }
        let mut all = vec![format!("len({value}) == {}", patterns.len())];
        for (at, pattern) in patterns.iter().enumerate() {
            let item = Subject {
                python: format!("{value}[{at}]"),
                kind: Kind::Number { max: u64::MAX },
                name: subject.name.clone(),
            };
            all.push(self.condition(&item, pattern)?);
        }
        Ok(all.join(" and "))
    }

    /// A value in Python.
    fn value(&self, subject: &Subject, expr: &Expr) -> Result<String, Obstacle> {
        let is_bytes = matches!(subject.kind, Kind::Text | Kind::Binary | Kind::Payload);
        Ok(match expr {
            Expr::Bool(flag) => u8::from(*flag).to_string(),
            Expr::Int(number) if is_bytes => bytes(&Pieces::of(number.to_string().as_bytes(), b"", None)),
            Expr::Int(number) => number.to_string(),
            Expr::Text(text) => bytes(&self.text(text)?),
            Expr::Hex(template) => bytes(&self.template(template)?),
            Expr::Fill { len, byte } => format!("b\"\\x{byte:02x}\" * {len}"),
            Expr::Var { var, plus } => match self.exchange.ids.get(&var.0) {
                Some(variable) if !is_bytes && *plus == 0 => format!("m{variable}"),
                Some(variable) if !is_bytes => format!("m{variable} + {plus}"),
                _ => {
                    let bound = self.bound(var)?;
                    match bound.parse::<i64>() {
                        Ok(number) if !is_bytes => (number + plus).to_string(),
                        _ => bytes(&Pieces::of(
                            bound.as_bytes(),
                            self.transcript.namespace.as_bytes(),
                            None,
                        )),
                    }
                }
            },
            Expr::List(items) if subject.kind == Kind::Pairs => {
                let text = Subject {
                    python: String::new(),
                    kind: Kind::Text,
                    name: subject.name.clone(),
                };
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.value(&text, item)).collect();
                format!("({})", items?.join(", "))
            }
            Expr::Padded { .. } | Expr::Absent | Expr::List(_) | Expr::Map(_) => {
                return no_form(format!("the value of {}", subject.name));
            }
        })
    }

    fn is_bound(&self, var: &Var) -> bool {
        self.exchange.ids.contains_key(&var.0) || self.bound(var).is_ok()
    }

    /// What a variable has been bound to, as text.
    fn bound(&self, var: &Var) -> Result<String, Obstacle> {
        if var.0 == "ns" {
            return Ok(self.transcript.namespace.clone());
        }
        let bound = self.transcript.bindings.iter().rev().find(|(name, _)| *name == var.0);
        match bound {
            Some((_, value)) => Ok(value.clone()),
            None => no_form(format!("the variable ${}", var.0)),
        }
    }

    fn text(&self, text: &TextTemplate) -> Result<Pieces, Obstacle> {
        let mut whole = Vec::new();
        for part in &text.0 {
            match part {
                TextPart::Plain(text) => whole.extend_from_slice(text.as_bytes()),
                TextPart::Var(var) => whole.extend_from_slice(self.bound(var)?.as_bytes()),
            }
        }
        Ok(Pieces::of(&whole, self.transcript.namespace.as_bytes(), None))
    }

    fn template(&self, template: &ByteTemplate) -> Result<Pieces, Obstacle> {
        let mut pieces = Pieces::default();
        for part in &template.0 {
            pieces.append(match part {
                BytePart::Bytes(bytes) => Pieces::of(bytes, b"", None),
                BytePart::Text(text) => self.text(text)?,
                _ => return no_form("bytes with variables"),
            });
        }
        Ok(pieces)
    }

    /// A whole packet that is given byte by byte, as a condition on its hexadecimal digits.
    pub fn bytes(&self, template: &ByteTemplate) -> Result<String, Obstacle> {
        let mut pattern = String::new();
        for part in &template.0 {
            match part {
                BytePart::Bytes(bytes) => pattern.push_str(&hex::encode(bytes)),
                BytePart::Text(text) => pattern.push_str(&digits(&self.text(text)?)),
                BytePart::AnyByte => pattern.push_str(".."),
                BytePart::Rest => pattern.push_str(".*"),
                _ => return no_form("bytes with variables"),
            }
        }
        Ok(format!("re.fullmatch(f\"{pattern}\", p.hex())"))
    }
}

/// The reason code of a packet, which the short form of 5.0 leaves out.
fn code(kind: PacketType) -> &'static str {
    match kind {
        PacketType::ConnAck => "body(p)[1]",
        PacketType::Disconnect | PacketType::Auth => "(body(p) + b\"\\0\")[0]",
        _ => "(body(p) + b\"\\0\")[2]",
    }
}

fn digits(pieces: &Pieces) -> String {
    pieces.python().trim_start_matches('f').trim_matches('"').to_owned()
}

/// Bytes in Python: as text if they are.
fn bytes(pieces: &Pieces) -> String {
    let plain = pieces.bytes(b"").filter(|_| !pieces.python().starts_with('f'));
    match plain.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text)
            if text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\' || b == b' ') =>
        {
            format!("b\"{text}\"")
        }
        _ => format!("bytes.fromhex({})", pieces.python()),
    }
}
