//! The expected failures of a target, by cause.
//!
//! A [`Known`] is one cause: what the broker does instead of what the standard asks for, the bytes that show it, and
//! what it does to a user. Below it are the cases that fail because of it, each with what fails.

mod from;
mod old;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use super::super::glob::Glob;
use super::super::version::{BrokerVersion, VersionCondition};
use crate::source::{Diagnostic, Place, Source};
use crate::statements::Version;
use crate::transport::Transport;

pub(super) use old::KEYS as ENTRY_KEYS;
pub(super) use read::{CASE_KEYS, KEYS as CAUSE_KEYS};

/// The reason of a cause that is not triaged.
pub const UNTRIAGED: &str = "untriaged";

/// One cause of expected failures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What the broker does instead, in one sentence; [`UNTRIAGED`] if it is not triaged.
    pub because: String,
    /// The bytes that show it.
    pub bytes: Option<String>,
    /// Upstream issues and other pages about it.
    pub links: Vec<String>,
    /// How bad it is; `None` if the profile does not say.
    pub severity: Option<Severity>,
    /// How firmly the standard forbids it; `None` if the profile does not say.
    pub ruling: Option<Ruling>,
    /// The readings of the standard that lead to the ruling. Always given for [`Ruling::Disputed`].
    pub about: Option<String>,
    /// What it does to a user, in one sentence.
    pub effect: Option<String>,
    /// The broker's versions that have the deviation; `None` is all of them.
    pub broker: Option<VersionCondition>,
    /// The transports over which it shows; empty is all of them.
    pub over: Vec<Transport>,
    /// It is not triaged; reports count such causes.
    pub untriaged: bool,
    /// The cases that fail because of it; never empty.
    pub cases: Vec<Listed>,
    /// The cause in its file.
    pub place: Place,
    /// The file, which is not that of the profile if `known_from` names it.
    pub source: Arc<Source>,
}

/// Cases that fail alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// A pattern over case ids.
    pub case: Glob,
    /// The failures that are expected; never empty. Any other failure of the cases stays a failure.
    pub fails: Vec<Fails>,
    /// The verdict varies from run to run: a pass is accepted too and does not make the entry stale.
    pub sometimes: bool,
    /// It fails in every run, each time with other packets or at another step: snapshots hold its verdict alone.
    /// Never together with `sometimes`.
    pub varies: bool,
    /// The pattern in the cause's file.
    pub place: Place,
}

/// How a case fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fails {
    /// It alone kills a fresh broker.
    Crash,
    /// The violated statement, as a token (`v5:MQTT-3.1.2-3`) or an id (`MQTT-3.1.2-3`), or the step's text as the
    /// verdict names it.
    By(String),
}

/// How bad a deviation is for those who use the broker, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The broker loses what it has acknowledged or has to keep: a message, a will, a retained message, a subscription
    /// or a session.
    DataLoss,
    /// A message reaches the wrong client, comes twice, late, out of order or changed.
    WrongDelivery,
    /// A client that keeps to the standard is refused, disconnected, left without an answer or given a wrong one.
    Interoperability,
    /// The broker accepts or ignores what it has to refuse. Only clients that violate the standard see it.
    Leniency,
    /// The broker refuses what it has to refuse, but in another form: another reason code, or none before the close.
    Cosmetic,
}

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Severity; 5] = [
        Severity::DataLoss,
        Severity::WrongDelivery,
        Severity::Interoperability,
        Severity::Leniency,
        Severity::Cosmetic,
    ];

    /// The word in profiles and reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::DataLoss => "data-loss",
            Severity::WrongDelivery => "wrong-delivery",
            Severity::Interoperability => "interoperability",
            Severity::Leniency => "leniency",
            Severity::Cosmetic => "cosmetic",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How firmly the standard forbids a deviation, the firmest first. If the cases of a cause differ, the firmest decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ruling {
    /// It violates a MUST, or a rule of the packet format, under every reading.
    Must,
    /// It violates the standard only if a server has to detect every error. MQTT 5.0, section 4.13.1, leaves open how
    /// rigorously a server checks what it receives.
    Strict,
    /// It goes against a SHOULD, or against a sentence without a keyword, such as most of MQTT 3.1.
    Should,
    /// One reasonable reading forbids it, another permits it.
    Disputed,
}

impl Ruling {
    /// Every ruling, the firmest first.
    pub const ALL: [Ruling; 4] = [Ruling::Must, Ruling::Strict, Ruling::Should, Ruling::Disputed];

    /// The word in profiles and reports.
    pub fn name(self) -> &'static str {
        match self {
            Ruling::Must => "must",
            Ruling::Strict => "strict",
            Ruling::Should => "should",
            Ruling::Disputed => "disputed",
        }
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Fails {
    fn of(text: &str) -> Fails {
        match text {
            "crash" => Fails::Crash,
            text => Fails::By(text.to_owned()),
        }
    }

    /// The text without the version of a statement's token: `MQTT-3.1.2-3` of `v5:MQTT-3.1.2-3`. A case has one
    /// version, so that both name the same failure of it.
    pub fn id(&self) -> &str {
        match self {
            Fails::Crash => "crash",
            Fails::By(text) => match text.split_once(':') {
                Some((version, id)) if version.parse::<Version>().is_ok() => id,
                _ => text,
            },
        }
    }
}

impl fmt::Display for Fails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fails::Crash => f.write_str("crash"),
            Fails::By(text) => f.write_str(text),
        }
    }
}

impl Known {
    /// Whether the deviation shows over this transport.
    pub fn shows_over(&self, transport: Transport) -> bool {
        self.over.is_empty() || self.over.contains(&transport)
    }

    /// Whether the cause holds for this version of the broker. `None`: the cause is only for some versions, and which
    /// one this broker has is not known.
    pub fn holds_for(&self, version: Option<&BrokerVersion>) -> Option<bool> {
        match (&self.broker, version) {
            (None, _) => Some(true),
            (Some(condition), Some(version)) => Some(condition.holds_for(version)),
            (Some(_), None) => None,
        }
    }

    /// Whether both causes can hold in one run.
    pub fn meets(&self, other: &Known) -> bool {
        let versions = match (&self.broker, &other.broker) {
            // Two conditions are there to tell versions apart.
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        let over = self.over.is_empty() || other.over.is_empty() || self.over.iter().any(|t| other.over.contains(t));
        versions && over
    }

    /// An error at a place of the cause's file.
    pub fn error_at(&self, place: &Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.source, place, message)
    }

    /// Where the cause is: `ci/brokers/rumqttd.yaml:41`.
    pub fn origin(&self) -> String {
        self.line_of(&self.place)
    }

    /// Where a place of the cause's file is: `ci/brokers/rumqttd.yaml:41`.
    pub fn line_of(&self, place: &Place) -> String {
        format!("{}:{}", self.source.file, place.line)
    }
}

#[cfg(test)]
mod naming {
    use super::*;

    #[test]
    fn a_token_and_an_id_name_the_same_failure() {
        assert_eq!(Fails::of("v5:MQTT-3.1.2-3").id(), "MQTT-3.1.2-3");
        assert_eq!(Fails::of("MQTT-3.1.2-3").id(), "MQTT-3.1.2-3");
        assert_eq!(Fails::of("v5:§2.2.3/remaining-length").id(), "§2.2.3/remaining-length");
        assert_eq!(
            Fails::of("c <- closed: { within: 2s }").id(),
            "c <- closed: { within: 2s }"
        );
        assert_eq!(Fails::of("crash").id(), "crash");
    }
}
