//! `mqttspec coverage --walk-free`

use std::io::IsTerminal;
use std::sync::Arc;

use crate::coverage::{Exceptions, FalseAlarm, FreeTrial, FreeWalker, walk_freely};
use crate::harness;
use crate::play::Settings;
use crate::reference::{Free, packs, random_set};
use crate::scenario::Case;
use crate::suite::Selection;

use super::Exit;
use super::args::CoverageArgs;
use super::out::{fail, print, print_error};

/// How many sets run in parallel for each processor: the cases of one mostly wait.
const FOR_EACH_PROCESSOR: usize = 3;

/// Plays the cases with each set of freedoms, and prints which of them fail.
pub fn walk(args: &CoverageArgs, mut cases: Vec<Arc<Case>>) -> Exit {
    let selection = Selection {
        shard: args.shard,
        ..Selection::default()
    };
    cases.retain(|case| selection.takes(case));
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, error),
    };
    let shows = std::io::stderr().is_terminal();
    let done = |trial: &FreeTrial, done: usize, total: usize| {
        if shows {
            print_error("\r\x1b[K");
        }
        print(&lines(trial));
        if shows && done < total {
            print_error(&format!("{done} of {total} sets of freedoms"));
        }
    };
    let walker = FreeWalker {
        cases: &cases,
        target: &harness::reference_free,
        sets: sets(args),
        settings: Settings {
            dialer: harness::reference_dialer(),
            ..Settings::default()
        },
        side_by_side: FOR_EACH_PROCESSOR * std::thread::available_parallelism().map_or(1, |n| n.get()),
        seed: harness::seed(),
        done: &done,
    };
    print("failed  skipped  time  set of freedoms\n");
    match runtime.block_on(walk_freely(walker)) {
        Ok(trials) => total(&trials),
        Err(message) => fail(Exit::Usage, message),
    }
}

/// The sets that are asked for.
fn sets(args: &CoverageArgs) -> Vec<String> {
    if !args.free.is_empty() {
        return args.free.clone();
    }
    let named: Vec<String> = if args.alone {
        Free::all().map(|freedom| freedom.name.to_owned()).collect()
    } else {
        packs().iter().map(|pack| pack.join(",")).collect()
    };
    let random = (0..u64::from(args.sets)).map(|n| random_set(args.seed.wrapping_add(n)).join(","));
    named.into_iter().chain(random).collect()
}

/// The result of a set, with a line for each false alarm.
fn lines(trial: &FreeTrial) -> String {
    let list = Exceptions::too_strict();
    let mut text = format!(
        "{:>6}  {:>7}  {:>3}s  {}\n",
        trial.failed.len(),
        trial.skipped.len(),
        trial.took.as_secs(),
        trial.set
    );
    for alarm in &trial.failed {
        let because = match alarm.freedoms.as_slice() {
            [] => "together".to_owned(),
            freedoms => freedoms.join(", "),
        };
        let mark = if is_listed(&list, trial, alarm) {
            " (listed)"
        } else {
            ""
        };
        text += &format!("        {}  {because}{mark}: {}\n", alarm.case, alarm.reason);
    }
    text
}

fn is_listed(list: &Exceptions, trial: &FreeTrial, alarm: &FalseAlarm) -> bool {
    list.compare(&alarm.names(&trial.set)).0.is_empty()
}

fn total(trials: &[FreeTrial]) -> Exit {
    let list = Exceptions::too_strict();
    let failed: usize = trials.iter().map(|trial| trial.failed.len()).sum();
    print(&format!("{} sets of freedoms, {failed} cases failed\n", trials.len()));
    let mut alarms = trials
        .iter()
        .flat_map(|trial| trial.failed.iter().map(move |alarm| (trial, alarm)));
    if alarms.all(|(trial, alarm)| is_listed(&list, trial, alarm)) {
        Exit::Ok
    } else {
        Exit::Bad
    }
}
