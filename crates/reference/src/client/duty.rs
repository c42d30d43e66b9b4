//! The duties: what a client must do by its own decision, and the statements that require it. `core` asks
//! `self.breaks(DUTY)` where it can take a wrong decision on purpose.

use std::collections::BTreeSet;

use crate::statements::{PerVersion, StatementId, Version, ids};

pub(super) const CONNECT_FIRST: PerVersion =
    ids![v3_1: "§3.1/connect-first", v3_1_1: "MQTT-3.1.0-1", v5: "MQTT-3.1.0-1"];
pub(super) const WILL: PerVersion = ids![v3_1: "§2.2/will-fields", v3_1_1: "MQTT-3.1.2-9", v5: "MQTT-3.1.2-9"];
pub(super) const USER_NAME: PerVersion = ids![v3_1_1: "MQTT-3.1.2-19", v5: "MQTT-3.1.2-17"];
pub(super) const PASSWORD: PerVersion = ids![v3_1_1: "MQTT-3.1.2-21", v5: "MQTT-3.1.2-19"];
pub(super) const KEEP_ALIVE: PerVersion =
    ids![v3_1: "§2.2/keep-alive-client", v3_1_1: "MQTT-3.1.2-23", v5: "MQTT-3.1.2-20"];
pub(super) const SERVER_KEEP_ALIVE: PerVersion = ids![v5: ["MQTT-3.1.2-21", "MQTT-3.2.2-21"]];
pub(super) const NO_STATE_CLOSES: PerVersion = ids![v5: "MQTT-3.2.2-4"];
pub(super) const LOST_STATE_IS_DROPPED: PerVersion = ids![v5: "MQTT-3.2.2-5"];
pub(super) const MAXIMUM_QOS: PerVersion = ids![v5: "MQTT-3.2.2-11"];
pub(super) const RETAIN_AVAILABLE: PerVersion = ids![v5: "MQTT-3.2.2-14"];
pub(super) const MAXIMUM_PACKET_SIZE: PerVersion = ids![v5: "MQTT-3.2.2-15"];
pub(super) const TOPIC_ALIAS_MAXIMUM: PerVersion = ids![v5: ["MQTT-3.2.2-17", "MQTT-3.3.2-9"]];
pub(super) const NO_TOPIC_ALIAS: PerVersion = ids![v5: "MQTT-3.2.2-18"];
pub(super) const ACCEPT_ALIASES: PerVersion = ids![v5: "MQTT-3.3.2-10"];
pub(super) const RECEIVE_MAXIMUM: PerVersion = ids![v5: ["MQTT-3.3.4-7", "MQTT-4.9.0-2"]];
pub(super) const OTHERS_DO_NOT_WAIT: PerVersion = ids![v5: ["MQTT-3.3.4-8", "MQTT-4.9.0-3"]];
pub(super) const UNIQUE_IDS: PerVersion =
    ids![v3_1: "§2.4/message-id-unique", v3_1_1: "MQTT-2.3.1-2", v5: "MQTT-2.2.1-3"];
pub(super) const NONZERO_IDS: PerVersion = ids![v3_1_1: "MQTT-2.3.1-1"];
pub(super) const DUP_ON_RESEND: PerVersion = ids![v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
pub(super) const SAME_ID_ON_RESEND: PerVersion = ids![v3_1_1: "MQTT-2.3.1-3"];
pub(super) const RESEND: PerVersion = ids![v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];
pub(super) const HOLD_QOS_1: PerVersion = ids![v3_1_1: "MQTT-4.3.2-1", v5: "MQTT-4.3.2-3"];
pub(super) const HOLD_QOS_2: PerVersion = ids![v5: "MQTT-4.3.3-3"];
pub(super) const HOLD_PUBREL: PerVersion = ids![v5: "MQTT-4.3.3-5"];
pub(super) const RELEASED_IS_NOT_RESENT: PerVersion = ids![v5: "MQTT-4.3.3-6"];
pub(super) const REFUSED_IS_ACKNOWLEDGED: PerVersion = ids![v5: "MQTT-4.4.0-2"];
pub(super) const PUBREL: PerVersion = ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-4"];
pub(super) const PUBACK: PerVersion = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-4.3.2-2", v5: "MQTT-4.3.2-4"];
pub(super) const ACKNOWLEDGE: PerVersion = ids![v3_1_1: "MQTT-4.5.0-2", v5: "MQTT-4.5.0-2"];
pub(super) const BY_QOS: PerVersion = ids![v3_1_1: "MQTT-3.3.4-1", v5: "MQTT-3.3.4-1"];
pub(super) const ACK_ID: PerVersion = ids![v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
pub(super) const PUBREC: PerVersion = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-8"];
pub(super) const PUBREC_AGAIN: PerVersion = ids![v5: "MQTT-4.3.3-10"];
pub(super) const PUBCOMP: PerVersion = ids![v3_1: "§3.6/pubcomp", v5: "MQTT-4.3.3-11"];
pub(super) const NEW_AFTER_PUBACK: PerVersion = ids![v5: "MQTT-4.3.2-5"];
pub(super) const RESEND_ORDER: PerVersion = ids![v3_1_1: "MQTT-4.6.0-1", v5: "MQTT-4.6.0-1"];
pub(super) const PUBACK_ORDER: PerVersion = ids![v3_1_1: "MQTT-4.6.0-2", v5: "MQTT-4.6.0-2"];
pub(super) const PUBREC_ORDER: PerVersion = ids![v3_1_1: "MQTT-4.6.0-3", v5: "MQTT-4.6.0-3"];
pub(super) const PUBREL_ORDER: PerVersion = ids![v3_1_1: "MQTT-4.6.0-4", v5: "MQTT-4.6.0-4"];
pub(super) const SILENT_AFTER_DISCONNECT: PerVersion = ids![v3_1_1: "MQTT-3.14.4-2", v5: "MQTT-3.14.4-1"];
pub(super) const CLOSE_AFTER_DISCONNECT: PerVersion = ids![v3_1_1: "MQTT-3.14.4-1", v5: "MQTT-3.14.4-2"];
pub(super) const PLAIN_TOPICS: PerVersion =
    ids![v3_1_1: ["MQTT-3.3.2-2", "MQTT-4.7.1-1"], v5: ["MQTT-3.3.2-2", "MQTT-4.7.0-1"]];
pub(super) const NO_NUL: PerVersion = ids![v3_1_1: "MQTT-4.7.3-2", v5: "MQTT-4.7.3-2"];
pub(super) const NO_QOS_3: PerVersion = ids![v5: "MQTT-3.3.1-4"];
pub(super) const MULTI_LEVEL: PerVersion = ids![v3_1: "§A/multi-level", v3_1_1: "MQTT-4.7.1-2", v5: "MQTT-4.7.1-1"];
pub(super) const SINGLE_LEVEL: PerVersion = ids![v3_1: "§A/single-level", v3_1_1: "MQTT-4.7.1-3", v5: "MQTT-4.7.1-2"];
pub(super) const CLOSE_ON_FLAGS: PerVersion = ids![v3_1_1: "MQTT-2.2.2-2"];
pub(super) const CLOSE_ON_ILL_FORMED: PerVersion = ids![v3_1_1: "MQTT-1.5.3-1"];
pub(super) const CLOSE_ON_NUL: PerVersion = ids![v3_1_1: "MQTT-1.5.3-2"];
pub(super) const CLOSE_ON_QOS_3: PerVersion = ids![v3_1_1: "MQTT-3.3.1-4"];
pub(super) const CLOSE_ON_VIOLATION: PerVersion = ids![v3_1_1: "MQTT-4.8.0-1"];
pub(super) const CLOSE_ON_DISCONNECT_FLAGS: PerVersion = ids![v5: "MQTT-3.14.1-1"];

/// All of them.
const ALL: [PerVersion; 52] = [
    CONNECT_FIRST,
    WILL,
    USER_NAME,
    PASSWORD,
    KEEP_ALIVE,
    SERVER_KEEP_ALIVE,
    NO_STATE_CLOSES,
    LOST_STATE_IS_DROPPED,
    MAXIMUM_QOS,
    RETAIN_AVAILABLE,
    MAXIMUM_PACKET_SIZE,
    TOPIC_ALIAS_MAXIMUM,
    NO_TOPIC_ALIAS,
    ACCEPT_ALIASES,
    RECEIVE_MAXIMUM,
    OTHERS_DO_NOT_WAIT,
    UNIQUE_IDS,
    NONZERO_IDS,
    DUP_ON_RESEND,
    SAME_ID_ON_RESEND,
    RESEND,
    HOLD_QOS_1,
    HOLD_QOS_2,
    HOLD_PUBREL,
    RELEASED_IS_NOT_RESENT,
    REFUSED_IS_ACKNOWLEDGED,
    PUBREL,
    PUBACK,
    ACKNOWLEDGE,
    BY_QOS,
    ACK_ID,
    PUBREC,
    PUBREC_AGAIN,
    PUBCOMP,
    NEW_AFTER_PUBACK,
    RESEND_ORDER,
    PUBACK_ORDER,
    PUBREC_ORDER,
    PUBREL_ORDER,
    SILENT_AFTER_DISCONNECT,
    CLOSE_AFTER_DISCONNECT,
    PLAIN_TOPICS,
    NO_NUL,
    NO_QOS_3,
    MULTI_LEVEL,
    SINGLE_LEVEL,
    CLOSE_ON_FLAGS,
    CLOSE_ON_ILL_FORMED,
    CLOSE_ON_NUL,
    CLOSE_ON_QOS_3,
    CLOSE_ON_VIOLATION,
    CLOSE_ON_DISCONNECT_FLAGS,
];

/// Every statement that the reference client can break, in the order of the versions.
pub fn statements() -> BTreeSet<StatementId> {
    let at = |version: Version| ALL.into_iter().flat_map(move |duty| duty.statements(version));
    Version::ALL.into_iter().flat_map(at).collect()
}

/// The statements that a reference client breaks on purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disobey(BTreeSet<StatementId>);

/// A statement that the reference client cannot break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the reference client cannot break `{0}`; `mqttspec client --list-faults` prints what it can")]
pub struct Unknown(pub String);

impl Disobey {
    /// Breaks this statement.
    pub fn statement(id: StatementId) -> Disobey {
        Disobey(BTreeSet::from([id]))
    }

    /// Breaks the statements with these ids: `MQTT-4.4.0-1` at every version that has it, `v5:MQTT-4.4.0-1` at one.
    ///
    /// # Errors
    /// The first of them that the client cannot break.
    pub fn parse(ids: &[String]) -> Result<Disobey, Unknown> {
        let mut broken = BTreeSet::new();
        for wanted in ids {
            let before = broken.len();
            broken.extend(
                statements()
                    .into_iter()
                    .filter(|id| id.id == wanted || id.to_string() == *wanted),
            );
            if broken.len() == before {
                return Err(Unknown(wanted.clone()));
            }
        }
        Ok(Disobey(broken))
    }

    /// Whether one of the duty's statements is broken at this version.
    pub(super) fn breaks(&self, duty: PerVersion, version: Version) -> bool {
        !self.0.is_empty() && duty.statements(version).any(|id| self.0.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::catalogue;

    #[test]
    fn every_statement_is_in_the_catalogue_once() {
        for id in statements() {
            assert!(catalogue().get(id).is_some(), "{id}");
        }
        let all = ALL
            .iter()
            .flat_map(|duty| Version::ALL.map(|v| duty.statements(v).count()));
        assert_eq!(
            all.sum::<usize>(),
            statements().len(),
            "no two duties share a statement"
        );
    }

    #[test]
    fn a_statement_is_named_with_or_without_its_version() {
        let one = Disobey::parse(&["v5:MQTT-4.4.0-1".to_owned()]).unwrap();
        assert!(one.breaks(RESEND, Version::V5) && !one.breaks(RESEND, Version::V3_1_1));
        let both = Disobey::parse(&["MQTT-4.4.0-1".to_owned()]).unwrap();
        assert!(both.breaks(RESEND, Version::V5) && both.breaks(RESEND, Version::V3_1_1));
        assert!(Disobey::parse(&["MQTT-9.9.9-9".to_owned()]).is_err());
    }
}
