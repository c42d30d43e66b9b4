//! Snapshots: compared at the end of a run, and `mqttspec review`, `accept` and `reject` for people without
//! cargo-insta.

use std::path::{Path, PathBuf};

use crate::report::accepted::{self, Comparison, Update};
use crate::report::model::Snapshots;
use crate::report::review::{self, Pending};
use crate::report::snapshot::{self, Snapshot};
use crate::suite::RunResult;

use super::Exit;
use super::args::SnapshotArgs;
use super::out::{fail, print};

/// Compares every snapshot of a run with the accepted one in `folder`, in the sub-folder of the target's name. `whole`
/// says that every case of the set was played: only then is it
/// an error that an accepted one has no case any more, and only then are the tables of grids compared.
///
/// # Errors
/// The exit code of a program that could not compare them, which has said why.
pub fn compare_run(folder: &Path, result: &RunResult, whole: bool) -> Result<Snapshots, Exit> {
    let base = folder;
    let folder = folder.join(review::folder_name(&result.target.name));
    let update = update().map_err(|message| fail(Exit::Usage, message))?;
    let accepted = accepted::read(&folder, snapshot::USUAL).map_err(|message| fail(Exit::Unreachable, message))?;
    let usual = snapshot::usual(result, accepted.as_deref(), whole);
    let snapshots = snapshot::snapshots(result, &usual);
    if let Some((one, other)) = review::collision(snapshots.iter().map(|s| s.key.as_str())) {
        return Err(fail(
            Exit::Malformed,
            format!("the scenarios `{one}` and `{other}` share one file of snapshots: rename one"),
        ));
    }
    let (mut changed, mut pending, mut unjudged, mut earlier) = (0, 0, 0, 0);
    let wanted = snapshots.iter().filter(|s| s.is_wanted()).count();
    // Of a whole run the file that holds nothing any more is found below.
    for snapshot in snapshots.iter().filter(|s| s.is_wanted() || !whole) {
        match accepted::compare(&folder, snapshot, whole, update) {
            Ok(Comparison::Unchanged) => {}
            Ok(Comparison::Unjudged) => unjudged += usize::from(snapshot.is_wanted()),
            Ok(Comparison::Updated) => print(&format!("updated: {}\n", snapshot.key)),
            Ok(comparison) => {
                changed += 1;
                pending += 1;
                earlier += usize::from(comparison == Comparison::Earlier);
                print(&changed_text(snapshot, &comparison));
            }
            Err(message) => return Err(fail(Exit::Unreachable, message)),
        }
    }
    if whole {
        let wanted = snapshot::wanted(result, &snapshots);
        let moved = accepted::under_former_names(&folder, wanted.iter().copied())
            .map_err(|message| fail(Exit::Unreachable, message))?;
        match review::stale(&folder, wanted) {
            Ok(mut stale) => {
                stale.retain(|file| !moved.contains(file));
                changed += stale.len();
                let lines = stale
                    .iter()
                    .map(|file| format!("stale: {} belongs to no case\n", file.display()));
                print(&lines.collect::<String>());
            }
            Err(error) => return Err(fail(Exit::Unreachable, error)),
        }
    }
    let left = match unjudged {
        0 => String::new(),
        n => format!(", {n} not compared"),
    };
    print(&format!("{wanted} snapshots, {changed} changed{left}\n"));
    if earlier > 0 {
        print(&format!(
            "{} written by an earlier version of mqttspec, in another form: check that the verdicts have not changed, and \
             accept them once\n",
            crate::report::plural(earlier, "snapshot")
        ));
    }
    if pending > 0 {
        let folder = base.display();
        let words = match update {
            Update::Nothing => format!("INSTA_UPDATE=new writes them for `mqttspec review {folder}`"),
            _ => format!("`mqttspec review {folder}` shows them, and `mqttspec accept {folder}` accepts them"),
        };
        print(&format!("{words}\n"));
    }
    Ok(Snapshots {
        compared: wanted,
        changed,
    })
}

/// What is to be written if a snapshot differs: `INSTA_UPDATE`, and `CI` or `TF_BUILD` for its default, as with
/// insta.
///
/// # Errors
/// A message for the user if `INSTA_UPDATE` has no meaning.
fn update() -> Result<Update, String> {
    let variable = |name: &str| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
    let on_ci = match variable("CI").as_deref() {
        Some("false" | "0" | "") => false,
        Some(_) => true,
        None => variable("TF_BUILD").is_some(),
    };
    Update::parse(&variable("INSTA_UPDATE").unwrap_or_default(), on_ci)
}

fn changed_text(snapshot: &Snapshot, comparison: &Comparison) -> String {
    match comparison {
        Comparison::Changed { diff } => format!("changed: {}\n{diff}\n", snapshot.key),
        Comparison::Earlier => format!("changed: {} (written by an earlier version)\n", snapshot.key),
        _ => format!("new: {} has no accepted snapshot\n", snapshot.key),
    }
}

/// Lists the changed snapshots with their differences; exit 1 if there is one.
pub fn review(args: &SnapshotArgs) -> Exit {
    each(args, "waiting for a decision", |pending| {
        let title = pending.title.as_deref().unwrap_or_default();
        let kind = if pending.is_new { "new" } else { "changed" };
        Ok(format!(
            "{kind}: {}  {title}\n{}\n",
            pending.accepted.display(),
            pending.diff
        ))
    })
}

/// Takes them over.
pub fn accept(args: &SnapshotArgs) -> Exit {
    each(args, "accepted", |pending| {
        review::accept(pending).map(|()| format!("accepted {}\n", pending.accepted.display()))
    })
}

/// Throws them away.
pub fn reject(args: &SnapshotArgs) -> Exit {
    each(args, "rejected", |pending| {
        review::reject(pending).map(|()| format!("rejected {}\n", pending.file.display()))
    })
}

fn each(args: &SnapshotArgs, done: &str, act: impl Fn(&Pending) -> std::io::Result<String>) -> Exit {
    let mut all: Vec<Pending> = Vec::new();
    for path in &args.paths {
        match pending_at(path) {
            Ok(more) => all.extend(more),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message =
                    "there is no such folder or file; `mqttspec review DIR` takes that of `run --snapshots DIR`";
                return fail(Exit::Usage, format!("{}: {message}", path.display()));
            }
            Err(error) => return fail(Exit::Usage, format!("cannot read {}: {error}", path.display())),
        }
    }
    for pending in &all {
        match act(pending) {
            Ok(text) => print(&text),
            Err(error) => return fail(Exit::Unreachable, format!("{}: {error}", pending.file.display())),
        }
    }
    print(&format!("{} {done}\n", crate::report::plural(all.len(), "snapshot")));
    if done.starts_with("waiting") && !all.is_empty() {
        Exit::Bad
    } else {
        Exit::Ok
    }
}

/// The pending snapshots below a folder, or the one that a file's name stands for.
fn pending_at(path: &Path) -> std::io::Result<Vec<Pending>> {
    if !path.exists() {
        return Err(std::io::ErrorKind::NotFound.into());
    }
    if path.is_dir() {
        return review::pending(path);
    }
    let folder: PathBuf = path.parent().map(Path::to_owned).unwrap_or_default();
    let mut all = review::pending(&folder)?;
    all.retain(|p| p.file == path || p.accepted == path);
    Ok(all)
}
