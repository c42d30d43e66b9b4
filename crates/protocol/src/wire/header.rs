//! The fixed header, with which every packet begins: its first byte and the Remaining Length (section 2.1 of 5.0, 2.2
//! of 3.1.1, 2.1 of 3.1).

use super::variable::{Variable, read_variable};

/// A fixed header that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedHeader {
    /// How many bytes it has: 2 to 5.
    pub len: usize,
    /// How many bytes follow it.
    pub remaining: u32,
}

impl FixedHeader {
    /// The length of the whole packet, in bytes.
    pub fn total(self) -> u64 {
        self.len as u64 + u64::from(self.remaining)
    }
}

/// What is where a packet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadHeader {
    Whole(FixedHeader),
    /// The bytes end before the header does.
    Incomplete,
    /// The Remaining Length continues after its fourth byte, so nothing tells where the packet ends.
    Broken,
}

/// Reads the fixed header that `bytes` begin with. Of the first byte nothing is asked.
#[inline]
pub fn read_header(bytes: &[u8]) -> ReadHeader {
    let Some((_, behind)) = bytes.split_first() else {
        return ReadHeader::Incomplete;
    };
    match read_variable(behind) {
        Variable::Value { value, len } => ReadHeader::Whole(FixedHeader {
            len: 1 + len,
            remaining: value,
        }),
        Variable::Incomplete => ReadHeader::Incomplete,
        Variable::TooLong => ReadHeader::Broken,
    }
}

/// What follows the fixed header of a packet; nothing if that cannot be read.
pub fn body(packet: &[u8]) -> &[u8] {
    match read_header(packet) {
        ReadHeader::Whole(header) => &packet[header.len..],
        ReadHeader::Incomplete | ReadHeader::Broken => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_ends_with_its_remaining_length() {
        let whole = |len, remaining| ReadHeader::Whole(FixedHeader { len, remaining });
        assert_eq!(read_header(&[0xc0, 0]), whole(2, 0));
        assert_eq!(read_header(&[0x30, 0x80, 0x01, 7]), whole(3, 128));
        assert_eq!(read_header(&[0x30, 0xff, 0xff, 0xff, 0x7f]), whole(5, 268_435_455));
        for bytes in [&[][..], &[0x30], &[0x30, 0x80], &[0x30, 0xff, 0xff, 0xff]] {
            assert_eq!(read_header(bytes), ReadHeader::Incomplete, "{bytes:x?}");
        }
        assert_eq!(read_header(&[0x30, 0xff, 0xff, 0xff, 0xff]), ReadHeader::Broken);
    }

    #[test]
    fn the_whole_length_counts_the_header() {
        let largest = FixedHeader {
            len: 5,
            remaining: 268_435_455,
        };
        assert_eq!(largest.total(), 268_435_460);
    }

    #[test]
    fn the_body_stands_behind_the_header() {
        assert_eq!(body(&[0x40, 2, 0, 1]), [0, 1]);
        assert_eq!(body(&[0x40, 0x82, 0, 0, 1]), [0, 1]);
        assert!(body(&[0x40, 0x82]).is_empty());
    }
}
