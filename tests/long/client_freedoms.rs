//! Each freedom of a client alone, and many random sets of them: no case may notice that the reference client uses what the
//! standards leave to it.

use std::sync::Arc;
use std::time::Duration;

use mqttspec::client::{Free, Freedom};
use mqttspec::harness::free_client;
use mqttspec::play::{Player, Settings};
use mqttspec::scenario::{Case, Files};
use mqttspec::suite::{self, RunOptions, Verdict};
use mqttspec::wire::Side;
use tokio::sync::mpsc;

/// How many random sets are tried.
const RANDOM_SETS: u64 = 12;

/// How often a case is played again for which the machine was too slow.
const AGAIN: usize = 5;

#[test]
fn no_freedom_of_a_client_changes_a_verdict() {
    let scenarios = Files::embedded_for(Side::Client)
        .load_all()
        .expect("they are well-formed");
    let cases: Vec<Arc<Case>> = scenarios.into_iter().flat_map(|s| s.cases).map(Arc::new).collect();
    let single = Freedom::ALL.map(|freedom| Free::of([freedom])).into_iter();
    let sets = single.chain((0..RANDOM_SETS).map(Free::random));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let alarms: Vec<String> = sets.flat_map(|free| runtime.block_on(alarms(&cases, &free))).collect();
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
}

/// The cases that do not pass against a client with these freedoms.
async fn alarms(cases: &[Arc<Case>], free: &Free) -> Vec<String> {
    let settings = Settings {
        patience: Duration::from_secs(5),
        ..Settings::default()
    };
    let player = Player::new(settings, 1);
    let options = RunOptions {
        strict: true,
        ..RunOptions::default()
    };
    let mut alarms = Vec::new();
    let mut open = cases.to_vec();
    for left in (0..=AGAIN).rev() {
        let (events, _) = mpsc::unbounded_channel();
        let (_stop, stopped) = tokio::sync::watch::channel(false);
        let target = free_client(free.clone());
        let result = suite::run(&open, &target, &player, &options, events, stopped).await;
        let result = result.expect("the target can be started");
        let mut void = Vec::new();
        for case in result.cases.iter().filter(|case| case.verdict != Verdict::Pass) {
            let reason = case.reason.as_deref().unwrap_or_default();
            if left > 0 && case.verdict == Verdict::Error && reason.starts_with("machine too slow") {
                void.push(case.id.as_str());
            } else {
                alarms.push(format!(
                    "{}: {} {}: {reason}",
                    free.names(),
                    case.id,
                    case.verdict.name()
                ));
            }
        }
        open.retain(|case| void.contains(&case.id.as_str()));
        if open.is_empty() {
            break;
        }
    }
    alarms
}
