//! Bytes of one connection → packets, with the faults found in them.
//!
//! The wire module's own splitter keeps only a digest of long packets. A broker must pass on all of them, so packets are
//! cut out here, whole and without a copy.

use bytes::{Bytes, BytesMut};

use super::config::{Config, Limits};
use super::core::offence::Fault;
use super::core::{Received, named_version, reason};
use super::disobey::Disobey;
use super::duty::Duty;
use super::freedom::{Choice, Free};
use super::tolerance::REFUSED;
use crate::statements::{StatementId, Version};
use crate::wire::{Blob, Breach, FixedHeader, Frame, Packet, PacketType, ReadHeader, Side, check, read_header};

/// Packets above this many bytes do not share their memory with the packets behind them.
const LONG: usize = 256 * 1024;

/// Bytes that a connection has sent and that are no whole packet yet.
pub struct Frames {
    /// Read into this, then call [`Frames::take`].
    pub buffer: BytesMut,
    version: Version,
    /// The largest packet that is read at all.
    limits: Limits,
    /// Packets of any size are read.
    reads_any: bool,
    /// The version whose layout is used to read a CONNECT with an unknown level.
    unknown_level: Version,
    joins_pieces: bool,
    takes_repeats: bool,
    /// Which of the characters that a string should not contain are refused.
    free: Free,
    is_broken: bool,
}

impl Frames {
    /// For a new connection. A packet above the maximum packet size is reported without being read.
    pub fn new(limits: &Limits, disobey: &Disobey, free: &Free) -> Frames {
        let tolerates = |version, id| disobey.lets_through(StatementId::new(version, id));
        let reads_any = tolerates(Version::V5, "MQTT-3.2.2-15");
        let tolerates_level = |version| match version {
            Version::V3_1 => tolerates(version, "§2.2/protocol-version"),
            _ => tolerates(version, "MQTT-3.1.2-2"),
        };
        let unknown_level = Version::ALL.into_iter().rev().find(|v| tolerates_level(*v));
        Frames {
            buffer: BytesMut::new(),
            version: Version::V3_1_1,
            limits: limits.clone(),
            reads_any,
            unknown_level: unknown_level.unwrap_or(Version::V3_1_1),
            joins_pieces: disobey.obeys(Duty::JoinPieces),
            takes_repeats: disobey.obeys(Duty::TakeRepeatedRequests),
            free: free.clone(),
            is_broken: false,
        }
    }

    /// What the broker reads of the bytes of one packet on a connection of `version`; `None` if it needs more of them.
    pub fn read_one(config: &Config, version: Version, bytes: &[u8]) -> Option<Received> {
        let mut frames = Frames::new(&config.limits, &config.disobey, &config.free);
        frames.version = version;
        frames.buffer.extend_from_slice(bytes);
        frames.take().pop()
    }

    /// The packets that are complete by now. After one that cannot be framed there are no more.
    pub fn take(&mut self) -> Vec<Received> {
        let mut packets = Vec::new();
        while !self.is_broken && !self.buffer.is_empty() {
            let header = match read_header(&self.buffer) {
                ReadHeader::Whole(header) => header,
                ReadHeader::Incomplete => break,
                ReadHeader::Broken => {
                    packets.push(self.broken());
                    break;
                }
            };
            let total = header.total();
            // The version of a CONNECT is not known yet.
            let limit = self.limits.packet_size(self.version).filter(|_| !self.reads_any);
            if limit.is_some_and(|limit| total > limit.into()) {
                packets.push(self.too_large(total));
                break;
            }
            let total = total as usize;
            if self.buffer.len() < total {
                // A long packet gets its memory at once: growing step by step would copy it again and again.
                self.buffer.reserve(total - self.buffer.len());
                break;
            }
            let bytes = self.buffer.split_to(total).freeze();
            packets.push(self.decode(bytes, header));
            if total > LONG {
                // The rest moves into memory of its own, so that the long packet's can be freed.
                self.buffer = BytesMut::from(&self.buffer[..]);
            }
        }
        // v3.1.1:MQTT-7.1.1-1, v5:MQTT-4.2.0-1: a packet cut at any byte is reassembled. Under the fault, it is lost.
        if self.is_broken || !self.joins_pieces {
            self.buffer.clear();
        }
        packets
    }

    fn decode(&mut self, bytes: Bytes, header: FixedHeader) -> Received {
        let frame = Frame {
            first_byte: bytes[0],
            remaining_length: header.remaining,
            header_len: header.len,
            raw: Blob::Whole(bytes),
        };
        let packet_type = frame.packet_type();
        if let Some(level) = frame.connect_level() {
            let named = Version::ALL.into_iter().find(|v| v.protocol_level() == level);
            self.version = named.unwrap_or(self.unknown_level);
        }
        let decoded = check(&frame, self.version, Side::Client);
        let version = match &decoded.packet {
            Some(Packet::Connect(connect)) => named_version(connect),
            // The version of a CONNECT that cannot be read to its end is known from its start.
            _ if packet_type == Some(PacketType::Connect) => frame.connect_level().map(|_| self.version),
            _ => None,
        };
        let mut packet = decoded.packet;
        if let Some(Packet::Subscribe(subscribe)) = &mut packet
            && self.version == Version::V3_1
        {
            // 3.1 leaves the upper bits of the QoS byte unused, whatever they are (section 2.6). Later versions refuse them.
            subscribe.subscriptions.iter_mut().for_each(|s| s.options &= 0b11);
        }
        let mut faults: Vec<Fault> = decoded
            .breaches
            .iter()
            .filter(|b| is_held_against(b, &self.free))
            .map(fault)
            .collect();
        let is_repeat = matches!(packet_type, Some(PacketType::Subscribe | PacketType::Unsubscribe))
            && frame.first_byte & 0b1000 != 0
            && self.version == Version::V3_1;
        // v3.1:§3.8/qos-1, v3.1:§3.10/qos-1: 3.1 has DUP in these. Under the fault, it is an error as in later versions.
        if is_repeat && !self.takes_repeats {
            faults.push(Fault {
                statements: Vec::new(),
                reason: reason::MALFORMED_PACKET,
                text: "DUP is set".to_owned(),
            });
        }
        Received {
            packet_type,
            packet,
            version,
            faults,
            size: frame.raw.len(),
        }
    }

    /// v3.1.1:§2.2.3/four-bytes, v5:§1.5.5/four-bytes.
    fn broken(&mut self) -> Received {
        self.is_broken = true;
        let bytes = self.buffer.split_to(5).freeze();
        let packet_type = PacketType::from_number(bytes[0] >> 4);
        let decoded = crate::wire::decode_bytes(&bytes, self.version, Side::Client);
        Received {
            packet_type,
            packet: None,
            version: None,
            faults: decoded
                .breaches
                .iter()
                .filter(|b| is_held_against(b, &self.free))
                .map(fault)
                .collect(),
            size: 5,
        }
    }

    fn too_large(&mut self, size: u64) -> Received {
        self.is_broken = true;
        Received {
            packet_type: PacketType::from_number(self.buffer[0] >> 4),
            packet: None,
            version: None,
            faults: Vec::new(),
            size,
        }
    }
}

/// Whether a violation is a reason to refuse a packet. One of a SHOULD is not. The format of a payload concerns its
/// readers (5.0, section 3.3.2.3.2: a receiver may check it). For the client id, CONNACK says more than a close would,
/// so `core::connect` checks that.
fn is_held_against(breach: &Breach, free: &Free) -> bool {
    // Section 1.5.3 of 3.1.1 and 1.5.4 of 5.0: a receiver may treat such a string as malformed.
    let is_character = matches!(
        breach.statement.id,
        "§1.5.3/disallowed-code-points" | "§1.5.4/disallowed-code-points"
    );
    if is_character && free.takes(Choice::StrictStrings, breach.statement.version) {
        return true;
    }
    let not_ours = [
        StatementId::new(Version::V5, "§3.3.2.3.2/utf-8-payload"),
        StatementId::new(Version::V5, "§3.1.3.2.3/utf-8-payload"),
        StatementId::new(Version::V3_1, "§3.1/client-id-length"),
        StatementId::new(Version::V3_1_1, "MQTT-3.1.3-7"),
    ];
    (breach.is_must() || REFUSED.contains(&breach.statement)) && !not_ours.contains(&breach.statement)
}

fn fault(breach: &Breach) -> Fault {
    Fault {
        statements: breach.statements().collect(),
        reason: reason_for(breach.statement.id),
        text: breach.text.clone(),
    }
}

/// The reason code of 5.0 for a violation: Protocol Error if the standard calls it so or the bytes can be read without
/// doubt, a more specific code if there is one, else Malformed Packet (5.0, section 4.13.1).
fn reason_for(statement: &str) -> u8 {
    match statement {
        "MQTT-3.3.2-2" | "MQTT-4.7.0-1" => reason::TOPIC_NAME_INVALID,
        "MQTT-3.3.2-8" => reason::TOPIC_ALIAS_INVALID,
        "MQTT-4.7.1-1" | "MQTT-4.7.1-2" | "MQTT-4.8.2-1" | "MQTT-4.8.2-2" => reason::FILTER_INVALID,
        "MQTT-3.1.2-1" | "MQTT-3.1.2-2" => reason::UNSUPPORTED_VERSION,
        "MQTT-2.2.1-3" | "MQTT-2.2.1-5" | "MQTT-3.3.2-14" | "MQTT-3.3.4-6" | "MQTT-3.8.3-2" | "MQTT-3.8.3-4"
        | "MQTT-3.10.3-2" | "MQTT-4.7.3-1" => reason::PROTOCOL_ERROR,
        "§2.1.2/packet-type"
        | "§2.2.2.2/single-use"
        | "§3.1.2.11.3/not-zero"
        | "§3.1.2.11.4/not-zero"
        | "§3.1.2.11.6/values"
        | "§3.1.2.11.7/values"
        | "§3.1.2.11.10/needs-method"
        | "§3.3.2.3.2/values"
        | "§3.8.2.1.2/not-zero"
        | "§3.8.3.1/maximum-qos"
        | "§3.8.3.1/retain-handling"
        | "§3.14.2.1/sent-by"
        | "§3.15.2.1/sent-by"
        | "§3.15.2.2.2/authentication-method" => reason::PROTOCOL_ERROR,
        _ => reason::MALFORMED_PACKET,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Frames {
        Frames::new(&Limits::default(), &Disobey::default(), &Free::default())
    }

    const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let stream = [CONNECT, b"\xc0\x00", b"\x30\x05\x00\x01abc"].concat();
        let mut whole = frames();
        whole.buffer.extend_from_slice(&stream);
        let expected = whole.take();
        assert_eq!(expected.len(), 3);
        for cut in 0..stream.len() {
            let mut frames = frames();
            let mut packets = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                frames.buffer.extend_from_slice(part);
                packets.extend(frames.take());
            }
            assert_eq!(packets, expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_cannot_be_framed_ends_the_stream() {
        let mut frames = frames();
        frames.buffer.extend_from_slice(b"\x30\xff\xff\xff\xff\x01\xc0\x00");
        let packets = frames.take();
        assert_eq!(packets.len(), 1);
        assert!(!packets[0].faults.is_empty());
        frames.buffer.extend_from_slice(b"\xc0\x00");
        assert!(frames.take().is_empty());
    }

    #[test]
    fn a_packet_above_the_limit_is_not_waited_for() {
        let limits = Limits {
            maximum_packet_size: Some(100),
            ..Limits::default()
        };
        let mut frames = Frames::new(&limits, &Disobey::default(), &Free::default());
        frames.buffer.extend_from_slice(b"\x30\xff\xff\xff\x7f");
        let packets = frames.take();
        assert_eq!(packets.len(), 1);
        assert_eq!(
            (packets[0].size, packets[0].packet_type),
            (268_435_460, Some(PacketType::Publish))
        );
    }
}
