//! The table of legal field names: which fields a packet type has at a version, under which names, of which kind.
//! The scenario loader checks against it and the JSON Schema is made from it.

use super::property::{DataType, PROPERTIES, Place, PropertySpec};
use super::{PacketType, Version};

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Bool,
    /// A number from 0 to `max`, which is what the wire can hold, not what the standard permits.
    Number {
        max: u64,
    },
    /// A UTF-8 string of at most 65 535 bytes.
    Text,
    /// At most 65 535 bytes.
    Binary,
    /// The application message of a PUBLISH.
    Payload,
    /// A list of numbers, each from 0 to `max`.
    Numbers {
        max: u64,
    },
    /// A list of strings: the filters of an UNSUBSCRIBE.
    Texts,
    /// A list of names with values: user properties.
    Pairs,
    /// A group of fields: the will.
    Map(Vec<FieldSpec>),
    /// A list of groups: the filters of a SUBSCRIBE.
    List(Vec<FieldSpec>),
}

/// One field that a packet may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSpec {
    /// The name that this version's standard uses.
    pub name: &'static str,
    /// Other names of the same field, legal at every version (`clean_session` for `clean_start`).
    pub also: &'static [&'static str],
    pub kind: Kind,
    /// The number that absence stands for, if the standard names one (5.0 properties).
    pub default: Option<u64>,
    /// The property's identifier, if the field is a 5.0 property.
    pub property: Option<u32>,
}

impl FieldSpec {
    fn new(name: &'static str, kind: Kind) -> FieldSpec {
        FieldSpec {
            name,
            also: &[],
            kind,
            default: None,
            property: None,
        }
    }

    fn property(spec: &PropertySpec, place: Place) -> FieldSpec {
        let kind = match spec.data_type {
            DataType::Text => Kind::Text,
            DataType::Binary => Kind::Binary,
            DataType::Pair => Kind::Pairs,
            DataType::VarInt => Kind::Numbers {
                max: super::VARIABLE_MAX.into(),
            },
            DataType::Byte => Kind::Number { max: 0xff },
            DataType::U16 => Kind::Number { max: 0xffff },
            DataType::U32 => Kind::Number { max: 0xffff_ffff },
        };
        FieldSpec {
            name: spec.name,
            also: &[],
            kind,
            default: spec.default_at(place).map(u64::from),
            property: Some(spec.id),
        }
    }

    /// Whether the field goes by `name`.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name)
    }
}

/// Every field of a packet of this type at this version, in the order of the wire. AUTH has none before 5.0.
///
/// `remaining_length`, `flags`, `append` and the other ways to make a packet wrong are no fields: see
/// [`Overrides`](super::Overrides).
pub fn field_names(packet_type: PacketType, version: Version) -> Vec<FieldSpec> {
    use PacketType::*;
    let v5 = version == Version::V5;
    let number = |name, max| FieldSpec::new(name, Kind::Number { max });
    let flag = |name| FieldSpec::new(name, Kind::Bool);
    let packet_id = || number("packet_id", 0xffff);
    let code = || both_names(version, "reason_code", "return_code", Kind::Number { max: 0xff });
    let codes = || both_names(version, "reason_codes", "return_codes", Kind::Numbers { max: 0xff });

    let mut fields = match packet_type {
        Connect => vec![
            FieldSpec::new("protocol_name", Kind::Text),
            number("protocol_level", 0xff),
            both_names(version, "clean_start", "clean_session", Kind::Bool),
            number("keep_alive", 0xffff),
            FieldSpec::new("client_id", Kind::Text),
            FieldSpec::new("will", Kind::Map(will_fields(version))),
            FieldSpec::new("username", Kind::Text),
            FieldSpec::new("password", Kind::Binary),
        ],
        ConnAck => vec![flag("session_present"), code()],
        Publish => vec![
            flag("dup"),
            number("qos", 3),
            flag("retain"),
            FieldSpec::new("topic", Kind::Text),
            packet_id(),
            FieldSpec::new("payload", Kind::Payload),
        ],
        PubAck | PubRec | PubRel | PubComp if v5 => vec![packet_id(), code()],
        PubAck | PubRec | PubRel | PubComp => vec![packet_id()],
        Subscribe => vec![
            packet_id(),
            FieldSpec::new("filters", Kind::List(subscription_fields(version))),
        ],
        SubAck => vec![packet_id(), codes()],
        Unsubscribe => vec![packet_id(), FieldSpec::new("filters", Kind::Texts)],
        UnsubAck if v5 => vec![packet_id(), codes()],
        UnsubAck => vec![packet_id()],
        Disconnect | Auth if v5 => vec![code()],
        PingReq | PingResp | Disconnect | Auth => vec![],
    };
    if v5 {
        fields.extend(properties_of(Place::Packet(packet_type)));
    }
    fields
}

/// The field of this packet type and version that goes by `name`.
pub fn field_named(packet_type: PacketType, version: Version, name: &str) -> Option<FieldSpec> {
    field_names(packet_type, version).into_iter().find(|f| f.is(name))
}

/// A field that 3.x and 5.0 call differently; either name is legal at every version.
fn both_names(version: Version, v5: &'static str, v3: &'static str, kind: Kind) -> FieldSpec {
    let (name, other): (_, &'static [&'static str]) = match (version, v5) {
        (Version::V5, "clean_start") => (v5, &["clean_session"]),
        (Version::V5, "reason_code") => (v5, &["return_code"]),
        (Version::V5, _) => (v5, &["return_codes"]),
        (_, "clean_start") => (v3, &["clean_start"]),
        (_, "reason_code") => (v3, &["reason_code"]),
        (_, _) => (v3, &["reason_codes"]),
    };
    FieldSpec {
        also: other,
        ..FieldSpec::new(name, kind)
    }
}

fn will_fields(version: Version) -> Vec<FieldSpec> {
    let mut fields = vec![
        FieldSpec::new("qos", Kind::Number { max: 3 }),
        FieldSpec::new("retain", Kind::Bool),
        FieldSpec::new("topic", Kind::Text),
        FieldSpec::new("payload", Kind::Binary),
    ];
    if version == Version::V5 {
        fields.extend(properties_of(Place::Will));
    }
    fields
}

fn subscription_fields(version: Version) -> Vec<FieldSpec> {
    let mut fields = vec![
        FieldSpec::new("filter", Kind::Text),
        FieldSpec::new("qos", Kind::Number { max: 3 }),
    ];
    if version == Version::V5 {
        fields.extend([
            FieldSpec::new("no_local", Kind::Bool),
            FieldSpec::new("retain_as_published", Kind::Bool),
            FieldSpec::new("retain_handling", Kind::Number { max: 3 }),
        ]);
    }
    fields
}

fn properties_of(place: Place) -> impl Iterator<Item = FieldSpec> {
    PROPERTIES
        .iter()
        .filter(move |p| p.allowed(place))
        .map(move |p| FieldSpec::property(p, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_name_finds_the_field_at_every_version() {
        for version in Version::ALL {
            for (packet_type, one, other) in [
                (PacketType::Connect, "clean_start", "clean_session"),
                (PacketType::ConnAck, "reason_code", "return_code"),
                (PacketType::SubAck, "reason_codes", "return_codes"),
            ] {
                let found = field_named(packet_type, version, one);
                assert!(found.is_some());
                assert_eq!(found, field_named(packet_type, version, other));
            }
        }
        assert_eq!(
            field_named(PacketType::Connect, Version::V3_1_1, "clean_start")
                .unwrap()
                .name,
            "clean_session"
        );
    }

    #[test]
    fn properties_are_fields_at_5_0_only() {
        assert_eq!(
            field_named(PacketType::Connect, Version::V3_1_1, "receive_maximum"),
            None
        );
        let found = field_named(PacketType::Connect, Version::V5, "receive_maximum").unwrap();
        assert_eq!(found.kind, Kind::Number { max: 65_535 });
        assert_eq!(found.default, Some(65_535));
        assert_eq!(field_names(PacketType::PubAck, Version::V3_1).len(), 1);
        assert!(field_names(PacketType::PingReq, Version::V5).is_empty());
    }

    #[test]
    fn no_name_occurs_twice_in_a_packet() {
        for version in Version::ALL {
            for packet_type in PacketType::ALL {
                let fields = field_names(packet_type, version);
                for (i, field) in fields.iter().enumerate() {
                    let names = std::iter::once(field.name).chain(field.also.iter().copied());
                    for name in names {
                        assert!(!fields[i + 1..].iter().any(|f| f.is(name)), "{packet_type} {name}");
                    }
                }
            }
        }
    }
}
