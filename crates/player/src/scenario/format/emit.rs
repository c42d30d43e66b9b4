//! The tree as text.
//!
//! A collection stays on one line if it is written with brackets, holds no comment and fits. Else it is a block; a
//! long list of scalars alone keeps its brackets and fills lines.

use super::WIDTH;
use super::order::Role;
use super::tree::{File, Item, Items, Note, Text, Value};

/// The widest column of a table to which others are padded, in characters. Columns behind a wider one are not aligned.
const COLUMN: usize = 40;

/// The text of a file.
pub(super) fn text(file: &File) -> String {
    let mut out = Emitter::default();
    for note in &file.head {
        out.note(note, 0);
    }
    if file.gap {
        out.blank();
    }
    out.block(&file.root, 0, None, false);
    out.finish()
}

/// A line with the comment behind it.
struct Line {
    text: String,
    comment: Option<String>,
}

#[derive(Default)]
struct Emitter {
    lines: Vec<Line>,
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn spaces(count: usize) -> String {
    " ".repeat(count)
}

impl Emitter {
    fn push(&mut self, text: String, comment: Option<&String>) {
        self.lines.push(Line {
            text,
            comment: comment.cloned(),
        });
    }

    /// A blank line, unless it would be the first one or the second in a row.
    fn blank(&mut self) {
        let last = self.lines.last();
        if last.is_some_and(|l| !l.text.is_empty() || l.comment.is_some()) {
            self.push(String::new(), None);
        }
    }

    fn note(&mut self, note: &Note, indent: usize) {
        if note.blank {
            self.blank();
        }
        self.push(format!("{}{}", spaces(indent), note.text), None);
    }

    /// A map or list of one item a line. `lead` is what precedes the first one in place of the indentation; `step` says
    /// that this map is an item of a list and has one key, under which lists are indented less.
    fn block(&mut self, items: &Items, indent: usize, lead: Option<&str>, step: bool) {
        let table = table(items);
        for (at, item) in items.items.iter().enumerate() {
            let first = at == 0;
            // What is above the first item of a nested list is above the dash of the outer one already.
            if !(first && lead.is_some()) {
                for (number, note) in item.notes.iter().enumerate() {
                    if first && number == 0 {
                        self.push(format!("{}{}", spaces(indent), note.text), None);
                    } else {
                        self.note(note, indent);
                    }
                }
                if item.blank && (!first || !item.notes.is_empty()) {
                    self.blank();
                }
            }
            let begin = match lead {
                Some(lead) if first => lead.to_owned(),
                _ => spaces(indent),
            };
            match (&item.key, table.as_ref().and_then(|rows| rows.get(at))) {
                (None, Some(row)) => {
                    self.push(format!("{begin}- {row}"), item.comment.as_ref());
                }
                (None, None) => self.item(item, &begin, indent),
                (Some(key), _) => self.entry(key, item, &begin, indent, step),
            }
        }
        for note in &items.tail {
            self.note(note, indent);
        }
    }

    /// A key with its value.
    fn entry(&mut self, key: &Text, item: &Item, begin: &str, indent: usize, step: bool) {
        let head = format!("{begin}{}:", key.text);
        let comment = item.comment.as_ref();
        let below = match &item.value {
            Value::List(_) if step => indent,
            _ => indent + 2,
        };
        match self.line(&head, " ", &item.value, below) {
            Some(line) => self.push(line, comment),
            None => {
                let Some(items) = item.value.items() else { return };
                self.push(head, comment);
                self.block(items, below, None, false);
                return;
            }
        }
        self.below(&item.value, indent + 2, below);
    }

    /// An item of a list.
    fn item(&mut self, item: &Item, begin: &str, indent: usize) {
        let head = format!("{begin}-");
        match self.line(&head, " ", &item.value, indent + 2) {
            Some(line) => {
                self.push(line, item.comment.as_ref());
                self.below(&item.value, indent + 2, indent + 2);
            }
            None => {
                let Some(items) = item.value.items() else { return };
                // Above the first dash of the line: an item may itself be the first one of an outer item.
                let dash = begin.len() - begin.trim_start().len();
                for note in items.items.first().into_iter().flat_map(|first| &first.notes) {
                    self.push(format!("{}{}", spaces(dash), note.text), None);
                }
                let line = self.lines.len();
                let is_step = items.items.len() == 1;
                self.block(items, indent + 2, Some(&format!("{head} ")), is_step);
                match (self.lines.get_mut(line), &item.comment) {
                    (Some(first), Some(_)) if first.comment.is_none() => first.comment.clone_from(&item.comment),
                    (Some(_), Some(comment)) => {
                        let text = format!("{}{comment}", spaces(dash));
                        self.lines.insert(line, Line { text, comment: None });
                    }
                    _ => {}
                }
            }
        }
    }

    /// The line of a value that begins on the line of `head`, or `None` if all of it is below.
    fn line(&self, head: &str, gap: &str, value: &Value, below: usize) -> Option<String> {
        match value {
            Value::Null => Some(head.to_owned()),
            Value::Block(header, _) => Some(format!("{head}{gap}{header}")),
            Value::Scalar(text) => match (&text.prose, width(head) + gap.len() + width(&text.text)) {
                (Some(_), found) if found > WIDTH => Some(format!("{head}{gap}>-")),
                _ => Some(format!("{head}{gap}{}", text.text)),
            },
            Value::Map(items) | Value::List(items) => {
                let is_list = matches!(value, Value::List(_));
                if items.items.is_empty() {
                    return Some(format!("{head}{gap}{}", if is_list { "[]" } else { "{}" }));
                }
                let flow = items.flow || items.role.is_joined(is_list);
                if !flow || items.role.is_block(is_list) {
                    return None;
                }
                let line = flat(value, true)?;
                if width(head) + gap.len() + width(&line) <= WIDTH {
                    return Some(format!("{head}{gap}{line}"));
                }
                fillable(items, below).then(|| format!("{head}{gap}["))
            }
        }
    }

    /// The lines of a value below the one on which it begins.
    fn below(&mut self, value: &Value, indent: usize, below: usize) {
        let Some(last) = self.lines.last() else { return };
        match value {
            Value::Block(_, lines) => {
                for line in lines {
                    let indented = if line.is_empty() {
                        String::new()
                    } else {
                        format!("{}{line}", spaces(indent))
                    };
                    self.push(indented, None);
                }
            }
            Value::Scalar(Text { prose: Some(prose), .. }) if last.text.ends_with(" >-") => {
                for line in filled(prose.split(' '), " ", WIDTH - indent) {
                    self.push(format!("{}{line}", spaces(indent)), None);
                }
            }
            Value::List(items) if last.text.ends_with('[') => {
                let words: Vec<String> = items.items.iter().filter_map(flat_item).collect();
                let count = words.len();
                let words = words.iter().enumerate().map(|(at, word)| {
                    let end = if at + 1 == count { "]" } else { "," };
                    format!("{word}{end}")
                });
                let words: Vec<String> = words.collect();
                for line in filled(words.iter().map(String::as_str), " ", WIDTH - below) {
                    self.push(format!("{}{line}", spaces(below)), None);
                }
            }
            _ => {}
        }
    }

    /// The lines as text, comments of neighbouring lines in one column.
    fn finish(self) -> String {
        let mut text = String::new();
        let indent = |line: &Line| line.text.len() - line.text.trim_start().len();
        let mut at = 0;
        while let Some(line) = self.lines.get(at) {
            let run = match line.comment {
                None => 1,
                Some(_) => self.lines[at..]
                    .iter()
                    .take_while(|l| l.comment.is_some() && indent(l) == indent(line))
                    .count(),
            };
            let run = &self.lines[at..at + run];
            let column = run.iter().map(|l| width(&l.text)).max().unwrap_or(0);
            for line in run {
                text.push_str(&line.text);
                if let Some(comment) = &line.comment {
                    text.push_str(&spaces(column - width(&line.text) + 2));
                    text.push_str(comment);
                }
                text.push('\n');
            }
            at += run.len();
        }
        text
    }
}

/// A value on one line, if it can be. `braces` is false if a map may do without.
fn flat(value: &Value, braces: bool) -> Option<String> {
    match value {
        Value::Null | Value::Block(..) => None,
        Value::Scalar(text) => text.flow.then(|| text.text.clone()),
        Value::Map(items) => {
            let all = flat_items(items)?;
            match items.items.len() {
                0 => Some("{}".to_owned()),
                1 if items.bare && !braces => Some(all),
                _ => Some(format!("{{ {all} }}")),
            }
        }
        Value::List(items) => Some(format!("[{}]", flat_items(items)?)),
    }
}

fn flat_items(items: &Items) -> Option<String> {
    if !items.tail.is_empty() {
        return None;
    }
    let all: Option<Vec<String>> = items.items.iter().map(flat_item).collect();
    Some(all?.join(", "))
}

/// An item inside of brackets, if it has no comment.
fn flat_item(item: &Item) -> Option<String> {
    if !item.notes.is_empty() || item.comment.is_some() {
        return None;
    }
    let Some(key) = &item.key else {
        return flat(&item.value, false);
    };
    let key = key.flow.then_some(&key.text)?;
    match &item.value {
        Value::Null => Some(key.clone()),
        value => Some(format!("{key}: {}", flat(value, true)?)),
    }
}

/// Whether a list too long for one line keeps its brackets: one of scalars.
fn fillable(items: &Items, indent: usize) -> bool {
    let word = |item: &Item| match (&item.key, &item.value) {
        (None, Value::Scalar(text)) => width(&text.text) < WIDTH - indent,
        _ => false,
    };
    items.items.iter().all(word) && flat_items(items).is_some()
}

/// Words in lines of at most `max` characters, unless one word is longer.
fn filled<'w>(words: impl Iterator<Item = &'w str>, gap: &str, max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if width(line) + gap.len() + width(word) <= max => {
                line.push_str(gap);
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The rows of `each` as a table, each without its dash: every row on one line, however long, with equal columns below
/// each other. `None` if not all of them are written on one line each.
fn table(items: &Items) -> Option<Vec<String>> {
    if !matches!(items.role, Role::Each | Role::Column) {
        return None;
    }
    let mut rows: Vec<Vec<(&str, String)>> = Vec::new();
    for item in &items.items {
        let Value::Map(row) = &item.value else { return None };
        if item.key.is_some() || !row.flow || !row.tail.is_empty() || row.items.is_empty() {
            return None;
        }
        let cell = |i| flat_item(i).zip(i.key.as_ref()).map(|(text, key)| (&*key.text, text));
        rows.push(row.items.iter().map(cell).collect::<Option<_>>()?);
    }
    let mut columns = Vec::new();
    while let Some((key, _)) = rows[0].get(columns.len()) {
        let at = columns.len();
        let widest = rows
            .iter()
            .map(|row| row.get(at).map_or(0, |(_, cell)| width(cell)))
            .max();
        let is_column = rows.iter().all(|row| row.get(at).is_some_and(|(k, _)| k == key));
        match widest.filter(|widest| is_column && *widest <= COLUMN) {
            Some(widest) => columns.push(widest),
            None => break,
        }
    }
    let row = |cells: &Vec<(&str, String)>| {
        let mut line = String::from("{ ");
        for (at, (_, cell)) in cells.iter().enumerate() {
            line.push_str(cell);
            if at + 1 < cells.len() {
                let column = columns.get(at).copied().unwrap_or(0);
                line.push(',');
                line.push_str(&spaces(1 + column.saturating_sub(width(cell))));
            }
        }
        line.push_str(" }");
        line
    };
    Some(rows.iter().map(row).collect())
}
