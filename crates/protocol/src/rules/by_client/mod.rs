//! Rules about the client. Each is about what it sends on one connection, and rests on what the broker sent there.
//!
//! Wherever the capture was made, what a client reacts to is seen before its reaction; that it had heard of something
//! when it sent is known only if it says so ([`Sight::crossed`](super::Sight)).

mod auth;
mod exchange;
mod limits;
mod start;
mod time;
mod websocket;

use super::history::Moment;
use super::rule::RuleInfo;
use crate::wire::Packet;

/// Every rule about the client, by topic.
pub fn all() -> impl Iterator<Item = &'static RuleInfo> {
    [
        start::RULES,
        exchange::RULES,
        limits::RULES,
        time::RULES,
        auth::RULES,
        websocket::RULES,
    ]
    .into_iter()
    .flatten()
}

/// The packet, if the event is one from the client that could be read.
fn said<'a>(m: &Moment<'a>) -> Option<&'a Packet> {
    m.event.packet().filter(|_| !m.is_from_broker())?.packet.as_ref()
}
