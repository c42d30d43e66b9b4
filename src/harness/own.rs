//! A broker of the caller's own: in the caller's process, or started by the caller in any other way.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::statements::Version;
use crate::sut::{Address, BoxFuture, Instance, Launcher, Port, StartError};

/// A broker that is running. Dropping it has to end it, as far as that matters to the caller.
pub trait Running: Send + Sync + 'static {
    /// Where it listens for plain MQTT.
    fn address(&self) -> SocketAddr;

    /// Ends it gracefully: it may save its state. Resolves when its port is free again.
    fn stop(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        async move { drop(self) }
    }

    /// Ends it at once, without a chance to save anything. Resolves when its port is free again.
    fn kill(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        self.stop()
    }
}

/// A broker that is only an address lives until the process ends.
impl Running for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

/// What one broker has from its first start to its end, over all restarts: an address and a folder.
#[derive(Debug, Clone)]
pub struct Home {
    address: SocketAddr,
    folder: PathBuf,
}

impl Home {
    /// The loopback address to listen at. No one else gets its port, and it is the same after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A folder for the broker's state: empty at the first start, and removed after the broker's end.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Starts a broker in its home.
pub(super) type Start<B> = Arc<dyn Fn(Home) -> BoxFuture<'static, Result<B, StartError>> + Send + Sync>;

/// Starts the caller's brokers.
pub(super) struct Own<B> {
    start: Start<B>,
}

impl<B: Running> Own<B> {
    pub(super) fn new<F, Fut, E>(start: F) -> Own<B>
    where
        F: Fn(Home) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Own {
            start: Arc::new(move |home| {
                let started = start(home);
                Box::pin(async move { started.await.map_err(cannot_start) })
            }),
        }
    }
}

fn cannot_start(error: impl Into<Box<dyn Error + Send + Sync>>) -> StartError {
    StartError::Own {
        broker: "the broker",
        error: error.into(),
    }
}

impl<B: Running> Launcher for Own<B> {
    fn starts_its_own(&self) -> bool {
        true
    }

    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        Box::pin(async move {
            let port = Port::take().ok_or(StartError::NoPort)?;
            let folder = TempDir::new().map_err(StartError::Folder)?;
            let home = Home {
                address: SocketAddr::from(([127, 0, 0, 1], port.number())),
                folder: folder.path().to_owned(),
            };
            let broker = (self.start)(home.clone()).await?;
            Ok(Box::new(OwnInstance {
                address: broker.address(),
                broker: Mutex::new(Some(broker)),
                start: Arc::clone(&self.start),
                home,
                _folder: folder,
                _port: port,
            }) as Box<dyn Instance>)
        })
    }
}

/// One broker of the caller's own.
struct OwnInstance<B> {
    // The order is that of dropping: first the broker ends, then its folder goes and its port is free for others.
    broker: Mutex<Option<B>>,
    address: SocketAddr,
    start: Start<B>,
    home: Home,
    _folder: TempDir,
    _port: Port,
}

impl<B: Running> OwnInstance<B> {
    /// Starts it again in its home, after its end. Cases reach it where it was.
    async fn start_again(&self, slot: &mut Option<B>) -> Result<(), StartError> {
        let broker = (self.start)(self.home.clone()).await?;
        let moved_to = Some(broker.address()).filter(|a| *a != self.address);
        *slot = Some(broker);
        match moved_to {
            None => Ok(()),
            Some(address) => Err(cannot_start(format!(
                "it listened at {}, and after its restart at {address}",
                self.address
            ))),
        }
    }
}

impl<B: Running> Instance for OwnInstance<B> {
    fn address(&self, _version: Version) -> Option<Address> {
        Some(Address::new(self.address.ip().to_string(), self.address.port()))
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async move {
            let mut slot = self.broker.lock().await;
            if let Some(broker) = slot.take() {
                broker.stop().await;
            }
            self.start_again(&mut slot).await
        })
    }

    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async move {
            let mut slot = self.broker.lock().await;
            if let Some(broker) = slot.take() {
                broker.kill().await;
            }
            self.start_again(&mut slot).await
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(broker) = self.broker.lock().await.take() {
                broker.stop().await;
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
