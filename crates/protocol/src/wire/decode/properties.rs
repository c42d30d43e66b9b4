//! The block of properties of a packet or will (5.0, section 2.2.2).

use std::borrow::Cow;

use bytes::Bytes;

use super::cursor::Cursor;
use super::strings::{self, Role};
use crate::wire::ids;
use crate::wire::property::{DataType, Place, PropertySpec, id, property};
use crate::wire::{PacketType, Properties, PropertyValue, Side, Text, Value, access::property_value};

impl<const NOTED: bool> Cursor<'_, NOTED> {
    /// The properties, with their length before them. `None` if the block does not fit into the packet, so that nothing
    /// behind it can be found.
    pub fn properties(&mut self, into: &mut Properties, place: Place) -> Option<()> {
        if !self.v5() {
            return Some(());
        }
        let prefix = if place == Place::Will { "will." } else { "" };
        let start = self.pos();
        if self.left() == 0 {
            self.too_short(prefixed(prefix, "property_length"), ids::PROPERTY_LENGTH_MISSING, 1);
            return None;
        }
        let len = self.bare_variable("property_length")?;
        self.prefixed_field(prefix, "property_length", || Value::Int(len.into()), start);
        let span = start..self.pos();
        if !self.has(len as usize, ids::PROPERTY_LENGTH, span, "the Property Length") {
            self.rest(prefixed(prefix, "properties"));
            return None;
        }
        self.within(len as usize, &ids::PROPERTY_LENGTH, |cursor| {
            cursor.block(into, place, prefix);
        });
        Some(())
    }

    fn block(&mut self, into: &mut Properties, place: Place, prefix: &'static str) {
        // The identifiers that were there, a bit each: they are below 64.
        let mut seen = 0_u64;
        while self.left() > 0 {
            let start = self.pos();
            let Some(id) = self.bare_variable("property identifier") else {
                break;
            };
            let Some(spec) = property(id) else {
                // Without knowing its type no one can say where the next property begins.
                self.breach(
                    ids::PROPERTY_ALLOWED,
                    start..self.pos(),
                    format!("no property has the identifier 0x{id:02x}"),
                );
                let value = self.bare_rest();
                self.field(format!("{prefix}property 0x{id:02x}"), || Value::Binary(value), start);
                break;
            };
            let again = seen & 1 << spec.id != 0;
            seen |= 1 << spec.id;
            self.check_place(spec, place, again, start);
            let last = into.0.len();
            into.push(id, blank(spec.data_type));
            let value = &mut into.0[last].value;
            if self.property_value(value, spec).is_none() {
                into.0.pop();
                break;
            }
            if let (Some(legal), Some(number)) = (&spec.legal, value.number())
                && !legal.contains(&number)
                && let Some(rule) = ids::property_value(id)
            {
                self.breach(rule, start..self.pos(), format!("{} is {number}", spec.title));
            }
            self.prefixed_field(prefix, spec.name, || property_value(value), start);
        }
    }

    /// Notes a field; its name is put together only if fields are noted.
    #[inline]
    fn prefixed_field(
        &mut self,
        prefix: &'static str,
        name: &'static str,
        value: impl FnOnce() -> Value,
        start: usize,
    ) {
        let name = if NOTED { prefixed(prefix, name) } else { name.into() };
        self.field(name, value, start);
    }

    fn check_place(&mut self, spec: &PropertySpec, place: Place, again: bool, start: usize) {
        let span = start..self.pos();
        if !spec.allowed(place) {
            let whose = match place {
                Place::Packet(packet) => packet.name(),
                Place::Will => "a will",
            };
            let text = format!("{} is no property of {whose}", spec.title);
            self.breach(ids::PROPERTY_ALLOWED, span.clone(), text);
        }
        if again && !spec.repeatable(place) {
            let text = format!("{} occurs a second time", spec.title);
            self.breach(ids::PROPERTY_SINGLE_USE, span.clone(), text);
        }
        match (spec.id, place, self.from) {
            (id::SUBSCRIPTION_IDENTIFIER, Place::Packet(PacketType::Publish), Side::Client) => {
                let text = "a client publishes with a Subscription Identifier";
                self.breach(ids::SUBSCRIPTION_ID_FROM_CLIENT, span, text);
            }
            (id::SESSION_EXPIRY_INTERVAL, Place::Packet(PacketType::Disconnect), Side::Server) => {
                let text = "a server disconnects with a Session Expiry Interval";
                self.breach(ids::SESSION_EXPIRY_FROM_SERVER, span, text);
            }
            _ => {}
        }
    }

    /// Fills a [`blank`] value.
    fn property_value(&mut self, into: &mut PropertyValue, spec: &PropertySpec) -> Option<()> {
        let name = spec.name;
        match into {
            PropertyValue::Byte(value) => *value = self.bare_number(name, 1)? as u8,
            PropertyValue::U16(value) => *value = self.bare_number(name, 2)? as u16,
            PropertyValue::U32(value) => *value = self.bare_number(name, 4)?,
            PropertyValue::VarInt(value) => *value = self.bare_variable(name)?,
            PropertyValue::Text(value) => self.bare_text(value, name, role(spec.id))?,
            PropertyValue::Pair(key, value) => {
                self.bare_text(key, name, &strings::PAIR)?;
                self.bare_text(value, name, &strings::PAIR)?;
            }
            PropertyValue::Binary(value) => *value = self.bare_bytes(name)?,
        }
        Some(())
    }
}

/// A value of this type, to be filled.
#[inline]
fn blank(data_type: DataType) -> PropertyValue {
    match data_type {
        DataType::Byte => PropertyValue::Byte(0),
        DataType::U16 => PropertyValue::U16(0),
        DataType::U32 => PropertyValue::U32(0),
        DataType::VarInt => PropertyValue::VarInt(0),
        DataType::Text => PropertyValue::Text(Text::default()),
        DataType::Pair => PropertyValue::Pair(Text::default(), Text::default()),
        DataType::Binary => PropertyValue::Binary(Bytes::new()),
    }
}

/// The name of a field; only those of a will need memory of their own.
fn prefixed(prefix: &'static str, name: &'static str) -> Cow<'static, str> {
    if prefix.is_empty() {
        name.into()
    } else {
        format!("{prefix}{name}").into()
    }
}

fn role(id: u32) -> &'static Role {
    match id {
        id::RESPONSE_TOPIC => &strings::RESPONSE_TOPIC,
        id::CONTENT_TYPE => &strings::CONTENT_TYPE,
        _ => &strings::PLAIN,
    }
}
