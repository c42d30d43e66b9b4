//! The catalogue: every normative statement of the standards, embedded, and the leaf type [`StatementId`] that every
//! other module may use.
//!
//! In: the YAML files under `statements/`. Out: [`Catalogue`], checked when it is loaded. This module knows no other.

mod catalogue;
mod id;

pub use catalogue::{Binds, Catalogue, Level, Observe, Statement, catalogue};
pub use id::{ParseVersionError, StatementId, Version};
