//! `mqttspec compare`

use crate::report::compare::changes;

use super::Exit;
use super::args::CompareArgs;
use super::exit::worse;
use super::files::{job_summary, run, try_all, write};
use super::out::print;

/// Says what changed between two runs.
pub fn compare(args: &CompareArgs) -> Exit {
    if let Err(exit) = try_all([&args.md]) {
        return exit;
    }
    let (old, new) = match (run(&args.old), run(&args.new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(exit), _) | (_, Err(exit)) => return exit,
    };
    let changes = changes(&old, &new);
    print(&changes.text(args.diff));
    let mut exit = if changes.is_regression() { Exit::Bad } else { Exit::Ok };
    if let Some(file) = &args.md {
        exit = worse(exit, write(file, &changes.markdown()));
    }
    job_summary(|| changes.markdown());
    exit
}
