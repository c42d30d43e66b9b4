use super::*;

fn unsubscribe(bench: &mut Bench, id: ConnectionId, filters: &[&str]) -> Vec<Packet> {
    bench.send(
        id,
        Packet::Unsubscribe(Unsubscribe {
            packet_id: 5,
            filters: filters.iter().map(|filter| Text::from(*filter)).collect(),
            ..Unsubscribe::default()
        }),
    );
    bench.packets(id)
}

fn sub_ack(bench: &mut Bench, id: ConnectionId) -> Vec<u8> {
    match bench.packets(id).first() {
        Some(Packet::SubAck(SubAck { reason_codes, .. })) => reason_codes.clone(),
        other => panic!("no SUBACK: {other:?}"),
    }
}

#[test]
fn overlapping_subscriptions_give_one_copy_at_the_highest_qos() {
    let mut bench = Bench::new();
    let id = bench.client("a");
    bench.subscribe(id, &[("a/#", 0), ("a/+", 2), ("a/b", 1)]);
    assert_eq!(sub_ack(&mut bench, id), [0, 2, 1]);
    bench.publish(id, "a/b", 2, "x");
    let deliveries = bench.deliveries(id);
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].qos, 2);
}

#[test]
fn a_new_subscription_takes_the_place_of_the_old_one() {
    let mut bench = Bench::new();
    let id = bench.client("a");
    bench.subscribe(id, &[("t", 2)]);
    bench.subscribe(id, &[("t", 0)]);
    bench.publish(id, "t", 2, "x");
    let deliveries = bench.deliveries(id);
    assert_eq!((deliveries.len(), deliveries[0].qos), (1, 0));
}

#[test]
fn unsubscribing_compares_exactly_and_is_always_answered() {
    let mut bench = Bench::new();
    let id = bench.connect(Connect::new(Version::V5, "a"));
    bench.subscribe(id, &[("a/+", 0), ("b", 0)]);
    bench.taken(id);
    let codes = |packets: Vec<Packet>| match &packets[..] {
        [Packet::UnsubAck(ack)] => ack.reason_codes.clone(),
        other => panic!("no UNSUBACK: {other:?}"),
    };
    assert_eq!(
        codes(unsubscribe(&mut bench, id, &["a/b", "A/+", "b", "a/#", "a#"])),
        [0x11, 0x11, 0, 0x11, 0x8f]
    );
    bench.publish(id, "a/b", 0, "x");
    bench.publish(id, "b", 0, "x");
    assert_eq!(bench.deliveries(id).len(), 1);
    assert_eq!(codes(unsubscribe(&mut bench, id, &["a/+"])), [0]);
    bench.publish(id, "a/b", 0, "x");
    assert_eq!(bench.packets(id), []);

    let id = bench.client("b");
    let packets = unsubscribe(&mut bench, id, &["never"]);
    assert!(matches!(&packets[..], [Packet::UnsubAck(ack)] if ack.packet_id == 5 && ack.reason_codes.is_empty()));
}

#[test]
fn what_is_in_flight_finishes_after_unsubscribe() {
    let mut bench = Bench::new();
    let id = bench.client("a");
    bench.subscribe(id, &[("t", 2)]);
    bench.publish(id, "t", 2, "x");
    let packet_id = bench.deliveries(id)[0].packet_id.expect("an identifier");
    unsubscribe(&mut bench, id, &["t"]);
    bench.send(id, Packet::PubRec(Ack::new(packet_id)));
    assert_eq!(bench.packets(id), [Packet::PubRel(Ack::new(packet_id))]);
}

#[test]
fn a_bad_filter_closes_3_x_and_is_refused_alone_in_v5() {
    let mut bench = Bench::new();
    let id = bench.client("a");
    bench.subscribe(id, &[("good", 0), ("a#", 0)]);
    assert_eq!(bench.taken(id), [None]);
    let id = bench.connect(Connect::new(Version::V5, "b"));
    bench.subscribe(id, &[("good", 1), ("a#", 0), ("$share//x", 0), ("a+", 0)]);
    assert_eq!(sub_ack(&mut bench, id), [1, 0x8f, 0x8f, 0x8f]);
    bench.publish(id, "good", 0, "x");
    assert_eq!(bench.deliveries(id).len(), 1);
}

#[test]
fn dollar_topics_are_hidden_from_leading_wildcards() {
    let mut bench = Bench::new();
    let id = bench.client("a");
    bench.subscribe(id, &[("#", 0), ("+/x", 0)]);
    bench.taken(id);
    bench.publish(id, "$t/x", 0, "x");
    assert_eq!(bench.deliveries(id), []);
    bench.subscribe(id, &[("$t/#", 0)]);
    bench.taken(id);
    bench.publish(id, "$t/x", 0, "x");
    assert_eq!(bench.deliveries(id).len(), 1);
}

#[test]
fn a_denied_filter_is_refused_by_version() {
    let mut bench = Bench::with(Config {
        denied: vec!["no".into()],
        ..Config::default()
    });
    for (version, code) in [(Version::V3_1, 0), (Version::V3_1_1, 0x80), (Version::V5, 0x87)] {
        let id = bench.connect(Connect::new(version, "a"));
        bench.subscribe(id, &[("no", 0)]);
        assert_eq!(sub_ack(&mut bench, id), [code]);
    }
}

#[test]
fn no_local_keeps_a_clients_own_messages_back() {
    let mut bench = Bench::new();
    let id = bench.connect(Connect::new(Version::V5, "a"));
    let other = bench.client("b");
    bench.subscribe(id, &[("t", 0x04)]);
    bench.taken(id);
    bench.publish(id, "t", 0, "mine");
    bench.publish(other, "t", 0, "theirs");
    assert_eq!(payloads(&bench.deliveries(id)), ["theirs"]);
}

#[test]
fn a_share_gives_each_message_to_one_member() {
    let mut bench = Bench::new();
    let publisher = bench.client("p");
    let members = ["a", "b"].map(|name| bench.connect(Connect::new(Version::V5, name)));
    for id in members {
        bench.subscribe(id, &[("$share/g/t/#", 1), ("$share/other/t/#", 1)]);
        bench.taken(id);
    }
    for _ in 0..4 {
        bench.publish(publisher, "t/x", 0, "x");
    }
    let counts = members.map(|id| bench.deliveries(id).len());
    assert_eq!(counts.iter().sum::<usize>(), 8);
    assert!(counts.iter().all(|count| *count > 0));
    // In 3.1.1 the same filter is an ordinary one.
    let id = bench.client("c");
    bench.subscribe(id, &[("$share/g/t/#", 0)]);
    bench.taken(id);
    bench.publish(publisher, "t/x", 0, "x");
    bench.publish(publisher, "$share/g/t/x", 0, "y");
    assert_eq!(payloads(&bench.deliveries(id)), ["y"]);
}
