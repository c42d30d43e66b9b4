//! A connection as MQTT sees it: two halves of bytes, whatever lies below.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio_rustls::TlsStream;

use super::stream::{Half, Stream};
use super::websocket::{self, Side};

/// A connection, ready to carry MQTT.
#[derive(Debug)]
pub struct Link {
    pub reader: Reader,
    pub writer: Writer,
}

/// The half that reads. Dropped with its [`Writer`], it closes the connection.
#[derive(Debug)]
pub struct Reader(ReadKind);

/// The half that writes. What was written is on its way only after a flush.
#[derive(Debug)]
pub struct Writer(WriteKind);

// A plain connection keeps the halves of its own, which need no lock.
#[derive(Debug)]
enum ReadKind {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
    Shared(Half),
    WebSocket(Box<websocket::Reader>),
}

#[derive(Debug)]
enum WriteKind {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
    Shared(Half),
    WebSocket(websocket::Writer),
}

impl Link {
    /// MQTT over TCP.
    pub fn tcp(stream: TcpStream) -> Link {
        let (reader, writer) = stream.into_split();
        Link {
            reader: Reader(ReadKind::Tcp(reader)),
            writer: Writer(WriteKind::Tcp(writer)),
        }
    }

    /// MQTT over a Unix socket.
    pub fn unix(stream: UnixStream) -> Link {
        let (reader, writer) = stream.into_split();
        Link {
            reader: Reader(ReadKind::Unix(reader)),
            writer: Writer(WriteKind::Unix(writer)),
        }
    }

    /// MQTT over TLS.
    pub fn tls(stream: TlsStream<TcpStream>) -> Link {
        let (reader, writer) = Half::pair(Stream::Tls(Box::new(stream)));
        Link {
            reader: Reader(ReadKind::Shared(reader)),
            writer: Writer(WriteKind::Shared(writer)),
        }
    }

    /// MQTT over WebSocket, after its upgrade. `rest` is what came behind that.
    pub fn websocket(stream: Stream, side: Side, rest: BytesMut) -> Link {
        let (reader, writer) = websocket::split(stream, side, rest);
        Link {
            reader: Reader(ReadKind::WebSocket(Box::new(reader))),
            writer: Writer(WriteKind::WebSocket(writer)),
        }
    }

    /// What a whole connection carries.
    pub fn over(stream: Stream) -> Link {
        match stream {
            Stream::Tcp(tcp) => Link::tcp(tcp),
            Stream::Unix(unix) => Link::unix(unix),
            Stream::Tls(tls) => Link::tls(*tls),
        }
    }
}

impl Reader {
    /// Whether a text frame has come since this was asked last. Its bytes are read like those of others: what they are
    /// worth is for the caller to say (MQTT 3.1.1 and 5.0: MQTT-6.0.0-1).
    pub fn had_text(&mut self) -> bool {
        match &mut self.0 {
            ReadKind::WebSocket(reader) => reader.had_text(),
            _ => false,
        }
    }

    /// Whether the last read ended with the end of a WebSocket message. No read goes beyond one.
    pub fn message_ended(&self) -> bool {
        match &self.0 {
            ReadKind::WebSocket(reader) => reader.message_ended(),
            _ => false,
        }
    }
}

impl Writer {
    /// Says how many bytes belong together: over WebSocket they make one frame, a text frame if `text` says so.
    /// Elsewhere this means nothing. What is written without it goes in binary frames of some length.
    pub fn announce(&mut self, length: u64, text: bool) {
        if let WriteKind::WebSocket(writer) = &mut self.0 {
            writer.announce(length, text);
        }
    }

    /// Has the system acknowledge the next bytes from the other side at once, where it can. Without it the acknowledgement may wait
    /// for something to be sent, 40 ms on Linux, and the other side's Nagle algorithm waits for the acknowledgement. It holds
    /// until the next write.
    pub fn acknowledge_soon(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let WriteKind::Tcp(writer) = &self.0 {
            // An error means that the connection is gone already.
            let _ = writer.as_ref().set_quickack(true);
        }
    }

    /// Ends the connection with RST. Its reader has to be gone already.
    pub fn reset(self) {
        match self.0 {
            WriteKind::Tcp(writer) => {
                // An error means that the connection is gone already.
                let _ = writer.as_ref().set_zero_linger();
                // Dropping this half would send a FIN first.
                writer.forget();
            }
            WriteKind::Unix(_) => {}
            WriteKind::Shared(half) => half.stream().reset_when_dropped(),
            WriteKind::WebSocket(writer) => writer.reset_when_dropped(),
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            ReadKind::Tcp(r) => Pin::new(r).poll_read(cx, buf),
            ReadKind::Unix(r) => Pin::new(r).poll_read(cx, buf),
            ReadKind::Shared(r) => Pin::new(r).poll_read(cx, buf),
            ReadKind::WebSocket(r) => Pin::new(&mut **r).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            WriteKind::Tcp(w) => Pin::new(w).poll_write(cx, buf),
            WriteKind::Unix(w) => Pin::new(w).poll_write(cx, buf),
            WriteKind::Shared(w) => Pin::new(w).poll_write(cx, buf),
            WriteKind::WebSocket(w) => Pin::new(w).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteKind::Tcp(w) => Pin::new(w).poll_flush(cx),
            WriteKind::Unix(w) => Pin::new(w).poll_flush(cx),
            WriteKind::Shared(w) => Pin::new(w).poll_flush(cx),
            WriteKind::WebSocket(w) => Pin::new(w).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            WriteKind::Tcp(w) => Pin::new(w).poll_shutdown(cx),
            WriteKind::Unix(w) => Pin::new(w).poll_shutdown(cx),
            WriteKind::Shared(w) => Pin::new(w).poll_shutdown(cx),
            WriteKind::WebSocket(w) => Pin::new(w).poll_shutdown(cx),
        }
    }
}
