//! One direction of a connection: what is delivered, what waits, and where.
//!
//! Sequence numbers are counted in 64 bits from an arbitrary start, so that they never wrap here.

use std::collections::BTreeMap;
use std::time::Duration;

/// Where sequence numbers start here, so that what comes before the first is still positive.
const START: u64 = 1 << 33;

/// One direction.
#[derive(Debug, Default)]
pub struct Half {
    /// The next byte to be delivered; `None` before anything is known of this direction.
    pub next: Option<u64>,
    first: Option<u64>,
    /// A segment was seen in this direction.
    pub seen: bool,
    /// The other side has said that it has everything before this.
    pub acked: u64,
    /// What was reported up to here may be written before it: an unknown number of bytes is missing.
    pub excused: u64,
    /// Nothing is delivered yet, and where it begins was taken from a segment without data.
    pub tentative: bool,
    /// The position of the FIN.
    pub fin: Option<u64>,
    pub fin_done: bool,
    /// Segments that cannot be delivered yet, by position.
    pub waiting: BTreeMap<u64, Held>,
    /// The bytes in `waiting`.
    pub held: usize,
}

/// A segment that waits.
#[derive(Debug)]
pub struct Held {
    pub frame: u64,
    pub at: Duration,
    pub bytes: Vec<u8>,
    /// Bytes behind them that the capture cut off.
    pub cut: u32,
    pub fin: bool,
    /// The other direction must be delivered up to here first.
    pub after: u64,
}

impl Held {
    pub fn end(&self, start: u64) -> u64 {
        start + self.bytes.len() as u64 + u64::from(self.cut) + u64::from(self.fin)
    }
}

impl Half {
    /// A sequence number of the wire in 64 bits: the one nearest to where this direction is.
    pub fn position(&self, seq: u32) -> u64 {
        match self.next {
            None => START + u64::from(seq),
            Some(next) => next.saturating_add_signed(i64::from(seq.wrapping_sub(next as u32) as i32)),
        }
    }

    /// Sets where this direction begins, if that is not known; `certain` if a SYN says so.
    pub fn begin(&mut self, seq: u32, certain: bool) {
        let first = *self.next.get_or_insert(START + u64::from(seq));
        if self.acked == 0 {
            self.acked = first;
            self.tentative = !certain;
        }
        if certain && first == self.position(seq) {
            self.first = Some(first);
            self.tentative = false;
        }
    }

    /// Whether a SYN whose first byte has this number begins something else than this.
    pub fn is_other_than(&self, seq: u32) -> bool {
        let known = self.first.or(self.next);
        known.is_some_and(|first| first != self.position(seq))
    }

    /// Whether everything before `position` is delivered, or is not waited for.
    pub fn is_past(&self, position: u64) -> bool {
        self.fin_done || position <= self.excused || self.next.is_none_or(|next| next >= position)
    }

    /// Keeps a segment for later. Of two at one position the longer one stays.
    pub fn hold(&mut self, start: u64, held: Held) {
        if let Some(known) = self.waiting.get(&start) {
            if known.end(start) >= held.end(start) {
                return;
            }
            self.held -= known.bytes.len();
        }
        self.held += held.bytes.len();
        self.waiting.insert(start, held);
    }

    /// Takes the first segment that waits.
    pub fn take_first(&mut self) -> Option<(u64, Held)> {
        let (start, held) = self.waiting.pop_first()?;
        self.held -= held.bytes.len();
        Some((start, held))
    }

    /// Where the gap ends at which this direction is: at the first segment that waits behind it.
    pub fn hole(&self) -> Option<u64> {
        let start = *self.waiting.first_key_value()?.0;
        (start > self.next?).then_some(start)
    }

    /// Up to where the other side has bytes that were not seen.
    pub fn unseen(&self) -> Option<u64> {
        let end = self.fin.map_or(self.acked, |fin| self.acked.min(fin));
        (end > self.next?).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_wrap() {
        let mut half = Half::default();
        half.begin(0xffff_fff0, true);
        let at = half.next.unwrap();
        assert_eq!(half.position(0xffff_ffff), at + 15);
        assert_eq!(half.position(0x10), at + 32);
        assert_eq!(half.position(0xffff_ff00), at - 240);
    }

    fn held(bytes: &[u8]) -> Held {
        Held {
            frame: 1,
            at: Duration::ZERO,
            bytes: bytes.to_vec(),
            cut: 0,
            fin: false,
            after: 0,
        }
    }

    #[test]
    fn of_two_segments_at_one_place_the_longer_one_waits() {
        let mut half = Half::default();
        half.begin(100, true);
        let at = half.next.unwrap() + 10;
        half.hold(at, held(b"abc"));
        half.hold(at, held(b"abcde"));
        half.hold(at, held(b"ab"));
        assert_eq!(half.held, 5);
        assert_eq!(half.hole(), Some(at));
        assert_eq!(half.take_first().map(|(_, h)| h.bytes), Some(b"abcde".to_vec()));
        assert_eq!(half.held, 0);
    }
}
