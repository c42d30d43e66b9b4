//! A run: every case once, in parallel, on shared instances and on instances of their own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::play::Player;
use crate::scenario::Case;

use super::known::Expected;
use super::{About, CaseResult, LookLimit, Rigour, RunEvent, RunResult, Session, Target, Verdict, order};

/// Heavy cases may begin beside so many others, of those that are still played: those begin first that wait the longest, so what is
/// left mostly waits.
const BESIDE: usize = 24;
/// How often a run looks whether a heavy case may begin.
const LOOK: Duration = Duration::from_millis(250);

/// How a run is done.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// What reports say of the run besides its results.
    pub about: About,
    pub strict: bool,
    /// What a failure is that rests on the rigour clause alone.
    pub rigour: Rigour,
    /// Asks the target before the first case whether it lets clients in, at each version and setup that cases need. Off for
    /// brokers that inject faults.
    pub asks_first: bool,
    /// Plays what failed once more, alone and with a longer response timeout, within this limit. Off for brokers that inject
    /// faults.
    pub second_look: Option<LookLimit>,
    /// Stops the run after this many unexpected results.
    pub max_fail: Option<usize>,
    /// Ends the run after this time.
    pub total_timeout: Option<Duration>,
    /// Forgets the exchanges of cases that need no one's attention, once they are reported. With thousands of cases
    /// they are by far the largest part of what a run holds, and only some reports ask for them.
    pub forgets: bool,
}

/// Plays `cases` against `target`, and tells `events` what happens. Ends early if `stop` becomes true.
///
/// # Errors
/// No broker could be started or reached, or it lets no client in: why, in one line.
pub async fn run(
    cases: &[Arc<Case>],
    target: &Target,
    player: &Player,
    options: &RunOptions,
    events: mpsc::UnboundedSender<RunEvent>,
    mut stop: watch::Receiver<bool>,
) -> Result<Arc<RunResult>, String> {
    let began = Instant::now();
    let session = Session::new(target, player, options.strict, Some(events.clone()));
    let mut session = session.weighing(options.rigour);
    let opened = if options.asks_first {
        session.admit(cases).await
    } else if target.launcher.starts_its_own() {
        session.open().await
    } else {
        Ok(())
    };
    if let Err(why) = opened {
        session.end().await;
        return Err(why);
    }
    let session = Arc::new(session);
    // A dropped receiver is not an error.
    let _ = events.send(RunEvent::Began {
        target: target.info.clone(),
        cases: cases.len(),
    });
    let mut results: Vec<Option<CaseResult>> = vec![None; cases.len()];
    let mut interrupted = false;
    let version = target.broker_version.as_ref();
    let fails = |case: &Case| Expected::of(&target.known, &case.id, version).any();
    // Heavy cases take both the processor and the broker, and the timers of others would be measured wrong alongside
    // many of them. With a broker of their own they may run beside the last waits, on a machine that is idle.
    let (alone, beside): (Vec<usize>, Vec<usize>) = order::longest_first(cases, fails, session.response_timeout())
        .into_iter()
        .partition(|&i| cases[i].conditions.heavy || (cases[i].conditions.serial && !target.launcher.starts_its_own()));
    let mut tasks = JoinSet::new();
    // A failure that will be looked at again is told after that.
    let is_held = |result: &CaseResult| options.second_look.is_some() && result.verdict == Verdict::Fail;
    for index in beside {
        tasks.spawn(one(Arc::clone(&session), Arc::clone(&cases[index]), index));
    }
    let mut alone = alone.into_iter();
    let others = if target.launcher.starts_its_own() { BESIDE } else { 0 };
    let deadline = options.total_timeout.map(|limit| began + limit);
    loop {
        // What must be alone comes last, one after the other.
        if (tasks.is_empty() || tasks.len() <= others && session.is_punctual())
            && let Some(index) = alone.next()
        {
            tasks.spawn(one(Arc::clone(&session), Arc::clone(&cases[index]), index));
        }
        if tasks.is_empty() {
            break;
        }
        let over = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let look = async {
            match alone.len() {
                0 => std::future::pending().await,
                _ => tokio::time::sleep(LOOK).await,
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => { interrupted = true; break }
            () = over => { interrupted = true; break }
            joined = tasks.join_next() => match joined {
                Some(Ok((index, mut result))) => {
                    if !is_held(&result) {
                        session.tell_of(&result);
                    }
                    if options.forgets && !result.is_bad() {
                        (result.transcript, result.control) = (None, None);
                    }
                    results[index] = Some(result);
                }
                Some(Err(panic)) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
                Some(Err(_)) | None => {}
            },
            () = look => {}
        }
        if session.gone() {
            interrupted = true;
            break;
        }
        let bad = session.bad();
        if options.max_fail.is_some_and(|max| bad >= max) {
            let note = format!("stopped after {bad} unexpected results (--max-fail)");
            session.note(note).await;
            interrupted = true;
            break;
        }
    }
    tasks.shutdown().await;
    let held: Vec<usize> = (0..results.len())
        .filter(|i| results[*i].as_ref().is_some_and(is_held))
        .collect();
    if let Some(limit) = options.second_look.filter(|_| !interrupted && !held.is_empty()) {
        session.look_again(cases, &mut results, limit, stop.clone()).await;
        interrupted = *stop.borrow();
    }
    for result in held.iter().filter_map(|index| results[*index].as_ref()) {
        session.tell_of(result);
    }
    let ended = session.end().await;
    // Shared, not copied: with its transcripts it is by far the largest thing of a run.
    let unplayed = results.iter().filter(|result| result.is_none()).count();
    let result = Arc::new(RunResult {
        about: options.about.clone(),
        target: target.info.clone(),
        duration: began.elapsed(),
        cases: results.into_iter().flatten().collect(),
        notes: ended.notes,
        crashes_under_load: ended.crashes_under_load,
        interrupted,
        unplayed,
    });
    let _ = events.send(RunEvent::Ended(Arc::clone(&result)));
    Ok(result)
}

async fn one(session: Arc<Session>, case: Arc<Case>, index: usize) -> (usize, CaseResult) {
    (index, session.untold_case(&case).await)
}
