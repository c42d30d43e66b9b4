//! The known deviations of a target.

use super::super::glob::Glob;
use super::super::version::{BrokerVersion, VersionCondition};
use super::check::{Check, Checked};
use crate::source::{Node, Place, every};
use crate::transport::Transport;

/// The keys of an entry of `known`.
const KEYS: [&str; 10] = [
    "case",
    "fails",
    "broker",
    "over",
    "sometimes",
    "varies",
    "because",
    "see",
    "bytes",
    "untriaged",
];

/// One entry of `known`: these cases fail in this way, and here is why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The cases that it is about.
    pub case: Glob,
    /// The failure that is expected. Any other failure of the case stays a failure.
    pub fails: Fails,
    /// The broker's versions that have the deviation; `None` is all of them.
    pub broker: Option<VersionCondition>,
    /// The transports over which it shows; empty is all of them.
    pub over: Vec<Transport>,
    /// The result varies from run to run: a pass is accepted too and does not make the entry stale.
    pub sometimes: bool,
    /// It fails in every run, and each time with other packets or at another step: snapshots hold its verdict alone.
    /// Never together with `sometimes`.
    pub varies: bool,
    /// Why it fails. Empty only where the entry is untriaged.
    pub because: String,
    /// A link to more.
    pub see: Option<String>,
    /// The bytes that show it, where there is no link.
    pub bytes: Option<String>,
    /// Written by a machine and not yet looked at by a person; counted loudly.
    pub untriaged: bool,
    /// Where the entry's `case` stands in the profile.
    pub place: Place,
}

/// How a known case fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fails {
    /// It alone kills a fresh broker.
    Crash,
    /// The breached statement's token (`v5:MQTT-3.1.2-3`) or the step's text, as the verdict names it.
    By(String),
}

impl Known {
    /// Whether the deviation shows over this transport.
    pub fn shows_over(&self, transport: Transport) -> bool {
        self.over.is_empty() || self.over.contains(&transport)
    }

    /// Whether the entry holds for this version of the broker. `None`: the entry is only for some versions, and which
    /// one this broker has is not known.
    pub fn holds_for(&self, version: Option<&BrokerVersion>) -> Option<bool> {
        match (&self.broker, version) {
            (None, _) => Some(true),
            (Some(condition), Some(version)) => Some(condition.holds_for(version)),
            (Some(_), None) => None,
        }
    }
}

impl Check<'_> {
    pub(super) fn known(&mut self, node: &Node) -> Checked<Vec<Known>> {
        let items = self.read.list(node, "`known`")?;
        every(items, |item| self.known_entry(item))
    }

    fn known_entry(&mut self, node: &Node) -> Checked<Known> {
        self.read.map(node, "a known deviation", &KEYS)?;
        let case = self.needed(node, "case", "the id of a case, or a glob such as qos2/*@v5");
        let case = case.and_then(|case| Ok((case, self.filled(case, "`case`")?)));
        let fails = self
            .needed(
                node,
                "fails",
                "the statement (v5:MQTT-3.1.2-3), the step that fails, or crash",
            )
            .and_then(|fails| self.filled(fails, "`fails`"));
        let broker = self.given(node, "broker", |check, node| {
            let text = check.read.text(node, "`broker`")?;
            text.parse().map_err(|e: String| check.read.error(&node.place, e))
        });
        let over = self.given(node, "over", |check, node| {
            let items = check.read.list(node, "`over`")?;
            every(items, |item| check.transport(item))
        });
        let sometimes = self.flag(node, "sometimes");
        let varies = self.flag(node, "varies");
        let untriaged = self.flag(node, "untriaged");
        let because = self.given(node, "because", |check, node| check.string(node, "`because`"));
        let see = self.given(node, "see", |check, node| check.string(node, "`see`"));
        let bytes = self.given(node, "bytes", |check, node| check.string(node, "`bytes`"));
        let ((case_node, case), fails) = (case?, fails?);
        let known = Known {
            case: Glob::new(case),
            fails: match fails {
                "crash" => Fails::Crash,
                text => Fails::By(text.to_owned()),
            },
            broker: broker?,
            over: over?.unwrap_or_default(),
            sometimes: sometimes?,
            varies: varies?,
            because: because?.unwrap_or_default(),
            see: see?,
            bytes: bytes?,
            untriaged: untriaged?,
            place: case_node.place.clone(),
        };
        self.justified(node, &known)?;
        Ok(known)
    }

    /// An entry that a person has looked at says why, and shows it.
    fn justified(&mut self, node: &Node, known: &Known) -> Checked<()> {
        let filled = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        if known.sometimes && known.varies {
            let place = &node.get("varies").unwrap_or(node).place;
            return Err(self.read.error_help(
                place,
                "`sometimes` and `varies` exclude each other",
                "`varies` is for what fails in every run, and not always in the same way; `sometimes` is for what may pass",
            ));
        }
        if !known.untriaged && known.because.trim().is_empty() {
            return Err(self.read.error_help(
                &node.place,
                "a known deviation without its reason",
                "`because` says in a few words what the broker does instead",
            ));
        }
        if !known.untriaged && !filled(&known.see) && !filled(&known.bytes) {
            return Err(self.read.error_help(
                &node.place,
                "a known deviation without a link or bytes",
                "`see` is a link to more, `bytes` the exchange that shows it; one of them is needed",
            ));
        }
        Ok(())
    }

    /// Text with more than blanks in it, without those around it.
    fn filled<'n>(&mut self, node: &'n Node, what: &str) -> Checked<&'n str> {
        match self.read.text(node, what)?.trim() {
            "" => Err(self.read.error(&node.place, format!("{what} is empty"))),
            text => Ok(text),
        }
    }
}
