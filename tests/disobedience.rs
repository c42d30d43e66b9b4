//! The suite is tested by a broker that breaks one statement at a time: every scenario that claims the statement must notice,
//! through at least one of its cases, and every way of breaking it must be noticed by some scenario. What is not noticed is
//! listed with its reason.

#[path = "support/lists.rs"]
mod lists;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mqttspec::cli::reference_that;
use mqttspec::play::{Player, Settings, Stage};
use mqttspec::reference::{Disobedience, Disobey};
use mqttspec::rules::Outcome;
use mqttspec::scenario::{Case, Files};
use mqttspec::suite::{CaseResult, Session, Verdict};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// `TOKEN SCENARIO` pairs that are not noticed, and `TOKEN *` for ways that no scenario notices.
const LIST: &str = "tests/disobedience/not-noticed.txt";
/// Disobediences side by side, each with a broker of its own.
const SIDE_BY_SIDE: usize = 12;
/// Cases of one scenario side by side.
const FEW: usize = 6;

#[test]
fn every_claim_is_noticed_when_it_is_disobeyed() {
    let cases: Vec<Arc<Case>> = Files::embedded()
        .load_all()
        .expect("the embedded scenarios are well-formed")
        .into_iter()
        .flat_map(|s| s.cases)
        .map(Arc::new)
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let noticed = runtime.block_on(walk(&cases));

    // A scenario notices a statement when it notices one of the ways in which that is broken.
    let mut by_claim: BTreeMap<(String, &str), bool> = BTreeMap::new();
    let mut by_token: BTreeMap<&str, bool> = BTreeMap::new();
    for ((token, scenario), seen) in &noticed {
        let statement = token.split('/').next().unwrap_or(token);
        // Own entries have a slash in their id: the variant is one letter at the end.
        let statement = match token.rsplit_once('/') {
            Some((statement, variant)) if variant.len() == 1 => statement,
            _ if token.contains('§') => token,
            _ => statement,
        };
        *by_claim.entry((statement.to_owned(), scenario)).or_default() |= seen;
        *by_token.entry(token).or_default() |= seen;
    }
    let claims = by_claim
        .iter()
        .filter(|(_, seen)| !**seen)
        .map(|((statement, s), _)| format!("{statement} {s}"));
    let tokens = by_token
        .iter()
        .filter(|(_, seen)| !**seen)
        .map(|(token, _)| format!("{token} *"));
    let missed: Vec<String> = claims.chain(tokens).collect();
    println!(
        "{} claims, {} ways of disobeying, {} not noticed",
        by_claim.len(),
        by_token.len(),
        missed.len()
    );
    let (unlisted, stale) = lists::compare(LIST, &missed);
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "not noticed, and not in {LIST}:\n  {}\nin {LIST}, yet noticed (or not claimed any more):\n  {}",
        unlisted.join("\n  "),
        stale.join("\n  "),
    );
}

/// For each way of disobeying and each scenario that claims the statement: whether it was noticed.
async fn walk(cases: &[Arc<Case>]) -> BTreeMap<(String, String), bool> {
    let room = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut tasks = JoinSet::new();
    for disobedience in Disobey::all() {
        let claiming: Vec<Arc<Case>> = cases
            .iter()
            .filter(|c| c.proves.contains(&disobedience.statement))
            .cloned()
            .collect();
        if claiming.is_empty() {
            continue;
        }
        let room = Arc::clone(&room);
        tasks.spawn(async move {
            let _permit = room.acquire().await.expect("the semaphore stays open");
            let token = disobedience.token();
            (token, one(disobedience, claiming).await)
        });
    }
    let mut noticed = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        let (token, scenarios) = done.expect("no task panics");
        noticed.extend(
            scenarios
                .into_iter()
                .map(|(scenario, seen)| ((token.clone(), scenario), seen)),
        );
    }
    noticed
}

/// Plays the claiming cases against a broker that disobeys, and says of each scenario whether it noticed.
async fn one(disobedience: &Disobedience, cases: Vec<Arc<Case>>) -> BTreeMap<String, bool> {
    let token = disobedience.token();
    let target = reference_that(Disobey::parse(&token).expect("what is listed can be parsed"));
    let settings = Settings {
        patience: Duration::from_millis(400),
        ..Settings::default()
    };
    let player = Player::new(settings, 1);
    let session = Arc::new(Session::new(&target, &player, true, None));
    let mut scenarios: BTreeMap<String, Vec<Arc<Case>>> = BTreeMap::new();
    for case in cases {
        scenarios.entry(case.header.path.clone()).or_default().push(case);
    }
    let mut tasks = JoinSet::new();
    for (scenario, cases) in scenarios {
        let session = Arc::clone(&session);
        tasks.spawn(async move { (scenario, any_notices(&session, cases).await) });
    }
    let mut seen: BTreeMap<String, bool> = BTreeMap::new();
    while let Some(done) = tasks.join_next().await {
        let (scenario, noticed) = done.expect("no task panics");
        seen.insert(scenario, noticed);
    }
    session.end().await;
    seen
}

/// Whether one of a scenario's cases notices. A grid has hundreds, and one is enough: they are played a few at a time until
/// one does.
async fn any_notices(session: &Arc<Session>, cases: Vec<Arc<Case>>) -> bool {
    for few in cases.chunks(FEW) {
        let mut tasks = JoinSet::new();
        for case in few {
            let (session, case) = (Arc::clone(session), Arc::clone(case));
            tasks.spawn(async move { notices(&session, &case).await });
        }
        if tasks.join_all().await.contains(&true) {
            return true;
        }
    }
    false
}

/// Whether the case fails through its script or a rule. A machine that is too slow voids an experiment, which is then
/// made again: there was no verdict.
async fn notices(session: &Session, case: &Case) -> bool {
    for _ in 0..10 {
        let result = session.case(case).await;
        let reason = result.reason.as_deref().unwrap_or_default();
        match result.verdict {
            Verdict::Error if reason.starts_with("machine too slow") => {}
            // A broker that no longer answers CONNECT, though the script was met: nothing was noticed.
            _ => return counts(&result),
        }
    }
    panic!("{} could not be played: the machine is too slow", case.id);
}

/// A failure in the set-up or in a fence is no proof.
fn counts(result: &CaseResult) -> bool {
    let script = result
        .failure
        .as_ref()
        .is_some_and(|f| matches!(f.stage, Stage::Script | Stage::Account));
    let claimed: BTreeSet<_> = result.proves.iter().collect();
    let mut findings = result.findings.iter().chain(&result.control_findings);
    let rule = findings.any(|f| f.outcome == Outcome::Breach && claimed.contains(&f.statement));
    result.verdict == Verdict::Fail && (script || rule)
}
