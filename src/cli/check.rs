//! `mqttspec check`

use crate::report::plural;
use crate::scenario::Files;

use super::args::CheckArgs;
use super::out::print;
use super::{Exit, set};

/// Reads scenario files and says all that is wrong with them.
pub fn check(args: &CheckArgs) -> Exit {
    let sets = match args.paths.as_slice() {
        [] => vec![Files::embedded()],
        paths => paths
            .iter()
            .map(|path| {
                if path.is_dir() {
                    Files::of_dir(path)
                } else {
                    Files::of_file(path)
                }
            })
            .collect(),
    };
    let mut diagnostics = Vec::new();
    let (mut scenarios, mut cases) = (0, 0);
    for files in &sets {
        match files.load_all() {
            Ok(loaded) => {
                scenarios += loaded.len();
                cases += loaded.iter().map(|s| s.cases.len()).sum::<usize>();
            }
            Err(more) => diagnostics.extend(more),
        }
    }
    if !diagnostics.is_empty() {
        return set::malformed(&diagnostics);
    }
    let are = if scenarios == 1 { "is" } else { "are" };
    print(&format!(
        "{} with {} {are} well-formed\n",
        plural(scenarios, "scenario"),
        plural(cases, "case")
    ));
    Exit::Ok
}
