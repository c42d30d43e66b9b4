//! The order of keys, and what each place of a scenario is.
//!
//! The keys come from the tables that the loader checks against, so that a new one has its place here. If the order
//! means something (the clients, the filters, the columns of `each`, the fields and properties of a packet, which are
//! sent as they are written), it is left unchanged.

use crate::scenario::load::{CLIENT_KEYS, DOES_WORDS, MANNER, TOP_KEYS};
use crate::source::{Node, What};
use crate::statements::Version;

/// What a node of a scenario is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The whole file.
    Top,
    /// `versions`, `needs`, `tags`, and the statements of one version.
    Words,
    /// `proves`: a list, or a map from version to list.
    Proves,
    Each,
    /// The values of a column of `each`.
    Column,
    /// A row of `each`, or a value of a column.
    Row,
    Clients,
    Client,
    /// `steps` and `control`.
    Script,
    /// Steps inside of a step.
    Steps,
    Step,
    /// What a step with steps of its own has alongside them.
    Repeat,
    /// The value of a step: fields, bytes, a time.
    Value,
    /// Anything whose keys are free.
    Free,
}

/// Keys that come first in the value of a step, before fields.
const FIRST: [&str; 3] = ["hex", "parts", "code"];
/// The keys of `repeat`.
const REPEAT: [&str; 2] = ["times", "steps"];

impl Role {
    /// What the value under `key` is, in a map of this role.
    pub fn under(self, key: &str, value: &Node) -> Role {
        let is_version = version(key).is_some();
        match self {
            Role::Top => match key {
                "versions" | "needs" | "tags" => Role::Words,
                "proves" => Role::Proves,
                "each" => Role::Each,
                "clients" => Role::Clients,
                "steps" | "control" => Role::Script,
                _ => Role::Free,
            },
            Role::Proves => Role::Words,
            Role::Each if !is_script(value) => Role::Column,
            Role::Clients => Role::Client,
            Role::Client if is_version => Role::Client,
            Role::Client => match value.get("filters") {
                None if key == "subscribe" => Role::Free,
                _ => Role::Value,
            },
            Role::Step => step_value(key),
            Role::Repeat if key == "steps" => Role::Steps,
            Role::Value if is_version => Role::Value,
            Role::Value if key == "parts" => Role::Steps,
            Role::Each | Role::Column | Role::Row if is_script(value) => Role::Steps,
            _ => Role::Free,
        }
    }

    /// What an item of a list of this role is.
    pub fn item(self, item: &Node) -> Role {
        match (self, &item.what) {
            (Role::Script | Role::Steps, What::List(_)) => Role::Steps,
            (Role::Script | Role::Steps, _) => Role::Step,
            (Role::Column, What::List(_)) if is_script(item) => Role::Steps,
            (Role::Each | Role::Column, _) => Role::Row,
            _ => Role::Free,
        }
    }

    /// Where `key` is in a map of this role: of two keys the one with the lower number is first, and equal ones stay as
    /// they are written.
    pub fn rank(self, key: &str) -> usize {
        // What applies at one version replaces or adds to what is before it.
        const VERSIONS: usize = 1000;
        const OTHERS: usize = 100;
        let at = |table: &[&str]| table.iter().position(|k| *k == key);
        let known = match self {
            Role::Top => at(&TOP_KEYS),
            Role::Client => at(&CLIENT_KEYS),
            Role::Repeat => at(&REPEAT),
            Role::Value => at(&FIRST).or_else(|| {
                let manner = at(&MANNER).map(|i| 1 + i);
                let last = manner.or_else(|| (key == "within").then_some(0));
                last.map(|i| OTHERS + 1 + i)
            }),
            Role::Each | Role::Column | Role::Row | Role::Clients | Role::Free => return 0,
            _ => None,
        };
        known.or_else(|| version(key).map(|i| VERSIONS + i)).unwrap_or(OTHERS)
    }

    /// Whether it is always written as a block, however short it is.
    pub fn is_block(self, is_list: bool) -> bool {
        match self {
            Role::Top | Role::Script => true,
            Role::Each => is_list,
            _ => false,
        }
    }

    /// Whether a block of it becomes one line if that is short enough. Others stay as they are written: clients, rows
    /// and steps may each be on a line of their own.
    pub fn is_joined(self, is_list: bool) -> bool {
        match self {
            Role::Words | Role::Value | Role::Free => true,
            Role::Proves => is_list,
            _ => false,
        }
    }
}

/// Whether a value of a row is a list of steps.
fn is_script(value: &Node) -> bool {
    let What::List(items) = &value.what else { return false };
    items.iter().any(|item| match &item.what {
        What::Map(entries) => entries
            .first()
            .and_then(|(key, _)| key.text())
            .is_some_and(|key| arrow(key).is_some() || is_command(key) || step_value(key) != Role::Value),
        _ => item
            .text()
            .is_some_and(|text| arrow(text).is_some() || is_command(text)),
    })
}

/// The number of the version that a key names, oldest first.
fn version(key: &str) -> Option<usize> {
    Version::ALL.iter().position(|v| v.name() == key)
}

/// What the value of a step is, by the key of the step.
fn step_value(key: &str) -> Role {
    let what = arrow(key).map_or(key, |(_, _, what)| what);
    // The filters of a subscription are sent as they are written.
    if is_command(key) {
        return if key.ends_with(" subscribe") {
            Role::Free
        } else {
            Role::Value
        };
    }
    match what {
        "one of" | "in any order" | "at once" | "together" => Role::Steps,
        "repeat" => Role::Repeat,
        _ if key.starts_with("only ") => Role::Steps,
        _ => Role::Value,
    }
}

/// Whether the key is `client does ...` or `client tries ...`.
fn is_command(key: &str) -> bool {
    let word = key.split_whitespace().nth(1);
    arrow(key).is_none() && DOES_WORDS.iter().any(|(known, _)| word == Some(*known))
}

/// The parts of `client -> what` and `client <- what`.
fn arrow(key: &str) -> Option<(&str, &str, &str)> {
    let found = |arrow: &'static str| {
        let (client, what) = key.split_once(arrow)?;
        Some((client.trim(), arrow, what.trim()))
    };
    found("->").or_else(|| found("<-"))
}

/// The key of a step with one blank on either side of its arrow, if it has one that is spaced in another way.
pub(super) fn spaced(key: &str) -> Option<String> {
    let (client, arrow, what) = arrow(key)?;
    let spaced = format!("{client} {arrow} {what}");
    (!client.is_empty() && !what.is_empty() && spaced != key).then_some(spaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(role: Role, keys: &[&'static str]) -> Vec<&'static str> {
        let mut keys = keys.to_vec();
        keys.sort_by_key(|key| role.rank(key));
        keys
    }

    #[test]
    fn every_key_of_the_loader_has_its_place() {
        for (role, table) in [(Role::Top, &TOP_KEYS[..]), (Role::Client, &CLIENT_KEYS[..])] {
            let mut turned = table.to_vec();
            turned.reverse();
            assert_eq!(sorted(role, &turned), table);
        }
    }

    #[test]
    fn versions_come_last_and_fields_stay() {
        assert_eq!(
            sorted(Role::Value, &["v5", "qos", "within", "v3.1", "dup", "probe", "split"]),
            ["qos", "dup", "within", "split", "probe", "v3.1", "v5"]
        );
        assert_eq!(
            sorted(Role::Client, &["v5", "acks", "connect"]),
            ["connect", "acks", "v5"]
        );
        assert_eq!(sorted(Role::Free, &["v5", "a"]), ["v5", "a"]);
        assert_eq!(sorted(Role::Proves, &["v5", "v3.1.1"]), ["v3.1.1", "v5"]);
    }

    #[test]
    fn arrows_have_one_blank_on_either_side() {
        assert_eq!(spaced("c->PUBLISH").as_deref(), Some("c -> PUBLISH"));
        assert_eq!(spaced("c  <-  maybe PUBACK").as_deref(), Some("c <- maybe PUBACK"));
        assert_eq!(spaced("c -> PUBLISH"), None);
        assert_eq!(spaced("only v5"), None);
    }
}
