//! A cause as it is written: the cause once, and below it the cases with what fails.

use std::sync::Arc;

use super::super::super::glob::Glob;
use super::super::check::{Check, Checked};
use super::{Fails, Known, Listed, Ruling, Severity, UNTRIAGED};
use crate::source::{Node, What, every};

/// The keys of a cause.
pub const KEYS: [&str; 15] = [
    "because",
    "bytes",
    "link",
    "links",
    "severity",
    "ruling",
    "about",
    "effect",
    "broker",
    "over",
    "sometimes",
    "varies",
    "untriaged",
    "fails",
    "cases",
];
pub const CASE_KEYS: [&str; 3] = ["fails", "sometimes", "varies"];
/// What `fails` holds, for messages.
pub(super) const FAILS: &str = "the statement (MQTT-3.1.2-3), the text of the step that fails, or crash";
/// What `cases` holds, for messages.
const CASES: &str = "`cases` maps the id of each case, or a pattern such as qos2/*@v5, to what fails; with `fails` next to it, it is a list";

/// Whether a result varies, in one of two ways.
#[derive(Debug, Clone, Copy, Default)]
struct Varying {
    sometimes: bool,
    varies: bool,
}

impl Check<'_> {
    /// The list under `known`.
    pub(in super::super) fn known(&mut self, node: &Node) -> Checked<Vec<Known>> {
        let items = self.read.list(node, "`known`")?;
        let causes = every(items, |item| match item.get("case") {
            Some(_) => self.known_entry(item),
            None => self.cause(item),
        })?;
        Ok(super::old::joined(causes))
    }

    fn cause(&mut self, node: &Node) -> Checked<Known> {
        self.read.map(node, "a cause of known deviations", &KEYS)?;
        let varying = self.varying(node, Varying::default());
        let flag = self.flag(node, "untriaged");
        let because = self.sentence(node, "because");
        let effect = self.sentence(node, "effect");
        let bytes = self.given(node, "bytes", |check, node| {
            Ok(check.filled(node, "`bytes`")?.to_owned())
        });
        let links = self.links(node);
        let severity = self.given(node, "severity", Self::severity);
        let ruling = self.ruling_and_about(node);
        let broker = self.given(node, "broker", Self::condition);
        let over = self.given(node, "over", Self::over);
        let cases = varying.and_then(|varying| self.cases(node, varying));
        let because = because?;
        let (ruling, about) = ruling?;
        let known = Known {
            untriaged: flag? || because.as_deref() == Some(UNTRIAGED),
            because: because.unwrap_or_default(),
            bytes: bytes?,
            links: links?,
            severity: severity?,
            ruling,
            about,
            effect: effect?,
            broker: broker?,
            over: over?.unwrap_or_default(),
            cases: cases?,
            place: node.place.clone(),
            source: Arc::clone(self.read.source),
        };
        self.justified(
            node,
            known,
            "`link` is an upstream issue, `bytes` the exchange that shows it; one of them is needed",
        )
    }

    /// A cause that a person has looked at says why, and shows it.
    pub(super) fn justified(&mut self, node: &Node, mut known: Known, evidence: &str) -> Checked<Known> {
        if known.untriaged {
            if known.because.trim().is_empty() {
                UNTRIAGED.clone_into(&mut known.because);
            }
            return Ok(known);
        }
        if known.because.trim().is_empty() {
            return Err(self.read.error_help(
                &node.place,
                "a known deviation without its reason",
                "`because` says in a few words what the broker does instead",
            ));
        }
        let shown = known
            .bytes
            .iter()
            .chain(&known.links)
            .any(|text| !text.trim().is_empty());
        if !shown {
            let message = "a known deviation without a link or bytes";
            return Err(self.read.error_help(&node.place, message, evidence));
        }
        Ok(known)
    }

    /// `sometimes` and `varies` of a map; a key that it does not have is as in what it is part of.
    fn varying(&mut self, node: &Node, whole: Varying) -> Checked<Varying> {
        let given = |check: &mut Self, key: &str| {
            check.given(node, key, |check, node| check.read.boolean(node, &format!("`{key}`")))
        };
        let (sometimes, varies) = (given(self, "sometimes"), given(self, "varies"));
        let varying = Varying {
            sometimes: sometimes?.unwrap_or(whole.sometimes),
            varies: varies?.unwrap_or(whole.varies),
        };
        self.one_way(node, varying.sometimes, varying.varies)?;
        Ok(varying)
    }

    /// Refuses a map with both `sometimes` and `varies`.
    pub(super) fn one_way(&mut self, node: &Node, sometimes: bool, varies: bool) -> Checked<()> {
        if !(sometimes && varies) {
            return Ok(());
        }
        let place = &node.get("varies").unwrap_or(node).place;
        Err(self.read.error_help(
            place,
            "`sometimes` and `varies` exclude each other",
            "`varies` is for what fails in every run, and not always in the same way; `sometimes` is for what may pass",
        ))
    }

    /// The cases of a cause: by name with what fails, or a list if all fail alike.
    fn cases(&mut self, node: &Node, varying: Varying) -> Checked<Vec<Listed>> {
        let alike = self.given(node, "fails", Self::failures)?;
        let cases = self.needed(node, "cases", CASES)?;
        let listed = match (&cases.what, alike) {
            (What::List(items), Some(fails)) => every(items, |item| {
                let case = self.filled(item, "a case")?;
                Ok(Listed {
                    case: Glob::new(case),
                    fails: fails.clone(),
                    sometimes: varying.sometimes,
                    varies: varying.varies,
                    place: item.place.clone(),
                })
            })?,
            (What::Map(entries), None) => every(entries, |(case, fails)| self.listed(case, fails, varying))?,
            (What::Map(_), Some(_)) => {
                let place = &node.key_of("fails").unwrap_or(node).place;
                let message = "`fails` next to cases with failures of their own";
                return Err(self.read.error_help(place, message, CASES));
            }
            (What::List(_), None) => {
                let message = "a list of cases without what fails in them";
                return Err(self.read.error_help(&cases.place, message, CASES));
            }
            (What::Scalar(_), _) => {
                let message = format!("`cases` is a map or a list, not {}", cases.kind());
                return Err(self.read.error_help(&cases.place, message, CASES));
            }
        };
        if listed.is_empty() {
            return Err(self.read.error_help(&cases.place, "a cause without cases", CASES));
        }
        Ok(listed)
    }

    fn listed(&mut self, case: &Node, node: &Node, varying: Varying) -> Checked<Listed> {
        let pattern = self.filled(case, "a case");
        let (fails, varying) = match &node.what {
            What::Map(_) => {
                self.read.map(node, "what fails in a case", &CASE_KEYS)?;
                let fails = self.needed(node, "fails", FAILS).and_then(|node| self.failures(node));
                (fails, self.varying(node, varying))
            }
            _ => (self.failures(node), Ok(varying)),
        };
        let varying = varying?;
        Ok(Listed {
            case: Glob::new(pattern?),
            fails: fails?,
            sometimes: varying.sometimes,
            varies: varying.varies,
            place: case.place.clone(),
        })
    }

    /// One failure or a list of them.
    fn failures(&mut self, node: &Node) -> Checked<Vec<Fails>> {
        let Some(items) = node.list() else {
            return Ok(vec![Fails::of(self.filled(node, "what fails")?)]);
        };
        if items.is_empty() {
            return Err(self.read.error_help(&node.place, "a list without a failure", FAILS));
        }
        every(items, |item| Ok(Fails::of(self.filled(item, "what fails")?)))
    }

    fn severity(&mut self, node: &Node) -> Checked<Severity> {
        let text = self.read.text(node, "`severity`")?;
        Severity::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| {
            let names = Severity::ALL.map(Severity::name);
            self.read.unknown(&node.place, "severity", text, &names)
        })
    }

    /// The ruling, and the readings that lead to it.
    fn ruling_and_about(&mut self, node: &Node) -> Checked<(Option<Ruling>, Option<String>)> {
        let ruling = self.given(node, "ruling", Self::ruling);
        let about = self.sentence(node, "about");
        let (ruling, about) = (ruling?, about?);
        if ruling == Some(Ruling::Disputed) && about.is_none() {
            let place = &node.get("ruling").unwrap_or(node).place;
            return Err(self.read.error_help(
                place,
                "a disputed deviation without its readings",
                "`about` says which reading of the standard forbids it, and which permits it",
            ));
        }
        Ok((ruling, about))
    }

    fn ruling(&mut self, node: &Node) -> Checked<Ruling> {
        let text = self.read.text(node, "`ruling`")?;
        Ruling::ALL.into_iter().find(|r| r.name() == text).ok_or_else(|| {
            let names = Ruling::ALL.map(Ruling::name);
            self.read.unknown(&node.place, "ruling", text, &names)
        })
    }

    fn links(&mut self, node: &Node) -> Checked<Vec<String>> {
        let link = self.sentence(node, "link");
        let links = self.given(node, "links", |check, node| {
            let items = check.read.list(node, "`links`")?;
            every(items, |item| Ok(check.filled(item, "a link")?.to_owned()))
        });
        Ok(link?.into_iter().chain(links?.unwrap_or_default()).collect())
    }

    /// Text on one line, however it was folded.
    fn sentence(&mut self, node: &Node, key: &str) -> Checked<Option<String>> {
        self.given(node, key, |check, node| {
            let text = check.filled(node, &format!("`{key}`"))?;
            Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
        })
    }

    /// Text with more than blanks in it, without those around it.
    pub(super) fn filled<'n>(&mut self, node: &'n Node, what: &str) -> Checked<&'n str> {
        match self.read.text(node, what)?.trim() {
            "" => Err(self.read.error(&node.place, format!("{what} is empty"))),
            text => Ok(text),
        }
    }
}
