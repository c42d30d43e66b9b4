//! The target of a run: what it offers, how instances of it are had, and what is known of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::scenario::Outline;
use crate::statements::Version;
use crate::target::{BrokerVersion, Known, Launcher, Supports};

use super::TargetInfo;

/// A broker under test, as the suite needs it.
#[derive(Clone)]
pub struct Target {
    pub info: TargetInfo,
    pub launcher: Arc<dyn Launcher>,
    pub supports: Supports,
    pub known: Vec<Known>,
    pub broker_version: Option<BrokerVersion>,
    /// Versions that are not offered, and why: their cases are skipped.
    pub not_offered: BTreeMap<Version, String>,
    /// How many cases side by side on one instance.
    pub jobs: usize,
    /// How many instances side by side, for cases that need their own.
    pub instances: usize,
}

impl Target {
    /// Why a case cannot be played against this target, known before it is tried; `None` where it can.
    pub fn cannot_play(&self, case: &Outline) -> Option<String> {
        if let Some(why) = self.not_offered.get(&case.version) {
            return Some(why.clone());
        }
        if case.header.serial && !self.launcher.starts_its_own() && !self.supports.has("exclusive") {
            return Some("touches the whole broker, which others may use".to_owned());
        }
        case.header
            .needs
            .iter()
            .find_map(|need| self.supports.meets(&need.feature, need.at_least).err())
    }
}
