//! The fields of every packet at every version, made once: the loader and the matcher ask for them all the time.

use std::sync::LazyLock;

use crate::statements::Version;
use crate::wire::{FieldSpec, PacketType, field_names};

struct Fields {
    sent: Vec<FieldSpec>,
    awaited: Vec<FieldSpec>,
}

static TABLE: LazyLock<Vec<Fields>> = LazyLock::new(|| {
    let of = |packet_type, version| {
        let sent = field_names(packet_type, version);
        let mut awaited = sent.clone();
        if packet_type == PacketType::Publish
            && let Some(topic) = sent.iter().find(|f| f.name == "topic")
        {
            // The topic before a Topic Alias is resolved.
            awaited.push(FieldSpec {
                name: "wire_topic",
                ..topic.clone()
            });
        }
        Fields { sent, awaited }
    };
    PacketType::ALL
        .into_iter()
        .flat_map(|t| Version::ALL.map(|v| of(t, v)))
        .collect()
});

fn entry(packet_type: PacketType, version: Version) -> &'static Fields {
    let row = usize::from(packet_type.number() - 1);
    &TABLE[row * Version::ALL.len() + version as usize]
}

/// The fields that a packet of this type can be given when it is sent.
pub(super) fn sent(packet_type: PacketType, version: Version) -> &'static [FieldSpec] {
    &entry(packet_type, version).sent
}

/// The fields by which a packet of this type can be waited for.
pub(super) fn awaited(packet_type: PacketType, version: Version) -> &'static [FieldSpec] {
    &entry(packet_type, version).awaited
}

/// The field that goes by `name`.
pub(super) fn named(packet_type: PacketType, version: Version, name: &str) -> Option<&'static FieldSpec> {
    sent(packet_type, version).iter().find(|f| f.is(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_and_version_has_its_own_fields() {
        for packet_type in PacketType::ALL {
            for version in Version::ALL {
                assert_eq!(sent(packet_type, version), field_names(packet_type, version));
            }
        }
        assert!(
            awaited(PacketType::Publish, Version::V3_1)
                .iter()
                .any(|f| f.is("wire_topic"))
        );
    }
}
