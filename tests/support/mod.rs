//! What several tests use.

// Each test binary uses a part of it.
#![allow(dead_code)]

pub mod captures;
pub mod command;
pub mod lists;
pub mod page;
pub mod peers;
#[cfg(unix)]
pub mod program;
#[cfg(unix)]
pub mod talk;
pub mod tshark;
