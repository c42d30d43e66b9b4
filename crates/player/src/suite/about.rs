//! What is said of a run besides its results: when it began, what the user calls it, and which cases of which set it plays.

use std::fmt;
use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash64;

use crate::scenario::Outline;

/// The circumstances of a run, which only its caller knows. Reports show them, and results that do not belong together
/// are told apart by them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// When the run began: RFC 3339, in UTC, to the second.
    pub started: Option<String>,
    /// What the user calls the run, such as a commit.
    pub label: Option<String>,
    /// The cases that were selected.
    pub selected: Option<Selected>,
    /// Which part of them the run plays; `None` is all.
    pub shard: Option<Shard>,
}

/// Cases that were selected from a set, in all shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// The options that select, word by word, without `--shard`; empty if they are all of the embedded set.
    pub arguments: Vec<String>,
    /// How many cases they are.
    pub cases: usize,
    /// A digest of their ids.
    pub digest: String,
    /// A digest of the scenarios of the whole set, with their texts.
    pub suite: String,
}

impl Selected {
    /// Describes the cases `taken` of the set `all`, which `arguments` select.
    pub fn of<A: AsRef<Outline>, T: AsRef<Outline>>(arguments: Vec<String>, all: &[A], taken: &[T]) -> Selected {
        let ids = taken.iter().map(|case| case.as_ref().id.as_str());
        // The cases of a scenario follow one another.
        let mut headers: Vec<_> = all.iter().map(|case| &case.as_ref().header).collect();
        headers.dedup_by(|a, b| a.path == b.path);
        let texts = headers.iter().flat_map(|h| [h.path.as_str(), h.source.text.as_str()]);
        Selected {
            arguments,
            cases: taken.len(),
            digest: digest(ids),
            suite: digest(texts),
        }
    }
}

/// Part `index`, from 1, of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    pub index: u32,
    pub count: u32,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of {}", self.index, self.count)
    }
}

/// 16 hexadecimal digits of texts, which depend on where each of them ends.
fn digest<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut hasher = XxHash64::with_seed(0);
    for text in texts {
        hasher.write(&(text.len() as u64).to_le_bytes());
        hasher.write(text.as_bytes());
    }
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_every_text_and_on_its_end() {
        assert_eq!(digest(["a", "bc"]), digest(["a", "bc"]));
        assert_ne!(digest(["a", "bc"]), digest(["ab", "c"]));
        assert_ne!(digest(["a"]), digest(["a", ""]));
        assert_eq!(digest([]).len(), 16);
    }
}
