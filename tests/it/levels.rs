//! A case at the level of a SHOULD gives advice if its statement is broken, and never fails: neither its script nor a rule
//! says MUST where the other says SHOULD.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mqttspec::harness::reference_that;
use mqttspec::play::{Player, Settings};
use mqttspec::reference::{Disobedience, Disobey, Seam};
use mqttspec::scenario::{Case, Files, ScenarioLevel};
use mqttspec::statements::catalogue;
use mqttspec::suite::{CaseResult, Session, Verdict};
use tokio::task::JoinSet;

/// Whether a fault breaks nothing but what a server should do: the statement is a SHOULD, or a client breaks it and the
/// server lets it through.
fn is_mild(fault: &Disobedience) -> bool {
    !catalogue().level(fault.statement).is_must() || fault.seam == Seam::Tolerance
}

/// The first case of each scenario and version that is at the level of a SHOULD.
fn cases() -> Vec<Arc<Case>> {
    let scenarios = Files::embedded().load_all().expect("the scenarios are well-formed");
    let cases = scenarios.into_iter().flat_map(|s| s.cases);
    let should = cases.filter(|case| case.level() == ScenarioLevel::Should && !case.conditions.heavy);
    let mut seen = BTreeSet::new();
    should
        .filter(|case| seen.insert((case.header.path.clone(), case.version)))
        .map(Arc::new)
        .collect()
}

async fn played(fault: &Disobedience, cases: Vec<Arc<Case>>) -> Vec<(String, CaseResult)> {
    let token = fault.token();
    let target = reference_that(Disobey::parse(&token).expect("a fault of the list"));
    let settings = Settings {
        patience: Duration::from_millis(400),
        ..Settings::default()
    };
    let session = Session::new(&target, &Player::new(settings, 1), false, None);
    let mut results = Vec::new();
    for case in cases {
        results.push((token.clone(), session.case(&case).await));
    }
    session.end().await;
    results
}

#[test]
fn a_should_that_is_broken_is_advice() {
    let cases = cases();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let results: Vec<(String, CaseResult)> = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for fault in Disobey::all().iter().filter(|fault| is_mild(fault)) {
            let of_fault = |case: &&Arc<Case>| case.proves.contains(&fault.statement);
            let of_fault: Vec<Arc<Case>> = cases.iter().filter(of_fault).cloned().collect();
            if !of_fault.is_empty() {
                tasks.spawn(played(fault, of_fault));
            }
        }
        tasks.join_all().await.into_iter().flatten().collect()
    });
    let failed: Vec<String> = (results.iter())
        .filter(|(_, result)| result.verdict == Verdict::Fail)
        .map(|(token, result)| format!("{token}: {}: {:?}", result.id, result.reason))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let advised = results.iter().filter(|(_, result)| result.advice().count() > 0).count();
    assert!(advised >= 10, "only {advised} of {} give advice", results.len());
}
