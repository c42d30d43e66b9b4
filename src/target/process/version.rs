//! Asks a broker's program which version it is.

use std::process::Command;
use std::time::Duration;

use super::super::profile::Profile;
use super::super::template::Words;
use super::super::version::BrokerVersion;
use super::log::Log;
use super::spawn::Spawned;
use super::{StartError, command_of, could_not_start, path_text};

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many bytes of what it prints are looked at.
const PRINTED: usize = 64 * 1024;

/// Runs the profile's `version` command and finds the version in what it prints. `None`: the profile has no such command,
/// or what it prints has no version in it. The exit status is not looked at: `mosquitto -h` ends with 3.
///
/// # Errors
/// The program could not be started.
pub async fn ask_version(profile: &Profile) -> Result<Option<BrokerVersion>, StartError> {
    let Some((process, version)) = profile.process.as_ref().and_then(|p| Some((p, p.version.as_ref()?))) else {
        return Ok(None);
    };
    let folder = tempfile::tempdir().map_err(StartError::Folder)?;
    let words = Words {
        dir: path_text(folder.path()),
        here: path_text(&profile.here),
        ..Words::default()
    };
    let filled: Vec<String> = version.iter().map(|part| words.fill(part)).collect();
    let log = Log::in_folder(folder.path());
    let output = log.append().map_err(StartError::Folder)?;
    let mut command: Command = command_of(&filled, folder.path());
    for (name, value) in &process.env {
        command.env(name, words.fill(value));
    }
    let mut spawned = Spawned::start(&mut command, output, Some(folder.path().to_owned()))
        .map_err(|e| could_not_start(&filled[0], process, e))?;
    // One that does not end has perhaps printed what is needed; dropping it ends it.
    let _ = tokio::time::timeout(PATIENCE, spawned.wait()).await;
    Ok(BrokerVersion::find_in(&log.tail(PRINTED)))
}
