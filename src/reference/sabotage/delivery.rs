use super::Act;
pub const ACTS: &[Act] = &[];
