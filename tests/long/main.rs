//! The tests that play the suite many times over, minutes of it: `cargo test --test long` runs them, `cargo test` does not. A
//! module is a subject: `cargo test --test long vacuity` runs one of them.

#[path = "../support/mod.rs"]
mod support;

mod disobedience;
mod pcap_out;
mod proxy_sabotage;
mod replay;
mod shared_broker;
mod vacuity;
