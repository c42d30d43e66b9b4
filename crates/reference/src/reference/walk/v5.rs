//! Exchanges that only 5.0 has.

use super::*;

pub fn play(rig: &mut Rig) {
    passing_on(rig);
    options(rig);
    flow(rig);
    expiring(rig);
    sharing(rig);
    refusing(rig);
}

fn with(mut packet: Packet, properties: &[(u32, PropertyValue)]) -> Packet {
    if let Some(all) = packet.properties_mut() {
        properties.iter().for_each(|(id, value)| all.push(*id, value.clone()));
    }
    packet
}

fn connect(name: &str, properties: &[(u32, PropertyValue)]) -> Connect {
    let mut connect = Connect::new(Version::V5, name);
    properties
        .iter()
        .for_each(|(id, value)| connect.properties.push(*id, value.clone()));
    connect
}

fn pair(name: &str, value: &str) -> (u32, PropertyValue) {
    (id::USER_PROPERTY, PropertyValue::Pair(name.into(), value.into()))
}

fn passing_on(rig: &mut Rig) {
    rig.client("p");
    rig.client("s");
    rig.subscribe("s", 1, &[("x/#", 1)]);
    let message = with(
        publish("x/m", 1, 1, "x"),
        &[
            pair("b", "2"),
            pair("a", "1"),
            (id::PAYLOAD_FORMAT_INDICATOR, PropertyValue::Byte(1)),
            (id::CONTENT_TYPE, PropertyValue::Text("x/y".into())),
            (id::RESPONSE_TOPIC, PropertyValue::Text("r".into())),
            (id::CORRELATION_DATA, PropertyValue::Binary(Bytes::from_static(b"c"))),
        ],
    );
    rig.send("p", message);
    for (topic, alias) in [("x/a", 1), ("", 1), ("x/b", 20)] {
        rig.send(
            "p",
            with(
                publish(topic, 0, 0, "x"),
                &[(id::TOPIC_ALIAS, PropertyValue::U16(alias))],
            ),
        );
    }
    rig.client("p");
    rig.send(
        "p",
        with(publish("", 0, 0, "x"), &[(id::TOPIC_ALIAS, PropertyValue::U16(1))]),
    );
    rig.ping("p");
    let mut connect = connect("w", &[]);
    let mut last = will("x/w", 1, false);
    for (id, value) in [pair("b", "2"), pair("a", "1")] {
        last.properties.push(id, value);
    }
    connect.will = Some(last);
    rig.connect("w", connect);
    rig.cut("w");
}

fn options(rig: &mut Rig) {
    rig.client("p");
    rig.client("s");
    rig.retain("p", "o/kept", 0, "kept");
    for options in [0x00, 0x10, 0x20, 0x04, 0x08] {
        for packet_id in [1, 2] {
            rig.subscribe("s", packet_id, &[("o/+", options)]);
        }
        rig.publish("s", "o/x", 0, 0, "own");
        rig.retain("p", "o/live", 0, "live");
        rig.unsubscribe("s", 3, &["o/+", "o/never"]);
    }
    for (packet_id, filter) in [(4, "o/+"), (5, "o/#")] {
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id,
            subscriptions: vec![Subscription::new(filter, 0)],
            ..Subscribe::default()
        });
        rig.send(
            "s",
            with(
                subscribe,
                &[(id::SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(u32::from(packet_id)))],
            ),
        );
    }
    rig.publish("p", "o/ids", 0, 0, "x");
    rig.client("again");
    rig.subscribe("again", 1, &[("o/+", 0x10)]);
    rig.subscribe("again", 2, &[("o/+", 0x10)]);
}

fn flow(rig: &mut Rig) {
    let small = [
        (id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(40)),
        (id::RECEIVE_MAXIMUM, PropertyValue::U16(1)),
        (id::REQUEST_PROBLEM_INFORMATION, PropertyValue::Byte(0)),
        (id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(300)),
        (id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(2)),
    ];
    rig.client("p");
    rig.connect("s", connect("s", &small));
    rig.subscribe("s", 1, &[("f", 2)]);
    for (packet_id, length) in [(1, 100), (2, 3), (3, 4), (4, 5)] {
        rig.publish("p", "f", 1, packet_id, &"x".repeat(length));
    }
    rig.ping("s");
    for packet_id in 1..=3 {
        rig.send("s", Packet::PubAck(Ack::new(packet_id)));
    }
    // Every acknowledgement, for small clients too.
    rig.publish("s", "f", 1, 5, "x");
    rig.publish("s", "f", 2, 6, "x");
    rig.send("s", Packet::PubRec(Ack::new(99)));
    rig.send("s", Packet::PubRel(Ack::new(99)));
    rig.unsubscribe("s", 7, &["never", "f"]);
    rig.send("s", Packet::from(connect("s", &small)));
    rig.ping("s");
    rig.cut("s");
    // Refused by the client, in two ways.
    rig.lasting("r");
    rig.subscribe("r", 1, &[("g", 2)]);
    rig.publish("p", "g", 1, 8, "x");
    rig.publish("p", "g", 2, 9, "x");
    for packet in [Packet::PubAck as fn(Ack) -> Packet, Packet::PubRec] {
        for packet_id in [1, 2] {
            let ack = Ack {
                reason_code: 0x80,
                ..Ack::new(packet_id)
            };
            rig.send("r", packet(ack));
        }
    }
    rig.cut("r");
    rig.lasting("r");
    // Too small for any CONNACK with a reason.
    let method = (id::AUTHENTICATION_METHOD, PropertyValue::Text("x".into()));
    rig.connect("m", connect("m", &[small[0].clone(), method]));
    rig.ping("m");
    rig.client("auth");
    rig.raw("auth", b"\xf0\x02\x19\x00");
    rig.ping("auth");
}

fn expiring(rig: &mut Rig) {
    rig.client("p");
    rig.lasting("e");
    rig.subscribe("e", 1, &[("e/#", 2)]);
    let expiring = |seconds, packet_id| {
        with(
            publish("e/x", 2, packet_id, "x"),
            &[(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(seconds))],
        )
    };
    rig.send("p", expiring(1, 1));
    rig.cut("e");
    rig.send("p", expiring(1, 2));
    rig.send("p", expiring(60, 3));
    rig.wait(3.0);
    rig.lasting("e");
    rig.send("p", Packet::PubRel(Ack::new(1)));
    rig.cut("e");
    rig.wait(299.0);
    rig.lasting("e");
    rig.cut("e");
    rig.wait(301.0);
    rig.lasting("e");
    // Wills with a delay.
    rig.client("watcher");
    rig.subscribe("watcher", 1, &[("dw", 0)]);
    for back in [true, false] {
        let mut connect = rig.lasting_connect("dw");
        let mut delayed = will("dw", 0, false);
        delayed.properties.push(id::WILL_DELAY_INTERVAL, PropertyValue::U32(3));
        connect.will = Some(delayed);
        rig.connect("dw", connect);
        rig.cut("dw");
        rig.wait(2.0);
        if back {
            rig.lasting("dw");
        }
        rig.wait(2.0);
        rig.cut("dw");
    }
    // A session that ends before the delay of its will has passed.
    let mut brief = rig.lasting_connect("dw");
    let mut delayed = will("dw", 0, false);
    delayed.properties.push(id::WILL_DELAY_INTERVAL, PropertyValue::U32(60));
    brief.will = Some(delayed);
    rig.connect("dw", brief);
    rig.cut("dw");
    rig.client("dw");
    rig.ping("watcher");
    // A session that never expires.
    for _ in 0..2 {
        let mut never = connect("never", &[(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(u32::MAX))]);
        never.clean_start = false;
        rig.connect("never", never);
        rig.cut("never");
    }
    // From no expiry to some.
    rig.client("z");
    let goodbye = Packet::Disconnect(crate::wire::Disconnect::default());
    rig.send(
        "z",
        with(goodbye, &[(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(60))]),
    );
    rig.ping("z");
    rig.cut("z");
}

fn sharing(rig: &mut Rig) {
    rig.client("p");
    rig.lasting("one");
    rig.subscribe("one", 1, &[("$share/g/sh", 2)]);
    rig.publish("p", "sh", 2, 30, "begun by one");
    rig.publish("p", "sh", 1, 31, "refused by one");
    rig.client("two");
    rig.subscribe("two", 1, &[("$share/g/sh", 0)]);
    let refused = Ack {
        reason_code: 0x80,
        ..Ack::new(2)
    };
    rig.send("one", Packet::PubAck(refused));
    rig.cut("one");
    rig.publish("p", "sh", 2, 32, "for two");
    rig.client("one");
}

fn refusing(rig: &mut Rig) {
    for n in 1..=11 {
        if n == 1 {
            rig.client("r");
        }
        rig.publish("r", "r/m", 2, n, "x");
    }
    rig.ping("r");
    for alias in [0, 21] {
        rig.client("r");
        rig.send(
            "r",
            with(
                publish("r/m", 0, 0, "x"),
                &[(id::TOPIC_ALIAS, PropertyValue::U16(alias))],
            ),
        );
        rig.ping("r");
    }
    rig.client("d");
    rig.subscribe("d", 1, &[("#", 0)]);
    rig.publish("d", "no/x", 2, 3, "x");
    rig.publish("d", "yes", 2, 3, "x");
    rig.client("r");
    rig.subscribe("r", 1, &[("$share/g/r", 0x04)]);
    rig.ping("r");
}

/// Against a broker with limits.
pub fn play_narrow(rig: &mut Rig) {
    rig.client("q");
    rig.publish("q", "t", 2, 1, "x");
    rig.ping("q");
    rig.client("q");
    rig.retain("q", "t", 0, "x");
    rig.ping("q");
    for (qos, retain) in [(2, false), (0, true)] {
        let mut connect = Connect::new(Version::V5, "w");
        connect.will = Some(will("w", qos, retain));
        rig.connect("w", connect);
        rig.ping("w");
    }
}
