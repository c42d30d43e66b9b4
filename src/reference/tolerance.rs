//! Seam 1 of disobedience: which breaches of a client can be let through, and which statements stand for each other.

use std::collections::BTreeSet;

use crate::statements::{Binds, Observe, StatementId, Version, catalogue};

/// Statements that oblige the server itself to refuse something in the bytes that it gets. Those that bind clients are
/// found in the catalogue.
const V3_1_1: &[&str] = &[
    "MQTT-1.5.3-1",
    "MQTT-1.5.3-2",
    "MQTT-2.2.2-2",
    "MQTT-2.3.1-1",
    "MQTT-3.1.0-2",
    "MQTT-3.1.2-1",
    "MQTT-3.1.2-2",
    "MQTT-3.1.2-3",
    "MQTT-3.1.4-1",
    "MQTT-3.3.1-4",
    "MQTT-3.3.2-1",
    "MQTT-3.3.2-2",
    "MQTT-3.6.1-1",
    "MQTT-3.8.1-1",
    "MQTT-3.8.3-4",
    "MQTT-3.10.1-1",
    "MQTT-3.14.1-1",
    "MQTT-4.7.1-1",
    "MQTT-4.7.3-1",
    "MQTT-4.7.3-2",
    "MQTT-4.8.0-1",
];

/// The same for 5.0.
const V5: &[&str] = &[
    "MQTT-1.5.4-1",
    "MQTT-1.5.4-2",
    "MQTT-1.5.5-1",
    "MQTT-1.5.7-1",
    "MQTT-2.1.3-1",
    "MQTT-2.2.2-1",
    "MQTT-3.1.0-2",
    "MQTT-3.1.2-1",
    "MQTT-3.1.2-2",
    "MQTT-3.1.2-3",
    "MQTT-3.1.4-1",
    "MQTT-3.3.1-4",
    "MQTT-3.3.2-1",
    "MQTT-3.3.2-2",
    "MQTT-3.3.2-8",
    "MQTT-3.6.1-1",
    "MQTT-3.8.1-1",
    "MQTT-3.8.3-5",
    "MQTT-3.10.1-1",
    "MQTT-3.14.1-1",
    "MQTT-3.14.2-1",
    "MQTT-3.15.1-1",
    "MQTT-3.15.2-1",
    "MQTT-4.7.0-1",
    "MQTT-4.7.3-1",
    "MQTT-4.7.3-2",
    "MQTT-4.13.1-1",
    "MQTT-4.13.2-1",
];

/// Statements that say the same of the same bytes: who lets a breach of one through lets that of the others through.
const SAME: &[(Version, &[&str])] = &[
    (Version::V3_1_1, &["MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-15"]),
    (Version::V3_1_1, &["MQTT-3.3.2-2", "MQTT-4.7.1-1"]),
    (Version::V3_1_1, &["MQTT-1.5.3-2", "MQTT-4.7.3-2"]),
    (Version::V5, &["MQTT-3.3.2-2", "MQTT-4.7.0-1"]),
    (Version::V5, &["MQTT-1.5.4-2", "MQTT-4.7.3-2"]),
    (Version::V5, &["MQTT-4.13.1-1", "MQTT-4.13.2-1"]),
    (Version::V5, &["MQTT-3.2.2-17", "MQTT-3.2.2-18", "MQTT-3.3.2-9"]),
];

/// Every statement of which a client's breach can be let through.
pub fn all() -> Vec<StatementId> {
    let of_server = |id: StatementId| match id.version {
        Version::V3_1 => false,
        Version::V3_1_1 => V3_1_1.contains(&id.id),
        Version::V5 => V5.contains(&id.id),
    };
    (catalogue().iter())
        .filter(|s| (s.binds == Binds::Client && s.observe == Observe::Wire) || of_server(s.id))
        .map(|s| s.id)
        .collect()
}

/// Whether a breach of `statement` passes when those of `tolerated` do.
pub fn covers(tolerated: &BTreeSet<StatementId>, statement: StatementId) -> bool {
    if tolerated.contains(&statement) {
        return true;
    }
    let same = (SAME
        .iter()
        .filter(|(version, ids)| *version == statement.version && ids.contains(&statement.id)))
    .flat_map(|(version, ids)| ids.iter().map(|id| StatementId::new(*version, id)));
    // The statement that obliges the server to react stands for all that it enforces.
    let enforcers = catalogue()
        .get(statement)
        .map(|s| s.enforced_by.as_slice())
        .unwrap_or_default();
    same.chain(enforcers.iter().copied()).any(|s| tolerated.contains(&s))
        // v5:MQTT-4.13.1-1 is about every Malformed Packet and Protocol Error.
        || statement.version == Version::V5
            && tolerated.iter().any(|t| t.version == Version::V5 && matches!(t.id, "MQTT-4.13.1-1" | "MQTT-4.13.2-1"))
}
