//! Violations by a client that only the broker's state can show: which statement they break, and the broker's answer.
//!
//! What the bytes of a single packet show is found by the decoder and arrives as a [`Fault`].

use super::reason;
use crate::statements::{PerVersion, StatementId, Version, ids};
use crate::wire::PacketType;

/// A client's violation of the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The statements that it violates: if one of them is under fault injection, the violation is let through.
    pub statements: Vec<StatementId>,
    /// The reason code for CONNACK or DISCONNECT of 5.0.
    pub reason: u8,
    /// What was wrong, for the Reason String.
    pub text: String,
}

/// A violation that depends on earlier packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offence {
    /// The first packet is not CONNECT.
    FirstNotConnect,
    SecondConnect,
    /// A topic alias of 0, or above the announced maximum.
    AliasOutOfRange,
    /// An alias without a topic that was not set on this connection.
    AliasUnknown,
    /// No topic and no alias.
    NoTopic,
    /// A wildcard character in a topic name.
    WildcardInTopic,
    /// More QoS 2 exchanges open than the broker's Receive Maximum.
    TooManyOpen,
    PacketTooLarge,
    QosTooHigh,
    RetainNotAvailable,
    /// AUTH although the CONNECT named no method.
    AuthWithoutMethod,
    /// An AUTH before CONNACK that names another method than the CONNECT.
    AuthMethodChanged,
    /// A re-authentication that names another method than the CONNECT.
    OtherMethod,
    /// AUTH with a code that is not for a client, or that continues no exchange.
    AuthOutOfTurn,
    /// A re-authentication with wrong data.
    AuthenticationFailed,
    /// A Session Expiry Interval in DISCONNECT although the CONNECT had none or 0.
    ExpiryRaised,
    SharedNoLocal,
    /// An invalid topic filter.
    BadFilter(PacketType),
}

impl Offence {
    /// The violation in the connection's version.
    pub fn fault(self, version: Version) -> Fault {
        let (ids, reason, text) = match self {
            Offence::FirstNotConnect => (
                ids![v3_1: "§3.1/connect-first", v3_1_1: "MQTT-3.1.0-1", v5: "MQTT-3.1.0-1"],
                reason::PROTOCOL_ERROR,
                "the first packet is not CONNECT",
            ),
            Offence::SecondConnect => (
                ids![v3_1_1: "MQTT-3.1.0-2", v5: "MQTT-3.1.0-2"],
                reason::PROTOCOL_ERROR,
                "a second CONNECT",
            ),
            Offence::AliasOutOfRange => (
                ids![v5: ["MQTT-3.2.2-17", "MQTT-3.2.2-18", "MQTT-3.3.2-8", "MQTT-3.3.2-9"]],
                reason::TOPIC_ALIAS_INVALID,
                "the topic alias is 0 or above the maximum",
            ),
            Offence::AliasUnknown => (
                ids![v5: "MQTT-3.3.2-7"],
                reason::PROTOCOL_ERROR,
                "the topic alias is not set on this connection",
            ),
            Offence::NoTopic => (
                ids![v3_1: "§A/one-character", v3_1_1: "MQTT-4.7.3-1", v5: "MQTT-4.7.3-1"],
                reason::PROTOCOL_ERROR,
                "no topic and no topic alias",
            ),
            Offence::WildcardInTopic => (
                ids![
                    v3_1: "§3.3/topic-wildcards",
                    v3_1_1: ["MQTT-3.3.2-2", "MQTT-4.7.1-1"],
                    v5: ["MQTT-3.3.2-2", "MQTT-4.7.0-1"],
                ],
                reason::TOPIC_NAME_INVALID,
                "a wildcard in the topic name",
            ),
            Offence::TooManyOpen => (
                ids![v5: "MQTT-3.3.4-7"],
                reason::RECEIVE_MAXIMUM_EXCEEDED,
                "more exchanges open than the Receive Maximum",
            ),
            Offence::PacketTooLarge => (
                ids![v5: "MQTT-3.2.2-15"],
                reason::PACKET_TOO_LARGE,
                "the packet is larger than the Maximum Packet Size",
            ),
            Offence::QosTooHigh => (
                ids![v5: "MQTT-3.2.2-11"],
                reason::QOS_NOT_SUPPORTED,
                "the QoS is above the Maximum QoS",
            ),
            Offence::RetainNotAvailable => (
                ids![v5: "MQTT-3.2.2-14"],
                reason::RETAIN_NOT_SUPPORTED,
                "retained messages are not available",
            ),
            Offence::AuthWithoutMethod => (
                ids![v5: "MQTT-4.12.0-7"],
                reason::PROTOCOL_ERROR,
                "AUTH without an Authentication Method in CONNECT",
            ),
            Offence::AuthMethodChanged => (
                ids![v5: "MQTT-4.12.0-5"],
                reason::PROTOCOL_ERROR,
                "AUTH with another Authentication Method than CONNECT",
            ),
            Offence::OtherMethod => (
                ids![v5: "MQTT-4.12.1-1"],
                reason::PROTOCOL_ERROR,
                "re-authentication with another Authentication Method than CONNECT",
            ),
            Offence::AuthOutOfTurn => (
                ids![v5: "§3.15.2.1/sent-by"],
                reason::PROTOCOL_ERROR,
                "AUTH that goes on with nothing",
            ),
            Offence::AuthenticationFailed => (
                ids![v5: "MQTT-4.12.1-2"],
                reason::NOT_AUTHORIZED,
                "the re-authentication has failed",
            ),
            Offence::ExpiryRaised => (
                ids![v5: "§3.14.2.2.2/expiry-from-zero"],
                reason::PROTOCOL_ERROR,
                "the Session Expiry Interval was 0 and cannot be raised",
            ),
            Offence::SharedNoLocal => (
                ids![v5: "MQTT-3.8.3-4"],
                reason::PROTOCOL_ERROR,
                "No Local on a shared subscription",
            ),
            Offence::BadFilter(_) => (FILTER, reason::FILTER_INVALID, "not a topic filter"),
        };
        Fault {
            statements: ids.statements(version).collect(),
            reason,
            text: text.to_owned(),
        }
    }
}

/// The statements about the form of a topic filter. At 5.0 a filter that breaks one of these is refused by its own code in
/// SUBACK or UNSUBACK, 0x8F: "the Topic Filter is correctly formed but is not allowed" (section 3.9.3) is the one reason
/// code that the standard has for it, and it does not affect the other filters of the packet. 3.1.1 and 3.1 have no
/// such code: there the connection is closed (v3.1.1:MQTT-4.8.0-1).
const FILTER: PerVersion = ids![
    v3_1: ["§A/multi-level", "§A/single-level", "§A/one-character"],
    v3_1_1: ["MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-4.7.3-1"],
    v5: ["MQTT-4.7.1-1", "MQTT-4.7.1-2", "MQTT-4.7.3-1", "MQTT-4.8.2-1", "MQTT-4.8.2-2"],
];

impl Fault {
    /// Whether only a topic filter is wrong, which 5.0 answers for that filter alone.
    pub fn is_about_filter(&self) -> bool {
        !self.statements.is_empty()
            && self
                .statements
                .iter()
                .all(|s| s.version == Version::V5 && FILTER.v5.contains(&s.id))
    }
}
