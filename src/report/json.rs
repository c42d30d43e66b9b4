//! The run as JSON, for programs. The format is stable within its number and described in `docs/json.md`.

use super::model::Run;
use crate::suite::RunResult;

/// The whole run.
pub fn run(run: &RunResult) -> String {
    Run::from(run).write()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, golden};

    #[test]
    fn the_format_is_what_is_documented() {
        let mut all = testing::run();
        all.cases.drain(2..7);
        golden!("json", &super::run(&all));
    }

    #[test]
    fn no_password_is_written() {
        let text = super::run(&testing::run());
        assert!(!text.contains("secret") && !text.contains("736563726574"));
    }
}
