//! Bytes of a packet → the packet, the place of each of its fields, and every violation that it shows by itself.
//!
//! In: a [`Frame`], the version of the connection, who sent it. Out: [`Decoded`]. It is strict (every violation is
//! reported) and total (whatever the bytes are, reading goes on as far as it makes sense). What takes a second packet
//! to see, such as an identifier in use, is for the rules over a transcript.

mod connect;
mod cursor;
mod properties;
mod publish;
mod strings;
mod subscribe;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use self::cursor::{Cursor, Notes};
use super::encode::fixed_flags;
use super::{
    Ack, Auth, Blob, ConnAck, Disconnect, Frame, Packet, PacketType, Publish, Side, StatementId, SubAck, Subscribe,
    UnsubAck, Unsubscribe, Value, Version, ids,
};
use crate::statements::catalogue;

/// What the bytes of one packet say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// `None` for a type that the version reserves: 0, and before 5.0 also 15.
    pub packet_type: Option<PacketType>,
    /// `None` if no packet can be made of the bytes.
    pub packet: Option<Packet>,
    /// Every element, in the order of the wire; together they cover every byte.
    pub fields: Vec<Field>,
    /// Every violation, in the order of the wire.
    pub breaches: Vec<Breach>,
    /// Whether all that matters of the packet was kept. If not, it was too long (see [`WHOLE_MAX`](super::WHOLE_MAX)):
    /// there is no packet, and what lies behind the kept head was not judged. A long PUBLISH is complete without its
    /// payload.
    pub kept: bool,
}

/// What [`check`] finds: as [`Decoded`], without the places of the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub packet_type: Option<PacketType>,
    pub packet: Option<Packet>,
    pub breaches: Vec<Breach>,
    pub kept: bool,
}

impl From<Decoded> for Checked {
    fn from(decoded: Decoded) -> Checked {
        Checked {
            packet_type: decoded.packet_type,
            packet: decoded.packet,
            breaches: decoded.breaches,
            kept: decoded.kept,
        }
    }
}

/// One element of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The language's name if it has one (`topic`, `reason_code`, `will.topic`, `subscription_ids`), else words.
    pub name: Cow<'static, str>,
    pub value: Value,
    /// Its bytes, counted from the first of the packet; the length of a string is part of it.
    pub span: Range<usize>,
}

/// One violation of the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The statement that is violated.
    pub statement: StatementId,
    /// Others that say the same, or that oblige the receiver to react.
    pub also: Vec<StatementId>,
    /// The bytes at fault, counted from the first of the packet; empty if something is missing.
    pub span: Range<usize>,
    /// What is wrong, in one clause without a full stop.
    pub text: String,
}

impl Breach {
    /// Whether the statement is a MUST; a violation of a SHOULD is advice.
    pub fn is_must(&self) -> bool {
        catalogue().level(self.statement).is_must()
    }

    /// The statement and those that say the same.
    pub fn statements(&self) -> impl Iterator<Item = StatementId> + '_ {
        std::iter::once(self.statement).chain(self.also.iter().copied())
    }
}

/// Decodes one packet that `from` sent on a connection of `version`.
///
/// A CONNECT is read by the layout of `version`, whatever level it names: who wants to follow it asks
/// [`Frame::connect_level`] first.
pub fn decode(frame: &Frame, version: Version, from: Side) -> Decoded {
    let mut cursor = cursor_at::<true>(frame, version, from);
    let mut checked = Checked::nothing(frame, version);
    read(&mut cursor, frame, &mut checked);
    checked.into_decoded(cursor.notes)
}

/// As [`decode`], with the same packet and the same violations, for callers that do not need the places of the fields: twice as
/// fast if the packet is correct.
pub fn check(frame: &Frame, version: Version, from: Side) -> Checked {
    let mut checked = Checked::nothing(frame, version);
    let mut cursor = cursor_at::<false>(frame, version, from);
    read(&mut cursor, frame, &mut checked);
    let faulty = cursor.notes.faulty;
    // Nothing was noted, so there is nothing to free, which the compiler does not see.
    std::mem::forget(cursor);
    if !faulty {
        checked
    } else {
        decode(frame, version, from).into()
    }
}

fn cursor_at<const NOTED: bool>(frame: &Frame, version: Version, from: Side) -> Cursor<'_, NOTED> {
    let cut = frame.raw.len() < announced(frame) || matches!(frame.raw, Blob::Long(_));
    Cursor::new(frame.raw.head(), cut, version, from)
}

/// The length that the packet says it has, fixed header included.
fn announced(frame: &Frame) -> u64 {
    frame.header_len as u64 + u64::from(frame.remaining_length)
}

impl Checked {
    /// Before the body is read.
    fn nothing(frame: &Frame, version: Version) -> Checked {
        let packet_type = frame.packet_type();
        Checked {
            packet_type: packet_type.filter(|t| *t != PacketType::Auth || version == Version::V5),
            packet: None,
            breaches: Vec::new(),
            kept: true,
        }
    }

    fn into_decoded(self, notes: Notes) -> Decoded {
        let mut breaches = notes.breaches;
        breaches.sort_by_key(|b| b.span.start);
        Decoded {
            packet_type: self.packet_type,
            packet: self.packet,
            fields: notes.fields,
            breaches,
            kept: self.kept,
        }
    }
}

/// Reads the packet into `checked`; its violations stay with the cursor. A packet is large, so that it is moved once.
fn read<const NOTED: bool>(cursor: &mut Cursor<'_, NOTED>, frame: &Frame, checked: &mut Checked) {
    let announced = announced(frame);
    if fixed_header(cursor, frame, checked.packet_type).is_some() {
        body(cursor, frame, checked.packet_type, &mut checked.packet);
    }
    if cursor.notes.covered as u64 != frame.raw.len() || announced != frame.raw.len() {
        cursor.rest("not read");
        beyond(cursor, frame, announced);
    }
    checked.kept = matches!(frame.raw, Blob::Whole(_)) || matches!(checked.packet, Some(Packet::Publish(_)));
    if !checked.kept || frame.raw.len() < announced {
        checked.packet = None;
    }
}

/// Decodes what a [`Splitter`](super::Splitter) calls broken, or any other beginning of a packet.
pub fn decode_bytes(bytes: &Bytes, version: Version, from: Side) -> Decoded {
    match Frame::loose(bytes.clone()) {
        Some(frame) => decode(&frame, version, from),
        None => Decoded {
            packet_type: None,
            packet: None,
            fields: Vec::new(),
            breaches: Vec::new(),
            kept: true,
        },
    }
}

/// The first byte and the remaining length; `None` if nothing behind them can be found.
fn fixed_header<const NOTED: bool>(
    cursor: &mut Cursor<'_, NOTED>,
    frame: &Frame,
    packet_type: Option<PacketType>,
) -> Option<()> {
    cursor.raw_byte("type and flags")?;
    cursor.field("type and flags", || first_byte_value(frame, packet_type), 0);
    match packet_type {
        None => {
            let text = format!("the packet type {} is reserved", frame.first_byte >> 4);
            cursor.breach(ids::TYPE, 0..1, text);
        }
        Some(packet_type) => {
            check_direction(cursor, packet_type);
            check_flags(cursor, packet_type, frame.flags());
        }
    }
    let start = cursor.pos();
    if cursor.left() == 0 {
        cursor.breach(ids::LAYOUT, start..start, "the packet has no remaining length");
        return None;
    }
    let length = cursor.bare_variable("remaining_length")?;
    cursor.field("remaining_length", || Value::Int(length.into()), start);
    let there = frame.raw.len() - cursor.pos() as u64;
    if there < u64::from(length) {
        let text = format!("the packet says that {length} bytes follow, {there} do");
        cursor.breach(ids::LAYOUT, start..cursor.pos(), text);
    }
    cursor.set_end(cursor.pos() + length as usize);
    Some(())
}

fn first_byte_value(frame: &Frame, packet_type: Option<PacketType>) -> Value {
    match packet_type {
        Some(PacketType::Publish) => {
            let (dup, qos, retain) = publish::publish_flags(frame.flags());
            Value::Map(vec![
                ("dup", Value::Bool(dup)),
                ("qos", Value::Int(qos.into())),
                ("retain", Value::Bool(retain)),
            ])
        }
        _ => Value::Int(frame.first_byte.into()),
    }
}

fn check_direction<const NOTED: bool>(cursor: &mut Cursor<'_, NOTED>, packet_type: PacketType) {
    let may = match cursor.from {
        Side::Client => packet_type.from_client(cursor.version),
        Side::Server => packet_type.from_server(cursor.version),
    };
    if !may {
        let text = format!("{packet_type} is not for a {} to send", cursor.from);
        cursor.breach(ids::DIRECTION, 0..1, text);
    }
}

fn check_flags<const NOTED: bool>(cursor: &mut Cursor<'_, NOTED>, packet_type: PacketType, flags: u8) {
    let fixed = fixed_flags(packet_type);
    let wrong = match (packet_type, cursor.version) {
        (PacketType::Publish, _) => false,
        // In 3.1 DUP is free in a packet that is acknowledged, and RETAIN merely unused (sections 3.6, 3.8 and 3.10).
        (PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe, Version::V3_1) => {
            if flags & 1 != 0 {
                cursor.breach(ids::UNUSED, 0..1, format!("RETAIN is 1 in {packet_type}"));
            }
            flags & 0b0110 != fixed
        }
        _ => flags != fixed,
    };
    if wrong {
        let text = format!("the flags of {packet_type} are {flags:04b}, not {fixed:04b}");
        cursor.breach(ids::flags(packet_type), 0..1, text);
    }
}

/// Reads the body into `packet`, which stays `None` if none can be made of it. Each part is written where it belongs:
/// what was put together elsewhere and is moved at once has to wait for itself.
fn body<const NOTED: bool>(
    cursor: &mut Cursor<'_, NOTED>,
    frame: &Frame,
    packet_type: Option<PacketType>,
    packet: &mut Option<Packet>,
) {
    let Some(packet_type) = packet_type else { return };
    let read = match packet.insert(blank(packet_type)) {
        Packet::Connect(into) => cursor.connect(into),
        Packet::ConnAck(into) => cursor.connack(into),
        Packet::Publish(into) => cursor.publish(into, frame),
        Packet::PubAck(into) | Packet::PubRec(into) | Packet::PubRel(into) | Packet::PubComp(into) => {
            cursor.ack(into, packet_type)
        }
        Packet::Subscribe(into) => cursor.subscribe(into),
        Packet::SubAck(into) => cursor.suback(into),
        Packet::Unsubscribe(into) => cursor.unsubscribe(into),
        Packet::UnsubAck(into) => cursor.unsuback(into),
        Packet::PingReq | Packet::PingResp => cursor.finish(ids::LAYOUT),
        Packet::Disconnect(into) => cursor.disconnect(into),
        Packet::Auth(into) => cursor.auth(into),
    };
    if read.is_none() {
        *packet = None;
    }
}

/// A packet to be filled.
#[inline]
fn blank(packet_type: PacketType) -> Packet {
    match packet_type {
        PacketType::Connect => Packet::Connect(Box::default()),
        PacketType::ConnAck => Packet::ConnAck(ConnAck::default()),
        PacketType::Publish => Packet::Publish(Publish::default()),
        PacketType::PubAck => Packet::PubAck(Ack::default()),
        PacketType::PubRec => Packet::PubRec(Ack::default()),
        PacketType::PubRel => Packet::PubRel(Ack::default()),
        PacketType::PubComp => Packet::PubComp(Ack::default()),
        PacketType::Subscribe => Packet::Subscribe(Subscribe::default()),
        PacketType::SubAck => Packet::SubAck(SubAck::default()),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::default()),
        PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::default()),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(Disconnect::default()),
        PacketType::Auth => Packet::Auth(Auth::default()),
    }
}

/// What is behind the end of the packet, and what of a long one was not kept.
fn beyond<const NOTED: bool>(cursor: &mut Cursor<'_, NOTED>, frame: &Frame, announced: u64) {
    cursor.set_end(usize::MAX);
    if let Some(span) = cursor.rest("behind the packet") {
        let text = format!("the packet says that it has {announced} bytes, more follow");
        cursor.breach(ids::LAYOUT, span, text);
    }
    let (kept, len) = (cursor.pos(), usize::try_from(frame.raw.len()).unwrap_or(usize::MAX));
    if cursor.notes.covered < len {
        cursor.note(|| Field {
            name: "not kept".into(),
            value: Value::Int((len - kept) as u64),
            span: kept..len,
        });
    }
}
