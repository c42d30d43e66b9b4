//! The known deviations of a target.

use super::super::glob::Glob;
use super::super::version::{BrokerVersion, VersionCondition};
use super::error::Place;
use crate::transport::Transport;

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
    pub place: Option<Place>,
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
