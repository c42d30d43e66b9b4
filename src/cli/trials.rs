//! The cases as trials of libtest-mimic, for `tests/conformance.rs`.
//!
//! Every case against the reference broker is a trial. `MQTTSPEC_TARGETS` names further targets, with commas between: a
//! profile that starts its broker is one trial, `<name>/suite`, since under nextest each trial is a process of its own; an
//! address has a trial a case.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::play::Player;
use crate::report::failure;
use crate::scenario::{Case, Files, Outline};
use crate::suite::{self, CaseResult, RunOptions, Session, Target, Verdict};

use super::Exit;
use super::args::ReachArgs;
use super::target::target;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime can be made"));

/// The cases with their scripts, by id, read when the first one is played.
type Loaded = Arc<LazyLock<BTreeMap<String, Arc<Case>>, Box<dyn FnOnce() -> BTreeMap<String, Arc<Case>> + Send>>>;

/// All trials, or where one name is asked for exactly (as nextest does for each), that one alone.
pub fn trials(arguments: &Arguments, targets: &str) -> Vec<Trial> {
    let exact = arguments.filter.clone().filter(|_| arguments.exact);
    // To list trials takes no scripts, and nextest lists before it runs. One trial takes only its scenario's file.
    let (outlines, loaded): (Vec<Outline>, Loaded) = match exact {
        None => (
            // The diagnostics are a test's failure of their own (`check`).
            Files::embedded().outlines().unwrap_or_default(),
            Arc::new(LazyLock::new(Box::new(|| by_id(&cases(None))))),
        ),
        Some(exact) => {
            let cases = cases(Some(&exact));
            let outlines = cases.iter().map(|case| case.outline.clone()).collect();
            (outlines, Arc::new(LazyLock::new(Box::new(move || by_id(&cases)))))
        }
    };
    let mut trials = trials_against(None, "reference", &outlines, &loaded);
    for argument in targets.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        if argument.ends_with(".yaml") {
            trials.push(whole_suite(argument));
        } else {
            trials.extend(trials_against(Some(argument), argument, &outlines, &loaded));
        }
    }
    trials
}

fn by_id(cases: &[Arc<Case>]) -> BTreeMap<String, Arc<Case>> {
    cases.iter().map(|case| (case.id.clone(), Arc::clone(case))).collect()
}

/// The cases; where one trial is asked for, only its scenario's file is read.
fn cases(exact: Option<&str>) -> Vec<Arc<Case>> {
    let wanted = |path: &str| exact.is_none_or(|name| name.contains(path));
    match Files::embedded().load(wanted) {
        Ok(scenarios) => scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect(),
        Err(_) => Vec::new(),
    }
}

/// A trial a case. What is known to be skipped is ignored from the beginning: a skip while running counts as passed.
fn trials_against(argument: Option<&str>, prefix: &str, outlines: &[Outline], loaded: &Loaded) -> Vec<Trial> {
    let argument = argument.map(str::to_owned);
    let session: Arc<LazyLock<Result<Opened, String>, _>> = Arc::new(LazyLock::new(move || open(argument.as_deref())));
    let reference = super::target::reference();
    outlines
        .iter()
        .map(|case| {
            let session = Arc::clone(&session);
            let loaded = Arc::clone(loaded);
            let id = case.id.clone();
            let name = format!("{prefix}/{id}");
            let skipped = prefix == "reference" && reference.cannot_play(case).is_some();
            let play = move || {
                let case = loaded
                    .get(&id)
                    .ok_or("this scenario cannot be read: see `mqttspec check`")?;
                match &**session {
                    Ok(opened) => judge(&RUNTIME.block_on(opened.session.case(case)), &opened.target),
                    Err(message) => Err(Failed::from(message)),
                }
            };
            Trial::test(name, play).with_ignored_flag(skipped)
        })
        .collect()
}

struct Opened {
    session: Session,
    target: Target,
}

fn open(argument: Option<&str>) -> Result<Opened, String> {
    RUNTIME.block_on(async {
        let (target, settings) = target(argument, &[], &ReachArgs::default())
            .await
            .map_err(unreachable)?;
        let player = Player::new(settings, super::seed());
        let session = Session::new(&target, &player, false, None);
        Ok(Opened { session, target })
    })
}

fn unreachable(exit: Exit) -> String {
    format!("the target cannot be used: {} (see standard error)", exit.meaning())
}

fn judge(result: &CaseResult, target: &Target) -> Result<(), Failed> {
    if result.is_bad() {
        return Err(failure::report(result, &target.info, failure::Options::default()).into());
    }
    Ok(())
}

/// The whole suite against a profile, as one trial.
fn whole_suite(argument: &str) -> Trial {
    let name = Path::new(argument)
        .file_stem()
        .map_or(argument.into(), |s| s.to_string_lossy());
    let argument_of_run = argument.to_owned();
    let play = move || {
        RUNTIME.block_on(async {
            let (target, settings) = target(Some(&argument_of_run), &[], &ReachArgs::default())
                .await
                .map_err(unreachable)?;
            let player = Player::new(settings, super::seed());
            let options = RunOptions::default();
            let (events, _) = tokio::sync::mpsc::unbounded_channel();
            let (_stop, stopped) = tokio::sync::watch::channel(false);
            let result = suite::run(&cases(None), &target, &player, &options, events, stopped).await?;
            let bad: Vec<String> = result
                .cases
                .iter()
                .filter(|c| c.is_bad())
                .map(|c| {
                    format!(
                        "{} {}: {}",
                        c.verdict.name(),
                        c.id,
                        c.reason.as_deref().unwrap_or_default()
                    )
                })
                .collect();
            match bad.is_empty() && !result.cases.iter().all(|c| c.verdict == Verdict::Skip) {
                true => Ok(()),
                false => Err(Failed::from(bad.join("\n"))),
            }
        })
    };
    Trial::test(format!("{name}/suite"), play).with_ignored_flag(!super::target::is_installed(argument))
}
