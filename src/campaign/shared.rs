//! What is played next, and what came of what was played.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fastrand::Rng;

use super::cause::{Causes, Key};
use super::{CorpusError, Options, corpus};
use crate::fuzzer::live::{CutShort, Menu};
use crate::fuzzer::{Action, Coverage, Sequence, Verdict, versions};
use crate::statements::Version;
use crate::transcript::Transcript;

/// The chance that a sequence goes on where another one reached something new: this part of [`WHOLE`].
const STEERED: u32 = 1;
const WHOLE: u32 = 4;
/// So many sequences that reached something new are kept, the newest.
const INTERESTING: usize = 4096;
/// So many sequences that were cut short are kept, the newest: more than are played side by side in most runs.
const SUSPECTS: usize = 256;
/// The target is taken to be gone if this many sequences in a row were cut short.
const IN_A_ROW: u32 = 24;

/// What workers share.
#[derive(Debug)]
pub struct Shared {
    options: Options,
    rng: Rng,
    /// The number of the next sequence.
    next: u64,
    /// Sequences of the corpus that were not played yet.
    first: VecDeque<Sequence>,
    pub coverage: Coverage,
    /// Sequences that reached something new.
    pub interesting: VecDeque<Arc<Sequence>>,
    pub sequences: u64,
    pub packets: u64,
    pub causes: Causes,
    /// Why sequences were cut short, and how many.
    pub cut_short: BTreeMap<String, u64>,
    in_a_row: u32,
    /// The last sequences that were cut short: one of them may be why.
    pub suspects: VecDeque<Sequence>,
}

/// What to play, before it is known over what.
#[derive(Debug, Clone)]
pub enum Next {
    New {
        seed: u64,
        versions: Vec<Version>,
        begin: Vec<Action>,
    },
    Again(Sequence),
}

impl Shared {
    /// # Errors
    /// The corpus cannot be read.
    pub fn new(options: &Options) -> Result<Shared, CorpusError> {
        Ok(Shared {
            rng: Rng::with_seed(options.seed),
            next: 0,
            first: corpus::read(options)?,
            coverage: Coverage::default(),
            interesting: VecDeque::new(),
            sequences: 0,
            packets: 0,
            causes: Causes::default(),
            cut_short: BTreeMap::new(),
            in_a_row: 0,
            suspects: VecDeque::new(),
            options: options.clone(),
        })
    }

    /// What to play next; `None` if all was begun.
    pub fn next(&mut self, menu: Menu) -> Option<Next> {
        if self.options.count.is_some_and(|count| self.next >= count) {
            return None;
        }
        let seed = self.options.seed.wrapping_add(self.next);
        self.next += 1;
        let plays = |sequence: &Sequence| sequence.actions.iter().all(|action| menu.has(&action.act));
        if let Some(at) = self.first.iter().position(plays) {
            return self.first.remove(at).map(Next::Again);
        }
        let steered = self.options.steering && !self.interesting.is_empty() && self.rng.u32(0..WHOLE) < STEERED;
        if steered {
            let sequence = &self.interesting[self.rng.usize(0..self.interesting.len())];
            let length = self.rng.usize(0..=sequence.actions.len());
            let begin = sequence.actions[..length].iter();
            return Some(Next::New {
                seed,
                versions: sequence.versions.clone(),
                begin: begin.take_while(|action| menu.has(&action.act)).cloned().collect(),
            });
        }
        let offered = &self.options.versions;
        let offer = |(n, version): (usize, Version)| {
            if offered.contains(&version) {
                version
            } else {
                offered[(seed as usize).wrapping_add(n) % offered.len()]
            }
        };
        Some(Next::New {
            seed,
            versions: versions(seed).into_iter().enumerate().map(offer).collect(),
            begin: Vec::new(),
        })
    }

    /// Takes what a sequence came to, and gives the causes that are new.
    pub fn take(
        &mut self,
        sequence: &Sequence,
        transcript: &Transcript,
        pairs: &[u64],
        packets: u64,
        verdicts: &[Verdict],
    ) -> Vec<Key> {
        self.sequences += 1;
        self.packets += packets;
        if self.coverage.add(pairs) > 0 {
            if self.interesting.len() >= INTERESTING {
                self.interesting.pop_front();
            }
            self.interesting.push_back(Arc::new(sequence.clone()));
        }
        self.causes.add(sequence, verdicts, transcript)
    }

    /// Counts a sequence that was cut short, or one that was not. What to say if the target is taken to be gone.
    pub fn ended(&mut self, sequence: &Sequence, cut_short: Option<&CutShort>) -> Option<String> {
        let Some(why) = cut_short else {
            self.in_a_row = 0;
            return None;
        };
        // One without an action has reached nothing.
        if !sequence.actions.is_empty() {
            if self.suspects.len() >= SUSPECTS {
                self.suspects.pop_front();
            }
            self.suspects.push_back(sequence.clone());
        }
        *self.cut_short.entry(why.to_string()).or_default() += 1;
        self.in_a_row += 1;
        (self.in_a_row >= IN_A_ROW).then(|| format!("{IN_A_ROW} sequences in a row were cut short: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::tests::options;
    use crate::fuzzer::Act;
    use crate::wire::Side;

    fn shared(steering: bool) -> Shared {
        Shared::new(&Options {
            steering,
            count: Some(40),
            ..options()
        })
        .expect("there is no corpus")
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

    fn sequence() -> Sequence {
        let action = |act| Action { client: 0, act };
        Sequence {
            versions: vec![Version::V5],
            actions: vec![action(Act::Ping), action(Act::Wait(1)), action(Act::Ping)],
        }
    }

    #[test]
    fn a_sequence_goes_on_where_another_reached_something_new() {
        let mut shared = shared(true);
        shared.take(&sequence(), &transcript(), &[1, 2], 10, &[]);
        shared.take(&sequence(), &transcript(), &[2], 10, &[]);
        assert_eq!((shared.interesting.len(), shared.sequences, shared.packets), (1, 2, 20));
        let begins: Vec<usize> = std::iter::from_fn(|| shared.next(Menu::default()))
            .map(|next| match next {
                Next::New { begin, .. } => begin.len(),
                Next::Again(_) => 0,
            })
            .collect();
        assert_eq!(begins.len(), 40, "--count is the number of all");
        // Nothing waits where the menu has no waits.
        assert!(begins.contains(&1) && begins.iter().all(|length| *length <= 1));
    }

    #[test]
    fn without_steering_each_sequence_is_that_of_its_seed() {
        let mut shared = shared(false);
        shared.take(&sequence(), &transcript(), &[1, 2], 10, &[]);
        for seed in 7..47 {
            let next = shared.next(Menu::default());
            let Some(Next::New { seed: given, begin, .. }) = next else {
                panic!("{next:?}");
            };
            assert_eq!((given, begin.len()), (seed, 0));
        }
    }

    #[test]
    fn a_target_is_gone_after_many_sequences_in_a_row() {
        let mut shared = shared(false);
        for _ in 1..IN_A_ROW {
            assert_eq!(shared.ended(&sequence(), Some(&CutShort::NotLetIn)), None);
        }
        assert_eq!(shared.ended(&sequence(), None), None);
        for _ in 1..IN_A_ROW {
            assert_eq!(shared.ended(&sequence(), Some(&CutShort::NotLetIn)), None);
        }
        assert!(shared.ended(&sequence(), Some(&CutShort::NotLetIn)).is_some());
        let suspects = 2 * (IN_A_ROW as usize) - 1;
        assert_eq!(shared.suspects.len(), suspects, "what was played to its end is none");
        for _ in 0..SUSPECTS {
            shared.ended(&sequence(), Some(&CutShort::NotLetIn));
        }
        assert_eq!(shared.suspects.len(), SUSPECTS);
    }
}
