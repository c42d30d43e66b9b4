//! `mqttspec compare`

use std::path::Path;

use crate::report::compare::changes;
use crate::report::model::Run;

use super::args::CompareArgs;
use super::run::{job_summary, worse, write};
use super::{Exit, fail, print};

/// Says what changed between two runs.
pub fn compare(args: &CompareArgs) -> Exit {
    let (old, new) = match (record(&args.old), record(&args.new)) {
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

/// Reads a run's JSON.
pub fn record(file: &Path) -> Result<Run, Exit> {
    let text = read(file)?;
    Run::read(&text).map_err(|error| fail(Exit::Malformed, format!("{}: {error}", file.display())))
}

/// Reads a file.
pub fn read(file: &Path) -> Result<String, Exit> {
    std::fs::read_to_string(file).map_err(|e| fail(Exit::Usage, format!("cannot read {}: {e}", file.display())))
}
