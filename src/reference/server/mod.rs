//! Sockets, clock and store around the core.
//!
//! One task owns the core: it takes what the connections' readers hand in, one after the other, stores what has to last,
//! and hands packets to the connections' writers. No reader or writer ever waits for another client.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::reference::config::Config;
use crate::reference::core::state::{Record, State};
use crate::reference::core::{ConnectionId, Input, Received};
use crate::reference::engine::{Engine, Output};
use crate::reference::frames::Frames;
use crate::reference::outgoing;
use crate::reference::store::Store;

/// How many inputs may wait for the core; readers wait beyond that.
const INPUTS: usize = 1024;
/// How many bytes may wait for a client that does not read. Beyond that its connection is closed, since the broker's
/// memory is not the client's. The largest packet fits several times.
const UNREAD_MAX: usize = 1 << 30;
/// How much is read at once.
const READ: usize = 64 * 1024;
/// How long a connection that the broker has closed is read to its end. Were it dropped with unread bytes, the system
/// would send a reset, and the last packet could be lost with it.
const LINGER: Duration = Duration::from_secs(1);
/// How long connections may take to write their last packets when the broker shuts down.
const FAREWELL: Duration = Duration::from_millis(250);

/// A running broker. Dropping it is [`Server::kill`] without waiting.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
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
    queue: mpsc::UnboundedSender<Vec<Bytes>>,
    /// How many bytes wait in the queue.
    waiting: Arc<AtomicUsize>,
}

impl Server {
    /// Starts a broker inside the present tokio runtime. It accepts connections when this returns.
    ///
    /// # Errors
    /// Where the address is not a loopback one or cannot be bound, or the store cannot be opened.
    pub async fn start(config: Config) -> io::Result<Server> {
        if !config.address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{} is no loopback address: the reference broker is not made for networks",
                    config.address
                ),
            ));
        }
        let (store, state) = match &config.store {
            Some(folder) => {
                let (store, state) = Store::open(folder)?;
                (Some(store), state)
            }
            None => (None, State::default()),
        };
        let listener = TcpListener::bind(config.address).await?;
        let address = listener.local_addr()?;
        let (events, inbox) = mpsc::channel(INPUTS);
        let clock = Clock::start();
        let config = Arc::new(config);
        let core = Core {
            engine: Engine::new(config.clone(), state, clock.now()),
            clock,
            store,
            writers: HashMap::new(),
        };
        let task = tokio::spawn(serve(core, listener, config, events.clone(), inbox));
        Ok(Server {
            address,
            stop: events,
            task: Some(task),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shuts down as an orderly broker does: clients are told, wills are published, everything is stored.
    pub async fn stop(mut self) {
        let (done, stopped) = oneshot::channel();
        if self.stop.send(Event::Stop(done)).await.is_ok() {
            // An error means that the core was gone before, and there is nothing left to wait for.
            let _ = stopped.await;
        }
        self.end().await;
    }

    /// Ends at once, as a killed process does: no farewell, nothing more is stored. When this returns, the store can be
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

/// Runs a broker until the process is interrupted: the whole of what a command line needs. `started` is told the address.
///
/// # Errors
/// As [`Server::start`], and where no runtime can be made.
pub fn run(config: Config, started: impl FnOnce(SocketAddr)) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(config).await?;
        started(server.address());
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

/// Counts from the UNIX epoch and never goes back: the system's time at the start, and a steady clock from there.
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

/// The task of the core and everything that ends with it: when it is dropped, so are the listener and all connections.
async fn serve(
    mut core: Core,
    listener: TcpListener,
    config: Arc<Config>,
    events: mpsc::Sender<Event>,
    mut inbox: mpsc::Receiver<Event>,
) {
    let mut connections = JoinSet::new();
    let mut opened = 0;
    let result = loop {
        let deadline = core.engine.next_deadline().map(|at| core.clock.at(at));
        let result = tokio::select! {
            // What came is looked at before time is: a packet that waits here was sent in time.
            biased;
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    opened += 1;
                    let id = ConnectionId(opened);
                    let frames = Frames::new(config.limits.maximum_packet_size, &config.disobey);
                    let (writer, queue) = Writer::new();
                    connections.spawn(connection(id, stream, frames, events.clone(), queue, writer.waiting.clone()));
                    core.writers.insert(id, writer);
                    core.input(Input::Opened(id))
                }
                // Out of descriptors, or a client that was gone at once: the others go on.
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
                    drop((listener, inbox));
                    let result = core.input(Input::Stop);
                    core.writers.clear();
                    let all_written = async { while connections.join_next().await.is_some() {} };
                    // Whoever does not read its farewell by then goes without.
                    let _ = tokio::time::timeout(FAREWELL, all_written).await;
                    // Nobody waits for it any more where the server was dropped meanwhile.
                    let _ = done.send(());
                    break result;
                }
                None => break Ok(()),
            },
            Some(_) = connections.join_next() => Ok(()),
            () = sleep_until(deadline) => core.input(Input::Tick),
        };
        if result.is_err() {
            break result;
        }
    };
    if let Err(e) = result {
        // What cannot be stored must not be promised, so nothing more is answered.
        tracing::error!("the store cannot be written, so the broker ends: {e}");
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The core and what its effects act on.
struct Core {
    engine: Engine,
    clock: Clock,
    store: Option<Store>,
    writers: HashMap<ConnectionId, Writer>,
}

impl Core {
    /// Hands an input to the core and does what comes of it. Records are written first: an acknowledgement is a promise.
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
                    if self.writers.get(&id).is_some_and(|writer| !writer.write(bytes)) {
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
    fn new() -> (Writer, mpsc::UnboundedReceiver<Vec<Bytes>>) {
        let (queue, packets) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        (Writer { queue, waiting }, packets)
    }

    /// Hands a packet over; `false` where the client has let too much pile up.
    fn write(&self, packet: Vec<Bytes>) -> bool {
        let size: usize = packet.iter().map(Bytes::len).sum();
        let waiting = self.waiting.fetch_add(size, Ordering::Relaxed) + size;
        // The other end is gone when the connection is: then its reader says so, and this packet has nobody to go to.
        let _ = self.queue.send(packet);
        waiting <= UNREAD_MAX
    }
}

/// One connection, from its first byte to its last.
async fn connection(
    id: ConnectionId,
    stream: TcpStream,
    frames: Frames,
    events: mpsc::Sender<Event>,
    queue: mpsc::UnboundedReceiver<Vec<Bytes>>,
    waiting: Arc<AtomicUsize>,
) {
    // Without this, small packets wait for the acknowledgement of earlier ones, 40 ms a round.
    let _ = stream.set_nodelay(true);
    let (read_half, write_half) = stream.into_split();
    let mut reader = std::pin::pin!(read(id, read_half, frames, events.clone()));
    let mut writer = std::pin::pin!(write(write_half, queue, waiting));
    tokio::select! {
        () = &mut reader => {
            // The core drops its end on this, which lets the writer come to an end. An error means that the core is gone.
            let _ = events.send(Event::Gone(id)).await;
            let _ = tokio::time::timeout(LINGER, writer).await;
        }
        () = &mut writer => {
            let _ = tokio::time::timeout(LINGER, reader).await;
            let _ = events.send(Event::Gone(id)).await;
        }
    }
}

/// Hands in what comes, until the client closes.
async fn read(id: ConnectionId, mut socket: OwnedReadHalf, mut frames: Frames, events: mpsc::Sender<Event>) {
    loop {
        // Only a full buffer grows: the room for a long packet is there already, down to its last byte.
        if frames.buffer.len() == frames.buffer.capacity() {
            frames.buffer.reserve(READ);
        }
        match socket.read_buf(&mut frames.buffer).await {
            // However a client closes, it is gone.
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let packets = frames.take();
        if !packets.is_empty() && events.send(Event::Received(id, packets)).await.is_err() {
            return;
        }
    }
}

/// Writes what the core hands over, and closes when it hands over no more.
async fn write(mut socket: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Vec<Bytes>>, waiting: Arc<AtomicUsize>) {
    while let Some(packet) = queue.recv().await {
        let mut packet: Vec<Bytes> = packet;
        // What has piled up goes in one write, as long as it is small.
        let mut small = bytes::BytesMut::new();
        loop {
            for part in packet {
                waiting.fetch_sub(part.len(), Ordering::Relaxed);
                if part.len() < READ {
                    small.extend_from_slice(&part);
                    continue;
                }
                if socket.write_all(&small.split()).await.is_err() || socket.write_all(&part).await.is_err() {
                    return;
                }
            }
            match queue.try_recv() {
                Ok(next) if small.len() < READ => packet = next,
                Ok(next) => {
                    if socket.write_all(&small.split()).await.is_err() {
                        return;
                    }
                    packet = next;
                }
                Err(_) => break,
            }
        }
        if socket.write_all(&small).await.is_err() {
            return;
        }
    }
    // The client may have closed before: then there is nothing left to shut.
    let _ = socket.shutdown().await;
}
