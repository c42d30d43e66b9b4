use super::*;

/// A publisher, and a subscriber of `t` at `qos`.
fn pair(bench: &mut Bench, qos: u8) -> (ConnectionId, ConnectionId) {
    let publisher = bench.client("pub");
    let subscriber = bench.client("sub");
    bench.subscribe(subscriber, &[("t", qos)]);
    bench.taken(subscriber);
    (publisher, subscriber)
}

#[test]
fn the_lower_of_published_and_granted_qos_is_delivered() {
    for granted in 0..=2 {
        for published in 0..=2 {
            let mut bench = Bench::new();
            let (publisher, subscriber) = pair(&mut bench, granted);
            bench.publish(publisher, "t", published, "x");
            let delivered = bench.deliveries(subscriber);
            assert_eq!(delivered.len(), 1);
            assert_eq!(delivered[0].qos, published.min(granted));
            assert_eq!(delivered[0].packet_id.is_some(), delivered[0].qos > 0);
            let answer = match published {
                0 => vec![],
                1 => vec![Packet::PubAck(Ack::new(7))],
                _ => vec![Packet::PubRec(Ack::new(7))],
            };
            assert_eq!(bench.packets(publisher), answer);
        }
    }
}

#[test]
fn a_qos_2_publish_is_delivered_once_until_pubrel() {
    for (token, copies) in [(None, 1), (Some("v3.1.1:MQTT-4.3.3-2"), 3)] {
        let mut bench = token.map_or_else(Bench::new, Bench::disobeying);
        let (publisher, subscriber) = pair(&mut bench, 0);
        for _ in 0..3 {
            bench.publish(publisher, "t", 2, "x");
        }
        assert_eq!(bench.packets(publisher), vec![Packet::PubRec(Ack::new(7)); 3]);
        assert_eq!(bench.deliveries(subscriber).len(), copies, "{token:?}");
        bench.send(publisher, Packet::PubRel(Ack::new(7)));
        bench.send(publisher, Packet::PubRel(Ack::new(7)));
        assert_eq!(bench.packets(publisher), vec![Packet::PubComp(Ack::new(7)); 2]);
        bench.publish(publisher, "t", 2, "new");
        assert_eq!(payloads(&bench.deliveries(subscriber)), ["new"]);
    }
}

#[test]
fn a_qos_1_identifier_is_new_after_its_puback() {
    let mut bench = Bench::new();
    let (publisher, subscriber) = pair(&mut bench, 1);
    bench.publish(publisher, "t", 1, "a");
    bench.publish(publisher, "t", 1, "b");
    assert_eq!(bench.packets(publisher).len(), 2);
    let delivered = bench.deliveries(subscriber);
    assert_eq!(payloads(&delivered), ["a", "b"]);
    assert!(delivered.iter().all(|d| !d.dup) && delivered[0].packet_id != delivered[1].packet_id);
}

#[test]
fn a_delivery_at_qos_2_goes_through_its_handshake() {
    let mut bench = Bench::new();
    let (publisher, subscriber) = pair(&mut bench, 2);
    bench.publish(publisher, "t", 2, "x");
    let packet_id = bench.deliveries(subscriber)[0].packet_id.expect("an identifier");
    // An acknowledgement of the wrong type, or for no exchange, changes nothing.
    bench.send(subscriber, Packet::PubAck(Ack::new(packet_id)));
    bench.send(subscriber, Packet::PubComp(Ack::new(packet_id)));
    assert_eq!(bench.packets(subscriber), []);
    for _ in 0..2 {
        bench.send(subscriber, Packet::PubRec(Ack::new(packet_id)));
        assert_eq!(bench.packets(subscriber), [Packet::PubRel(Ack::new(packet_id))]);
    }
    bench.send(subscriber, Packet::PubComp(Ack::new(packet_id)));
    assert!(!bench.broker.state().sessions[&Text::from("sub")].is_in_use(packet_id));
}

#[test]
fn identifiers_are_never_zero_and_never_in_use() {
    let mut bench = Bench::new();
    let (publisher, subscriber) = pair(&mut bench, 1);
    bench.publish(publisher, "t", 1, "first");
    let first = bench.deliveries(subscriber)[0].packet_id;
    let mut seen = BTreeSet::new();
    for _ in 0..70_000 {
        bench.publish(publisher, "t", 1, "x");
        let packet_id = bench.deliveries(subscriber)[0].packet_id.expect("an identifier");
        assert!(packet_id != 0 && Some(packet_id) != first);
        seen.insert(packet_id);
        bench.send(subscriber, Packet::PubAck(Ack::new(packet_id)));
        bench.taken(publisher);
    }
    assert_eq!(seen.len(), 65_534);
}

#[test]
fn an_unknown_identifier_is_answered_by_version() {
    let mut bench = Bench::new();
    let old = bench.client("a");
    let new = bench.connect(Connect::new(Version::V5, "b"));
    for id in [old, new] {
        bench.send(id, Packet::PubRec(Ack::new(9)));
        bench.send(id, Packet::PubRel(Ack::new(9)));
        bench.send(id, Packet::PubAck(Ack::new(9)));
    }
    let not_found = Ack {
        reason_code: reason::PACKET_ID_NOT_FOUND,
        ..Ack::new(9)
    };
    assert_eq!(
        bench.packets(old),
        [Packet::PubRel(Ack::new(9)), Packet::PubComp(Ack::new(9))]
    );
    assert_eq!(
        bench.packets(new),
        [Packet::PubRel(not_found.clone()), Packet::PubComp(not_found)]
    );
}

#[test]
fn a_denied_publish_is_acknowledged_or_refused() {
    let mut bench = Bench::with(Config {
        denied: vec!["no/#".into()],
        ..Config::default()
    });
    let old = bench.client("a");
    let new = bench.connect(Connect::new(Version::V5, "b"));
    let watcher = bench.client("w");
    bench.subscribe(watcher, &[("#", 0)]);
    bench.taken(watcher);
    for id in [old, new] {
        bench.publish(id, "no/x", 1, "x");
        bench.publish(id, "no/x", 2, "x");
    }
    let refused = Ack {
        reason_code: reason::NOT_AUTHORIZED,
        ..Ack::new(7)
    };
    assert_eq!(
        bench.packets(old),
        [Packet::PubAck(Ack::new(7)), Packet::PubRec(Ack::new(7))]
    );
    assert_eq!(
        bench.packets(new),
        [Packet::PubAck(refused.clone()), Packet::PubRec(refused)]
    );
    assert_eq!(bench.deliveries(watcher), []);
    // The refused identifier is free at once (v5:MQTT-4.3.3-9).
    bench.publish(new, "yes", 2, "x");
    assert_eq!(bench.packets(new), [Packet::PubRec(Ack::new(7))]);
    assert_eq!(bench.deliveries(watcher).len(), 1);
}
