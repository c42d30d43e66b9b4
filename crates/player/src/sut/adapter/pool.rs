//! The adapters of a target: as many as cases are played in parallel, each used by one case after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Adapter;
use crate::statements::Version;
use crate::sut::launch::{BoxFuture, Instance, Launcher};
use crate::sut::process::StartError;
use crate::transport::Address;

/// Starts adapters of one library.
pub trait AdapterSource: Send + Sync {
    /// Starts one. It is ready when the future resolves.
    ///
    /// # Errors
    /// The future's result is an error if no adapter could be started.
    fn start(&self) -> BoxFuture<'_, Result<Adapter, StartError>>;

    /// The last lines that adapters wrote to their standard error, at most `limit` bytes; `None` if they wrote nothing.
    fn log_tail(&self, limit: usize) -> Option<String>;
}

/// The adapters that are running for a target.
pub struct Adapters {
    source: Arc<dyn AdapterSource>,
    idle: Mutex<Vec<Adapter>>,
    /// One has ended without having been asked to.
    lost: AtomicBool,
}

impl Adapters {
    /// None yet.
    pub fn new(source: Arc<dyn AdapterSource>) -> Adapters {
        Adapters {
            source,
            idle: Mutex::new(Vec::new()),
            lost: AtomicBool::new(false),
        }
    }

    /// An adapter for one case: an idle one, or one that is started now.
    ///
    /// # Errors
    /// None could be started.
    pub async fn take(&self) -> Result<Adapter, StartError> {
        let idle = self.idle().pop();
        match idle {
            Some(adapter) => Ok(adapter),
            None => self.source.start().await,
        }
    }

    /// Gives an adapter back that has answered the end of its case.
    pub fn give_back(&self, adapter: Adapter) {
        self.idle().push(adapter);
    }

    /// Notes that an adapter has ended without having been asked to.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Adapter>> {
        // A list that is only pushed to and popped from is never left half-changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end(&self) {
        let idle = std::mem::take(&mut *self.idle());
        // All at once: each may take its two seconds.
        let mut ends = tokio::task::JoinSet::new();
        for adapter in idle {
            ends.spawn(adapter.end());
        }
        while ends.join_next().await.is_some() {}
    }
}

/// Gives instances of a target whose clients are under test.
pub struct Clients {
    source: Arc<dyn AdapterSource>,
}

impl Clients {
    /// Clients behind adapters of this source.
    pub fn new(source: Arc<dyn AdapterSource>) -> Clients {
        Clients { source }
    }
}

impl Launcher for Clients {
    fn starts_its_own(&self) -> bool {
        true
    }

    fn launch(&self) -> BoxFuture<'_, Result<Box<dyn Instance>, StartError>> {
        Box::pin(async move {
            let clients = RunningClients(Adapters::new(Arc::clone(&self.source)));
            Ok(Box::new(clients) as Box<dyn Instance>)
        })
    }
}

/// The clients of one instance.
struct RunningClients(Adapters);

impl Instance for RunningClients {
    fn address(&self, _version: Version) -> Option<Address> {
        None
    }

    fn adapters(&self) -> Option<&Adapters> {
        Some(&self.0)
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async { Err(StartError::NotOurs) })
    }

    fn kill(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(async { Err(StartError::NotOurs) })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.end())
    }

    fn alive(&self) -> bool {
        !self.0.lost.load(Ordering::Relaxed)
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn died(&self) -> BoxFuture<'_, String> {
        Box::pin(std::future::pending())
    }

    fn ended(&self, _at_most: Duration) -> BoxFuture<'_, Option<String>> {
        Box::pin(async { None })
    }

    fn log_tail(&self, limit: usize) -> Option<String> {
        self.0.source.log_tail(limit)
    }
}
