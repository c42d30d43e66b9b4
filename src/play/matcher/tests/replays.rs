//! The matcher over its own transcript.

use super::*;
use crate::play::replay;

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
