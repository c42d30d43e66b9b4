//! Captures with a CONNECT that is damaged at any byte: no report and no file shows its password.

use crate::support::captures::{Connection, bytes, connack};
use mqttspec::capture::audit::{audit, stream_json, stream_text};
use mqttspec::capture::write::Dialogue;
use mqttspec::capture::{Recorded, Settings, import, read_streams};
use mqttspec::secret::{Masker, fragment};
use mqttspec::wire::property::id;
use mqttspec::wire::{Connect, Packet, PropertyValue, Version, Will};

/// No four consecutive letters of it occur in anything else here.
const PASSWORD: &str = "zq7xw9kv";

/// A CONNECT with every optional field.
fn login(version: Version, will: bool) -> Vec<u8> {
    let mut connect = Connect::new(version, "probe");
    connect.username = Some("me".into());
    connect.password = Some(PASSWORD.into());
    if version == Version::V5 {
        let properties = &mut connect.properties;
        properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(20));
        properties.push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(60));
    }
    if will {
        connect.will = Some(Will {
            topic: "gone".into(),
            payload: "bye".into(),
            qos: 1,
            ..Will::default()
        });
    }
    bytes(Packet::from(connect), version)
}

/// Whether a part of the password can be read, as text or as hex with or without blanks.
fn leaks(text: &str) -> bool {
    let hex: String = text.chars().filter(|c| *c != ' ' && *c != '\n').collect();
    PASSWORD
        .as_bytes()
        .windows(4)
        .any(|piece| text.contains(std::str::from_utf8(piece).expect("ASCII")) || hex.contains(&hex::encode(piece)))
}

/// All reports on a capture, and all files that are made from it.
fn told(file: &[u8]) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    audit(file, &Settings::default(), |report| {
        out.push(("audit", stream_text(report)));
        let json = serde_json::to_string(&stream_json(report)).expect("it serialises");
        out.push(("audit --json", json));
    })
    .expect("a capture");
    let (streams, _) = read_streams(file, &Settings::default()).expect("a capture");
    for recorded in &streams {
        out.push(("import", import(recorded, "field.pcap").unwrap_or_else(|why| why)));
        out.push(("written again", hex::encode(written(recorded))));
    }
    out
}

/// The frames of `run --pcap` and `record` for this connection.
fn written(recorded: &Recorded) -> Vec<u8> {
    let mut dialogue = Dialogue::new([10, 0, 0, 1].into(), ([192, 0, 2, 1], 1883).into());
    let events = &recorded.transcript.events;
    events
        .iter()
        .flat_map(|e| dialogue.draw(e, recorded.transcript.scripted).frames)
        .flatten()
        .collect()
}

fn check(file: &[u8], what: &str) {
    for (by, text) in told(file) {
        assert!(
            !leaks(&text),
            "{by} of a CONNECT with {what} shows the password:\n{text}"
        );
    }
}

fn logins() -> impl Iterator<Item = (Version, Vec<u8>)> {
    let both = |version| [false, true].map(|will| (version, login(version, will)));
    Version::ALL.into_iter().flat_map(both)
}

#[test]
fn the_password_is_in_the_capture() {
    for (_, connect) in logins() {
        assert!(leaks(&hex::encode(&connect)) && leaks(&String::from_utf8_lossy(&connect)));
    }
}

/// The offset of the connect flags, after the protocol name and level.
fn at_flags(version: Version) -> usize {
    2 + 2 + version.protocol_name().len() + 1
}

#[test]
fn no_wrong_byte_reveals_a_password() {
    for (version, connect) in logins() {
        // The first two bytes are the packet type and the length, and stay as they are.
        for at in 2..connect.len() - PASSWORD.len() {
            let values = [0, 2, 8, 0x24, 0x7f, 0xff];
            let flips = (0..8).map(|bit| connect[at] ^ (1 << bit));
            for value in values.into_iter().chain(flips) {
                let mut wrong = connect.clone();
                wrong[at] = value;
                // Without the password flag there is no password: these bytes belong to another field.
                if wrong[at_flags(version)] & 0x40 == 0 {
                    continue;
                }
                let talk = Connection::new().handshake().to(&wrong).from(&connack(version)).close();
                check(&talk.pcap(), &format!("{value:#04x} at {at}, {version}"));
                let mut masker = Masker::new();
                let live = [masker.push(&wrong), masker.finish()].concat();
                assert!(
                    !leaks(&hex::encode(live)),
                    "recorded with {value:#04x} at {at}, {version}"
                );
            }
        }
    }
}

#[test]
fn no_truncation_reveals_a_password() {
    for (version, connect) in logins() {
        for len in 1..connect.len() {
            let cut = &connect[..len];
            assert!(!leaks(&hex::encode(fragment(cut))), "{len} bytes of {version}");
            let talk = Connection::new().handshake().to(cut).close();
            check(&talk.pcap(), &format!("{len} bytes, {version}"));
        }
    }
}

#[test]
fn no_wrong_remaining_length_reveals_a_password() {
    for (version, connect) in logins() {
        let mut short = connect.clone();
        let mut endless = vec![0x10, 0xff, 0xff, 0xff, 0xff];
        endless.extend(&connect[2..]);
        let mut long = connect.clone();
        long[1] += 40;
        for wrong in [&endless, &long] {
            let talk = Connection::new().handshake().to(wrong).close();
            check(&talk.pcap(), &format!("a wrong length, {version}"));
        }
        // The length ends within the password: the rest is no longer a part of the CONNECT.
        short[1] -= 3;
        let talk = Connection::new().handshake().to(&short).close();
        check(&talk.pcap(), &format!("a short length, {version}"));
    }
}
