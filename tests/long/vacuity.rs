//! A test that cannot fail is worse than none: the suite against four stubs. The cases that pass are listed, each with its
//! reason.

use std::sync::Arc;
use std::time::Duration;

use crate::support::lists;
use crate::support::peers::{Kind, Peer};
use mqttspec::statements::Version;
use mqttspec::suite::{Setup, Verdict};
use mqttspec::sut::{Address, Fixed};
use mqttspec::{Suite, Target};

/// Of a hundred cases that are played, fewer than this may pass against a stub.
const PERCENT: usize = 2;

#[test]
fn few_cases_pass_against_the_mute_peer() {
    check(Kind::Mute, "tests/long/vacuity/mute.txt", true);
}

#[test]
fn few_cases_pass_against_the_polite_peer() {
    check(Kind::Polite, "tests/long/vacuity/polite.txt", true);
}

#[test]
fn the_cases_that_pass_against_the_yes_man_are_known() {
    check(Kind::YesMan, "tests/long/vacuity/yes-man.txt", false);
}

#[test]
fn few_cases_pass_against_the_closing_peer() {
    check(Kind::Closing, "tests/long/vacuity/closing.txt", true);
}

fn check(kind: Kind, list: &str, few: bool) {
    let (passed, played) = passing(kind);
    let (unlisted, stale) = lists::compare(list, &passed);
    assert!(
        unlisted.is_empty() && stale.is_empty(),
        "against {kind:?} {} of {played} cases pass\nnot in {list}:\n  {}\nin {list}, but not passing:\n  {}",
        passed.len(),
        unlisted.join("\n  "),
        stale.join("\n  "),
    );
    assert!(
        !few || passed.len() * 100 < played * PERCENT,
        "against {kind:?} {} of {played} cases pass: {PERCENT} % is the limit",
        passed.len()
    );
}

/// The stubs as brokers with every capability, so that no requirement of a case causes a skip.
fn setups(address: &Address) -> Vec<Setup> {
    let equipped = mqttspec::harness::reference().setups.into_iter();
    let of_the_peer = |setup: Setup| Setup {
        launcher: Arc::new(Fixed::new(address, &Version::ALL)),
        supports: setup.supports.without(&["restart", "persistence", "durable"]),
        ..setup
    };
    equipped.map(of_the_peer).collect()
}

/// The cases that pass against a peer, and how many were played.
fn passing(kind: Kind) -> (Vec<String>, usize) {
    let peer = Peer::start(kind);
    let address = Address::new(peer.address().ip().to_string(), peer.address().port());
    let target = Target::at(&address)
        .versions(Version::ALL)
        .exclusive()
        .setups(setups(&address));
    let result = Suite::embedded()
        .response_timeout(Duration::from_millis(300))
        // A stub lets no client in, and fails again however often it is asked.
        .asks_first(false)
        .second_look(None)
        .run(target)
        .expect("an address starts nothing");
    let played = result.cases.iter().filter(|c| c.verdict != Verdict::Skip).count();
    let passed = result.cases.iter().filter(|c| c.verdict == Verdict::Pass);
    (passed.map(|c| c.id.clone()).collect(), played)
}
