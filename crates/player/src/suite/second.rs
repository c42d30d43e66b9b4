//! The second look: what failed is played once more before it is counted as the broker's, alone and with a longer response
//! timeout. What passes then is no failure of the broker, and no pass either.
//!
//! One failure of each group that fails in the same way speaks for the group, unless it passes, or the run has shown that
//! its cases got in each other's way.
//!
//! A case that waits in vain for a packet or close takes the whole response timeout. At a shared broker such cases are played
//! a few at a time once [`WITNESSES`] of each kind have failed alone too. A result counts only if the case fails as it did
//! before; any other is played alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::play::{Failure, FailureKind, longest_wait, seconds};
use crate::scenario::Case;
use crate::statements::Version;

use super::session::Place;
use super::{CaseResult, Session, Verdict};

/// How much longer the response timeout is.
const LONGER: u32 = 3;
/// How many cases that wait for what does not come are looked at in parallel if each has a broker of its own.
const BESIDE: usize = 4;
/// How many of them are looked at in parallel on a shared broker: they are idle, and far fewer than in the run.
const ABREAST: usize = 8;
/// How many failures of a kind must fail alone too, before others of the kind are looked at in parallel.
const WITNESSES: usize = 2;

/// What a second look may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookLimit {
    /// After this time no further case is begun.
    pub time: Duration,
    /// No more cases than this are played.
    pub cases: usize,
}

impl Default for LookLimit {
    fn default() -> LookLimit {
        LookLimit {
            time: Duration::from_secs(60),
            cases: 500,
        }
    }
}

/// What the second look at a failed case has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecondLook {
    /// It fails again.
    Fails,
    /// It passes alone: it fails only beside other cases.
    Alone,
    /// It passes if the broker is given more time than the response timeout, and no statement gives a time.
    Late,
    /// The limit left no time for it, and the run has shown that its cases get in each other's way.
    Unconfirmed,
}

/// A case that failed, and where it stands in the suite.
type Looked = (usize, CaseResult);

/// Failures that are alike: scenario, version, and why without the names and times of the run.
type Alike = (String, Version, bool, String);

/// What there is to be done, and what came of it.
struct Looking<'a> {
    session: &'a Arc<Session>,
    cases: &'a [Arc<Case>],
    places: Arc<[Arc<Place>]>,
    deadline: Instant,
    left: usize,
    /// How many cases were looked at beside others on their broker, and failed as before.
    abreast: usize,
    stop: watch::Receiver<bool>,
    /// The second results, by the number of the case.
    again: BTreeMap<usize, CaseResult>,
}

impl Session {
    /// Looks again at every failure in `results`, within the limit, and puts what it shows in its place. Ends early if `stop`
    /// becomes true.
    pub(super) async fn look_again(
        self: &Arc<Session>,
        cases: &[Arc<Case>],
        results: &mut [Option<CaseResult>],
        limit: LookLimit,
        stop: watch::Receiver<bool>,
    ) {
        let mut groups: BTreeMap<Alike, Vec<usize>> = BTreeMap::new();
        let mut failed = 0;
        for (number, result) in results.iter().enumerate() {
            let Some(result) = result.as_ref().filter(|result| result.verdict == Verdict::Fail) else {
                continue;
            };
            failed += 1;
            if timed_out(result) || !self.was_alone(&cases[number], cases.len()) {
                groups.entry(alike(result)).or_default().push(number);
            }
        }
        if groups.is_empty() || limit.time.is_zero() {
            return;
        }
        let mut looking = Looking {
            session: self,
            cases,
            places: self
                .places
                .iter()
                .map(|place| Arc::new(place.patient(LONGER)))
                .collect(),
            deadline: Instant::now() + limit.time,
            left: limit.cases,
            abreast: 0,
            stop,
            again: BTreeMap::new(),
        };
        // The limit may leave some out: those that take little time come first, and of these the largest groups.
        let mut by_size: Vec<&Vec<usize>> = groups.values().collect();
        by_size.sort_by_key(|group| (Reverse(group.len()), group[0]));
        let waits = |group: &&Vec<usize>| results[group[0]].as_ref().is_some_and(timed_out);
        let (slow, quick): (Vec<_>, Vec<_>) = by_size.into_iter().partition(waits);
        for groups in [quick, slow] {
            let first = groups.iter().map(|group| group[0]).collect();
            looking.look_at(first, results, true).await;
            let is_disturbed = self.is_disturbed();
            let rest: Vec<usize> = groups
                .iter()
                .filter(|group| is_disturbed || !looking.fails_again(group[0]))
                .flat_map(|group| &group[1..])
                .copied()
                .collect();
            looking.look_at(rest, results, false).await;
        }
        let is_disturbed = self.is_disturbed();
        // In a group that one case speaks for, the others are as good as looked at.
        let spoken_for: usize = groups
            .values()
            .filter(|group| !is_disturbed && looking.fails_again(group[0]))
            .map(|group| group.len() - 1)
            .sum();
        let waiting = groups.values().map(Vec::len).sum::<usize>() - spoken_for;
        let timeout = self.response_timeout();
        let is_stopped = *looking.stop.borrow();
        let again = looking.again;
        let mut counts = Counts {
            abreast: looking.abreast,
            failed,
            played: again.len(),
            unplayed: waiting - again.len(),
            spoken_for,
            ..Counts::default()
        };
        for (number, second) in again {
            if let Some(first) = results[number].take() {
                let lost = first.failure.iter().chain(&first.missed).any(Failure::lost_connection);
                let result = settled(first, second, &cases[number], timeout);
                counts.add(result.second_look, lost);
                results[number] = Some(result);
            }
        }
        // Of what was not looked at, no one knows whether the broker or its load made it fail.
        if is_disturbed && !is_stopped {
            counts.is_disturbed = true;
            for number in groups.into_values().flatten() {
                let open = results[number].take();
                results[number] = open.map(|result| match result.second_look {
                    None if result.verdict == Verdict::Fail => unconfirmed(result),
                    _ => result,
                });
            }
        }
        self.note(counts.text(timeout * LONGER, limit)).await;
    }

    /// Whether nothing was played beside a case on its broker.
    fn was_alone(&self, case: &Case, selected: usize) -> bool {
        let starts_its_own = self.target.launcher.starts_its_own();
        selected == 1 || (starts_its_own && self.needs_its_own(case))
    }
}

impl Looking<'_> {
    /// Plays the cases once more: those that fail at once one after the other, those that wait in vain some at a time if each
    /// has a broker of its own, or if `may_be_beside` and nothing speaks against it.
    async fn look_at(&mut self, numbers: Vec<usize>, results: &[Option<CaseResult>], may_be_beside: bool) {
        let waits = |number: &usize| results[*number].as_ref().is_some_and(timed_out);
        let (slow, quick): (Vec<usize>, Vec<usize>) = numbers.into_iter().partition(waits);
        self.round(quick, 1).await;
        let target = &self.session.target;
        if target.launcher.starts_its_own() {
            return self.round(slow, target.instances.clamp(1, BESIDE)).await;
        }
        let kind = |number: usize| results[number].as_ref().and_then(kind_of);
        let (witnesses, mut rest) = witnesses(slow, kind);
        self.round(witnesses.clone(), 1).await;
        let fails_alone = |number: &usize| self.fails_as_before(*number, results);
        if may_be_beside && !self.session.is_disturbed() && witnesses.iter().all(fails_alone) {
            let (crowd, alone): (Vec<usize>, Vec<usize>) = rest
                .into_iter()
                .partition(|&number| !self.cases[number].conditions.serial && !self.cases[number].conditions.heavy);
            self.round(crowd.clone(), ABREAST).await;
            let (settled, open): (Vec<usize>, Vec<usize>) = crowd
                .into_iter()
                .partition(|&number| self.fails_as_before(number, results));
            self.abreast += settled.len();
            rest = open.into_iter().chain(alone).collect();
        }
        self.round(rest, 1).await;
    }

    async fn round(&mut self, numbers: Vec<usize>, beside: usize) {
        let mut numbers = numbers.into_iter();
        let mut tasks: JoinSet<Looked> = JoinSet::new();
        loop {
            while tasks.len() < beside && self.left > 0 && Instant::now() < self.deadline {
                let Some(number) = numbers.next() else { break };
                let (session, places) = (Arc::clone(self.session), Arc::clone(&self.places));
                let case = Arc::clone(&self.cases[number]);
                self.left -= 1;
                tasks.spawn(async move { (number, session.case_at(&case, &places).await) });
            }
            let joined = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => break,
                joined = tasks.join_next() => joined,
            };
            match joined {
                Some(Ok((number, result))) => {
                    self.again.insert(number, result);
                }
                Some(Err(panic)) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
                Some(Err(_)) => {}
                None => break,
            }
        }
        tasks.shutdown().await;
    }

    /// Whether the case failed again in the way in which it failed in the run.
    fn fails_as_before(&self, number: usize, results: &[Option<CaseResult>]) -> bool {
        let again = self.again.get(&number);
        let is_same = |(again, before): (&CaseResult, &CaseResult)| alike(again) == alike(before);
        self.fails_again(number) && again.zip(results[number].as_ref()).is_some_and(is_same)
    }

    fn fails_again(&self, number: usize) -> bool {
        let again = self.again.get(&number);
        again.is_some_and(|result| matches!(result.verdict, Verdict::Fail | Verdict::Crash))
    }
}

/// Whether a case failed because something did not come in time.
fn timed_out(result: &CaseResult) -> bool {
    result.failure.iter().chain(&result.missed).any(Failure::timed_out)
}

/// In which way a case failed, whatever its scenario.
fn kind_of(result: &CaseResult) -> Option<Discriminant<FailureKind>> {
    let failure = result.failure.as_ref().or(result.missed.as_ref());
    failure.map(|failure| discriminant(&failure.kind))
}

/// The first [`WITNESSES`] of each kind, and the others.
fn witnesses<K: Eq + Hash>(numbers: Vec<usize>, kind: impl Fn(usize) -> K) -> (Vec<usize>, Vec<usize>) {
    let mut seen: HashMap<K, usize> = HashMap::new();
    numbers.into_iter().partition(|number| {
        let count = seen.entry(kind(*number)).or_default();
        *count += 1;
        *count <= WITNESSES
    })
}

fn alike(result: &CaseResult) -> Alike {
    let mut why = result
        .steady_reason
        .clone()
        .or(result.reason.clone())
        .unwrap_or_default();
    for transcript in result.transcript.iter().chain(&result.control) {
        why = why.replace(&transcript.namespace, "$ns");
    }
    let in_control = result.failure.as_ref().is_some_and(|failure| failure.control);
    (result.header.path.clone(), result.version, in_control, why)
}

/// The result of a case that failed, and then came to `second`.
fn settled(first: CaseResult, second: CaseResult, case: &Case, timeout: Duration) -> CaseResult {
    let plays = first.plays + second.plays;
    match second.verdict {
        Verdict::Fail | Verdict::Crash => {
            return CaseResult {
                plays,
                second_look: Some(SecondLook::Fails),
                ..second
            };
        }
        // It says nothing of the broker.
        Verdict::Error => return first,
        Verdict::Pass | Verdict::Known | Verdict::Fixed | Verdict::Skip => {}
    }
    let exchanges = second.transcript.iter().chain(&second.control);
    let waited = exchanges
        .map(|transcript| longest_wait(transcript))
        .max()
        .unwrap_or_default();
    // A script that asks for a pause waits longer than the timeout in any case.
    let is_late = timed_out(&first) && waited > timeout && case.script.declared_waits().is_zero();
    let why = first.reason.as_deref().unwrap_or_default();
    let steady = first.steady_reason.as_deref().unwrap_or(why);
    let alone = match second.verdict {
        Verdict::Known => "it fails as known",
        _ => "it passes",
    };
    let (second_look, reason, steady_reason) = if is_late {
        let after = format!(
            "late: answered after {}, longer than the response timeout of {}, and no statement gives a time",
            seconds(waited),
            seconds(timeout)
        );
        (SecondLook::Late, format!("{after} ({why})"), format!("late ({steady})"))
    } else {
        let only = format!("only beside other cases: played alone {alone}");
        (
            SecondLook::Alone,
            format!("{only} ({why})"),
            format!("{only} ({steady})"),
        )
    };
    CaseResult {
        verdict: Verdict::Error,
        reason: Some(reason),
        steady_reason: Some(steady_reason),
        plays,
        second_look: Some(second_look),
        rigour: false,
        ..first
    }
}

/// The result of a case that failed in a run whose cases disturb each other, and was not played alone.
fn unconfirmed(first: CaseResult) -> CaseResult {
    const NOTE: &str = "not confirmed: cases disturbed each other, and no time was left to play this one alone";
    let why = first.reason.as_deref().unwrap_or_default();
    let steady = first.steady_reason.as_deref().unwrap_or(why);
    CaseResult {
        verdict: Verdict::Error,
        reason: Some(format!("{NOTE} ({why})")),
        steady_reason: Some(format!("{NOTE} ({steady})")),
        second_look: Some(SecondLook::Unconfirmed),
        rigour: false,
        ..first
    }
}

/// What a second look came to.
#[derive(Debug, Default)]
struct Counts {
    failed: usize,
    played: usize,
    abreast: usize,
    unplayed: usize,
    spoken_for: usize,
    fails: usize,
    alone: usize,
    late: usize,
    /// Those that pass alone and lost a connection beside others.
    lost: usize,
    /// Whether cases got in each other's way.
    is_disturbed: bool,
}

impl Counts {
    /// `lost`: the failure was that the broker closed a connection.
    fn add(&mut self, look: Option<SecondLook>, lost: bool) {
        match look {
            Some(SecondLook::Fails) => self.fails += 1,
            Some(SecondLook::Alone) => {
                self.alone += 1;
                self.lost += usize::from(lost);
            }
            Some(SecondLook::Late) => self.late += 1,
            Some(SecondLook::Unconfirmed) | None => {}
        }
    }

    fn text(&self, timeout: Duration, limit: LookLimit) -> String {
        let mut parts = vec![format!("{} fail again", self.fails)];
        if self.alone > 0 {
            let lost = match self.lost {
                0 => String::new(),
                n => format!(" (of {n} the broker closed a connection without a cause in the case)"),
            };
            parts.push(format!(
                "{} pass, so they fail only beside other cases{lost}",
                self.alone
            ));
        }
        if self.late > 0 {
            parts.push(format!("{} pass late", self.late));
        }
        let alone = match self.abreast {
            0 => String::new(),
            n => format!(" ({n} of them up to {ABREAST} at a time)"),
        };
        let mut text = format!(
            "{} of {} failures were played once more, alone{alone} and with a response timeout of {}: {}",
            self.played,
            self.failed,
            seconds(timeout),
            parts.join(", ")
        );
        if self.spoken_for > 0 {
            text += &format!("; {} more fail in the same way as one of these", self.spoken_for);
        }
        if self.unplayed > 0 {
            let limit = if self.played >= limit.cases {
                format!("{} cases", limit.cases)
            } else {
                seconds(limit.time)
            };
            let meaning = if self.is_disturbed {
                "do not count as failures, because cases disturbed each other"
            } else {
                "may be due to the load"
            };
            text += &format!(
                "; {} were not played again within the limit of {limit} (--second-look TIME), and {meaning}",
                self.unplayed
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_counts_what_was_looked_at_and_what_was_not() {
        let mut counts = Counts {
            failed: 60,
            played: 40,
            ..Counts::default()
        };
        (0..30).for_each(|_| counts.add(Some(SecondLook::Fails), true));
        (0..9).for_each(|_| counts.add(Some(SecondLook::Alone), false));
        counts.add(Some(SecondLook::Late), false);
        let timeout = Duration::from_secs(6);
        assert_eq!(
            counts.text(timeout, LookLimit::default()),
            "40 of 60 failures were played once more, alone and with a response timeout of 6 s: 30 fail again, 9 pass, so they fail \
             only beside other cases, 1 pass late"
        );
        (counts.spoken_for, counts.unplayed, counts.lost, counts.abreast) = (15, 5, 2, 18);
        let text = counts.text(timeout, LookLimit::default());
        assert!(
            text.contains("once more, alone (18 of them up to 8 at a time) and with a response timeout of 6 s"),
            "{text}"
        );
        assert!(
            text.contains(
                "beside other cases (of 2 the broker closed a connection without a cause in the case), 1 pass late"
            ),
            "{text}"
        );
        assert!(
            text.ends_with(
                "; 15 more fail in the same way as one of these; 5 were not played again within the limit of 60 s (--second-look \
                 TIME), and may be due to the load"
            ),
            "{text}"
        );
        counts.is_disturbed = true;
        let text = counts.text(timeout, LookLimit::default());
        assert!(
            text.ends_with("(--second-look TIME), and do not count as failures, because cases disturbed each other"),
            "{text}"
        );
    }

    #[test]
    fn the_first_of_each_kind_are_witnesses() {
        let kinds = [0, 0, 1, 0, 1, 1, 2, 0];
        let (first, rest) = witnesses((0..8).collect(), |number| kinds[number]);
        assert_eq!(first, [0, 1, 2, 4, 6]);
        assert_eq!(rest, [3, 5, 7]);
    }
}
