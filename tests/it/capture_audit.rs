//! `mqttspec audit`: its findings, its output and its exit code. No password is ever shown.

use std::time::Duration;

use crate::support::captures::{self, Connection, connack, connect, exchange, publish, said, talk};
use assert_cmd::Command;
use mqttspec::wire::Version;
use serde_json::Value;

/// Exit code, standard output and standard error of `mqttspec audit` with this capture as its input.
fn audit(file: &[u8], arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("mqttspec")
        .expect("the program is built")
        .args(["audit", "-"])
        .args(arguments)
        .env_remove("CLICOLOR_FORCE")
        .write_stdin(file)
        .timeout(Duration::from_secs(60))
        .output()
        .expect("the program ends in time");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    for shown in [&out, &errors] {
        let hex = hex::encode("hunter22");
        assert!(
            !shown.contains("hunter22") && !shown.contains(&hex),
            "a password is shown:\n{shown}"
        );
    }
    (output.status.code().expect("no signal ends it"), out, errors)
}

fn json(file: &[u8]) -> (i32, Value) {
    let (code, out, errors) = audit(file, &["--json"]);
    (
        code,
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{errors}")),
    )
}

/// Statement, outcome and the side at fault of each finding in the first stream.
fn found(file: &[u8]) -> (i32, Vec<String>) {
    let (code, report) = json(file);
    let list = report["streams"][0]["violations"].as_array().expect("a list").iter();
    let text = |b: &Value| {
        let part = |key: &str| b[key].as_str().unwrap_or_default().to_owned();
        format!("{} {} {}", part("outcome"), part("by"), part("statement"))
    };
    (code, list.map(text).collect())
}

fn begun(version: Version) -> Connection {
    Connection::new()
        .handshake()
        .to(&connect(version))
        .from(&connack(version))
}

#[test]
fn a_valid_exchange_has_no_violations() {
    for version in Version::ALL {
        let (code, report) = json(&talk(version).pcap());
        assert_eq!(code, 0, "{report}");
        let stream = &report["streams"][0];
        assert_eq!(stream["violations"], Value::Array(vec![]));
        assert_eq!(stream["version"], version.name());
        assert_eq!(stream["client_id"], "probe");
        assert_eq!(stream["packets"]["PUBLISH"], 2);
        assert_eq!(stream["replayable"], true);
        assert_eq!(report["format"], 2);
    }
}

#[test]
fn both_sides_are_judged() {
    let v = Version::V3_1_1;
    let by_client = begun(v).to(&[0x36, 5, 0, 1, b'a', 0, 1]).close();
    assert_eq!(
        found(&by_client.pcap()),
        (1, vec!["violation client v3.1.1:MQTT-3.3.1-4".to_owned()])
    );
    let by_broker = begun(v).to(&[0xc0, 0]).from(&[0xd1, 0]).close();
    assert_eq!(
        found(&by_broker.pcap()),
        (1, vec!["violation broker v3.1.1:MQTT-2.2.2-1".to_owned()])
    );
}

/// Before 5.0 a client with Clean Session 0 resumes its session even if the server has lost its own (3.1.1, MQTT-4.4.0-1).
#[test]
fn a_client_may_resume_a_session_that_the_server_lost() {
    let connect = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 60, 0, 1, b'c'];
    // A PUBLISH of QoS 1 with DUP 1, and a PUBREL.
    let again = [0x3a, 6, 0, 1, b'a', 0, 7, b'x', 0x62, 2, 0, 8];
    let lost = Connection::new()
        .handshake()
        .to(&connect)
        .from(&[0x20, 2, 0, 0])
        .to(&again)
        .from(&[0x40, 2, 0, 7, 0x70, 2, 0, 8]);
    let (code, said) = found(&lost.close().pcap());
    assert_eq!((code, said), (0, vec![]));
}

/// A server may create subscriptions by itself (3.1.1 and 5.0, section 4.5).
#[test]
fn a_delivery_without_a_subscription_is_undecided() {
    let v = Version::V3_1_1;
    let unasked = begun(v).from(&publish(v, 0, 0, "unasked")).close();
    let (code, said) = found(&unasked.pcap());
    assert_eq!(code, 0, "{said:?}");
    assert!(said.iter().all(|line| !line.starts_with("violation")), "{said:?}");
}

#[test]
fn an_expired_keep_alive_is_the_clients_fault() {
    let v = Version::V3_1_1;
    let silent = begun(v).wait(Duration::from_secs(90)).reset();
    assert_eq!(
        found(&silent.pcap()),
        (1, vec!["violation client v3.1.1:MQTT-3.1.2-23".to_owned()])
    );
}

#[test]
fn a_gap_makes_a_finding_undecided() {
    let v = Version::V3_1_1;
    let mut lost = Connection::new()
        .handshake()
        .to(&connect(v))
        .from(&connack(v))
        .to(&[0xc0, 0])
        .from(&[0xd0, 0])
        .close();
    // The CONNECT.
    lost.segments.remove(3);
    assert_eq!(
        found(&lost.pcap()),
        (0, vec!["unknown client v3.1.1:MQTT-3.1.0-1".to_owned()])
    );
    let midway = said(Connection::new(), &exchange(v)[5..]);
    assert_eq!(found(&midway.pcap()).0, 0);
}

#[test]
fn strict_treats_undecided_findings_as_violations() {
    // A client that publishes and whose CONNECT is missing.
    let v = Version::V3_1_1;
    let mut talk = said(begun(v), &[(true, publish(v, 0, 0, "x"))]).close();
    talk.segments.retain(|s| s.payload != connect(v));
    let (code, report) = json(&talk.pcap());
    let open = &report["streams"][0]["violations"][0];
    assert_eq!(
        (code, &open["outcome"], &open["statement"]),
        (0, &"unknown".into(), &"v3.1.1:MQTT-3.1.0-1".into())
    );
    let (code, out, _) = audit(&talk.pcap(), &["--strict"]);
    assert_eq!(code, 1);
    assert!(
        out.contains("client: v3.1.1:MQTT-3.1.0-1 MUST") && out.contains("1 violation by clients and 0 by brokers"),
        "{out}"
    );
}

#[test]
fn the_password_of_a_malformed_connect_is_masked() {
    let v = Version::V5;
    let mut bytes = connect(v);
    // The property length.
    let at = 2 + 7 + 1 + 2;
    bytes[at] = 0x7f;
    let file = Connection::new().handshake().to(&bytes).reset().pcap();
    let (code, out, _) = audit(&file, &[]);
    assert_eq!(code, 1);
    assert!(
        out.contains("<password>") && out.contains("v5:§2.2.2.1/property-length"),
        "{out}"
    );
    assert_eq!(found(&file).0, 1);
}

#[test]
fn the_text_report_has_a_table() {
    let v = Version::V3_1_1;
    let mut packets = begun(v).to(&[0xc1, 0]).close().packets();
    packets.extend(talk(Version::V5).between("10.0.0.9:40001", "10.0.0.2:1883").packets());
    let (code, out, errors) = audit(&captures::File::default().write(&packets), &[]);
    assert_eq!((code, errors.as_str()), (1, ""));
    let want = "\
stream  version  packets  seconds    client                 server                 client id
0       3.1.1          3  0.007      10.0.0.1:40000         10.0.0.2:1883          \"probe\"
        CONNECT 1  CONNACK 1  PINGREQ 1
    client: v3.1.1:MQTT-2.2.2-1 MUST  the flags of PINGREQ are 0001, not 0000
      packet 6 at 0.005s  PINGREQ
        c1 00
        ^^
1       5             13  0.017      10.0.0.9:40001         10.0.0.2:1883          \"probe\"
        CONNECT 1  CONNACK 1  PUBLISH 2 (QoS 1: 1, QoS 2: 1)  PUBACK 1  PUBREC 1  PUBREL 1  PUBCOMP 1  SUBSCRIBE 1  SUBACK 1  PINGREQ 1  PINGRESP 1  DISCONNECT 1

2 MQTT connections in 28 packets of the capture (2 TCP connections): 1 violation by clients and 0 by brokers
";
    assert_eq!(out, want);
}

#[test]
fn damage_to_the_file_is_reported() {
    let (code, out, errors) = audit(b"no capture at all", &["--json"]);
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(
        errors.contains("it is not a capture in pcap or pcapng format"),
        "{errors}"
    );
    let whole = talk(Version::V5).pcap();
    let (code, out, errors) = audit(&whole[..whole.len() - 9], &["--json"]);
    assert_eq!(code, 0);
    assert!(
        errors.contains("warning") && errors.contains("18 packets were read"),
        "{errors}"
    );
    let report: Value = serde_json::from_str(&out).expect("valid JSON");
    assert_eq!(report["summary"]["damage"]["packets"], 18);
    let (code, _, errors) = audit(&whole, &["--stream", "7"]);
    assert_eq!(code, 4);
    assert!(errors.contains("no MQTT connection"), "{errors}");
    let missing = Command::cargo_bin("mqttspec")
        .expect("built")
        .args(["audit", "no-such-file.pcap"])
        .output()
        .expect("runs");
    assert_eq!(missing.status.code(), Some(2));
}
