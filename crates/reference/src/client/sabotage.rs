//! Packets that are wrong on purpose: how a packet is spoiled so that it breaks a statement about its form.

use bytes::{BufMut, Bytes, BytesMut};

use super::duty;
use crate::statements::{PerVersion, Version};
use crate::wire::property::id;
use crate::wire::{
    Ack, Chunk, Connect, Overrides, Packet, PacketType, Properties, PropertyValue, Text, encode, encode_bytes,
    encode_variable,
};

/// Makes a packet break a statement. What it has no place for, it leaves as it is.
type Spoil = fn(&mut Packet, &mut Overrides, Version);

/// How many bytes of text make an acknowledgement larger than every Maximum Packet Size of the scenarios.
const LARGE: usize = 200;

/// Each duty about the form of a packet, and how it is broken.
const WAYS: &[(PerVersion, Spoil)] = &[
    (duty::PROTOCOL_NAME, |packet, _, _| {
        of_connect(packet, |connect| connect.protocol_name = "mqtt".into());
    }),
    (duty::PROTOCOL_LEVEL, |packet, _, _| {
        of_connect(packet, |connect| connect.protocol_level = 9);
    }),
    (duty::WILL_QOS_WITHOUT_WILL, |packet, overrides, _| {
        set_flags(packet, overrides, |connect| connect.will.is_none(), 0x08);
    }),
    (duty::WILL_RETAIN_WITHOUT_WILL, |packet, overrides, _| {
        set_flags(packet, overrides, |connect| connect.will.is_none(), 0x20);
    }),
    (duty::USER_NAME_FLAG, |packet, overrides, _| {
        append_string(packet, overrides, |connect| connect.username.is_none());
    }),
    (duty::PASSWORD_FLAG, |packet, overrides, _| {
        append_string(packet, overrides, |connect| connect.password.is_none());
    }),
    (duty::CLIENT_ID_THERE, |packet, overrides, _| {
        of_connect(packet, |connect| {
            if connect.will.is_none() && connect.username.is_none() {
                overrides.truncate = 2 + connect.client_id.len();
            }
        });
    }),
    (duty::PAYLOAD_ORDER, |packet, _, _| {
        of_connect(packet, |connect| {
            if let (Some(will), Some(username)) = (&mut connect.will, &mut connect.username) {
                std::mem::swap(&mut will.topic, username);
            }
        });
    }),
    (duty::UTF8, |packet, _, _| each_text(packet, ill_formed)),
    (duty::UTF8_CLIENT_ID, |packet, _, _| {
        of_connect(packet, |connect| ill_formed(&mut connect.client_id));
    }),
    (duty::UTF8_WILL_TOPIC, |packet, _, _| {
        of_connect(packet, |connect| {
            connect.will.iter_mut().for_each(|will| ill_formed(&mut will.topic));
        });
    }),
    (duty::UTF8_USER_NAME, |packet, _, _| {
        of_connect(packet, |connect| connect.username.iter_mut().for_each(ill_formed));
    }),
    (duty::UTF8_TOPIC, |packet, _, _| {
        if let Packet::Publish(publish) = packet {
            ill_formed(&mut publish.topic);
        }
    }),
    (duty::UTF8_RESPONSE_TOPIC, |packet, _, _| {
        of_property(packet, id::RESPONSE_TOPIC, ill_formed);
    }),
    (duty::UTF8_CONTENT_TYPE, |packet, _, _| {
        of_property(packet, id::CONTENT_TYPE, ill_formed);
    }),
    (duty::UTF8_PAIR, |packet, _, _| {
        of_property(packet, id::USER_PROPERTY, ill_formed);
    }),
    (duty::UTF8_SUBSCRIBE, |packet, _, _| {
        if let Packet::Subscribe(subscribe) = packet {
            subscribe
                .subscriptions
                .iter_mut()
                .for_each(|one| ill_formed(&mut one.filter));
        }
    }),
    (duty::UTF8_UNSUBSCRIBE, |packet, _, _| {
        if let Packet::Unsubscribe(unsubscribe) = packet {
            unsubscribe.filters.iter_mut().for_each(ill_formed);
        }
    }),
    (duty::BYTE_ORDER_MARK, |packet, _, _| {
        each_text(packet, |text| {
            if let Some(plain) = text.as_str().filter(|plain| plain.contains('\u{feff}')) {
                *text = plain.replace('\u{feff}', "").into();
            }
        });
    }),
    (duty::FLAGS, |packet, overrides, _| match packet.packet_type() {
        PacketType::Connect | PacketType::Publish => {}
        _ => overrides.flags = Some(0b0001),
    }),
    (duty::PUBREL_FLAGS, |packet, overrides, _| {
        flags_of(packet, overrides, PacketType::PubRel);
    }),
    (duty::SUBSCRIBE_FLAGS, |packet, overrides, _| {
        flags_of(packet, overrides, PacketType::Subscribe);
    }),
    (duty::UNSUBSCRIBE_FLAGS, |packet, overrides, _| {
        flags_of(packet, overrides, PacketType::Unsubscribe);
    }),
    (duty::PACKET_TYPE, |packet, _, _| {
        if *packet == Packet::PingReq {
            *packet = Packet::PingResp;
        }
    }),
    (duty::REMAINING_LENGTH, |packet, overrides, version| {
        of_length(packet, overrides, version, |length| encode_variable(length - 1));
    }),
    (duty::FOUR_BYTES, |packet, overrides, version| {
        of_length(packet, overrides, version, |length| padded(length, 5));
    }),
    (duty::MINIMAL, |packet, overrides, version| {
        of_length(packet, overrides, version, |length| {
            padded(length, encode_variable(length).len() + 1)
        });
    }),
    (duty::DUP_QOS_0, |packet, _, _| {
        if let Packet::Publish(publish) = packet {
            publish.dup |= publish.qos == 0;
        }
    }),
    (duty::NO_ID_QOS_0, |packet, _, version| {
        if let Packet::Publish(publish) = packet
            && publish.qos == 0
            && let Some(payload) = publish.payload.bytes()
        {
            // The identifier 1. At 5.0 its first byte is read as the Property Length 0, and the real one as payload.
            let id: &[u8] = if version == Version::V5 { &[1, 0] } else { &[0, 1] };
            publish.payload = Bytes::from([id, payload].concat()).into();
        }
    }),
    (duty::PROPERTIES_THERE, |packet, overrides, _| {
        if packet.packet_type() == PacketType::Publish {
            overrides.property_length = Some(Bytes::new());
        }
    }),
    (duty::PROPERTY_LENGTH, |packet, overrides, _| {
        if has_properties(packet) {
            overrides.property_length = Some(encode_variable(2_000_000));
        }
    }),
    (duty::PROPERTY_ALLOWED, |packet, _, _| {
        if has_properties(packet) {
            add(packet, id::SERVER_KEEP_ALIVE, PropertyValue::U16(1));
        }
    }),
    (duty::PROPERTY_ONCE, |packet, _, _| {
        if let Some(Properties(all)) = packet.properties_mut()
            && let Some(twice) = all.iter().find(|one| one.id != id::USER_PROPERTY).cloned()
        {
            all.push(twice);
        }
    }),
    (duty::PUBACK_CODE, |packet, _, _| code(packet, PacketType::PubAck, 0x05)),
    (duty::PUBREC_CODE, |packet, _, _| code(packet, PacketType::PubRec, 0x05)),
    (duty::PUBREL_CODE, |packet, _, _| code(packet, PacketType::PubRel, 0x05)),
    (duty::PUBCOMP_CODE, |packet, _, _| {
        code(packet, PacketType::PubComp, 0x05)
    }),
    (duty::AUTH_CODE, |packet, _, _| code(packet, PacketType::Auth, 0x05)),
    // Success (0x00) is for servers.
    (duty::AUTH_CODE_SENDER, |packet, _, _| {
        code(packet, PacketType::Auth, 0x00)
    }),
    (duty::AUTH_METHOD_THERE, |packet, _, _| {
        if let Packet::Auth(auth) = packet {
            auth.properties.0.retain(|one| one.id != id::AUTHENTICATION_METHOD);
        }
    }),
    (duty::AUTH_METHOD, |packet, _, _| {
        if packet.packet_type() == PacketType::Auth {
            of_property(packet, id::AUTHENTICATION_METHOD, |text| *text = "other".into());
        }
    }),
    (duty::PUBACK_REASON_FITS, |packet, _, _| {
        reason(packet, PacketType::PubAck)
    }),
    (duty::PUBACK_PROPERTY_FITS, |packet, _, _| {
        pair(packet, PacketType::PubAck)
    }),
    (duty::PUBREC_REASON_FITS, |packet, _, _| {
        reason(packet, PacketType::PubRec)
    }),
    (duty::PUBREC_PROPERTY_FITS, |packet, _, _| {
        pair(packet, PacketType::PubRec)
    }),
    (duty::PUBREL_REASON_FITS, |packet, _, _| {
        reason(packet, PacketType::PubRel)
    }),
    (duty::PUBREL_PROPERTY_FITS, |packet, _, _| {
        pair(packet, PacketType::PubRel)
    }),
    (duty::PUBCOMP_REASON_FITS, |packet, _, _| {
        reason(packet, PacketType::PubComp)
    }),
    (duty::PUBCOMP_PROPERTY_FITS, |packet, _, _| {
        pair(packet, PacketType::PubComp)
    }),
];

/// The bytes of a packet, with the faults for which `breaks` answers `true`. If `is_long`, acknowledgements of 5.0 name
/// the reason code 0 and the Property Length 0 as well.
pub(super) fn encoded(
    mut packet: Packet,
    version: Version,
    is_long: bool,
    breaks: impl Fn(PerVersion) -> bool,
) -> Bytes {
    let mut overrides = Overrides::default();
    if is_long
        && let Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) = &packet
        && ack.reason_code == 0
        && ack.properties.is_empty()
    {
        overrides.append = Bytes::from_static(&[0, 0]);
    }
    for (duty, spoil) in WAYS {
        if breaks(*duty) {
            spoil(&mut packet, &mut overrides, version);
        }
    }
    let mut bytes = BytesMut::new();
    for chunk in encode(&packet, version, &overrides) {
        match chunk {
            Chunk::Bytes(part) => bytes.extend_from_slice(&part),
            Chunk::Fill { len, byte } => bytes.put_bytes(byte, usize::try_from(len).unwrap_or_default()),
        }
    }
    if breaks(duty::TRANSPORT) && packet.packet_type() == PacketType::PubAck {
        bytes.reverse();
    }
    bytes.freeze()
}

fn of_connect(packet: &mut Packet, spoil: impl FnOnce(&mut Connect)) {
    if let Packet::Connect(connect) = packet {
        spoil(connect);
    }
}

/// Sets further flags of a CONNECT that fits.
fn set_flags(packet: &mut Packet, overrides: &mut Overrides, fits: fn(&Connect) -> bool, more: u8) {
    of_connect(packet, |connect| {
        if fits(connect) {
            overrides.connect_flags = Some(connect_flags(connect) | more);
        }
    });
}

/// The flags byte of a CONNECT (3.1.2.3 of 3.1.1 and 5.0).
fn connect_flags(connect: &Connect) -> u8 {
    let will = connect
        .will
        .as_ref()
        .map_or(0, |will| 0x04 | (will.qos & 0b11) << 3 | u8::from(will.retain) << 5);
    u8::from(connect.clean_start) << 1
        | will
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.username.is_some()) << 7
}

/// Adds a string without a flag at the end of a CONNECT that fits.
fn append_string(packet: &mut Packet, overrides: &mut Overrides, fits: fn(&Connect) -> bool) {
    of_connect(packet, |connect| {
        if fits(connect) {
            overrides.append = Bytes::from_static(b"\0\x01u");
        }
    });
}

/// Every text of a packet, except for those of a will's properties.
fn each_text(packet: &mut Packet, spoil: fn(&mut Text)) {
    match packet {
        Packet::Connect(connect) => {
            spoil(&mut connect.client_id);
            connect.username.iter_mut().for_each(spoil);
            connect.will.iter_mut().for_each(|will| spoil(&mut will.topic));
        }
        Packet::Publish(publish) => spoil(&mut publish.topic),
        Packet::Subscribe(subscribe) => subscribe
            .subscriptions
            .iter_mut()
            .for_each(|one| spoil(&mut one.filter)),
        Packet::Unsubscribe(unsubscribe) => unsubscribe.filters.iter_mut().for_each(spoil),
        _ => {}
    }
    for one in packet
        .properties_mut()
        .into_iter()
        .flat_map(|properties| &mut properties.0)
    {
        spoil_value(&mut one.value, spoil);
    }
}

fn spoil_value(value: &mut PropertyValue, spoil: fn(&mut Text)) {
    match value {
        PropertyValue::Text(text) => spoil(text),
        PropertyValue::Pair(name, value) => {
            spoil(name);
            spoil(value);
        }
        _ => {}
    }
}

/// Every text of a property.
fn of_property(packet: &mut Packet, wanted: u32, spoil: fn(&mut Text)) {
    let properties = packet
        .properties_mut()
        .into_iter()
        .flat_map(|properties| &mut properties.0);
    for one in properties.filter(|one| one.id == wanted) {
        spoil_value(&mut one.value, spoil);
    }
}

/// Adds bytes that are not UTF-8.
fn ill_formed(text: &mut Text) {
    let mut bytes = text.as_bytes().to_vec();
    bytes.extend([0xc3, 0x28]);
    *text = bytes.into();
}

fn flags_of(packet: &Packet, overrides: &mut Overrides, packet_type: PacketType) {
    if packet.packet_type() == packet_type {
        overrides.flags = Some(0);
    }
}

/// Another Remaining Length for a PUBLISH.
fn of_length(packet: &Packet, overrides: &mut Overrides, version: Version, wrong: impl Fn(u32) -> Bytes) {
    if packet.packet_type() != PacketType::Publish {
        return;
    }
    let whole = encode_bytes(packet, version).len();
    let length = (1..=4).map(|bytes| (bytes, whole - 1 - bytes));
    // The length that takes as many bytes as it leaves.
    for (bytes, length) in length {
        let length = u32::try_from(length).unwrap_or_default();
        if encode_variable(length).len() == bytes {
            overrides.remaining_length = Some(wrong(length));
        }
    }
}

/// A length in more bytes than it needs.
fn padded(length: u32, bytes: usize) -> Bytes {
    let mut out: Vec<u8> = encode_variable(length).to_vec();
    while out.len() < bytes {
        if let Some(last) = out.last_mut() {
            *last |= 0x80;
        }
        out.push(0);
    }
    out.into()
}

fn has_properties(packet: &Packet) -> bool {
    packet.properties().is_some_and(|properties| !properties.is_empty())
}

fn add(packet: &mut Packet, id: u32, value: PropertyValue) {
    if let Some(properties) = packet.properties_mut() {
        properties.push(id, value);
    }
}

fn code(packet: &mut Packet, packet_type: PacketType, code: u8) {
    if packet.packet_type() != packet_type {
        return;
    }
    match packet {
        Packet::PubAck(Ack { reason_code, .. })
        | Packet::PubRec(Ack { reason_code, .. })
        | Packet::PubRel(Ack { reason_code, .. })
        | Packet::PubComp(Ack { reason_code, .. }) => *reason_code = code,
        Packet::Auth(auth) => auth.reason_code = code,
        _ => {}
    }
}

/// A long Reason String.
fn reason(packet: &mut Packet, packet_type: PacketType) {
    if packet.packet_type() == packet_type {
        add(packet, id::REASON_STRING, PropertyValue::Text("x".repeat(LARGE).into()));
    }
}

/// A long User Property.
fn pair(packet: &mut Packet, packet_type: PacketType) {
    if packet.packet_type() == packet_type {
        let long = "x".repeat(LARGE);
        add(packet, id::USER_PROPERTY, PropertyValue::Pair("a".into(), long.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Publish, Side, decode_bytes};

    #[test]
    fn a_packet_that_breaks_nothing_is_canonical() {
        for packet in [Packet::PingReq, Packet::PubAck(Ack::new(7))] {
            let bytes = encoded(packet.clone(), Version::V5, false, |_| false);
            assert_eq!(bytes, encode_bytes(&packet, Version::V5));
        }
    }

    /// Each fault changes one packet of a client at least, and the packet is then wrong or another one.
    #[test]
    fn every_way_spoils_some_packet() {
        for (duty, _) in WAYS {
            let version = Version::ALL.into_iter().find(|version| duty.first(*version).is_some());
            let version = version.expect("a duty has a statement");
            let changed = samples(version).into_iter().any(|packet| {
                let right = encode_bytes(&packet, version);
                encoded(packet, version, false, |broken| broken == *duty) != right
            });
            assert!(changed, "{duty:?}");
        }
    }

    #[test]
    fn a_length_has_the_bytes_that_were_asked_for() {
        assert_eq!(&padded(5, 2)[..], [0x85, 0]);
        assert_eq!(&padded(200, 5)[..], [0xc8, 0x81, 0x80, 0x80, 0]);
        let publish = Packet::Publish(Publish {
            topic: "t".into(),
            payload: "x".into(),
            ..Publish::default()
        });
        let bytes = encoded(publish, Version::V5, false, |broken| broken == duty::MINIMAL);
        let decoded = decode_bytes(&bytes, Version::V5, Side::Client);
        assert_eq!(decoded.breaches[0].statement.id, "MQTT-1.5.5-1");
    }

    fn samples(version: Version) -> Vec<Packet> {
        let mut properties = Properties::default();
        for wanted in [id::CONTENT_TYPE, id::RESPONSE_TOPIC, id::AUTHENTICATION_METHOD] {
            properties.push(wanted, PropertyValue::Text("a\u{feff}".into()));
        }
        properties.push(id::USER_PROPERTY, PropertyValue::Pair("a".into(), "b".into()));
        let mut connect = Connect::new(version, "me");
        let plain = connect.clone();
        connect.will = Some(crate::wire::Will {
            topic: "w".into(),
            ..Default::default()
        });
        connect.username = Some("u\u{feff}".into());
        connect.password = Some(Bytes::from_static(b"p"));
        let publish = Publish {
            topic: "t".into(),
            payload: "x".into(),
            ..Publish::default()
        };
        let full = Publish {
            properties: properties.clone(),
            ..publish.clone()
        };
        let ack = Ack::new(7);
        vec![
            Packet::from(connect),
            Packet::from(plain),
            Packet::Publish(publish),
            Packet::Publish(full),
            Packet::PubAck(ack.clone()),
            Packet::PubRec(ack.clone()),
            Packet::PubRel(ack.clone()),
            Packet::PubComp(ack),
            Packet::Subscribe(crate::wire::Subscribe {
                subscriptions: vec![crate::wire::Subscription::new("f", 1)],
                ..Default::default()
            }),
            Packet::Unsubscribe(crate::wire::Unsubscribe {
                filters: vec!["f".into()],
                ..Default::default()
            }),
            Packet::PingReq,
            Packet::Auth(crate::wire::Auth {
                reason_code: 0x18,
                properties,
            }),
        ]
    }
}
