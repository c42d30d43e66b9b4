use super::*;

/// What a new subscriber of `filter` receives at `qos`.
fn found(bench: &mut Bench, filter: &str, qos: u8) -> Vec<Publish> {
    let id = bench.client(&format!("finder{}", bench.opened));
    bench.subscribe(id, &[(filter, qos)]);
    let packets = bench.packets(id);
    assert!(
        matches!(packets.first(), Some(Packet::SubAck(_))),
        "the answer comes first: {packets:?}"
    );
    let found: Vec<Publish> = (packets.into_iter())
        .filter_map(|packet| match packet {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        })
        .collect();
    assert!(found.iter().all(|publish| publish.retain));
    found
}

#[test]
fn the_newest_retained_message_of_each_matching_topic_is_found() {
    let mut bench = Bench::new();
    let id = bench.client("p");
    for (topic, payload) in [("a/1", "old"), ("a/1", "new"), ("a/2", "two"), ("b/1", "other")] {
        bench.send(id, retained(topic, 1, payload));
    }
    assert_eq!(payloads(&found(&mut bench, "a/+", 2)), ["new", "two"]);
    let levels: Vec<u8> = (0..=2).map(|qos| found(&mut bench, "b/1", qos)[0].qos).collect();
    assert_eq!(levels, [0, 1, 1]);
    bench.restart();
    assert_eq!(payloads(&found(&mut bench, "#", 0)), ["new", "two", "other"]);
}

#[test]
fn an_empty_message_removes_and_is_forwarded() {
    let mut bench = Bench::new();
    let id = bench.client("p");
    let present = bench.client("s");
    bench.send(id, retained("t", 0, "x"));
    bench.subscribe(present, &[("t", 0)]);
    bench.taken(present);
    bench.publish(id, "t", 0, "live");
    bench.send(id, publish("t", 0, ""));
    assert_eq!(payloads(&found(&mut bench, "t", 0)), ["x"]);
    bench.send(id, retained("t", 0, ""));
    let forwarded = bench.deliveries(present);
    assert_eq!(payloads(&forwarded), ["live", "", ""]);
    assert!(forwarded.iter().all(|publish| !publish.retain));
    assert_eq!(found(&mut bench, "t", 0), []);
}

#[test]
fn retained_messages_outlive_sessions() {
    for (token, left) in [(None, 1), (Some("v3.1.1:MQTT-3.1.2-7"), 0)] {
        let mut bench = token.map_or_else(Bench::new, Bench::disobeying);
        let id = bench.client("p");
        bench.send(id, retained("t", 0, "x"));
        bench.disconnect(id);
        assert_eq!(found(&mut bench, "t", 0).len(), left, "{token:?}");
    }
}

#[test]
fn subscribing_again_sends_them_again() {
    let mut bench = Bench::new();
    let id = bench.client("p");
    bench.send(id, retained("t", 2, "x"));
    for qos in [0, 1, 2] {
        bench.subscribe(id, &[("t", qos)]);
        assert_eq!(bench.deliveries(id)[0].qos, qos);
    }
}

#[test]
fn retain_handling_decides_in_v5() {
    let mut bench = Bench::new();
    let publisher = bench.client("p");
    bench.send(publisher, retained("t", 0, "x"));
    // Options: Retain Handling in bits 4 and 5.
    for (options, first, again) in [(0x00, 1, 1), (0x10, 1, 0), (0x20, 0, 0)] {
        let id = bench.connect(Connect::new(Version::V5, "s"));
        for expected in [first, again] {
            bench.subscribe(id, &[("t", options)]);
            assert_eq!(bench.deliveries(id).len(), expected, "options {options:#x}");
        }
    }
    let id = bench.connect(Connect::new(Version::V5, "s"));
    bench.subscribe(id, &[("$share/g/t", 0)]);
    assert_eq!(bench.deliveries(id), []);
}

#[test]
fn retain_as_published_decides_in_v5() {
    let mut bench = Bench::new();
    let publisher = bench.client("p");
    for (options, expected) in [(0x00, [false, false]), (0x08, [true, false])] {
        let id = bench.connect(Connect::new(Version::V5, "s"));
        bench.subscribe(id, &[("t", options)]);
        bench.taken(id);
        bench.send(publisher, retained("t", 0, "x"));
        bench.publish(publisher, "t", 0, "y");
        let retain: Vec<bool> = bench.deliveries(id).iter().map(|publish| publish.retain).collect();
        assert_eq!(retain, expected);
        bench.send(publisher, retained("t", 0, ""));
    }
}
