//! Sequences side by side against a target.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::shared::{Next, Shared};
use super::{Error, Options, Progress};
use crate::fuzzer::live::{self, Broker, Fences, Menu, Plan};
use crate::fuzzer::{Limits, Verdict};
use crate::harness;
use crate::play::{Namespaces, Settings};
use crate::suite::Target;
use crate::sut::Instance;
use crate::transcript::Lifecycle;
use crate::wire::Version;

/// How often a broker may be silent longer than an expected answer takes: the response timeout times this is how long a sequence
/// waits for PINGRESP.
const SILENCE: u32 = 5;
/// The patience with deliveries is the response timeout, and at least this.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long sequences that were begun in time may go on.
const GRACE: Duration = Duration::from_secs(3);
/// How long a broker that refuses connections may take to end.
const ENDING: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);
/// The end of a broker's log that is part of a report, in bytes.
const LOG: usize = 2048;

/// What came of all sequences.
pub struct Explored {
    pub shared: Shared,
    pub trouble: Option<Trouble>,
}

/// Why the target was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A broker of the run's own ended.
    pub crash: bool,
    pub text: String,
}

/// How the sequences reach an instance of the target.
pub fn broker(target: &Target, settings: &Settings, instance: &Arc<dyn Instance>) -> Broker {
    let addresses = Version::ALL
        .into_iter()
        .filter(|version| !target.not_offered.contains_key(version))
        .filter_map(|version| Some((version, instance.address(version)?)))
        .collect();
    let usual = Limits::default();
    let limits = &settings.limits;
    let restart = target.supports.has("restart").then(|| {
        let instance = Arc::clone(instance);
        Arc::new(move |how| {
            let instance = Arc::clone(&instance);
            let done = async move {
                let done = match how {
                    Lifecycle::Restart => instance.restart().await,
                    Lifecycle::Kill => instance.kill().await,
                };
                done.map_err(|error| error.to_string())
            };
            Box::pin(done) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
        }) as Arc<live::Restart>
    });
    Broker {
        dialer: settings.dialer.clone(),
        addresses,
        login: (settings.login.as_ref()).map(|login| (login.username.clone(), login.password.clone())),
        limits: Limits {
            maximum_qos: limits.maximum_qos.unwrap_or(usual.maximum_qos),
            maximum_packet_size: limits.maximum_packet_size.unwrap_or(usual.maximum_packet_size),
            receive_maximum: limits.receive_maximum.map_or(usual.receive_maximum, usize::from),
            retain: limits.retain_available.unwrap_or(true),
            wildcards: limits.wildcard_subscription_available.unwrap_or(true),
            shared: limits.shared_subscription_available.unwrap_or(true),
            ..usual
        },
        timeout: settings.patience * SILENCE,
        patience: settings.patience.max(PATIENCE),
        restart,
    }
}

/// Starts a broker of the target, or names the one that is there.
pub async fn launch(target: &Target) -> Result<Arc<dyn Instance>, String> {
    let launched = target.launcher.launch().await;
    launched.map(Arc::from).map_err(|error| error.to_string())
}

/// What the workers of one campaign have in common.
struct Work {
    shared: Mutex<Shared>,
    names: Namespaces,
    deadline: Option<Instant>,
    /// Why the target was given up.
    trouble: watch::Sender<Option<String>>,
    progress: mpsc::UnboundedSender<Progress>,
}

impl Work {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline) || self.trouble.borrow().is_some()
    }

    /// One sequence after the other against one broker.
    async fn at(self: Arc<Self>, broker: Arc<Broker>, menu: Menu) {
        while !self.is_over() {
            let Some(next) = self.shared().next(menu) else { return };
            let plan = match next {
                Next::New { seed, versions, begin } => Plan::New {
                    seed,
                    versions,
                    begin: begin.into(),
                    menu,
                },
                Next::Again(sequence) => Plan::Again(sequence),
            };
            let played = live::play(&broker, &self.names.next(), &plan, Fences::Acting).await;
            let verdicts = played.verdicts(broker.patience);
            self.note(&played, &verdicts);
        }
    }

    fn note(&self, played: &live::Played, verdicts: &[Verdict]) {
        let mut shared = self.shared();
        let new = shared.take(
            &played.sequence,
            &played.transcript,
            &played.pairs,
            played.packets,
            verdicts,
        );
        let gone = shared.ended(&played.sequence, played.cut_short.as_ref());
        drop(shared);
        for key in new {
            let _ = self.progress.send(Progress::Found(key.to_string()));
        }
        if gone.is_some() {
            self.trouble.send_if_modified(|trouble| {
                let first = trouble.is_none();
                if first {
                    *trouble = gone;
                }
                first
            });
        }
    }
}

/// Why the target was given up. A broker that refuses connections may have ended.
async fn trouble_of(instance: &dyn Instance, ended: Option<String>, why: Option<String>) -> Trouble {
    let ended = match ended {
        Some(how) => Some(how),
        None => instance.ended(ENDING).await,
    };
    let crash = ended.is_some();
    let mut text = match ended {
        Some(how) => format!("the broker ended: {how}"),
        None => why.unwrap_or_default(),
    };
    if let Some(log) = instance.log_tail(LOG).filter(|log| !log.trim().is_empty()) {
        text.push_str("\nthe end of its log:\n");
        text.push_str(log.trim_end());
    }
    Trouble { crash, text }
}

/// Waits until all workers have ended.
async fn all_of(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

/// Plays sequences until the time or their number is over, the target is gone, or `stop` becomes true.
///
/// # Errors
/// No broker can be started.
pub async fn explore(
    target: &Target,
    settings: &Settings,
    options: &Options,
    shared: Shared,
    progress: &mpsc::UnboundedSender<Progress>,
    mut stop: watch::Receiver<bool>,
) -> Result<Explored, Error> {
    let main = launch(target).await.map_err(Error::Start)?;
    let mut instances = vec![Arc::clone(&main)];
    if target.launcher.starts_its_own() && target.supports.has("restart") && target.supports.has("persistence") {
        for _ in 0..options.restarts {
            instances.push(launch(target).await.map_err(Error::Start)?);
        }
    }
    let began = Instant::now();
    let (trouble, mut gone) = watch::channel(None);
    let work = Arc::new(Work {
        shared: Mutex::new(shared),
        names: Namespaces::new(harness::seed()),
        deadline: options.time.map(|time| began + time),
        trouble,
        progress: progress.clone(),
    });
    let mut workers = JoinSet::new();
    let plain = Arc::new(broker(target, settings, &main));
    for _ in 0..options.jobs {
        workers.spawn(Arc::clone(&work).at(Arc::clone(&plain), Menu::default()));
    }
    let waits = Menu {
        waits: true,
        ..Menu::default()
    };
    for _ in 0..options.waits {
        workers.spawn(Arc::clone(&work).at(Arc::clone(&plain), waits));
    }
    let restarts = Menu {
        restarts: true,
        kills: target.supports.has("durable"),
        ..Menu::default()
    };
    for instance in &instances[1..] {
        let broker = Arc::new(broker(target, settings, instance));
        workers.spawn(Arc::clone(&work).at(broker, restarts));
    }
    let last = async {
        match work.deadline {
            Some(deadline) => tokio::time::sleep_until((deadline + GRACE).into()).await,
            None => std::future::pending().await,
        }
    };
    let ticks = async {
        loop {
            tokio::time::sleep(SECOND).await;
            let shared = work.shared();
            let (sequences, pairs, causes) = (shared.sequences, shared.coverage.len(), shared.causes.len());
            let _ = work.progress.send(Progress::Played {
                sequences,
                pairs,
                causes,
            });
        }
    };
    let ended = tokio::select! {
        _ = stop.wait_for(|stop| *stop) => None,
        how = main.died() => Some(how),
        _ = gone.wait_for(Option::is_some) => None,
        () = last => None,
        () = ticks => None,
        () = all_of(&mut workers) => None,
    };
    if ended.is_some() {
        // What was being played is of interest. Without a broker it soon ends.
        work.trouble.send_replace(Some("the broker ended".to_owned()));
        let _ = tokio::time::timeout(GRACE, all_of(&mut workers)).await;
    }
    workers.shutdown().await;
    let why = work.trouble.borrow().clone();
    let trouble = match (ended, why) {
        (None, None) => None,
        (ended, why) => Some(trouble_of(&*main, ended, why).await),
    };
    for instance in instances {
        instance.stop().await;
    }
    let work = Arc::into_inner(work);
    let shared = work.map(|work| work.shared.into_inner().unwrap_or_else(PoisonError::into_inner));
    let shared = shared.ok_or_else(|| Error::Start("a worker did not end".to_owned()))?;
    Ok(Explored { shared, trouble })
}
