//! 3.1 and 3.1.1.

use super::{check, read};
use crate::wire::Side;
use crate::wire::Version::{V3_1, V3_1_1};

/// `10`, the length, `MQTT` 4 and what is given: flags, keep alive and payload.
fn connect(rest: &str) -> String {
    let len = rest.split_whitespace().count() + 7;
    format!("10 {len:02x} 00 04 4d 51 54 54 04 {rest}")
}

fn check_connect(table: &[(&str, &[&str])]) {
    for (rest, expected) in table {
        check(V3_1_1, Side::Client, &[(&connect(rest), expected)]);
    }
}

#[test]
fn connect_flags_and_payload() {
    check_connect(&[
        ("02 00 3c 00 01 61", &[]),
        ("03 00 3c 00 01 61", &["MQTT-3.1.2-3"]),
        // Will flags without a will.
        ("0a 00 3c 00 01 61", &["MQTT-3.1.2-13"]),
        ("22 00 3c 00 01 61", &["MQTT-3.1.2-15"]),
        ("3a 00 3c 00 01 61", &["MQTT-3.1.2-13", "MQTT-3.1.2-15"]),
        // Will QoS 3, a missing will, a will without payload, a wrong will topic.
        ("1e 00 3c 00 01 61 00 01 77 00 00", &["MQTT-3.1.2-14"]),
        ("06 00 3c 00 01 61", &["MQTT-3.1.2-9"]),
        ("06 00 3c 00 01 61 00 01 77", &["MQTT-3.1.2-9"]),
        ("06 00 3c 00 01 61 00 01 77 00 00", &[]),
        ("06 00 3c 00 01 61 00 01 23 00 00", &["MQTT-4.7.1-1"]),
        ("06 00 3c 00 01 61 00 00 00 00", &["MQTT-4.7.3-1"]),
        // Login.
        ("42 00 3c 00 01 61 00 01 70", &["MQTT-3.1.2-22"]),
        ("82 00 3c 00 01 61", &["MQTT-3.1.2-19"]),
        ("c2 00 3c 00 01 61 00 01 75", &["MQTT-3.1.2-21"]),
        ("c2 00 3c 00 01 61 00 01 75 00 00", &[]),
        ("02 00 3c 00 01 61 00 01 75", &["§2.2.3/remaining-length"]),
        ("82 00 3c 00 01 61 00 01 ff", &["MQTT-1.5.3-1"]),
        // The client identifier.
        ("02 00 3c", &["MQTT-3.1.3-3"]),
        ("02 00 3c 00", &["§2.2.3/remaining-length"]),
        ("02 00 3c 00 00", &[]),
        ("00 00 3c 00 00", &["MQTT-3.1.3-7"]),
        ("02 00 3c 00 02 c3 28", &["MQTT-1.5.3-1"]),
        ("02 00 3c 00 03 ed a0 80", &["MQTT-1.5.3-1"]),
        ("02 00 3c 00 01 00", &["MQTT-1.5.3-2"]),
        ("02 00 3c 00 01 07", &["§1.5.3/disallowed-code-points"]),
        ("02 00 3c 00 03 ef bf bf", &["§1.5.3/disallowed-code-points"]),
        ("02 00 3c 00 03 ef bb bf", &[]),
    ]);
}

#[test]
fn protocol_name_and_level() {
    check(
        V3_1_1,
        Side::Client,
        &[
            ("10 0f 00 06 4d 51 49 73 64 70 04 02 00 3c 00 01 61", &["MQTT-3.1.2-1"]),
            ("10 0d 00 04 4d 51 54 54 05 02 00 3c 00 01 61", &["MQTT-3.1.2-2"]),
            ("10 0d 00 04 6d 71 74 74 04 02 00 3c 00 01 61", &["MQTT-3.1.2-1"]),
            ("10 02 00 04", &["§2.2.3/remaining-length"]),
            ("10 00", &["§2.2.3/remaining-length"]),
        ],
    );
    check(
        V3_1,
        Side::Client,
        &[
            ("10 0f 00 06 4d 51 49 73 64 70 03 02 00 3c 00 01 61", &[]),
            (
                "10 0f 00 06 4d 51 49 73 64 70 04 02 00 3c 00 01 61",
                &["§2.2/protocol-version"],
            ),
            ("10 0d 00 04 4d 51 54 54 03 02 00 3c 00 01 61", &["§2.2/protocol-name"]),
        ],
    );
}

/// 3.1 is laxer about flags, stricter about identifiers, and lets announced logins be missing (section 3.1).
#[test]
fn connect_of_3_1() {
    let connect = |rest: &str| {
        let len = rest.split_whitespace().count() + 9;
        format!("10 {len:02x} 00 06 4d 51 49 73 64 70 03 {rest}")
    };
    let table: &[(&str, &[&str])] = &[
        ("03 00 3c 00 01 61", &["§2.6/unused-bits"]),
        ("3a 00 3c 00 01 61", &[]),
        ("1e 00 3c 00 01 61 00 01 77 00 00", &["§2.2/will-qos"]),
        ("06 00 3c 00 01 61", &["§2.2/will-fields"]),
        ("42 00 3c 00 01 61 00 01 70", &["§2.2/password-needs-user-name"]),
        ("82 00 3c 00 01 61", &[]),
        ("c2 00 3c 00 01 61", &[]),
        ("c2 00 3c 00 01 61 00 01 75", &[]),
        ("02 00 3c 00 01 61 00", &["§2.1/remaining-length"]),
        ("02 00 3c 00 00", &["§3.1/client-id-length"]),
        (
            "02 00 3c 00 18 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61",
            &["§3.1/client-id-length"],
        ),
        (
            "02 00 3c 00 17 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61",
            &[],
        ),
        ("02 00 3c 00 02 c3 28", &["§2.5/utf-8"]),
        // What Java's writeUTF writes is well-formed here.
        ("02 00 3c 00 05 ed a0 80 c0 80", &[]),
    ];
    for (rest, expected) in table {
        check(V3_1, Side::Client, &[(&connect(rest), expected)]);
    }
}

#[test]
fn connack() {
    check(
        V3_1_1,
        Side::Server,
        &[
            ("20 02 00 00", &[]),
            ("20 02 01 00", &[]),
            ("20 02 00 05", &[]),
            ("20 02 02 00", &["§3.2.2.1/reserved-bits"]),
            ("20 02 01 05", &["MQTT-3.2.2-4"]),
            ("20 02 00 06", &["§3.2.2.3/return-codes"]),
            ("20 03 00 00 00", &["§2.2.3/remaining-length"]),
            ("20 01 00", &["§2.2.3/remaining-length"]),
        ],
    );
    check(
        V3_1,
        Side::Server,
        &[
            ("20 02 00 05", &[]),
            ("20 02 01 00", &["§2.6/unused-bits"]),
            ("20 02 00 06", &["§2.2/return-codes"]),
        ],
    );
}

#[test]
fn publish() {
    check(
        V3_1_1,
        Side::Client,
        &[
            ("30 04 00 01 61 78", &[]),
            ("30 03 00 01 61", &[]),
            ("3d 06 00 01 61 00 0a 78", &[]),
            ("38 04 00 01 61 78", &["MQTT-3.3.1-2"]),
            ("36 06 00 01 61 00 0a 78", &["MQTT-3.3.1-4"]),
            ("32 06 00 01 61 00 00 78", &["MQTT-2.3.1-1"]),
            ("32 04 00 01 61 00", &["§2.2.3/remaining-length"]),
            ("30 02 00 00", &["MQTT-4.7.3-1"]),
            ("30 05 00 03 61 2f 23", &["MQTT-3.3.2-2"]),
            ("30 05 00 03 2b 2f 61", &["MQTT-3.3.2-2"]),
            ("30 05 00 03 61 00 62", &["MQTT-1.5.3-2"]),
            ("30 04 00 02 c0 80", &["MQTT-1.5.3-1"]),
            ("30 03 00 05 61", &["§2.2.3/remaining-length"]),
            ("30 01 00", &["§2.2.3/remaining-length"]),
        ],
    );
    check(
        V3_1,
        Side::Server,
        &[
            ("38 04 00 01 61 78", &["§2.1/dup-qos-0"]),
            ("36 06 00 01 61 00 0a 78", &["§2.1/qos-3"]),
            ("32 06 00 01 61 00 00 78", &["§2.4/message-id-zero"]),
            ("30 02 00 00", &["§A/one-character"]),
            ("30 05 00 03 61 2f 23", &["§3.3/topic-wildcards"]),
            ("30 05 00 03 61 00 62", &["§A/null"]),
            ("30 04 00 02 c0 80", &["§A/null"]),
        ],
    );
    // A server passes on what a client gave it: that advice is not for the server.
    check(V3_1_1, Side::Server, &[("30 03 00 01 07", &[])]);
    check(
        V3_1_1,
        Side::Client,
        &[("30 03 00 01 07", &["§1.5.3/disallowed-code-points"])],
    );
}

#[test]
fn acknowledgements() {
    check(
        V3_1_1,
        Side::Server,
        &[
            ("40 02 00 00", &["MQTT-2.3.1-6"]),
            ("50 02 00 00", &["MQTT-2.3.1-6"]),
            ("62 02 00 00", &["MQTT-2.3.1-6"]),
            ("70 02 00 00", &["MQTT-4.3.3-2"]),
            ("90 03 00 00 00", &["MQTT-2.3.1-7"]),
            ("b0 02 00 00", &["MQTT-2.3.1-7"]),
            ("40 03 00 01 00", &["§2.2.3/remaining-length"]),
            ("90 02 00 01", &["MQTT-3.8.4-5"]),
            ("90 06 00 01 00 01 02 80", &[]),
            ("90 04 00 01 00 03", &["MQTT-3.9.3-2"]),
            ("b0 03 00 01 00", &["§2.2.3/remaining-length"]),
            ("90 00", &["§2.2.3/remaining-length"]),
        ],
    );
    check(
        V3_1,
        Side::Server,
        &[
            ("90 03 00 01 80", &["§3.9/granted-qos"]),
            ("90 02 00 01", &["§3.9/one-a-topic"]),
            ("40 02 00 00", &["§2.4/message-id-zero"]),
        ],
    );
}

#[test]
fn subscribe_and_unsubscribe() {
    check(
        V3_1_1,
        Side::Client,
        &[
            ("82 06 00 01 00 01 61 02", &[]),
            ("82 02 00 01", &["MQTT-3.8.3-3"]),
            ("82 06 00 00 00 01 61 00", &["MQTT-2.3.1-1"]),
            ("82 06 00 01 00 01 61 03", &["MQTT-3.8.3-4"]),
            ("82 06 00 01 00 01 61 04", &["MQTT-3.8.3-4"]),
            ("82 05 00 01 00 01 61", &["§2.2.3/remaining-length"]),
            ("82 05 00 01 00 00 00", &["MQTT-4.7.3-1"]),
            ("82 07 00 01 00 02 61 23 00", &["MQTT-4.7.1-2"]),
            ("82 08 00 01 00 03 23 2f 61 00", &["MQTT-4.7.1-2"]),
            ("82 07 00 01 00 02 61 2b 00", &["MQTT-4.7.1-3"]),
            ("82 07 00 01 00 02 2b 61 00", &["MQTT-4.7.1-3"]),
            ("82 0a 00 01 00 05 2b 2f 2b 2f 23 00", &[]),
            ("82 06 00 01 00 01 23 00", &[]),
            ("82 07 00 01 00 02 2f 23 00", &[]),
            ("82 06 00 01 00 01 ff 00", &["MQTT-1.5.3-1"]),
            ("a2 05 00 01 00 01 61", &[]),
            ("a2 02 00 01", &["MQTT-3.10.3-2"]),
            ("a2 04 00 01 00 00", &["MQTT-4.7.3-1"]),
            ("a2 06 00 01 00 01 61 00", &["§2.2.3/remaining-length"]),
            ("a2 06 00 01 00 02 23 61", &["MQTT-4.7.1-2"]),
            // A share name means nothing here.
            ("82 0e 00 01 00 09 24 73 68 61 72 65 2f 2f 61 00", &[]),
        ],
    );
    check(
        V3_1,
        Side::Client,
        &[
            ("82 06 00 01 00 01 61 03", &["§3.8/qos-3"]),
            ("82 06 00 01 00 01 61 04", &["§2.6/unused-bits"]),
            // The text does not say that there is at least one topic.
            ("82 02 00 01", &[]),
            ("a2 02 00 01", &[]),
            ("82 07 00 01 00 02 61 23 00", &["§A/multi-level"]),
            ("82 07 00 01 00 02 61 2b 00", &["§A/single-level"]),
            ("82 05 00 01 00 00 00", &["§A/one-character"]),
        ],
    );
}

#[test]
fn breaches_name_what_says_the_same() {
    let decoded = read("30 05 00 03 61 2f 23", V3_1_1, Side::Client);
    let ids: Vec<String> = decoded.breaches[0].statements().map(|s| s.to_string()).collect();
    assert_eq!(ids, ["v3.1.1:MQTT-3.3.2-2", "v3.1.1:MQTT-4.7.1-1"]);
    assert_eq!(decoded.breaches[0].span, 6..7);
    assert!(decoded.breaches[0].is_must());
    assert!(decoded.packet.is_some());
    assert!(!read("20 02 01 00", V3_1, Side::Server).breaches[0].is_must());
}
