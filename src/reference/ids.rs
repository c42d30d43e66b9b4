//! What the core and those who stand in front of it call a connection, and why one is closed.

/// Names a network connection. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Why the broker closes a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// CONNECT was answered with a code that says no, or with nothing.
    Refused,
    /// The client broke the protocol.
    Fault,
    /// The first packet was not CONNECT, or none came in time.
    NotConnected,
    TakenOver,
    KeepAlive,
    /// The client sent DISCONNECT.
    Disconnected,
    ShuttingDown,
}
