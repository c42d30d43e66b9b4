//! The table of all 27 properties (5.0, section 2.2.2.2): what each is called, how it is written, who may carry it.

use std::ops::RangeInclusive;

use super::PacketType;

/// The data type of a property's value (5.0, section 1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    Byte,
    U16,
    U32,
    VarInt,
    Text,
    Pair,
    Binary,
}

impl DataType {
    /// The largest number that the type can hold on the wire; `None` if it is no number.
    pub fn max(self) -> Option<u64> {
        match self {
            DataType::Byte => Some(u64::from(u8::MAX)),
            DataType::U16 => Some(u64::from(u16::MAX)),
            DataType::U32 => Some(u64::from(u32::MAX)),
            DataType::VarInt => Some(super::VARIABLE_MAX.into()),
            DataType::Text | DataType::Pair | DataType::Binary => None,
        }
    }
}

/// Where a block of properties is: in a packet, or in the will of a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Packet(PacketType),
    Will,
}

impl Place {
    /// No packet's type is 0, so that a will has that bit.
    const fn bit(self) -> u16 {
        match self {
            Place::Packet(packet) => 1 << packet as u8,
            Place::Will => 1,
        }
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct PropertySpec {
    /// The identifier, a Variable Byte Integer on the wire.
    pub id: u32,
    /// The field's name in scenarios and transcripts, such as `topic_alias`.
    pub name: &'static str,
    /// The name that the standard gives it, such as `Topic Alias`.
    pub title: &'static str,
    pub data_type: DataType,
    /// The packets that may carry it.
    pub packets: &'static [PacketType],
    /// Whether a will may carry it.
    pub will: bool,
    /// Both again, a bit a place: [`allowed`](PropertySpec::allowed) is asked for each property that comes.
    places: u16,
    /// The numbers that the standard permits; `None` if the data type alone bounds it, or it is no number.
    pub legal: Option<RangeInclusive<u32>>,
    /// What its absence stands for; see [`PropertySpec::default_at`].
    default: Option<u32>,
    /// The section that defines it first.
    pub section: &'static str,
}

impl PropertySpec {
    const fn new(
        id: u32,
        name: &'static str,
        title: &'static str,
        data_type: DataType,
        packets: &'static [PacketType],
        section: &'static str,
    ) -> PropertySpec {
        let mut places = 0;
        let mut i = 0;
        while i < packets.len() {
            places |= Place::Packet(packets[i]).bit();
            i += 1;
        }
        PropertySpec {
            id,
            name,
            title,
            data_type,
            packets,
            will: false,
            places,
            legal: None,
            default: None,
            section,
        }
    }

    const fn and_will(mut self) -> PropertySpec {
        self.will = true;
        self.places |= Place::Will.bit();
        self
    }
    const fn legal(mut self, from: u32, to: u32) -> PropertySpec {
        self.legal = Some(RangeInclusive::new(from, to));
        self
    }
    const fn default(mut self, value: u32) -> PropertySpec {
        self.default = Some(value);
        self
    }

    /// Whether the property may be at `place`.
    pub fn allowed(&self, place: Place) -> bool {
        self.places & place.bit() != 0
    }

    /// What its absence from `place` stands for, if the standard names a number. Without a Session Expiry Interval
    /// in CONNACK or DISCONNECT the one of the CONNECT holds, so there it has none.
    pub fn default_at(&self, place: Place) -> Option<u32> {
        match (self.id, place) {
            (id::SESSION_EXPIRY_INTERVAL, Place::Packet(packet)) if packet != PacketType::Connect => None,
            _ => self.default,
        }
    }

    /// Whether it may be at `place` more than once: User Property anywhere (5.0, section 2.2.2.2), Subscription
    /// Identifier in PUBLISH (section 3.3.2.3.8).
    pub fn repeatable(&self, place: Place) -> bool {
        match self.id {
            id::USER_PROPERTY => true,
            id::SUBSCRIPTION_IDENTIFIER => place == Place::Packet(PacketType::Publish),
            _ => false,
        }
    }
}

/// The identifiers, for code that asks for one of them.
pub mod id {
    pub const PAYLOAD_FORMAT_INDICATOR: u32 = 0x01;
    pub const MESSAGE_EXPIRY_INTERVAL: u32 = 0x02;
    pub const CONTENT_TYPE: u32 = 0x03;
    pub const RESPONSE_TOPIC: u32 = 0x08;
    pub const CORRELATION_DATA: u32 = 0x09;
    pub const SUBSCRIPTION_IDENTIFIER: u32 = 0x0b;
    pub const SESSION_EXPIRY_INTERVAL: u32 = 0x11;
    pub const ASSIGNED_CLIENT_IDENTIFIER: u32 = 0x12;
    pub const SERVER_KEEP_ALIVE: u32 = 0x13;
    pub const AUTHENTICATION_METHOD: u32 = 0x15;
    pub const AUTHENTICATION_DATA: u32 = 0x16;
    pub const REQUEST_PROBLEM_INFORMATION: u32 = 0x17;
    pub const WILL_DELAY_INTERVAL: u32 = 0x18;
    pub const REQUEST_RESPONSE_INFORMATION: u32 = 0x19;
    pub const RESPONSE_INFORMATION: u32 = 0x1a;
    pub const SERVER_REFERENCE: u32 = 0x1c;
    pub const REASON_STRING: u32 = 0x1f;
    pub const RECEIVE_MAXIMUM: u32 = 0x21;
    pub const TOPIC_ALIAS_MAXIMUM: u32 = 0x22;
    pub const TOPIC_ALIAS: u32 = 0x23;
    pub const MAXIMUM_QOS: u32 = 0x24;
    pub const RETAIN_AVAILABLE: u32 = 0x25;
    pub const USER_PROPERTY: u32 = 0x26;
    pub const MAXIMUM_PACKET_SIZE: u32 = 0x27;
    pub const WILDCARD_SUBSCRIPTION_AVAILABLE: u32 = 0x28;
    pub const SUBSCRIPTION_IDENTIFIER_AVAILABLE: u32 = 0x29;
    pub const SHARED_SUBSCRIPTION_AVAILABLE: u32 = 0x2a;
}

/// The whole table, by identifier.
pub static PROPERTIES: [PropertySpec; 27] = {
    use DataType::*;
    use PacketType::*;

    const EVERY: &[PacketType] = &[
        Connect,
        ConnAck,
        Publish,
        PubAck,
        PubRec,
        PubRel,
        PubComp,
        Subscribe,
        SubAck,
        Unsubscribe,
        UnsubAck,
        Disconnect,
        Auth,
    ];
    const ANSWERS: &[PacketType] = &[
        ConnAck, PubAck, PubRec, PubRel, PubComp, SubAck, UnsubAck, Disconnect, Auth,
    ];

    [
        PropertySpec::new(
            0x01,
            "payload_format_indicator",
            "Payload Format Indicator",
            Byte,
            &[Publish],
            "3.3.2.3.2",
        )
        .and_will()
        .legal(0, 1)
        .default(0),
        PropertySpec::new(
            0x02,
            "message_expiry_interval",
            "Message Expiry Interval",
            U32,
            &[Publish],
            "3.3.2.3.3",
        )
        .and_will(),
        PropertySpec::new(0x03, "content_type", "Content Type", Text, &[Publish], "3.3.2.3.9").and_will(),
        PropertySpec::new(0x08, "response_topic", "Response Topic", Text, &[Publish], "3.3.2.3.5").and_will(),
        PropertySpec::new(
            0x09,
            "correlation_data",
            "Correlation Data",
            Binary,
            &[Publish],
            "3.3.2.3.6",
        )
        .and_will(),
        PropertySpec::new(
            0x0b,
            "subscription_ids",
            "Subscription Identifier",
            VarInt,
            &[Publish, Subscribe],
            "3.8.2.1.2",
        )
        .legal(1, super::VARIABLE_MAX),
        PropertySpec::new(
            0x11,
            "session_expiry_interval",
            "Session Expiry Interval",
            U32,
            &[Connect, ConnAck, Disconnect],
            "3.1.2.11.2",
        )
        .default(0),
        PropertySpec::new(
            0x12,
            "assigned_client_id",
            "Assigned Client Identifier",
            Text,
            &[ConnAck],
            "3.2.2.3.7",
        ),
        PropertySpec::new(
            0x13,
            "server_keep_alive",
            "Server Keep Alive",
            U16,
            &[ConnAck],
            "3.2.2.3.14",
        ),
        PropertySpec::new(
            0x15,
            "authentication_method",
            "Authentication Method",
            Text,
            &[Connect, ConnAck, Auth],
            "3.1.2.11.9",
        ),
        PropertySpec::new(
            0x16,
            "authentication_data",
            "Authentication Data",
            Binary,
            &[Connect, ConnAck, Auth],
            "3.1.2.11.10",
        ),
        PropertySpec::new(
            0x17,
            "request_problem_information",
            "Request Problem Information",
            Byte,
            &[Connect],
            "3.1.2.11.7",
        )
        .legal(0, 1)
        .default(1),
        PropertySpec::new(
            0x18,
            "will_delay_interval",
            "Will Delay Interval",
            U32,
            &[],
            "3.1.3.2.2",
        )
        .and_will()
        .default(0),
        PropertySpec::new(
            0x19,
            "request_response_information",
            "Request Response Information",
            Byte,
            &[Connect],
            "3.1.2.11.6",
        )
        .legal(0, 1)
        .default(0),
        PropertySpec::new(
            0x1a,
            "response_information",
            "Response Information",
            Text,
            &[ConnAck],
            "3.2.2.3.15",
        ),
        PropertySpec::new(
            0x1c,
            "server_reference",
            "Server Reference",
            Text,
            &[ConnAck, Disconnect],
            "3.2.2.3.16",
        ),
        PropertySpec::new(0x1f, "reason_string", "Reason String", Text, ANSWERS, "3.2.2.3.9"),
        PropertySpec::new(
            0x21,
            "receive_maximum",
            "Receive Maximum",
            U16,
            &[Connect, ConnAck],
            "3.1.2.11.3",
        )
        .legal(1, 65_535)
        .default(65_535),
        PropertySpec::new(
            0x22,
            "topic_alias_maximum",
            "Topic Alias Maximum",
            U16,
            &[Connect, ConnAck],
            "3.1.2.11.5",
        )
        .default(0),
        PropertySpec::new(0x23, "topic_alias", "Topic Alias", U16, &[Publish], "3.3.2.3.4").legal(1, 65_535),
        PropertySpec::new(0x24, "maximum_qos", "Maximum QoS", Byte, &[ConnAck], "3.2.2.3.4")
            .legal(0, 1)
            .default(2),
        PropertySpec::new(
            0x25,
            "retain_available",
            "Retain Available",
            Byte,
            &[ConnAck],
            "3.2.2.3.5",
        )
        .legal(0, 1)
        .default(1),
        PropertySpec::new(0x26, "user_properties", "User Property", Pair, EVERY, "3.1.2.11.8").and_will(),
        PropertySpec::new(
            0x27,
            "maximum_packet_size",
            "Maximum Packet Size",
            U32,
            &[Connect, ConnAck],
            "3.1.2.11.4",
        )
        .legal(1, u32::MAX),
        PropertySpec::new(
            0x28,
            "wildcard_subscription_available",
            "Wildcard Subscription Available",
            Byte,
            &[ConnAck],
            "3.2.2.3.11",
        )
        .legal(0, 1)
        .default(1),
        PropertySpec::new(
            0x29,
            "subscription_identifier_available",
            "Subscription Identifier Available",
            Byte,
            &[ConnAck],
            "3.2.2.3.12",
        )
        .legal(0, 1)
        .default(1),
        PropertySpec::new(
            0x2a,
            "shared_subscription_available",
            "Shared Subscription Available",
            Byte,
            &[ConnAck],
            "3.2.2.3.13",
        )
        .legal(0, 1)
        .default(1),
    ]
};

/// The row with this identifier.
pub fn property(id: u32) -> Option<&'static PropertySpec> {
    /// The place of each identifier in the table; 0xff if no property has it.
    static PLACES: [u8; 0x80] = {
        let mut places = [0xff; 0x80];
        let mut i = 0;
        while i < PROPERTIES.len() {
            places[PROPERTIES[i].id as usize] = i as u8;
            i += 1;
        }
        places
    };
    let place = *PLACES.get(id as usize)?;
    PROPERTIES.get(usize::from(place))
}

/// The row with this field name.
pub fn property_named(name: &str) -> Option<&'static PropertySpec> {
    PROPERTIES.iter().find(|p| p.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_names_are_unique() {
        for pair in PROPERTIES.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} and {}", pair[0].name, pair[1].name);
        }
        for row in &PROPERTIES {
            assert_eq!(property_named(row.name).unwrap().id, row.id);
        }
    }

    /// The number of properties that each packet may carry, counted by hand in table 2-4 of the standard.
    #[test]
    fn every_packet_has_as_many_properties_as_in_table_2_4() {
        let count = |place| PROPERTIES.iter().filter(|p| p.allowed(place)).count();
        let expected = [
            (PacketType::Connect, 9),
            (PacketType::ConnAck, 17),
            (PacketType::Publish, 8),
            (PacketType::PubAck, 2),
            (PacketType::PubRec, 2),
            (PacketType::PubRel, 2),
            (PacketType::PubComp, 2),
            (PacketType::Subscribe, 2),
            (PacketType::SubAck, 2),
            (PacketType::Unsubscribe, 1),
            (PacketType::UnsubAck, 2),
            (PacketType::PingReq, 0),
            (PacketType::PingResp, 0),
            (PacketType::Disconnect, 4),
            (PacketType::Auth, 4),
        ];
        for (packet, number) in expected {
            assert_eq!(count(Place::Packet(packet)), number, "{packet}");
        }
        assert_eq!(count(Place::Will), 7);
    }

    #[test]
    fn the_default_of_session_expiry_is_that_of_connect_alone() {
        let spec = property(id::SESSION_EXPIRY_INTERVAL).unwrap();
        assert_eq!(spec.default_at(Place::Packet(PacketType::Connect)), Some(0));
        assert_eq!(spec.default_at(Place::Packet(PacketType::ConnAck)), None);
    }
}
