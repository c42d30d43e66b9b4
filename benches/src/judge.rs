//! Transcripts → the findings of the rules, and the verdict of the matcher. The transcripts are those of every case without
//! waits, played on the embedded broker.

use std::sync::{Arc, LazyLock};

use divan::{Bencher, black_box};
use mqttspec::harness::reference_that;
use mqttspec::play::{PlayEnd, Player, Settings, replay};
use mqttspec::rules::check;
use mqttspec::scenario::{Case, Files, Which, declared_waits};
use mqttspec::suite::Session;
use mqttspec::transcript::Transcript;

struct Played {
    case: Case,
    transcript: Arc<Transcript>,
    settings: Arc<Settings>,
}

static PLAYED: LazyLock<Vec<Played>> = LazyLock::new(|| {
    let scenarios = Files::embedded()
        .load_all()
        .expect("the embedded scenarios are well-formed");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let target = reference_that(Default::default());
        let player = Player::new(Settings::default(), 1);
        let session = Session::new(&target, &player, false, None);
        let mut played = Vec::new();
        let quick = |case: &&Case| declared_waits(&case.script.steps).is_zero();
        for case in scenarios.iter().flat_map(|s| &s.cases).filter(quick) {
            let settings = session.settings_for(case);
            let Some(transcript) = session.case(case).await.transcript else {
                continue;
            };
            // A long packet costs as much as its hash, which `frames` measures.
            if transcript.events.len() < 2000 {
                played.push(Played {
                    case: case.clone(),
                    transcript,
                    settings,
                });
            }
        }
        session.end().await;
        played
    })
});

/// All rules over all transcripts.
#[divan::bench]
fn rules_over_every_case(bencher: Bencher) {
    let events: usize = PLAYED.iter().map(|p| p.transcript.events.len()).sum();
    bencher
        .counter(divan::counter::ItemsCount::new(events))
        .bench_local(|| {
            for played in PLAYED.iter() {
                black_box(check(&played.transcript));
            }
        });
}

/// The matcher over all transcripts, sending the same packets as in the recorded play.
#[divan::bench]
fn matching_every_case(bencher: Bencher) {
    let events: usize = PLAYED.iter().map(|p| p.transcript.events.len()).sum();
    bencher
        .counter(divan::counter::ItemsCount::new(events))
        .bench_local(|| {
            for played in PLAYED.iter() {
                let (_, end, _) = replay(&played.case, Which::Case, &played.transcript, &played.settings);
                assert!(!matches!(end, PlayEnd::Failed(_)), "{}", played.case.id);
            }
        });
}
