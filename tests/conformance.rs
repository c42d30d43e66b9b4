//! Every case as a test: against the embedded reference broker, and against the targets in `MQTTSPEC_TARGETS`, separated
//! by commas. A profile that starts its broker is one test, `<name>/suite`, because nextest runs each test in a process of
//! its own; an address has one test per case.

use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use mqttspec::harness::{is_installed, trials};
use mqttspec::{Suite, Target};

/// The number of cases in parallel, unless the command line says otherwise. It is high because cases mostly wait.
const THREADS: usize = 64;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let suite = Suite::embedded();
    let mut all = trials(&arguments, "reference/", &suite, &Target::reference());
    let targets = std::env::var("MQTTSPEC_TARGETS").unwrap_or_default();
    for argument in targets.split(',').map(str::trim).filter(|t| !t.is_empty()) {
        if argument.ends_with(".yaml") {
            all.push(whole_suite(Path::new(argument).to_owned()));
        } else {
            all.extend(trials(
                &arguments,
                &format!("{argument}/"),
                &suite,
                &Target::at(argument),
            ));
        }
    }
    libtest_mimic::run(&arguments, all).exit_code()
}

/// The whole suite against a profile, as a single test.
fn whole_suite(profile: std::path::PathBuf) -> Trial {
    let name = profile
        .file_stem()
        .unwrap_or(profile.as_os_str())
        .to_string_lossy()
        .into_owned();
    let missing = !is_installed(&profile);
    let play = move || {
        let target = Target::of_profile(profile).secrets(|name| std::env::var(name).ok());
        let result = Suite::embedded().run(target)?;
        if result.conforms() {
            Ok(())
        } else {
            Err(Failed::from(result.report()))
        }
    };
    Trial::test(format!("{name}/suite"), play).with_ignored_flag(missing)
}
