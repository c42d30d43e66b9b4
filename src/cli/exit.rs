//! The exit codes: one place, one table in the README, one test that walks both.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is as expected.
    Ok,
    /// A case failed, crashed the broker or is fixed; a breach was found; a snapshot differs.
    Bad,
    /// The command line is wrong.
    Usage,
    /// A scenario, a profile or a capture is malformed.
    Malformed,
    /// The selection holds no case.
    Nothing,
    /// The target cannot be reached, or the fault is ours.
    Unreachable,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Exit; 7] = [
        Exit::Ok,
        Exit::Bad,
        Exit::Usage,
        Exit::Malformed,
        Exit::Nothing,
        Exit::Unreachable,
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
            Exit::Interrupted => 130,
        }
    }

    /// What it means, as the README says it.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "everything is as expected",
            Exit::Bad => "a case failed, crashed the broker or is fixed, a breach was found, or a snapshot changed",
            Exit::Usage => "the command line is wrong",
            Exit::Malformed => "a scenario, a profile or a capture is malformed",
            Exit::Nothing => "nothing was selected",
            Exit::Unreachable => "the target cannot be reached, or the fault is ours",
            Exit::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_table_of_exit_codes() {
        let readme = include_str!("../../README.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit.code(), exit.meaning());
            assert!(readme.contains(&row), "README.md lacks the row: {row}");
        }
    }
}
