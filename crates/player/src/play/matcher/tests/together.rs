//! Several clients in one exchange: writes at once, and clients of different versions.

use super::*;

#[test]
fn writes_at_once_go_out_in_their_order_without_a_settle_between_them() {
    let settings = Settings {
        settle: Duration::from_millis(50),
        ..Settings::default()
    };
    let steps = "  - at once: [d -> PINGREQ, c -> PINGREQ]\n  - in any order: [c <- PINGRESP, d <- PINGRESP]\n";
    let mut rig = Rig::idle(V::V5, "c: {}, d: {}", steps, settings);
    rig.run();
    let pings = |rig: &Rig| {
        let all = rig.sent.iter().filter(|(_, author, _)| *author == Author::Script);
        all.map(|(client, _, _)| client.clone()).collect::<Vec<_>>()
    };
    while pings(&rig).is_empty() && !rig.is_over() {
        rig.after(10);
    }
    assert_eq!(pings(&rig), ["d", "c"]);
    rig.says("c", Packet::PingResp).says("d", Packet::PingResp);
    rig.met();
}

#[test]
fn clients_that_say_goodbye_at_once_close_behind_the_last_write() {
    let mut rig = Rig::new(
        V::V5,
        "c: {}, d: {}",
        "  - at once: [c -> DISCONNECT, d -> DISCONNECT]\n",
    );
    let ends: Vec<&str> = rig.ends.iter().map(|(client, _)| client.as_str()).collect();
    assert_eq!(ends, ["c", "d"]);
    assert!(!rig.is_over());
    rig.closes("c");
    assert!(!rig.is_over());
    rig.closes("d");
    rig.met();
}

#[test]
fn a_client_speaks_the_version_that_it_names() {
    let mut rig = Rig::new(
        V::V5,
        "c: { version: v3.1.1, subscribe: { $ns/a: 1 } }, d: {}",
        "  - c <- PUBLISH: { topic: $ns/a, payload: x }\n  - c <- closed\n",
    );
    let levels: Vec<u8> = rig
        .sent
        .iter()
        .filter_map(|(_, _, packet)| match packet {
            Packet::Connect(connect) => Some(connect.protocol_level),
            _ => None,
        })
        .collect();
    assert_eq!(levels, [4, 5]);
    rig.says("c", delivery("a", "x", 0, 0)).closes("c");
    rig.met();
}
