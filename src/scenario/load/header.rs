//! The keys at the top of a file: everything that is no client and no step.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::cx::Cx;
use super::rows::{Row, exact_version};
use crate::scenario::{Header, Need, ScenarioLevel, SnapshotForm, Wanted};
use crate::source::{Node, What, nearest, quoted};
use crate::statements::{StatementId, Version, catalogue};

/// The keys at the top of a file.
pub(in crate::scenario) const TOP_KEYS: [&str; 17] = [
    "format", "title", "about", "versions", "proves", "level", "needs", "serial", "heavy", "timing", "snapshot",
    "tags", "timeout", "each", "clients", "steps", "control",
];

/// The words of `snapshot`, what they mean, and the tag by which such cases are selected.
pub(in crate::scenario) const SNAPSHOTS: [(&str, SnapshotForm, &str); 2] = [
    ("table", SnapshotForm::Table, "grid"),
    ("sent", SnapshotForm::Sent, "varied"),
];

/// Tags that stand for a key: they select the cases that set it, and cannot be set themselves.
const IMPLIED: [(&str, &str); 4] = [
    ("timing", "timing: true"),
    ("heavy", "heavy: true"),
    ("grid", "snapshot: table"),
    ("varied", "snapshot: sent"),
];

/// What a scenario may need of a target, and whether it goes with a number.
pub(in crate::scenario) const NEEDS: [(&str, bool); 19] = [
    ("restart", false),
    ("persistence", false),
    ("durable", false),
    ("auth", false),
    ("auth_method", false),
    ("acl", false),
    ("tls", false),
    ("websocket", false),
    ("retain", false),
    ("wildcard", false),
    ("shared", false),
    ("subscription_ids", false),
    ("max_packet", true),
    ("max_qos", true),
    ("in_flight", true),
    ("receive_maximum", true),
    ("topic_alias_maximum", true),
    ("max_keep_alive", true),
    ("max_session_expiry", true),
];

/// The deadline of a case that names none.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Every statement by what a scenario calls it.
static STATEMENTS: LazyLock<HashMap<(Version, &'static str), StatementId>> =
    LazyLock::new(|| catalogue().iter().map(|s| ((s.id.version, s.id.id), s.id)).collect());

/// What the top of a file says.
pub(super) struct Parts {
    pub header: Arc<Header>,
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
        let title = root.get("title").and_then(|node| self.title(node));
        let versions = root.get("versions").and_then(|node| self.versions(node));
        let about = self.optional(root, "about", |cx, node| cx.text(node, "`about`").map(str::to_owned));
        let level = self.optional(root, "level", Self::level);
        let needs = self.optional(root, "needs", Self::needs);
        let serial = self.optional(root, "serial", |cx, node| cx.boolean(node, "`serial`"));
        let heavy = self.optional(root, "heavy", |cx, node| cx.boolean(node, "`heavy`"));
        let timing = self.optional(root, "timing", |cx, node| cx.boolean(node, "`timing`"));
        let snapshot = self.optional(root, "snapshot", Self::snapshot);
        let tags = self.optional(root, "tags", Self::tags);
        let timeout = self.optional(root, "timeout", |cx, node| cx.duration(node, "`timeout`"));
        let (heavy, timing) = (heavy?.unwrap_or(false), timing?.unwrap_or(false));
        let snapshot = snapshot?.unwrap_or_default();
        let mut tags = tags?.unwrap_or_default();
        tags.extend(timing.then_some("timing").map(str::to_owned));
        tags.extend(heavy.then_some("heavy").map(str::to_owned));
        let form = SNAPSHOTS.iter().find(|(_, form, _)| *form == snapshot);
        tags.extend(form.map(|(_, _, tag)| (*tag).to_owned()));
        let header = Header {
            path: path.to_owned(),
            source: Arc::clone(self.source),
            title: title?,
            about: about?,
            level: level?.unwrap_or(ScenarioLevel::Must),
            needs: needs?.unwrap_or_default(),
            serial: serial?.unwrap_or(false),
            heavy,
            timing,
            snapshot,
            tags,
            timeout: timeout?.unwrap_or(TIMEOUT),
        };
        let versions = versions?;
        if let Some(node) = root.get("proves") {
            self.check_proves(node, &versions);
        }
        Some(Parts {
            header: Arc::new(header),
            versions,
            proves: root.get("proves").cloned().map_or(Proves::Nothing, Proves::Node),
        })
    }

    /// The value of a key that may be missing: `None` is an error, `Some(None)` its absence.
    fn optional<T>(
        &mut self,
        root: &Node,
        key: &str,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<Option<T>> {
        match root.get(key) {
            None => Some(None),
            Some(node) => read(self, node).map(Some),
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

    fn level(&mut self, node: &Node) -> Option<ScenarioLevel> {
        match node.text() {
            Some("must") => Some(ScenarioLevel::Must),
            Some("should") => Some(ScenarioLevel::Should),
            _ => {
                self.error(&node.place, "`level` is `must` or `should`");
                None
            }
        }
    }

    fn needs(&mut self, node: &Node) -> Option<Vec<Need>> {
        let items = self.list(node, "`needs`")?;
        self.each(items, |cx, item| {
            let (key, value) = match &item.what {
                What::Map(entries) if entries.len() == 1 => (&entries[0].0, Some(&entries[0].1)),
                _ => (item, None),
            };
            let feature = cx.text(key, "a need")?;
            let names: Vec<&str> = NEEDS.iter().map(|(name, _)| *name).collect();
            let Some((_, numbered)) = NEEDS.iter().find(|(name, _)| *name == feature) else {
                cx.unknown(&key.place, "need", feature, &names);
                return None;
            };
            let wanted = match (numbered, value) {
                (true, Some(value)) => {
                    let (from, to) = cx.limit(value, feature)?;
                    Wanted::Limit { from, to }
                }
                (false, None) => Wanted::There,
                (false, Some(value)) if value.text() == Some("false") => Wanted::Missing,
                (true, None) => {
                    cx.error(&key.place, format!("`{feature}` goes with a number: `{feature}: 2`"));
                    return None;
                }
                (false, Some(value)) => {
                    let message =
                        format!("`{feature}` stands alone, or with `false` where a broker without it is needed");
                    cx.error(&value.place, message);
                    return None;
                }
            };
            Some(Need {
                feature: feature.to_owned(),
                wanted,
            })
        })
    }

    /// `2` is at least that, `0..1` both ends included.
    fn limit(&mut self, value: &Node, feature: &str) -> Option<(u64, u64)> {
        let ends = value.text().and_then(|text| text.split_once(".."));
        let Some((from, to)) = ends else {
            let from = self.number(value, &format!("`{feature}`"), u64::MAX)?;
            return Some((from, u64::MAX));
        };
        match (from.trim().parse::<u64>(), to.trim().parse::<u64>()) {
            (Ok(from), Ok(to)) if from <= to => Some((from, to)),
            _ => {
                self.error(
                    &value.place,
                    format!("`{feature}` is a number or a range such as `0..1`"),
                );
                None
            }
        }
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

    fn tags(&mut self, node: &Node) -> Option<Vec<String>> {
        let items = self.list(node, "`tags`")?;
        self.each(items, |cx, item| {
            let tag = cx.text(item, "a tag")?;
            let good = tag
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !good || tag.is_empty() {
                cx.error(&item.place, "a tag is made of a to z, 0 to 9 and `-`");
                return None;
            }
            if let Some((_, key)) = IMPLIED.iter().find(|(word, _)| *word == tag) {
                let message = format!("the tag `{tag}` follows from a key and is not set itself");
                cx.error_help(&item.place, message, format!("write `{key}` as a line of its own"));
                return None;
            }
            Some(tag.to_owned())
        })
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
                    format!("`proves` says nothing of {name}, at which the scenario is played"),
                    format!("`{name}: []` where it proves nothing there"),
                );
            }
        }
    }

    /// The statements that are proved at this version; `sole` where a plain list can mean no other version.
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

    /// One statement; `Some(None)` where it names another version than this one.
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
                    "where there are several versions, `proves` is a map: `{ v3.1.1: [...], v5: [...] }`",
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
