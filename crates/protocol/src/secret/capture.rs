//! What is masked in a capture file. Its bytes become `*`, as many as there were, so that the packet stays the packet
//! that it was.

use std::ops::Range;

use super::{MASK, PASSWORD, has_a_name_in_place};
use crate::wire::{Blob, Decoded, Frame, PacketType, Side, Version, decode};

/// The length of a string or of binary data, which precedes it (section 1.5 of 3.1.1 and 5.0), in bytes.
const LENGTH: usize = 2;
/// The bits of the connect flags (section 3.1.2.3) that say what is at the end of a CONNECT.
const USERNAME_FLAG: u8 = 0x80;
const PASSWORD_FLAG: u8 = 0x40;
/// A packet's bytes that may be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The bytes from the beginning on.
    pub head: Vec<u8>,
    /// How many bytes are not at hand.
    pub missing: u64,
    /// What comes after those.
    pub tail: Vec<u8>,
    /// Whether anything is masked.
    pub masked: bool,
}

/// The bytes of a packet with a password masked.
pub fn shown(raw: &Blob, decoded: &Decoded) -> Shown {
    let mut head = raw.head().to_vec();
    let mut tail = match raw {
        Blob::Whole(_) => Vec::new(),
        Blob::Long(long) => long.tail.to_vec(),
    };
    let missing = raw.len() - head.len() as u64 - tail.len() as u64;
    let spans = spans(decoded, &head);
    for span in &spans {
        head[span.clone()].fill(MASK);
    }
    let mut masked = !spans.is_empty();
    if decoded.packet_type == Some(PacketType::Connect) && missing > 0 {
        // Whatever lies so far behind may be a password.
        tail.fill(MASK);
        masked = true;
    }
    Shown {
        head,
        missing,
        tail,
        masked,
    }
}

/// Bytes of a client that are no complete packet, with what may be a password masked: a CONNECT may have been cut off.
pub fn fragment(bytes: &[u8]) -> Vec<u8> {
    match Frame::loose(bytes.to_vec()) {
        Some(frame) => masked(&frame).head,
        None => bytes.to_vec(),
    }
}

/// Where a password is within the first bytes of a packet. If a CONNECT cannot be read to its end, that may be
/// anywhere behind its fixed part; behind one that can, in what is left over.
pub(super) fn spans(decoded: &Decoded, head: &[u8]) -> Vec<Range<usize>> {
    if decoded.packet_type != Some(PacketType::Connect) {
        return Vec::new();
    }
    let fields = &decoded.fields;
    let named = |name: &'static str| fields.iter().filter(move |f| f.name == name).map(|f| f.span.clone());
    let mut spans: Vec<Range<usize>> = named(PASSWORD).map(|s| s.start + LENGTH..s.end).collect();
    let flags = named("connect_flags")
        .next()
        .and_then(|span| head.get(span.start).copied());
    let left_over = fields.iter().map(|f| f.span.end).max().unwrap_or(0)..head.len();
    let named_right = has_a_name_in_place(decoded);
    // One that the flags promise and that is not there may be what another field was taken for.
    let astray = !named_right || spans.is_empty() && flags.is_some_and(|flags| flags & PASSWORD_FLAG != 0);
    match (&decoded.packet, flags) {
        (Some(_), _) if !astray => spans.extend(named("not read").chain(named("extra bytes")).chain([left_over])),
        (_, Some(flags)) if named_right && flags & PASSWORD_FLAG == 0 => {
            // A field whose length is a lie covers what comes after it, whatever that is.
            let wrong = |span: &Range<usize>| decoded.breaches.iter().any(|b| span.contains(&b.span.start));
            let behind = fields.iter().map(|f| f.span.clone()).filter(wrong);
            let behind = behind.filter(|span| span.end == head.len() && span.len() > LENGTH);
            spans.extend(behind.map(|span| span.start + LENGTH..span.end));
            if flags & USERNAME_FLAG != 0 {
                spans.extend(named("not read").chain(named("extra bytes")).chain([left_over]));
            }
        }
        _ => {
            let fixed = [
                "type and flags",
                "remaining_length",
                "protocol_name",
                "protocol_level",
                "connect_flags",
                "keep_alive",
            ];
            let fixed = if named_right { &fixed[..] } else { &fixed[..2] };
            let whole = fixed.iter().copied().flat_map(named).map(|span| span.end);
            // What ends with the packet was cut off: its length may be a lie that covers everything.
            let from = whole.filter(|end| *end < head.len()).max().unwrap_or(1);
            spans.push(from..head.len());
        }
    }
    for span in &mut spans {
        *span = span.start.min(head.len())..span.end.min(head.len());
    }
    spans.retain(|span| !span.is_empty());
    spans.sort_by_key(|span| span.start);
    spans.dedup_by(|later, first| {
        let touches = later.start <= first.end;
        if touches {
            first.end = first.end.max(later.end);
        }
        touches
    });
    spans
}

/// A CONNECT with its password masked.
pub(super) fn masked(frame: &Frame) -> Shown {
    let version = frame
        .connect_level()
        .and_then(|level| Version::ALL.into_iter().find(|v| v.protocol_level() == level & 0x7f))
        .unwrap_or(Version::V3_1_1);
    shown(&frame.raw, &decode(frame, version, Side::Client))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{leaks, login, publish};
    use super::*;

    fn shown_bytes(bytes: &[u8], version: Version) -> Vec<u8> {
        let frame = Frame::loose(bytes.to_vec()).unwrap();
        shown(&frame.raw, &decode(&frame, version, Side::Client)).head
    }

    #[test]
    fn the_password_is_masked_and_nothing_else() {
        for version in Version::ALL {
            let bytes = login(version);
            let shown = shown_bytes(&bytes, version);
            let at = bytes.len() - 4;
            assert_eq!(shown[..at], bytes[..at]);
            assert_eq!(&shown[at..], b"****");
        }
        assert_eq!(shown_bytes(&publish(), Version::V3_1_1), publish());
    }

    #[test]
    fn a_connect_that_cannot_be_read_shows_no_password() {
        let bytes = login(Version::V3_1_1);
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            bytes
        };
        let wrong = [
            // The client id is longer than the packet, the user name is, the password is.
            with(12, 0xff),
            with(15, 0xff),
            with(bytes.len() - 6, 0xff),
            // No user name by the flags, no password by the flags, neither.
            with(9, 0x42),
            with(9, 0x82),
            with(9, 0x02),
            // Another level, whose layout has properties.
            with(8, 5),
            // A protocol name that goes on, and a length that is too short.
            with(3, 0xff),
            with(1, 0x0e),
            with(1, 0x13),
        ];
        for bytes in wrong {
            for version in Version::ALL {
                let shown = shown_bytes(&bytes, version);
                assert!(!leaks(&shown), "{version} {}", hex::encode(&shown));
                assert_eq!(shown.len(), bytes.len());
            }
        }
    }
}
