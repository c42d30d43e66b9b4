//! The settings of the reference broker.

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
    /// The address to listen on. Only a loopback address is accepted; port 0 picks a free port.
    pub address: SocketAddr,
    /// Further listeners.
    pub listeners: Vec<Listen>,
    /// The certificates that listeners with TLS present and request.
    pub tls: Option<Arc<TlsServer>>,
    /// The MQTT versions that the broker accepts.
    pub versions: Vec<Version>,
    /// The users that may log in.
    pub users: Vec<User>,
    /// Whether a client without a user name is accepted.
    pub anonymous: bool,
    /// The method of enhanced authentication that the broker offers (5.0, section 4.12).
    pub auth: Option<AuthMethod>,
    /// Topic filters on which no client may publish or subscribe: a topic that matches one of them is denied, and so is a
    /// filter that equals one of them.
    pub denied: Vec<Text>,
    pub limits: Limits,
    /// The folder of the store; without it nothing survives the broker.
    pub store: Option<PathBuf>,
    /// The statements to break on purpose.
    pub disobey: Disobey,
    /// The freedoms of the standards to make use of.
    pub free: Free,
}

impl Config {
    /// The configuration, with the limits that its freedoms set.
    pub fn with_free_limits(self) -> Config {
        Config {
            limits: limited(self.limits.clone(), &self.free),
            ..self
        }
    }
}

impl Default for Config {
    /// Any free port on 127.0.0.1, every version, anyone may log in, nothing is stored and no fault is injected.
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
    /// On a loopback address; port 0 picks a free port.
    At(Transport, SocketAddr),
    /// On a Unix socket, whose file must not exist yet.
    Unix(PathBuf),
}

/// A user that may log in.
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
    /// The data that the client must send, the first in CONNECT and each further one in an AUTH; at least one.
    pub answers: Vec<Bytes>,
}

/// The limits of the broker. One that differs from the standard's default is announced in a v5 CONNACK (5.0, 3.2.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How many QoS 2 exchanges a v5 client may have open: 1 to 65 535.
    pub receive_maximum: u16,
    /// The largest packet that is accepted, in bytes with its fixed header; `None` is the protocol's own limit.
    pub maximum_packet_size: Option<u32>,
    /// The same for clients of 5.0 alone, which CONNACK tells; before 5.0 nothing does.
    pub maximum_packet_size_v5: Option<u32>,
    /// 0, 1 or 2.
    pub maximum_qos: u8,
    pub retain_available: bool,
    /// The highest topic alias that is accepted; 0 accepts none.
    pub topic_alias_maximum: u16,
    /// Replaces the Keep Alive of v5 clients, in seconds.
    pub server_keep_alive: Option<u16>,
    /// The longest Session Expiry Interval that is granted, in seconds.
    pub session_expiry_maximum: u32,
    pub wildcards: bool,
    pub shared_subscriptions: bool,
    pub subscription_ids: bool,
    /// How long a connection may stay open without a CONNECT.
    pub connect_timeout: Duration,
}

impl Limits {
    /// The largest packet that is accepted from a client of this version, in bytes; `None` is the protocol's own limit.
    pub fn packet_size(&self, version: Version) -> Option<u32> {
        let of_5 = self.maximum_packet_size_v5.filter(|_| version == Version::V5);
        self.maximum_packet_size.into_iter().chain(of_5).min()
    }
}

impl Default for Limits {
    /// Low enough for a test to reach, high enough not to disturb others.
    fn default() -> Limits {
        Limits {
            receive_maximum: 200,
            maximum_packet_size: None,
            maximum_packet_size_v5: None,
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
