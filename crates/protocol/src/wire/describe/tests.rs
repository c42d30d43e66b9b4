use super::*;

fn describe_hex(text: &str, version: Version, from: Side) -> Description {
    describe_bytes(&hex::decode(text.replace(' ', "")).unwrap(), version, from)
}

fn assert_text(found: &str, expected: &str) {
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}

#[test]
fn a_packet_without_fault() {
    let found = describe_hex("34 0c 00 03 61 2f 62 00 07 00 6f 6e 63 65", Version::V5, Side::Server);
    assert_text(
        &found.text,
        "\
PUBLISH of 14 bytes from a server, v5
0000  34                        type and flags    PUBLISH, dup 0, qos 2, retain 0
0001  0c                        remaining_length  12
0002  00 03 61 2f 62            topic             \"a/b\"
0007  00 07                     packet_id         7
0009  00                        property_length   0
000a  6f 6e 63 65               payload           \"once\"
",
    );
}

#[test]
fn faults_are_underlined() {
    let found = describe_hex("36 08 00 03 61 2f 2b 00 00 78", Version::V3_1_1, Side::Client);
    assert_eq!((found.breaches, found.advice), (3, 0));
    let advice = describe_hex("31 03 00 01 07", Version::V3_1_1, Side::Client);
    assert_eq!((advice.breaches, advice.advice), (0, 1));
    assert_text(&found.text, "\
PUBLISH of 10 bytes from a client, v3.1.1
0000  36                        type and flags    PUBLISH, dup 0, qos 3, retain 0
      ~~ v3.1.1:MQTT-3.3.1-4: the QoS is 3
0001  08                        remaining_length  8
0002  00 03 61 2f 2b            topic             \"a/+\"
                  ~~ v3.1.1:MQTT-3.3.2-2: topic holds the wildcard +
0007  00 00                     packet_id         0
      ~~~~~ v3.1.1:MQTT-2.3.1-1: the packet identifier is 0
0009  78                        payload           \"x\"

v3.1.1:MQTT-3.3.1-4 (MUST NOT): No PUBLISH has both QoS bits set, and a receiver of one that does closes the connection.
v3.1.1:MQTT-3.3.2-2 (MUST NOT): A topic name in PUBLISH contains neither + nor #.
v3.1.1:MQTT-2.3.1-1 (MUST): SUBSCRIBE, UNSUBSCRIBE and any PUBLISH at QoS 1 or 2 carry a two-byte packet identifier other than 0.
");
}

#[test]
fn a_refusal_names_its_code_and_properties() {
    let found = describe_hex(
        "20 0e 01 87 0b 21 00 00 1f 00 02 6e 6f 24 01 2c",
        Version::V5,
        Side::Server,
    );
    assert_text(&found.text, "\
CONNACK of 16 bytes from a server, v5
0000  20                        type and flags    CONNACK
0001  0e                        remaining_length  14
0002  01                        session_present   true
      ~~ v5:MQTT-3.2.2-6: Session Present is 1 with the code 0x87
0003  87                        reason_code       0x87 Not authorized
0004  0b                        property_length   11
0005  21 00 00                  receive_maximum   0
      ~~~~~~~~ v5:§3.1.2.11.3/not-zero: Receive Maximum is 0
0008  1f 00 02 6e 6f            reason_string     \"no\"
000d  24 01                     maximum_qos       1
000f  2c                        property 0x2c
      ~~ v5:§2.2.2.2/allowed: no property has the identifier 0x2c

v5:MQTT-3.2.2-6 (MUST): A CONNACK with a reason code other than 0 has Session Present 0.
v5:§3.1.2.11.3/not-zero (MUST NOT): Receive Maximum is not 0, in CONNECT and CONNACK.
v5:§2.2.2.2/allowed (MUST): Every property is one that is listed for the packet or will that carries it, with a value of its data type.
");
}

#[test]
fn missing_bytes_are_pointed_at() {
    let found = describe_hex("82 05 00 01 00 04 61 ", Version::V3_1_1, Side::Client);
    assert_text(&found.text, "\
SUBSCRIBE of 7 bytes from a client, v3.1.1
0000  82                        type and flags    SUBSCRIBE, flags 0010
0001  05                        remaining_length  5
0002  00 01                     packet_id         1
0004  00 04 61                  filter
      ~~~~~ v3.1.1:§2.2.3/remaining-length: filter says that it has 4 bytes, 1 is left

v3.1.1:§2.2.3/remaining-length (MUST): The Remaining Length counts exactly the bytes of the variable header and the payload in the format of the packet.
");
    let found = describe_hex("82 03 00 01 00", Version::V5, Side::Client);
    assert_text(
        &found.text,
        "\
SUBSCRIBE of 5 bytes from a client, v5
0000  82                        type and flags    SUBSCRIBE, flags 0010
0001  03                        remaining_length  3
0002  00 01                     packet_id         1
0004  00                        property_length   0
         ^ v5:MQTT-3.8.3-2: SUBSCRIBE has no filter

v5:MQTT-3.8.3-2 (MUST): SUBSCRIBE holds one or more pairs of filter and options.
",
    );
}

#[test]
fn several_packets_and_what_cannot_be_framed() {
    let found = describe_hex("d0 00 01 00 30 ff ff ff ff 01", Version::V3_1_1, Side::Server);
    assert_text(&found.text, "\
PINGRESP of 2 bytes from a server, v3.1.1
0000  d0                        type and flags    PINGRESP
0001  00                        remaining_length  0

reserved packet type of 2 bytes from a server, v3.1.1
0000  01                        type and flags    reserved type 0, flags 0001
      ~~ v3.1.1:§2.2.1/packet-type: the packet type 0 is reserved
0001  00                        remaining_length  0

v3.1.1:§2.2.1/packet-type (MUST): The packet type is 1 to 14 and flows only in the direction that the table gives; 0 and 15 are reserved.

PUBLISH of 6 bytes from a server, v3.1.1
0000  30                        type and flags    PUBLISH, dup 0, qos 0, retain 0
0001  ff ff ff ff 01            remaining_length
      ~~~~~~~~~~~ v3.1.1:§2.2.3/four-bytes: remaining_length continues after its fourth byte

v3.1.1:§2.2.3/four-bytes (MUST NOT): The Remaining Length takes four bytes at most.
");
}

#[test]
fn a_long_field_is_cut_but_not_its_faults() {
    let mut text = "30 80 01 00 7e".to_owned();
    for i in 0..126 {
        text.push_str(if i == 100 { " 00" } else { " 61" });
    }
    let found = describe_hex(&text, Version::V3_1_1, Side::Server);
    assert_text(&found.text, "\
PUBLISH of 131 bytes from a server, v3.1.1
0000  30                        type and flags    PUBLISH, dup 0, qos 0, retain 0
0001  80 01                     remaining_length  128
0003  00 7e 61 61 61 61 61 61   topic             \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\u{0}aaaaaaaaaaaaaaaaaaaaaaaaa\"
000b  61 61 61 61 61 61 61 61
0013  61 61 61 61 61 61 61 61
001b  61 61 61 61 61 61 61 61
      …
0063  61 61 61 61 61 61 00 61
                        ~~ v3.1.1:MQTT-1.5.3-2: topic holds U+0000
      …
007b  61 61 61 61 61 61 61 61
0083                            payload           \"\"

v3.1.1:MQTT-1.5.3-2 (MUST NOT): No string field may hold U+0000, and the receiver of one that does closes the connection.
");
}

#[test]
fn bytes_that_were_not_kept() {
    let mut splitter = Splitter::new();
    splitter.push(&[0x30, 0x83, 0x80, 0x80, 0x01, 0x00, 0x01, b'a']);
    let pieces = splitter.push_fill(2_097_152, b'x');
    let [Piece::Frame(frame)] = &pieces[..] else {
        panic!("{pieces:?}")
    };
    assert_text(
        &describe(frame, Version::V3_1_1, Side::Server),
        "\
PUBLISH of 2097160 bytes from a server, v3.1.1
000000  30                        type and flags    PUBLISH, dup 0, qos 0, retain 0
000001  83 80 80 01               remaining_length  2097155
000005  00 01 61                  topic             \"a\"
000008  78 78 78 78 78 78 78 78   payload           2097152 bytes with digest a696d47ca5e9a7d6
000010  78 78 78 78 78 78 78 78
000018  78 78 78 78 78 78 78 78
000020  78 78 78 78 78 78 78 78
        …
",
    );
}
