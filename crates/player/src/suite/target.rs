//! The target of a run: what it offers, how instances of it are had, and what is known of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::play::Settings;
use crate::scenario::{Outline, Wanted};
use crate::statements::Version;
use crate::sut::{BrokerVersion, Known, Launcher, Supports};
use crate::wire::Side;

use super::TargetInfo;

/// A broker or client under test, as the suite needs it.
#[derive(Clone)]
pub struct Target {
    pub info: TargetInfo,
    /// The side under test: a broker, or the clients behind adapters.
    pub tests: Side,
    pub launcher: Arc<dyn Launcher>,
    pub supports: Supports,
    /// Other configurations of the broker: a case is played on the first that has what it needs, and on none of
    /// them if the target itself has it.
    pub setups: Vec<Setup>,
    /// Its expected failures, by cause.
    pub known: Vec<Arc<Known>>,
    pub broker_version: Option<BrokerVersion>,
    /// Versions that are not offered, and why: their cases are skipped.
    pub not_offered: BTreeMap<Version, String>,
    /// Whether someone has said which versions the broker serves: a profile's `versions`, or the caller. One that it does not
    /// serve is then an error and no reason to skip.
    pub states_versions: bool,
    /// How many cases in parallel on one instance.
    pub jobs: usize,
    /// How many instances in parallel, for cases that need their own.
    pub instances: usize,
    /// Whether every case has its own, and not only those that restart the broker.
    pub isolate: bool,
}

/// The same broker, configured in another way.
#[derive(Clone)]
pub struct Setup {
    pub name: String,
    pub launcher: Arc<dyn Launcher>,
    pub supports: Supports,
    /// Login, limits and authentication of this setup. The response timeout and `settle` are those of the run.
    pub settings: Settings,
}

impl Target {
    /// Why a case cannot be played against this target, known before it is tried; `None` if it can.
    pub fn cannot_play(&self, case: &Outline) -> Option<String> {
        self.setup_for(case).err()
    }

    /// The setup on which a case is played, by its number; `None` is the target itself.
    ///
    /// # Errors
    /// Why it cannot be played on any.
    pub fn setup_for(&self, case: &Outline) -> Result<Option<usize>, String> {
        if case.header.tests != self.tests {
            let tested = match self.tests {
                Side::Client => "the case tests a broker, and the target is a client",
                Side::Server => "the case tests a client, and the target is a broker",
            };
            return Err(tested.to_owned());
        }
        if let Some(why) = case.speaks.iter().find_map(|version| self.not_offered.get(version)) {
            return Err(why.clone());
        }
        if case.conditions.serial && !self.launcher.starts_its_own() && !self.supports.has("exclusive") {
            return Err("affects the whole broker, which others may use".to_owned());
        }
        let Err(why) = unmet(&self.supports, case) else {
            return Ok(None);
        };
        match self
            .setups
            .iter()
            .position(|setup| unmet(&setup.supports, case).is_ok())
        {
            Some(number) => Ok(Some(number)),
            None => Err(why),
        }
    }
}

/// The first need of a case that is not met.
fn unmet(supports: &Supports, case: &Outline) -> Result<(), String> {
    case.conditions.needs.iter().try_for_each(|need| match need.wanted {
        Wanted::There => supports.meets(&need.feature, None),
        Wanted::Missing => supports.lacks(&need.feature),
        Wanted::Limit { from, to } => supports.meets(&need.feature, Some((from, to))),
    })
}
