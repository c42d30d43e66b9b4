//! A packet → its bytes.

use bytes::BytesMut;
use divan::{Bencher, black_box};
use mqttspec::wire::{Version, encode_bytes};
use tokio_util::codec::{Decoder, Encoder};

use crate::input::{COUNT, Input, input};

/// The packets that all codecs can encode.
const KINDS: [&str; 4] = [
    "connect v3.1.1",
    "publish v3.1.1",
    "publish v5",
    "publish v5 properties",
];

#[divan::bench(args = KINDS)]
fn mqttspec(bencher: Bencher, kind: &str) {
    let input = input(kind);
    bencher.bench_local(|| {
        for _ in 0..COUNT {
            black_box(encode_bytes(black_box(&input.packet), input.version));
        }
    });
}

/// The encoder takes the packet by value, so it gets copies, which are made before the measurement.
#[divan::bench(args = KINDS)]
fn rmqtt_codec(bencher: Bencher, kind: &str) {
    fn run<C, P>(bencher: Bencher, mut codec: C, input: &Input)
    where
        C: Decoder<Item = (P, u32)> + Encoder<P>,
        <C as Decoder>::Error: std::fmt::Debug,
        <C as Encoder<P>>::Error: std::fmt::Debug,
        P: Clone,
    {
        let (packet, _) = codec
            .decode(&mut BytesMut::from(&input.one[..]))
            .expect("it is right")
            .expect("it is whole");
        bencher
            .with_inputs(|| vec![packet.clone(); COUNT])
            .bench_local_values(|packets| {
                for packet in packets {
                    let mut out = BytesMut::new();
                    codec.encode(packet, &mut out).expect("it can be written");
                    black_box(out);
                }
            });
    }
    let input = input(kind);
    match input.version {
        Version::V5 => run(bencher, rmqtt_codec::v5::Codec::default(), &input),
        _ => run(bencher, rmqtt_codec::v3::Codec::default(), &input),
    }
}

#[divan::bench(args = KINDS)]
fn mqtt_proto(bencher: Bencher, kind: &str) {
    let input = input(kind);
    if input.version == Version::V5 {
        let packet = mqtt_proto::v5::Packet::decode(&input.one)
            .expect("it is right")
            .expect("it is whole");
        bencher.bench_local(|| (0..COUNT).for_each(|_| drop(black_box(packet.encode()))));
    } else {
        let packet = mqtt_proto::v3::Packet::decode(&input.one)
            .expect("it is right")
            .expect("it is whole");
        bencher.bench_local(|| (0..COUNT).for_each(|_| drop(black_box(packet.encode()))));
    }
}

#[divan::bench(args = KINDS)]
fn mqttbytes(bencher: Bencher, kind: &str) {
    let input = input(kind);
    let mut bytes = BytesMut::from(&input.one[..]);
    let mut write: Box<dyn FnMut(&mut BytesMut)> = if input.version == Version::V5 {
        match mqttbytes::v5::read(&mut bytes, 1 << 20).expect("it is right") {
            mqttbytes::v5::Packet::Publish(packet) => Box::new(move |out| assert!(packet.write(out).is_ok())),
            mqttbytes::v5::Packet::Connect(packet) => Box::new(move |out| assert!(packet.write(out).is_ok())),
            other => panic!("{other:?} is not asked for"),
        }
    } else {
        match mqttbytes::v4::read(&mut bytes, 1 << 20).expect("it is right") {
            mqttbytes::v4::Packet::Publish(packet) => Box::new(move |out| assert!(packet.write(out).is_ok())),
            mqttbytes::v4::Packet::Connect(packet) => Box::new(move |out| assert!(packet.write(out).is_ok())),
            other => panic!("{other:?} is not asked for"),
        }
    };
    bencher.bench_local(|| {
        for _ in 0..COUNT {
            let mut out = BytesMut::new();
            write(&mut out);
            black_box(out);
        }
    });
}
