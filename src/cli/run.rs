//! `mqttspec run`

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::harness::{self, Broom, Open};
use crate::play::Player;
use crate::report::html::Scripts;
use crate::report::matrix::Matrix;
use crate::report::model::Run;
use crate::report::{self, failure, plural, terminal};
use crate::scenario::Case;
use crate::suite::{self, About, LookLimit, Rigour, RunEvent, RunOptions, RunResult, Target, Verdict};

use super::args::{Exchanges, Failures, RigourWeight, RunArgs, Trace};
use super::exit::{verdict_of, worse};
use super::files::{self, job_summary, write};
use super::out::{fail, print, print_error, start_tracing, width, wrap_width};
use super::progress::Progress;
use super::set::Chosen;
use super::{Ended, Exit, clock, interrupt, known, last, set, snapshots, state, target};

/// Plays the suite.
pub fn run(args: &RunArgs) -> Ended {
    let args = &RunArgs {
        set: set::for_target(&args.set, args.target.as_deref()),
        ..args.clone()
    };
    match chosen(args) {
        Ok(chosen) => Ended {
            exit: play(args, &chosen),
            cases: chosen.cases,
        },
        Err(exit) => exit.into(),
    }
}

/// The cases that are asked for.
fn chosen(args: &RunArgs) -> Result<Chosen, Exit> {
    start_tracing(args.verbose);
    files::try_all([&args.json, &args.junit, &args.html, &args.pcap, &args.write_known])?;
    let only = args.failed.then(last::bad).transpose();
    let only = only.map_err(|message| fail(Exit::Nothing, message))?;
    let chosen = set::chosen(&args.set, &args.select, only)?;
    if let Some(shard) = chosen.shard.filter(|_| chosen.cases.is_empty()) {
        let cases = plural(chosen.selected.cases, "selected case");
        print_error(&format!("note: {shard} has none of {cases}\n"));
    }
    Ok(chosen)
}

fn play(args: &RunArgs, chosen: &Chosen) -> Exit {
    // A run mostly waits, and one thread that no one has to wake takes a fifth less processor time than several. The
    // embedded broker is a party of its own.
    let mut builder = if args.target.is_some() {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    let exit = runtime.block_on(run_all(args, chosen));
    // What still makes or removes a broker's folder may end; tasks of brokers that are being torn down are dropped at
    // once.
    runtime.shutdown_timeout(Duration::from_secs(1));
    crate::sut::kill_all();
    exit
}

async fn run_all(args: &RunArgs, chosen: &Chosen) -> Exit {
    let cases = &chosen.cases;
    let stopped = interrupt::watch();
    let (mut target, mut settings) = match target::target(
        args.target.as_deref(),
        set::tested(&args.set),
        &args.fault,
        &args.free,
        &args.reach,
    )
    .await
    {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let whole = is_whole(args).then(|| cases.iter().map(|case| case.id.clone()).collect());
    if let Err(exit) = set::check_known(&target, &args.set, whole) {
        return exit;
    }
    if let Some(name) = &args.name {
        target.info.name.clone_from(name);
    }
    target.info.options.clone_from(&args.again);
    if args.exclusive {
        target.supports = std::mem::take(&mut target.supports).and("exclusive");
    }
    target.jobs = args.jobs.unwrap_or(target.jobs);
    settings.patience = args.response_timeout.unwrap_or(settings.patience);
    let seed = harness::seed();
    // What a broker of our own holds goes with it.
    let kept = (!target.launcher.starts_its_own()).then(|| state::diaries().begin(&target.info.address, seed));
    settings.diary = kept.as_ref().map(|kept| Arc::clone(&kept.diary));
    let player = Player::new(settings, seed);
    let is_changed = !args.fault.is_empty() || !args.free.is_empty();
    let limit = LookLimit {
        time: args.second_look,
        ..LookLimit::default()
    };
    let options = RunOptions {
        about: About {
            started: Some(clock::now()),
            label: args.label.clone(),
            selected: Some(chosen.selected.clone()),
            shard: chosen.shard,
        },
        strict: args.strict,
        rigour: match args.rigour {
            RigourWeight::Fail => Rigour::Fail,
            RigourWeight::Advice => Rigour::Advice,
        },
        asks_first: !is_changed,
        second_look: (!is_changed && !limit.time.is_zero()).then_some(limit),
        max_fail: args.max_fail,
        total_timeout: args.total_timeout,
        forgets: args.json.is_none() && args.html.is_none() && args.pcap.is_none() && args.snapshots.is_none(),
    };
    let exit = turns(args, cases, &target, &player, &options, stopped, kept.as_ref()).await;
    if let Some(kept) = &kept {
        kept.end();
    }
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
    kept: Option<&Open>,
) -> Exit {
    let mut exit = Exit::Ok;
    let mut before: Option<Arc<RunResult>> = None;
    let mut draft = known::Draft::default();
    for turn in 1..=args.repeat {
        if args.repeat > 1 {
            print(&format!("run {turn} of {}\n", args.repeat));
        }
        let played = one_run(args, cases, target, player, options, stopped.clone()).await;
        if let Some(kept) = kept {
            clean_up(target, player, kept).await;
        }
        let result = match played {
            Ok(result) => result,
            Err(message) => return fail(Exit::Unreachable, message),
        };
        exit = worse(exit, report_all(args, cases, &result));
        if let Some(file) = &args.write_known {
            draft.add(&result);
            exit = worse(exit, write_known(file, args, cases, &draft));
        }
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

/// Removes what aborted cases left.
async fn clean_up(target: &Target, player: &Player, kept: &Open) {
    if !Broom::after_run(target, &player.settings, kept).await {
        let argument = target.info.argument.as_deref().unwrap_or_default();
        print_error(&format!(
            "note: some state is left on the broker; `mqttspec sweep {argument}` removes it\n"
        ));
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
    let printer = tokio::spawn(tell(
        events,
        args.trace,
        args.failures == Failures::All,
        args.verbose,
        args.advice,
    ));
    let result = suite::run(cases, target, player, options, sender, stopped).await;
    // It ends with the run, which has dropped its side of the channel.
    let _ = printer.await;
    result
}

/// Prints events as they come.
async fn tell(mut events: mpsc::UnboundedReceiver<RunEvent>, trace: Trace, all: bool, verbose: bool, advice: bool) {
    let options = failure::Options {
        trace: trace != Trace::Never,
        width: width(),
        wrap: wrap_width(),
    };
    let mut shown = terminal::Live::new(all, verbose || trace == Trace::Always);
    let mut progress = Progress::begin(0);
    let mut about = None;
    while let Some(event) = events.recv().await {
        match event {
            RunEvent::Began { target, cases } => {
                print(&terminal::began(&target, cases));
                progress = Progress::begin(cases);
                about = Some(target);
            }
            RunEvent::CaseBegan { id } => progress.began(&id),
            RunEvent::CaseEnded(case) => {
                progress.ended(case.is_bad());
                let Some(target) = &about else { continue };
                let mut text = shown.ended(&case, target, options);
                if trace == Trace::Always && !case.is_bad() {
                    for transcript in case.transcript.iter().chain(&case.control) {
                        text.push_str(&crate::transcript::trace(transcript, usize::MAX));
                    }
                }
                if !text.is_empty() {
                    progress.print(&text);
                }
            }
            RunEvent::Note(note) => progress.print_error(&format!("note: {note}\n")),
            RunEvent::Ended(result) => {
                progress.end();
                print(&shown.failures(&result, options));
                if advice {
                    print(&terminal::advice(&result, options.wrap));
                }
                print(&terminal::summary(&result, verbose, options.wrap));
            }
        }
    }
    progress.end();
}

/// Writes what was asked for, and finds the exit code of a run.
fn report_all(args: &RunArgs, cases: &[Arc<Case>], result: &RunResult) -> Exit {
    let mut exit = verdict_of(result);
    last::keep(result);
    let compared = args.snapshots.as_ref().map(|folder| {
        let whole = is_whole(args) && !result.interrupted;
        snapshots::compare_run(folder, result, whole)
    });
    let compared = match compared.transpose() {
        Ok(compared) => compared,
        Err(code) => {
            exit = worse(exit, code);
            None
        }
    };
    if compared.is_some_and(|compared| compared.changed > 0) {
        exit = worse(exit, Exit::Bad);
    }
    if let Some(file) = &args.junit {
        exit = worse(exit, write(file, &report::junit::run(result)));
    }
    if args.html.is_some() || args.json.is_some() {
        let mut record = Run::from(result);
        record.snapshots = compared;
        if let Some(file) = &args.html {
            let code;
            (code, record) = page(file, cases, record);
            exit = worse(exit, code);
        }
        if let Some(file) = &args.json {
            let record = match args.exchanges {
                Exchanges::All => record,
                Exchanges::Deviating => record.with_few_exchanges(),
            };
            exit = worse(exit, write(file, &record.write()));
        }
    }
    if let Some(file) = &args.pcap {
        exit = worse(exit, capture(file, result));
    }
    github(result);
    exit
}

/// Prints what GitHub Actions reads, if it is there.
pub fn github(result: &RunResult) {
    if std::env::var_os("GITHUB_ACTIONS").is_some() {
        print(&report::github::annotations(result));
        job_summary(|| report::github::summary(result));
    }
}

/// Writes what has failed so far as a list of known deviations.
fn write_known(file: &Path, args: &RunArgs, cases: &[Arc<Case>], draft: &known::Draft) -> Exit {
    let selected = || cases.iter().map(|case| case.id.clone()).collect();
    let ids = set::ids(&args.set).unwrap_or_else(|_| selected());
    write(file, &draft.text(&ids))
}

/// Writes the page with this run alone, and gives the run back.
pub fn page(file: &Path, cases: &[Arc<Case>], record: Run) -> (Exit, Run) {
    let mut matrix = Matrix::new(vec![record], []);
    let scripts = Scripts::of(cases.iter().map(|c| &**c));
    let exit = write(file, &report::html::page(&matrix, &scripts));
    (exit, matrix.columns.remove(0).record)
}

/// Writes the run as a capture. The times in it begin when the run did.
pub fn capture(file: &Path, result: &RunResult) -> Exit {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let began = now.unwrap_or_default().saturating_sub(result.duration);
    match files::create(file).and_then(|out| report::pcap::write(result, began, out)) {
        Ok(()) => Exit::Ok,
        Err(error) => fail(Exit::Unreachable, format!("cannot write {}: {error}", file.display())),
    }
}

/// Whether the run plays the whole set: only then is it known which snapshots no case has any more.
fn is_whole(args: &RunArgs) -> bool {
    let select = &args.select;
    select.select.is_empty()
        && select.mqtt.is_empty()
        && select.statement.is_empty()
        && select.tag.is_empty()
        && select.shard.is_none()
        && !args.failed
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
