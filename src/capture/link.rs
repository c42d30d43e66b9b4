//! The layers below TCP: a link's packet → the TCP segment in it.
//!
//! Checksums are not looked at: on the sending host most captures have wrong ones, since the network card makes them.

use std::net::{IpAddr, SocketAddr};

use super::tunnel::{Begins, Carried, carried};
use etherparse::{EtherType, LaxIpPayloadSlice, LaxNetSlice, LaxSlicedPacket, LenSource, TransportSlice, ip_number};

/// What a packet holds.
#[derive(Debug, PartialEq, Eq)]
pub enum Inner<'a> {
    Tcp(Segment<'a>),
    /// Part of a fragmented IP packet that carries TCP: it cannot be read alone.
    Fragment,
    /// Not TCP over IP.
    Other,
    /// It is in a tunnel that is not read: its name.
    Unread(&'static str),
    /// It was cut before the TCP header ended, or has a header that cannot be.
    Broken,
    /// A link type that is not known here.
    UnknownLink,
}

/// A TCP segment.
#[derive(Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub seq: u32,
    /// `None` if the ACK flag is 0.
    pub ack: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: &'a [u8],
    /// How many bytes of the payload were on the wire and are not in the capture.
    pub cut: u32,
}

/// The link types that are read: their LINKTYPE numbers and names.
pub const LINKS: [(u16, &str); 9] = [
    (0, "NULL"),
    (1, "Ethernet"),
    (12, "raw IP"),
    (101, "raw IP"),
    (108, "LOOP"),
    (113, "Linux SLL"),
    (228, "IPv4"),
    (229, "IPv6"),
    (276, "Linux SLL2"),
];

/// So many tunnels may be around a segment.
const TUNNELS: usize = 5;

/// Reads a packet of a link of this type, of which `wire_len` bytes were on the wire.
pub fn dissect(link: u16, data: &[u8], wire_len: u32) -> Inner<'_> {
    let missing = wire_len.saturating_sub(u32::try_from(data.len()).unwrap_or(u32::MAX));
    let mut packet = match link {
        1 => ethernet(data),
        // The family of NULL is in the byte order of the capturing host, of LOOP in that of the network; the IP version
        // says as much.
        0 | 108 => data.get(4..).and_then(ip),
        12 | 101 | 228 | 229 => ip(data),
        113 => cooked(data, 14, 16),
        276 => cooked(data, 0, 20),
        _ => return Inner::UnknownLink,
    };
    for _ in 0..TUNNELS {
        let Some(outer) = packet else { return Inner::Broken };
        packet = match carried(&outer) {
            Carried::Nothing => return segment(&outer, missing),
            Carried::Unread(tunnel) => return Inner::Unread(tunnel),
            Carried::Packet(Begins::Ethernet(data)) => ethernet(data),
            Carried::Packet(Begins::Ip(data)) => ip(data),
            Carried::Packet(Begins::Ether(kind, data)) => Some(LaxSlicedPacket::from_ether_type(kind, data)),
        };
    }
    Inner::Unread("nested tunnels")
}

fn ethernet(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ethernet(data).ok()
}

fn ip(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ip(data).ok()
}

/// The "cooked" links of Linux: a header of their own with an EtherType in it.
fn cooked(data: &[u8], ether_type: usize, header: usize) -> Option<LaxSlicedPacket<'_>> {
    let kind = u16::from_be_bytes([*data.get(ether_type)?, *data.get(ether_type + 1)?]);
    Some(LaxSlicedPacket::from_ether_type(EtherType(kind), data.get(header..)?))
}

fn segment<'a>(packet: &LaxSlicedPacket<'a>, missing: u32) -> Inner<'a> {
    let Some(ip) = packet.net.as_ref().and_then(ip_layer) else {
        return Inner::Other;
    };
    if ip.payload.ip_number != ip_number::TCP {
        return Inner::Other;
    }
    if ip.payload.fragmented {
        return Inner::Fragment;
    }
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else {
        return Inner::Broken;
    };
    let payload = tcp.payload();
    let cut = match ip.announced {
        Some(announced) if ip.payload.incomplete => announced.saturating_sub(ip.payload.payload.len()) as u32,
        // A host that lets its card cut large packets writes an IP length of 0; then only the capture knows the length.
        _ if ip.payload.len_source == LenSource::Slice => missing,
        _ => 0,
    };
    Inner::Tcp(Segment {
        from: SocketAddr::new(ip.from, tcp.source_port()),
        to: SocketAddr::new(ip.to, tcp.destination_port()),
        seq: tcp.sequence_number(),
        ack: tcp.ack().then(|| tcp.acknowledgment_number()),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
        payload,
        cut,
    })
}

/// What is needed of an IP header.
struct IpLayer<'p, 'a> {
    from: IpAddr,
    to: IpAddr,
    payload: &'p LaxIpPayloadSlice<'a>,
    /// The length of the payload by the header; `None` if it says none.
    announced: Option<usize>,
}

fn ip_layer<'p, 'a>(net: &'p LaxNetSlice<'a>) -> Option<IpLayer<'p, 'a>> {
    Some(match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            IpLayer {
                from: header.source_addr().into(),
                to: header.destination_addr().into(),
                payload: ip.payload(),
                announced: usize::from(header.total_len()).checked_sub(header.slice().len()),
            }
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let extensions = ip.extensions().slice().len();
            IpLayer {
                from: header.source_addr().into(),
                to: header.destination_addr().into(),
                payload: ip.payload(),
                announced: usize::from(header.payload_length()).checked_sub(extensions),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn tcp(builder: etherparse::PacketBuilderStep<etherparse::IpHeaders>, payload: &[u8]) -> Vec<u8> {
        let builder = builder.tcp(5000, 1883, 77, 1024).ack(9).fin();
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload).expect("memory takes it");
        bytes
    }

    fn v4() -> Vec<u8> {
        tcp(PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64), b"hello")
    }

    fn v6() -> Vec<u8> {
        tcp(PacketBuilder::ipv6([1; 16], [2; 16], 64), b"hello")
    }

    fn payload(link: u16, data: &[u8]) -> Option<(Vec<u8>, u32)> {
        match dissect(link, data, data.len() as u32) {
            Inner::Tcp(s) => {
                assert_eq!((s.from.port(), s.to.port(), s.seq, s.ack), (5000, 1883, 77, Some(9)));
                assert!(s.fin && !s.syn && !s.rst);
                Some((s.payload.to_vec(), s.cut))
            }
            _ => None,
        }
    }

    fn behind(head: &[u8], rest: &[u8]) -> Vec<u8> {
        [head, rest].concat()
    }

    const HELLO: Option<(&[u8], u32)> = Some((b"hello", 0));

    fn hello(link: u16, data: &[u8]) {
        let found = payload(link, data);
        assert_eq!(found.as_ref().map(|(p, cut)| (&p[..], *cut)), HELLO, "link {link}");
    }

    #[test]
    fn every_link_leads_to_the_segment() {
        let macs = [0u8; 12];
        hello(1, &behind(&[&macs[..], &[8, 0]].concat(), &v4()));
        hello(1, &behind(&[&macs[..], &[0x86, 0xdd]].concat(), &v6()));
        // VLAN, and QinQ.
        hello(1, &behind(&[&macs[..], &[0x81, 0, 0, 5, 8, 0]].concat(), &v4()));
        hello(
            1,
            &behind(
                &[&macs[..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd]].concat(),
                &v6(),
            ),
        );
        for (link, data) in [(12, v4()), (101, v4()), (101, v6()), (228, v4()), (229, v6())] {
            hello(link, &data);
        }
        hello(0, &behind(&[2, 0, 0, 0], &v4()));
        hello(0, &behind(&[0, 0, 0, 30], &v6()));
        hello(108, &behind(&[0, 0, 0, 2], &v4()));
        hello(113, &behind(&[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0], &v4()));
        let mut sll2 = [0u8; 20];
        sll2[..2].copy_from_slice(&[0x86, 0xdd]);
        hello(276, &behind(&sll2, &v6()));
        assert_eq!(dissect(147, &v4(), 45), Inner::UnknownLink);
    }

    #[test]
    fn padding_is_no_payload() {
        let short = behind(&[[0u8; 12].as_slice(), &[8, 0]].concat(), &v4());
        hello(1, &behind(&short, &[0; 6]));
    }

    #[test]
    fn what_the_capture_cut_off_is_counted() {
        let whole = v4();
        let cut = dissect(101, &whole[..whole.len() - 3], whole.len() as u32);
        assert!(
            matches!(
                cut,
                Inner::Tcp(Segment {
                    payload: b"he",
                    cut: 3,
                    ..
                })
            ),
            "{cut:?}"
        );
        let whole = v6();
        let cut = dissect(101, &whole[..whole.len() - 3], whole.len() as u32);
        assert!(
            matches!(
                cut,
                Inner::Tcp(Segment {
                    payload: b"he",
                    cut: 3,
                    ..
                })
            ),
            "{cut:?}"
        );
        assert_eq!(dissect(101, &whole[..45], whole.len() as u32), Inner::Broken);
    }

    #[test]
    fn an_ip_length_of_0_leaves_it_to_the_capture() {
        let mut whole = v4();
        whole[2..4].copy_from_slice(&[0, 0]);
        hello(101, &whole);
        let cut = dissect(101, &whole[..whole.len() - 1], whole.len() as u32);
        assert!(
            matches!(
                cut,
                Inner::Tcp(Segment {
                    payload: b"hell",
                    cut: 1,
                    ..
                })
            ),
            "{cut:?}"
        );
    }

    #[test]
    fn ipv6_extension_headers_are_passed_over() {
        let whole = v6();
        let mut with = whole[..40].to_vec();
        // Hop-by-hop, then destination options, each padded to 8 bytes.
        with[6] = 0;
        with[5] += 16;
        with.extend([60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0]);
        with.extend(&whole[40..]);
        hello(101, &with);
    }

    #[test]
    fn fragments_are_named() {
        let mut first = v4();
        first[6] |= 0x20;
        assert_eq!(dissect(101, &first, first.len() as u32), Inner::Fragment);
        let mut later = v4();
        later[7] = 5;
        assert_eq!(dissect(101, &later, later.len() as u32), Inner::Fragment);
    }

    fn over_ip(number: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let outer = PacketBuilder::ipv4([172, 16, 0, 1], [172, 16, 0, 2], 64);
        outer.write(&mut bytes, number.into(), rest).expect("memory takes it");
        bytes
    }

    fn over_udp(port: u16, rest: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let outer = PacketBuilder::ipv4([172, 16, 0, 1], [172, 16, 0, 2], 64).udp(5000, port);
        outer.write(&mut bytes, rest).expect("memory takes it");
        bytes
    }

    #[test]
    fn tunnels_are_looked_into() {
        let ether = |kind: [u8; 2], rest: &[u8]| [&[0u8; 12][..], &kind, rest].concat();
        let framed = ether([8, 0], &v4());
        let vxlan = behind(&[8, 0, 0, 0, 0, 0, 1, 0], &framed);
        hello(101, &over_udp(4789, &vxlan));
        // Two of them, and IPv6 in the inner one.
        let twice = behind(&[8, 0, 0, 0, 0, 0, 2, 0], &ether([0x86, 0xdd], &v6()));
        let twice = ether([8, 0], &over_udp(4789, &twice));
        hello(101, &over_udp(4789, &behind(&[8, 0, 0, 0, 0, 0, 1, 0], &twice)));
        let pppoe = behind(&[0x11, 0, 0, 1, 0, 47, 0, 0x21], &v4());
        hello(1, &ether([0x88, 0x64], &pppoe));
        // GRE with IP, with a key and a sequence number, and with Ethernet.
        hello(101, &over_ip(47, &behind(&[0, 0, 8, 0], &v4())));
        hello(
            101,
            &over_ip(47, &behind(&[0x30, 0, 0x86, 0xdd, 0, 0, 0, 1, 0, 0, 0, 2], &v6())),
        );
        hello(101, &over_ip(47, &behind(&[0, 0, 0x65, 0x58], &framed)));
        hello(101, &over_ip(4, &v4()));
        hello(101, &over_ip(41, &v6()));
        // Two labels with IP, and a pseudowire.
        let labels = [0, 1, 0, 64, 0, 1, 1, 64];
        hello(1, &ether([0x88, 0x47], &behind(&labels, &v4())));
        let wire = [&labels[..], &[0; 4], &framed].concat();
        hello(1, &ether([0x88, 0x47], &wire));
    }

    #[test]
    fn a_tunnel_that_is_not_read_is_named() {
        let read = |data: &[u8]| match dissect(101, data, data.len() as u32) {
            Inner::Unread(name) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&over_udp(6081, &v4())), "Geneve");
        assert_eq!(read(&over_udp(2152, &v4())), "GTP-U");
        assert_eq!(read(&over_ip(50, &v4())), "IPsec");
        assert_eq!(
            read(&over_ip(47, &behind(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &v4()))),
            "ERSPAN"
        );
        let mut nested = v4();
        for _ in 0..TUNNELS {
            nested = over_ip(4, &nested);
        }
        assert_eq!(read(&nested), "nested tunnels");
        // What is only on the port of one is none.
        let dns = over_udp(4789, &[0; 20]);
        assert_eq!(dissect(101, &dns, dns.len() as u32), Inner::Other);
    }

    #[test]
    fn what_is_not_tcp_is_passed_over() {
        let mut udp = v4();
        udp[9] = 17;
        assert_eq!(dissect(101, &udp, udp.len() as u32), Inner::Other);
        let arp = behind(&[[0u8; 12].as_slice(), &[8, 6]].concat(), &[0; 28]);
        assert_eq!(dissect(1, &arp, 42), Inner::Other);
    }
}
