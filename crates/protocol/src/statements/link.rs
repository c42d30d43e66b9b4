//! Where the standards are published, so that a report can point at the text of a section.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Statement, StatementId, Version, catalogue};

/// The URL of a section of the published standard. A section without an anchor of its own is that of the nearest section
/// around it that has one, or the document.
pub fn section_url(version: Version, section: &str) -> String {
    let standard = &STANDARDS[version as usize];
    let mut around = Some(section);
    while let Some(section) = around {
        if let Some(anchor) = standard.anchors.get(section) {
            return format!("{}#{anchor}", standard.url);
        }
        around = section.rsplit_once('.').map(|(parent, _)| parent);
    }
    standard.url.clone()
}

impl Statement {
    /// The URL of its section in the published standard.
    pub fn url(&self) -> String {
        section_url(self.id.version, &self.section)
    }
}

impl StatementId {
    /// The URL of its section in the published standard; `None` if the catalogue does not have it.
    pub fn url(self) -> Option<String> {
        catalogue().get(self).map(Statement::url)
    }
}

/// In the order of [`Version::ALL`].
static STANDARDS: LazyLock<Vec<Standard>> = LazyLock::new(|| {
    let file: File = serde_yaml::from_str(include_str!("../../../../statements/anchors.yaml"))
        .unwrap_or_else(|e| panic!("the embedded table of anchors is damaged: {e}"));
    let versions: Vec<Version> = file.standards.iter().filter_map(|s| s.version.parse().ok()).collect();
    assert_eq!(versions, Version::ALL, "the versions of the table of anchors");
    file.standards
});

#[derive(Deserialize)]
struct File {
    standards: Vec<Standard>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Standard {
    version: String,
    url: String,
    /// Section → the name of its anchor.
    anchors: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_statement_has_an_anchor_of_its_section_or_of_one_around_it() {
        let mut indirect = BTreeSet::new();
        for statement in catalogue().iter() {
            let url = statement.url();
            let (_, anchor) = url
                .split_once('#')
                .unwrap_or_else(|| panic!("{}: no anchor", statement.id));
            assert!(!anchor.is_empty(), "{}", statement.id);
            let standard = &STANDARDS[statement.id.version as usize];
            if !standard.anchors.contains_key(&statement.section) {
                indirect.insert(format!("{} {}", statement.id.version, statement.section));
            }
        }
        // Sections whose own anchor is not known.
        let known = [
            "v3.1 2.2",
            "v3.1 2.6",
            "v3.1.1 3.1.2.1",
            "v3.1.1 3.1.2.2",
            "v3.1.1 3.2.2.1",
        ];
        assert_eq!(indirect, known.map(str::to_owned).into());
    }

    #[test]
    fn an_anchor_belongs_to_one_section() {
        for standard in STANDARDS.iter() {
            let anchors: BTreeSet<&String> = standard.anchors.values().collect();
            assert_eq!(anchors.len(), standard.anchors.len(), "{}", standard.url);
        }
    }

    #[test]
    fn a_section_is_found_by_itself_or_by_what_is_around_it() {
        let v5 = "https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html";
        assert_eq!(section_url(Version::V5, "3.1.2.11.2"), format!("{v5}#_Toc3901048"));
        assert_eq!(section_url(Version::V5, "4.3.3.7"), format!("{v5}#_Toc3901237"));
        assert_eq!(section_url(Version::V5, "9.9"), v5);
        assert_eq!(
            catalogue().resolve("v3.1.1:MQTT-3.1.2-1").unwrap().url(),
            "https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html#_Toc398718030"
        );
        assert!(section_url(Version::V3_1, "Appendix A").ends_with("mqtt-v3r1.html#appendix-a"));
    }
}
