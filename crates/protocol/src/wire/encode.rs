//! Packets → bytes: the canonical ones, or wrong ones on purpose.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::variable::encode_variable;
use super::{
    Ack, Connect, Packet, PacketType, Payload, Properties, PropertyValue, Publish, Text, Version, encode::Chunk::Fill,
};

/// What is to be written, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    Bytes(Bytes),
    /// `len` times the same byte, to be streamed.
    Fill {
        len: u64,
        byte: u8,
    },
}

impl Chunk {
    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Chunk::Bytes(bytes) => bytes.len() as u64,
            Fill { len, .. } => *len,
        }
    }

    /// Whether it has no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The ways to make a packet wrong. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The low four bits of the first byte; of a larger number the low four are taken.
    pub flags: Option<u8>,
    /// The Remaining Length, written as given.
    pub remaining_length: Option<Bytes>,
    /// The flags byte of a CONNECT. The payload stays as the packet has it.
    pub connect_flags: Option<u8>,
    /// Replaces the packet's 5.0 properties (not those of a will); its length is computed. No effect at 3.x.
    pub properties: Option<Bytes>,
    /// The Property Length, written as given. No effect at 3.x.
    pub property_length: Option<Bytes>,
    /// How many bytes are cut from the end of the body, before [`Overrides::append`].
    pub truncate: usize,
    /// Added at the end of the body. The remaining length counts it.
    pub append: Bytes,
}

/// The canonical bytes of a packet at a version, in one piece: a filled payload is written out.
pub fn encode_bytes(packet: &Packet, version: Version) -> Bytes {
    // Room for the head, whose length is known last: the packet is written once, into one buffer.
    const HEAD: usize = 1 + 5;
    const USUAL: usize = 128;
    let mut out = BytesMut::with_capacity(USUAL);
    out.put_bytes(0, HEAD);
    let mut body = Body {
        version,
        overrides: &Overrides::default(),
        out,
    };
    let flags = body.packet(packet);
    let mut out = body.out;
    if let Packet::Publish(publish) = packet {
        match payload_chunk(&publish.payload) {
            Chunk::Bytes(part) => out.extend_from_slice(&part),
            Fill { len, byte } => out.put_bytes(byte, len as usize),
        }
    }
    let length = encode_variable(u32::try_from(out.len() - HEAD).unwrap_or(u32::MAX));
    let begin = HEAD - 1 - length.len();
    out[begin] = packet.packet_type().number() << 4 | flags;
    out[begin + 1..HEAD].copy_from_slice(&length);
    out.advance(begin);
    out.freeze()
}

/// The bytes of a packet at a version. Without overrides they are canonical: the shortest lengths, and of 5.0's
/// acknowledgements, DISCONNECT and AUTH the shortest form.
///
/// What the version has no place for is left out: properties and reason codes at 3.x. A string or binary field of more
/// than 65 535 bytes, which its length cannot express, is cut there. A [`Payload::Long`] is not held, so zeros of its
/// length stand for it. A body above 268 435 455 bytes gets a remaining length of five bytes, which is malformed.
pub fn encode(packet: &Packet, version: Version, overrides: &Overrides) -> Vec<Chunk> {
    let mut body = Body {
        version,
        overrides,
        out: BytesMut::new(),
    };
    let flags = body.packet(packet);
    let mut chunks = vec![Chunk::Bytes(body.out.freeze())];
    if let Packet::Publish(publish) = packet {
        chunks.push(payload_chunk(&publish.payload));
    }
    cut(&mut chunks, overrides.truncate as u64);
    chunks.push(Chunk::Bytes(overrides.append.clone()));

    let length: u64 = chunks.iter().map(Chunk::len).sum();
    let length = overrides
        .remaining_length
        .clone()
        .unwrap_or_else(|| encode_variable(u32::try_from(length).unwrap_or(u32::MAX)));
    let flags = overrides.flags.unwrap_or(flags) & 0x0f;

    let mut head = BytesMut::with_capacity(1 + length.len());
    head.put_u8(packet.packet_type().number() << 4 | flags);
    head.extend_from_slice(&length);
    join(head, chunks)
}

/// Puts the chunks behind the head; bytes that follow one another become one chunk, empty ones none.
fn join(head: BytesMut, chunks: Vec<Chunk>) -> Vec<Chunk> {
    let mut joined = Vec::new();
    let mut bytes = head;
    for chunk in chunks.into_iter().filter(|c| !c.is_empty()) {
        match chunk {
            Chunk::Bytes(part) => bytes.extend_from_slice(&part),
            Fill { .. } => {
                joined.push(Chunk::Bytes(bytes.split().freeze()));
                joined.push(chunk);
            }
        }
    }
    if !bytes.is_empty() {
        joined.push(Chunk::Bytes(bytes.freeze()));
    }
    joined
}

/// Takes `count` bytes from the end.
fn cut(chunks: &mut [Chunk], mut count: u64) {
    for chunk in chunks.iter_mut().rev() {
        let n = count.min(chunk.len());
        match chunk {
            Chunk::Bytes(bytes) => bytes.truncate(bytes.len() - n as usize),
            Fill { len, .. } => *len -= n,
        }
        count -= n;
    }
}

fn payload_chunk(payload: &Payload) -> Chunk {
    match payload {
        Payload::Bytes(bytes) => Chunk::Bytes(bytes.clone()),
        Payload::Fill { len, byte } => Fill { len: *len, byte: *byte },
        Payload::Long { len, .. } => Fill { len: *len, byte: 0 },
    }
}

/// The flags that the standard fixes for a type (3.1.1 table 2.2, 5.0 table 2-2). Those of PUBLISH are its own.
pub(super) fn fixed_flags(packet_type: PacketType) -> u8 {
    match packet_type {
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
        _ => 0,
    }
}

struct Body<'a> {
    version: Version,
    overrides: &'a Overrides,
    out: BytesMut,
}

impl Body<'_> {
    /// Writes everything but a PUBLISH's payload; gives the flags of the first byte.
    fn packet(&mut self, packet: &Packet) -> u8 {
        let v5 = self.version == Version::V5;
        match packet {
            Packet::Connect(p) => self.connect(p),
            Packet::ConnAck(p) => {
                self.out.put_u8(u8::from(p.session_present));
                self.out.put_u8(p.reason_code);
                self.properties(&p.properties);
            }
            Packet::Publish(p) => return self.publish(p),
            Packet::PubAck(p) | Packet::PubRec(p) | Packet::PubRel(p) | Packet::PubComp(p) => self.ack(p),
            Packet::Subscribe(p) => {
                self.out.put_u16(p.packet_id);
                self.properties(&p.properties);
                for subscription in &p.subscriptions {
                    self.text(&subscription.filter);
                    self.out.put_u8(subscription.options);
                }
            }
            Packet::SubAck(p) => {
                self.out.put_u16(p.packet_id);
                self.properties(&p.properties);
                self.out.extend_from_slice(&p.reason_codes);
            }
            Packet::Unsubscribe(p) => {
                self.out.put_u16(p.packet_id);
                self.properties(&p.properties);
                for filter in &p.filters {
                    self.text(filter);
                }
            }
            Packet::UnsubAck(p) => {
                self.out.put_u16(p.packet_id);
                self.properties(&p.properties);
                if v5 {
                    self.out.extend_from_slice(&p.reason_codes);
                }
            }
            Packet::Disconnect(p) if v5 => self.code_and_properties(p.reason_code, &p.properties),
            Packet::Auth(p) if v5 => {
                // Unlike DISCONNECT, AUTH has no form with a reason code and without a Property Length (3.15.2.1).
                if p.reason_code != 0 || self.has_properties(&p.properties) {
                    self.out.put_u8(p.reason_code);
                    self.properties(&p.properties);
                }
            }
            Packet::PingReq | Packet::PingResp | Packet::Disconnect(_) | Packet::Auth(_) => {}
        }
        fixed_flags(packet.packet_type())
    }

    fn connect(&mut self, p: &Connect) {
        self.text(&p.protocol_name);
        self.out.put_u8(p.protocol_level);
        let mut flags = u8::from(p.clean_start) << 1;
        if let Some(will) = &p.will {
            flags |= 1 << 2 | (will.qos & 0b11) << 3 | u8::from(will.retain) << 5;
        }
        flags |= u8::from(p.password.is_some()) << 6 | u8::from(p.username.is_some()) << 7;
        self.out.put_u8(self.overrides.connect_flags.unwrap_or(flags));
        self.out.put_u16(p.keep_alive);
        self.properties(&p.properties);
        self.text(&p.client_id);
        if let Some(will) = &p.will {
            if self.version == Version::V5 {
                let block = property_block(&will.properties);
                self.out.extend_from_slice(&encode_variable(block.len() as u32));
                self.out.extend_from_slice(&block);
            }
            self.text(&will.topic);
            put_prefixed(&mut self.out, &will.payload);
        }
        if let Some(username) = &p.username {
            self.text(username);
        }
        if let Some(password) = &p.password {
            put_prefixed(&mut self.out, password);
        }
    }

    fn publish(&mut self, p: &Publish) -> u8 {
        self.text(&p.topic);
        if let Some(packet_id) = p.packet_id {
            self.out.put_u16(packet_id);
        }
        self.properties(&p.properties);
        u8::from(p.dup) << 3 | (p.qos & 0b11) << 1 | u8::from(p.retain)
    }

    fn ack(&mut self, p: &Ack) {
        self.out.put_u16(p.packet_id);
        if self.version == Version::V5 {
            self.code_and_properties(p.reason_code, &p.properties);
        }
    }

    /// What both forms of a short packet leave out is left out (5.0, sections 3.4.2 and 3.14.2).
    fn code_and_properties(&mut self, code: u8, properties: &Properties) {
        let has_properties = self.has_properties(properties);
        if code != 0 || has_properties {
            self.out.put_u8(code);
        }
        if has_properties {
            self.properties(properties);
        }
    }

    fn has_properties(&self, properties: &Properties) -> bool {
        !properties.is_empty() || self.overrides.properties.is_some() || self.overrides.property_length.is_some()
    }

    fn properties(&mut self, properties: &Properties) {
        if self.version != Version::V5 {
            return;
        }
        if properties.is_empty() && self.overrides.properties.is_none() && self.overrides.property_length.is_none() {
            return self.out.put_u8(0);
        }
        let block = match &self.overrides.properties {
            Some(raw) => raw.clone(),
            None => property_block(properties),
        };
        let length = match &self.overrides.property_length {
            Some(raw) => raw.clone(),
            None => encode_variable(u32::try_from(block.len()).unwrap_or(u32::MAX)),
        };
        self.out.extend_from_slice(&length);
        self.out.extend_from_slice(&block);
    }

    fn text(&mut self, text: &Text) {
        put_prefixed(&mut self.out, text.as_bytes());
    }
}

/// The properties one after the other, without their length.
fn property_block(properties: &Properties) -> Bytes {
    let mut out = BytesMut::new();
    for property in &properties.0 {
        out.extend_from_slice(&encode_variable(property.id));
        match &property.value {
            PropertyValue::Byte(n) => out.put_u8(*n),
            PropertyValue::U16(n) => out.put_u16(*n),
            PropertyValue::U32(n) => out.put_u32(*n),
            PropertyValue::VarInt(n) => out.extend_from_slice(&encode_variable(*n)),
            PropertyValue::Text(text) => put_prefixed(&mut out, text.as_bytes()),
            PropertyValue::Pair(name, value) => {
                put_prefixed(&mut out, name.as_bytes());
                put_prefixed(&mut out, value.as_bytes());
            }
            PropertyValue::Binary(bytes) => put_prefixed(&mut out, bytes),
        }
    }
    out.freeze()
}

/// Two bytes of length and at most 65 535 bytes.
fn put_prefixed(out: &mut BytesMut, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    out.put_u16(bytes.len() as u16);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::property::id;
    use crate::wire::{Auth, Disconnect, Subscribe, Subscription, Unsubscribe};

    fn hex_of(packet: &Packet, version: Version, overrides: &Overrides) -> String {
        encode(packet, version, overrides)
            .iter()
            .map(|chunk| match chunk {
                Chunk::Bytes(bytes) => hex::encode(bytes),
                Fill { len, byte } => format!("[{len} x {byte:02x}]"),
            })
            .collect()
    }

    fn plain(packet: &Packet, version: Version) -> String {
        hex_of(packet, version, &Overrides::default())
    }

    #[test]
    fn the_canonical_short_forms() {
        let mut ack = Ack::new(7);
        assert_eq!(plain(&Packet::PubRel(ack.clone()), Version::V5), "62020007");
        ack.reason_code = 0x92;
        assert_eq!(plain(&Packet::PubRel(ack.clone()), Version::V5), "6203000792");
        assert_eq!(plain(&Packet::PubRel(ack.clone()), Version::V3_1_1), "62020007");
        ack.properties.push(id::REASON_STRING, PropertyValue::Text("x".into()));
        assert_eq!(plain(&Packet::PubRel(ack), Version::V5), "6208000792041f000178");
        let mut goodbye = Disconnect::default();
        assert_eq!(plain(&Packet::Disconnect(goodbye.clone()), Version::V5), "e000");
        goodbye.reason_code = 4;
        assert_eq!(plain(&Packet::Disconnect(goodbye), Version::V5), "e00104");
        let auth = Packet::Auth(Auth {
            reason_code: 0x18,
            ..Auth::default()
        });
        assert_eq!(plain(&auth, Version::V5), "f0021800");
    }

    #[test]
    fn a_connect_of_each_version() {
        let connect = |version| Packet::from(Connect::new(version, "a"));
        assert_eq!(
            plain(&connect(Version::V3_1), Version::V3_1),
            "100f00064d51497364700302003c000161"
        );
        assert_eq!(
            plain(&connect(Version::V3_1_1), Version::V3_1_1),
            "100d00044d5154540402003c000161"
        );
        assert_eq!(
            plain(&connect(Version::V5), Version::V5),
            "100e00044d5154540502003c00000161"
        );
    }

    #[test]
    fn a_filled_payload_is_not_written_out() {
        let packet = Packet::Publish(Publish {
            topic: "t".into(),
            payload: Payload::Fill {
                len: 268_435_452,
                byte: b'x',
            },
            ..Publish::default()
        });
        assert_eq!(plain(&packet, Version::V3_1_1), "30ffffff7f000174[268435452 x 78]");
        let overrides = Overrides {
            truncate: 268_435_451,
            append: Bytes::from_static(&[0xab]),
            ..Overrides::default()
        };
        assert_eq!(hex_of(&packet, Version::V3_1_1, &overrides), "3005000174[1 x 78]ab");
    }

    #[test]
    fn a_packet_can_be_made_wrong() {
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription::new("a", 1)],
            ..Subscribe::default()
        });
        let with = |change: fn(&mut Overrides)| {
            let mut overrides = Overrides::default();
            change(&mut overrides);
            hex_of(&subscribe, Version::V5, &overrides)
        };
        assert_eq!(with(|_| ()), "820700010000016101");
        assert_eq!(with(|o| o.flags = Some(0)), "800700010000016101");
        assert_eq!(
            with(|o| o.remaining_length = Some(Bytes::from_static(&[0xc0, 0x80, 0]))),
            "82c0800000010000016101"
        );
        assert_eq!(
            with(|o| o.properties = Some(Bytes::from_static(&[0x0b, 0]))),
            "82090001020b0000016101"
        );
        assert_eq!(
            with(|o| o.property_length = Some(Bytes::from_static(&[9]))),
            "820700010900016101"
        );
        assert_eq!(with(|o| o.truncate = 1), "8206000100000161");
        assert_eq!(with(|o| o.truncate = 1000), "8200");
        assert_eq!(with(|o| o.append = Bytes::from_static(&[0xff])), "820800010000016101ff");
    }

    #[test]
    fn a_text_that_its_length_cannot_express_is_cut() {
        let packet = Packet::Unsubscribe(Unsubscribe {
            packet_id: 1,
            filters: vec![Text::from("x".repeat(70_000))],
            ..Unsubscribe::default()
        });
        assert_eq!(encode_bytes(&packet, Version::V3_1_1).len(), 1 + 3 + 2 + 2 + 65_535);
    }

    #[test]
    fn one_piece_has_the_bytes_of_the_chunks() {
        for len in [0, 1, 110, 117, 118, 119, 127, 128, 200, 16_300, 16_384, 2_097_200] {
            let mut publish = Publish {
                topic: "t".into(),
                payload: Payload::Fill { len, byte: b'x' },
                ..Publish::default()
            };
            if len % 2 == 0 {
                publish
                    .properties
                    .push(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(1));
                publish.payload = Bytes::from(vec![b'x'; len as usize]).into();
            }
            for version in Version::ALL {
                let packet = Packet::Publish(publish.clone());
                let chunks = encode(&packet, version, &Overrides::default()).into_iter();
                let joined: Vec<u8> = chunks
                    .flat_map(|chunk| match chunk {
                        Chunk::Bytes(bytes) => bytes.to_vec(),
                        Fill { len, byte } => vec![byte; len as usize],
                    })
                    .collect();
                assert_eq!(encode_bytes(&packet, version), joined, "{len} bytes at {version}");
            }
        }
    }
}
