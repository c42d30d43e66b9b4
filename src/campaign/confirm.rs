//! Plays what was found again, alone, and makes it short.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::cause::{Cause, Gathered, Key, Outcome, Sample};
use super::explore::{broker, launch};
use super::proof::Proof;
use super::{Options, Progress};
use crate::fuzzer::live::{self, Broker, Fences, Plan, Played};
use crate::fuzzer::{Sequence, Verdict, shrink_while};
use crate::harness;
use crate::play::{Namespaces, Settings};
use crate::suite::Target;
use crate::sut::Instance;

/// How many causes are played again at a time if each has a broker of its own.
const BESIDE: usize = 4;
/// A violation has to show this many times in a row.
pub(super) const TIMES: u32 = 3;
/// The patience with deliveries while a sequence is made short. What is left is played again with all patience.
pub(super) const HASTE: Duration = Duration::from_millis(150);

/// A broker that nobody else uses, if the run can start one.
pub(super) struct Alone {
    pub(super) instance: Arc<dyn Instance>,
    pub(super) broker: Broker,
    pub(super) names: Namespaces,
}

impl Alone {
    pub(super) async fn new(target: &Target, settings: &Settings) -> Result<Alone, String> {
        let instance = launch(target).await?;
        Ok(Alone {
            broker: broker(target, settings, &instance),
            instance,
            names: Namespaces::new(harness::seed()),
        })
    }

    async fn play(&self, sequence: &Sequence, fences: Fences, patience: Duration) -> Played {
        let broker = Broker {
            patience,
            ..self.broker.clone()
        };
        live::play(&broker, &self.names.next(), &Plan::Again(sequence.clone()), fences).await
    }

    /// What the sequence shows of this cause.
    async fn shows(
        &self,
        key: Key,
        sequence: &Sequence,
        fences: Fences,
        patience: Duration,
    ) -> Option<(Played, Verdict)> {
        let played = self.play(sequence, fences, patience).await;
        let verdict = played.verdicts(patience).into_iter().find(|v| Key::of(v) == key)?;
        Some((played, verdict))
    }
}

/// What confirmation needs of a campaign.
pub struct World {
    pub target: Target,
    pub settings: Settings,
    pub options: Options,
    pub stop: watch::Receiver<bool>,
}

/// Confirms all causes: a few at a time if each can have a broker of its own.
pub async fn settle_all(world: World, causes: Vec<Gathered>, progress: &mpsc::UnboundedSender<Progress>) -> Vec<Cause> {
    let beside = if world.target.launcher.starts_its_own() {
        BESIDE
    } else {
        1
    };
    let world = Arc::new(world);
    let of = causes.len();
    let mut settled = Vec::new();
    let mut running = JoinSet::new();
    for (number, gathered) in (1..).zip(causes) {
        if running.len() >= beside {
            settled.extend(running.join_next().await.and_then(Result::ok));
        }
        if *world.stop.borrow() {
            settled.push(Cause::unconfirmed(gathered));
            continue;
        }
        let cause = gathered.key.to_string();
        let _ = progress.send(Progress::Confirming { cause, number, of });
        running.spawn(settle(Arc::clone(&world), gathered));
    }
    settled.extend(running.join_all().await);
    settled.sort_by_key(|cause| cause.key);
    settled
}

/// How often sequences of a cause were played alone, and how often they showed it.
#[derive(Default)]
struct Rate {
    shown: u32,
    of: u32,
}

/// Plays the samples of a cause alone until one shows it each time, and makes that one short.
async fn settle(world: Arc<World>, gathered: Gathered) -> Cause {
    let World {
        target,
        settings,
        options,
        stop,
    } = &*world;
    let mut stop = stop.clone();
    let alone = match Alone::new(target, settings).await {
        Ok(alone) => Arc::new(alone),
        Err(_) => return Cause::unconfirmed(gathered),
    };
    let mut rate = Rate::default();
    let mut confirmed = None;
    let tried = tokio::select! {
        _ = stop.wait_for(|stop| *stop) => false,
        () = async { confirmed = confirm(&alone, &gathered, &mut rate, options).await } => true,
    };
    alone.instance.stop().await;
    let mut cause = Cause::unconfirmed(gathered);
    if let Some((sample, outcome)) = confirmed {
        cause.outcome = outcome;
        (cause.sequence, cause.verdict, cause.transcript) = (sample.sequence, sample.verdict, sample.transcript);
        cause.proof = Proof::Wanted;
    } else if tried {
        cause.outcome = Outcome::Unstable {
            shown: rate.shown,
            of: rate.of,
        };
        cause.proof = Proof::None("it does not show each time".to_owned());
    }
    cause
}

async fn confirm(
    alone: &Arc<Alone>,
    gathered: &Gathered,
    rate: &mut Rate,
    options: &Options,
) -> Option<(Sample, Outcome)> {
    let patience = alone.broker.patience;
    for sample in &gathered.samples {
        for fences in [Fences::Acting, Fences::All] {
            if let Some(first) = each_time(alone, gathered.key, &sample.sequence, fences, patience, rate).await {
                let short = shorten(alone, gathered.key, &sample.sequence, fences, options.shrinking).await;
                let mut unused = Rate::default();
                let last = each_time(alone, gathered.key, &short, fences, patience, &mut unused).await;
                return Some((last.unwrap_or(first), Outcome::Confirmed));
            }
        }
    }
    None
}

/// The sequence as it was played the last time, if it has shown the cause each time.
async fn each_time(
    alone: &Alone,
    key: Key,
    sequence: &Sequence,
    fences: Fences,
    patience: Duration,
    rate: &mut Rate,
) -> Option<Sample> {
    let mut last = None;
    for _ in 0..TIMES {
        rate.of += 1;
        let (played, verdict) = alone.shows(key, sequence, fences, patience).await?;
        rate.shown += 1;
        last = Some(Sample {
            sequence: sequence.clone(),
            verdict,
            transcript: played.transcript,
        });
    }
    last
}

/// Makes a sequence short for at most this long.
async fn shorten(alone: &Arc<Alone>, key: Key, sequence: &Sequence, fences: Fences, limit: Duration) -> Sequence {
    let deadline = Instant::now() + limit;
    let (alone, begin) = (Arc::clone(alone), sequence.clone());
    let runtime = Handle::current();
    // What makes sequences short asks for one answer after the other, and knows nothing of tasks.
    let short = tokio::task::spawn_blocking(move || {
        shrink_while(&begin, |shorter| {
            Instant::now() < deadline && runtime.block_on(alone.shows(key, shorter, fences, HASTE)).is_some()
        })
    });
    short.await.unwrap_or_else(|_| sequence.clone())
}
