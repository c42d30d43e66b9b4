//! The name of a loss. Brokers that stop sending to a session often do so after something special: a message that was too large for
//! the client, one that expired, one that the client refused. Each of these has a rule of its own, so that a broker that is
//! known for one of them is not excused for the others.

use super::book::{Book, Session};
use super::check::may_expire;
use super::message::OVERHEAD;

/// A message that nothing special explains.
pub const PLAIN: &str = "kept-until-delivered";

/// The rule that the loss of a message breaks, by what the session had to do with. `taken` is the event with which the broker took
/// the message over: what was published later cannot have held it up.
pub fn rule(book: &Book, session: &Session, taken: usize) -> &'static str {
    let mut matching = (book.publications.iter())
        .filter(|p| p.qos > 0 && p.sent.event < taken && session.matching(&p.topic).next().is_some());
    // A PUBLISH has at least its fixed header, the lengths of topic and properties, and an identifier.
    let is_too_large = |size: usize| session.limit.is_some_and(|limit| size - OVERHEAD + 7 > limit as usize);
    if matching.clone().any(|p| is_too_large(p.size)) {
        "kept-behind-too-large"
    } else if matching.any(|p| may_expire(book, p, session)) {
        "kept-behind-expired"
    } else if session.refused {
        "kept-after-refusal"
    } else {
        PLAIN
    }
}
