//! Conversations: what is between bytes and everything that talks to a peer, or listens to two who talk.
//!
//! [`Dialogue`] turns the bytes of both sides into events. [`Line`] is a connection that is read from the moment it
//! opens, also while it is written to. [`Caller`] is a client that does one thing after the other.
//!
//! Which side is played and which is judged is the affair of those above: here a side is an argument.

mod caller;
mod decoder;
mod dialogue;
mod line;

pub use caller::{Caller, Reply, Wait};
pub use decoder::{Decoder, version_of_level};
pub use dialogue::Dialogue;
pub use line::{Arrival, Arrived, Line, Listener, look, meanwhile, queue, wait_until};
