//! The catalogue: every normative statement of the standards, embedded, and the leaf type [`StatementId`] that every
//! other module may use.
//!
//! In: the YAML files under `statements/`. Out: [`Catalogue`] and the list of [`Freedom`]s, checked when they are loaded. This
//! module knows no other.

mod catalogue;
mod freedom;
mod id;
mod link;
mod per_version;

pub use catalogue::{Binds, Catalogue, Level, Observe, RIGOUR_CLAUSE, Statement, catalogue};
pub use freedom::{Freedom, Openness, SwitchLevel, freedoms};
pub use id::{ParseVersionError, StatementId, Version};
pub use link::section_url;
pub use per_version::PerVersion;
pub use per_version::ids;
