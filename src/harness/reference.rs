//! The reference broker inside this process as a target.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::play::Settings;
use crate::reference::{Config, Disobey, Free, Listen, Server};
use crate::statements::Version;
use crate::suite::{Target, TargetInfo};
use crate::sut::{Address, BoxFuture, Instance, Kept, Launcher, Port, StartError, Supports};
use crate::transport::Transport;
use crate::transport::tls::{self, Certificates};
use crate::wire::Side;

use super::equipped;
use super::target::{EMBEDDED_INSTANCES, JOBS};

/// The embedded reference broker with the faults in `disobey`.
pub fn reference_that(disobey: Disobey) -> Target {
    reference_as(disobey, Free::default(), Transport::Mqtt).0
}

/// The same, to be reached over `transport`; the settings have what that needs.
pub fn reference_over(disobey: Disobey, transport: Transport) -> (Target, Settings) {
    reference_as(disobey, Free::default(), transport)
}

/// The embedded reference broker, making use of the freedoms `free`.
pub fn reference_free(free: Free) -> Target {
    reference_as(Disobey::default(), free, Transport::Mqtt).0
}

/// The embedded reference broker, breaking and freely choosing what is said, to be reached over `transport`; the settings have
/// what that needs.
pub fn reference_as(disobey: Disobey, free: Free, transport: Transport) -> (Target, Settings) {
    // With a single message in flight, cases that need more would wait for what has to wait for them.
    let in_flight: &[(&str, u64)] = if free.takes_one_at_a_time() {
        &[]
    } else {
        &[("in_flight", 65_535)]
    };
    let base = Config {
        disobey,
        free,
        ..Config::default()
    };
    let settings = Settings {
        dialer: equipped::dialer(),
        ..Settings::default()
    };
    let target = Target {
        info: TargetInfo {
            name: "reference".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            address: "127.0.0.1 (embedded)".to_owned(),
            transport,
            argument: None,
            options: Vec::new(),
            snapshots: Kept::All,
        },
        launcher: Arc::new(Embedded::new(base.clone(), transport)),
        supports: Supports::of(&equipped::ALWAYS, in_flight),
        setups: equipped::setups(&base, transport),
        known: Vec::new(),
        broker_version: None,
        not_offered: BTreeMap::new(),
        states_versions: false,
        jobs: JOBS,
        instances: EMBEDDED_INSTANCES,
        isolate: false,
        tests: Side::Server,
    };
    (target, settings)
}

/// The embedded reference broker, obeying everything.
pub fn reference() -> Target {
    reference_that(Disobey::default())
}

/// Starts reference brokers inside this process.
#[derive(Debug)]
pub struct Embedded {
    config: Config,
    transport: Transport,
}

impl Embedded {
    /// A launcher of brokers with this configuration, each with addresses and a store of its own, to be reached over
    /// `transport`. Cases about WebSocket reach them over that, whatever the others use.
    pub fn new(config: Config, transport: Transport) -> Embedded {
        Embedded {
            config: Config {
                tls: transport
                    .is_encrypted()
                    .then(|| tls::server(Certificates::shared(), false)),
                ..config
            },
            transport,
        }
    }

    /// The listeners alongside that of plain MQTT.
    fn listeners(&self, folder: &Path, ports: &mut Vec<Port>) -> Result<Vec<Listen>, StartError> {
        let mut listeners = match self.transport {
            Transport::Mqtt => Vec::new(),
            Transport::Unix => vec![Listen::Unix(folder.join(SOCKET))],
            other => vec![Listen::At(other, free(ports)?)],
        };
        if !self.transport.is_websocket() {
            listeners.push(Listen::At(Transport::Ws, free(ports)?));
        }
        Ok(listeners)
    }
}

/// The file of the Unix socket in the broker's folder.
const SOCKET: &str = "broker.sock";

impl Launcher for Embedded {
    fn starts_its_own(&self) -> bool {
        true
    }

    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        Box::pin(async move {
            let store = fresh_folder().map_err(StartError::Folder)?;
            let mut ports = Vec::new();
            let config = Config {
                address: free(&mut ports)?,
                store: Some(store.clone()),
                listeners: self.listeners(&store, &mut ports)?,
                ..self.config.clone()
            };
            let server = Server::start(config.clone()).await.map_err(cannot_start)?;
            let websocket = if self.transport.is_websocket() {
                self.transport
            } else {
                Transport::Ws
            };
            let address = |transport| match transport {
                Transport::Unix => Some(Address::unix(store.join(SOCKET).to_string_lossy())),
                other => server
                    .address_of(other)
                    .map(|a| Address::over(other, a.ip().to_string(), a.port())),
            };
            Ok(Box::new(Running {
                address: address(self.transport).ok_or_else(not_listening)?,
                websocket: address(websocket).ok_or_else(not_listening)?,
                config,
                server: Mutex::new(Some(server)),
                store,
                _ports: ports,
            }) as Box<dyn Instance>)
        })
    }
}

/// One reference broker inside this process, with a store of its own.
struct Running {
    config: Config,
    address: Address,
    websocket: Address,
    server: Mutex<Option<Server>>,
    store: PathBuf,
    /// Held as long as it may be started again: a port that the system chooses could go to a connection meanwhile.
    _ports: Vec<Port>,
}

impl Running {
    async fn start_again(&self, slot: &mut Option<Server>) -> Result<(), StartError> {
        *slot = Some(Server::start(self.config.clone()).await.map_err(cannot_start)?);
        Ok(())
    }
}

impl Instance for Running {
    fn address(&self, _version: Version) -> Option<Address> {
        Some(self.address.clone())
    }

    fn websocket_address(&self, _version: Version) -> Option<Address> {
        Some(self.websocket.clone())
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async move {
            let mut slot = self.server.lock().await;
            if let Some(server) = slot.take() {
                server.stop().await;
            }
            self.start_again(&mut slot).await
        })
    }

    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async move {
            let mut slot = self.server.lock().await;
            if let Some(server) = slot.take() {
                server.kill().await;
            }
            self.start_again(&mut slot).await
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(server) = self.server.lock().await.take() {
                server.kill().await;
            }
        })
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn alive(&self) -> bool {
        true
    }

    fn died(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn log_tail(&self, _limit: usize) -> Option<String> {
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // What cannot be removed is in the system's folder for temporary files, and small.
        let _ = std::fs::remove_dir_all(&self.store);
    }
}

/// A loopback address that no one else has, at a port that is added to `ports`.
fn free(ports: &mut Vec<Port>) -> Result<SocketAddr, StartError> {
    let port = Port::take().ok_or(StartError::NoPort)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port.number()));
    ports.push(port);
    Ok(address)
}

fn cannot_start(error: io::Error) -> StartError {
    StartError::Own {
        broker: "the reference broker",
        error: error.into(),
    }
}

fn not_listening() -> StartError {
    cannot_start(io::ErrorKind::AddrNotAvailable.into())
}

fn fresh_folder() -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("mqttspec-reference-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
