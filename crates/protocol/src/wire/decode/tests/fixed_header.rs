//! Type, flags, direction and remaining length, at each version.

use super::{check, read, statements};
use crate::wire::Version::{V3_1, V3_1_1, V5};
use crate::wire::{PacketType, Side, Version};

#[test]
fn reserved_types() {
    check(
        V3_1,
        Side::Client,
        &[("00 00", &["§2.1/message-type"]), ("f0 00", &["§2.1/message-type"])],
    );
    check(
        V3_1_1,
        Side::Client,
        &[("00 00", &["§2.2.1/packet-type"]), ("f0 00", &["§2.2.1/packet-type"])],
    );
    check(
        V5,
        Side::Client,
        &[("00 00", &["§2.1.2/packet-type"]), ("f0 00", &["§3.15.2.1/sent-by"])],
    );
}

#[test]
fn packets_of_the_other_side() {
    check(
        V5,
        Side::Server,
        &[
            ("c0 00", &["§2.1.2/packet-type"]),
            ("82 07 00 01 00 00 01 61 00", &["§2.1.2/packet-type"]),
            ("e0 00", &["§3.14.2.1/sent-by"]),
        ],
    );
    check(
        V3_1_1,
        Side::Server,
        &[("e0 00", &["§2.2.1/packet-type"]), ("c0 00", &["§2.2.1/packet-type"])],
    );
    check(
        V3_1_1,
        Side::Client,
        &[
            ("d0 00", &["§2.2.1/packet-type"]),
            ("20 02 00 00", &["§2.2.1/packet-type"]),
            ("90 03 00 01 00", &["§2.2.1/packet-type"]),
        ],
    );
    check(V3_1, Side::Client, &[("b0 02 00 01", &["§2.1/message-type"])]);
}

/// A valid packet of each type but PUBLISH, with its first byte last of all.
fn minimal(packet_type: PacketType, version: Version) -> Option<(Side, &'static str)> {
    use PacketType::*;
    let v5 = version == V5;
    Some(match packet_type {
        Connect => (
            Side::Client,
            match version {
                V3_1 => "0f 00 06 4d 51 49 73 64 70 03 02 00 3c 00 01 61",
                V3_1_1 => "0d 00 04 4d 51 54 54 04 02 00 3c 00 01 61",
                V5 => "0e 00 04 4d 51 54 54 05 02 00 3c 00 00 01 61",
            },
        ),
        ConnAck => (Side::Server, if v5 { "03 00 00 00" } else { "02 00 00" }),
        PubAck | PubRec | PubRel | PubComp => (Side::Server, "02 00 01"),
        Subscribe => (
            Side::Client,
            if v5 {
                "07 00 01 00 00 01 61 00"
            } else {
                "06 00 01 00 01 61 00"
            },
        ),
        SubAck => (Side::Server, if v5 { "04 00 01 00 00" } else { "03 00 01 00" }),
        Unsubscribe => (
            Side::Client,
            if v5 {
                "06 00 01 00 00 01 61"
            } else {
                "05 00 01 00 01 61"
            },
        ),
        UnsubAck => (Side::Server, if v5 { "04 00 01 00 00" } else { "02 00 01" }),
        PingReq | Disconnect => (Side::Client, "00"),
        PingResp => (Side::Server, "00"),
        Auth if v5 => (Side::Server, "00"),
        Auth | Publish => return None,
    })
}

/// Every value of the four flag bits of every type at every version.
#[test]
fn reserved_flags() {
    for version in Version::ALL {
        for packet_type in PacketType::ALL {
            let Some((side, rest)) = minimal(packet_type, version) else {
                continue;
            };
            for flags in 0..16u8 {
                let bytes = format!("{:02x} {rest}", packet_type.number() << 4 | flags);
                let found = statements(&read(&bytes, version, side));
                let expected: &[&str] = match (version, packet_type) {
                    (V3_1, PacketType::PubRel) => acknowledged("§3.6/qos-1", flags),
                    (V3_1, PacketType::Subscribe) => acknowledged("§3.8/qos-1", flags),
                    (V3_1, PacketType::Unsubscribe) => acknowledged("§3.10/qos-1", flags),
                    (V3_1, _) => unless(flags == 0, &["§2.6/unused-bits"]),
                    (_, PacketType::PubRel) => unless(flags == 2, &["MQTT-3.6.1-1"]),
                    (_, PacketType::Subscribe) => unless(flags == 2, &["MQTT-3.8.1-1"]),
                    (_, PacketType::Unsubscribe) => unless(flags == 2, &["MQTT-3.10.1-1"]),
                    (_, PacketType::Disconnect) => unless(flags == 0, &["MQTT-3.14.1-1"]),
                    (V5, PacketType::Auth) => unless(flags == 0, &["MQTT-3.15.1-1"]),
                    (V5, _) => unless(flags == 0, &["MQTT-2.1.3-1"]),
                    (V3_1_1, _) => unless(flags == 0, &["MQTT-2.2.2-1"]),
                };
                assert_eq!(found, expected, "{version} {bytes}");
            }
        }
    }
}

fn unless(fine: bool, statements: &'static [&'static str]) -> &'static [&'static str] {
    if fine { &[] } else { statements }
}

/// 3.1: DUP is free, QoS is 1, RETAIN should be 0.
fn acknowledged(qos: &'static str, flags: u8) -> &'static [&'static str] {
    let both: &[&str] = match qos {
        "§3.6/qos-1" => &["§2.6/unused-bits", "§3.6/qos-1"],
        "§3.8/qos-1" => &["§2.6/unused-bits", "§3.8/qos-1"],
        _ => &["§2.6/unused-bits", "§3.10/qos-1"],
    };
    match (flags & 0b0110 == 0b0010, flags & 1 == 0) {
        (true, true) => &[],
        (true, false) => &both[..1],
        (false, true) => &both[1..],
        (false, false) => both,
    }
}

#[test]
fn remaining_lengths() {
    check(
        V3_1_1,
        Side::Server,
        &[
            ("30 ff ff ff ff 01", &["§2.2.3/four-bytes"]),
            ("30 ff ff ff ff", &["§2.2.3/four-bytes"]),
            ("30", &["§2.2.3/remaining-length"]),
            ("30 80", &["§2.2.3/remaining-length"]),
            // Longer than the packet, and shorter.
            ("40 03 00 01", &["§2.2.3/remaining-length"]),
            ("40 02 00 01 00", &["§2.2.3/remaining-length"]),
            ("40 03 00 01 00", &["§2.2.3/remaining-length"]),
            ("40 01 00", &["§2.2.3/remaining-length"]),
            ("d0 01 00", &["§2.2.3/remaining-length"]),
            // 3.x asks for no shortest form.
            ("d0 80 00", &[]),
            ("40 82 80 00 00 01", &[]),
        ],
    );
    check(
        V3_1,
        Side::Server,
        &[
            ("30 ff ff ff ff 01", &["§2.1/four-bytes"]),
            ("40 03 00 01 00", &["§2.1/remaining-length"]),
        ],
    );
    check(
        V5,
        Side::Server,
        &[
            ("30 ff ff ff ff 01", &["§1.5.5/four-bytes"]),
            ("d0 80 00", &["MQTT-1.5.5-1"]),
            ("40 82 80 80 00 00 01", &["MQTT-1.5.5-1"]),
            ("d0 01 00", &["§2.1.4/remaining-length"]),
        ],
    );
}

#[test]
fn a_cut_packet_is_no_packet_but_its_beginning_is_read() {
    let decoded = read("32 0a 00 03 61 2f 62", V3_1_1, Side::Server);
    assert_eq!(statements(&decoded), ["§2.2.3/remaining-length"]);
    assert_eq!(decoded.packet, None);
    let names: Vec<&str> = decoded.fields.iter().map(|f| f.name.as_ref()).collect();
    assert_eq!(names, ["type and flags", "remaining_length", "topic"]);
}
