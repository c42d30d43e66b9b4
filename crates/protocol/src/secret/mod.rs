//! What is secret in a packet: the password of a CONNECT, and what may be one if the CONNECT cannot be read.
//!
//! In: a packet's bytes and what they were decoded to. Out: where its secrets are, or its bytes without them. There are
//! two policies. What a run shows of its own packets ([`Policy::Run`]) leaves as much as can be seen, for a person has
//! to find out what is wrong with them. A capture ([`Policy::Capture`]) is not ours: more is taken for a password
//! there.

mod capture;
mod masker;
mod run;
#[cfg(test)]
mod testing;

use std::ops::Range;

pub use capture::{Shown, fragment, shown};
pub use masker::Masker;
pub use run::{is_secret, part_of_connect, redacted, run_spans};

use crate::wire::{Blob, Decoded, Value, Version};

/// The name of the field that is secret.
pub const PASSWORD: &str = "password";
/// What is in the place of a byte.
pub const MASK: u8 = b'*';
/// What is taken for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// The packets of a run: the password, and in a CONNECT that announces one each field that could not be read.
    Run,
    /// The packets of a capture: also whatever lies behind a name, a flag or a length that may be a lie.
    Capture,
}

impl Policy {
    /// Where secrets may be within the bytes that are kept of the beginning of a packet, in order.
    pub fn spans(self, raw: &Blob, decoded: &Decoded) -> Vec<Range<usize>> {
        match self {
            Policy::Run => run_spans(decoded),
            Policy::Capture => capture::spans(decoded, raw.head()),
        }
    }
}

/// Whether a field of this name is the password.
pub fn is_password(name: &str) -> bool {
    name == PASSWORD
}

/// Whether the protocol name is one that there is, or a wrong one of the same length before a level that there is.
/// If it is not, its length may be a lie, and what is read behind it something else.
pub fn has_a_name_in_place(decoded: &Decoded) -> bool {
    let value = |name| decoded.fields.iter().find(|f| f.name == name).map(|f| &f.value);
    let Some(Value::Text(name)) = value("protocol_name") else {
        return false;
    };
    let names = Version::ALL.map(|v| v.protocol_name());
    let levels = Version::ALL.map(|v| Value::Int(v.protocol_level().into()));
    let alike = names.iter().any(|n| n.len() == name.len());
    names.iter().any(|n| n.as_bytes() == name.as_bytes())
        || alike && value("protocol_level").is_some_and(|level| levels.contains(level))
}
