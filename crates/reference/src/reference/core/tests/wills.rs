use super::*;

fn with_will(mut connect: Connect, retain: bool, delay: Option<u32>) -> Connect {
    let mut properties = Properties::default();
    if let Some(delay) = delay {
        properties.push(id::WILL_DELAY_INTERVAL, PropertyValue::U32(delay));
    }
    connect.will = Some(Will {
        qos: 1,
        retain,
        topic: "will".into(),
        payload: bytes::Bytes::from_static(b"gone"),
        properties,
    });
    connect
}

/// A bench with a subscriber of the will.
fn watched() -> (Bench, ConnectionId) {
    let mut bench = Bench::new();
    let watcher = bench.client("watcher");
    bench.subscribe(watcher, &[("will", 2)]);
    bench.taken(watcher);
    (bench, watcher)
}

#[test]
fn a_will_is_published_unless_the_client_said_goodbye() {
    let (mut bench, watcher) = watched();
    let will = |version| with_will(Connect::new(version, "a"), false, None);
    for version in Version::ALL {
        let id = bench.connect(will(version));
        bench.disconnect(id);
        assert_eq!(bench.deliveries(watcher), [], "{version}: DISCONNECT");

        let id = bench.connect(will(version));
        bench.cut(id);
        assert_eq!(payloads(&bench.deliveries(watcher)), ["gone"], "{version}: cut");

        let id = bench.connect(will(version));
        bench.send(id, Packet::from(will(version)));
        assert_eq!(bench.deliveries(watcher).len(), 1, "{version}: protocol error");
        bench.cut(id);
        assert_eq!(bench.deliveries(watcher), [], "{version}: only once");

        bench.connect(will(version));
        let id = bench.connect(Connect::new(version, "a"));
        assert_eq!(bench.deliveries(watcher).len(), 1, "{version}: taken over");
        bench.cut(id);
        assert_eq!(bench.deliveries(watcher), [], "{version}: the next connection has none");
    }
    let id = bench.connect(will(Version::V5));
    bench.send(
        id,
        Packet::Disconnect(Disconnect {
            reason_code: reason::DISCONNECT_WITH_WILL,
            ..Disconnect::default()
        }),
    );
    assert_eq!(bench.deliveries(watcher).len(), 1);
}

#[test]
fn a_retained_will_is_kept() {
    for retain in [false, true] {
        let (mut bench, watcher) = watched();
        let id = bench.connect(with_will(Connect::new(Version::V3_1_1, "a"), retain, None));
        bench.cut(id);
        assert!(!bench.deliveries(watcher)[0].retain);
        let late = bench.client("late");
        bench.subscribe(late, &[("will", 2)]);
        let kept: Vec<bool> = bench.deliveries(late).iter().map(|publish| publish.retain).collect();
        assert_eq!(kept, vec![true; usize::from(retain)]);
    }
}

#[test]
fn a_delayed_will_waits_and_is_taken_back_by_the_client() {
    let delayed = || with_will(lasting(Version::V5, "a"), false, Some(3));
    let (mut bench, watcher) = watched();
    let id = bench.connect(delayed());
    bench.cut(id);
    bench.wait(2.9);
    assert_eq!(bench.deliveries(watcher), []);
    bench.wait(0.2);
    assert_eq!(bench.deliveries(watcher).len(), 1);

    let id = bench.connect(delayed());
    bench.cut(id);
    bench.wait(1.0);
    let id = bench.connect(lasting(Version::V5, "a"));
    bench.wait(5.0);
    assert_eq!(bench.deliveries(watcher), []);
    bench.disconnect(id);

    // A clean start ends the session, and with it the delay.
    let id = bench.connect(delayed());
    bench.cut(id);
    bench.connect(Connect::new(Version::V5, "a"));
    assert_eq!(bench.deliveries(watcher).len(), 1);
}

#[test]
fn the_end_of_the_session_ends_the_delay() {
    let (mut bench, watcher) = watched();
    let mut connect = with_will(Connect::new(Version::V5, "a"), false, Some(60));
    connect
        .properties
        .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(2));
    let id = bench.connect(connect);
    bench.cut(id);
    bench.wait(1.9);
    assert_eq!(bench.deliveries(watcher), []);
    bench.wait(0.2);
    assert_eq!(bench.deliveries(watcher).len(), 1);

    // Without a session that lasts, there is no delay at all.
    let id = bench.connect(with_will(Connect::new(Version::V5, "b"), false, Some(60)));
    bench.cut(id);
    assert_eq!(bench.deliveries(watcher).len(), 1);
}

#[test]
fn a_delayed_will_outlives_a_restart() {
    let mut bench = Bench::new();
    let id = bench.connect(with_will(lasting(Version::V5, "a"), true, Some(3)));
    bench.cut(id);
    bench.restart();
    bench.wait(3.1);
    assert!(bench.broker.state().retained.contains_key(&Text::from("will")));
}

#[test]
fn shutting_down_publishes_wills_and_says_why() {
    let mut bench = Bench::new();
    let id = bench.connect(with_will(Connect::new(Version::V5, "a"), true, None));
    bench.input(Input::Stop);
    let taken = bench.taken(id);
    assert!(matches!(&taken[..], [Some(Packet::Disconnect(d)), None] if d.reason_code == reason::SERVER_SHUTTING_DOWN));
    assert!(bench.broker.state().retained.contains_key(&Text::from("will")));
}
