//! The catalogue itself: read from the embedded YAML, checked, and asked by id.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::{StatementId, Version};

/// The keyword of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    #[serde(rename = "MUST")]
    Must,
    #[serde(rename = "MUST NOT")]
    MustNot,
    #[serde(rename = "SHOULD")]
    Should,
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
}

impl Level {
    /// Whether a violation is a failure (a MUST) and not only advice (a SHOULD).
    pub fn is_must(self) -> bool {
        matches!(self, Level::Must | Level::MustNot)
    }

    /// The keyword as the standard writes it.
    pub fn keyword(self) -> &'static str {
        match self {
            Level::Must => "MUST",
            Level::MustNot => "MUST NOT",
            Level::Should => "SHOULD",
            Level::ShouldNot => "SHOULD NOT",
        }
    }
}

/// Who is obliged by a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binds {
    Client,
    Server,
    Both,
}

/// How a harness that plays the clients can see a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Observe {
    /// In the bytes.
    Wire,
    /// In the bytes and their time.
    Time,
    /// Only across a restart of the broker.
    Restart,
    /// Only by playing the server towards a client.
    Peer,
    /// Not at all from outside.
    Internal,
}

impl Observe {
    /// Whether an exchange with a broker can show a violation.
    pub fn is_observable(self) -> bool {
        matches!(self, Observe::Wire | Observe::Time | Observe::Restart)
    }
}

/// One normative statement.
#[derive(Debug, Clone)]
pub struct Statement {
    pub id: StatementId,
    /// The heading in the standard.
    pub section: String,
    pub title: String,
    pub level: Level,
    pub binds: Binds,
    pub observe: Observe,
    /// What it says, in our words.
    pub says: String,
    /// How an exchange shows a violation.
    pub how: String,
    /// For a statement that binds the client: those that oblige the server to react to a violation.
    pub enforced_by: Vec<StatementId>,
    /// For a statement that binds the client: why no exchange with a scripted server shows a violation by a client.
    pub client_unobservable: Option<String>,
}

/// The statement of 5.0 that obliges a server to close the connection for an error that it detects. The text around it
/// (section 4.13.1) leaves the rigour of checking to the implementation.
pub const RIGOUR_CLAUSE: StatementId = StatementId::new(Version::V5, "MQTT-4.13.1-1");

impl Statement {
    /// Whether the statement obliges a server only so far as it detects an error (5.0, section 4.13.1): it is
    /// [`RIGOUR_CLAUSE`] itself, or a client violates it and no other statement enforces it.
    pub fn rests_on_rigour(&self) -> bool {
        let enforced = !self.enforced_by.is_empty() && self.enforced_by.iter().all(|id| *id == RIGOUR_CLAUSE);
        self.id == RIGOUR_CLAUSE || self.binds != Binds::Server && enforced
    }
}

/// All statements of all versions.
#[derive(Debug)]
pub struct Catalogue {
    by_id: BTreeMap<StatementId, Statement>,
}

/// The embedded catalogue. It is read once, at the first use.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        Catalogue::load(&[
            (Version::V3_1, include_str!("../../../../statements/mqtt-3.1.yaml")),
            (Version::V3_1_1, include_str!("../../../../statements/mqtt-3.1.1.yaml")),
            (Version::V3_1_1, include_str!("../../../../statements/own-3.1.1.yaml")),
            (Version::V5, include_str!("../../../../statements/mqtt-5.0.yaml")),
            (Version::V5, include_str!("../../../../statements/own-5.0.yaml")),
        ])
        .unwrap_or_else(|e| panic!("the embedded catalogue is damaged: {e}"))
    });
    &CATALOGUE
}

impl Catalogue {
    /// Reads catalogue files, each with the version that its entries belong to.
    ///
    /// # Errors
    /// A file that is not of the catalogue's form, an id used twice at one version, or an `enforced_by` that names
    /// none.
    pub fn load(files: &[(Version, &'static str)]) -> Result<Catalogue, String> {
        let mut by_id = BTreeMap::new();
        for (version, text) in files {
            let file: File = serde_yaml::from_str(text).map_err(|e| format!("{version}: {e}"))?;
            for entry in file.statements {
                let statement = entry.into_statement(*version);
                let id = statement.id;
                if by_id.insert(id, statement).is_some() {
                    return Err(format!("{id} occurs twice"));
                }
            }
        }
        for statement in by_id.values() {
            for enforcer in &statement.enforced_by {
                if !by_id.contains_key(enforcer) {
                    return Err(format!("{} names {enforcer}, which is not there", statement.id));
                }
            }
        }
        Ok(Catalogue { by_id })
    }

    /// Every statement, by version and then by id.
    pub fn iter(&self) -> impl Iterator<Item = &Statement> {
        self.by_id.values()
    }

    /// The statement with this id.
    pub fn get(&self, id: StatementId) -> Option<&Statement> {
        self.by_id.get(&id)
    }

    /// The level of a statement. One that the catalogue lacks would be a mistake of ours, which a test excludes; it
    /// counts as a MUST.
    pub fn level(&self, id: StatementId) -> Level {
        self.get(id).map_or(Level::Must, |s| s.level)
    }

    /// The statement of `version` that is written `id`, without the version.
    pub fn at(&self, version: Version, id: &str) -> Option<&Statement> {
        // The key borrows a 'static id, so the look-up goes by the order that it shares with any id.
        self.by_id.values().find(|s| s.id.version == version && s.id.id == id)
    }

    /// Reads a token such as `v5:MQTT-4.3.3-10`, or a bare id that exists at one version only.
    ///
    /// # Errors
    /// A message for the user if there is none, or if a bare id exists at several versions (it names them).
    pub fn resolve(&self, token: &str) -> Result<&Statement, String> {
        if let Some((version, id)) = token.split_once(':') {
            let version: Version = version.parse().map_err(|e| format!("{e}"))?;
            return self
                .at(version, id)
                .ok_or_else(|| format!("no statement `{id}` at {version}"));
        }
        let found: Vec<&Statement> = Version::ALL.iter().filter_map(|v| self.at(*v, token)).collect();
        match found.as_slice() {
            [] => Err(format!("no statement `{token}`")),
            [one] => Ok(one),
            many => {
                let names: Vec<String> = many.iter().map(|s| s.id.to_string()).collect();
                Err(format!(
                    "`{token}` means different things at different versions: {}",
                    names.join(" or ")
                ))
            }
        }
    }
}

#[derive(Deserialize)]
struct File {
    statements: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    section: String,
    title: String,
    level: Level,
    binds: Binds,
    observe: Observe,
    says: String,
    how: String,
    #[serde(default)]
    enforced_by: Vec<String>,
    client_unobservable: Option<String>,
}

impl Entry {
    fn into_statement(self, version: Version) -> Statement {
        // The catalogue lives as long as the process and is loaded once: its ids are leaked so that they can be copied.
        let id = |text: String| StatementId::new(version, text.leak());
        Statement {
            id: id(self.id),
            section: self.section,
            title: self.title,
            level: self.level,
            binds: self.binds,
            observe: self.observe,
            says: self.says,
            how: self.how,
            enforced_by: self.enforced_by.into_iter().map(id).collect(),
            client_unobservable: self.client_unobservable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbered_statements_are_all_there() {
        let count = |version| {
            catalogue()
                .iter()
                .filter(|s| s.id.version == version && !s.id.is_own())
                .count()
        };
        assert_eq!(count(Version::V3_1), 0);
        assert_eq!(count(Version::V3_1_1), 141);
        assert_eq!(count(Version::V5), 251);
    }

    #[test]
    fn the_rigour_clause_is_all_that_enforces_some_statements() {
        let rests = |token| catalogue().resolve(token).unwrap().rests_on_rigour();
        for token in [
            "v5:MQTT-4.13.1-1",
            "v5:MQTT-2.1.3-1",
            "v5:§2.2.2.2/allowed",
            "v5:MQTT-3.8.3-4",
        ] {
            assert!(rests(token), "{token}");
        }
        let explicit = [
            "v5:MQTT-3.1.0-2",
            "v5:MQTT-3.1.2-11",
            "v5:MQTT-3.1.2-12",
            "v5:MQTT-3.1.4-1",
            "v5:MQTT-3.6.1-1",
            "v5:MQTT-3.8.1-1",
            "v5:MQTT-3.8.3-5",
            "v5:MQTT-3.10.1-1",
            "v5:MQTT-3.14.1-1",
            "v5:MQTT-3.15.1-1",
            "v5:MQTT-6.0.0-1",
            "v5:§3.3.2.3.2/utf-8-payload",
            // 3.1.1 says "encounters", and closing is a duty (section 4.8).
            "v3.1.1:MQTT-4.8.0-1",
            "v3.1.1:§2.2.1/packet-type",
        ];
        for token in explicit {
            assert!(!rests(token), "{token}");
        }
    }

    #[test]
    fn a_bare_id_of_two_versions_is_an_error_that_names_both() {
        let message = catalogue().resolve("MQTT-3.1.2-24").unwrap_err();
        assert!(
            message.contains("v3.1.1:MQTT-3.1.2-24") && message.contains("v5:MQTT-3.1.2-24"),
            "{message}"
        );
        assert_eq!(
            catalogue().resolve("v5:MQTT-4.3.3-10").unwrap().id.to_string(),
            "v5:MQTT-4.3.3-10"
        );
    }
}
