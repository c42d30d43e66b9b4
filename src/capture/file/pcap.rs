//! The pcap format: one header, then records.

use std::io::Read;

use byteorder_slice::{BigEndian, LittleEndian};
use pcap_file::pcap::{PcapHeader, RawPcapPacket};
use pcap_file::{Endianness, PcapError, TsResolution};

use super::window::{LONGEST, Window};
use super::{Error, Framed, Next, time};

/// Bytes of a record before its data.
const RECORD: usize = 16;
/// Bytes of the file's header.
const HEADER: usize = 24;

/// A pcap file behind its header.
pub struct Pcap {
    big: bool,
    /// Nanoseconds in the unit of the records' fractions of a second.
    unit: u64,
    link: u16,
}

impl Pcap {
    pub fn open<R: Read>(window: &mut Window<R>) -> Result<Pcap, Error> {
        let head = window.view(HEADER)?;
        if head.len() < HEADER {
            return Err(Error::Header(format!(
                "the file ends after {} of {HEADER} bytes",
                head.len()
            )));
        }
        let (_, header) = PcapHeader::from_slice(head).map_err(|e| Error::Header(e.to_string()))?;
        window.take(HEADER);
        Ok(Pcap {
            big: header.endianness == Endianness::Big,
            unit: match header.ts_resolution {
                TsResolution::MicroSecond => 1000,
                TsResolution::NanoSecond => 1,
            },
            // The high bits tell of a frame check sequence, which the layers below take as padding.
            link: u32::from(header.datalink) as u16,
        })
    }

    pub fn next<R: Read>(&mut self, window: &mut Window<R>) -> Result<Next, Error> {
        let head = window.view(RECORD)?;
        if head.is_empty() {
            return Ok(Next::End);
        }
        let Some(length) = head.get(8..12).filter(|_| head.len() >= RECORD) else {
            return Ok(Next::Damaged(format!(
                "the file ends after {} bytes of a packet's header",
                head.len()
            )));
        };
        let length = [length[0], length[1], length[2], length[3]];
        let length = if self.big {
            u32::from_be_bytes(length)
        } else {
            u32::from_le_bytes(length)
        } as usize;
        if length > LONGEST {
            return Ok(Next::Damaged(format!("a packet says that it has {length} bytes")));
        }
        let record = window.view(RECORD + length)?;
        let raw = if self.big {
            RawPcapPacket::from_slice::<BigEndian>(record)
        } else {
            RawPcapPacket::from_slice::<LittleEndian>(record)
        };
        let raw = match raw {
            Ok((_, raw)) => raw,
            Err(PcapError::IncompleteBuffer) => {
                let there = record.len() - RECORD;
                let text = format!("the file ends within a packet: it has {there} of its {length} bytes");
                return Ok(Next::Damaged(text));
            }
            Err(error) => return Ok(Next::Damaged(error.to_string())),
        };
        Ok(Next::Packet(Framed {
            len: RECORD + length,
            data: RECORD..RECORD + length,
            at: time(raw.ts_sec.into(), u64::from(raw.ts_frac) * self.unit),
            link: self.link,
            wire_len: raw.orig_len.max(raw.incl_len),
        }))
    }
}
