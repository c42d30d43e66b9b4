//! A stream → whole packets, and the bytes that are no packet.

use bytes::{Bytes, BytesMut};

use crate::wire::{ReadHeader, read_header};

/// Packets above this many bytes are passed on without a look inside.
const LONG: u64 = 1024 * 1024;

/// Splits one direction of a connection.
#[derive(Default)]
pub struct Cut {
    buffer: BytesMut,
    /// How many bytes of a long packet are still to be passed on.
    passing: u64,
    is_broken: bool,
}

/// Bytes of the stream, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// One whole packet.
    Packet(Bytes),
    /// Part of a long packet, or the bytes behind an invalid fixed header.
    Bytes(Bytes),
}

impl Cut {
    /// The packets that are complete by now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.buffer.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        while !self.buffer.is_empty() {
            if self.is_broken {
                pieces.push(Piece::Bytes(self.buffer.split().freeze()));
                break;
            }
            if self.passing > 0 {
                let taken = self.passing.min(self.buffer.len() as u64);
                self.passing -= taken;
                pieces.push(Piece::Bytes(self.buffer.split_to(taken as usize).freeze()));
                continue;
            }
            let total = match read_header(&self.buffer) {
                ReadHeader::Whole(header) => header.total(),
                ReadHeader::Incomplete => break,
                ReadHeader::Broken => {
                    self.is_broken = true;
                    continue;
                }
            };
            if total > LONG {
                self.passing = total;
            } else if total > self.buffer.len() as u64 {
                break;
            } else {
                pieces.push(Piece::Packet(self.buffer.split_to(total as usize).freeze()));
            }
        }
        pieces
    }

    /// The bytes left when the stream ends.
    pub fn rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(bytes: &'static [u8]) -> Piece {
        Piece::Packet(Bytes::from_static(bytes))
    }

    #[test]
    fn packets_come_out_whole_wherever_the_stream_is_cut() {
        let stream = b"\xc0\x00\x30\x03\x00\x01a";
        for cut in 0..stream.len() {
            let mut cutter = Cut::default();
            let mut pieces = cutter.push(&stream[..cut]);
            pieces.extend(cutter.push(&stream[cut..]));
            assert_eq!(
                pieces,
                [packet(b"\xc0\x00"), packet(b"\x30\x03\x00\x01a")],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn what_cannot_be_framed_passes_as_it_is() {
        let mut cut = Cut::default();
        let bytes: &[u8] = b"\x30\xff\xff\xff\xff\x01\xc0\x00";
        assert_eq!(cut.push(bytes), [Piece::Bytes(Bytes::from_static(bytes))]);
        assert_eq!(cut.push(b"\xc0\x00"), [Piece::Bytes(Bytes::from_static(b"\xc0\x00"))]);
    }

    #[test]
    fn a_long_packet_is_not_gathered() {
        let mut cut = Cut::default();
        // 2 MiB announced, of which only a little has arrived.
        assert_eq!(cut.push(b"\x30\x80\x80\x80\x01abc").len(), 1);
        assert!(cut.rest().is_empty());
        assert_eq!(cut.push(&vec![0; 2 * 1024 * 1024 - 3]).len(), 1);
        assert_eq!(cut.push(b"\xc0\x00"), [packet(b"\xc0\x00")]);
    }

    #[test]
    fn half_a_packet_is_the_rest() {
        let mut cut = Cut::default();
        assert_eq!(cut.push(b"\x30\x03\x00"), []);
        assert_eq!(cut.rest(), Bytes::from_static(b"\x30\x03\x00"));
    }
}
