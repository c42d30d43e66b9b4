//! The tree that is written: nodes with the comments that belong to them, in canonical order.
//!
//! A comment on a line of its own belongs to what follows it, or to the end of the collection whose items it is
//! indented like. A comment behind something belongs to the innermost item that is not closed by a bracket before it.

use std::ops::Range;

use super::comments::{self, Block, scalar_end};
use super::order::{Role, spaced};
use super::quote;
use crate::source::{Node, Source, What};

/// A comment on a line of its own.
#[derive(Debug)]
pub(super) struct Note {
    pub text: String,
    /// Whether a blank line is above it.
    pub blank: bool,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Nothing at all.
    Null,
    Scalar(Text),
    /// A block scalar: its header, and its lines without indentation.
    Block(String, Vec<String>),
    Map(Items),
    List(Items),
}

/// A scalar on one line.
#[derive(Debug)]
pub(super) struct Text {
    pub text: String,
    /// Whether it can be in a flow collection.
    pub flow: bool,
    /// The prose that it holds, if it may be folded into several lines.
    pub prose: Option<String>,
}

/// The items of a map or list.
#[derive(Debug)]
pub(super) struct Items {
    pub role: Role,
    pub items: Vec<Item>,
    /// Comments after the last item.
    pub tail: Vec<Note>,
    /// Written with brackets, or inside of some.
    pub flow: bool,
    /// A map in a flow list that has no braces: `[PUBACK: {}]`. One in a block becomes such, too.
    pub bare: bool,
}

/// An item of a list, or a key of a map with its value.
#[derive(Debug)]
pub(super) struct Item {
    /// Comments above it.
    pub notes: Vec<Note>,
    /// Whether a blank line is right above it.
    pub blank: bool,
    pub key: Option<Text>,
    pub value: Value,
    /// The comment behind it, or behind its key.
    pub comment: Option<String>,
}

impl Value {
    /// The items of a map or list.
    pub fn items(&self) -> Option<&Items> {
        match self {
            Value::Map(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }
}

/// A whole file.
#[derive(Debug)]
pub(super) struct File {
    /// The comments above the first key, which are the file's.
    pub head: Vec<Note>,
    /// Whether a blank line is between them and the first key.
    pub gap: bool,
    pub root: Items,
}

/// Puts comments into the tree of a text, and its keys into order.
pub(super) fn read(source: &Source, root: &Node) -> File {
    let text = &source.text;
    let mut reader = Reader {
        text,
        comments: comments::find(text, root),
        next: 0,
        gap: false,
    };
    let around = Around {
        limit: text.len(),
        column: None,
        flow: false,
    };
    let (root, mut head) = reader.items(root, Role::Top, &around);
    // Editors look for the schema at the top.
    if let Some(at) = head.iter().position(|n| n.text.contains("yaml-language-server:")) {
        let schema = head.remove(at);
        head.insert(0, schema);
    }
    if let Some(first) = head.first_mut() {
        first.blank = false;
    }
    File {
        head,
        gap: reader.gap,
        root,
    }
}

struct Reader<'a> {
    text: &'a str,
    comments: Vec<Range<usize>>,
    /// The first comment that belongs to nothing yet.
    next: usize,
    /// Whether a blank line is above the file's first key.
    gap: bool,
}

/// What is around a collection.
struct Around {
    /// Where what follows it begins.
    limit: usize,
    /// The column of the items among which it is.
    column: Option<usize>,
    /// Whether it is inside of brackets.
    flow: bool,
}

impl Reader<'_> {
    /// The items of a map or list, and the comments above the first one, which only the file's top is asked for.
    fn items(&mut self, node: &Node, role: Role, around: &Around) -> (Items, Vec<Note>) {
        let bracket = is_bracketed(self.text, node);
        let flow = around.flow || bracket;
        let entries: Vec<(Option<&Node>, &Node)> = match &node.what {
            What::Map(entries) => entries.iter().map(|(k, v)| (Some(k), v)).collect(),
            What::List(items) => items.iter().map(|item| (None, item)).collect(),
            What::Scalar(_) => Vec::new(),
        };
        let text = self.text;
        let begin = |at: usize| entries.get(at).map(|(k, v)| begins(text, k.unwrap_or(v)));
        let end = if bracket { ends(self.text, node) } else { around.limit };
        let column = match (&node.what, begin(0)) {
            (What::List(_), Some(start)) if !flow => self.column(self.dash(start)),
            (_, start) => self.column(start.unwrap_or(node.place.span.start)),
        };
        let mut head = Vec::new();
        let mut items: Vec<(usize, Item)> = Vec::new();
        for (at, (key, value)) in entries.iter().enumerate() {
            let start = begin(at).unwrap_or(end);
            let mut notes = self.notes(start);
            let mut blank = self.is_below_blank(start);
            if role == Role::Top && at == 0 {
                head = std::mem::take(&mut notes);
                self.gap = std::mem::take(&mut blank);
            }
            let name = key.map_or("", Node::key);
            let inner = match key {
                Some(_) => role.under(name, value),
                None => role.item(value),
            };
            let around = Around {
                limit: begin(at + 1).unwrap_or(end),
                column: Some(column),
                flow,
            };
            let mut item = Item {
                notes,
                blank,
                key: key.map(|key| self.key(key, role)),
                value: Value::Null,
                comment: None,
            };
            self.value(&mut item, *key, value, inner, &around);
            if role == Role::Top && name == "about" {
                fold(&mut item.value, value);
            }
            items.push((role.rank(name), item));
        }
        let mut tail = Vec::new();
        if bracket {
            tail = self.notes(end);
        } else if !flow {
            let beyond = around.column.is_none_or(|parent| column > parent);
            while beyond && let Some(comment) = self.peek(end).filter(|c| self.column(c.start) >= column) {
                tail.push(self.note(&comment));
            }
        }
        items.sort_by_key(|(rank, _)| *rank);
        let items = Items {
            role,
            items: items.into_iter().map(|(_, item)| item).collect(),
            tail,
            flow,
            bare: !bracket,
        };
        (items, head)
    }

    /// Reads the value of an item, with the comments between its key and its value and behind it.
    fn value(&mut self, item: &mut Item, key: Option<&Node>, node: &Node, role: Role, around: &Around) {
        let is_empty = node.is_null() && node.text() == Some("");
        let start = match key {
            Some(key) if is_empty => key.place.span.end,
            _ => begins(self.text, node),
        };
        let is_block = node.text().is_none() && !around.flow && !is_bracketed(self.text, node);
        if let Some(key) = key {
            if is_block {
                // What is on further lines belongs to the first item.
                item.comment = self.behind(key.place.span.end, start);
            } else {
                item.notes.extend(self.notes(start));
            }
        }
        let end = match &node.what {
            What::Scalar(_) if is_empty => {
                item.value = Value::Null;
                Some(start)
            }
            What::Scalar(scalar) => {
                let written = &self.text[node.place.span.start..scalar_end(self.text, node)];
                let block = Block::of(self.text, node);
                item.value = match &block {
                    Some(block) => {
                        let (header, lines) = block.lines(self.text);
                        if lines.is_empty() {
                            scalar_text(quote::quoted(&scalar.text), true)
                        } else {
                            Value::Block(header, lines)
                        }
                    }
                    None if !scalar.plain => scalar_text(quote::rewritten(written, &scalar.text), true),
                    None if scalar.text.contains('\n') => scalar_text(quote::quoted(&scalar.text), true),
                    None => scalar_text(scalar.text.to_string(), quote::fits_flow(&scalar.text)),
                };
                Some(block.map_or(node.place.span.end, |b| b.header.end))
            }
            What::Map(_) | What::List(_) => {
                let (mut items, head) = self.items(node, role, around);
                item.notes.extend(head);
                if items.items.is_empty() {
                    item.notes.append(&mut items.tail);
                }
                item.value = match node.what {
                    What::Map(_) => Value::Map(items),
                    _ => Value::List(items),
                };
                (!is_block).then(|| ends(self.text, node))
            }
        };
        if let Some(end) = end
            && let Some(comment) = self.behind(end, around.limit)
        {
            item.comment = Some(comment);
        }
    }

    fn key(&self, key: &Node, role: Role) -> Text {
        let text = key.key();
        if !key.is_plain() {
            let written = &self.text[key.place.span.start..scalar_end(self.text, key)];
            return Text {
                text: quote::rewritten(written, text),
                flow: true,
                prose: None,
            };
        }
        let spaced = spaced(text).filter(|_| role == Role::Step);
        Text {
            flow: quote::fits_flow(text),
            text: spaced.unwrap_or_else(|| text.to_owned()),
            prose: None,
        }
    }

    /// The next comment, if it begins before `limit`.
    fn peek(&self, limit: usize) -> Option<Range<usize>> {
        self.comments.get(self.next).filter(|c| c.start < limit).cloned()
    }

    /// The comments before `limit` that belong to nothing yet.
    fn notes(&mut self, limit: usize) -> Vec<Note> {
        let mut notes = Vec::new();
        while let Some(comment) = self.peek(limit) {
            notes.push(self.note(&comment));
        }
        notes
    }

    fn note(&mut self, comment: &Range<usize>) -> Note {
        self.next += 1;
        Note {
            text: self.text[comment.clone()].to_owned(),
            blank: self.is_below_blank(comment.start),
        }
    }

    /// The comment behind something that ends at `end`, on the same line and before `limit`.
    fn behind(&mut self, end: usize, limit: usize) -> Option<String> {
        let comment = self.peek(limit)?;
        let between = self.text.get(end..comment.start)?;
        if between.contains('\n') {
            return None;
        }
        self.next += 1;
        Some(self.text[comment].to_owned())
    }

    /// The dash of the item that begins at `start`.
    fn dash(&self, start: usize) -> usize {
        let mut at = start;
        loop {
            at = self.text[..at].trim_end().len();
            match self.comments.iter().find(|c| c.end == at && c.start < at) {
                Some(comment) => at = comment.start,
                None => return at.saturating_sub(1),
            }
        }
    }

    fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |n| n + 1)
    }

    /// Whether the line above the one of `at` is blank.
    fn is_below_blank(&self, at: usize) -> bool {
        let start = self.line_start(at);
        let above = self.text[..start].strip_suffix('\n');
        above.is_some_and(|above| above[above.rfind('\n').map_or(0, |n| n + 1)..].trim().is_empty())
    }
}

/// Where a node begins: a block scalar with its header.
fn begins(text: &str, node: &Node) -> usize {
    Block::of(text, node).map_or(node.place.span.start, |block| block.header.start)
}

/// Where a node ends that is no block: behind its bracket. The parser's end of a flow collection has what follows it on
/// its line too, comments included.
fn ends(text: &str, node: &Node) -> usize {
    let mut at = match &node.what {
        What::Scalar(_) => return scalar_end(text, node),
        What::List(items) => items.last().map(|item| ends(text, item)),
        What::Map(entries) => entries.last().map(|(key, value)| match value.text() {
            Some("") if value.is_plain() => key.place.span.end,
            _ => ends(text, value),
        }),
    }
    .unwrap_or(node.place.span.start + 1);
    if !is_bracketed(text, node) {
        return at;
    }
    while let Some(c) = text[at..].chars().next() {
        match c {
            ']' | '}' => return at + 1,
            '#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            c => at += c.len_utf8(),
        }
    }
    at
}

/// Whether a map or list is written with brackets. A block begins where its first item does, which may begin with a
/// bracket.
fn is_bracketed(text: &str, node: &Node) -> bool {
    let start = node.place.span.start;
    let first = match &node.what {
        What::List(items) => items.first(),
        _ => None,
    };
    text[start..].starts_with(['{', '[']) && first.is_none_or(|first| first.place.span.start > start)
}

fn scalar_text(text: String, flow: bool) -> Value {
    Value::Scalar(Text {
        text,
        flow,
        prose: None,
    })
}

/// Lets prose be folded, if that keeps its text.
fn fold(value: &mut Value, node: &Node) {
    if let (Value::Scalar(text), Some(prose)) = (value, node.text()) {
        let keeps = !prose.contains(['\n', '\t']) && !prose.contains("  ") && prose.trim() == prose;
        text.prose = keeps.then(|| prose.to_owned());
    }
}
