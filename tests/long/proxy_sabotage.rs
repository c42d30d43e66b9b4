//! Independence: scenario, embedded broker and fault have one author, and may share a mistake. Here a proxy in front of
//! mosquitto injects the faults that change only packets and closes, and the scenarios that claim the statements must
//! notice them too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::support::lists;
use mqttspec::Target;
use mqttspec::coverage::{Walker, walk_with, ways};
use mqttspec::harness::{Ready, disobeying};
use mqttspec::play::{Player, Settings};
use mqttspec::reference::{Disobedience, Disobey};
use mqttspec::scenario::{Case, Files};
use mqttspec::statements::catalogue;
use mqttspec::suite::{self, CaseResult, Session, Verdict};
use tokio::task::JoinSet;

const PROFILE: &str = "ci/brokers/mosquitto.yaml";
/// `TOKEN *`: faults that no scenario notices in front of mosquitto.
const LIST: &str = "tests/long/proxy_sabotage/not-noticed.txt";
/// The number of brokers in parallel.
const SIDE_BY_SIDE: usize = 6;
/// The number of cases in parallel on each of them.
const JOBS: usize = 16;
/// The number of cases with which a fault is tried first.
const A_FEW: usize = 4;

#[test]
#[ignore = "needs mosquitto"]
fn the_suite_notices_faults_in_front_of_mosquitto() {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROFILE);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let ready = Target::of_profile(&profile).ready(|_| ()).await;
        let Ready { target, settings } = ready.expect("the profile names a target");
        let front = Front {
            target: suite::Target { jobs: JOBS, ..target },
            settings,
            cases: cases(),
        };
        let ways: BTreeSet<String> = Disobey::all()
            .iter()
            .filter(|way| is_of_packets_alone(way))
            .map(Disobedience::token)
            .collect();
        // Not every scenario notices every fault: those that a few cases did not notice are tried with all that claim it.
        let left = front.not_noticed(&ways, A_FEW).await;
        let missed = front.not_noticed(&left, usize::MAX).await;
        let missed: Vec<String> = missed.iter().map(|token| format!("{token} *")).collect();
        let (unlisted, stale) = lists::compare(LIST, &missed);
        assert!(
            unlisted.is_empty() && stale.is_empty(),
            "not noticed, and not in {LIST}:\n  {}\nin {LIST}, but noticed:\n  {}",
            unlisted.join("\n  "),
            stale.join("\n  "),
        );
    });
}

/// Whether a proxy can inject the fault.
fn is_of_packets_alone(way: &Disobedience) -> bool {
    Disobey::parse(&way.token()).is_ok_and(|d| d.needs_the_core().is_none())
}

/// Every case but those that move hundreds of megabytes.
fn cases() -> Vec<Arc<Case>> {
    let scenarios = Files::embedded()
        .load_all()
        .expect("the embedded scenarios are well-formed");
    let cases = scenarios.into_iter().flat_map(|s| s.cases);
    let light = cases.filter(|case| !case.conditions.heavy);
    light.map(Arc::new).collect()
}

/// mosquitto behind a proxy.
struct Front {
    target: suite::Target,
    settings: Settings,
    cases: Vec<Arc<Case>>,
}

impl Front {
    /// The faults among these that no case notices, with at most `most` cases per statement.
    async fn not_noticed(&self, tokens: &BTreeSet<String>, most: usize) -> BTreeSet<String> {
        let chosen = self.claiming(tokens, most);
        let right = self.right_through_the_proxy(&chosen).await;
        println!("{} of {} cases pass through an idle proxy", right.len(), chosen.len());
        let walk = walk_with(Walker {
            cases: &right,
            target: &|disobey| disobeying(&self.target, &disobey),
            takes: &|way| tokens.contains(&way.token()),
            settings: self.settings.clone(),
            side_by_side: SIDE_BY_SIDE,
            done: &|_, _| {},
        })
        .await
        .expect("the machine is fast enough");
        let seen: BTreeSet<&String> = walk.all.iter().filter(|n| n.noticed).map(|n| &n.token).collect();
        println!("{} of {} faults are noticed", seen.len(), tokens.len());
        tokens.iter().filter(|token| !seen.contains(token)).cloned().collect()
    }

    /// Cases that claim the statements of these faults: for each statement the first case of every scenario, then the second,
    /// and so on.
    fn claiming(&self, tokens: &BTreeSet<String>, most: usize) -> Vec<Arc<Case>> {
        let mut chosen: BTreeMap<String, Arc<Case>> = BTreeMap::new();
        for statement in catalogue().iter() {
            if !ways(statement).iter().any(|way| tokens.contains(&way.token())) {
                continue;
            }
            let mut met: BTreeMap<&str, usize> = BTreeMap::new();
            let mut ranked = Vec::new();
            for case in self.cases.iter().filter(|case| case.proves.contains(&statement.id)) {
                let count = met.entry(&case.header.path).or_default();
                ranked.push((*count, case));
                *count += 1;
            }
            ranked.sort_by_key(|(rank, _)| *rank);
            let taken = ranked.into_iter().take(most);
            chosen.extend(taken.map(|(_, case)| (case.id.clone(), Arc::clone(case))));
        }
        chosen.into_values().collect()
    }

    /// The cases that pass through an idle proxy: a case that mosquitto fails without a fault proves nothing about the fault.
    async fn right_through_the_proxy(&self, cases: &[Arc<Case>]) -> Vec<Arc<Case>> {
        let target = disobeying(&self.target, &Disobey::default());
        let player = Player::new(self.settings.clone(), 1);
        let session = Arc::new(Session::new(&target, &player, true, None));
        let mut tasks = JoinSet::new();
        for case in cases {
            let (session, case) = (Arc::clone(&session), Arc::clone(case));
            tasks.spawn(async move {
                let result = session.case(&case).await;
                tell(&result);
                (result.verdict == Verdict::Pass).then_some(case)
            });
        }
        let right = tasks.join_all().await;
        session.end().await;
        right.into_iter().flatten().collect()
    }
}

fn tell(result: &CaseResult) {
    if matches!(result.verdict, Verdict::Fail | Verdict::Crash | Verdict::Error) {
        let reason = result.reason.as_deref().unwrap_or_default();
        println!("through an idle proxy {} is {:?}: {reason}", result.id, result.verdict);
    }
}
