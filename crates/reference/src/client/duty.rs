//! The duties: what a client must do by its own decision, and the statements that require it. `core` asks
//! `self.breaks(DUTY)` where it can take a wrong decision on purpose, and `sabotage` where it can spoil a packet.

use std::collections::BTreeSet;

use crate::statements::{PerVersion, StatementId, Version, ids};

macro_rules! duties {
    ($($(#[$doc:meta])* $name:ident = $ids:expr;)*) => {
        $($(#[$doc])* pub(super) const $name: PerVersion = $ids;)*
        /// All of them.
        const ALL: &[PerVersion] = &[$($name),*];
    };
}

duties! {
    CONNECT_FIRST = ids![v3_1: "§3.1/connect-first", v3_1_1: "MQTT-3.1.0-1", v5: "MQTT-3.1.0-1"];
    WILL = ids![v3_1: "§2.2/will-fields", v3_1_1: "MQTT-3.1.2-9", v5: "MQTT-3.1.2-9"];
    USER_NAME = ids![v3_1_1: "MQTT-3.1.2-19", v5: "MQTT-3.1.2-17"];
    PASSWORD = ids![v3_1_1: "MQTT-3.1.2-21", v5: "MQTT-3.1.2-19"];
    KEEP_ALIVE = ids![v3_1: "§2.2/keep-alive-client", v3_1_1: "MQTT-3.1.2-23", v5: "MQTT-3.1.2-20"];
    SERVER_KEEP_ALIVE = ids![v5: ["MQTT-3.1.2-21", "MQTT-3.2.2-21"]];
    NO_STATE_CLOSES = ids![v5: "MQTT-3.2.2-4"];
    LOST_STATE_IS_DROPPED = ids![v5: "MQTT-3.2.2-5"];
    MAXIMUM_QOS = ids![v5: "MQTT-3.2.2-11"];
    RETAIN_AVAILABLE = ids![v5: "MQTT-3.2.2-14"];
    MAXIMUM_PACKET_SIZE = ids![v5: "MQTT-3.2.2-15"];
    TOPIC_ALIAS_MAXIMUM = ids![v5: ["MQTT-3.2.2-17", "MQTT-3.3.2-9"]];
    NO_TOPIC_ALIAS = ids![v5: "MQTT-3.2.2-18"];
    ACCEPT_ALIASES = ids![v5: "MQTT-3.3.2-10"];
    RECEIVE_MAXIMUM = ids![v5: ["MQTT-3.3.4-7", "MQTT-4.9.0-2"]];
    OTHERS_DO_NOT_WAIT = ids![v5: ["MQTT-3.3.4-8", "MQTT-4.9.0-3"]];
    UNIQUE_IDS = ids![v3_1: "§2.4/message-id-unique", v3_1_1: "MQTT-2.3.1-2", v5: "MQTT-2.2.1-3"];
    NONZERO_IDS = ids![v3_1: "§2.4/message-id-zero", v3_1_1: "MQTT-2.3.1-1"];
    DUP_ON_RESEND = ids![v3_1: ["§2.1/dup-on-redelivery", "§4.2/dup-on-retry"], v3_1_1: "MQTT-3.3.1-1", v5: "MQTT-3.3.1-1"];
    SAME_ID_ON_RESEND = ids![v3_1_1: "MQTT-2.3.1-3"];
    RESEND = ids![v3_1: ["§4.1/qos-1-resend", "§4.1/qos-2-resume", "§4.2/on-reconnect"], v3_1_1: "MQTT-4.4.0-1", v5: "MQTT-4.4.0-1"];
    HOLD_QOS_1 = ids![v3_1_1: "MQTT-4.3.2-1", v5: "MQTT-4.3.2-3"];
    HOLD_QOS_2 = ids![v5: "MQTT-4.3.3-3"];
    HOLD_PUBREL = ids![v5: "MQTT-4.3.3-5"];
    RELEASED_IS_NOT_RESENT = ids![v5: "MQTT-4.3.3-6"];
    REFUSED_IS_ACKNOWLEDGED = ids![v5: "MQTT-4.4.0-2"];
    PUBREL = ids![v3_1: "§3.5/pubrel", v3_1_1: "MQTT-4.3.3-1", v5: "MQTT-4.3.3-4"];
    PUBACK = ids![v3_1: "§3.3/puback", v3_1_1: "MQTT-4.3.2-2", v5: "MQTT-4.3.2-4"];
    ACKNOWLEDGE = ids![v3_1_1: "MQTT-4.5.0-2", v5: "MQTT-4.5.0-2"];
    BY_QOS = ids![v3_1_1: "MQTT-3.3.4-1", v5: "MQTT-3.3.4-1"];
    ACK_ID = ids![v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
    PUBREC = ids![v3_1: "§3.3/pubrec", v3_1_1: "MQTT-4.3.3-2", v5: "MQTT-4.3.3-8"];
    REFUSED_ENDS = ids![v5: "MQTT-4.3.3-9"];
    DELIVERED_ONCE = ids![v3_1: "§4.1/qos-2-once"];
    PUBREC_AGAIN = ids![v5: "MQTT-4.3.3-10"];
    PUBCOMP = ids![v3_1: "§3.6/pubcomp", v5: "MQTT-4.3.3-11"];
    NEW_AFTER_PUBACK = ids![v5: "MQTT-4.3.2-5"];
    RESEND_ORDER = ids![v3_1_1: "MQTT-4.6.0-1", v5: "MQTT-4.6.0-1"];
    PUBACK_ORDER = ids![v3_1_1: "MQTT-4.6.0-2", v5: "MQTT-4.6.0-2"];
    PUBREC_ORDER = ids![v3_1_1: "MQTT-4.6.0-3", v5: "MQTT-4.6.0-3"];
    PUBREL_ORDER = ids![v3_1_1: "MQTT-4.6.0-4", v5: "MQTT-4.6.0-4"];
    SILENT_AFTER_DISCONNECT = ids![v3_1_1: "MQTT-3.14.4-2", v5: "MQTT-3.14.4-1"];
    CLOSE_AFTER_DISCONNECT = ids![v3_1_1: "MQTT-3.14.4-1", v5: "MQTT-3.14.4-2"];
    CLOSE_ON_FLAGS = ids![v3_1_1: "MQTT-2.2.2-2"];
    CLOSE_ON_ILL_FORMED = ids![v3_1_1: "MQTT-1.5.3-1"];
    CLOSE_ON_NUL = ids![v3_1_1: "MQTT-1.5.3-2"];
    CLOSE_ON_QOS_3 = ids![v3_1_1: "MQTT-3.3.1-4"];
    CLOSE_ON_VIOLATION = ids![v3_1_1: "MQTT-4.8.0-1", v5: "§4.13.1/client-closes"];
    CLOSE_ON_DISCONNECT_FLAGS = ids![v5: "MQTT-3.14.1-1"];
    CLOSE_ON_AUTH_FLAGS = ids![v5: "MQTT-3.15.1-1"];
    KEEP_SESSION = ids![v3_1_1: ["MQTT-3.1.2-4", "MQTT-4.1.0-1"], v5: "MQTT-3.1.2-23"];
    CLEAN_SESSION = ids![v3_1_1: "MQTT-3.1.2-6", v5: "MQTT-3.1.2-4"];
    SAME_CLIENT_ID = ids![v3_1_1: "MQTT-3.1.3-2", v5: "MQTT-3.1.3-2"];
    STATE_WHILE_CONNECTED = ids![v5: "MQTT-4.1.0-1"];
    INITIAL_QUOTA = ids![v5: "MQTT-4.9.0-1"];
    SEND_QUOTA = ids![v5: "§4.9/send-quota"];
    ALIASES_END = ids![v5: "MQTT-3.3.2-7"];
    UNIQUE_IDS_QOS_1 = ids![v5: "MQTT-4.3.2-1"];
    UNIQUE_IDS_QOS_2 = ids![v5: "MQTT-4.3.3-1"];
    FIRST_QOS_1 = ids![v5: "MQTT-4.3.2-2"];
    FIRST_QOS_2 = ids![v5: "MQTT-4.3.3-2"];
    SENT_DOES_NOT_EXPIRE = ids![v5: "MQTT-4.3.3-7"];
    RECEIVED_DOES_NOT_EXPIRE = ids![v5: "MQTT-4.3.3-13"];
    NEW_AFTER_PUBCOMP = ids![v5: "MQTT-4.3.3-12"];
    IDS_OF_A_DIRECTION = ids![v3_1: "§2.4/message-id-direction"];
    DUP_IS_A_HINT = ids![v3_1: "§2.1/dup-hint"];
    EXPIRY_FROM_ZERO = ids![v5: "§3.14.2.2.2/expiry-from-zero"];
    CLOSE_AFTER_ERROR = ids![v5: "MQTT-4.13.2-1"];
    DISCONNECT_REASON_FITS = ids![v5: "MQTT-3.14.2-3"];
    DISCONNECT_PROPERTY_FITS = ids![v5: "MQTT-3.14.2-4"];
    AUTH_BEFORE_CONNACK = ids![v5: "MQTT-3.1.2-30"];
    NO_AUTH_UNASKED = ids![v5: "MQTT-4.12.0-7"];
    AUTH_CONTINUES = ids![v5: "MQTT-4.12.0-3"];
    AUTH_FAILURE_CLOSES = ids![v5: "MQTT-4.12.1-2"];
    AUTH_REASON_FITS = ids![v5: "MQTT-3.15.2-2"];
    AUTH_PROPERTY_FITS = ids![v5: "MQTT-3.15.2-3"];

    // The form of packets.
    PROTOCOL_NAME = ids![v3_1: "§2.2/protocol-name", v5: "MQTT-3.1.2-1"];
    PROTOCOL_LEVEL = ids![v3_1: "§2.2/protocol-version"];
    WILL_QOS_WITHOUT_WILL = ids![v3_1_1: ["MQTT-3.1.2-11", "MQTT-3.1.2-13"], v5: "MQTT-3.1.2-11"];
    WILL_RETAIN_WITHOUT_WILL = ids![v3_1_1: "MQTT-3.1.2-15", v5: "MQTT-3.1.2-13"];
    USER_NAME_FLAG = ids![v3_1_1: "MQTT-3.1.2-18", v5: "MQTT-3.1.2-16"];
    PASSWORD_FLAG = ids![v3_1_1: "MQTT-3.1.2-20", v5: "MQTT-3.1.2-18"];
    CLIENT_ID_THERE = ids![v3_1_1: "MQTT-3.1.3-3", v5: "MQTT-3.1.3-3"];
    PAYLOAD_ORDER = ids![v3_1_1: "MQTT-3.1.3-1", v5: "MQTT-3.1.3-1"];
    UTF8 = ids![v3_1: "§2.5/utf-8", v5: "MQTT-1.5.4-1"];
    UTF8_CLIENT_ID = ids![v3_1_1: "MQTT-3.1.3-4", v5: "MQTT-3.1.3-4"];
    UTF8_WILL_TOPIC = ids![v3_1_1: "MQTT-3.1.3-10", v5: "MQTT-3.1.3-11"];
    UTF8_USER_NAME = ids![v3_1_1: "MQTT-3.1.3-11", v5: "MQTT-3.1.3-12"];
    UTF8_TOPIC = ids![v3_1_1: "MQTT-3.3.2-1", v5: "MQTT-3.3.2-1"];
    UTF8_RESPONSE_TOPIC = ids![v5: "MQTT-3.3.2-13"];
    UTF8_CONTENT_TYPE = ids![v5: "MQTT-3.3.2-19"];
    UTF8_PAIR = ids![v5: "MQTT-1.5.7-1"];
    UTF8_SUBSCRIBE = ids![v3_1_1: "MQTT-3.8.3-1", v5: "MQTT-3.8.3-1"];
    UTF8_UNSUBSCRIBE = ids![v3_1_1: "MQTT-3.10.3-1", v5: "MQTT-3.10.3-1"];
    BYTE_ORDER_MARK = ids![v3_1_1: "MQTT-1.5.3-3", v5: "MQTT-1.5.4-3"];
    FLAGS = ids![v3_1: "§2.6/unused-bits", v3_1_1: "MQTT-2.2.2-1", v5: "MQTT-2.1.3-1"];
    PUBREL_FLAGS = ids![v3_1: "§3.6/qos-1", v3_1_1: "MQTT-3.6.1-1", v5: "MQTT-3.6.1-1"];
    SUBSCRIBE_FLAGS = ids![v3_1: "§3.8/qos-1", v3_1_1: "MQTT-3.8.1-1", v5: "MQTT-3.8.1-1"];
    UNSUBSCRIBE_FLAGS = ids![v3_1: "§3.10/qos-1", v3_1_1: "MQTT-3.10.1-1", v5: "MQTT-3.10.1-1"];
    PACKET_TYPE = ids![v3_1: "§2.1/message-type", v3_1_1: "§2.2.1/packet-type", v5: "§2.1.2/packet-type"];
    REMAINING_LENGTH = ids![v3_1: "§2.1/remaining-length", v3_1_1: "§2.2.3/remaining-length", v5: "§2.1.4/remaining-length"];
    FOUR_BYTES = ids![v3_1: "§2.1/four-bytes", v3_1_1: "§2.2.3/four-bytes", v5: "§1.5.5/four-bytes"];
    MINIMAL = ids![v5: "MQTT-1.5.5-1"];
    DUP_QOS_0 = ids![v3_1: "§2.1/dup-qos-0", v3_1_1: ["MQTT-3.3.1-2", "MQTT-4.3.1-1"], v5: ["MQTT-3.3.1-2", "MQTT-4.3.1-1"]];
    NO_ID_QOS_0 = ids![v3_1: "§2.4/message-id-qos", v3_1_1: "MQTT-2.3.1-5", v5: "MQTT-2.2.1-2"];
    PROPERTIES_THERE = ids![v5: "MQTT-2.2.2-1"];
    PROPERTY_LENGTH = ids![v5: "§2.2.2.1/property-length"];
    PROPERTY_ALLOWED = ids![v5: "§2.2.2.2/allowed"];
    PROPERTY_ONCE = ids![v5: "§2.2.2.2/single-use"];
    PUBACK_CODE = ids![v5: "MQTT-3.4.2-1"];
    PUBREC_CODE = ids![v5: "MQTT-3.5.2-1"];
    PUBREL_CODE = ids![v5: "MQTT-3.6.2-1"];
    PUBCOMP_CODE = ids![v5: "MQTT-3.7.2-1"];
    AUTH_CODE = ids![v5: "MQTT-3.15.2-1"];
    AUTH_CODE_SENDER = ids![v5: "§3.15.2.1/sent-by"];
    AUTH_METHOD_THERE = ids![v5: "§3.15.2.2.2/authentication-method"];
    AUTH_METHOD = ids![v5: ["MQTT-4.12.0-5", "MQTT-4.12.1-1"]];
    PUBACK_REASON_FITS = ids![v5: "MQTT-3.4.2-2"];
    PUBACK_PROPERTY_FITS = ids![v5: "MQTT-3.4.2-3"];
    PUBREC_REASON_FITS = ids![v5: "MQTT-3.5.2-2"];
    PUBREC_PROPERTY_FITS = ids![v5: "MQTT-3.5.2-3"];
    PUBREL_REASON_FITS = ids![v5: "MQTT-3.6.2-2"];
    PUBREL_PROPERTY_FITS = ids![v5: "MQTT-3.6.2-3"];
    PUBCOMP_REASON_FITS = ids![v5: "MQTT-3.7.2-2"];
    PUBCOMP_PROPERTY_FITS = ids![v5: "MQTT-3.7.2-3"];
    TRANSPORT = ids![v3_1_1: "MQTT-7.1.2-1", v5: "MQTT-4.2.0-1"];

    /// What an application may ask for and a client does not send. A client that keeps a statement refuses the call that
    /// would violate it.
    REFUSES = ids![
        v3_1: [
            "§2.1/qos-3", "§2.2/will-qos", "§2.2/password-needs-user-name", "§3.1/client-id-length",
            "§3.3/topic-wildcards", "§A/one-character", "§A/null", "§A/multi-level", "§A/single-level",
        ],
        v3_1_1: [
            "MQTT-3.1.2-14", "MQTT-3.1.2-22", "MQTT-3.1.3-7", "MQTT-3.3.2-2", "MQTT-3.8.3-3", "MQTT-3.10.3-2",
            "MQTT-4.7.1-1", "MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-4.7.3-1", "MQTT-4.7.3-2",
            "§1.5.3/disallowed-code-points",
        ],
        v5: [
            "MQTT-1.5.4-2", "MQTT-3.1.2-12", "MQTT-3.3.1-4", "MQTT-3.3.2-2", "MQTT-3.3.2-8", "MQTT-3.3.2-14",
            "MQTT-3.3.4-6", "MQTT-3.8.3-2", "MQTT-3.8.3-4", "MQTT-3.10.3-2", "MQTT-3.14.2-1", "MQTT-4.7.0-1",
            "MQTT-4.7.1-1", "MQTT-4.7.1-2", "MQTT-4.7.3-1", "MQTT-4.7.3-2", "MQTT-4.8.2-1", "MQTT-4.8.2-2",
            "§1.5.4/disallowed-code-points", "§3.1.2.11.3/not-zero", "§3.1.2.11.4/not-zero", "§3.1.2.11.6/values",
            "§3.1.2.11.7/values", "§3.1.2.11.10/needs-method", "§3.1.3.2.3/utf-8-payload", "§3.3.2.3.2/utf-8-payload",
            "§3.3.2.3.2/values", "§3.8.2.1.2/not-zero", "§3.8.3.1/maximum-qos", "§3.8.3.1/retain-handling",
            "§3.14.2.1/sent-by",
        ],
    ];

    // WebSocket.
    BINARY_FRAMES = ids![v3_1_1: "MQTT-6.0.0-1", v5: "MQTT-6.0.0-1"];
    PACKETS_OVER_FRAMES = ids![v3_1_1: "MQTT-6.0.0-2", v5: "MQTT-6.0.0-2"];
    OFFER_MQTT = ids![v3_1_1: "MQTT-6.0.0-3", v5: "MQTT-6.0.0-3"];
}

/// Every statement that the reference client can break, in the order of the versions.
pub fn statements() -> BTreeSet<StatementId> {
    let at = |version: Version| ALL.iter().flat_map(move |duty| duty.statements(version));
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

    /// Whether this statement is broken.
    pub(super) fn has(&self, id: StatementId) -> bool {
        self.0.contains(&id)
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
