//! How bytes travel between a client and a broker: TCP, TLS, WebSocket and Unix sockets, for both sides.
//!
//! In: a socket. Out: a [`Link`], whose halves carry the bytes of MQTT whatever lies below. This module knows nothing of
//! MQTT; the modules that dial and that listen stand above it.

mod kind;
mod link;
mod stream;
pub mod tls;
pub mod websocket;

pub use kind::{Transport, UnknownTransport};
pub use link::{Link, Reader, Writer};
pub use stream::Stream;
