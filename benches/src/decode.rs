//! A stream of packets → packets. Each codec gets the stream in its preferred form; `mqtt_proto`, which does not report where
//! a packet ends, gets the lengths.
//!
//! `check` returns the packet and every violation, `decode` also the span of every field. The others return the packet or an
//! error. `black_box` gets the packet by reference, because moving it is no part of decoding.

use bytes::{Bytes, BytesMut};
use divan::{Bencher, black_box};
use mqttspec::wire::{Frame, Piece, Splitter, Version, check, decode};
use tokio_util::codec::Decoder;

use crate::input::{KINDS, input};

/// More bytes than any packet here has.
const MOST: usize = 1 << 20;

/// The frames of a stream, all in one allocation, as those of the other codecs.
fn frames(stream: &Bytes, each: usize) -> impl Iterator<Item = Frame> + '_ {
    (0..stream.len())
        .step_by(each)
        .map(move |at| Frame::loose(stream.slice(at..at + each)).expect("a packet"))
}

#[divan::bench(args = KINDS)]
fn mqttspec_check(bencher: Bencher, kind: &str) {
    let input = input(kind);
    bencher
        .with_inputs(|| Bytes::from(BytesMut::from(&input.stream[..])))
        .bench_local_values(|stream| {
            for frame in frames(&stream, input.one.len()) {
                let checked = check(&frame, input.version, input.from);
                assert!(checked.breaches.is_empty());
                black_box(&checked.packet);
            }
        });
}

#[divan::bench(args = KINDS)]
fn mqttspec_decode(bencher: Bencher, kind: &str) {
    let input = input(kind);
    bencher
        .with_inputs(|| Bytes::from(BytesMut::from(&input.stream[..])))
        .bench_local_values(|stream| {
            for frame in frames(&stream, input.one.len()) {
                let decoded = decode(&frame, input.version, input.from);
                assert!(decoded.breaches.is_empty());
                black_box(&decoded);
            }
        });
}

/// With the splitter, which copies each packet into an allocation of its own.
#[divan::bench(args = KINDS)]
fn mqttspec_split_and_check(bencher: Bencher, kind: &str) {
    let input = input(kind);
    bencher.bench_local(|| {
        for piece in Splitter::new().push(&input.stream) {
            let Piece::Frame(frame) = piece else {
                panic!("the stream is invalid")
            };
            black_box(&check(&frame, input.version, input.from).packet);
        }
    });
}

#[divan::bench(args = KINDS)]
fn rmqtt_codec(bencher: Bencher, kind: &str) {
    let input = input(kind);
    let bencher = bencher.with_inputs(|| BytesMut::from(&input.stream[..]));
    if input.version == Version::V5 {
        bencher.bench_local_values(|mut stream| {
            let mut codec = rmqtt_codec::v5::Codec::default();
            while let Some(packet) = codec.decode(&mut stream).expect("it is right") {
                black_box(&packet);
            }
            assert!(stream.is_empty());
        });
    } else {
        bencher.bench_local_values(|mut stream| {
            let mut codec = rmqtt_codec::v3::Codec::default();
            while let Some(packet) = codec.decode(&mut stream).expect("it is right") {
                black_box(&packet);
            }
            assert!(stream.is_empty());
        });
    }
}

#[divan::bench(args = KINDS)]
fn mqtt_proto(bencher: Bencher, kind: &str) {
    let input = input(kind);
    let each = input.one.len();
    if input.version == Version::V5 {
        bencher.bench_local(|| {
            for packet in input.stream.chunks(each) {
                black_box(
                    &mqtt_proto::v5::Packet::decode(packet)
                        .expect("it is right")
                        .expect("it is whole"),
                );
            }
        });
    } else {
        bencher.bench_local(|| {
            for packet in input.stream.chunks(each) {
                black_box(
                    &mqtt_proto::v3::Packet::decode(packet)
                        .expect("it is right")
                        .expect("it is whole"),
                );
            }
        });
    }
}

#[divan::bench(args = KINDS)]
fn mqttbytes(bencher: Bencher, kind: &str) {
    let input = input(kind);
    let bencher = bencher.with_inputs(|| BytesMut::from(&input.stream[..]));
    if input.version == Version::V5 {
        bencher.bench_local_values(|mut stream| {
            while !stream.is_empty() {
                black_box(&mqttbytes::v5::read(&mut stream, MOST).expect("it is right"));
            }
        });
    } else {
        bencher.bench_local_values(|mut stream| {
            while !stream.is_empty() {
                black_box(&mqttbytes::v4::read(&mut stream, MOST).expect("it is right"));
            }
        });
    }
}
