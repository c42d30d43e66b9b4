//! Which cases of the set are played.

use std::hash::Hasher;

use twox_hash::XxHash64;

use crate::scenario::{Outline, aliases};
use crate::source;
use crate::statements::Version;
use crate::sut::Glob;

/// What the command line asks for. An empty selection is everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Globs over case ids, in the order given; a leading `!` takes cases out again.
    pub globs: Vec<String>,
    pub versions: Vec<Version>,
    /// Globs over statement ids or tokens (`MQTT-3.1.*`, `v5:MQTT-4.3.3-10`).
    pub statements: Vec<String>,
    pub tags: Vec<String>,
    /// This part (from 1) of this many.
    pub shard: Option<(u32, u32)>,
    /// Exactly these ids, as of the last run's failures; `None` is no such limit.
    pub only: Option<Vec<String>>,
}

impl Selection {
    /// Whether the case is selected.
    pub fn takes(&self, case: &Outline) -> bool {
        self.by_glob(case)
            && (self.versions.is_empty() || self.versions.contains(&case.version))
            && (self.statements.is_empty() || self.by_statement(case))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| case.conditions.tags.contains(tag)))
            && self.only.as_ref().is_none_or(|only| only.contains(&case.id))
            && self.shard.is_none_or(|(part, of)| shard(&case.id, of) == part)
    }

    /// The last glob that fits decides; if the first is a negation, everything is taken to begin with.
    fn by_glob(&self, case: &Outline) -> bool {
        let mut taken = self.globs.first().is_none_or(|first| first.starts_with('!'));
        for glob in &self.globs {
            match glob.strip_prefix('!') {
                Some(glob) if fits(glob, case) => taken = false,
                None if fits(glob, case) => taken = true,
                _ => {}
            }
        }
        taken
    }

    fn by_statement(&self, case: &Outline) -> bool {
        self.statements.iter().any(|glob| proves(glob, case))
    }
}

/// Whether a case proves a statement that a glob fits, by its id or token, in letters of either case. The brackets that the
/// standard writes around an id may be there.
pub fn proves(glob: &str, case: &Outline) -> bool {
    let glob = Glob::new(glob.trim_matches(['[', ']']).to_ascii_lowercase());
    let fits = |text: &str| glob.matches(&text.to_ascii_lowercase());
    case.proves.iter().any(|s| fits(s.id) || fits(&s.to_string()))
}

/// What a glob that uses former names stands for today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The ids of the cases, with the `!` of the glob.
    pub globs: Vec<String>,
    /// Their scenarios, in the order of the set.
    pub paths: Vec<String>,
}

/// Reads a glob by the former names of cases. `None` if it fits a case as the cases are called today, or none at all.
pub fn renamed(glob: &str, cases: &[impl AsRef<Outline>]) -> Option<Renamed> {
    let (negation, text) = glob.strip_prefix('!').map_or(("", glob), |text| ("!", text));
    if cases.iter().any(|case| fits(text, case.as_ref())) {
        return None;
    }
    let pattern = pattern(text);
    let was = |name: &str| {
        let former = aliases().former(name);
        former
            .iter()
            .any(|old| pattern.matches(old) || pattern.matches(unversioned(old)))
    };
    let taken = cases
        .iter()
        .map(AsRef::as_ref)
        .filter(|case| was(&case.id) || was(&case.header.path));
    let (mut globs, mut paths) = (Vec::new(), Vec::new());
    for case in taken {
        globs.push(format!("{negation}{}", case.id));
        if paths.last() != Some(&case.header.path) {
            paths.push(case.header.path.clone());
        }
    }
    (!globs.is_empty()).then_some(Renamed { globs, paths })
}

/// A glob fits a case by its whole id, by its id without the version, by its scenario's path, or by a folder above it.
fn fits(glob: &str, case: &Outline) -> bool {
    let path = case.header.path.as_str();
    let is_folder = path.strip_prefix(glob).is_some_and(|below| below.starts_with('/'));
    let glob = pattern(glob);
    is_folder || glob.matches(&case.id) || glob.matches(unversioned(&case.id)) || glob.matches(path)
}

/// An id without its version: the scenario's path and the row.
fn unversioned(id: &str) -> &str {
    id.rsplit_once('@').map_or(id, |(before, _)| before)
}

/// A folder stands for all in it.
fn pattern(glob: &str) -> Glob {
    match glob.strip_suffix('/') {
        Some(folder) => Glob::new(format!("{folder}/*")),
        None => Glob::new(glob),
    }
}

/// Which part of `of` an id belongs to, from 1. It depends on the id alone, so that a new case moves no other.
fn shard(id: &str, of: u32) -> u32 {
    let mut hasher = XxHash64::with_seed(0);
    hasher.write(id.as_bytes());
    (hasher.finish() % u64::from(of.max(1))) as u32 + 1
}

/// The id or path nearest to a glob that fits nothing. The folder may be missing.
pub fn nearest<'c>(glob: &str, cases: impl IntoIterator<Item = &'c (impl AsRef<Outline> + 'c)>) -> Option<String> {
    let wanted = glob.trim_start_matches('!');
    let names: Vec<&str> = cases
        .into_iter()
        .map(AsRef::as_ref)
        .flat_map(|case| [case.id.as_str(), case.header.path.as_str()])
        .collect();
    let without_folder = |name: &'c str| name.rsplit('/').next().unwrap_or(name);
    let found = source::nearest(wanted, names.iter().copied()).or_else(|| {
        let near = source::nearest(wanted, names.iter().copied().map(without_folder))?;
        names.iter().copied().find(|name| without_folder(name) == near)
    });
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_partition() {
        for id in ["a@v5", "b/c@v3.1.1", "d[e]@v5"] {
            let part = shard(id, 4);
            assert!((1..=4).contains(&part));
            assert_eq!(shard(id, 1), 1);
        }
    }
}
