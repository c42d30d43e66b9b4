//! A TCP connection drawn as frames.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use etherparse::{PacketBuilder, TcpOptionElement};

use crate::wire::Side;

/// How much a segment carries, in bytes. It stays below what an IPv4 packet holds.
const SEGMENT: usize = 32 * 1024;
/// The window of both sides. With the scale it is 1 GiB: nothing is acknowledged before the other side speaks, and a
/// reader of the file must not take that for a full window.
const WINDOW: u16 = u16::MAX;
const WINDOW_SCALE: u8 = 14;
const HOPS: u8 = 64;

/// A connection from its handshake on. Each step gives the frames that show it.
#[derive(Debug, Clone)]
pub struct Stream {
    client: End,
    server: End,
    reset: bool,
}

#[derive(Debug, Clone)]
struct End {
    address: SocketAddr,
    /// Locally administered.
    mac: [u8; 6],
    /// The sequence number of the next byte.
    next: u32,
    finished: bool,
    /// What it has acknowledged of the other side's bytes; `None`: all that were drawn.
    acknowledged: Option<u32>,
}

/// What is special about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flag {
    Syn,
    SynAck,
    Ack,
    Push,
    Fin,
    Reset,
}

impl Stream {
    /// A connection between two addresses. If one is of IPv6 and the other of IPv4, the other is written as
    /// IPv4-mapped.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Stream {
        let (client, server) = match (client, server) {
            (SocketAddr::V6(_), SocketAddr::V4(_)) | (SocketAddr::V4(_), SocketAddr::V6(_)) => {
                (mapped(client), mapped(server))
            }
            same => same,
        };
        let end = |address: SocketAddr, last| End {
            address,
            mac: [0x02, 0, 0, 0, 0, last],
            // Anything will do; what begins at 0 is shown the same as what a reader counts from the beginning.
            next: u32::from(address.port()) << 8,
            finished: false,
            acknowledged: None,
        };
        Stream {
            client: end(client, 1),
            server: end(server, 2),
            reset: false,
        }
    }

    /// SYN, SYN and ACK, ACK.
    pub fn handshake(&mut self) -> Vec<Vec<u8>> {
        let syn = self.segment(Side::Client, Flag::Syn, &[]);
        self.client.next = self.client.next.wrapping_add(1);
        let answer = self.segment(Side::Server, Flag::SynAck, &[]);
        self.server.next = self.server.next.wrapping_add(1);
        vec![syn, answer, self.segment(Side::Client, Flag::Ack, &[])]
    }

    /// Bytes of one side. After its FIN, and after a reset, nothing can cross a wire any more: no frames.
    pub fn data(&mut self, from: Side, bytes: &[u8]) -> Vec<Vec<u8>> {
        if self.reset || self.end(from).finished {
            return Vec::new();
        }
        bytes
            .chunks(SEGMENT)
            .map(|part| {
                let frame = self.segment(from, Flag::Push, part);
                self.skip(from, part.len() as u64);
                frame
            })
            .collect()
    }

    /// Bytes of one side that are not at hand: a gap in its sequence numbers.
    pub fn skip(&mut self, from: Side, bytes: u64) {
        let end = self.end_mut(from);
        // Sequence numbers count modulo 2^32 (RFC 9293, section 3.4).
        end.next = end.next.wrapping_add(bytes as u32);
    }

    /// The end of one side's direction: FIN, and the acknowledgement of the other side. Once only.
    pub fn finish(&mut self, from: Side) -> Vec<Vec<u8>> {
        if self.reset || self.end(from).finished {
            return Vec::new();
        }
        let fin = self.segment(from, Flag::Fin, &[]);
        self.skip(from, 1);
        self.end_mut(from).finished = true;
        // A reader that sees the end has seen everything before it.
        let all = self.end(from).next;
        if let Some(number) = &mut self.end_mut(other(from)).acknowledged {
            *number = all;
        }
        vec![fin, self.segment(other(from), Flag::Ack, &[])]
    }

    /// RST by one side. Once only, and not if both have ended already.
    pub fn reset(&mut self, from: Side) -> Vec<Vec<u8>> {
        if self.reset || self.is_over() {
            return Vec::new();
        }
        self.reset = true;
        vec![self.segment(from, Flag::Reset, &[])]
    }

    /// The sequence number after the last byte of a side.
    pub fn sent(&self, side: Side) -> u32 {
        self.end(side).next
    }

    /// From now on a side acknowledges the other's bytes up to this number only, as [`Stream::sent`] gave it. Without
    /// this it acknowledges everything that was drawn before, which is right if it is known to have read it.
    pub fn acknowledge(&mut self, side: Side, number: u32) {
        self.end_mut(side).acknowledged = Some(number);
    }

    /// Whether nothing more can be said.
    pub fn is_over(&self) -> bool {
        self.reset || self.client.finished && self.server.finished
    }

    fn end(&self, side: Side) -> &End {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn segment(&self, from: Side, flag: Flag, data: &[u8]) -> Vec<u8> {
        let (source, target) = (self.end(from), self.end(other(from)));
        let link = PacketBuilder::ethernet2(source.mac, target.mac);
        let network = match (source.address.ip(), target.address.ip()) {
            (IpAddr::V4(source), IpAddr::V4(target)) => link.ipv4(source.octets(), target.octets(), HOPS),
            (source, target) => link.ipv6(v6(source).octets(), v6(target).octets(), HOPS),
        };
        let tcp = network.tcp(source.address.port(), target.address.port(), source.next, WINDOW);
        let opens = [
            TcpOptionElement::MaximumSegmentSize(SEGMENT as u16),
            TcpOptionElement::WindowScale(WINDOW_SCALE),
        ];
        let tcp = match flag {
            Flag::Syn | Flag::SynAck => tcp.syn().options(&opens).expect("two options fit into a header"),
            Flag::Ack => tcp,
            Flag::Push => tcp.psh(),
            Flag::Fin => tcp.fin(),
            Flag::Reset => tcp.rst(),
        };
        // All but the first segment acknowledge what has come.
        let tcp = if flag == Flag::Syn {
            tcp
        } else {
            tcp.ack(source.acknowledged.unwrap_or(target.next))
        };
        let mut frame = Vec::with_capacity(tcp.size(data.len()));
        tcp.write(&mut frame, data)
            .expect("a segment is shorter than an IP packet may be");
        frame
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(v6(address.ip())), address.port())
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TcpHeader, TransportSlice};

    use super::*;

    fn stream() -> Stream {
        Stream::new("10.0.0.1:50000".parse().unwrap(), "192.0.2.1:1883".parse().unwrap())
    }

    /// The TCP header and payload of a frame whose checksum is right.
    fn tcp(frame: &[u8]) -> (TcpHeader, Vec<u8>) {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
            panic!("no TCP: {frame:?}")
        };
        let header = tcp.to_header();
        let sum = match packet.net.unwrap() {
            etherparse::NetSlice::Ipv4(ip) => header.calc_checksum_ipv4(&ip.header().to_header(), tcp.payload()),
            etherparse::NetSlice::Ipv6(ip) => header.calc_checksum_ipv6(&ip.header().to_header(), tcp.payload()),
            other => panic!("no IP: {other:?}"),
        };
        assert_eq!(sum.unwrap(), header.checksum);
        let payload = tcp.payload().to_vec();
        (header, payload)
    }

    #[test]
    fn a_conversation_has_the_sequence_numbers_of_tcp() {
        let mut stream = stream();
        let mut frames = stream.handshake();
        frames.extend(stream.data(Side::Client, b"hello"));
        frames.extend(stream.data(Side::Server, b"you"));
        frames.extend(stream.finish(Side::Client));
        frames.extend(stream.finish(Side::Server));
        assert!(stream.is_over());
        let first = |port: u32| port << 8;
        let numbers: Vec<(u32, u32, usize)> = frames
            .iter()
            .map(|f| tcp(f))
            .map(|(h, payload)| {
                let (mine, theirs) = if h.source_port == 1883 {
                    (1883, 50000)
                } else {
                    (50000, 1883)
                };
                let acked = if h.ack {
                    h.acknowledgment_number - first(theirs)
                } else {
                    0
                };
                (h.sequence_number - first(mine), acked, payload.len())
            })
            .collect();
        assert_eq!(
            numbers,
            [
                (0, 0, 0),
                (0, 1, 0),
                (1, 1, 0),
                (1, 1, 5),
                (1, 6, 3),
                (6, 4, 0),
                (4, 7, 0),
                (4, 7, 0),
                (7, 5, 0)
            ]
        );
        assert!(stream.data(Side::Client, b"late").is_empty());
        assert!(stream.finish(Side::Client).is_empty());
        assert!(stream.reset(Side::Server).is_empty());
    }

    #[test]
    fn long_data_comes_in_segments_and_what_is_missing_leaves_a_hole() {
        let mut stream = stream();
        stream.handshake();
        let frames = stream.data(Side::Server, &vec![7; SEGMENT + 1]);
        assert_eq!(frames.iter().map(|f| tcp(f).1.len()).collect::<Vec<_>>(), [SEGMENT, 1]);
        let before = tcp(&frames[1]).0.sequence_number;
        stream.skip(Side::Server, 1 << 33);
        let after = tcp(&stream.data(Side::Server, b"x")[0]).0.sequence_number;
        assert_eq!(after, before + 1, "it wraps");
    }

    #[test]
    fn a_side_can_be_behind_with_what_it_acknowledges() {
        let mut stream = stream();
        stream.handshake();
        let before = stream.sent(Side::Server);
        stream.acknowledge(Side::Client, before);
        stream.data(Side::Server, b"limit");
        let number = |frames: Vec<Vec<u8>>| tcp(&frames[0]).0.acknowledgment_number;
        assert_eq!(number(stream.data(Side::Client, b"x")), before);
        stream.acknowledge(Side::Client, stream.sent(Side::Server));
        assert_eq!(number(stream.data(Side::Client, b"y")), before + 5);
    }

    #[test]
    fn after_a_reset_there_is_nothing() {
        let mut stream = stream();
        stream.handshake();
        let reset = tcp(&stream.reset(Side::Server)[0]).0;
        assert!(reset.rst && reset.source_port == 1883);
        assert!(stream.data(Side::Client, b"x").is_empty() && stream.finish(Side::Client).is_empty());
    }

    #[test]
    fn two_families_meet_in_ipv6() {
        let mut stream = Stream::new("[::1]:9".parse().unwrap(), "127.0.0.1:1883".parse().unwrap());
        assert_eq!(
            stream.handshake().iter().map(|f| tcp(f).0.syn).filter(|s| *s).count(),
            2
        );
    }
}
