//! The mask of a client's frames (RFC 6455, section 5.3): it keeps caches between the two sides from being poisoned.

use std::hash::{BuildHasher, RandomState};

/// A mask, and how far into its payload it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mask {
    key: [u8; 4],
    at: usize,
}

impl Mask {
    pub(super) fn of(key: [u8; 4]) -> Mask {
        Mask { key, at: 0 }
    }

    /// A mask that the other side of a connection does not know beforehand.
    pub(super) fn random() -> Mask {
        // Each `RandomState` has keys of its own.
        let random = RandomState::new().hash_one(0u8) as u32;
        Mask::of(random.to_ne_bytes())
    }

    pub(super) fn key(self) -> [u8; 4] {
        self.key
    }

    /// Masks or unmasks the next bytes of the payload.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        let mut key = self.key;
        key.rotate_left(self.at);
        self.at = (self.at + bytes.len()) % 4;
        let mut words = bytes.chunks_exact_mut(4);
        for word in &mut words {
            for (byte, mask) in word.iter_mut().zip(key) {
                *byte ^= mask;
            }
        }
        for (byte, mask) in words.into_remainder().iter_mut().zip(key) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_goes_on_wherever_the_payload_is_cut() {
        let payload: Vec<u8> = (0..=40).collect();
        let key = [0x12, 0x34, 0x56, 0x78];
        let expected: Vec<u8> = payload.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
        for cut in 0..payload.len() {
            let mut masked = payload.clone();
            let mut mask = Mask::of(key);
            let (a, b) = masked.split_at_mut(cut);
            mask.apply(a);
            mask.apply(b);
            assert_eq!(masked, expected, "cut at {cut}");
        }
    }
}
