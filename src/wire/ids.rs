//! Which statement a malformed packet breaches, version by version. Every id that decoding names stands here.

use super::{PacketType, Side, StatementId, Version};

/// A duty that a single packet can breach: the statements that say so at each version, the most telling one first. Where a
/// version says nothing there is none, and no breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    v3_1: &'static [&'static str],
    v3_1_1: &'static [&'static str],
    v5: &'static [&'static str],
}

impl Rule {
    /// The statements of `version`, the most telling one first.
    pub fn statements(&self, version: Version) -> impl Iterator<Item = StatementId> + use<> {
        let ids = match version {
            Version::V3_1 => self.v3_1,
            Version::V3_1_1 => self.v3_1_1,
            Version::V5 => self.v5,
        };
        ids.iter().map(move |id| StatementId::new(version, id))
    }
}

/// Every statement that the decoder can report at `version`.
pub fn decoder_statements(version: Version) -> impl Iterator<Item = StatementId> {
    ALL.iter().flat_map(move |rule| rule.statements(version))
}

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = [$($a:literal),*], [$($b:literal),*], [$($c:literal),*];)*) => {
        $($(#[$doc])* pub const $name: Rule = Rule { v3_1: &[$($a),*], v3_1_1: &[$($b),*], v5: &[$($c),*] };)*
        /// Every rule.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    // The fixed header.
    TYPE = ["§2.1/message-type"], ["§2.2.1/packet-type"], ["§2.1.2/packet-type"];
    DIRECTION = ["§2.1/message-type"], ["§2.2.1/packet-type"], ["§2.1.2/packet-type"];
    LENGTH_BYTES = ["§2.1/four-bytes"], ["§2.2.3/four-bytes"], ["§1.5.5/four-bytes"];
    MINIMAL = [], [], ["MQTT-1.5.5-1"];
    /// A packet that ends inside a field, or goes on after its last one.
    LAYOUT = ["§2.1/remaining-length"], ["§2.2.3/remaining-length"], ["§2.1.4/remaining-length"];
    FLAGS = ["§2.6/unused-bits"], ["MQTT-2.2.2-1", "MQTT-2.2.2-2"], ["MQTT-2.1.3-1"];
    FLAGS_PUBREL = ["§3.6/qos-1"], ["MQTT-3.6.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"], ["MQTT-3.6.1-1", "MQTT-2.1.3-1"];
    FLAGS_SUBSCRIBE = ["§3.8/qos-1"], ["MQTT-3.8.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"], ["MQTT-3.8.1-1", "MQTT-2.1.3-1"];
    FLAGS_UNSUBSCRIBE =
        ["§3.10/qos-1"], ["MQTT-3.10.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"], ["MQTT-3.10.1-1", "MQTT-2.1.3-1"];
    FLAGS_DISCONNECT =
        ["§2.6/unused-bits"], ["MQTT-3.14.1-1", "MQTT-2.2.2-1", "MQTT-2.2.2-2"], ["MQTT-3.14.1-1", "MQTT-2.1.3-1"];
    FLAGS_AUTH = [], [], ["MQTT-3.15.1-1", "MQTT-2.1.3-1"];
    /// Bits that 3.1 leaves unused where later versions say more.
    UNUSED = ["§2.6/unused-bits"], [], [];
    DUP_QOS_0 = ["§2.1/dup-qos-0"], ["MQTT-3.3.1-2", "MQTT-4.3.1-1"], ["MQTT-3.3.1-2", "MQTT-4.3.1-1"];
    QOS_3 = ["§2.1/qos-3"], ["MQTT-3.3.1-4"], ["MQTT-3.3.1-4"];

    // Packet identifiers that are 0.
    ID_NEW_CLIENT = ["§2.4/message-id-zero"], ["MQTT-2.3.1-1"], ["MQTT-2.2.1-3"];
    ID_NEW_SERVER = ["§2.4/message-id-zero"], ["MQTT-2.3.1-1"], ["MQTT-2.2.1-4"];
    ID_ACK = ["§2.4/message-id-zero"], ["MQTT-2.3.1-6"], ["MQTT-2.2.1-5"];
    ID_PUBCOMP = ["§2.4/message-id-zero"], ["MQTT-4.3.3-2"], ["MQTT-2.2.1-5", "MQTT-4.3.3-11"];
    ID_SUBACK = ["§2.4/message-id-zero"], ["MQTT-2.3.1-7", "MQTT-3.8.4-2"], ["MQTT-2.2.1-6", "MQTT-3.8.4-2"];
    ID_UNSUBACK = ["§2.4/message-id-zero"], ["MQTT-2.3.1-7", "MQTT-3.10.4-4"], ["MQTT-2.2.1-6", "MQTT-3.10.4-5"];

    // Strings.
    UTF8 = ["§2.5/utf-8"], ["MQTT-1.5.3-1"], ["MQTT-1.5.4-1"];
    UTF8_CLIENT_ID = ["§2.5/utf-8"], ["MQTT-1.5.3-1", "MQTT-3.1.3-4"], ["MQTT-1.5.4-1", "MQTT-3.1.3-4"];
    UTF8_WILL_TOPIC = ["§2.5/utf-8"], ["MQTT-1.5.3-1", "MQTT-3.1.3-10"], ["MQTT-1.5.4-1", "MQTT-3.1.3-11"];
    UTF8_USERNAME = ["§2.5/utf-8"], ["MQTT-1.5.3-1", "MQTT-3.1.3-11"], ["MQTT-1.5.4-1", "MQTT-3.1.3-12"];
    UTF8_TOPIC = ["§2.5/utf-8"], ["MQTT-1.5.3-1", "MQTT-3.3.2-1"], ["MQTT-1.5.4-1", "MQTT-3.3.2-1"];
    UTF8_RESPONSE_TOPIC = [], [], ["MQTT-1.5.4-1", "MQTT-3.3.2-13"];
    UTF8_CONTENT_TYPE = [], [], ["MQTT-1.5.4-1", "MQTT-3.3.2-19"];
    UTF8_PAIR = [], [], ["MQTT-1.5.4-1", "MQTT-1.5.7-1"];
    UTF8_SUBSCRIBE = ["§2.5/utf-8"], ["MQTT-1.5.3-1", "MQTT-3.8.3-1"], ["MQTT-1.5.4-1", "MQTT-3.8.3-1"];
    UTF8_UNSUBSCRIBE = ["§2.5/utf-8"], ["MQTT-1.5.3-1", "MQTT-3.10.3-1"], ["MQTT-1.5.4-1", "MQTT-3.10.3-1"];
    NUL = [], ["MQTT-1.5.3-2"], ["MQTT-1.5.4-2"];
    NUL_TOPIC = ["§A/null"], ["MQTT-1.5.3-2", "MQTT-4.7.3-2"], ["MQTT-1.5.4-2", "MQTT-4.7.3-2"];
    NUL_PAIR = [], [], ["MQTT-1.5.4-2", "MQTT-1.5.7-1"];
    CODE_POINTS = [], ["§1.5.3/disallowed-code-points"], ["§1.5.4/disallowed-code-points"];

    // Topic names and filters.
    TOPIC_EMPTY = ["§A/one-character"], ["MQTT-4.7.3-1"], ["MQTT-4.7.3-1"];
    TOPIC_WILDCARD = ["§3.3/topic-wildcards"], ["MQTT-3.3.2-2", "MQTT-4.7.1-1"], ["MQTT-3.3.2-2", "MQTT-4.7.0-1"];
    WILL_TOPIC_WILDCARD = [], ["MQTT-4.7.1-1"], ["MQTT-4.7.0-1"];
    RESPONSE_TOPIC_WILDCARD = [], [], ["MQTT-3.3.2-14", "MQTT-4.7.0-1"];
    FILTER_HASH = ["§A/multi-level"], ["MQTT-4.7.1-2"], ["MQTT-4.7.1-1"];
    FILTER_PLUS = ["§A/single-level"], ["MQTT-4.7.1-3"], ["MQTT-4.7.1-2"];
    SHARE_NAME_EMPTY = [], [], ["MQTT-4.8.2-1"];
    SHARE_NAME = [], [], ["MQTT-4.8.2-2"];

    // CONNECT.
    PROTOCOL_NAME = ["§2.2/protocol-name"], ["MQTT-3.1.2-1"], ["MQTT-3.1.2-1"];
    PROTOCOL_LEVEL = ["§2.2/protocol-version"], ["MQTT-3.1.2-2"], ["MQTT-3.1.2-2"];
    CONNECT_RESERVED = ["§2.6/unused-bits"], ["MQTT-3.1.2-3"], ["MQTT-3.1.2-3"];
    WILL_QOS_WITHOUT_WILL = [], ["MQTT-3.1.2-13", "MQTT-3.1.2-11"], ["MQTT-3.1.2-11"];
    WILL_RETAIN_WITHOUT_WILL = [], ["MQTT-3.1.2-15", "MQTT-3.1.2-11"], ["MQTT-3.1.2-13"];
    WILL_QOS_3 = ["§2.2/will-qos"], ["MQTT-3.1.2-14"], ["MQTT-3.1.2-12"];
    PASSWORD_WITHOUT_USERNAME = ["§2.2/password-needs-user-name"], ["MQTT-3.1.2-22"], [];
    CLIENT_ID_MISSING = ["§2.1/remaining-length"], ["MQTT-3.1.3-3", "§2.2.3/remaining-length"],
        ["MQTT-3.1.3-3", "§2.1.4/remaining-length"];
    CLIENT_ID_EMPTY = ["§3.1/client-id-length"], ["MQTT-3.1.3-7"], [];
    CLIENT_ID_LONG = ["§3.1/client-id-length"], [], [];
    WILL_MISSING = ["§2.2/will-fields"], ["MQTT-3.1.2-9", "§2.2.3/remaining-length"],
        ["MQTT-3.1.2-9", "§2.1.4/remaining-length"];
    USERNAME_MISSING = [], ["MQTT-3.1.2-19", "§2.2.3/remaining-length"], ["MQTT-3.1.2-17", "§2.1.4/remaining-length"];
    PASSWORD_MISSING = [], ["MQTT-3.1.2-21", "§2.2.3/remaining-length"], ["MQTT-3.1.2-19", "§2.1.4/remaining-length"];
    USERNAME_UNFLAGGED = ["§2.1/remaining-length"], ["§2.2.3/remaining-length", "MQTT-3.1.2-18", "MQTT-3.1.2-20"],
        ["§2.1.4/remaining-length", "MQTT-3.1.2-16", "MQTT-3.1.2-18"];
    PASSWORD_UNFLAGGED = ["§2.1/remaining-length"], ["§2.2.3/remaining-length", "MQTT-3.1.2-20"],
        ["§2.1.4/remaining-length", "MQTT-3.1.2-18"];

    // CONNACK.
    CONNACK_RESERVED = ["§2.6/unused-bits"], ["§3.2.2.1/reserved-bits"], ["MQTT-3.2.2-1"];
    SESSION_PRESENT_REFUSED = [], ["MQTT-3.2.2-4"], ["MQTT-3.2.2-6"];

    // Reason codes.
    CODE_CONNACK = ["§2.2/return-codes"], ["§3.2.2.3/return-codes", "MQTT-3.2.2-6"], ["MQTT-3.2.2-8"];
    CODE_PUBACK = [], [], ["MQTT-3.4.2-1"];
    CODE_PUBREC = [], [], ["MQTT-3.5.2-1"];
    CODE_PUBREL = [], [], ["MQTT-3.6.2-1"];
    CODE_PUBCOMP = [], [], ["MQTT-3.7.2-1"];
    CODE_SUBACK = ["§3.9/granted-qos"], ["MQTT-3.9.3-2"], ["MQTT-3.9.3-2"];
    CODE_UNSUBACK = [], [], ["MQTT-3.11.3-2"];
    CODE_DISCONNECT = [], [], ["MQTT-3.14.2-1"];
    CODE_AUTH = [], [], ["MQTT-3.15.2-1"];
    SENDER_DISCONNECT = [], [], ["§3.14.2.1/sent-by"];
    SENDER_AUTH = [], [], ["§3.15.2.1/sent-by"];

    // SUBSCRIBE, UNSUBSCRIBE and their answers.
    SUBSCRIBE_EMPTY = [], ["MQTT-3.8.3-3"], ["MQTT-3.8.3-2"];
    UNSUBSCRIBE_EMPTY = [], ["MQTT-3.10.3-2"], ["MQTT-3.10.3-2"];
    OPTIONS_RESERVED = ["§2.6/unused-bits"], ["MQTT-3.8.3-4"], ["MQTT-3.8.3-5"];
    OPTIONS_QOS = ["§3.8/qos-3"], ["MQTT-3.8.3-4"], ["§3.8.3.1/maximum-qos"];
    RETAIN_HANDLING = [], [], ["§3.8.3.1/retain-handling"];
    NO_LOCAL_SHARED = [], [], ["MQTT-3.8.3-4"];
    SUBACK_EMPTY = ["§3.9/one-a-topic"], ["MQTT-3.8.4-5"], ["MQTT-3.8.4-6"];
    UNSUBACK_EMPTY = [], [], ["MQTT-3.11.3-2"];

    // Properties.
    PROPERTY_LENGTH_MISSING = [], [], ["MQTT-2.2.2-1", "§2.1.4/remaining-length"];
    PROPERTY_LENGTH = [], [], ["§2.2.2.1/property-length"];
    PROPERTY_ALLOWED = [], [], ["§2.2.2.2/allowed"];
    PROPERTY_SINGLE_USE = [], [], ["§2.2.2.2/single-use"];
    SUBSCRIPTION_ID_FROM_CLIENT = [], [], ["MQTT-3.3.4-6"];
    SESSION_EXPIRY_FROM_SERVER = [], [], ["MQTT-3.14.2-2"];
    AUTH_METHOD_MISSING = [], [], ["§3.15.2.2.2/authentication-method"];
    AUTH_DATA_WITHOUT_METHOD = [], [], ["§3.1.2.11.10/needs-method"];
    PAYLOAD_NOT_UTF8 = [], [], ["§3.3.2.3.2/utf-8-payload"];
    WILL_PAYLOAD_NOT_UTF8 = [], [], ["§3.1.3.2.3/utf-8-payload"];
    VALUE_PAYLOAD_FORMAT = [], [], ["§3.3.2.3.2/values"];
    VALUE_SUBSCRIPTION_ID = [], [], ["§3.8.2.1.2/not-zero"];
    VALUE_PROBLEM_INFORMATION = [], [], ["§3.1.2.11.7/values"];
    VALUE_RESPONSE_INFORMATION = [], [], ["§3.1.2.11.6/values"];
    VALUE_RECEIVE_MAXIMUM = [], [], ["§3.1.2.11.3/not-zero"];
    VALUE_TOPIC_ALIAS = [], [], ["MQTT-3.3.2-8"];
    VALUE_MAXIMUM_QOS = [], [], ["§3.2.2.3.4/values"];
    VALUE_RETAIN_AVAILABLE = [], [], ["§3.2.2.3.5/values"];
    VALUE_MAXIMUM_PACKET_SIZE = [], [], ["§3.1.2.11.4/not-zero"];
    VALUE_WILDCARD_AVAILABLE = [], [], ["§3.2.2.3.11/values"];
    VALUE_SUBSCRIPTION_ID_AVAILABLE = [], [], ["§3.2.2.3.12/values"];
    VALUE_SHARED_AVAILABLE = [], [], ["§3.2.2.3.13/values"];
}

/// The rule for the fixed flags of a type; those of PUBLISH have rules of their own.
pub fn flags(packet_type: PacketType) -> Rule {
    match packet_type {
        PacketType::PubRel => FLAGS_PUBREL,
        PacketType::Subscribe => FLAGS_SUBSCRIBE,
        PacketType::Unsubscribe => FLAGS_UNSUBSCRIBE,
        PacketType::Disconnect => FLAGS_DISCONNECT,
        PacketType::Auth => FLAGS_AUTH,
        _ => FLAGS,
    }
}

/// The rule that a packet identifier of 0 breaches.
pub fn packet_id(packet_type: PacketType, from: Side) -> Rule {
    match (packet_type, from) {
        (PacketType::PubAck | PacketType::PubRec | PacketType::PubRel, _) => ID_ACK,
        (PacketType::PubComp, _) => ID_PUBCOMP,
        (PacketType::SubAck, _) => ID_SUBACK,
        (PacketType::UnsubAck, _) => ID_UNSUBACK,
        (_, Side::Client) => ID_NEW_CLIENT,
        (_, Side::Server) => ID_NEW_SERVER,
    }
}

/// The rule for the reason codes of a type; `None` where the type has none.
pub fn reason_code(packet_type: PacketType) -> Option<Rule> {
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
pub fn property_value(id: u32) -> Option<Rule> {
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
    use crate::statements::catalogue;
    use crate::wire::property::PROPERTIES;

    #[test]
    fn every_id_named_by_decoding_is_in_the_catalogue() {
        let missing: Vec<String> = Version::ALL
            .into_iter()
            .flat_map(decoder_statements)
            .filter(|id| catalogue().get(*id).is_none())
            .map(|id| id.to_string())
            .collect();
        assert!(missing.is_empty(), "not in the catalogue: {missing:?}");
    }

    #[test]
    fn every_property_with_illegal_values_has_a_rule() {
        for spec in &PROPERTIES {
            assert_eq!(spec.legal.is_some(), property_value(spec.id).is_some(), "{}", spec.name);
        }
    }
}
