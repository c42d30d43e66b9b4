//! Reads one element of a packet after the other, and notes each as a field with its span.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::{Breach, Field};
use crate::statements::PerVersion;
use crate::wire::ids;
use crate::wire::variable::{Variable, read_variable, variable_len};
use crate::wire::{PacketType, Side, Value, Version};

/// A place in a packet, and what was found up to there. If it is not `NOTED`, fields and violations are not kept,
/// only whether there was a violation.
pub(super) struct Cursor<'a, const NOTED: bool> {
    pub version: Version,
    pub from: Side,
    data: &'a Bytes,
    pos: usize,
    /// Where the current part ends: the packet, or a block of properties in it.
    end: usize,
    /// What a part that ends too early violates.
    short: &'static PerVersion,
    /// Whether the packet goes on behind `data`, which is then no violation by itself.
    cut: bool,
    pub notes: Notes,
}

/// What is noted on the way.
pub(super) struct Notes {
    pub fields: Vec<Field>,
    pub breaches: Vec<Breach>,
    /// Whether there was a violation.
    pub faulty: bool,
    /// Where the last field ends.
    pub covered: usize,
}

impl<'a, const NOTED: bool> Cursor<'a, NOTED> {
    /// At the beginning of `data`. If the packet is `cut` it goes on behind `data`, and what is missing is no
    /// violation.
    pub fn new(data: &'a Bytes, cut: bool, version: Version, from: Side) -> Self {
        Cursor {
            version,
            from,
            data,
            pos: 0,
            end: data.len(),
            short: &ids::LAYOUT,
            cut,
            notes: Notes {
                // As many as a PUBLISH with a few properties has.
                fields: Vec::with_capacity(if NOTED { 8 } else { 0 }),
                breaches: Vec::new(),
                faulty: false,
                covered: 0,
            },
        }
    }

    #[inline]
    pub fn v5(&self) -> bool {
        self.version == Version::V5
    }

    #[inline]
    pub fn pos(&self) -> usize {
        self.pos
    }

    /// How many bytes the current part has left.
    #[inline]
    pub fn left(&self) -> usize {
        self.end - self.pos
    }

    /// Ends the packet at `end`, if it has that many bytes; those behind it are not read.
    #[inline]
    pub fn set_end(&mut self, end: usize) {
        self.end = end.clamp(self.pos, self.data.len());
    }

    /// Notes the violation that the part ends too early, unless the packet goes on where we cannot see it.
    fn too_early(&mut self, rule: PerVersion, span: Range<usize>, text: String) {
        let goes_on = self.cut && self.end == self.data.len();
        if !goes_on {
            self.breach(rule, span, text);
        }
    }

    /// Notes a violation, if this version has a statement against it.
    #[cold]
    #[inline(never)]
    pub fn breach(&mut self, rule: PerVersion, span: Range<usize>, text: impl Into<String>) {
        let mut statements = rule.statements(self.version);
        if let Some(statement) = statements.next() {
            self.notes.faulty = true;
            if NOTED {
                self.notes.breaches.push(Breach {
                    statement,
                    also: statements.collect(),
                    span,
                    text: text.into(),
                });
            }
        }
    }

    /// Notes a field that begins at `start` and ends here.
    #[inline]
    pub fn field(&mut self, name: impl Into<Cow<'static, str>>, value: impl FnOnce() -> Value, start: usize) {
        let end = self.pos;
        self.notes.covered = end;
        self.note(|| Field {
            name: name.into(),
            value: value(),
            span: start..end,
        });
    }

    /// Notes a field, where fields are noted.
    #[inline]
    pub fn note(&mut self, field: impl FnOnce() -> Field) {
        if NOTED {
            let field = field();
            self.notes.covered = field.span.end;
            self.notes.fields.push(field);
        }
    }

    /// Takes what is left of the part as a field without a meaning of its own, if there is something. An element of
    /// which only the beginning was read belongs to it.
    pub fn rest(&mut self, name: impl Into<Cow<'static, str>>) -> Option<Range<usize>> {
        let start = self.notes.covered;
        if start >= self.end {
            return None;
        }
        self.pos = self.end;
        let (data, end) = (self.data, self.end);
        self.field(name, || Value::Binary(data.slice(start..end)), start);
        Some(start..self.end)
    }

    /// Takes what is left as the beginning of a field that does not fit, and notes the violation.
    #[cold]
    #[inline(never)]
    pub fn too_short(&mut self, name: impl Into<Cow<'static, str>>, rule: PerVersion, needs: usize) {
        let name = name.into();
        let have = self.left();
        let text = format!("{name} takes {}, {} left", count(needs), are(have));
        let span = self.pos..self.end;
        self.too_early(rule, span, text);
        self.rest(name);
    }

    /// The next `N` bytes without a field, or the violation that they are not there.
    #[inline]
    fn take<const N: usize>(&mut self, name: &'static str) -> Option<[u8; N]> {
        let Some(bytes) = self.data[self.pos..self.end].first_chunk::<N>() else {
            self.too_short(name, *self.short, N);
            return None;
        };
        self.pos += N;
        Some(*bytes)
    }

    /// A byte, whose field the caller notes.
    pub fn raw_byte(&mut self, name: &'static str) -> Option<u8> {
        self.take::<1>(name).map(|[b]| b)
    }

    #[inline]
    pub fn byte(&mut self, name: &'static str) -> Option<u8> {
        let start = self.pos;
        let [n] = self.take::<1>(name)?;
        self.field(name, || Value::Int(n.into()), start);
        Some(n)
    }

    #[inline]
    pub fn u16(&mut self, name: &'static str) -> Option<u16> {
        let start = self.pos;
        let n = u16::from_be_bytes(self.take::<2>(name)?);
        self.field(name, || Value::Int(n.into()), start);
        Some(n)
    }

    /// A number without a field of its own: the value of a property.
    pub fn bare_number(&mut self, name: &'static str, bytes: usize) -> Option<u32> {
        match bytes {
            1 => self.take::<1>(name).map(|[b]| b.into()),
            2 => self.take::<2>(name).map(|b| u16::from_be_bytes(b).into()),
            _ => self.take::<4>(name).map(u32::from_be_bytes),
        }
    }

    /// Goes on behind what a look ahead has shown to be there.
    #[inline]
    pub fn skip(&mut self, len: usize) {
        self.pos += len;
    }

    /// What is left of the part.
    #[inline]
    pub fn ahead(&self) -> &'a [u8] {
        &self.data[self.pos..self.end]
    }

    /// A Variable Byte Integer without a field of its own. More bytes than the value needs are a violation, and taken.
    #[inline]
    pub fn bare_variable(&mut self, name: &'static str) -> Option<u32> {
        let start = self.pos;
        // Most are one byte, which is always minimal.
        if let Some(&byte @ 0..0x80) = self.ahead().first() {
            self.pos += 1;
            return Some(byte.into());
        }
        match read_variable(&self.data[start..self.end]) {
            Variable::Value { value, len } => {
                self.pos += len;
                let shortest = variable_len(value);
                if len > shortest {
                    let text = format!("{name} {value} is written in {len} bytes, {shortest} would do");
                    self.breach(ids::MINIMAL, start..start + len, text);
                }
                Some(value)
            }
            Variable::Incomplete => {
                let text = format!("{name} is not complete");
                self.too_early(*self.short, start..self.end, text);
                self.rest(name);
                None
            }
            Variable::TooLong => {
                let text = format!("{name} continues after its fourth byte");
                self.breach(ids::LENGTH_BYTES, start..start + 4, text);
                self.rest(name);
                None
            }
        }
    }

    /// Two bytes of length and as many bytes, without a field of its own.
    #[inline]
    pub fn bare_bytes(&mut self, name: &'static str) -> Option<Bytes> {
        let span = self.bare_span(name)?;
        Some(self.data.slice(span))
    }

    /// The part of the packet that is available.
    #[inline]
    pub fn data(&self) -> &'a Bytes {
        self.data
    }

    /// Where the bytes behind two bytes of length are.
    #[inline]
    pub fn bare_span(&mut self, name: &'static str) -> Option<Range<usize>> {
        let start = self.pos;
        let len = usize::from(u16::from_be_bytes(self.take::<2>(name)?));
        if self.left() < len {
            self.says_too_much(name, len);
            return None;
        }
        self.pos += len;
        Some(start + 2..self.pos)
    }

    /// Takes what is left, with the two bytes that say that `len` follow.
    #[cold]
    #[inline(never)]
    fn says_too_much(&mut self, name: &'static str, len: usize) {
        let text = format!("{name} says that it has {}, {} left", count(len), are(self.left()));
        let start = self.pos - 2;
        self.too_early(*self.short, start..start + 2, text);
        self.pos = start;
        self.rest(name);
    }

    #[inline]
    pub fn binary(&mut self, into: &mut Bytes, name: &'static str) -> Option<()> {
        let start = self.pos;
        *into = self.bare_bytes(name)?;
        self.field(name, || Value::Binary(into.clone()), start);
        Some(())
    }

    /// What is left, without a field.
    #[inline]
    pub fn bare_rest(&mut self) -> Bytes {
        let bytes = self.data.slice(self.pos..self.end);
        self.pos = self.end;
        bytes
    }

    /// The span of the first field called `name`; empty and here if there is none.
    pub fn span_of(&self, name: &str) -> Range<usize> {
        let found = self.notes.fields.iter().find(|f| f.name == name);
        found.map_or(self.pos..self.pos, |f| f.span.clone())
    }

    /// A packet identifier, which is never 0.
    #[inline]
    pub fn packet_id(&mut self, packet_type: PacketType) -> Option<u16> {
        let start = self.pos;
        let id = self.u16("packet_id")?;
        if id == 0 {
            let rule = ids::packet_id(packet_type, self.from);
            self.breach(rule, start..start + 2, "the packet identifier is 0");
        }
        Some(id)
    }

    /// Runs `read` with the end of the part `len` bytes from here, or where the part ends if that is earlier.
    pub fn within<T>(&mut self, len: usize, short: &'static PerVersion, read: impl FnOnce(&mut Self) -> T) -> T {
        let (outer_end, outer_short) = (self.end, self.short);
        self.end = self.end.min(self.pos + len);
        self.short = short;
        let result = read(self);
        self.end = outer_end;
        self.short = outer_short;
        result
    }

    /// The end of the packet: nothing may follow. The packet is whole even if something does.
    #[inline]
    pub fn finish(&mut self, rule: PerVersion) -> Option<()> {
        if self.left() > 0 {
            self.surplus(rule);
        }
        Some(())
    }

    #[cold]
    #[inline(never)]
    fn surplus(&mut self, rule: PerVersion) {
        let left = self.left();
        if let Some(span) = self.rest("extra bytes") {
            let text = format!("{} after the last field of the packet", count(left));
            self.breach(rule, span, text);
        }
    }

    /// Whether `len` bytes are left; if not, notes that a length at `span` promises more.
    pub fn has(&mut self, len: usize, rule: PerVersion, span: Range<usize>, name: &str) -> bool {
        if self.left() >= len {
            return true;
        }
        let text = format!("{name} is {len}, but {} left", are(self.left()));
        self.too_early(rule, span, text);
        false
    }
}

fn count(n: usize) -> String {
    if n == 1 {
        "1 byte".to_owned()
    } else {
        format!("{n} bytes")
    }
}

fn are(n: usize) -> String {
    match n {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        n => format!("{n} are"),
    }
}
