//! The CONNACK that a broker usually answers with, for each version: snapshots of a broker state it once, and
//! everywhere else `CONNACK` alone stands for it. A new property of the broker's then changes one line instead of every
//! exchange.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::wire::Version;

/// The usual CONNACK of each version, in the notation of snapshots. The default has none: every CONNACK is shown in
/// full.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usual(BTreeMap<Version, String>);

impl Usual {
    /// The most frequent CONNACK of each version; of equally frequent ones the first in the order of the alphabet.
    pub fn most_frequent(all: impl IntoIterator<Item = (Version, String)>) -> Usual {
        let mut counts: BTreeMap<Version, BTreeMap<String, usize>> = BTreeMap::new();
        for (version, text) in all {
            *counts.entry(version).or_default().entry(text).or_default() += 1;
        }
        let most = |(version, counts): (Version, BTreeMap<String, usize>)| {
            let (text, _) = counts.into_iter().min_by_key(|(_, count)| Reverse(*count))?;
            Some((version, text))
        };
        Usual(counts.into_iter().filter_map(most).collect())
    }

    /// Reads what [`text`](Usual::text) has written. Lines in another form are skipped.
    pub fn read(text: &str) -> Usual {
        let line = |line: &str| {
            let (version, packet) = line.split_once("  ")?;
            Some((version.parse().ok()?, packet.to_owned()))
        };
        Usual(text.lines().filter_map(line).collect())
    }

    /// A line a version: `v5  CONNACK: { session_present: false, reason_code: 0 }`.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (version, packet) in &self.0 {
            let _ = writeln!(out, "{version}  {packet}");
        }
        out
    }

    /// This one, and for the versions that it does not have that of `other`.
    pub fn or(mut self, other: Usual) -> Usual {
        for (version, text) in other.0 {
            self.0.entry(version).or_insert(text);
        }
        self
    }

    /// Whether there is no version that it has a CONNACK for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this packet is the usual one.
    pub fn is_usual(&self, version: Version, packet: &str) -> bool {
        self.0.get(&version).is_some_and(|usual| usual == packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(all: &[(Version, &str)]) -> Usual {
        Usual::most_frequent(all.iter().map(|(version, text)| (*version, (*text).to_owned())))
    }

    #[test]
    fn the_most_frequent_of_each_version_is_usual_and_of_equals_the_first() {
        let usual = of(&[
            (Version::V5, "b"),
            (Version::V5, "a"),
            (Version::V5, "b"),
            (Version::V3_1_1, "d"),
            (Version::V3_1_1, "c"),
        ]);
        assert!(usual.is_usual(Version::V5, "b") && usual.is_usual(Version::V3_1_1, "c"));
        assert!(!usual.is_usual(Version::V3_1, "c") && !usual.is_usual(Version::V5, "a"));
        assert_eq!(usual.text(), "v3.1.1  c\nv5  b\n");
    }

    #[test]
    fn what_is_written_reads_back() {
        let usual = of(&[
            (Version::V5, "CONNACK: { reason_code: 0 }"),
            (Version::V3_1, "CONNACK: { a: \"b  c\" }"),
        ]);
        assert_eq!(Usual::read(&usual.text()), usual);
        assert!(Usual::read("something else\nv9  CONNACK\n").is_empty());
    }

    #[test]
    fn one_completes_another() {
        let both = of(&[(Version::V5, "a")]).or(of(&[(Version::V5, "b"), (Version::V3_1, "c")]));
        assert_eq!(both.text(), "v3.1  c\nv5  a\n");
    }
}
