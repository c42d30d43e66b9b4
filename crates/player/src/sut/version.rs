//! The version of a broker, as its own command prints it, and conditions on it such as `<2.0.18`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version such as `2.0.18`: numbers with dots. Missing numbers at the end count as 0.
#[derive(Debug, Clone)]
pub struct BrokerVersion {
    numbers: Vec<u64>,
}

impl BrokerVersion {
    /// Finds the first version in what a command printed: at least two numbers with a dot between, not part of a word.
    /// A leading `v` is allowed, and what follows the numbers (`-beta.1`, `~bpo12+1`) is left out.
    pub fn find_in(text: &str) -> Option<BrokerVersion> {
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let mut before = ' ';
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let starts = first.is_ascii_digit()
                && (!before.is_alphanumeric() && !is_part(before) || matches!(before, 'v' | 'V'));
            let length = if starts {
                rest.find(|c| !is_part(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            if starts
                && let Ok(version) = rest[..length].trim_end_matches('.').parse::<BrokerVersion>()
                && version.numbers.len() > 1
            {
                return Some(version);
            }
            before = rest[..length].chars().next_back().unwrap_or(before);
            rest = &rest[length..];
        }
        None
    }
}

impl FromStr for BrokerVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<BrokerVersion, String> {
        let numbers = text
            .split('.')
            .map(|part| {
                if part.bytes().all(|b| b.is_ascii_digit()) {
                    part.parse().ok()
                } else {
                    None
                }
            })
            .collect::<Option<Vec<u64>>>()
            .ok_or_else(|| format!("`{text}` is no version"))?;
        Ok(BrokerVersion { numbers })
    }
}

impl Ord for BrokerVersion {
    fn cmp(&self, other: &BrokerVersion) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let padded = |v: &BrokerVersion| {
            (0..length)
                .map(|i| v.numbers.get(i).copied().unwrap_or(0))
                .collect::<Vec<_>>()
        };
        padded(self).cmp(&padded(other))
    }
}

impl PartialOrd for BrokerVersion {
    fn partial_cmp(&self, other: &BrokerVersion) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for BrokerVersion {
    fn eq(&self, other: &BrokerVersion) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for BrokerVersion {}

impl fmt::Display for BrokerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.numbers.iter().map(u64::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

/// A condition on a broker's version: `<2.0.18`, or several that must all hold, `>=2.0, <2.0.18`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionCondition {
    bounds: Vec<(Relation, BrokerVersion)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// The signs, longest first, so that `<=` is not read as `<`.
const SIGNS: [(&str, Relation); 5] = [
    ("<=", Relation::AtMost),
    (">=", Relation::AtLeast),
    ("<", Relation::Less),
    (">", Relation::More),
    ("=", Relation::Equal),
];

impl VersionCondition {
    /// Whether the version fulfils it.
    pub fn holds_for(&self, version: &BrokerVersion) -> bool {
        self.bounds.iter().all(|(relation, bound)| {
            let order = version.cmp(bound);
            match relation {
                Relation::Less => order.is_lt(),
                Relation::AtMost => order.is_le(),
                Relation::Equal => order.is_eq(),
                Relation::AtLeast => order.is_ge(),
                Relation::More => order.is_gt(),
            }
        })
    }
}

impl FromStr for VersionCondition {
    type Err = String;

    fn from_str(text: &str) -> Result<VersionCondition, String> {
        let bounds = text
            .split(',')
            .map(|part| {
                let part = part.trim();
                let (sign, relation) = SIGNS
                    .into_iter()
                    .find(|(sign, _)| part.starts_with(sign))
                    .ok_or_else(|| {
                        format!("`{part}` has no sign: a condition is <, <=, =, >= or > and a version, as in <2.0.18")
                    })?;
                Ok((relation, part[sign.len()..].trim().parse()?))
            })
            .collect::<Result<Vec<_>, String>>()?;
        Ok(VersionCondition { bounds })
    }
}

impl fmt::Display for VersionCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (relation, version)) in self.bounds.iter().enumerate() {
            let sign = SIGNS.iter().find(|(_, r)| r == relation).map_or("", |(sign, _)| sign);
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{sign}{version}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_in_what_brokers_print() {
        for (text, version) in [
            (
                "mosquitto version 2.0.11\n\nmosquitto is an MQTT v5.0/v3.1.1/v3.1 broker.",
                "2.0.11",
            ),
            ("nats-server: v2.9.10", "2.9.10"),
            ("rumqttd 0.20.0", "0.20.0"),
            ("RabbitMQ version: 3.10.8.", "3.10.8"),
            ("ejabberd 23.01-1", "23.1"),
            ("broker 2.0.21-1~bpo12+1", "2.0.21"),
        ] {
            assert_eq!(
                BrokerVersion::find_in(text).map(|v| v.to_string()).as_deref(),
                Some(version),
                "{text}"
            );
        }
        for text in ["", "version 7", "x2.0", "...", "no numbers"] {
            assert!(BrokerVersion::find_in(text).is_none(), "{text}");
        }
    }

    #[test]
    fn compares_number_by_number() {
        let holds = |condition: &str, version: &str| {
            condition
                .parse::<VersionCondition>()
                .unwrap()
                .holds_for(&version.parse().unwrap())
        };
        assert!(holds("<2.0.18", "2.0.11"));
        assert!(holds("<2.0.18", "2.0.9"));
        assert!(!holds("<2.0.18", "2.0.18"));
        assert!(!holds("<2.0.18", "2.1"));
        assert!(holds("=2.0", "2.0.0"));
        assert!(holds(">=2.0, <2.0.18", "2.0.11"));
        assert!(!holds(">=2.0, <2.0.18", "1.6"));
        assert!(holds("> 1", "1.0.1"));
    }

    #[test]
    fn conditions_print_as_they_read() {
        for text in ["<2.0.18", ">=2.0, <2.0.18", "=3", "<=1.2"] {
            assert_eq!(text.parse::<VersionCondition>().unwrap().to_string(), text);
        }
        for text in ["2.0.18", "", "<", "<a", "<2..1", "<2.0,"] {
            assert!(text.parse::<VersionCondition>().is_err(), "{text}");
        }
    }
}
