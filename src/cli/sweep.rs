//! `mqttspec sweep`: removes from a broker what aborted runs left there.

use std::collections::BTreeSet;

use crate::harness::{Broom, client_ids};
use crate::play::is_namespace;
use crate::wire::Side;
use crate::wire::Text;

use super::args::{SetArgs, SweepArgs};
use super::out::{fail, print};
use super::{Exit, set, state, target};

/// How many leftovers of unknown runs are named.
const NAMED: usize = 20;

/// Removes what is left, and says what looks like ours and was not touched.
pub fn sweep(args: &SweepArgs) -> Exit {
    if let Some(wrong) = args.namespace.iter().find(|name| !is_namespace(name)) {
        let help = "it has eight characters, such as ms0k3f9a: the first level of a topic that a run left";
        return fail(Exit::Usage, format!("`{wrong}` is not a namespace of mqttspec; {help}"));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    runtime.block_on(sweep_all(args))
}

async fn sweep_all(args: &SweepArgs) -> Exit {
    let (target, settings) = match target::target(Some(&args.target), Side::Server, &[], &[], &args.reach).await {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    if target.launcher.starts_its_own() {
        let text = format!(
            "{}: the run starts this broker itself, so it leaves nothing",
            args.target
        );
        return fail(Exit::Usage, text);
    }
    let namespaces = match namespaces(&args.namespace) {
        Ok(namespaces) => namespaces,
        Err(exit) => return exit,
    };
    let swept = async {
        let broom = Broom::new(&target, &settings).await?;
        broom.sweep(&target.info.address, &state::diaries(), &namespaces).await
    };
    match swept.await {
        Ok(swept) => {
            print(&format!(
                "removed {} sessions and {} retained messages\n",
                swept.sessions, swept.topics
            ));
            if swept.refused {
                print("the broker refuses a subscription to #, so what other runs left is not visible\n");
            }
            print(&unknown(&swept.unknown));
            Exit::Ok
        }
        Err(error) => fail(Exit::Unreachable, error),
    }
}

/// The namespaces with the client identifiers that cases have in each.
fn namespaces(names: &[String]) -> Result<Vec<(String, BTreeSet<Text>)>, Exit> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let scenarios = set::scenarios(&SetArgs::default())?;
    let named = names.iter().map(|name| (name.clone(), client_ids(name, &scenarios)));
    Ok(named.collect())
}

fn unknown(topics: &BTreeSet<Text>) -> String {
    if topics.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "{} retained messages look like those of a run, but no run of this machine left them; `--namespace` removes those of one run:\n",
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
