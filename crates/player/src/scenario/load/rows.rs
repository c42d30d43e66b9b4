//! `each`: the rows of a scenario, and how their values and what applies at one version are filled in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::conditions::CONDITIONS;
use super::cx::Cx;
use crate::scenario::{Place, text};
use crate::source::{Node, Scalar, What, quoted};
use crate::statements::Version;

/// The most rows that a scenario may have.
const MAX_ROWS: usize = 2_000;
/// The longest name of a row that is made from its value.
const MAX_NAME: usize = 60;
/// The keys of a row that are no columns, alongside its conditions.
const ROW_KEYS: [&str; 3] = ["name", "proves", "versions"];

/// Whether the key of a row means something else than a column.
fn is_row_key(key: &str) -> bool {
    ROW_KEYS.contains(&key) || CONDITIONS.contains(&key)
}

/// One row of `each`.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub name: String,
    /// Where it is, if it is written as a row.
    pub place: Option<Place>,
    pub values: BTreeMap<String, Node>,
    pub proves: Option<Node>,
    pub versions: Option<Node>,
    /// The versions at which all of its values are there, if a column names its values by version.
    pub only: Option<Vec<Version>>,
    /// The row itself, if it names conditions of its own.
    pub conditions: Option<Node>,
}

/// Versions separated by commas, blanks, `or` or `and`.
pub(super) fn versions_of(text: &str) -> Option<Vec<Version>> {
    let words = text
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|w| !w.is_empty() && !matches!(*w, "or" | "and"));
    let found: Vec<Version> = words.map(exact_version).collect::<Option<_>>()?;
    (!found.is_empty()).then_some(found)
}

/// `v3.1`, `v3.1.1` or `v5`, as they are written everywhere.
pub(super) fn exact_version(text: &str) -> Option<Version> {
    Version::ALL.into_iter().find(|v| v.name() == text)
}

impl Cx<'_> {
    /// The rows of `each`.
    pub fn rows(&mut self, node: &Node) -> Option<Vec<Row>> {
        let rows = match &node.what {
            What::List(items) => self.listed_rows(items)?,
            What::Map(columns) => self.crossed_rows(columns, node)?,
            What::Scalar(_) => {
                self.error(&node.place, "`each` is a list of rows, or a map of lists");
                return None;
            }
        };
        if rows.is_empty() {
            self.error(&node.place, "`each` has no row");
            return None;
        }
        Some(rows)
    }

    fn listed_rows(&mut self, items: &[Node]) -> Option<Vec<Row>> {
        if items.len() > MAX_ROWS {
            self.error(&items[MAX_ROWS].place, format!("`each` has more than {MAX_ROWS} rows"));
            return None;
        }
        let mut names: BTreeMap<String, &Node> = BTreeMap::new();
        let mut good = true;
        let mut rows: Vec<Row> = Vec::new();
        for item in items {
            let Some(row) = self.listed_row(item) else {
                good = false;
                continue;
            };
            let place = item.get("name").unwrap_or(item);
            if let Some(first) = names.insert(row.name.clone(), place) {
                let error = self
                    .diagnostic(&place.place, format!("two rows have the name `{}`", row.name))
                    .also(&first.place, "the other")
                    .help("`name: ...` in a row gives it a name of its own");
                self.report(error);
                good = false;
            }
            if let Some(missing) = rows
                .first()
                .and_then(|f| f.values.keys().find(|k| !row.values.contains_key(*k)))
            {
                self.error(
                    &item.place,
                    format!("this row has no `{missing}`, which the first row has"),
                );
                good = false;
            }
            rows.push(row);
        }
        good.then_some(rows)
    }

    fn listed_row(&mut self, item: &Node) -> Option<Row> {
        let Some(entries) = item.map().filter(|e| !e.is_empty()) else {
            self.error(
                &item.place,
                format!("a row is a map such as `{{ packet: PUBREL }}`, not {}", item.kind()),
            );
            return None;
        };
        let mut values = BTreeMap::new();
        let mut first = None;
        let mut good = true;
        for (key, value) in entries.iter().filter(|(k, _)| !is_row_key(k.key())) {
            good &= self.column(key).is_some();
            first = first.or(Some(value));
            values.insert(key.key().to_owned(), value.clone());
        }
        let name = match item.get("name") {
            Some(name) => self.row_name(name)?,
            None => self.derived_name(first.unwrap_or(item))?,
        };
        good.then(|| Row {
            name,
            place: Some(item.place.clone()),
            values,
            proves: item.get("proves").cloned(),
            versions: item.get("versions").cloned(),
            only: None,
            conditions: CONDITIONS
                .iter()
                .any(|key| item.get(key).is_some())
                .then(|| item.clone()),
        })
    }

    /// One row for each combination of the columns' values, the last column turning fastest.
    fn crossed_rows(&mut self, columns: &[(Node, Node)], node: &Node) -> Option<Vec<Row>> {
        let mut rows = vec![Row {
            name: String::new(),
            place: None,
            values: BTreeMap::new(),
            proves: None,
            versions: None,
            only: None,
            conditions: None,
        }];
        let mut good = true;
        for (key, values) in columns {
            if ROW_KEYS.contains(&key.key()) {
                self.error(
                    &key.place,
                    format!("`{}` is for rows that are written as a list", key.key()),
                );
                return None;
            }
            self.column(key)?;
            let Some(choices) = self.choices(values) else {
                good = false;
                continue;
            };
            if rows.len() * choices.len() > MAX_ROWS {
                self.error(&node.place, format!("`each` has more than {MAX_ROWS} rows"));
                return None;
            }
            rows = rows
                .iter()
                .flat_map(|row| choices.iter().filter_map(|choice| row.with(key.key(), choice)))
                .collect();
        }
        good.then_some(rows)
    }

    /// The values of a column: a list, or a list for each version.
    fn choices(&mut self, values: &Node) -> Option<Vec<Choice>> {
        let by_version = values.map().filter(|entries| {
            let is_version = |(key, _): &(Node, Node)| exact_version(key.key()).is_some();
            !entries.is_empty() && entries.iter().all(is_version)
        });
        let Some(entries) = by_version else {
            return self.listed_choices(values);
        };
        let played = self.versions;
        if let Some((key, stranger)) = entries
            .iter()
            .filter_map(|(key, _)| Some((key, exact_version(key.key())?)))
            .find(|(_, version)| !played.contains(version))
        {
            self.error(&key.place, format!("the scenario is not played at {stranger}"));
            return None;
        }
        if let Some(missing) = played.iter().find(|version| values.get(version.name()).is_none()) {
            self.error(
                &values.place,
                format!("this column has no values at {missing}, at which the scenario is played"),
            );
            return None;
        }
        let mut all: Vec<Choice> = Vec::new();
        for (key, list) in entries {
            let version = exact_version(key.key())?;
            for choice in self.listed_choices(list)? {
                let same = all
                    .iter_mut()
                    .find(|other| other.name == choice.name && same_text(&other.value, &choice.value));
                match same {
                    Some(Choice { only: Some(only), .. }) => only.push(version),
                    _ => all.push(Choice {
                        only: Some(vec![version]),
                        ..choice
                    }),
                }
            }
        }
        Some(all)
    }

    /// The values of a list, each with a name that no other has.
    fn listed_choices(&mut self, values: &Node) -> Option<Vec<Choice>> {
        let items = self.list(values, "a column of `each`")?;
        let mut choices: Vec<Choice> = Vec::new();
        let mut good = true;
        for item in items {
            let Some((name, value)) = self.choice(item) else {
                good = false;
                continue;
            };
            if choices.iter().any(|other| other.name == name) {
                self.error_help(
                    &item.place,
                    format!("two values of the column have the name `{name}`"),
                    "`{ name: ..., value: ... }` gives a value a name of its own",
                );
                good = false;
            }
            choices.push(Choice {
                name,
                value: value.clone(),
                only: None,
            });
        }
        good.then_some(choices)
    }

    /// A value of a column, or `{ name: ..., value: ... }`.
    fn choice<'n>(&mut self, item: &'n Node) -> Option<(String, &'n Node)> {
        match (item.get("name"), item.get("value"), item.map()) {
            (Some(name), Some(value), Some([_, _])) => Some((self.row_name(name)?, value)),
            _ => Some((self.derived_name(item)?, item)),
        }
    }

    fn column(&mut self, key: &Node) -> Option<()> {
        let name = key.key();
        if !text::is_name(name) {
            self.error(
                &key.place,
                format!("{} is not a column name: letters a to z, digits and `_`", quoted(name)),
            );
            return None;
        }
        if matches!(name, "ns" | "i" | "login" | "auth" | "users" | "share")
            || self.clients.iter().any(|c| **c == *name)
        {
            self.error(&key.place, format!("`${name}` means something else already"));
            return None;
        }
        Some(())
    }

    fn row_name(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node, "a row's name")?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || !name.chars().all(allowed) {
            self.error(
                &node.place,
                "a row's name consists of a to z, A to Z, 0 to 9, `.`, `_` and `-`",
            );
            return None;
        }
        Some(name.to_owned())
    }

    /// The name of a row that gives none: its first value, with `-` for what a name cannot hold.
    fn derived_name(&mut self, node: &Node) -> Option<String> {
        let mut name = String::new();
        for c in node.text().unwrap_or_default().chars() {
            match c {
                c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') => name.push(c),
                _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
                _ => {}
            }
        }
        let name = name.trim_end_matches('-');
        if name.is_empty() || name.len() > MAX_NAME {
            self.error_help(
                &node.place,
                "no short name for this row can be made from its first value",
                "give it one: `name: ...`",
            );
            return None;
        }
        Some(name.to_owned())
    }

    /// The node with the row's values filled in and, of the maps of a version, only this version's.
    pub fn filled(&mut self, node: &Node, row: Option<&Row>) -> Node {
        match &node.what {
            What::Scalar(scalar) => match lone_value(scalar, row) {
                // Of a row's value too, only what applies at this version.
                Some(value) => self.filled(value, None),
                None => fill_key(node, row),
            },
            What::List(items) => Node {
                place: node.place.clone(),
                what: What::List(items.iter().map(|item| self.filled(item, row)).collect()),
            },
            What::Map(entries) => self.filled_map(node, entries, row),
        }
    }

    fn filled_map(&mut self, node: &Node, entries: &[(Node, Node)], row: Option<&Row>) -> Node {
        let version = |key: &Node| exact_version(key.key());
        for (key, _) in entries {
            if let Some(stranger) = version(key).filter(|v| !self.versions.contains(v)) {
                self.error(&key.place, format!("the scenario is not played at {stranger}"));
            }
        }
        let own = entries.iter().find(|(k, _)| version(k) == Some(self.version));
        // `refused: { v3.1.1: 5, v5: 0x87 }`: not a map with more in it at a version, but a value a version.
        if !entries.is_empty() && entries.iter().all(|(k, v)| version(k).is_some() && v.map().is_none()) {
            return own.map_or_else(|| Node::null(&node.place), |(_, value)| self.filled(value, row));
        }
        let mut all: Vec<(Node, Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries.iter().filter(|(k, _)| version(k).is_none()) {
            let key = fill_key(key, row);
            if all.iter().any(|(k, _)| k.key() == key.key()) {
                self.error(
                    &key.place,
                    format!("with this row the key {} occurs twice", quoted(key.key())),
                );
                continue;
            }
            let value = if key.key() == "user_properties" {
                self.filled_values(value, row)
            } else {
                self.filled(value, row)
            };
            all.push((key, value));
        }
        if let Some((_, more)) = own {
            let more = self.filled(more, row);
            if let Some(entries) = more.map() {
                for (key, value) in entries {
                    all.retain(|(k, _)| k.key() != key.key());
                    all.push((key.clone(), value.clone()));
                }
            } else if !more.is_null() {
                self.error(
                    &more.place,
                    format!("what applies at one version is a map, not {}", more.kind()),
                );
            }
        }
        Node {
            place: node.place.clone(),
            what: What::Map(all),
        }
    }

    /// As [`Cx::filled`], but `v5` is a key as any other: the names of user properties are free.
    fn filled_values(&mut self, node: &Node, row: Option<&Row>) -> Node {
        let what = match &node.what {
            What::Scalar(scalar) => return lone_value(scalar, row).cloned().unwrap_or_else(|| fill_key(node, row)),
            What::List(items) => What::List(items.iter().map(|item| self.filled_values(item, row)).collect()),
            What::Map(entries) => What::Map(
                entries
                    .iter()
                    .map(|(k, v)| (fill_key(k, row), self.filled_values(v, row)))
                    .collect(),
            ),
        };
        Node {
            place: node.place.clone(),
            what,
        }
    }
}

/// One value of a column.
struct Choice {
    name: String,
    value: Node,
    /// The versions at which it is there; all if the column does not say.
    only: Option<Vec<Version>>,
}

impl Row {
    /// The row with one more column; `None` if there is no version at which all values are there.
    fn with(&self, column: &str, choice: &Choice) -> Option<Row> {
        let only = match (&self.only, &choice.only) {
            (Some(a), Some(b)) => Some(a.iter().filter(|v| b.contains(v)).copied().collect()),
            (a, b) => a.as_ref().or(b.as_ref()).cloned(),
        };
        if only.as_ref().is_some_and(|only: &Vec<Version>| only.is_empty()) {
            return None;
        }
        let mut row = self.clone();
        row.only = only;
        row.name = if row.name.is_empty() {
            choice.name.clone()
        } else {
            format!("{}.{}", row.name, choice.name)
        };
        row.values.insert(column.to_owned(), choice.value.clone());
        Some(row)
    }
}

fn same_text(a: &Node, b: &Node) -> bool {
    a.text().is_some() && a.text() == b.text() && a.is_plain() == b.is_plain()
}

/// A variable that is alone becomes the row's value as it is, a map or a list too.
fn lone_value<'r>(scalar: &Scalar, row: Option<&'r Row>) -> Option<&'r Node> {
    let var = super::values::lone_var(&scalar.text)?;
    row?.values.get(&var.0)
}

/// Text with the values of the row's columns in it.
fn fill_text(text: &str, row: &Row) -> Option<String> {
    fill(text, &|column| row.values.get(column)?.text())
}

/// A title with the values of the row's columns in it, and `$name` with the row's name. In a step `$name` is a variable
/// like any other.
pub(super) fn fill_title(text: &str, row: &Row) -> Option<String> {
    fill(text, &|column| match column {
        "name" => Some(&row.name),
        _ => row.values.get(column)?.text(),
    })
}

fn fill<'r>(text: &str, value_of: &dyn Fn(&str) -> Option<&'r str>) -> Option<String> {
    let mut filled = String::new();
    let mut at = 0;
    let mut changed = false;
    while let Some(found) = text[at..].find('$') {
        filled.push_str(&text[at..at + found]);
        at += found;
        let rest = &text[at..];
        let (len, value) = match column_in(rest, value_of) {
            Some((len, value)) => (len, Some(value)),
            None if rest.starts_with("$$") => (2, None),
            None => (1, None),
        };
        match value {
            Some(value) => {
                filled.push_str(value);
                changed = true;
            }
            None => filled.push_str(&rest[..len]),
        }
        at += len;
    }
    filled.push_str(&text[at..]);
    changed.then_some(filled)
}

/// The column that `text` names at its beginning, as `$x` or `${x}`: how long that is, and the value's text.
fn column_in<'r>(text: &str, value_of: &dyn Fn(&str) -> Option<&'r str>) -> Option<(usize, &'r str)> {
    let (name, len) = match text[1..].strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}')?;
            (&inner[..end], end + 3)
        }
        None => {
            let len = text::name_len(&text[1..])?;
            (&text[1..1 + len], len + 1)
        }
    };
    Some((len, value_of(name)?))
}

fn fill_key(node: &Node, row: Option<&Row>) -> Node {
    let filled = row.zip(node.text()).and_then(|(row, text)| fill_text(text, row));
    match filled {
        None => node.clone(),
        Some(text) => Node {
            place: node.place.clone(),
            what: What::Scalar(Scalar {
                text: Arc::from(text),
                plain: node.is_plain(),
                own: false,
            }),
        },
    }
}
