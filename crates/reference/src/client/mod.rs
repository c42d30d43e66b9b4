//! The reference client: the standard's client as code, as the reference broker is its server.
//!
//! It is an adapter: it is told what to do in lines of the contract ([`crate::adapter`]), in this process or as
//! `mqttspec client` on standard input. Its core is pure: `(state, input, time) → effects`. Each statement that it knows
//! can be broken on purpose ([`Disobey`]): this is how it is shown that the tests of clients can fail. It can also use what
//! the standards leave open ([`Free`]), which no test may notice.

mod asks;
mod core;
mod duty;
mod freedom;
mod manual;
mod received;
mod run;
mod sabotage;
mod session;

pub use duty::{Disobey, Unknown, statements};
pub use freedom::{Free, Freedom, UnknownFreedom};
pub use run::{run, start};

#[cfg(test)]
mod tests;
