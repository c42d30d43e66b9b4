//! Which sequence makes the target end, or keeps it from answering: the last ones are played again, one after the other and alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};

use super::confirm::{Alone, HASTE, TIMES};
use super::{Options, proof};
use crate::fuzzer::live::{self, CutShort, Fences, Plan, Played, Until};
use crate::fuzzer::{Sequence, scenario_that_ends, shrink_while};
use crate::play::Settings;
use crate::suite::Target;
use crate::transcript::{Author, Transcript, What};

/// How long a broker that has dropped a connection may take to end.
const ENDING: Duration = Duration::from_millis(500);

/// A sequence after which the broker is gone.
#[derive(Debug)]
pub struct Fatal {
    pub sequence: Sequence,
    pub transcript: Transcript,
    /// How the broker ended, or that it does not answer.
    pub how: String,
    /// How often the sequence was played on a fresh broker in a row.
    pub times: u32,
    /// Whether its actions are enough.
    pub until: Until,
    /// The scenario file, or why there is none.
    pub file: Option<Result<PathBuf, String>>,
}

/// What came of the search.
#[derive(Debug)]
pub enum Search {
    Found(Box<Fatal>),
    /// None of so many sequences does it alone.
    None(usize),
}

/// Plays `suspects` alone until one leaves the broker ended or silent each time, and makes that one short. For targets that the run
/// can start.
pub async fn find(
    target: &Target,
    settings: &Settings,
    options: &Options,
    suspects: Vec<Sequence>,
    mut stop: watch::Receiver<bool>,
) -> Option<Search> {
    let trials = Arc::new(Trials {
        target: target.clone(),
        settings: settings.clone(),
        alone: Mutex::new(None),
    });
    let searched = tokio::select! {
        _ = stop.wait_for(|stop| *stop) => None,
        found = search(&trials, options, suspects) => Some(found),
    };
    trials.end().await;
    searched
}

async fn search(trials: &Arc<Trials>, options: &Options, suspects: Vec<Sequence>) -> Search {
    let number = suspects.len();
    let ways = [Until::LastAction, Until::TheEnd];
    for (until, suspect) in ways
        .iter()
        .flat_map(|until| suspects.iter().map(|suspect| (*until, suspect)))
    {
        if trials.each_time(suspect, until).await.is_none() {
            continue;
        }
        let short = shorten(trials, suspect, until, options.shrinking).await;
        let Some((played, how)) = trials.each_time(&short, until).await else {
            continue;
        };
        let file = options.found.as_ref().map(|folder| {
            let text = scenario_that_ends(&short, &how);
            proof::keep(folder, "ends-the-broker", &text)
        });
        return Search::Found(Box::new(Fatal {
            sequence: short,
            transcript: played.transcript,
            how,
            times: TIMES,
            until,
            file,
        }));
    }
    Search::None(number)
}

/// Makes a sequence short for at most this long.
async fn shorten(trials: &Arc<Trials>, sequence: &Sequence, until: Until, limit: Duration) -> Sequence {
    let deadline = Instant::now() + limit;
    let (trials, begin) = (Arc::clone(trials), sequence.clone());
    let runtime = Handle::current();
    let short = tokio::task::spawn_blocking(move || {
        shrink_while(&begin, |shorter| {
            Instant::now() < deadline && runtime.block_on(trials.ends(shorter, until)).is_some()
        })
    });
    short.await.unwrap_or_else(|_| sequence.clone())
}

/// A broker for one sequence after the other, and a fresh one after each that was fatal.
struct Trials {
    target: Target,
    settings: Settings,
    alone: Mutex<Option<Alone>>,
}

impl Trials {
    async fn each_time(&self, sequence: &Sequence, until: Until) -> Option<(Played, String)> {
        let mut last = None;
        for _ in 0..TIMES {
            last = Some(self.ends(sequence, until).await?);
        }
        last
    }

    /// How the broker ended, if it did.
    async fn ends(&self, sequence: &Sequence, until: Until) -> Option<(Played, String)> {
        let mut alone = self.alone.lock().await;
        let there = match alone.take() {
            Some(there) => there,
            None => Alone::new(&self.target, &self.settings).await.ok()?,
        };
        let plan = Plan::Again(sequence.clone());
        let broker = live::Broker {
            patience: HASTE,
            ..there.broker.clone()
        };
        let played = live::play_until(&broker, &there.names.next(), &plan, Fences::Acting, until).await;
        let by_peer = |e: &crate::transcript::Event| e.author == Author::Peer && matches!(e.what, What::End(_));
        let is_odd = played.cut_short.is_some() || played.transcript.events.iter().any(by_peer);
        let wait = if is_odd { ENDING } else { Duration::ZERO };
        let how = match (there.instance.ended(wait).await, &played.cut_short) {
            (Some(how), _) => Some(how),
            (None, Some(silent @ CutShort::Silent(_))) => Some(silent.to_string()),
            (None, _) => None,
        };
        if how.is_some() {
            there.instance.stop().await;
        } else {
            *alone = Some(there);
        }
        how.map(|how| (played, how))
    }

    async fn end(&self) {
        if let Some(alone) = self.alone.lock().await.take() {
            alone.instance.stop().await;
        }
    }
}
