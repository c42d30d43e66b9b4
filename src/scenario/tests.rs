//! From the text of a step to bytes, and from bytes to the answer whether they are what a step waits for.

use std::sync::Arc;

use ::bytes::Bytes;

use super::*;
use crate::statements::Version;
use crate::wire::{
    Ack, Blob, Chunk, ConnAck, Frame, Packet, Payload, Publish, Side, SubAck, Text, Value, decode, decode_bytes,
    encode_bytes,
};

fn scope() -> Scope {
    Scope::new("ms00abcd")
}

/// The step of a scenario with this one step, at a version.
fn step_at(text: &str, version: Version) -> Step {
    let text = format!(
        "format: 1\ntitle: T\nversions: [{version}]\nserial: true\nclients: {{ c: {{}} }}\nsteps:\n  - {text}\ncontrol:\n  - c <- PINGRESP\n"
    );
    let source = Arc::new(Source {
        file: "a.yaml".to_owned(),
        text,
    });
    let scenario = load(&source, "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
    scenario.cases[0].script.steps[0].clone()
}

fn built(text: &str, version: Version, scope: &Scope) -> Result<Built, BuildError> {
    let step = step_at(text, version);
    match &step.what {
        StepKind::Send {
            client,
            what: Send::Write(write),
        } => write.build(version, scope, client, &step.place),
        other => panic!("{other:?}"),
    }
}

/// The bytes of each write, in hex.
fn writes(text: &str, version: Version) -> Vec<String> {
    let writes = built(text, version, &scope()).unwrap().writes;
    writes
        .iter()
        .map(|write| {
            write
                .iter()
                .map(|chunk| match chunk {
                    Chunk::Bytes(bytes) => hex::encode(bytes),
                    Chunk::Fill { len, byte } => format!("<{len}x{byte:02x}>"),
                })
                .collect()
        })
        .collect()
}

fn one(text: &str, version: Version) -> String {
    let writes = writes(text, version);
    assert_eq!(writes.len(), 1, "{writes:?}");
    writes.concat()
}

fn pattern_at(text: &str, version: Version) -> PacketPattern {
    match step_at(text, version).what {
        StepKind::Expect {
            what: Expect::Packet(pattern),
            ..
        } => pattern,
        other => panic!("{other:?}"),
    }
}

fn matched(text: &str, packet: &Packet, version: Version, scope: &mut Scope) -> Result<(), Vec<Mismatch>> {
    let decoded = decode_bytes(&encode_bytes(packet, version), version, Side::Server);
    pattern_at(text, version).matches(&decoded, None, version, scope)
}

/// The names of the fields that differ.
fn differs(text: &str, packet: &Packet, version: Version) -> Vec<String> {
    let result = matched(text, packet, version, &mut scope());
    result.err().unwrap_or_default().into_iter().map(|m| m.field).collect()
}

const NS: &str = "6d73303061626364";

#[test]
fn packets_have_defaults_that_make_them_valid() {
    use Version::{V3_1, V3_1_1, V5};
    assert_eq!(
        one("c -> CONNECT", V3_1_1),
        format!("101500044d5154540402003c0009{NS}63")
    );
    assert_eq!(
        one("c -> CONNECT", V3_1),
        format!("101700064d51497364700302003c0009{NS}63")
    );
    assert_eq!(one("c -> CONNECT", V5), format!("101600044d5154540502003c000009{NS}63"));
    assert_eq!(one("c -> PUBLISH", V3_1_1), format!("300a0008{NS}"));
    assert_eq!(one("c -> PUBLISH: { qos: 1 }", V3_1_1), format!("320c0008{NS}0001"));
    assert_eq!(one("c -> SUBSCRIBE", V5), format!("820e0001000008{NS}00"));
    assert_eq!(one("c -> UNSUBSCRIBE", V3_1_1), format!("a20c00010008{NS}"));
    assert_eq!(one("c -> PUBREL", V5), "62020001");
    assert_eq!(one("c -> PINGREQ", V5), "c000");
    assert_eq!(one("c -> DISCONNECT", V5), "e000");
}

/// For every packet and version: what the defaults build is read back without a breach.
#[test]
fn the_defaults_breach_nothing() {
    for version in Version::ALL {
        for packet_type in crate::wire::PacketType::ALL {
            if !packet_type.from_client(version) || packet_type == crate::wire::PacketType::Auth {
                continue;
            }
            let template = PacketTemplate::new(packet_type, Place::default());
            let (packet, overrides) = template.build(version, &scope(), "sub_1").unwrap();
            assert_eq!(overrides, crate::wire::Overrides::default());
            let decoded = decode_bytes(&encode_bytes(&packet, version), version, Side::Client);
            assert_eq!(decoded.breaches, [], "{packet_type} at {version}");
            assert_eq!(decoded.packet, Some(packet));
        }
    }
}

#[test]
fn fields_are_what_the_script_says() {
    use Version::{V3_1_1, V5};
    assert_eq!(
        one(
            "c -> PUBLISH: { topic: a, qos: 2, dup: true, retain: true, packet_id: 0x102, payload: 007 }",
            V3_1_1
        ),
        "3d0800016101 02303037".replace(' ', "")
    );
    assert_eq!(
        one(
            "c -> SUBSCRIBE: { filters: [{ a: 1 }, { filter: b, qos: 2, no_local: true, retain_as_published: true, retain_handling: 2 }, { filter: c, options: 0xc0 }, d] }",
            V5
        ),
        "8213000100000161010001622e000163c000016400"
    );
    assert_eq!(
        one(
            "c -> CONNECT: { client_id: a, will: { topic: w, payload: x, qos: 1, retain: true }, username: u, password: { hex: 'ff' }, clean_session: false, keep_alive: 0 }",
            V3_1_1
        ),
        "101900044d51545404ec000000016100017700017800017500 01ff".replace(' ', "")
    );
    assert_eq!(
        one(
            "c -> PUBLISH: { topic: '', topic_alias: 3, user_properties: [[a, b], [a, c]], correlation_data: { hex: 00 } }",
            V5
        ),
        "3018000015230003260001610001622600016100016309000100"
    );
    assert_eq!(
        one("c -> CONNECT: { client_id: a, username: absent }", V3_1_1),
        "100d00044d5154540402003c000161"
    );
}

#[test]
fn packets_are_made_wrong() {
    use Version::{V3_1_1, V5};
    assert_eq!(one("c -> PUBREL: { flags: 0, packet_id: 7 }", V3_1_1), "60020007");
    assert_eq!(
        one("c -> PINGREQ: { remaining_length: 'c0 80 00' }", V3_1_1),
        "c0c08000"
    );
    assert_eq!(one("c -> PINGREQ: { remaining_length: 200 }", V3_1_1), "c0c801");
    assert_eq!(one("c -> PINGREQ: { append: 'aa \"b\"' }", V3_1_1), "c002aa62");
    assert_eq!(one("c -> PUBACK: { truncate: 1 }", V3_1_1), "400100");
    assert_eq!(
        one("c -> CONNECT: { client_id: a, connect_flags: 0x03 }", V3_1_1),
        "100d00044d5154540403003c000161"
    );
    assert_eq!(
        one("c -> DISCONNECT: { properties: { hex: '11 00 00 00 05' } }", V5),
        "e00700051100000005"
    );
    assert_eq!(
        one("c -> DISCONNECT: { reason_code: 4, property_length: 9 }", V5),
        "e0020409"
    );
}

#[test]
fn writes_are_cut_as_the_script_says() {
    use Version::V3_1_1;
    assert_eq!(writes("c -> PUBACK: { split: [1, 1] }", V3_1_1), ["40", "02", "0001"]);
    assert_eq!(writes("c -> PUBACK: { split: 1 }", V3_1_1), ["40", "02", "00", "01"]);
    assert_eq!(writes("c -> PUBACK: { split: [9] }", V3_1_1), ["40020001"]);
    assert_eq!(
        writes("c -> bytes: { hex: 'c0 00 c0', split: [2] }", V3_1_1),
        ["c000", "c0"]
    );
    assert_eq!(
        writes(
            "c -> together: { parts: [PINGREQ, frame: 'd0 \"abc\"'], split: [3] }",
            V3_1_1
        ),
        ["c000d0", "03616263"]
    );
    assert_eq!(
        writes(
            "c -> PUBLISH: { topic: a, payload: { size: 100000, fill: x }, split: [7, 3] }",
            V3_1_1
        ),
        ["30a38d06000161", "<3x78>", "<99997x78>"]
    );
}

#[test]
fn what_cannot_be_built_is_an_error_with_its_place() {
    let long = built(
        "c -> CONNECT: { client_id: { size: 65535, fill: x } }",
        Version::V5,
        &scope(),
    );
    assert!(long.is_ok());
    let padded = "c -> PUBLISH: { topic: { start: $ns/, size: 65535, fill: a } }";
    assert_eq!(built(padded, Version::V5, &scope()).unwrap().parts.len(), 1);

    let mut scope = scope();
    scope.bind("m", Value::Int(70_000));
    scope.bind("t", Value::Text("text".into()));
    scope.bind("p", Value::Payload(Payload::Bytes(vec![b'a'; 70_000].into())));
    let template = |name: &str, value: Expr| {
        let mut template = PacketTemplate::new(crate::wire::PacketType::Publish, Place::default());
        template.fields.push(FieldExpr {
            name: name.to_owned(),
            place: Place {
                line: 9,
                ..Place::default()
            },
            value,
        });
        template.build(Version::V5, &scope, "c").map(|_| ())
    };
    let var = |name: &str, plus| Expr::Var {
        var: Var(name.to_owned()),
        plus,
    };
    for (name, value, message) in [
        (
            "packet_id",
            var("m", 0),
            "70000 is more than the 65535 that the field can hold",
        ),
        (
            "packet_id",
            var("m", -70_001),
            "`$m` is 70000: -70001 would make it negative",
        ),
        ("packet_id", var("t", 0), "`$t` is \"text\", no number"),
        ("packet_id", var("t", 1), "`$t` is \"text\", no number to count with"),
        ("packet_id", var("x", 0), "`$x` has no value yet"),
        ("retain", var("m", 0), "`$m` is 70000, neither true nor false"),
        (
            "topic",
            var("p", 0),
            "70000 bytes are more than the 65 535 that a string can have",
        ),
        (
            "response_topic",
            var("d.assigned_client_id", 0),
            "`$d.assigned_client_id` is not known: `d` has had no CONNACK",
        ),
    ] {
        let error = template(name, value).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.place.line, error.skip),
            (message, 9, false)
        );
    }
    assert!(template("topic", var("auth.method", 0)).unwrap_err().skip);
}

#[test]
fn the_login_of_the_target_goes_with_every_connect() {
    let login = Login {
        username: "u".into(),
        password: Some(Bytes::from_static(b"p")),
    };
    let scope = scope().with_login(Some(login));
    let hex = |text: &str| match &built(text, Version::V3_1_1, &scope).unwrap().writes[0][0] {
        Chunk::Bytes(bytes) => hex::encode(bytes),
        other => panic!("{other:?}"),
    };
    let with_login = "101300044d51545404c2003c000161000175000170";
    assert_eq!(hex("c -> CONNECT: { client_id: a }"), with_login);
    assert_eq!(
        hex("c -> CONNECT: { client_id: a, username: absent }"),
        "100d00044d5154540402003c000161"
    );
    assert_eq!(
        hex("c -> CONNECT: { client_id: a, connect_flags: 2 }"),
        "100d00044d5154540402003c000161"
    );
    assert_eq!(
        hex("c -> CONNECT: { client_id: a, connect_flags: 2|$login }"),
        with_login
    );
    assert_eq!(
        hex("c -> frame: '10 s\"MQTT\" 04 02|$login 003c s\"a\" $login'"),
        with_login
    );

    let lacks = |text: &str| match step_at(text, Version::V3_1_1).what {
        StepKind::Send {
            what: Send::Write(write),
            ..
        } => write.lacks_login(),
        other => panic!("{other:?}"),
    };
    assert!(lacks("c -> CONNECT: { connect_flags: 2 }"));
    assert!(lacks("c -> bytes: '10 00'"));
    assert!(!lacks("c -> bytes: 'c0 00'"));
    assert!(!lacks("c -> CONNECT: { connect_flags: 2|$login }"));
    assert!(!lacks("c -> frame: '10 02|$login'"));
}

#[test]
fn client_ids_are_letters_and_digits() {
    assert_eq!(default_client_id("ms00abcd", "sub_1"), "ms00abcdsub1");
    assert_eq!(default_client_id("ms00abcd", "a_very_long_name_of_a_client").len(), 23);
}

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
