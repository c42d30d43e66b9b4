//! Violations grouped by cause: the rule that sees them and the statement that they break.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::proof::Proof;
use crate::fuzzer::{Sequence, Verdict};
use crate::statements::StatementId;
use crate::suite::{self, Target};
use crate::sut::Known;
use crate::transcript::Transcript;

/// So many sequences of a cause are kept, the shortest.
const SAMPLES: usize = 4;
/// So many ways of failing are counted apart.
const WAYS: usize = 20;

/// What makes two violations the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub rule: &'static str,
    pub statement: StatementId,
}

impl fmt::Display for Key {
    /// `fuzz/newest-is-retained@v5`: as `known` in a profile names it, with the statement as what fails.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fuzz/{}@{}", self.rule, self.statement.version)
    }
}

impl Key {
    pub fn of(verdict: &Verdict) -> Key {
        Key {
            rule: verdict.rule,
            statement: verdict.statement,
        }
    }

    /// The cause of the target's profile that names it.
    pub fn known(&self, target: &Target) -> Option<Arc<Known>> {
        suite::known_for(target, &self.to_string(), self.statement)
    }
}

/// A sequence that shows a violation.
#[derive(Debug, Clone)]
pub struct Sample {
    pub sequence: Sequence,
    pub verdict: Verdict,
    pub transcript: Transcript,
}

/// What was seen of one cause while sequences were played side by side.
#[derive(Debug)]
pub struct Gathered {
    pub key: Key,
    /// How many sequences showed it.
    pub count: u64,
    /// The texts, without their numbers.
    pub ways: BTreeMap<String, u64>,
    /// The shortest first.
    pub samples: Vec<Sample>,
}

/// All causes.
#[derive(Debug, Default)]
pub struct Causes(BTreeMap<Key, Gathered>);

impl Causes {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn into_list(self) -> Vec<Gathered> {
        self.0.into_values().collect()
    }

    /// Adds what a sequence shows; gives the causes that are new.
    pub fn add(&mut self, sequence: &Sequence, verdicts: &[Verdict], transcript: &Transcript) -> Vec<Key> {
        let mut new = Vec::new();
        let mut seen = Vec::new();
        for verdict in verdicts {
            let key = Key::of(verdict);
            let gathered = self.0.entry(key).or_insert_with(|| {
                new.push(key);
                Gathered {
                    key,
                    count: 0,
                    ways: BTreeMap::new(),
                    samples: Vec::new(),
                }
            });
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            gathered.take(sequence, verdict, transcript);
        }
        new
    }
}

impl Gathered {
    fn take(&mut self, sequence: &Sequence, verdict: &Verdict, transcript: &Transcript) {
        self.count += 1;
        let way = without_numbers(&verdict.text);
        if self.ways.len() < WAYS || self.ways.contains_key(&way) {
            *self.ways.entry(way).or_default() += 1;
        }
        let length = |s: &Sequence| s.actions.len();
        let is_shorter = self
            .samples
            .last()
            .is_none_or(|s| length(sequence) < length(&s.sequence));
        if self.samples.len() < SAMPLES || is_shorter {
            let sample = Sample {
                sequence: sequence.clone(),
                verdict: verdict.clone(),
                transcript: transcript.clone(),
            };
            self.samples.push(sample);
            self.samples.sort_by_key(|s| length(&s.sequence));
            self.samples.truncate(SAMPLES);
        }
    }
}

/// A text with `N` in place of each number and `$ns` in place of a namespace, so that texts of one kind are the same.
fn without_numbers(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let level = word.split('/').next().unwrap_or_default().trim_start_matches('"');
        let word = if crate::play::is_namespace(level) {
            word.replacen(level, "$ns", 1)
        } else {
            word.to_owned()
        };
        let mut out = String::new();
        for c in word.chars() {
            match (c.is_ascii_digit(), out.ends_with('N')) {
                (true, true) => {}
                (true, false) => out.push('N'),
                (false, _) => out.push(c),
            }
        }
        out
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What became of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Played again alone, three times of three.
    Confirmed,
    /// Shown alone only this many times of so many, or never.
    Unstable { shown: u32, of: u32 },
    /// There was no time to play it again: the run was interrupted, or the broker was gone.
    Unconfirmed,
}

/// A cause after confirmation.
#[derive(Debug)]
pub struct Cause {
    pub key: Key,
    /// How many sequences showed it.
    pub count: u64,
    pub ways: BTreeMap<String, u64>,
    pub outcome: Outcome,
    /// The shortest sequence, and what it shows.
    pub sequence: Sequence,
    pub verdict: Verdict,
    pub transcript: Transcript,
    pub proof: Proof,
    /// The target's profile expects it.
    pub known: Option<Arc<Known>>,
}

impl Cause {
    /// A cause whose first sample is all that is known.
    pub fn unconfirmed(gathered: Gathered) -> Cause {
        let Gathered {
            key,
            count,
            ways,
            mut samples,
        } = gathered;
        let sample = samples.remove(0);
        Cause {
            key,
            count,
            ways,
            outcome: Outcome::Unconfirmed,
            sequence: sample.sequence,
            verdict: sample.verdict,
            transcript: sample.transcript,
            proof: Proof::None("the sequence was not confirmed".to_owned()),
            known: None,
        }
    }

    /// Whether a person must act: it is certain, and nobody expects it.
    pub fn is_new(&self) -> bool {
        self.known.is_none() && !matches!(self.outcome, Outcome::Unstable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Side, Version};

    fn verdict(rule: &'static str, text: &str) -> Verdict {
        Verdict {
            rule,
            statement: StatementId {
                version: Version::V5,
                id: "MQTT-3.3.1-5",
            },
            event: 0,
            text: text.to_owned(),
        }
    }

    fn sequence(length: usize) -> Sequence {
        let action = crate::fuzzer::Action {
            client: 0,
            act: crate::fuzzer::Act::Ping,
        };
        Sequence {
            versions: vec![Version::V5],
            actions: vec![action; length],
        }
    }

    fn transcript() -> Transcript {
        Transcript {
            scripted: Side::Client,
            version: Version::V5,
            namespace: String::new(),
            events: Vec::new(),
            local: Vec::new(),
            bindings: Vec::new(),
        }
    }

    #[test]
    fn violations_of_one_rule_and_statement_are_one_cause() {
        let mut causes = Causes::default();
        for length in [9, 3, 7, 5, 8, 1] {
            let verdicts = [verdict("a", "event 12 came"), verdict("a", "event 7 came")];
            causes.add(&sequence(length), &verdicts, &transcript());
        }
        let new = causes.add(&sequence(2), &[verdict("b", "text")], &transcript());
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].to_string(), "fuzz/b@v5");
        let list = causes.into_list();
        assert_eq!(list.iter().map(|g| g.count).collect::<Vec<_>>(), [6, 1]);
        let lengths: Vec<usize> = list[0].samples.iter().map(|s| s.sequence.actions.len()).collect();
        assert_eq!(lengths, [1, 3, 5, 7]);
        assert_eq!(list[0].ways.get("event N came"), Some(&6));
    }

    #[test]
    fn texts_of_one_kind_differ_in_names_and_numbers_alone() {
        assert_eq!(
            without_numbers("\"msab12cd/a/b\" of event 12 and QoS 2"),
            "\"$ns/a/b\" of event N and QoS N"
        );
    }
}
