//! Reason codes of 5.0 (section 2.4) and return codes of 3.x (3.1.1, sections 3.2.2.3 and 3.9.3) that the broker sends.

pub const SUCCESS: u8 = 0x00;
pub const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
pub const DISCONNECT_WITH_WILL: u8 = 0x04;
pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
pub const CONTINUE_AUTHENTICATION: u8 = 0x18;
pub const RE_AUTHENTICATE: u8 = 0x19;
pub const UNSPECIFIED: u8 = 0x80;
pub const MALFORMED_PACKET: u8 = 0x81;
pub const PROTOCOL_ERROR: u8 = 0x82;
pub const UNSUPPORTED_VERSION: u8 = 0x84;
pub const CLIENT_ID_NOT_VALID: u8 = 0x85;
pub const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
pub const NOT_AUTHORIZED: u8 = 0x87;
pub const SERVER_SHUTTING_DOWN: u8 = 0x8b;
pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8c;
pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8d;
pub const SESSION_TAKEN_OVER: u8 = 0x8e;
pub const FILTER_INVALID: u8 = 0x8f;
pub const TOPIC_NAME_INVALID: u8 = 0x90;
pub const PACKET_ID_NOT_FOUND: u8 = 0x92;
pub const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
pub const PACKET_TOO_LARGE: u8 = 0x95;
pub const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
pub const RETAIN_NOT_SUPPORTED: u8 = 0x9a;
pub const QOS_NOT_SUPPORTED: u8 = 0x9b;
pub const SHARED_NOT_SUPPORTED: u8 = 0x9e;
pub const SUBSCRIPTION_IDS_NOT_SUPPORTED: u8 = 0xa1;
pub const WILDCARDS_NOT_SUPPORTED: u8 = 0xa2;

/// Whether the code reports a failure (5.0, section 2.4).
pub fn is_failure(code: u8) -> bool {
    code >= UNSPECIFIED
}

/// The return codes of a 3.x CONNACK.
pub mod v3 {
    pub const UNACCEPTABLE_VERSION: u8 = 1;
    pub const IDENTIFIER_REJECTED: u8 = 2;
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 4;
    pub const NOT_AUTHORIZED: u8 = 5;
    /// The failure code of a 3.1.1 SUBACK.
    pub const SUBSCRIPTION_FAILED: u8 = 0x80;
}
