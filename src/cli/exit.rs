//! The exit codes: one place, one table in docs/verdicts.md, one test that compares them.

use std::process::ExitCode;

use crate::report::model::Run;
use crate::suite::{RunResult, Verdict};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is as expected.
    Ok,
    /// A case failed, crashed the broker or is fixed; a violation was found; a snapshot differs.
    Bad,
    /// The command line is wrong.
    Usage,
    /// A scenario, a profile, a capture or the JSON of a run is malformed, or runs do not belong together.
    Malformed,
    /// The selection holds no case.
    Nothing,
    /// The target cannot be reached, or the fault is ours.
    Unreachable,
    /// No script shows a failure.
    NoScript,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Exit; 8] = [
        Exit::Ok,
        Exit::Bad,
        Exit::Usage,
        Exit::Malformed,
        Exit::Nothing,
        Exit::Unreachable,
        Exit::NoScript,
        Exit::Interrupted,
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Bad => 1,
            Exit::Usage => 2,
            Exit::Malformed => 3,
            Exit::Nothing => 4,
            Exit::Unreachable => 5,
            Exit::NoScript => 6,
            Exit::Interrupted => 130,
        }
    }

    /// What it means, as docs/verdicts.md states it.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "Everything is as expected.",
            Exit::Bad => {
                "A case has the verdict `fail`, `crash` or `fixed`; an audit or `fuzz` found a violation; or a snapshot changed."
            }
            Exit::Usage => "The command line is wrong.",
            Exit::Malformed => {
                "A scenario, a profile, a capture or the JSON of a run is malformed, or runs do not belong together."
            }
            Exit::Nothing => "No case was selected.",
            Exit::Unreachable => "The target cannot be reached, or the fault is on this side.",
            Exit::NoScript => "`repro` has no script for the case: it passes, is skipped, or cannot be shown by one.",
            Exit::Interrupted => "The run was interrupted.",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The exit code of a run's results alone.
pub fn verdict_of(result: &RunResult) -> Exit {
    let cut_short = result.interrupted || !result.crashes_under_load.is_empty();
    of_verdicts(result.cases.iter().map(|c| c.verdict), cut_short)
}

/// The exit code of verdicts. `cut_short` says that the run is bad whatever they are.
pub fn of_verdicts(verdicts: impl Iterator<Item = Verdict>, cut_short: bool) -> Exit {
    let of = |verdict| match verdict {
        Verdict::Error => Exit::Unreachable,
        Verdict::Fail | Verdict::Crash | Verdict::Fixed => Exit::Bad,
        Verdict::Pass | Verdict::Known | Verdict::Skip => Exit::Ok,
    };
    let begin = if cut_short { Exit::Bad } else { Exit::Ok };
    verdicts.map(of).fold(begin, worse)
}

/// 130 before 5 before 1 before 0.
pub fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit| match exit {
        Exit::Interrupted => 3,
        Exit::Unreachable => 2,
        Exit::Ok => 0,
        _ => 1,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// The exit code of a run that was read back.
pub fn of_run(run: &Run) -> Exit {
    let changed = run.snapshots.is_some_and(|snapshots| snapshots.changed > 0);
    let cut_short = run.interrupted || !run.crashes_under_load.is_empty() || changed;
    of_verdicts(run.cases.iter().map(|c| c.verdict), cut_short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_have_the_table_of_exit_codes() {
        let page = include_str!("../../docs/verdicts.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(page.contains(&row), "docs/verdicts.md lacks the row: {row}");
        }
    }
}
