//! One connection: a reader that passes packets to the core, and a writer that receives packets from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::Event;
use crate::reference::core::{ConnectionId, Received};
use crate::reference::disobey::Disobey;
use crate::reference::duty::Duty;
use crate::reference::frames::Frames;
use crate::reference::freedom::{Free, Intake, Parcel, Style, read_late, write_freely};
use crate::transport::{Link, Reader, Writer};

/// How many bytes are read at once.
const READ: usize = 64 * 1024;
/// How long the broker goes on reading a connection that it has closed. If it were dropped with unread bytes, the system
/// would send a reset, and the last packet could be lost.
const LINGER: Duration = Duration::from_secs(1);

/// How a connection differs from the usual.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// What it does with WebSocket frames; other transports have none.
    refuses_text: bool,
    loses_rests: bool,
    /// When and in which pieces it writes; `None` means at once.
    style: Option<Style>,
    intake: Intake,
}

impl Manner {
    pub(super) fn new(disobey: &Disobey, free: &Free) -> Manner {
        Manner {
            refuses_text: disobey.obeys(Duty::RefuseTextFrames),
            loses_rests: !disobey.obeys(Duty::JoinFrames),
            style: free.style(),
            intake: free.intake(),
        }
    }

    /// Whether connections end with RST.
    pub(super) fn resets(&self) -> bool {
        self.style.as_ref().is_some_and(|style| style.resets)
    }
}

/// One connection, from its first byte to its last.
pub(super) async fn connection(
    id: ConnectionId,
    link: Link,
    frames: Frames,
    manner: Manner,
    events: mpsc::Sender<Event>,
    queue: mpsc::UnboundedReceiver<Parcel>,
    waiting: Arc<AtomicUsize>,
) {
    let (resets, style) = (manner.resets(), manner.style.clone());
    let mut reader = std::pin::pin!(read(id, link.reader, frames, manner, events.clone()));
    let mut writer = std::pin::pin!(async {
        match style {
            None => write(link.writer, queue, waiting).await,
            Some(style) => write_in_style(link.writer, queue, waiting, style, id).await,
        }
    });
    tokio::select! {
        () = &mut reader => {
            // This makes the core drop its end, so that the writer can finish. An error means that the core is gone.
            let _ = events.send(Event::Gone(id)).await;
            let _ = tokio::time::timeout(LINGER, writer).await;
        }
        () = &mut writer => {
            if !resets {
                let _ = tokio::time::timeout(LINGER, reader).await;
            }
            let _ = events.send(Event::Gone(id)).await;
        }
    }
}

/// Passes on incoming packets until the client closes.
async fn read(id: ConnectionId, mut socket: Reader, mut frames: Frames, manner: Manner, events: mpsc::Sender<Event>) {
    loop {
        // Only a full buffer grows: there is room for a long packet already, down to its last byte.
        if frames.buffer.len() == frames.buffer.capacity() {
            frames.buffer.reserve(READ);
        }
        match socket.read_buf(&mut frames.buffer).await {
            // However a client closes, it is gone.
            Ok(0) | Err(_) => return tokio::time::sleep(manner.intake.loss).await,
            Ok(_) => {}
        }
        // v3.1.1:MQTT-6.0.0-1, v5:MQTT-6.0.0-1: a client that sends other data frames than binary ones is closed.
        if manner.refuses_text && socket.had_text() {
            return;
        }
        let mut packets = frames.take();
        // v3.1.1:MQTT-6.0.0-2, v5:MQTT-6.0.0-2: a packet may continue in the next frame. Under the fault, it is lost.
        if manner.loses_rests && socket.message_ended() {
            frames.buffer.clear();
        }
        let drops = |packet: &Received| manner.intake.drops(packet.packet_type);
        while packets.iter().any(drops) {
            match read_late(socket.read_buf(&mut frames.buffer)).await {
                None => break,
                Some(0) => {
                    packets.retain(|packet| !drops(packet));
                    // An error means that the core is gone, and the connection ends anyway.
                    let _ = events.send(Event::Received(id, packets)).await;
                    return tokio::time::sleep(manner.intake.loss).await;
                }
                Some(_) => packets.extend(frames.take()),
            }
        }
        if packets.is_empty() {
            continue;
        }
        tokio::time::sleep(manner.intake.late).await;
        if events.send(Event::Received(id, packets)).await.is_err() {
            return;
        }
    }
}

/// Writes what the core passes on, and closes when the core is done.
async fn write(mut socket: Writer, mut queue: mpsc::UnboundedReceiver<Parcel>, waiting: Arc<AtomicUsize>) {
    while let Some(parcel) = queue.recv().await {
        let mut packet: Vec<Bytes> = parcel.bytes;
        // Queued packets are written together, as long as they are small.
        let mut small = bytes::BytesMut::new();
        loop {
            for part in packet {
                waiting.fetch_sub(part.len(), Ordering::Relaxed);
                if part.len() < READ {
                    small.extend_from_slice(&part);
                    continue;
                }
                if socket.write_all(&small.split()).await.is_err() || socket.write_all(&part).await.is_err() {
                    return;
                }
            }
            match queue.try_recv() {
                Ok(next) if small.len() < READ => packet = next.bytes,
                Ok(next) => {
                    if socket.write_all(&small.split()).await.is_err() {
                        return;
                    }
                    packet = next.bytes;
                }
                Err(_) => break,
            }
        }
        if socket.write_all(&small).await.is_err() || socket.flush().await.is_err() {
            return;
        }
    }
    // The client may have closed before: then there is nothing to shut down.
    let _ = socket.shutdown().await;
}

/// As [`write`], at other times and in other pieces.
async fn write_in_style(
    mut socket: Writer,
    queue: mpsc::UnboundedReceiver<Parcel>,
    waiting: Arc<AtomicUsize>,
    style: Style,
    id: ConnectionId,
) {
    let resets = style.resets;
    let written = |length| {
        waiting.fetch_sub(length, Ordering::Relaxed);
    };
    let result = write_freely(&mut socket, queue, style, id.0, written).await;
    if resets {
        // It replaces an orderly end.
        socket.reset();
    } else if result.is_ok() {
        // The client may have closed before: then there is nothing to shut down.
        let _ = socket.shutdown().await;
    }
}
