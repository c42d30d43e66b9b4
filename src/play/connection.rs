//! One TCP connection of a client: a task reads it from the moment it opens, so that no answer can come too early.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::transcript::{ClientName, End};
use crate::wire::Chunk;

/// What a connection's reader tells the driver.
#[derive(Debug)]
pub struct Arrival {
    pub at: Instant,
    pub client: ClientName,
    pub connection: u32,
    pub what: Arrived,
}

#[derive(Debug)]
pub enum Arrived {
    Bytes(Bytes),
    End(End),
}

/// One read takes at most so much.
const READ: usize = 64 * 1024;

/// How many reads may wait to be looked at: what a broker can make the harness hold is bounded.
pub const QUEUE: usize = 64;

/// A connection of a client.
#[derive(Debug)]
pub struct Connection {
    number: u32,
    writer: Option<OwnedWriteHalf>,
    reading: watch::Sender<bool>,
    reader: JoinHandle<()>,
}

impl Connection {
    /// Opens a connection and begins to read it.
    ///
    /// # Errors
    /// Where the target does not accept within `patience`, or the system refuses.
    pub async fn open(
        address: SocketAddr,
        client: ClientName,
        number: u32,
        small_buffer: bool,
        patience: Duration,
        arrivals: mpsc::Sender<Arrival>,
    ) -> io::Result<Connection> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if small_buffer {
            // A client that stops reading must make the broker feel it soon.
            socket.set_recv_buffer_size(4096)?;
        }
        let stream = tokio::time::timeout(patience, socket.connect(address))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        // Nagle's algorithm would hold small packets back, 40 ms a round.
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let (reading, readable) = watch::channel(true);
        let reader = tokio::spawn(read_all(read, client, number, readable, arrivals));
        Ok(Connection {
            number,
            writer: Some(write),
            reading,
            reader,
        })
    }

    /// Counts the connections of the case from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Writes all of it. That the other side has gone is no error here: the next expectation decides.
    pub async fn write(&mut self, chunks: &[Chunk]) {
        let Some(writer) = &mut self.writer else { return };
        for chunk in chunks {
            let done = match chunk {
                Chunk::Bytes(bytes) => writer.write_all(bytes).await,
                Chunk::Fill { len, byte } => fill(writer, *len, *byte).await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// FIN; reading goes on.
    pub async fn finish(&mut self) {
        if let Some(writer) = &mut self.writer {
            // An error means that the connection is gone already.
            let _ = writer.shutdown().await;
        }
    }

    /// RST.
    pub async fn reset(mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.as_ref().set_zero_linger();
            self.reader.abort();
            let _ = (&mut self.reader).await;
            // Both halves are gone now, and with them the socket.
            drop(writer);
        }
    }

    /// Takes bytes from the socket, or leaves them there.
    pub fn set_reading(&self, on: bool) {
        self.reading.send_replace(on);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn fill(writer: &mut OwnedWriteHalf, len: u64, byte: u8) -> io::Result<()> {
    let block = vec![byte; READ];
    let mut left = len;
    while left > 0 {
        let n = left.min(block.len() as u64) as usize;
        writer.write_all(&block[..n]).await?;
        left -= n as u64;
    }
    Ok(())
}

async fn read_all(
    mut read: OwnedReadHalf,
    client: ClientName,
    connection: u32,
    mut readable: watch::Receiver<bool>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let mut buffer = BytesMut::new();
    loop {
        if readable.wait_for(|on| *on).await.is_err() {
            return;
        }
        buffer.reserve(READ);
        let read = tokio::select! {
            read = read.read_buf(&mut buffer) => read,
            changed = readable.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let what = match read {
            Ok(0) => Arrived::End(End::Fin),
            Ok(_) => Arrived::Bytes(buffer.split().freeze()),
            Err(_) => Arrived::End(End::Reset),
        };
        let over = matches!(what, Arrived::End(_));
        let arrival = Arrival {
            at: Instant::now(),
            client: Arc::clone(&client),
            connection,
            what,
        };
        if arrivals.send(arrival).await.is_err() || over {
            return;
        }
    }
}
