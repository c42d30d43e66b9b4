//! What can be wrong with a target, a suite or a run, for callers to match on.

use std::fmt;

use crate::scenario::{Diagnostic, render_all};
use crate::sut::{Address, AddressError, ProbeError, ProfileError, StartError};
use crate::transport::Transport;
use crate::transport::tls::TlsError;

/// A target that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The reference broker was given TLS options.
    #[error("the reference broker makes its own certificates: it takes no TLS options")]
    ReferenceTls,
    /// A target that is not the reference broker was asked to break a statement that takes more than changing packets.
    #[error("only the embedded broker can break {0}: changing packets in a proxy is not enough")]
    NeedsReference(String),
    /// A target that is reached over anything but plain TCP was asked to break statements.
    #[error("a proxy can change packets over plain TCP only, not over {0}")]
    NeedsPlainTcp(Transport),
    /// The text is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The address says itself what it is reached over, and another transport was asked for.
    #[error("{address} already names its transport: {}", address.transport())]
    OtherTransport { address: Address },
    /// TLS options for an address without TLS.
    #[error("TLS options are for mqtts: and wss: addresses")]
    NotEncrypted,
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The broker at an address does not answer as a broker.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The profile cannot be read.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The profile has no address over the transport that was asked for.
    #[error("{profile}: {why}")]
    NoTransport { profile: String, why: String },
    /// A login of the profile has a secret that is not there.
    #[error("{profile}: {why}")]
    Secret { profile: String, why: String },
    /// An address of the profile cannot be used.
    #[error(transparent)]
    Endpoint(StartError),
    /// The broker, or its version command, could not be started.
    #[error(transparent)]
    Start(StartError),
}

/// What a caller should know about a target that can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// TLS without a check of the broker's certificate.
    Insecure,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Insecure => f.write_str("certificates are not verified (insecure)"),
        }
    }
}

/// A suite that cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// Scenario files are malformed.
    #[error("{}", render_all(.0, false))]
    Scenarios(Vec<Diagnostic>),
    /// A pattern fits no case; most likely a slip.
    #[error("no case fits `{pattern}`{}", hint(nearest))]
    NoSuchCase { pattern: String, nearest: Option<String> },
    /// Patterns, versions and tags together select no case.
    #[error("no case matches the selection")]
    Nothing,
    /// The text is no list of known deviations, or not one of the cases of this set.
    #[error(transparent)]
    Known(#[from] ProfileError),
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|id| format!("; the nearest is `{id}`"))
        .unwrap_or_default()
}

/// A run that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    #[error(transparent)]
    Suite(#[from] SuiteError),
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No broker could be started.
    #[error("{0}")]
    Start(String),
    /// No runtime could be made for a blocking run.
    #[error("no runtime can be made: {0}")]
    Runtime(#[from] std::io::Error),
}
