//! The acts of `sabotage` in front of any broker: so that scenario, broker and fault do not share one author's mistake.
//!
//! In: the broker's address and what to disobey, of which everything that changes packets and closes alone is played. Out: an
//! address of its own that is as good as the broker's, but for that.

mod cut;
mod relay;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::disobey::Disobey;
use super::ids::ConnectionId;
use cut::{Cut, Piece};
use relay::Relay;

/// How much is read at once.
const READ: usize = 64 * 1024;
/// How long a connection that was closed is read on.
const LINGER: Duration = Duration::from_secs(1);
/// How long to wait before the next connection where one could not be accepted.
const RELIEF: Duration = Duration::from_millis(10);

/// A running proxy. Dropping it ends it, and every connection through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy inside the present tokio runtime, on a free loopback port. `broker` is the address of the broker, host and
    /// port; nothing is sent to it before a client comes.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start(broker: String, disobey: &Disobey) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let relay = Shared(Arc::new(Mutex::new(Relay::new(disobey))));
        let task = tokio::spawn(serve(listener, broker, relay));
        Ok(Proxy { address, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The relay, as all connections use it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Relay>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Relay> {
        // What one connection left half done is no worse than what acts do anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, broker: String, relay: Shared) {
    let mut connections = JoinSet::new();
    let mut opened = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else {
                    // A client that was gone at once, or no descriptor is left: the others go on.
                    tokio::time::sleep(RELIEF).await;
                    continue;
                };
                opened += 1;
                let id = ConnectionId(opened);
                let (broker, relay) = (broker.clone(), relay.clone());
                connections.spawn(async move {
                    relay.lock().opened(id, Instant::now());
                    connection(id, client, &broker, &relay).await;
                    relay.lock().gone(id);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// What is to be done with a client's connection.
enum ToClient {
    Write(Bytes),
    Close,
}

/// One connection, from its first byte to its last.
async fn connection(id: ConnectionId, client: TcpStream, broker: &str, relay: &Shared) {
    // A broker that cannot be reached closes at once, as far as the client can see.
    let Ok(broker) = TcpStream::connect(broker).await else {
        return;
    };
    // Without this, small packets wait for the acknowledgement of earlier ones, 40 ms a round.
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let (queue, queued) = mpsc::unbounded_channel();
    let ends = Ends::default();
    let downward = downward(id, from_broker, queue.clone(), relay);
    let upward = upward(id, from_client, to_broker, queue, relay, &ends);
    tokio::select! {
        () = upward => {}
        () = async { downward.await; std::future::pending().await } => {}
        () = write(to_client, queued, &ends) => {}
    }
}

/// Which sides of a client's connection are closed.
#[derive(Default)]
struct Ends {
    by_client: AtomicBool,
    by_us: AtomicBool,
}

/// Hands what the client sends on to the broker. It comes to an end where the client resets: then it is gone, and so is its
/// connection to the broker. After a close there may still be something for the client.
async fn upward(
    id: ConnectionId,
    mut client: OwnedReadHalf,
    mut broker: OwnedWriteHalf,
    queue: mpsc::UnboundedSender<ToClient>,
    relay: &Shared,
    ends: &Ends,
) {
    let mut cut = Cut::default();
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        buffer.clear();
        match client.read_buf(&mut buffer).await {
            Err(_) => return,
            Ok(0) => break,
            Ok(_) => {}
        }
        let pieces = cut.push(&buffer);
        let mut onward = Vec::new();
        let changes = {
            let mut relay = relay.lock();
            for piece in pieces {
                match piece {
                    Piece::Bytes(bytes) => onward.push(bytes),
                    Piece::Packet(packet) => {
                        let all = relay.arrival(id, packet, Instant::now());
                        onward.extend(all.to_broker);
                        for bytes in all.to_client {
                            let _ = queue.send(ToClient::Write(bytes));
                        }
                    }
                }
            }
            relay.changes_arrivals
        };
        // Where nothing is changed, the bytes go on as they came and at once: half a packet too. A write that the broker does
        // not take any more has nobody to go to.
        let _ = if changes {
            broker.write_all(&onward.concat()).await
        } else {
            broker.write_all(&buffer).await
        };
    }
    ends.by_client.store(true, Ordering::Relaxed);
    if ends.by_us.load(Ordering::Relaxed) {
        return;
    }
    if relay.lock().changes_arrivals {
        let _ = broker.write_all(&cut.rest()).await;
    }
    let _ = broker.shutdown().await;
    // Now the broker alone has something to say.
    drop(queue);
    std::future::pending().await
}

/// Hands what the broker sends on to the client, until the broker closes.
async fn downward(id: ConnectionId, mut broker: OwnedReadHalf, queue: mpsc::UnboundedSender<ToClient>, relay: &Shared) {
    let mut cut = Cut::default();
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        buffer.clear();
        // However a broker closes, it is gone.
        if broker.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            let _ = queue.send(ToClient::Write(cut.rest()));
            if !relay.lock().keeps_open(id, Instant::now()) {
                let _ = queue.send(ToClient::Close);
            }
            return;
        }
        let pieces = cut.push(&buffer);
        let mut relay = relay.lock();
        for piece in pieces {
            let all = match piece {
                Piece::Bytes(bytes) => vec![bytes],
                Piece::Packet(packet) => relay.departure(id, packet),
            };
            for bytes in all {
                let _ = queue.send(ToClient::Write(bytes));
            }
        }
    }
}

/// Writes to the client until its connection is to be closed, or it is gone.
async fn write(mut client: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<ToClient>, ends: &Ends) {
    while let Some(ToClient::Write(bytes)) = queue.recv().await {
        if client.write_all(&bytes).await.is_err() {
            return;
        }
    }
    // The client may have closed before: then there is nothing left to shut.
    let _ = client.shutdown().await;
    // Were the connection dropped with unread bytes, the system would send a reset, and the last packet could be lost with it.
    ends.by_us.store(true, Ordering::Relaxed);
    if !ends.by_client.load(Ordering::Relaxed) {
        tokio::time::sleep(LINGER).await;
    }
}
