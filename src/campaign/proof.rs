//! The scenario of a cause: written, read back, and played against the reference broker and against the target.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::Options;
use super::cause::{Cause, Key, Outcome};
use super::report::Report;
use crate::fuzzer::scenario;
use crate::harness;
use crate::play::{Player, Settings};
use crate::reference::{Config, Disobey, Free};
use crate::scenario::{Case, Files, render_all};
use crate::suite::{self, CaseResult, RunOptions, Target, Verdict};
use crate::transport::Transport;

/// What shows a cause to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It is yet to be made.
    Wanted,
    /// A scenario that passes on the reference broker and fails on the target.
    File(PathBuf),
    /// A scenario that was not played, because the run was interrupted.
    Unplayed(PathBuf),
    /// There is none: why.
    None(String),
}

impl Proof {
    /// The scenario file.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Proof::File(file) | Proof::Unplayed(file) => Some(file),
            Proof::Wanted | Proof::None(_) => None,
        }
    }
}

/// Makes the scenarios of all causes.
pub async fn of_all(
    report: &mut Report,
    target: &Target,
    settings: &Settings,
    options: &Options,
    stop: &watch::Receiver<bool>,
) {
    let Some(folder) = &options.found else {
        return;
    };
    for cause in &mut report.causes {
        cause.proof = match (&cause.proof, cause.outcome) {
            (_, Outcome::Unconfirmed) => unplayed(cause, folder),
            (Proof::Wanted, _) if *stop.borrow() => unplayed(cause, folder),
            (Proof::Wanted, _) => played(cause, folder, target, settings, stop).await,
            (proof, _) => proof.clone(),
        };
    }
}

/// The same for what the reference core has shown in this process.
pub async fn in_process(report: &mut Report, config: &Config, options: &Options, stop: &watch::Receiver<bool>) {
    let (target, settings) = harness::reference_as(config.disobey.clone(), config.free.clone(), Transport::Mqtt);
    of_all(report, &target, &settings, options, stop).await;
}

/// When the broker may hand a message of QoS 2 on: at PUBLISH, and at PUBREL. A scenario passes with both.
fn ways() -> [Free; 2] {
    [Free::default(), Free::parse("qos-2-at-pubrel").unwrap_or_default()]
}

/// The scenario with the answers of the reference broker that takes this freedom.
pub(super) fn written(cause: &Cause, free: Free) -> String {
    let config = Config {
        free,
        ..Config::default()
    };
    scenario(&Arc::new(config), &cause.sequence, &cause.verdict)
}

fn unplayed(cause: &Cause, folder: &Path) -> Proof {
    let text = written(cause, Free::default());
    match keep(folder, &name_of(cause.key), &text) {
        Ok(file) => Proof::Unplayed(file),
        Err(why) => Proof::None(why),
    }
}

async fn played(
    cause: &Cause,
    folder: &Path,
    target: &Target,
    settings: &Settings,
    stop: &watch::Receiver<bool>,
) -> Proof {
    let mut why = None;
    for free in ways() {
        match of_text(cause, &written(cause, free), folder, target, settings, stop).await {
            Proof::None(reason) => why = why.or(Some(reason)),
            proof => return proof,
        }
    }
    Proof::None(why.unwrap_or_default())
}

async fn of_text(
    cause: &Cause,
    text: &str,
    folder: &Path,
    target: &Target,
    settings: &Settings,
    stop: &watch::Receiver<bool>,
) -> Proof {
    let name = name_of(cause.key);
    let case = match read_back(&name, text) {
        Ok(case) => case,
        Err(why) => return Proof::None(format!("the scenario is malformed: {why}")),
    };
    for free in ways() {
        let (reference, of_reference) = harness::reference_as(Disobey::default(), free, Transport::Mqtt);
        match play(&case, &reference, &of_reference, stop).await {
            Ok(right) if right.verdict != Verdict::Pass => {
                let why = reason(&right);
                return Proof::None(format!("the scenario does not pass on the reference broker: {why}"));
            }
            Ok(_) => {}
            Err(why) => return Proof::None(why),
        }
    }
    match play(&case, target, settings, stop).await {
        Ok(wrong) if wrong.verdict == Verdict::Pass => {
            Proof::None("the steps of the scenario pass on this broker".to_owned())
        }
        Ok(wrong) if matches!(wrong.verdict, Verdict::Skip | Verdict::Error) => Proof::None(format!(
            "the scenario cannot be played on this broker: {}",
            reason(&wrong)
        )),
        Err(why) => Proof::None(why),
        Ok(_) => match keep(folder, &name, text) {
            Ok(file) => Proof::File(file),
            Err(why) => Proof::None(why),
        },
    }
}

fn reason(result: &CaseResult) -> String {
    result
        .reason
        .clone()
        .unwrap_or_else(|| result.verdict.name().to_owned())
}

/// Plays one case alone.
async fn play(
    case: &Arc<Case>,
    target: &Target,
    settings: &Settings,
    stop: &watch::Receiver<bool>,
) -> Result<CaseResult, String> {
    let player = Player::new(settings.clone(), harness::seed());
    let (events, _) = mpsc::unbounded_channel();
    let cases = [Arc::clone(case)];
    let result = suite::run(&cases, target, &player, &RunOptions::default(), events, stop.clone()).await?;
    result
        .cases
        .first()
        .cloned()
        .ok_or_else(|| "the scenario was not played".to_owned())
}

/// The case of a scenario as `mqttspec check` reads it.
pub(super) fn read_back(name: &str, text: &str) -> Result<Arc<Case>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join(format!("{name}.yaml"));
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let scenarios = Files::of_file(&file)
        .load_all()
        .map_err(|errors| render_all(&errors, false))?;
    let mut cases = scenarios.into_iter().flat_map(|scenario| scenario.cases);
    cases.next().map(Arc::new).ok_or_else(|| "it has no case".to_owned())
}

/// A name for the file of a cause: a to z, 0 to 9 and `-`.
pub(super) fn name_of(key: Key) -> String {
    let text = format!("{}-{}", key.rule, key.statement).to_lowercase();
    let words = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// Writes a scenario. A file that has the name and another text stays as it is: somebody may have worked on it.
pub(super) fn keep(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let cannot = |file: &Path, error| format!("cannot write {}: {error}", file.display());
    std::fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    let mut file = folder.join(format!("{name}.yaml"));
    let mut turn = 1;
    while std::fs::read_to_string(&file).is_ok_and(|there| there != text) {
        turn += 1;
        file = folder.join(format!("{name}-{turn}.yaml"));
    }
    std::fs::write(&file, text).map_err(|error| cannot(&file, error))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::{StatementId, Version};

    #[test]
    fn a_file_is_called_after_its_cause() {
        let key = |id| Key {
            rule: "newest-is-retained",
            statement: StatementId {
                version: Version::V3_1_1,
                id,
            },
        };
        assert_eq!(name_of(key("MQTT-3.3.1-5")), "newest-is-retained-v3-1-1-mqtt-3-3-1-5");
        assert_eq!(name_of(key("§4.1/once")), "newest-is-retained-v3-1-1-4-1-once");
    }

    #[test]
    fn what_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let first = keep(folder.path(), "a", "text").unwrap();
        assert_eq!(keep(folder.path(), "a", "text").unwrap(), first);
        let second = keep(folder.path(), "a", "other").unwrap();
        assert_eq!(second, folder.path().join("a-2.yaml"));
        assert_eq!(std::fs::read_to_string(first).unwrap(), "text");
    }
}
