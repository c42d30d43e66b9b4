//! The matcher alone, over the transcript of a case that was played, comes to the same end as it did live.

use std::sync::Arc;

use mqttspec::cli::reference_that;
use mqttspec::play::{PlayEnd, Player, Settings, replay};
use mqttspec::reference::Disobey;
use mqttspec::scenario::{Case, Files, Which, declared_waits};
use mqttspec::statements::Version;
use mqttspec::suite::{Session, Verdict};
use mqttspec::transcript::{Event, What};
use tokio::task::JoinSet;

#[test]
fn the_matcher_says_the_same_over_the_recorded_transcript() {
    let scenarios = Files::embedded()
        .load_all()
        .expect("the embedded scenarios are well-formed");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        // One broker that obeys, and one that gives the matcher something to fail on.
        for disobeyed in [None, Some("v3.1.1:MQTT-4.3.3-2"), Some("v3.1.1:MQTT-3.8.4-1")] {
            let disobey = disobeyed
                .map(|token| Disobey::parse(token).expect("the token is known"))
                .unwrap_or_default();
            let target = reference_that(disobey);
            let player = Player::new(Settings::default(), 1);
            let session = Arc::new(Session::new(&target, &player, false, None));
            let mut tasks = JoinSet::new();
            // What waits costs time and shows nothing more.
            let quick = |case: &&Case| declared_waits(&case.script.steps).is_zero();
            // At the other versions it obeys as the first one does.
            let broken = |case: &&Case| disobeyed.is_none() || case.version == Version::V3_1_1;
            for case in scenarios
                .iter()
                .flat_map(|s| &s.cases)
                .filter(quick)
                .filter(broken)
                .cloned()
            {
                let (session, settings) = (Arc::clone(&session), session.settings_for(&case));
                tasks.spawn(async move {
                    let result = session.case(&case).await;
                    let Some(transcript) = &result.transcript else { return };
                    // A machine that was too slow has voided the experiment: there was no verdict to compare with.
                    if result.verdict == Verdict::Error {
                        return;
                    }
                    // Whoever plays a void experiment again waits twice as long, and its messages say so.
                    let mut patience = settings.patience * 2_u32.pow(result.plays - 1);
                    // While a packet comes in, the matcher's patience starts anew with each part of it, and a transcript
                    // does not tell the parts. On a slow machine a long packet takes longer than the patience, up to the
                    // case's deadline; where nothing was missed, no message says how long was waited.
                    if result.failure.is_none() && transcript.events.iter().any(may_come_in_parts) {
                        patience = patience.max(case.header.timeout);
                    }
                    let settings = Arc::new(Settings {
                        patience,
                        ..Settings::clone(&settings)
                    });
                    let (_, end, _) = replay(&case, Which::Case, transcript, &settings);
                    let live = result.failure.as_ref().filter(|f| !f.control).map(ToString::to_string);
                    let again = match &end {
                        PlayEnd::Failed(failure) => Some(failure.to_string()),
                        _ => None,
                    };
                    assert_eq!(again, live, "{}", case.id);
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.expect("the replay comes to the same end");
            }
            session.end().await;
        }
    });
}

/// Whether the packet is longer than a read of the harness may be.
fn may_come_in_parts(event: &Event) -> bool {
    matches!(&event.what, What::Packet { raw, .. } if event.from_broker() && raw.len() > 64 * 1024)
}
