//! `c -> reconnect`: it is played as an open, a CONNECT and a CONNACK.

use super::*;

const STEPS: &str = "  - c -> reset\n  - c -> reconnect: { resumed: true }\n";

#[test]
fn it_sends_the_clients_own_connect_on_a_new_connection() {
    let mut rig = Rig::new(V::V3_1_1, "c: { session: kept }", STEPS);
    assert_eq!(rig.sent_by("c", Author::Script), ["CONNECT"]);
    let sessions = rig.sent.iter().filter_map(|(_, _, packet)| match packet {
        Packet::Connect(connect) => Some((connect.clean_start, connect.client_id.clone())),
        _ => None,
    });
    let sessions: Vec<_> = sessions.collect();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0], sessions[1]);
    assert!(!sessions[0].0);
    rig.says(
        "c",
        Packet::ConnAck(ConnAck {
            session_present: true,
            ..ConnAck::default()
        }),
    );
    rig.met();
}

#[test]
fn a_session_that_is_gone_fails_at_the_reconnect() {
    let mut rig = Rig::new(V::V3_1_1, "c: { session: kept }", STEPS);
    rig.says("c", connack(0));
    let failure = rig.fails("session_present");
    let text = format!("{:?}", failure.place);
    assert!(failure.place.is_some_and(|place| place.line == 8), "{text}");
    assert_eq!(failure.awaited[0].what, "c <- CONNACK: { session_present: true }");
}

#[test]
fn v3_1_has_no_flag_to_compare() {
    let mut rig = Rig::new(V::V3_1, "c: { session: kept }", STEPS);
    rig.says("c", connack(0));
    rig.met();
}
