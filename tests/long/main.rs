//! The tests that play the suite many times, which takes minutes: `cargo test --test long` runs them, `cargo test` does not.
//! Each module is a subject: `cargo test --test long vacuity` runs one of them.

#[path = "../support/mod.rs"]
mod support;

mod client_freedoms;
mod disobedience;
mod pcap_out;
mod proxy_sabotage;
mod replay;
mod shared_broker;
mod vacuity;
