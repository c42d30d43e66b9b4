//! One network connection: bytes in both directions, and the packets in them.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

use crate::transcript::Aliases;
use crate::transport::{Link, Reader, Writer};
use crate::wire::{Frame, Piece, Splitter, Version};

/// At most this many bytes are read at once.
const CHUNK: usize = 8 * 1024;

/// A connection of a client.
pub(super) struct Wire {
    pub client: usize,
    pub version: Version,
    pub aliases: [Aliases; 2],
    /// PINGREQ packets without an answer.
    pub pings: usize,
    reader: Reader,
    writer: Writer,
    splitter: Splitter,
    /// What is to be written.
    out: Vec<u8>,
}

/// What came.
pub(super) struct Came {
    pub frames: Vec<Frame>,
    pub bytes: usize,
    /// The broker has ended the connection.
    pub over: bool,
}

impl Wire {
    pub fn new(client: usize, version: Version, link: Link) -> Wire {
        Wire {
            client,
            version,
            aliases: Default::default(),
            pings: 0,
            reader: link.reader,
            writer: link.writer,
            splitter: Splitter::new(),
            out: Vec::new(),
        }
    }

    /// Has these bytes sent with the next [`Wire::flush`].
    pub fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sends what was put. A connection that the broker has ended takes nothing more, which the next read shows.
    pub async fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let out = std::mem::take(&mut self.out);
        self.writer.announce(out.len() as u64, false);
        if self.writer.write_all(&out).await.is_ok() {
            let _ = self.writer.flush().await;
        }
        // A broker that sends two small packets holds the second one back until the first is acknowledged.
        self.writer.acknowledge_soon();
    }

    /// Sends FIN.
    pub async fn finish(&mut self) {
        self.flush().await;
        let _ = self.writer.shutdown().await;
    }

    /// Ends it with RST.
    pub fn reset(self) {
        drop(self.reader);
        self.writer.reset();
    }

    /// Waits until something comes.
    pub async fn read(&mut self) -> Came {
        let mut space = [0; CHUNK];
        let mut buffer = ReadBuf::new(&mut space);
        let read = poll_fn(|cx| Pin::new(&mut self.reader).poll_read(cx, &mut buffer)).await;
        self.came(read, buffer.filled())
    }

    /// What has come, if anything has.
    pub async fn read_now(&mut self) -> Option<Came> {
        let mut space = [0; CHUNK];
        let mut buffer = ReadBuf::new(&mut space);
        let read = poll_fn(|cx| match Pin::new(&mut self.reader).poll_read(cx, &mut buffer) {
            Poll::Ready(read) => Poll::Ready(Some(read)),
            Poll::Pending => Poll::Ready(None),
        });
        let read = read.await?;
        Some(self.came(read, buffer.filled()))
    }

    fn came(&mut self, read: io::Result<()>, bytes: &[u8]) -> Came {
        let mut over = read.is_err() || bytes.is_empty();
        let mut frames = Vec::new();
        for piece in self.splitter.push(bytes) {
            match piece {
                Piece::Frame(frame) => frames.push(frame),
                // The rules judge what these bytes are. Nothing after them can be told apart.
                Piece::Broken { bytes, .. } => {
                    frames.extend(Frame::loose(bytes));
                    over = true;
                }
            }
        }
        Came {
            frames,
            bytes: bytes.len(),
            over,
        }
    }
}
