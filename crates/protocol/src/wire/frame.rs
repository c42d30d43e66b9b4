//! Bytes of a stream → packets as bytes. A [`Splitter`] finds where one packet ends and the next begins, whatever way
//! the stream is cut, and keeps a bounded part of what is long.

use std::hash::Hasher;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::bridge::level_at;
use super::header::{FixedHeader, ReadHeader, read_header};
use super::variable::{Variable, read_variable};
use super::{PacketType, Version};

/// Packets up to this many bytes, header included, are kept whole.
pub const WHOLE_MAX: u64 = 1024 * 1024;
/// How many bytes are kept of the beginning of a longer one. It holds the longest topic and 64 KiB of properties.
pub const HEAD: usize = 128 * 1024;
/// How many bytes are kept of the end of a longer one.
pub const TAIL: usize = 64;
/// How many bytes are kept of what comes after the stream can no longer be framed.
pub const BROKEN_MAX: usize = 64 * 1024;

/// The bytes of a packet: all of them, or of a long one what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    Whole(Bytes),
    /// Rare, and three times as large as the other: apart, so that what holds a packet needs no room for it.
    Long(Box<LongBlob>),
}

/// What is kept of a packet of more than [`WHOLE_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongBlob {
    /// The length in bytes, header included.
    pub len: u64,
    /// The first [`HEAD`] bytes.
    pub head: Bytes,
    /// The last [`TAIL`] bytes.
    pub tail: Bytes,
    /// Digests of what follows `start`, to the end of the packet. Of a PUBLISH there is one for each place where its
    /// payload may begin (with and without properties, unless the splitter [knows](Splitter::speaks) the version);
    /// of others one, of the whole body.
    pub digests: Vec<Digest>,
}

/// The XXH3 digest (64 bits, seed 0) of a packet's bytes from `start` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    pub start: u64,
    pub hash: u64,
}

impl Blob {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Blob::Whole(bytes) => bytes.len() as u64,
            Blob::Long(long) => long.len,
        }
    }

    /// Whether it has no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if all are kept.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Blob::Whole(bytes) => Some(bytes),
            Blob::Long(_) => None,
        }
    }

    /// The bytes that are kept from the beginning on.
    pub fn head(&self) -> &Bytes {
        match self {
            Blob::Whole(bytes) => bytes,
            Blob::Long(long) => &long.head,
        }
    }
}

/// One packet as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub raw: Blob,
    /// Packet type and flags.
    pub first_byte: u8,
    /// What the packet says of its length after the fixed header.
    pub remaining_length: u32,
    /// The length of the fixed header in bytes, 2 to 5.
    pub header_len: usize,
}

impl Frame {
    /// The packet that `bytes` begins with, taking all of them: they may be fewer or more than the packet says, and the
    /// remaining length may be malformed (then it is 0 here). [`decode`](super::decode) reports all of that. `None` if
    /// there is no byte.
    pub fn loose(bytes: impl Into<Bytes>) -> Option<Frame> {
        let bytes = bytes.into();
        let first_byte = *bytes.first()?;
        let (header_len, remaining_length) = match read_header(&bytes) {
            ReadHeader::Whole(header) => (header.len, header.remaining),
            ReadHeader::Incomplete => (bytes.len(), 0),
            ReadHeader::Broken => (5, 0),
        };
        Some(Frame {
            raw: Blob::Whole(bytes),
            first_byte,
            remaining_length,
            header_len,
        })
    }

    /// The packet type; `None` for the reserved number 0.
    pub fn packet_type(&self) -> Option<PacketType> {
        PacketType::from_number(self.first_byte >> 4)
    }

    /// The low four bits of the first byte.
    pub fn flags(&self) -> u8 {
        self.first_byte & 0x0f
    }

    /// The Protocol Level of a CONNECT, from which the version of the connection follows; `None` for another packet, or
    /// if it has none.
    pub fn connect_level(&self) -> Option<u8> {
        if self.packet_type() != Some(PacketType::Connect) {
            return None;
        }
        let head = self.raw.head();
        head.get(level_at(head)?).copied()
    }
}

/// What a [`Splitter`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Frame(Frame),
    /// The remaining length continues after its fourth byte, so no later byte can be framed. `bytes` are the packet's
    /// first five. This comes once; what follows is [`Splitter::pending`].
    Broken {
        bytes: Bytes,
        why: String,
    },
}

/// Splits a stream of bytes into packets. The pieces are the same for every way of cutting the stream.
///
/// Memory is bounded: a packet of more than [`WHOLE_MAX`] bytes costs [`HEAD`] and [`TAIL`], and nothing is allocated
/// for bytes that are only announced.
#[derive(Default)]
pub struct Splitter {
    /// What is kept of the packet that is not yet complete.
    kept: Vec<u8>,
    header: Option<FixedHeader>,
    long: Option<Long>,
    broken: bool,
    /// What says whether a PUBLISH has properties; without it a long one is digested both ways.
    version: Option<Version>,
    /// How many bytes of the incomplete packet (or, once broken, after it) came.
    seen: u64,
    total: u64,
}

/// The state for a packet too long to be kept.
struct Long {
    tail: Vec<u8>,
    /// `None` until the head is complete, which tells where the payload starts.
    hashers: Option<Vec<(u64, XxHash3_64)>>,
}

impl Splitter {
    pub fn new() -> Splitter {
        Splitter::default()
    }

    /// Says at which version the packets from here on will be decoded, if that is known: long ones need one digest
    /// then.
    pub fn speaks(&mut self, version: Option<Version>) {
        self.version = version;
    }

    /// Takes the next bytes of the stream and gives the pieces that they complete.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        self.total += bytes.len() as u64;
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            if self.broken {
                self.seen += bytes.len() as u64;
                let room = BROKEN_MAX - self.kept.len();
                self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
                break;
            }
            if self.kept.is_empty()
                && let Some((frame, rest)) = whole_frame(bytes)
            {
                pieces.push(Piece::Frame(frame));
                bytes = rest;
                continue;
            }
            bytes = match self.header {
                None => self.take_header(bytes, &mut pieces),
                Some(header) => self.take_body(header, bytes),
            };
            if let Some(header) = self.header
                && self.seen == header.total()
            {
                pieces.push(Piece::Frame(self.finish(header)));
            }
        }
        pieces
    }

    /// Takes `len` times `byte`: what [`Chunk::Fill`](super::Chunk) sends, without holding it.
    pub fn push_fill(&mut self, len: u64, byte: u8) -> Vec<Piece> {
        let block = [byte; 16 * 1024];
        let mut pieces = Vec::new();
        let mut left = len;
        while left > 0 {
            let n = left.min(block.len() as u64);
            pieces.extend(self.push(&block[..n as usize]));
            left -= n;
        }
        pieces
    }

    /// What is kept of the packet that is not yet complete, or of what followed a broken one (at most [`BROKEN_MAX`]).
    pub fn pending(&self) -> &[u8] {
        &self.kept
    }

    /// How many bytes of it came; more than [`Splitter::pending`] holds if it is long.
    pub fn pending_len(&self) -> u64 {
        self.seen
    }

    /// How long the incomplete packet says that it is, fixed header included; `None` before its header is complete.
    pub fn expected_len(&self) -> Option<u64> {
        self.header.map(FixedHeader::total)
    }

    /// Whether the stream can no longer be framed.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// How many bytes were pushed in all: who waits for a packet sees by it that bytes keep coming.
    pub fn received(&self) -> u64 {
        self.total
    }

    /// One byte of the fixed header.
    fn take_header<'a>(&mut self, bytes: &'a [u8], pieces: &mut Vec<Piece>) -> &'a [u8] {
        self.kept.push(bytes[0]);
        self.seen += 1;
        match read_header(&self.kept) {
            ReadHeader::Incomplete => {}
            ReadHeader::Whole(header) => {
                self.header = Some(header);
                self.long = (header.total() > WHOLE_MAX).then(|| Long {
                    tail: Vec::new(),
                    hashers: None,
                });
            }
            ReadHeader::Broken => {
                self.broken = true;
                self.seen = 0;
                pieces.push(Piece::Broken {
                    bytes: std::mem::take(&mut self.kept).into(),
                    why: "the remaining length continues after its fourth byte".to_owned(),
                });
            }
        }
        &bytes[1..]
    }

    /// As many bytes of the body as belong to this packet.
    fn take_body<'a>(&mut self, header: FixedHeader, bytes: &'a [u8]) -> &'a [u8] {
        let left = header.total() - self.seen;
        let n = (bytes.len() as u64).min(left) as usize;
        let (mine, rest) = bytes.split_at(n);
        match &mut self.long {
            None => self.kept.extend_from_slice(mine),
            Some(long) => long.take(&mut self.kept, header, self.version, self.seen, mine),
        }
        self.seen += n as u64;
        rest
    }

    fn finish(&mut self, header: FixedHeader) -> Frame {
        let kept = Bytes::from(std::mem::take(&mut self.kept));
        let first_byte = kept[0];
        let raw = match self.long.take() {
            None => Blob::Whole(kept),
            Some(long) => Blob::Long(Box::new(LongBlob {
                len: header.total(),
                head: kept,
                tail: long.tail.into(),
                digests: long
                    .hashers
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(start, hasher)| Digest {
                        start,
                        hash: hasher.finish(),
                    })
                    .collect(),
            })),
        };
        self.header = None;
        self.seen = 0;
        Frame {
            raw,
            first_byte,
            remaining_length: header.remaining,
            header_len: header.len,
        }
    }
}

impl Long {
    /// Takes bytes that are at `at` in the packet.
    fn take(&mut self, head: &mut Vec<u8>, header: FixedHeader, version: Option<Version>, at: u64, bytes: &[u8]) {
        let (to_head, beyond) = bytes.split_at(bytes.len().min(HEAD - head.len()));
        head.extend_from_slice(to_head);
        if self.hashers.is_none() && head.len() == HEAD {
            let mut hashers: Vec<_> = payload_starts(head, header.len, version)
                .into_iter()
                .map(|start| (start, XxHash3_64::new()))
                .collect();
            feed(&mut hashers, 0, head);
            self.hashers = Some(hashers);
        }
        if let Some(hashers) = &mut self.hashers {
            feed(hashers, at + to_head.len() as u64, beyond);
        }
        // The head is longer than the tail, so the last bytes of a long packet never lie in it.
        let last = &beyond[beyond.len().saturating_sub(TAIL)..];
        let keep = TAIL - last.len();
        let drop = self.tail.len().saturating_sub(keep);
        self.tail.drain(..drop);
        self.tail.extend_from_slice(last);
    }
}

/// The packet that `bytes` begins with, and what follows it, if all of the packet is there and it is kept whole:
/// what is usual takes one allocation of the right size and one copy.
fn whole_frame(bytes: &[u8]) -> Option<(Frame, &[u8])> {
    let ReadHeader::Whole(header) = read_header(bytes) else {
        return None;
    };
    let total = usize::try_from(header.total()).ok()?;
    if header.total() > WHOLE_MAX || bytes.len() < total {
        return None;
    }
    let (packet, rest) = bytes.split_at(total);
    let frame = Frame {
        raw: Blob::Whole(Bytes::copy_from_slice(packet)),
        first_byte: bytes[0],
        remaining_length: header.remaining,
        header_len: header.len,
    };
    Some((frame, rest))
}

/// Gives each hasher what of `bytes`, which are at `at`, lies behind its start.
fn feed(hashers: &mut [(u64, XxHash3_64)], at: u64, bytes: &[u8]) {
    for (start, hasher) in hashers {
        let skip = start.saturating_sub(at).min(bytes.len() as u64) as usize;
        hasher.write(&bytes[skip..]);
    }
}

/// Where the digests of a long packet begin: the payload of a PUBLISH as 3.x and as 5.0 have it, else the body.
fn payload_starts(head: &[u8], header_len: usize, version: Option<Version>) -> Vec<u64> {
    let body = vec![header_len as u64];
    if PacketType::from_number(head[0] >> 4) != Some(PacketType::Publish) {
        return body;
    }
    let topic_len = usize::from(u16::from_be_bytes([head[header_len], head[header_len + 1]]));
    let id_len = if head[0] & 0b0110 == 0 { 0 } else { 2 };
    // A topic and an identifier always fit into the head: 5 + 2 + 65 535 + 2 bytes at most.
    let start = header_len + 2 + topic_len + id_len;
    let properties = match read_variable(&head[start..]) {
        Variable::Value { value, len } => Some(start as u64 + len as u64 + u64::from(value)),
        Variable::Incomplete | Variable::TooLong => None,
    };
    let plain = (version != Some(Version::V5)).then_some(start as u64);
    let behind = properties.filter(|_| version.is_none_or(|v| v == Version::V5));
    plain.into_iter().chain(behind).collect()
}
