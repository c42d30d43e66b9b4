//! The identifiers of connections that the core and its callers share, and the reasons for closing one.

/// Identifies a network connection. Numbers are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Why the broker closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// CONNECT was answered with a code that refuses it, or not at all.
    Refused,
    /// The client violated the protocol.
    Fault,
    /// The first packet was not CONNECT, or none arrived in time.
    NotConnected,
    TakenOver,
    KeepAlive,
    /// The client sent DISCONNECT.
    Disconnected,
    ShuttingDown,
}
