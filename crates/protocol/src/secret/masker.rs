//! What is masked in a capture file, while the bytes are still coming.

use super::MASK;
use super::capture::masked;
use crate::wire::{Frame, PacketType, Piece, Splitter};

/// A CONNECT in a stream is held back until it is whole, up to this many bytes. Five fields of 65 535 bytes fit into
/// it.
const HELD: usize = 512 * 1024;

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

#[cfg(test)]
mod tests {
    use super::super::testing::{leaks, login, publish};
    use super::*;
    use crate::wire::Version;

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
