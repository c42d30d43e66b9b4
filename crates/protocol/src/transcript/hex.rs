//! Packets as hex for people: cut if they are long, with parts of them named, and with bytes underlined.

use std::ops::Range;

use crate::secret::run_spans;
use crate::wire::{Blob, Decoded};

/// How many bytes around one that matters are shown of a long packet.
const AROUND: usize = 8;
/// So few bytes are not left out.
const FEW: usize = 5;

/// A part of a packet that is shown by a name, because its bytes differ from run to run or are secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub span: Range<usize>,
    pub shown: String,
}

impl Mark {
    /// Shows each of these places as a password.
    pub fn passwords(spans: Vec<Range<usize>>) -> Vec<Mark> {
        let named = |span| Mark {
            span,
            shown: "<password>".to_owned(),
        };
        spans.into_iter().map(named).collect()
    }
}

/// One thing in a line of hex: a byte, a named part, or what is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Token {
    span: Range<usize>,
    text: String,
    left_out: bool,
}

/// A packet's hex, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HexLine(Vec<Token>);

impl HexLine {
    /// All bytes if there are at most `limit` of them, else the first ones, the last ones and those around `focus`.
    /// Marks take the place of their bytes.
    pub fn new(raw: &Blob, marks: &[Mark], focus: &[Range<usize>], limit: usize) -> HexLine {
        let head = raw.head();
        let total = usize::try_from(raw.len()).unwrap_or(usize::MAX);
        let begin = if total > limit {
            limit.saturating_sub(AROUND)
        } else {
            limit
        };
        let mut shown = Vec::new();
        shown.push(0..begin.min(head.len()));
        if total > limit {
            for span in focus {
                let from = span.start.saturating_sub(AROUND);
                let to = span.end.min(span.start + limit).saturating_add(AROUND).min(head.len());
                shown.push(from..to);
            }
            if head.len() == total {
                shown.push(total.saturating_sub(AROUND / 2)..total);
            }
        }
        let is_shown = |at: usize| at < head.len() && shown.iter().any(|r| r.contains(&at));
        // A mark is shown whole or not at all: no part of what it names may be seen.
        let mark_at = |at: usize| marks.iter().find(|m| m.span.start == at && !m.span.is_empty());
        let begins = |at: usize| match mark_at(at) {
            Some(mark) => mark.span.clone().any(is_shown),
            None => is_shown(at),
        };
        let mut tokens: Vec<Token> = Vec::new();
        let mut at = 0;
        while at < total {
            let (span, text, left_out) = match mark_at(at) {
                _ if !begins(at) => {
                    let next = (at..head.len()).find(|i| begins(*i)).unwrap_or(total);
                    // A few bytes are shown, unless a part of them is a mark: to leave them out saves hardly any room.
                    let are_few = next <= head.len() && next - at <= FEW;
                    if are_few && (at..next).all(|i| mark_at(i).is_none()) {
                        (at..at + 1, format!("{:02x}", head[at]), false)
                    } else {
                        (at..next, format!("…({} bytes)", next - at), true)
                    }
                }
                Some(mark) => (mark.span.clone(), mark.shown.clone(), false),
                None => (at..at + 1, format!("{:02x}", head[at]), false),
            };
            at = span.end;
            tokens.push(Token { span, text, left_out });
        }
        HexLine(tokens)
    }

    /// The text, with one blank between bytes.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.0.iter().map(|t| t.text.as_str()).collect();
        texts.join(" ")
    }

    /// The line to be written below [`text`](HexLine::text): `^` under every byte in `spans`; empty if none is shown.
    pub fn underline(&self, spans: &[Range<usize>]) -> String {
        let mut line = String::new();
        let mut before = false;
        for (i, token) in self.0.iter().enumerate() {
            let hit = !token.left_out
                && spans.iter().any(|s| {
                    // An empty span stands for the byte at which something is missing.
                    let end = s.end.max(s.start + 1);
                    token.span.start < end && s.start < token.span.end
                });
            if i > 0 {
                line.push(if hit && before { '^' } else { ' ' });
            }
            let width = token.text.chars().count();
            line.extend(std::iter::repeat_n(if hit { '^' } else { ' ' }, width));
            before = hit;
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Names what is secret in a packet of a run, so that it is never shown.
pub fn secrets(decoded: &Decoded) -> Vec<Mark> {
    Mark::passwords(run_spans(decoded))
}

/// Text from outside made fit to be printed: nothing in it moves the cursor, turns the direction of writing or ends a
/// line but `\n`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                out.extend(c.escape_unicode());
            }
            c if c.is_control() || c as u32 & 0xfffe == 0xfffe => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
// A list of one range is what is meant here.
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    fn blob(bytes: &[u8]) -> Blob {
        Blob::Whole(bytes.to_vec().into())
    }

    #[test]
    fn a_short_packet_is_shown_whole_and_underlined() {
        let line = HexLine::new(&blob(&[0x40, 0x02, 0x00, 0x08]), &[], &[], 32);
        assert_eq!(line.text(), "40 02 00 08");
        assert_eq!(line.underline(&[2..4]), "      ^^^^^");
        assert_eq!(line.underline(&[0..1, 3..4]), "^^       ^^");
    }

    #[test]
    fn a_long_packet_is_cut_around_what_matters() {
        let bytes: Vec<u8> = (0..200).collect();
        let line = HexLine::new(&blob(&bytes), &[], &[100..102], 16);
        assert_eq!(
            line.text(),
            "00 01 02 03 04 05 06 07 …(84 bytes) 5c 5d 5e 5f 60 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d …(86 bytes) c4 c5 c6 c7"
        );
        let underline = line.underline(&[100..102]);
        let from = underline.find('^').unwrap();
        assert_eq!(line.text().chars().skip(from).take(5).collect::<String>(), "64 65");
    }

    #[test]
    fn a_few_bytes_are_not_left_out() {
        let text = |length: u8, limit| {
            let bytes: Vec<u8> = (0..length).collect();
            HexLine::new(&blob(&bytes), &[], &[], limit).text()
        };
        assert!(text(17, 16).contains("07 08 09 0a 0b 0c 0d"), "{}", text(17, 16));
        assert!(text(18, 16).contains("07 …(6 bytes) 0e"), "{}", text(18, 16));
    }

    #[test]
    fn a_mark_takes_the_place_of_its_bytes() {
        let mark = Mark {
            span: 1..3,
            shown: "\"$ns\"".to_owned(),
        };
        let line = HexLine::new(&blob(&[1, 2, 3, 4]), &[mark], &[], 32);
        assert_eq!(line.text(), "01 \"$ns\" 04");
        assert_eq!(line.underline(&[3..4]), "         ^^");
    }

    #[test]
    fn no_part_of_a_mark_is_seen_where_a_packet_is_cut() {
        let bytes: Vec<u8> = (0..100).collect();
        for span in [90..100, 2..40, 5..95] {
            let mark = Mark {
                span: span.clone(),
                shown: "<it>".to_owned(),
            };
            let text = HexLine::new(&blob(&bytes), &[mark], &[], 16).text();
            assert!(text.contains("<it>"), "{text}");
            for byte in span {
                assert!(!text.contains(&format!("{byte:02x}")), "{text}");
            }
        }
    }

    #[test]
    fn nothing_that_is_printed_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\r\nc\u{202e}"), "a\\u{1b}[2Jb\\u{d}\nc\\u{202e}");
    }
}
