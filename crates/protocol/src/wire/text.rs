//! Strings and payloads as they are on the wire.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use bytes::Bytes;
use twox_hash::XxHash3_64;

/// A string field: its bytes as they are, so that ill-formed UTF-8 can be held, shown and sent.
#[derive(Clone)]
pub struct Text(Held);

/// Most strings are short: to copy those costs less than to count who shares them. Both take the same room.
#[derive(Clone)]
enum Held {
    Short { len: u8, bytes: [u8; SHORT] },
    Shared(Bytes),
}

/// Strings up to this many bytes are held in place.
const SHORT: usize = 23;

const _: () = assert!(size_of::<Text>() == size_of::<Bytes>());

impl Text {
    /// A part of `shared`, which is kept if the part is long.
    #[inline]
    pub fn part(shared: &Bytes, range: Range<usize>) -> Text {
        if range.len() > SHORT {
            return Text(Held::Shared(shared.slice(range)));
        }
        // A copy of a length that is known is a few instructions; what of it lies behind the text is never looked at.
        match shared[range.start..].first_chunk::<SHORT>() {
            Some(bytes) => Text(Held::Short {
                len: range.len() as u8,
                bytes: *bytes,
            }),
            None => shared[range].into(),
        }
    }

    #[inline]
    fn short(from: &[u8]) -> Option<Text> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        let len = from.len() as u8;
        Some(Text(Held::Short { len, bytes }))
    }

    /// The text, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Held::Short { len, bytes } => &bytes[..usize::from(*len)],
            Held::Shared(bytes) => bytes,
        }
    }

    /// The bytes, to be kept apart from the text.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Held::Short { .. } => Bytes::copy_from_slice(self.as_bytes()),
            Held::Shared(bytes) => bytes.clone(),
        }
    }

    /// The part of it in `range` of bytes.
    ///
    /// # Panics
    /// If the range is not within it.
    pub fn slice(&self, range: Range<usize>) -> Text {
        match &self.0 {
            Held::Short { .. } => self.as_bytes()[range].into(),
            Held::Shared(bytes) => Text::part(bytes, range),
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether it has no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Text {
    fn default() -> Text {
        Text(Held::Short {
            len: 0,
            bytes: [0; SHORT],
        })
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Text {
        Text::short(bytes).unwrap_or_else(|| Text(Held::Shared(Bytes::copy_from_slice(bytes))))
    }
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Text {
        Text::short(&bytes).unwrap_or(Text(Held::Shared(bytes)))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        text.as_bytes().into()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        text.into_bytes().into()
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Text {
        Bytes::from(bytes).into()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Text {
    /// In quotes with control characters escaped; ill-formed UTF-8 as `hex "ff fe"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_bytes(self.as_bytes(), f)
    }
}

/// The payload of a PUBLISH: whole if it is short, by length and digest if it is long.
#[derive(Clone)]
pub enum Payload {
    /// All of it.
    Bytes(Bytes),
    /// `len` times the same byte: how a script writes a long one without holding it.
    Fill { len: u64, byte: u8 },
    /// What is kept of a long one that came: its length in bytes and its digest.
    Long { len: u64, hash: u64 },
}

impl Payload {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::Fill { len, .. } | Payload::Long { len, .. } => *len,
        }
    }

    /// Whether it has no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are held.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Payload::Bytes(bytes) => Some(bytes),
            Payload::Fill { .. } | Payload::Long { .. } => None,
        }
    }

    /// The digest by which long payloads are compared (XXH3 of 64 bits, with seed 0).
    pub fn hash(&self) -> u64 {
        let mut hasher = XxHash3_64::new();
        match self {
            Payload::Long { hash, .. } => return *hash,
            Payload::Bytes(bytes) => hasher.write(bytes),
            Payload::Fill { len, byte } => {
                let block = [*byte; 64 * 1024];
                let mut left = *len;
                while left > 0 {
                    let n = left.min(block.len() as u64);
                    hasher.write(&block[..n as usize]);
                    left -= n;
                }
            }
        }
        hasher.finish()
    }
}

impl Default for Payload {
    fn default() -> Payload {
        Payload::Bytes(Bytes::new())
    }
}

impl PartialEq for Payload {
    /// The same bytes, however they are held; if one is not held, the same length and digest.
    fn eq(&self, other: &Payload) -> bool {
        match (self, other) {
            (Payload::Bytes(a), Payload::Bytes(b)) => a == b,
            (a, b) => a.len() == b.len() && a.hash() == b.hash(),
        }
    }
}

impl Eq for Payload {}

impl From<&str> for Payload {
    fn from(text: &str) -> Payload {
        Payload::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        Payload::Bytes(bytes)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Bytes(bytes) => show_bytes(bytes, f),
            Payload::Fill { len, byte } => write!(f, "{len} bytes of {byte:02x}"),
            Payload::Long { len, hash } => write!(f, "{len} bytes with digest {hash:016x}"),
        }
    }
}

/// Shows bytes as text in quotes if they are UTF-8, else as hex. Long ones are cut in the middle.
pub fn show_bytes(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const WHOLE: usize = 200;
    const END: usize = 40;
    if bytes.len() > WHOLE {
        show_whole(&bytes[..END], f)?;
        write!(f, " … ")?;
        show_whole(&bytes[bytes.len() - END..], f)?;
        return write!(f, " ({} bytes)", bytes.len());
    }
    show_whole(bytes, f)
}

fn show_whole(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            write!(f, "\"")?;
            for c in text.chars() {
                match c {
                    '"' => write!(f, "\\\"")?,
                    '\\' => write!(f, "\\\\")?,
                    c if c.is_control() || ('\u{fdd0}'..='\u{fdef}').contains(&c) || (c as u32) & 0xfffe == 0xfffe => {
                        write!(f, "\\u{{{:x}}}", c as u32)?;
                    }
                    '\u{feff}' => write!(f, "\\u{{feff}}")?,
                    c => write!(f, "{c}")?,
                }
            }
            write!(f, "\"")
        }
        Err(_) => {
            write!(f, "hex \"")?;
            for (i, b) in bytes.iter().enumerate() {
                write!(f, "{}{b:02x}", if i == 0 { "" } else { " " })?;
            }
            write!(f, "\"")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_equal_to_itself_however_it_is_held() {
        let whole = Payload::Bytes(Bytes::from(vec![b'x'; 100_000]));
        let fill = Payload::Fill {
            len: 100_000,
            byte: b'x',
        };
        let long = Payload::Long {
            len: 100_000,
            hash: whole.hash(),
        };
        assert!(whole == fill && fill == long && long == whole);
        assert!(
            fill != Payload::Fill {
                len: 100_000,
                byte: b'y'
            }
        );
        assert!(
            fill != Payload::Fill {
                len: 99_999,
                byte: b'x'
            }
        );
    }

    #[test]
    fn a_text_is_the_same_however_it_is_held() {
        let long = "x".repeat(SHORT * 3);
        let shared = Bytes::from(long.clone());
        for len in [0, 1, SHORT - 1, SHORT, SHORT + 1, SHORT * 3] {
            let text = Text::part(&shared, 0..len);
            assert_eq!(text.as_bytes(), &long.as_bytes()[..len]);
            assert_eq!((text.len(), text.is_empty()), (len, len == 0));
            assert_eq!(text.to_bytes(), shared.slice(..len));
            let whole = Text::from(&*long);
            assert_eq!(whole.slice(0..len), text);
            assert_eq!(whole.slice(len..whole.len()).len(), whole.len() - len);
            // The same text behind a longer one, held in the other way.
            let other = Text(Held::Shared(shared.slice(long.len() - len..)));
            assert_eq!((other.cmp(&text), &other), (Ordering::Equal, &text));
            let digest = |text: &Text| {
                let mut hasher = XxHash3_64::new();
                text.hash(&mut hasher);
                hasher.finish()
            };
            assert_eq!(digest(&other), digest(&text));
        }
        assert!(Text::from("b") > Text::from(&*"a".repeat(SHORT + 1)));
    }

    #[test]
    fn text_shows_what_cannot_be_printed() {
        assert_eq!(Text::from("a\"b\u{0}").to_string(), r#""a\"b\u{0}""#);
        assert_eq!(Text::from(vec![0xff, 0xfe]).to_string(), r#"hex "ff fe""#);
    }
}
