//! Strings, topic names and topic filters: which bytes and characters they may hold, and where wildcards may be.

use std::ops::Range;

use super::cursor::Cursor;
use crate::statements::PerVersion;
use crate::wire::ids;
use crate::wire::{Text, Value, Version};

/// What a string field is, by the statements that bind it.
#[derive(Clone, Copy)]
pub(super) struct Role {
    utf8: PerVersion,
    nul: PerVersion,
    shape: Shape,
    /// Whether a server passes it on as a client gave it.
    forwarded: bool,
}

#[derive(Clone, Copy)]
enum Shape {
    Any,
    /// A topic name: at least one character, no wildcard.
    Name {
        wildcard: PerVersion,
        may_be_empty: bool,
    },
    Filter,
}

const fn role(utf8: PerVersion, nul: PerVersion, shape: Shape, forwarded: bool) -> Role {
    Role {
        utf8,
        nul,
        shape,
        forwarded,
    }
}

const fn name(wildcard: PerVersion) -> Shape {
    Shape::Name {
        wildcard,
        may_be_empty: false,
    }
}

pub(super) static PLAIN: Role = role(ids::UTF8, ids::NUL, Shape::Any, false);
pub(super) static CLIENT_ID: Role = role(ids::UTF8_CLIENT_ID, ids::NUL, Shape::Any, false);
pub(super) static USERNAME: Role = role(ids::UTF8_USERNAME, ids::NUL, Shape::Any, false);
pub(super) static CONTENT_TYPE: Role = role(ids::UTF8_CONTENT_TYPE, ids::NUL, Shape::Any, true);
pub(super) static PAIR: Role = role(ids::UTF8_PAIR, ids::NUL_PAIR, Shape::Any, true);
pub(super) static TOPIC: Role = role(ids::UTF8_TOPIC, ids::NUL_TOPIC, name(ids::TOPIC_WILDCARD), true);
/// The topic of a 5.0 PUBLISH, which may be empty if an alias stands for it: the caller looks at that.
pub(super) static TOPIC_OR_ALIAS: Role = role(
    ids::UTF8_TOPIC,
    ids::NUL_TOPIC,
    Shape::Name {
        wildcard: ids::TOPIC_WILDCARD,
        may_be_empty: true,
    },
    true,
);
pub(super) static WILL_TOPIC: Role = role(
    ids::UTF8_WILL_TOPIC,
    ids::NUL_TOPIC,
    name(ids::WILL_TOPIC_WILDCARD),
    false,
);
pub(super) static RESPONSE_TOPIC: Role = role(
    ids::UTF8_RESPONSE_TOPIC,
    ids::NUL_TOPIC,
    name(ids::RESPONSE_TOPIC_WILDCARD),
    true,
);
pub(super) static SUBSCRIBE_FILTER: Role = role(ids::UTF8_SUBSCRIBE, ids::NUL_TOPIC, Shape::Filter, false);
pub(super) static UNSUBSCRIBE_FILTER: Role = role(ids::UTF8_UNSUBSCRIBE, ids::NUL_TOPIC, Shape::Filter, false);

impl<const NOTED: bool> Cursor<'_, NOTED> {
    /// A string field.
    #[inline]
    pub fn text(&mut self, into: &mut Text, name: &'static str, role: &'static Role) -> Option<()> {
        let start = self.pos();
        self.bare_text(into, name, role)?;
        self.field(name, || Value::Text(into.clone()), start);
        Some(())
    }

    /// A string without a field of its own.
    pub fn bare_text(&mut self, into: &mut Text, name: &'static str, role: &'static Role) -> Option<()> {
        let span = self.bare_span(name)?;
        let at = span.start;
        // Looked at where it is: what has just been written is not there yet.
        let bytes = &self.data()[span.clone()];
        *into = Text::part(self.data(), span);
        // What nearly every string is: nothing below can be wrong with it.
        if is_plain(bytes) && !bytes.is_empty() {
            return Some(());
        }
        if kinds(bytes) & ODD != 0 {
            self.check_characters(name, into, at, role);
        }
        match role.shape {
            Shape::Any => {}
            Shape::Name { wildcard, may_be_empty } => self.check_name(name, into, at, wildcard, may_be_empty),
            Shape::Filter => self.check_filter(name, into, at),
        }
        Some(())
    }

    /// UTF-8, U+0000, and the characters that should not be there.
    fn check_characters(&mut self, name: &str, text: &Text, at: usize, role: &Role) {
        let bytes = text.as_bytes();
        // 3.1 (section 2.5) names Java's writeUTF as its format, which writes U+0000 as C0 80 and what lies beyond
        // U+FFFF as two surrogates, so neither is ill-formed there.
        let lenient = self.version == Version::V3_1;
        if let Some(bad) = ill_formed(bytes, lenient) {
            let hex = hex::encode(&bytes[bad.clone()]);
            let what = if is_surrogate(&bytes[bad.clone()]) {
                format!("{name} holds a surrogate ({hex})")
            } else {
                format!("{name} is not well-formed UTF-8 ({hex})")
            };
            self.breach(role.utf8, at + bad.start..at + bad.end, what);
        }
        let nul = |w: &[u8]| w.starts_with(&[0]) || lenient && w.starts_with(&[0xc0, 0x80]);
        if let Some(i) = (0..bytes.len()).find(|&i| nul(&bytes[i..])) {
            let len = if bytes[i] == 0 { 1 } else { 2 };
            self.breach(role.nul, at + i..at + i + len, format!("{name} holds U+0000"));
        }
        // A server passes on what the client gave it: that advice is the publisher's.
        let own_words = !(role.forwarded && self.from == crate::wire::Side::Server);
        if own_words
            && let Some(text) = text.as_str()
            && let Some((i, c)) = text.char_indices().find(|(_, c)| should_not_be(*c))
        {
            let text = format!("{name} holds U+{:04X}", u32::from(c));
            self.breach(ids::CODE_POINTS, at + i..at + i + c.len_utf8(), text);
        }
    }

    fn check_name(&mut self, name: &str, text: &Text, at: usize, wildcard: PerVersion, may_be_empty: bool) {
        if text.is_empty() && !may_be_empty {
            self.breach(ids::TOPIC_EMPTY, at - 2..at, format!("{name} is empty"));
        }
        if let Some(i) = text.as_bytes().iter().position(|b| matches!(b, b'#' | b'+')) {
            let c = char::from(text.as_bytes()[i]);
            self.breach(wildcard, at + i..at + i + 1, format!("{name} holds the wildcard {c}"));
        }
    }

    fn check_filter(&mut self, name: &str, text: &Text, at: usize) {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            self.breach(ids::TOPIC_EMPTY, at - 2..at, format!("{name} is empty"));
            return;
        }
        let mut start = 0;
        if self.v5()
            && let Some(rest) = bytes.strip_prefix(b"$share/")
        {
            match self.check_share_name(name, rest, at + 7) {
                Some(len) => start = 7 + len + 1,
                None => return,
            }
        }
        self.check_wildcards(name, &bytes[start..], at + start);
    }

    /// The share name in what follows `$share/`; gives its length if a filter follows it.
    fn check_share_name(&mut self, name: &str, rest: &[u8], at: usize) -> Option<usize> {
        let len = rest.iter().position(|b| *b == b'/').unwrap_or(rest.len());
        if len == 0 {
            let text = format!("{name} has a share name of no character");
            self.breach(ids::SHARE_NAME_EMPTY, at - 7..at, text);
        }
        if let Some(i) = rest[..len].iter().position(|b| matches!(b, b'#' | b'+')) {
            let text = format!("{name} has the wildcard {} in its share name", char::from(rest[i]));
            self.breach(ids::SHARE_NAME, at + i..at + i + 1, text);
        }
        if rest.len() <= len + 1 {
            let text = format!("{name} has no filter behind its share name");
            self.breach(ids::SHARE_NAME, at..at + rest.len(), text);
            return None;
        }
        Some(len)
    }

    fn check_wildcards(&mut self, name: &str, filter: &[u8], at: usize) {
        let wildcards = filter.iter().enumerate().filter(|(_, b)| matches!(b, b'#' | b'+'));
        for (i, byte) in wildcards {
            let begins = i == 0 || filter[i - 1] == b'/';
            let last = i + 1 == filter.len();
            let ends = last || filter[i + 1] == b'/';
            let span = at + i..at + i + 1;
            match byte {
                b'#' if !begins || !last => {
                    let text = format!("{name} has # where it is not the whole last level");
                    self.breach(ids::FILTER_HASH, span, text);
                    return;
                }
                b'+' if !begins || !ends => {
                    let text = format!("{name} has + where it is not a whole level");
                    self.breach(ids::FILTER_PLUS, span, text);
                    return;
                }
                _ => {}
            }
        }
    }
}

/// Not printable ASCII.
const ODD: u8 = 1;
/// Of a meaning in topic filters: `#`, `+`, `$`.
const SIGN: u8 = 2;

/// Whether every byte is from `,` to `~`, where no character is that means something: letters, digits, `/`, `-`, `.`,
/// `_`. Blocks are looked at as numbers, and the last of a size may overlap the one before.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let long = |block: &[u8; 8]| odd_bytes(u64::from_ne_bytes(*block));
    let short = |block: &[u8; 4]| odd_bytes(u32::from_ne_bytes(*block).into());
    if let Some(last) = bytes.last_chunk::<8>() {
        let blocks = bytes.chunks_exact(8).filter_map(|block| block.first_chunk::<8>());
        return blocks.fold(long(last), |found, block| found | long(block)) == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (short(first) | short(last)) & 0xffff_ffff == 0;
    }
    bytes.iter().all(|b| (b','..=b'~').contains(b))
}

/// The high bit of each byte that is not from `,` to `~`. A byte of 0xff may carry into the next, which changes
/// nothing: it has its own bit.
#[inline]
fn odd_bytes(block: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let above = block | block.wrapping_add(EACH);
    let below = !(block | HIGH).wrapping_sub(EACH * b',' as u64);
    (above | below) & HIGH
}

/// The kinds of characters that are there, one of the bits above each. Blocks of a fixed size, of which the last may
/// overlap the one before, are looked at in a few instructions each.
#[inline]
fn kinds(bytes: &[u8]) -> u8 {
    if let Some(last) = bytes.last_chunk::<16>() {
        let blocks = bytes.chunks_exact(16);
        return blocks.fold(kinds_in(last), |found, block| {
            found | block.first_chunk::<16>().map_or(0, kinds_in)
        });
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return kinds_in(first) | kinds_in(last);
    }
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => kinds_in(first) | kinds_in(last),
        _ => bytes.iter().fold(0, |found, b| found | kinds_in(&[*b])),
    }
}

/// [`kinds`] of a block.
#[inline]
fn kinds_in<const N: usize>(block: &[u8; N]) -> u8 {
    block.iter().fold(0, |found, b| {
        let odd = !(0x20..0x7f).contains(b);
        let sign = (*b == b'#') | (*b == b'+') | (*b == b'$');
        found | (u8::from(odd) * ODD) | (u8::from(sign) * SIGN)
    })
}

/// Whether the filter is one of a shared subscription (5.0, section 4.8.2).
pub(super) fn is_shared(filter: &Text) -> bool {
    filter.as_bytes().starts_with(b"$share/")
}

/// The first bytes that are not UTF-8. `java` allows what Java's writeUTF writes: C0 80 and surrogates.
fn ill_formed(bytes: &[u8], java: bool) -> Option<Range<usize>> {
    let mut at = 0;
    loop {
        let error = match std::str::from_utf8(&bytes[at..]) {
            Ok(_) => return None,
            Err(error) => error,
        };
        let start = at + error.valid_up_to();
        let rest = &bytes[start..];
        if java && (rest.starts_with(&[0xc0, 0x80]) || is_surrogate(rest)) {
            at = start + if rest[0] == 0xc0 { 2 } else { 3 };
            continue;
        }
        let len = if is_surrogate(rest) {
            3
        } else {
            error.error_len().unwrap_or(rest.len())
        };
        return Some(start..start + len);
    }
}

/// Whether the bytes begin with the encoding of U+D800 to U+DFFF.
fn is_surrogate(bytes: &[u8]) -> bool {
    matches!(bytes, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..])
}

/// Control characters and non-characters (3.1.1, section 1.5.3; 5.0, section 1.5.4).
fn should_not_be(c: char) -> bool {
    let n = u32::from(c);
    matches!(n, 0x01..=0x1f | 0x7f..=0x9f | 0xfdd0..=0xfdef) || n & 0xfffe == 0xfffe
}

/// Where a payload that claims to be UTF-8 is not; at 5.0 U+0000 may be in it.
pub(super) fn ill_formed_payload(bytes: &[u8]) -> Option<Range<usize>> {
    ill_formed(bytes, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_string_has_nothing_to_look_for_wherever_that_may_be() {
        for len in 0..40 {
            let mut text = vec![b'a'; len];
            assert!(is_plain(&text));
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    text[at] = byte;
                    assert_eq!(
                        is_plain(&text),
                        (0x2c..0x7f).contains(&byte),
                        "{byte:#x} at {at} of {len}"
                    );
                    assert!(!is_plain(&text) || kinds(&text) == 0);
                }
                text[at] = b'~';
            }
        }
    }

    #[test]
    fn one_odd_character_or_sign_is_found_wherever_it_is() {
        for len in 0..70 {
            let mut text = vec![b'a'; len];
            assert_eq!(kinds(&text), 0);
            for at in 0..len {
                for (byte, kind) in [
                    (0x1f, ODD),
                    (0x7f, ODD),
                    (0xff, ODD),
                    (b'#', SIGN),
                    (b'+', SIGN),
                    (b'$', SIGN),
                ] {
                    text[at] = byte;
                    assert_eq!(kinds(&text), kind, "{byte:#x} at {at} of {len}");
                }
                for byte in [b' ', b'~', b'/'] {
                    text[at] = byte;
                    assert_eq!(kinds(&text), 0);
                }
            }
        }
    }

    #[test]
    fn ill_formed_utf8_is_found_where_it_is() {
        assert_eq!(ill_formed(b"abc", false), None);
        assert_eq!(ill_formed(b"a\xc3\x28", false), Some(1..2));
        assert_eq!(ill_formed(b"a\xed\xa0\x80b", false), Some(1..4));
        assert_eq!(ill_formed(b"a\xed\xa0\x80b\xc0\x80", true), None);
        assert_eq!(ill_formed(b"\xc0\x80\xff", true), Some(2..3));
        assert_eq!(ill_formed(b"a\xe2\x82", false), Some(1..3));
        assert_eq!(ill_formed("\u{feff}\u{10ffff}".as_bytes(), false), None);
    }
}
