//! Nodes → expressions and patterns, by the kind of their field.

use super::cx::Cx;
use crate::scenario::bytes::{self, Use};
use crate::scenario::text::{self, Dollar};
use crate::scenario::{ByteTemplate, Expr, Pattern, TextPart, TextTemplate, Var, Within};
use crate::source::{Node, number, parse_duration, quoted};
use crate::wire::Kind;

/// The longest string or binary field, in bytes (3.1.1, section 1.5.3).
const STRING_MAX: u64 = 65_535;
/// The longest payload: what remains of the largest packet (3.1.1, section 2.2.3).
const PAYLOAD_MAX: u64 = crate::wire::VARIABLE_MAX as u64;

impl Cx<'_> {
    /// `3s..15s`, `15s` or `3s..`
    pub fn within(&mut self, node: &Node) -> Option<Within> {
        let parts = node.text().and_then(|text| match text.split_once("..") {
            None => Some(Within {
                from: None,
                to: Some(parse_duration(text).ok()?),
            }),
            Some((from, "")) => Some(Within {
                from: Some(parse_duration(from).ok()?),
                to: None,
            }),
            Some((from, to)) => Some(Within {
                from: Some(parse_duration(from).ok()?),
                to: Some(parse_duration(to).ok()?),
            }),
        });
        match parts {
            Some(Within {
                from: Some(from),
                to: Some(to),
            }) if from > to => {
                self.error(&node.place, "the end of this span is before its start");
                None
            }
            None => {
                let shown = node.text().map_or(node.kind().to_owned(), quoted);
                self.error(
                    &node.place,
                    format!("`within` is a span of time such as `3s..15s` or `15s`, not {shown}"),
                );
                None
            }
            found => found,
        }
    }

    /// Bytes in the notation of the language.
    pub fn bytes(&mut self, node: &Node, what: &str, used: Use) -> Option<ByteTemplate> {
        let text = self.text(node, what)?;
        match bytes::parse(text, used) {
            Ok(template) => Some(template),
            Err(error) => {
                self.text_error(node, error);
                None
            }
        }
    }

    /// Text with variables.
    pub fn template(&mut self, node: &Node, what: &str) -> Option<TextTemplate> {
        let Some(written) = node.text().filter(|t| !(node.is_plain() && t.is_empty())) else {
            self.error_help(
                &node.place,
                format!("{what} is text, not {}", node.kind()),
                "empty text is written ''",
            );
            return None;
        };
        match text::parse(written) {
            Ok(template) => Some(template),
            Err(error) => {
                self.text_error(node, error);
                None
            }
        }
    }

    /// The value of a field that is sent.
    pub fn expr(&mut self, node: &Node, name: &str, kind: &Kind) -> Option<Expr> {
        let what = format!("`{name}`");
        match kind {
            Kind::Bool => match node.text().and_then(lone_var) {
                Some(var) => Some(Expr::Var { var, plus: 0 }),
                None => self.boolean(node, &what).map(Expr::Bool),
            },
            Kind::Number { max } => self.number_expr(node, &what, *max),
            Kind::Text | Kind::Binary => self.data(node, &what, STRING_MAX),
            Kind::Payload => self.data(node, &what, PAYLOAD_MAX),
            Kind::Numbers { max } => match node.list() {
                Some(items) => self
                    .each(items, |cx, item| cx.number_expr(item, &what, *max))
                    .map(Expr::List),
                None => self.number_expr(node, &what, *max).map(|one| Expr::List(vec![one])),
            },
            Kind::Texts => {
                let items = self.list(node, &what)?;
                self.each(items, |cx, item| cx.data(item, &what, STRING_MAX))
                    .map(Expr::List)
            }
            Kind::Pairs => {
                let pairs = self.pairs(node, &what)?;
                let pair = |cx: &mut Self, (k, v): &(&Node, &Node)| {
                    let (k, v) = (cx.data(k, &what, STRING_MAX), cx.data(v, &what, STRING_MAX));
                    Some(Expr::List(vec![k?, v?]))
                };
                self.each(&pairs, pair).map(Expr::List)
            }
            Kind::Map(fields) => self.group(node, &what, fields, &[]).map(Expr::Map),
            Kind::List(fields) => self.filters(node, fields).map(Expr::List),
        }
    }

    /// Every item, or `None` if one is wrong; all errors are reported.
    pub fn each<T, U>(&mut self, items: &[T], mut one: impl FnMut(&mut Self, &T) -> Option<U>) -> Option<Vec<U>> {
        let found: Vec<Option<U>> = items.iter().map(|item| one(self, item)).collect();
        found.into_iter().collect()
    }

    fn number_expr(&mut self, node: &Node, what: &str, max: u64) -> Option<Expr> {
        if let Some((var, plus)) = node.text().and_then(counted_var) {
            return Some(Expr::Var { var, plus });
        }
        self.number(node, what, max).map(Expr::Int)
    }

    /// Text, binary data or a payload.
    fn data(&mut self, node: &Node, what: &str, max: u64) -> Option<Expr> {
        if node.map().is_some() {
            return self.made(node, what, max);
        }
        let template = self.template(node, what)?;
        // Whoever copies it into an expectation would have written a condition.
        if let Some(text) = node.text().filter(|text| node.is_plain() && is_condition(text)) {
            self.error_help(
                &node.place,
                format!("{what} is text that is a condition in an expectation"),
                format!("quote it: \"{text}\""),
            );
            return None;
        }
        Some(match template.0.as_slice() {
            [TextPart::Var(var)] => Expr::Var {
                var: var.clone(),
                plus: 0,
            },
            _ => Expr::Text(template),
        })
    }

    /// `{ hex: ... }` or `{ size: n, fill: x, start: ... }`
    fn made(&mut self, node: &Node, what: &str, max: u64) -> Option<Expr> {
        let entries = self.map(node, what, &["hex", "size", "fill", "start"])?;
        if let [(key, value)] = entries
            && key.key() == "hex"
        {
            return self.bytes(value, "`hex`", Use::Sent).map(Expr::Hex);
        }
        let (Some(size), Some(fill)) = (node.get("size"), node.get("fill")) else {
            self.error(
                &node.place,
                format!("{what} is text, `{{ hex: \"ff fe\" }}` or `{{ size: 100, fill: x }}`"),
            );
            return None;
        };
        let len = self.number(size, "`size`", max)?;
        let byte = self.fill(fill)?;
        match node.get("start") {
            None => Some(Expr::Fill { len, byte }),
            Some(start) if len <= STRING_MAX => Some(Expr::Padded {
                start: self.template(start, "`start`")?,
                len: len as usize,
                byte,
            }),
            Some(start) => {
                self.error(&start.place, format!("with `start`, `size` is at most {STRING_MAX}"));
                None
            }
        }
    }

    /// One ASCII character, or a byte as `0xff`.
    fn fill(&mut self, node: &Node) -> Option<u8> {
        let byte = node.text().and_then(|text| match text.as_bytes() {
            [byte] if byte.is_ascii() => Some(*byte),
            _ if text.starts_with("0x") => number(text).and_then(|n| u8::try_from(n).ok()),
            _ => None,
        });
        if byte.is_none() {
            self.error(&node.place, "`fill` is one ASCII character, or a byte such as `0xff`");
        }
        byte
    }

    /// `{ name: value }` or `[[name, value], ...]`, where a name may occur twice.
    fn pairs<'n>(&mut self, node: &'n Node, what: &str) -> Option<Vec<(&'n Node, &'n Node)>> {
        if let Some(entries) = node.map() {
            return Some(entries.iter().map(|(k, v)| (k, v)).collect());
        }
        let items = node.list().unwrap_or_default();
        let pairs: Option<Vec<_>> = items
            .iter()
            .map(|item| match (item.list(), item.map()) {
                (Some([k, v]), _) => Some((k, v)),
                (_, Some([(k, v)])) => Some((k, v)),
                _ => None,
            })
            .collect();
        if pairs.is_none() || node.list().is_none() {
            self.error(
                &node.place,
                format!("{what} is a map, or a list of pairs such as `[[a, b], [a, c]]`"),
            );
            return None;
        }
        pairs
    }

    /// The value that a field of a packet may have that is waited for.
    pub fn pattern(&mut self, node: &Node, name: &str, kind: &Kind) -> Option<Pattern> {
        let what = format!("`{name}`");
        if let Some(word) = word(node) {
            return Some(word);
        }
        match kind {
            Kind::Bool => self.alternatives(node, |cx, part| match part {
                "true" => Some(Pattern::Is(Expr::Bool(true))),
                "false" => Some(Pattern::Is(Expr::Bool(false))),
                _ => match lone_var(part) {
                    Some(var) => Some(Pattern::Is(Expr::Var { var, plus: 0 })),
                    None => {
                        cx.part_message(node, part, &format!("{what} is true or false, not {}", quoted(part)));
                        None
                    }
                },
            }),
            Kind::Number { max } => self.number_pattern(node, &what, *max),
            Kind::Text | Kind::Binary => self.data_pattern(node, &what, STRING_MAX),
            Kind::Payload => self.data_pattern(node, &what, PAYLOAD_MAX),
            Kind::Numbers { max } => match node.list() {
                Some(items) => self
                    .each(items, |cx, item| match word(item) {
                        Some(word) => Some(word),
                        None => cx.number_pattern(item, &what, *max),
                    })
                    .map(Pattern::List),
                None => self
                    .number_pattern(node, &what, *max)
                    .map(|one| Pattern::List(vec![one])),
            },
            Kind::Texts => {
                let items = self.list(node, &what)?;
                self.each(items, |cx, item| cx.data_pattern(item, &what, STRING_MAX))
                    .map(Pattern::List)
            }
            Kind::Pairs => {
                let pairs = self.pairs(node, &what)?;
                let pair = |cx: &mut Self, (k, v): &(&Node, &Node)| {
                    let k = cx.data(k, &what, STRING_MAX).map(Pattern::Is);
                    let v = cx.data_pattern(v, &what, STRING_MAX);
                    Some(Pattern::List(vec![k?, v?]))
                };
                self.each(&pairs, pair).map(Pattern::List)
            }
            Kind::Map(fields) if self.tests_client() => {
                let parts = self.group(node, &what, fields, &[])?;
                let parts = parts.into_iter().map(|(name, part)| (name, Pattern::Is(part)));
                Some(Pattern::Map(parts.collect()))
            }
            Kind::List(fields) if self.tests_client() => {
                let items = self.filters(node, fields)?.into_iter().map(|item| match item {
                    Expr::Map(parts) => {
                        let parts = parts.into_iter().map(|(name, part)| (name, Pattern::Is(part)));
                        Pattern::Map(parts.collect())
                    }
                    other => Pattern::Is(other),
                });
                Some(Pattern::List(items.collect()))
            }
            Kind::Map(_) | Kind::List(_) => {
                self.error(&node.place, format!("{what} is never in what a broker sends"));
                None
            }
        }
    }

    /// `0x81 or not $a or 5..9`
    pub fn number_pattern(&mut self, node: &Node, what: &str, max: u64) -> Option<Pattern> {
        self.alternatives(node, |cx, part| {
            if let Some((var, plus)) = counted_var(part) {
                return Some(Pattern::Is(Expr::Var { var, plus }));
            }
            if part.contains("..") {
                return cx.range(node, part, what, max);
            }
            match number(part) {
                Some(n) if n <= max => Some(Pattern::Is(Expr::Int(n))),
                Some(n) => {
                    let message = format!("{n} is more than {max}, the most that {what} can be");
                    cx.part_message(node, part, &message);
                    None
                }
                None => {
                    let message = format!(
                        "{what} is a number, a range such as `5..9` or a variable, not {}",
                        quoted(part)
                    );
                    cx.part_message(node, part, &message);
                    None
                }
            }
        })
    }

    /// `5..9`, `5..` or `..9`
    fn range(&mut self, node: &Node, part: &str, what: &str, max: u64) -> Option<Pattern> {
        let message = match open_range(part) {
            None => format!(
                "{what} is a number, a range such as `5..9`, `5..` or `..9`, or a variable, not {}",
                quoted(part)
            ),
            Some((Some(from), Some(to))) if from > to => "the end of this range is below its start".to_owned(),
            Some((from, to)) => match from.max(to).filter(|most| *most > max) {
                None => return Some(Pattern::Range(from, to)),
                Some(most) => format!("{most} is more than {max}, the most that {what} can be"),
            },
        };
        self.part_message(node, part, &message);
        None
    }

    fn data_pattern(&mut self, node: &Node, what: &str, max: u64) -> Option<Pattern> {
        if let Some([(key, value)]) = node.map()
            && key.key() == "range"
        {
            return match self.number_pattern(value, "`range`", u64::MAX)? {
                range @ Pattern::Range(..) => Some(range),
                _ => {
                    self.error(&value.place, "`range` is a range such as `55..60` or `55..`");
                    None
                }
            };
        }
        if node.map().is_some() || !node.is_plain() {
            return self.data(node, what, max).map(Pattern::Is);
        }
        self.template(node, what)?;
        self.alternatives(node, |cx, part| match text::parse(part) {
            Ok(template) => Some(Pattern::Is(match template.0.as_slice() {
                [TextPart::Var(var)] => Expr::Var {
                    var: var.clone(),
                    plus: 0,
                },
                _ => Expr::Text(template),
            })),
            Err(error) => {
                cx.text_error(node, error);
                None
            }
        })
    }

    /// Splits a scalar at ` or ` and reads `not`, `any` and `absent`.
    fn alternatives(
        &mut self,
        node: &Node,
        mut one: impl FnMut(&mut Self, &str) -> Option<Pattern>,
    ) -> Option<Pattern> {
        let Some(written) = node.text().filter(|_| !node.is_null()) else {
            self.error(&node.place, format!("a value is needed here, not {}", node.kind()));
            return None;
        };
        let mut patterns = Vec::new();
        for part in written.split(" or ") {
            let part = part.trim();
            let pattern = match (part, part.strip_prefix("not ")) {
                ("any", _) => Some(Pattern::Any),
                ("absent", _) => Some(Pattern::Absent),
                (_, Some("absent")) => Some(Pattern::Not(Box::new(Pattern::Absent))),
                (_, Some(inner)) => one(self, inner.trim()).map(|p| Pattern::Not(Box::new(p))),
                (_, None) => one(self, part),
            };
            patterns.push(pattern?);
        }
        match patterns.len() {
            1 => patterns.pop(),
            _ => Some(Pattern::OneOf(patterns)),
        }
    }

    /// An error under a part of a scalar.
    fn part_message(&mut self, node: &Node, part: &str, message: &str) {
        let start = node.text().and_then(|text| text.find(part)).unwrap_or(0);
        self.part_error(node, start..start + part.len(), message);
    }
}

/// Whether unquoted text is more than a value in an expectation.
fn is_condition(text: &str) -> bool {
    text == "any" || text.starts_with("not ") || text.contains(" or ")
}

/// The ends of `5..9`, `5..` or `..9`; `..` alone is no range.
pub(super) fn open_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (from, to) = text.split_once("..")?;
    let end = |text: &str| match text.trim() {
        "" => Some(None),
        text => number(text).map(Some),
    };
    match (end(from)?, end(to)?) {
        (None, None) => None,
        ends => Some(ends),
    }
}

/// `any` and `absent` for a whole field.
fn word(node: &Node) -> Option<Pattern> {
    match node.text().filter(|_| node.is_plain()) {
        Some("any") => Some(Pattern::Any),
        Some("absent") => Some(Pattern::Absent),
        Some("not absent") => Some(Pattern::Not(Box::new(Pattern::Absent))),
        _ => None,
    }
}

/// A variable that is all of the text.
pub(super) fn lone_var(text: &str) -> Option<Var> {
    match text.starts_with('$').then(|| text::dollar(text))? {
        Ok(Dollar::Var(var, len)) if len == text.len() => Some(var),
        _ => None,
    }
}

/// `$m`, `$c.receive_maximum + 1`
fn counted_var(written: &str) -> Option<(Var, i64)> {
    let Some(Ok(Dollar::Var(var, len))) = written.starts_with('$').then(|| text::dollar(written)) else {
        return None;
    };
    let rest = written[len..].trim();
    if rest.is_empty() {
        return Some((var, 0));
    }
    let (sign, digits) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return None,
    };
    let plus = i64::try_from(number(digits.trim())?).ok()?;
    Some((var, sign * plus))
}
