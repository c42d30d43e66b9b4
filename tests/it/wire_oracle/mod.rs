//! The decoder compared with an independent one, `mqtt-proto`: both refuse the same packets, over a table of vectors and
//! over every valid packet. If the two differ, the vector names the clause that decides.

pub mod vectors;

use bytes::Bytes;
use mqttspec::statements::Version;
use mqttspec::wire::{Decoded, Packet, PacketType, Side, decode_bytes, encode_bytes, property};
use proptest::prelude::*;

use crate::wire_properties::packets;

/// The result of both decoders for a vector.
#[derive(Clone, Copy)]
pub enum Verdict {
    BothTake,
    BothRefuse,
    /// Our decoder refuses it, and must report this statement.
    WeRefuse(&'static str),
    /// The other decoder refuses it, although this clause permits it.
    TheyRefuse(&'static str),
}

use Verdict::*;

fn they_take(bytes: &[u8], version: Version) -> bool {
    match version {
        Version::V5 => matches!(mqtt_proto::v5::Packet::decode(bytes), Ok(Some(_))),
        _ => matches!(mqtt_proto::v3::Packet::decode(bytes), Ok(Some(_))),
    }
}

/// A violation of a SHOULD is no reason to refuse.
fn we_take(decoded: &Decoded) -> bool {
    decoded.packet.is_some() && decoded.breaches.iter().all(|b| !b.is_must())
}

#[test]
fn both_decoders_agree_on_the_vectors() {
    let mut wrong = Vec::new();
    for (version, side, text, verdict) in vectors::VECTORS {
        let bytes = Bytes::from(hex::decode(text.replace(' ', "")).unwrap_or_else(|e| panic!("{text}: {e}")));
        let decoded = decode_bytes(&bytes, *version, *side);
        let found = (we_take(&decoded), they_take(&bytes, *version));
        let reported = |id: &str| decoded.breaches.iter().any(|b| b.statement.id == id);
        let holds = match verdict {
            BothTake => found == (true, true),
            BothRefuse => found == (false, false),
            WeRefuse(id) => found == (false, true) && reported(id),
            TheyRefuse(_) => found == (true, false),
        };
        if !holds {
            wrong.push(format!(
                "{version} {side} {text}: we take it: {}, they: {}, {:?}",
                found.0, found.1, decoded.breaches
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_exception_names_a_clause() {
    for (version, side, text, verdict) in vectors::VECTORS {
        if let TheyRefuse(clause) = verdict {
            assert!(clause.contains(char::is_numeric), "{version} {side} {text}: {clause}");
        }
    }
}

/// The clause that permits a valid packet which the other decoder refuses.
fn known_to_be_refused(version: Version, packet: &Packet) -> Option<&'static str> {
    if version == Version::V5
        && let Packet::Publish(publish) = packet
        && publish.properties.all(property::id::SUBSCRIPTION_IDENTIFIER).count() > 1
    {
        return Some("3.3.2.3.8: multiple Subscription Identifiers will be included");
    }
    if version == Version::V5
        && let Packet::Disconnect(disconnect) = packet
        && disconnect.reason_code == 0x8c
    {
        return Some("2.4: 0x8C is listed for DISCONNECT");
    }
    None
}

/// The other encoder writes the failure code of SUBACK as 3, but 3.1.1 (3.9.3) has 0x80.
fn written_wrong(version: Version, packet: &Packet) -> bool {
    matches!(packet, Packet::SubAck(p) if version != Version::V5 && p.reason_codes.contains(&0x80))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_other_decoder_accepts_every_valid_packet((version, _, packet) in packets::valid()) {
        prop_assume!(known_to_be_refused(version, &packet).is_none());
        let bytes = encode_bytes(&packet, version);
        prop_assert!(they_take(&bytes, version), "{}", hex::encode(&bytes));
    }

    /// Its encoder gives the same bytes as ours at 3.x. At 5.0 it sorts properties, so only the lengths are compared.
    #[test]
    fn the_other_encoder_writes_the_same((version, _, packet) in packets::valid()) {
        prop_assume!(known_to_be_refused(version, &packet).is_none());
        prop_assume!(!written_wrong(version, &packet));
        let bytes = encode_bytes(&packet, version);
        if version == Version::V5 {
            let theirs = mqtt_proto::v5::Packet::decode(&bytes).unwrap().unwrap();
            if packet.packet_type() != PacketType::Auth {
                prop_assert_eq!(theirs.encode_len().unwrap(), bytes.len());
            }
        } else {
            let theirs = mqtt_proto::v3::Packet::decode(&bytes).unwrap().unwrap();
            let theirs = theirs.encode().unwrap();
            prop_assert_eq!(theirs.as_ref(), &bytes[..]);
        }
    }
}

/// A vector's side is one that may send the packet, unless the vector tests the direction.
#[test]
fn the_vectors_cover_every_type_and_version() {
    for version in Version::ALL {
        for packet_type in PacketType::ALL {
            if packet_type == PacketType::Auth && version != Version::V5 {
                continue;
            }
            let number = format!("{:x}", packet_type.number());
            let found = vectors::VECTORS
                .iter()
                .any(|(v, _, text, _)| *v == version && text.starts_with(&number));
            assert!(found, "no vector of {packet_type} at {version}");
        }
    }
    let sides: Vec<Side> = vectors::VECTORS.iter().map(|v| v.1).collect();
    assert!(sides.contains(&Side::Client) && sides.contains(&Side::Server));
}
