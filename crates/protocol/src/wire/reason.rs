//! Reason codes (5.0, section 2.4) and return codes (3.x): their names, and which packet may carry which.

use super::{PacketType, Side, Version};

/// One row of the table of section 2.4. A number has several rows where its name depends on the packet.
struct Row {
    code: u8,
    name: &'static str,
    packets: &'static [PacketType],
    /// Who may send it in a DISCONNECT or AUTH, if the tables of 3.14.2.1 and 3.15.2.1 name one side only.
    only: Option<Side>,
}

const fn row(code: u8, name: &'static str, packets: &'static [PacketType]) -> Row {
    Row {
        code,
        name,
        packets,
        only: None,
    }
}

const fn only(side: Side, mut row: Row) -> Row {
    row.only = Some(side);
    row
}

#[rustfmt::skip]
const V5: &[Row] = {
    use PacketType::*;
    use Side::*;
    // The packets of the codes that most answers share.
    const ANSWERS: &[PacketType] = &[ConnAck, PubAck, PubRec, SubAck, UnsubAck, Disconnect];
    const BOTH_ENDS: &[PacketType] = &[ConnAck, Disconnect];
    &[
        row(0x00, "Success", &[ConnAck, PubAck, PubRec, PubRel, PubComp, UnsubAck]),
        only(Server, row(0x00, "Success", &[Auth])),
        only(Client, row(0x00, "Normal disconnection", &[Disconnect])),
        row(0x00, "Granted QoS 0", &[SubAck]),
        row(0x01, "Granted QoS 1", &[SubAck]),
        row(0x02, "Granted QoS 2", &[SubAck]),
        only(Client, row(0x04, "Disconnect with Will Message", &[Disconnect])),
        row(0x10, "No matching subscribers", &[PubAck, PubRec]),
        row(0x11, "No subscription existed", &[UnsubAck]),
        row(0x18, "Continue authentication", &[Auth]),
        only(Client, row(0x19, "Re-authenticate", &[Auth])),
        row(0x80, "Unspecified error", ANSWERS),
        row(0x81, "Malformed Packet", BOTH_ENDS),
        row(0x82, "Protocol Error", BOTH_ENDS),
        row(0x83, "Implementation specific error", ANSWERS),
        row(0x84, "Unsupported Protocol Version", &[ConnAck]),
        row(0x85, "Client Identifier not valid", &[ConnAck]),
        row(0x86, "Bad User Name or Password", &[ConnAck]),
        row(0x87, "Not authorized", &[ConnAck, PubAck, PubRec, SubAck, UnsubAck]),
        only(Server, row(0x87, "Not authorized", &[Disconnect])),
        row(0x88, "Server unavailable", &[ConnAck]),
        row(0x89, "Server busy", &[ConnAck]),
        only(Server, row(0x89, "Server busy", &[Disconnect])),
        row(0x8a, "Banned", &[ConnAck]),
        only(Server, row(0x8b, "Server shutting down", &[Disconnect])),
        // Section 2.4 lists this one for DISCONNECT, the table of 3.14.2.1 does not: both sides may
        // send it.
        row(0x8c, "Bad authentication method", BOTH_ENDS),
        only(Server, row(0x8d, "Keep Alive timeout", &[Disconnect])),
        only(Server, row(0x8e, "Session taken over", &[Disconnect])),
        row(0x8f, "Topic Filter invalid", &[SubAck, UnsubAck]),
        only(Server, row(0x8f, "Topic Filter invalid", &[Disconnect])),
        row(0x90, "Topic Name invalid", &[ConnAck, PubAck, PubRec, Disconnect]),
        row(0x91, "Packet Identifier in use", &[PubAck, PubRec, SubAck, UnsubAck]),
        row(0x92, "Packet Identifier not found", &[PubRel, PubComp]),
        row(0x93, "Receive Maximum exceeded", &[Disconnect]),
        row(0x94, "Topic Alias invalid", &[Disconnect]),
        row(0x95, "Packet too large", BOTH_ENDS),
        row(0x96, "Message rate too high", &[Disconnect]),
        row(0x97, "Quota exceeded", &[ConnAck, PubAck, PubRec, SubAck, Disconnect]),
        row(0x98, "Administrative action", &[Disconnect]),
        row(0x99, "Payload format invalid", &[ConnAck, PubAck, PubRec, Disconnect]),
        row(0x9a, "Retain not supported", &[ConnAck]),
        only(Server, row(0x9a, "Retain not supported", &[Disconnect])),
        row(0x9b, "QoS not supported", &[ConnAck]),
        only(Server, row(0x9b, "QoS not supported", &[Disconnect])),
        row(0x9c, "Use another server", &[ConnAck]),
        only(Server, row(0x9c, "Use another server", &[Disconnect])),
        row(0x9d, "Server moved", &[ConnAck]),
        only(Server, row(0x9d, "Server moved", &[Disconnect])),
        row(0x9e, "Shared Subscriptions not supported", &[SubAck]),
        only(Server, row(0x9e, "Shared Subscriptions not supported", &[Disconnect])),
        row(0x9f, "Connection rate exceeded", &[ConnAck]),
        only(Server, row(0x9f, "Connection rate exceeded", &[Disconnect])),
        only(Server, row(0xa0, "Maximum connect time", &[Disconnect])),
        row(0xa1, "Subscription Identifiers not supported", &[SubAck]),
        only(Server, row(0xa1, "Subscription Identifiers not supported", &[Disconnect])),
        row(0xa2, "Wildcard Subscriptions not supported", &[SubAck]),
        only(Server, row(0xa2, "Wildcard Subscriptions not supported", &[Disconnect])),
    ]
};

/// 3.1 and 3.1.1, tables of sections 3.2 and 3.9. Only 3.1.1 has the failure code of SUBACK.
const V3: &[Row] = {
    use PacketType::*;
    &[
        row(0, "Connection Accepted", &[ConnAck]),
        row(1, "unacceptable protocol version", &[ConnAck]),
        row(2, "identifier rejected", &[ConnAck]),
        row(3, "server unavailable", &[ConnAck]),
        row(4, "bad user name or password", &[ConnAck]),
        row(5, "not authorized", &[ConnAck]),
        row(0, "QoS 0", &[SubAck]),
        row(1, "QoS 1", &[SubAck]),
        row(2, "QoS 2", &[SubAck]),
        row(0x80, "Failure", &[SubAck]),
    ]
};

/// 3.1 has no failure code of SUBACK.
fn failure_before_3_1_1(code: u8, packet: PacketType, version: Version) -> bool {
    version == Version::V3_1 && packet == PacketType::SubAck && code == 0x80
}

/// The row of `code` in this packet.
fn row_of(code: u8, packet: PacketType, version: Version) -> Option<&'static Row> {
    if failure_before_3_1_1(code, packet, version) {
        return None;
    }
    let table = if version == Version::V5 { V5 } else { V3 };
    table.iter().find(|r| r.code == code && r.packets.contains(&packet))
}

fn rows(packet: PacketType, version: Version) -> impl Iterator<Item = &'static Row> {
    let table = if version == Version::V5 { V5 } else { V3 };
    table
        .iter()
        .filter(move |r| r.packets.contains(&packet) && !failure_before_3_1_1(r.code, packet, version))
}

/// The name of `code` in this packet; `None` if the packet may not carry it.
pub fn reason_name(code: u8, packet: PacketType, version: Version) -> Option<&'static str> {
    row_of(code, packet, version).map(|r| r.name)
}

/// `code` in hex with its name in this packet, such as `0x82 (Protocol Error)`; in hex alone if the packet may not carry it.
pub fn reason_text(code: u8, packet: PacketType, version: Version) -> String {
    match reason_name(code, packet, version) {
        Some(name) => format!("0x{code:02x} ({name})"),
        None => format!("0x{code:02x}"),
    }
}

/// Whether the packet may carry `code`, from either side.
pub fn reason_allowed(code: u8, packet: PacketType, version: Version) -> bool {
    reason_senders(code, packet, version) != Senders::Nobody
}

/// The only side that sends `code` in this packet, if the standard's table names one.
pub fn reason_sender(code: u8, packet: PacketType, version: Version) -> Option<Side> {
    match reason_senders(code, packet, version) {
        Senders::Only(side) => Some(side),
        Senders::Nobody | Senders::Either => None,
    }
}

/// Who may send a code in a packet, by the standard's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Senders {
    /// The packet may not carry it.
    Nobody,
    Either,
    Only(Side),
}

/// Who may send `code` in this packet.
pub(super) fn reason_senders(code: u8, packet: PacketType, version: Version) -> Senders {
    /// For each code the packets that may carry it, as bits: sent by either side, by the server only, by the client
    /// only.
    type Masks = [[u16; 3]; 256];
    const fn masks(table: &[Row]) -> Masks {
        let mut masks = [[0; 3]; 256];
        let mut i = 0;
        while i < table.len() {
            let row = &table[i];
            let who = match row.only {
                None => 0,
                Some(Side::Server) => 1,
                Some(Side::Client) => 2,
            };
            let mut j = 0;
            while j < row.packets.len() {
                masks[row.code as usize][who] |= 1 << row.packets[j] as u16;
                j += 1;
            }
            i += 1;
        }
        masks
    }
    // It is asked for each code that comes, and the tables above are long.
    static MASKS_V5: Masks = masks(V5);
    static MASKS_V3: Masks = masks(V3);

    if failure_before_3_1_1(code, packet, version) {
        return Senders::Nobody;
    }
    let masks = if version == Version::V5 { &MASKS_V5 } else { &MASKS_V3 };
    let [either, server, client] = masks[usize::from(code)].map(|mask| mask >> packet as u16 & 1 == 1);
    match (either, server, client) {
        (true, ..) => Senders::Either,
        (_, true, _) => Senders::Only(Side::Server),
        (_, _, true) => Senders::Only(Side::Client),
        _ => Senders::Nobody,
    }
}

/// Every code that the packet may carry, in order.
pub fn reason_codes(packet: PacketType, version: Version) -> Vec<u8> {
    rows(packet, version).map(|r| r.code).collect()
}

/// Whether `code` means success in this packet: below 0x80 at 5.0 and in SUBACK, 0 in a CONNACK of 3.x.
pub fn reason_is_success(code: u8, packet: PacketType, version: Version) -> bool {
    match (version, packet) {
        (Version::V3_1 | Version::V3_1_1, PacketType::ConnAck) => code == 0,
        _ => code < 0x80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many codes each table of the standard has, counted by hand in sections 3.2.2.2, 3.4.2.1 and so on.
    #[test]
    fn the_tables_have_the_length_of_the_standard() {
        let count = |packet, version| reason_codes(packet, version).len();
        assert_eq!(count(PacketType::ConnAck, Version::V5), 22);
        assert_eq!(count(PacketType::PubAck, Version::V5), 9);
        assert_eq!(count(PacketType::PubRec, Version::V5), 9);
        assert_eq!(count(PacketType::PubRel, Version::V5), 2);
        assert_eq!(count(PacketType::PubComp, Version::V5), 2);
        assert_eq!(count(PacketType::SubAck, Version::V5), 12);
        assert_eq!(count(PacketType::UnsubAck, Version::V5), 7);
        // 29 in 3.14.2.1, and 0x8c of section 2.4.
        assert_eq!(count(PacketType::Disconnect, Version::V5), 30);
        assert_eq!(count(PacketType::Auth, Version::V5), 3);
        assert_eq!(count(PacketType::ConnAck, Version::V3_1), 6);
        assert_eq!(count(PacketType::SubAck, Version::V3_1_1), 4);
        assert_eq!(count(PacketType::SubAck, Version::V3_1), 3);
    }

    #[test]
    fn no_packet_lists_a_code_twice() {
        for version in Version::ALL {
            for packet in PacketType::ALL {
                let codes = reason_codes(packet, version);
                assert!(codes.windows(2).all(|w| w[0] < w[1]), "{packet} {codes:x?}");
            }
        }
    }

    #[test]
    fn who_may_send_a_code_is_what_its_row_says() {
        for version in Version::ALL {
            for packet in PacketType::ALL {
                for code in 0..=u8::MAX {
                    let row = row_of(code, packet, version)
                        .map_or(Senders::Nobody, |r| r.only.map_or(Senders::Either, Senders::Only));
                    assert_eq!(reason_senders(code, packet, version), row, "{packet} 0x{code:02x}");
                }
            }
        }
    }

    #[test]
    fn a_code_is_named_by_its_packet() {
        let name = |code, packet| reason_name(code, packet, Version::V5);
        assert_eq!(name(0, PacketType::SubAck), Some("Granted QoS 0"));
        assert_eq!(name(0, PacketType::Disconnect), Some("Normal disconnection"));
        assert_eq!(name(0x8e, PacketType::ConnAck), None);
        assert_eq!(
            reason_sender(0x04, PacketType::Disconnect, Version::V5),
            Some(Side::Client)
        );
        assert!(!reason_is_success(5, PacketType::ConnAck, Version::V3_1_1));
        assert!(reason_is_success(2, PacketType::SubAck, Version::V3_1_1));
    }
}
