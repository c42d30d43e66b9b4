//! The transports by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What MQTT travels over. The name is the scheme of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Mqtt,
    /// TLS over TCP.
    Mqtts,
    /// WebSocket over TCP (MQTT 3.1.1 and 5.0, section 6).
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// A Unix socket.
    Unix,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Transport; 5] = [
        Transport::Mqtt,
        Transport::Mqtts,
        Transport::Ws,
        Transport::Wss,
        Transport::Unix,
    ];

    /// The scheme: `mqtt`, `mqtts`, `ws`, `wss` or `unix`.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Mqtt => "mqtt",
            Transport::Mqtts => "mqtts",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
            Transport::Unix => "unix",
        }
    }

    /// Whether TLS is part of it.
    pub fn is_encrypted(self) -> bool {
        matches!(self, Transport::Mqtts | Transport::Wss)
    }

    /// Whether WebSocket is part of it.
    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// Whether one direction of a connection can end while the other goes on. A WebSocket's close is for both, and of
    /// TLS many implementations take the end of one direction for that of the connection.
    pub fn can_half_close(self) -> bool {
        matches!(self, Transport::Mqtt | Transport::Unix)
    }

    /// The port if an address names none: those registered for MQTT, and those of HTTP.
    pub fn default_port(self) -> Option<u16> {
        match self {
            Transport::Mqtt => Some(1883),
            Transport::Mqtts => Some(8883),
            Transport::Ws => Some(80),
            Transport::Wss => Some(443),
            Transport::Unix => None,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no transport has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown transport `{0}`: it is mqtt, mqtts, ws, wss or unix")]
pub struct UnknownTransport(pub String);

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Transport, UnknownTransport> {
        Transport::ALL
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownTransport(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_by_its_name() {
        for transport in Transport::ALL {
            assert_eq!(transport.name().parse(), Ok(transport));
        }
        assert_eq!("WSS".parse(), Ok(Transport::Wss));
        assert!("tcp".parse::<Transport>().is_err());
    }
}
