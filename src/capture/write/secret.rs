//! What must not be seen in a file: the password of a CONNECT. Its bytes are masked with `*`, as many as there were, so that
//! the packet stays the packet that it was.

use std::ops::Range;

use crate::wire::{Blob, Decoded, Frame, PacketType, Piece, Side, Splitter, Value, Version, decode};

/// What stands in the place of a byte.
pub const MASK: u8 = b'*';
/// The length of a string or of binary data, which stands before it (section 1.5 of 3.1.1 and 5.0), in bytes.
const LENGTH: usize = 2;
/// The bits of the connect flags (section 3.1.2.3) that say what stands at the end of a CONNECT.
const USERNAME_FLAG: u8 = 0x80;
const PASSWORD_FLAG: u8 = 0x40;
/// A CONNECT in a stream is held back until it is whole, up to this many bytes. Five fields of 65 535 bytes fit into it.
const HELD: usize = 512 * 1024;

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
    let spans = secrets(decoded, &head);
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

/// Where a password may stand within the bytes that are kept of the beginning of a packet, in order.
pub fn spans(raw: &Blob, decoded: &Decoded) -> Vec<Range<usize>> {
    secrets(decoded, raw.head())
}

/// Bytes of a client that are no whole packet, with what may be a password masked: a CONNECT may have been cut off.
pub fn fragment(bytes: &[u8]) -> Vec<u8> {
    match Frame::loose(bytes.to_vec()) {
        Some(frame) => masked(&frame).head,
        None => bytes.to_vec(),
    }
}

/// Where a password stands within the first bytes of a packet. Where a CONNECT cannot be read to its end, that may be
/// anywhere behind its fixed part; behind one that can, in what is left over.
fn secrets(decoded: &Decoded, head: &[u8]) -> Vec<Range<usize>> {
    if decoded.packet_type != Some(PacketType::Connect) {
        return Vec::new();
    }
    let fields = &decoded.fields;
    let named = |name: &'static str| fields.iter().filter(move |f| f.name == name).map(|f| f.span.clone());
    let mut spans: Vec<Range<usize>> = named("password").map(|s| s.start + LENGTH..s.end).collect();
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

/// Whether the protocol name is one that there is, or a wrong one of the same length before a level that there is. Where it
/// is not, its length may be a lie, and what is read behind it something else.
pub fn has_a_name_in_place(decoded: &Decoded) -> bool {
    let value = |name| decoded.fields.iter().find(|f| f.name == name).map(|f| &f.value);
    let Some(Value::Text(name)) = value("protocol_name") else {
        return false;
    };
    let names = Version::ALL.map(|v| v.protocol_name());
    let levels = Version::ALL.map(|v| Value::Int(v.protocol_level().into()));
    let alike = names.iter().any(|n| n.len() == name.len());
    names.iter().any(|n| n.as_bytes() == name.as_bytes())
        || alike && value("protocol_level").is_some_and(|level| levels.contains(level))
}

/// Masks passwords in the bytes that a client sends, as they come. Everything but a CONNECT passes at once.
#[derive(Default)]
pub struct Masker {
    splitter: Splitter,
    /// The bytes of the CONNECT that is not whole yet.
    held: Vec<u8>,
    /// The rest of a CONNECT that is too long to be held, or that cannot be framed, is masked unseen.
    blind: bool,
    /// Something was masked since this was asked last.
    masked: bool,
}

impl Masker {
    pub fn new() -> Masker {
        Masker::default()
    }

    /// Takes the next bytes and gives those that may be written down by now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(self.next_cut(rest));
            rest = after;
            self.take(part, &mut out);
        }
        out
    }

    /// What was held back when the connection ends.
    pub fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let Some(frame) = Frame::loose(held) else {
            return Vec::new();
        };
        let shown = masked(&frame);
        self.masked |= shown.masked;
        shown.head
    }

    /// Whether anything was masked since this was asked last.
    pub fn take_masked(&mut self) -> bool {
        std::mem::take(&mut self.masked)
    }

    /// How many of the bytes belong to the packet that is under way: as far as its length is known, else one byte.
    fn next_cut(&self, bytes: &[u8]) -> usize {
        if self.splitter.is_broken() {
            return bytes.len();
        }
        match self.splitter.expected_len() {
            None => 1,
            Some(expected) => (bytes.len() as u64).min(expected - self.splitter.pending_len()) as usize,
        }
    }

    /// Takes bytes of one packet.
    fn take(&mut self, part: &[u8], out: &mut Vec<u8>) {
        let begins = self.splitter.pending_len() == 0 && !self.splitter.is_broken();
        let connect = part[0] >> 4 == PacketType::Connect.number();
        let holds = !self.held.is_empty() || self.blind || begins && connect;
        let pieces = self.splitter.push(part);
        if !holds {
            out.extend_from_slice(part);
            return;
        }
        let whole = pieces.iter().any(|p| matches!(p, Piece::Frame(_)));
        if self.blind {
            out.resize(out.len() + part.len(), MASK);
            self.masked = true;
            self.blind = !whole;
            return;
        }
        self.held.extend_from_slice(part);
        if whole || self.held.len() > HELD || self.splitter.is_broken() {
            out.extend(self.finish());
            self.blind = !whole;
        }
    }
}

/// A CONNECT with its password masked.
fn masked(frame: &Frame) -> Shown {
    let version = frame
        .connect_level()
        .and_then(|level| Version::ALL.into_iter().find(|v| v.protocol_level() == level & 0x7f))
        .unwrap_or(Version::V3_1_1);
    shown(&frame.raw, &decode(frame, version, Side::Client))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Connect, Packet, Publish, encode_bytes};

    fn login(version: Version) -> Vec<u8> {
        let mut connect = Connect::new(version, "c");
        connect.username = Some("me".into());
        connect.password = Some("pass".into());
        encode_bytes(&Packet::from(connect), version).to_vec()
    }

    fn publish() -> Vec<u8> {
        let publish = Publish {
            topic: "a".into(),
            payload: "pass".into(),
            ..Publish::default()
        };
        encode_bytes(&Packet::Publish(publish), Version::V3_1_1).to_vec()
    }

    fn shown_bytes(bytes: &[u8], version: Version) -> Vec<u8> {
        let frame = Frame::loose(bytes.to_vec()).unwrap();
        shown(&frame.raw, &decode(&frame, version, Side::Client)).head
    }

    /// Whether the password can be seen.
    fn leaks(bytes: &[u8]) -> bool {
        bytes.windows(3).any(|w| b"pass".windows(3).any(|p| p == w))
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

    #[test]
    fn a_stream_is_masked_however_it_is_cut() {
        let bytes = [login(Version::V5), publish(), login(Version::V3_1_1), publish()].concat();
        let mut expected = bytes.clone();
        let at = login(Version::V5).len();
        expected[at - 4..at].fill(MASK);
        let at = at + publish().len() + login(Version::V3_1_1).len();
        expected[at - 4..at].fill(MASK);
        for size in 1..=bytes.len() {
            let mut masker = Masker::new();
            let mut out: Vec<u8> = bytes.chunks(size).flat_map(|c| masker.push(c)).collect();
            out.extend(masker.finish());
            assert_eq!(out, expected, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_connect_passes_at_once() {
        let mut masker = Masker::new();
        assert_eq!(masker.push(&publish()[..4]), publish()[..4]);
        assert_eq!(masker.push(&publish()[4..]), publish()[4..]);
    }

    #[test]
    fn a_connect_that_ends_midway_shows_no_password() {
        let bytes = login(Version::V3_1_1);
        for len in 0..bytes.len() {
            let mut masker = Masker::new();
            let mut out = masker.push(&bytes[..len]);
            out.extend(masker.finish());
            assert_eq!(out.len(), len);
            assert!(!leaks(&out), "{}", hex::encode(&out));
        }
    }

    #[test]
    fn a_connect_beyond_all_bounds_is_masked_to_its_end() {
        // A remaining length of 1 MiB: properties of a CONNECT may be as long as that.
        let mut masker = Masker::new();
        let head = [0x10, 0x80, 0x80, 0x40, 0, 4, b'M', b'Q', b'T', b'T', 5, 0xc2, 0, 60];
        let mut out = masker.push(&head);
        let body = vec![b's'; (1 << 20) - 10];
        out.extend(body.chunks(10_000).flat_map(|c| masker.push(c)).collect::<Vec<_>>());
        assert_eq!(out.len(), head.len() + body.len());
        assert!(!out.contains(&b's'));
        assert_eq!(masker.push(&publish()), publish(), "the next packet is itself again");
    }

    #[test]
    fn a_connect_whose_length_never_ends_is_masked_for_good() {
        let mut masker = Masker::new();
        let mut out = masker.push(&[0x10, 0xff, 0xff, 0xff, 0xff]);
        out.extend(masker.push(b"pass"));
        out.extend(masker.finish());
        assert!(!leaks(&out), "{}", hex::encode(&out));
        assert_eq!(out.len(), 9);
    }
}
