//! A window that moves over a file: what a record parser looks at, without the file in memory.

use std::io::{self, Read};

/// How much is read at once.
const STEP: usize = 256 * 1024;
/// The longest record. One that says it is longer is damaged: no link has such packets.
pub const LONGEST: usize = 16 * 1024 * 1024;

/// Bytes of a reader, seen through a buffer that grows only with records that are really there.
pub struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Position of `start` in the file.
    offset: u64,
    at_end: bool,
}

impl<R: Read> Window<R> {
    pub fn new(reader: R) -> Window<R> {
        Window {
            reader,
            buffer: vec![0; STEP],
            start: 0,
            end: 0,
            offset: 0,
            at_end: false,
        }
    }

    /// The position in the file, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is in view, after making sure of `wanted` bytes if the file has them.
    ///
    /// # Errors
    /// The reader's own.
    pub fn view(&mut self, wanted: usize) -> io::Result<&[u8]> {
        while self.end - self.start < wanted && !self.at_end {
            self.more(wanted)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// The first `len` bytes, which must be in view, and moves on behind them.
    pub fn take(&mut self, len: usize) -> &[u8] {
        let start = self.start;
        self.start += len;
        self.offset += len as u64;
        &self.buffer[start..start + len]
    }

    fn more(&mut self, wanted: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < wanted && self.end == self.buffer.len() {
            // Only when full, and to no more than twice of what is there: a length that lies costs nothing.
            let len = wanted.min(2 * self.buffer.len());
            self.buffer.resize(len, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(n) => self.end += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some(byte) = self.0.get(self.1) else { return Ok(0) };
            into[0] = *byte;
            self.1 += 1;
            Ok(1)
        }
    }

    #[test]
    fn a_view_is_as_long_as_wanted_or_as_the_file() {
        let mut window = Window::new(Slow((0..10).collect(), 0));
        assert_eq!(window.view(4).unwrap(), [0, 1, 2, 3]);
        assert_eq!(window.take(3), [0, 1, 2]);
        assert_eq!(window.offset(), 3);
        assert_eq!(window.view(20).unwrap(), [3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_record_longer_than_the_buffer_comes_whole() {
        let data: Vec<u8> = (0..3 * STEP).map(|i| i as u8).collect();
        let mut window = Window::new(&data[..]);
        window.view(1).unwrap();
        window.take(1);
        assert_eq!(window.view(2 * STEP).unwrap()[..2 * STEP], data[1..=2 * STEP]);
    }

    #[test]
    fn a_length_that_lies_costs_nothing() {
        let mut window = Window::new(&[1u8, 2, 3][..]);
        assert_eq!(window.view(LONGEST).unwrap().len(), 3);
        assert!(window.buffer.len() <= 2 * STEP);
    }
}
