//! A run: every case once, side by side, on shared instances and on instances of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::play::{PlayEnd, Played, Player};
use crate::scenario::{Case, StepKind};
use crate::target::Instance;

use super::judge::Judge;
use super::{CaseResult, RunEvent, RunResult, Target, Verdict, order};

/// How a run is done.
#[derive(Debug, Clone)]
pub struct RunOptions {
    pub strict: bool,
    /// Ends the run after so many bad results.
    pub max_fail: Option<usize>,
    /// Ends the run after this time.
    pub total_timeout: Option<Duration>,
}

/// A void experiment is played so often before it is given up.
const PLAYS: u32 = 3;
/// Cases that move hundreds of megabytes are played one at a time.
const HEAVY: &str = "heavy";
/// How much of a broker's log a crash shows, in bytes.
const LOG: usize = 16 * 1024;

/// Plays `cases` against `target`, and tells `events` what happens. Ends early where `stop` becomes true.
pub async fn run(
    cases: &[Arc<Case>],
    target: &Target,
    player: &Player,
    options: &RunOptions,
    events: mpsc::UnboundedSender<RunEvent>,
    mut stop: watch::Receiver<bool>,
) -> RunResult {
    let began = Instant::now();
    // Nobody listening is no reason to stop.
    let _ = events.send(RunEvent::Began {
        target: target.info.clone(),
        cases: cases.len(),
    });
    let shared = Arc::new(Shared {
        target: target.clone(),
        player: player.clone(),
        options: options.clone(),
        events: events.clone(),
        instance: Mutex::new(None),
        side_by_side: Semaphore::new(target.jobs.max(1)),
        own: Semaphore::new(target.instances.max(1)),
        heavy: Semaphore::new(1),
        gone: AtomicBool::new(false),
        bad: AtomicUsize::new(0),
        notes: Mutex::new(Vec::new()),
        under_load: Mutex::new(Vec::new()),
    });
    let mut results: Vec<Option<CaseResult>> = vec![None; cases.len()];
    let mut interrupted = false;
    let (alone, beside): (Vec<usize>, Vec<usize>) = order::longest_first(cases)
        .into_iter()
        .partition(|&i| cases[i].header.serial && !target.launcher.starts_its_own());
    let mut tasks = JoinSet::new();
    for index in beside {
        tasks.spawn(one(Arc::clone(&shared), Arc::clone(&cases[index]), index));
    }
    let mut alone = alone.into_iter();
    let deadline = options.total_timeout.map(|limit| began + limit);
    loop {
        if tasks.is_empty() {
            // What must be alone comes last, one after the other.
            let Some(index) = alone.next() else { break };
            tasks.spawn(one(Arc::clone(&shared), Arc::clone(&cases[index]), index));
        }
        let over = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => { interrupted = true; break }
            () = over => { interrupted = true; break }
            joined = tasks.join_next() => match joined {
                Some(Ok((index, result))) => results[index] = Some(result),
                Some(Err(panic)) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
                Some(Err(_)) | None => {}
            },
        }
        if shared.gone.load(Ordering::Relaxed) {
            interrupted = true;
            break;
        }
        let bad = shared.bad.load(Ordering::Relaxed);
        if options.max_fail.is_some_and(|max| bad >= max) {
            shared
                .note(format!("ended after {bad} bad results, as --max-fail asks"))
                .await;
            interrupted = true;
            break;
        }
    }
    tasks.shutdown().await;
    if let Some(instance) = shared.instance.lock().await.take() {
        instance.stop().await;
    }
    let notes = std::mem::take(&mut *shared.notes.lock().await);
    let result = RunResult {
        target: target.info.clone(),
        duration: began.elapsed(),
        cases: results.into_iter().flatten().collect(),
        notes,
        crashes_under_load: std::mem::take(&mut *shared.under_load.lock().await),
        interrupted,
    };
    let _ = events.send(RunEvent::Ended(Arc::new(result.clone())));
    result
}

/// What all cases of a run share.
struct Shared {
    target: Target,
    player: Player,
    options: RunOptions,
    events: mpsc::UnboundedSender<RunEvent>,
    /// The instance that cases use side by side; `None` before the first and after one has died.
    instance: Mutex<Option<Arc<dyn Instance>>>,
    side_by_side: Semaphore,
    own: Semaphore,
    heavy: Semaphore,
    /// A broker that is only an address has gone: nothing more can be played.
    gone: AtomicBool,
    bad: AtomicUsize,
    notes: Mutex<Vec<String>>,
    under_load: Mutex<Vec<String>>,
}

async fn one(shared: Arc<Shared>, case: Arc<Case>, index: usize) -> (usize, CaseResult) {
    let judge = Judge {
        target: &shared.target,
        strict: shared.options.strict,
    };
    let result = match shared.target.cannot_play(&case) {
        Some(reason) => judge.unplayed(&case, Verdict::Skip, reason),
        None => shared.play(&case, &judge).await,
    };
    if result.is_bad() {
        shared.bad.fetch_add(1, Ordering::Relaxed);
    }
    let _ = shared.events.send(RunEvent::CaseEnded(Arc::new(result.clone())));
    (index, result)
}

impl Shared {
    async fn play(&self, case: &Case, judge: &Judge<'_>) -> CaseResult {
        let heavy = case.header.tags.iter().any(|tag| tag == HEAVY);
        let _heavy = match heavy {
            true => self.heavy.acquire().await.ok(),
            false => None,
        };
        let own = self.target.launcher.starts_its_own() && (restarts(case) || case.header.serial || heavy);
        let began;
        let (played, plays, log) = if own {
            let _permit = self.own.acquire().await;
            began = Instant::now();
            self.play_alone(case).await
        } else {
            let _permit = self.side_by_side.acquire().await;
            began = Instant::now();
            self.play_shared(case).await
        };
        let mut result = match played {
            Outcome::Played { played, crashed } => judge.judge(case, *played, crashed),
            Outcome::NoBroker(why) => judge.unplayed(case, Verdict::Error, why),
        };
        result.duration = began.elapsed();
        result.plays = plays;
        result.log = log;
        result
    }

    /// On an instance that nobody else uses. A broker that goes away here was brought down by this case alone.
    async fn play_alone(&self, case: &Case) -> (Outcome, u32, Option<String>) {
        let mut plays = 0;
        loop {
            let _ = self.events.send(RunEvent::CaseBegan { id: case.id.clone() });
            let instance = match self.target.launcher.launch().await {
                Ok(instance) => instance,
                Err(error) => return (Outcome::NoBroker(error.to_string()), plays, None),
            };
            let played = self.player.play(case, &*instance).await;
            plays += 1;
            let crashed = matches!(played.end, PlayEnd::BrokerGone(_)) && !instance.alive();
            let log = crashed.then(|| instance.log_tail(LOG)).flatten();
            instance.stop().await;
            if matches!(played.end, PlayEnd::Late(_)) && plays < PLAYS {
                continue;
            }
            return (Outcome::played(played, crashed), plays, log);
        }
    }

    /// On the instance that all use. Where it goes away, this case is played again alone.
    async fn play_shared(&self, case: &Case) -> (Outcome, u32, Option<String>) {
        let mut plays = 0;
        loop {
            let _ = self.events.send(RunEvent::CaseBegan { id: case.id.clone() });
            let instance = match self.instance().await {
                Ok(instance) => instance,
                Err(error) => return (Outcome::NoBroker(error), plays, None),
            };
            let played = self.player.play(case, &*instance).await;
            plays += 1;
            match &played.end {
                PlayEnd::Late(_) if plays < PLAYS => continue,
                PlayEnd::BrokerGone(why) if self.target.launcher.starts_its_own() => {
                    self.lost(&instance).await;
                    let (outcome, more, log) = Box::pin(self.play_alone(case)).await;
                    if !matches!(outcome, Outcome::Played { crashed: true, .. }) {
                        self.note(format!(
                            "crash under load: the broker went away while {} was played: {why}",
                            case.id
                        ))
                        .await;
                        self.under_load.lock().await.push(case.id.clone());
                        self.bad.fetch_add(1, Ordering::Relaxed);
                    }
                    return (outcome, plays + more, log);
                }
                PlayEnd::BrokerGone(why) => {
                    self.note(format!("the broker went away while {} was played: {why}", case.id))
                        .await;
                    self.gone.store(true, Ordering::Relaxed);
                }
                _ => {}
            }
            return (Outcome::played(played, false), plays, None);
        }
    }

    /// The shared instance; started where there is none.
    async fn instance(&self) -> Result<Arc<dyn Instance>, String> {
        let mut slot = self.instance.lock().await;
        if let Some(instance) = slot.as_ref().filter(|i| i.alive()) {
            return Ok(Arc::clone(instance));
        }
        let instance: Arc<dyn Instance> = self.target.launcher.launch().await.map_err(|e| e.to_string())?.into();
        *slot = Some(Arc::clone(&instance));
        Ok(instance)
    }

    /// Forgets an instance that has gone away, unless a new one is there already.
    async fn lost(&self, instance: &Arc<dyn Instance>) {
        let mut slot = self.instance.lock().await;
        if slot.as_ref().is_some_and(|i| Arc::ptr_eq(i, instance)) {
            *slot = None;
        }
    }

    async fn note(&self, note: String) {
        let _ = self.events.send(RunEvent::Note(note.clone()));
        self.notes.lock().await.push(note);
    }
}

enum Outcome {
    Played { played: Box<Played>, crashed: bool },
    NoBroker(String),
}

impl Outcome {
    fn played(played: Played, crashed: bool) -> Outcome {
        Outcome::Played {
            played: Box::new(played),
            crashed,
        }
    }
}

/// Whether the case restarts or kills the broker.
fn restarts(case: &Case) -> bool {
    crate::play::any_step(&case.script.steps, &|step| matches!(step.what, StepKind::Broker(_)))
}
