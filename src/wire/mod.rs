//! Bytes ↔ packets, for MQTT 3.1, 3.1.1 and 5.0.
//!
//! In: bytes. Out: a [`Packet`], the place of each of its fields, and every [`Breach`] of the standard with its span.
//! Decoding is total: it never panics and never allocates more than the input warrants. Encoding gives the canonical
//! bytes, or wrong ones on purpose. No I/O.

mod packet;
mod text;
mod value;

pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Properties, Property, PropertyValue, Publish, SubAck,
    Subscribe, Subscription, UnsubAck, Unsubscribe, Will,
};
pub use text::{Payload, Text};
pub use value::Value;

pub use crate::statements::{StatementId, Version};
