//! Compares a snapshot with the accepted one, through insta, so that `cargo insta review` shows what differs.
//!
//! insta prints its diff in parts and panics at once. Here the panic is caught and kept silent, and the diff is returned.
//! Who starts a process sets [`environment`] before it starts threads.

use std::any::Any;
use std::cell::Cell;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Once;

use insta::Settings;

use super::review::{accepted_file, contents, diff};
use super::snapshot::Snapshot;

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    Unchanged,
    /// There is no accepted one yet; unless `INSTA_UPDATE` forbids it, a `.snap.new` lies where it will be.
    New,
    /// It differs from the accepted one, by this unified diff.
    Changed {
        diff: String,
    },
    /// It was written in place, since `INSTA_UPDATE` asks for that.
    Updated,
    /// The run has not judged what it holds.
    Unjudged,
}

/// The variables that insta must find before its first use, for snapshots of the project at `root`: without them it
/// prints, and asks cargo for the root of the workspace.
pub fn environment(root: &Path) -> [(&'static str, OsString); 2] {
    [
        ("INSTA_OUTPUT", "none".into()),
        ("INSTA_WORKSPACE_ROOT", root.as_os_str().to_owned()),
    ]
}

/// Compares a snapshot with the accepted one in `dir`, the absolute path of a target's folder, and leaves a `.snap.new`
/// there where they differ. `whole` says that the run has every case of the set.
///
/// # Errors
/// A message for the user where the accepted one cannot be read or the new one cannot be written.
pub fn compare(dir: &Path, snapshot: &Snapshot, whole: bool) -> Result<Comparison, String> {
    if !dir.is_absolute() {
        return Err(format!(
            "the folder of snapshots `{}` is no absolute path",
            dir.display()
        ));
    }
    let file = accepted_file(dir, &snapshot.key);
    let before = match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(format!("{}: {e}", file.display())),
    };
    let Some(text) = snapshot.text(before.as_deref().map(contents), whole) else {
        return Ok(Comparison::Unjudged);
    };
    // A dot in the name is part of it: only the ending that insta adds may go.
    let name = file
        .file_stem()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let folder = file.parent().unwrap_or(dir);

    let mut settings = Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(snapshot.title.clone());
    settings.set_input_file(&snapshot.scenario);
    // insta's settings and its assertion must be on one thread.
    let outcome = quietly(|| settings.bind(|| insta::assert_snapshot!(name, &text)));
    match (outcome, before) {
        (Ok(()), Some(old)) if same(contents(&old), &text) => Ok(Comparison::Unchanged),
        (Ok(()), _) => Ok(Comparison::Updated),
        (Err(message), _) if !message.starts_with("snapshot assertion") => Err(message),
        (Err(_), None) => Ok(Comparison::New),
        (Err(_), Some(old)) => Ok(Comparison::Changed {
            diff: diff(contents(&old), &text),
        }),
    }
}

/// Whether insta takes two texts for the same: the ends of lines and of the text do not count.
fn same(old: &str, new: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    plain(old) == plain(new)
}

thread_local! {
    static SILENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `what` and returns the message of its panic, which is not printed. Panics of other threads are.
fn quietly<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !SILENT.get() {
                before(info);
            }
        }));
    });
    SILENT.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(what));
    SILENT.set(false);
    outcome.map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied())
        .unwrap_or("writing the snapshot failed")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::review::pending_file;
    use crate::report::snapshot::Body;

    fn snapshot(text: &str) -> Snapshot {
        Snapshot {
            key: "qos2/dup.a.v3.1.1".to_owned(),
            title: "A title: with a colon".to_owned(),
            scenario: "scenarios/qos2/dup.yaml".to_owned(),
            body: Body::Grid(Some(text.to_owned())),
        }
    }

    #[test]
    fn a_snapshot_is_new_then_unchanged_then_changed() {
        if std::env::var_os("INSTA_UPDATE").is_some() {
            // Whoever has golden files written in place has this one's change written as well.
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        assert_eq!(compare(dir, &snapshot("a\nb\n"), true), Ok(Comparison::New));
        let accepted = accepted_file(dir, &snapshot("").key);
        assert!(accepted.ends_with("qos2/dup.a.v3.1.1.snap"));
        // With CI set insta writes none.
        let pending = pending_file(dir, &snapshot("").key);
        if pending.exists() {
            let waiting = crate::report::review::pending(dir).unwrap();
            assert_eq!(waiting[0].title.as_deref(), Some("A title: with a colon"));
            crate::report::review::accept(&waiting[0]).unwrap();
        } else {
            fs::create_dir_all(accepted.parent().unwrap()).unwrap();
            fs::write(&accepted, "---\nsource: x\n---\na\nb\n").unwrap();
        }
        assert_eq!(compare(dir, &snapshot("a\nb\n"), true), Ok(Comparison::Unchanged));
        let Ok(Comparison::Changed { diff }) = compare(dir, &snapshot("a\nc\n"), true) else {
            panic!("a change was not noticed");
        };
        assert_eq!(diff, "--- accepted\n+++ found\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("qos2"), "a file where a folder should be").unwrap();
        assert!(compare(dir.path(), &snapshot("a"), true).is_err());
        assert!(compare(Path::new("snapshots/reference"), &snapshot("a"), true).is_err());
    }
}
