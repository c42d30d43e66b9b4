//! The adapters of a target: as many as cases are played in parallel, each used by one case after the other.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::sync::Semaphore;

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
    /// How many more may start at the moment. To start an interpreter takes a processor for a while; many at once would make
    /// the cases that are played meanwhile late.
    starts: Semaphore,
    /// One has ended without having been asked to.
    lost: AtomicBool,
}

impl Adapters {
    /// None yet. As many start at a time as there are processors.
    pub fn new(source: Arc<dyn AdapterSource>) -> Adapters {
        Adapters::starting(source, available_parallelism().map_or(1, NonZero::get))
    }

    /// None yet; at most `at_a_time` start at a time.
    fn starting(source: Arc<dyn AdapterSource>, at_a_time: usize) -> Adapters {
        Adapters {
            source,
            idle: Mutex::new(Vec::new()),
            starts: Semaphore::new(at_a_time),
            lost: AtomicBool::new(false),
        }
    }

    /// An adapter for one case: an idle one, or one that is started now.
    ///
    /// # Errors
    /// None could be started.
    pub async fn take(&self) -> Result<Adapter, StartError> {
        if let Some(adapter) = self.take_idle() {
            return Ok(adapter);
        }
        let _permit = self.starts.acquire().await;
        // One may have been given back while this case waited for its turn.
        match self.take_idle() {
            Some(adapter) => Ok(adapter),
            None => self.source.start().await,
        }
    }

    fn take_idle(&self) -> Option<Adapter> {
        self.idle().pop()
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::mpsc;

    use super::*;
    use crate::adapter::{Abilities, Message};
    use crate::transport::Transport;

    /// Starts adapters that do nothing, when it is let.
    struct Slow {
        may_start: Semaphore,
        starting: AtomicUsize,
        most: AtomicUsize,
        started: AtomicUsize,
    }

    impl Slow {
        fn new() -> Arc<Slow> {
            Arc::new(Slow {
                may_start: Semaphore::new(0),
                starting: AtomicUsize::new(0),
                most: AtomicUsize::new(0),
                started: AtomicUsize::new(0),
            })
        }
    }

    impl AdapterSource for Slow {
        fn start(&self) -> BoxFuture<'_, Result<Adapter, StartError>> {
            Box::pin(async {
                let starting = self.starting.fetch_add(1, Ordering::Relaxed) + 1;
                self.most.fetch_max(starting, Ordering::Relaxed);
                self.may_start.acquire().await.expect("it is open").forget();
                let (requests, _) = mpsc::unbounded_channel();
                let (outbox, lines) = mpsc::unbounded_channel();
                let ready = Message::Ready(Abilities {
                    name: "idle".to_owned(),
                    version: None,
                    versions: vec![Version::V5],
                    commands: vec!["connect".to_owned(), "end".to_owned()],
                    leaves: false,
                    subscribes: false,
                    transports: vec![Transport::Mqtt],
                });
                outbox.send(ready.line()).expect("it is listened to");
                let adapter = Adapter::within_process(requests, lines).await.expect("it is ready");
                self.starting.fetch_sub(1, Ordering::Relaxed);
                self.started.fetch_add(1, Ordering::Relaxed);
                Ok(adapter)
            })
        }

        fn log_tail(&self, _limit: usize) -> Option<String> {
            None
        }
    }

    #[tokio::test]
    async fn only_so_many_start_at_a_time() {
        let source = Slow::new();
        let adapters = Adapters::starting(Arc::clone(&source) as Arc<dyn AdapterSource>, 2);
        source.may_start.add_permits(6);
        let one = || async { adapters.take().await.expect("it starts") };
        // Each is held until all have one.
        let _taken = tokio::join!(one(), one(), one(), one(), one(), one());
        assert_eq!(source.started.load(Ordering::Relaxed), 6);
        assert_eq!(source.most.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn one_that_is_given_back_spares_a_start() {
        let source = Slow::new();
        let adapters = Adapters::starting(Arc::clone(&source) as Arc<dyn AdapterSource>, 1);
        source.may_start.add_permits(1);
        let first = adapters.take().await.expect("it starts");
        // The first of these starts one, and the second waits for its turn.
        let next = async { adapters.take().await.expect("it starts") };
        let last = async { adapters.take().await.expect("there is one") };
        let give_back = async {
            adapters.give_back(first);
            source.may_start.add_permits(1);
        };
        let (_next, _last, ()) = tokio::join!(biased; next, last, give_back);
        assert_eq!(source.started.load(Ordering::Relaxed), 2);
    }
}
