//! Wills that are due, and who waits for them (section 3.1.2.5).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::conn::Will;
use super::finding::{Finding, Invariant, Place};
use super::stream::PATIENCE;
use crate::statements::{PerVersion, ids};
use crate::wire::{Side, Version};

const PUBLISHED: PerVersion = ids![v3_1: "§2.2/will-published", v3_1_1: "MQTT-3.1.2-8", v5: "MQTT-3.1.2-8"];

pub const WILL: Invariant = Invariant {
    name: "will-is-published",
    about: "The will of a client whose connection ends without a DISCONNECT reaches each session with a matching subscription.",
    ids: &[PUBLISHED],
    in_cases: false,
    in_captures: true,
};

/// At most this many wills are kept, and as many of open connections.
const MOST: usize = 4096;

/// A will that the broker has to publish.
#[derive(Debug)]
struct Due {
    will: Will,
    version: Version,
    /// The end of the connection.
    ended: Place,
    /// The session that it belongs to, and the sessions that wait for it, each with its connection.
    owner: u64,
    waiting: BTreeMap<u64, u32>,
}

/// All wills.
#[derive(Debug, Default)]
pub struct Wills {
    due: Vec<Due>,
    /// The connections that are open, by the will that they have.
    open: HashMap<(u64, u64), BTreeSet<u32>>,
}

impl Wills {
    pub fn is_empty(&self) -> bool {
        self.due.is_empty() && self.open.is_empty()
    }

    /// A connection with a will was accepted.
    pub fn begin(&mut self, connection: u32, will: &Will) {
        if self.open.len() < MOST {
            self.open.entry(will.content).or_default().insert(connection);
        }
    }

    /// That connection has ended.
    pub fn end(&mut self, connection: u32, will: &Will) {
        if let Some(open) = self.open.get_mut(&will.content) {
            open.remove(&connection);
            if open.is_empty() {
                self.open.remove(&will.content);
            }
        }
    }

    /// The open connections whose will a delivery may be.
    pub fn open_with(&self, content: (u64, u64)) -> impl Iterator<Item = u32> + '_ {
        self.open.get(&content).into_iter().flatten().copied()
    }

    /// The broker has to publish a will.
    pub fn due(&mut self, will: Will, version: Version, ended: Place, owner: u64, waiting: BTreeMap<u64, u32>) {
        if waiting.is_empty() {
            return;
        }
        if self.due.len() >= MOST {
            self.due.remove(0);
        }
        self.due.push(Due {
            will,
            version,
            ended,
            owner,
            waiting,
        });
    }

    /// In 5.0, a session that goes on takes back a will that is delayed (MQTT-3.1.3-9).
    pub fn taken_back(&mut self, owner: u64) {
        self.due.retain(|d| d.owner != owner || d.version != Version::V5);
    }

    /// A message came.
    pub fn came(&mut self, session: u64, content: (u64, u64)) {
        for due in self.due.iter_mut().filter(|d| d.will.content == content) {
            due.waiting.remove(&session);
        }
        self.due.retain(|d| !d.waiting.is_empty());
    }

    /// A session's connection is over: nothing more can come on it. The wills that did not come although the broker spoke
    /// on it later.
    pub fn missing(
        &mut self,
        session: u64,
        shown: Place,
        until: std::time::Duration,
        version: Version,
    ) -> Vec<Finding> {
        let mut found = Vec::new();
        for due in &mut self.due {
            if due.waiting.remove(&session) != Some(shown.connection) {
                continue;
            }
            let delay = std::time::Duration::from_secs(due.will.delay.into());
            let waited = until.saturating_sub(due.ended.at);
            if waited <= PATIENCE + delay {
                continue;
            }
            let text = format!(
                "a client's connection ended without DISCONNECT, and its will did not come in {:.1} s; it is not known whether \
                 the broker saw the end, and whether this client may receive the will",
                waited.as_secs_f64()
            );
            let finding = WILL.broken(PUBLISHED, version, Side::Server, [due.ended, shown], text);
            found.extend(finding.map(|f| f.certain(false)));
        }
        self.due.retain(|d| !d.waiting.is_empty());
        found
    }

    /// How many things are held.
    pub fn size(&self) -> usize {
        let waiting: usize = self.due.iter().map(|d| 1 + d.waiting.len()).sum();
        waiting + self.open.values().map(BTreeSet::len).sum::<usize>()
    }
}
