//! `one of`.

use super::*;

const TWO: &str = "  - one of:
      - - c <- PUBLISH: { payload: m1, topic: $t }
        - c -> PINGREQ
        - c <- maybe PINGRESP
      - - d <- PUBLISH: { payload: m1, topic: $t }
        - d <- PUBLISH: { topic: $t, payload: m2 }
";

#[test]
fn the_alternative_whose_first_expectation_is_met_is_gone_through() {
    let mut rig = Rig::v3(TWO);
    rig.says("c", delivery("a", "m1", 0, 0));
    assert_eq!(rig.sent_by("c", Author::Script), ["PINGREQ"]);
    rig.says("d", delivery("b", "m1", 0, 0));
    rig.fails("d got PUBLISH");
    let mut rig = Rig::v3(TWO);
    rig.says("d", delivery("b", "m1", 0, 0));
    rig.says("d", delivery("b", "m2", 0, 0));
    assert!(rig.sent_by("c", Author::Script).is_empty());
    rig.met();
}

#[test]
fn none_of_them_is_a_failure_that_names_each() {
    let failure = Rig::v3(TWO).fails("none of 2 alternatives");
    assert_eq!(failure.awaited.len(), 2);
    assert!(failure.timed_out());
}

#[test]
fn bindings_of_a_branch_that_is_not_taken_are_undone() {
    let steps = "  - one of:
      - [c <- PUBLISH: { packet_id: $m, qos: 1, payload: m1 }]
      - [c <- PUBLISH: { qos: 1, payload: m2 }]
  - c <- PUBLISH: { packet_id: $m, qos: 1, payload: m3 }\n";
    let mut rig = Rig::v3(steps);
    rig.all("c", &[delivery("a", "m2", 1, 1), delivery("a", "m3", 1, 2)]);
    rig.met();
    let mut rig = Rig::v3(steps);
    rig.all("c", &[delivery("a", "m1", 1, 1), delivery("a", "m3", 1, 2)]);
    rig.fails("packet_id");
}

#[test]
fn an_alternative_may_begin_with_several_in_any_order() {
    let steps = "  - one of:
      - [c <- PUBLISH: { payload: alone }]
      - - in any order: [c <- PUBLISH: { payload: m1 }, c <- PUBLISH: { payload: m2 }]
        - c <- PUBLISH: { payload: m3 }\n";
    let mut rig = Rig::v3(steps);
    for payload in ["m2", "m1", "m3"] {
        rig.says("c", delivery("a", payload, 0, 0));
    }
    rig.met();
}

#[test]
fn silence_as_an_alternative_holds_only_on_a_connection_that_stays() {
    let steps = "  - one of:\n      - [c <- PUBLISH: { payload: m1 }]\n      - [c <- nothing]\n";
    Rig::v3(steps).met();
    let mut rig = Rig::v3(&format!("  - d <- PINGRESP\n{steps}"));
    rig.closes("c");
    rig.says("d", Packet::PingResp);
    rig.fails("the broker closed");
}
