//! TCP: segments as they were captured → for each connection its bytes in order, with what is missing named.
//!
//! Segments may come reordered, overlapping, more than once, with the sequence number wrapping, from the middle of a
//! connection, from one side alone or with gaps. What comes out keeps cause before effect across both directions: a
//! segment that acknowledges bytes is held until those bytes are out.

mod half;
mod pair;
mod table;

pub use pair::{Item, Part};
pub use table::{Table, User};

/// One of the two directions of a connection: from its first address, or from its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    There,
    Back,
}

impl Way {
    /// The other one.
    pub fn other(self) -> Way {
        match self {
            Way::There => Way::Back,
            Way::Back => Way::There,
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}
