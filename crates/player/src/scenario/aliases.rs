//! Former names of scenarios and cases, which go on working where people have written them down.
//!
//! In: `scenarios/aliases.txt`. Out: for a former name the one of today, and for a case of today its former names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The former names in the set inside the binary.
pub fn aliases() -> &'static Aliases {
    static EMBEDDED: LazyLock<Aliases> = LazyLock::new(|| {
        Aliases::parse(super::set::aliases_text()).unwrap_or_else(|error| panic!("scenarios/aliases.txt:{error}"))
    });
    &EMBEDDED
}

/// What leads from former names to those of today.
#[derive(Debug, Default)]
pub struct Aliases {
    entries: Vec<Alias>,
    /// The entries by their former path, those for a row first.
    by_old: HashMap<String, Vec<usize>>,
    /// The entries by their path of today.
    by_new: HashMap<String, Vec<usize>>,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alias {
    old: Name,
    new: Name,
    /// The old scenario was contained in the new one: both were there in parallel.
    joined: bool,
}

/// `path`, `path[row]`, or `path[]` for the case without a row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    path: String,
    row: Option<String>,
}

/// A case's id, or a scenario's path, in its parts.
#[derive(Debug, Clone, Copy)]
struct Parts<'a> {
    path: &'a str,
    row: Option<&'a str>,
    /// `@v5`, or nothing.
    version: &'a str,
}

impl Aliases {
    /// Reads a list.
    ///
    /// # Errors
    /// The number of the first line that is malformed, or names a former name again, with a message.
    fn parse(text: &str) -> Result<Aliases, String> {
        let mut aliases = Aliases::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |message: &str| format!("{}: {message}", number + 1);
            let alias = Alias::parse(line).ok_or_else(|| at("an entry is `old -> new` or `old => new`"))?;
            if aliases.entries.iter().any(|other| other.old == alias.old) {
                return Err(at("this former name has an entry already"));
            }
            aliases.entries.push(alias);
        }
        for (index, alias) in aliases.entries.iter().enumerate() {
            aliases.by_old.entry(alias.old.path.clone()).or_default().push(index);
            aliases.by_new.entry(alias.new.path.clone()).or_default().push(index);
        }
        let entries = &aliases.entries;
        for indices in aliases.by_old.values_mut() {
            indices.sort_by_key(|index| entries[*index].old.row.is_none());
        }
        Ok(aliases)
    }

    /// Today's id of a case, or path of a scenario. A name that has no entry is its own.
    pub fn current<'n>(&self, name: &'n str) -> Cow<'n, str> {
        self.entry(name).map_or(Cow::Borrowed(name), |alias| {
            let parts = Parts::of(name);
            let row = if alias.old.row.is_some() { None } else { parts.row };
            Cow::Owned(alias.new.with(row, parts.version))
        })
    }

    /// Whether a former name is of a scenario that was contained in another one, and went.
    pub fn is_joined(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|alias| alias.joined)
    }

    /// The former names of a case or scenario. Rows and versions that the former scenario did not have are among them.
    pub fn former(&self, name: &str) -> Vec<String> {
        let parts = Parts::of(name);
        let entries = self.by_new.get(parts.path).into_iter().flatten();
        entries
            .filter_map(|index| self.entries[*index].before(parts))
            .filter(|old| self.current(old) == name)
            .collect()
    }

    /// The former paths of a scenario.
    pub fn former_paths(&self, path: &str) -> Vec<&str> {
        let entries = self.by_new.get(path).into_iter().flatten();
        let mut paths: Vec<&str> = entries.map(|index| self.entries[*index].old.path.as_str()).collect();
        paths.dedup();
        paths
    }

    fn entry(&self, name: &str) -> Option<&Alias> {
        let parts = Parts::of(name);
        let entries = self.by_old.get(parts.path)?.iter().map(|index| &self.entries[*index]);
        let fits = |alias: &&Alias| {
            alias
                .old
                .row
                .as_deref()
                .is_none_or(|row| row == parts.row.unwrap_or_default())
        };
        // A path alone, of which rows went to several scenarios, leads to the first of them.
        let is_path = parts.row.is_none() && parts.version.is_empty();
        entries
            .clone()
            .find(fits)
            .or_else(|| entries.clone().next().filter(|_| is_path))
    }
}

impl Alias {
    fn parse(line: &str) -> Option<Alias> {
        let (old, arrow, new) = match line.split_once(" -> ") {
            Some((old, new)) => (old, "->", new),
            None => line.split_once(" => ").map(|(old, new)| (old, "=>", new))?,
        };
        Some(Alias {
            old: Name::parse(old.trim())?,
            new: Name::parse(new.trim())?,
            joined: arrow == "=>",
        })
    }

    /// The former name of a name of today, if this entry leads to it.
    fn before(&self, parts: Parts<'_>) -> Option<String> {
        let rest = match (&self.new.row, parts.row) {
            (None, row) => row,
            (Some(prefix), Some(row)) if row == prefix => None,
            (Some(prefix), Some(row)) => Some(row.strip_prefix(prefix.as_str())?.strip_prefix('.')?),
            (Some(_), None) => return None,
        };
        match (&self.old.row, rest) {
            (Some(_), Some(_)) => None,
            _ => Some(self.old.with(rest, parts.version)),
        }
    }
}

impl Name {
    fn parse(text: &str) -> Option<Name> {
        let Parts { path, row, version } = Parts::of(text);
        let good = path.split('/').all(super::is_name) && version.is_empty();
        good.then(|| Name {
            path: path.to_owned(),
            row: row.map(str::to_owned),
        })
    }

    /// With the row of a case behind its own.
    fn with(&self, row: Option<&str>, version: &str) -> String {
        let rows = self.row.as_deref().into_iter().chain(row);
        let rows: Vec<&str> = rows.filter(|row| !row.is_empty()).collect();
        if rows.is_empty() {
            format!("{}{version}", self.path)
        } else {
            format!("{}[{}]{version}", self.path, rows.join("."))
        }
    }
}

impl Parts<'_> {
    fn of(name: &str) -> Parts<'_> {
        let (rest, version) = name.split_at(name.rfind('@').unwrap_or(name.len()));
        match rest.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
            Some((path, row)) => Parts {
                path,
                row: Some(row),
                version,
            },
            None => Parts {
                path: rest,
                row: None,
                version,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Files;
    use super::*;

    const LIST: &str = "\
# A comment.
a/one -> b/one
a/kill -> b/resume[kill]
a/restart -> b/resume[restart]
a/twin-v5 -> b/one
a/part => b/whole[first]
a/split[x] -> c/x
a/split[y] => c/y[odd.y]
b/resume[] -> b/resume[reset]
";

    fn list() -> Aliases {
        Aliases::parse(LIST).unwrap()
    }

    #[test]
    fn a_former_name_leads_to_that_of_today() {
        for (old, new) in [
            ("a/one@v5", "b/one@v5"),
            ("a/one", "b/one"),
            ("a/one[r]@v3.1.1", "b/one[r]@v3.1.1"),
            ("a/kill@v5", "b/resume[kill]@v5"),
            ("a/kill[q.1]@v5", "b/resume[kill.q.1]@v5"),
            ("a/part@v5", "b/whole[first]@v5"),
            ("a/split[x]@v5", "c/x@v5"),
            ("a/split[y]@v5", "c/y[odd.y]@v5"),
            ("a/split", "c/x"),
            ("b/resume@v5", "b/resume[reset]@v5"),
            ("b/resume[kill]@v5", "b/resume[kill]@v5"),
            ("a/split[z]@v5", "a/split[z]@v5"),
            ("b/one@v5", "b/one@v5"),
        ] {
            assert_eq!(list().current(old), new, "{old}");
        }
        assert!(list().is_joined("a/part@v5") && !list().is_joined("a/one@v5"));
    }

    #[test]
    fn a_case_has_its_former_names() {
        let former = |id: &str| list().former(id);
        assert_eq!(former("b/one[r]@v5"), ["a/one[r]@v5", "a/twin-v5[r]@v5"]);
        assert_eq!(former("b/resume[restart]@v5"), ["a/restart@v5"]);
        assert_eq!(former("b/resume[reset]@v5"), ["b/resume@v5"]);
        assert_eq!(former("b/resume[restart.2]@v5"), ["a/restart[2]@v5"]);
        assert_eq!(former("c/x@v5"), ["a/split[x]@v5"]);
        assert_eq!(former("c/y[odd.y]@v5"), ["a/split[y]@v5"]);
        for none in [
            "b/resume@v5",
            "b/resume[restarted]@v5",
            "c/y[odd]@v5",
            "c/x[1]@v5",
            "a/one@v5",
        ] {
            assert!(former(none).is_empty(), "{none}");
        }
        assert_eq!(list().former_paths("b/resume"), ["a/kill", "a/restart", "b/resume"]);
    }

    #[test]
    fn a_malformed_list_is_an_error_at_its_line() {
        for (text, error) in [
            ("\na/one b/one", "2: an entry is `old -> new` or `old => new`"),
            ("a/one -> B/one", "1: an entry is `old -> new` or `old => new`"),
            ("a/one@v5 -> b/one", "1: an entry is `old -> new` or `old => new`"),
            ("a/one -> b\na/one -> c", "2: this former name has an entry already"),
        ] {
            assert_eq!(Aliases::parse(text).unwrap_err(), error, "{text:?}");
        }
    }

    #[test]
    fn the_list_leads_from_names_that_are_gone_to_names_that_exist() {
        let scenarios = Files::embedded().load_all().unwrap();
        let paths: BTreeSet<&str> = scenarios.iter().map(|s| s.header.path.as_str()).collect();
        let names: BTreeSet<&str> = (scenarios.iter().flat_map(|s| &s.cases))
            .map(|case| case.id.split('@').next().unwrap_or_default())
            .collect();
        let aliases = aliases();
        for Alias { old, new, .. } in &aliases.entries {
            // What is gone has no entry that leads to it, so that there are no chains.
            let former = old.with(None, "");
            let is_gone = match &old.row {
                None => !paths.contains(old.path.as_str()),
                Some(_) => !names.contains(former.as_str()),
            };
            assert!(is_gone, "{former} is a name of today");
            let name = new.with(None, "");
            let exists = match &new.row {
                None => paths.contains(new.path.as_str()),
                Some(_) => {
                    let longer = format!("{}.", name.trim_end_matches(']'));
                    names.iter().any(|n| *n == name || n.starts_with(&longer))
                }
            };
            assert!(exists, "no case is called {name}");
        }
        let lines: Vec<&str> = (super::super::set::aliases_text().lines())
            .filter(|line| !line.starts_with('#'))
            .collect();
        assert!(lines.is_sorted(), "the lines are sorted");
        for case in scenarios.iter().flat_map(|s| &s.cases) {
            for old in aliases.former(&case.id) {
                assert_eq!(aliases.current(&old), case.id.as_str());
            }
        }
    }
}
