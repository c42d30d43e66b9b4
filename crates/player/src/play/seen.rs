//! What an onlooker is shown while an exchange is played.

use crate::adapter::Command;
use crate::scenario::Which;
use crate::transcript::Event;

/// One thing that happens, in the order of the exchange.
#[derive(Debug, Clone)]
pub enum Seen {
    /// An exchange begins.
    Began(Which),
    /// The next event of the transcript.
    Event(Event),
    /// The person who operates the client under test is to do this now.
    Now(Command),
}
