//! The acts of `sabotage` and the edits and styles of `freedom` in front of any broker, so that scenario, broker and fault
//! do not share one author's mistake.
//!
//! In: the broker's address, the faults to inject and the freedoms to use; of these only those apply that change packets,
//! bytes and closes alone. Out: an address of its own that otherwise behaves as the broker's.

mod cut;
mod relay;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::disobey::Disobey;
use super::freedom::{Free, Intake, Parcel, Style, read_late, write_freely};
use super::ids::ConnectionId;
use crate::wire::PacketType;
use cut::{Cut, Piece};
use relay::Relay;

/// How many bytes are read at once.
const READ: usize = 64 * 1024;
/// How long a closed connection is still read.
const LINGER: Duration = Duration::from_secs(1);
/// How long to wait before the next connection if one could not be accepted.
const RELIEF: Duration = Duration::from_millis(10);

/// A running proxy. Dropping it ends it, and every connection through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy inside the current tokio runtime, on a free loopback port. `broker` is the address of the broker, host
    /// and port; nothing is sent to it before a client connects.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(broker: String, disobey: &Disobey, free: &Free) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let relay = Shared(Arc::new(Mutex::new(Relay::new(disobey, free))));
        let manner = Manner {
            style: free.style(),
            intake: free.intake(),
        };
        let task = tokio::spawn(serve(listener, broker, relay, manner));
        Ok(Proxy { address, task })
    }

    /// The address of the listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The relay, shared by all connections.
#[derive(Clone)]
struct Shared(Arc<Mutex<Relay>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Relay> {
        // A state that one connection left half done is no worse than what acts do anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When and in which pieces bytes are sent to the client, and when bytes from it are processed.
#[derive(Debug, Clone)]
struct Manner {
    style: Option<Style>,
    intake: Intake,
}

async fn serve(listener: TcpListener, broker: String, relay: Shared, manner: Manner) {
    let mut connections = JoinSet::new();
    let mut opened = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else {
                    // A client that disconnected at once, or no descriptor is left: the others go on.
                    tokio::time::sleep(RELIEF).await;
                    continue;
                };
                opened += 1;
                let id = ConnectionId(opened);
                let (broker, relay, manner) = (broker.clone(), relay.clone(), manner.clone());
                connections.spawn(async move {
                    relay.lock().opened(id, Instant::now());
                    connection(id, client, &broker, &relay, manner).await;
                    relay.lock().gone(id);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A command for a client's connection.
enum ToClient {
    Write(Parcel),
    Close,
}

/// One connection, from its first byte to its last.
async fn connection(id: ConnectionId, client: TcpStream, broker: &str, relay: &Shared, manner: Manner) {
    // If a broker cannot be reached, the client sees an immediate close.
    let Ok(broker) = TcpStream::connect(broker).await else {
        return;
    };
    // Without this, small packets wait for the acknowledgement of earlier ones, 40 ms a round.
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    if manner.style.as_ref().is_some_and(|style| style.resets) {
        // An error means that the connection is gone already.
        let _ = client.set_zero_linger();
    }
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let (queue, queued) = mpsc::unbounded_channel();
    let ends = Ends::default();
    let downward = downward(id, from_broker, queue.clone(), relay);
    let upward = upward(id, from_client, to_broker, queue, relay, &ends, manner.intake);
    tokio::select! {
        () = upward => {}
        () = async { downward.await; std::future::pending().await } => {}
        () = write(to_client, queued, &ends, id, manner.style) => {}
    }
}

/// Which sides of a client's connection are closed.
#[derive(Default)]
struct Ends {
    by_client: AtomicBool,
    by_us: AtomicBool,
}

/// Passes what the client sends on to the broker. It ends if the client resets: then the client is gone, and so is its
/// connection to the broker. After a close there may still be data for the client.
async fn upward(
    id: ConnectionId,
    mut client: OwnedReadHalf,
    mut broker: OwnedWriteHalf,
    queue: mpsc::UnboundedSender<ToClient>,
    relay: &Shared,
    ends: &Ends,
    intake: Intake,
) {
    let mut cut = Cut::default();
    let mut buffer = BytesMut::with_capacity(READ);
    let mut is_over = false;
    while !is_over {
        buffer.clear();
        match client.read_buf(&mut buffer).await {
            Err(_) => return tokio::time::sleep(intake.loss).await,
            Ok(0) => break,
            Ok(_) => {}
        }
        let mut pieces = cut.push(&buffer);
        let drops = |piece: &Piece| matches!(piece, Piece::Packet(packet) if intake.drops(PacketType::from_number(packet[0] >> 4)));
        let mut drops_any = false;
        while pieces.iter().any(drops) && !is_over {
            let read_before = buffer.len();
            match read_late(client.read_buf(&mut buffer)).await {
                None => break,
                Some(0) => {
                    is_over = true;
                    drops_any = true;
                    pieces.retain(|piece| !drops(piece));
                }
                Some(_) => pieces.extend(cut.push(&buffer[read_before..])),
            }
        }
        tokio::time::sleep(intake.late).await;
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
                            let _ = queue.send(ToClient::Write(Parcel::raw(bytes)));
                        }
                    }
                }
            }
            relay.changes_arrivals || drops_any
        };
        // If nothing is changed, bytes are passed on as they came and at once: half a packet too. A write that the broker
        // no longer accepts has no receiver.
        let _ = if changes {
            broker.write_all(&onward.concat()).await
        } else {
            broker.write_all(&buffer).await
        };
    }
    tokio::time::sleep(intake.loss).await;
    ends.by_client.store(true, Ordering::Relaxed);
    if ends.by_us.load(Ordering::Relaxed) {
        return;
    }
    if relay.lock().changes_arrivals {
        let _ = broker.write_all(&cut.rest()).await;
    }
    let _ = broker.shutdown().await;
    // From here on only the broker has something to send.
    drop(queue);
    std::future::pending().await
}

/// Passes what the broker sends on to the client, until the broker closes.
async fn downward(id: ConnectionId, mut broker: OwnedReadHalf, queue: mpsc::UnboundedSender<ToClient>, relay: &Shared) {
    let mut cut = Cut::default();
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        buffer.clear();
        // However a broker closes, it is gone.
        if broker.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
            let _ = queue.send(ToClient::Write(Parcel::raw(cut.rest())));
            if !relay.lock().keeps_open(id, Instant::now()) {
                let _ = queue.send(ToClient::Close);
            }
            return;
        }
        let pieces = cut.push(&buffer);
        let mut relay = relay.lock();
        for piece in pieces {
            let all = match piece {
                Piece::Bytes(bytes) => vec![Parcel::raw(bytes)],
                Piece::Packet(packet) => relay.departure(id, packet),
            };
            for parcel in all {
                let _ = queue.send(ToClient::Write(parcel));
            }
        }
    }
}

/// Writes to the client until its connection has to be closed, or is gone.
async fn write(
    mut client: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<ToClient>,
    ends: &Ends,
    id: ConnectionId,
    style: Option<Style>,
) {
    let resets = style.as_ref().is_some_and(|style| style.resets);
    match style {
        None => {
            while let Some(ToClient::Write(parcel)) = queue.recv().await {
                for bytes in parcel.bytes {
                    if client.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
            }
        }
        Some(style) => {
            let (parcels, waiting) = mpsc::unbounded_channel();
            let forward = async move {
                while let Some(ToClient::Write(parcel)) = queue.recv().await {
                    // No one receives it any more if the client is gone.
                    let _ = parcels.send(parcel);
                }
            };
            let write = write_freely(&mut client, waiting, style, id.0, |_| ());
            let written = tokio::join!(forward, write).1;
            if resets {
                // Dropping this half would send a FIN first.
                client.forget();
                return;
            }
            if written.is_err() {
                return;
            }
        }
    }
    // The client may have closed before: then there is nothing to shut down.
    let _ = client.shutdown().await;
    // If the connection were dropped with unread bytes, the system would send a reset, and the last packet could be lost.
    ends.by_us.store(true, Ordering::Relaxed);
    if !ends.by_client.load(Ordering::Relaxed) {
        tokio::time::sleep(LINGER).await;
    }
}
