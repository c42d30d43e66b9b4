//! The cost of the parts that process every byte: decoding, encoding, splitting, rules, matching. Other codecs run over the
//! same packets for comparison.
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
