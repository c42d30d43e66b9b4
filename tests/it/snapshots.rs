//! The snapshot of a case is the same in two runs against the embedded broker.

use mqttspec::harness::reference_that;
use mqttspec::play::{Player, Settings};
use mqttspec::reference::Disobey;
use mqttspec::report::snapshot;
use mqttspec::scenario::Files;
use mqttspec::suite::Session;
use mqttspec::transcript::Usual;

#[test]
fn two_runs_give_the_same_snapshots() {
    let wanted = |path: &str| ["client-id/empty-assigned", "shared/once"].contains(&path);
    let scenarios = Files::embedded().load(wanted).expect("the scenarios are well-formed");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    let mut compared = 0;
    runtime.block_on(async {
        let target = reference_that(Disobey::default());
        let player = Player::new(Settings::default(), 1);
        let session = Session::new(&target, &player, false, None);
        for case in scenarios.into_iter().flat_map(|s| s.cases).map(std::sync::Arc::new) {
            // In the second run the broker assigns other identifiers, and the namespace differs.
            let (first, again) = (session.case(&case).await, session.case(&case).await);
            let text = |case| snapshot::text(case, &Usual::default());
            assert_eq!(text(&first), text(&again), "{}", case.id);
            compared += 1;
        }
        session.end().await;
    });
    assert!(compared >= 3, "{compared} cases were compared");
}
