//! `mqttspec run`

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::play::Player;
use crate::report::html::Scripts;
use crate::report::matrix::Matrix;
use crate::report::model::Run;
use crate::report::{self, failure, terminal};
use crate::scenario::Case;
use crate::suite::{self, RunEvent, RunOptions, RunResult, Target, Verdict};

use super::args::{RunArgs, SelectArgs, Trace};
use super::{Exit, diaries, fail, is_terminal, known, last, print, print_error, set, snapshots, sweep, target, width};

/// Plays the suite.
pub fn run(args: &RunArgs) -> Exit {
    start_tracing(args.verbose);
    let only = match args.failed.then(last::bad) {
        None => None,
        Some(Ok(ids)) => Some(ids),
        Some(Err(message)) => return fail(Exit::Nothing, message),
    };
    let cases = match set::cases(&args.set, &args.select, only) {
        Ok(cases) => cases,
        Err(exit) => return exit,
    };
    // A run mostly waits, and one thread that nobody has to wake takes a fifth less processor time than several. The
    // embedded broker is a party of its own.
    let mut builder = match args.target.is_some() {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    let exit = runtime.block_on(run_all(args, cases));
    // What still makes or removes a broker's folder may end; tasks of brokers that are being torn down are dropped at once.
    runtime.shutdown_timeout(Duration::from_secs(1));
    crate::sut::kill_all();
    exit
}

/// Logs to standard error, as `MQTTSPEC_LOG` asks for.
pub(super) fn start_tracing(verbose: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("MQTTSPEC_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(if verbose { "mqttspec=info" } else { "off" }));
    // A second call in one process keeps the first; nothing is lost by that.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(super::colour())
        .try_init();
}

async fn run_all(args: &RunArgs, cases: Vec<Arc<Case>>) -> Exit {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        asked_to_end().await;
        stop.send_replace(true);
        // The channel stays open as long as the run.
        std::future::pending::<()>().await;
    });
    let (mut target, mut settings) = match target::target(args.target.as_deref(), &args.disobey, &args.reach).await {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let whole = is_whole(args).then(|| cases.iter().map(|case| case.id.clone()).collect());
    if let Err(message) = check_known(&target, &args.set, whole) {
        return fail(Exit::Malformed, message);
    }
    if args.exclusive {
        target.supports = std::mem::take(&mut target.supports).and("exclusive");
    }
    target.jobs = args.jobs.unwrap_or(target.jobs);
    settings.patience = args.patience.unwrap_or(settings.patience);
    let seed = super::seed();
    // What a broker of our own holds goes with it.
    let kept = (!target.launcher.starts_its_own()).then(|| diaries::begin(&target.info.address, seed));
    settings.diary = kept.as_ref().map(|kept| Arc::clone(&kept.diary));
    let player = Player::new(settings, seed);
    let options = RunOptions {
        strict: args.strict,
        max_fail: args.max_fail,
        total_timeout: args.total_timeout,
        forgets: args.json.is_none() && args.html.is_none() && args.pcap.is_none() && args.snapshots.is_none(),
    };
    let exit = turns(args, &cases, &target, &player, &options, stopped, kept.as_ref()).await;
    if let Some(kept) = &kept {
        kept.end();
    }
    // The process ends here, and takes them with it at once: to give back all that they are made of takes longer.
    std::mem::forget(cases);
    exit
}

/// Plays everything as often as asked for.
async fn turns(
    args: &RunArgs,
    cases: &[Arc<Case>],
    target: &Target,
    player: &Player,
    options: &RunOptions,
    stopped: watch::Receiver<bool>,
    kept: Option<&diaries::Kept>,
) -> Exit {
    let mut exit = Exit::Ok;
    let mut before: Option<Arc<RunResult>> = None;
    for turn in 1..=args.repeat {
        if args.repeat > 1 {
            print(&format!("run {turn} of {}\n", args.repeat));
        }
        let played = one_run(args, cases, target, player, options, stopped.clone()).await;
        if let Some(kept) = kept {
            sweep::after_run(target, &player.settings, kept).await;
        }
        let result = match played {
            Ok(result) => result,
            Err(message) => return fail(Exit::Unreachable, message),
        };
        exit = worse(exit, report_all(args, cases, &result));
        if let Some(before) = &before {
            exit = worse(exit, changed_verdicts(before, &result));
        }
        if result.interrupted && *stopped.borrow() {
            return Exit::Interrupted;
        }
        before.get_or_insert(result);
    }
    exit
}

/// Waits for Ctrl-C, or for SIGTERM as `timeout` and CI servers send it: both end a run with everything put away.
pub(super) async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// Plays everything once, and says on the terminal what happens.
async fn one_run(
    args: &RunArgs,
    cases: &[Arc<Case>],
    target: &Target,
    player: &Player,
    options: &RunOptions,
    stopped: watch::Receiver<bool>,
) -> Result<Arc<RunResult>, String> {
    let (sender, events) = mpsc::unbounded_channel();
    let printer = tokio::spawn(tell(events, args.trace, args.verbose));
    let result = suite::run(cases, target, player, options, sender, stopped).await;
    // It ends with the run, which has dropped its side of the channel.
    let _ = printer.await;
    result
}

/// Prints events as they come.
async fn tell(mut events: mpsc::UnboundedReceiver<RunEvent>, trace: Trace, verbose: bool) {
    let options = failure::Options {
        trace: trace != Trace::Never,
        width: width(),
    };
    let live = is_terminal();
    let (mut done, mut all, mut bad) = (0, 0, 0);
    let mut about = None;
    let clear = if live { "\r\x1b[2K" } else { "" };
    while let Some(event) = events.recv().await {
        match event {
            RunEvent::Began { target, cases } => {
                all = cases;
                print(&terminal::began(&target, cases));
                about = Some(target);
            }
            RunEvent::CaseBegan { id } if live => {
                let width = width().saturating_sub(1);
                print_error(&format!("{clear}{}", terminal::progress(done, all, bad, &id, width)));
            }
            RunEvent::CaseEnded(case) => {
                done += 1;
                bad += usize::from(case.is_bad());
                let Some(target) = &about else { continue };
                let mut text = terminal::ended(&case, target, verbose || trace == Trace::Always, options);
                if trace == Trace::Always && !case.is_bad() {
                    for transcript in case.transcript.iter().chain(&case.control) {
                        text.push_str(&crate::transcript::trace(transcript, usize::MAX));
                    }
                }
                if !text.is_empty() {
                    print_error(clear);
                    print(&text);
                }
            }
            RunEvent::Note(note) => print_error(&format!("{clear}note: {note}\n")),
            RunEvent::Ended(result) => {
                print_error(clear);
                print(&terminal::summary(&result));
            }
            RunEvent::CaseBegan { .. } => {}
        }
    }
}

/// Writes what was asked for, and finds the exit code of a run.
fn report_all(args: &RunArgs, cases: &[Arc<Case>], result: &RunResult) -> Exit {
    let mut exit = verdict_of(result);
    last::keep(result);
    type Report = fn(&RunResult) -> String;
    let files: [(_, Report); 3] = [
        (&args.json, report::json::run),
        (&args.junit, report::junit::run),
        (&args.write_known, known::list),
    ];
    for (file, text) in files {
        if let Some(file) = file {
            exit = worse(exit, write(file, &text(result)));
        }
    }
    if let Some(file) = &args.html {
        exit = worse(exit, page(file, cases, result));
    }
    if let Some(file) = &args.pcap
        && let Err(error) = write_pcap(file, result)
    {
        exit = worse(
            exit,
            fail(Exit::Unreachable, format!("cannot write {}: {error}", file.display())),
        );
    }
    if let Some(folder) = &args.snapshots {
        let whole = is_whole(args) && !result.interrupted;
        exit = worse(exit, snapshots::compare_run(folder, result, whole));
    }
    if std::env::var_os("GITHUB_ACTIONS").is_some() {
        print(&report::github::annotations(result));
        job_summary(|| report::github::summary(result));
    }
    exit
}

/// The page with this run alone.
fn page(file: &Path, cases: &[Arc<Case>], result: &RunResult) -> Exit {
    let matrix = Matrix::new(vec![Run::from(result)], []);
    let scripts = Scripts::of(cases.iter().map(|c| &**c));
    write(file, &report::html::page(&matrix, &scripts))
}

/// Writes a report; says where it cannot.
pub(super) fn write(file: &Path, text: &str) -> Exit {
    match std::fs::write(file, text) {
        Ok(()) => Exit::Ok,
        Err(error) => fail(Exit::Unreachable, format!("cannot write {}: {error}", file.display())),
    }
}

/// Writes the run as a capture. The times in it begin when the run did.
fn write_pcap(file: &Path, result: &RunResult) -> std::io::Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let began = now.unwrap_or_default().saturating_sub(result.duration);
    let out = std::io::BufWriter::new(std::fs::File::create(file)?);
    report::pcap::write(result, began, out)
}

/// Appends to the summary of a job on GitHub, where there is one.
pub(super) fn job_summary(text: impl FnOnce() -> String) {
    use std::io::Write;
    let Some(file) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|_| std::env::var_os("GITHUB_ACTIONS").is_some())
    else {
        return;
    };
    let file = Path::new(&file);
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    if let Err(error) = opened.and_then(|mut f| f.write_all(text().as_bytes())) {
        print_error(&format!("note: cannot write {}: {error}\n", file.display()));
    }
}

/// Whether the run plays the whole set: only then can it be told which snapshots no case has any more.
fn is_whole(args: &RunArgs) -> bool {
    let select = &args.select;
    select.select.is_empty()
        && select.mqtt.is_empty()
        && select.statement.is_empty()
        && select.tag.is_empty()
        && select.shard.is_none()
        && !args.failed
}

/// The exit code of a run's results alone.
pub(super) fn verdict_of(result: &RunResult) -> Exit {
    let cut_short = result.interrupted || !result.crashes_under_load.is_empty();
    of_verdicts(result.cases.iter().map(|c| c.verdict), cut_short)
}

/// The exit code of verdicts. `cut_short` says that the run is bad whatever they are.
pub(super) fn of_verdicts(verdicts: impl Iterator<Item = Verdict>, cut_short: bool) -> Exit {
    let of = |verdict| match verdict {
        Verdict::Error => Exit::Unreachable,
        Verdict::Fail | Verdict::Crash | Verdict::Fixed => Exit::Bad,
        Verdict::Pass | Verdict::Known | Verdict::Skip => Exit::Ok,
    };
    let begin = if cut_short { Exit::Bad } else { Exit::Ok };
    verdicts.map(of).fold(begin, worse)
}

/// 130 before 5 before 1 before 0.
pub(super) fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Interrupted => 3,
        Exit::Unreachable => 2,
        Exit::Ok => 0,
        _ => 1,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Tells every case whose verdict is not that of the first run.
fn changed_verdicts(first: &RunResult, now: &RunResult) -> Exit {
    let before: BTreeMap<&str, Verdict> = first.cases.iter().map(|c| (c.id.as_str(), c.verdict)).collect();
    let mut exit = Exit::Ok;
    for case in &now.cases {
        let was = before.get(case.id.as_str()).copied().unwrap_or(case.verdict);
        if was != case.verdict {
            print(&format!(
                "changed: {} was {}, is {}\n",
                case.id,
                was.name(),
                case.verdict.name()
            ));
            exit = Exit::Bad;
        }
    }
    exit
}

/// An entry of `known` that no case has is an error: most likely a slip, or a case that was renamed. `whole`
/// has the identifiers of all cases of the set, where they are at hand; a case that is not selected counts too.
pub(super) fn check_known(
    target: &Target,
    args: &super::args::SetArgs,
    whole: Option<Vec<String>>,
) -> Result<(), String> {
    if target.known.is_empty() || args.scenarios.is_some() {
        return Ok(());
    }
    let read = || set::outlines(args, &SelectArgs::default()).map(|all| all.into_iter().map(|case| case.id).collect());
    // What is wrong with the set is told where it is played.
    let Ok(all): Result<Vec<String>, Exit> = whole.map_or_else(read, Ok) else {
        return Ok(());
    };
    match target.known.iter().find(|k| !all.iter().any(|id| k.case.matches(id))) {
        None => Ok(()),
        Some(known) => Err(format!(
            "{}: `known` names `{}`, which no case has",
            target.info.argument.as_deref().unwrap_or_default(),
            known.case
        )),
    }
}
