//! 5.0.

use super::check;
use crate::wire::Side;
use crate::wire::Version::V5;

fn len(text: &str) -> usize {
    text.split_whitespace().count()
}

/// A CONNECT with these properties (without their length).
fn connect(properties: &str) -> String {
    format!(
        "10 {:02x} 00 04 4d 51 54 54 05 02 00 3c {:02x} {properties} 00 01 61",
        len(properties) + 14,
        len(properties)
    )
}

/// A CONNECT with a will with these properties.
fn connect_will(properties: &str, payload: &str) -> String {
    format!(
        "10 {:02x} 00 04 4d 51 54 54 05 06 00 3c 00 00 01 61 {:02x} {properties} 00 01 77 00 {:02x} {payload}",
        len(properties) + len(payload) + 20,
        len(properties),
        len(payload)
    )
}

fn connack(properties: &str) -> String {
    format!(
        "20 {:02x} 00 00 {:02x} {properties}",
        len(properties) + 3,
        len(properties)
    )
}

/// A QoS 0 PUBLISH to `a` with these properties.
fn publish(properties: &str, payload: &str) -> String {
    format!(
        "30 {:02x} 00 01 61 {:02x} {properties} {payload}",
        len(properties) + len(payload) + 4,
        len(properties)
    )
}

fn check_each(from: Side, make: impl Fn(&str) -> String, table: &[(&str, &[&str])]) {
    for (properties, expected) in table {
        check(V5, from, &[(&make(properties), expected)]);
    }
}

#[test]
fn properties_of_connect() {
    check_each(
        Side::Client,
        connect,
        &[
            ("", &[]),
            ("11 00 00 00 0a 21 00 14 22 00 05 27 00 00 01 00 17 00 19 01", &[]),
            ("21 00 00", &["§3.1.2.11.3/not-zero"]),
            ("27 00 00 00 00", &["§3.1.2.11.4/not-zero"]),
            ("17 02", &["§3.1.2.11.7/values"]),
            ("19 02", &["§3.1.2.11.6/values"]),
            ("21 00 01 21 00 02", &["§2.2.2.2/single-use"]),
            ("26 00 01 6b 00 01 76 26 00 01 6b 00 01 76", &[]),
            ("16 00 01 00", &["§3.1.2.11.10/needs-method"]),
            ("15 00 01 6d 16 00 01 00", &[]),
            // Not for CONNECT; unknown; of too few bytes; an identifier in two bytes where one would do.
            ("23 00 01", &["§2.2.2.2/allowed"]),
            ("18 00 00 00 01", &["§2.2.2.2/allowed"]),
            ("7e 00", &["§2.2.2.2/allowed"]),
            ("21 00", &["§2.2.2.1/property-length"]),
            ("26 00 01 6b", &["§2.2.2.1/property-length"]),
            ("a1 00 00 01", &["MQTT-1.5.5-1"]),
            ("15 00 02 c3 28", &["MQTT-1.5.4-1"]),
            ("26 00 01 00 00 01 76", &["MQTT-1.5.4-2"]),
            ("26 00 01 6b 00 01 ff", &["MQTT-1.5.4-1"]),
        ],
    );
    check(
        V5,
        Side::Client,
        &[
            // No Property Length at all, one that is longer than the packet, one that ends inside a property.
            ("10 0a 00 04 4d 51 54 54 05 02 00 3c", &["MQTT-2.2.2-1"]),
            (
                "10 0e 00 04 4d 51 54 54 05 02 00 3c 09 00 01 61",
                &["§2.2.2.1/property-length"],
            ),
            (
                "10 11 00 04 4d 51 54 54 05 02 00 3c 02 21 00 14 00 01 61",
                &["§2.2.2.1/property-length", "§2.1.4/remaining-length"],
            ),
        ],
    );
}

#[test]
fn connect_flags() {
    check(
        V5,
        Side::Client,
        &[
            ("10 0d 00 04 4d 51 54 54 05 03 00 3c 00 00 00", &["MQTT-3.1.2-3"]),
            ("10 0d 00 04 4d 51 54 54 05 0a 00 3c 00 00 00", &["MQTT-3.1.2-11"]),
            ("10 0d 00 04 4d 51 54 54 05 22 00 3c 00 00 00", &["MQTT-3.1.2-13"]),
            // An empty client id goes with either Clean Start, a password with no user name.
            ("10 0d 00 04 4d 51 54 54 05 00 00 3c 00 00 00", &[]),
            ("10 10 00 04 4d 51 54 54 05 42 00 3c 00 00 00 00 01 70", &[]),
            ("10 0d 00 04 4d 51 54 54 05 82 00 3c 00 00 00", &["MQTT-3.1.2-17"]),
            ("10 0d 00 04 4d 51 54 54 05 42 00 3c 00 00 00", &["MQTT-3.1.2-19"]),
            ("10 0b 00 04 4d 51 54 54 05 02 00 3c 00", &["MQTT-3.1.3-3"]),
            ("10 0d 00 04 4d 51 54 54 05 06 00 3c 00 00 00", &["MQTT-3.1.2-9"]),
            ("10 0d 00 04 4d 51 54 54 06 02 00 3c 00 00 00", &["MQTT-3.1.2-2"]),
            (
                "10 13 00 04 4d 51 54 54 05 1e 00 3c 00 00 00 00 00 01 77 00 00",
                &["MQTT-3.1.2-12"],
            ),
        ],
    );
}

#[test]
fn will_properties() {
    check_each(
        Side::Client,
        |p| connect_will(p, "78"),
        &[
            ("", &[]),
            (
                "18 00 00 00 05 01 01 02 00 00 00 05 03 00 01 74 08 00 01 72 09 00 01 00",
                &[],
            ),
            ("01 02", &["§3.3.2.3.2/values"]),
            ("08 00 01 23", &["MQTT-3.3.2-14"]),
            ("23 00 01", &["§2.2.2.2/allowed"]),
            ("18 00 00 00 05 18 00 00 00 05", &["§2.2.2.2/single-use"]),
        ],
    );
    check(
        V5,
        Side::Client,
        &[(&connect_will("01 01", "ff"), &["§3.1.3.2.3/utf-8-payload"])],
    );
    check(V5, Side::Client, &[(&connect_will("01 00", "ff"), &[])]);
}

#[test]
fn properties_of_connack() {
    check_each(
        Side::Server,
        connack,
        &[
            ("", &[]),
            ("24 00 25 00 28 00 29 00 2a 01 13 00 3c 12 00 01 61", &[]),
            ("24 02", &["§3.2.2.3.4/values"]),
            ("25 02", &["§3.2.2.3.5/values"]),
            ("28 02", &["§3.2.2.3.11/values"]),
            ("29 02", &["§3.2.2.3.12/values"]),
            ("2a 02", &["§3.2.2.3.13/values"]),
            ("21 00 00", &["§3.1.2.11.3/not-zero"]),
            ("27 00 00 00 00", &["§3.1.2.11.4/not-zero"]),
            ("17 01", &["§2.2.2.2/allowed"]),
            ("25 01 25 01", &["§2.2.2.2/single-use"]),
            ("1f 00 01 07", &["§1.5.4/disallowed-code-points"]),
        ],
    );
    check(
        V5,
        Side::Server,
        &[
            ("20 03 02 00 00", &["MQTT-3.2.2-1"]),
            ("20 03 01 87 00", &["MQTT-3.2.2-6"]),
            ("20 03 00 8e 00", &["MQTT-3.2.2-8"]),
            ("20 03 00 05 00", &["MQTT-3.2.2-8"]),
            ("20 02 00 00", &["MQTT-2.2.2-1"]),
            ("20 04 00 00 00 00", &["§2.1.4/remaining-length"]),
        ],
    );
}

#[test]
fn publish_properties_and_payload() {
    check_each(
        Side::Client,
        |p| publish(p, "78"),
        &[
            ("", &[]),
            (
                "01 01 02 00 00 00 05 23 00 01 08 00 01 72 09 00 02 00 ff 03 00 01 74",
                &[],
            ),
            ("01 02", &["§3.3.2.3.2/values"]),
            ("23 00 00", &["MQTT-3.3.2-8"]),
            ("23 00 01 23 00 01", &["§2.2.2.2/single-use"]),
            ("08 00 01 2b", &["MQTT-3.3.2-14"]),
            ("08 00 00", &["MQTT-4.7.3-1"]),
            ("08 00 01 ff", &["MQTT-1.5.4-1"]),
            ("03 00 01 ff", &["MQTT-1.5.4-1"]),
            ("0b 01", &["MQTT-3.3.4-6"]),
            ("21 00 01", &["§2.2.2.2/allowed"]),
        ],
    );
    check_each(
        Side::Server,
        |p| publish(p, "78"),
        &[
            ("0b 01", &[]),
            ("0b 01 0b 02 0b 80 01", &[]),
            ("0b 00", &["§3.8.2.1.2/not-zero"]),
            ("0b 81 00", &["MQTT-1.5.5-1"]),
            ("0b ff ff ff ff 01", &["§1.5.5/four-bytes"]),
            ("26 00 01 6b 00 01 76 26 00 01 6b 00 01 76", &[]),
        ],
    );
    check(
        V5,
        Side::Client,
        &[
            (&publish("01 01", "ff"), &["§3.3.2.3.2/utf-8-payload"]),
            ("30 03 00 00 00", &["MQTT-4.7.3-1"]),
            ("30 06 00 00 03 23 00 01", &[]),
            ("30 04 00 01 2b 00", &["MQTT-3.3.2-2"]),
            ("36 06 00 01 61 00 01 00", &["MQTT-3.3.1-4"]),
            ("38 04 00 01 61 00", &["MQTT-3.3.1-2"]),
            ("32 06 00 01 61 00 00 00", &["MQTT-2.2.1-3"]),
            ("30 03 00 01 61", &["MQTT-2.2.2-1"]),
            ("30 05 00 01 61 05 00", &["§2.2.2.1/property-length"]),
        ],
    );
    // A receiver may check the payload and need not, so a server that passes it on does no wrong.
    check(
        V5,
        Side::Server,
        &[
            (&publish("01 01", "ff"), &[]),
            ("32 06 00 01 61 00 00 00", &["MQTT-2.2.1-4"]),
        ],
    );
}

#[test]
fn acknowledgements() {
    check(
        V5,
        Side::Server,
        &[
            ("40 02 00 01", &[]),
            ("40 03 00 01 10", &[]),
            ("40 04 00 01 10 00", &[]),
            ("40 08 00 01 87 04 1f 00 01 78", &[]),
            ("40 03 00 01 92", &["MQTT-3.4.2-1"]),
            ("50 03 00 01 8e", &["MQTT-3.5.2-1"]),
            ("62 03 00 01 10", &["MQTT-3.6.2-1"]),
            ("62 03 00 01 92", &[]),
            ("70 03 00 01 80", &["MQTT-3.7.2-1"]),
            ("40 02 00 00", &["MQTT-2.2.1-5"]),
            ("70 02 00 00", &["MQTT-2.2.1-5"]),
            ("40 07 00 01 00 03 21 00 01", &["§2.2.2.2/allowed"]),
            ("40 05 00 01 00 00 00", &["§2.1.4/remaining-length"]),
            ("40 0c 00 01 87 08 1f 00 01 78 1f 00 01 78", &["§2.2.2.2/single-use"]),
            ("90 04 00 01 00 02", &[]),
            ("90 04 00 01 00 03", &["MQTT-3.9.3-2"]),
            ("90 03 00 01 00", &["MQTT-3.8.4-6"]),
            ("90 02 00 01", &["MQTT-2.2.2-1"]),
            ("90 04 00 00 00 00", &["MQTT-2.2.1-6"]),
            ("b0 04 00 01 00 11", &[]),
            ("b0 04 00 01 00 01", &["MQTT-3.11.3-2"]),
            ("b0 03 00 01 00", &["MQTT-3.11.3-2"]),
            ("b0 02 00 01", &["MQTT-2.2.2-1"]),
        ],
    );
}

#[test]
fn subscribe_and_unsubscribe() {
    check(
        V5,
        Side::Client,
        &[
            ("82 07 00 01 00 00 01 61 2e", &[]),
            ("82 09 00 01 02 0b 01 00 01 61 00", &[]),
            ("82 09 00 01 02 0b 00 00 01 61 00", &["§3.8.2.1.2/not-zero"]),
            ("82 0b 00 01 04 0b 01 0b 02 00 01 61 00", &["§2.2.2.2/single-use"]),
            ("82 03 00 01 00", &["MQTT-3.8.3-2"]),
            ("82 07 00 00 00 00 01 61 00", &["MQTT-2.2.1-3"]),
            ("82 07 00 01 00 00 01 61 03", &["§3.8.3.1/maximum-qos"]),
            ("82 07 00 01 00 00 01 61 30", &["§3.8.3.1/retain-handling"]),
            ("82 07 00 01 00 00 01 61 40", &["MQTT-3.8.3-5"]),
            ("82 07 00 01 00 00 01 61 80", &["MQTT-3.8.3-5"]),
            ("82 08 00 01 00 00 02 61 23 00", &["MQTT-4.7.1-1"]),
            ("82 08 00 01 00 00 02 61 2b 00", &["MQTT-4.7.1-2"]),
            ("82 06 00 01 00 00 00 00", &["MQTT-4.7.3-1"]),
            // Reading ends where the next filter says that it is longer than the packet.
            (
                "82 07 00 01 00 00 02 61 00",
                &["MQTT-1.5.4-2", "§2.1.4/remaining-length"],
            ),
            ("a2 06 00 01 00 00 01 61", &[]),
            ("a2 03 00 01 00", &["MQTT-3.10.3-2"]),
            ("a2 08 00 01 02 0b 01 00 01 61", &["§2.2.2.2/allowed"]),
        ],
    );
}

#[test]
fn shared_subscriptions() {
    let subscribe = |filter: &str, options: u8| {
        let text = hex::encode(filter);
        format!(
            "82 {:02x} 00 01 00 00 {:02x} {text} {options:02x}",
            filter.len() + 6,
            filter.len()
        )
    };
    let table: &[(&str, u8, &[&str])] = &[
        ("$share/g/a", 0, &[]),
        ("$share/g/#", 0, &[]),
        ("$share/g//a", 0, &[]),
        ("$share", 0, &[]),
        ("$share/g/a", 4, &["MQTT-3.8.3-4"]),
        ("$share//a", 0, &["MQTT-4.8.2-1"]),
        ("$share/g", 0, &["MQTT-4.8.2-2"]),
        ("$share/g/", 0, &["MQTT-4.8.2-2"]),
        ("$share/+/a", 0, &["MQTT-4.8.2-2"]),
        ("$share/g#/a", 0, &["MQTT-4.8.2-2"]),
        ("$share/", 0, &["MQTT-4.8.2-1", "MQTT-4.8.2-2"]),
        ("$share/g/a#", 0, &["MQTT-4.7.1-1"]),
        ("$share/g/a+/b", 0, &["MQTT-4.7.1-2"]),
    ];
    for (filter, options, expected) in table {
        check(V5, Side::Client, &[(&subscribe(filter, *options), expected)]);
    }
}

#[test]
fn disconnect_and_auth() {
    check(
        V5,
        Side::Client,
        &[
            ("e0 00", &[]),
            ("e0 01 04", &[]),
            ("e0 02 00 00", &[]),
            ("e0 07 00 05 11 00 00 00 05", &[]),
            ("e0 01 8b", &["§3.14.2.1/sent-by"]),
            ("e0 01 01", &["MQTT-3.14.2-1"]),
            ("e0 05 00 03 21 00 01", &["§2.2.2.2/allowed"]),
            ("e0 03 00 00 00", &["§2.1.4/remaining-length"]),
            ("f0 06 18 04 15 00 01 6d", &[]),
            ("f0 06 19 04 15 00 01 6d", &[]),
            ("f0 06 00 04 15 00 01 6d", &["§3.15.2.1/sent-by"]),
            ("f0 02 18 00", &["§3.15.2.2.2/authentication-method"]),
            ("f0 01 18", &["MQTT-2.2.2-1"]),
            ("f0 06 80 04 15 00 01 6d", &["MQTT-3.15.2-1"]),
        ],
    );
    check(
        V5,
        Side::Server,
        &[
            ("e0 01 8e", &[]),
            ("e0 00", &["§3.14.2.1/sent-by"]),
            ("e0 01 8c", &[]),
            ("e0 01 04", &["§3.14.2.1/sent-by"]),
            ("e0 07 8e 05 11 00 00 00 05", &["MQTT-3.14.2-2"]),
            ("f0 00", &[]),
            ("f0 06 19 04 15 00 01 6d", &["§3.15.2.1/sent-by"]),
        ],
    );
}
