//! What is the same for every case of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::scenario::{EnhancedAuth, Login};
use crate::sut::Dialer;

use super::{Diary, Front, Seen};

/// How cases are played against this target.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an expectation waits for what must come.
    pub patience: Duration,
    /// How long this target needs before another connection sees a change.
    pub settle: Duration,
    /// What every client logs in with unless the scenario says otherwise.
    pub login: Option<Login>,
    pub auth: Option<EnhancedAuth>,
    /// Further logins, by name.
    pub users: BTreeMap<String, Login>,
    pub limits: Limits,
    /// Opens connections, with the certificates that this target needs.
    pub dialer: Dialer,
    /// Where it is noted what may be left at the broker.
    pub diary: Option<Arc<Diary>>,
    /// A person operates the client under test. What only the application causes then has no time limit.
    pub by_hand: bool,
    /// The client under test may disconnect by itself when the steps are done.
    pub may_leave: bool,
    /// The client under test subscribes without having been told to, and no step waits for that.
    pub subscribes: bool,
    /// The application of the client under test acknowledges messages, and not the library by itself.
    pub manual_acks: bool,
    /// What clients under test connect over.
    pub front: Front,
    /// Where they connect to; `None` for a free port of 127.0.0.1 in each exchange.
    pub listener: Option<Arc<TcpListener>>,
    /// Who is shown the exchanges while they are played.
    pub onlooker: Option<mpsc::UnboundedSender<Seen>>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            patience: Duration::from_secs(2),
            settle: Duration::ZERO,
            login: None,
            auth: None,
            users: BTreeMap::new(),
            limits: Limits::default(),
            dialer: Dialer::default(),
            diary: None,
            by_hand: false,
            may_leave: false,
            subscribes: false,
            manual_acks: false,
            front: Front::default(),
            listener: None,
            onlooker: None,
        }
    }
}

/// What a profile states that its broker does not go beyond. A 5.0 CONNACK says the same for its connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    pub maximum_qos: Option<u8>,
    /// In bytes, for a whole packet.
    pub maximum_packet_size: Option<u64>,
    pub receive_maximum: Option<u16>,
    pub retain_available: Option<bool>,
    pub wildcard_subscription_available: Option<bool>,
    pub shared_subscription_available: Option<bool>,
    /// Filters that the broker's default access list refuses.
    pub denies: Vec<String>,
}
