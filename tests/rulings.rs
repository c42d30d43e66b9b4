//! What the standards leave open to a server is no failure: each test plays cases against a broker that uses one such freedom.

use std::collections::BTreeSet;

use assert_cmd::Command;
use mqttspec::reference::{Config, Limits, Server};
use mqttspec::scenario::{Files, ScenarioLevel};
use mqttspec::statements::catalogue;
use serde_json::Value;

/// The reference broker with other limits, at an address that no profile describes.
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

    /// Plays these cases against it, as against somebody else's.
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

/// What became of cases: of each its id, its verdict and the reason.
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

    /// Each case passed or was skipped, and what was skipped says `why`.
    fn is_silent(&self, why: &str) {
        assert!(!self.cases.is_empty(), "no case was played");
        for (id, verdict, reason) in &self.cases {
            let fine = verdict == "pass" || (verdict == "skip" && reason.contains(why));
            assert!(fine, "{id}: {verdict}, {reason}");
        }
        assert_eq!(self.code, Some(0));
    }
}

/// Plays cases and reads what came of them.
fn plays(cases: &[&str], more: &[&str]) -> Played {
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.json");
    let mut arguments = vec!["run", "--json", report.to_str().expect("a plain path")];
    for case in cases {
        arguments.extend(["-e", case]);
    }
    arguments.extend(more);
    let mut command = Command::cargo_bin("mqttspec").expect("the program is built");
    // A CI server's own settings would add to what it prints and writes.
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

/// 5.0, section 3.2.2.3.8: a Topic Alias Maximum of 0 takes none, and 0 is no alias.
#[test]
fn a_server_may_take_no_topic_alias() {
    let broker = Broker::with(Limits {
        topic_alias_maximum: 0,
        ..Limits::default()
    });
    let played = broker.plays(&["v5-publish/alias-*"]);
    played.is_silent("topic aliases up to 0");
    assert!(played.of("skip").contains(&"v5-publish/alias-in[highest]@v5"));
}

/// A case that proves nothing but SHOULDs cannot fail: what 3.1 says of retained messages is one.
#[test]
fn what_only_should_be_is_advice() {
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
        assert_eq!(advice, all || case.header.level == ScenarioLevel::Should, "{}", case.id);
        if advice && case.header.level == ScenarioLevel::Must {
            told.insert(case.id.clone());
        }
    }
    for case in ["retain/newest-only@v3.1", "will/not-retained@v3.1", "dup/qos-0@v3.1"] {
        assert!(told.contains(case), "{case} is not among {told:?}");
    }
    let retained = ["retain/*@v3.1"];
    let breaks = ["--disobey", "v3.1:§2.1/retain-new-subscription"];
    let played = plays(&retained, &breaks);
    assert_eq!((played.code, played.of("fail")), (Some(0), vec![]));
    assert!(played.advice > 10, "{} cases have an advice", played.advice);
    let strict = plays(&retained, &[&breaks[..], &["--strict"]].concat());
    assert!(strict.of("fail").len() > 10, "with --strict they fail");
}
