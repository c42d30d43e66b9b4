//! What is masked in what a run shows of its own packets: traces, reports and snapshots.

use std::ops::Range;

use super::{MASK, PASSWORD, is_password};
use crate::wire::{Blob, Decoded, Field, PacketType, Value};

/// Where a secret is in the packet. If a CONNECT is malformed this is all that may hold its password.
pub fn run_spans(decoded: &Decoded) -> Vec<Range<usize>> {
    let secrets = decoded.fields.iter().filter(|field| is_secret(decoded, field));
    secrets.map(|field| field.span.clone()).collect()
}

/// Whether a field is a password, or bytes that could not be read and may be one.
pub fn is_secret(decoded: &Decoded, field: &Field) -> bool {
    if is_password(&field.name) {
        return true;
    }
    // Every field of a CONNECT but these is text or a number if it can be read.
    let is_rest = matches!(field.value, Value::Binary(_))
        && !matches!(
            &*field.name,
            "will.payload" | "will.correlation_data" | "authentication_data"
        );
    let flags = decoded.fields.iter().find(|f| f.name == "connect_flags");
    let may_have_one = match flags.map(|f| &f.value) {
        Some(Value::Map(flags)) => flags.contains(&(PASSWORD, Value::Bool(true))),
        _ => true,
    };
    is_rest && may_have_one && decoded.packet_type == Some(PacketType::Connect)
}

/// The bytes that are kept of a packet, with `*` for those of a password.
pub fn redacted(raw: &Blob, decoded: &Decoded) -> Vec<u8> {
    let mut bytes = raw.head().to_vec();
    for span in run_spans(decoded) {
        if let Some(secret) = bytes.get_mut(span) {
            secret.fill(MASK);
        }
    }
    bytes
}

/// What of a CONNECT that is not whole may hold a password: all behind its protocol name and flags.
pub fn part_of_connect(bytes: &[u8]) -> Option<Range<usize>> {
    const SAFE: usize = 10;
    let is_connect = bytes.first().is_some_and(|b| b >> 4 == PacketType::Connect.number());
    (is_connect && bytes.len() > SAFE).then_some(SAFE..bytes.len())
}
