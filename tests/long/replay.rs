//! The matcher alone, over every exchange that was played, gives the same result as it did live: it takes the same packets,
//! and fails with the same text.

use std::cmp::Reverse;
use std::sync::Arc;

use mqttspec::harness::reference_that;
use mqttspec::play::{Failure, PlayEnd, Player, Settings, replay};
use mqttspec::reference::Disobey;
use mqttspec::scenario::{Case, Files, Which};
use mqttspec::statements::Version;
use mqttspec::suite::{CaseResult, Session, Verdict};
use mqttspec::transcript::Transcript;
use tokio::task::JoinSet;

/// One in this many cases may be void because the machine was too slow: there is no verdict to compare with.
const VOID: usize = 100;

#[test]
fn the_matcher_replays_to_the_same_result() {
    let scenarios = Files::embedded()
        .load_all()
        .expect("the embedded scenarios are well-formed");
    let mut cases: Vec<&Case> = scenarios.iter().flat_map(|s| &s.cases).collect();
    cases.sort_by_key(|case| Reverse(case.script.declared_waits()));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        // One broker without faults, and two that make the matcher fail.
        for disobeyed in [None, Some("v3.1.1:MQTT-4.3.3-2"), Some("v3.1.1:MQTT-3.8.4-1")] {
            let disobey = disobeyed
                .map(|token| Disobey::parse(token).expect("the token is known"))
                .unwrap_or_default();
            // At the other versions it has no fault, as the first one.
            let broken = |case: &Case| disobeyed.is_none() || case.version == Version::V3_1_1;
            let target = reference_that(disobey);
            let player = Player::new(Settings::default(), 1);
            let session = Arc::new(Session::new(&target, &player, false, None));
            let mut tasks = JoinSet::new();
            for case in cases.iter().filter(|case| broken(case)) {
                let case = Case::clone(case);
                let session = Arc::clone(&session);
                tasks.spawn(async move {
                    let result = session.case(&case).await;
                    let settings = session.settings_for(&case);
                    if result.verdict != Verdict::Error {
                        play_again(&case, &result, &settings);
                    }
                    result
                });
            }
            let mut counted = Counted::default();
            while let Some(done) = tasks.join_next().await {
                counted.add(&done.expect("the replay gives the same result"));
            }
            session.end().await;
            assert!(counted.void.len() * VOID <= counted.played, "{:?}", counted.void);
            assert!(counted.controls > 0 && counted.waiting > 0, "{counted:?}");
            assert_eq!(counted.failed > 0, disobeyed.is_some(), "{counted:?}");
        }
    });
}

#[derive(Debug, Default)]
struct Counted {
    played: usize,
    controls: usize,
    waiting: usize,
    failed: usize,
    void: Vec<String>,
}

impl Counted {
    fn add(&mut self, result: &CaseResult) {
        self.played += usize::from(result.transcript.is_some());
        self.controls += usize::from(result.control.is_some());
        self.failed += usize::from(result.failure.is_some());
        let waits = |t: &Arc<Transcript>| t.events.last().is_some_and(|e| e.at.as_secs() > 0);
        self.waiting += usize::from(result.transcript.as_ref().is_some_and(waits));
        if result.verdict == Verdict::Error {
            self.void.push(format!(
                "{}: {}",
                result.id,
                result.reason.as_deref().unwrap_or_default()
            ));
        }
    }
}

/// Replays both exchanges, and compares everything that the matcher decided.
fn play_again(case: &Case, result: &CaseResult, settings: &Settings) {
    // A case that is repeated because the machine was too slow is played with twice the response timeout.
    let settings = Arc::new(Settings {
        patience: settings.patience * 2_u32.pow(result.plays.saturating_sub(1)),
        ..settings.clone()
    });
    // The end of each exchange. If the control was not met, the end of the case is that of the control.
    let failed = |failure: &Option<Failure>| failure.clone().map_or(PlayEnd::Met, PlayEnd::Failed);
    let skipped = (result.verdict == Verdict::Skip).then(|| result.reason.clone().unwrap_or_default());
    let in_control = result.failure.as_ref().is_some_and(|failure| failure.control);
    let (of_case, of_control) = match skipped {
        Some(reason) if result.control.is_some() => (failed(&result.missed), PlayEnd::Skipped(reason)),
        Some(reason) => (PlayEnd::Skipped(reason), PlayEnd::Met),
        None if in_control => (failed(&result.missed), failed(&result.failure)),
        None => (failed(&result.failure), PlayEnd::Met),
    };
    let exchanges = [
        (Which::Case, &result.transcript, of_case),
        (Which::Control, &result.control, of_control),
    ];
    for (which, transcript, expected) in exchanges {
        let Some(transcript) = transcript else { continue };
        let (again, end, _) = replay(case, which, transcript, &settings);
        let id = format!("{} ({which:?})", case.id);
        assert_eq!(format!("{end:?}"), format!("{expected:?}"), "{id}");
        let takers = |t: &Transcript| t.events.iter().map(|e| e.step.clone()).collect::<Vec<_>>();
        assert_eq!(takers(&again), takers(transcript), "{id}");
        assert_eq!(again.bindings, transcript.bindings, "{id}");
        assert_eq!(again.local, transcript.local, "{id}");
    }
}
