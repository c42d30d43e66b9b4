//! Seam 1 of fault injection: which violations by a client can be let through, and which statements imply each other.

use std::collections::BTreeSet;

use crate::statements::{Binds, StatementId, Version, catalogue};
use crate::wire::decoder_statements;

/// Violations by a sequence of packets, which the decoder cannot see: `core` finds these itself.
const OF_SEQUENCES: &[StatementId] = &[
    StatementId::new(Version::V3_1, "§3.1/connect-first"),
    StatementId::new(Version::V3_1_1, "MQTT-3.1.0-1"),
    StatementId::new(Version::V3_1_1, "MQTT-3.1.0-2"),
    StatementId::new(Version::V3_1_1, "MQTT-3.1.4-1"),
    StatementId::new(Version::V3_1_1, "MQTT-4.8.0-1"),
    StatementId::new(Version::V5, "MQTT-3.1.0-1"),
    StatementId::new(Version::V5, "MQTT-3.1.0-2"),
    StatementId::new(Version::V5, "MQTT-3.1.4-1"),
    StatementId::new(Version::V5, "MQTT-3.2.2-11"),
    StatementId::new(Version::V5, "MQTT-3.2.2-14"),
    StatementId::new(Version::V5, "MQTT-3.2.2-15"),
    StatementId::new(Version::V5, "MQTT-3.2.2-17"),
    StatementId::new(Version::V5, "MQTT-3.2.2-18"),
    StatementId::new(Version::V5, "MQTT-3.3.2-9"),
    StatementId::new(Version::V5, "MQTT-3.3.4-7"),
    StatementId::new(Version::V5, "MQTT-4.12.0-5"),
    StatementId::new(Version::V5, "MQTT-4.12.0-7"),
    StatementId::new(Version::V5, "MQTT-4.12.1-1"),
    StatementId::new(Version::V5, "MQTT-4.12.1-2"),
    StatementId::new(Version::V5, "MQTT-4.13.1-1"),
    StatementId::new(Version::V5, "§3.14.2.2.2/expiry-from-zero"),
];

/// Statements that the decoder reports and that refuse no client: those about packets of the server, payloads that are not
/// checked, and client ids, which are a duty of `core`.
const NOT_REFUSED: &[&str] = &[
    "MQTT-2.3.1-7",
    "MQTT-2.2.1-6",
    "MQTT-2.2.1-4",
    "MQTT-3.3.2-7",
    "§3.3.2.3.2/utf-8-payload",
    "§3.1.3.2.3/utf-8-payload",
    "§3.1/client-id-length",
];

/// The SHOULDs for which a client is refused. One says what to do (3.1, section 3.8). The values of the other's field are
/// no data that the protocol allows (5.0, section 1.2), so that a server may treat them as a Protocol Error.
pub const REFUSED: &[StatementId] = &[
    StatementId::new(Version::V3_1, "§3.8/qos-3"),
    StatementId::new(Version::V5, "§3.3.2.3.2/values"),
];

/// What an act breaks for a client that is let through: the act alone would apply to one that is refused.
const BEFORE_AN_ACT: &[StatementId] = &[StatementId::new(Version::V3_1, "§A/single-level")];

/// Statements that require the same of the same bytes: letting a violation of one through lets the others through.
const SAME: &[(Version, &[&str])] = &[
    (Version::V3_1_1, &["MQTT-3.1.2-11", "MQTT-3.1.2-13", "MQTT-3.1.2-15"]),
    (Version::V3_1_1, &["MQTT-3.3.2-2", "MQTT-4.7.1-1"]),
    (Version::V3_1_1, &["MQTT-1.5.3-2", "MQTT-4.7.3-2"]),
    (Version::V5, &["MQTT-3.3.2-2", "MQTT-4.7.0-1"]),
    (Version::V5, &["MQTT-1.5.4-2", "MQTT-4.7.3-2"]),
    (Version::V5, &["MQTT-3.2.2-17", "MQTT-3.2.2-18", "MQTT-3.3.2-9"]),
];

/// Every statement of which a client's violation can be let through.
pub fn all() -> Vec<StatementId> {
    let of_packets = Version::ALL.into_iter().flat_map(decoder_statements).filter(|id| {
        // The decoder reports statements that bind only servers for their packets, unless they are about refusing a client.
        let refuses = matches!(
            id.id,
            "MQTT-3.1.2-1" | "MQTT-3.1.2-2" | "MQTT-3.1.2-3" | "MQTT-3.8.3-4" | "MQTT-3.8.3-5" | "§3.8/qos-3"
        ) || matches!((id.version, id.id), (Version::V3_1_1, "MQTT-3.14.1-1"));
        catalogue()
            .get(*id)
            .is_some_and(|s| (s.level.is_must() || REFUSED.contains(&s.id)) && (s.binds != Binds::Server || refuses))
    });
    let is_refused = |id: &StatementId| {
        let is_client_id = *id == StatementId::new(Version::V3_1_1, "MQTT-3.1.3-7");
        catalogue().get(*id).is_some() && !NOT_REFUSED.contains(&id.id) && !is_client_id
    };
    let all: BTreeSet<StatementId> = of_packets
        .chain(OF_SEQUENCES.iter().copied())
        .filter(is_refused)
        .collect();
    all.into_iter().collect()
}

/// Whether the act that breaks `statement` needs a client's violation of it to be let through.
pub fn is_before_an_act(statement: StatementId) -> bool {
    BEFORE_AN_ACT.contains(&statement)
}

/// Whether a violation of `statement` is let through when those of `tolerated` are.
pub fn covers(tolerated: &BTreeSet<StatementId>, statement: StatementId) -> bool {
    if tolerated.contains(&statement) {
        return true;
    }
    let same = (SAME
        .iter()
        .filter(|(version, ids)| *version == statement.version && ids.contains(&statement.id)))
    .flat_map(|(version, ids)| ids.iter().map(|id| StatementId::new(*version, id)));
    // The statement that obliges the server to react covers all that it enforces.
    let enforcers = catalogue()
        .get(statement)
        .map(|s| s.enforced_by.as_slice())
        .unwrap_or_default();
    same.chain(enforcers.iter().copied()).any(|s| tolerated.contains(&s))
        // v5:MQTT-4.13.1-1 is about every Malformed Packet and Protocol Error.
        || statement.version == Version::V5
            && tolerated.contains(&StatementId::new(Version::V5, "MQTT-4.13.1-1"))
}
