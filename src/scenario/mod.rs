//! The scenario language: YAML → [`Scenario`] → [`Case`], every node with its place in the file.
//!
//! In: the text of scenario files. Out: cases whose scripts are checked and whose rows are filled in, or diagnostics for
//! all errors of all files. What a script still leaves open (`$m`, `$ns`) is resolved while it is played: [`Scope`].

pub mod model;

pub use model::*;
