//! Asks a broker's program which version it is.

use std::time::Duration;

use super::super::profile::Profile;
use super::super::template::Words;
use super::super::version::BrokerVersion;
use super::log::Log;
use super::spawn::Spawned;
use super::{StartError, blocking, could_not_start, path_text, program};

/// How long the command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many bytes of what it prints are looked at.
const PRINTED: usize = 64 * 1024;

/// Runs the profile's `version` command and finds the version in what it prints. `None`: the profile has no such
/// command, or what it prints has no version in it. The exit status is not looked at: `mosquitto -h` exits 3.
///
/// # Errors
/// The program could not be started.
pub async fn ask_version(profile: &Profile) -> Result<Option<BrokerVersion>, StartError> {
    let Some((process, version)) = profile
        .process
        .as_ref()
        .or(profile.client.as_ref())
        .and_then(|p| Some((p, p.version.as_ref()?)))
    else {
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
    let environment = process.env.iter().map(|(name, value)| (name, words.fill(value)));
    let command = program::gated(&filled, environment, folder.path());
    let within = folder.path().to_owned();
    let mut spawned = blocking(move || Spawned::start(&mut command?, output, Some(within)))
        .await
        .map_err(|e| could_not_start(&filled[0], process, e))?;
    // One that does not end has perhaps printed what is needed; dropping it ends it.
    let _ = tokio::time::timeout(PATIENCE, spawned.wait()).await;
    Ok(BrokerVersion::find_in(&log.tail(PRINTED)))
}
