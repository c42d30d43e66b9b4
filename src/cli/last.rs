//! What the last run found bad, for `--failed`.

use std::path::PathBuf;

use crate::suite::RunResult;

/// Keeps the ids of the bad cases. That it cannot be kept is no reason to fail: `--failed` then says so.
pub fn keep(result: &RunResult) {
    let file = file();
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

/// The ids of the cases that were bad in the last run from this folder.
///
/// # Errors
/// There was no run, or nothing was bad in it.
pub fn bad() -> Result<Vec<String>, String> {
    let file = file();
    let text =
        std::fs::read_to_string(&file).map_err(|_| "there was no run here yet, so nothing has failed".to_owned())?;
    let ids: Vec<String> = text.lines().map(str::to_owned).collect();
    if ids.is_empty() {
        return Err("nothing was bad in the last run".to_owned());
    }
    Ok(ids)
}

fn file() -> PathBuf {
    PathBuf::from("target").join("mqttspec").join("last-bad")
}
