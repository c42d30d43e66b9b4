//! The embedded reference broker as a target.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::reference::{Config, Listen, Server};
use crate::statements::Version;
use crate::target::{Address, BoxFuture, Instance, Launcher, StartError};
use crate::transport::Transport;
use crate::transport::tls::{self, Certificates};

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

    /// The listeners beside that of plain MQTT.
    fn listeners(&self, folder: &Path) -> Vec<Listen> {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut listeners = match self.transport {
            Transport::Mqtt => Vec::new(),
            Transport::Unix => vec![Listen::Unix(folder.join(SOCKET))],
            other => vec![Listen::At(other, free)],
        };
        if !self.transport.is_websocket() {
            listeners.push(Listen::At(Transport::Ws, free));
        }
        listeners
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
            let config = Config {
                address: SocketAddr::from(([127, 0, 0, 1], 0)),
                store: Some(store.clone()),
                listeners: self.listeners(&store),
                ..self.config.clone()
            };
            let server = Server::start(config.clone()).await.map_err(StartError::Folder)?;
            let websocket = match self.transport.is_websocket() {
                true => self.transport,
                false => Transport::Ws,
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
                config: settled(config, &server),
                server: Mutex::new(Some(server)),
                store,
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
}

impl Running {
    async fn start_again(&self, slot: &mut Option<Server>) -> Result<(), StartError> {
        *slot = Some(Server::start(self.config.clone()).await.map_err(StartError::Folder)?);
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

/// The configuration with the ports that were taken: they are the same after a restart, as with any broker.
fn settled(mut config: Config, server: &Server) -> Config {
    config.address = server.address();
    for listen in &mut config.listeners {
        if let Listen::At(transport, address) = listen
            && let Some(taken) = server.address_of(*transport)
        {
            *address = taken;
        }
    }
    config
}

fn not_listening() -> StartError {
    StartError::Folder(io::ErrorKind::AddrNotAvailable.into())
}

fn fresh_folder() -> std::io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("mqttspec-reference-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
