//! The private mark of bridges: bit 7 of the Protocol Level in a CONNECT of 3.1 and 3.1.1. No version of the standard knows
//! it; mosquitto's bridges set it, and brokers that know it treat the client as another broker.

use bytes::Bytes;

use super::{PacketType, ReadHeader, read_header};

const MARK: u8 = 0x80;

/// Where the Protocol Level of a CONNECT lies; `None` if the packet is another one or ends before it.
pub(super) fn level_at(packet: &[u8]) -> Option<usize> {
    let ReadHeader::Whole(header) = read_header(packet) else {
        return None;
    };
    if packet.first()? >> 4 != PacketType::Connect.number() {
        return None;
    }
    let name = packet.get(header.len..header.len + 2)?;
    let at = header.len + 2 + usize::from(u16::from_be_bytes([name[0], name[1]]));
    (at < packet.len()).then_some(at)
}

/// The Protocol Level of a CONNECT that has the mark, as it is on the wire: 0x83 or 0x84.
pub fn marked_level(packet: &[u8]) -> Option<u8> {
    let level = packet[level_at(packet)?];
    matches!(level, 0x83 | 0x84).then_some(level)
}

/// The CONNECT without the mark; `None` if it has none.
pub fn unmarked(packet: &[u8]) -> Option<Bytes> {
    marked_level(packet)?;
    let mut plain = packet.to_vec();
    let at = level_at(packet)?;
    plain[at] &= !MARK;
    Some(plain.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Connect, Packet, Version, encode_bytes};

    fn connect(version: Version, level: u8) -> Vec<u8> {
        let mut connect = Connect::new(version, "bridge");
        connect.protocol_level = level;
        encode_bytes(&Packet::from(connect), version).to_vec()
    }

    #[test]
    fn the_mark_is_bit_7_of_the_level_of_3_1_and_3_1_1() {
        for (version, level) in [(Version::V3_1, 0x83), (Version::V3_1_1, 0x84)] {
            let marked = connect(version, level);
            assert_eq!(marked_level(&marked), Some(level));
            assert_eq!(unmarked(&marked).unwrap()[..], connect(version, level & 0x7f)[..]);
        }
        for level in [4, 5, 0x85, 0xff] {
            assert_eq!(unmarked(&connect(Version::V3_1_1, level)), None, "{level}");
        }
    }

    #[test]
    fn what_is_no_whole_connect_has_no_mark() {
        let marked = connect(Version::V3_1_1, 0x84);
        assert_eq!(unmarked(&marked[..8]), None);
        assert_eq!(unmarked(&[0x30, 3, 0, 0, 0x84]), None);
        assert_eq!(unmarked(&[]), None);
    }
}
