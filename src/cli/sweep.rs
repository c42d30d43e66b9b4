//! `mqttspec sweep`: removes from a broker what aborted runs left there, and the end of a run that was interrupted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::play::{self, Left, Namespaces, Settings, Traces, is_namespace};
use crate::scenario::default_client_id;
use crate::statements::Version;
use crate::suite::Target;
use crate::sut::{Address, Instance};
use crate::wire::Text;

use super::args::SweepArgs;
use super::{Exit, diaries, fail, print, seed, set, target};

/// How many leftovers of unknown runs are named.
const NAMED: usize = 20;

/// Removes what is left, and says what looks like ours and was not touched.
pub fn sweep(args: &SweepArgs) -> Exit {
    if let Some(wrong) = args.namespace.iter().find(|name| !is_namespace(name)) {
        let help = "it has eight characters, such as ms0k3f9a: the first level of a topic that a run left";
        return fail(Exit::Usage, format!("`{wrong}` is no namespace of ours; {help}"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    runtime.block_on(sweep_all(args))
}

async fn sweep_all(args: &SweepArgs) -> Exit {
    let (target, settings) = match target::target(Some(&args.target), &[], &args.reach).await {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    if target.launcher.starts_its_own() {
        let text = format!(
            "{}: the run starts this broker itself, so nothing outlives it",
            args.target
        );
        return fail(Exit::Usage, text);
    }
    let instance = match target.launcher.launch().await {
        Ok(instance) => instance,
        Err(error) => return fail(Exit::Unreachable, error),
    };
    let broom = Broom {
        instance: &*instance,
        versions: offered(&target),
        settings: &settings,
        namespaces: Namespaces::new(seed()),
    };
    match broom.sweep(args, &target.info.address).await {
        Ok(()) => Exit::Ok,
        Err(message) => fail(Exit::Unreachable, message),
    }
}

/// At the end of a run: removes what its aborted cases left.
pub async fn after_run(target: &Target, settings: &Settings, kept: &diaries::Kept) {
    let left = kept.diary.left();
    if !left.is_empty()
        && let Ok(instance) = target.launcher.launch().await
    {
        let broom = Broom {
            instance: &*instance,
            versions: offered(target),
            settings,
            namespaces: Namespaces::new(seed()),
        };
        for one in &left {
            if broom.remove(one).await.is_err() {
                let argument = target.info.argument.as_deref().unwrap_or_default();
                super::print_error(&format!(
                    "note: something is left at the broker; `mqttspec sweep {argument}` removes it\n"
                ));
                break;
            }
            kept.diary.done(&one.namespace);
        }
    }
}

fn offered(target: &Target) -> Vec<Version> {
    let offered = Version::ALL.into_iter().filter(|v| !target.not_offered.contains_key(v));
    offered.collect()
}

/// What a killed run had sent may be served while it is swept after: it is looked again, and removed again.
const ROUNDS: usize = 5;

struct Broom<'a> {
    instance: &'a dyn Instance,
    versions: Vec<Version>,
    settings: &'a Settings,
    namespaces: Namespaces,
}

impl Broom<'_> {
    async fn sweep(&self, args: &SweepArgs, address: &str) -> Result<(), String> {
        let version = *self.versions.last().ok_or("the broker offers no version")?;
        let old = diaries::old(address);
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
            if let Err(error) = std::fs::remove_file(&old.file) {
                return Err(format!("cannot remove {}: {error}", old.file.display()));
            }
        }
        let (named, others): (BTreeSet<Text>, BTreeSet<Text>) = found
            .into_iter()
            .partition(|topic| namespace_of(topic).is_some_and(|ns| args.namespace.contains(&ns)));
        topics += named.len();
        for namespace in &args.namespace {
            let own = named.iter().filter(|t| namespace_of(t).as_ref() == Some(namespace));
            let traces = Traces {
                client_ids: client_ids(namespace)?,
                topics: own.cloned().collect(),
            };
            let left = Left {
                namespace: namespace.clone(),
                version,
                traces,
            };
            self.remove(&left).await?;
        }
        print(&format!("removed {sessions} sessions and {topics} retained messages\n"));
        if refused {
            print("the broker refuses a subscription to #, so what other runs left cannot be seen\n");
        }
        print(&unknown(&others));
        Ok(())
    }

    async fn remove(&self, left: &Left) -> Result<(), String> {
        let address = self.address(left.version)?;
        let own = self.namespaces.next();
        let removed = play::remove(&left.traces, &address, left.version, self.settings, &own).await;
        removed.map_err(|lost| match lost {
            play::Lost::Gone(why) | play::Lost::Silent(why) => why,
        })
    }

    /// Retained topics that have a level like a namespace, and whether the broker refuses to be looked at.
    async fn look(&self, version: Version) -> Result<(BTreeSet<Text>, bool), String> {
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
            Err(error) => Err(format!("{address}: {error}")),
        }
    }

    fn address(&self, version: Version) -> Result<Address, String> {
        let address = self.instance.address(version);
        address.ok_or_else(|| format!("the target has no address for {version}"))
    }
}

/// The client identifiers that cases without one of their own have in a namespace.
fn client_ids(namespace: &str) -> Result<BTreeSet<Text>, String> {
    let scenarios = set::scenarios(&super::args::SetArgs::default()).map_err(|_| "the scenarios cannot be read")?;
    let cases = scenarios.iter().flat_map(|s| &s.cases);
    let names: BTreeSet<&Arc<str>> = cases.flat_map(|c| &c.script.clients).map(|c| &c.name).collect();
    let ids = names
        .into_iter()
        .map(|name| Text::from(default_client_id(namespace, name)));
    Ok(ids.collect())
}

fn namespace_of(topic: &Text) -> Option<String> {
    let level = topic.as_str()?.split('/').find(|level| is_namespace(level))?;
    Some(level.to_owned())
}

fn unknown(topics: &BTreeSet<Text>) -> String {
    if topics.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "{} retained messages look like ours, and no diary here names them; `--namespace` removes those of one run:\n",
        topics.len()
    );
    for topic in topics.iter().take(NAMED) {
        out.push_str(&format!("  {topic}\n"));
    }
    if topics.len() > NAMED {
        out.push_str(&format!("  and {} more\n", topics.len() - NAMED));
    }
    out
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

    #[test]
    fn what_no_diary_names_is_listed_up_to_a_limit() {
        assert_eq!(unknown(&BTreeSet::new()), "");
        let many: BTreeSet<Text> = (0..22).map(|n| Text::from(format!("ms0k3f9a/{n:02}"))).collect();
        let text = unknown(&many);
        assert!(
            text.starts_with("22 retained messages") && text.ends_with("  and 2 more\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), NAMED + 2);
    }
}
