//! Results of the DUP example for the golden tests of reports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::play::{Awaited, Failure, FailureKind, Mismatch, Stage};
use crate::scenario::{Header, Place, SnapshotForm, Source, Which};
use crate::statements::{StatementId, Version};
use crate::suite::{About, CaseResult, Judged, RunResult, Selected, Target, TargetInfo, Verdict, Weight};
use crate::sut::{Fixed, Kept, Known, Supports};
use crate::transcript::testing::{NS, Talk};
use crate::transcript::{Author, End, Transcript, What};
use crate::wire::{Ack, ConnAck, Connect, Packet, Publish, Side, SubAck, Subscribe, Subscription, Version as V};

/// Compares a report with its golden file, without styles.
macro_rules! golden {
    ($name:expr, $text:expr) => {{
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path("golden");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let text = anstream::adapter::strip_str($text).to_string();
        settings.bind(|| insta::assert_snapshot!($name, text));
    }};
}
pub(crate) use golden;

const SCRIPT: &str = "\
format: 1
title: A QoS 2 PUBLISH resent with DUP before PUBREL reaches the subscriber once
versions: [v3.1.1]
proves: [MQTT-4.3.3-2]
clients:
  sub: { subscribe: { $ns/dup: 2 } }
  pub: {}
steps:
  - pub -> PUBLISH: { topic: $ns/dup, qos: 2, packet_id: 7, payload: once }
  - pub <- PUBREC:  { packet_id: 7 }
  - sub <- PUBLISH: { topic: $ns/dup, qos: 2, packet_id: $m, payload: once, dup: false }
  - sub -> PUBREC:  { packet_id: $m }
  - sub <- PUBREL:  { packet_id: $m }
";

/// The example up to the PUBREL that `sub` waits for.
pub fn talk(payload: &str) -> Talk {
    let topic = format!("{NS}/dup");
    let mut login = Connect::new(V::V3_1_1, format!("{NS}pub"));
    login.username = Some("u".into());
    login.password = Some("secret".into());
    let publish = |id| {
        Packet::Publish(Publish {
            qos: 2,
            topic: topic.as_str().into(),
            packet_id: Some(id),
            payload: payload.into(),
            ..Publish::default()
        })
    };
    let subscribe = Subscribe {
        packet_id: 1,
        subscriptions: vec![Subscription::new(topic.as_str(), 2)],
        ..Subscribe::default()
    };
    let suback = SubAck {
        packet_id: 1,
        reason_codes: vec![2],
        ..SubAck::default()
    };
    let connack = || Packet::ConnAck(ConnAck::default());
    Talk::new()
        .event("sub", None, Author::Setup, What::Open)
        .packet(
            "sub",
            None,
            Author::Setup,
            Packet::from(Connect::new(V::V3_1_1, format!("{NS}sub"))),
        )
        .event("pub", None, Author::Setup, What::Open)
        .packet("pub", None, Author::Setup, Packet::from(login))
        .packet("pub", None, Author::Peer, connack())
        .packet("sub", None, Author::Peer, connack())
        .packet("sub", None, Author::Setup, Packet::Subscribe(subscribe))
        .packet("sub", None, Author::Peer, Packet::SubAck(suback))
        .packet("pub", Some(1), Author::Script, publish(7))
        .packet("sub", Some(3), Author::Peer, publish(1))
        .packet("pub", Some(2), Author::Peer, Packet::PubRec(Ack::new(7)))
        .packet("sub", Some(4), Author::Script, Packet::PubRec(Ack::new(1)))
}

pub fn header() -> Arc<Header> {
    Arc::new(Header {
        path: "qos2/dup-before-pubrel".to_owned(),
        source: Arc::new(Source {
            file: "scenarios/qos2/dup-before-pubrel.yaml".to_owned(),
            text: SCRIPT.to_owned(),
        }),
        embedded: false,
        tests: Side::Server,
        title: "A QoS 2 PUBLISH resent with DUP before PUBREL reaches the subscriber once".to_owned(),
        about: None,
        snapshot: SnapshotForm::Exchange,
    })
}

pub fn target() -> TargetInfo {
    TargetInfo {
        name: "mosquitto".to_owned(),
        version: Some("2.0.11".to_owned()),
        address: "mqtt://127.0.0.1:1883".to_owned(),
        transport: Default::default(),
        argument: Some("ci/brokers/mosquitto.yaml".to_owned()),
        options: Vec::new(),
        snapshots: Kept::All,
    }
}

/// The same with nothing known of it, as a judge needs it. It is never started.
pub fn judged_against() -> Target {
    let address = "mqtt://127.0.0.1:1".parse().expect("an address");
    Target {
        info: target(),
        launcher: Arc::new(Fixed::new(&address, &[Version::V3_1_1])),
        supports: Supports::default(),
        setups: Vec::new(),
        known: Vec::new(),
        broker_version: None,
        not_offered: Default::default(),
        states_versions: false,
        jobs: 1,
        instances: 1,
        isolate: false,
        tests: Side::Server,
    }
}

/// A case that passes.
pub fn passed() -> CaseResult {
    let transcript = talk("once")
        .packet("sub", Some(5), Author::Peer, Packet::PubRel(Ack::new(1)))
        .packet("pub", None, Author::Fence, Packet::PingReq)
        .packet("pub", None, Author::Peer, Packet::PingResp)
        .event("pub", None, Author::Cleanup, What::End(End::Fin))
        .transcript();
    result("qos2/dup-before-pubrel@v3.1.1", Verdict::Pass, transcript)
}

/// A case that fails: PUBREL comes with a wrong identifier.
pub fn failed() -> CaseResult {
    let transcript = talk("once")
        .packet("sub", None, Author::Peer, Packet::PubRel(Ack::new(2)))
        .event("sub", None, Author::Peer, What::End(End::Reset))
        .transcript();
    let findings = crate::rules::check(&transcript).into_iter();
    let findings = findings.map(|finding| Judged {
        weight: Weight::Fails,
        origin: Which::Case,
        statement: Some(finding.statement),
        rule: Some(finding.rule),
        text: finding.text,
        event: Some(finding.event),
        span: finding.span,
    });
    let step = "sub <- PUBREL:  { packet_id: $m }";
    let start = SCRIPT.find(step).expect("the step is in the script");
    let differs = Mismatch {
        field: "packet_id".to_owned(),
        expected: "1".to_owned(),
        found: "2".to_owned(),
        span: Some(2..4),
    };
    CaseResult {
        failure: Some(Failure {
            tests: Side::Server,
            control: false,
            stage: Stage::Script,
            place: Some(Place {
                span: start..start + step.len(),
                line: 13,
                column: 5,
            }),
            awaited: vec![
                Awaited {
                    tests: Side::Server,
                    what: "sub <- PUBREL: { packet_id: 1 }".to_owned(),
                    why: FailureKind::Differs(vec![differs.clone()]),
                },
                Awaited {
                    tests: Side::Server,
                    what: "sub <- closed".to_owned(),
                    why: FailureKind::BeforeTheEnd("PUBREL\u{1b}[2J".to_owned()),
                },
            ],
            found: Some(12),
            kind: FailureKind::Differs(vec![differs.clone()]),
            mismatches: vec![differs],
        }),
        reason: Some("none of 2 alternatives was met".to_owned()),
        findings: findings.collect(),
        ..result("qos2/dup-before-pubrel@v3.1.1", Verdict::Fail, transcript)
    }
}

pub fn result(id: &str, verdict: Verdict, transcript: Transcript) -> CaseResult {
    let header = header();
    CaseResult {
        id: id.to_owned(),
        title: header.title.clone(),
        header,
        version: Version::V3_1_1,
        verdict,
        reason: None,
        steady_reason: None,
        known: Vec::new(),
        sometimes: false,
        varies: false,
        proves: vec![StatementId::new(Version::V3_1_1, "MQTT-4.3.3-2")],
        failure: None,
        findings: Vec::new(),
        transcript: Some(Arc::new(transcript)),
        control: None,
        duration: Duration::from_millis(2013),
        plays: 1,
        second_look: None,
        missed: None,
        rigour: false,
        log: None,
        report: None,
    }
}

/// A cause with everything that a profile can say of it, and one that no one has looked at.
fn causes() -> Vec<Arc<Known>> {
    let list = r#"
known:
  - because: a Will QoS of 3 is accepted
    bytes: "-> 10 .. 04 1e ..  <- 20 02 00 00"
    link: https://example.org/issues/1
    severity: leniency
    ruling: disputed
    about: Two readings.
    effect: Only a client with this bug sees it.
    fails: MQTT-3.1.2-14
    cases: [connect/known@v3.1.1]
  - because: untriaged
    cases: { connect/known@v3.1.1: MQTT-3.1.2-3 }
"#;
    Known::parse(list, Path::new("broker.yaml")).expect("a list")
}

/// A run of everything, at a time that the caller states.
pub fn about() -> About {
    About {
        started: Some("2026-11-30T16:30:00Z".to_owned()),
        label: Some("main <a1b2c3>".to_owned()),
        selected: Some(Selected {
            arguments: Vec::new(),
            cases: 8,
            digest: "0123456789abcdef".to_owned(),
            suite: "fedcba9876543210".to_owned(),
        }),
        shard: None,
    }
}

/// One case of every kind.
pub fn run() -> RunResult {
    let odd = |id: &str, verdict, reason: &str| CaseResult {
        reason: Some(reason.to_owned()),
        proves: vec![StatementId::new(Version::V3_1_1, "MQTT-3.1.2-3")],
        transcript: None,
        ..result(id, verdict, Talk::new().transcript())
    };
    let known = |id: &str| CaseResult {
        known: causes(),
        ..odd(id, Verdict::Known, "a Will QoS of 3 is accepted; untriaged")
    };
    let mut passed = passed();
    passed.id = "qos2/passes@v3.1.1".to_owned();
    passed.proves = vec![StatementId::new(Version::V3_1_1, "MQTT-4.3.3-1")];
    passed.findings = vec![Judged {
        weight: Weight::Advice,
        origin: Which::Case,
        statement: None,
        rule: None,
        text: "the code is 0x80, the standard names 0x87".to_owned(),
        event: Some(3),
        span: None,
    }];
    let mut crash = odd("connect/crash@v3.1.1", Verdict::Crash, "the broker ended");
    crash.log = Some("1: starting\n2: \u{1b}[31mabort\u{ffff}\n".to_owned());
    RunResult {
        about: about(),
        target: target(),
        duration: Duration::from_millis(4711),
        cases: vec![
            passed,
            failed(),
            crash,
            known("connect/known@v3.1.1"),
            odd("connect/skipped-a@v3.1.1", Verdict::Skip, "needs restart"),
            odd("connect/skipped-b[a|<b>]@v3.1.1", Verdict::Skip, "needs restart"),
            odd("connect/skipped-c@v3.1.1", Verdict::Skip, "needs tls"),
            odd(
                "connect/late@v3.1.1",
                Verdict::Error,
                "machine too slow: a step was 3 s late",
            ),
        ],
        notes: vec!["5.0 is not offered".to_owned()],
        crashes_under_load: vec!["qos2/passes@v3.1.1".to_owned(), "connect/known@v3.1.1".to_owned()],
        interrupted: false,
        unplayed: 0,
    }
}
