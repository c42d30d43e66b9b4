//! Which statement a malformed packet violates, version by version. Every id that decoding reports is here.

use super::{PacketType, Side, StatementId, Version};
use crate::statements::{PerVersion, ids};

/// Every statement that the decoder can report at `version`.
pub fn decoder_statements(version: Version) -> impl Iterator<Item = StatementId> {
    ALL.iter().flat_map(move |rule| rule.statements(version))
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $ids:expr;)*) => {
        $($(#[$doc])* pub const $name: PerVersion = $ids;)*
        /// Every duty that a single packet can violate.
        const ALL: &[PerVersion] = &[$($name),*];
    };
}

rules! {
    // The fixed header.
    TYPE = ids![v3_1: "§2.1/message-type", v3_1_1: "§2.2.1/packet-type", v5: "§2.1.2/packet-type"];
    DIRECTION = ids![v3_1: "§2.1/message-type", v3_1_1: "§2.2.1/packet-type", v5: "§2.1.2/packet-type"];
    LENGTH_BYTES = ids![v3_1: "§2.1/four-bytes", v3_1_1: "§2.2.3/four-bytes", v5: "§1.5.5/four-bytes"];
    MINIMAL = ids![v5: "MQTT-1.5.5-1"];
    /// A packet that ends inside a field, or goes on after its last one.
    LAYOUT = ids![
        v3_1: "§2.1/remaining-length",
        v3_1_1: "§2.2.3/remaining-length",
        v5: "§2.1.4/remaining-length",
    ];
    FLAGS = ids![v3_1: "§2.6/unused-bits", v3_1_1: ["MQTT-2.2.2-1", "MQTT-2.2.2-2"], v5: "MQTT-2.1.3-1"];
    FLAGS_PUBREL = ids![
        v3_1: "§3.6/qos-1",
        v3_1_1: ["MQTT-3.6.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"],
        v5: ["MQTT-3.6.1-1", "MQTT-2.1.3-1"],
    ];
    FLAGS_SUBSCRIBE = ids![
        v3_1: "§3.8/qos-1",
        v3_1_1: ["MQTT-3.8.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"],
        v5: ["MQTT-3.8.1-1", "MQTT-2.1.3-1"],
    ];
    FLAGS_UNSUBSCRIBE = ids![
        v3_1: "§3.10/qos-1",
        v3_1_1: ["MQTT-3.10.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"],
        v5: ["MQTT-3.10.1-1", "MQTT-2.1.3-1"],
    ];
    FLAGS_DISCONNECT = ids![
        v3_1: "§2.6/unused-bits",
        v3_1_1: ["MQTT-3.14.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"],
        v5: ["MQTT-3.14.1-1", "MQTT-2.1.3-1"],
    ];
    FLAGS_AUTH = ids![v5: ["MQTT-3.15.1-1", "MQTT-2.1.3-1"]];
    /// Bits that 3.1 leaves unused where later versions say more.
    UNUSED = ids![v3_1: "§2.6/unused-bits"];
    DUP_QOS_0 = ids![
        v3_1: "§2.1/dup-qos-0",
        v3_1_1: ["MQTT-3.3.1-2", "MQTT-4.3.1-1"],
        v5: ["MQTT-3.3.1-2", "MQTT-4.3.1-1"],
    ];
    QOS_3 = ids![v3_1: "§2.1/qos-3", v3_1_1: "MQTT-3.3.1-4", v5: "MQTT-3.3.1-4"];

    // Packet identifiers that are 0.
    ID_NEW_CLIENT = ids![v3_1: "§2.4/message-id-zero", v3_1_1: "MQTT-2.3.1-1", v5: "MQTT-2.2.1-3"];
    ID_NEW_SERVER = ids![v3_1: "§2.4/message-id-zero", v3_1_1: "MQTT-2.3.1-1", v5: "MQTT-2.2.1-4"];
    ID_ACK = ids![v3_1: "§2.4/message-id-zero", v3_1_1: "MQTT-2.3.1-6", v5: "MQTT-2.2.1-5"];
    ID_PUBCOMP = ids![
        v3_1: "§2.4/message-id-zero",
        v3_1_1: "MQTT-4.3.3-2",
        v5: ["MQTT-2.2.1-5", "MQTT-4.3.3-11"],
    ];
    ID_SUBACK = ids![
        v3_1: "§2.4/message-id-zero",
        v3_1_1: ["MQTT-2.3.1-7", "MQTT-3.8.4-2"],
        v5: ["MQTT-2.2.1-6", "MQTT-3.8.4-2"],
    ];
    ID_UNSUBACK = ids![
        v3_1: "§2.4/message-id-zero",
        v3_1_1: ["MQTT-2.3.1-7", "MQTT-3.10.4-4"],
        v5: ["MQTT-2.2.1-6", "MQTT-3.10.4-5"],
    ];

    // Strings.
    UTF8 = ids![v3_1: "§2.5/utf-8", v3_1_1: "MQTT-1.5.3-1", v5: "MQTT-1.5.4-1"];
    UTF8_CLIENT_ID = ids![
        v3_1: "§2.5/utf-8",
        v3_1_1: ["MQTT-1.5.3-1", "MQTT-3.1.3-4"],
        v5: ["MQTT-1.5.4-1", "MQTT-3.1.3-4"],
    ];
    UTF8_WILL_TOPIC = ids![
        v3_1: "§2.5/utf-8",
        v3_1_1: ["MQTT-1.5.3-1", "MQTT-3.1.3-10"],
        v5: ["MQTT-1.5.4-1", "MQTT-3.1.3-11"],
    ];
    UTF8_USERNAME = ids![
        v3_1: "§2.5/utf-8",
        v3_1_1: ["MQTT-1.5.3-1", "MQTT-3.1.3-11"],
        v5: ["MQTT-1.5.4-1", "MQTT-3.1.3-12"],
    ];
    UTF8_TOPIC = ids![
        v3_1: "§2.5/utf-8",
        v3_1_1: ["MQTT-1.5.3-1", "MQTT-3.3.2-1"],
        v5: ["MQTT-1.5.4-1", "MQTT-3.3.2-1"],
    ];
    UTF8_RESPONSE_TOPIC = ids![v5: ["MQTT-1.5.4-1", "MQTT-3.3.2-13"]];
    UTF8_CONTENT_TYPE = ids![v5: ["MQTT-1.5.4-1", "MQTT-3.3.2-19"]];
    UTF8_PAIR = ids![v5: ["MQTT-1.5.4-1", "MQTT-1.5.7-1"]];
    UTF8_SUBSCRIBE = ids![
        v3_1: "§2.5/utf-8",
        v3_1_1: ["MQTT-1.5.3-1", "MQTT-3.8.3-1"],
        v5: ["MQTT-1.5.4-1", "MQTT-3.8.3-1"],
    ];
    UTF8_UNSUBSCRIBE = ids![
        v3_1: "§2.5/utf-8",
        v3_1_1: ["MQTT-1.5.3-1", "MQTT-3.10.3-1"],
        v5: ["MQTT-1.5.4-1", "MQTT-3.10.3-1"],
    ];
    NUL = ids![v3_1_1: "MQTT-1.5.3-2", v5: "MQTT-1.5.4-2"];
    NUL_TOPIC = ids![
        v3_1: "§A/null",
        v3_1_1: ["MQTT-1.5.3-2", "MQTT-4.7.3-2"],
        v5: ["MQTT-1.5.4-2", "MQTT-4.7.3-2"],
    ];
    NUL_PAIR = ids![v5: ["MQTT-1.5.4-2", "MQTT-1.5.7-1"]];
    CODE_POINTS = ids![v3_1_1: "§1.5.3/disallowed-code-points", v5: "§1.5.4/disallowed-code-points"];

    // Topic names and filters.
    TOPIC_EMPTY = ids![v3_1: "§A/one-character", v3_1_1: "MQTT-4.7.3-1", v5: "MQTT-4.7.3-1"];
    TOPIC_WILDCARD = ids![
        v3_1: "§3.3/topic-wildcards",
        v3_1_1: ["MQTT-3.3.2-2", "MQTT-4.7.1-1"],
        v5: ["MQTT-3.3.2-2", "MQTT-4.7.0-1"],
    ];
    WILL_TOPIC_WILDCARD = ids![v3_1_1: "MQTT-4.7.1-1", v5: "MQTT-4.7.0-1"];
    RESPONSE_TOPIC_WILDCARD = ids![v5: ["MQTT-3.3.2-14", "MQTT-4.7.0-1"]];
    FILTER_HASH = ids![v3_1: "§A/multi-level", v3_1_1: "MQTT-4.7.1-2", v5: "MQTT-4.7.1-1"];
    FILTER_PLUS = ids![v3_1: "§A/single-level", v3_1_1: "MQTT-4.7.1-3", v5: "MQTT-4.7.1-2"];
    SHARE_NAME_EMPTY = ids![v5: "MQTT-4.8.2-1"];
    SHARE_NAME = ids![v5: "MQTT-4.8.2-2"];

    // CONNECT.
    PROTOCOL_NAME = ids![v3_1: "§2.2/protocol-name", v3_1_1: "MQTT-3.1.2-1", v5: "MQTT-3.1.2-1"];
    PROTOCOL_LEVEL = ids![v3_1: "§2.2/protocol-version", v3_1_1: "MQTT-3.1.2-2", v5: "MQTT-3.1.2-2"];
    CONNECT_RESERVED = ids![v3_1: "§2.6/unused-bits", v3_1_1: "MQTT-3.1.2-3", v5: "MQTT-3.1.2-3"];
    WILL_QOS_WITHOUT_WILL = ids![v3_1_1: ["MQTT-3.1.2-13", "MQTT-3.1.2-11"], v5: "MQTT-3.1.2-11"];
    WILL_RETAIN_WITHOUT_WILL = ids![v3_1_1: ["MQTT-3.1.2-15", "MQTT-3.1.2-11"], v5: "MQTT-3.1.2-13"];
    WILL_QOS_3 = ids![v3_1: "§2.2/will-qos", v3_1_1: "MQTT-3.1.2-14", v5: "MQTT-3.1.2-12"];
    PASSWORD_WITHOUT_USERNAME = ids![v3_1: "§2.2/password-needs-user-name", v3_1_1: "MQTT-3.1.2-22"];
    CLIENT_ID_MISSING = ids![
        v3_1: "§2.1/remaining-length",
        v3_1_1: ["MQTT-3.1.3-3", "§2.2.3/remaining-length"],
        v5: ["MQTT-3.1.3-3", "§2.1.4/remaining-length"],
    ];
    CLIENT_ID_EMPTY = ids![v3_1: "§3.1/client-id-length", v3_1_1: "MQTT-3.1.3-7"];
    CLIENT_ID_LONG = ids![v3_1: "§3.1/client-id-length"];
    WILL_MISSING = ids![
        v3_1: "§2.2/will-fields",
        v3_1_1: ["MQTT-3.1.2-9", "§2.2.3/remaining-length"],
        v5: ["MQTT-3.1.2-9", "§2.1.4/remaining-length"],
    ];
    USERNAME_MISSING = ids![
        v3_1_1: ["MQTT-3.1.2-19", "§2.2.3/remaining-length"],
        v5: ["MQTT-3.1.2-17", "§2.1.4/remaining-length"],
    ];
    PASSWORD_MISSING = ids![
        v3_1_1: ["MQTT-3.1.2-21", "§2.2.3/remaining-length"],
        v5: ["MQTT-3.1.2-19", "§2.1.4/remaining-length"],
    ];
    USERNAME_UNFLAGGED = ids![
        v3_1: "§2.1/remaining-length",
        v3_1_1: ["§2.2.3/remaining-length", "MQTT-3.1.2-18", "MQTT-3.1.2-20"],
        v5: ["§2.1.4/remaining-length", "MQTT-3.1.2-16", "MQTT-3.1.2-18"],
    ];
    PASSWORD_UNFLAGGED = ids![
        v3_1: "§2.1/remaining-length",
        v3_1_1: ["§2.2.3/remaining-length", "MQTT-3.1.2-20"],
        v5: ["§2.1.4/remaining-length", "MQTT-3.1.2-18"],
    ];

    // CONNACK.
    CONNACK_RESERVED = ids![v3_1: "§2.6/unused-bits", v3_1_1: "§3.2.2.1/reserved-bits", v5: "MQTT-3.2.2-1"];
    SESSION_PRESENT_REFUSED = ids![v3_1_1: "MQTT-3.2.2-4", v5: "MQTT-3.2.2-6"];

    // Reason codes.
    CODE_CONNACK = ids![
        v3_1: "§2.2/return-codes",
        v3_1_1: ["§3.2.2.3/return-codes", "MQTT-3.2.2-6"],
        v5: "MQTT-3.2.2-8",
    ];
    CODE_PUBACK = ids![v5: "MQTT-3.4.2-1"];
    CODE_PUBREC = ids![v5: "MQTT-3.5.2-1"];
    CODE_PUBREL = ids![v5: "MQTT-3.6.2-1"];
    CODE_PUBCOMP = ids![v5: "MQTT-3.7.2-1"];
    CODE_SUBACK = ids![v3_1: "§3.9/granted-qos", v3_1_1: "MQTT-3.9.3-2", v5: "MQTT-3.9.3-2"];
    CODE_UNSUBACK = ids![v5: "MQTT-3.11.3-2"];
    CODE_DISCONNECT = ids![v5: "MQTT-3.14.2-1"];
    CODE_AUTH = ids![v5: "MQTT-3.15.2-1"];
    SENDER_DISCONNECT = ids![v5: "§3.14.2.1/sent-by"];
    SENDER_AUTH = ids![v5: "§3.15.2.1/sent-by"];

    // SUBSCRIBE, UNSUBSCRIBE and their answers.
    SUBSCRIBE_EMPTY = ids![v3_1_1: "MQTT-3.8.3-3", v5: "MQTT-3.8.3-2"];
    UNSUBSCRIBE_EMPTY = ids![v3_1_1: "MQTT-3.10.3-2", v5: "MQTT-3.10.3-2"];
    OPTIONS_RESERVED = ids![v3_1: "§2.6/unused-bits", v3_1_1: "MQTT-3.8.3-4", v5: "MQTT-3.8.3-5"];
    OPTIONS_QOS = ids![v3_1: "§3.8/qos-3", v3_1_1: "MQTT-3.8.3-4", v5: "§3.8.3.1/maximum-qos"];
    RETAIN_HANDLING = ids![v5: "§3.8.3.1/retain-handling"];
    NO_LOCAL_SHARED = ids![v5: "MQTT-3.8.3-4"];
    SUBACK_EMPTY = ids![v3_1: "§3.9/one-a-topic", v3_1_1: "MQTT-3.8.4-5", v5: "MQTT-3.8.4-6"];
    UNSUBACK_EMPTY = ids![v5: "MQTT-3.11.3-2"];

    // Properties.
    PROPERTY_LENGTH_MISSING = ids![v5: ["MQTT-2.2.2-1", "§2.1.4/remaining-length"]];
    PROPERTY_LENGTH = ids![v5: "§2.2.2.1/property-length"];
    PROPERTY_ALLOWED = ids![v5: "§2.2.2.2/allowed"];
    PROPERTY_SINGLE_USE = ids![v5: "§2.2.2.2/single-use"];
    SUBSCRIPTION_ID_FROM_CLIENT = ids![v5: "MQTT-3.3.4-6"];
    SESSION_EXPIRY_FROM_SERVER = ids![v5: "MQTT-3.14.2-2"];
    AUTH_METHOD_MISSING = ids![v5: "§3.15.2.2.2/authentication-method"];
    AUTH_DATA_WITHOUT_METHOD = ids![v5: "§3.1.2.11.10/needs-method"];
    PAYLOAD_NOT_UTF8 = ids![v5: "§3.3.2.3.2/utf-8-payload"];
    WILL_PAYLOAD_NOT_UTF8 = ids![v5: "§3.1.3.2.3/utf-8-payload"];
    VALUE_PAYLOAD_FORMAT = ids![v5: "§3.3.2.3.2/values"];
    VALUE_SUBSCRIPTION_ID = ids![v5: "§3.8.2.1.2/not-zero"];
    VALUE_PROBLEM_INFORMATION = ids![v5: "§3.1.2.11.7/values"];
    VALUE_RESPONSE_INFORMATION = ids![v5: "§3.1.2.11.6/values"];
    VALUE_RECEIVE_MAXIMUM = ids![v5: "§3.1.2.11.3/not-zero"];
    VALUE_TOPIC_ALIAS = ids![v5: "MQTT-3.3.2-8"];
    VALUE_MAXIMUM_QOS = ids![v5: "§3.2.2.3.4/values"];
    VALUE_RETAIN_AVAILABLE = ids![v5: "§3.2.2.3.5/values"];
    VALUE_MAXIMUM_PACKET_SIZE = ids![v5: "§3.1.2.11.4/not-zero"];
    VALUE_WILDCARD_AVAILABLE = ids![v5: "§3.2.2.3.11/values"];
    VALUE_SUBSCRIPTION_ID_AVAILABLE = ids![v5: "§3.2.2.3.12/values"];
    VALUE_SHARED_AVAILABLE = ids![v5: "§3.2.2.3.13/values"];
}

/// The rule for the fixed flags of a type; those of PUBLISH have rules of their own.
pub fn flags(packet_type: PacketType) -> PerVersion {
    match packet_type {
        PacketType::PubRel => FLAGS_PUBREL,
        PacketType::Subscribe => FLAGS_SUBSCRIBE,
        PacketType::Unsubscribe => FLAGS_UNSUBSCRIBE,
        PacketType::Disconnect => FLAGS_DISCONNECT,
        PacketType::Auth => FLAGS_AUTH,
        _ => FLAGS,
    }
}

/// The rule that a packet identifier of 0 violates.
pub fn packet_id(packet_type: PacketType, from: Side) -> PerVersion {
    match (packet_type, from) {
        (PacketType::PubAck | PacketType::PubRec | PacketType::PubRel, _) => ID_ACK,
        (PacketType::PubComp, _) => ID_PUBCOMP,
        (PacketType::SubAck, _) => ID_SUBACK,
        (PacketType::UnsubAck, _) => ID_UNSUBACK,
        (_, Side::Client) => ID_NEW_CLIENT,
        (_, Side::Server) => ID_NEW_SERVER,
    }
}

/// The rule for the reason codes of a type; `None` if the type has none.
pub fn reason_code(packet_type: PacketType) -> Option<PerVersion> {
    Some(match packet_type {
        PacketType::ConnAck => CODE_CONNACK,
        PacketType::PubAck => CODE_PUBACK,
        PacketType::PubRec => CODE_PUBREC,
        PacketType::PubRel => CODE_PUBREL,
        PacketType::PubComp => CODE_PUBCOMP,
        PacketType::SubAck => CODE_SUBACK,
        PacketType::UnsubAck => CODE_UNSUBACK,
        PacketType::Disconnect => CODE_DISCONNECT,
        PacketType::Auth => CODE_AUTH,
        _ => return None,
    })
}

/// The rule for the values of a property; `None` where every value of its type is legal.
pub fn property_value(id: u32) -> Option<PerVersion> {
    use super::property::id::*;
    Some(match id {
        PAYLOAD_FORMAT_INDICATOR => VALUE_PAYLOAD_FORMAT,
        SUBSCRIPTION_IDENTIFIER => VALUE_SUBSCRIPTION_ID,
        REQUEST_PROBLEM_INFORMATION => VALUE_PROBLEM_INFORMATION,
        REQUEST_RESPONSE_INFORMATION => VALUE_RESPONSE_INFORMATION,
        RECEIVE_MAXIMUM => VALUE_RECEIVE_MAXIMUM,
        TOPIC_ALIAS => VALUE_TOPIC_ALIAS,
        MAXIMUM_QOS => VALUE_MAXIMUM_QOS,
        RETAIN_AVAILABLE => VALUE_RETAIN_AVAILABLE,
        MAXIMUM_PACKET_SIZE => VALUE_MAXIMUM_PACKET_SIZE,
        WILDCARD_SUBSCRIPTION_AVAILABLE => VALUE_WILDCARD_AVAILABLE,
        SUBSCRIPTION_IDENTIFIER_AVAILABLE => VALUE_SUBSCRIPTION_ID_AVAILABLE,
        SHARED_SUBSCRIPTION_AVAILABLE => VALUE_SHARED_AVAILABLE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::property::PROPERTIES;

    #[test]
    fn every_property_with_illegal_values_has_a_rule() {
        for spec in &PROPERTIES {
            assert_eq!(spec.legal.is_some(), property_value(spec.id).is_some(), "{}", spec.name);
        }
    }
}
