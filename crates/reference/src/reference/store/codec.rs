//! Records as bytes: a number for the kind, then the fields in order. Integers are little-endian, strings are preceded by
//! eight bytes of length, and optional fields by one byte that says whether they are present.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};

use super::super::core::message::Message;
use super::super::core::session::{Delivery, Held, PendingWill};
use super::super::core::state::Record;
use crate::wire::{Payload, Properties, Property, PropertyValue, Text, Will};

/// The bytes of a record.
pub fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    record.put(&mut out);
    out
}

/// The record in these bytes; `None` if they are not one.
pub fn decode(mut bytes: Bytes) -> Option<Record> {
    let record = Record::get(&mut bytes)?;
    bytes.is_empty().then_some(record)
}

/// A type that can be part of a record.
trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(from: &mut Bytes) -> Option<Self>;
}

macro_rules! number {
    ($type:ty, $put:ident, $get:ident) => {
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.$put(*self);
            }
            fn get(from: &mut Bytes) -> Option<$type> {
                from.$get().ok()
            }
        }
    };
}
number!(u8, put_u8, try_get_u8);
number!(u16, put_u16_le, try_get_u16_le);
number!(u32, put_u32_le, try_get_u32_le);
number!(u64, put_u64_le, try_get_u64_le);

/// A struct as its fields in order.
macro_rules! fields {
    ($type:ident { $($field:ident),* }) => {
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn get(from: &mut Bytes) -> Option<$type> {
                Some($type { $($field: Field::get(from)?),* })
            }
        }
    };
}
fields!(Message {
    topic,
    payload,
    qos,
    retain,
    properties,
    publisher,
    taken_at,
    expiry
});
fields!(Delivery {
    message,
    qos,
    retain,
    subscription_ids
});
fields!(Held {
    filter,
    shared,
    options,
    id
});
fields!(PendingWill { will, due });
fields!(Will {
    qos,
    retain,
    topic,
    payload,
    properties
});
fields!(Property { id, value });

/// An enum as the number of its variant and the fields of that.
macro_rules! variants {
    ($type:ident { $($number:literal = $variant:ident { $($field:ident),* }),* $(,)? }) => {
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($type::$variant { $($field),* } => {
                        out.put_u8($number);
                        $($field.put(out);)*
                    })*
                }
            }
            fn get(from: &mut Bytes) -> Option<$type> {
                match u8::get(from)? {
                    $($number => Some($type::$variant { $($field: Field::get(from)?),* }),)*
                    _ => None,
                }
            }
        }
    };
}
variants!(Record {
    1 = Retain { topic, message },
    2 = Begin { client },
    3 = End { client },
    4 = Expire { client, seconds, away_since },
    5 = Subscribe { client, held },
    6 = Unsubscribe { client, filter },
    7 = Queue { client, delivery },
    8 = Send { client, packet_id },
    9 = Drop { client },
    10 = Release { client, packet_id },
    11 = Finish { client, packet_id },
    12 = Receive { client, packet_id, message },
    13 = Forget { client, packet_id },
    14 = Will { client, will },
});

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }
    fn get(from: &mut Bytes) -> Option<bool> {
        Some(u8::get(from)? != 0)
    }
}

impl Field for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.extend_from_slice(self);
    }
    fn get(from: &mut Bytes) -> Option<Bytes> {
        let length = usize::try_from(u64::get(from)?).ok()?;
        (length <= from.len()).then(|| from.split_to(length))
    }
}

impl Field for Text {
    fn put(&self, out: &mut Vec<u8>) {
        self.to_bytes().put(out);
    }
    fn get(from: &mut Bytes) -> Option<Text> {
        Bytes::get(from).map(Text::from)
    }
}

impl Field for Payload {
    /// A broker keeps the payloads that it passes on, so there is always one to write.
    fn put(&self, out: &mut Vec<u8>) {
        self.bytes().cloned().unwrap_or_default().put(out);
    }
    fn get(from: &mut Bytes) -> Option<Payload> {
        Bytes::get(from).map(Payload::Bytes)
    }
}

impl Field for Duration {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_secs().put(out);
        self.subsec_nanos().put(out);
    }
    fn get(from: &mut Bytes) -> Option<Duration> {
        let (seconds, nanoseconds) = (u64::get(from)?, u32::get(from)?);
        (nanoseconds < 1_000_000_000).then(|| Duration::new(seconds, nanoseconds))
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(from: &mut Bytes) -> Option<Option<T>> {
        if !bool::get(from)? {
            Some(None)
        } else {
            T::get(from).map(Some)
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        self.iter().for_each(|item| item.put(out));
    }
    fn get(from: &mut Bytes) -> Option<Vec<T>> {
        let length = u64::get(from)?;
        (0..length).map(|_| T::get(from)).collect()
    }
}

impl<T: Field> Field for Arc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        T::put(self, out);
    }
    fn get(from: &mut Bytes) -> Option<Arc<T>> {
        T::get(from).map(Arc::new)
    }
}

impl Field for (Text, Text) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(from: &mut Bytes) -> Option<(Text, Text)> {
        Some((Field::get(from)?, Field::get(from)?))
    }
}

impl Field for Properties {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn get(from: &mut Bytes) -> Option<Properties> {
        Vec::get(from).map(Properties)
    }
}

impl Field for PropertyValue {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            PropertyValue::Byte(n) => (0_u8.put(out), n.put(out)),
            PropertyValue::U16(n) => (1_u8.put(out), n.put(out)),
            PropertyValue::U32(n) => (2_u8.put(out), n.put(out)),
            PropertyValue::VarInt(n) => (3_u8.put(out), n.put(out)),
            PropertyValue::Text(text) => (4_u8.put(out), text.put(out)),
            PropertyValue::Pair(name, value) => (5_u8.put(out), (name.clone(), value.clone()).put(out)),
            PropertyValue::Binary(bytes) => (6_u8.put(out), bytes.put(out)),
        };
    }
    fn get(from: &mut Bytes) -> Option<PropertyValue> {
        Some(match u8::get(from)? {
            0 => PropertyValue::Byte(Field::get(from)?),
            1 => PropertyValue::U16(Field::get(from)?),
            2 => PropertyValue::U32(Field::get(from)?),
            3 => PropertyValue::VarInt(Field::get(from)?),
            4 => PropertyValue::Text(Field::get(from)?),
            5 => {
                let (name, value) = Field::get(from)?;
                PropertyValue::Pair(name, value)
            }
            6 => PropertyValue::Binary(Field::get(from)?),
            _ => return None,
        })
    }
}
