//! `nothing`: what its fence sends, and to whom it keeps away.

use super::*;

const CLIENTS: &str = "c: { subscribe: { $ns/a: 1 } }, d: {}";
const SILENT: &str = "  - d -> PUBLISH: { topic: $ns/a, payload: x }
  - c <- PUBLISH: { topic: $ns/a, payload: x }
  - c <- nothing
";

fn v3(clients: &str, steps: &str) -> Rig {
    Rig::new(V::V3_1_1, clients, steps)
}

#[test]
fn each_publisher_sends_a_fence_message_on_the_same_topic_and_qos() {
    let mut rig = v3(CLIENTS, SILENT);
    rig.says("c", delivery("a", "x", 0, 0));
    let messages = rig.fence_messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (messages[0].topic.clone(), messages[0].qos),
        (format!("{NS}/a").into(), 0)
    );
    let pings = rig.sent_by("c", Author::Fence).len();
    // Only when it has arrived do PINGREQs go out on the other, and then on the client itself.
    assert_eq!(pings, 0);
    rig.says("c", Packet::Publish(messages[0].clone()));
    assert!(!rig.sent_by("d", Author::Fence).is_empty());
    rig.met();
}

#[test]
fn what_comes_before_the_fence_message_is_a_failure() {
    let mut rig = v3(CLIENTS, SILENT);
    rig.says("c", delivery("a", "x", 0, 0));
    rig.says("c", delivery("a", "x", 0, 0));
    rig.fails("PUBLISH came");
}

#[test]
fn a_fence_message_that_is_lost_gives_way_to_pingreqs() {
    let mut rig = v3(CLIENTS, SILENT);
    rig.says("c", delivery("a", "x", 0, 0));
    rig.after(2_000);
    assert!(rig.sent_by("d", Author::Fence).contains(&"PINGREQ".to_owned()));
    rig.met();
}

#[test]
fn a_fence_that_gets_no_pingresp_fails() {
    let mut rig = Rig::v3("  - c <- PINGRESP\n  - c <- nothing\n");
    rig.pongs = false;
    rig.says("c", Packet::PingResp);
    let failure = rig.fails("c got no PINGRESP within 2 s");
    assert_eq!(failure.stage, Stage::Fence);
}

#[test]
fn a_repeat_shows_that_the_broker_is_still_answering() {
    let steps = "  - c <- PUBLISH: { qos: 1, packet_id: 3 }\n  - c -> PUBACK: { packet_id: 3 }\n  - c <- nothing\n";
    let mut rig = Rig::v3(steps);
    rig.pongs = false;
    rig.says("c", delivery("a", "x", 1, 3));
    rig.after(1_500);
    rig.says("c", again(delivery("a", "x", 1, 3)));
    rig.after(1_500);
    rig.pongs = true;
    rig.says("c", Packet::PingResp);
    rig.met();
}

#[test]
fn no_fence_message_goes_to_a_client_with_limits() {
    for limit in [
        "receive_maximum: 1",
        "maximum_packet_size: 100",
        "topic_alias_maximum: 3",
    ] {
        let clients = format!("c: {{ connect: {{ {limit} }}, subscribe: {{ $ns/a: 1 }} }}, d: {{}}");
        let mut rig = Rig::new(V::V5, &clients, SILENT);
        rig.says("c", delivery("a", "x", 0, 0));
        assert!(rig.fence_messages().is_empty(), "{limit}");
        rig.met();
    }
}

#[test]
fn no_fence_message_goes_where_acknowledgements_are_held_back() {
    let steps = SILENT.replacen(
        "payload: x }\n",
        "payload: x, qos: 1 }\n  - d <- PUBACK: { packet_id: 1 }\n",
        1,
    );
    let mut rig = v3(
        CLIENTS,
        &steps.replace("c <- PUBLISH: { topic: $ns/a,", "c <- PUBLISH: { topic: $ns/a, qos: 1,"),
    );
    rig.says("d", puback(1));
    rig.says("c", delivery("a", "x", 1, 1));
    assert!(rig.fence_messages().is_empty());
    rig.met();
}

#[test]
fn no_fence_message_is_queued_for_a_client_that_is_away() {
    let clients = "c: { subscribe: { $ns/a: 1 } }, d: {}, away: { subscribe: { $ns/a: 1 } }";
    let mut rig = v3(clients, &format!("  - away -> reset\n{SILENT}"));
    rig.says("c", delivery("a", "x", 0, 0));
    assert!(rig.fence_messages().is_empty());
    rig.met();
}

#[test]
fn a_fence_message_that_comes_to_another_client_is_absorbed_and_acknowledged() {
    let clients = "c: { subscribe: { $ns/a: 1 } }, d: {}";
    let mut rig = v3(clients, "  - c <- PINGRESP\n");
    rig.says("c", delivery("a", &format!("{NS}~fence~1"), 1, 4));
    assert_eq!(rig.sent_by("c", Author::Fence), ["PUBACK"]);
    rig.says("c", Packet::PingResp);
    rig.met();
}

#[test]
fn identifiers_of_fence_messages_are_not_those_in_use() {
    let steps = "  - d -> PUBLISH: { topic: $ns/a, payload: x, qos: 1, packet_id: 5 }
  - d <- PUBACK: { packet_id: 5 }
  - d -> SUBSCRIBE: { packet_id: 65023, filters: [{ filter: $ns/z, qos: 0 }] }
  - c <- PUBLISH: { topic: $ns/a, payload: x }
  - c <- nothing
  - d <- SUBACK: { packet_id: 65023 }
";
    let mut rig = v3(CLIENTS, steps);
    rig.says("d", puback(5));
    rig.says("c", delivery("a", "x", 0, 0));
    let messages = rig.fence_messages();
    assert_eq!(messages.len(), 1);
    let id = messages[0].packet_id.expect("QoS 1 has one");
    assert_ne!(id, 65_023);
    rig.says("d", puback(id));
    rig.says("c", delivery("a", &format!("{NS}~fence~1"), 0, 0));
    rig.says(
        "d",
        Packet::SubAck(SubAck {
            packet_id: 65_023,
            reason_codes: vec![0],
            ..SubAck::default()
        }),
    );
    rig.met();
}

/// Whether the client is pinged in the fence of another, and at the end, after these steps of it.
fn is_pinged(rig: &Rig) -> bool {
    rig.sent_by("c", Author::Fence).contains(&"PINGREQ".to_owned())
}

#[test]
fn no_pingreq_before_the_connack_nor_after_our_disconnect_nor_while_not_reading_nor_with_half_a_packet() {
    for (clients, steps) in [
        (
            "c: { connect: false }, d: {}",
            "  - c -> CONNECT: {}\n  - c <- nothing: 1s\n",
        ),
        ("c: {}, d: {}", "  - c -> DISCONNECT\n  - c <- nothing: 1s\n"),
        ("c: {}, d: {}", "  - c -> stop reading\n  - d <- nothing\n"),
        ("c: {}, d: {}", "  - c -> bytes: 'c0'\n  - d <- nothing\n"),
        ("c: {}, d: {}", "  - c -> half close\n  - d <- nothing\n"),
    ] {
        let mut rig = v3(clients, steps);
        rig.run_out();
        assert!(!is_pinged(&rig), "{steps}");
        rig.met();
    }
    let mut rig = v3("c: {}, d: {}", "  - c <- nothing\n");
    rig.run_out();
    assert!(is_pinged(&rig));
}

#[test]
fn no_pingreq_in_the_middle_of_auth_nor_after_the_brokers_disconnect() {
    let mut rig = Rig::v5("  - c -> AUTH: { reason_code: 0x19 }\n  - d <- nothing\n");
    rig.run_out();
    assert!(!is_pinged(&rig));
    let mut rig = Rig::v5("  - c <- DISCONNECT: { reason_code: 0x8e }\n  - d <- nothing\n  - c <- closed\n");
    rig.says("c", goodbye(0x8e));
    assert!(!is_pinged(&rig));
    rig.closes("c");
    rig.met();
}

#[test]
fn silence_of_so_long_is_quiet_for_that_time_and_then_the_fence() {
    let mut rig = v3(CLIENTS, "  - c <- nothing: 3s\n");
    rig.after(2_999);
    assert!(!is_pinged(&rig));
    rig.after(1);
    assert!(is_pinged(&rig));
    rig.met();
    let mut rig = v3(CLIENTS, "  - c <- nothing: 3s\n");
    rig.after(2_000);
    rig.says("c", delivery("a", "x", 0, 0));
    assert!(rig.is_over());
}

#[test]
fn silence_holds_on_a_connection_that_was_taken_as_closed_and_not_on_one_that_was_not() {
    let mut rig = Rig::v3("  - c <- closed\n  - c <- nothing\n");
    rig.closes("c");
    rig.met();
    let mut rig = Rig::v3("  - d <- PINGRESP\n  - c <- nothing\n");
    rig.closes("c");
    rig.says("d", Packet::PingResp);
    rig.fails("the broker closed the connection");
}

/// The clients that the farewell has asked so far, in that order.
fn asked(rig: &Rig) -> Vec<&str> {
    let asked = rig.sent.iter().filter(|(_, author, _)| *author == Author::Fence);
    asked.map(|(client, _, _)| client.as_str()).collect()
}

#[test]
fn at_the_end_who_may_be_sent_something_is_asked_after_who_sent_something() {
    let mut rig = Rig::idle(
        V::V3_1_1,
        CLIENTS,
        "  - d -> PUBLISH: { topic: $ns/x }\n",
        Settings::default(),
    );
    rig.pongs = false;
    rig.run();
    assert_eq!(asked(&rig), ["d"]);
    rig.says("d", Packet::PingResp);
    assert_eq!(asked(&rig), ["d", "c"]);
    rig.says("c", delivery("x", "", 0, 0));
    rig.says("c", Packet::PingResp);
    rig.fails("c got PUBLISH, and no step takes it");
}

#[test]
fn at_the_end_who_sent_something_and_may_be_sent_something_is_asked_twice() {
    let publishes = "  - c -> PUBLISH: { topic: $ns/x }\n  - c <- PUBLISH\n";
    let mut rig = Rig::new(V::V3_1_1, CLIENTS, publishes);
    rig.says("c", delivery("x", "", 0, 0));
    assert_eq!(asked(&rig), ["c", "d", "c"]);
    rig.met();
    // What is acknowledged may bring the next message; what is answered has brought all that it brings.
    let mut rig = Rig::new(
        V::V3_1_1,
        CLIENTS,
        "  - c <- PUBLISH: { qos: 1, packet_id: 1 }\n  - c -> PUBACK\n",
    );
    rig.says("c", delivery("x", "", 1, 1));
    assert_eq!(asked(&rig), ["c", "d", "c"]);
    rig.met();
    let answered = "  - c -> PINGREQ\n  - c <- PINGRESP\n";
    let mut rig = Rig::new(
        V::V3_1_1,
        CLIENTS,
        &format!("{answered}  - d -> PINGREQ\n  - d <- PINGRESP\n"),
    );
    rig.says("c", Packet::PingResp);
    rig.says("d", Packet::PingResp);
    assert_eq!(asked(&rig), ["d", "c"]);
    rig.met();
    // Every client, if there is no other to fence first,
    let rig = Rig::new(V::V3_1_1, CLIENTS, "  - d -> reset\n");
    assert_eq!(asked(&rig), ["c", "c"]);
    rig.met();
    // and who spoke last: what a resumed session holds may come behind the answer to what follows the CONNACK.
    let mut rig = Rig::new(V::V3_1_1, CLIENTS, answered);
    rig.says("c", Packet::PingResp);
    assert_eq!(asked(&rig), ["c", "d", "c"]);
    rig.met();
}

#[test]
fn the_patience_counts_from_when_the_question_was_written() {
    let received = encode_bytes(&Packet::PingResp, V::V3_1_1);
    for steps in ["  - c <- PINGRESP\n  - c <- nothing\n", "  - c <- PINGRESP\n"] {
        let mut rig = Rig::v3(steps);
        rig.pongs = false;
        rig.hear("c", &received);
        // It takes so long to look at what was received.
        rig.now += Duration::from_secs(5);
        rig.run();
        assert_eq!(rig.wait, Some(rig.now + Duration::from_secs(2)), "{steps}");
        rig.fails("c got no PINGRESP within 2 s");
    }
}
