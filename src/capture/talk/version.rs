//! Which version a connection speaks whose CONNECT was not seen.

use crate::statements::Version;
use crate::wire::{Decoded, Frame, Side, check, decode};

/// The versions that still fit everything that came. 3.1 differs from 3.1.1 in nothing that can be seen in the middle.
#[derive(Debug)]
pub struct Guess {
    fits: [(Version, bool); 2],
}

impl Default for Guess {
    fn default() -> Guess {
        Guess {
            fits: [(Version::V3_1_1, true), (Version::V5, true)],
        }
    }
}

impl Guess {
    /// Reads the next packet at the version that fits best.
    pub fn decode(&mut self, frame: &Frame, side: Side) -> (Version, Decoded) {
        let read = self.fits.map(|(version, fits)| {
            let fits = fits && check(frame, version, side).breaches.is_empty();
            (version, fits)
        });
        // A packet that is wrong at both says nothing about which one it is.
        if read.iter().any(|(_, fits)| *fits) {
            self.fits = read;
        }
        let best = self.fits.iter().position(|(_, fits)| *fits).unwrap_or(0);
        let version = self.fits[best].0;
        (version, decode(frame, version, side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    fn read(guess: &mut Guess, bytes: &[u8]) -> (Version, usize) {
        let frame = Frame::loose(bytes.to_vec()).unwrap();
        let (version, decoded) = guess.decode(&frame, Side::Server);
        (version, decoded.breaches.len())
    }

    #[test]
    fn the_first_packet_that_fits_one_version_alone_decides() {
        let mut guess = Guess::default();
        assert_eq!(read(&mut guess, &[0xd0, 0]), (Version::V3_1_1, 0));
        // CONNACK with properties.
        assert_eq!(read(&mut guess, &[0x20, 3, 0, 0, 0]), (Version::V5, 0));
        assert_eq!(read(&mut guess, &[0xd0, 0]), (Version::V5, 0));
        // Wrong at both, or at the one that is left.
        assert_eq!(read(&mut guess, &[0xd1, 0]), (Version::V5, 1));
        assert_eq!(read(&mut guess, &[0x20, 2, 0, 0]).0, Version::V5);
    }
}
