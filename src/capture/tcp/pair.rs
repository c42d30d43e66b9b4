//! One connection: segments of both directions → their bytes in an order in which each could have caused the next.

use std::time::Duration;

use super::Way;
use super::half::{Half, Held};
use crate::capture::Place;
use crate::capture::link::Segment;

/// This much may wait for a lost segment, in bytes of one connection. What waits longer was lost by the capture.
const HELD_MOST: usize = 2 * 1024 * 1024;
/// The same in segments.
const SEGMENTS_MOST: usize = 4096;
/// Bytes that the receiver has and the capture has not are awaited for this many more packets of the connection
/// (several interfaces captured at once bring packets out of order) ...
const FRAMES: u32 = 32;
/// ... or for so long.
const TIME: Duration = Duration::from_millis(500);
/// A segment or an acknowledgement that is farther ahead belongs to something else.
const FAR: u64 = 1 << 26;

/// What comes out of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    pub way: Way,
    /// That of the packet that it came with; of a gap, of the packet that showed it.
    pub place: Place,
    pub what: Part<'a>,
}

/// The next of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    Bytes(&'a [u8]),
    /// This many bytes are missing. 0: some are, how many cannot be decided yet or at all, and the next bytes may
    /// follow the last ones without a gap.
    Gap(u64),
    /// The end of this direction.
    Fin,
    /// The end of the connection.
    Reset,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Pair {
    halves: [Half; 2],
    /// Who sent the first SYN, or got the SYN+ACK.
    opener: Option<Way>,
    stuck: Option<Stuck>,
    closed: bool,
}

/// Since when something is missing that the receiver has.
#[derive(Debug, Clone, Copy)]
struct Stuck {
    frames: u32,
    since: Duration,
}

impl Pair {
    /// Who opened the connection, if that was seen.
    pub fn opener(&self) -> Option<Way> {
        self.opener
    }

    /// Who opens the connection by this segment, if it is a SYN.
    pub fn opener_by(way: Way, segment: &Segment) -> Option<Way> {
        let answers = segment.ack.is_some();
        segment.syn.then_some(if answers { way.other() } else { way })
    }

    /// Whether both directions have ended, or one was reset.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether this direction has everything before the end of this segment, so that it brings nothing new.
    pub fn is_old(&self, way: Way, segment: &Segment) -> bool {
        let half = &self.halves[way.index()];
        let end = half.position(segment.seq) + segment.payload.len() as u64;
        half.next.is_some_and(|next| end <= next)
    }

    /// Whether a SYN begins another connection than this one.
    pub fn is_another(&self, way: Way, segment: &Segment) -> bool {
        self.halves[way.index()].is_other_than(segment.seq.wrapping_add(1))
    }

    /// Takes the next segment, and gives what it completes to `out`.
    pub fn take(&mut self, way: Way, segment: &Segment, frame: u64, at: Duration, out: &mut impl FnMut(Item<'_>)) {
        let place = Place {
            frame,
            at,
            heard: true,
            arrived: false,
        };
        let (mine, theirs) = (way.index(), way.other().index());
        let first = segment.seq.wrapping_add(u32::from(segment.syn));
        self.opener = self.opener.or(Pair::opener_by(way, segment));
        self.halves[mine].begin(first, segment.syn);
        self.halves[mine].seen = true;
        let mut after = 0;
        if let Some(ack) = segment.ack {
            let half = &mut self.halves[theirs];
            half.begin(ack, segment.syn);
            let position = half.position(ack);
            if half.next.is_some_and(|next| position < next + FAR) {
                half.acked = half.acked.max(position);
                after = position;
            }
        }
        if !segment.payload.is_empty() || segment.cut > 0 || segment.fin {
            self.data(way, segment, first, after, place, out);
        }
        if segment.rst {
            self.force_all(place, out);
            out(item(way, place, Part::Reset));
            self.closed = true;
            return;
        }
        if !self.is_idle() {
            self.drain(place, out);
            self.lose_patience(place, out);
        }
        self.closed = self.halves.iter().all(|h| h.fin_done);
    }

    /// The capture ends, or another connection begins: gives out what still waits.
    pub fn finish(&mut self, frame: u64, at: Duration, out: &mut impl FnMut(Item<'_>)) {
        let place = Place {
            frame,
            at,
            heard: true,
            arrived: false,
        };
        self.force_all(place, out);
        for way in [Way::There, Way::Back] {
            let half = &mut self.halves[way.index()];
            if let (Some(next), Some(end)) = (half.next, half.unseen()) {
                half.next = Some(end);
                out(item(way, place, Part::Gap(end - next)));
            }
        }
        self.closed = true;
    }

    fn is_idle(&self) -> bool {
        self.stuck.is_none()
            && self
                .halves
                .iter()
                .all(|h| h.waiting.is_empty() && h.acked <= h.next.unwrap_or(0))
    }

    fn data(&mut self, way: Way, s: &Segment, first: u32, after: u64, place: Place, out: &mut impl FnMut(Item<'_>)) {
        let half = &mut self.halves[way.index()];
        let start = half.position(first);
        let bytes_end = start + s.payload.len() as u64;
        let Some(next) = half.next else { return };
        if half.tentative && start == next + 1 {
            // The first packet was a keep-alive probe, which lies one byte back.
            half.next = Some(start);
        }
        half.tentative = false;
        let next = half.next.unwrap_or(start);
        if start > next + FAR && half.acked < start {
            return;
        }
        if s.fin {
            half.fin.get_or_insert(bytes_end + u64::from(s.cut));
        }
        let is_next = start <= next && next < bytes_end && half.waiting.is_empty();
        if is_next && s.cut == 0 && !s.fin && self.may_pass(way, after, place, out) {
            let half = &mut self.halves[way.index()];
            half.next = Some(bytes_end);
            let arrived = half.acked >= next;
            let heard = self.has_heard(way, after);
            let place = Place {
                heard,
                arrived,
                ..place
            };
            out(item(way, place, Part::Bytes(&s.payload[(next - start) as usize..])));
            return;
        }
        let held = Held {
            frame: place.frame,
            at: place.at,
            bytes: s.payload.to_vec(),
            cut: s.cut,
            fin: s.fin,
            after,
        };
        let half = &mut self.halves[way.index()];
        if held.end(start) > next {
            half.hold(start, held);
            self.drain(place, out);
        }
    }

    /// Whether what acknowledges the other direction up to `after` may come out. A direction of which nothing was seen
    /// has a gap there.
    fn may_pass(&mut self, way: Way, after: u64, place: Place, out: &mut impl FnMut(Item<'_>)) -> bool {
        let other = &mut self.halves[way.other().index()];
        if other.is_past(after) {
            return true;
        }
        match (other.seen, other.next) {
            (false, Some(next)) => {
                other.next = Some(after);
                out(item(way.other(), place, Part::Gap(after - next)));
                true
            }
            _ => false,
        }
    }

    /// Gives out what can come now.
    fn drain(&mut self, place: Place, out: &mut impl FnMut(Item<'_>)) {
        loop {
            let mut progress = false;
            for way in [Way::There, Way::Back] {
                while self.first_is_due(way, place, out) {
                    self.deliver_first(way, out);
                    progress = true;
                }
            }
            if !progress {
                return;
            }
        }
    }

    fn first_is_due(&mut self, way: Way, place: Place, out: &mut impl FnMut(Item<'_>)) -> bool {
        let half = &self.halves[way.index()];
        let (Some((&start, held)), Some(next)) = (half.waiting.first_key_value(), half.next) else {
            return false;
        };
        let (end, after) = (held.end(start), held.after);
        start <= next && (end <= next || self.may_pass(way, after, place, out))
    }

    /// Whether who acknowledges up to `after` has all that came out of the other direction.
    fn has_heard(&self, way: Way, after: u64) -> bool {
        self.halves[way.other().index()].next.is_none_or(|next| next <= after)
    }

    fn deliver_first(&mut self, way: Way, out: &mut impl FnMut(Item<'_>)) {
        let half = &mut self.halves[way.index()];
        let Some(next) = half.next else { return };
        let Some((start, held)) = half.take_first() else { return };
        let place = Place {
            frame: held.frame,
            at: held.at,
            heard: self.has_heard(way, held.after),
            arrived: self.halves[way.index()].acked >= next,
        };
        let half = &mut self.halves[way.index()];
        if held.end(start) <= next {
            return;
        }
        half.next = Some(held.end(start));
        let bytes_end = start + held.bytes.len() as u64;
        if next < bytes_end {
            out(item(way, place, Part::Bytes(&held.bytes[(next - start) as usize..])));
        }
        if held.cut > 0 {
            let missing = bytes_end + u64::from(held.cut) - next.max(bytes_end);
            out(item(way, place, Part::Gap(missing)));
        }
        if held.fin {
            half.fin_done = true;
            out(item(way, place, Part::Fin));
        }
    }

    /// Ends the wait for what will not come.
    fn lose_patience(&mut self, place: Place, out: &mut impl FnMut(Item<'_>)) {
        loop {
            let too_much = self
                .halves
                .iter()
                .any(|h| h.held > HELD_MOST || h.waiting.len() > SEGMENTS_MOST);
            let lost = self
                .halves
                .iter()
                .any(|h| h.unseen().is_some_and(|end| end > h.excused));
            if !lost && !too_much {
                self.stuck = None;
                return;
            }
            let stuck = self.stuck.get_or_insert(Stuck {
                frames: 0,
                since: place.at,
            });
            stuck.frames += 1;
            let late = stuck.frames > FRAMES || place.at.saturating_sub(stuck.since) > TIME;
            if !(too_much || late && lost) || !self.force_one(place, out) {
                return;
            }
            self.drain(place, out);
        }
    }

    fn force_all(&mut self, place: Place, out: &mut impl FnMut(Item<'_>)) {
        self.drain(place, out);
        while self.halves.iter().any(|h| !h.waiting.is_empty()) {
            if !self.force_one(place, out) {
                return;
            }
            self.drain(place, out);
        }
    }

    /// Removes one reason to wait: the gap that the receiver does not have first, then any other.
    fn force_one(&mut self, place: Place, out: &mut impl FnMut(Item<'_>)) -> bool {
        let holes = [Way::There, Way::Back].map(|way| {
            let half = &self.halves[way.index()];
            half.hole().map(|end| (half.unseen().is_none(), end, way))
        });
        if let Some((_, end, way)) = holes.into_iter().flatten().min() {
            let half = &mut self.halves[way.index()];
            let next = half.next.replace(end).unwrap_or(end);
            out(item(way, place, Part::Gap(end - next)));
            return true;
        }
        // The other side has bytes of which nothing is here, not even what follows them.
        for way in [Way::There, Way::Back] {
            let half = &mut self.halves[way.index()];
            if let Some(end) = half.unseen().filter(|end| *end > half.excused) {
                half.excused = end;
                out(item(way, place, Part::Gap(0)));
                return true;
            }
        }
        // Each side acknowledges what the other has not said yet: the file was edited. The earlier packet goes first.
        let first = [Way::There, Way::Back]
            .into_iter()
            .filter_map(|way| Some((self.halves[way.index()].waiting.first_key_value()?.1.frame, way)))
            .min();
        match first {
            Some((_, way)) => {
                self.deliver_first(way, out);
                true
            }
            None => false,
        }
    }
}

fn item(way: Way, place: Place, what: Part<'_>) -> Item<'_> {
    Item { way, place, what }
}
