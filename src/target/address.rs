//! Where a broker is reached: `mqtt://host:port`, read and printed.

use std::fmt;
use std::str::FromStr;

/// The address of a broker: plain MQTT over TCP.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    host: String,
    port: u16,
}

/// The port that is registered for MQTT without TLS, taken where an address names none.
pub const DEFAULT_PORT: u16 = 1883;

/// Why a text is not the address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("no scheme in `{0}`: an address reads mqtt://host or mqtt://host:port")]
    NoScheme(String),
    #[error("`{scheme}:` is not available yet in this build (in `{text}`): only mqtt://host:port is")]
    NotYet { scheme: String, text: String },
    #[error("unknown scheme `{scheme}:` in `{text}`: an address reads mqtt://host or mqtt://host:port")]
    UnknownScheme { scheme: String, text: String },
    #[error("no host in `{0}`: an address reads mqtt://host or mqtt://host:port")]
    NoHost(String),
    #[error("bad host `{host}` in `{text}`: {why}")]
    BadHost {
        host: String,
        text: String,
        why: &'static str,
    },
    #[error("bad port `{port}` in `{text}`: a port is a number from 1 to 65535")]
    BadPort { port: String, text: String },
    #[error("`{extra}` cannot stand in the address `{text}`: {why}")]
    Extra {
        extra: String,
        text: String,
        why: &'static str,
    },
}

impl Address {
    /// An address of its parts. The host is a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn new(host: impl Into<String>, port: u16) -> Address {
        Address {
            host: host.into(),
            port,
        }
    }

    /// The host: a name or an IP address; an IPv6 address stands without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, never 0 when the address was read from text.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The socket address behind the name.
    ///
    /// # Errors
    /// Where the system does not know the host.
    pub async fn resolve(&self) -> std::io::Result<std::net::SocketAddr> {
        let mut found = tokio::net::lookup_host((self.host(), self.port())).await?;
        found
            .next()
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address"))
    }

    /// Whether the text looks like an address rather than the name of a file: it has a scheme.
    pub fn is_address(text: &str) -> bool {
        text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme))
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "mqtt://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let whole = || text.to_owned();
        let (scheme, rest) = text
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
            .ok_or_else(|| AddressError::NoScheme(whole()))?;
        match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => {}
            "mqtts" | "ws" | "wss" => {
                return Err(AddressError::NotYet {
                    scheme: scheme.to_owned(),
                    text: whole(),
                });
            }
            _ => {
                return Err(AddressError::UnknownScheme {
                    scheme: scheme.to_owned(),
                    text: whole(),
                });
            }
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(at) = rest.find(['/', '?', '#']) {
            let why = "MQTT over TCP has no path";
            return Err(AddressError::Extra {
                extra: rest[at..].to_owned(),
                text: whole(),
                why,
            });
        }
        if let Some((login, _)) = rest.rsplit_once('@') {
            let why = "give a login in a profile, under `login`";
            return Err(AddressError::Extra {
                extra: format!("{login}@"),
                text: whole(),
                why,
            });
        }
        let (host, port) = split_port(rest, text)?;
        if host.is_empty() {
            return Err(AddressError::NoHost(whole()));
        }
        let port = match port {
            None => DEFAULT_PORT,
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
        Ok(Address {
            host: host.to_owned(),
            port,
        })
    }
}

/// Splits `host:port`, where an IPv6 address stands in brackets.
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
            return Err(bad(host, "only an IPv6 address stands in brackets"));
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(bad(rest, "after the bracket comes `:` and the port, or nothing")),
        };
    }
    let (host, port) = match rest.split_once(':') {
        Some((_, port)) if port.contains(':') => {
            return Err(bad(rest, "an IPv6 address stands in brackets, as in mqtt://[::1]:1883"));
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
        for text in ["mqtt://a:1", "mqtt://[::1]:1883", "mqtt://127.0.0.1:65535"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_other_transports_are_known_but_not_there() {
        for scheme in ["mqtts", "ws", "wss"] {
            let message = read(&format!("{scheme}://h:1")).unwrap_err();
            assert_eq!(
                message,
                format!(
                    "`{scheme}:` is not available yet in this build (in `{scheme}://h:1`): only mqtt://host:port is"
                )
            );
        }
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
            ("mqtt://u:p@h", "under `login`"),
        ] {
            let message = read(text).expect_err(text);
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_file_name_is_no_address() {
        assert!(Address::is_address("mqtt://x"));
        assert!(Address::is_address("http://x"));
        assert!(!Address::is_address("ci/brokers/mosquitto.yaml"));
        assert!(!Address::is_address("localhost:1883"));
    }
}
