use super::*;

fn subscriber(bench: &mut Bench, connect: Connect, qos: u8) -> ConnectionId {
    let id = bench.connect(connect);
    bench.subscribe(id, &[("t", qos)]);
    bench.taken(id);
    id
}

fn aliased(topic: &str, alias: u16) -> Packet {
    let mut publish = Publish {
        topic: topic.into(),
        ..Publish::default()
    };
    publish.properties.push(id::TOPIC_ALIAS, PropertyValue::U16(alias));
    Packet::Publish(publish)
}

fn goodbye(bench: &mut Bench, id: ConnectionId) -> u8 {
    match &bench.taken(id)[..] {
        [Some(Packet::Disconnect(disconnect)), None] => disconnect.reason_code,
        other => panic!("no DISCONNECT and close: {other:?}"),
    }
}

#[test]
fn the_clients_receive_maximum_is_kept() {
    let connect = || with(lasting(Version::V5, "s"), id::RECEIVE_MAXIMUM, PropertyValue::U16(2));
    let mut bench = Bench::new();
    let publisher = bench.client("p");
    let id = subscriber(&mut bench, connect(), 2);
    for n in 0..5 {
        bench.send(publisher, Packet::PubRel(Ack::new(7)));
        bench.publish(publisher, "t", 2, &n.to_string());
    }
    let sent = bench.deliveries(id);
    assert_eq!(payloads(&sent), ["0", "1"]);
    let ids: Vec<u16> = sent.iter().filter_map(|publish| publish.packet_id).collect();
    // Neither PUBREC nor another packet frees a slot; PUBCOMP does.
    bench.send(id, Packet::PubRec(Ack::new(ids[0])));
    bench.send(id, Packet::PingReq);
    assert_eq!(bench.packets(id), [Packet::PubRel(Ack::new(ids[0])), Packet::PingResp]);
    bench.send(id, Packet::PubComp(Ack::new(ids[0])));
    assert_eq!(payloads(&bench.deliveries(id)), ["2"]);
    // After a resume the same limit applies to repeated packets, and the order stays.
    bench.cut(id);
    let id = bench.open(Packet::from(connect()));
    let again = bench.deliveries(id);
    assert_eq!(payloads(&again), ["1", "2"]);
    assert!(again.iter().all(|publish| publish.dup));
    for publish in again {
        let packet_id = publish.packet_id.expect("an identifier");
        let refused = Ack {
            reason_code: 0x80,
            ..Ack::new(packet_id)
        };
        bench.send(id, Packet::PubRec(refused));
    }
    assert_eq!(payloads(&bench.deliveries(id)), ["3", "4"]);
}

#[test]
fn the_brokers_receive_maximum_is_demanded() {
    let mut config = Config::default();
    config.limits.receive_maximum = 2;
    let mut bench = Bench::with(config);
    let id = bench.open(Packet::from(Connect::new(Version::V5, "a")));
    assert_eq!(
        conn_ack(&bench.taken(id)).properties.number(id::RECEIVE_MAXIMUM),
        Some(2)
    );
    let publish = |packet_id| match publish("t", 2, "x") {
        Packet::Publish(publish) => Packet::Publish(Publish {
            packet_id: Some(packet_id),
            ..publish
        }),
        other => other,
    };
    for packet_id in [1, 2, 2] {
        bench.send(id, publish(packet_id));
    }
    bench.send(id, Packet::PubRel(Ack::new(1)));
    bench.send(id, publish(3));
    assert_eq!(bench.packets(id).len(), 5);
    bench.send(id, publish(4));
    assert_eq!(goodbye(&mut bench, id), reason::RECEIVE_MAXIMUM_EXCEEDED);
}

#[test]
fn the_clients_maximum_packet_size_is_kept_and_holds_no_slot() {
    let mut bench = Bench::new();
    let publisher = bench.client("p");
    let connect = with(
        Connect::new(Version::V5, "s"),
        id::MAXIMUM_PACKET_SIZE,
        PropertyValue::U32(40),
    );
    let connect = with(connect, id::RECEIVE_MAXIMUM, PropertyValue::U16(1));
    let id = subscriber(&mut bench, connect, 2);
    // A delivery at QoS 1 has 2 bytes of fixed header, 3 of topic, 2 of identifier and 1 of properties besides its payload.
    let fits = "x".repeat(32);
    for payload in [&fits, &"x".repeat(33), &"x".repeat(1_000)] {
        bench.publish(publisher, "t", 1, payload);
        bench.taken(publisher);
    }
    let sent = bench.deliveries(id);
    assert_eq!(payloads(&sent), [fits.as_str()]);
    bench.send(id, Packet::PubAck(Ack::new(sent[0].packet_id.expect("an identifier"))));
    bench.publish(publisher, "t", 1, "small");
    assert_eq!(payloads(&bench.deliveries(id)), ["small"]);
}

#[test]
fn the_brokers_maximum_packet_size_is_demanded() {
    let mut config = Config::default();
    config.limits.maximum_packet_size = Some(100);
    let mut bench = Bench::with(config);
    let id = bench.connect(Connect::new(Version::V5, "a"));
    let received = Received {
        packet_type: Some(PacketType::Publish),
        packet: None,
        version: None,
        faults: Vec::new(),
        size: 101,
    };
    bench.input(Input::Received(id, received));
    assert_eq!(goodbye(&mut bench, id), reason::PACKET_TOO_LARGE);
}

#[test]
fn topic_aliases_stand_for_topics_until_the_connection_ends() {
    let mut bench = Bench::new();
    let watcher = bench.client("w");
    bench.subscribe(watcher, &[("#", 0)]);
    bench.taken(watcher);
    let topics = |bench: &mut Bench| -> Vec<String> {
        let deliveries = bench.deliveries(watcher);
        deliveries
            .iter()
            .map(|publish| publish.topic.as_str().expect("text").to_owned())
            .collect()
    };
    let id = bench.connect(lasting(Version::V5, "a"));
    for packet in [
        aliased("a", 1),
        aliased("b", 20),
        aliased("", 1),
        aliased("c", 1),
        aliased("", 1),
        aliased("", 20),
    ] {
        bench.send(id, packet);
    }
    assert_eq!(topics(&mut bench), ["a", "b", "a", "c", "c", "b"]);
    bench.cut(id);
    let id = bench.connect(lasting(Version::V5, "a"));
    bench.send(id, aliased("", 1));
    assert_eq!(goodbye(&mut bench, id), reason::PROTOCOL_ERROR);
    for alias in [0, 21, 65_535] {
        let id = bench.connect(lasting(Version::V5, "a"));
        bench.send(id, aliased("t", alias));
        assert_eq!(goodbye(&mut bench, id), reason::TOPIC_ALIAS_INVALID);
    }
    assert_eq!(topics(&mut bench), Vec::<String>::new());
}

#[test]
fn what_belongs_to_the_message_is_passed_on_in_order() {
    let pair = |name: &str, value: &str| PropertyValue::Pair(name.into(), value.into());
    let sent = [
        (id::USER_PROPERTY, pair("b", "2")),
        (id::TOPIC_ALIAS, PropertyValue::U16(1)),
        (id::PAYLOAD_FORMAT_INDICATOR, PropertyValue::Byte(1)),
        (id::USER_PROPERTY, pair("a", "1")),
        (id::CONTENT_TYPE, PropertyValue::Text("x/y".into())),
        (id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(60)),
        (id::RESPONSE_TOPIC, PropertyValue::Text("r".into())),
        (
            id::CORRELATION_DATA,
            PropertyValue::Binary(bytes::Bytes::from_static(b"\0\xff")),
        ),
        (id::USER_PROPERTY, pair("b", "1")),
    ];
    let mut publish = Publish {
        topic: "t".into(),
        retain: true,
        payload: "x".into(),
        ..Publish::default()
    };
    sent.iter()
        .for_each(|(id, value)| publish.properties.push(*id, value.clone()));
    let mut bench = Bench::new();
    let id = subscriber(&mut bench, Connect::new(Version::V5, "s"), 0);
    let old = bench.client("old");
    bench.subscribe(old, &[("t", 0)]);
    bench.taken(old);
    bench.send(id, Packet::Publish(publish));
    bench.wait(10.5);
    bench.subscribe(id, &[("t", 0)]);
    let deliveries = bench.deliveries(id);
    for (delivery, left) in deliveries.iter().zip([60, 50]) {
        let expected = sent
            .iter()
            .filter(|(id, _)| !matches!(*id, id::TOPIC_ALIAS | id::MESSAGE_EXPIRY_INTERVAL));
        let expected: Vec<_> = expected
            .cloned()
            .chain([(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(left))])
            .collect();
        let got: Vec<_> = delivery.properties.0.iter().map(|p| (p.id, p.value.clone())).collect();
        assert_eq!(got, expected);
    }
    assert_eq!(deliveries.len(), 2);
    assert!(bench.deliveries(old)[0].properties.is_empty());
}

#[test]
fn a_message_expires_before_its_delivery_but_not_after() {
    let expiring = |payload: &str| {
        let mut publish = Publish {
            topic: "t".into(),
            qos: 1,
            packet_id: Some(7),
            payload: payload.into(),
            ..Publish::default()
        };
        publish
            .properties
            .push(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(1));
        Packet::Publish(publish)
    };
    let mut bench = Bench::new();
    let publisher = bench.connect(Connect::new(Version::V5, "p"));
    let id = subscriber(&mut bench, lasting(Version::V5, "s"), 1);
    bench.send(publisher, expiring("begun"));
    assert_eq!(payloads(&bench.deliveries(id)), ["begun"]);
    bench.cut(id);
    bench.send(publisher, expiring("queued"));
    bench.wait(3.0);
    let id = bench.open(Packet::from(lasting(Version::V5, "s")));
    assert_eq!(payloads(&bench.deliveries(id)), ["begun"]);
}

#[test]
fn a_delivery_names_every_subscription_that_caused_it() {
    let mut bench = Bench::new();
    let id = bench.connect(Connect::new(Version::V5, "a"));
    for (filter, subscription_id) in [("a/#", Some(1)), ("a/+", Some(2)), ("a/b", None), ("b", Some(3))] {
        let mut subscribe = Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription::new(filter, 0)],
            ..Subscribe::default()
        };
        if let Some(n) = subscription_id {
            subscribe
                .properties
                .push(id::SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(n));
        }
        bench.send(id, Packet::Subscribe(subscribe));
    }
    bench.taken(id);
    bench.publish(id, "a/b", 0, "x");
    let deliveries = bench.deliveries(id);
    let ids: Vec<_> = deliveries[0]
        .properties
        .all(id::SUBSCRIPTION_IDENTIFIER)
        .filter_map(|v| v.number())
        .collect();
    assert_eq!((deliveries.len(), ids), (1, vec![1, 2]));
}

#[test]
fn a_share_waits_for_the_member_that_has_begun() {
    for (token, to_other) in [(None, 0), (Some("v5:MQTT-4.8.2-4"), 1)] {
        let mut bench = token.map_or_else(Bench::new, Bench::disobeying);
        let publisher = bench.client("p");
        let first = bench.connect(lasting(Version::V5, "a"));
        bench.subscribe(first, &[("$share/g/t", 2)]);
        bench.taken(first);
        bench.publish(publisher, "t", 2, "x");
        assert_eq!(bench.deliveries(first).len(), 1);
        let other = bench.connect(Connect::new(Version::V5, "b"));
        bench.subscribe(other, &[("$share/g/t", 2)]);
        bench.taken(other);
        bench.cut(first);
        assert_eq!(bench.deliveries(other).len(), to_other, "{token:?}");
        let first = bench.open(Packet::from(lasting(Version::V5, "a")));
        let again = bench.deliveries(first);
        assert!(again.len() == 1 && again[0].dup);
    }
}

#[test]
fn auth_without_a_method_and_unknown_methods_are_refused() {
    let mut bench = Bench::new();
    let id = bench.connect(Connect::new(Version::V5, "a"));
    bench.send(id, Packet::Auth(crate::wire::Auth::default()));
    assert_eq!(goodbye(&mut bench, id), reason::PROTOCOL_ERROR);
    let method = PropertyValue::Text("x-none".into());
    let connect = with(Connect::new(Version::V5, "a"), id::AUTHENTICATION_METHOD, method);
    let id = bench.open(Packet::from(connect));
    assert_eq!(
        conn_ack(&bench.taken(id)).reason_code,
        reason::BAD_AUTHENTICATION_METHOD
    );
}

#[test]
fn limits_are_announced_and_demanded() {
    let mut config = Config::default();
    config.limits.maximum_qos = 1;
    config.limits.retain_available = false;
    config.limits.server_keep_alive = Some(2);
    let mut bench = Bench::with(config);
    let id = bench.open(Packet::from(Connect::new(Version::V5, "a")));
    let taken = bench.taken(id);
    let announced = |id| conn_ack(&taken).properties.number(id);
    assert_eq!(announced(id::MAXIMUM_QOS), Some(1));
    assert_eq!(announced(id::RETAIN_AVAILABLE), Some(0));
    assert_eq!(announced(id::SERVER_KEEP_ALIVE), Some(2));
    bench.subscribe(id, &[("t", 2)]);
    assert!(matches!(&bench.packets(id)[..], [Packet::SubAck(ack)] if ack.reason_codes == [1]));
    bench.publish(id, "t", 2, "x");
    assert_eq!(goodbye(&mut bench, id), reason::QOS_NOT_SUPPORTED);
    let id = bench.connect(Connect::new(Version::V5, "a"));
    bench.send(id, retained("t", 0, "x"));
    assert_eq!(goodbye(&mut bench, id), reason::RETAIN_NOT_SUPPORTED);
    let id = bench.connect(Connect::new(Version::V5, "a"));
    bench.wait(3.0);
    assert_eq!(goodbye(&mut bench, id), reason::KEEP_ALIVE_TIMEOUT);
}
