//! Bytes → whether they are what a step waits for.

use super::*;

#[test]
fn named_fields_must_match_and_others_are_free() {
    let v = Version::V3_1_1;
    let packet = Packet::Publish(Publish {
        qos: 1,
        topic: "ms00abcd/a".into(),
        packet_id: Some(9),
        payload: "hi".into(),
        ..Publish::default()
    });
    assert!(differs("c <- PUBLISH", &packet, v).is_empty());
    assert!(
        differs(
            "c <- PUBLISH: { topic: $ns/a, qos: 1 or 2, packet_id: 5..9, payload: hi, retain: false }",
            &packet,
            v
        )
        .is_empty()
    );
    assert_eq!(
        differs(
            "c <- PUBLISH: { topic: $ns/b, qos: not 1, packet_id: 1..8, payload: h, retain: true, dup: any }",
            &packet,
            v
        ),
        ["topic", "qos", "packet_id", "payload", "retain"]
    );
    let mismatch = matched("c <- PUBLISH: { payload: ho }", &packet, v, &mut scope())
        .unwrap_err()
        .remove(0);
    assert_eq!((mismatch.expected.as_str(), mismatch.found.as_str()), ("ho", "hi"));
    assert_eq!(mismatch.span, Some(16..18));
}

#[test]
fn variables_are_bound_only_where_all_matches() {
    let v = Version::V3_1_1;
    let packet = Packet::Publish(Publish {
        qos: 2,
        topic: "t".into(),
        packet_id: Some(9),
        ..Publish::default()
    });
    let mut scope = scope();
    assert!(matched("c <- PUBLISH: { packet_id: $m, qos: 1 }", &packet, v, &mut scope).is_err());
    assert!(scope.bindings().is_empty());
    assert!(matched("c <- PUBLISH: { packet_id: $m, topic: $t }", &packet, v, &mut scope).is_ok());
    assert_eq!(scope.get(&Var("m".to_owned())), Ok(Value::Int(9)));
    let other = Packet::Publish(Publish {
        qos: 2,
        topic: "t".into(),
        packet_id: Some(10),
        ..Publish::default()
    });
    let mismatch = matched("c <- PUBLISH: { packet_id: $m }", &other, v, &mut scope)
        .unwrap_err()
        .remove(0);
    assert_eq!((mismatch.expected.as_str(), mismatch.found.as_str()), ("9", "10"));
}

#[test]
fn an_unnamed_reason_code_means_success() {
    use Version::{V3_1_1, V5};
    let ack = |reason_code| {
        Packet::PubAck(Ack {
            packet_id: 1,
            reason_code,
            ..Ack::default()
        })
    };
    assert!(differs("c <- PUBACK", &ack(0x10), V5).is_empty());
    assert_eq!(differs("c <- PUBACK", &ack(0x87), V5), ["reason_code"]);
    assert!(differs("c <- PUBACK: { reason_code: any }", &ack(0x87), V5).is_empty());
    assert!(differs("c <- PUBACK: { reason_code: 0x87 or 0x97 }", &ack(0x87), V5).is_empty());
    let connack = |reason_code| {
        Packet::ConnAck(ConnAck {
            reason_code,
            ..ConnAck::default()
        })
    };
    assert_eq!(differs("c <- CONNACK", &connack(5), V3_1_1), ["return_code"]);
    assert!(differs("c <- CONNACK: { reason_code: 5 }", &connack(5), V3_1_1).is_empty());
    let suback = |codes: &[u8]| {
        Packet::SubAck(SubAck {
            packet_id: 1,
            reason_codes: codes.to_vec(),
            ..SubAck::default()
        })
    };
    assert!(differs("c <- SUBACK", &suback(&[0, 2]), V3_1_1).is_empty());
    assert_eq!(differs("c <- SUBACK", &suback(&[0, 0x80]), V3_1_1), ["return_codes"]);
    assert!(differs("c <- SUBACK: { reason_codes: [0, 0x80] }", &suback(&[0, 0x80]), V3_1_1).is_empty());
    assert_eq!(
        differs("c <- SUBACK: { reason_codes: [0] }", &suback(&[0, 0]), V3_1_1),
        ["return_codes"]
    );
    assert!(
        differs(
            "c <- SUBACK: { reason_codes: [any, 0x87 or 0x8f] }",
            &suback(&[1, 0x8f]),
            V5
        )
        .is_empty()
    );
}

#[test]
fn absence_counts_as_the_standards_default() {
    let v = Version::V5;
    let connack = Packet::ConnAck(ConnAck::default());
    assert!(
        differs(
            "c <- CONNACK: { receive_maximum: 65535, maximum_qos: 2, user_properties: [] }",
            &connack,
            v
        )
        .is_empty()
    );
    assert!(
        differs(
            "c <- CONNACK: { receive_maximum: absent, assigned_client_id: absent }",
            &connack,
            v
        )
        .is_empty()
    );
    assert_eq!(
        differs(
            "c <- CONNACK: { receive_maximum: 10, server_keep_alive: 5, assigned_client_id: not absent }",
            &connack,
            v
        ),
        ["receive_maximum", "server_keep_alive", "assigned_client_id"]
    );
    let ack = Packet::PubAck(Ack::new(1));
    assert!(differs("c <- PUBACK: { reason_code: absent }", &ack, v).is_empty());
    assert!(differs("c <- PUBACK: { reason_code: 0 }", &ack, v).is_empty());
    let long = decode_bytes(&Bytes::from_static(&[0x40, 3, 0, 1, 0]), v, Side::Server);
    let absent = pattern_at("c <- PUBACK: { reason_code: absent }", v);
    assert!(absent.matches(&long, None, v, &mut scope()).is_err());
}

#[test]
fn properties_compare_whole_and_subscription_ids_in_any_order() {
    let v = Version::V5;
    let mut publish = Publish {
        topic: "t".into(),
        ..Publish::default()
    };
    for n in [7, 5, 7] {
        publish.properties.push(0x0b, crate::wire::PropertyValue::VarInt(n));
    }
    for (name, value) in [("a", "1"), ("b", "2")] {
        publish
            .properties
            .push(0x26, crate::wire::PropertyValue::Pair(name.into(), value.into()));
    }
    let packet = Packet::Publish(publish);
    assert!(
        differs(
            "c <- PUBLISH: { subscription_ids: [5, 7, 7], user_properties: [[a, 1], [b, 2]] }",
            &packet,
            v
        )
        .is_empty()
    );
    assert!(
        differs(
            "c <- PUBLISH: { subscription_ids: [$x, 5, 7], user_properties: { a: 1, b: any } }",
            &packet,
            v
        )
        .is_empty()
    );
    for wrong in [
        "subscription_ids: [5, 7]",
        "subscription_ids: [5, 5, 7]",
        "user_properties: { b: 2, a: 1 }",
        "user_properties: { a: 1 }",
    ] {
        assert_eq!(
            differs(&format!("c <- PUBLISH: {{ {wrong} }}"), &packet, v).len(),
            1,
            "{wrong}"
        );
    }
}

#[test]
fn the_topic_is_compared_after_its_alias_is_resolved() {
    let v = Version::V5;
    let mut publish = Publish::default();
    publish.properties.push(0x23, crate::wire::PropertyValue::U16(1));
    let decoded = decode_bytes(&encode_bytes(&Packet::Publish(publish), v), v, Side::Server);
    let topic = Text::from("ms00abcd/a");
    let resolved = |text: &str| {
        pattern_at(text, v)
            .matches(&decoded, Some(&topic), v, &mut scope())
            .is_ok()
    };
    assert!(resolved(
        "c <- PUBLISH: { topic: $ns/a, wire_topic: '', topic_alias: 1 }"
    ));
    assert!(!resolved("c <- PUBLISH: { wire_topic: $ns/a }"));
    let key = |text: &str| {
        let packet = decoded.packet.as_ref().unwrap();
        pattern_at(text, v).key_matches(packet, Some(&topic), v, &scope())
    };
    assert!(key("c <- PUBLISH: { topic: $ns/a, payload: other }"));
    assert!(!key("c <- PUBLISH: { topic: $ns/b }"));
}

#[test]
fn acknowledgements_are_looked_for_by_packet_id() {
    let v = Version::V3_1_1;
    let packet = Packet::PubAck(Ack::new(3));
    let key = |text: &str, scope: &Scope| pattern_at(text, v).key_matches(&packet, None, v, scope);
    assert!(key("c <- PUBACK", &scope()));
    assert!(key("c <- PUBACK: { packet_id: $m }", &scope()));
    assert!(key("c <- PUBACK: { packet_id: 3 or 4 }", &scope()));
    assert!(!key("c <- PUBACK: { packet_id: 4 }", &scope()));
    assert!(!key("c <- PUBREC: { packet_id: 3 }", &scope()));
    let mut bound = scope();
    bound.bind("m", Value::Int(4));
    assert!(!key("c <- PUBACK: { packet_id: $m }", &bound));
    bound.bind("m", Value::Int(3));
    assert!(key("c <- PUBACK: { packet_id: $m }", &bound));
}

#[test]
fn a_long_payload_is_compared_by_length_and_digest() {
    let v = Version::V3_1_1;
    let packet = Packet::Publish(Publish {
        topic: "t".into(),
        payload: Payload::Fill {
            len: 2 << 20,
            byte: b'x',
        },
        ..Publish::default()
    });
    let mut splitter = crate::wire::Splitter::new();
    let frames: Vec<Frame> = splitter
        .push(&encode_bytes(&packet, v))
        .into_iter()
        .filter_map(|piece| match piece {
            crate::wire::Piece::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect();
    assert!(matches!(frames[0].raw, Blob::Long(_)));
    let decoded = decode(&frames[0], v, Side::Server);
    let is = |text: &str| pattern_at(text, v).matches(&decoded, None, v, &mut scope()).is_ok();
    assert!(is("c <- PUBLISH: { payload: { size: 2097152, fill: x } }"));
    assert!(!is("c <- PUBLISH: { payload: { size: 2097152, fill: y } }"));
    assert!(!is("c <- PUBLISH: { payload: { size: 2097151, fill: x } }"));
}

#[test]
fn bytes_are_compared_byte_by_byte() {
    let check = |text: &str, raw: &[u8]| {
        let StepKind::Expect {
            what: Expect::Bytes { pattern, .. },
            ..
        } = step_at(&format!("c <- bytes: '{text}'"), Version::V3_1_1).what
        else {
            panic!("no bytes")
        };
        let mut scope = scope();
        pattern
            .matches(raw, &mut scope)
            .map(|()| scope.bindings())
            .map_err(|m| m.span.unwrap())
    };
    assert_eq!(check("40 02 .. 07", &[0x40, 2, 9, 7]), Ok(vec![]));
    assert_eq!(check("40 ...", &[0x40, 2, 9, 7]), Ok(vec![]));
    assert_eq!(
        check("40 02 $m", &[0x40, 2, 1, 7]),
        Ok(vec![("m".to_owned(), "263".to_owned())])
    );
    assert_eq!(check("40 02 00 08", &[0x40, 2, 0, 7]), Err(3..4));
    assert_eq!(check("40 02 00 07 00", &[0x40, 2, 0, 7]), Err(4..4));
    assert_eq!(check("40 02", &[0x40, 2, 0, 7]), Err(2..4));
    assert_eq!(check("40 02 $m", &[0x40, 2, 0]), Err(2..3));
    assert_eq!(check("s\"$ns\"", b"\0\x08ms00abcd"), Ok(vec![]));
}

#[test]
fn steps_print_as_the_language_writes_them() {
    let mut scope = scope();
    scope.bind("m", Value::Int(7));
    for (text, v5, shown) in [
        ("c <- PUBREC: { packet_id: $m }", false, "c <- PUBREC: { packet_id: 7 }"),
        (
            "c <- PUBREC: { packet_id: $k }",
            false,
            "c <- PUBREC: { packet_id: $k }",
        ),
        (
            "c <- next PUBLISH: { topic: $ns/a, payload: 'a b', within: 1.5s..3s }",
            false,
            "c <- next PUBLISH: { topic: ms00abcd/a, payload: \"a b\", within: 1.5s..3s }",
        ),
        ("c <- refused: 0x81 or 0x82", true, "c <- refused: 0x81 or 0x82"),
        ("c <- closed", false, "c <- closed"),
        ("c <- nothing: 3s", false, "c <- nothing: 3s"),
        ("c <- bytes: '40 02 .. ...'", false, "c <- bytes: '40 02 .. ...'"),
        (
            "c <- PUBACK: { reason_code: not 0 }",
            true,
            "c <- PUBACK: { reason_code: not 0x00 }",
        ),
        ("c -> half close", false, "c -> half close"),
        (
            "c -> PUBLISH: { flags: 3, append: '00 s\"x\"', split: [1, 2] }",
            false,
            "c -> PUBLISH: { flags: 0x3, append: '00 s\"x\"' } (split: [1, 2])",
        ),
        (
            "c -> together: [PINGREQ, bytes: 'c0 00']",
            false,
            "c -> together: [PINGREQ, bytes: 'c0 00']",
        ),
    ] {
        let version = if v5 { Version::V5 } else { Version::V3_1_1 };
        assert_eq!(print::step(&step_at(text, version), &scope), shown);
    }
}
