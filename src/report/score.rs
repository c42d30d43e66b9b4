//! How many statements a broker was seen to hold.

use std::collections::BTreeMap;

use crate::statements::{StatementId, Version, catalogue};
use crate::suite::{RunResult, Verdict};

/// The score at one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    pub version: Version,
    /// Numbered MUST statements all of whose played cases pass.
    pub held: usize,
    /// Numbered MUST statements that played cases prove.
    pub tried: usize,
    /// The same for our own entries.
    pub own_held: usize,
    pub own_tried: usize,
}

/// The scores of the versions at which a MUST was tried, oldest first.
pub fn scores(run: &RunResult) -> Vec<Score> {
    tally(run.cases.iter().map(|c| (c.verdict, c.proves.as_slice())))
}

/// The same of verdicts with what their cases prove.
pub fn tally<'c>(cases: impl Iterator<Item = (Verdict, &'c [StatementId])>) -> Vec<Score> {
    let mut held: BTreeMap<StatementId, bool> = BTreeMap::new();
    for (verdict, proves) in cases {
        let passes = match verdict {
            Verdict::Pass | Verdict::Fixed => true,
            Verdict::Fail | Verdict::Crash | Verdict::Known => false,
            Verdict::Skip | Verdict::Error => continue,
        };
        for id in proves {
            *held.entry(*id).or_insert(true) &= passes;
        }
    }
    held.retain(|id, _| catalogue().get(*id).is_some_and(|s| s.level.is_must()));
    let count = |version, own: bool, only_held: bool| {
        held.iter()
            .filter(|(id, held)| id.version == version && id.is_own() == own && (**held || !only_held))
            .count()
    };
    Version::ALL
        .into_iter()
        .map(|version| Score {
            version,
            held: count(version, false, true),
            tried: count(version, false, false),
            own_held: count(version, true, true),
            own_tried: count(version, true, false),
        })
        .filter(|s| s.tried + s.own_tried > 0)
        .collect()
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = self.version.name().trim_start_matches('v');
        let (held, tried) = (self.own_held, self.own_tried);
        match (self.tried, tried) {
            // 3.1 numbers none.
            (0, _) => write!(
                f,
                "{version}: {held} of {tried} MUST statements held, which the standard does not number"
            ),
            (all, 0) => write!(f, "{version}: {} of {all} MUST statements held", self.held),
            (all, _) => write!(
                f,
                "{version}: {} of {all} MUST statements held, and {held} of {tried} that the standard does not number",
                self.held
            ),
        }
    }
}
