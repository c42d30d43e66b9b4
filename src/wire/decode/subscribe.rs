//! SUBSCRIBE, UNSUBSCRIBE and their answers.

use super::cursor::Cursor;
use super::strings;
use crate::wire::ids;
use crate::wire::property::Place;
use crate::wire::{PacketType, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe, Value};

impl<const NOTED: bool> Cursor<'_, NOTED> {
    #[inline(always)]
    pub fn subscribe(&mut self) -> Option<Subscribe> {
        let packet_id = self.packet_id(PacketType::Subscribe)?;
        let properties = self.properties(Place::Packet(PacketType::Subscribe))?;
        let mut subscriptions = Vec::new();
        if self.left() == 0 {
            self.breach(ids::SUBSCRIBE_EMPTY, self.pos()..self.pos(), "SUBSCRIBE has no filter");
        }
        while self.left() > 0 {
            let filter = self.text("filter", &strings::SUBSCRIBE_FILTER)?;
            let start = self.pos();
            let options = self.raw_byte(if self.v5() { "options" } else { "qos" })?;
            let subscription = Subscription { filter, options };
            self.options_field(&subscription, start);
            self.check_options(&subscription, start);
            subscriptions.push(subscription);
        }
        Some(Subscribe {
            packet_id,
            properties,
            subscriptions,
        })
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

    pub fn unsubscribe(&mut self) -> Option<Unsubscribe> {
        let packet_id = self.packet_id(PacketType::Unsubscribe)?;
        let properties = self.properties(Place::Packet(PacketType::Unsubscribe))?;
        let mut filters = Vec::new();
        if self.left() == 0 {
            self.breach(
                ids::UNSUBSCRIBE_EMPTY,
                self.pos()..self.pos(),
                "UNSUBSCRIBE has no filter",
            );
        }
        while self.left() > 0 {
            filters.push(self.text("filter", &strings::UNSUBSCRIBE_FILTER)?);
        }
        Some(Unsubscribe {
            packet_id,
            properties,
            filters,
        })
    }

    #[inline(always)]
    pub fn suback(&mut self) -> Option<SubAck> {
        let packet_id = self.packet_id(PacketType::SubAck)?;
        let properties = self.properties(Place::Packet(PacketType::SubAck))?;
        let reason_codes = self.codes(PacketType::SubAck, ids::SUBACK_EMPTY);
        Some(SubAck {
            packet_id,
            properties,
            reason_codes,
        })
    }

    pub fn unsuback(&mut self) -> Option<UnsubAck> {
        let packet_id = self.packet_id(PacketType::UnsubAck)?;
        let properties = self.properties(Place::Packet(PacketType::UnsubAck))?;
        let reason_codes = if self.v5() {
            self.codes(PacketType::UnsubAck, ids::UNSUBACK_EMPTY)
        } else {
            Vec::new()
        };
        self.finish(ids::LAYOUT);
        Some(UnsubAck {
            packet_id,
            properties,
            reason_codes,
        })
    }

    /// One code a filter, to the end of the packet.
    fn codes(&mut self, packet_type: PacketType, empty: ids::Rule) -> Vec<u8> {
        let start = self.pos();
        let codes = self.bare_rest();
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
        codes.into()
    }
}
