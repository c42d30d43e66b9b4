//! The scenario language: YAML → [`Scenario`] → [`Case`], every node with its place in the file.
//!
//! In: the text of scenario files. Out: cases whose scripts are checked and whose rows are filled in, or diagnostics
//! for all errors of all files. What a script still leaves open (`$m`, `$ns`) is resolved while it is played:
//! [`Scope`].

mod aliases;
mod build;
mod bytes;
mod eval;
mod fields;
mod format;
mod load;
mod matching;
pub mod model;
pub mod print;
mod schema;
mod scope;
mod set;
mod text;
mod walk;

pub use aliases::{Aliases, aliases};
pub use build::{Built, BuiltPart, default_client_id};
pub use eval::BuildError;
pub use format::{WIDTH, format};
pub use load::{load, outlines};
pub use matching::Mismatch;
pub use model::*;
pub use schema::{schema, schema_text};
pub use scope::{EnhancedAuth, FACT_NAMES, Facts, Login, Outside, Scope, Unbound};
pub use set::{Files, Formatted, is_name};
pub use walk::{Which, awaited, declared_waits, every, half_closes, silence, stops_reading};

pub use crate::source::{Diagnostic, Place, Source, render_all};

#[cfg(test)]
mod tests;
