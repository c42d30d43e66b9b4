//! What every part of the loader has at hand: the source, the version, and where errors go.

use std::ops::Range;
use std::sync::Arc;

use crate::scenario::diagnostic::{Diagnostic, meant, quoted};
use crate::scenario::node::Node;
use crate::scenario::text::TextError;
use crate::scenario::{Place, Source};
use crate::statements::Version;

/// So many errors of one file are told. Whoever has more has to look at the file anyway, and a file can have one at each of
/// its nodes, to be looked for and shown with its place.
pub(in crate::scenario) const MOST_ERRORS: usize = 100;

/// One case's loading.
pub(in crate::scenario) struct Cx<'a> {
    pub source: &'a Arc<Source>,
    pub version: Version,
    /// The versions that the scenario is played at.
    pub versions: &'a [Version],
    /// The names of the clients, in order.
    pub clients: Vec<Arc<str>>,
    /// The number of the next step.
    pub next_step: u32,
    pub errors: Vec<Diagnostic>,
}

impl<'a> Cx<'a> {
    pub fn new(source: &'a Arc<Source>, version: Version, versions: &'a [Version]) -> Cx<'a> {
        Cx {
            source,
            version,
            versions,
            clients: Vec::new(),
            next_step: 0,
            errors: Vec::new(),
        }
    }

    /// Adds an error.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        if !self.is_full() {
            self.errors.push(Diagnostic::new(self.source, place, message));
        }
    }

    /// Adds an error that says what is allowed.
    pub fn error_help(&mut self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        if !self.is_full() {
            let error = Diagnostic::new(self.source, place, message);
            self.errors.push(error.help(help));
        }
    }

    /// Whether no more errors are taken. One more than is told is kept, so that it is known that there are more.
    pub fn is_full(&self) -> bool {
        self.errors.len() > MOST_ERRORS
    }

    /// Adds an error in a part of a scalar's text.
    pub fn text_error(&mut self, node: &Node, error: TextError) {
        self.part_error(node, error.range, error.message);
    }

    pub fn part_error(&mut self, node: &Node, range: Range<usize>, message: impl Into<String>) {
        let place = node.part(self.source, range);
        self.error(&place, message);
    }

    /// Adds an error for a word that is none of those allowed.
    pub fn unknown(&mut self, place: &Place, what: &str, found: &str, allowed: &[&str]) {
        if self.is_full() {
            return;
        }
        let help = meant(found, allowed.iter().copied(), || {
            format!("allowed here: {}", allowed.join(", "))
        });
        self.error_help(place, format!("unknown {what} {}", quoted(found)), help);
    }

    /// The entries of a map whose keys must be among `allowed`; nothing at all is an empty map.
    pub fn map<'n>(&mut self, node: &'n Node, what: &str, allowed: &[&str]) -> Option<&'n [(Node, Node)]> {
        if node.is_null() {
            return Some(&[]);
        }
        let Some(entries) = node.map() else {
            self.error_help(
                &node.place,
                format!("{what} is a map, not {}", node.kind()),
                format!("allowed here: {}", allowed.join(", ")),
            );
            return None;
        };
        for (key, _) in entries {
            if !allowed.contains(&key.key()) {
                self.unknown(&key.place, "key", key.key(), allowed);
            }
        }
        Some(entries)
    }

    /// The text of a scalar.
    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match node.text().filter(|_| !node.is_null()) {
            Some(text) => Some(text),
            None => {
                self.error(&node.place, format!("{what} is text, not {}", node.kind()));
                None
            }
        }
    }

    /// The items of a list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        let items = node.list();
        if items.is_none() {
            self.error(&node.place, format!("{what} is a list, not {}", node.kind()));
        }
        items
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.text() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => {
                let found = node.text().map_or(node.kind().to_owned(), quoted);
                self.error(&node.place, format!("{what} is true or false, not {found}"));
                None
            }
        }
    }
}
