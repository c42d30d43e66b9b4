//! How late the harness itself is: on a machine that is too busy, a timing experiment proves nothing. The same holds if
//! the disk is too busy: a broker that keeps its sessions on it answers when they are written.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How often the meter looks.
const TICK: Duration = Duration::from_millis(10);

/// How often the meter writes a byte to the disk.
const WRITES: Duration = Duration::from_millis(40);
/// When it begins again at the file's start.
const WRITTEN_MAX: u64 = 4096;

/// Measures how much later than asked for this process gets the processor, and how long a small write takes where
/// brokers have their folders. One meter serves a whole run.
#[derive(Debug, Clone)]
pub struct Lateness(Arc<Meter>);

#[derive(Debug)]
struct Meter {
    began: Instant,
    /// The latest that was seen in each slot of [`SLOT`], in microseconds; a ring.
    slots: Vec<AtomicU64>,
    /// When what each of [`Awaited`] waits for has to be there, in microseconds since `began`.
    due: [AtomicU64; 2],
}

/// What the meter waits for.
#[derive(Debug, Clone, Copy)]
enum Awaited {
    Processor,
    Disk,
}

const SLOT: Duration = Duration::from_millis(250);
/// The ring holds two minutes, longer than any case may take.
const SLOTS: usize = 480;

impl Lateness {
    /// Starts measuring, as a task of the current runtime and as a thread. If there is no folder for temporary files,
    /// the disk is not measured; no broker is started there either.
    pub fn start() -> Lateness {
        let meter = Arc::new(Meter {
            began: Instant::now(),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            due: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
        });
        let weak = Arc::downgrade(&meter);
        if let Ok(file) = tempfile::tempfile() {
            let weak = weak.clone();
            let _ = std::thread::Builder::new()
                .name("disk meter".to_owned())
                .spawn(move || watch_disk(&weak, file));
        }
        tokio::spawn(async move {
            let mut due = Instant::now() + TICK;
            loop {
                tokio::time::sleep_until(due.into()).await;
                let now = Instant::now();
                let Some(meter) = weak.upgrade() else { return };
                meter.note(now, now.saturating_duration_since(due));
                due = now + TICK;
                meter.await_until(Awaited::Processor, due);
            }
        });
        Lateness(meter)
    }

    /// The greatest lateness seen since `from`.
    pub fn since(&self, from: Instant) -> Duration {
        let now = Instant::now();
        self.0.worst(from, now).max(self.0.overdue(now))
    }
}

/// Writes until no one measures any more, or until it cannot be measured: a full disk shows in another way.
fn watch_disk(meter: &Weak<Meter>, mut file: File) {
    while let Some(held) = meter.upgrade() {
        let began = Instant::now();
        held.await_until(Awaited::Disk, began);
        let written = write_one(&mut file);
        let now = Instant::now();
        held.note(now, now - began);
        if written.is_err() {
            held.awaits_nothing(Awaited::Disk);
            return;
        }
        held.await_until(Awaited::Disk, now + WRITES);
        drop(held);
        std::thread::sleep(WRITES);
    }
}

fn write_one(file: &mut File) -> io::Result<()> {
    file.write_all(&[0])?;
    if file.stream_position()? >= WRITTEN_MAX {
        file.set_len(0)?;
        file.rewind()?;
    }
    Ok(())
}

impl Meter {
    fn slot(&self, at: Instant) -> u64 {
        (at.saturating_duration_since(self.began).as_millis() / SLOT.as_millis()) as u64
    }

    fn note(&self, now: Instant, late: Duration) {
        let slot = self.slot(now);
        // The lateness is kept in the slot's low bits behind the slot's own number: a later turn of the ring is the
        // greater one, and in the same turn the greater lateness.
        let late = (late.as_micros() as u64).min(LATE_MASK);
        self.slots[slot as usize % SLOTS].fetch_max((slot << LATE_BITS) | late, Ordering::Relaxed);
    }

    /// What is awaited is due at `at`: until [`Meter::note`] learns of it, it may be late already.
    fn await_until(&self, which: Awaited, at: Instant) {
        let due = at.saturating_duration_since(self.began).as_micros() as u64;
        self.due[which as usize].store(due, Ordering::Relaxed);
    }

    fn awaits_nothing(&self, which: Awaited) {
        self.due[which as usize].store(u64::MAX, Ordering::Relaxed);
    }

    /// How late what is awaited is already.
    fn overdue(&self, now: Instant) -> Duration {
        let now = now.saturating_duration_since(self.began);
        let due = self
            .due
            .iter()
            .map(|due| Duration::from_micros(due.load(Ordering::Relaxed)));
        due.map(|due| now.saturating_sub(due)).max().unwrap_or_default()
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
    fn what_is_awaited_and_does_not_come_is_late_already() {
        let began = Instant::now();
        let meter = Meter {
            began,
            slots: Vec::new(),
            due: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
        };
        let at = |ms: u64| began + Duration::from_millis(ms);
        assert_eq!(meter.overdue(at(5_000)), Duration::ZERO);
        meter.await_until(Awaited::Disk, at(40));
        assert_eq!(meter.overdue(at(30)), Duration::ZERO);
        assert_eq!(meter.overdue(at(2_040)), Duration::from_secs(2));
        meter.awaits_nothing(Awaited::Disk);
        assert_eq!(meter.overdue(at(2_040)), Duration::ZERO);
    }

    #[test]
    fn the_worst_of_a_span_is_found_and_old_turns_are_not() {
        let began = Instant::now();
        let meter = Meter {
            began,
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            due: [AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)],
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
