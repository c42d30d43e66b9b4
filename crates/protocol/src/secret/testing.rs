//! Packets of the tests of this module.

use crate::wire::{Connect, Packet, Publish, Version, encode_bytes};

pub fn login(version: Version) -> Vec<u8> {
    let mut connect = Connect::new(version, "c");
    connect.username = Some("me".into());
    connect.password = Some("pass".into());
    encode_bytes(&Packet::from(connect), version).to_vec()
}

pub fn publish() -> Vec<u8> {
    let publish = Publish {
        topic: "a".into(),
        payload: "pass".into(),
        ..Publish::default()
    };
    encode_bytes(&Packet::Publish(publish), Version::V3_1_1).to_vec()
}

/// Whether the password can be seen.
pub fn leaks(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|w| b"pass".windows(3).any(|p| p == w))
}
