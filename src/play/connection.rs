//! One connection of a client: a task reads it from the moment it opens, so that no answer can come too early.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::sut::{Address, Ask, Dialer};
use crate::transcript::{ClientName, End};
use crate::transport::websocket::Upgrade;
use crate::transport::{Reader, Writer};
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
    /// A WebSocket text frame began among the bytes that come next.
    Text,
    End(End),
}

/// One read takes at most so much.
const READ: usize = 256 * 1024;

/// So much room the first read of a connection has. Nearly all packets are smaller than a line of text, and what is read is
/// kept as a part of the buffer that it came in: most connections need no second one.
const FIRST_READ: usize = 1024;

/// A buffer with less room than this is not read into any more.
const ROOM: usize = 256;

/// How many reads may wait to be looked at: what a broker can make the harness hold is bounded.
pub const QUEUE: usize = 16;

/// A connection of a client.
#[derive(Debug)]
pub struct Connection {
    number: u32,
    writer: Option<Writer>,
    reading: watch::Sender<bool>,
    reader: JoinHandle<()>,
}

impl Connection {
    /// Opens a connection and begins to read it.
    ///
    /// # Errors
    /// Where the target does not accept within `patience`, or the system refuses.
    pub async fn open(
        dialer: &Dialer,
        address: &Address,
        ask: Ask<'_>,
        client: ClientName,
        number: u32,
        patience: Duration,
        arrivals: mpsc::Sender<Arrival>,
    ) -> io::Result<(Connection, Option<Upgrade>)> {
        let dialled = tokio::time::timeout(patience, dialer.dial(address, ask))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let (reading, readable) = watch::channel(true);
        let reader = tokio::spawn(read_all(dialled.link.reader, client, number, readable, arrivals));
        let connection = Connection {
            number,
            writer: Some(dialled.link.writer),
            reading,
            reader,
        };
        Ok((connection, dialled.upgrade))
    }

    /// Counts the connections of the case from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Writes all of it. That the other side has gone is no error here: the next expectation decides.
    ///
    /// Over WebSocket it is one frame, a text frame where `text` says so.
    pub async fn write(&mut self, chunks: &[Chunk], text: bool) {
        let Some(writer) = &mut self.writer else { return };
        writer.announce(chunks.iter().map(Chunk::len).sum(), text);
        for chunk in chunks {
            let done = match chunk {
                Chunk::Bytes(bytes) => writer.write_all(bytes).await,
                Chunk::Fill { len, byte } => fill(writer, *len, *byte).await,
            };
            if done.is_err() {
                return;
            }
        }
        let _ = writer.flush().await;
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
            // The socket is gone when both halves are.
            self.reader.abort();
            let _ = (&mut self.reader).await;
            writer.reset();
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

async fn fill(writer: &mut Writer, len: u64, byte: u8) -> io::Result<()> {
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
    mut read_half: Reader,
    client: ClientName,
    connection: u32,
    mut readable: watch::Receiver<bool>,
    arrivals: mpsc::Sender<Arrival>,
) {
    let mut buffer = BytesMut::new();
    // Grows with a broker that fills it.
    let mut size = FIRST_READ;
    loop {
        if readable.wait_for(|on| *on).await.is_err() {
            return;
        }
        if buffer.capacity() < ROOM {
            buffer.reserve(size);
        }
        let room = buffer.capacity();
        let read = tokio::select! {
            read = read_half.read_buf(&mut buffer) => read,
            changed = readable.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let what = match read {
            Ok(0) => Arrived::End(End::Fin),
            Ok(n) => {
                if n == room {
                    size = (size * 4).min(READ);
                }
                Arrived::Bytes(buffer.split().freeze())
            }
            // TLS that ends without its own farewell: what lies below had a FIN.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Arrived::End(End::Fin),
            Err(_) => Arrived::End(End::Reset),
        };
        let over = matches!(what, Arrived::End(_));
        let at = Instant::now();
        let text = read_half.had_text().then_some(Arrived::Text);
        for what in text.into_iter().chain([what]) {
            let arrival = Arrival {
                at,
                client: Arc::clone(&client),
                connection,
                what,
            };
            if arrivals.send(arrival).await.is_err() {
                return;
            }
        }
        if over {
            return;
        }
    }
}
