//! Why no script can show a failure.

use std::fmt::{self, Display, Formatter};

/// What stands in the way of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The broker is restarted or killed.
    Lifecycle,
    /// A client is under test.
    Client,
    /// The case is about WebSocket.
    WebSocket,
    /// A client stops reading for a while.
    StopsReading,
    /// Bytes go out in several writes, or with pauses between them.
    Split,
    /// A wait is part of a `repeat` or of an alternative.
    NestedWait,
    /// More bytes than a script of a page holds.
    TooLong(u64),
    /// More lines than a script may have.
    TooManyLines(usize),
    /// The target's own secret would be part of the script.
    Secret,
    /// The broker's process ended.
    Crash,
    /// No step failed: a rule found what is wrong.
    Rule(String),
    /// The failing step expects something that has no form in a script.
    Expectation(String),
    /// What came is too damaged to be found again.
    Damaged,
}

impl Display for Obstacle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Obstacle::Lifecycle => f.write_str("the case restarts or kills the broker"),
            Obstacle::Client => f.write_str("the case tests a client, and a script is a client itself"),
            Obstacle::WebSocket => f.write_str("the case is about WebSocket, and a script speaks plain TCP"),
            Obstacle::StopsReading => f.write_str("a client of the case stops reading"),
            Obstacle::Split => f.write_str("the case sends bytes in several writes, and where they end matters"),
            Obstacle::NestedWait => f.write_str("the case waits inside a `repeat` or an alternative"),
            Obstacle::TooLong(bytes) => write!(f, "the case sends a packet of {bytes} bytes"),
            Obstacle::TooManyLines(lines) => {
                write!(
                    f,
                    "the exchange takes {lines} lines; a script has at most {}",
                    super::LINES
                )
            }
            Obstacle::Secret => f.write_str(
                "the script would contain a secret of the target's profile other than the password of its login",
            ),
            Obstacle::Crash => f.write_str("the broker ended; its log and the exchange show how"),
            Obstacle::Rule(rule) => write!(f, "no step fails: the rule {rule} judges the exchange as a whole"),
            Obstacle::Expectation(what) => write!(f, "the failing step has no form in a script: {what}"),
            Obstacle::Damaged => f.write_str("the broker sent bytes that are not a packet"),
        }
    }
}
