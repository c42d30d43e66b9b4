//! The cases as trials of libtest-mimic: a test of `cargo test` and `cargo nextest` each.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, LazyLock, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::report::failure;
use crate::scenario::{Case, Outline};
use crate::suite::{self, CaseResult, Session};

use super::{Suite, Target};

/// The number of cases in parallel, unless the command line says otherwise. It is high because cases mostly wait.
const THREADS: usize = 64;

/// Brokers live on it as long as the process does.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime can be made"));

/// The cases with their scripts, by id, read when the first one is played.
type Loaded = LazyLock<BTreeMap<String, Arc<Case>>, Box<dyn FnOnce() -> BTreeMap<String, Arc<Case>> + Send>>;

/// Plays each case of a suite against a target as a test of its own, as the command line asks: the `main` of a test
/// with `harness = false`. [`mqttspec::harness!`](crate::harness!) writes it.
pub fn main(suite: &Suite, target: &Target) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let trials = trials(&arguments, "", suite, target);
    let conclusion = libtest_mimic::run(&arguments, trials);
    crate::sut::kill_all();
    conclusion.exit_code()
}

/// A trial for each case of the suite, named after it behind `prefix`. If one is asked for exactly, as nextest does,
/// its scenario's file alone is read. The target is made ready by the first trial that is played.
///
/// What is foreseen to be skipped is ignored; a case that is skipped while it is played passes.
pub fn trials(arguments: &Arguments, prefix: &str, suite: &Suite, target: &Target) -> Vec<Trial> {
    let exact = arguments.filter.clone().filter(|_| arguments.exact);
    let (outlines, loaded): (Vec<Outline>, Loaded) = match exact {
        None => match suite.list() {
            Ok(outlines) => {
                let suite = suite.clone();
                let load = move || by_id(&suite.cases().unwrap_or_default());
                (outlines, LazyLock::new(Box::new(load)))
            }
            Err(error) => return vec![broken(prefix, error.to_string())],
        },
        Some(exact) => {
            let cases = suite.cases_of(|path| exact.contains(path)).unwrap_or_default();
            let outlines = cases.iter().map(|case| case.outline.clone()).collect();
            (outlines, LazyLock::new(Box::new(move || by_id(&cases))))
        }
    };
    let loaded = Arc::new(loaded);
    let opened: Arc<OnceLock<Result<Opened, String>>> = Arc::default();
    let foreseen = target.foreseen();
    outlines
        .into_iter()
        .map(|case| {
            let (loaded, opened) = (Arc::clone(&loaded), Arc::clone(&opened));
            let (suite, target) = (suite.clone(), target.clone());
            let name = format!("{prefix}{}", case.id);
            let skipped = foreseen
                .as_ref()
                .is_some_and(|target| target.cannot_play(&case).is_some());
            let play = move || {
                let case = loaded
                    .get(&case.id)
                    .ok_or("this scenario cannot be read: see `mqttspec check`")?;
                match opened.get_or_init(|| open(&suite, target)) {
                    Ok(opened) => judge(&RUNTIME.block_on(opened.session.case(case)), &opened.target),
                    Err(message) => Err(Failed::from(message)),
                }
            };
            Trial::test(name, play).with_ignored_flag(skipped)
        })
        .collect()
}

fn by_id(cases: &[Arc<Case>]) -> BTreeMap<String, Arc<Case>> {
    cases.iter().map(|case| (case.id.clone(), Arc::clone(case))).collect()
}

/// A suite that cannot be listed fails in its own name.
fn broken(prefix: &str, why: String) -> Trial {
    Trial::test(format!("{prefix}suite"), move || Err(Failed::from(why)))
}

struct Opened {
    session: Session,
    target: suite::Target,
}

fn open(suite: &Suite, target: Target) -> Result<Opened, String> {
    RUNTIME.block_on(async {
        let (target, player) = suite
            .prepare(target)
            .await
            .map_err(|error| format!("the target cannot be used: {error}"))?;
        let session = Session::new(&target, &player, suite.is_strict(), None).weighing(suite.weighs_rigour());
        Ok(Opened { session, target })
    })
}

fn judge(result: &CaseResult, target: &suite::Target) -> Result<(), Failed> {
    if result.is_bad() {
        return Err(failure::report(result, &target.info, failure::Options::default()).into());
    }
    Ok(())
}

/// Writes the `main` of a test with `harness = false` that plays each case as a test of its own, for `cargo test` and
/// `cargo nextest`. Takes a [`Target`](crate::harness::Target), and a [`Suite`](crate::Suite) if it is
/// not the whole embedded one.
///
/// ```no_run
/// use mqttspec::{Suite, Target};
///
/// mqttspec::harness!(Target::reference(), Suite::embedded().select("qos2/*").unwrap());
/// ```
#[macro_export]
macro_rules! harness {
    ($target:expr $(,)?) => {
        $crate::harness!($target, $crate::Suite::embedded());
    };
    ($target:expr, $suite:expr $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            $crate::harness::main(&$suite, &$target)
        }
    };
}
