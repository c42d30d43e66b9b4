//! Where the program keeps what outlives a run: in the user's folder for state, never in the working directory.
//!
//! That is `$MQTTSPEC_STATE`, else `mqttspec` below `$XDG_STATE_HOME`, `%LOCALAPPDATA%` (Windows) or `~/.local/state`.
//! If there is none, or if it cannot be written, nothing is kept.

use std::ffi::OsString;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use twox_hash::XxHash64;

use crate::harness::Diaries;

/// The file with the bad cases of the last run from this working directory.
pub fn last_bad() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    Some(folder()?.join("last-bad").join(key(&here)))
}

/// The diaries of runs against brokers that are not ours.
pub fn diaries() -> Diaries {
    Diaries::in_folder(folder().map(|folder| folder.join("left")))
}

fn folder() -> Option<PathBuf> {
    choose(|name| std::env::var_os(name), cfg!(windows))
}

fn choose(variable: impl Fn(&str) -> Option<OsString>, windows: bool) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    // The XDG standard has relative paths ignored.
    let absolute = |name: &str| named(name).filter(|path| path.is_absolute());
    let below = |folder: PathBuf| folder.join("mqttspec");
    named("MQTTSPEC_STATE")
        .or_else(|| absolute("XDG_STATE_HOME").map(below))
        .or_else(|| {
            if windows {
                named("LOCALAPPDATA").map(below)
            } else {
                absolute("HOME").map(|home| below(home.join(".local").join("state")))
            }
        })
}

/// A file's name for a folder: its own, for people, and a digest of the whole path.
fn key(folder: &Path) -> String {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(folder.as_os_str().as_encoded_bytes());
    let name: String = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
        .take(40)
        .collect();
    format!("{name}-{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)], windows: bool) -> Option<PathBuf> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        choose(find, windows)
    }

    #[test]
    fn the_first_variable_that_says_something_decides() {
        let all = [
            ("MQTTSPEC_STATE", "here"),
            ("XDG_STATE_HOME", "/state"),
            ("HOME", "/home/a"),
            ("LOCALAPPDATA", "local"),
        ];
        assert_eq!(chosen(&all, false), Some("here".into()));
        assert_eq!(chosen(&all[1..], false), Some("/state/mqttspec".into()));
        assert_eq!(chosen(&all[2..], false), Some("/home/a/.local/state/mqttspec".into()));
        assert_eq!(chosen(&all[2..], true), Some("local/mqttspec".into()));
        let relative = [("MQTTSPEC_STATE", ""), ("XDG_STATE_HOME", "state"), ("HOME", "/home/a")];
        assert_eq!(chosen(&relative, false), Some("/home/a/.local/state/mqttspec".into()));
        assert_eq!(chosen(&[], false), None);
    }

    #[test]
    fn folders_of_one_name_have_different_files() {
        let (one, other) = (key(Path::new("/a/broker")), key(Path::new("/b/broker")));
        assert!(one.starts_with("broker-") && other.starts_with("broker-") && one != other);
        assert!(key(Path::new("/")).starts_with('-'));
    }
}
