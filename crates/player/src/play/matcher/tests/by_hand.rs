//! A client that a person operates.

use super::*;

const PATIENCE: Duration = Duration::from_secs(2);

/// Until when the matcher waits at the first step.
fn waits_until(step: &str, by_hand: bool) -> Duration {
    let text = format!(
        "format: 1\ntests: client\ntitle: T\nversions: [v3.1.1]\nclients: {{ c: {{ connect: false }} }}\nsteps:\n  - c -> {step}\n"
    );
    let source = Arc::new(Source {
        file: "a.yaml".to_owned(),
        text,
    });
    let scenario = load(&source, "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
    let settings = Arc::new(Settings {
        patience: PATIENCE,
        by_hand,
        ..Settings::default()
    });
    let mut matcher = Matcher::new(&scenario.cases[0], Which::Case, Side::Server, NS, &settings);
    matcher.input(Input::Local(Duration::ZERO, Happened::Clock));
    match matcher.poll() {
        Poll::Wait { until } => until,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_what_a_person_causes_has_no_time_limit() {
    for caused in ["CONNECT", "next CONNECT"] {
        assert_eq!(waits_until(caused, false), PATIENCE, "{caused}");
        assert!(
            waits_until(caused, true) > Duration::from_secs(24 * 60 * 60),
            "{caused}"
        );
    }
    assert_eq!(waits_until("PINGREQ", true), PATIENCE);
    assert_eq!(waits_until("PUBLISH: { dup: true }", true), PATIENCE);
    assert_eq!(waits_until("CONNECT: { within: 3s }", true), Duration::from_secs(3));
}
