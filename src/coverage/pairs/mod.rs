//! Which features meet: for each two features, in how many cases and in how many generated sequences both are used.
//!
//! A statement says little about what becomes of it where features meet, and brokers fail there. Cases are counted as they are played
//! against the embedded reference broker, and sequences as they are played against its core, so that both are measured by the
//! same eyes. The sequences are those of fixed seeds, so that the same program always gives the same figures.

mod feature;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::fuzzer::generate_and_play;
use crate::play::{Player, Settings};
use crate::reference::Config;
use crate::scenario::Case;
use crate::suite::{RunOptions, Target, run};

pub use feature::{Feature, features};

/// How many sequences are counted: those of the seeds from 0.
const SEQUENCES: u64 = 2000;

/// The figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs {
    /// How many cases were played.
    pub cases: u64,
    /// How many sequences were played.
    pub sequences: u64,
    /// In how many cases and sequences both features are used; the first feature is the smaller one.
    counts: BTreeMap<(Feature, Feature), (u64, u64)>,
}

impl Pairs {
    /// Plays the cases against a target, and sequences against the reference core.
    ///
    /// # Errors
    /// The target cannot be started: why, in one line.
    pub async fn play(cases: &[Arc<Case>], target: &Target, settings: &Settings, seed: u64) -> Result<Pairs, String> {
        let mut pairs = Pairs::default();
        let player = Player::new(settings.clone(), seed);
        let (events, _) = mpsc::unbounded_channel();
        let (_stop, stopped) = watch::channel(false);
        let played = run(cases, target, &player, &RunOptions::default(), events, stopped).await?;
        for transcript in played.cases.iter().filter_map(|case| case.transcript.as_ref()) {
            pairs.add_case(&features(transcript));
        }
        let config = Arc::new(Config::default());
        for seed in 0..SEQUENCES {
            let (_, transcript) = generate_and_play(&config, seed);
            pairs.add_sequence(&features(&transcript));
        }
        Ok(pairs)
    }

    /// Counts a case that uses these features.
    pub fn add_case(&mut self, used: &BTreeSet<Feature>) {
        self.cases += 1;
        of(used).for_each(|pair| self.counts.entry(pair).or_default().0 += 1);
    }

    /// Counts a sequence that uses these features.
    pub fn add_sequence(&mut self, used: &BTreeSet<Feature>) {
        self.sequences += 1;
        of(used).for_each(|pair| self.counts.entry(pair).or_default().1 += 1);
    }

    /// All pairs, each with the numbers of cases and of sequences that use both.
    pub fn all(&self) -> impl Iterator<Item = ((Feature, Feature), (u64, u64))> + '_ {
        let every = Feature::ALL.iter().copied().collect();
        let pairs: Vec<_> = of(&every).collect();
        pairs
            .into_iter()
            .map(move |pair| (pair, self.counts.get(&pair).copied().unwrap_or_default()))
    }

    /// The pairs for a terminal. With `gaps` only those that no case or no sequence has.
    pub fn terminal(&self, gaps: bool) -> String {
        let mut out = format!("{:<49} {:>6} {:>10}\n", "features", "cases", "sequences");
        for ((a, b), (cases, sequences)) in self.all() {
            if !gaps || cases == 0 || sequences == 0 {
                let name = format!("{} × {}", a.name(), b.name());
                let _ = writeln!(out, "{name:<49} {cases:>6} {sequences:>10}");
            }
        }
        let _ = writeln!(out, "\n{}", self.summary());
        out
    }

    /// The pairs as a page.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "# Pairs of features\n\n`mqttspec coverage --pairs --markdown` generates this page: in how many cases of the suite, and in how \
             many generated\nsequences, both features of a pair are used.\n\n{}\n\n| features | cases | sequences |\n| --- | ---: | ---: |\n",
            self.summary()
        );
        for ((a, b), (cases, sequences)) in self.all() {
            let _ = writeln!(out, "| {} × {} | {cases} | {sequences} |", a.name(), b.name());
        }
        out
    }

    /// The pairs as `docs/json.md` describes them.
    pub fn json(&self) -> Value {
        let pair = |((a, b), (cases, sequences)): ((Feature, Feature), (u64, u64))| json!({ "features": [a.name(), b.name()], "cases": cases, "sequences": sequences });
        json!({
            "format": 1,
            "cases": self.cases,
            "sequences": self.sequences,
            "features": Feature::ALL.iter().map(|feature| feature.name()).collect::<Vec<_>>(),
            "pairs": self.all().map(pair).collect::<Vec<_>>(),
        })
    }

    fn summary(&self) -> String {
        let number = |is: fn((u64, u64)) -> bool| self.all().filter(|(_, counts)| is(*counts)).count();
        format!(
            "{} pairs of {} features: {} in a case, {} in a sequence, {} in neither; {} cases and {} sequences",
            self.all().count(),
            Feature::ALL.len(),
            number(|(cases, _)| cases > 0),
            number(|(_, sequences)| sequences > 0),
            number(|counts| counts == (0, 0)),
            self.cases,
            self.sequences
        )
    }
}

/// The pairs of these features.
fn of(used: &BTreeSet<Feature>) -> impl Iterator<Item = (Feature, Feature)> + '_ {
    used.iter()
        .enumerate()
        .flat_map(move |(at, a)| used.iter().skip(at + 1).map(move |b| (*a, *b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs() -> Pairs {
        let mut pairs = Pairs::default();
        pairs.add_case(&BTreeSet::from([Feature::Will, Feature::Qos1, Feature::Queued]));
        pairs.add_case(&BTreeSet::from([Feature::Will, Feature::Qos1]));
        pairs.add_sequence(&BTreeSet::from([Feature::Queued, Feature::Will]));
        pairs
    }

    #[test]
    fn each_two_features_of_an_exchange_are_a_pair() {
        let of = |a, b| {
            pairs()
                .all()
                .find(|(pair, _)| *pair == (a, b))
                .map(|(_, counts)| counts)
        };
        assert_eq!(of(Feature::Qos1, Feature::Will), Some((2, 0)));
        assert_eq!(of(Feature::Will, Feature::Queued), Some((1, 1)));
        assert_eq!(of(Feature::Qos1, Feature::Restarted), Some((0, 0)));
        let features = Feature::ALL.len();
        assert_eq!(pairs().all().count(), features * (features - 1) / 2);
    }

    #[test]
    fn a_pair_is_a_line_in_every_report() {
        let text = pairs().terminal(false);
        let line = "QoS 1 × will                                           2          0";
        assert!(text.lines().any(|l| l == line), "{text}");
        let last = "300 pairs of 25 features: 3 in a case, 1 in a sequence, 297 in neither; 2 cases and 1 sequences";
        assert_eq!(text.lines().last(), Some(last));
        assert!(!pairs().terminal(true).contains("will × queued message"));
        assert!(pairs().markdown().contains("| will × queued message | 1 | 1 |"));
        let json = pairs().json();
        let pair = json!({ "features": ["QoS 1", "will"], "cases": 2, "sequences": 0 });
        assert!(
            json["pairs"].as_array().is_some_and(|list| list.contains(&pair)),
            "{json}"
        );
    }
}
