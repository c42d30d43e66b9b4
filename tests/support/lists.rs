//! Committed lists of exceptions: one per line, `what  # reason`. Every entry has a reason, and none may be stale.

use std::collections::BTreeMap;
use std::path::Path;

use mqttspec::sut::Glob;

/// The entries of a list with their reasons.
///
/// # Panics
/// If the file cannot be read, or an entry has no reason.
pub fn read(file: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}"));
    let entries = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('#'));
    entries
        .map(|line| {
            let (what, reason) = line
                .split_once(" # ")
                .unwrap_or_else(|| panic!("{file}: `{line}` gives no reason"));
            (what.trim().to_owned(), reason.trim().to_owned())
        })
        .collect()
}

/// The findings that are not listed, and the entries that are not found. An entry may be a pattern with `*`.
pub fn compare(file: &str, found: &[String]) -> (Vec<String>, Vec<String>) {
    let entries: BTreeMap<String, Glob> = read(file).into_iter().map(|(w, _)| (w.clone(), Glob::new(w))).collect();
    let unlisted = found
        .iter()
        .filter(|f| !entries.values().any(|g| g.matches(f)))
        .cloned()
        .collect();
    let stale = entries
        .iter()
        .filter(|(_, g)| !found.iter().any(|f| g.matches(f)))
        .map(|(w, _)| w.clone())
        .collect();
    (unlisted, stale)
}
