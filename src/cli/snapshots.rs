//! `mqttspec review`, `accept` and `reject`: the changed snapshots, for people without cargo-insta.

use std::path::{Path, PathBuf};

use crate::report::review;

use super::args::SnapshotArgs;
use super::{Exit, fail, print};

/// Lists the changed snapshots with their differences; exit 1 where there is one.
pub fn review(args: &SnapshotArgs) -> Exit {
    each(args, "changed", |file| review::show(file).map(|text| Some(format!("{text}\n"))))
}

/// Takes them over.
pub fn accept(args: &SnapshotArgs) -> Exit {
    each(args, "accepted", |file| review::accept(file).map(|()| None))
}

/// Throws them away.
pub fn reject(args: &SnapshotArgs) -> Exit {
    each(args, "rejected", |file| review::reject(file).map(|()| None))
}

fn each(args: &SnapshotArgs, done: &str, act: impl Fn(&Path) -> std::io::Result<Option<String>>) -> Exit {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in &args.paths {
        match review::pending(path) {
            Ok(more) => files.extend(more),
            Err(error) => return fail(Exit::Usage, format!("cannot read {}: {error}", path.display())),
        }
    }
    for file in &files {
        match act(file) {
            Ok(text) => print(&text.unwrap_or_else(|| format!("{done} {}\n", file.display()))),
            Err(error) => return fail(Exit::Unreachable, format!("{}: {error}", file.display())),
        }
    }
    print(&format!("{} {done}\n", files.len()));
    if done == "changed" && !files.is_empty() { Exit::Bad } else { Exit::Ok }
}
