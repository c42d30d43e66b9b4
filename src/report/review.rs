//! The files of snapshots, for people without cargo: where they lie, which wait for a decision, which are stale, and
//! how one is accepted or rejected. They are insta's files, so `cargo insta review` works on them as well.
//!
//! `snapshots/<target>/<path of the scenario>.snap` holds what was accepted; `.snap.new` alongside it what a
//! run found instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;
use twox_hash::XxHash64;

use crate::sut::Profile;
use crate::transcript::printable;

const ACCEPTED: &str = "snap";
const PENDING: &str = "snap.new";

/// A snapshot that waits for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The `.snap.new` file.
    pub file: PathBuf,
    /// The `.snap` file that it would become.
    pub accepted: PathBuf,
    /// What the snapshot is about, as the scenario's title says.
    pub title: Option<String>,
    /// Whether there is no accepted one yet.
    pub is_new: bool,
    /// The difference, as unified diff.
    pub diff: String,
}

/// The file of a snapshot below its target's folder, without the ending: that of `qos2/dup` is `qos2/dup`.
///
/// Names hold nothing but `a-z`, `0-9`, `.`, `_` and `-`, so that every file system takes them. A name that loses
/// something by that gets four digits of its digest.
pub fn file_name(key: &str) -> PathBuf {
    key.split('/').map(plain).collect::<Vec<_>>().join("/").into()
}

/// The name of a folder or file for a target: its name, if a profile could have it, else one made of it that has the same
/// properties as a part of [`file_name`].
pub fn folder_name(target: &str) -> String {
    let is_safe = Profile::is_name(target) && !target.ends_with('.') && !is_reserved(target);
    if is_safe { target.to_owned() } else { plain(target) }
}

/// Whether Windows takes the name for a device, whatever follows its first dot.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|n| n.len() == 1 && n.starts_with(|c: char| c.is_ascii_digit()))
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || numbered("com") || numbered("lpt")
}

/// Two keys that share one file, if there are such.
pub fn collision<'a>(keys: impl IntoIterator<Item = &'a str>) -> Option<(&'a str, &'a str)> {
    let mut taken: BTreeMap<PathBuf, &str> = BTreeMap::new();
    keys.into_iter().find_map(|key| {
        taken
            .insert(file_name(key), key)
            .filter(|k| *k != key)
            .map(|k| (k, key))
    })
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.to_ascii_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '-'
        };
        // insta cuts names at `__`, and what is a run of others is easier to read as one.
        if c.is_ascii_alphanumeric() || !out.ends_with(c) {
            out.push(c);
        }
    }
    let out = out.trim_matches(['-', '.']).to_owned();
    let is_device = is_reserved(&out);
    if out == text && !is_device {
        return out;
    }
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(text.as_bytes());
    let digest = format!("{:04x}", hasher.finish() & 0xffff);
    if out.is_empty() {
        digest
    } else if is_device {
        format!("{digest}-{out}")
    } else {
        format!("{out}-{digest}")
    }
}

/// The accepted snapshots below `dir` that none of `keys` names.
///
/// # Errors
/// What reading the folders meets. A folder that is not there holds nothing.
pub fn stale<'a>(dir: &Path, keys: impl IntoIterator<Item = &'a str>) -> io::Result<Vec<PathBuf>> {
    let wanted: BTreeSet<PathBuf> = keys.into_iter().map(|k| with_ending(dir, k, ACCEPTED)).collect();
    let mut found = files(dir, ".snap")?;
    found.retain(|f| !wanted.contains(f));
    Ok(found)
}

/// The snapshots below `dir` that wait for a decision, by name.
///
/// # Errors
/// What reading the files meets. A folder that is not there holds nothing.
pub fn pending(dir: &Path) -> io::Result<Vec<Pending>> {
    files(dir, ".snap.new")?
        .into_iter()
        .map(|file| {
            let accepted = file.with_extension("");
            let new = fs::read_to_string(&file)?;
            let old = match fs::read_to_string(&accepted) {
                Ok(text) => Some(text),
                Err(e) if e.kind() == io::ErrorKind::NotFound => None,
                Err(e) => return Err(e),
            };
            Ok(Pending {
                title: header(&new, "description"),
                is_new: old.is_none(),
                diff: diff(contents(old.as_deref().unwrap_or_default()), contents(&new)),
                file,
                accepted,
            })
        })
        .collect()
}

/// Takes a pending snapshot as the accepted one.
///
/// # Errors
/// What reading, writing or removing the files meets.
pub fn accept(pending: &Pending) -> io::Result<()> {
    let text = fs::read_to_string(&pending.file)?;
    let (head, body) = parts(&text);
    // The line of the assertion is in pending files only; insta leaves it out as well.
    let head: String = head
        .split_inclusive('\n')
        .filter(|l| !l.starts_with("assertion_line:"))
        .collect();
    fs::write(&pending.accepted, head + body)?;
    fs::remove_file(&pending.file)
}

/// Drops a pending snapshot.
///
/// # Errors
/// What removing the file meets.
pub fn reject(pending: &Pending) -> io::Result<()> {
    fs::remove_file(&pending.file)
}

/// The difference between two texts as unified diff, without anything that moves a terminal's cursor.
pub fn diff(old: &str, new: &str) -> String {
    let (old, new) = (printable(&old.replace("\r\n", "\n")), printable(new));
    let diff = TextDiff::from_lines(&old, &new);
    diff.unified_diff()
        .context_radius(3)
        .header("accepted", "found")
        .to_string()
}

/// Whether two texts are the same to insta: the ends of lines and of the text do not count.
pub(super) fn same(old: &str, new: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    plain(old) == plain(new)
}

/// The file of a snapshot with an ending.
fn with_ending(dir: &Path, key: &str, ending: &str) -> PathBuf {
    let mut path = dir.join(file_name(key)).into_os_string();
    path.push(".");
    path.push(ending);
    path.into()
}

/// The file in which the accepted snapshot lies.
pub fn accepted_file(dir: &Path, key: &str) -> PathBuf {
    with_ending(dir, key, ACCEPTED)
}

/// The file in which a pending snapshot lies.
pub fn pending_file(dir: &Path, key: &str) -> PathBuf {
    with_ending(dir, key, PENDING)
}

/// The text of a snapshot without insta's header.
pub(super) fn contents(file: &str) -> &str {
    parts(file).1
}

/// The header with its closing `---`, and what follows.
fn parts(file: &str) -> (&str, &str) {
    let Some(rest) = file.strip_prefix("---\n").or(file.strip_prefix("---\r\n")) else {
        return ("", file);
    };
    let begin = file.len() - rest.len();
    let mut at = begin;
    for line in rest.split_inclusive('\n') {
        at += line.len();
        if line.trim_end() == "---" {
            return file.split_at(at);
        }
    }
    ("", file)
}

/// A value of the header, which insta writes as YAML, one a line.
fn header(file: &str, key: &str) -> Option<String> {
    let value: serde_yaml::Value = serde_yaml::from_str(
        parts(file)
            .0
            .trim_start_matches("---")
            .trim_end_matches(['-', '\n', '\r']),
    )
    .ok()?;
    Some(value.get(key)?.as_str()?.to_owned())
}

/// Whether an earlier version of mqttspec wrote the file: those had keys in the header that say nothing.
pub(super) fn is_earlier(file: &str) -> bool {
    let is_key = |line: &str| line.starts_with("input_file:") || line.starts_with("source:");
    parts(file).0.lines().any(is_key)
}

/// All files below `dir` whose name ends so, by name. Links are not followed.
fn files(dir: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.file_name().to_string_lossy().ends_with(ending) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_plain() {
        for key in ["qos2/dup-before-pubrel", "fixed-header/flags_1", "a.b"] {
            assert_eq!(file_name(key), Path::new(key), "{key}");
        }
        // What is lost is made up for by a digest.
        let lossy: BTreeSet<PathBuf> = ["a/X y", "a/x y", "a/x!y", "a/x__y", "a/x@y"].map(file_name).into();
        assert_eq!(lossy.len(), 5);
        for name in lossy {
            let name = name.to_str().unwrap();
            assert!(name.starts_with("a/x") && !name.contains("__"), "{name}");
        }
    }

    #[test]
    fn the_folder_of_a_target_is_safe_on_every_system() {
        for name in ["mosquitto", "mosquitto-2.0_x", "Broker.1"] {
            assert_eq!(folder_name(name), name);
        }
        let folder = folder_name("mqtt://127.0.0.1:18831");
        assert!(folder.starts_with("mqtt-127.0.0.1-18831-"), "{folder}");
        assert_eq!(folder, folder_name("mqtt://127.0.0.1:18831"));
        let odd = [
            "unix:/tmp/a b.sock",
            "wss://[::1]:443/mqtt",
            "..",
            "nul",
            "COM1.x",
            "a.",
            "a__b",
            "-",
            "\u{1f980}",
        ];
        let folders: BTreeSet<String> = odd.into_iter().map(folder_name).collect();
        assert_eq!(folders.len(), odd.len(), "{folders:?}");
        for folder in folders {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            assert!(folder.chars().all(plain), "{folder}");
            assert!(
                !folder.starts_with('.') && !folder.ends_with('.') && !is_reserved(&folder),
                "{folder}"
            );
        }
    }

    #[test]
    fn two_scenarios_never_share_a_file_unnoticed() {
        assert_eq!(collision(["a/b", "a/c", "a/b"]), None);
        // Among this many keys, two have the same four digits.
        let keys: Vec<String> = (0..70_000)
            .map(|n| format!("{}", char::from_u32(0x1_0000 + n).unwrap()))
            .collect();
        let (a, b) = collision(keys.iter().map(String::as_str)).unwrap();
        assert_eq!(file_name(a), file_name(b));
    }

    fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
        let file = dir.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    const OLD: &str = "---\nsource: src/a.rs\ndescription: A title\n---\nverdict: pass\nPUBREC\n";
    const NEW: &str = "---\nsource: src/a.rs\nassertion_line: 7\ndescription: A title\n---\nverdict: pass\nPUBACK\n";

    #[test]
    fn accepting_takes_the_new_text_and_rejecting_drops_it() {
        let dir = tempfile::tempdir().unwrap();
        let old = write(dir.path(), "qos/a.v5.snap", OLD);
        write(dir.path(), "qos/a.v5.snap.new", NEW);
        write(dir.path(), "qos/b.v5.snap.new", NEW);
        let waiting = pending(dir.path()).unwrap();
        assert_eq!(waiting.len(), 2);
        assert_eq!(waiting[0].accepted, old);
        assert_eq!(waiting[0].title.as_deref(), Some("A title"));
        assert!(!waiting[0].is_new && waiting[1].is_new);
        assert_eq!(
            waiting[0].diff,
            "--- accepted\n+++ found\n@@ -1,2 +1,2 @@\n verdict: pass\n-PUBREC\n+PUBACK\n"
        );
        accept(&waiting[0]).unwrap();
        reject(&waiting[1]).unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), OLD.replace("PUBREC", "PUBACK"));
        assert!(pending(dir.path()).unwrap().is_empty());
    }

    #[test]
    fn what_an_earlier_version_wrote_is_seen_in_the_header() {
        assert!(is_earlier(OLD) && is_earlier("---\ndescription: A\ninput_file: a.yaml\n---\na\n"));
        assert!(!is_earlier("---\ndescription: A\n---\nsource: a\n") && !is_earlier(""));
    }

    #[test]
    fn what_no_case_names_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "qos/a.v5.snap", OLD);
        let gone = write(dir.path(), "qos/gone.v5.snap", OLD);
        assert_eq!(stale(dir.path(), ["qos/a.v5", "qos/b.v5"]).unwrap(), [gone]);
        assert!(stale(&dir.path().join("nothing"), ["a"]).unwrap().is_empty());
    }
}
