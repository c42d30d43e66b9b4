//! Packets that are malformed on their own, each on a connection that was fine until then.

use super::*;

pub fn play(rig: &mut Rig) {
    rig.client("watcher");
    rig.subscribe("watcher", 1, &[("m/#", 2)]);
    for packet in flags(rig.version).into_iter().chain(bytes(rig.version)) {
        rig.client("m");
        rig.raw("m", &packet);
        rig.ping("m");
        rig.cut("m");
    }
    for packet in texts() {
        rig.client("m");
        rig.send("m", packet);
        rig.ping("m");
        rig.cut("m");
    }
    for packet in connects(rig.version) {
        rig.open("m");
        rig.raw("m", &packet);
        rig.ping("m");
        rig.cut("m");
    }
}

/// Wrong flags of every packet that a client may send.
fn flags(version: Version) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: 1,
        subscriptions: vec![Subscription::new("m/f", 0)],
        ..Subscribe::default()
    });
    let unsubscribe = Packet::Unsubscribe(Unsubscribe {
        packet_id: 1,
        filters: vec!["m/f".into()],
        ..Unsubscribe::default()
    });
    let all = [
        Packet::PubAck(Ack::new(1)),
        Packet::PubRec(Ack::new(1)),
        Packet::PubRel(Ack::new(1)),
        Packet::PubComp(Ack::new(1)),
        subscribe,
        unsubscribe,
        Packet::PingReq,
        Packet::Disconnect(crate::wire::Disconnect::default()),
        Packet::Auth(crate::wire::Auth::default()),
    ];
    for packet in all {
        for flags in [0b0000, 0b0001, 0b1010] {
            let overrides = Overrides {
                flags: Some(flags),
                ..Overrides::default()
            };
            packets.push(outgoing::chunks(&packet, version, &overrides).concat());
        }
    }
    for flags in [0b0110, 0b1000] {
        let overrides = Overrides {
            flags: Some(flags),
            ..Overrides::default()
        };
        packets.push(outgoing::chunks(&publish("m/f", 1, 1, "x"), version, &overrides).concat());
    }
    packets
}

/// Wrong types, lengths, identifiers and payloads.
fn bytes(version: Version) -> Vec<Vec<u8>> {
    let is_v5 = version == Version::V5;
    let no_properties: &[u8] = if is_v5 { &[0] } else { &[] };
    let body = |first: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        [&[first, body.len() as u8][..], &body].concat()
    };
    let mut packets = vec![
        b"\x00\x00".to_vec(),
        b"\xf0\x00".to_vec(),
        b"\xd0\x00".to_vec(),
        b"\x20\x02\x00\x00".to_vec(),
        b"\xc0\xff\xff\xff\xff\x01".to_vec(),
        b"\xc0\x80\x00".to_vec(),
        b"\xc0\x01\x00".to_vec(),
        b"\x40\x01\x00".to_vec(),
    ];
    for first in [0x40, 0x50, 0x62, 0x70] {
        packets.push(body(first, &[&[0, 0]]));
    }
    packets.push(body(0x32, &[b"\x00\x03m/f", &[0, 0], no_properties]));
    packets.push(body(0x82, &[&[0, 0], no_properties, b"\x00\x03m/f\x00"]));
    packets.push(body(0xa2, &[&[0, 0], no_properties, b"\x00\x03m/f"]));
    packets.push(body(0x82, &[&[0, 1], no_properties]));
    packets.push(body(0xa2, &[&[0, 1], no_properties]));
    for options in [0x03, 0x04, 0x30, 0x40, 0x80] {
        packets.push(body(0x82, &[&[0, 1], no_properties, b"\x00\x03m/f", &[options]]));
    }
    if is_v5 {
        // Reason codes, and blocks of properties.
        for first in [0x40, 0x50, 0x62, 0x70] {
            packets.push(body(first, &[&[0, 1, 0x7f]]));
        }
        packets.push(body(0xe0, &[&[0x7f]]));
        packets.push(body(0xf0, &[&[0x7f, 0]]));
        packets.push(body(0xf0, &[&[0x18, 0]]));
        packets.push(body(0x82, &[&[0, 1], b"\x02\x0b\x00", b"\x00\x03m/f\x00"]));
        for block in [
            &b""[..],
            b"\x05\x01\x00",
            b"\x02\x01\x02",
            b"\x04\x01\x00\x01\x00",
            b"\x02\x0b\x01",
            b"\x03\x21\x00\x01",
            b"\x02\x7e\x00",
            b"\x03\x23\x00\x00",
            b"\x05\x08\x00\x02\xff\xfe",
            b"\x06\x08\x00\x03a/+",
            b"\x05\x03\x00\x02\xff\xfe",
            b"\x07\x26\x00\x02\xff\xfe\x00\x00",
            b"\x06\x26\x00\x01\x00\x00\x00",
        ] {
            packets.push(body(0x30, &[b"\x00\x03m/f", block]));
        }
    }
    packets
}

/// Invalid strings and topics.
fn texts() -> Vec<Packet> {
    let mut packets = Vec::new();
    let filters = [
        &b""[..],
        b"m/\xff\xfe",
        b"m/a\0b",
        b"m/a#",
        b"m/#/a",
        b"m/a+",
        b"$share//a",
        b"$share/g",
        b"$share/g+/a",
    ];
    for filter in filters {
        let filter = Text::from(filter.to_vec());
        packets.push(Packet::Subscribe(Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription {
                filter: filter.clone(),
                options: 0,
            }],
            ..Subscribe::default()
        }));
        packets.push(Packet::Unsubscribe(Unsubscribe {
            packet_id: 1,
            filters: vec![filter],
            ..Unsubscribe::default()
        }));
    }
    for topic in [&b""[..], b"m/\xff\xfe", b"m/a\0b", b"m/+", b"m/#"] {
        packets.push(Packet::Publish(Publish {
            topic: Text::from(topic.to_vec()),
            ..Publish::default()
        }));
    }
    packets
}

/// Wrong CONNECT packets.
fn connects(version: Version) -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = vec![b"\xc0\x00".to_vec()];
    let good = Connect::new(version, "m");
    let plain = |connect: &Connect, overrides: Overrides| {
        outgoing::chunks(&Packet::from(connect.clone()), version, &overrides).concat()
    };
    let mut push = |connect: &Connect, overrides: Overrides| packets.push(plain(connect, overrides));
    for flags in [0x03, 0x0a, 0x22, 0x1e, 0x42, 0x06, 0x82, 0xc2] {
        push(
            &good,
            Overrides {
                connect_flags: Some(flags),
                ..Overrides::default()
            },
        );
    }
    push(
        &good,
        Overrides {
            flags: Some(1),
            ..Overrides::default()
        },
    );
    // Without the client id, and with fields that no flag announces.
    push(
        &good,
        Overrides {
            truncate: 3,
            ..Overrides::default()
        },
    );
    push(
        &good,
        Overrides {
            append: Bytes::from_static(b"\x00\x01u"),
            ..Overrides::default()
        },
    );
    let mut named = good.clone();
    named.username = Some("u".into());
    for append in [&b""[..], b"\x00\x01p"] {
        push(
            &named,
            Overrides {
                append: Bytes::from_static(append),
                ..Overrides::default()
            },
        );
    }
    push(
        &named,
        Overrides {
            connect_flags: Some(0xc2),
            ..Overrides::default()
        },
    );
    let mut protocol = good.clone();
    protocol.protocol_name = "MQTX".into();
    push(&protocol, Overrides::default());
    protocol = good.clone();
    protocol.protocol_level = 9;
    push(&protocol, Overrides::default());
    for bad in [&b"\xff\xfe"[..], b"a\0b"] {
        let text = Text::from(bad.to_vec());
        let mut connect = good.clone();
        connect.client_id = text.clone();
        push(&connect, Overrides::default());
        let mut connect = good.clone();
        connect.username = Some(text.clone());
        push(&connect, Overrides::default());
        let mut connect = good.clone();
        let mut last = will("w", 0, false);
        last.topic = text;
        connect.will = Some(last);
        push(&connect, Overrides::default());
    }
    for topic in ["", "w/+"] {
        let mut connect = good.clone();
        connect.will = Some(will(topic, 0, false));
        push(&connect, Overrides::default());
    }
    for block in [
        &b""[..],
        b"\x03\x21\x00\x00",
        b"\x05\x27\x00\x00\x00\x00",
        b"\x02\x19\x02",
        b"\x02\x17\x02",
        b"\x04\x16\x00\x01x",
        b"\x03\x16\x00\x00",
    ] {
        let (length, block) = block
            .split_first()
            .map_or((None, block), |(n, block)| (Some(*n), block));
        push(
            &good,
            Overrides {
                properties: Some(Bytes::from_static(block)),
                property_length: length.map(|n| Bytes::from(vec![n])).or(Some(Bytes::new())),
                ..Overrides::default()
            },
        );
    }
    let mut formatted = good.clone();
    let mut last = will("w", 0, false);
    last.properties
        .push(id::PAYLOAD_FORMAT_INDICATOR, PropertyValue::Byte(2));
    formatted.will = Some(last);
    push(&formatted, Overrides::default());
    packets.push(outgoing::chunks(&Packet::from(good), version, &Overrides::default()).concat());
    let last = packets.len() - 1;
    let twice = packets[last].repeat(2);
    packets[last] = twice;
    packets
}
