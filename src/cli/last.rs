//! What the last run found bad, for `--failed`.

use crate::scenario::aliases;
use crate::suite::RunResult;

use super::state;

/// Keeps the ids of the bad cases. If they cannot be stored, only `--failed` reports an error.
pub fn keep(result: &RunResult) {
    let Some(file) = state::last_bad() else { return };
    let ids: String = result
        .cases
        .iter()
        .filter(|c| c.is_bad())
        .map(|c| format!("{}\n", c.id))
        .collect();
    if let Some(folder) = file.parent() {
        let _ = std::fs::create_dir_all(folder);
    }
    let _ = std::fs::write(file, ids);
}

/// The ids of the cases with an unexpected result in the last run from this folder.
///
/// # Errors
/// There was no run, or nothing was bad in it.
pub fn bad() -> Result<Vec<String>, String> {
    let text = state::last_bad()
        .and_then(|file| std::fs::read_to_string(file).ok())
        .ok_or("there is no earlier run in this directory")?;
    let ids: Vec<String> = text.lines().map(|id| aliases().current(id).into_owned()).collect();
    if ids.is_empty() {
        return Err("no case failed in the last run".to_owned());
    }
    Ok(ids)
}
