//! Targets from an address, a profile, the reference broker or a broker of the caller's own; a suite that is selected,
//! run and judged from Rust; and what is done around a run: diaries, clean-up after aborted runs, trials of
//! libtest-mimic.
//!
//! In: a [`Target`](target::Target) and a [`Suite`]. Out: a [`Conformance`](verdict::Conformance).
//! Prints nothing, reads no environment variables, picks no exit codes.

mod adapter;
mod broom;
mod clients;
mod diaries;
mod equipped;
mod error;
mod own;
mod profile;
mod proxied;
mod reference;
mod serve;
mod suite;
mod target;
#[cfg(feature = "harness")]
mod trials;
mod verdict;

use std::time::{SystemTime, UNIX_EPOCH};

pub use adapter::{AdapterReport, check_adapter};
pub use broom::{Broom, BroomError, Swept, client_ids};
pub use clients::{free_client, reference_client, side_of};
pub use diaries::{Diaries, Old, Open};
pub use equipped::dialer as reference_dialer;
pub use error::{RunError, SuiteError, TargetError, Warning};
pub use own::{Home, Running};
pub use profile::is_installed;
pub use proxied::{disobeying, through_proxy};
pub use reference::{Embedded, reference, reference_as, reference_free, reference_over, reference_that};
pub use serve::ByHand;
pub use suite::{Suite, check_known, check_pattern};
pub use target::{Ready, Target};
#[cfg(feature = "harness")]
pub use trials::{main, trials};
pub use verdict::Conformance;

/// Where a run's namespaces begin: two runs on one broker at one time must not meet, so no two calls give the same.
pub fn seed() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    time.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32)
}
