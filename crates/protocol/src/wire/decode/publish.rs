//! PUBLISH and its acknowledgements.

use super::cursor::Cursor;
use super::strings;
use crate::wire::ids;
use crate::wire::property::{Place, id};
use crate::wire::{Ack, Blob, Frame, PacketType, Payload, Publish, Side, Value};

impl<const NOTED: bool> Cursor<'_, NOTED> {
    #[inline(always)]
    pub fn publish(&mut self, into: &mut Publish, frame: &Frame) -> Option<()> {
        let (dup, qos, retain) = publish_flags(frame.flags());
        if qos == 3 {
            self.breach(ids::QOS_3, 0..1, "the QoS is 3");
        }
        if qos == 0 && dup {
            self.breach(ids::DUP_QOS_0, 0..1, "DUP is 1 at QoS 0");
        }
        let start = self.pos();
        let role = if self.v5() {
            &strings::TOPIC_OR_ALIAS
        } else {
            &strings::TOPIC
        };
        (into.dup, into.qos, into.retain) = (dup, qos, retain);
        self.text(&mut into.topic, "topic", role)?;
        if qos > 0 {
            into.packet_id = Some(self.packet_id(PacketType::Publish)?);
        }
        self.properties(&mut into.properties, Place::Packet(PacketType::Publish))?;
        if self.v5() && into.topic.is_empty() && into.properties.get(id::TOPIC_ALIAS).is_none() {
            let text = "topic is empty and there is no Topic Alias";
            self.breach(ids::TOPIC_EMPTY, start..start + 2, text);
        }
        self.payload(&mut into.payload, frame)?;
        if into.properties.number(id::PAYLOAD_FORMAT_INDICATOR) == Some(1) {
            self.check_payload(&into.payload);
        }
        Some(())
    }

    /// What is left. A long payload is known by its length and digest alone.
    #[inline]
    fn payload(&mut self, into: &mut Payload, frame: &Frame) -> Option<()> {
        let start = self.pos();
        let Blob::Long(long) = &frame.raw else {
            *into = Payload::Bytes(self.bare_rest());
            self.field("payload", || Value::Payload(into.clone()), start);
            return Some(());
        };
        let digest = long.digests.iter().find(|d| d.start == start as u64)?;
        *into = Payload::Long {
            len: long.len.checked_sub(digest.start)?,
            hash: digest.hash,
        };
        self.bare_rest();
        self.field("payload", || Value::Payload(into.clone()), start);
        let end = usize::try_from(long.len).unwrap_or(usize::MAX);
        self.notes.covered = end;
        if let Some(field) = self.notes.fields.last_mut() {
            field.span.end = end;
        }
        Some(())
    }

    /// The promise is the publisher's: a server passes the payload on and need not look at it (5.0, section 3.3.2.3.2).
    fn check_payload(&mut self, payload: &Payload) {
        if self.from == Side::Client
            && let Payload::Bytes(bytes) = payload
            && let Some(bad) = strings::ill_formed_payload(bytes)
        {
            let at = self.pos() - bytes.len();
            let text = "the payload is not the UTF-8 that its format indicator promises";
            self.breach(ids::PAYLOAD_NOT_UTF8, at + bad.start..at + bad.end, text);
        }
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    #[inline(always)]
    pub fn ack(&mut self, into: &mut Ack, packet_type: PacketType) -> Option<()> {
        into.packet_id = self.packet_id(packet_type)?;
        if self.v5() && self.left() > 0 {
            into.reason_code = self.reason_code(packet_type)?;
            if self.left() > 0 {
                self.properties(&mut into.properties, Place::Packet(packet_type))?;
            }
        }
        self.finish(ids::LAYOUT)
    }
}

/// DUP, QoS and RETAIN.
pub(super) fn publish_flags(flags: u8) -> (bool, u8, bool) {
    (flags & 0b1000 != 0, flags >> 1 & 0b11, flags & 1 != 0)
}
