//! Steps → bytes.

use super::*;

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

/// For every packet and version: what the defaults build is read back without a violation.
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
fn what_lies_beyond_every_limit_of_the_broker_is_skipped() {
    let mut scope = scope();
    let mut connack = ConnAck::default();
    let max = crate::wire::PropertyValue::U16(65_535);
    connack
        .properties
        .push(crate::wire::property::id::TOPIC_ALIAS_MAXIMUM, max);
    scope.connected("c", None, &connack);
    let step = "c -> PUBLISH: { topic_alias: $c.topic_alias_maximum + 1 }";
    let error = built(step, Version::V5, &scope).map(|_| ()).unwrap_err();
    assert!(error.skip, "{error:?}");
    assert!(error.message.contains("sets no limit"), "{error:?}");
    let step = "c -> PUBLISH: { topic_alias: $c.topic_alias_maximum }";
    assert!(built(step, Version::V5, &scope).is_ok());
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
        ("packet_id", var("t", 1), "`$t` is \"text\", not a number"),
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
