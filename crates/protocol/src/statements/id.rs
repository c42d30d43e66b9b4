//! Which version of MQTT, and which statement of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A version of the MQTT protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Version {
    /// MQTT 3.1 (2010): protocol name `MQIsdp`, level 3.
    #[serde(rename = "v3.1")]
    V3_1,
    /// MQTT 3.1.1 (OASIS, 2014): protocol name `MQTT`, level 4.
    #[serde(rename = "v3.1.1")]
    V3_1_1,
    /// MQTT 5.0 (OASIS, 2019): protocol name `MQTT`, level 5.
    #[serde(rename = "v5")]
    V5,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5];

    /// The token used everywhere in mqttspec: `v3.1`, `v3.1.1` or `v5`.
    pub fn name(self) -> &'static str {
        match self {
            Version::V3_1 => "v3.1",
            Version::V3_1_1 => "v3.1.1",
            Version::V5 => "v5",
        }
    }

    /// The Protocol Level (5.0: Protocol Version) byte of CONNECT.
    pub fn protocol_level(self) -> u8 {
        match self {
            Version::V3_1 => 3,
            Version::V3_1_1 => 4,
            Version::V5 => 5,
        }
    }

    /// The Protocol Name of CONNECT.
    pub fn protocol_name(self) -> &'static str {
        match self {
            Version::V3_1 => "MQIsdp",
            Version::V3_1_1 | Version::V5 => "MQTT",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is none of `v3.1`, `v3.1.1` and `v5`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no MQTT version `{0}` (v3.1, v3.1.1 or v5)")]
pub struct ParseVersionError(pub String);

impl FromStr for Version {
    type Err = ParseVersionError;

    /// Reads `v3.1`, `v3.1.1` or `v5`; the `v` may be missing, and `5.0` is 5.
    fn from_str(text: &str) -> Result<Version, ParseVersionError> {
        match text.strip_prefix('v').unwrap_or(text) {
            "3.1" => Ok(Version::V3_1),
            "3.1.1" => Ok(Version::V3_1_1),
            "5" | "5.0" => Ok(Version::V5),
            _ => Err(ParseVersionError(text.to_owned())),
        }
    }
}

/// One normative statement of one version, such as `v5:MQTT-4.3.3-10`. The same id means different things at different
/// versions, so the version is always part of it.
///
/// Entries of our own, for duties that the standard does not number, are `§`, the section, `/` and a short name:
/// `v5:§2.2.2.2/single-use`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatementId {
    pub version: Version,
    /// The id without the version, such as `MQTT-4.3.3-10`.
    pub id: &'static str,
}

impl StatementId {
    /// The statement `id` of `version`. A test checks that every id named in the code is in the catalogue.
    pub const fn new(version: Version, id: &'static str) -> StatementId {
        StatementId { version, id }
    }

    /// Whether this is an entry of our own and not a numbered statement of the standard.
    pub fn is_own(self) -> bool {
        self.id.starts_with('§')
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.version, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_back_what_they_print() {
        for version in Version::ALL {
            assert_eq!(version.name().parse(), Ok(version));
        }
        assert_eq!("5.0".parse(), Ok(Version::V5));
        assert!("v4".parse::<Version>().is_err());
    }

    #[test]
    fn a_statement_prints_as_its_token() {
        assert_eq!(
            StatementId::new(Version::V5, "MQTT-4.3.3-10").to_string(),
            "v5:MQTT-4.3.3-10"
        );
    }
}
