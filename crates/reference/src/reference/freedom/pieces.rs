//! The pieces in which the bytes of a packet are written.

use std::time::Duration;

use bytes::Bytes;

/// How many bytes of a packet are written one by one. The rest of a long one follows at once: it would prove no more.
const SINGLE: usize = 64;

/// A write, and how long to wait after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub bytes: Bytes,
    pub pause: Duration,
}

/// How packets are cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cuts {
    /// The first bytes of each packet are sent one by one.
    pub singly: bool,
    /// How long to wait behind the fixed header.
    pub pause: Option<Duration>,
}

impl Cuts {
    /// Whether packets are sent whole.
    pub fn is_none(&self) -> bool {
        *self == Cuts::default()
    }

    /// The pieces of one packet.
    pub fn pieces(&self, packet: &Bytes) -> Vec<Piece> {
        let piece = |bytes| Piece {
            bytes,
            pause: Duration::ZERO,
        };
        let header = match crate::wire::read_header(packet) {
            crate::wire::ReadHeader::Whole(header) => header.len.min(packet.len()),
            _ => packet.len(),
        };
        let mut pieces: Vec<Piece> = Vec::new();
        if self.singly {
            let single = packet.len().min(SINGLE);
            pieces.extend((0..single).map(|i| piece(packet.slice(i..=i))));
            pieces.push(piece(packet.slice(single..)));
        } else {
            pieces.push(piece(packet.slice(..header)));
            pieces.push(piece(packet.slice(header..)));
        }
        pieces.retain(|piece| !piece.bytes.is_empty());
        let mut written = 0;
        for piece in &mut pieces {
            written += piece.bytes.len();
            if written == header && header < packet.len() {
                piece.pause = self.pause.unwrap_or_default();
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_cut_behind_its_header_or_into_single_bytes() {
        let packet = Bytes::from_static(b"\x30\x05\x00\x01abc");
        let pause = Duration::from_millis(20);
        let lengths = |cuts: &Cuts| -> Vec<(usize, bool)> {
            let pieces = cuts.pieces(&packet);
            assert_eq!(
                pieces.iter().flat_map(|p| p.bytes.to_vec()).collect::<Vec<u8>>(),
                packet
            );
            pieces.iter().map(|p| (p.bytes.len(), p.pause == pause)).collect()
        };
        let header = Cuts {
            singly: false,
            pause: Some(pause),
        };
        assert_eq!(lengths(&header), [(2, true), (5, false)]);
        let both = Cuts {
            singly: true,
            pause: Some(pause),
        };
        let single = lengths(&both);
        assert_eq!(single.len(), 7);
        assert_eq!(single[1], (1, true));
    }

    #[test]
    fn a_long_packet_is_not_taken_apart_to_its_end() {
        let mut packet = vec![0x30, 0x80, 0x01];
        packet.extend([0; 128]);
        let cuts = Cuts {
            singly: true,
            pause: None,
        };
        assert_eq!(cuts.pieces(&packet.into()).len(), SINGLE + 1);
    }
}
