//! `mqttspec coverage --walk-free`

use std::io::IsTerminal;
use std::sync::Arc;

use crate::coverage::{Exceptions, FreeTrial, FreeWalker, walk_freely};
use crate::harness;
use crate::play::Settings;
use crate::reference::{Free, packs, random_set};
use crate::scenario::Case;
use crate::suite::Selection;

use super::Exit;
use super::args::CoverageArgs;
use super::out::{fail, print, print_error};

/// How many sets run in parallel: the cases of one mostly wait, those of `delay-all` for two minutes.
const SIDE_BY_SIDE: usize = 3;

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
    let progress = |done: usize, total: usize| {
        if shows {
            let end = if done == total { "\r\x1b[K" } else { "" };
            print_error(&format!("\r{done} of {total} sets of freedoms{end}"));
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
        side_by_side: SIDE_BY_SIDE,
        seed: harness::seed(),
        done: &progress,
    };
    match runtime.block_on(walk_freely(walker)) {
        Ok(trials) => tell(&trials),
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

fn tell(trials: &[FreeTrial]) -> Exit {
    print("failed  skipped  time  set of freedoms\n");
    let list = Exceptions::too_strict();
    let mut exit = Exit::Ok;
    for trial in trials {
        print(&format!(
            "{:>6}  {:>7}  {:>3}s  {}\n",
            trial.failed.len(),
            trial.skipped.len(),
            trial.took.as_secs(),
            trial.set
        ));
        for alarm in &trial.failed {
            let because = match alarm.freedoms.as_slice() {
                [] => "together".to_owned(),
                freedoms => freedoms.join(", "),
            };
            let (unlisted, _) = list.compare(&alarm.names(&trial.set));
            let mark = if unlisted.is_empty() { " (listed)" } else { "" };
            print(&format!("        {}  {because}{mark}: {}\n", alarm.case, alarm.reason));
            if !unlisted.is_empty() {
                exit = Exit::Bad;
            }
        }
    }
    let failed: usize = trials.iter().map(|trial| trial.failed.len()).sum();
    print(&format!("{} sets of freedoms, {failed} cases failed\n", trials.len()));
    exit
}
