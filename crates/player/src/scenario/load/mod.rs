//! The tree of a file → a [`Scenario`] with all its cases, or every error in it.
//!
//! The tree is read once for every version and row, since both decide what may be in it. Errors that several cases
//! share are reported once.

mod at_once;
mod checks;
mod clients;
mod closes;
mod conditions;
mod cx;
mod does;
mod header;
mod packets;
mod rows;
mod session;
mod steps;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::cx::Cx;
use self::header::{Parts, Proves};
use self::rows::{Row, fill_title};
use super::{Case, Conditions, Diagnostic, Header, Outline, Scenario, Script, Source};
use crate::source::{MOST_ERRORS, Node, parse, sorted};
use crate::statements::{StatementId, Version};
use crate::wire::Side;

pub(super) use clients::{CLIENT_KEYS, RESERVED};
pub(super) use conditions::{CONDITIONS, NEEDS};
pub(super) use does::WORDS as DOES_WORDS;
pub(super) use header::{SNAPSHOTS, TOP_KEYS};
pub(super) use packets::{MANNER, wrong_keys};
pub(super) use session::RECONNECT_KEYS;
pub(super) use steps::{ACTIONS, MAX_TIMES};

/// Reads one scenario. `path` is its path below the scenarios' folder, without the ending.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn load(source: &Arc<Source>, path: &str) -> Result<Scenario, Vec<Diagnostic>> {
    let (header, cases) = load_with(source, path, |cx, root, at| cx.case(root, at))?;
    Ok(Scenario { header, cases })
}

/// The outlines of a scenario's cases. Its scripts are not looked at, so that what is wrong with them is not seen.
///
/// # Errors
/// Everything else that is wrong with it, in the order of the file.
pub fn outlines(source: &Arc<Source>, path: &str) -> Result<Vec<Outline>, Vec<Diagnostic>> {
    let (_, outlines) = load_with(source, path, |cx, root, at| cx.outline(root, at))?;
    Ok(outlines)
}

/// Which of a scenario's cases is made.
struct At<'a> {
    parts: &'a Parts,
    row: Option<&'a Row>,
    /// The row is played at no other version.
    sole: bool,
    conditions: &'a Arc<Conditions>,
}

/// What is made of a scenario at one version and row.
type Make<T> = fn(&mut Cx<'_>, &Node, &At<'_>) -> Option<T>;

fn load_with<T>(source: &Arc<Source>, path: &str, make: Make<T>) -> Result<(Arc<Header>, Vec<T>), Vec<Diagnostic>> {
    let root = parse(source)?;
    let mut errors = Vec::new();
    let made = load_tree(source, path, &root, &mut errors, make);
    match made.filter(|_| errors.is_empty()) {
        Some(made) => Ok(made),
        None => Err(sorted(errors)),
    }
}

/// Errors of cases, each with the number of its row. One that not every row has is shown with the first row that has
/// it.
fn with_rows(found: Vec<(usize, Diagnostic)>, rows: &[Option<Row>]) -> Vec<Diagnostic> {
    let mut rows_with: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
    let at = |error: &Diagnostic| (error.place.span.start, error.place.span.end);
    for (row, error) in &found {
        rows_with.entry(at(error)).or_default().insert(*row);
    }
    let with_row = |(row, error): (usize, Diagnostic)| {
        let place = rows[row].as_ref().and_then(|r| r.place.clone());
        match place {
            Some(place)
                if rows_with[&at(&error)].len() < rows.len() && !place.span.contains(&error.place.span.start) =>
            {
                error.also(&place, "with this row")
            }
            _ => error,
        }
    };
    found.into_iter().map(with_row).collect()
}

fn load_tree<T>(
    source: &Arc<Source>,
    path: &str,
    root: &Node,
    errors: &mut Vec<Diagnostic>,
    make: Make<T>,
) -> Option<(Arc<Header>, Vec<T>)> {
    let mut cx = Cx::new(source, Version::V5, &[]);
    let parts = cx.parts(root, path);
    let played = parts.as_ref().map(|p| p.versions.clone()).unwrap_or_default();
    let tests = parts.as_ref().map_or(Side::Server, |p| p.header.tests);
    let mut cx = cx.at_versions(&played).testing(tests);
    let names = root.get("clients").map(|node| cx.client_names(node));
    let rows = match root.get("each") {
        Some(node) => cx.rows(node).map(|rows| rows.into_iter().map(Some).collect()),
        None => Some(vec![None]),
    };
    let clients = std::mem::take(&mut cx.clients);
    errors.append(&mut cx.take_errors());
    let (parts, rows, _): (Parts, Vec<Option<Row>>, ()) = (parts?, rows?, names??);

    let mut cases = Vec::new();
    let mut found = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let mut versions = match row.as_ref().and_then(|r| r.versions.as_ref()) {
            None => parts.versions.clone(),
            Some(node) => {
                let mut cx = Cx::new(source, Version::V5, &parts.versions);
                let versions = cx.row_versions(node);
                errors.append(&mut cx.take_errors());
                versions.unwrap_or_default()
            }
        };
        if let Some(only) = row.as_ref().and_then(|r| r.only.as_ref()) {
            versions.retain(|version| only.contains(version));
        }
        let conditions = match row.as_ref().and_then(|r| r.conditions.as_ref()) {
            None => Arc::clone(&parts.conditions),
            Some(node) => {
                let mut cx = Cx::new(source, Version::V5, &parts.versions);
                let given = cx.conditions(node);
                errors.append(&mut cx.take_errors());
                match given {
                    Some(given) => Arc::new(given.over(&parts.conditions, parts.header.snapshot)),
                    None => continue,
                }
            }
        };
        for &version in &versions {
            let mut cx = Cx::new(source, version, &parts.versions).testing(tests);
            cx.clients.clone_from(&clients);
            let at = At {
                parts: &parts,
                row: row.as_ref(),
                sole: versions.len() == 1,
                conditions: &conditions,
            };
            let case = make(&mut cx, root, &at);
            if case.is_none() && !cx.has_errors() {
                // Code that gives up reports why. If it did not, the case must not be missing silently.
                cx.error(&root.place, "this cannot be read: a bug in mqttspec");
            }
            found.extend(cx.take_errors().into_iter().map(|error| (number, error)));
            cases.extend(case);
        }
        // Every row can have them all.
        if found.len() > 10 * MOST_ERRORS {
            break;
        }
    }
    errors.extend(with_rows(found, &rows));
    Some((parts.header, cases))
}

impl Cx<'_> {
    /// The case of this version and row.
    fn case(&mut self, root: &Node, at: &At<'_>) -> Option<Case> {
        let outline = self.outline(root, at);
        let script = self.script(root, at.conditions, at.row);
        Some(Case {
            outline: outline?,
            script: script?,
        })
    }

    /// The case without its script.
    fn outline(&mut self, root: &Node, at: &At<'_>) -> Option<Outline> {
        let (header, row) = (&at.parts.header, at.row);
        let clients = root.get("clients").and_then(Node::map).unwrap_or_default();
        let speaks = self.versions_spoken(clients, row);
        let title = row.and_then(|row| fill_title(&header.title, row));
        let row_name = row.map(|r| r.name.clone());
        let id = match &row_name {
            None => format!("{}@{}", header.path, self.version),
            Some(name) => format!("{}[{name}]@{}", header.path, self.version),
        };
        Some(Outline {
            id,
            header: Arc::clone(header),
            version: self.version,
            speaks,
            row: row_name,
            proves: self.case_proves(&at.parts.proves, row, at.sole)?,
            title: title.unwrap_or_else(|| header.title.clone()),
            conditions: Arc::clone(at.conditions),
        })
    }

    /// What the scenario proves, and what the row proves alongside it.
    fn case_proves(&mut self, proves: &Proves, row: Option<&Row>, sole: bool) -> Option<Vec<StatementId>> {
        let mut found = self.proves(proves, row, self.versions.len() == 1)?;
        if let Some(node) = row.and_then(|r| r.proves.as_ref()) {
            let more = Proves::Node(node.clone());
            for id in self.proves(&more, row, sole)? {
                if !found.contains(&id) {
                    found.push(id);
                }
            }
        }
        Some(found)
    }

    fn script(&mut self, root: &Node, conditions: &Conditions, row: Option<&Row>) -> Option<Script> {
        let clients = root.get("clients").and_then(Node::map).unwrap_or_default();
        let clients: Vec<(Node, Node)> = clients.iter().map(|(k, v)| (k.clone(), self.filled(v, row))).collect();
        let clients = self.client_specs(&clients);
        self.specs = clients.clone().unwrap_or_default();
        let steps = match root.get("steps") {
            Some(node) => {
                let node = self.filled(node, row);
                self.steps(&node, "`steps`")
            }
            None => None,
        };
        let control = match root.get("control") {
            Some(node) => {
                let node = self.filled(node, row);
                self.steps(&node, "`control`").map(Some)
            }
            None => Some(None),
        };
        let script = Script {
            clients: clients?,
            steps: steps?.into(),
            control: control?.map(Into::into),
        };
        if script.steps.is_empty() {
            let place = root.get("steps").map_or(&root.place, |node| &node.place);
            self.error(place, format!("there is no step at {}", self.version));
        }
        self.check_script(&script, conditions, root);
        Some(script)
    }
}

#[cfg(test)]
mod tests;
