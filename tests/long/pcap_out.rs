//! `run --pcap`: the file has what crossed the wire, and Wireshark's dissector finds no error in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::tshark::tshark;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use mqttspec::capture::Settings;
use mqttspec::capture::audit::audit;
use mqttspec::rules::{self, Needs};
use mqttspec::wire::Side;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use tempfile::TempDir;

/// A run against the reference broker with these cases, as JSON and as a capture in the folder.
fn run(arguments: &[&str]) -> (TempDir, serde_json::Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let output = Command::new(env!("CARGO_BIN_EXE_mqttspec"))
        .arg("run")
        .args(arguments)
        .args(["--exchanges", "all", "--json"])
        .arg(file("run.json"))
        .arg("--pcap")
        .arg(file("run.pcapng"))
        .env("CARGO_TERM_COLOR", "never")
        .current_dir(folder.path())
        .output()
        .expect("the program starts");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    // These tests are not about the verdicts; on a busy machine a case may be void.
    assert!(matches!(output.status.code(), Some(0 | 1 | 5)), "{text}");
    let json = fs::read_to_string(file("run.json")).expect("the report");
    (folder, serde_json::from_str(&json).expect("JSON"))
}

/// One frame of the capture.
struct Frame {
    /// Client address and port.
    client: (String, u16),
    from_client: bool,
    sequence: u32,
    starts: bool,
    payload: Vec<u8>,
    comment: String,
}

fn frames(file: &Path) -> Vec<Frame> {
    let bytes = fs::read(file).expect("the capture");
    let mut reader = PcapNgReader::new(bytes.as_slice()).expect("a pcapng file");
    let mut frames = Vec::new();
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(packet) = block.expect("a whole block") else {
            continue;
        };
        let [EnhancedPacketOption::Comment(comment)] = packet.options.as_slice() else {
            panic!("not one comment: {:?}", packet.options)
        };
        let sliced = SlicedPacket::from_ethernet(&packet.data).expect("Ethernet, IP and TCP");
        let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) = (sliced.net, sliced.transport) else {
            panic!("no TCP over IPv4")
        };
        let from_client = tcp.destination_port() == 1883;
        let (ip, port) = if from_client {
            (ip.header().source_addr(), tcp.source_port())
        } else {
            (ip.header().destination_addr(), tcp.destination_port())
        };
        frames.push(Frame {
            client: (ip.to_string(), port),
            from_client,
            sequence: tcp.sequence_number(),
            starts: tcp.syn(),
            payload: tcp.payload().to_vec(),
            comment: comment.to_string(),
        });
    }
    frames
}

/// Behind the id of a case, for its control.
const CONTROL: &str = " (control)";

/// The bytes of each direction of each connection, by case and by connection in the order of opening, reassembled by their
/// sequence numbers.
fn carried(frames: &[Frame]) -> BTreeMap<(String, u16, bool), Vec<u8>> {
    let mut first: BTreeMap<((String, u16), bool), u32> = BTreeMap::new();
    let mut carried: BTreeMap<(String, u16, bool), Vec<u8>> = BTreeMap::new();
    for frame in frames {
        if frame.starts {
            first.insert(
                (frame.client.clone(), frame.from_client),
                frame.sequence.wrapping_add(1),
            );
        }
        if frame.payload.is_empty() {
            continue;
        }
        let mut words = frame.comment.split(' ');
        let mut case = words.next().unwrap_or_default().to_owned();
        if words.next() == Some("(control)") {
            case += CONTROL;
        }
        let bytes = carried.entry((case, frame.client.1, frame.from_client)).or_default();
        let at = frame
            .sequence
            .wrapping_sub(first[&(frame.client.clone(), frame.from_client)]);
        assert_eq!(
            at as usize,
            bytes.len(),
            "{}: the segments have a gap or overlap",
            frame.comment
        );
        bytes.extend_from_slice(&frame.payload);
    }
    carried
}

/// The same from the report.
fn said(report: &serde_json::Value) -> BTreeMap<(String, u16, bool), Vec<u8>> {
    let mut said: BTreeMap<(String, u16, bool), Vec<u8>> = BTreeMap::new();
    for case in report["cases"].as_array().expect("cases") {
        let id = case["id"].as_str().expect("an id");
        for (exchange, suffix) in [("transcript", ""), ("control", CONTROL)] {
            for event in case[exchange].as_array().into_iter().flatten() {
                let Some(bytes) = event["bytes"].as_str() else { continue };
                let port = 49_152 + event["connection"].as_u64().expect("a number") as u16;
                said.entry((format!("{id}{suffix}"), port, event["direction"] == "to"))
                    .or_default()
                    .extend(hex::decode(bytes).expect("hex"));
            }
        }
    }
    said
}

#[test]
fn the_capture_holds_what_crossed_the_wire() {
    let (folder, report) = run(&["-e", "qos2/*", "-e", "qos1/*"]);
    let frames = frames(&folder.path().join("run.pcapng"));
    let (carried, said) = (carried(&frames), said(&report));
    assert!(said.len() > 100, "there are cases: {}", said.len());
    assert_eq!(carried.keys().collect::<Vec<_>>(), said.keys().collect::<Vec<_>>());
    for (which, bytes) in &said {
        assert_eq!(hex::encode(&carried[which]), hex::encode(bytes), "{which:?}");
    }
}

#[test]
#[ignore = "needs tshark"]
fn tshark_reads_every_packet_and_every_comment() {
    let (folder, report) = run(&["-e", "qos2/*", "-e", "qos1/*", "-e", "subscribe/*"]);
    let file = folder.path().join("run.pcapng");
    let checked = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let fields = |filter: &'static str, fields: &[&'static str]| {
        let mut arguments = checked.to_vec();
        arguments.extend(["-Y", filter, "-T", "fields"]);
        arguments.extend(fields.iter().flat_map(|f| ["-e", *f]));
        tshark(&file, &arguments)
    };
    let types = fields("mqtt", &["mqtt.msgtype"]);
    let packets = |which: &str| {
        let cases = report["cases"].as_array().expect("cases");
        let events = |case: &serde_json::Value| {
            let events = case[which].as_array().expect("events");
            events.iter().filter(|e| e["kind"] == "packet").count()
        };
        cases.iter().map(events).sum::<usize>()
    };
    let seen: usize = types.iter().map(|line| line.split(',').count()).sum();
    assert_eq!(seen, packets("transcript") + packets("control"));

    let malformed = fields("_ws.malformed", &["frame.comment"]);
    let odd: Vec<&String> = malformed.iter().filter(|c| !c.contains("wrong on purpose")).collect();
    assert!(odd.is_empty(), "tshark cannot read: {odd:#?}");

    let tcp = fields(
        "tcp.checksum.status != 1 || ip.checksum.status != 1 || tcp.analysis.flags && !tcp.flags.reset == 1",
        &["frame.number", "_ws.expert.message", "frame.comment"],
    );
    assert!(tcp.is_empty(), "{tcp:#?}");

    let bare = fields("!frame.comment contains \"@v\"", &["frame.number"]);
    assert!(bare.is_empty(), "no comment on {bare:?}");
}

/// The violations that the rules found in the run, by case: statement and rule, from its report.
fn of_run(report: &serde_json::Value) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut found = BTreeMap::new();
    for case in report["cases"].as_array().expect("cases") {
        let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
        let breaches = case["violations"].as_array().expect("violations");
        let set: BTreeSet<_> = breaches
            .iter()
            .map(|b| (text(&b["statement"]), text(&b["rule"])))
            .collect();
        found.insert(text(&case["id"]), set);
    }
    found
}

/// The violations of a MUST by the broker that an audit of the capture finds, by the case that the comments name.
fn of_audit(file: &Path) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let cases: BTreeMap<(String, u16), String> = frames(file)
        .into_iter()
        .map(|f| (f.client, f.comment.split(' ').next().unwrap_or_default().to_owned()))
        .collect();
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    let reader = fs::File::open(file).expect("the capture");
    let (_, summary) = audit(reader, &Settings::default(), |report| {
        let client = (report.stream.client.ip().to_string(), report.stream.client.port());
        let set = found.entry(cases[&client].clone()).or_default();
        let by_broker = report
            .found
            .iter()
            .filter(|f| f.is_certain_must() && f.finding.by == Side::Server);
        set.extend(by_broker.map(|f| (f.finding.statement.to_string(), f.finding.rule.to_owned())));
    })
    .expect("a capture");
    assert_eq!(summary.damage, None);
    found
}

/// Whether a rule looks at more than one connection: an audit judges each by itself.
fn looks_further(rule: &str) -> bool {
    rules::all().any(|r| r.name == rule && matches!(r.needs, Needs::Session | Needs::Subscriptions))
}

#[test]
fn an_audit_of_the_capture_finds_what_the_run_found() {
    let mut seen = BTreeSet::new();
    for disobey in [
        // No fault.
        &[][..],
        // Wrong bytes, CONNACKs, acknowledgements and deliveries.
        &["v3.1.1:MQTT-2.2.2-1", "v5:MQTT-2.1.3-1"],
        &["v3.1.1:MQTT-3.2.2-1", "v5:MQTT-3.2.2-2"],
        &["v3.1.1:MQTT-2.3.1-6", "v3.1.1:MQTT-3.8.4-2"],
        &["v3.1.1:MQTT-3.3.1-2", "v5:MQTT-3.3.1-2"],
        &["v3.1.1:MQTT-3.3.2-3", "v3.1.1:MQTT-2.3.1-5"],
    ] {
        let cases = ["qos1/several-open", "qos2/handshake*", "connect/accepted*", "dup/qos-0"];
        let mut arguments: Vec<&str> = cases.iter().flat_map(|case| ["-e", *case]).collect();
        arguments.extend(["--response-timeout", "500ms"]);
        arguments.extend(disobey.iter().flat_map(|id| ["--fault", *id]));
        let (folder, report) = run(&arguments);
        let ran = of_run(&report);
        let audited = of_audit(&folder.path().join("run.pcapng"));
        let none = BTreeSet::new();
        for (case, breaches) in &ran {
            let found = audited.get(case).unwrap_or(&none);
            let more: Vec<_> = found.difference(breaches).collect();
            assert!(more.is_empty(), "{disobey:?} {case}: only the audit finds {more:?}");
            let less: Vec<_> = breaches
                .difference(found)
                .filter(|(_, rule)| !looks_further(rule))
                .collect();
            assert!(less.is_empty(), "{disobey:?} {case}: only the run finds {less:?}");
            seen.extend(found.iter().cloned());
        }
    }
    assert!(seen.len() >= 5, "too little was compared: {seen:?}");
}

const LOGIN: &str = r#"format: 1
title: A CONNECT with a password
versions: [v3.1.1, v5]
clients: { c: { connect: false } }
steps:
  - c -> CONNECT: { username: me, password: topsecret }
  - c <- CONNACK: { reason_code: any }
"#;

#[test]
fn a_password_is_masked_and_the_comment_says_so() {
    let scenarios = tempfile::tempdir().expect("a folder");
    fs::write(scenarios.path().join("login.yaml"), LOGIN).expect("a file");
    let (folder, _) = run(&["--scenarios", scenarios.path().to_str().expect("a path")]);
    let file = folder.path().join("run.pcapng");
    let bytes = fs::read(&file).expect("the capture");
    assert!(!bytes.windows(4).any(|w| w == b"secr"));
    let connects: Vec<Frame> = frames(&file)
        .into_iter()
        .filter(|f| f.payload.first() == Some(&0x10))
        .collect();
    assert_eq!(connects.len(), 2);
    for connect in connects {
        assert!(connect.payload.ends_with(b"*********"), "{:?}", connect.payload);
        assert!(
            connect.comment.contains("the password is masked"),
            "{}",
            connect.comment
        );
    }
}
