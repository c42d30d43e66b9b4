//! A pcapng file: one section, one Ethernet interface, packets with comments.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness, PcapError};

use crate::transcript::printable;

/// The resolution of the times in the file: 10 to the power of minus this, in seconds. The writer writes nanoseconds,
/// and without this option a reader takes them for microseconds.
const NANOSECONDS: u8 = 9;
/// The longest comment in bytes. The format permits 65 535, which is too long to read.
const COMMENT: usize = 2000;

/// A pcapng file that is being written.
pub struct PcapngFile<W: Write>(PcapNgWriter<W>);

impl<W: Write> PcapngFile<W> {
    /// Begins a file; `about` describes where its packets come from.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(out: W, about: &str) -> io::Result<PcapngFile<W>> {
        let program = concat!("mqttspec ", env!("CARGO_PKG_VERSION"));
        let section = SectionHeaderBlock {
            // The same file on every machine.
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(program.into())],
            ..SectionHeaderBlock::default()
        };
        let mut writer = PcapNgWriter::with_section_header(out, section).map_err(as_io)?;
        let interface = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            // No limit.
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName("mqttspec".into()),
                InterfaceDescriptionOption::IfDescription(short(about)),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        };
        writer.write_pcapng_block(interface).map_err(as_io)?;
        Ok(PcapngFile(writer))
    }

    /// Adds a frame. `at` counts from 1970 (UTC); an empty comment is left out.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn frame(&mut self, at: Duration, frame: &[u8], comment: &str) -> io::Result<()> {
        let comment = (!comment.is_empty()).then(|| EnhancedPacketOption::Comment(short(comment)));
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: at,
            original_len: frame.len() as u32,
            data: Cow::Borrowed(frame),
            options: comment.into_iter().collect(),
        };
        self.0.write_pcapng_block(block).map_err(as_io)?;
        Ok(())
    }

    /// Brings what was written to where it goes.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

/// Text that is fit to be shown and not too long.
fn short(text: &str) -> Cow<'static, str> {
    let text = printable(text);
    if text.len() <= COMMENT {
        return text.into();
    }
    let end = (0..=COMMENT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &text[..end]).into()
}

fn as_io(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every block of the file by its type, little-endian, with its body.
    fn blocks(file: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let (mut at, mut all) = (0, Vec::new());
        while at < file.len() {
            let length = number(at + 4) as usize;
            assert_eq!(
                number(at + length - 4) as usize,
                length,
                "the length stands at both ends"
            );
            all.push((number(at), file[at + 8..at + length - 4].to_vec()));
            at += length;
        }
        all
    }

    #[test]
    fn a_file_is_a_section_an_interface_and_packets_in_nanoseconds() {
        let mut out = Vec::new();
        let mut file = PcapngFile::new(&mut out, "test").unwrap();
        let at = Duration::new(1_700_000_000, 123_456_789);
        file.frame(at, b"0123456789abcdef", "case a").unwrap();
        file.frame(at, b"0123456789abcdef", "").unwrap();
        let blocks = blocks(&out);
        let types: Vec<u32> = blocks.iter().map(|(t, _)| *t).collect();
        assert_eq!(types, [0x0a0d_0d0a, 1, 6, 6]);
        // Ethernet, and the option if_tsresol (9, one byte) with 9.
        assert_eq!(blocks[1].1[..2], [1, 0]);
        assert!(blocks[1].1.windows(5).any(|w| w == [9, 0, 1, 0, 9]));
        let packet = &blocks[2].1;
        let high = u32::from_le_bytes(packet[4..8].try_into().unwrap());
        let low = u32::from_le_bytes(packet[8..12].try_into().unwrap());
        assert_eq!(u64::from(high) << 32 | u64::from(low), 1_700_000_000_123_456_789);
        assert!(packet.windows(6).any(|w| w == b"case a"));
        assert!(blocks[3].1.len() < packet.len());
    }

    #[test]
    fn a_comment_moves_no_cursor_and_ends_at_a_character() {
        assert_eq!(short("a\u{1b}[2J\nb"), "a\\u{1b}[2J\nb");
        let long = short(&"ä".repeat(COMMENT));
        assert!(long.len() <= COMMENT + '…'.len_utf8() && long.ends_with('…'));
    }
}
