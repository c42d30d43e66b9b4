//! Valid packets of every type and version.

use bytes::Bytes;
use mqttspec::wire::property::{DataType, PROPERTIES, Place, PropertySpec};
use mqttspec::wire::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Properties, Property, PropertyValue, Publish, Side,
    SubAck, Subscribe, Subscription, Text, UnsubAck, Unsubscribe, VARIABLE_MAX, Version, Will, reason_codes,
    reason_sender,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A valid packet, the version it is valid at, and a side that may send it.
pub fn valid() -> impl Strategy<Value = (Version, Side, Packet)> {
    (
        select(&Version::ALL[..]),
        select(&PacketType::ALL[..]),
        select(&[Side::Client, Side::Server][..]),
    )
        .prop_map(|(version, packet_type, side)| match packet_type {
            PacketType::Auth if version != Version::V5 => (version, PacketType::PingReq, side),
            _ => (version, packet_type, side),
        })
        .prop_flat_map(|(version, packet_type, side)| {
            let may = match side {
                Side::Client => packet_type.from_client(version),
                Side::Server => packet_type.from_server(version),
            };
            let side = match (may, side) {
                (true, side) => side,
                (false, Side::Client) => Side::Server,
                (false, Side::Server) => Side::Client,
            };
            (Just(version), Just(side), packet(packet_type, version, side))
        })
}

fn packet(packet_type: PacketType, version: Version, side: Side) -> BoxedStrategy<Packet> {
    let props = || properties(Place::Packet(packet_type), version, side);
    let code = || code(packet_type, version, side);
    match packet_type {
        PacketType::Connect => connect(version).prop_map(Packet::from).boxed(),
        PacketType::ConnAck => (any_bool(), code(), props())
            .prop_map(move |(session_present, reason_code, properties)| {
                Packet::ConnAck(ConnAck {
                    session_present: session_present && reason_code == 0 && version != Version::V3_1,
                    reason_code,
                    properties,
                })
            })
            .boxed(),
        PacketType::Publish => publish(version, side).prop_map(Packet::Publish).boxed(),
        PacketType::PubAck => ack(code(), props(), version).prop_map(Packet::PubAck).boxed(),
        PacketType::PubRec => ack(code(), props(), version).prop_map(Packet::PubRec).boxed(),
        PacketType::PubRel => ack(code(), props(), version).prop_map(Packet::PubRel).boxed(),
        PacketType::PubComp => ack(code(), props(), version).prop_map(Packet::PubComp).boxed(),
        PacketType::Subscribe => (id(), props(), vec(subscription(version), 1..4))
            .prop_map(|(packet_id, properties, subscriptions)| {
                Packet::Subscribe(Subscribe {
                    packet_id,
                    properties,
                    subscriptions,
                })
            })
            .boxed(),
        PacketType::SubAck => (id(), props(), vec(code(), 1..4))
            .prop_map(|(packet_id, properties, reason_codes)| {
                Packet::SubAck(SubAck {
                    packet_id,
                    properties,
                    reason_codes,
                })
            })
            .boxed(),
        PacketType::Unsubscribe => (id(), props(), vec(filter(version), 1..4))
            .prop_map(|(packet_id, properties, filters)| {
                Packet::Unsubscribe(Unsubscribe {
                    packet_id,
                    properties,
                    filters,
                })
            })
            .boxed(),
        PacketType::UnsubAck if version == Version::V5 => (id(), props(), vec(code(), 1..4))
            .prop_map(|(packet_id, properties, reason_codes)| {
                Packet::UnsubAck(UnsubAck {
                    packet_id,
                    properties,
                    reason_codes,
                })
            })
            .boxed(),
        PacketType::UnsubAck => id()
            .prop_map(|packet_id| {
                Packet::UnsubAck(UnsubAck {
                    packet_id,
                    ..UnsubAck::default()
                })
            })
            .boxed(),
        PacketType::PingReq => Just(Packet::PingReq).boxed(),
        PacketType::PingResp => Just(Packet::PingResp).boxed(),
        PacketType::Disconnect if version == Version::V5 => (code(), props())
            .prop_map(|(reason_code, properties)| {
                Packet::Disconnect(Disconnect {
                    reason_code,
                    properties,
                })
            })
            .boxed(),
        PacketType::Disconnect => Just(Packet::Disconnect(Disconnect::default())).boxed(),
        PacketType::Auth => (code(), props(), text())
            .prop_map(|(reason_code, mut properties, method)| {
                let method_id = mqttspec::wire::property::id::AUTHENTICATION_METHOD;
                if properties.get(method_id).is_none() {
                    properties.push(method_id, PropertyValue::Text(method));
                }
                Packet::Auth(Auth {
                    reason_code,
                    properties,
                })
            })
            .boxed(),
    }
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::ANY
}

fn id() -> impl Strategy<Value = u16> {
    prop_oneof![1u16..=u16::MAX, Just(1), Just(u16::MAX)]
}

/// A code that this side may send; 0 if this packet has no code at the version.
fn code(packet_type: PacketType, version: Version, side: Side) -> BoxedStrategy<u8> {
    let codes: Vec<u8> = reason_codes(packet_type, version)
        .into_iter()
        .filter(|c| reason_sender(*c, packet_type, version).is_none_or(|only| only == side))
        .collect();
    if codes.is_empty() {
        Just(0).boxed()
    } else {
        select(codes).boxed()
    }
}

fn ack(
    code: BoxedStrategy<u8>,
    properties: impl Strategy<Value = Properties>,
    version: Version,
) -> impl Strategy<Value = Ack> {
    (id(), code, properties).prop_map(move |(packet_id, reason_code, properties)| Ack {
        packet_id,
        reason_code: if version == Version::V5 { reason_code } else { 0 },
        properties,
    })
}

/// Characters of one to four bytes that every version permits, including the byte order mark.
fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => prop::char::range('a', 'z'),
        1 => Just(' '),
        1 => Just('$'),
        1 => prop::char::range('\u{a1}', '\u{2ff}'),
        1 => prop::char::range('\u{4e00}', '\u{4eff}'),
        1 => Just('\u{feff}'),
        1 => prop::char::range('\u{1f300}', '\u{1f5ff}'),
    ]
}

fn word(len: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    vec(character(), len).prop_map(String::from_iter)
}

fn text() -> impl Strategy<Value = Text> {
    word(0..12).prop_map(Text::from)
}

fn topic() -> impl Strategy<Value = Text> {
    (word(1..6), vec(word(0..4), 0..4)).prop_map(|(first, rest)| {
        let levels: Vec<String> = std::iter::once(first).chain(rest).collect();
        Text::from(levels.join("/"))
    })
}

fn filter(version: Version) -> impl Strategy<Value = Text> {
    let level = prop_oneof![word(0..4), Just("+".to_owned())];
    (vec(level, 1..4), any_bool(), any_bool()).prop_map(move |(mut levels, multi, shared)| {
        if multi {
            levels.push("#".to_owned());
        }
        if levels.iter().all(String::is_empty) {
            levels.push("x".to_owned());
        }
        let filter = levels.join("/");
        Text::from(if shared && version == Version::V5 {
            format!("$share/group/{filter}")
        } else {
            filter
        })
    })
}

fn binary() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn subscription(version: Version) -> impl Strategy<Value = Subscription> {
    (filter(version), 0u8..=2, any_bool(), any_bool(), 0u8..=2).prop_map(
        move |(filter, qos, no_local, retain_as_published, retain_handling)| {
            let options = if version == Version::V5 {
                let no_local = no_local && !filter.as_bytes().starts_with(b"$share/");
                qos | u8::from(no_local) << 2 | u8::from(retain_as_published) << 3 | retain_handling << 4
            } else {
                qos
            };
            Subscription { filter, options }
        },
    )
}

fn connect(version: Version) -> impl Strategy<Value = Connect> {
    let will = (
        0u8..=2,
        any_bool(),
        topic(),
        binary(),
        properties(Place::Will, version, Side::Client),
    )
        .prop_map(|(qos, retain, topic, payload, mut properties)| {
            // With a Payload Format Indicator of 1, the payload would have to be UTF-8.
            let format = mqttspec::wire::property::id::PAYLOAD_FORMAT_INDICATOR;
            if std::str::from_utf8(&payload).is_err() {
                properties.0.retain(|p| p.id != format);
            }
            Will {
                qos,
                retain,
                topic,
                payload,
                properties,
            }
        });
    (
        any_bool(),
        any::<u16>(),
        word(1..23),
        option::of(will),
        option::of(text()),
        option::of(binary()),
        properties(Place::Packet(PacketType::Connect), version, Side::Client),
    )
        .prop_map(
            move |(clean_start, keep_alive, client_id, will, username, password, mut properties)| {
                use mqttspec::wire::property::id::{AUTHENTICATION_DATA, AUTHENTICATION_METHOD};
                if properties.get(AUTHENTICATION_METHOD).is_none() {
                    properties.0.retain(|p| p.id != AUTHENTICATION_DATA);
                }
                Connect {
                    clean_start,
                    keep_alive,
                    will,
                    password: password.filter(|_| username.is_some() || version == Version::V5),
                    username,
                    properties,
                    ..Connect::new(version, client_id)
                }
            },
        )
}

fn publish(version: Version, side: Side) -> impl Strategy<Value = Publish> {
    let properties = properties(Place::Packet(PacketType::Publish), version, side);
    (any_bool(), 0u8..=2, any_bool(), topic(), id(), properties, binary()).prop_map(
        |(dup, qos, retain, topic, packet_id, mut properties, payload)| {
            let format = mqttspec::wire::property::id::PAYLOAD_FORMAT_INDICATOR;
            if std::str::from_utf8(&payload).is_err() {
                properties.0.retain(|p| p.id != format);
            }
            Publish {
                dup: dup && qos > 0,
                qos,
                retain,
                topic,
                packet_id: (qos > 0).then_some(packet_id),
                properties,
                payload: payload.into(),
            }
        },
    )
}

/// Any permitted properties in any order; none at 3.x.
fn properties(place: Place, version: Version, side: Side) -> BoxedStrategy<Properties> {
    use mqttspec::wire::property::id::{SESSION_EXPIRY_INTERVAL, SUBSCRIPTION_IDENTIFIER};
    if version != Version::V5 {
        return Just(Properties::default()).boxed();
    }
    let allowed: Vec<&PropertySpec> = PROPERTIES
        .iter()
        .filter(|p| p.allowed(place))
        .filter(|p| {
            !matches!(
                (p.id, place, side),
                (
                    SUBSCRIPTION_IDENTIFIER,
                    Place::Packet(PacketType::Publish),
                    Side::Client
                ) | (
                    SESSION_EXPIRY_INTERVAL,
                    Place::Packet(PacketType::Disconnect),
                    Side::Server
                )
            )
        })
        .collect();
    if allowed.is_empty() {
        return Just(Properties::default()).boxed();
    }
    vec(select(allowed).prop_flat_map(property), 0..8)
        .prop_map(move |list| {
            let mut properties = Properties::default();
            for Property { id, value } in list {
                let spec = mqttspec::wire::property::property(id).unwrap();
                if spec.repeatable(place) || properties.get(id).is_none() {
                    properties.push(id, value);
                }
            }
            properties
        })
        .boxed()
}

fn property(spec: &'static PropertySpec) -> BoxedStrategy<Property> {
    let most = match spec.data_type {
        DataType::Byte => 0xff,
        DataType::U16 => 0xffff,
        DataType::VarInt => VARIABLE_MAX,
        _ => u32::MAX,
    };
    let range = spec.legal.clone().unwrap_or(0..=most);
    let number = prop_oneof![range.clone(), Just(*range.start()), Just(*range.end())];
    let value = match spec.data_type {
        DataType::Byte => number.prop_map(|n| PropertyValue::Byte(n as u8)).boxed(),
        DataType::U16 => number.prop_map(|n| PropertyValue::U16(n as u16)).boxed(),
        DataType::U32 => number.prop_map(PropertyValue::U32).boxed(),
        DataType::VarInt => number.prop_map(PropertyValue::VarInt).boxed(),
        // A Response Topic must be a topic name; the other strings may be any text, and a topic name is one.
        DataType::Text => topic().prop_map(PropertyValue::Text).boxed(),
        DataType::Pair => (text(), text()).prop_map(|(k, v)| PropertyValue::Pair(k, v)).boxed(),
        DataType::Binary => binary().prop_map(PropertyValue::Binary).boxed(),
    };
    let id = spec.id;
    value.prop_map(move |value| Property { id, value }).boxed()
}
