//! `mqttspec fuzz`

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::campaign::{self, Error, Options, Progress, Report};
use crate::harness;
use crate::reference::{Config, Disobey, Free};
use crate::report::plural;
use crate::statements::Version;
use crate::suite::{About, RunResult, TargetInfo};
use crate::transport::Transport;
use crate::wire::Side;

use super::args::FuzzArgs;
use super::exit::worse;
use super::files::{self, write};
use super::out::{fail, print, wrap_width};
use super::progress::Line;
use super::{Exit, clock, interrupt, known, run, target};

/// How long sequences are played unless something else is asked for.
const SECONDS: u64 = 60;
/// How long one cause may be made short.
const SHRINKING: Duration = Duration::from_secs(60);

/// Plays generated sequences.
pub fn fuzz(args: &FuzzArgs) -> Exit {
    let files = [&args.json, &args.junit, &args.html, &args.pcap, &args.write_known];
    if let Err(exit) = files::try_all(files) {
        return exit;
    }
    // Judging an exchange takes longer than playing it, so sequences use every processor.
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    let exit = runtime.block_on(play(args));
    runtime.shutdown_timeout(Duration::from_secs(1));
    crate::sut::kill_all();
    exit
}

async fn play(args: &FuzzArgs) -> Exit {
    let stopped = interrupt::watch();
    let (sender, events) = mpsc::unbounded_channel();
    let printer = tokio::spawn(tell(events));
    let report = if args.in_process {
        in_process(args, sender, stopped).await
    } else {
        over_connections(args, sender, stopped).await
    };
    // It ends with the campaign, which has dropped its side of the channel.
    let _ = printer.await;
    match report {
        Ok((report, target)) => report_all(args, &report, &target),
        Err(exit) => exit,
    }
}

async fn over_connections(
    args: &FuzzArgs,
    progress: mpsc::UnboundedSender<Progress>,
    stopped: watch::Receiver<bool>,
) -> Result<(Report, TargetInfo), Exit> {
    let argument = args.target.as_deref();
    let (target, mut settings) = target::target(argument, Side::Server, &args.fault, &args.free, &args.reach).await?;
    if target.tests == Side::Client {
        let message = "the profile is that of a client; `fuzz` tests brokers";
        return Err(fail(Exit::Usage, message));
    }
    settings.patience = args.response_timeout.unwrap_or(settings.patience);
    let options = options(args, args.jobs.unwrap_or(target.jobs));
    print(&format!("seed {}\n", options.seed));
    let report = campaign::run(&target, &settings, &options, progress, stopped).await;
    report.map(|report| (report, target.info)).map_err(|error| told(&error))
}

async fn in_process(
    args: &FuzzArgs,
    progress: mpsc::UnboundedSender<Progress>,
    stopped: watch::Receiver<bool>,
) -> Result<(Report, TargetInfo), Exit> {
    let free = Free::parse_all(args.free.iter().map(String::as_str)).map_err(|e| fail(Exit::Usage, e))?;
    let disobey = Disobey::parse_all(args.fault.iter().map(String::as_str)).map_err(|e| fail(Exit::Usage, e))?;
    let config = Config {
        disobey,
        free,
        ..Config::default()
    };
    let options = options(args, 1);
    print(&format!("seed {}\n", options.seed));
    let report = campaign::run_in_process(config.with_free_limits(), &options, progress, stopped).await;
    let (target, _) = harness::reference_as(Disobey::default(), Free::default(), Transport::Mqtt);
    report.map(|report| (report, target.info)).map_err(|error| told(&error))
}

fn options(args: &FuzzArgs, jobs: usize) -> Options {
    let seconds = args.seconds.or((args.count.is_none()).then_some(SECONDS));
    Options {
        seed: args.seed.unwrap_or_else(harness::seed),
        time: seconds.map(Duration::from_secs),
        count: args.count,
        jobs,
        waits: args.waits.into(),
        restarts: args.restarts.into(),
        versions: if args.mqtt.is_empty() {
            Version::ALL.to_vec()
        } else {
            args.mqtt.clone()
        },
        steering: !args.no_steering,
        corpus: args.corpus.clone(),
        found: Some(args.found.clone()),
        shrinking: SHRINKING,
    }
}

fn told(error: &Error) -> Exit {
    let exit = match error {
        Error::Corpus(campaign::CorpusError::Malformed { .. }) => Exit::Malformed,
        Error::Corpus(_) | Error::Start(_) => Exit::Unreachable,
        Error::NoVersion => Exit::Nothing,
    };
    fail(exit, error)
}

/// Says what happens while it happens.
async fn tell(mut events: mpsc::UnboundedReceiver<Progress>) {
    let line = Line::begin();
    while let Some(event) = events.recv().await {
        match event {
            Progress::Played {
                sequences,
                pairs,
                causes,
            } => line.shows(format!(
                "{}, {}, {}",
                plural(sequences as usize, "sequence"),
                plural(pairs, "pair"),
                plural(causes, "cause")
            )),
            Progress::Found(cause) => line.print(&format!("seen: {cause}\n")),
            Progress::Confirming { cause, number, of } => line.shows(format!("[{number}/{of}] {cause}")),
        }
    }
    line.end();
}

fn report_all(args: &FuzzArgs, report: &Report, target: &TargetInfo) -> Exit {
    print(&report.text(wrap_width()));
    let mut exit = exit_of(report);
    if let Some(file) = &args.json {
        exit = worse(exit, write(file, &report.json()));
    }
    if let Some(file) = &args.junit {
        exit = worse(exit, write(file, &report.junit()));
    }
    let about = About {
        started: Some(clock::now()),
        ..About::default()
    };
    let (result, cases) = report.as_run(target, about);
    if let Some(file) = &args.html {
        let (code, _) = run::page(file, &cases, (&result).into());
        exit = worse(exit, code);
    }
    if let Some(file) = &args.pcap {
        exit = worse(exit, run::capture(file, &result));
    }
    if let Some(file) = &args.write_known {
        let mut draft = known::Draft::default();
        draft.add(&result);
        exit = worse(exit, write(file, &draft.text(&every_id(&result))));
    }
    run::github(&result);
    exit
}

/// The ids of the causes at every version: what was not found at one is no part of a pattern.
fn every_id(result: &RunResult) -> Vec<String> {
    let names = result.cases.iter().filter_map(|case| case.id.split_once('@'));
    let names: BTreeSet<&str> = names.map(|(name, _)| name).collect();
    names
        .into_iter()
        .flat_map(|name| Version::ALL.map(|version| format!("{name}@{version}")))
        .collect()
}

fn exit_of(report: &Report) -> Exit {
    let found = match report.new_causes().next() {
        Some(_) => Exit::Bad,
        None => Exit::Ok,
    };
    let trouble = match &report.trouble {
        Some(trouble) if trouble.crash => Exit::Bad,
        Some(_) => Exit::Unreachable,
        None => Exit::Ok,
    };
    let interrupted = if report.interrupted {
        Exit::Interrupted
    } else {
        Exit::Ok
    };
    worse(worse(found, trouble), interrupted)
}
