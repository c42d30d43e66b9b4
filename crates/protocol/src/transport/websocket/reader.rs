//! Frames → bytes. Pings and closes are answered on the way.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::super::stream::Half;
use super::Side;
use super::mask::Mask;
use super::outbox::Outbox;

/// How much is read from below at once.
const READ: usize = 64 * 1024;
/// The payload of a control frame is no longer than this (RFC 6455, section 5.5).
const CONTROL_MAX: u64 = 125;

/// The half that reads.
#[derive(Debug)]
pub struct Reader {
    half: Half,
    side: Side,
    outbox: Outbox,
    /// Read from below, and not looked at yet.
    buffer: BytesMut,
    frame: Option<Frame>,
    /// A message has begun and its last frame has not come.
    in_message: bool,
    message_ended: bool,
    had_text: bool,
    over: bool,
}

/// The frame at hand.
#[derive(Debug)]
struct Frame {
    opcode: OpCode,
    is_final: bool,
    left: u64,
    mask: Option<Mask>,
}

impl Reader {
    pub(super) fn new(half: Half, side: Side, rest: BytesMut, outbox: Outbox) -> Reader {
        Reader {
            half,
            side,
            outbox,
            buffer: rest,
            frame: None,
            in_message: false,
            message_ended: false,
            had_text: false,
            over: false,
        }
    }

    /// Whether a text frame has come since this was asked last.
    pub fn had_text(&mut self) -> bool {
        std::mem::take(&mut self.had_text)
    }

    /// Whether the last read ended with the end of a message.
    pub fn message_ended(&self) -> bool {
        self.message_ended
    }

    /// Takes the header of the next frame off the buffer; `false` if it is not whole.
    fn next_frame(&mut self) -> io::Result<bool> {
        let mut cursor = io::Cursor::new(&self.buffer[..]);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(io::Error::other)? else {
            return Ok(false);
        };
        let used = cursor.position() as usize;
        self.buffer.advance(used);
        self.check(&header, length)?;
        if let OpCode::Data(data) = header.opcode {
            self.had_text |= data == Data::Text;
            self.in_message = !header.is_final;
        }
        self.frame = Some(Frame {
            opcode: header.opcode,
            is_final: header.is_final,
            left: length,
            mask: header.mask.map(Mask::of),
        });
        Ok(true)
    }

    /// What RFC 6455 says of every frame (sections 5.1, 5.2, 5.4 and 5.5).
    fn check(&self, header: &FrameHeader, length: u64) -> io::Result<()> {
        let wrong = if header.rsv1 || header.rsv2 || header.rsv3 {
            "a reserved bit is set"
        } else if header.mask.is_some() != (self.side == Side::Server) {
            match self.side {
                Side::Server => "a client's frame is not masked",
                Side::Client => "a server's frame is masked",
            }
        } else {
            match header.opcode {
                OpCode::Control(_) if length > CONTROL_MAX => "a control frame of more than 125 bytes",
                OpCode::Control(_) if !header.is_final => "a control frame in pieces",
                OpCode::Data(Data::Continue) if !self.in_message => "a continuation of nothing",
                OpCode::Data(Data::Text | Data::Binary) if self.in_message => "a message inside another",
                _ => return Ok(()),
            }
        };
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("not WebSocket: {wrong}"),
        ))
    }

    /// Goes on with the frame at hand as far as the buffer reaches. `true`: there is something to be reported to the
    /// caller.
    fn go_on(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> bool {
        let Some(frame) = &mut self.frame else { return false };
        match frame.opcode {
            OpCode::Control(control) => {
                let length = frame.left as usize;
                if self.buffer.len() < length {
                    return false;
                }
                let mut payload = self.buffer.split_to(length);
                if let Some(mask) = &mut frame.mask {
                    mask.apply(&mut payload);
                }
                self.frame = None;
                match control {
                    Control::Ping => self.outbox.answer(cx, Control::Pong, &payload),
                    Control::Close => {
                        self.outbox.answer(cx, Control::Close, &payload);
                        self.over = true;
                    }
                    _ => {}
                }
                self.over
            }
            OpCode::Data(_) => {
                let length = (self.buffer.len().min(out.remaining()) as u64).min(frame.left) as usize;
                let mut payload = self.buffer.split_to(length);
                if let Some(mask) = &mut frame.mask {
                    mask.apply(&mut payload);
                }
                out.put_slice(&payload);
                frame.left -= length as u64;
                if frame.left == 0 {
                    self.message_ended = frame.is_final;
                    self.frame = None;
                }
                length > 0
            }
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.message_ended = false;
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            // A close frame is the end, whatever the connection below does.
            if this.over || this.go_on(cx, out) {
                if this.over {
                    this.outbox.shut_down(cx);
                }
                return Poll::Ready(Ok(()));
            }
            if this.frame.is_none() && this.next_frame()? {
                continue;
            }
            this.buffer.reserve(READ);
            let before = this.buffer.len();
            let future = std::pin::pin!(tokio::io::AsyncReadExt::read_buf(&mut this.half, &mut this.buffer));
            ready!(future.poll(cx))?;
            if this.buffer.len() == before {
                this.outbox.shut_down(cx);
                return Poll::Ready(Ok(()));
            }
        }
    }
}
