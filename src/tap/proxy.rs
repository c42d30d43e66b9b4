//! One connection: the client's and the one to the broker, and what goes through them.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::item;
use crate::sut::Address;
use crate::transcript::End;
use crate::wire::Side;

/// One read takes at most so much.
const READ: usize = 64 * 1024;
/// How long the broker may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that happened on a connection.
#[derive(Debug)]
pub struct Item {
    pub at: Instant,
    /// Counts from 1 in the order of arrival.
    pub connection: u32,
    pub kind: ItemKind,
}

#[derive(Debug)]
pub enum ItemKind {
    /// A client came, and the broker accepted.
    Open {
        client: SocketAddr,
        broker: SocketAddr,
    },
    /// A client came, and the broker cannot be reached: why.
    Unreachable {
        client: SocketAddr,
        why: String,
    },
    Bytes {
        from: Side,
        bytes: Bytes,
    },
    End {
        from: Side,
        how: End,
    },
    /// Nothing more comes of this connection.
    Gone,
}

/// The recorder has ended, or a side was reset: the whole connection ends.
struct Over;

/// Passes bytes both ways until both sides have ended.
pub async fn pass(number: u32, client: TcpStream, peer: SocketAddr, broker: Address, items: mpsc::Sender<Item>) {
    match reach(&broker).await {
        Ok(upstream) => both_ways(number, client, peer, upstream, &items).await,
        Err(error) => {
            let why = error.to_string();
            let kind = ItemKind::Unreachable { client: peer, why };
            // That the recorder has ended is the end of this task anyway.
            let _ = items.send(item(number, kind)).await;
            // The client sees a reset at once, not an orderly end.
            let _ = client.set_zero_linger();
        }
    }
}

async fn reach(broker: &Address) -> io::Result<TcpStream> {
    let connecting = async { TcpStream::connect(&*broker.resolve().await?).await };
    tokio::time::timeout(PATIENCE, connecting)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn both_ways(number: u32, client: TcpStream, peer: SocketAddr, upstream: TcpStream, items: &mpsc::Sender<Item>) {
    let Ok(broker) = upstream.peer_addr() else { return };
    // Nagle's algorithm would hold small packets back that the other side sent at once.
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let open = ItemKind::Open { client: peer, broker };
    if items.send(item(number, open)).await.is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = upstream.into_split();
    let requests = one_way(number, Side::Client, from_client, to_broker, items);
    let answers = one_way(number, Side::Server, from_broker, to_client, items);
    // A reset ends both directions at once, and so both connections.
    let _ = tokio::try_join!(requests, answers);
    let _ = items.send(item(number, ItemKind::Gone)).await;
}

/// Passes one direction. What a client sends is written down before the broker can see it, and what the broker sends
/// after it has come, so that the order in the file is one of cause and effect.
async fn one_way(
    number: u32,
    from: Side,
    mut read: OwnedReadHalf,
    mut write: OwnedWriteHalf,
    items: &mpsc::Sender<Item>,
) -> Result<(), Over> {
    let tell = |kind| async move { items.send(item(number, kind)).await.map_err(|_| Over) };
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match read.read_buf(&mut buffer).await {
            Ok(0) => {
                tell(ItemKind::End { from, how: End::Fin }).await?;
                // An error means that the other side has gone already.
                let _ = write.shutdown().await;
                return Ok(());
            }
            Ok(_) => {
                let bytes = buffer.split().freeze();
                tell(ItemKind::Bytes {
                    from,
                    bytes: bytes.clone(),
                })
                .await?;
                if write.write_all(&bytes).await.is_err() {
                    // The other direction sees how the other side has gone.
                    return Ok(());
                }
            }
            Err(_) => {
                tell(ItemKind::End { from, how: End::Reset }).await?;
                let _ = write.as_ref().set_zero_linger();
                return Err(Over);
            }
        }
    }
}
