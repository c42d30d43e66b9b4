//! "What a step takes".

use super::*;

#[test]
fn a_step_takes_the_oldest_packet_with_its_key_whatever_stands_before_it() {
    let mut rig = Rig::v3(
        "  - c -> PUBLISH: { qos: 1, packet_id: 7 }\n  - c <- PUBACK: { packet_id: 7 }\n  - c <- PUBLISH: { topic: $ns/a }\n",
    );
    rig.all("c", &[delivery("a", "x", 0, 0), puback(7)]);
    rig.met();
}

#[test]
fn an_acknowledgement_of_another_packet_is_left_over() {
    let mut rig = Rig::v3("  - c -> PUBLISH: { qos: 1, packet_id: 7 }\n  - c <- PUBACK: { packet_id: 7 }\n");
    rig.all("c", &[puback(8), puback(7)]);
    let failure = rig.fails("c got PUBACK, and no step takes it");
    assert_eq!(failure.stage, Stage::Account);
}

#[test]
fn the_oldest_with_the_key_must_have_the_fields() {
    let mut rig = Rig::v3("  - c <- PUBLISH: { topic: $ns/a, payload: two }\n");
    rig.all("c", &[delivery("a", "one", 0, 0), delivery("a", "two", 0, 0)]);
    let failure = rig.fails("payload");
    assert_eq!(failure.mismatches.len(), 1);
}

#[test]
fn next_takes_the_very_next_packet_only() {
    let steps = "  - c <- next PUBLISH: { topic: $ns/a }\n  - c <- PINGRESP\n";
    let mut rig = Rig::v3(steps);
    rig.all("c", &[delivery("a", "x", 0, 0), Packet::PingResp]);
    rig.met();
    let mut rig = Rig::v3(steps);
    rig.all("c", &[Packet::PingResp, delivery("a", "x", 0, 0)]);
    rig.fails("the next packet is PINGRESP");
}

#[test]
fn next_takes_a_repeat_that_needs_no_step_where_it_is_meant_and_else_passes_it_over() {
    let first = "  - c <- PUBLISH: { topic: $ns/a, packet_id: 3, qos: 1 }\n";
    let one = delivery("a", "x", 1, 3);
    let mut rig = Rig::v3(&format!("{first}  - c <- next PUBLISH: {{ dup: true, qos: 1 }}\n"));
    rig.all("c", &[one.clone(), again(one.clone())]);
    rig.met();
    let mut rig = Rig::v3(&format!("{first}  - c <- next PINGRESP\n"));
    rig.all("c", &[one.clone(), again(one), Packet::PingResp]);
    rig.met();
}

#[test]
fn an_unnamed_reason_code_means_success() {
    let steps = "  - c -> PUBLISH: { qos: 1, packet_id: 7 }\n  - c <- PUBACK: { packet_id: 7 }\n";
    let refused = Packet::PubAck(Ack {
        packet_id: 7,
        reason_code: 0x87,
        ..Ack::default()
    });
    let mut rig = Rig::v5(steps);
    rig.says("c", refused.clone());
    rig.fails("reason_code");
    let mut rig = Rig::v5(
        &steps
            .replace("packet_id: 7 }\n", "packet_id: 7, reason_code: any }\n")
            .replacen(", reason_code: any", "", 1),
    );
    rig.says("c", refused);
    rig.met();
}

#[test]
fn in_3_1_1_repeats_of_an_open_exchange_need_no_step_and_block_none() {
    let steps = "  - c <- PUBLISH: { topic: $ns/a, qos: 2, packet_id: $m }
  - c -> PUBREC: { packet_id: $m }
  - c <- PUBREL: { packet_id: $m }
  - c <- PUBLISH: { topic: $ns/a, qos: 1, payload: two }
  - c -> PUBCOMP: { packet_id: $m }
  - c <- nothing\n";
    let one = delivery("a", "one", 2, 3);
    let rel = Packet::PubRel(Ack::new(3));
    let packets = [one.clone(), again(one), rel.clone(), rel, delivery("a", "two", 1, 4)];
    let mut rig = Rig::v3(steps);
    rig.all("c", &packets);
    rig.met();
    let mut rig = Rig::v5(steps);
    rig.all("c", &packets);
    rig.fails("");
}

#[test]
fn the_first_copies_in_a_resumed_session_of_3_1_1_come_in_the_order_of_their_steps() {
    let take = |how: &str| {
        format!(
            "  - c <- PUBLISH: {{ qos: 1, packet_id: 1, payload: one{how} }}\n  - c <- PUBLISH: {{ qos: 1, packet_id: 2, payload: two{how} }}\n"
        )
    };
    let resume = "  - c -> reset\n  - c -> open\n  - c -> CONNECT: { clean_session: false }\n  - c <- CONNACK: { session_present: true }\n";
    let steps = [&take(""), resume, &take(", dup: true")].concat();
    let (one, two) = (delivery("a", "one", 1, 1), delivery("a", "two", 1, 2));
    let session = Packet::ConnAck(ConnAck {
        session_present: true,
        ..ConnAck::default()
    });
    let resumed = |copies: &[&Packet]| {
        let mut rig = Rig::v3(&steps);
        rig.all("c", &[one.clone(), two.clone()]);
        rig.says("c", session.clone());
        let copies: Vec<Packet> = copies.iter().map(|copy| again((*copy).clone())).collect();
        rig.all("c", &copies);
        rig
    };
    resumed(&[&one, &two]).met();
    resumed(&[&one, &one, &two]).met();
    resumed(&[&two, &one]).fails("payload");
}

#[test]
fn a_repeat_that_crosses_its_acknowledgement_needs_no_step() {
    let steps = "  - c <- PUBLISH: { qos: 1, packet_id: 3 }\n  - c -> PUBACK: { packet_id: 3 }\n  - c -> PINGREQ\n  - c <- PINGRESP\n";
    let mut rig = Rig::v3(steps);
    rig.says("c", delivery("a", "x", 1, 3));
    rig.says("c", again(delivery("a", "x", 1, 3)));
    rig.says("c", Packet::PingResp);
    rig.met();
}

#[test]
fn a_repeat_may_cross_by_the_version_of_its_client() {
    let steps = "  - c <- PUBLISH: { qos: 1, packet_id: 3 }\n  - c -> PUBACK: { packet_id: 3 }\n  - c -> PINGREQ\n  - c <- PINGRESP\n";
    let crossed = |clients: &str| {
        let mut rig = Rig::new(V::V5, clients, steps);
        rig.says("c", delivery("a", "x", 1, 3));
        rig.says("c", again(delivery("a", "x", 1, 3)));
        rig.says("c", Packet::PingResp);
        rig
    };
    crossed("c: { version: v3.1.1 }").met();
    crossed("c: {}").fails("c got PUBLISH, and no step takes it");
}

#[test]
fn an_acknowledgement_may_be_lost_with_its_connection_at_each_version() {
    let resumed = |version, middle: &str| {
        let steps = format!(
            "  - c <- PUBLISH: {{ qos: 1, packet_id: 3 }}\n  - c -> PUBACK: {{ packet_id: 3 }}\n{middle}  - c -> reset\n  - c -> reconnect: {{ resumed: true }}\n  - c <- nothing\n"
        );
        let mut rig = Rig::new(version, "c: { session: kept }", &steps);
        rig.says("c", delivery("a", "x", 1, 3));
        rig
    };
    let session = Packet::ConnAck(ConnAck {
        session_present: true,
        ..ConnAck::default()
    });
    for version in [V::V3_1_1, V::V5] {
        let mut rig = resumed(version, "");
        rig.all("c", &[session.clone(), again(delivery("a", "x", 1, 3))]);
        assert_eq!(rig.sent_by("c", Author::Auto), ["PUBACK"]);
        rig.met();
        // Another message with this identifier is new.
        let mut rig = resumed(version, "");
        rig.all("c", &[session.clone(), again(delivery("a", "y", 1, 3))]);
        rig.fails("PUBLISH came");
        // The PINGRESP shows that the broker has had the PUBACK.
        let mut rig = resumed(version, "  - c -> PINGREQ\n  - c <- PINGRESP\n");
        rig.says("c", Packet::PingResp);
        rig.all("c", &[session.clone(), again(delivery("a", "x", 1, 3))]);
        rig.fails("PUBLISH came");
    }
}

#[test]
fn a_new_message_may_have_the_identifier_of_one_whose_repeat_crossed() {
    // The second PUBCOMP answers the repeat, and is not the end of the message that came with it.
    let steps =
        "  - c <- PUBLISH: { qos: 2, payload: x }\n  - c <- PUBLISH: { qos: 2, payload: y }\n  - c <- PINGRESP\n";
    let mut rig = Rig::new(V::V3_1_1, "c: { acks: auto }", steps);
    rig.says("c", delivery("a", "x", 2, 5));
    rig.says("c", Packet::PubRel(Ack::new(5)));
    rig.all("c", &[Packet::PubRel(Ack::new(5)), delivery("a", "y", 2, 5)]);
    rig.all(
        "c",
        &[
            again(delivery("a", "y", 2, 5)),
            Packet::PubRel(Ack::new(5)),
            Packet::PingResp,
        ],
    );
    rig.met();
}

#[test]
fn what_comes_restarts_the_response_timeout() {
    let steps = "  - c <- maybe PUBACK: { packet_id: 7 }\n  - c <- maybe PUBACK: { packet_id: 8 }\n  - c <- closed\n";
    let mut rig = Rig::v3(steps);
    for id in [7, 8] {
        rig.after(1_500).says("c", puback(id));
    }
    rig.after(1_500).closes("c");
    rig.met();
    let mut rig = Rig::v3(steps);
    rig.after(1_500).says("c", puback(7));
    rig.after(2_100);
    assert!(rig.is_over());
    rig.fails("still open");
}

#[test]
fn a_repeat_of_an_exchange_that_is_over_needs_a_step() {
    // The PINGRESP shows that the broker has had the PUBACK.
    let steps = "  - c <- PUBLISH: { qos: 1, packet_id: 3 }\n  - c -> PUBACK: { packet_id: 3 }\n  - c -> PINGREQ\n  - c <- PINGRESP\n  - c -> PINGREQ\n  - c <- PINGRESP\n";
    let mut rig = Rig::v3(steps);
    rig.says("c", delivery("a", "x", 1, 3));
    rig.says("c", Packet::PingResp);
    rig.says("c", again(delivery("a", "x", 1, 3)));
    rig.says("c", Packet::PingResp);
    rig.fails("c got PUBLISH, and no step takes it");
}

#[test]
fn a_maybe_is_taken_if_it_is_there_and_is_not_waited_for() {
    let steps = "  - c <- maybe PUBLISH: { payload: m1 }\n  - c <- PUBLISH: { payload: m2 }\n";
    let mut rig = Rig::v3(steps);
    rig.all("c", &[delivery("a", "m1", 0, 0), delivery("a", "m2", 0, 0)]);
    rig.met();
    let mut rig = Rig::v3(steps);
    rig.says("c", delivery("a", "m2", 0, 0));
    rig.met();
    let mut rig = Rig::v3(steps);
    rig.all("c", &[delivery("a", "m3", 0, 0), delivery("a", "m2", 0, 0)]);
    rig.fails("payload");
}

#[test]
fn a_maybe_does_not_stand_in_the_way_of_bytes() {
    let mut rig = Rig::v3(
        "  - c <- maybe PUBLISH: { payload: m1 }\n  - c <- bytes: '30 ...  '\n"
            .replace("...  ", "03 00 01 \"t\"")
            .as_str(),
    );
    rig.all("c", &[delivery("a", "m1", 0, 0)]);
    rig.bytes("c", b"\x30\x03\x00\x01t");
    rig.met();
}

#[test]
fn a_maybe_in_a_repeat_means_the_variables_of_its_own_turn() {
    let steps = "  - repeat:
      times: 2
      steps:
      - c -> PUBLISH: { qos: 1, packet_id: $i }
      - c <- PUBACK: { packet_id: $m }
      - c <- maybe PUBLISH: { topic: $ns/a, qos: 1, packet_id: $m }
  - c <- nothing\n";
    // The delivery that belongs to the first turn comes in the second, where `$m` is 2 already.
    let mut rig = Rig::v3(steps);
    rig.says("c", puback(1));
    rig.all("c", &[puback(2), delivery("a", "x", 1, 1)]);
    rig.met();
    let mut rig = Rig::v3(steps);
    rig.says("c", puback(1));
    rig.all("c", &[puback(2), delivery("a", "x", 1, 9)]);
    rig.fails("PUBLISH came");
}

#[test]
fn in_any_order_finds_the_packets_in_whatever_order_they_come() {
    let steps = "  - c <- in any order:\n      - PUBLISH: { payload: any }\n      - PUBLISH: { payload: m2 }\n      - maybe PUBLISH: { payload: m9 }\n";
    for order in [["m1", "m2"], ["m2", "m1"]] {
        let mut rig = Rig::v3(steps);
        for payload in order {
            rig.says("c", delivery("a", payload, 0, 0));
        }
        rig.met();
    }
    let mut rig = Rig::v3(steps);
    rig.all("c", &[delivery("a", "m1", 0, 0), delivery("a", "m3", 0, 0)]);
    assert!(matches!(rig.end(), PlayEnd::Failed(_)));
}

#[test]
fn automatic_acknowledgements_are_sent_and_need_no_step() {
    let steps = "  - c <- PUBLISH: { qos: 2 }\n  - c <- PINGRESP\n";
    let mut rig = Rig::new(V::V3_1_1, "c: { acks: auto }", steps);
    rig.says("c", delivery("a", "x", 2, 5));
    rig.says("c", Packet::PubRel(Ack::new(5)));
    assert_eq!(rig.sent_by("c", Author::Auto), ["PUBREC", "PUBCOMP"]);
    rig.says("c", Packet::PingResp);
    rig.met();
}

#[test]
fn a_step_takes_nothing_of_an_earlier_connection() {
    let steps =
        "  - c -> reset\n  - c -> open\n  - c -> CONNECT: {}\n  - c <- CONNACK\n  - c <- PUBLISH: { payload: new }\n";
    let mut rig = Rig::v3(&format!("  - d <- PINGRESP\n{steps}"));
    rig.says("c", delivery("a", "new", 0, 0));
    rig.says("d", Packet::PingResp);
    rig.says("c", connack(0));
    rig.fails("no PUBLISH came");
}

#[test]
fn what_comes_late_on_a_connection_that_was_left_needs_no_step() {
    let mut rig = Rig::v3("  - c -> open\n  - c -> CONNECT: {}\n  - c <- CONNACK\n  - c <- nothing\n");
    let at = rig.matcher.events.len();
    rig.note_at(
        "c",
        1,
        None,
        Author::Peer,
        What::Fragment(bytes::Bytes::from_static(b"0")),
    );
    // The end of the old connection is not taken for that of the new one.
    rig.closes_old("c", 1);
    rig.says("c", connack(0));
    assert!(rig.matcher.events.len() > at);
    rig.met();
}

#[test]
fn noise_through_a_wide_filter_is_acknowledged_and_needs_no_step() {
    let foreign = || {
        Packet::Publish(Publish {
            topic: "weather".into(),
            qos: 1,
            packet_id: Some(9),
            ..Publish::default()
        })
    };
    let mut rig = Rig::new(
        V::V3_1_1,
        "c: { subscribe: { '#': 1 } }",
        "  - c <- nothing\n  - c <- PINGRESP\n",
    );
    rig.says("c", foreign());
    assert_eq!(
        rig.sent_by("c", Author::Fence)
            .iter()
            .filter(|s| *s == "PUBACK")
            .count(),
        1
    );
    rig.says("c", Packet::PingResp);
    rig.met();
    let mut rig = Rig::new(V::V3_1_1, "c: { subscribe: { $ns/a: 1 } }", "  - c <- PINGRESP\n");
    rig.says("c", foreign());
    rig.says("c", Packet::PingResp);
    rig.fails("c got PUBLISH");
}

#[test]
fn a_maybe_in_any_order_may_come_after_the_others() {
    let steps = "  - c <- in any order:\n      - PUBLISH: { payload: m1 }\n      - maybe PUBLISH: { payload: m2 }\n  - c <- PINGRESP\n";
    let mut rig = Rig::v3(steps);
    rig.says("c", delivery("a", "m1", 0, 0));
    rig.says("c", delivery("a", "m2", 0, 0));
    rig.says("c", Packet::PingResp);
    rig.met();
}

#[test]
fn in_any_order_finds_the_packets_that_fit_the_variables_too() {
    let steps = "  - c <- in any order:\n      - PUBLISH: { topic: $ns/a, payload: any, packet_id: $m, qos: 1 }\n      - PUBLISH: { topic: any, payload: $p, packet_id: any, qos: 1 }\n      - PUBLISH: { topic: $ns/b, payload: $p, packet_id: any, qos: 1 }\n";
    let messages = [
        delivery("a", "y", 1, 1),
        delivery("a", "x", 1, 2),
        delivery("b", "x", 1, 3),
    ];
    // Each order of arrival: whichever of the first two the first expectation is tried on, the second must get the
    // other.
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [2, 0, 1], [0, 2, 1], [1, 2, 0]] {
        let mut rig = Rig::new(V::V5, "c: { acks: auto }", steps);
        let messages = order.map(|i: usize| messages[i].clone());
        rig.all("c", &messages);
        rig.met();
    }
    // No assignment fits: nothing else came with the payload of the message on `b`.
    let mut rig = Rig::new(V::V5, "c: { acks: auto }", steps);
    let others = [
        delivery("a", "y", 1, 1),
        delivery("a", "z", 1, 2),
        delivery("b", "x", 1, 3),
    ];
    rig.all("c", &others);
    rig.fails("none of 3 alternatives was met");
}

#[test]
fn a_maybe_in_any_order_leaves_its_packet_to_one_that_needs_it() {
    let steps = "  - c <- in any order:\n      - maybe PUBLISH: { topic: $ns/a, payload: any }\n      - PUBLISH: { topic: any, payload: $p }\n      - PUBLISH: { topic: $ns/b, payload: $p }\n";
    let mut rig = Rig::new(V::V5, "c: {}", steps);
    rig.all("c", &[delivery("a", "x", 0, 0), delivery("b", "x", 0, 0)]);
    rig.met();
}
