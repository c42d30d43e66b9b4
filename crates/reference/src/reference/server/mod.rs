//! Sockets, clock and store around the core.
//!
//! One task owns the core: it takes the inputs from the connections' readers one by one, stores what must survive a
//! restart, and passes packets to the connections' writers. No reader or writer ever waits for another client.

mod connection;
mod listen;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::reference::config::Config;
use crate::reference::core::state::{Record, State};
use crate::reference::core::{ConnectionId, Input, Received};
use crate::reference::engine::{Engine, Output};
use crate::reference::frames::Frames;
use crate::reference::freedom::Parcel;
use crate::reference::outgoing;
use crate::reference::store::Store;
use crate::transport::{Link, Transport};
use connection::{Manner, connection};
use listen::{Listeners, handshake};

/// How many inputs may wait for the core; readers wait beyond that.
const INPUTS: usize = 1024;
/// How many bytes may wait for a client that does not read. Above that its connection is closed, because the broker's
/// memory is not the client's. The largest packet fits several times.
const UNREAD_MAX: usize = 1 << 30;
/// How long connections may take to write their last packets when the broker shuts down.
const FAREWELL: Duration = Duration::from_millis(250);

/// A running broker. Dropping it is [`Server::kill`] without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Of the further listeners, in the order of the configuration; those on a Unix socket have none.
    further: Vec<(Transport, SocketAddr)>,
    stop: mpsc::Sender<Event>,
    task: Option<JoinHandle<()>>,
}

/// What the task of the core waits for.
enum Event {
    Received(ConnectionId, Vec<Received>),
    Gone(ConnectionId),
    Stop(oneshot::Sender<()>),
}

/// The core's end of a connection. Dropping it closes the connection once everything is written.
struct Writer {
    queue: mpsc::UnboundedSender<Parcel>,
    /// How many bytes wait in the queue.
    waiting: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a broker inside the current tokio runtime. It accepts connections when this returns.
    ///
    /// # Errors
    /// If the address is not a loopback one or cannot be bound, or the store cannot be opened.
    pub async fn start(config: Config) -> io::Result<Server> {
        let config = config.with_free_limits();
        let (store, state) = match &config.store {
            Some(folder) => {
                let (store, state) = Store::open(folder)?;
                (Some(store), state)
            }
            None => (None, State::default()),
        };
        let listeners = Listeners::bind(&config).await?;
        let address = listeners.address()?;
        let further = listeners.further()?;
        let (events, inbox) = mpsc::channel(INPUTS);
        let clock = Clock::start();
        let config = Arc::new(config);
        let core = Core {
            engine: Engine::new(config.clone(), state, clock.now()),
            clock,
            store,
            writers: HashMap::new(),
        };
        let task = tokio::spawn(serve(core, listeners, config, events.clone(), inbox));
        Ok(Server {
            address,
            further,
            stop: events,
            task: Some(task),
        })
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the listener for a transport. `None`: there is none, or it has no address.
    pub fn address_of(&self, transport: Transport) -> Option<SocketAddr> {
        if transport == Transport::Mqtt {
            return Some(self.address);
        }
        self.further.iter().find(|(t, _)| *t == transport).map(|(_, a)| *a)
    }

    /// Shuts down in order: clients get a DISCONNECT, wills are published, everything is stored.
    pub async fn stop(mut self) {
        let (done, stopped) = oneshot::channel();
        if self.stop.send(Event::Stop(done)).await.is_ok() {
            // An error means that the core was gone before, and there is nothing to wait for.
            let _ = stopped.await;
        }
        self.end().await;
    }

    /// Stops at once, as a killed process does: no farewell, nothing more is stored. When this returns, the store can be
    /// opened again.
    pub async fn kill(mut self) {
        self.end().await;
    }

    async fn end(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // The only error is that it was aborted.
            let _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Runs a broker until the process is interrupted, for the command line. `started` receives the address.
///
/// # Errors
/// As [`Server::start`], and if no runtime can be made.
pub fn run(config: Config, started: impl FnOnce(&Server)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(config).await?;
        started(&server);
        interrupted().await?;
        server.stop().await;
        Ok(())
    })
}

#[cfg(unix)]
async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Counts from the UNIX epoch and never goes back: the system's time at the start, and a monotonic clock from there.
struct Clock {
    started: Instant,
    epoch: Duration,
}

impl Clock {
    fn start() -> Clock {
        Clock {
            started: Instant::now(),
            epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    fn now(&self) -> Duration {
        self.epoch + self.started.elapsed()
    }

    fn at(&self, time: Duration) -> Instant {
        self.started + time.saturating_sub(self.epoch)
    }
}

/// The task of the core and everything that ends with it: dropping it drops the listener and all connections.
async fn serve(
    mut core: Core,
    listeners: Listeners,
    config: Arc<Config>,
    events: mpsc::Sender<Event>,
    mut inbox: mpsc::Receiver<Event>,
) {
    let mut connections = JoinSet::new();
    // Connections during TLS and the upgrade to WebSocket. The core learns of those that complete it.
    let mut arriving: JoinSet<io::Result<Link>> = JoinSet::new();
    let manner = Manner::new(&config.disobey, &config.free);
    let mut opened = 0;
    let result = loop {
        let deadline = core.engine.next_deadline().map(|at| core.clock.at(at));
        let mut arrived = None;
        let result = tokio::select! {
            // Inputs are processed before the timers: a packet that waits here was sent in time.
            biased;
            accepted = listeners.accept() => match accepted {
                Ok((Transport::Mqtt | Transport::Unix, stream)) => {
                    if manner.resets() {
                        stream.reset_when_dropped();
                    }
                    arrived = Some(Link::over(stream));
                    Ok(())
                }
                Ok((transport, stream)) => {
                    arriving.spawn(handshake(transport, stream, config.clone()));
                    Ok(())
                }
                // Out of descriptors, or a client that disconnected at once: the others go on.
                Err(e) => {
                    tracing::warn!("cannot accept a connection: {e}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    Ok(())
                }
            },
            event = inbox.recv() => match event {
                Some(Event::Received(id, packets)) => packets.into_iter().try_for_each(|packet| core.input(Input::Received(id, packet))),
                Some(Event::Gone(id)) => {
                    core.writers.remove(&id);
                    core.input(Input::Gone(id))
                }
                Some(Event::Stop(done)) => {
                    drop((listeners, inbox));
                    arriving.abort_all();
                    let result = core.input(Input::Stop);
                    core.writers.clear();
                    let all_written = async { while connections.join_next().await.is_some() {} };
                    // A client that has not read its farewell by then does not get it.
                    let _ = tokio::time::timeout(FAREWELL, all_written).await;
                    // No one waits for it if the server was dropped meanwhile.
                    let _ = done.send(());
                    break result;
                }
                None => break Ok(()),
            },
            Some(link) = arriving.join_next() => {
                match link {
                    Ok(Ok(link)) => arrived = Some(link),
                    Ok(Err(error)) => tracing::info!("a connection did not come about: {error}"),
                    // It was aborted, which happens only at the end.
                    Err(_) => {}
                }
                Ok(())
            }
            Some(_) = connections.join_next() => Ok(()),
            () = sleep_until(deadline) => core.input(Input::Tick),
        };
        let result = result.and_then(|()| match arrived {
            None => Ok(()),
            Some(link) => {
                opened += 1;
                let id = ConnectionId(opened);
                let frames = Frames::new(&config.limits, &config.disobey, &config.free);
                let (writer, queue) = Writer::new();
                let waiting = writer.waiting.clone();
                connections.spawn(connection(
                    id,
                    link,
                    frames,
                    manner.clone(),
                    events.clone(),
                    queue,
                    waiting,
                ));
                core.writers.insert(id, writer);
                core.input(Input::Opened(id))
            }
        });
        if result.is_err() {
            break result;
        }
    };
    if let Err(e) = result {
        // What cannot be stored must not be promised, so the broker stops answering.
        tracing::error!("the store cannot be written, so the broker ends: {e}");
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The core and the targets of its effects.
struct Core {
    engine: Engine,
    clock: Clock,
    store: Option<Store>,
    writers: HashMap<ConnectionId, Writer>,
}

impl Core {
    /// Passes an input to the core and applies the effects. Records are written first: an acknowledgement is a promise.
    fn input(&mut self, input: Input) -> io::Result<()> {
        let outputs = self.engine.handle(input, self.clock.now());
        if let Some(store) = &mut self.store {
            let records: Vec<&Record> = outputs.iter().filter_map(Output::record).collect();
            if !records.is_empty() {
                store.write(records)?;
            }
        }
        for output in outputs {
            match output {
                Output::Store(_) => {}
                Output::Send(id, version, outgoing) => {
                    let bytes = outgoing::chunks(&outgoing.packet, version, &outgoing.overrides);
                    let parcel = Parcel::new(&outgoing.packet, bytes);
                    if self.writers.get(&id).is_some_and(|writer| !writer.write(parcel)) {
                        self.writers.remove(&id);
                    }
                }
                Output::Close(id) => {
                    self.writers.remove(&id);
                }
            }
        }
        Ok(())
    }
}

impl Writer {
    fn new() -> (Writer, mpsc::UnboundedReceiver<Parcel>) {
        let (queue, packets) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        (Writer { queue, waiting }, packets)
    }

    /// Queues a packet; `false` if too much is waiting for the client.
    fn write(&self, packet: Parcel) -> bool {
        let size: usize = packet.bytes.iter().map(Bytes::len).sum();
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed) + size;
        // The other end is gone when the connection is: then its reader reports it, and this packet has no receiver.
        let _ = self.queue.send(packet);
        waiting <= UNREAD_MAX
    }
}
