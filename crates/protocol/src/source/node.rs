//! The tree of a YAML file: maps, lists and scalars, each with its exact place.

use std::ops::Range;
use std::sync::Arc;

use super::{Place, Source, quoted};

/// One node with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub place: Place,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; keys are scalars, and none occurs twice.
    Map(Vec<(Node, Node)>),
}

/// A scalar is text: what it means is decided by where it is, so `007` stays `007`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    pub text: Arc<str>,
    /// Written without quotes and not as a block.
    pub plain: bool,
    /// The text is in the file at this place; false if a row's value is filled in.
    pub own: bool,
}

impl Node {
    /// Nothing, as the value of a key that has none.
    pub fn null(place: &Place) -> Node {
        Node {
            place: place.clone(),
            what: What::Scalar(Scalar {
                text: Arc::from(""),
                plain: true,
                own: false,
            }),
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.what {
            What::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text of a key; keys are always scalars.
    pub fn key(&self) -> &str {
        self.text().unwrap_or_default()
    }

    /// Whether it is text without quotes, so that `any` and `not $a` mean what they say.
    pub fn is_plain(&self) -> bool {
        matches!(&self.what, What::Scalar(s) if s.plain)
    }

    /// Nothing at all, `~` or `null`.
    pub fn is_null(&self) -> bool {
        self.is_plain() && matches!(self.text(), Some("" | "~" | "null"))
    }

    /// The entries of a map.
    pub fn map(&self) -> Option<&[(Node, Node)]> {
        match &self.what {
            What::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.what {
            What::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value under `key` of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.iter().find(|(k, _)| k.key() == key).map(|(_, v)| v)
    }

    /// The node of the key `key` of a map.
    pub fn key_of(&self, key: &str) -> Option<&Node> {
        self.map()?.iter().find(|(k, _)| k.key() == key).map(|(k, _)| k)
    }

    /// The value under `key` of a map, if it is more than nothing.
    pub fn given(&self, key: &str) -> Option<&Node> {
        self.get(key).filter(|node| !node.is_null())
    }

    /// What is there, for a message that says what should: the text of a scalar, else what kind of node it is.
    pub fn shown(&self) -> String {
        match self.text() {
            Some(text) if !self.is_null() => quoted(text),
            _ => self.kind().to_owned(),
        }
    }

    /// What it is, for a message.
    pub fn kind(&self) -> &'static str {
        match &self.what {
            _ if self.is_null() => "nothing",
            What::Scalar(_) => "text",
            What::List(_) => "a list",
            What::Map(_) => "a map",
        }
    }

    /// The place of a part of a scalar's text, given as a range of its bytes. Escapes, quotes and the indentation of
    /// blocks are passed over; if the text is not in the file as it is, it is the whole scalar's place.
    pub fn part(&self, source: &Source, range: Range<usize>) -> Place {
        let What::Scalar(scalar) = &self.what else {
            return self.place.clone();
        };
        let written = source.text.get(self.place.span.clone()).unwrap_or_default();
        if !scalar.own || written.is_empty() {
            return self.place.clone();
        }
        if written == &*scalar.text && !written.contains('\n') {
            // As it is in the file, on one line: most are, and every step asks for such a part.
            let start = self.place.span.start;
            return Place {
                span: start + range.start..start + range.end,
                line: self.place.line,
                column: self.place.column + written.get(..range.start).unwrap_or_default().chars().count() as u32,
            };
        }
        let skipped = match written.chars().next() {
            // The header of a block, such as `|-`, is not part of its text.
            Some('|' | '>') if !scalar.plain => written.find('\n').unwrap_or(0),
            Some('"' | '\'') if !scalar.plain => 1,
            _ => 0,
        };
        let offset = |target: usize| {
            let mut at = skipped;
            for wanted in scalar.text.get(..target).unwrap_or_default().chars() {
                let rest = written.get(at..).unwrap_or_default();
                // What is not there as it is (an escape, an indentation) is passed over.
                match rest.find(wanted) {
                    Some(found) => at += found + wanted.len_utf8(),
                    None => return None,
                }
            }
            Some(at)
        };
        // The first character of the part itself decides where it begins: an indentation before it is passed over.
        let Some(first) = scalar.text.get(range.start..).and_then(|t| t.chars().next()) else {
            let end = self.place.span.end;
            return source.place(end.saturating_sub(1).max(self.place.span.start)..end);
        };
        let begin = offset(range.start).and_then(|at| written.get(at..)?.find(first).map(|found| at + found));
        let (Some(begin), Some(end)) = (begin, offset(range.end)) else {
            return self.place.clone();
        };
        let base = self.place.span.start;
        source.place(base + begin..base + end.max(begin))
    }
}
