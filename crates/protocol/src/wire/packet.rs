//! The packets as values. They can hold what the standard forbids (a QoS of 3, ill-formed strings, a property twice),
//! so that a wrong packet is decoded, shown and sent as easily as a right one.

use bytes::Bytes;

use super::{Payload, Text, Version};

/// The type of a packet: the high four bits of its first byte (3.1.1 and 5.0, section 2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// Every type, by number.
    pub const ALL: [PacketType; 15] = [
        PacketType::Connect,
        PacketType::ConnAck,
        PacketType::Publish,
        PacketType::PubAck,
        PacketType::PubRec,
        PacketType::PubRel,
        PacketType::PubComp,
        PacketType::Subscribe,
        PacketType::SubAck,
        PacketType::Unsubscribe,
        PacketType::UnsubAck,
        PacketType::PingReq,
        PacketType::PingResp,
        PacketType::Disconnect,
        PacketType::Auth,
    ];

    /// The type with this number; `None` for 0, which is reserved. 15 is AUTH, which only 5.0 has.
    pub fn from_number(number: u8) -> Option<PacketType> {
        PacketType::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The number, 1 to 15.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name as the standard writes it, such as `PUBACK`.
    pub fn name(self) -> &'static str {
        match self {
            PacketType::Connect => "CONNECT",
            PacketType::ConnAck => "CONNACK",
            PacketType::Publish => "PUBLISH",
            PacketType::PubAck => "PUBACK",
            PacketType::PubRec => "PUBREC",
            PacketType::PubRel => "PUBREL",
            PacketType::PubComp => "PUBCOMP",
            PacketType::Subscribe => "SUBSCRIBE",
            PacketType::SubAck => "SUBACK",
            PacketType::Unsubscribe => "UNSUBSCRIBE",
            PacketType::UnsubAck => "UNSUBACK",
            PacketType::PingReq => "PINGREQ",
            PacketType::PingResp => "PINGRESP",
            PacketType::Disconnect => "DISCONNECT",
            PacketType::Auth => "AUTH",
        }
    }

    /// The type with this name (upper case, as the standard writes it).
    pub fn from_name(name: &str) -> Option<PacketType> {
        PacketType::ALL.into_iter().find(|t| t.name() == name)
    }

    /// Whether a server may send this type at `version` (3.1.1 table 2.1, 5.0 table 2-1).
    pub fn from_server(self, version: Version) -> bool {
        use PacketType::*;
        match self {
            ConnAck | Publish | PubAck | PubRec | PubRel | PubComp | SubAck | UnsubAck | PingResp => true,
            Disconnect | Auth => version == Version::V5,
            Connect | Subscribe | Unsubscribe | PingReq => false,
        }
    }

    /// Whether a client may send this type at `version`.
    pub fn from_client(self, version: Version) -> bool {
        use PacketType::*;
        match self {
            Connect | Publish | PubAck | PubRec | PubRel | PubComp | Subscribe | Unsubscribe | PingReq | Disconnect => {
                true
            }
            Auth => version == Version::V5,
            ConnAck | SubAck | UnsubAck | PingResp => false,
        }
    }
}

impl std::fmt::Display for PacketType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Any MQTT control packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// By far the largest, and one of a connection's many packets: apart, so that the others need no room for it.
    Connect(Box<Connect>),
    ConnAck(ConnAck),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Subscribe),
    SubAck(SubAck),
    Unsubscribe(Unsubscribe),
    UnsubAck(UnsubAck),
    PingReq,
    PingResp,
    Disconnect(Disconnect),
    Auth(Auth),
}

impl From<Connect> for Packet {
    fn from(connect: Connect) -> Packet {
        Packet::Connect(Box::new(connect))
    }
}

impl Packet {
    /// The packet's type.
    pub fn packet_type(&self) -> PacketType {
        match self {
            Packet::Connect(_) => PacketType::Connect,
            Packet::ConnAck(_) => PacketType::ConnAck,
            Packet::Publish(_) => PacketType::Publish,
            Packet::PubAck(_) => PacketType::PubAck,
            Packet::PubRec(_) => PacketType::PubRec,
            Packet::PubRel(_) => PacketType::PubRel,
            Packet::PubComp(_) => PacketType::PubComp,
            Packet::Subscribe(_) => PacketType::Subscribe,
            Packet::SubAck(_) => PacketType::SubAck,
            Packet::Unsubscribe(_) => PacketType::Unsubscribe,
            Packet::UnsubAck(_) => PacketType::UnsubAck,
            Packet::PingReq => PacketType::PingReq,
            Packet::PingResp => PacketType::PingResp,
            Packet::Disconnect(_) => PacketType::Disconnect,
            Packet::Auth(_) => PacketType::Auth,
        }
    }

    /// The packet identifier, if the packet carries one.
    pub fn packet_id(&self) -> Option<u16> {
        match self {
            Packet::Publish(p) => p.packet_id,
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubRel(a) | Packet::PubComp(a) => Some(a.packet_id),
            Packet::Subscribe(p) => Some(p.packet_id),
            Packet::SubAck(p) => Some(p.packet_id),
            Packet::Unsubscribe(p) => Some(p.packet_id),
            Packet::UnsubAck(p) => Some(p.packet_id),
            _ => None,
        }
    }

    /// The one reason code (3.x: return code) of a packet that has one; 0 if a short form left it out.
    pub fn reason_code(&self) -> Option<u8> {
        match self {
            Packet::ConnAck(p) => Some(p.reason_code),
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubRel(a) | Packet::PubComp(a) => Some(a.reason_code),
            Packet::Disconnect(p) => Some(p.reason_code),
            Packet::Auth(p) => Some(p.reason_code),
            _ => None,
        }
    }

    /// The v5 properties of the packet (not those of a will); `None` for PINGREQ and PINGRESP, which have none.
    pub fn properties(&self) -> Option<&Properties> {
        match self {
            Packet::Connect(p) => Some(&p.properties),
            Packet::ConnAck(p) => Some(&p.properties),
            Packet::Publish(p) => Some(&p.properties),
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubRel(a) | Packet::PubComp(a) => Some(&a.properties),
            Packet::Subscribe(p) => Some(&p.properties),
            Packet::SubAck(p) => Some(&p.properties),
            Packet::Unsubscribe(p) => Some(&p.properties),
            Packet::UnsubAck(p) => Some(&p.properties),
            Packet::Disconnect(p) => Some(&p.properties),
            Packet::Auth(p) => Some(&p.properties),
            Packet::PingReq | Packet::PingResp => None,
        }
    }

    /// The v5 properties, to be changed.
    pub fn properties_mut(&mut self) -> Option<&mut Properties> {
        match self {
            Packet::Connect(p) => Some(&mut p.properties),
            Packet::ConnAck(p) => Some(&mut p.properties),
            Packet::Publish(p) => Some(&mut p.properties),
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubRel(a) | Packet::PubComp(a) => Some(&mut a.properties),
            Packet::Subscribe(p) => Some(&mut p.properties),
            Packet::SubAck(p) => Some(&mut p.properties),
            Packet::Unsubscribe(p) => Some(&mut p.properties),
            Packet::UnsubAck(p) => Some(&mut p.properties),
            Packet::Disconnect(p) => Some(&mut p.properties),
            Packet::Auth(p) => Some(&mut p.properties),
            Packet::PingReq | Packet::PingResp => None,
        }
    }
}

/// CONNECT (section 3.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connect {
    pub protocol_name: Text,
    pub protocol_level: u8,
    /// Clean Session (3.x) or Clean Start (5.0).
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 switches it off.
    pub keep_alive: u16,
    pub client_id: Text,
    pub will: Option<Will>,
    pub username: Option<Text>,
    pub password: Option<Bytes>,
    pub properties: Properties,
}

impl Connect {
    /// A CONNECT of `version` with a clean session, keep alive 60 s, no will and no login.
    pub fn new(version: Version, client_id: impl Into<Text>) -> Connect {
        Connect {
            protocol_name: version.protocol_name().into(),
            protocol_level: version.protocol_level(),
            clean_start: true,
            keep_alive: 60,
            client_id: client_id.into(),
            will: None,
            username: None,
            password: None,
            properties: Properties::default(),
        }
    }
}

/// The will in a CONNECT (section 3.1.2.5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Will {
    /// 0 to 3; 3 is malformed.
    pub qos: u8,
    pub retain: bool,
    pub topic: Text,
    pub payload: Bytes,
    pub properties: Properties,
}

/// CONNACK (section 3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnAck {
    pub session_present: bool,
    /// Connect Return Code (3.x) or Connect Reason Code (5.0).
    pub reason_code: u8,
    pub properties: Properties,
}

/// PUBLISH (section 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publish {
    pub dup: bool,
    /// 0 to 3; 3 is malformed.
    pub qos: u8,
    pub retain: bool,
    pub topic: Text,
    /// There at QoS 1 and 2 (and, malformed, 3).
    pub packet_id: Option<u16>,
    pub properties: Properties,
    pub payload: Payload,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4 to 3.7).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ack {
    pub packet_id: u16,
    /// 5.0 only; 0 if the short form leaves it out.
    pub reason_code: u8,
    pub properties: Properties,
}

impl Ack {
    /// The short form: no reason code, no properties.
    pub fn new(packet_id: u16) -> Ack {
        Ack {
            packet_id,
            ..Ack::default()
        }
    }
}

/// SUBSCRIBE (section 3.8).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscribe {
    pub packet_id: u16,
    pub properties: Properties,
    pub subscriptions: Vec<Subscription>,
}

/// One filter of a SUBSCRIBE with its options byte (3.x: Requested QoS).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subscription {
    pub filter: Text,
    /// The byte as it is: bits 0 and 1 QoS, and in 5.0 bit 2 No Local, bit 3 Retain As Published, bits 4 and 5 Retain
    /// Handling (5.0, 3.8.3.1). The other bits are reserved.
    pub options: u8,
}

impl Subscription {
    /// A subscription at `qos` (0 to 2) with every other option 0.
    pub fn new(filter: impl Into<Text>, qos: u8) -> Subscription {
        Subscription {
            filter: filter.into(),
            options: qos,
        }
    }

    /// 0 to 3; 3 is malformed.
    pub fn qos(&self) -> u8 {
        self.options & 0b11
    }

    pub fn no_local(&self) -> bool {
        self.options & 0b100 != 0
    }

    pub fn retain_as_published(&self) -> bool {
        self.options & 0b1000 != 0
    }

    /// 0 to 3; 3 is a protocol error.
    pub fn retain_handling(&self) -> u8 {
        (self.options >> 4) & 0b11
    }
}

/// SUBACK (section 3.9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubAck {
    pub packet_id: u16,
    pub properties: Properties,
    /// One a filter, in order.
    pub reason_codes: Vec<u8>,
}

/// UNSUBSCRIBE (section 3.10).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unsubscribe {
    pub packet_id: u16,
    pub properties: Properties,
    pub filters: Vec<Text>,
}

/// UNSUBACK (section 3.11).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnsubAck {
    pub packet_id: u16,
    pub properties: Properties,
    /// 5.0 only: one a filter, in order. 3.x has no payload.
    pub reason_codes: Vec<u8>,
}

/// DISCONNECT (section 3.14).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disconnect {
    /// 5.0 only; 0 if the short form leaves it out.
    pub reason_code: u8,
    pub properties: Properties,
}

/// AUTH (5.0, section 3.15).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Auth {
    pub reason_code: u8,
    pub properties: Properties,
}

/// The properties of a packet or will, in the order of the wire (5.0, section 2.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(pub Vec<Property>);

impl Properties {
    /// The first value with this identifier.
    pub fn get(&self, id: u32) -> Option<&PropertyValue> {
        self.all(id).next()
    }

    /// Every value with this identifier, in order.
    pub fn all(&self, id: u32) -> impl Iterator<Item = &PropertyValue> {
        self.0.iter().filter(move |p| p.id == id).map(|p| &p.value)
    }

    /// The first value with this identifier as a number; `None` if there is none, or it is no number.
    pub fn number(&self, id: u32) -> Option<u32> {
        self.get(id).and_then(PropertyValue::number)
    }

    /// Adds one at the end.
    pub fn push(&mut self, id: u32, value: PropertyValue) {
        self.0.push(Property { id, value });
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One property: its identifier (a Variable Byte Integer) and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    pub id: u32,
    pub value: PropertyValue,
}

/// A property's value, by the data types of 5.0, section 1.5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyValue {
    Byte(u8),
    U16(u16),
    U32(u32),
    /// Variable Byte Integer, at most 268 435 455.
    VarInt(u32),
    Text(Text),
    Pair(Text, Text),
    Binary(Bytes),
}

impl PropertyValue {
    /// The value as a number; `None` for strings, pairs and binary data.
    pub fn number(&self) -> Option<u32> {
        match self {
            PropertyValue::Byte(n) => Some(u32::from(*n)),
            PropertyValue::U16(n) => Some(u32::from(*n)),
            PropertyValue::U32(n) | PropertyValue::VarInt(n) => Some(*n),
            PropertyValue::Text(_) | PropertyValue::Pair(..) | PropertyValue::Binary(_) => None,
        }
    }
}
