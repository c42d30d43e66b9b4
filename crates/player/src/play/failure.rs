//! Why a case fails: each kind with its particulars, and the words that reports have for it.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::outcome::{Stage, seconds};
use crate::scenario::{Mismatch, Place};
use crate::transcript::{ClientName, End};
use crate::wire::{PacketType, Side};

/// The placeholder for a span of time in text that is to be the same in every run.
const TIME: &str = "<time>";

/// An expectation that was not met. Its `Display` is one line: what is wrong, such as "sub <- PUBREC: no PUBREC came
/// within 2 s".
#[derive(Debug, Clone)]
pub struct Failure {
    /// The side under test.
    pub tests: Side,
    /// It is the control that failed, which is the same exchange without the fault.
    pub control: bool,
    pub stage: Stage,
    pub kind: FailureKind,
    /// The step, or the client in `clients:`.
    pub place: Option<Place>,
    /// Each permitted alternative, and why it was not met. Empty if the current step expects nothing, or there is no
    /// current step.
    pub awaited: Vec<Awaited>,
    /// The unexpected event, as its index in the transcript (of the control's, if that failed).
    pub found: Option<usize>,
    /// Fields of the found packet that differ.
    pub mismatches: Vec<Mismatch>,
}

/// One alternative that would have been right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Awaited {
    /// The side under test.
    pub tests: Side,
    /// In the language, with variables resolved: `pub <- PUBREC: { packet_id: 7 }`.
    pub what: String,
    /// Why it was not met: "no PUBREC came within 2 s".
    pub why: FailureKind,
}

/// Why an expectation, or the whole exchange, is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureKind {
    /// What is awaited has not come.
    Missing(Sought),
    /// What is awaited has not come, and bytes have that are no packet: the words for them.
    MissingButBytes(Sought, String),
    /// What is awaited has not come, and the broker has ended the connection.
    MissingAtEnd(Sought, End),
    /// Of several that may come in any order, some have not.
    MissingSome,
    /// Something has to come on a connection that is not there.
    NoConnection,
    /// The end of the connection is awaited.
    StillOpen,
    /// A fence is still under way.
    FenceUnderWay,
    /// This is met; another alternative, or the whole, is not.
    Met,
    /// Bytes came where a packet is awaited.
    NoPacket,
    /// Another packet came first: its name.
    OtherPacket(&'static str),
    /// The packet that came differs in these fields.
    Differs(Vec<Mismatch>),
    /// The bytes that came differ.
    BytesDiffer,
    /// Packets came for all that may come in any order, and no assignment gives each variable one value.
    NoAssignment,
    /// Something came before the end of the connection: its name.
    BeforeTheEnd(String),
    /// Nothing may come, and this did: its name.
    Came(String),
    /// Nothing may come, and the broker ended the connection.
    Closed,
    /// It came, later than the script permits.
    TooLate { after: Duration, most: Duration },
    /// It came, earlier than the script permits.
    TooEarly { after: Duration, least: Duration },
    /// The time of a step ran out: what was awaited until then.
    TimedOut {
        awaited: Box<FailureKind>,
        waited: Duration,
    },
    /// The time ran out of a step with several alternatives, or of several in any order.
    NoneInTime { waited: Duration },
    /// The broker did not answer a fence's PINGREQ.
    FenceUnanswered { client: ClientName, waited: Duration },
    /// A client under test did not acknowledge a fence's PUBLISH of QoS 1: it reads no more, or does not answer.
    Mute { client: ClientName, waited: Duration },
    /// The adapter of a client under test did not answer a command; `first` if it has not answered any.
    CallUnanswered {
        verb: &'static str,
        waited: Duration,
        first: bool,
    },
    /// The deadline of the case passed.
    Deadline { limit: Duration },
    /// Something came that no step takes: its name.
    Leftover { client: ClientName, came: String },
    /// The broker ended a connection, and no step expects that.
    LeftoverEnd { client: ClientName },
    /// The broker sent more than is kept.
    Endless { packets: usize },
}

/// What an expectation looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    AnyPacket,
    Packet(PacketType),
    /// A packet with certain bytes.
    Bytes,
}

impl Display for Sought {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Sought::AnyPacket => f.write_str("no packet came"),
            Sought::Packet(kind) => write!(f, "no {kind} came"),
            Sought::Bytes => f.write_str("no such packet came"),
        }
    }
}

/// How messages name the side under test.
fn name_of(tests: Side) -> &'static str {
    match tests {
        Side::Client => "client",
        Side::Server => "broker",
    }
}

impl Awaited {
    /// Why it was not met, in words.
    pub fn why(&self) -> String {
        self.why.words(&seconds, name_of(self.tests))
    }
}

impl Failure {
    /// The same line in every run in which the broker does the same: with `<time>` for each span of time. `None` if it
    /// holds none, and is the same anyway.
    pub fn steady(&self) -> Option<String> {
        let steady = self.words(&|_| TIME.to_owned());
        (steady != self.to_string()).then_some(steady)
    }

    /// Whether time ran out: something was awaited and did not come. If the harness itself was late, that proves
    /// nothing.
    pub fn timed_out(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::TimedOut { .. }
                | FailureKind::NoneInTime { .. }
                | FailureKind::FenceUnanswered { .. }
                | FailureKind::Mute { .. }
                | FailureKind::CallUnanswered { .. }
                | FailureKind::Deadline { .. }
        )
    }

    /// Whether the broker ended a connection on which something else was expected, or nothing.
    pub fn lost_connection(&self) -> bool {
        let lost = |kind: &FailureKind| {
            matches!(
                kind,
                FailureKind::MissingAtEnd(..) | FailureKind::Closed | FailureKind::LeftoverEnd { .. }
            )
        };
        lost(&self.kind) || self.awaited.iter().any(|awaited| lost(&awaited.why))
    }

    fn words(&self, span: &dyn Fn(Duration) -> String) -> String {
        let peer = name_of(self.tests);
        match self.awaited.as_slice() {
            [] => self.kind.words(span, peer),
            [one] => format!("{}: {}", one.what, one.why.words(span, peer)),
            many => format!("none of {} alternatives was met", many.len()),
        }
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words(&seconds))
    }
}

impl FailureKind {
    /// The words, if this side is under test.
    pub fn told(&self, tests: Side) -> String {
        self.words(&seconds, name_of(tests))
    }

    /// `peer` is the side under test.
    fn words(&self, span: &dyn Fn(Duration) -> String, peer: &str) -> String {
        let fixed = match self {
            FailureKind::Missing(sought) => return sought.to_string(),
            FailureKind::MissingButBytes(sought, came) => return format!("{sought}; {came} came"),
            FailureKind::MissingAtEnd(sought, end) => {
                return format!("{sought}; the {peer} closed the connection ({end})");
            }
            FailureKind::OtherPacket(came) => return format!("the next packet is {came}"),
            FailureKind::Differs(mismatches) => return differs(mismatches),
            FailureKind::BeforeTheEnd(came) => return format!("{came} came before the connection was closed"),
            FailureKind::Came(came) => return format!("{came} came"),
            FailureKind::TooLate { after, most } => {
                return format!("it came after {}, and not within {}", span(*after), span(*most));
            }
            FailureKind::TooEarly { after, least } => {
                return format!(
                    "it came after {}, and not before {} is right",
                    span(*after),
                    span(*least)
                );
            }
            FailureKind::TimedOut { awaited, waited } => {
                return format!("{} within {}", awaited.words(span, peer), span(*waited));
            }
            FailureKind::NoneInTime { waited } => return format!("none of these came within {}", span(*waited)),
            FailureKind::FenceUnanswered { client, waited } => {
                return format!(
                    "{client} got no PINGRESP within {} to the PINGREQ of the fence",
                    span(*waited)
                );
            }
            FailureKind::Mute { client, waited } => {
                return format!(
                    "{client} is mute: it did not acknowledge the PUBLISH of the fence within {}",
                    span(*waited)
                );
            }
            FailureKind::CallUnanswered {
                verb,
                waited,
                first: true,
            } => {
                return format!(
                    "the adapter is mute: it did not answer its first command, `{verb}`, within {}",
                    span(*waited)
                );
            }
            FailureKind::CallUnanswered { verb, waited, .. } => {
                return format!(
                    "the adapter did not answer `{verb}` within {}: a call must not wait for the network",
                    span(*waited)
                );
            }
            FailureKind::Deadline { limit } => return format!("the case's deadline of {} passed", span(*limit)),
            FailureKind::Leftover { client, came } => return format!("{client} got {came}, and no step takes it"),
            FailureKind::LeftoverEnd { client } => {
                return format!("the {peer} closed the connection of {client}, and no step expects it");
            }
            FailureKind::Endless { packets } => {
                return format!("the {peer} does not stop sending: {packets} packets came");
            }
            FailureKind::MissingSome => "not all of them came",
            FailureKind::NoConnection => "there is no connection",
            FailureKind::StillOpen => "the connection is still open",
            FailureKind::FenceUnderWay => "the fence is not complete yet",
            FailureKind::Met => "met",
            FailureKind::NoPacket => "bytes came that are not a packet",
            FailureKind::BytesDiffer => "the bytes differ",
            FailureKind::NoAssignment => "no assignment fits all the variables",
            FailureKind::Closed => return format!("the {peer} closed the connection"),
        };
        fixed.to_owned()
    }
}

fn differs(mismatches: &[Mismatch]) -> String {
    match mismatches {
        [one] => match one.expected.strip_prefix("not ") {
            Some(excluded) => format!("{} is {}, and may not be {excluded}", one.field, one.found),
            None => format!("{} is {}, not {}", one.field, one.found, one.expected),
        },
        many => {
            let fields: Vec<&str> = many.iter().map(|m| m.field.as_str()).collect();
            format!("{} differ", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_is_said_without_a_double_negation() {
        let mismatch = |expected: &str| {
            differs(&[Mismatch {
                field: "packet_id".into(),
                expected: expected.into(),
                found: "1".into(),
                span: None,
            }])
        };
        assert_eq!(mismatch("2"), "packet_id is 1, not 2");
        assert_eq!(mismatch("not 1"), "packet_id is 1, and may not be 1");
    }

    fn failure(kind: FailureKind, awaited: &[&str]) -> Failure {
        let why = kind.clone();
        let one = |what: &&str| Awaited {
            tests: Side::Server,
            what: (*what).to_owned(),
            why: why.clone(),
        };
        Failure {
            tests: Side::Server,
            control: false,
            stage: Stage::Script,
            kind,
            place: None,
            awaited: awaited.iter().map(one).collect(),
            found: None,
            mismatches: Vec::new(),
        }
    }

    #[test]
    fn a_span_of_time_is_in_the_words_and_not_in_the_steady_ones() {
        let late = FailureKind::TimedOut {
            awaited: Box::new(FailureKind::Missing(Sought::Packet(PacketType::PubRec))),
            waited: Duration::from_millis(2013),
        };
        let one = failure(late.clone(), &["pub <- PUBREC: { within: 2s }"]);
        assert_eq!(
            one.to_string(),
            "pub <- PUBREC: { within: 2s }: no PUBREC came within 2.013 s"
        );
        assert_eq!(
            one.steady().unwrap(),
            "pub <- PUBREC: { within: 2s }: no PUBREC came within <time>"
        );
        assert!(one.timed_out());
        assert_eq!(failure(late, &["a", "b"]).steady(), None);
    }

    #[test]
    fn what_stands_in_the_way_is_no_lack_of_time() {
        let after = Duration::from_secs(3);
        let late = FailureKind::TooLate {
            after,
            most: Duration::from_secs(2),
        };
        let late = failure(late, &[]);
        assert_eq!(late.to_string(), "it came after 3 s, and not within 2 s");
        assert_eq!(late.steady().unwrap(), "it came after <time>, and not within <time>");
        let came = failure(FailureKind::Came("PUBLISH, 3 s old,".to_owned()), &["sub <- nothing"]);
        assert_eq!(came.to_string(), "sub <- nothing: PUBLISH, 3 s old, came");
        assert_eq!(came.steady(), None);
        assert!(!late.timed_out() && !came.timed_out());
    }

    #[test]
    fn a_connection_is_lost_if_its_end_is_what_came() {
        let ended = FailureKind::MissingAtEnd(Sought::AnyPacket, End::Fin);
        assert!(failure(ended, &["c <- PINGRESP"]).lost_connection());
        assert!(failure(FailureKind::Closed, &[]).lost_connection());
        assert!(!failure(FailureKind::StillOpen, &["c <- closed"]).lost_connection());
    }
}
