//! Sequences on the reference core in this process, in virtual time.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::cause::{Cause, Gathered, Key, Outcome};
use super::proof::Proof;
use super::shared::{Next, Shared};
use super::{Options, Progress};
use crate::fuzzer::live::Menu;
use crate::fuzzer::{explore as play_new, judge, play, replay, shrink};
use crate::reference::Config;

/// In virtual time nothing is slow.
const EVERYTHING: Menu = Menu {
    waits: true,
    restarts: true,
    kills: true,
};
const SECOND: Duration = Duration::from_secs(1);

/// Plays sequences on every processor until the time or their number is over, or `stop` becomes true.
pub async fn explore(
    config: &Arc<Config>,
    options: &Options,
    shared: Shared,
    progress: &mpsc::UnboundedSender<Progress>,
    stop: &watch::Receiver<bool>,
) -> Shared {
    let deadline = options.time.map(|time| Instant::now() + time);
    let shared = Arc::new(Mutex::new(shared));
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..workers {
        let (config, shared, stop) = (Arc::clone(config), Arc::clone(&shared), stop.clone());
        let progress = progress.clone();
        running.spawn_blocking(move || {
            while !*stop.borrow() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
                if !one(&config, &shared, &progress) {
                    return;
                }
            }
        });
    }
    let ticks = async {
        loop {
            tokio::time::sleep(SECOND).await;
            let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = progress.send(Progress::Played {
                sequences: shared.sequences,
                pairs: shared.coverage.len(),
                causes: shared.causes.len(),
            });
        }
    };
    let all = async { while running.join_next().await.is_some() {} };
    tokio::select! {
        () = ticks => {}
        () = all => {}
    }
    let shared = Arc::into_inner(shared).expect("the workers have ended");
    shared.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Plays one sequence; `false` if none is left.
fn one(config: &Arc<Config>, shared: &Mutex<Shared>, progress: &mpsc::UnboundedSender<Progress>) -> bool {
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(next) = lock().next(EVERYTHING) else {
        return false;
    };
    let explored = match next {
        Next::New { seed, versions, begin } => play_new(config, seed, &versions, &begin),
        Next::Again(sequence) => replay(config, &sequence),
    };
    let verdicts = judge(&explored.transcript);
    let packets = explored.transcript.events.iter().filter(|e| e.packet().is_some());
    let packets = packets.count() as u64;
    let new = lock().take(
        &explored.sequence,
        &explored.transcript,
        &explored.pairs,
        packets,
        &verdicts,
    );
    for key in new {
        let _ = progress.send(Progress::Found(key.to_string()));
    }
    true
}

/// Makes the shortest sequence of each cause shorter. On the core a sequence shows the same each time.
pub async fn settle(config: &Arc<Config>, causes: Vec<Gathered>) -> Vec<Cause> {
    let mut settled = Vec::new();
    for gathered in causes {
        let config = Arc::clone(config);
        let cause = tokio::task::spawn_blocking(move || {
            let mut cause = Cause::unconfirmed(gathered);
            cause.sequence = shrink(&config, &cause.sequence, &cause.verdict);
            cause.transcript = play(&config, &cause.sequence);
            let shown = judge(&cause.transcript).into_iter().find(|v| Key::of(v) == cause.key);
            if let Some(verdict) = shown {
                cause.verdict = verdict;
                cause.outcome = Outcome::Confirmed;
                cause.proof = Proof::Wanted;
            }
            cause
        });
        settled.extend(cause.await);
    }
    settled
}
