//! What waits to be sent on a WebSocket: the writer's frames, and the answers to control frames, which the reader puts
//! here.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::AsyncWrite;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::super::stream::Half;
use super::Side;
use super::mask::Mask;

/// How many bytes of answers may wait. A peer that pings and never lets us write gets no more of them.
const ANSWERS_MAX: usize = 64 * 1024;

/// Shared by reader and writer.
#[derive(Debug, Clone)]
pub(super) struct Outbox(Arc<Mutex<Inner>>);

#[derive(Debug)]
pub(super) struct Inner {
    half: Half,
    side: Side,
    /// Encoded, and not written yet.
    ready: BytesMut,
    /// How much of the frame at hand is not in `ready` yet.
    left: u64,
    mask: Option<Mask>,
    /// Control frames for when no frame is half sent.
    answers: BytesMut,
    closed: bool,
}

impl Outbox {
    pub(super) fn new(half: Half, side: Side) -> Outbox {
        Outbox(Arc::new(Mutex::new(Inner {
            half,
            side,
            ready: BytesMut::new(),
            left: 0,
            mask: None,
            answers: BytesMut::new(),
            closed: false,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a ping with its payload, or a close with its code. If the writer is idle, the answer goes at once;
    /// else the writer takes it along.
    pub(super) fn answer(&self, cx: &mut Context<'_>, control: Control, payload: &[u8]) {
        let mut inner = self.lock();
        let is_idle = inner.ready.is_empty();
        if control == Control::Close {
            inner.close(payload);
        } else if inner.answers.len() < ANSWERS_MAX {
            inner.control(control, payload);
        }
        if is_idle {
            inner.take_answers();
            // What does not go now goes with the next frame; an error is the reader's to find as well.
            let _ = inner.poll_drain(cx);
        }
    }

    /// Ends our direction too, now that the other side has ended its own: a server may wait for that before it takes
    /// the client for gone. What cannot be written at once any more is not waited for.
    pub(super) fn shut_down(&self, cx: &mut Context<'_>) {
        let mut inner = self.lock();
        if inner.poll_drain(cx).is_ready() {
            let _ = inner.poll_shutdown(cx);
        }
    }
}

impl Inner {
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn half(&self) -> &Half {
        &self.half
    }

    /// Begins a frame of this many bytes.
    pub(super) fn begin(&mut self, opcode: Data, length: u64) {
        let mask = (self.side == Side::Client).then(Mask::random);
        header(&mut self.ready, OpCode::Data(opcode), length, mask);
        self.mask = mask;
        self.left = length;
        self.take_answers();
    }

    /// Goes on with the frame that was begun.
    pub(super) fn payload(&mut self, bytes: &[u8]) {
        let from = self.ready.len();
        self.ready.extend_from_slice(bytes);
        if let Some(mask) = &mut self.mask {
            mask.apply(&mut self.ready[from..]);
        }
        self.left -= bytes.len() as u64;
        self.take_answers();
    }

    /// A close frame, once.
    pub(super) fn close(&mut self, payload: &[u8]) {
        if !self.closed {
            self.closed = true;
            self.control(Control::Close, payload);
        }
        self.take_answers();
    }

    fn control(&mut self, control: Control, payload: &[u8]) {
        let mask = (self.side == Side::Client).then(Mask::random);
        header(&mut self.answers, OpCode::Control(control), payload.len() as u64, mask);
        let from = self.answers.len();
        self.answers.extend_from_slice(payload);
        if let Some(mut mask) = mask {
            mask.apply(&mut self.answers[from..]);
        }
    }

    /// Control frames are between frames, never inside one.
    fn take_answers(&mut self) {
        if self.left == 0 && !self.answers.is_empty() {
            let answers = self.answers.split();
            self.ready.unsplit(answers);
        }
    }

    /// Writes what is ready.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ready.is_empty() {
            let written = ready!(Pin::new(&mut self.half).poll_write(cx, &self.ready))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.ready.advance(written);
        }
        Pin::new(&mut self.half).poll_flush(cx)
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.half).poll_shutdown(cx)
    }
}

fn header(to: &mut BytesMut, opcode: OpCode, length: u64, mask: Option<Mask>) {
    let header = FrameHeader {
        is_final: true,
        rsv1: false,
        rsv2: false,
        rsv3: false,
        opcode,
        mask: mask.map(Mask::key),
    };
    header
        .format(length, &mut to.writer())
        .expect("writing into memory does not fail");
}
