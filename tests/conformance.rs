//! Every case as a test: against the embedded reference broker, and against the targets named in `MQTTSPEC_TARGETS`.

use std::process::ExitCode;

use libtest_mimic::Arguments;

/// Cases wait far more than they work, so many run at once unless the command line says otherwise.
const THREADS: usize = 64;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    let targets = std::env::var("MQTTSPEC_TARGETS").unwrap_or_default();
    let trials = mqttspec::cli::trials(&arguments, &targets);
    libtest_mimic::run(&arguments, trials).exit_code()
}
