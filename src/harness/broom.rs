//! Removes from a broker what aborted runs left there.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::play::{self, Left, Namespaces, Settings, Traces, is_namespace};
use crate::scenario::{Scenario, default_client_id};
use crate::statements::Version;
use crate::suite::Target;
use crate::sut::{Address, Instance, StartError};
use crate::wire::Text;

use super::{Diaries, diaries, seed};

/// What a killed run had sent may be served while it is swept after: it is looked again, and removed again.
const ROUNDS: usize = 5;

/// Why a broker could not be cleaned up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BroomError {
    /// The target has no broker to connect to.
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the broker offers no version")]
    NoVersion,
    #[error("the target has no address for {0}")]
    NoAddress(Version),
    /// The broker did not let us in, or went away.
    #[error("{0}")]
    Lost(String),
    #[error("cannot remove {}: {error}", file.display())]
    Diary { file: PathBuf, error: std::io::Error },
}

/// What a sweep removed and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    pub sessions: usize,
    pub topics: usize,
    /// The broker refuses a subscription to `#`, so nothing but the diaries says what is there.
    pub refused: bool,
    /// Retained topics that look like those of runs, and that no diary names.
    pub unknown: BTreeSet<Text>,
}

/// Cleans up one broker.
pub struct Broom<'a> {
    instance: Box<dyn Instance>,
    versions: Vec<Version>,
    settings: &'a Settings,
    namespaces: Namespaces,
}

impl<'a> Broom<'a> {
    /// A broom for a broker that is not ours.
    ///
    /// # Errors
    /// The target gives no instance.
    pub async fn new(target: &Target, settings: &'a Settings) -> Result<Broom<'a>, BroomError> {
        Ok(Broom {
            instance: target.launcher.launch().await?,
            versions: Version::ALL
                .into_iter()
                .filter(|v| !target.not_offered.contains_key(v))
                .collect(),
            settings,
            namespaces: Namespaces::new(seed()),
        })
    }

    /// Removes what the cases of a run that has just ended left. Whether nothing is left.
    pub async fn after_run(target: &Target, settings: &Settings, open: &diaries::Open) -> bool {
        let left = open.diary.left();
        if left.is_empty() {
            return true;
        }
        // A target that is only an address is always there; any other passes away with what it holds.
        let Ok(broom) = Broom::new(target, settings).await else {
            return true;
        };
        for one in &left {
            if broom.remove(one).await.is_err() {
                return false;
            }
            open.diary.done(&one.namespace);
        }
        true
    }

    /// Removes what aborted runs against `address` left, and what is left under `namespaces` by clients with these
    /// identifiers (see [`client_ids`]).
    ///
    /// # Errors
    /// The broker cannot be reached, or a diary cannot be removed.
    pub async fn sweep(
        &self,
        address: &str,
        diaries: &Diaries,
        namespaces: &[(String, BTreeSet<Text>)],
    ) -> Result<Swept, BroomError> {
        let version = *self.versions.last().ok_or(BroomError::NoVersion)?;
        let old = diaries.old(address);
        let all: Vec<&Left> = old.iter().flat_map(|old| &old.left).collect();
        let sessions: usize = all.iter().map(|left| left.traces.client_ids.len()).sum();
        let mut topics: usize = all.iter().map(|left| left.traces.topics.len()).sum();
        for left in &all {
            self.remove(left).await?;
        }
        let (mut found, mut refused) = self.look(version).await?;
        for _ in 1..ROUNDS {
            let is_back = |topic: &Text| namespace_of(topic).is_some_and(|ns| all.iter().any(|l| l.namespace == ns));
            if !found.iter().any(is_back) {
                break;
            }
            for left in &all {
                self.remove(left).await?;
            }
            (found, refused) = self.look(version).await?;
        }
        for old in &old {
            std::fs::remove_file(&old.file).map_err(|error| BroomError::Diary {
                file: old.file.clone(),
                error,
            })?;
        }
        let (named, unknown): (BTreeSet<Text>, BTreeSet<Text>) = found
            .into_iter()
            .partition(|topic| namespace_of(topic).is_some_and(|ns| namespaces.iter().any(|(name, _)| *name == ns)));
        topics += named.len();
        for (namespace, client_ids) in namespaces {
            let own = named.iter().filter(|t| namespace_of(t).as_ref() == Some(namespace));
            let traces = Traces {
                client_ids: client_ids.clone(),
                topics: own.cloned().collect(),
            };
            let left = Left {
                namespace: namespace.clone(),
                version,
                traces,
            };
            self.remove(&left).await?;
        }
        Ok(Swept {
            sessions,
            topics,
            refused,
            unknown,
        })
    }

    async fn remove(&self, left: &Left) -> Result<(), BroomError> {
        let address = self.address(left.version)?;
        let own = self.namespaces.next();
        let removed = play::remove(&left.traces, &address, left.version, self.settings, &own).await;
        removed.map(|_| ()).map_err(|lost| match lost {
            play::Lost::Gone(why) | play::Lost::Silent(why) => BroomError::Lost(why),
        })
    }

    /// Retained topics that have a level like a namespace, and whether the broker refuses to be looked at.
    async fn look(&self, version: Version) -> Result<(BTreeSet<Text>, bool), BroomError> {
        let address = self.address(version)?;
        let own = Text::from(self.namespaces.next());
        // A scenario may use topics that begin with a dollar, which # does not match.
        let filters = [Text::from("#"), Text::from("$t/#")];
        match play::retained(&address, version, self.settings, &own, &filters).await {
            Ok(Some(topics)) => Ok((
                topics.into_iter().filter(|t| namespace_of(t).is_some()).collect(),
                false,
            )),
            Ok(None) => Ok((BTreeSet::new(), true)),
            Err(error) => Err(BroomError::Lost(format!("{address}: {error}"))),
        }
    }

    fn address(&self, version: Version) -> Result<Address, BroomError> {
        let address = self.instance.address(version);
        address.ok_or(BroomError::NoAddress(version))
    }
}

/// The client identifiers that the clients of these scenarios without one of their own have in a namespace.
pub fn client_ids(namespace: &str, scenarios: &[Scenario]) -> BTreeSet<Text> {
    let cases = scenarios.iter().flat_map(|s| &s.cases);
    let names: BTreeSet<&Arc<str>> = cases.flat_map(|c| &c.script.clients).map(|c| &c.name).collect();
    names
        .into_iter()
        .map(|name| Text::from(default_client_id(namespace, name)))
        .collect()
}

fn namespace_of(topic: &Text) -> Option<String> {
    let level = topic.as_str()?.split('/').find(|level| is_namespace(level))?;
    Some(level.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_a_whole_level() {
        let of = |topic: &str| namespace_of(&Text::from(topic));
        assert_eq!(of("ms0k3f9a"), Some("ms0k3f9a".to_owned()));
        assert_eq!(of("/ms0k3f9a/b"), Some("ms0k3f9a".to_owned()));
        assert_eq!(of("$t/ms0k3f9a/b"), Some("ms0k3f9a".to_owned()));
        for other in ["", "a/b", "xms0k3f9a", "ms0k3f9ax", "ms0K3f9a", "ms0k3f9"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
