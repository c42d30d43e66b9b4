//! How late the harness itself is: on a machine that is too busy, a timing experiment proves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the meter looks.
const TICK: Duration = Duration::from_millis(10);

/// Measures how much later than asked for this process gets the processor. One meter serves a whole run.
#[derive(Debug, Clone)]
pub struct Lateness(Arc<Meter>);

#[derive(Debug)]
struct Meter {
    began: Instant,
    /// The latest that was seen in each slot of [`SLOT`], in microseconds; a ring.
    slots: Vec<AtomicU64>,
    over: AtomicBool,
}

const SLOT: Duration = Duration::from_millis(250);
/// The ring holds two minutes, longer than any case may take.
const SLOTS: usize = 480;

impl Lateness {
    /// Starts to measure, as a task of the current runtime.
    pub fn start() -> Lateness {
        let meter = Arc::new(Meter {
            began: Instant::now(),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            over: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&meter);
        tokio::spawn(async move {
            let mut due = Instant::now() + TICK;
            loop {
                tokio::time::sleep_until(due.into()).await;
                let now = Instant::now();
                let Some(meter) = weak.upgrade() else { return };
                if meter.over.load(Ordering::Relaxed) {
                    return;
                }
                meter.note(now, now.saturating_duration_since(due));
                due = now + TICK;
            }
        });
        Lateness(meter)
    }

    /// The greatest lateness seen since `from`.
    pub fn since(&self, from: Instant) -> Duration {
        self.0.worst(from, Instant::now())
    }
}

impl Meter {
    fn slot(&self, at: Instant) -> u64 {
        (at.saturating_duration_since(self.began).as_millis() / SLOT.as_millis()) as u64
    }

    fn note(&self, now: Instant, late: Duration) {
        let slot = self.slot(now);
        // The lateness is kept in the slot's low bits behind the slot's own number, so that an old turn of the ring is
        // not taken for a new one.
        let late = (late.as_micros() as u64).min(LATE_MASK);
        let cell = &self.slots[slot as usize % SLOTS];
        let old = cell.load(Ordering::Relaxed);
        let kept = if old >> LATE_BITS == slot { old & LATE_MASK } else { 0 };
        cell.store((slot << LATE_BITS) | kept.max(late), Ordering::Relaxed);
    }

    fn worst(&self, from: Instant, to: Instant) -> Duration {
        let first = self.slot(from).max(self.slot(to).saturating_sub(SLOTS as u64 - 1));
        (first..=self.slot(to))
            .map(|slot| self.slots[slot as usize % SLOTS].load(Ordering::Relaxed))
            .zip(first..)
            .filter(|(cell, slot)| cell >> LATE_BITS == *slot)
            .map(|(cell, _)| Duration::from_micros(cell & LATE_MASK))
            .max()
            .unwrap_or_default()
    }
}

const LATE_BITS: u32 = 36;
const LATE_MASK: u64 = (1 << LATE_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_span_is_found_and_old_turns_are_not() {
        let began = Instant::now();
        let meter = Meter {
            began,
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            over: AtomicBool::new(false),
        };
        let at = |slot: u32| began + SLOT * slot + Duration::from_millis(1);
        meter.note(at(0), Duration::from_millis(80));
        meter.note(at(3), Duration::from_millis(5));
        meter.note(at(3), Duration::from_millis(2));
        assert_eq!(meter.worst(at(0), at(4)), Duration::from_millis(80));
        assert_eq!(meter.worst(at(1), at(4)), Duration::from_millis(5));
        assert_eq!(meter.worst(at(4), at(4)), Duration::ZERO);
        // One turn of the ring later the first slot is another one.
        meter.note(at(SLOTS as u32 + 3), Duration::from_millis(1));
        assert_eq!(
            meter.worst(at(SLOTS as u32 + 3), at(SLOTS as u32 + 3)),
            Duration::from_millis(1)
        );
    }
}
