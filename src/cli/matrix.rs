//! `mqttspec matrix`

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::harness;
use crate::play::Player;
use crate::report::html::Scripts;
use crate::report::matrix::Matrix;
use crate::report::model;
use crate::report::review::folder_name;
use crate::report::{json, markdown, terminal};
use crate::scenario::Case;
use crate::suite::{self, About, LookLimit, RunEvent, RunOptions, RunResult};

use super::args::{MatrixArgs, ReachArgs};
use super::clock::now;
use super::exit::{of_run, verdict_of, worse};
use super::files::{self, job_summary, write};
use super::out::{fail, is_terminal, print, print_error, start_tracing};
use super::set::Chosen;
use super::{Exit, interrupt, set, target};

/// The word for the embedded reference broker among targets.
const REFERENCE: &str = "reference";

/// Plays the suite against several brokers, and compares the results.
pub fn matrix(args: &MatrixArgs) -> Exit {
    start_tracing(false);
    let args = &MatrixArgs {
        set: set::for_target(&args.set, args.targets.first().map(String::as_str)),
        ..args.clone()
    };
    if let Err(exit) = files::try_all([&args.files.html, &args.files.md, &args.files.json]) {
        return exit;
    }
    let chosen = match set::chosen(&args.set, &args.select, None) {
        Ok(chosen) => chosen,
        Err(exit) => return exit,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    let (records, exit) = runtime.block_on(all(args, &chosen));
    runtime.shutdown_timeout(Duration::from_secs(1));
    crate::sut::kill_all();
    if records.is_empty() {
        return exit;
    }
    // Of a selection the rest of the suite says where cases of results that were read belong, and what they play.
    let scenarios = match set::scenarios(&args.set) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let suite = || scenarios.iter().flat_map(|s| &s.cases);
    let matrix = Matrix::new(records, suite().map(|c| c.id.as_str()));
    print(&format!("\n{}", markdown::counts(&matrix)));
    job_summary(|| markdown::matrix(&matrix));
    worse(exit, files::write_matrix(&args.files, &matrix, &Scripts::of(suite())))
}

/// The results of every target in the order of the command line, but of those that could not be played, and the worst
/// exit code.
async fn all(args: &MatrixArgs, chosen: &Chosen) -> (Vec<model::Run>, Exit) {
    let stopped = interrupt::watch();
    let beside = Arc::new(Semaphore::new(args.jobs_brokers as usize));
    let mut tasks = JoinSet::new();
    for (place, argument) in args.targets.iter().enumerate() {
        let run = Run {
            argument: argument.clone(),
            cases: chosen.cases.clone(),
            about: About {
                started: Some(now()),
                label: None,
                selected: Some(chosen.selected.clone()),
                shard: chosen.shard,
            },
            set: args.set.clone(),
            again: args.again.clone(),
            jobs: args.jobs,
            runs: args.runs.clone(),
            stopped: stopped.clone(),
        };
        // Begun in the order of the command line. The semaphore is closed by no one.
        let permit = Arc::clone(&beside).acquire_owned().await;
        tasks.spawn(async move {
            let record = run.record().await;
            drop(permit);
            (place, record)
        });
    }
    let mut records: Vec<Option<model::Run>> = args.targets.iter().map(|_| None).collect();
    let mut exit = Exit::Ok;
    let mut unplayed = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok((place, Ok((record, more)))) => {
                records[place] = Some(record);
                exit = worse(exit, more);
            }
            Ok((_, Err(why))) => unplayed.push(why),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    let records: Vec<model::Run> = records.into_iter().flatten().collect();
    match unplayed.first() {
        // There is no page without any of them, so the reason is all that there is to be said.
        Some(why) if records.is_empty() => exit = *why,
        Some(_) => exit = worse(exit, Exit::Unreachable),
        None => {}
    }
    if *stopped.borrow() {
        exit = Exit::Interrupted;
    }
    (records, exit)
}

/// One target's turn.
struct Run {
    argument: String,
    cases: Vec<Arc<Case>>,
    about: About,
    set: super::args::SetArgs,
    again: Vec<String>,
    jobs: Option<usize>,
    runs: Option<std::path::PathBuf>,
    stopped: watch::Receiver<bool>,
}

impl Run {
    /// The result, read or played, with its exit code. Errors are printed here.
    async fn record(self) -> Result<(model::Run, Exit), Exit> {
        if *self.stopped.borrow() {
            return Err(Exit::Interrupted);
        }
        if self.argument.ends_with(".json") {
            let run = files::run(Path::new(&self.argument)).inspect_err(|_| self.left_out())?;
            if let Some(shard) = run.shard {
                print_error(&format!("note: {} is {shard} only\n", self.argument));
            }
            let exit = of_run(&run);
            return Ok((run, exit));
        }
        let result = self.play().await.inspect_err(|_| self.left_out())?;
        let mut exit = verdict_of(&result);
        if let Some(folder) = &self.runs {
            exit = worse(exit, keep(folder, &result));
        }
        // The transcripts of a run are large; what is kept of them is in the record.
        Ok((model::Run::from(&*result), exit))
    }

    fn left_out(&self) {
        print_error(&format!("note: {} is left out\n", self.argument));
    }

    async fn play(&self) -> Result<Arc<RunResult>, Exit> {
        let argument = Some(self.argument.as_str()).filter(|a| *a != REFERENCE);
        let (mut target, settings) =
            target::target(argument, set::tested(&self.set), &[], &[], &ReachArgs::default()).await?;
        set::check_known(&target, &self.set, None)?;
        target.info.options.clone_from(&self.again);
        target.jobs = self.jobs.unwrap_or(target.jobs);
        let player = Player::new(settings, harness::seed());
        let (sender, events) = mpsc::unbounded_channel();
        let teller = tokio::spawn(tell(events));
        let options = RunOptions {
            about: self.about.clone(),
            asks_first: true,
            second_look: Some(LookLimit::default()),
            ..RunOptions::default()
        };
        let result = suite::run(&self.cases, &target, &player, &options, sender, self.stopped.clone()).await;
        let _ = teller.await;
        result.map_err(|message| fail(Exit::Unreachable, format!("{}: {message}", self.argument)))
    }
}

/// Writes what `run --json` would have.
fn keep(folder: &Path, result: &RunResult) -> Exit {
    if let Err(error) = std::fs::create_dir_all(folder) {
        return fail(Exit::Unreachable, format!("cannot make {}: {error}", folder.display()));
    }
    let name = folder_name(&result.target.name);
    write(&folder.join(format!("{name}.json")), &json::run(result))
}

/// Says when a broker begins and ends, and which of its cases a person must look at.
async fn tell(mut events: mpsc::UnboundedReceiver<RunEvent>) {
    while let Some(event) = events.recv().await {
        match event {
            RunEvent::Began { target, cases } if is_terminal() => print_error(&terminal::began(&target, cases)),
            RunEvent::CaseEnded(case) if case.is_bad() => print(&terminal::line(&case)),
            RunEvent::Note(note) => print_error(&format!("note: {note}\n")),
            RunEvent::Ended(result) => print(&terminal::last_line(&result)),
            RunEvent::Began { .. } | RunEvent::CaseBegan { .. } | RunEvent::CaseEnded(_) => {}
        }
    }
}
