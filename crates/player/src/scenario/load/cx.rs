//! What every part of the loader has at hand: the reader of values, the version, and the clients.

use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;
use std::time::Duration;

use crate::scenario::text::TextError;
use crate::scenario::{ClientSpec, Place, Source};
use crate::source::{Node, Reader};
use crate::statements::Version;
use crate::wire::Side;

/// One case's loading. It reads as its [`Reader`] does.
pub(in crate::scenario) struct Cx<'a> {
    reader: Reader<'a>,
    pub version: Version,
    /// The side under test.
    pub tests: Side,
    /// The versions that the scenario is played at.
    pub versions: &'a [Version],
    /// The names of the clients, in order.
    pub clients: Vec<Arc<str>>,
    /// The version that each client speaks.
    pub speak: Vec<(Arc<str>, Version)>,
    /// How each client begins; those that cannot be read are missing.
    pub specs: Vec<ClientSpec>,
    /// The number of the next step.
    pub next_step: u32,
}

impl<'a> Deref for Cx<'a> {
    type Target = Reader<'a>;

    fn deref(&self) -> &Reader<'a> {
        &self.reader
    }
}

impl DerefMut for Cx<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.reader
    }
}

impl<'a> Cx<'a> {
    pub fn new(source: &'a Arc<Source>, version: Version, versions: &'a [Version]) -> Cx<'a> {
        Cx {
            reader: Reader::new(source),
            version,
            tests: Side::Server,
            versions,
            clients: Vec::new(),
            speak: Vec::new(),
            specs: Vec::new(),
            next_step: 0,
        }
    }

    /// The same, for a scenario that tests this side.
    pub fn testing(self, tests: Side) -> Cx<'a> {
        Cx { tests, ..self }
    }

    /// Whether the client is under test.
    pub fn tests_client(&self) -> bool {
        self.tests == Side::Client
    }

    /// The side under test in a message.
    pub fn tested(&self) -> &'static str {
        match self.tests {
            Side::Client => "client",
            Side::Server => "broker",
        }
    }

    /// The same, with the versions that the scenario is played at.
    pub fn at_versions(self, versions: &'a [Version]) -> Cx<'a> {
        Cx { versions, ..self }
    }

    /// Reads what is of one client, at the version that this client speaks.
    pub fn speaking<T>(&mut self, client: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let spoken = self.speak.iter().find(|(name, _)| **name == *client);
        let version = spoken.map_or(self.version, |(_, version)| *version);
        let of_the_case = std::mem::replace(&mut self.version, version);
        let found = read(self);
        self.version = of_the_case;
        found
    }

    /// Adds an error.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.reader.error(place, message);
    }

    /// Adds an error that says what is allowed.
    pub fn error_help(&mut self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.reader.error_help(place, message, help);
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
        self.reader.unknown(place, what, found, allowed);
    }

    pub fn map<'n>(&mut self, node: &'n Node, what: &str, allowed: &[&str]) -> Option<&'n [(Node, Node)]> {
        self.reader.map(node, what, allowed).ok()
    }

    pub fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        self.reader.text(node, what).ok()
    }

    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        self.reader.list(node, what).ok()
    }

    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        self.reader.boolean(node, what).ok()
    }

    pub fn number(&mut self, node: &Node, what: &str, max: u64) -> Option<u64> {
        self.reader.number(node, what, max).ok()
    }

    pub fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        self.reader.duration(node, what).ok()
    }
}
