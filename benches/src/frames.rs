//! A stream of bytes → packets as bytes, cut in several ways.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use mqttspec::wire::Splitter;

use crate::input::input;

/// Small packets in chunks of the given number of bytes.
#[divan::bench(args = [1, 100, 1500, 65_536])]
fn small_packets(bencher: Bencher, chunk: usize) {
    let stream = input("publish v5").stream.repeat(10);
    bencher.counter(BytesCount::of_slice(&stream)).bench_local(|| {
        let mut splitter = Splitter::new();
        for chunk in stream.chunks(chunk) {
            black_box(splitter.push(chunk));
        }
    });
}

/// A packet too long to be kept whole: its head, its tail and its digests.
#[divan::bench]
fn one_packet_of_16_mb(bencher: Bencher) {
    let mut stream = vec![0x30, 0x80, 0x80, 0x80, 0x08, 0x00, 0x01, b'a'];
    stream.resize(5 + (16 << 20), b'x');
    bencher.counter(BytesCount::of_slice(&stream)).bench_local(|| {
        let mut splitter = Splitter::new();
        let found: usize = stream.chunks(65_536).map(|chunk| splitter.push(chunk).len()).sum();
        assert_eq!(found, 1);
    });
}
