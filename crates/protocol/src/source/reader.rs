//! Values taken from nodes. Every error is noted with its place and what is allowed there, and reading goes on.

use std::sync::Arc;
use std::time::Duration;

use super::duration::{FORM, parse_duration};
use super::{Diagnostic, Node, Place, Source, meant, quoted};

/// At most this many errors of one file are reported. With more of them the whole file needs a review, and a file can have
/// one at each of its nodes, each to be found and shown with its place.
pub const MOST_ERRORS: usize = 100;

/// An error has been noted. Only a [`Reader`] that notes one makes this, so that no one gives up without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported(());

/// Reads one file's nodes.
#[derive(Debug)]
pub struct Reader<'a> {
    pub source: &'a Arc<Source>,
    errors: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Arc<Source>) -> Reader<'a> {
        let errors = Vec::new();
        Reader { source, errors }
    }

    /// The errors so far, as they were found; none is left here.
    pub fn take_errors(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.errors)
    }

    /// Whether there are errors.
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Notes an error.
    pub fn report(&mut self, error: Diagnostic) -> Reported {
        if !self.is_full() {
            self.errors.push(error);
        }
        Reported(())
    }

    /// Notes an error at a place.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) -> Reported {
        // Not even made if no one reads it: a message can be as long as its file.
        if self.is_full() {
            return Reported(());
        }
        self.report(Diagnostic::new(self.source, place, message))
    }

    /// Notes an error with what is allowed there.
    pub fn error_help(&mut self, place: &Place, message: impl Into<String>, help: impl Into<String>) -> Reported {
        if self.is_full() {
            return Reported(());
        }
        self.report(Diagnostic::new(self.source, place, message).help(help))
    }

    /// Whether no more errors are taken. One more than is reported is kept, so that it is known that there are more.
    pub fn is_full(&self) -> bool {
        self.errors.len() > MOST_ERRORS
    }

    /// Notes a word that is none of those allowed.
    pub fn unknown(&mut self, place: &Place, what: &str, found: &str, allowed: &[&str]) -> Reported {
        if self.is_full() {
            return Reported(());
        }
        let help = meant(found, allowed.iter().copied(), || {
            format!("allowed here: {}", allowed.join(", "))
        });
        self.error_help(place, format!("unknown {what} {}", quoted(found)), help)
    }

    /// The entries of a map whose keys must be among `allowed`; nothing at all is an empty map. Another key is noted,
    /// and the rest of the map read.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str, allowed: &[&str]) -> Result<&'n [(Node, Node)], Reported> {
        self.map_with_former(node, what, allowed, &[])
    }

    /// Like [`Reader::map`]. A key may also have a former name, listed as (former, present) in `former`; messages never
    /// suggest it. A map with both is an error.
    pub fn map_with_former<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        allowed: &[&str],
        former: &[(&str, &str)],
    ) -> Result<&'n [(Node, Node)], Reported> {
        if node.is_null() {
            return Ok(&[]);
        }
        let Some(entries) = node.map() else {
            return Err(self.error_help(
                &node.place,
                format!("{what} is a map, not {}", node.kind()),
                format!("allowed here: {}", allowed.join(", ")),
            ));
        };
        for (key, _) in entries {
            match former.iter().find(|(old, _)| *old == key.key()) {
                Some((old, new)) if node.get(new).is_some() => {
                    self.error(
                        &key.place,
                        format!("`{old}` is the former name of `{new}`: give only one"),
                    );
                }
                Some(_) => {}
                None if allowed.contains(&key.key()) => {}
                None => {
                    self.unknown(&key.place, "key", key.key(), allowed);
                }
            }
        }
        Ok(entries)
    }

    /// The entries of a map with any keys.
    pub fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Result<&'n [(Node, Node)], Reported> {
        match node.map() {
            _ if node.is_null() => Ok(&[]),
            Some(entries) => Ok(entries),
            None => Err(self.error(&node.place, format!("{what} is a map, not {}", node.kind()))),
        }
    }

    /// The text of a scalar.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Result<&'n str, Reported> {
        match node.text().filter(|_| !node.is_null()) {
            Some(text) => Ok(text),
            None => Err(self.error(&node.place, format!("{what} is text, not {}", node.kind()))),
        }
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Result<&'n [Node], Reported> {
        match node.list() {
            Some(items) => Ok(items),
            None => Err(self.error(&node.place, format!("{what} is a list, not {}", node.kind()))),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: &Node, what: &str) -> Result<bool, Reported> {
        match node.text() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err(self.error(&node.place, format!("{what} is true or false, not {}", node.shown()))),
        }
    }

    /// A number of at most `max`, in decimal or in hex.
    pub fn number(&mut self, node: &Node, what: &str, max: u64) -> Result<u64, Reported> {
        match node.text().and_then(number) {
            Some(found) if found <= max => Ok(found),
            Some(found) => Err(self.error(
                &node.place,
                format!("{found} is more than {max}, the most that {what} can be"),
            )),
            None => Err(self.error(&node.place, format!("{what} is a number, not {}", node.shown()))),
        }
    }

    /// A span of time.
    pub fn duration(&mut self, node: &Node, what: &str) -> Result<Duration, Reported> {
        let text = self.text(node, what)?;
        parse_duration(text).map_err(|why| self.error_help(&node.place, format!("{what}: {why}"), FORM))
    }
}

/// A number in decimal or, after `0x`, in hex.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// What `one` makes of each item, or an error if it made nothing of any: all of them are looked at.
pub fn every<T, U>(
    items: impl IntoIterator<Item = T>,
    one: impl FnMut(T) -> Result<U, Reported>,
) -> Result<Vec<U>, Reported> {
    let found: Vec<Result<U, Reported>> = items.into_iter().map(one).collect();
    found.into_iter().collect()
}

/// Errors of one file in its order, one at a place: what is wrong at several versions or rows is reported once. At most
/// [`MOST_ERRORS`].
pub fn sorted(mut errors: Vec<Diagnostic>) -> Vec<Diagnostic> {
    errors.sort_by_key(|e| (e.place.span.start, e.place.span.end));
    errors.dedup_by(|a, b| a.place.span == b.place.span);
    if let Some(last) = errors.get(MOST_ERRORS) {
        let more = Diagnostic::new(&last.source, &last.place, "there are more errors, which are not shown");
        errors.truncate(MOST_ERRORS);
        errors.push(more);
    }
    errors
}
