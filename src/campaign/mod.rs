//! `mqttspec fuzz`: generated sequences against a target, and what they show of it.
//!
//! In: a target and [`Options`]. Out: a [`Report`] with the violations by cause, each confirmed, made short and written as a
//! scenario file.
//!
//! - `shared` decides what is played next and gathers what comes of it;
//! - `explore` plays sequences side by side over connections, `local` on the reference core in this process;
//! - `confirm` plays a sequence again alone, and makes it short;
//! - `proof` writes the scenario, and plays it against the reference broker and the target;
//! - `fatal` finds the sequence after which a broker is gone;
//! - `cause` groups violations; `corpus` keeps sequences in a folder; `report` is what is written and printed, `results` the
//!   same as results of a run.
//!
//! Prints nothing and picks no exit code.

mod cause;
mod confirm;
mod corpus;
mod explore;
mod fatal;
mod local;
mod proof;
mod report;
mod results;
mod shared;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use crate::play::Settings;
use crate::reference::Config;
use crate::statements::Version;
use crate::suite::Target;

pub use cause::{Cause, Outcome};
pub use corpus::CorpusError;
pub use explore::Trouble;
pub use fatal::{Fatal, Search};
pub use proof::Proof;
pub use report::Report;

/// How sequences are chosen and played.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first sequence has this seed, the next one the number after it, and so on.
    pub seed: u64,
    /// No sequence is begun after this time. What was found is confirmed after it.
    pub time: Option<Duration>,
    /// How many sequences are played.
    pub count: Option<u64>,
    /// Sequences side by side, over connections.
    pub jobs: usize,
    /// Sequences side by side, in addition, that also wait for times to pass, over connections.
    pub waits: usize,
    /// Brokers, in addition, that sequences restart and kill if the target has that. Over connections.
    pub restarts: usize,
    /// The versions of the clients.
    pub versions: Vec<Version>,
    /// Whether sequences go on where others reached something new.
    pub steering: bool,
    /// A folder of sequences that reached something new. They are played first.
    pub corpus: Option<PathBuf>,
    /// Where scenario files of what is found are written; `None` for none.
    pub found: Option<PathBuf>,
    /// How long one cause may be made short.
    pub shrinking: Duration,
}

/// What is told while sequences are played.
#[derive(Debug, Clone)]
pub enum Progress {
    /// Once a second.
    Played {
        sequences: u64,
        pairs: usize,
        causes: usize,
    },
    /// A violation was seen for the first time.
    Found(String),
    /// A cause is being confirmed and made short: which, and how many there are.
    Confirming { cause: String, number: usize, of: usize },
}

/// A campaign that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error("{0}")]
    Start(String),
    #[error("the target speaks none of the versions that are asked for")]
    NoVersion,
}

/// Plays sequences against a target over connections. Ends early if `stop` becomes true; what was found by then is part of the report.
///
/// # Errors
/// The corpus cannot be read, or no broker can be started or reached.
pub async fn run(
    target: &Target,
    settings: &Settings,
    options: &Options,
    progress: mpsc::UnboundedSender<Progress>,
    stop: watch::Receiver<bool>,
) -> Result<Report, Error> {
    let began = Instant::now();
    let options = Options {
        versions: (options.versions.iter().copied())
            .filter(|version| !target.not_offered.contains_key(version))
            .collect(),
        ..options.clone()
    };
    if options.versions.is_empty() {
        return Err(Error::NoVersion);
    }
    let shared = shared::Shared::new(&options)?;
    let explored = explore::explore(target, settings, &options, shared, &progress, stop.clone()).await?;
    let mut report = Report::new(&target.info.name, target.info.version.as_deref(), &options);
    report.take(&explored.shared, began.elapsed());
    let confirming = Instant::now();
    if explored.trouble.is_some() && target.launcher.starts_its_own() {
        let suspects = explored.shared.suspects.iter().cloned().collect();
        report.fatal = fatal::find(target, settings, &options, suspects, stop.clone()).await;
    }
    report.trouble = explored.trouble;
    let world = confirm::World {
        target: target.clone(),
        settings: settings.clone(),
        options: options.clone(),
        stop: stop.clone(),
    };
    report.causes = confirm::settle_all(world, explored.shared.causes.into_list(), &progress).await;
    proof::of_all(&mut report, target, settings, &options, &stop).await;
    for cause in &mut report.causes {
        cause.known = cause.key.known(target);
    }
    report.confirming = confirming.elapsed();
    report.interrupted = *stop.borrow();
    corpus::write(&options, &explored.shared.interesting)?;
    Ok(report)
}

/// The same on the reference core in this process, without connections, in virtual time.
///
/// # Errors
/// The corpus cannot be read or written.
pub async fn run_in_process(
    config: Config,
    options: &Options,
    progress: mpsc::UnboundedSender<Progress>,
    stop: watch::Receiver<bool>,
) -> Result<Report, Error> {
    let began = Instant::now();
    let config = Arc::new(config);
    let shared = shared::Shared::new(options)?;
    let shared = local::explore(&config, options, shared, &progress, &stop).await;
    let mut report = Report::new("reference core", Some(env!("CARGO_PKG_VERSION")), options);
    report.in_process = true;
    report.take(&shared, began.elapsed());
    let confirming = Instant::now();
    let interesting = shared.interesting.clone();
    report.causes = local::settle(&config, shared.causes.into_list()).await;
    proof::in_process(&mut report, &config, options, &stop).await;
    report.confirming = confirming.elapsed();
    report.interrupted = *stop.borrow();
    corpus::write(options, &interesting)?;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options of a campaign that writes nothing.
    pub fn options() -> Options {
        Options {
            seed: 7,
            time: None,
            count: Some(10),
            jobs: 2,
            waits: 0,
            restarts: 0,
            versions: Version::ALL.to_vec(),
            steering: true,
            corpus: None,
            found: None,
            shrinking: Duration::from_secs(10),
        }
    }
}
