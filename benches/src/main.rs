//! What the parts cost that work on every byte: decoding, encoding, splitting, rules, matching. Beside the codec run others,
//! over the same packets in the same run.
//!
//! Every figure of a codec is for [`input::COUNT`] packets.

mod decode;
mod encode;
mod frames;
mod input;
mod judge;

fn main() {
    divan::main();
}
