//! The keys at the top of a file: everything that is no client and no step.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::cx::Cx;
use super::rows::{Row, exact_version};
use crate::scenario::set::is_embedded;
use crate::scenario::{Conditions, Header, SnapshotForm};
use crate::source::{Node, What, nearest, quoted};
use crate::statements::{StatementId, Version, catalogue};
use crate::wire::Side;

/// The keys at the top of a file.
pub(in crate::scenario) const TOP_KEYS: [&str; 19] = [
    "format", "tests", "title", "about", "versions", "proves", "level", "rigour", "needs", "serial", "heavy", "timing",
    "snapshot", "tags", "timeout", "each", "clients", "steps", "control",
];

/// The words of `snapshot`, what they mean, and the tag by which such cases are selected.
pub(in crate::scenario) const SNAPSHOTS: [(&str, SnapshotForm, &str); 2] = [
    ("table", SnapshotForm::Table, "grid"),
    ("sent", SnapshotForm::Sent, "varied"),
];

/// Every statement by what a scenario calls it.
static STATEMENTS: LazyLock<HashMap<(Version, &'static str), StatementId>> =
    LazyLock::new(|| catalogue().iter().map(|s| ((s.id.version, s.id.id), s.id)).collect());

/// What the top of a file says.
pub(super) struct Parts {
    pub header: Arc<Header>,
    pub conditions: Arc<Conditions>,
    pub versions: Vec<Version>,
    pub proves: Proves,
}

/// `proves` as it is written; it is resolved a case.
pub(super) enum Proves {
    Nothing,
    Node(Node),
}

impl Cx<'_> {
    /// Reads the top of a file.
    pub fn parts(&mut self, root: &Node, path: &str) -> Option<Parts> {
        self.map(root, "a scenario", &TOP_KEYS)?;
        let missing: Vec<String> = ["format", "title", "versions", "clients", "steps"]
            .into_iter()
            .filter(|key| root.get(key).is_none())
            .map(|key| format!("`{key}`"))
            .collect();
        if !missing.is_empty() {
            let start = root.place.span.start;
            let place = self.source.place(start..start);
            self.error(&place, format!("the scenario has no {}", missing.join(", no ")));
        }
        if let Some(format) = root.get("format")
            && format.text() != Some("1")
        {
            self.error_help(
                &format.place,
                "only `format: 1` is known",
                "a newer mqttspec may know this one",
            );
        }
        let tests = self.optional(root, "tests", Self::side_under_test);
        let title = root.get("title").and_then(|node| self.title(node));
        let versions = root.get("versions").and_then(|node| self.versions(node));
        let about = self.optional(root, "about", |cx, node| cx.text(node, "`about`").map(str::to_owned));
        let given = self.conditions(root);
        let snapshot = self.optional(root, "snapshot", Self::snapshot);
        let snapshot = snapshot?.unwrap_or_default();
        let header = Header {
            path: path.to_owned(),
            source: Arc::clone(self.source),
            embedded: is_embedded(path, self.source),
            tests: tests?.unwrap_or(Side::Server),
            title: title?,
            about: about?,
            snapshot,
        };
        let conditions = given?.over(&Conditions::default(), snapshot);
        let versions = versions?;
        if let Some(node) = root.get("proves") {
            self.check_proves(node, &versions);
        }
        Some(Parts {
            header: Arc::new(header),
            conditions: Arc::new(conditions),
            versions,
            proves: root.get("proves").cloned().map_or(Proves::Nothing, Proves::Node),
        })
    }

    /// `tests: client`
    fn side_under_test(&mut self, node: &Node) -> Option<Side> {
        match self.text(node, "`tests`")? {
            "client" => Some(Side::Client),
            "broker" => Some(Side::Server),
            other => {
                self.unknown(&node.place, "side", other, &["broker", "client"]);
                None
            }
        }
    }

    fn title(&mut self, node: &Node) -> Option<String> {
        let title = self.text(node, "`title`")?;
        if title.trim().is_empty() || title.contains('\n') {
            self.error(&node.place, "`title` is one line that says what the broker does");
            return None;
        }
        Some(title.to_owned())
    }

    /// The versions, oldest first.
    fn versions(&mut self, node: &Node) -> Option<Vec<Version>> {
        let items = self.list(node, "`versions`")?;
        if items.is_empty() {
            self.error(&node.place, "`versions` names at least one of v3.1, v3.1.1 and v5");
            return None;
        }
        let mut found = self.each(items, |cx, item| {
            let text = cx.text(item, "a version")?;
            let version = exact_version(text);
            if version.is_none() {
                cx.unknown(&item.place, "version", text, &Version::ALL.map(Version::name));
            }
            version
        })?;
        found.sort();
        if let Some(pair) = found.windows(2).find(|pair| pair[0] == pair[1]) {
            self.error(&node.place, format!("{} occurs twice", pair[0]));
            return None;
        }
        Some(found)
    }

    /// The versions of a row, which are among those of the scenario.
    pub fn row_versions(&mut self, node: &Node) -> Option<Vec<Version>> {
        let found = self.versions(node)?;
        if let Some(stranger) = found.iter().find(|v| !self.versions.contains(v)) {
            self.error(&node.place, format!("the scenario is not played at {stranger}"));
            return None;
        }
        Some(found)
    }

    fn snapshot(&mut self, node: &Node) -> Option<SnapshotForm> {
        let text = self.text(node, "`snapshot`")?;
        let found = SNAPSHOTS.iter().find(|(word, ..)| *word == text);
        if found.is_none() {
            self.unknown(
                &node.place,
                "form of a snapshot",
                text,
                &SNAPSHOTS.map(|(word, ..)| word),
            );
        }
        found.map(|(_, form, _)| *form)
    }

    /// What is the same for every case: a map has every version of the scenario and no other.
    fn check_proves(&mut self, node: &Node, versions: &[Version]) {
        let Some(entries) = node.map() else { return };
        let names: Vec<&str> = versions.iter().map(|v| v.name()).collect();
        for (key, _) in entries {
            if !names.contains(&key.key()) {
                self.unknown(&key.place, "version", key.key(), &names);
            }
        }
        for name in names {
            if node.get(name).is_none() {
                self.error_help(
                    &node.place,
                    format!("`proves` has no entry for {name}, at which the scenario is played"),
                    format!("write `{name}: []` if it proves nothing there"),
                );
            }
        }
    }

    /// The statements that are proved at this version; `sole` if a plain list can mean no other version.
    pub fn proves(&mut self, proves: &Proves, row: Option<&Row>, sole: bool) -> Option<Vec<StatementId>> {
        let Proves::Node(node) = proves else {
            return Some(Vec::new());
        };
        let list = match &node.what {
            What::Map(_) => match node.get(self.version.name()) {
                Some(list) => list,
                None => return Some(Vec::new()),
            },
            _ => node,
        };
        let items = self.list(list, "`proves`")?.to_vec();
        let sole = sole || list.place != node.place;
        let found = self.each(&items, |cx, item| {
            let item = cx.filled(item, row);
            cx.statement(&item, sole)
        })?;
        Some(found.into_iter().flatten().collect())
    }

    /// One statement; `Some(None)` if it names another version than this one.
    fn statement(&mut self, node: &Node, sole: bool) -> Option<Option<StatementId>> {
        let token = self.text(node, "a statement")?;
        let (version, id) = match token.split_once(':') {
            Some((version, id)) => {
                let Some(version) = exact_version(version).filter(|v| self.versions.contains(v)) else {
                    let names: Vec<&str> = self.versions.iter().map(|v| v.name()).collect();
                    self.unknown(&node.place, "version", version, &names);
                    return None;
                };
                (version, id)
            }
            None if !sole => {
                self.error_help(
                    &node.place,
                    format!("{} means different things at different versions", quoted(token)),
                    "if there are several versions, `proves` is a map: `{ v3.1.1: [...], v5: [...] }`",
                );
                return None;
            }
            None => (self.version, token),
        };
        if let Some(found) = STATEMENTS.get(&(version, id)) {
            return Some((version == self.version).then_some(*found));
        }
        if self.is_full() {
            return None;
        }
        let ids = catalogue().iter().filter(|s| s.id.version == version).map(|s| s.id.id);
        let message = format!("no statement {} at {version}", quoted(id));
        match nearest(id, ids) {
            Some(near) => self.error_help(&node.place, message, format!("the nearest is `{near}`")),
            None => self.error(&node.place, message),
        }
        None
    }
}
