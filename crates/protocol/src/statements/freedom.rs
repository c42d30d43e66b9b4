//! The catalogue of freedoms: what the standards leave open to a server and a client can see.

use std::sync::LazyLock;

use serde::Deserialize;

use super::Version;

/// How the standard leaves something open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Openness {
    #[serde(rename = "MAY")]
    May,
    /// Permitted in other words than MAY.
    #[serde(rename = "permitted")]
    Permitted,
    /// A duty is bounded, and this lies beyond it.
    #[serde(rename = "not-required")]
    NotRequired,
    /// No sentence decides it.
    #[serde(rename = "silence")]
    Silence,
    /// A comment, an example or a figure shows the choice.
    #[serde(rename = "non-normative")]
    NonNormative,
}

impl Openness {
    /// The word in lists.
    pub fn name(self) -> &'static str {
        match self {
            Openness::May => "MAY",
            Openness::Permitted => "permitted",
            Openness::NotRequired => "not required",
            Openness::Silence => "silence",
            Openness::NonNormative => "non-normative",
        }
    }
}

/// Where the reference broker makes use of a freedom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchLevel {
    /// The broker decides otherwise.
    Core,
    /// Packets are changed on their way out. A proxy can do it in front of any broker.
    Packets,
    /// Bytes leave, arrive or end at other times or in other pieces. A proxy can do it in front of any broker.
    Bytes,
}

/// Something that the standards leave open to a server.
#[derive(Debug, Clone)]
pub struct Freedom {
    pub name: &'static str,
    /// The versions that have this freedom, each with the section.
    pub sections: Vec<(Version, String)>,
    pub kind: Openness,
    /// What a server may do, in our words.
    pub says: String,
    /// `None` if the reference broker has no switch for it, and [`Freedom::why_not`] says why.
    pub switch: Option<SwitchLevel>,
    /// What VALUE is in `NAME=VALUE` unless it is given; `None` if there is none.
    pub value: Option<u32>,
    pub why_not: Option<String>,
}

impl Freedom {
    /// The section at a version; `None` if the version has no such freedom.
    pub fn section(&self, version: Version) -> Option<&str> {
        let found = self.sections.iter().find(|(v, _)| *v == version);
        found.map(|(_, section)| section.as_str())
    }

    /// Versions and sections in one line, such as `v3.1.1 4.6, v5 4.6`.
    pub fn places(&self) -> String {
        let places: Vec<String> = self.sections.iter().map(|(v, s)| format!("{v} {s}")).collect();
        places.join(", ")
    }

    /// What a server may do, with the default in place of VALUE.
    pub fn text(&self) -> String {
        match self.value {
            Some(value) => self.says.replace("VALUE", &value.to_string()),
            None => self.says.clone(),
        }
    }
}

/// Every freedom, in the order of the file.
pub fn freedoms() -> &'static [Freedom] {
    static ALL: LazyLock<Vec<Freedom>> = LazyLock::new(|| {
        load(include_str!("../../../../statements/freedoms.yaml"))
            .unwrap_or_else(|e| panic!("the embedded list of freedoms is damaged: {e}"))
    });
    &ALL
}

#[derive(Deserialize)]
struct File {
    freedoms: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sections: Sections,
    kind: Openness,
    says: String,
    #[serde(default)]
    switch: Option<SwitchLevel>,
    #[serde(default)]
    value: Option<u32>,
    #[serde(default)]
    why_not: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sections {
    #[serde(rename = "v3.1", default)]
    v3_1: Option<String>,
    #[serde(rename = "v3.1.1", default)]
    v3_1_1: Option<String>,
    #[serde(default)]
    v5: Option<String>,
}

/// Reads the list.
///
/// # Errors
/// If the text is not of the list's form, a name occurs twice or is no plain word, an entry holds at no version, or it has
/// both a switch and a reason for having none, or neither.
fn load(text: &str) -> Result<Vec<Freedom>, String> {
    let file: File = serde_yaml::from_str(text).map_err(|e| e.to_string())?;
    let mut all: Vec<Freedom> = Vec::new();
    for entry in file.freedoms {
        let name = entry.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.chars().all(plain) {
            return Err(format!("`{name}` has other characters than a-z, 0-9 and -"));
        }
        if all.iter().any(|freedom| freedom.name == name) {
            return Err(format!("{name} occurs twice"));
        }
        if entry.switch.is_some() == entry.why_not.is_some() {
            return Err(format!("{name} needs either a switch or the reason why there is none"));
        }
        let Sections { v3_1, v3_1_1, v5 } = entry.sections;
        let sections: Vec<(Version, String)> = Version::ALL
            .into_iter()
            .zip([v3_1, v3_1_1, v5])
            .filter_map(|(version, section)| Some((version, section?)))
            .collect();
        if sections.is_empty() {
            return Err(format!("{name} holds at no version"));
        }
        all.push(Freedom {
            // The list lives as long as the process and is loaded once.
            name: name.leak(),
            sections,
            kind: entry.kind,
            says: entry.says,
            switch: entry.switch,
            value: entry.value,
            why_not: entry.why_not,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read() {
        let switches = freedoms().iter().filter(|f| f.switch.is_some()).count();
        assert!(switches >= 80, "{switches}");
        let delay = freedoms().iter().find(|f| f.name == "delay").expect("it is listed");
        assert_eq!(delay.section(Version::V5), Some("4.2"));
        assert_eq!(delay.places(), "v3.1 4.2, v3.1.1 4.2, v5 4.2");
    }

    #[test]
    fn an_entry_has_a_switch_or_a_reason_and_holds_somewhere() {
        let entry = |rest: &str| load(&format!("freedoms:\n- {{name: a, kind: MAY, says: b, {rest}}}\n"));
        assert!(entry("sections: {v5: '1'}, switch: core").is_ok());
        assert_eq!(
            entry("sections: {v5: '1'}").unwrap_err(),
            "a needs either a switch or the reason why there is none"
        );
        assert_eq!(
            entry("sections: {}, switch: core").unwrap_err(),
            "a holds at no version"
        );
        assert!(entry("sections: {v4: '1'}, switch: core").is_err());
    }
}
