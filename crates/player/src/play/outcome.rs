//! What came of playing one case.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
pub use crate::scenario::Mismatch;
use crate::statements::StatementId;
use crate::transcript::{Stop, Transcript};

/// Everything that one playing of a case yields. It is not yet a verdict: rules and known deviations come on top.
#[derive(Debug, Clone)]
pub struct Played {
    pub transcript: Transcript,
    /// The same for the control exchange, if the case has one.
    pub control: Option<Transcript>,
    pub end: PlayEnd,
    /// What is to be reported though it is no failure, such as another reason code than the one that the script names.
    pub advice: Vec<Advice>,
    /// The same of the control exchange.
    pub control_advice: Vec<Advice>,
    /// What of the script was not met, if the control came to another end that is the end of the case.
    pub missed: Option<Failure>,
}

/// How the playing ended.
#[derive(Debug, Clone)]
pub enum PlayEnd {
    /// Every step was met and everything that came is accounted for.
    Met,
    /// An expectation was not met, or something came that no step takes.
    Failed(Failure),
    /// The target states that it does not offer what the case needs: the reason.
    Skipped(String),
    /// The harness was too late for its own bounds: the experiment is void.
    Late(String),
    /// The broker went away as a process, or no connection can be made any more.
    BrokerGone(String),
    /// Our own fault: the message.
    Error(String),
}

/// Where in an exchange something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The connections and subscriptions that `clients:` asks for.
    Setup,
    /// The steps.
    Script,
    /// The account at the end: something came that no step takes.
    Account,
    /// A fence, of a `nothing` or of the end: the broker did not answer the harness's own PINGREQ.
    Fence,
}

/// How the reason of a skip begins if a client under test was never brought into the situation of its case.
pub(super) const NOT_PROVOKED: &str = "not provoked: ";

impl From<Stop> for PlayEnd {
    fn from(stop: Stop) -> PlayEnd {
        match stop {
            Stop::Skipped(reason) => PlayEnd::Skipped(reason),
            Stop::Late(why) => PlayEnd::Late(why),
            Stop::BrokerGone(why) => PlayEnd::BrokerGone(why),
            Stop::Error(why) => PlayEnd::Error(why),
        }
    }
}

/// Something that a broker's author should know, though no MUST is violated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub statement: Option<StatementId>,
    pub text: String,
    /// Index of the event in the transcript of its exchange.
    pub event: Option<usize>,
}

/// A span of time for a person: `1.5 s`, `20 ms`.
pub fn seconds(span: Duration) -> String {
    let ms = span.as_millis();
    if ms < 1000 {
        return format!("{ms} ms");
    }
    let text = format!("{:.3}", span.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_as_people_write_them() {
        assert_eq!(seconds(Duration::from_millis(20)), "20 ms");
        assert_eq!(seconds(Duration::from_secs(2)), "2 s");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(seconds(Duration::from_millis(30_000)), "30 s");
    }
}
