//! Whether bytes look like the beginning of an MQTT packet.

use crate::wire::{Frame, PacketType, ReadHeader, Side, Version, check, read_header, reason_allowed};

/// What bytes look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// No packet that this side may send.
    No,
    /// Too few bytes to tell.
    Short,
    /// The beginning of a packet; so far nothing speaks against it, and enough for it.
    Begun,
    /// A whole packet of this length, right in some version.
    Whole(usize),
}

/// What bytes from this side look like.
pub fn shape(bytes: &[u8], side: Side) -> Shape {
    let Some(&first) = bytes.first() else {
        return Shape::Short;
    };
    let Some(kind) = PacketType::from_number(first >> 4) else {
        return Shape::No;
    };
    let may = match side {
        Side::Client => kind.from_client(Version::V5),
        Side::Server => kind.from_server(Version::V5),
    };
    let flags_fit = match kind {
        PacketType::Publish => first & 0b0110 != 0b0110,
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => first & 0b0111 == 0b0010,
        _ => first & 0x0f == 0,
    };
    if !may || !flags_fit {
        return Shape::No;
    }
    let header = match read_header(bytes) {
        ReadHeader::Whole(header) => header,
        ReadHeader::Incomplete => return Shape::Short,
        ReadHeader::Broken => return Shape::No,
    };
    let remaining = header.remaining as usize;
    let total = header.len + remaining;
    if let Some(packet) = bytes.get(..total) {
        return if is_right(packet, side) {
            Shape::Whole(total)
        } else {
            Shape::No
        };
    }
    begun(kind, &bytes[header.len..], remaining, first)
}

fn is_right(packet: &[u8], side: Side) -> bool {
    let Some(frame) = Frame::loose(packet.to_vec()) else {
        return false;
    };
    let level = frame.connect_level();
    Version::ALL
        .into_iter()
        .filter(|v| level.is_none_or(|l| l & 0x7f == v.protocol_level()))
        .any(|v| check(&frame, v, side).breaches.is_empty())
}

/// A packet of which only the beginning is there.
fn begun(kind: PacketType, body: &[u8], remaining: usize, first: u8) -> Shape {
    match kind {
        PacketType::Publish => {
            let [high, low, topic @ ..] = body else {
                return Shape::Short;
            };
            let len = usize::from(u16::from_be_bytes([*high, *low]));
            let id = if first & 0b0110 == 0 { 0 } else { 2 };
            if 2 + len + id > remaining {
                return Shape::No;
            }
            let Some(topic) = topic.get(..len) else {
                return Shape::Short;
            };
            match std::str::from_utf8(topic) {
                Ok(topic) if !topic.chars().any(char::is_control) => Shape::Begun,
                _ => Shape::No,
            }
        }
        PacketType::PingReq | PacketType::PingResp => Shape::No,
        // More than an identifier is 5.0: a code follows.
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => match body.get(2) {
            Some(code) if !reason_allowed(*code, kind, Version::V5) => Shape::No,
            _ => Shape::Short,
        },
        // Long ones are long by their properties, filters or codes.
        _ if remaining > 256 * 1024 => Shape::No,
        _ => Shape::Short,
    }
}

/// Whether bytes begin with a CONNECT that names MQTT; `None` if more of them are needed.
pub fn is_connect(bytes: &[u8]) -> Option<bool> {
    if bytes.first().is_some_and(|b| *b != 0x10) {
        return Some(false);
    }
    let header = match read_header(bytes) {
        ReadHeader::Whole(header) => header,
        ReadHeader::Incomplete => return None,
        ReadHeader::Broken => return Some(false),
    };
    let body = &bytes[header.len..];
    let names: [&[u8]; 2] = [b"\0\x04MQTT", b"\0\x06MQIsdp"];
    if names.iter().any(|name| body.starts_with(name)) {
        return Some(true);
    }
    if names.iter().any(|name| name.starts_with(body)) {
        None
    } else {
        Some(false)
    }
}

/// Whether bytes begin with a record of TLS.
pub fn is_tls(bytes: &[u8]) -> bool {
    // Change of cipher, alert, handshake, application data; SSL 3.0 to TLS 1.3.
    matches!(bytes, [0x14..=0x17, 3, 0..=4, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_known_by_their_bytes() {
        assert_eq!(shape(&[0xc0, 0], Side::Client), Shape::Whole(2));
        assert_eq!(shape(&[0xc0, 0], Side::Server), Shape::No);
        assert_eq!(shape(&[0xd0, 0], Side::Server), Shape::Whole(2));
        assert_eq!(shape(&[0x20, 2, 0, 0, 0x30], Side::Server), Shape::Whole(4));
        assert_eq!(shape(&[0x20, 3, 0, 0, 0], Side::Server), Shape::Whole(5));
        assert_eq!(shape(&[0x30, 4, 0, 1, b'a', b'x'], Side::Client), Shape::Whole(6));
        assert_eq!(shape(&[0x30, 200, 1, 0, 1, b'a', b'x'], Side::Client), Shape::Begun);
        assert_eq!(shape(&[0x30], Side::Client), Shape::Short);
    }

    #[test]
    fn other_protocols_are_not_taken_for_mqtt() {
        for text in [
            "GET / HTTP/1.1\r\n",
            "POST /a HTTP/1.1\r\n",
            "HTTP/1.1 200 OK\r\n",
            "SSH-2.0-x\r\n",
            "220 mail\r\n",
        ] {
            assert_eq!(shape(text.as_bytes(), Side::Client), Shape::No, "{text}");
            assert_eq!(shape(text.as_bytes(), Side::Server), Shape::No, "{text}");
        }
        assert_eq!(shape(&[0x16, 3, 1, 0, 200, 1], Side::Client), Shape::No);
        assert_eq!(shape(&[0; 20], Side::Client), Shape::No);
    }

    #[test]
    fn a_connect_is_known_as_soon_as_its_name_is_there() {
        let connect = b"\x10\x10\0\x04MQTT\x04";
        for end in 0..8 {
            assert_eq!(is_connect(&connect[..end]), None, "{end}");
        }
        assert_eq!(is_connect(&connect[..8]), Some(true));
        assert_eq!(is_connect(b"\x10\x10\0\x06MQIsdp"), Some(true));
        assert_eq!(is_connect(b"\x10\x10\0\x04MQXX"), Some(false));
        assert_eq!(is_connect(b"\x10\xff\xff\xff\xff"), Some(false));
        assert_eq!(is_connect(b"GET "), Some(false));
    }
}
