//! Hex dumps, as `xxd`, `hexdump -C`, `od`, `tcpdump -X` and Wireshark write them: an offset, the bytes, and often the same bytes as
//! text.

use crate::capture::{Inner, dissect};
use crate::wire::Side;

use super::text::Part;

/// LINKTYPE_ETHERNET and LINKTYPE_RAW.
const LINKS: [u16; 2] = [1, 101];
/// The registered ports of MQTT, without and with TLS.
const PORTS: [u16; 2] = [1883, 8883];

/// The parts of a hex dump; `None` if the text is none. A dump begins at an offset of 0, and each further offset is the number of bytes
/// before it; an offset of 0 begins the next block. Other lines between blocks are ignored, such as the headings of tcpdump. An indented
/// block in a dump that has blocks that are not is from the server: Wireshark's "Follow TCP Stream" marks it so.
///
/// If a block is an IP packet, with an Ethernet header or not, its part is the payload of TCP.
pub fn parse(text: &str) -> Option<Vec<Part>> {
    let lines: Vec<Line> = text.lines().filter_map(Line::parse).collect();
    let mut blocks: Vec<Block> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if line.offset == 0 {
            blocks.push(Block {
                indented: line.indented,
                bytes: Vec::new(),
            });
        }
        let block = blocks.last_mut()?;
        if line.offset != block.bytes.len() {
            return None;
        }
        // Where the next line begins says how many bytes this one has. The last line of a block has as many as look like bytes.
        let len = lines
            .get(at + 1)
            .filter(|next| next.offset > line.offset)
            .map(|next| next.offset - line.offset);
        block.bytes.extend(line.bytes(len)?);
    }
    blocks.retain(|block| !block.bytes.is_empty());
    if blocks.is_empty() {
        return None;
    }
    let both = blocks.iter().any(|b| b.indented) && blocks.iter().any(|b| !b.indented);
    let parts = blocks.into_iter().filter_map(|block| block.part(both));
    Some(parts.collect())
}

struct Block {
    indented: bool,
    bytes: Vec<u8>,
}

impl Block {
    /// What it says; `None` for a TCP segment without payload. `both` says that the dump has both directions.
    fn part(self, both: bool) -> Option<Part> {
        let segment = LINKS.iter().find_map(|link| match dissect(*link, &self.bytes, 0) {
            Inner::Tcp(segment) => Some(segment),
            _ => None,
        });
        if let Some(segment) = segment {
            let from = match [segment.from.port(), segment.to.port()].map(|port| PORTS.contains(&port)) {
                [true, false] => Some(Side::Server),
                [false, true] => Some(Side::Client),
                _ => None,
            };
            let bytes = segment.payload.to_vec();
            return (!bytes.is_empty()).then_some(Part { from, bytes });
        }
        let from = match (both, self.indented) {
            (false, _) => None,
            (true, true) => Some(Side::Server),
            (true, false) => Some(Side::Client),
        };
        let bytes = self.bytes;
        Some(Part { from, bytes })
    }
}

/// A line of a dump.
struct Line<'t> {
    indented: bool,
    offset: usize,
    /// What follows the offset.
    rest: &'t str,
}

impl<'t> Line<'t> {
    /// `0000`, `00000010`, `00000010:` or `0x0010:`, and behind it a blank, or the end of the dump.
    fn parse(line: &'t str) -> Option<Line<'t>> {
        let text = line.trim_start();
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
        let rest = &digits[end..];
        let colon = rest.strip_prefix(':');
        let rest = colon.unwrap_or(rest);
        let is_offset = (4..=8).contains(&end) && (rest.is_empty() || rest.starts_with([' ', '\t']));
        // `1012 0004` has no colon and no double blank: these are bytes.
        let is_apart = colon.is_some() || rest.trim().is_empty() || rest.starts_with("  ") || end != 4 || is_pair(rest);
        (is_offset && is_apart).then(|| Line {
            indented: line.len() > text.len(),
            offset: usize::from_str_radix(&digits[..end], 16).unwrap_or(usize::MAX),
            rest: rest.trim(),
        })
    }

    /// Its bytes: `len` of them, if that is known. `None` if there are fewer.
    fn bytes(&self, len: Option<usize>) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        let mut rest = self.rest;
        let mut gaps = 0;
        while len.is_none_or(|len| found.len() < len) {
            let token = rest.split([' ', '\t']).next().unwrap_or_default();
            let Some(bytes) = hex::decode(token).ok().filter(|b| (1..=2).contains(&b.len())) else {
                break;
            };
            rest = &rest[token.len()..];
            found.extend(bytes);
            if len.is_none() && rest.starts_with("  ") {
                // Some leave a wider gap behind eight bytes of two digits each. Another one is before the text.
                gaps += 1;
                if found.len() != 8 || token.len() != 2 || gaps > 1 {
                    break;
                }
            }
            rest = rest.trim_start();
        }
        match len {
            Some(len) => (found.len() == len).then_some(found),
            None => Some(found),
        }
    }
}

/// Whether a text begins with a blank and a byte of two digits.
fn is_pair(rest: &str) -> bool {
    let token = rest.trim_start().split([' ', '\t']).next().unwrap_or_default();
    token.len() == 2 && hex::decode(token).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A CONNECT of 3.1.1 of 21 bytes.
    const CONNECT: &str = "10130004 4d515454 0402003c 00076d65 7465722d 37";

    fn connect() -> Vec<u8> {
        hex::decode(CONNECT.replace(' ', "")).unwrap()
    }

    fn one(text: &str) -> Vec<u8> {
        let parts = parse(text).unwrap_or_else(|| panic!("no dump: {text}"));
        assert_eq!(parts.len(), 1, "{text}");
        parts[0].bytes.clone()
    }

    #[test]
    fn the_dumps_of_the_usual_tools_are_read() {
        for dump in [
            // xxd
            "00000000: 1013 0004 4d51 5454 0402 003c 0007 6d65  ....MQTT...<..me\n\
             00000010: 7465 722d 37                             ter-7\n",
            // xxd -g1
            "00000000: 10 13 00 04 4d 51 54 54 04 02 00 3c 00 07 6d 65  ....MQTT...<..me\n\
             00000010: 74 65 72 2d 37                                   ter-7\n",
            // hexdump -C
            "00000000  10 13 00 04 4d 51 54 54  04 02 00 3c 00 07 6d 65  |....MQTT...<..me|\n\
             00000010  74 65 72 2d 37                                    |ter-7|\n00000015\n",
            // Wireshark, with and without the text
            "0000   10 13 00 04 4d 51 54 54 04 02 00 3c 00 07 6d 65   ....MQTT...<..me\n\
             0010   74 65 72 2d 37                                    ter-7\n",
            "0000   10 13 00 04 4d 51 54 54 04 02 00 3c 00 07 6d 65\n0010   74 65 72 2d 37\n",
            // od -A x -t x1z
            "000000 10 13 00 04 4d 51 54 54 04 02 00 3c 00 07 6d 65  >....MQTT...<..me<\n\
             000010 74 65 72 2d 37                                   >ter-7<\n000015\n",
        ] {
            assert_eq!(one(dump), connect(), "{dump}");
        }
    }

    #[test]
    fn text_that_looks_like_bytes_is_not_read() {
        assert_eq!(one("00000000: 3003 0001 61  0aa be\n"), [0x30, 3, 0, 1, 0x61]);
        assert_eq!(one("0000   d0 00   ab cd\n"), [0xd0, 0]);
        let eight = "0000   30 06 00 01 61 62 63 64   0...abcd\n";
        assert_eq!(one(eight), [0x30, 6, 0, 1, 0x61, 0x62, 0x63, 0x64]);
    }

    #[test]
    fn the_headers_of_a_packet_are_skipped() {
        // tcpdump -X of a PINGREQ from port 40000 to 1883, and of its ACK.
        let dump = "12:00:00.000000 IP 127.0.0.1.40000 > 127.0.0.1.1883: Flags [P.], length 2\n\
            \t0x0000:  4500 002a 0000 4000 4006 0000 7f00 0001  E..*..@.@.......\n\
            \t0x0010:  7f00 0001 9c40 075b 0000 0001 0000 0001  .....@.[........\n\
            \t0x0020:  5018 0200 0000 0000 c000                 P.........\n\
            12:00:00.000001 IP 127.0.0.1.1883 > 127.0.0.1.40000: Flags [.], length 0\n\
            \t0x0000:  4500 0028 0000 4000 4006 0000 7f00 0001  E..(..@.@.......\n\
            \t0x0010:  7f00 0001 075b 9c40 0000 0001 0000 0003  .....[.@........\n\
            \t0x0020:  5010 0200 0000 0000                      P.......\n";
        let parts = parse(dump).unwrap();
        assert_eq!(
            parts,
            [Part {
                from: Some(Side::Client),
                bytes: vec![0xc0, 0]
            }]
        );
    }

    #[test]
    fn an_indented_block_is_from_the_server() {
        let dump = "00000000  10 13 00 04 4d 51 54 54  04 02 00 3c 00 07 6d 65   ....MQTT ...<..me\n\
            00000010  74 65 72 2d 37                                       ter-7\n    \
            00000000  20 02 00 00                                         ...\n";
        let parts = parse(dump).unwrap();
        assert_eq!(
            parts[0],
            Part {
                from: Some(Side::Client),
                bytes: connect()
            }
        );
        assert_eq!(
            parts[1],
            Part {
                from: Some(Side::Server),
                bytes: vec![0x20, 2, 0, 0]
            }
        );
    }

    #[test]
    fn what_is_no_dump_is_left_to_others() {
        for text in [
            "20 02 00 00",
            "20020000",
            "2002 0000",
            "1012 0004 4d51",
            "0x20, 0x02",
            "0010: 20 02 00 00",
            "IAIAAA==",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
