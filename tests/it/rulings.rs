//! A freedom of the standard is no failure: each test plays cases against a broker that uses one freedom.

use std::collections::BTreeSet;

use assert_cmd::Command;
use mqttspec::reference::{Config, Limits, Server};
use mqttspec::scenario::{Files, ScenarioLevel};
use mqttspec::statements::catalogue;
use serde_json::Value;

/// The reference broker with other limits, at an address without a profile.
struct Broker {
    runtime: tokio::runtime::Runtime,
    server: Option<Server>,
}

impl Broker {
    fn with(limits: Limits) -> Broker {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let config = Config {
            limits,
            ..Config::default()
        };
        let server = runtime.block_on(Server::start(config)).expect("the broker starts");
        Broker {
            runtime,
            server: Some(server),
        }
    }

    /// Plays these cases against its address, as against any broker.
    fn plays(&self, cases: &[&str]) -> Played {
        let address = self.server.as_ref().expect("it runs").address();
        plays(cases, &[&format!("mqtt://{address}")])
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// The results of cases: the id, the verdict and the reason of each.
struct Played {
    code: Option<i32>,
    cases: Vec<(String, String, String)>,
    advice: usize,
}

impl Played {
    fn of(&self, verdict: &str) -> Vec<&str> {
        (self.cases.iter().filter(|(_, v, _)| v == verdict))
            .map(|(id, _, _)| id.as_str())
            .collect()
    }

    /// Asserts that each case passed or was skipped, and that one was skipped for the reason `why`.
    fn is_silent(&self, why: &str) {
        assert!(!self.cases.is_empty(), "no case was played");
        for (id, verdict, reason) in &self.cases {
            assert!(verdict == "pass" || verdict == "skip", "{id}: {verdict}, {reason}");
        }
        let why = self.cases.iter().any(|(_, _, reason)| reason.contains(why));
        assert!(why, "nothing was skipped for its reason");
        assert_eq!(self.code, Some(0));
    }
}

/// Plays cases and reads the results.
fn plays(cases: &[&str], more: &[&str]) -> Played {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json");
    let mut arguments = vec!["run", "--json", report.to_str().expect("a plain path")];
    for case in cases {
        arguments.extend(["-e", case]);
    }
    arguments.extend(more);
    let mut command = Command::cargo_bin("mqttspec").expect("the program is built");
    // The environment of a CI server would add to its output.
    for variable in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CI"] {
        command.env_remove(variable);
    }
    let output = command.args(&arguments).output().expect("it runs");
    let text =
        std::fs::read_to_string(&report).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let json: Value = serde_json::from_str(&text).expect("its report is JSON");
    let all = json["cases"].as_array().expect("its cases");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Played {
        code: output.status.code(),
        cases: (all.iter())
            .map(|case| (text(&case["id"]), text(&case["verdict"]), text(&case["reason"])))
            .collect(),
        advice: (all.iter())
            .filter_map(|case| case["advice"].as_array())
            .filter(|advice| !advice.is_empty())
            .count(),
    }
}

/// 5.0, section 3.2.2.3.8: a Topic Alias Maximum of 0 permits no alias, and 0 is no alias.
#[test]
fn a_server_may_accept_no_topic_alias() {
    let broker = Broker::with(Limits {
        topic_alias_maximum: 0,
        ..Limits::default()
    });
    let played = broker.plays(&["topic-alias/*"]);
    played.is_silent("topic aliases up to 0");
    assert!(played.of("skip").contains(&"topic-alias/from-client[highest]@v5"));
}

/// 5.0, section 3.2.2.3.2: the server may state a shorter Session Expiry Interval than the requested one.
#[test]
fn a_server_may_keep_sessions_for_a_shorter_time() {
    for seconds in [0, 1] {
        let broker = Broker::with(Limits {
            session_expiry_maximum: seconds,
            ..Limits::default()
        });
        let played = broker.plays(&[
            "session/*@v5",
            "session-expiry/*@v5",
            "qos2/*@v5",
            "will/*@v5",
            "retain/*@v5",
        ]);
        played.is_silent(&format!("keeps a session for {seconds} s instead of "));
        assert!(played.of("skip").contains(&"session/unsubscribed@v5"));
        assert!(played.of("pass").len() > 50);
    }
}

/// 5.0, section 3.2.2.3.14: the client must send a packet within the Server Keep Alive, but steps that wait do not.
#[test]
fn a_server_may_ask_for_a_shorter_keep_alive() {
    let broker = Broker::with(Limits {
        server_keep_alive: Some(1),
        ..Limits::default()
    });
    let played = broker.plays(&["session/*@v5", "will/*@v5", "message-expiry/*@v5", "keep-alive/*@v5"]);
    played.is_silent("the broker's Keep Alive is 1 s, and the steps are silent for ");
    assert!(played.of("skip").contains(&"will/delay[reset]@v5"));
}

/// 5.0, MQTT-3.2.2-12 and -13: a server refuses a will that it does not support with 0x9A or 0x9B.
#[test]
fn a_server_may_refuse_a_will() {
    let broker = Broker::with(Limits {
        retain_available: false,
        maximum_qos: 0,
        ..Limits::default()
    });
    let played = broker.plays(&["connect-flags/*@v5", "will/*@v5", "connect/accepted*@v5"]);
    played.is_silent("the broker ");
    let reasons: BTreeSet<&str> = played.cases.iter().map(|(_, _, reason)| reason.as_str()).collect();
    // A limit that a CONNACK has stated before is believed without asking again.
    for either in [
        ["takes no retained will (0x9a)", "does not keep retained messages"],
        ["takes no will of QoS 1 (0x9b)", "offers QoS up to 0, this needs 1"],
    ] {
        let is_given = either
            .iter()
            .any(|reason| reasons.contains(&*format!("the broker {reason}")));
        assert!(is_given, "{either:?}: {reasons:?}");
    }
}

/// 5.0, sections 3.2.2.3.4 and 3.8.4: a Maximum QoS limits what the server accepts; it may grant any QoS.
#[test]
fn a_limited_server_plays_the_cases_of_its_limit() {
    let broker = Broker::with(Limits {
        maximum_qos: 1,
        ..Limits::default()
    });
    broker
        .plays(&["publish/*@v5", "order/*@v5", "subscribe/*@v5"])
        .is_silent("offers QoS up to 1");
}

/// A case that proves only SHOULDs cannot fail: the text of 3.1 about retained messages is such a SHOULD.
#[test]
fn a_failed_should_is_a_warning() {
    let is_should = |id| catalogue().get(id).is_some_and(|s| !s.level.is_must());
    let mut told = BTreeSet::new();
    for case in Files::embedded()
        .load_all()
        .expect("they are well-formed")
        .iter()
        .flat_map(|s| &s.cases)
    {
        let all = !case.proves.is_empty() && case.proves.iter().all(|id| is_should(*id));
        let advice = case.level() == ScenarioLevel::Should;
        assert_eq!(
            advice,
            all || case.conditions.level == ScenarioLevel::Should,
            "{}",
            case.id
        );
        if advice && case.conditions.level == ScenarioLevel::Must {
            told.insert(case.id.clone());
        }
    }
    for case in ["retain/newest-only@v3.1", "will/not-retained@v3.1", "dup/qos-0@v3.1"] {
        assert!(told.contains(case), "{case} is not among {told:?}");
    }
    let retained = ["retain/*@v3.1"];
    let breaks = ["--fault", "v3.1:§2.1/retain-new-subscription"];
    let played = plays(&retained, &breaks);
    assert_eq!((played.code, played.of("fail")), (Some(0), vec![]));
    assert!(played.advice > 10, "{} cases have a warning", played.advice);
    let strict = plays(&retained, &[&breaks[..], &["--strict"]].concat());
    assert!(strict.of("fail").len() > 10, "with --strict they fail");
}
