//! What the reference broker is told before it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::disobey::Disobey;
use super::freedom::{Free, limited};
use crate::transport::Transport;
use crate::transport::tls::TlsServer;
use crate::wire::{Text, Version};

/// The whole configuration of one broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen. Only a loopback address is accepted; port 0 takes a free one.
    pub address: SocketAddr,
    /// Further listeners.
    pub listeners: Vec<Listen>,
    /// What those with TLS show and ask for.
    pub tls: Option<Arc<TlsServer>>,
    /// The versions that are offered.
    pub versions: Vec<Version>,
    /// Who may log in.
    pub users: Vec<User>,
    /// Whether a client without a user name is taken.
    pub anonymous: bool,
    /// The method of enhanced authentication that is offered (5.0, section 4.12).
    pub auth: Option<AuthMethod>,
    /// Topic filters on which nobody may publish or subscribe: a topic that one of them matches is denied, and so is a
    /// filter that is equal to one of them.
    pub denied: Vec<Text>,
    pub limits: Limits,
    /// The folder of the store; without it nothing outlives the broker.
    pub store: Option<PathBuf>,
    /// What to break on purpose.
    pub disobey: Disobey,
    /// Which of the standards' freedoms are used.
    pub free: Free,
}

impl Config {
    /// The configuration with the limits that its freedoms set.
    pub fn with_free_limits(self) -> Config {
        Config {
            limits: limited(self.limits.clone(), &self.free),
            ..self
        }
    }
}

impl Default for Config {
    /// Any free port on 127.0.0.1, every version, anyone may log in, nothing is stored and everything is obeyed.
    fn default() -> Config {
        Config {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            listeners: Vec::new(),
            tls: None,
            versions: Version::ALL.to_vec(),
            users: Vec::new(),
            anonymous: true,
            auth: None,
            denied: Vec::new(),
            limits: Limits::default(),
            store: None,
            disobey: Disobey::default(),
            free: Free::default(),
        }
    }
}

/// A further listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// At a loopback address; port 0 takes a free one.
    At(Transport, SocketAddr),
    /// At a Unix socket, whose file must not be there yet.
    Unix(PathBuf),
}

/// One who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: Text,
    pub password: Bytes,
}

impl User {
    pub fn new(name: &str, password: &str) -> User {
        User {
            name: name.into(),
            password: Bytes::copy_from_slice(password.as_bytes()),
        }
    }
}

/// A method of enhanced authentication (5.0, section 4.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthMethod {
    /// The Authentication Method.
    pub method: Text,
    /// The data that the client has to send, the first in CONNECT and each other in an AUTH; at least one.
    pub answers: Vec<Bytes>,
}

/// The limits of the broker. What differs from the standard's default is announced in a v5 CONNACK (5.0, 3.2.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many QoS 2 exchanges a v5 client may have open, 1 to 65 535.
    pub receive_maximum: u16,
    /// The largest packet that is taken, in bytes with its fixed header; `None` is the protocol's own limit.
    pub maximum_packet_size: Option<u32>,
    /// 0, 1 or 2.
    pub maximum_qos: u8,
    pub retain_available: bool,
    /// The highest topic alias that is taken; 0 takes none.
    pub topic_alias_maximum: u16,
    /// Replaces the Keep Alive of v5 clients, in seconds.
    pub server_keep_alive: Option<u16>,
    /// The longest Session Expiry Interval that is granted, in seconds.
    pub session_expiry_maximum: u32,
    pub wildcards: bool,
    pub shared_subscriptions: bool,
    pub subscription_ids: bool,
    /// How long a connection may stay without CONNECT.
    pub connect_timeout: Duration,
}

impl Default for Limits {
    /// Low enough to be reached by a test, high enough not to be in the way of others.
    fn default() -> Limits {
        Limits {
            receive_maximum: 200,
            maximum_packet_size: None,
            maximum_qos: 2,
            retain_available: true,
            topic_alias_maximum: 20,
            server_keep_alive: None,
            session_expiry_maximum: u32::MAX,
            wildcards: true,
            shared_subscriptions: true,
            subscription_ids: true,
            connect_timeout: Duration::from_secs(4),
        }
    }
}
