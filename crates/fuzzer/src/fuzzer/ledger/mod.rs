//! What a broker owes that forgets nothing.
//!
//! The history checker judges any broker: it leaves open what a full queue, a restart or an unseen client may explain. Here more is
//! known. All clients are seen and legal, each payload is unique, each sequence ends with all clients back and all
//! acknowledged, and the broker promises to store what it has acknowledged (`persistence` and `durable` in a profile) in queues
//! without a limit. Then a message that did not come is lost, whatever happened in between.
//!
//! In: the transcript of a sequence. Out: what was not done, or done twice.

mod book;
mod check;
mod exchange;
mod loss;
mod message;
mod sessions;
mod wills;

use std::time::Duration;

use crate::transcript::Transcript;

use super::judge::Verdict;
use super::offence::Offence;

/// How long a broker may take. No version states a time for a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// A message is lost if it has not come this long after it was acknowledged.
    pub delivery: Duration,
    /// A retained message is lost if it has not come this long after SUBACK.
    pub retained: Duration,
    /// Parts of a second do not count in intervals, and a broker need not notice at once that one has passed.
    pub margin: Duration,
    /// A will is due when the session ends, also if its delay has not passed (5.0, section 3.1.3.2.2). Otherwise it may come as late as its
    /// delay: no statement gives a time.
    pub will_at_session_end: bool,
}

impl Default for Terms {
    /// In virtual time. There a retained message comes with its SUBACK or not at all.
    fn default() -> Terms {
        Terms {
            delivery: Duration::from_secs(20),
            retained: Duration::ZERO,
            margin: Duration::from_secs(1),
            will_at_session_end: true,
        }
    }
}

/// What the transcript shows, in no order. Offences have no effect, and end their connections as the loss of a connection does.
pub fn check(transcript: &Transcript, offences: &[Offence], terms: Terms) -> Vec<Verdict> {
    let book = book::Book::read(transcript, offences, terms);
    check::all(&book)
}
