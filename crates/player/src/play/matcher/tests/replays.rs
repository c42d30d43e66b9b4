//! The matcher over its own transcript.

use super::*;
use crate::play::replay;
use crate::transcript::Stop;

const CLIENTS: &str = "c: { subscribe: { $ns/a: 1 } }, d: {}";
const STEPS: &str = "  - d -> PUBLISH: { topic: $ns/a, payload: x, qos: 1 }
  - d <- PUBACK: { packet_id: 1 }
  - c <- PUBLISH: { topic: $ns/a, payload: x, packet_id: $m, qos: 1 }
  - c -> PUBACK: { packet_id: $m }
  - d -> reset
  - c -> DISCONNECT
";

fn played(payload: &str) -> (Transcript, PlayEnd) {
    let mut rig = Rig::new(V::V5, CLIENTS, STEPS);
    rig.after(3).says("d", puback(1));
    rig.after(3).says("c", delivery("a", payload, 1, 9));
    if !rig.is_over() {
        rig.after(2).closes("c");
    }
    rig.run_out();
    let (transcript, end, _) = rig.matcher.finish();
    (transcript, end)
}

fn takers(transcript: &Transcript) -> Vec<Option<StepId>> {
    transcript.events.iter().map(|e| e.step.clone()).collect()
}

#[test]
fn a_replay_comes_to_the_same_end_and_takes_the_same_packets() {
    let case = case(V::V5, CLIENTS, STEPS);
    for (payload, met) in [("x", true), ("y", false)] {
        let (transcript, end) = played(payload);
        let (again, end_again, _) = replay(&case, Which::Case, &transcript, &Arc::new(Settings::default()));
        assert_eq!(matches!(end, PlayEnd::Met), met, "{end:?}");
        assert_eq!(format!("{end:?}"), format!("{end_again:?}"));
        assert_eq!(takers(&transcript), takers(&again));
        assert_eq!(transcript.bindings, again.bindings);
    }
}

#[test]
fn a_write_after_our_reset_is_recorded_neither_time() {
    let steps = "  - c -> reset\n  - c -> PINGREQ\n  - d -> PINGREQ\n  - d <- PINGRESP\n";
    let mut rig = Rig::v3(steps);
    rig.after(1).says("d", Packet::PingResp);
    rig.run_out();
    let (transcript, end, _) = rig.matcher.finish();
    assert!(matches!(end, PlayEnd::Met), "{end:?}");
    let case = case(V::V3_1_1, "c: {}, d: {}", steps);
    let (again, end, _) = replay(&case, Which::Case, &transcript, &Arc::new(Settings::default()));
    assert!(matches!(end, PlayEnd::Met), "{end:?}");
    assert_eq!(again.events.len(), transcript.events.len());
}

/// The transcript is replayed to the same end, and says the same of what crossed no wire.
#[track_caller]
fn says_the_same(rig: Rig, steps: &str, met: bool) {
    let (transcript, end, _) = rig.matcher.finish();
    assert_eq!(matches!(end, PlayEnd::Met), met, "{end:?}");
    let case = case(V::V3_1_1, "c: {}, d: {}", steps);
    let (again, end_again, _) = replay(&case, Which::Case, &transcript, &Arc::new(Settings::default()));
    assert_eq!(format!("{end:?}"), format!("{end_again:?}"));
    assert_eq!(transcript.local, again.local);
}

#[test]
fn a_packet_that_came_in_parts_is_awaited_as_long_again() {
    let steps = "  - c <- PINGRESP\n";
    let mut rig = Rig::v3(steps);
    for _ in 0..3 {
        rig.after(1_400).partial("c");
        (0..10).for_each(|_| rig.after(10).partial("c"));
    }
    rig.after(1_500).says("c", Packet::PingResp);
    rig.run_out();
    let parts = |t: &[Local]| t.iter().filter(|l| matches!(l.what, Happened::Partial { .. })).count();
    assert_eq!(parts(&rig.matcher.local), 6, "of many in a row two are kept");
    says_the_same(rig, steps, true);
}

#[test]
fn what_was_looked_at_too_late_is_looked_at_too_late_again() {
    let steps = "  - c <- PINGRESP: { within: 1s }\n";
    let mut rig = Rig::v3(steps);
    rig.after(1_000);
    // It had come in time, and the matcher had given up.
    rig.now -= Duration::from_millis(1);
    rig.says("c", Packet::PingResp);
    says_the_same(rig, steps, false);
}

#[test]
fn a_deadline_a_flood_and_a_broker_that_is_gone_end_a_replay_too() {
    let steps = "  - c <- PINGRESP\n";
    let happened: [fn(&mut Rig); 3] = [
        |rig| {
            // What never comes in whole restarts the response timeout until the deadline of the case.
            (0..20).for_each(|_| rig.after(1_900).partial("c"));
        },
        |rig| rig.happened(Happened::Flood),
        |rig| rig.happened(Happened::Stopped(Box::new(Stop::BrokerGone("exit code 1".to_owned())))),
    ];
    for what in happened {
        let mut rig = Rig::v3(steps);
        rig.after(5);
        what(&mut rig);
        says_the_same(rig, steps, false);
    }
}

#[test]
fn a_replay_keeps_the_side_that_was_scripted() {
    let case = case(V::V5, CLIENTS, STEPS);
    for side in [Side::Client, Side::Server] {
        let (mut transcript, _) = played("x");
        transcript.scripted = side;
        let (again, _, _) = replay(&case, Which::Case, &transcript, &Arc::new(Settings::default()));
        assert_eq!(again.scripted, side);
    }
}
