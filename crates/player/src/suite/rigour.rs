//! Failures that rest on the rigour clause of 5.0 alone.
//!
//! MQTT-4.13.1-1 obliges a server that *detects* a Malformed Packet or a Protocol Error to close the connection, and the
//! text around it leaves open how rigorously a server checks. If no other statement binds the server, a broker that
//! serves a malformed packet has a defence that a broker which loses a message has not. Such failures are marked and
//! counted apart; `docs/verdicts.md` has the argument.
//!
//! In: a case, how its script failed, what the rules found. Out: whether the failure has the mark.

use crate::play::{Failure, FailureKind, Stage};
use crate::scenario::{Case, Expect, Step, StepKind, every};

use super::{Judged, Weight};

/// How a failure weighs that rests on the rigour clause alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rigour {
    /// It is a failure, with a mark.
    #[default]
    Fail,
    /// It is advice.
    Advice,
}

/// Whether the failure rests on the rigour clause alone: nothing else obliges the server to react to the error that the
/// case is about, and what failed is that it did not react. A violation by the broker's own packets, a control that
/// fails, and a service that is missing are beyond the clause.
pub fn is_all(case: &Case, failure: &Failure, findings: &[Judged]) -> bool {
    let by_script = matches!(failure.stage, Stage::Script | Stage::Account);
    let is_bound = failure.control || findings.iter().any(|f| f.weight == Weight::Fails);
    // A scenario that states it knows its steps better.
    let says_so = || case.conditions.rigour.is_some() || is_unnoticed(case, failure);
    case.rests_on_rigour() && by_script && !is_bound && says_so()
}

/// Whether the broker goes on as if there were no error: a connection that may be closed is not, or something comes that
/// may not.
fn is_unnoticed(case: &Case, failure: &Failure) -> bool {
    match (failure.stage, &failure.kind) {
        (Stage::Account, kind) => matches!(kind, FailureKind::Leftover { .. }),
        // The connection of a client that did nothing wrong.
        (_, FailureKind::Closed) => false,
        _ => failure.place.as_ref().is_some_and(|place| {
            let mut steps = every(&case.script.steps);
            steps.find(|step| step.place.span == place.span).is_some_and(ends)
        }),
    }
}

/// Whether a step is met by a refusal or by silence.
fn ends(step: &Step) -> bool {
    match &step.what {
        StepKind::Expect { what, .. } => {
            matches!(
                what,
                Expect::Closed { .. } | Expect::Refused { .. } | Expect::Nothing { .. }
            )
        }
        StepKind::OneOf(alternatives) => alternatives.iter().any(|steps| steps.first().is_some_and(ends)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Files, Which};
    use crate::statements::RIGOUR_CLAUSE;
    use crate::wire::Side;

    fn case(id: &str) -> Case {
        let path = id.split(['[', '@']).next().unwrap_or(id);
        let scenarios = Files::embedded().load(|p| p == path).expect("they are well-formed");
        let mut cases = scenarios.into_iter().flat_map(|s| s.cases);
        cases.find(|case| case.id == id).expect("the case is there")
    }

    /// The step that begins with `text` is not met.
    fn unmet(case: &Case, text: &str, kind: FailureKind) -> Failure {
        let source = &case.header.source.text;
        let mut steps = every(&case.script.steps);
        let step = steps.find(|step| source[step.place.span.clone()].starts_with(text));
        Failure {
            tests: Side::Server,
            control: false,
            stage: Stage::Script,
            kind,
            place: Some(step.expect("the step is there").place.clone()),
            awaited: Vec::new(),
            found: None,
            mismatches: Vec::new(),
        }
    }

    #[test]
    fn a_malformed_packet_that_is_served_rests_on_the_clause() {
        let case = case("fixed-header/reserved-flags-pingreq[1]@v5");
        let served = unmet(&case, "c <- refused", FailureKind::BeforeTheEnd("PINGRESP".to_owned()));
        assert!(is_all(&case, &served, &[]));
        let more = Failure {
            stage: Stage::Account,
            kind: FailureKind::Leftover {
                client: "c".into(),
                came: "PINGRESP".to_owned(),
            },
            place: None,
            ..served.clone()
        };
        assert!(is_all(&case, &more, &[]));
        let control = Failure {
            control: true,
            ..served.clone()
        };
        let setup = Failure {
            stage: Stage::Setup,
            ..served
        };
        assert!(!is_all(&case, &control, &[]) && !is_all(&case, &setup, &[]));
        let closed = unmet(&case, "c <- refused", FailureKind::Closed);
        assert!(
            !is_all(&case, &closed, &[]),
            "what is closed is a client that did nothing wrong"
        );
    }

    #[test]
    fn a_violation_by_the_broker_is_beyond_the_clause() {
        let case = case("fixed-header/reserved-flags-pingreq[1]@v5");
        let served = unmet(&case, "c <- refused", FailureKind::StillOpen);
        let mut found = Judged {
            weight: Weight::Fails,
            origin: Which::Case,
            statement: Some(RIGOUR_CLAUSE),
            rule: Some("a rule"),
            text: "the broker's own packet is wrong".to_owned(),
            event: None,
            span: None,
        };
        assert!(!is_all(&case, &served, std::slice::from_ref(&found)));
        found.weight = Weight::Advice;
        assert!(is_all(&case, &served, &[found]));
    }

    #[test]
    fn another_statement_that_binds_the_server_settles_it() {
        for id in [
            "fixed-header/reserved-flags-pubrel[0]@v5",
            "fixed-header/reserved-flags-pingreq[1]@v3.1.1",
            "connect-flags/reserved@v5",
            "connect/second-connect[the-same-again]@v5",
        ] {
            assert!(!case(id).rests_on_rigour(), "{id}");
        }
    }

    #[test]
    fn a_service_that_is_missing_is_beyond_the_clause() {
        let case = case("session-expiry/raised-from-zero@v5");
        let kind = || FailureKind::TimedOut {
            awaited: Box::new(FailureKind::StillOpen),
            waited: std::time::Duration::from_secs(2),
        };
        assert!(is_all(&case, &unmet(&case, "c <- refused", kind()), &[]));
        assert!(!is_all(&case, &unmet(&case, "watch <- PUBLISH", kind()), &[]));
    }
}
