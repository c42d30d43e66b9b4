//! Captures as users of clients and brokers publish them with a bug report: what `audit`, `import` and `replay` make of each.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::captures::{Connection, File, ethernet, talk};
use crate::support::program::{Ended, Listening, run};
use crate::support::talk::Client;
use mqttspec::wire::{Packet, Publish, Subscribe, Subscription, Version};
use tempfile::TempDir;

/// CONNECT of 3.1.1 with this level, these flags, and the client identifier `meter-7`.
fn connect(level: u8, flags: u8, keep_alive: u8) -> Vec<u8> {
    let head = [
        0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', level, flags, 0, keep_alive, 0, 7,
    ];
    [&head[..], b"meter-7"].concat()
}

const CLEAN: u8 = 2;
const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
/// Topic `x`, and QoS 1 with identifier 7.
const QOS_1: [u8; 8] = [0x32, 6, 0, 1, b'x', 0, 7, b'a'];
const SUBSCRIBE: [u8; 8] = [0x82, 6, 0, 1, 0, 1, b'x', 1];
const SUBACK: [u8; 5] = [0x90, 3, 0, 1, 1];
const DISCONNECT: [u8; 2] = [0xe0, 0];

fn accepted(connect: &[u8]) -> Connection {
    Connection::new().handshake().to(connect).from(&ACCEPTED)
}

/// A folder with the capture `field.pcap`.
fn folder(capture: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("field.pcap"), capture).expect("it is written");
    folder
}

fn of(capture: &[u8], arguments: &[&str]) -> Ended {
    let folder = folder(capture);
    run(folder.path(), arguments)
}

fn audit(capture: &[u8], more: &[&str]) -> Ended {
    of(capture, &[&["audit", "field.pcap"], more].concat())
}

/// Imports the capture, checks the scenario and gives it.
fn imported(folder: &Path) -> String {
    fs::create_dir_all(folder.join("scenarios")).expect("a folder");
    let ended = run(folder, &["import", "field.pcap", "-o", "scenarios/field.yaml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let ended = run(folder, &["check", "scenarios"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert_eq!(ended.text, "1 scenario with 1 case is well-formed\n");
    fs::read_to_string(folder.join("scenarios/field.yaml")).expect("the scenario")
}

#[test]
fn the_mark_of_a_bridge_is_a_remark() {
    let bridge = accepted(&connect(0x84, CLEAN, 60)).to(&DISCONNECT).close();
    let ended = audit(&bridge.pcap(), &["--strict"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let remark = "a bridge: bit 7 of its protocol level 0x84 is set, read as 4";
    assert!(ended.text.contains(remark), "{}", ended.text);
    let ended = audit(&bridge.pcap(), &["--json"]);
    assert!(ended.text.contains("\"bridge\":true"), "{}", ended.text);
    // The target gets the level of the standard, and the scenario too.
    let ended = of(&bridge.pcap(), &["replay", "field.pcap"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let folder = folder(&bridge.pcap());
    let scenario = imported(folder.path());
    assert!(scenario.contains("  - c -> CONNECT\n"), "{scenario}");
}

#[test]
fn an_unknown_level_violates_nothing() {
    let unknown = Connection::new()
        .handshake()
        .to(&connect(9, CLEAN, 60))
        .from(&[0x20, 2, 0, 1])
        .close();
    let ended = audit(&unknown.pcap(), &["--strict"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn subscriptions_of_a_resumed_session_are_not_asked_for() {
    let resumed = Connection::new()
        .handshake()
        .to(&connect(4, 0, 60))
        .from(&[0x20, 2, 1, 0])
        .from(&[0x30, 4, 0, 1, b'x', b'm'])
        .to(&DISCONNECT)
        .close();
    let ended = audit(&resumed.pcap(), &["--strict"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(!ended.text.contains("undecided"), "{}", ended.text);
}

#[test]
fn requests_that_are_never_answered_are_named() {
    let asked = |broker_acknowledges: bool| {
        let asked = accepted(&connect(4, CLEAN, 60)).to(&QOS_1).to(&[0xc0, 0]);
        let asked = if broker_acknowledges { asked.from(&[]) } else { asked };
        asked.wait(Duration::from_secs(30)).to(&DISCONNECT).close()
    };
    let ended = audit(&asked(true).pcap(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    for missing in [
        "broker: v3.1.1:MQTT-4.3.2-2 MUST  no PUBACK came for packet identifier 7 in 30.0 s, until the client left",
        "broker: v3.1.1:MQTT-3.12.4-1 MUST  no PINGRESP came in 30.0 s, until the client left",
    ] {
        assert!(ended.text.contains(missing), "{}", ended.text);
    }
    // A network that lost them is not the broker.
    let ended = audit(&asked(false).pcap(), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn a_client_that_never_acknowledges_is_undecided() {
    let silent = accepted(&connect(4, CLEAN, 0))
        .to(&SUBSCRIBE)
        .from(&SUBACK)
        .from(&QOS_1)
        .wait(Duration::from_secs(90))
        .to(&DISCONNECT)
        .close();
    let ended = audit(&silent.pcap(), &["--strict"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.text.contains("undecided: v3.1.1:MQTT-4.3.2-2"), "{}", ended.text);
}

#[test]
fn a_broker_that_serves_a_silent_client_is_named() {
    let served = accepted(&connect(4, CLEAN, 10))
        .to(&SUBSCRIBE)
        .from(&SUBACK)
        .wait(Duration::from_secs(40))
        .from(&[0x30, 4, 0, 1, b'x', b'm'])
        .wait(Duration::from_secs(50))
        .to(&DISCONNECT)
        .close();
    let ended = audit(&served.pcap(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended.text.contains("broker: v3.1.1:MQTT-3.1.2-24 MUST"),
        "{}",
        ended.text
    );
    // The silence is the whole one.
    assert!(
        ended.text.contains("the client was silent for 90.0 s"),
        "{}",
        ended.text
    );
}

#[test]
fn retain_1_in_live_messages_is_named() {
    let retained = |payload: u8| [0x31, 4, 0, 1, b'x', payload];
    let live = accepted(&connect(4, CLEAN, 60))
        .to(&SUBSCRIBE)
        .from(&SUBACK)
        .from(&retained(b'1'))
        .from(&retained(b'2'))
        .to(&DISCONNECT)
        .close();
    let ended = audit(&live.pcap(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended.text.contains("broker: v3.1.1:MQTT-3.3.1-9 MUST"),
        "{}",
        ended.text
    );
}

/// At 3.1 DUP is a hint (section 2.1), and nothing forbids it in a first delivery.
#[test]
fn dup_in_a_first_delivery_is_free_at_3_1() {
    let delivered = |connect: &[u8]| {
        accepted(connect)
            .to(&SUBSCRIBE)
            .from(&SUBACK)
            .from(&[0x3a, 6, 0, 1, b'x', 0, 5, b'm'])
            .to(&[0x40, 2, 0, 5])
            .to(&DISCONNECT)
            .close()
    };
    let v3_1 = [&[0x10, 21, 0, 6][..], b"MQIsdp\x03\x02\x00\x3c\x00\x07meter-7"].concat();
    assert_eq!(audit(&delivered(&v3_1).pcap(), &["--strict"]).code, Some(0));
    assert_eq!(audit(&delivered(&connect(4, CLEAN, 60)).pcap(), &[]).code, Some(1));
}

#[test]
fn a_packet_that_swallows_others_says_so() {
    // PUBLISH of 10 bytes for `abcdef`, of which 6 were written before a PINGREQ and a PUBLISH.
    let swallowed = accepted(&connect(4, CLEAN, 60))
        .to(&[0x30, 10, 0, 6, b'a', b'b'])
        .to(&[0xc0, 0])
        .to(&[0x30, 4, 0, 1, b'x', b'm'])
        .close();
    let ended = audit(&swallowed.pcap(), &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(ended.text.contains("packet 6 to 8 at"), "{}", ended.text);
    let inside = "a whole PINGREQ lies in it from byte 6: it may have been sent before this packet was complete";
    assert!(ended.text.contains(inside), "{}", ended.text);
}

#[test]
fn what_is_in_a_tunnel_is_read() {
    let vxlan = |port: [u8; 2]| {
        // Ethernet, IPv4 with a UDP length that is not looked at, and eight bytes of VXLAN before the inner frame.
        let packets = talk(Version::V3_1_1).packets().into_iter().map(|(at, packet)| {
            let inner = [&ethernet(&[8, 0])[..], &packet].concat();
            let udp = (16 + inner.len()) as u16;
            let total = (20 + udp).to_be_bytes();
            let outer = [
                &[
                    0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0, 172, 16, 0, 1, 172, 16, 0, 2,
                ][..],
                &[
                    0x13,
                    0x88,
                    port[0],
                    port[1],
                    udp.to_be_bytes()[0],
                    udp.to_be_bytes()[1],
                    0,
                    0,
                ],
                &[8, 0, 0, 0, 0, 0, 1, 0],
                &inner,
            ];
            (at, outer.concat())
        });
        File::default().write(&packets.collect::<Vec<_>>())
    };
    let ended = audit(&vxlan([0x12, 0xb5]), &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(ended.text.starts_with("stream  version"), "{}", ended.text);
    // Geneve.
    let ended = audit(&vxlan([0x17, 0xc1]), &[]);
    let count = talk(Version::V3_1_1).segments.len();
    let named = format!("{count} packets are in a tunnel that is not read: Geneve\n");
    assert!(ended.text.contains(&named), "{}", ended.text);
}

#[test]
fn exit_codes_tell_the_mistakes_apart() {
    let whole = talk(Version::V5).pcap();
    for selection in [["--stream", "99"], ["--port", "7"]] {
        assert_eq!(audit(&whole, &selection).code, Some(4), "{selection:?}");
    }
    // Damaged from its first packet on.
    assert_eq!(audit(&whole[..24 + 10], &[]).code, Some(3));
    assert_eq!(audit(&[], &[]).code, Some(3));
    let folder = tempfile::tempdir().expect("a folder");
    for file in [".", "missing.pcap"] {
        for command in ["audit", "import"] {
            let ended = run(folder.path(), &[command, file]);
            assert_eq!(ended.code, Some(2), "{command} {file}: {}", ended.text);
        }
    }
}

#[test]
fn a_client_that_publishes_below_sys_is_imported_as_serial() {
    let published = accepted(&connect(4, CLEAN, 60))
        .to(b"\x32\x0b\x00\x06$SYS/x\x00\x071")
        .from(&[0x40, 2, 0, 7])
        .to(&DISCONNECT)
        .close();
    let scenario = imported(folder(&published.pcap()).path());
    assert!(scenario.contains("\nserial: true\n"), "{scenario}");
    assert!(scenario.contains("topic: $SYS/x"), "{scenario}");
}

#[test]
fn what_the_capture_does_not_show_any_more_may_come() {
    let cut = accepted(&connect(4, CLEAN, 60)).to(&QOS_1);
    let folder = folder(&cut.pcap());
    let scenario = imported(folder.path());
    assert!(
        scenario.ends_with("  # The capture ends here.\n  - c <- maybe PUBACK\n"),
        "{scenario}"
    );
    let ended = run(folder.path(), &["run", "--scenarios", "scenarios"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn a_close_by_keep_alive_is_waited_for() {
    let closed = accepted(&connect(4, CLEAN, 2)).wait(Duration::from_secs(3)).reset();
    let folder = folder(&closed.pcap());
    let scenario = imported(folder.path());
    assert!(scenario.contains("  - c <- closed: { within: 8s }\n"), "{scenario}");
    let ended = run(folder.path(), &["run", "--scenarios", "scenarios"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn an_irregular_message_has_its_topic_below_the_namespace() {
    let v5 = [&[0x10, 20, 0, 4][..], b"MQTT\x05\x02\x00\x3c\x00\x00\x07meter-7"].concat();
    let irregular = Connection::new()
        .handshake()
        .to(&v5)
        .from(&[0x20, 3, 0, 0, 0])
        .to(&[0x82, 7, 0, 1, 0, 0, 1, b'x', 0])
        .from(&[0x90, 4, 0, 1, 0, 0])
        // Subscription Identifier 0.
        .from(&[0x30, 7, 0, 1, b'x', 2, 0x0b, 0, b'a'])
        .to(&DISCONNECT)
        .close();
    let scenario = imported(folder(&irregular.pcap()).path());
    assert!(scenario.contains("  - c <- PUBLISH: { topic: $ns/x"), "{scenario}");
    assert!(!scenario.contains("c <- bytes"), "{scenario}");
}

#[test]
fn a_session_that_is_older_than_the_capture_is_made_for_a_replay() {
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: 1,
        subscriptions: vec![Subscription::new("y", 0)],
        ..Subscribe::default()
    });
    let subscribe = mqttspec::wire::encode_bytes(&subscribe, Version::V3_1_1);
    let publish = |topic: &str| {
        let publish = Packet::Publish(Publish {
            topic: topic.into(),
            payload: "m".into(),
            ..Publish::default()
        });
        mqttspec::wire::encode_bytes(&publish, Version::V3_1_1)
    };
    // Two messages of a subscription to `x` that the capture does not show, and one to `y`, which it does.
    let resumed = Connection::new()
        .handshake()
        .to(&connect(4, 0, 60))
        .from(&[0x20, 2, 1, 0])
        .from(&publish("x"))
        .from(&publish("x"))
        .to(&subscribe)
        .from(&[0x90, 3, 0, 1, 0])
        .to(&publish("y"))
        .from(&publish("y"))
        .to(&DISCONNECT)
        .close();
    let ended = of(
        &resumed.pcap(),
        &["replay", "field.pcap", "--response-timeout", "500ms"],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let line = "  2 messages not compared: the capture does not show the subscription\n";
    assert_eq!(ended.text.matches(line).count(), 1, "{}", ended.text);
    // A broker that knows the client from before makes no difference.
    let folder = folder(&resumed.pcap());
    let broker = Listening::start(folder.path(), &["broker", "--listen", "127.0.0.1:0"]);
    Client::connect(&broker.address, "meter-7").leave();
    let target = format!("mqtt://{}", broker.address);
    let ended = run(folder.path(), &["replay", "field.pcap", &target]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

/// What the steps await is never too much.
#[test]
fn a_subscriber_may_get_as_many_messages_as_its_steps_await() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = "format: 1
title: A subscriber gets 6000 messages
versions: [v3.1.1]
proves: []
timeout: 120s
clients: { sub: { subscribe: { $ns/t: 0 } }, pub: {} }
steps:
  - repeat:
      times: 6000
      steps:
        - pub -> PUBLISH: { topic: $ns/t, payload: $i }
        - sub <- PUBLISH: { topic: $ns/t, payload: $i }
";
    fs::create_dir(folder.path().join("big")).expect("a folder");
    fs::write(folder.path().join("big/many.yaml"), scenario).expect("it is written");
    let ended = run(folder.path(), &["run", "--scenarios", "big"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}
