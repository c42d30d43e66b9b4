//! Packets within packets: what lies in a tunnel that a mirror port, a cloud's traffic mirror or a provider puts around the
//! traffic.

use etherparse::{EtherType, IpNumber, LaxSlicedPacket, TransportSlice, ip_number};

/// What a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried<'a> {
    /// No tunnel that is known here.
    Nothing,
    /// Another packet.
    Packet(Begins<'a>),
    /// A tunnel that is not read.
    Unread(&'static str),
}

/// A packet by what it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins<'a> {
    Ethernet(&'a [u8]),
    Ip(&'a [u8]),
    Ether(EtherType, &'a [u8]),
}

const PPPOE_SESSION: u16 = 0x8864;
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PROVIDER_BACKBONE: u16 = 0x88e7;
const TRANSPARENT_ETHERNET: u16 = 0x6558;
const ERSPAN: [u16; 2] = [0x88be, 0x22eb];

/// What this packet carries besides TCP of its own.
pub fn carried<'a>(packet: &LaxSlicedPacket<'a>) -> Carried<'a> {
    let Some(ip) = packet.ip_payload() else {
        let Some(ether) = packet.ether_payload() else {
            return Carried::Nothing;
        };
        return in_ethernet(ether.ether_type.0, ether.payload);
    };
    // A fragment cannot be read alone.
    if ip.fragmented {
        return Carried::Nothing;
    }
    match ip.ip_number {
        ip_number::IPV4 | ip_number::IPV6 => Carried::Packet(Begins::Ip(ip.payload)),
        ip_number::GRE => gre(ip.payload).unwrap_or(Carried::Unread("GRE")),
        ip_number::ENCAP_SEC => Carried::Unread("IPsec"),
        ip_number::MPLS_IN_IP => mpls(ip.payload).unwrap_or(Carried::Unread("MPLS")),
        IpNumber(115) => Carried::Unread("L2TP"),
        ip_number::ETHER_IP => Carried::Unread("EtherIP"),
        ip_number::UDP => match &packet.transport {
            Some(TransportSlice::Udp(udp)) => in_udp(udp.destination_port(), udp.payload()),
            _ => Carried::Nothing,
        },
        _ => Carried::Nothing,
    }
}

fn in_ethernet(kind: u16, payload: &[u8]) -> Carried<'_> {
    match kind {
        PPPOE_SESSION => pppoe(payload).unwrap_or(Carried::Unread("PPPoE")),
        kind if MPLS.contains(&kind) => mpls(payload).unwrap_or(Carried::Unread("MPLS")),
        PROVIDER_BACKBONE => Carried::Unread("802.1ah"),
        _ => Carried::Nothing,
    }
}

fn in_udp(port: u16, payload: &[u8]) -> Carried<'_> {
    match port {
        // Linux used 8472 before there was a port of its own.
        4789 | 8472 => vxlan(payload),
        2152 => Carried::Unread("GTP-U"),
        6081 => Carried::Unread("Geneve"),
        1701 => Carried::Unread("L2TP"),
        4754 => Carried::Unread("GRE in UDP"),
        _ => Carried::Nothing,
    }
}

/// RFC 7348: eight bytes whose first has bit 3 set and whose last is 0.
fn vxlan(payload: &[u8]) -> Carried<'_> {
    match payload.split_at_checked(8) {
        Some((header, inner)) if header[0] & 0x08 != 0 && header[7] == 0 => Carried::Packet(Begins::Ethernet(inner)),
        _ => Carried::Nothing,
    }
}

/// RFC 2784 and 2890; `None` for what carries another protocol.
fn gre(payload: &[u8]) -> Option<Carried<'_>> {
    let flags = u16::from_be_bytes([*payload.first()?, *payload.get(1)?]);
    let kind = u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?]);
    // Version 1 is that of PPTP.
    if flags & 0x0007 != 0 {
        return None;
    }
    // Checksum, key and sequence number have four bytes each.
    let options = [0x8000, 0x2000, 0x1000].iter().filter(|bit| flags & *bit != 0).count();
    let inner = payload.get(4 + 4 * options..)?;
    Some(match kind {
        TRANSPARENT_ETHERNET => Carried::Packet(Begins::Ethernet(inner)),
        kind if ERSPAN.contains(&kind) => Carried::Unread("ERSPAN"),
        kind => Carried::Packet(Begins::Ether(EtherType(kind), inner)),
    })
}

/// RFC 2516: six bytes, then the protocol of PPP.
fn pppoe(payload: &[u8]) -> Option<Carried<'_>> {
    let protocol = u16::from_be_bytes([*payload.get(6)?, *payload.get(7)?]);
    match protocol {
        0x0021 | 0x0057 => Some(Carried::Packet(Begins::Ip(payload.get(8..)?))),
        // The link's own packets carry no one's traffic.
        0x8000.. => Some(Carried::Nothing),
        _ => None,
    }
}

/// RFC 3032: labels of four bytes up to one that is the last. What follows is not named: IP shows by its version, and a
/// pseudowire of Ethernet begins with a control word (RFC 4448).
fn mpls(payload: &[u8]) -> Option<Carried<'_>> {
    let last = payload.chunks_exact(4).position(|label| label[2] & 1 == 1)?;
    let inner = payload.get(4 * (last + 1)..)?;
    match inner.first()? >> 4 {
        4 | 6 => Some(Carried::Packet(Begins::Ip(inner))),
        0 => Some(Carried::Packet(Begins::Ethernet(inner.get(4..)?))),
        _ => None,
    }
}
