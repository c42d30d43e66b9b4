//! How bytes travel between a client and a broker: TCP, TLS, WebSocket and Unix sockets, for both sides.
//!
//! In: a socket, or an [`Address`] and a [`Dialer`] that opens one. Out: a [`Link`], whose halves carry the bytes of
//! MQTT whatever lies below. This module knows nothing of MQTT; the modules that listen are above it.

mod address;
mod dial;
mod kind;
mod link;
mod stream;
pub mod tls;
pub mod websocket;

pub use address::{Address, AddressError, DEFAULT_PORT};
pub use dial::{Ask, Dialer, Dialled, is_final, refused_upgrade};
pub use kind::{Transport, UnknownTransport};
pub use link::{Link, Reader, Writer};
pub use stream::Stream;
