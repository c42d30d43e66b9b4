//! The scenario language: YAML → [`Scenario`] → [`Case`], every node with its place in the file.
//!
//! In: the text of scenario files. Out: cases whose scripts are checked and whose rows are filled in, or diagnostics for
//! all errors of all files. What a script still leaves open (`$m`, `$ns`) is resolved while it is played: [`Scope`].

mod build;
mod eval;
mod matching;
pub mod model;
pub mod print;
mod scope;

pub use build::{Built, BuiltPart, default_client_id};
pub use eval::BuildError;
pub use matching::Mismatch;
pub use model::*;
pub use scope::{EnhancedAuth, FACT_NAMES, Facts, Login, Outside, Scope, Unbound};
