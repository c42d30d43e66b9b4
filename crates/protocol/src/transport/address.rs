//! Where a broker is reached: `mqtt://host:port`, `wss://host/path`, `unix:/path`; read and printed.

use std::fmt;
use std::str::FromStr;

use super::Transport;

/// The address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    transport: Transport,
    /// Empty for a Unix socket.
    host: Box<str>,
    /// 0 for a Unix socket.
    port: u16,
    /// Of the upgrade's request, or of the socket's file; empty over TCP and TLS.
    path: Box<str>,
}

/// The port that is registered for MQTT without TLS, taken if an address names none.
pub const DEFAULT_PORT: u16 = 1883;

/// The path of a WebSocket address that names none. The standard has none; this one is the most common.
const DEFAULT_PATH: &str = "/mqtt";

/// Why a text is not the address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("no scheme in `{0}`: an address reads mqtt://host or mqtt://host:port")]
    NoScheme(String),
    #[error(
        "unknown scheme `{scheme}:` in `{text}`: an address starts with mqtt, mqtts, ws or wss and ://, or with unix:"
    )]
    UnknownScheme { scheme: String, text: String },
    #[error("no host in `{0}`: an address reads mqtt://host or mqtt://host:port")]
    NoHost(String),
    #[error("no path in `{0}`: the address of a Unix socket reads unix:/path/to/socket")]
    NoPath(String),
    #[error("bad host `{host}` in `{text}`: {why}")]
    BadHost {
        host: String,
        text: String,
        why: &'static str,
    },
    #[error("bad port `{port}` in `{text}`: a port is a number from 1 to 65535")]
    BadPort { port: String, text: String },
    #[error("`{extra}` is not permitted in the address `{text}`: {why}")]
    Extra {
        extra: String,
        text: String,
        why: &'static str,
    },
}

impl Address {
    /// An address over TCP, of its parts. The host is a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn new(host: impl Into<String>, port: u16) -> Address {
        Address::over(Transport::Mqtt, host, port)
    }

    /// An address over any transport with a host and a port.
    pub fn over(transport: Transport, host: impl Into<String>, port: u16) -> Address {
        Address {
            transport,
            host: host.into().into_boxed_str(),
            port,
            path: if transport.is_websocket() {
                DEFAULT_PATH.into()
            } else {
                "".into()
            },
        }
    }

    /// The address of a Unix socket.
    pub fn unix(path: impl Into<String>) -> Address {
        Address {
            transport: Transport::Unix,
            host: "".into(),
            port: 0,
            path: path.into().into_boxed_str(),
        }
    }

    /// What it is reached over.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The host: a name or an IP address; an IPv6 address is without its brackets. Empty for a Unix socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, never 0 when the address was read from text; 0 for a Unix socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of a WebSocket or of a Unix socket; else empty.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `host:port`, as HTTP names a server; without the port if it is the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_string()
        };
        if self.transport.default_port() == Some(self.port) {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// The socket addresses behind the name, at least one.
    ///
    /// # Errors
    /// If the system does not know the host.
    pub async fn resolve(&self) -> std::io::Result<Vec<std::net::SocketAddr>> {
        let found: Vec<_> = tokio::net::lookup_host((self.host(), self.port())).await?.collect();
        if !found.is_empty() {
            Ok(found)
        } else {
            Err(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "the host has no address",
            ))
        }
    }

    /// Whether the text looks like an address rather than the name of a file: it has a scheme.
    pub fn is_address(text: &str) -> bool {
        text.starts_with("unix:") || text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.transport == Transport::Unix {
            return write!(f, "unix:{}", self.path);
        }
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{}://{open}{}{close}:{}", self.transport, self.host, self.port)?;
        match &*self.path {
            DEFAULT_PATH => Ok(()),
            path => f.write_str(path),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let whole = || text.to_owned();
        if let Some(path) = text.strip_prefix("unix:") {
            // `unix:///path` is `unix:/path`.
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(AddressError::NoPath(whole()))
            } else {
                Ok(Address::unix(path))
            };
        }
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| AddressError::NoScheme(whole()))?;
        let Ok(transport) = scheme.parse::<Transport>() else {
            return Err(AddressError::UnknownScheme {
                scheme: scheme.to_owned(),
                text: whole(),
            });
        };
        let extra = |extra: &str, why| AddressError::Extra {
            extra: extra.to_owned(),
            text: whole(),
            why,
        };
        let (rest, path) = match rest.find(['/', '?', '#']) {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        match (path, transport.is_websocket()) {
            ("" | "/", false) => {}
            (path, false) => return Err(extra(path, "MQTT over TCP and TLS has no path")),
            (path, true) if path.contains('#') || !path.bytes().all(|b| b.is_ascii_graphic()) => {
                return Err(extra(path, "a path has neither `#` nor blanks"));
            }
            (path, true) if path.starts_with('?') => return Err(extra(path, "a path starts with `/`")),
            (_, true) => {}
        }
        if let Some((login, _)) = rest.rsplit_once('@') {
            // Not shown: it may be a password.
            let shown = login.split(':').next().unwrap_or_default();
            return Err(AddressError::Extra {
                extra: format!("{shown}@"),
                text: text.replacen(login, shown, 1),
                why: "give a login in a profile, under `login`",
            });
        }
        let (host, port) = split_port(rest, text)?;
        if host.is_empty() {
            return Err(AddressError::NoHost(whole()));
        }
        let port = match port {
            None => transport.default_port().unwrap_or(DEFAULT_PORT),
            Some(digits) => match digits.parse::<u16>() {
                Ok(port) if port != 0 && digits.bytes().all(|b| b.is_ascii_digit()) => port,
                _ => {
                    return Err(AddressError::BadPort {
                        port: digits.to_owned(),
                        text: whole(),
                    });
                }
            },
        };
        let mut address = Address::over(transport, host, port);
        if !path.is_empty() && transport.is_websocket() {
            address.path = path.into();
        }
        Ok(address)
    }
}

/// Splits `host:port`, where an IPv6 address is in brackets.
fn split_port<'a>(rest: &'a str, text: &str) -> Result<(&'a str, Option<&'a str>), AddressError> {
    let bad = |host: &str, why| AddressError::BadHost {
        host: host.to_owned(),
        text: text.to_owned(),
        why,
    };
    if let Some(inner) = rest.strip_prefix('[') {
        let (host, after) = inner
            .split_once(']')
            .ok_or_else(|| bad(rest, "the bracket is not closed"))?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(bad(host, "only an IPv6 address may be in brackets"));
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(bad(rest, "after the bracket comes `:` and the port, or nothing")),
        };
    }
    let (host, port) = match rest.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            return Err(bad(
                rest,
                "an IPv6 address must be in brackets, as in mqtt://[::1]:1883",
            ));
        }
        Some((host, port)) => (host, Some(port)),
        None => (rest, None),
    };
    if host.chars().any(|c| !(c.is_alphanumeric() || "-._".contains(c))) {
        return Err(bad(host, "a host is a name or an IP address"));
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, u16), String> {
        text.parse::<Address>()
            .map(|a| (a.host().to_owned(), a.port()))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn reads_what_the_standard_port_leaves_out() {
        assert_eq!(read("mqtt://broker.example"), Ok(("broker.example".into(), 1883)));
        assert_eq!(read("MQTT://127.0.0.1:42/"), Ok(("127.0.0.1".into(), 42)));
        assert_eq!(read("mqtt://[::1]"), Ok(("::1".into(), 1883)));
        assert_eq!(read("mqtt://[fe80::1]:99"), Ok(("fe80::1".into(), 99)));
    }

    #[test]
    fn prints_what_it_reads() {
        for text in [
            "mqtt://a:1",
            "mqtt://[::1]:1883",
            "mqtt://127.0.0.1:65535",
            "mqtts://a:8883",
            "ws://a:80",
            "wss://[::1]:443/x",
            "unix:/a",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_transport_has_its_form() {
        let parts = |text: &str| {
            let a: Address = text.parse().unwrap();
            (a.transport(), a.host().to_owned(), a.port(), a.path().to_owned())
        };
        let of = |transport, port, path: &str| (transport, "h".to_owned(), port, path.to_owned());
        assert_eq!(parts("mqtts://h"), of(Transport::Mqtts, 8883, ""));
        assert_eq!(parts("ws://h"), of(Transport::Ws, 80, "/mqtt"));
        assert_eq!(parts("wss://h:1/"), of(Transport::Wss, 1, "/"));
        assert_eq!(parts("ws://h/a/b?c=d"), of(Transport::Ws, 80, "/a/b?c=d"));
        let unix = (Transport::Unix, String::new(), 0, "/run/b.sock".to_owned());
        assert_eq!(parts("unix:/run/b.sock"), unix);
        assert_eq!(parts("unix:///run/b.sock"), unix);
    }

    #[test]
    fn everything_else_is_an_error_that_names_the_part() {
        for (text, part) in [
            ("localhost:1883", "no scheme"),
            ("", "no scheme"),
            ("http://a", "unknown scheme `http:`"),
            ("mqtt://", "no host"),
            ("mqtt://:1883", "no host"),
            ("mqtt://a:", "bad port ``"),
            ("mqtt://a:0", "bad port `0`"),
            ("mqtt://a:65536", "bad port `65536`"),
            ("mqtt://a:+1", "bad port `+1`"),
            ("mqtt://a:b", "bad port `b`"),
            ("mqtt://::1:1883", "in brackets"),
            ("mqtt://[::1", "not closed"),
            ("mqtt://[a]", "only an IPv6"),
            ("mqtt://[::1]1883", "after the bracket"),
            ("mqtt://a b", "bad host `a b`"),
            ("mqtt://a/b", "has no path"),
            ("mqtts://a?b", "has no path"),
            ("ws://a?b", "starts with `/`"),
            ("ws://a/#b", "neither `#`"),
            ("unix:", "no path"),
            ("unix://", "no path"),
            ("mqtt://u:p@h", "under `login`"),
        ] {
            let message = read(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_login_in_an_address_is_not_repeated() {
        let message = read("mqtt://me:secret@h").unwrap_err();
        assert!(message.contains("me@") && !message.contains("secret"), "{message}");
    }

    #[test]
    fn a_file_name_is_no_address() {
        assert!(Address::is_address("unix:/x"));
        assert!(Address::is_address("mqtt://x"));
        assert!(Address::is_address("http://x"));
        assert!(!Address::is_address("ci/brokers/mosquitto.yaml"));
        assert!(!Address::is_address("localhost:1883"));
    }
}
