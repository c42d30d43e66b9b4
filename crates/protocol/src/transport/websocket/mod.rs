//! WebSocket (RFC 6455) as a carrier of bytes: the upgrade, and frames in both directions.
//!
//! Frames are cut and joined here and not by a library's message reader, since a frame may hold MQTT's largest packet,
//! which no one has to keep in memory twice, and since where frames begin and end is what some cases are about. The
//! headers of frames and of HTTP are tungstenite's.

mod mask;
mod outbox;
mod reader;
mod upgrade;
mod writer;

use bytes::BytesMut;

use super::stream::{Half, Stream};

pub use reader::Reader;
pub use upgrade::{Upgrade, UpgradeError, accept, request};
pub use writer::Writer;

/// The subprotocol of MQTT (MQTT 3.1.1 and 5.0: MQTT-6.0.0-3 and -4).
pub const MQTT: &str = "mqtt";

/// Which side we are: a client masks what it sends, a server does not (RFC 6455, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// The halves of an upgraded connection.
pub(super) fn split(stream: Stream, side: Side, rest: BytesMut) -> (Reader, Writer) {
    let (read, write) = Half::pair(stream);
    let outbox = outbox::Outbox::new(write, side);
    (Reader::new(read, side, rest, outbox.clone()), Writer::new(outbox))
}
