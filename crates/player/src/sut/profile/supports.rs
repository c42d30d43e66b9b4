//! What a target can do: features and limits, from the profile's `supports`.

use std::collections::BTreeMap;

use super::check::{Check, Checked};
use crate::source::{Node, What, every, meant, number, quoted};
use crate::wire::ConnAck;
use crate::wire::property::id;

/// What a name under `supports` (and under a scenario's `needs`) means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Not there unless the profile lists it.
    Extra,
    /// The standard lets a server leave it out, yet it is there unless the profile says `name: false`.
    Usual,
    /// A number. If the profile states none, a target is taken to have the one that is here; `None` is not known.
    Limit(Option<u64>),
}

/// Every name, what kind it is, and what it says.
const NAMES: &[(&str, Kind, &str)] = &[
    (
        "restart",
        Kind::Extra,
        "the broker can be restarted by the run (needs `process`)",
    ),
    ("persistence", Kind::Extra, "its state survives a graceful restart"),
    ("durable", Kind::Extra, "its state survives SIGKILL"),
    (
        "exclusive",
        Kind::Extra,
        "no one else uses it, so cases that affect the whole broker may be played",
    ),
    ("auth", Kind::Extra, "it checks user names and passwords (`users`)"),
    ("auth_method", Kind::Extra, "it has enhanced authentication (`auth`)"),
    ("acl", Kind::Extra, "it has access lists"),
    ("tls", Kind::Extra, "it has a TLS listener"),
    ("websocket", Kind::Extra, "it has a WebSocket listener"),
    ("retain", Kind::Usual, "retained messages"),
    ("wildcard", Kind::Usual, "wildcard subscriptions"),
    ("shared", Kind::Usual, "shared subscriptions"),
    ("subscription_ids", Kind::Usual, "subscription identifiers"),
    (
        "max_qos",
        Kind::Limit(Some(2)),
        "the highest QoS it takes or grants: 0 to 2",
    ),
    ("max_packet", Kind::Limit(None), "the largest packet it takes, in bytes"),
    (
        "receive_maximum",
        Kind::Limit(Some(65_535)),
        "how many QoS 1 and 2 messages may be open at once",
    ),
    (
        "in_flight",
        Kind::Limit(None),
        "how many QoS 1 and 2 messages it sends to a client before the first is acknowledged",
    ),
    (
        "topic_alias_maximum",
        Kind::Limit(Some(0)),
        "the highest topic alias it takes",
    ),
    (
        "max_keep_alive",
        Kind::Limit(Some(65_535)),
        "the longest keep alive it takes, in seconds",
    ),
    (
        "max_session_expiry",
        Kind::Limit(Some(0xffff_ffff)),
        "the longest session expiry it takes, in seconds",
    ),
];

/// The features and limits of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supports {
    /// What the profile says, by name: a feature is 1 or 0.
    said: BTreeMap<&'static str, u64>,
}

/// One entry of `supports` as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A name alone.
    Listed,
    Flag(bool),
    Number(u64),
}

impl Supports {
    /// Every name that `supports` accepts, with its meaning.
    pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        NAMES.iter().map(|(name, _, meaning)| (*name, *meaning))
    }

    /// The same, each with whether it is a limit, which has a number.
    pub(super) fn entries() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        NAMES
            .iter()
            .map(|(name, kind, meaning)| (*name, *meaning, matches!(kind, Kind::Limit(_))))
    }

    /// What a target supports that no profile describes: features, and limits with their figures.
    ///
    /// # Panics
    /// If a name is unknown. Names are constants in the code.
    pub fn of(features: &[&str], limits: &[(&str, u64)]) -> Supports {
        let mut supports = Supports::default();
        let listed = features.iter().map(|name| (*name, Value::Listed));
        let stated = limits.iter().map(|(name, limit)| (*name, Value::Number(*limit)));
        for (name, value) in listed.chain(stated) {
            if let Err((what, allowed)) = supports.add(name, &value) {
                panic!("{what}: {allowed}");
            }
        }
        supports
    }

    /// States a feature that follows from something else in the profile, unless that is said already.
    pub fn imply(&mut self, name: &'static str, has: bool) {
        if has {
            self.said.entry(name).or_insert(1);
        }
    }

    /// These, and what a CONNACK of 5.0 says where they are silent (3.2.2.3). What it leaves out has the standard's default.
    pub fn asking(mut self, connack: &ConnAck) -> Supports {
        let features = [
            ("retain", id::RETAIN_AVAILABLE),
            ("wildcard", id::WILDCARD_SUBSCRIPTION_AVAILABLE),
            ("shared", id::SHARED_SUBSCRIPTION_AVAILABLE),
            ("subscription_ids", id::SUBSCRIPTION_IDENTIFIER_AVAILABLE),
        ];
        let limits = [
            ("max_qos", id::MAXIMUM_QOS, Some(2)),
            ("receive_maximum", id::RECEIVE_MAXIMUM, Some(65_535)),
            ("topic_alias_maximum", id::TOPIC_ALIAS_MAXIMUM, Some(0)),
            ("max_packet", id::MAXIMUM_PACKET_SIZE, None),
        ];
        let features = features.map(|(name, id)| (name, id, Some(1)));
        for (name, id, default) in features.into_iter().chain(limits) {
            if let Some(value) = connack.properties.number(id).map(u64::from).or(default) {
                self.said.entry(name).or_insert(value);
            }
        }
        self
    }

    /// The same without some features.
    ///
    /// # Panics
    /// If a name is unknown. Names are constants in the code.
    pub fn without(mut self, features: &[&str]) -> Supports {
        for feature in features {
            let (name, _) = find(feature).unwrap_or_else(|| panic!("{feature} is no feature"));
            self.said.insert(name, 0);
        }
        self
    }

    /// The same with one more feature.
    ///
    /// # Panics
    /// If there is no such feature. Names are constants in the code.
    pub fn and(mut self, feature: &str) -> Supports {
        let (name, _) = find(feature).unwrap_or_else(|| panic!("{feature} is no feature"));
        self.said.insert(name, 1);
        self
    }

    /// Whether the target has the feature. An unknown name is a feature that no target has.
    pub fn has(&self, name: &str) -> bool {
        match (find(name), self.said.get(name)) {
            (Some((_, Kind::Limit(_))) | None, _) => false,
            (Some(_), Some(value)) => *value != 0,
            (Some((_, kind)), None) => kind == Kind::Usual,
        }
    }

    /// The limit that the profile states, such as `max_qos`. `None`: it states none.
    pub fn limit(&self, name: &str) -> Option<u64> {
        match find(name) {
            Some((name, Kind::Limit(_))) => self.said.get(name).copied(),
            _ => None,
        }
    }

    /// Whether a case that needs `name` can be played: a feature, or a limit from the first to the second of `limits`.
    /// If the profile states no limit, the standard's default holds (`max_qos` 2, `topic_alias_maximum` 0); for
    /// `max_packet` and `in_flight` there is none that a target must have. An upper end is met by a limit that is
    /// stated alone.
    ///
    /// # Errors
    /// The reason why the case is skipped.
    pub fn meets(&self, name: &str, limits: Option<(u64, u64)>) -> Result<(), String> {
        match (find(name), limits) {
            (None, _) => Err(format!("no target can state `{name}`")),
            (Some((_, Kind::Limit(default))), wanted) => match (self.limit(name).or(default), wanted) {
                (Some(limit), Some((from, _))) if limit < from => {
                    Err(format!("needs {name} {from}, the target has {limit}"))
                }
                (Some(limit), Some((_, to))) if limit > to => {
                    Err(format!("needs a {name} of at most {to}, the target has {limit}"))
                }
                // A default is what may be relied on, and says nothing of where the target stops.
                (_, Some((_, to))) if to < u64::MAX && self.limit(name).is_none() => {
                    Err(format!("needs a {name} of at most {to}, the target states none"))
                }
                (Some(_), _) => Ok(()),
                (None, Some((from, _))) => Err(format!("needs {name} {from}, the target states none")),
                (None, None) => Err(format!("the target states no {name}")),
            },
            _ if self.has(name) => Ok(()),
            _ => Err(format!("the target does not support {name}")),
        }
    }

    /// Whether a case that needs a broker without the feature can be played.
    ///
    /// # Errors
    /// The reason why the case is skipped.
    pub fn lacks(&self, name: &str) -> Result<(), String> {
        if self.has(name) {
            let stated = find(name).is_some_and(|(name, _)| self.said.contains_key(name));
            let doubt = if stated { "" } else { "; not stated" };
            Err(format!("needs a target without {name}{doubt}"))
        } else {
            Ok(())
        }
    }

    /// These, and what `more` says in their place.
    pub(super) fn with(&self, more: &Supports) -> Supports {
        let mut said = self.said.clone();
        said.extend(&more.said);
        Supports { said }
    }

    /// Takes one entry of a profile. The error has what is wrong and what is allowed.
    pub(super) fn add(&mut self, name: &str, value: &Value) -> Result<(), (String, String)> {
        let Some((name, kind)) = find(name) else {
            let names: Vec<&str> = Supports::names().map(|(name, _)| name).collect();
            return Err((
                format!("unknown feature or limit {}", quoted(name)),
                meant(name, names.iter().copied(), || format!("one of {}", names.join(", "))),
            ));
        };
        let number = match (kind, value) {
            (Kind::Limit(_), Value::Number(number)) if name == "max_qos" && *number > 2 => {
                return Err((format!("max_qos {number}"), "a QoS is 0, 1 or 2".to_owned()));
            }
            (Kind::Limit(_), Value::Number(number)) => *number,
            (Kind::Limit(_), _) => {
                return Err((format!("`{name}` is a limit without its number"), format!("{name}: 1")));
            }
            (_, Value::Listed) => 1,
            (_, Value::Flag(flag)) => u64::from(*flag),
            (_, Value::Number(_)) => {
                return Err((
                    format!("`{name}` is a feature and takes no number"),
                    format!("`{name}`, or `{name}: false`"),
                ));
            }
        };
        if self.said.insert(name, number).is_some() {
            return Err((format!("`{name}` is listed twice"), "name it once".to_owned()));
        }
        Ok(())
    }
}

impl Check<'_> {
    /// `supports`; `starts` if the profile says how to start the broker.
    pub(super) fn supports(&mut self, node: &Node, starts: bool) -> Checked<Supports> {
        let items = self.read.list(node, "`supports`")?;
        let mut supports = Supports::default();
        every(items, |item| {
            let (name, value) = self.support(item)?;
            supports
                .add(name, &value)
                .map_err(|(what, allowed)| self.read.error_help(&item.place, what, allowed))?;
            if !starts && ["restart", "persistence", "durable"].contains(&name) {
                let what = format!("`{name}` without a `process`: only a broker that is started can be restarted");
                return Err(self.read.error(&item.place, what));
            }
            Ok(())
        })?;
        Ok(supports)
    }

    /// One entry: a name, or a name and its value.
    fn support<'n>(&mut self, item: &'n Node) -> Checked<(&'n str, Value)> {
        let (name, value) = match &item.what {
            What::Map(entries) => match entries.as_slice() {
                [(name, value)] => (name, value),
                _ => {
                    let message = "an entry of `supports` has one name";
                    return Err(self
                        .read
                        .error_help(&item.place, message, "such as restart, or `max_qos: 1`"));
                }
            },
            _ => return Ok((self.read.text(item, "a feature")?, Value::Listed)),
        };
        let value = match value.text() {
            Some("true") => Value::Flag(true),
            Some("false") => Value::Flag(false),
            text => match text.and_then(number) {
                Some(number) => Value::Number(number),
                None => {
                    let message = format!(
                        "{} is a whole number, true or false, not {}",
                        quoted(name.key()),
                        value.shown()
                    );
                    return Err(self.read.error(&value.place, message));
                }
            },
        };
        Ok((name.key(), value))
    }
}

fn find(name: &str) -> Option<(&'static str, Kind)> {
    let (name, kind, _) = NAMES.iter().find(|(known, _, _)| *known == name)?;
    Some((name, *kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connack_is_asked_where_nothing_is_stated() {
        use crate::wire::PropertyValue;
        let mut connack = ConnAck::default();
        connack.properties.push(id::RETAIN_AVAILABLE, PropertyValue::Byte(0));
        connack.properties.push(id::MAXIMUM_QOS, PropertyValue::Byte(1));
        let asked = Supports::default().asking(&connack);
        assert_eq!(asked.lacks("retain"), Ok(()));
        assert!(asked.has("shared"));
        assert_eq!(asked.lacks("shared").unwrap_err(), "needs a target without shared");
        assert_eq!(asked.meets("max_qos", Some((0, 1))), Ok(()));
        assert_eq!(asked.meets("topic_alias_maximum", Some((0, 0))), Ok(()));
        assert_eq!(asked.limit("max_packet"), None);
        // What is stated holds.
        let stated = Supports::of(&["retain"], &[("max_qos", 2)]).asking(&connack);
        assert!(stated.has("retain"));
        assert_eq!(stated.limit("max_qos"), Some(2));
    }

    #[test]
    fn what_is_usual_is_there_and_what_is_extra_is_not() {
        let mut supports = Supports::default();
        assert!(supports.has("retain") && !supports.has("restart") && !supports.has("max_qos"));
        supports.add("retain", &Value::Flag(false)).unwrap();
        supports.add("restart", &Value::Listed).unwrap();
        supports.add("max_qos", &Value::Number(1)).unwrap();
        assert!(!supports.has("retain") && supports.has("restart"));
        assert_eq!(supports.limit("max_qos"), Some(1));
        assert_eq!(supports.limit("max_packet"), None);
    }

    #[test]
    fn a_need_that_is_not_met_says_why() {
        let mut supports = Supports::default();
        supports.add("max_packet", &Value::Number(1000)).unwrap();
        assert_eq!(supports.meets("max_packet", Some((1000, u64::MAX))), Ok(()));
        let why = |name, from: Option<u64>| {
            let limits = from.map(|from| (from, u64::MAX));
            supports.meets(name, limits).unwrap_err()
        };
        assert_eq!(
            why("max_packet", Some(1001)),
            "needs max_packet 1001, the target has 1000"
        );
        assert_eq!(
            why("topic_alias_maximum", Some(2)),
            "needs topic_alias_maximum 2, the target has 0"
        );
        let none = Supports::default();
        assert_eq!(none.meets("max_qos", Some((2, u64::MAX))), Ok(()));
        assert_eq!(
            none.meets("max_qos", Some((0, 1))).unwrap_err(),
            "needs a max_qos of at most 1, the target has 2"
        );
        assert_eq!(
            none.meets("topic_alias_maximum", Some((0, 0))).unwrap_err(),
            "needs a topic_alias_maximum of at most 0, the target states none"
        );
        assert_eq!(none.lacks("durable"), Ok(()));
        assert_eq!(
            none.lacks("retain").unwrap_err(),
            "needs a target without retain; not stated"
        );
        let listed = Supports::of(&["retain"], &[]);
        assert_eq!(listed.lacks("retain").unwrap_err(), "needs a target without retain");
        let none = none.meets("max_packet", Some((9, u64::MAX))).unwrap_err();
        assert_eq!(none, "needs max_packet 9, the target states none");
        assert_eq!(why("durable", None), "the target does not support durable");
        assert_eq!(why("wings", None), "no target can state `wings`");
    }

    #[test]
    fn wrong_entries_say_what_is_allowed() {
        let add = |name: &str, value| Supports::default().add(name, &value).unwrap_err();
        assert!(add("wings", Value::Listed).1.contains("restart, persistence"));
        assert_eq!(add("restrat", Value::Listed).1, "did you mean `restart`?");
        assert!(add("max_qos", Value::Listed).0.contains("without its number"));
        assert!(add("max_qos", Value::Number(3)).1.contains("0, 1 or 2"));
        assert!(add("restart", Value::Number(3)).0.contains("takes no number"));
    }
}
