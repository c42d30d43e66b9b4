//! Packets → the bytes to write, without a copy of a long payload.

use bytes::Bytes;

use crate::wire::{Chunk, Overrides, Packet, Payload, Version, encode};

/// Payloads of at least this many bytes are not copied behind their header.
const LONG: usize = 4 * 1024;

/// The bytes of a packet, in order.
pub fn chunks(packet: &Packet, version: Version, overrides: &Overrides) -> Vec<Bytes> {
    if let Packet::Publish(publish) = packet
        && let Some(payload) = publish.payload.bytes().filter(|payload| payload.len() >= LONG)
        && *overrides == Overrides::default()
    {
        // A filled payload of the same length stays apart from the header, and the real one then replaces it.
        let mut header = publish.clone();
        header.payload = Payload::Fill {
            len: payload.len() as u64,
            byte: 0,
        };
        let chunks = encode(&Packet::Publish(header), version, overrides).into_iter();
        return chunks
            .map(|chunk| match chunk {
                Chunk::Bytes(bytes) => bytes,
                Chunk::Fill { .. } => payload.clone(),
            })
            .collect();
    }
    let chunks = encode(packet, version, overrides).into_iter();
    chunks
        .map(|chunk| match chunk {
            Chunk::Bytes(bytes) => bytes,
            // A broker keeps the payloads that it passes on, so this is never a long one.
            Chunk::Fill { len, byte } => vec![byte; len as usize].into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Publish, encode_bytes};

    #[test]
    fn a_long_payload_is_written_as_any_other_and_not_copied() {
        for len in [0, 1, LONG - 1, LONG, 100_000] {
            let payload = Bytes::from(vec![7; len]);
            let packet = Packet::Publish(Publish {
                topic: "t".into(),
                payload: payload.clone().into(),
                ..Publish::default()
            });
            for version in Version::ALL {
                let chunks = chunks(&packet, version, &Overrides::default());
                assert_eq!(chunks.concat(), encode_bytes(&packet, version));
                if len >= LONG {
                    assert_eq!(chunks[1].as_ptr(), payload.as_ptr());
                }
            }
        }
    }
}
