//! The fields of a packet by the names that scripts use, as the matcher compares them.

use super::property::{DataType, property, property_named};
use super::{Connect, Packet, Properties, PropertyValue, Subscription, Value, Version, Will};

/// The value of the field `name` (see [`field_names`](super::field_names)); `None` if the packet does not carry it, or
/// has no such field at this version.
///
/// A reason code that a 5.0 short form leaves out is 0, which is what it stands for. `topic` is the topic as it is on
/// the wire: no alias is resolved. A property that occurs twice although it may not gives its first value.
pub fn field(packet: &Packet, version: Version, name: &str) -> Option<Value> {
    let v5 = version == Version::V5;
    let own = match packet {
        Packet::Connect(p) => connect_field(p, version, name),
        Packet::ConnAck(p) => match name {
            "session_present" => Some(Value::Bool(p.session_present)),
            "reason_code" | "return_code" => Some(int(p.reason_code)),
            _ => None,
        },
        Packet::Publish(p) => match name {
            "dup" => Some(Value::Bool(p.dup)),
            "qos" => Some(int(p.qos)),
            "retain" => Some(Value::Bool(p.retain)),
            "topic" => Some(Value::Text(p.topic.clone())),
            "packet_id" => p.packet_id.map(int),
            "payload" => Some(Value::Payload(p.payload.clone())),
            _ => None,
        },
        Packet::PubAck(p) | Packet::PubRec(p) | Packet::PubRel(p) | Packet::PubComp(p) => match name {
            "packet_id" => Some(int(p.packet_id)),
            "reason_code" | "return_code" if v5 => Some(int(p.reason_code)),
            _ => None,
        },
        Packet::Subscribe(p) => match name {
            "packet_id" => Some(int(p.packet_id)),
            "filters" => Some(Value::List(
                p.subscriptions.iter().map(|s| subscription_value(s, version)).collect(),
            )),
            _ => None,
        },
        Packet::SubAck(p) => match name {
            "packet_id" => Some(int(p.packet_id)),
            "reason_codes" | "return_codes" => Some(codes(&p.reason_codes)),
            _ => None,
        },
        Packet::Unsubscribe(p) => match name {
            "packet_id" => Some(int(p.packet_id)),
            "filters" => Some(Value::Texts(p.filters.clone())),
            _ => None,
        },
        Packet::UnsubAck(p) => match name {
            "packet_id" => Some(int(p.packet_id)),
            "reason_codes" | "return_codes" if v5 => Some(codes(&p.reason_codes)),
            _ => None,
        },
        Packet::Disconnect(p) => match name {
            "reason_code" | "return_code" if v5 => Some(int(p.reason_code)),
            _ => None,
        },
        Packet::Auth(p) => match name {
            "reason_code" | "return_code" => Some(int(p.reason_code)),
            _ => None,
        },
        Packet::PingReq | Packet::PingResp => None,
    };
    own.or_else(|| {
        let properties = packet.properties().filter(|_| v5)?;
        property_field(properties, name)
    })
}

/// The value of the property `name` in a block of properties; `None` if it is absent.
pub fn property_field(properties: &Properties, name: &str) -> Option<Value> {
    let spec = property_named(name)?;
    match spec.data_type {
        DataType::Pair => {
            let pairs: Vec<_> = properties.all(spec.id).filter_map(pair).collect();
            (!pairs.is_empty()).then_some(Value::Pairs(pairs))
        }
        DataType::VarInt => {
            let numbers: Vec<_> = properties
                .all(spec.id)
                .filter_map(PropertyValue::number)
                .map(u64::from)
                .collect();
            (!numbers.is_empty()).then_some(Value::Ints(numbers))
        }
        _ => properties.get(spec.id).map(property_value),
    }
}

/// One property's value by itself.
pub fn property_value(value: &PropertyValue) -> Value {
    match value {
        PropertyValue::Byte(n) => int(*n),
        PropertyValue::U16(n) => int(*n),
        PropertyValue::U32(n) | PropertyValue::VarInt(n) => int(*n),
        PropertyValue::Text(text) => Value::Text(text.clone()),
        PropertyValue::Pair(name, value) => Value::Pairs(vec![(name.clone(), value.clone())]),
        PropertyValue::Binary(bytes) => Value::Binary(bytes.clone()),
    }
}

fn connect_field(p: &Connect, version: Version, name: &str) -> Option<Value> {
    match name {
        "protocol_name" => Some(Value::Text(p.protocol_name.clone())),
        "protocol_level" => Some(int(p.protocol_level)),
        "clean_start" | "clean_session" => Some(Value::Bool(p.clean_start)),
        "keep_alive" => Some(int(p.keep_alive)),
        "client_id" => Some(Value::Text(p.client_id.clone())),
        "will" => p.will.as_ref().map(|w| will_value(w, version)),
        "username" => p.username.clone().map(Value::Text),
        "password" => p.password.clone().map(Value::Binary),
        _ => None,
    }
}

fn will_value(will: &Will, version: Version) -> Value {
    let mut map = vec![
        ("qos", int(will.qos)),
        ("retain", Value::Bool(will.retain)),
        ("topic", Value::Text(will.topic.clone())),
        ("payload", Value::Binary(will.payload.clone())),
    ];
    if version == Version::V5 {
        for p in &will.properties.0 {
            let Some(spec) = property(p.id) else { continue };
            if map.iter().any(|(name, _)| *name == spec.name) {
                continue;
            }
            if let Some(value) = property_field(&will.properties, spec.name) {
                map.push((spec.name, value));
            }
        }
    }
    Value::Map(map)
}

fn subscription_value(s: &Subscription, version: Version) -> Value {
    let mut map = vec![("filter", Value::Text(s.filter.clone())), ("qos", int(s.qos()))];
    if version == Version::V5 {
        map.extend([
            ("no_local", Value::Bool(s.no_local())),
            ("retain_as_published", Value::Bool(s.retain_as_published())),
            ("retain_handling", int(s.retain_handling())),
        ]);
    }
    Value::Map(map)
}

fn pair(value: &PropertyValue) -> Option<(super::Text, super::Text)> {
    match value {
        PropertyValue::Pair(name, value) => Some((name.clone(), value.clone())),
        _ => None,
    }
}

fn int(n: impl Into<u64>) -> Value {
    Value::Int(n.into())
}

fn codes(codes: &[u8]) -> Value {
    Value::Ints(codes.iter().map(|c| u64::from(*c)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::property::id;
    use crate::wire::{Ack, ConnAck, PacketType, Publish, SubAck, field_names};

    #[test]
    fn a_field_is_found_by_either_name() {
        let packet = Packet::ConnAck(ConnAck {
            session_present: true,
            reason_code: 5,
            ..ConnAck::default()
        });
        for name in ["reason_code", "return_code"] {
            assert_eq!(field(&packet, Version::V3_1_1, name), Some(Value::Int(5)));
        }
        assert_eq!(
            field(&packet, Version::V3_1_1, "session_present"),
            Some(Value::Bool(true))
        );
        assert_eq!(field(&packet, Version::V3_1_1, "topic"), None);
    }

    #[test]
    fn properties_are_fields_of_5_0_only_and_lists_are_whole() {
        let mut properties = Properties::default();
        properties.push(id::SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(7));
        properties.push(id::SUBSCRIPTION_IDENTIFIER, PropertyValue::VarInt(300));
        properties.push(id::USER_PROPERTY, PropertyValue::Pair("a".into(), "b".into()));
        let packet = Packet::Publish(Publish {
            topic: "t".into(),
            properties,
            ..Publish::default()
        });
        assert_eq!(
            field(&packet, Version::V5, "subscription_ids"),
            Some(Value::Ints(vec![7, 300]))
        );
        assert_eq!(
            field(&packet, Version::V5, "user_properties"),
            Some(Value::Pairs(vec![("a".into(), "b".into())]))
        );
        assert_eq!(field(&packet, Version::V5, "topic_alias"), None);
        assert_eq!(field(&packet, Version::V3_1_1, "user_properties"), None);
        assert_eq!(field(&packet, Version::V5, "packet_id"), None);
    }

    #[test]
    fn an_ack_has_a_reason_code_at_5_0_only() {
        let packet = Packet::PubRec(Ack::new(9));
        assert_eq!(field(&packet, Version::V5, "reason_code"), Some(Value::Int(0)));
        assert_eq!(field(&packet, Version::V3_1_1, "reason_code"), None);
        let packet = Packet::SubAck(SubAck {
            reason_codes: vec![0, 0x80],
            ..SubAck::default()
        });
        assert_eq!(
            field(&packet, Version::V3_1, "return_codes"),
            Some(Value::Ints(vec![0, 128]))
        );
    }

    #[test]
    fn every_field_of_a_full_connect_can_be_asked_for() {
        let mut connect = Connect::new(Version::V5, "me");
        connect.username = Some("u".into());
        connect.password = Some("p".into());
        connect.will = Some(Will::default());
        let packet = Packet::from(connect);
        for spec in field_names(PacketType::Connect, Version::V5) {
            if spec.property.is_none() {
                assert!(field(&packet, Version::V5, spec.name).is_some(), "{}", spec.name);
            }
        }
    }
}
