//! The walk of freedoms: the cases against brokers that make use of what the standards leave open. Nothing may fail that
//! passes without.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::play::{Player, Settings};
use crate::reference::Free;
use crate::scenario::Case;
use crate::suite::{CaseResult, RunOptions, RunResult, Session, Target, Verdict, run};

/// How many failures of a set are traced back to one of its freedoms. If more fail, the reason is the same.
const TRACED: usize = 40;
/// With this freedom, which delays every answer, the cases take ten times as long as with any other.
const SLOWEST: &str = "delay-all";
/// How often an experiment is repeated if the machine was too slow for it.
const PLAYS: usize = 5;

/// What is walked, and with which settings.
pub struct FreeWalker<'a> {
    pub cases: &'a [Arc<Case>],
    /// Makes the broker that uses freedoms.
    pub target: &'a dyn Fn(Free) -> Target,
    /// The sets of freedoms, each a list as [`Free::parse`] reads it.
    pub sets: Vec<String>,
    /// How cases are played.
    pub settings: Settings,
    /// How many sets run in parallel, each with a broker of its own.
    pub side_by_side: usize,
    /// The first namespace of the runs.
    pub seed: u64,
    /// Called with each result as it comes, the number of sets that are done and the number of all.
    pub done: &'a dyn Fn(&FreeTrial, usize, usize),
}

/// The result for one set of freedoms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreeTrial {
    pub set: String,
    pub failed: Vec<FalseAlarm>,
    /// The cases that are skipped with the set and not without it, each with its reason.
    pub skipped: Vec<(String, String)>,
    pub took: Duration,
}

/// A case that fails because of a freedom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FalseAlarm {
    pub case: String,
    /// The freedoms of the set under which it fails alone; empty if only several together do it, or it was not traced.
    pub freedoms: Vec<String>,
    pub reason: String,
}

impl FalseAlarm {
    /// Its name in a list of exceptions: `FREEDOM CASE`, once for each freedom; `SET CASE` if there is none.
    pub fn names(&self, set: &str) -> Vec<String> {
        if self.freedoms.is_empty() {
            return vec![format!("{set} {}", self.case)];
        }
        self.freedoms.iter().map(|f| format!("{f} {}", self.case)).collect()
    }
}

/// Plays all cases without freedoms and then with each set.
///
/// # Errors
/// A broker could not be started, or a list names no freedom.
pub async fn walk_freely(walker: FreeWalker<'_>) -> Result<Vec<FreeTrial>, String> {
    let player = Player::new(walker.settings.clone(), walker.seed);
    let cases: Arc<[Arc<Case>]> = walker.cases.into();
    let usual = play(&cases, &(walker.target)(Free::default()), &player).await?;
    let usual: Arc<BTreeMap<String, Verdict>> =
        Arc::new(usual.cases.iter().map(|c| (c.id.clone(), c.verdict)).collect());
    let room = Arc::new(Semaphore::new(walker.side_by_side.max(1)));
    let mut tasks = JoinSet::new();
    let mut sets: Vec<(usize, &String)> = walker.sets.iter().enumerate().collect();
    // Begun last, a set that takes minutes would be played alone in the end.
    sets.sort_by_key(|(_, set)| !set.split(',').any(|name| name == SLOWEST));
    for (index, set) in sets {
        let free = Free::parse(set).map_err(|e| e.to_string())?;
        let target = (walker.target)(free);
        // Each freedom of the set alone, to trace a failure back to it.
        let alone = set.split(',').map(str::trim).filter(|name| !name.is_empty());
        let alone: Result<Vec<(String, Target)>, String> = alone
            .map(|name| {
                let free = Free::parse(name).map_err(|e| e.to_string())?;
                Ok((name.to_owned(), (walker.target)(free)))
            })
            .collect();
        let trial = Trial {
            set: set.clone(),
            target,
            alone: alone?,
            player: player.clone(),
            usual: Arc::clone(&usual),
        };
        let (room, cases) = (Arc::clone(&room), Arc::clone(&cases));
        tasks.spawn(async move {
            let _permit = room.acquire().await;
            (index, trial.walk(&cases).await)
        });
    }
    let total = tasks.len();
    let mut trials = vec![FreeTrial::default(); total];
    while let Some(done) = tasks.join_next().await {
        let (index, trial) = done.unwrap_or_else(|panic| panic!("a set could not be walked: {panic}"));
        trials[index] = trial?;
        (walker.done)(&trials[index], total - tasks.len(), total);
    }
    Ok(trials)
}

/// One run of all cases.
async fn play(cases: &[Arc<Case>], target: &Target, player: &Player) -> Result<Arc<RunResult>, String> {
    let options = RunOptions {
        forgets: true,
        ..RunOptions::default()
    };
    let (events, _) = mpsc::unbounded_channel();
    let (_stop, stopped) = watch::channel(false);
    run(cases, target, player, &options, events, stopped).await
}

struct Trial {
    set: String,
    target: Target,
    alone: Vec<(String, Target)>,
    player: Player,
    usual: Arc<BTreeMap<String, Verdict>>,
}

impl Trial {
    async fn walk(&self, cases: &[Arc<Case>]) -> Result<FreeTrial, String> {
        let result = play(cases, &self.target, &self.player).await?;
        let passed = |case: &&CaseResult| self.usual.get(&case.id) == Some(&Verdict::Pass);
        let mut trial = FreeTrial {
            set: self.set.clone(),
            took: result.duration,
            ..FreeTrial::default()
        };
        let mut failed = Vec::new();
        for case in result.cases.iter().filter(passed) {
            let reason = case.reason.clone().unwrap_or_default();
            match case.verdict {
                Verdict::Skip => trial.skipped.push((case.id.clone(), reason)),
                _ if case.is_bad() => failed.push((case.id.clone(), reason, is_void(case))),
                _ => {}
            }
        }
        let by_id = |id: &str| cases.iter().find(|case| case.id == id);
        let whole = Session::new(&self.target, &self.player, false, None);
        let alone: Vec<(&str, Session)> = (self.alone.iter())
            .map(|(name, target)| (name.as_str(), Session::new(target, &self.player, false, None)))
            .collect();
        for (traced, (id, mut reason, is_void)) in failed.into_iter().enumerate() {
            let Some(case) = by_id(&id) else { continue };
            if is_void {
                // There was no verdict, because the machine was too slow, so the experiment is repeated.
                let again = settled(&whole, case).await;
                if !again.is_bad() {
                    continue;
                }
                reason = again.reason.unwrap_or_default();
            }
            let mut freedoms = Vec::new();
            if traced < TRACED {
                for (name, session) in &alone {
                    let result = settled(session, case).await;
                    if result.is_bad() {
                        freedoms.push((*name).to_owned());
                        reason = result.reason.unwrap_or(reason);
                    }
                }
            }
            trial.failed.push(FalseAlarm {
                case: id,
                freedoms,
                reason,
            });
        }
        whole.end().await;
        for (_, session) in alone {
            session.end().await;
        }
        Ok(trial)
    }
}

fn is_void(case: &CaseResult) -> bool {
    case.verdict == Verdict::Error
}

/// The result of a case, which is repeated if the machine was too slow for it.
async fn settled(session: &Session, case: &Case) -> CaseResult {
    let mut result = session.case(case).await;
    for _ in 1..PLAYS {
        if !is_void(&result) {
            break;
        }
        result = session.case(case).await;
    }
    result
}
