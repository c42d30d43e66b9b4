//! The keys that decide how and where a case is played, at the top of a file and in a row.

use std::time::Duration;

use super::cx::Cx;
use super::header::SNAPSHOTS;
use super::values::open_range;
use crate::scenario::{Conditions, Need, ScenarioLevel, SnapshotForm, Wanted};
use crate::source::{Node, What};

/// The keys that a row may have too.
pub(in crate::scenario) const CONDITIONS: [&str; 8] = [
    "level", "rigour", "needs", "serial", "heavy", "timing", "tags", "timeout",
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

/// What a file or a row says of them.
pub(super) struct Given {
    level: Option<ScenarioLevel>,
    rigour: Option<bool>,
    needs: Vec<Need>,
    serial: Option<bool>,
    heavy: Option<bool>,
    timing: Option<bool>,
    tags: Vec<String>,
    timeout: Option<Duration>,
}

impl Given {
    /// These conditions over those of the file: needs and tags are added to them, all others replace them.
    pub fn over(self, base: &Conditions, snapshot: SnapshotForm) -> Conditions {
        let is_implied = |tag: &String| IMPLIED.iter().any(|(word, _)| word == tag);
        let written = base.tags.iter().filter(|tag| !is_implied(tag)).cloned();
        let mut conditions = Conditions {
            level: self.level.unwrap_or(base.level),
            rigour: self.rigour.or(base.rigour),
            needs: base.needs.clone(),
            serial: self.serial.unwrap_or(base.serial),
            heavy: self.heavy.unwrap_or(base.heavy),
            timing: self.timing.unwrap_or(base.timing),
            tags: written.collect(),
            timeout: self.timeout.unwrap_or(base.timeout),
        };
        for need in self.needs {
            if !conditions.needs.contains(&need) {
                conditions.needs.push(need);
            }
        }
        let mut add = |tag: &str| {
            if !conditions.tags.iter().any(|t| t == tag) {
                conditions.tags.push(tag.to_owned());
            }
        };
        self.tags.iter().for_each(|tag| add(tag));
        [(conditions.timing, "timing"), (conditions.heavy, "heavy")]
            .into_iter()
            .filter(|(is_set, _)| *is_set)
            .for_each(|(_, tag)| add(tag));
        if let Some((_, _, tag)) = SNAPSHOTS.iter().find(|(_, form, _)| *form == snapshot) {
            add(tag);
        }
        conditions
    }
}

impl Cx<'_> {
    /// The conditions that the map names, at the top of a file or as a row.
    pub fn conditions(&mut self, map: &Node) -> Option<Given> {
        let level = self.optional(map, "level", Self::level);
        let rigour = self.optional(map, "rigour", |cx, node| cx.boolean(node, "`rigour`"));
        let needs = self.optional(map, "needs", Self::needs);
        let serial = self.optional(map, "serial", |cx, node| cx.boolean(node, "`serial`"));
        let heavy = self.optional(map, "heavy", |cx, node| cx.boolean(node, "`heavy`"));
        let timing = self.optional(map, "timing", |cx, node| cx.boolean(node, "`timing`"));
        let tags = self.optional(map, "tags", Self::tags);
        let timeout = self.optional(map, "timeout", |cx, node| cx.duration(node, "`timeout`"));
        Some(Given {
            level: level?,
            rigour: rigour?,
            needs: needs?.unwrap_or_default(),
            serial: serial?,
            heavy: heavy?,
            timing: timing?,
            tags: tags?.unwrap_or_default(),
            timeout: timeout?,
        })
    }

    /// The value of a key that may be missing: `None` is an error, `Some(None)` its absence.
    pub fn optional<T>(
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
                    cx.error(&key.place, format!("`{feature}` needs a number: `{feature}: 2`"));
                    return None;
                }
                (false, Some(value)) => {
                    let message = format!("`{feature}` takes no value, or `false` if a broker without it is needed");
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
        if !value.text().is_some_and(|text| text.contains("..")) {
            let from = self.number(value, &format!("`{feature}`"), u64::MAX)?;
            return Some((from, u64::MAX));
        }
        let ends = value.text().and_then(open_range);
        match ends.map(|(from, to)| (from.unwrap_or(0), to.unwrap_or(u64::MAX))) {
            Some((from, to)) if from <= to => Some((from, to)),
            _ => {
                self.error(
                    &value.place,
                    format!("`{feature}` is a number or a range such as `0..1` or `..1`"),
                );
                None
            }
        }
    }

    fn tags(&mut self, node: &Node) -> Option<Vec<String>> {
        let items = self.list(node, "`tags`")?;
        self.each(items, |cx, item| {
            let tag = cx.text(item, "a tag")?;
            let good = tag
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !good || tag.is_empty() {
                cx.error(&item.place, "a tag consists of a to z, 0 to 9 and `-`");
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
}
