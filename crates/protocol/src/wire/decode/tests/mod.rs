//! Malformed packets, each with the statements that it violates. The tables give: bytes, what is expected (the
//! statements in the order of the wire; none if the packet is legal).

mod fixed_header;
mod long;
mod v3;
mod v5;

use bytes::Bytes;

use super::{Decoded, decode_bytes};
use crate::wire::{Side, Version};

fn read(text: &str, version: Version, from: Side) -> Decoded {
    let bytes = hex::decode(text.replace(' ', "")).unwrap_or_else(|e| panic!("{text}: {e}"));
    decode_bytes(&Bytes::from(bytes), version, from)
}

fn statements(decoded: &Decoded) -> Vec<&'static str> {
    decoded.breaches.iter().map(|b| b.statement.id).collect()
}

/// Reads each packet and compares the violations; all differences are reported at once.
fn check(version: Version, from: Side, table: &[(&str, &[&str])]) {
    let mut wrong = String::new();
    for (bytes, expected) in table {
        let decoded = read(bytes, version, from);
        let found = statements(&decoded);
        if found != *expected {
            wrong.push_str(&format!(
                "{version} {from} {bytes}\n  expected {expected:?}\n  found    {found:?}\n  {:?}\n",
                decoded.breaches
            ));
        }
        if expected.is_empty() && decoded.packet.is_none() {
            wrong.push_str(&format!("{version} {from} {bytes}: legal, but no packet\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
