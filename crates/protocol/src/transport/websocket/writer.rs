//! Bytes → frames.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tungstenite::protocol::frame::coding::Data;

use super::outbox::Outbox;

/// How much goes into a frame that was not announced, and how much is encoded at once.
const CHUNK: usize = 64 * 1024;

/// The half that writes.
#[derive(Debug)]
pub struct Writer {
    outbox: Outbox,
    /// The next bytes make a frame of this length.
    announced: Option<(u64, Data)>,
}

impl Writer {
    pub(super) fn new(outbox: Outbox) -> Writer {
        Writer {
            outbox,
            announced: None,
        }
    }

    /// The next `length` bytes make one frame.
    pub fn announce(&mut self, length: u64, text: bool) {
        self.announced = Some((length, if text { Data::Text } else { Data::Binary }));
    }

    /// Dropping both halves sends RST from now on, and not FIN.
    pub fn reset_when_dropped(&self) {
        self.outbox.lock().half().stream().reset_when_dropped();
    }
}

impl AsyncWrite for Writer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut outbox = this.outbox.lock();
        ready!(outbox.poll_drain(cx))?;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if outbox.left() == 0 {
            let (length, opcode) = this
                .announced
                .take()
                .filter(|(length, _)| *length > 0)
                .unwrap_or((buf.len().min(CHUNK) as u64, Data::Binary));
            outbox.begin(opcode, length);
        }
        let length = (buf.len().min(CHUNK) as u64).min(outbox.left()) as usize;
        outbox.payload(&buf[..length]);
        // These bytes count as written: what does not go now goes with the next ones, or with the flush.
        match outbox.poll_drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(length)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.lock().poll_drain(cx)
    }

    /// A close frame, and then the end of what lies below.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // 1000: a normal closure (RFC 6455, section 7.4.1).
        let mut outbox = self.outbox.lock();
        outbox.close(&1000u16.to_be_bytes());
        ready!(outbox.poll_drain(cx))?;
        outbox.poll_shutdown(cx)
    }
}
