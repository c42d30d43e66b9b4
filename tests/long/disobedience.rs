//! Fault injection tests the suite: the broker violates one statement at a time. At least one case of every scenario that
//! claims the statement must notice, and some scenario must notice every fault. What is not noticed is listed with its
//! reason, and so is each statement that a rule blames in place of the violated one.

use std::sync::Arc;

use mqttspec::coverage::{Exceptions, walk};
use mqttspec::harness::reference_that;
use mqttspec::scenario::{Case, Files};

/// `STATEMENT SCENARIO` pairs that are not noticed, and `TOKEN *` for faults that no scenario notices.
const LIST: &str = "src/coverage/not-noticed.txt";
/// `TOKEN STATEMENT` pairs: what a rule blames in place of the broken statement.
const EQUALS: &str = "src/coverage/equals.txt";

#[test]
fn every_claim_notices_its_faults() {
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
    println!("{claims} claims, {ways} faults, {} not noticed", missed.len());
    let (unlisted, stale) = Exceptions::embedded().compare(&missed);
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "not noticed, and not in {LIST}:\n  {}\nin {LIST}, but noticed (or no longer claimed):\n  {}",
        unlisted.join("\n  "),
        stale.join("\n  "),
    );
    let (unlisted, stale) = Exceptions::equals().compare(&walk.blamed_instead());
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "a rule blames another statement than the broken one, and that is not in {EQUALS}:\n  {}\nin {EQUALS}, yet not blamed:\n  {}",
        unlisted.join("\n  "),
        stale.join("\n  "),
    );
}
