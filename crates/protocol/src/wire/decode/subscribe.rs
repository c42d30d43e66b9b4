//! SUBSCRIBE, UNSUBSCRIBE and their answers.

use super::cursor::Cursor;
use super::strings;
use crate::statements::PerVersion;
use crate::wire::ids;
use crate::wire::property::Place;
use crate::wire::{PacketType, SubAck, Subscribe, Subscription, Text, UnsubAck, Unsubscribe, Value};

impl<const NOTED: bool> Cursor<'_, NOTED> {
    #[inline(always)]
    pub fn subscribe(&mut self, into: &mut Subscribe) -> Option<()> {
        into.packet_id = self.packet_id(PacketType::Subscribe)?;
        self.properties(&mut into.properties, Place::Packet(PacketType::Subscribe))?;
        if self.left() == 0 {
            self.breach(ids::SUBSCRIBE_EMPTY, self.pos()..self.pos(), "SUBSCRIBE has no filter");
        }
        while self.left() > 0 {
            let last = into.subscriptions.len();
            into.subscriptions.push(Subscription::default());
            let subscription = &mut into.subscriptions[last];
            self.text(&mut subscription.filter, "filter", &strings::SUBSCRIBE_FILTER)?;
            let start = self.pos();
            subscription.options = self.raw_byte(if self.v5() { "options" } else { "qos" })?;
            self.options_field(subscription, start);
            self.check_options(subscription, start);
        }
        Some(())
    }

    fn options_field(&mut self, subscription: &Subscription, start: usize) {
        if !self.v5() {
            return self.field("qos", || Value::Int(subscription.qos().into()), start);
        }
        let value = || {
            Value::Map(vec![
                ("qos", Value::Int(subscription.qos().into())),
                ("no_local", Value::Bool(subscription.no_local())),
                ("retain_as_published", Value::Bool(subscription.retain_as_published())),
                ("retain_handling", Value::Int(subscription.retain_handling().into())),
            ])
        };
        self.field("options", value, start);
    }

    fn check_options(&mut self, subscription: &Subscription, at: usize) {
        let span = at..at + 1;
        let options = subscription.options;
        let reserved = if self.v5() { 0b1100_0000 } else { 0b1111_1100 };
        if options & reserved != 0 {
            let text = format!("reserved bits are set in 0x{options:02x}");
            self.breach(ids::OPTIONS_RESERVED, span.clone(), text);
        }
        if subscription.qos() == 3 {
            self.breach(ids::OPTIONS_QOS, span.clone(), "the requested QoS is 3");
        }
        if self.v5() && subscription.retain_handling() == 3 {
            self.breach(ids::RETAIN_HANDLING, span.clone(), "Retain Handling is 3");
        }
        if self.v5() && subscription.no_local() && strings::is_shared(&subscription.filter) {
            let text = "No Local is 1 on a shared subscription";
            self.breach(ids::NO_LOCAL_SHARED, span, text);
        }
    }

    pub fn unsubscribe(&mut self, into: &mut Unsubscribe) -> Option<()> {
        into.packet_id = self.packet_id(PacketType::Unsubscribe)?;
        self.properties(&mut into.properties, Place::Packet(PacketType::Unsubscribe))?;
        if self.left() == 0 {
            self.breach(
                ids::UNSUBSCRIBE_EMPTY,
                self.pos()..self.pos(),
                "UNSUBSCRIBE has no filter",
            );
        }
        while self.left() > 0 {
            let last = into.filters.len();
            into.filters.push(Text::default());
            self.text(&mut into.filters[last], "filter", &strings::UNSUBSCRIBE_FILTER)?;
        }
        Some(())
    }

    #[inline(always)]
    pub fn suback(&mut self, into: &mut SubAck) -> Option<()> {
        into.packet_id = self.packet_id(PacketType::SubAck)?;
        self.properties(&mut into.properties, Place::Packet(PacketType::SubAck))?;
        into.reason_codes = self.codes(PacketType::SubAck, ids::SUBACK_EMPTY);
        Some(())
    }

    pub fn unsuback(&mut self, into: &mut UnsubAck) -> Option<()> {
        into.packet_id = self.packet_id(PacketType::UnsubAck)?;
        self.properties(&mut into.properties, Place::Packet(PacketType::UnsubAck))?;
        if self.v5() {
            into.reason_codes = self.codes(PacketType::UnsubAck, ids::UNSUBACK_EMPTY);
        }
        self.finish(ids::LAYOUT)
    }

    /// One code a filter, to the end of the packet.
    fn codes(&mut self, packet_type: PacketType, empty: PerVersion) -> Vec<u8> {
        let start = self.pos();
        let codes = self.ahead();
        self.skip(codes.len());
        if codes.is_empty() {
            self.breach(empty, start..start, format!("{packet_type} has no code"));
            return Vec::new();
        }
        let name = if self.v5() { "reason_codes" } else { "return_codes" };
        let value = || Value::Ints(codes.iter().map(|c| u64::from(*c)).collect());
        self.field(name, value, start);
        for (i, code) in codes.iter().enumerate() {
            self.check_code(packet_type, *code, start + i..start + i + 1);
        }
        codes.to_vec()
    }
}
