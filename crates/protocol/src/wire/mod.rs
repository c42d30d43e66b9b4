//! Bytes ↔ packets, for MQTT 3.1, 3.1.1 and 5.0.
//!
//! In: bytes. Out: a [`Packet`], the place of each of its fields, and every [`Breach`] of the standard with its span.
//! Decoding is total: it never panics and never allocates more than the input warrants. Encoding gives the canonical
//! bytes, or wrong ones on purpose. No I/O.

mod access;
mod bridge;
mod decode;
mod describe;
mod encode;
mod fields;
pub mod filter;
mod frame;
mod header;
mod ids;
mod packet;
pub mod property;
mod reason;
mod side;
mod text;
mod value;
mod variable;

pub use access::{field, property_field, property_value};
pub use bridge::{marked_level, unmarked};
pub use decode::{Breach, Checked, Decoded, Field, check, decode, decode_bytes};
pub use describe::{Description, describe, describe_bytes};
pub use encode::{Chunk, Overrides, encode, encode_bytes};
pub use fields::{FieldSpec, Kind, field_named, field_names};

pub use frame::{BROKEN_MAX, Blob, Digest, Frame, HEAD, LongBlob, Piece, Splitter, TAIL, WHOLE_MAX};
pub use header::{FixedHeader, ReadHeader, body, read_header};
pub use ids::decoder_statements;
pub use packet::{
    Ack, Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Properties, Property, PropertyValue, Publish, SubAck,
    Subscribe, Subscription, UnsubAck, Unsubscribe, Will,
};
pub use reason::{reason_allowed, reason_codes, reason_is_success, reason_name, reason_sender, reason_text};
pub use side::Side;
pub use text::{Payload, Text};
pub use value::Value;
pub use variable::encode_variable;

pub use crate::statements::{StatementId, Version};

/// The largest Variable Byte Integer, and so the largest Remaining Length (5.0, section 1.5.5): 268 435 455.
pub const VARIABLE_MAX: u32 = 0x0fff_ffff;
