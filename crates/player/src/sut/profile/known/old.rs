//! The first form of `known`: an entry for each case, with the cause in every one of them. It is still read.

use std::sync::Arc;

use super::super::super::glob::Glob;
use super::super::super::version::VersionCondition;
use super::super::check::{Check, Checked};
use super::read::FAILS;
use super::{Fails, Known, Listed};
use crate::source::{Node, every};
use crate::transport::Transport;

/// The keys of an entry.
pub const KEYS: [&str; 10] = [
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

impl Check<'_> {
    /// An entry with the key `case`: a cause of its own until [`joined`] finds others alike.
    pub(super) fn known_entry(&mut self, node: &Node) -> Checked<Known> {
        self.read.map(node, "a known deviation", &KEYS)?;
        let case = self.needed(node, "case", "the id of a case, or a glob such as qos2/*@v5");
        let case = case.and_then(|case| Ok((case, self.filled(case, "`case`")?)));
        let fails = self
            .needed(node, "fails", FAILS)
            .and_then(|fails| self.filled(fails, "`fails`"));
        let broker = self.given(node, "broker", Self::condition);
        let over = self.given(node, "over", Self::over);
        let sometimes = self.flag(node, "sometimes");
        let varies = self.flag(node, "varies");
        let untriaged = self.flag(node, "untriaged");
        let because = self.given(node, "because", |check, node| check.string(node, "`because`"));
        let see = self.given(node, "see", |check, node| check.string(node, "`see`"));
        let bytes = self.given(node, "bytes", |check, node| check.string(node, "`bytes`"));
        let ((case_node, case), fails) = (case?, fails?);
        let listed = Listed {
            case: Glob::new(case),
            fails: vec![Fails::of(fails)],
            sometimes: sometimes?,
            varies: varies?,
            place: case_node.place.clone(),
        };
        self.one_way(node, listed.sometimes, listed.varies)?;
        let known = Known {
            because: because?.unwrap_or_default(),
            bytes: bytes?,
            links: see?.into_iter().collect(),
            severity: None,
            ruling: None,
            about: None,
            effect: None,
            broker: broker?,
            over: over?.unwrap_or_default(),
            untriaged: untriaged?,
            cases: vec![listed],
            place: node.place.clone(),
            source: Arc::clone(self.read.source),
        };
        let evidence = "`see` is a link to more, `bytes` the exchange that shows it; one of them is needed";
        self.justified(node, known, evidence)
    }

    /// The versions of the broker that have a deviation.
    pub(super) fn condition(&mut self, node: &Node) -> Checked<VersionCondition> {
        let text = self.read.text(node, "`broker`")?;
        text.parse().map_err(|e: String| self.read.error(&node.place, e))
    }

    /// The transports over which a deviation shows.
    pub(super) fn over(&mut self, node: &Node) -> Checked<Vec<Transport>> {
        let items = self.read.list(node, "`over`")?;
        every(items, |item| self.transport(item))
    }
}

/// The causes, with those joined that say the same of different cases. Of untriaged ones no one knows whether they are
/// the same.
pub(super) fn joined(causes: Vec<Known>) -> Vec<Known> {
    let mut out: Vec<Known> = Vec::new();
    for cause in causes {
        match out.iter_mut().find(|known| is_same(known, &cause)) {
            Some(known) => known.cases.extend(cause.cases),
            None => out.push(cause),
        }
    }
    out
}

fn is_same(one: &Known, other: &Known) -> bool {
    let apart = |known: &Known| {
        let Known {
            because,
            bytes,
            links,
            severity,
            ruling,
            about,
            effect,
            broker,
            over,
            ..
        } = known.clone();
        (because, bytes, links, severity, ruling, about, effect, broker, over)
    };
    !one.untriaged && !other.untriaged && one.because == other.because && apart(one) == apart(other)
}
