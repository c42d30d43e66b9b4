//! CONNECT and CONNACK, and how a connection ends: DISCONNECT and AUTH.

use std::ops::Range;

use bytes::Bytes;

use super::cursor::Cursor;
use super::strings;
use crate::statements::PerVersion;
use crate::wire::ids;
use crate::wire::property::{Place, id};
use crate::wire::reason::{Senders, reason_senders};
use crate::wire::{Auth, ConnAck, Connect, Disconnect, PacketType, Properties, Text, Value, Version, Will};

/// The bits of the connect flags (section 3.1.2.3).
#[derive(Clone, Copy)]
struct ConnectFlags {
    byte: u8,
    at: usize,
}

impl ConnectFlags {
    fn has(self, bit: u8) -> bool {
        self.byte >> bit & 1 == 1
    }
    fn clean_start(self) -> bool {
        self.has(1)
    }
    fn will(self) -> bool {
        self.has(2)
    }
    fn will_qos(self) -> u8 {
        self.byte >> 3 & 0b11
    }
    fn will_retain(self) -> bool {
        self.has(5)
    }
    fn password(self) -> bool {
        self.has(6)
    }
    fn username(self) -> bool {
        self.has(7)
    }
}

/// A protocol name up to this many bytes is reported; the longest that there is has 6.
const LONGEST_NAME: usize = 8;

impl<const NOTED: bool> Cursor<'_, NOTED> {
    #[inline(always)]
    pub fn connect(&mut self, into: &mut Connect) -> Option<()> {
        let start = self.pos();
        self.text(&mut into.protocol_name, "protocol_name", &strings::PLAIN)?;
        let protocol_name = &into.protocol_name;
        let right = match self.version {
            Version::V3_1 => protocol_name.as_bytes() == b"MQIsdp",
            Version::V3_1_1 | Version::V5 => protocol_name.as_bytes() == b"MQTT",
        };
        if !right {
            let is = match protocol_name.as_bytes().len() {
                // Its length may be a lie, and then it holds what comes after it: a password, it may be.
                len if len > LONGEST_NAME => format!("has {len} bytes and is"),
                _ => format!("is {protocol_name},"),
            };
            let text = format!("the protocol name {is} not \"{}\"", self.version.protocol_name());
            self.breach(ids::PROTOCOL_NAME, start..self.pos(), text);
        }
        let start = self.pos();
        into.protocol_level = self.byte("protocol_level")?;
        if into.protocol_level != self.version.protocol_level() {
            let text = format!(
                "the protocol level is {}, not {}",
                into.protocol_level,
                self.version.protocol_level()
            );
            self.breach(ids::PROTOCOL_LEVEL, start..self.pos(), text);
        }
        let flags = self.connect_flags()?;
        into.clean_start = flags.clean_start();
        into.keep_alive = self.u16("keep_alive")?;
        self.properties(&mut into.properties, Place::Packet(PacketType::Connect))?;
        self.check_authentication(&into.properties);
        self.client_id(&mut into.client_id, flags)?;
        if flags.will() {
            self.will(into.will.insert(Will::default()), flags)?;
        }
        if self.login_field(flags.username(), "username", ids::USERNAME_MISSING)? {
            let username = into.username.insert(Text::default());
            self.text(username, "username", &strings::USERNAME)?;
        }
        if self.login_field(flags.password(), "password", ids::PASSWORD_MISSING)? {
            self.binary(into.password.insert(Bytes::new()), "password")?;
        }
        self.finish(match (flags.username(), flags.password()) {
            (false, false) => ids::USERNAME_UNFLAGGED,
            (true, false) => ids::PASSWORD_UNFLAGGED,
            _ => ids::LAYOUT,
        })
    }

    fn connect_flags(&mut self) -> Option<ConnectFlags> {
        let at = self.pos();
        let flags = ConnectFlags {
            byte: self.raw_byte("connect_flags")?,
            at,
        };
        let value = || {
            Value::Map(vec![
                ("clean", Value::Bool(flags.clean_start())),
                ("will", Value::Bool(flags.will())),
                ("will_qos", Value::Int(flags.will_qos().into())),
                ("will_retain", Value::Bool(flags.will_retain())),
                ("password", Value::Bool(flags.password())),
                ("username", Value::Bool(flags.username())),
            ])
        };
        self.field("connect_flags", value, at);
        let span = flags.at..flags.at + 1;
        if flags.has(0) {
            self.breach(
                ids::CONNECT_RESERVED,
                span.clone(),
                "the reserved bit 0 of the connect flags is 1",
            );
        }
        if flags.will() && flags.will_qos() == 3 {
            self.breach(ids::WILL_QOS_3, span.clone(), "the Will QoS is 3");
        }
        if !flags.will() && flags.will_qos() != 0 {
            let text = format!("the Will QoS is {} without a will", flags.will_qos());
            self.breach(ids::WILL_QOS_WITHOUT_WILL, span.clone(), text);
        }
        if !flags.will() && flags.will_retain() {
            self.breach(
                ids::WILL_RETAIN_WITHOUT_WILL,
                span.clone(),
                "Will Retain is 1 without a will",
            );
        }
        if flags.password() && !flags.username() {
            let text = "the Password Flag is 1 without a user name";
            self.breach(ids::PASSWORD_WITHOUT_USERNAME, span, text);
        }
        Some(flags)
    }

    fn check_authentication(&mut self, properties: &Properties) {
        if properties.get(id::AUTHENTICATION_DATA).is_some() && properties.get(id::AUTHENTICATION_METHOD).is_none() {
            let span = self.span_of("authentication_data");
            let text = "Authentication Data without an Authentication Method";
            self.breach(ids::AUTH_DATA_WITHOUT_METHOD, span, text);
        }
    }

    fn client_id(&mut self, into: &mut Text, flags: ConnectFlags) -> Option<()> {
        if self.left() == 0 {
            self.too_short("client_id", ids::CLIENT_ID_MISSING, 2);
            return None;
        }
        let start = self.pos();
        self.text(into, "client_id", &strings::CLIENT_ID)?;
        let (client_id, span) = (&*into, start..self.pos());
        if client_id.is_empty() && (!flags.clean_start() || self.version == Version::V3_1) {
            let text = match self.version {
                Version::V3_1 => "the client identifier is empty",
                _ => "the client identifier is empty and Clean Session is 0",
            };
            self.breach(ids::CLIENT_ID_EMPTY, span.clone(), text);
        }
        // Only 3.1 bounds it, and a text has no more characters than bytes.
        let characters = match self.version {
            Version::V3_1 => client_id.as_str().map_or(client_id.len(), |text| text.chars().count()),
            _ => 0,
        };
        if characters > 23 {
            let text = format!("the client identifier has {characters} characters, more than 23");
            self.breach(ids::CLIENT_ID_LONG, span, text);
        }
        Some(())
    }

    fn will(&mut self, into: &mut Will, flags: ConnectFlags) -> Option<()> {
        if self.left() == 0 {
            self.too_short("will.topic", ids::WILL_MISSING, 2);
            return None;
        }
        (into.qos, into.retain) = (flags.will_qos(), flags.will_retain());
        self.properties(&mut into.properties, Place::Will)?;
        self.text(&mut into.topic, "will.topic", &strings::WILL_TOPIC)?;
        if self.left() == 0 {
            self.too_short("will.payload", ids::WILL_MISSING, 2);
            return None;
        }
        self.binary(&mut into.payload, "will.payload")?;
        if into.properties.number(id::PAYLOAD_FORMAT_INDICATOR) == Some(1)
            && let Some(bad) = strings::ill_formed_payload(&into.payload)
        {
            let at = self.pos() - into.payload.len();
            let text = "the will's payload is not the UTF-8 that its format indicator promises";
            self.breach(ids::WILL_PAYLOAD_NOT_UTF8, at + bad.start..at + bad.end, text);
        }
        Some(())
    }

    /// Whether a user name or password follows, which its flag announces. `None` if it is missing, which 3.1 allows
    /// (section 3.1: the Remaining Length takes precedence over the flags).
    fn login_field(&mut self, flag: bool, name: &'static str, missing: PerVersion) -> Option<bool> {
        if flag && self.left() == 0 {
            if self.version == Version::V3_1 {
                return Some(false);
            }
            self.too_short(name, missing, 2);
            return None;
        }
        Some(flag)
    }

    pub fn connack(&mut self, into: &mut ConnAck) -> Option<()> {
        let start = self.pos();
        let flags = self.raw_byte("session_present")?;
        let session_present = flags & 1 == 1;
        self.field("session_present", || Value::Bool(session_present), start);
        let span = start..start + 1;
        // 3.1 has no Session Present: the whole byte is unused there.
        let reserved = if self.version == Version::V3_1 { 0xff } else { 0xfe };
        if flags & reserved != 0 {
            let text = format!("the acknowledge flags are 0x{flags:02x}");
            self.breach(ids::CONNACK_RESERVED, span.clone(), text);
        }
        into.session_present = session_present;
        into.reason_code = self.reason_code(PacketType::ConnAck)?;
        if session_present && into.reason_code != 0 {
            let text = format!("Session Present is 1 with the code 0x{:02x}", into.reason_code);
            self.breach(ids::SESSION_PRESENT_REFUSED, span, text);
        }
        self.properties(&mut into.properties, Place::Packet(PacketType::ConnAck))?;
        self.finish(ids::LAYOUT)
    }

    pub fn disconnect(&mut self, into: &mut Disconnect) -> Option<()> {
        if self.v5() && self.left() > 0 {
            into.reason_code = self.reason_code(PacketType::Disconnect)?;
            if self.left() > 0 {
                self.properties(&mut into.properties, Place::Packet(PacketType::Disconnect))?;
            }
        } else if self.v5() {
            self.check_code(PacketType::Disconnect, 0, self.pos()..self.pos());
        }
        self.finish(ids::LAYOUT)
    }

    pub fn auth(&mut self, into: &mut Auth) -> Option<()> {
        let start = self.pos();
        if self.left() > 0 {
            into.reason_code = self.reason_code(PacketType::Auth)?;
            self.properties(&mut into.properties, Place::Packet(PacketType::Auth))?;
            let bare = into.reason_code == 0 && into.properties.is_empty();
            // The short form, which section 3.15.2.1 allows for success, has no method either.
            if !bare && into.properties.get(id::AUTHENTICATION_METHOD).is_none() {
                let text = "AUTH names no Authentication Method";
                self.breach(ids::AUTH_METHOD_MISSING, start..self.pos(), text);
            }
        } else {
            self.check_code(PacketType::Auth, 0, start..start);
        }
        self.finish(ids::LAYOUT)
    }

    /// The one reason code of a packet (3.x: the return code of CONNACK).
    pub fn reason_code(&mut self, packet_type: PacketType) -> Option<u8> {
        let start = self.pos();
        let code = self.byte(if self.v5() { "reason_code" } else { "return_code" })?;
        self.check_code(packet_type, code, start..start + 1);
        Some(code)
    }

    /// Whether the packet, and who sends it, may use this code.
    pub fn check_code(&mut self, packet_type: PacketType, code: u8, span: Range<usize>) {
        let senders = reason_senders(code, packet_type, self.version);
        if let Some(rule) = ids::reason_code(packet_type)
            && senders == Senders::Nobody
        {
            self.breach(rule, span, format!("0x{code:02x} is no code of {packet_type}"));
            return;
        }
        if matches!(senders, Senders::Only(side) if side != self.from) {
            let rule = match packet_type {
                PacketType::Auth => ids::SENDER_AUTH,
                _ => ids::SENDER_DISCONNECT,
            };
            self.breach(rule, span, format!("0x{code:02x} is not for a {} to send", self.from));
        }
    }
}
