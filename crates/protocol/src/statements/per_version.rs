//! One duty as each version states it.

use super::{StatementId, Version};

/// The statements of one duty at each version, without the version and the most telling one first. If a version says
/// nothing there is none. Written with [`ids!`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerVersion {
    pub v3_1: &'static [&'static str],
    pub v3_1_1: &'static [&'static str],
    pub v5: &'static [&'static str],
}

impl PerVersion {
    /// No version states it.
    pub const NONE: PerVersion = PerVersion {
        v3_1: &[],
        v3_1_1: &[],
        v5: &[],
    };

    /// The ids at `version`, as they are written: where broken statements are listed, a letter behind a slash names one
    /// way of breaking it.
    pub const fn at(&self, version: Version) -> &'static [&'static str] {
        match version {
            Version::V3_1 => self.v3_1,
            Version::V3_1_1 => self.v3_1_1,
            Version::V5 => self.v5,
        }
    }

    /// The statements at `version`.
    pub fn statements(&self, version: Version) -> impl Iterator<Item = StatementId> + use<> {
        self.at(version).iter().map(move |id| StatementId::new(version, id))
    }

    /// The most telling statement at `version`.
    pub fn first(&self, version: Version) -> Option<StatementId> {
        self.statements(version).next()
    }
}

/// A [`PerVersion`]: `ids![v3_1: "…", v3_1_1: "…", v5: ["…", "…"]]`, without the versions that say nothing.
#[macro_export]
macro_rules! ids {
    ($($version:ident: $ids:tt),* $(,)?) => {{
        let mut per_version = $crate::statements::PerVersion::NONE;
        $(per_version.$version = $crate::statements::ids!(@list $ids);)*
        per_version
    }};
    (@list [$($id:literal),* $(,)?]) => { &[$($id),*] };
    (@list $id:literal) => { &[$id] };
}
pub use ids;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::catalogue;
    use super::*;

    #[test]
    fn each_version_has_its_own_ids() {
        const DUTY: PerVersion = ids![v3_1_1: "MQTT-1", v5: ["MQTT-2", "MQTT-3"]];
        assert_eq!(DUTY.first(Version::V3_1), None);
        assert_eq!(
            DUTY.first(Version::V3_1_1),
            Some(StatementId::new(Version::V3_1_1, "MQTT-1"))
        );
        assert_eq!(DUTY.at(Version::V5), ["MQTT-2", "MQTT-3"]);
    }

    /// The ids in each `ids![…]` of a file, with the name of their version.
    fn named(text: &str) -> Vec<(String, String)> {
        let mut named = Vec::new();
        for list in text.split("ids![").skip(1) {
            let mut version = String::new();
            let mut depth = 1;
            let mut rest = list;
            while depth > 0 {
                let c = rest.chars().next().expect("a list ends");
                match c {
                    '"' => {
                        let (id, behind) = rest[1..].split_once('"').expect("an id ends");
                        named.push((version.clone(), id.to_owned()));
                        rest = behind;
                        continue;
                    }
                    'v' => {
                        let (name, behind) = rest.split_once(':').expect("a version stands before its ids");
                        version = name.to_owned();
                        rest = behind;
                        continue;
                    }
                    '[' => depth += 1,
                    ']' => depth -= 1,
                    _ => {}
                }
                rest = &rest[c.len_utf8()..];
            }
        }
        named
    }

    fn walk(folder: &Path, look: &mut dyn FnMut(&Path)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, look);
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("per_version.rs") {
                look(&path);
            }
        }
    }

    #[test]
    fn every_id_that_the_program_names_at_a_version_is_in_the_catalogue() {
        let (mut count, mut wrong) = (0, Vec::new());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut look = |path: &Path| {
            for (version, id) in named(&fs::read_to_string(path).unwrap()) {
                count += 1;
                let version = match version.as_str() {
                    "v3_1" => Version::V3_1,
                    "v3_1_1" => Version::V3_1_1,
                    _ => Version::V5,
                };
                // A letter behind a slash is one way of breaking the statement; names of our own are longer.
                let bare = id
                    .rsplit_once('/')
                    .filter(|(_, end)| end.len() == 1)
                    .map_or(&*id, |(id, _)| id);
                if catalogue().at(version, bare).is_none() {
                    wrong.push(format!("{}: {version}:{id}", path.display()));
                }
            }
        };
        walk(&root.join("src"), &mut look);
        walk(&root.join("crates"), &mut look);
        assert!(wrong.is_empty(), "not in the catalogue:\n{}", wrong.join("\n"));
        assert!(count > 800, "only {count} ids are found");
    }
}
