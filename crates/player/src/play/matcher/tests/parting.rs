//! What is said after the end, and how long is listened.

use super::*;

/// Its script is met at once, and it parts.
fn parted(clients: &str, steps: &str) -> Rig {
    let mut rig = Rig::idle(V::V3_1_1, clients, steps, Settings::default());
    rig.parts = true;
    rig.run();
    rig
}

#[test]
fn every_client_that_is_connected_says_goodbye_in_the_order_of_names() {
    let rig = parted("d: {}, c: {}, t: { connect: false }", "  - note: nothing\n");
    assert_eq!(rig.sent_by("c", Author::Cleanup), ["DISCONNECT"]);
    assert_eq!(rig.sent_by("d", Author::Cleanup), ["DISCONNECT"]);
    assert!(
        rig.sent_by("t", Author::Cleanup).is_empty(),
        "no CONNECT, no DISCONNECT"
    );
    let ends: Vec<&str> = rig.ends.iter().map(|(client, _)| client.as_str()).collect();
    assert_eq!(ends, ["c", "d", "t"]);
}

#[test]
fn who_has_said_goodbye_or_half_a_packet_says_it_no_more() {
    for step in ["c -> DISCONNECT", "c -> bytes: c0"] {
        let rig = parted("c: {}", &format!("  - {step}\n  - c -> half close\n"));
        assert!(rig.sent_by("c", Author::Cleanup).is_empty(), "{step}");
    }
    let rig = parted("c: {}", "  - c -> bytes: c0\n");
    assert!(rig.sent_by("c", Author::Cleanup).is_empty());
    assert_eq!(rig.ends, [("c".to_owned(), End::Fin)]);
}

#[test]
fn the_brokers_ends_are_awaited_for_a_moment() {
    let mut rig = parted("c: {}, d: {}", "  - note: nothing\n");
    assert!(!rig.is_over());
    rig.after(100).closes("c");
    assert!(!rig.is_over());
    rig.closes("d");
    assert!(rig.is_over());
    let mut rig = parted("c: {}", "  - note: nothing\n");
    rig.after(249);
    assert!(!rig.is_over());
    rig.after(1);
    assert!(rig.is_over());
    rig.met();
}
