//! A broker inside the process of its test, restarted and killed by the cases: `examples/in_process.rs` as a test, and the
//! errors of the public API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mqttspec::harness::{Home, RunError, Running, SuiteError, TargetError};
use mqttspec::reference::{Config, Disobey, Server};
use mqttspec::statements::Version;
use mqttspec::suite::Verdict;
use mqttspec::{Suite, Target};

#[allow(dead_code, reason = "its `main` is the example's")]
#[path = "../../examples/in_process.rs"]
mod example;

#[test]
fn the_example_passes_including_restarts() {
    let result = example::run().expect("the broker starts");
    let passed = |start: &str| {
        let of = |case: &&mqttspec::suite::CaseResult| case.id.starts_with(start) && case.verdict == Verdict::Pass;
        result.cases.iter().filter(of).count()
    };
    assert!(
        result.cases.iter().all(|case| case.verdict == Verdict::Pass),
        "{}",
        result.report()
    );
    let restarts = |case: &&mqttspec::suite::CaseResult| case.id.contains("[restart]");
    assert!(result.cases.iter().filter(restarts).count() > 5 && passed("retain/outlives[restart]@") == 3);
    result.assert_conforms();
}

/// A broker that loses all its state when it restarts.
struct Forgetful(Server);

impl Running for Forgetful {
    fn address(&self) -> SocketAddr {
        self.0.address()
    }

    async fn stop(self) {
        self.0.kill().await;
    }
}

async fn forgetful(home: Home) -> std::io::Result<Forgetful> {
    let config = Config {
        address: home.address(),
        ..Config::default()
    };
    Server::start(config).await.map(Forgetful)
}

#[test]
fn a_broker_that_forgets_does_not_conform_and_the_panic_shows_why() {
    let suite = Suite::embedded().select("retain/outlives[restart]@v5").expect("a case");
    let target = || Target::restarting(forgetful).versions(Version::ALL);
    let result = suite
        .run(target().supports(&["persistence"]))
        .expect("the broker starts");
    assert!(!result.conforms());
    assert_eq!(result.bad().count(), 1);
    let panic = std::panic::catch_unwind(|| result.assert_conforms()).expect_err("it fails");
    let text = panic.downcast_ref::<String>().expect("a message");
    assert!(
        text.contains("retain/outlives[restart]@v5") && !text.contains('\u{1b}'),
        "{text}"
    );

    let skipped = suite.run(target()).expect("the broker starts");
    assert!(!skipped.conforms(), "a run that plays nothing proves nothing");
}

#[test]
fn a_known_deviation_conforms_and_a_fixed_one_does_not() {
    let breaking = || {
        let disobey = Disobey::parse_all(["v5:MQTT-4.3.3-10"]).expect("it can be broken");
        Target::reference().disobeying(disobey)
    };
    let suite = || Suite::embedded().select("qos2/dup-before-pubrel@v5").expect("a case");
    let known = "known:\n  - case: qos2/dup-before-pubrel@v5\n    fails: v5:MQTT-4.3.3-10\n    untriaged: true\n";
    let result = suite().run(breaking()).expect("it starts");
    assert_eq!(result.cases[0].verdict, Verdict::Fail, "{}", result.report());
    let listed = suite().known(known).expect("a list");
    assert_eq!(
        listed.run(breaking()).expect("it starts").cases[0].verdict,
        Verdict::Known
    );
    let stale = listed.run(Target::reference()).expect("it starts");
    assert_eq!(stale.cases[0].verdict, Verdict::Fixed);
    assert!(!stale.conforms());
}

#[test]
fn each_launch_starts_a_broker() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&started);
    let target = Target::launching(move || {
        count.fetch_add(1, Ordering::Relaxed);
        async {
            let server = Server::start(Config::default()).await?;
            let address = server.address();
            // It runs as long as the process.
            std::mem::forget(server);
            Ok::<_, std::io::Error>(address)
        }
    });
    let suite = Suite::embedded()
        .select("qos1/")
        .expect("cases")
        .versions([Version::V5]);
    suite.run(target).expect("the broker starts").assert_conforms();
    // The first one is probed for its versions, and the cases are played against the second.
    assert_eq!(started.load(Ordering::Relaxed), 2);
}

#[test]
fn errors_can_be_matched_on() {
    let suite = Suite::embedded().select("qos1/").expect("cases");
    assert!(matches!(
        Suite::embedded().select("no/such"),
        Err(SuiteError::NoSuchCase { .. })
    ));
    assert!(matches!(
        suite.run(Target::at("mqtt://")),
        Err(RunError::Target(TargetError::Address(_)))
    ));
    assert!(matches!(
        suite.run(Target::of_profile("no/such/profile.yaml")),
        Err(RunError::Target(TargetError::Profile(_)))
    ));
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = free.local_addr().expect("an address");
    drop(free);
    assert!(matches!(
        suite.run(Target::at(nobody)),
        Err(RunError::Target(TargetError::Probe(_)))
    ));
    let refuses = || async { Err::<SocketAddr, _>("no licence") };
    let Err(RunError::Target(TargetError::Start(error))) = suite.run(Target::launching(refuses)) else {
        panic!("it does not start");
    };
    assert_eq!(error.to_string(), "the broker cannot be started: no licence");
}
