//! Bytes with holes: what a script fills in anew each time it runs.

use std::fmt::Write as _;
use std::ops::Range;

/// A part of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Bytes(Vec<u8>),
    /// The namespace of the exchange.
    Namespace,
    /// The target's password, with its length before it.
    Password,
    /// The packet identifier that a packet of the broker had: the number of the variable that holds it.
    Id(usize),
}

/// Bytes in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pieces {
    pub pieces: Vec<Piece>,
    /// The first byte of a packet whose remaining length the script computes: the pieces are what follows it.
    pub frame: Option<u8>,
}

impl Pieces {
    /// The bytes with a hole for each time that the namespace occurs, and for an identifier at `id`.
    pub fn of(bytes: &[u8], namespace: &[u8], id: Option<(Range<usize>, usize)>) -> Pieces {
        let mut pieces = Pieces::default();
        let mut at = 0;
        while at < bytes.len() {
            if let Some((span, number)) = &id
                && span.start == at
                && span.end <= bytes.len()
            {
                pieces.pieces.push(Piece::Id(*number));
                at = span.end;
            } else if !namespace.is_empty() && bytes[at..].starts_with(namespace) {
                pieces.pieces.push(Piece::Namespace);
                at += namespace.len();
            } else {
                pieces.byte(bytes[at]);
                at += 1;
            }
        }
        pieces
    }

    /// A packet with the password in it: `span` has it with its length.
    pub fn with_password(packet: &[u8], body: usize, span: Range<usize>, namespace: &[u8]) -> Pieces {
        let mut pieces = Pieces::of(&packet[body..span.start], namespace, None);
        pieces.pieces.push(Piece::Password);
        pieces.append(Pieces::of(&packet[span.end..], namespace, None));
        pieces.frame = packet.first().copied();
        pieces
    }

    /// Text as it is on the wire, with its length before it.
    pub fn string(text: &[u8], namespace: &[u8]) -> Pieces {
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        let mut pieces = Pieces::of(&length.to_be_bytes(), b"", None);
        pieces.append(Pieces::of(text, namespace, None));
        pieces
    }

    fn byte(&mut self, byte: u8) {
        match self.pieces.last_mut() {
            Some(Piece::Bytes(bytes)) => bytes.push(byte),
            _ => self.pieces.push(Piece::Bytes(vec![byte])),
        }
    }

    /// The same bytes, and then others.
    pub fn append(&mut self, more: Pieces) {
        for piece in more.pieces {
            match piece {
                Piece::Bytes(bytes) => bytes.into_iter().for_each(|byte| self.byte(byte)),
                other => self.pieces.push(other),
            }
        }
    }

    /// As a Python string of hexadecimal digits: `"40 02 00 07"`, or with holes `f"82 0d 0001 {NS} 00"`.
    pub fn python(&self) -> String {
        let mut text = String::new();
        let mut has_holes = false;
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => text.push_str(&hex::encode(bytes)),
                Piece::Namespace => {
                    has_holes = true;
                    text.push_str("{NS}");
                }
                Piece::Password => {
                    has_holes = true;
                    text.push_str("{PASSWORD}");
                }
                Piece::Id(number) => {
                    has_holes = true;
                    let _ = write!(text, "{{m{number}:04x}}");
                }
            }
        }
        let text = format!("{}\"{text}\"", if has_holes { "f" } else { "" });
        match self.frame {
            Some(first) => format!("frame(\"{first:02x}\", {text})"),
            None => text,
        }
    }

    /// The variables that it needs.
    pub fn ids(&self) -> impl Iterator<Item = usize> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Id(number) => Some(*number),
            _ => None,
        })
    }

    /// The bytes, with this namespace in its holes; `None` if an identifier is one.
    pub fn bytes(&self, namespace: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(part) => bytes.extend_from_slice(part),
                Piece::Namespace => bytes.extend_from_slice(namespace),
                Piece::Id(_) | Piece::Password => return None,
            }
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_each_run_is_a_hole() {
        let pieces = Pieces::of(b"\x82\x0dmsabcdefxmsabcdef", b"msabcdef", None);
        assert_eq!(pieces.python(), "f\"820d{NS}78{NS}\"");
        assert_eq!(pieces.bytes(b"12345678").unwrap(), b"\x82\x0d12345678x12345678");
        let ack = Pieces::of(&[0x40, 2, 0, 7], b"msabcdef", Some((2..4, 1)));
        assert_eq!(ack.python(), "f\"4002{m1:04x}\"");
        assert_eq!(ack.ids().collect::<Vec<_>>(), [1]);
        assert_eq!(ack.bytes(b""), None);
        let connect = Pieces::with_password(&[0x10, 5, 1, 0, 2, 7, 7], 2, 3..7, b"");
        assert_eq!(connect.python(), "frame(\"10\", f\"01{PASSWORD}\")");
        let mut both = Pieces::of(&[0xc0], b"", None);
        both.append(Pieces::of(&[0], b"", None));
        assert_eq!(both.python(), "\"c000\"");
        assert_eq!(both.pieces.len(), 1);
    }
}
