//! The pcapng format: blocks, in sections with a byte order and interfaces of their own. Blocks that are no packets,
//! and options that do not matter here, are passed over whatever is in them.

use std::io::Read;
use std::time::Duration;

use byteorder_slice::{BigEndian, LittleEndian};
use pcap_file::PcapError;
use pcap_file::pcapng::RawBlock;

use super::window::{LONGEST, Window};
use super::{Error, Framed, Next, time};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Bytes of a block that are not its body: type and length before it, the length again after it.
const AROUND: usize = 12;
/// Bytes of a block before its body.
const BEFORE: usize = 8;
/// More interfaces in one section are damage.
const MOST_INTERFACES: usize = 65_536;

/// A pcapng file, at some section of it.
#[derive(Default)]
pub struct Pcapng {
    big: bool,
    interfaces: Vec<Interface>,
    in_section: bool,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u16,
    /// The most bytes kept of a packet; 0 is no limit.
    snap: u32,
    resolution: Resolution,
    /// Seconds to be added to every time.
    offset: i64,
}

/// The unit of an interface's times (`if_tsresol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    /// 10 to the minus this, in seconds.
    Decimal(u32),
    /// 2 to the minus this.
    Binary(u32),
}

impl Pcapng {
    pub fn next<R: Read>(&mut self, window: &mut Window<R>) -> Result<Next, Error> {
        let head = window.view(AROUND)?;
        if head.is_empty() {
            return Ok(Next::End);
        }
        if head.len() < AROUND {
            return Ok(Next::Damaged(format!(
                "the file ends after {} bytes of a block",
                head.len()
            )));
        }
        let word = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        if u32::from_be_bytes(word(0)) == SECTION_HEADER {
            self.big = match u32::from_be_bytes(word(8)) {
                0x1a2b_3c4d => true,
                0x4d3c_2b1a => false,
                other => return Ok(Next::Damaged(format!("a section's byte order is 0x{other:08x}"))),
            };
            self.interfaces.clear();
            self.in_section = true;
        }
        let length = if self.big {
            u32::from_be_bytes(word(4))
        } else {
            u32::from_le_bytes(word(4))
        } as usize;
        if length > LONGEST {
            return Ok(Next::Damaged(format!("a block says that it has {length} bytes")));
        }
        let big = self.big;
        let bytes = window.view(length)?;
        let block = if big {
            RawBlock::from_slice::<BigEndian>(bytes)
        } else {
            RawBlock::from_slice::<LittleEndian>(bytes)
        };
        match block {
            Ok((_, block)) => Ok(self.block(block.type_, &block.body, length)),
            Err(PcapError::IncompleteBuffer) => {
                let text = format!(
                    "the file ends within a block: it has {} of its {length} bytes",
                    bytes.len()
                );
                Ok(Next::Damaged(text))
            }
            Err(PcapError::InvalidField(_)) => {
                Ok(Next::Damaged("a block's two lengths differ or are invalid".to_owned()))
            }
            Err(error) => Ok(Next::Damaged(error.to_string())),
        }
    }

    fn block(&mut self, kind: u32, body: &[u8], length: usize) -> Next {
        let body = Body {
            bytes: body,
            big: self.big,
        };
        let next = match kind {
            INTERFACE => self.interface(body),
            ENHANCED_PACKET => self.packet(body, body.u32(0), 20, length),
            OBSOLETE_PACKET => self.packet(body, body.u16(0).map(u32::from), 20, length),
            SIMPLE_PACKET => self.simple(body, length),
            _ => Some(Next::Skip(length)),
        };
        next.unwrap_or_else(|| Next::Damaged(format!("a block of type {kind} is too short for its contents")))
    }

    fn interface(&mut self, body: Body) -> Option<Next> {
        if self.interfaces.len() >= MOST_INTERFACES {
            return Some(Next::Damaged(format!(
                "a section has more than {MOST_INTERFACES} interfaces"
            )));
        }
        let mut interface = Interface {
            link: body.u16(0)?,
            snap: body.u32(4)?,
            resolution: Resolution::Decimal(6),
            offset: 0,
        };
        let mut at = 8;
        // An option list that is not in order says no more, and the interface is valid.
        while let (Some(code @ 1..), Some(len)) = (body.u16(at), body.u16(at + 2)) {
            let value = body.bytes.get(at + 4..at + 4 + usize::from(len));
            match (code, value) {
                (9, Some(&[byte])) if byte & 0x80 == 0 => interface.resolution = Resolution::Decimal(byte.into()),
                (9, Some(&[byte])) => interface.resolution = Resolution::Binary((byte & 0x7f).into()),
                (14, Some(value)) => {
                    if let Ok(value) = <[u8; 8]>::try_from(value) {
                        interface.offset = if self.big {
                            i64::from_be_bytes(value)
                        } else {
                            i64::from_le_bytes(value)
                        };
                    }
                }
                _ => {}
            }
            at += 4 + usize::from(len).next_multiple_of(4);
        }
        self.interfaces.push(interface);
        Some(Next::Skip(AROUND + body.bytes.len()))
    }

    /// An Enhanced Packet Block, or the obsolete Packet Block, which differs only in its first word.
    fn packet(&self, body: Body, interface: Option<u32>, data: usize, length: usize) -> Option<Next> {
        let interface = interface?;
        let Some(interface) = self.interfaces.get(interface as usize) else {
            return Some(Next::Damaged(format!(
                "a packet names interface {interface}, which was not described"
            )));
        };
        let units = u64::from(body.u32(4)?) << 32 | u64::from(body.u32(8)?);
        let kept = body.u32(12)? as usize;
        body.bytes.get(data..data.checked_add(kept)?)?;
        Some(Next::Packet(Framed {
            len: length,
            data: BEFORE + data..BEFORE + data + kept,
            at: interface.time(units),
            link: interface.link,
            wire_len: body.u32(16)?.max(kept as u32),
        }))
    }

    /// A Simple Packet Block: of the first interface, and without a time.
    fn simple(&self, body: Body, length: usize) -> Option<Next> {
        let Some(interface) = self.interfaces.first() else {
            return Some(Next::Damaged(
                "a packet comes before any interface is described".to_owned(),
            ));
        };
        let wire_len = body.u32(0)?;
        let limit = if interface.snap == 0 { u32::MAX } else { interface.snap };
        let kept = (wire_len.min(limit) as usize).min(body.bytes.len() - 4);
        Some(Next::Packet(Framed {
            len: length,
            data: BEFORE + 4..BEFORE + 4 + kept,
            at: Duration::ZERO,
            link: interface.link,
            wire_len,
        }))
    }
}

impl Interface {
    fn time(&self, units: u64) -> Duration {
        let (seconds, nanoseconds) = match self.resolution {
            Resolution::Decimal(n @ 0..=9) => {
                let a_second = 10u64.pow(n);
                (units / a_second, units % a_second * 10u64.pow(9 - n))
            }
            Resolution::Decimal(n) => {
                let nanoseconds = 10u64.checked_pow(n - 9).map_or(0, |unit| units / unit);
                (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000)
            }
            Resolution::Binary(n @ 0..=63) => {
                let fraction = u128::from(units & ((1u64 << n) - 1));
                (units >> n, ((fraction * 1_000_000_000) >> n) as u64)
            }
            Resolution::Binary(_) => (0, 0),
        };
        time(seconds.saturating_add_signed(self.offset), nanoseconds)
    }
}

/// The body of a block, read at positions.
#[derive(Clone, Copy)]
struct Body<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Body<'_> {
    fn u16(self, at: usize) -> Option<u16> {
        let bytes = self.bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if self.big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn u32(self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(resolution: Resolution, offset: i64, units: u64) -> Duration {
        let interface = Interface {
            link: 1,
            snap: 0,
            resolution,
            offset,
        };
        interface.time(units)
    }

    #[test]
    fn times_have_the_unit_of_their_interface() {
        let want = Duration::new(1_700_000_000, 250_000_000);
        assert_eq!(at(Resolution::Decimal(6), 0, 1_700_000_000_250_000), want);
        assert_eq!(at(Resolution::Decimal(9), 0, 1_700_000_000_250_000_000), want);
        assert_eq!(at(Resolution::Decimal(3), 0, 1_700_000_000_250), want);
        assert_eq!(
            at(Resolution::Decimal(10), 0, 17_000_000_002_500_000_000),
            Duration::new(1_700_000_000, 250_000_000)
        );
        assert_eq!(at(Resolution::Binary(10), 0, (1_700_000_000 << 10) + 256), want);
        assert_eq!(at(Resolution::Decimal(6), 1_000_000_000, 700_000_000_250_000), want);
        assert_eq!(at(Resolution::Decimal(6), -5, 5_000_001), Duration::from_micros(1));
    }

    #[test]
    fn no_unit_is_too_odd() {
        for n in 0..=127 {
            at(Resolution::Decimal(n), i64::MIN, u64::MAX);
            at(Resolution::Binary(n), i64::MAX, u64::MAX);
        }
    }
}
