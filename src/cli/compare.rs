//! `mqttspec compare`

use crate::report::compare::{changes, comparable};

use super::Exit;
use super::args::CompareArgs;
use super::exit::worse;
use super::files::{job_summary, run, try_all, write};
use super::out::{fail, print};

/// Says what changed between two runs.
pub fn compare(args: &CompareArgs) -> Exit {
    if let Err(exit) = try_all([&args.md]) {
        return exit;
    }
    let (old, new) = match (run(&args.old), run(&args.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let named = |file: &std::path::Path| file.display().to_string();
    if let Err(message) = comparable((&named(&args.old), &old), (&named(&args.new), &new)) {
        return fail(Exit::Malformed, message);
    }
    let changes = changes(&old, &new);
    print(&changes.text(args.diff));
    let mut exit = if changes.is_regression() { Exit::Bad } else { Exit::Ok };
    if let Some(file) = &args.md {
        exit = worse(exit, write(file, &changes.markdown()));
    }
    job_summary(|| changes.markdown());
    exit
}
