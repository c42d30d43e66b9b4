//! A capture file → its packets, one after the other: pcap in both byte orders with micro- and nanoseconds, and pcapng.
//!
//! In: a reader. Out: [`Record`]s, and at the end the [`Damage`] at which reading stopped, if any. A file is never held
//! in memory, and nothing in it makes this panic.

mod pcap;
mod pcapng;
mod window;

use std::io::Read;
use std::time::Duration;

use self::pcap::Pcap;
use self::pcapng::Pcapng;
use self::window::Window;
use super::error::{Damage, Error};

/// One packet of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Counts from 1, as Wireshark's `frame.number`.
    pub number: u64,
    /// Since 1970-01-01 00:00 UTC.
    pub at: Duration,
    /// The link type (LINKTYPE_...), without the bits about a frame check sequence.
    pub link: u16,
    /// What was kept of it.
    pub data: &'a [u8],
    /// How many bytes it had on the wire, at least as many as were kept.
    pub wire_len: u32,
}

/// The packets of a file.
pub struct Records<R> {
    window: Window<R>,
    format: Format,
    packets: u64,
    damage: Option<Damage>,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// What a format finds next.
enum Next {
    /// This many bytes of the window are the record that `Framed` describes.
    Packet(Framed),
    /// Something else of this many bytes.
    Skip(usize),
    End,
    Damaged(String),
}

/// Where in the window the next packet lies.
struct Framed {
    /// The whole record.
    len: usize,
    data: std::ops::Range<usize>,
    at: Duration,
    link: u16,
    wire_len: u32,
}

impl<R: Read> Records<R> {
    /// Reads the beginning of a file, which tells its format.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(reader: R) -> Result<Records<R>, Error> {
        let mut window = Window::new(reader);
        let head = window.view(4)?;
        let magic = match head.get(..4) {
            None if head.is_empty() => return Err(Error::Empty),
            None => return Err(Error::Format(format!("it has {} bytes", head.len()))),
            Some(magic) => [magic[0], magic[1], magic[2], magic[3]],
        };
        let format = match magic {
            [0x0a, 0x0d, 0x0d, 0x0a] => Format::Pcapng(Pcapng::default()),
            [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1] => Format::Pcap(Pcap::open(&mut window)?),
            other => return Err(Error::Format(looks_like(other))),
        };
        Ok(Records {
            window,
            format,
            packets: 0,
            damage: None,
        })
    }

    /// The next packet; `None` at the end of the file, or if it is damaged.
    ///
    /// # Errors
    /// The reader's own.
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        if self.damage.is_some() {
            return Ok(None);
        }
        let found = loop {
            let next = match &mut self.format {
                Format::Pcap(pcap) => pcap.next(&mut self.window)?,
                Format::Pcapng(pcapng) => pcapng.next(&mut self.window)?,
            };
            match next {
                Next::Packet(found) => break found,
                Next::Skip(len) => {
                    self.window.take(len);
                }
                Next::End => return Ok(None),
                Next::Damaged(what) => {
                    self.damage = Some(Damage {
                        offset: self.window.offset(),
                        what,
                        packets: self.packets,
                    });
                    return Ok(None);
                }
            }
        };
        self.packets += 1;
        let record = self.window.take(found.len);
        Ok(Some(Record {
            number: self.packets,
            at: found.at,
            link: found.link,
            data: &record[found.data],
            wire_len: found.wire_len,
        }))
    }

    /// How many packets were read.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Where and why reading stopped before the end of the file.
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }
}

/// What a file of another kind is, for a person who took it for a capture.
fn looks_like(magic: [u8; 4]) -> String {
    let kind = match magic {
        [0x1f, 0x8b, ..] => "it is compressed with gzip; unpack it first",
        [0x28, 0xb5, 0x2f, 0xfd] => "it is compressed with zstd; unpack it first",
        [0xfd, b'7', b'z', b'X'] => "it is compressed with xz; unpack it first",
        [b'B', b'Z', b'h', _] => "it is compressed with bzip2; unpack it first",
        [b'P', b'K', ..] => "it is a zip archive; unpack it first",
        [b's', b'n', b'o', b'o'] => "it is a snoop file; Wireshark can save it as pcapng",
        [0xa1, 0xb2, 0xcd, 0x34] | [0x34, 0xcd, 0xb2, 0xa1] => "it is a modified pcap; Wireshark can save it as pcapng",
        [a, b, c, d] => return format!("it starts with {a:02x} {b:02x} {c:02x} {d:02x}"),
    };
    kind.to_owned()
}

/// Whole seconds and a fraction in parts of a second; a fraction of more than a second is carried over.
fn time(seconds: u64, nanoseconds: u64) -> Duration {
    Duration::from_secs(seconds.saturating_add(nanoseconds / 1_000_000_000))
        + Duration::from_nanos(nanoseconds % 1_000_000_000)
}
