//! The target: the broker under test, or the clients.
//!
//! In: an address or a profile. Out: a [`Profile`] with everything checked, and a running broker with its addresses,
//! which can be restarted, killed and asked for its log, or running adapters of a client library. Of packets this module knows the CONNECT and CONNACK that show
//! whether someone speaks MQTT.

mod adapter;
mod glob;
mod greet;
mod launch;
mod probe;
mod process;
mod profile;
mod template;
mod version;

pub use crate::transport::{Address, AddressError, Ask, DEFAULT_PORT, Dialer, Dialled, refused_upgrade};
pub use adapter::{Adapter, AdapterSource, Adapters, Clients, Said};
pub use glob::Glob;
pub use launch::{BoxFuture, Fixed, Instance, Launcher, ProcessLauncher};
pub use probe::{Answer, ProbeError, Spoken, ask, probe};
pub use process::{Broker, CommandClients, Exit, Port, StartError, ask_version, kill_all, live_groups};
pub use profile::{
    Auth, CommandLine, Endpoints, Fails, Kept, Known, Listed, Login, Process, Profile, ProfileError, Ruling, Severity,
    Supports, Transports,
};
pub use template::Words;
pub use version::{BrokerVersion, VersionCondition};
