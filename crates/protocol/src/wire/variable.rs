//! The Variable Byte Integer (5.0, section 1.5.5), which is also the Remaining Length of every version.

use bytes::Bytes;

/// What is at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    /// A value and the number of its bytes, 1 to 4; more than the value needs are taken too.
    Value { value: u32, len: usize },
    /// The bytes end before the number does.
    Incomplete,
    /// The fourth byte says that a fifth follows.
    TooLong,
}

#[inline]
pub(super) fn read_variable(bytes: &[u8]) -> Variable {
    match bytes.first() {
        // What most are.
        Some(&byte @ 0..0x80) => Variable::Value {
            value: byte.into(),
            len: 1,
        },
        _ => read_long(bytes),
    }
}

fn read_long(bytes: &[u8]) -> Variable {
    let mut value = 0;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Variable::Value { value, len: i + 1 };
        }
    }
    if bytes.len() < 4 {
        Variable::Incomplete
    } else {
        Variable::TooLong
    }
}

/// The canonical bytes of `n`: as few as it needs. Above [`VARIABLE_MAX`](super::VARIABLE_MAX) they are five, which is
/// malformed.
pub fn encode_variable(n: u32) -> Bytes {
    let mut bytes = Vec::with_capacity(5);
    let mut left = n;
    loop {
        let low = (left & 0x7f) as u8;
        left >>= 7;
        if left == 0 {
            bytes.push(low);
            return bytes.into();
        }
        bytes.push(low | 0x80);
    }
}

/// How many bytes the canonical form of `n` has.
pub(super) fn variable_len(n: u32) -> usize {
    match n {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The edges of table 1-1.
    #[test]
    fn the_edges_of_the_standard() {
        let edges: [(u32, &[u8]); 8] = [
            (0, &[0x00]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xff, 0xff, 0xff, 0x7f]),
        ];
        for (value, bytes) in edges {
            assert_eq!(encode_variable(value), bytes);
            assert_eq!(variable_len(value), bytes.len());
            let len = bytes.len();
            assert_eq!(read_variable(bytes), Variable::Value { value, len });
            assert_eq!(read_variable(&bytes[..len - 1]), Variable::Incomplete);
        }
        assert_eq!(read_variable(&[0xff, 0xff, 0xff, 0xff, 0x01]), Variable::TooLong);
        assert_eq!(read_variable(&[0x80, 0x00]), Variable::Value { value: 0, len: 2 });
        assert_eq!(encode_variable(u32::MAX).len(), 5);
    }
}
