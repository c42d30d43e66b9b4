//! The suite is tested by a broker that breaks one statement at a time: every scenario that claims the statement must notice,
//! through at least one of its cases, and every way of breaking it must be noticed by some scenario. What is not noticed is
//! listed with its reason.

use std::sync::Arc;

use mqttspec::coverage::{Exceptions, walk};
use mqttspec::harness::reference_that;
use mqttspec::scenario::{Case, Files};

/// `STATEMENT SCENARIO` pairs that are not noticed, and `TOKEN *` for ways that no scenario notices.
const LIST: &str = "src/coverage/not-noticed.txt";

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
    let walk = runtime
        .block_on(walk(&cases, reference_that, |_, _| {}))
        .expect("the machine is fast enough");
    let missed = walk.missed();
    let (claims, ways) = walk.counts();
    println!(
        "{claims} claims, {ways} ways of disobeying, {} not noticed",
        missed.len()
    );
    let (unlisted, stale) = Exceptions::embedded().compare(&missed);
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "not noticed, and not in {LIST}:\n  {}\nin {LIST}, yet noticed (or not claimed any more):\n  {}",
        unlisted.join("\n  "),
        stale.join("\n  "),
    );
}
