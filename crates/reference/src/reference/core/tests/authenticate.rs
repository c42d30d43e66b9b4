//! Enhanced authentication (5.0, section 4.12).

use bytes::Bytes;

use super::*;
use crate::reference::config::AuthMethod;
use crate::wire::Auth;

fn bench() -> Bench {
    Bench::with(Config {
        auth: Some(AuthMethod {
            method: "m".into(),
            answers: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")],
        }),
        ..Config::default()
    })
}

fn connect(method: &str, data: &'static str) -> Packet {
    let connect = with(
        Connect::new(Version::V5, "c"),
        id::AUTHENTICATION_METHOD,
        PropertyValue::Text(method.into()),
    );
    let data = PropertyValue::Binary(Bytes::from_static(data.as_bytes()));
    Packet::from(with(connect, id::AUTHENTICATION_DATA, data))
}

fn auth(reason_code: u8, method: &str, data: &'static str) -> Packet {
    let mut auth = Auth {
        reason_code,
        ..Auth::default()
    };
    let data = PropertyValue::Binary(Bytes::from_static(data.as_bytes()));
    auth.properties
        .push(id::AUTHENTICATION_METHOD, PropertyValue::Text(method.into()));
    auth.properties.push(id::AUTHENTICATION_DATA, data);
    Packet::Auth(auth)
}

/// The answer in short: the type and code of each packet, and the close.
fn short(packets: &[Option<Packet>]) -> Vec<String> {
    let one = |packet: &Option<Packet>| match packet {
        Some(Packet::Auth(auth)) => format!("AUTH {:02x}", auth.reason_code),
        Some(Packet::ConnAck(ack)) => format!("CONNACK {:02x}", ack.reason_code),
        Some(Packet::Disconnect(disconnect)) => format!("DISCONNECT {:02x}", disconnect.reason_code),
        Some(other) => format!("{:?}", other.packet_type()),
        None => "closed".to_owned(),
    };
    packets.iter().map(one).collect()
}

#[test]
fn the_right_data_lets_a_client_in_and_it_may_authenticate_again() {
    let mut bench = bench();
    let c = bench.open(connect("m", "one"));
    assert_eq!(short(&bench.taken(c)), ["AUTH 18"]);
    bench.send(c, auth(0x18, "m", "two"));
    let packets = bench.taken(c);
    assert_eq!(short(&packets), ["CONNACK 00"]);
    let method = conn_ack(&packets).properties.get(id::AUTHENTICATION_METHOD);
    assert_eq!(method, Some(&PropertyValue::Text("m".into())));
    bench.send(c, auth(0x19, "m", "one"));
    bench.send(c, auth(0x18, "m", "two"));
    bench.send(c, Packet::PingReq);
    assert_eq!(short(&bench.taken(c)), ["AUTH 18", "AUTH 00", "PingResp"]);
}

#[test]
fn what_is_wrong_before_the_connack_is_refused_by_it() {
    let refused = |first: Packet, then: Option<Packet>| {
        let mut bench = bench();
        let c = bench.open(first);
        if let Some(then) = then {
            assert_eq!(short(&bench.taken(c)), ["AUTH 18"]);
            bench.send(c, then);
        }
        short(&bench.taken(c))
    };
    assert_eq!(refused(connect("m", "guess"), None), ["CONNACK 87", "closed"]);
    assert_eq!(refused(connect("other", "one"), None), ["CONNACK 8c", "closed"]);
    for (then, code) in [
        (auth(0x18, "m", "guess"), "87"),
        (auth(0x18, "other", "two"), "82"),
        (auth(0x19, "m", "two"), "82"),
        (Packet::PingReq, "82"),
    ] {
        let came = refused(connect("m", "one"), Some(then));
        assert_eq!(came, [format!("CONNACK {code}"), "closed".to_owned()]);
    }
    let left = refused(connect("m", "one"), Some(Packet::Disconnect(Disconnect::default())));
    assert_eq!(left, ["closed"]);
}

#[test]
fn a_re_authentication_that_fails_ends_the_connection() {
    for (again, goodbye) in [
        (auth(0x19, "m", "guess"), "DISCONNECT 87"),
        (auth(0x19, "other", "one"), "DISCONNECT 82"),
        (auth(0x18, "m", "two"), "DISCONNECT 82"),
    ] {
        let mut bench = bench();
        let c = bench.open(connect("m", "one"));
        bench.send(c, auth(0x18, "m", "two"));
        bench.taken(c);
        bench.send(c, again);
        assert_eq!(short(&bench.taken(c)), [goodbye, "closed"]);
    }
}

#[test]
fn an_exchange_that_is_not_gone_on_with_ends_with_the_time_for_connect() {
    let mut bench = bench();
    let c = bench.open(connect("m", "one"));
    bench.taken(c);
    bench.wait(11.0);
    assert_eq!(short(&bench.taken(c)), ["closed"]);
}
