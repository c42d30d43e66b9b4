use super::*;
use crate::reference::config::User;

#[test]
fn the_first_packet_is_connect_and_there_is_no_second() {
    let mut bench = Bench::new();
    let id = bench.open(Packet::PingReq);
    assert_eq!(bench.taken(id), [None]);

    let id = bench.client("a");
    bench.send(id, Packet::from(Connect::new(Version::V3_1_1, "a")));
    assert_eq!(bench.taken(id), [None]);

    let id = bench.connect(Connect::new(Version::V5, "b"));
    bench.send(id, Packet::from(Connect::new(Version::V5, "b")));
    let taken = bench.taken(id);
    assert!(matches!(&taken[..], [Some(Packet::Disconnect(d)), None] if d.reason_code == reason::PROTOCOL_ERROR));
}

#[test]
fn disobeying_lets_a_second_connect_pass() {
    let mut bench = Bench::disobeying("v3.1.1:MQTT-3.1.0-2");
    let id = bench.client("a");
    bench.send(id, Packet::from(Connect::new(Version::V3_1_1, "a")));
    assert_eq!(bench.taken(id), []);
    // The statement of another version is still honoured.
    let id = bench.connect(Connect::new(Version::V5, "b"));
    bench.send(id, Packet::from(Connect::new(Version::V5, "b")));
    assert!(bench.is_closed(id));
}

#[test]
fn an_unknown_level_gets_the_code_that_3_1_1_demands() {
    let mut bench = Bench::new();
    let mut connect = Connect::new(Version::V3_1_1, "a");
    connect.protocol_level = 0x7f;
    let id = bench.open(Packet::from(connect.clone()));
    let taken = bench.taken(id);
    assert_eq!((conn_ack(&taken).reason_code, taken.len()), (1, 2));

    let mut bench = Bench::with(Config {
        versions: vec![Version::V5],
        ..Config::default()
    });
    let id = bench.open(Packet::from(connect));
    let taken = bench.taken(id);
    assert_eq!((conn_ack(&taken).reason_code, taken.len()), (0x84, 2));
}

#[test]
fn a_wrong_protocol_name_is_closed() {
    let mut bench = Bench::new();
    let mut connect = Connect::new(Version::V3_1_1, "a");
    connect.protocol_name = "MQTX".into();
    let id = bench.open(Packet::from(connect));
    assert_eq!(bench.taken(id), [None]);
}

#[test]
fn an_empty_client_id_is_judged_by_version() {
    let mut bench = Bench::new();
    let id = bench.open(Packet::from(lasting(Version::V3_1_1, "")));
    assert_eq!(conn_ack(&bench.taken(id)).reason_code, 2);
    let id = bench.open(Packet::from(Connect::new(Version::V3_1, "")));
    assert_eq!(conn_ack(&bench.taken(id)).reason_code, 2);
    let id = bench.open(Packet::from(Connect::new(Version::V3_1, "a".repeat(24))));
    assert_eq!(conn_ack(&bench.taken(id)).reason_code, 2);

    let first = bench.connect(Connect::new(Version::V3_1_1, ""));
    let second = bench.connect(Connect::new(Version::V3_1_1, ""));
    assert!(!bench.is_closed(first) && !bench.is_closed(second));

    let id = bench.open(Packet::from(lasting(Version::V5, "")));
    let taken = bench.taken(id);
    let Some(PropertyValue::Text(assigned)) = conn_ack(&taken).properties.get(id::ASSIGNED_CLIENT_IDENTIFIER).cloned()
    else {
        panic!("no id was assigned: {taken:?}");
    };
    bench.cut(id);
    let mut again = lasting(Version::V5, "");
    again.client_id = assigned;
    let id = bench.open(Packet::from(again));
    assert!(conn_ack(&bench.taken(id)).session_present);
}

#[test]
fn a_login_is_checked() {
    let mut bench = Bench::with(Config {
        users: vec![User::new("u", "p")],
        anonymous: false,
        ..Config::default()
    });
    let mut code = |version, login: Option<(&str, &'static str)>| {
        let mut connect = Connect::new(version, "a");
        if let Some((name, password)) = login {
            connect.username = Some(name.into());
            connect.password = Some(bytes::Bytes::from_static(password.as_bytes()));
        }
        let id = bench.open(Packet::from(connect));
        let taken = bench.taken(id);
        let ack = conn_ack(&taken);
        assert_eq!(taken.contains(&None), ack.reason_code != 0);
        ack.reason_code
    };
    assert_eq!(code(Version::V3_1_1, Some(("u", "p"))), 0);
    assert_eq!(code(Version::V3_1_1, Some(("u", "x"))), 4);
    assert_eq!(code(Version::V3_1_1, None), 5);
    assert_eq!(code(Version::V5, Some(("x", "p"))), 0x86);
    assert_eq!(code(Version::V5, None), 0x87);
}

#[test]
fn what_follows_a_refused_connect_is_not_acted_upon() {
    for (token, expected) in [(None, 0), (Some("v3.1.1:MQTT-3.1.4-5"), 1)] {
        let mut bench = token.map_or_else(Bench::new, Bench::disobeying);
        let id = bench.open(Packet::from(lasting(Version::V3_1_1, "")));
        bench.send(id, retained("t", 0, "x"));
        let sub = bench.client("s");
        bench.subscribe(sub, &[("t", 0)]);
        assert_eq!(bench.deliveries(sub).len(), expected, "{token:?}");
    }
}

#[test]
fn a_client_id_has_one_connection() {
    let mut bench = Bench::new();
    let old = bench.client("a");
    let new = bench.client("a");
    assert_eq!(bench.taken(old), [None]);
    bench.send(new, Packet::PingReq);
    assert_eq!(bench.packets(new), [Packet::PingResp]);
    // The end of the old connection, reported late, does not affect the new one.
    bench.subscribe(new, &[("t", 0)]);
    bench.cut(old);
    bench.publish(new, "t", 0, "x");
    assert_eq!(bench.deliveries(new).len(), 1);

    let old = bench.connect(Connect::new(Version::V5, "b"));
    bench.connect(Connect::new(Version::V5, "b"));
    let taken = bench.taken(old);
    assert!(matches!(&taken[..], [Some(Packet::Disconnect(d)), None] if d.reason_code == reason::SESSION_TAKEN_OVER));
}

#[test]
fn silence_ends_a_connection_at_one_and_a_half_times_keep_alive() {
    let mut bench = Bench::new();
    let mut connect = Connect::new(Version::V5, "a");
    connect.keep_alive = 2;
    let id = bench.connect(connect);
    bench.wait(2.9);
    assert_eq!(bench.taken(id), []);
    bench.send(id, Packet::PingReq);
    assert_eq!(bench.packets(id), [Packet::PingResp]);
    assert_eq!(bench.broker.next_deadline(), Some(bench.now + Duration::from_secs(3)));
    bench.wait(2.9);
    assert_eq!(bench.taken(id), []);
    bench.wait(0.1);
    let taken = bench.taken(id);
    assert!(matches!(&taken[..], [Some(Packet::Disconnect(d)), None] if d.reason_code == reason::KEEP_ALIVE_TIMEOUT));

    let mut connect = Connect::new(Version::V3_1_1, "b");
    connect.keep_alive = 0;
    let id = bench.connect(connect);
    bench.wait(1e6);
    assert_eq!(bench.taken(id), []);
}

#[test]
fn a_connection_without_connect_does_not_last() {
    let mut bench = Bench::new();
    bench.input(Input::Opened(ConnectionId(77)));
    bench.wait(3.9);
    assert_eq!(bench.taken(ConnectionId(77)), []);
    bench.wait(0.2);
    assert_eq!(bench.taken(ConnectionId(77)), [None]);
}

#[test]
fn a_refusal_gives_its_reason_only_where_the_client_has_room_for_it() {
    for (limit, has_reason) in [(1_000, true), (20, false)] {
        let mut bench = Bench::new();
        let connect = with(
            Connect::new(Version::V5, "a"),
            id::MAXIMUM_PACKET_SIZE,
            PropertyValue::U32(limit),
        );
        let method = PropertyValue::Text("x".into());
        let id = bench.open(Packet::from(with(connect, id::AUTHENTICATION_METHOD, method)));
        let taken = bench.taken(id);
        let ack = conn_ack(&taken);
        assert_eq!(ack.reason_code, reason::BAD_AUTHENTICATION_METHOD);
        assert_eq!(
            ack.properties.get(id::REASON_STRING).is_some(),
            has_reason,
            "limit {limit}"
        );
    }
}
