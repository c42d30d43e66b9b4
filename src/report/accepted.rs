//! Compares a snapshot with the accepted one. What differs is left as `.snap.new`, in the format of insta, so that
//! `cargo insta review` works on it; `tests/it/cargo_insta.rs` proves that with the tool itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::review::{accepted_file, contents, diff, is_earlier, pending_file, same};
use super::snapshot::Snapshot;
use crate::scenario::aliases;

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    Unchanged,
    /// There is no accepted one yet.
    New,
    /// It differs from the accepted one, by this unified diff.
    Changed {
        diff: String,
    },
    /// It differs from the accepted one, which an earlier version of mqttspec wrote in another form: what differs in
    /// the exchange cannot be said. To accept it once is enough.
    Earlier,
    /// It was written in place, as [`Update::InPlace`] asks.
    Updated,
    /// The run has not judged what it holds.
    Unjudged,
}

/// What is written if a snapshot differs from the accepted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Nothing.
    Nothing,
    /// A `.snap.new` alongside the accepted one, for review.
    Pending,
    /// The accepted one.
    InPlace,
    /// The accepted one if there is one, else a `.snap.new`.
    InPlaceUnlessNew,
}

impl Update {
    /// What a value of `INSTA_UPDATE` asks for, by insta's rules: `auto` (or nothing), `new`, `always`, `force`,
    /// `unseen` or `no`; `auto` writes a `.snap.new`, and nothing on a CI server.
    ///
    /// # Errors
    /// A message for the user if it is none of these.
    pub fn parse(update: &str, on_ci: bool) -> Result<Update, String> {
        match update {
            "" | "auto" if on_ci => Ok(Update::Nothing),
            "" | "auto" | "new" => Ok(Update::Pending),
            "always" | "1" | "force" => Ok(Update::InPlace),
            "unseen" => Ok(Update::InPlaceUnlessNew),
            "no" => Ok(Update::Nothing),
            other => Err(format!(
                "INSTA_UPDATE is `{other}`, not one of auto, new, always, force, unseen and no"
            )),
        }
    }
}

/// Compares a snapshot with the accepted one in `dir`, a target's folder, and writes what `update` says if they
/// differ. A `.snap.new` that an earlier run left goes if it is no difference any more. `whole` says that the run has
/// every case of the set. If only a file of a former name of the scenario is there, that one is the accepted one;
/// [`Update::InPlace`] moves it.
///
/// # Errors
/// A message for the user if the accepted one cannot be read or the new one cannot be written.
pub fn compare(dir: &Path, snapshot: &Snapshot, whole: bool, update: Update) -> Result<Comparison, String> {
    let accepted = accepted_file(dir, &snapshot.key);
    let pending = pending_file(dir, &snapshot.key);
    let (found, before) = find(dir, &snapshot.key)?.unzip();
    let former = found.filter(|file| *file != accepted);
    let Some(text) = snapshot.text(before.as_deref().map(contents), whole) else {
        return Ok(Comparison::Unjudged);
    };
    let forget = || match fs::remove_file(&pending) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(format!("{}: {e}", pending.display())),
        _ => Ok(()),
    };
    let earlier = before.as_deref().is_some_and(is_earlier);
    let unchanged = before.as_deref().is_some_and(|old| same(contents(old), &text));
    // What an earlier version wrote is brought into today's form if it is written in place, even if only its header
    // differs.
    if unchanged && !((earlier || former.is_some()) && update == Update::InPlace) {
        forget()?;
        return Ok(Comparison::Unchanged);
    }
    let in_place = match update {
        Update::Nothing => None,
        Update::Pending => Some(false),
        Update::InPlace => Some(true),
        Update::InPlaceUnlessNew => Some(before.is_some()),
    };
    if let Some(in_place) = in_place {
        let file = if in_place { &accepted } else { &pending };
        write(file, &file_text(snapshot, &text)).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    if in_place == Some(true) {
        if let Some(file) = &former {
            fs::remove_file(file).map_err(|e| format!("{}: {e}", file.display()))?;
        }
        forget()?;
        return Ok(Comparison::Updated);
    }
    Ok(match &before {
        None => Comparison::New,
        Some(_) if earlier => Comparison::Earlier,
        Some(old) => Comparison::Changed {
            diff: diff(contents(old), &text),
        },
    })
}

/// The text of the accepted snapshot of this key in `dir`, a target's folder, without its header; `None` if there is
/// none.
///
/// # Errors
/// A message for the user if it cannot be read.
pub fn read(dir: &Path, key: &str) -> Result<Option<String>, String> {
    Ok(find(dir, key)?.map(|(_, file)| contents(&file).to_owned()))
}

/// The accepted snapshots in `dir`, a target's folder, that lie under a former name of one of `keys` only.
///
/// # Errors
/// A message for the user if one cannot be read.
pub fn under_former_names<'a>(dir: &Path, keys: impl IntoIterator<Item = &'a str>) -> Result<Vec<PathBuf>, String> {
    let found = keys.into_iter().map(|key| Ok((key, find(dir, key)?)));
    let moved = found.filter_map(|found| match found {
        Ok((key, Some((file, _)))) if file != accepted_file(dir, key) => Some(Ok(file)),
        Ok(_) => None,
        Err(message) => Some(Err(message)),
    });
    moved.collect()
}

/// The file of an accepted snapshot and its text: that of the key, else the first that lies under a former name.
fn find(dir: &Path, key: &str) -> Result<Option<(PathBuf, String)>, String> {
    let keys = std::iter::once(key).chain(aliases().former_paths(key));
    for file in keys.map(|key| accepted_file(dir, key)) {
        if let Some(text) = read_file(&file)? {
            return Ok(Some((file, text)));
        }
    }
    Ok(None)
}

fn read_file(file: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{}: {e}", file.display())),
    }
}

/// A snapshot as insta writes it: a header in YAML between two lines of `---`, then the text and one line feed.
fn file_text(snapshot: &Snapshot, text: &str) -> String {
    format!(
        "---\ndescription: {}\n---\n{}\n",
        scalar(&snapshot.title),
        text.trim_end()
    )
}

/// A text in YAML on one line: bare if that reads back as the same text, else in double quotes.
fn scalar(text: &str) -> String {
    let special = |c: char| c.is_control() || ":{}[],#`\"'\\".contains(c);
    let indicator = |c: char| "&*?|-<>=!%@. ".contains(c);
    let bare = !text.contains(special)
        && !text.starts_with(indicator)
        && !text.ends_with(' ')
        && serde_yaml::from_str::<serde_yaml::Value>(text).is_ok_and(|v| v.as_str() == Some(text));
    if bare {
        return text.to_owned();
    }
    // What JSON writes as a text is YAML for the same text.
    serde_json::Value::from(text).to_string()
}

/// Writes a file, with the folders above it.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::review;
    use crate::report::snapshot::Body;

    fn snapshot(text: &str) -> Snapshot {
        Snapshot {
            key: "qos2/dup.a.v3.1.1".to_owned(),
            title: "A title: with a colon".to_owned(),
            body: Body::Grid(Some(text.to_owned())),
        }
    }

    #[test]
    fn a_snapshot_is_new_then_unchanged_then_changed() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let compare = |text: &str| compare(dir, &snapshot(text), true, Update::Pending);
        assert_eq!(compare("a\nb\n"), Ok(Comparison::New));
        let accepted = accepted_file(dir, &snapshot("").key);
        assert!(accepted.ends_with("qos2/dup.a.v3.1.1.snap") && !accepted.exists());
        let waiting = review::pending(dir).unwrap();
        assert_eq!(waiting[0].title.as_deref(), Some("A title: with a colon"));
        review::accept(&waiting[0]).unwrap();
        assert_eq!(
            fs::read_to_string(&accepted).unwrap(),
            "---\ndescription: \"A title: with a colon\"\n---\na\nb\n"
        );
        assert_eq!(compare("a\nb\n"), Ok(Comparison::Unchanged));
        let Ok(Comparison::Changed { diff }) = compare("a\nc\n") else {
            panic!("a change was not noticed");
        };
        assert_eq!(diff, "--- accepted\n+++ found\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert_eq!(review::pending(dir).unwrap().len(), 1);
        // What it was before is no difference any more.
        assert_eq!(compare("a\nb\n"), Ok(Comparison::Unchanged));
        assert_eq!(review::pending(dir).unwrap(), []);
    }

    #[test]
    fn what_is_written_is_as_the_caller_asks() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let compare = |text: &str, update| compare(dir, &snapshot(text), true, update).unwrap();
        let accepted = accepted_file(dir, &snapshot("").key);
        let left = || (accepted.exists(), review::pending(dir).unwrap().len());
        assert_eq!((compare("a", Update::Nothing), left()), (Comparison::New, (false, 0)));
        assert_eq!(
            (compare("a", Update::InPlaceUnlessNew), left()),
            (Comparison::New, (false, 1))
        );
        assert_eq!(
            (compare("a", Update::InPlace), left()),
            (Comparison::Updated, (true, 0))
        );
        assert_eq!(
            (compare("b", Update::InPlaceUnlessNew), left()),
            (Comparison::Updated, (true, 0))
        );
        assert!(matches!(compare("c", Update::Nothing), Comparison::Changed { .. }));
        assert_eq!(left(), (true, 0));
        // Ends of lines and of the text are no difference.
        assert_eq!(compare("b\n\n", Update::Nothing), Comparison::Unchanged);
    }

    #[test]
    fn a_snapshot_of_an_earlier_version_is_accepted_once() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let compare = |text: &str, update| compare(dir, &snapshot(text), true, update).unwrap();
        let accepted = accepted_file(dir, &snapshot("").key);
        let old = "---\nsource: src/a.rs\ndescription: A title\ninput_file: scenarios/qos2/dup.yaml\n---\na\n";
        fs::create_dir_all(accepted.parent().unwrap()).unwrap();
        fs::write(&accepted, old).unwrap();
        // The header alone is no difference.
        assert_eq!(compare("a", Update::Pending), Comparison::Unchanged);
        assert_eq!(compare("b", Update::Pending), Comparison::Earlier);
        review::accept(&review::pending(dir).unwrap()[0]).unwrap();
        assert_eq!(compare("b", Update::Pending), Comparison::Unchanged);
        assert!(matches!(compare("c", Update::Pending), Comparison::Changed { .. }));
        // In place it goes with the rest.
        fs::write(&accepted, old).unwrap();
        assert_eq!(compare("a", Update::InPlace), Comparison::Updated);
        assert_eq!(compare("a", Update::InPlace), Comparison::Unchanged);
    }

    #[test]
    fn a_snapshot_under_a_former_name_is_the_accepted_one() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let snapshot = |text: &str| Snapshot {
            key: "utf-8/connect".to_owned(),
            ..snapshot(text)
        };
        let compare = |text: &str, update| compare(dir, &snapshot(text), true, update).unwrap();
        let former = accepted_file(dir, "bad-utf-8/connect");
        write(&former, &file_text(&snapshot(""), "a")).unwrap();
        let under_former_names = || under_former_names(dir, ["utf-8/connect", "qos2/dup"]).unwrap();
        assert_eq!(compare("a", Update::Pending), Comparison::Unchanged);
        assert_eq!(under_former_names(), std::slice::from_ref(&former));
        assert!(matches!(compare("b", Update::Nothing), Comparison::Changed { .. }));
        assert_eq!(compare("a", Update::InPlace), Comparison::Updated);
        assert!(!former.exists() && accepted_file(dir, "utf-8/connect").exists());
        assert_eq!(under_former_names(), [] as [PathBuf; 0]);
        // Once the file has moved, one under the former name belongs to no case.
        write(&former, "---\n---\nold\n").unwrap();
        assert_eq!(compare("a", Update::Nothing), Comparison::Unchanged);
        assert_eq!(under_former_names(), [] as [PathBuf; 0]);
    }

    #[test]
    fn what_insta_update_asks_for_is_as_with_insta() {
        for (update, on_ci, expected) in [
            ("", false, Update::Pending),
            ("", true, Update::Nothing),
            ("auto", true, Update::Nothing),
            ("new", true, Update::Pending),
            ("no", false, Update::Nothing),
            ("always", true, Update::InPlace),
            ("unseen", false, Update::InPlaceUnlessNew),
        ] {
            assert_eq!(Update::parse(update, on_ci), Ok(expected), "{update} {on_ci}");
        }
        assert!(Update::parse("sometimes", false).unwrap_err().contains("`sometimes`"));
    }

    #[test]
    fn a_header_reads_back_as_what_was_written() {
        for title in [
            "plain", "A: b", "", " a", "- a", "'q'", "\"q\"", "true", "1.5", "~", "a\\b", "a\tb", "§ é", "a #b",
            "0x1f", "null",
        ] {
            let text = format!("key: {}\n", scalar(title));
            let value: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
            assert_eq!(value["key"].as_str(), Some(title), "{text}");
        }
        assert_eq!(scalar("A title, or so"), "\"A title, or so\"");
        assert_eq!(scalar("scenarios/a-b.yaml"), "scenarios/a-b.yaml");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("qos2"), "a file where a folder should be").unwrap();
        assert!(compare(dir.path(), &snapshot("a"), true, Update::Pending).is_err());
    }
}
