//! Lines, a socket and a clock around the core.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::core::{Core, Effect, Input};
use super::duty::{self, Disobey};
use super::freedom::{Free, Freedom};
use crate::adapter::{Abilities, COMMANDS, Endpoint, Message, Request};
use crate::statements::Version;
use crate::transport::tls::TlsOptions;
use crate::transport::websocket::MQTT;
use crate::transport::{Address, Ask, Dialer, Link, Transport, Writer};
use crate::wire::{ReadHeader, read_header};

/// One read takes at most so much.
const READ: usize = 16 * 1024;

/// How many bytes of a packet are written one by one.
const SINGLY: usize = 64;

/// How late slow packets leave.
const LATE: Duration = Duration::from_millis(20);

/// How many reads may wait to be looked at.
const QUEUE: usize = 16;

/// Starts a client inside the current runtime. It takes the lines of requests and says lines, the first of which is that
/// it is ready. It ends when the requests do.
pub fn start(disobey: Disobey, free: Free) -> (mpsc::UnboundedSender<String>, mpsc::UnboundedReceiver<String>) {
    let (requests, inbox) = mpsc::unbounded_channel();
    let (outbox, lines) = mpsc::unbounded_channel();
    tokio::spawn(serve(disobey, free, inbox, outbox));
    (requests, lines)
}

/// Runs a client on standard input and output until the input ends, for the command line.
///
/// # Errors
/// No runtime can be made.
pub fn run(disobey: Disobey, free: Free) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (requests, mut lines) = start(disobey, free);
        // A thread of its own: standard input cannot be waited for together with sockets.
        std::thread::spawn(move || {
            for line in io::stdin().lines() {
                let Ok(line) = line else { return };
                if requests.send(line).is_err() {
                    return;
                }
            }
        });
        while let Some(line) = lines.recv().await {
            use io::Write as _;
            let mut out = io::stdout().lock();
            if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        Ok(())
    })
}

/// What the reader of a connection says.
enum Wire {
    Opened(Writer),
    Failed(String),
    Bytes(Bytes),
    /// A WebSocket text frame.
    Text,
    Closed,
}

/// The present connection. Dropping it closes it.
struct Connection {
    writer: Option<Writer>,
    reader: JoinHandle<()>,
    wire: mpsc::Receiver<Wire>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Connection {
    fn open(endpoint: Endpoint, manner: Manner) -> Connection {
        let (sender, wire) = mpsc::channel(QUEUE);
        Connection {
            writer: None,
            reader: tokio::spawn(read(endpoint, manner, sender)),
            wire,
        }
    }
}

async fn serve(
    disobey: Disobey,
    free: Free,
    mut inbox: mpsc::UnboundedReceiver<String>,
    outbox: mpsc::UnboundedSender<String>,
) {
    let ready = Message::Ready(Abilities {
        name: "mqttspec-client".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        versions: Version::ALL.to_vec(),
        commands: COMMANDS.map(str::to_owned).to_vec(),
        leaves: false,
        subscribes: false,
        transports: Transport::ALL.into_iter().filter(|t| *t != Transport::Unix).collect(),
    });
    if outbox.send(ready.line()).is_err() {
        return;
    }
    let began = Instant::now();
    let mut core = Core::new(disobey.clone(), free.clone());
    let mut connection: Option<Connection> = None;
    let mut manner = Manner::of(&disobey, Version::V5);
    loop {
        let deadline = core.next_deadline();
        let wait = async {
            match deadline {
                Some(at) => tokio::time::sleep_until((began + at).into()).await,
                None => std::future::pending().await,
            }
        };
        let wire = async {
            match &mut connection {
                Some(connection) => connection.wire.recv().await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            biased;
            said = wire => match said {
                Some(Wire::Opened(writer)) => {
                    if let Some(connection) = &mut connection {
                        connection.writer = Some(writer);
                    }
                    Input::Opened
                }
                Some(Wire::Failed(why)) => Input::Failed(why),
                Some(Wire::Bytes(bytes)) => Input::Received(bytes),
                // The server used WebSocket wrongly, so the connection is closed.
                Some(Wire::Text) => {
                    connection = None;
                    Input::Closed
                }
                Some(Wire::Closed) | None => Input::Closed,
            },
            line = inbox.recv() => match line.as_deref().map(Request::read) {
                None => return,
                Some(Ok(request)) => Input::Told(request),
                Some(Err((Some(id), why))) => {
                    let _ = outbox.send(Message::Unsupported(id, why.to_string()).line());
                    continue;
                }
                Some(Err((None, why))) => {
                    let _ = outbox.send(Message::Event("error".to_owned(), why.to_string()).line());
                    continue;
                }
            },
            () = wait => Input::Tick,
        };
        let mut effects = core.handle(input, began.elapsed());
        if free.uses(Freedom::OneWrite) {
            effects = joined(effects);
        }
        for effect in effects {
            match effect {
                Effect::Open(endpoint) => {
                    manner = Manner::of(&disobey, endpoint.version);
                    connection = Some(Connection::open(endpoint, manner));
                }
                Effect::Close => connection = None,
                Effect::Send(bytes) => {
                    if let Some(writer) = connection.as_mut().and_then(|c| c.writer.as_mut()) {
                        // A server that has gone is noticed by the reader.
                        let _ = write(writer, &bytes, manner.text, &free).await;
                    }
                }
                Effect::Say(message) => {
                    if outbox.send(message.line()).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Writes a packet, in pieces or late if the client uses that freedom. Over WebSocket each piece is a frame.
async fn write(writer: &mut Writer, bytes: &[u8], text: bool, free: &Free) -> io::Result<()> {
    if free.uses(Freedom::SlowWrites) {
        tokio::time::sleep(LATE).await;
    }
    let mut rest = bytes;
    if free.uses(Freedom::SplitWrites) {
        let singly;
        (singly, rest) = bytes.split_at(bytes.len().min(SINGLY));
        for byte in singly {
            writer.announce(1, text);
            writer.write_all(std::slice::from_ref(byte)).await?;
            writer.flush().await?;
            tokio::task::yield_now().await;
        }
    }
    if rest.is_empty() {
        return Ok(());
    }
    writer.announce(rest.len() as u64, text);
    writer.write_all(rest).await?;
    writer.flush().await
}

/// What is to be sent directly one after the other, in one piece.
fn joined(effects: Vec<Effect>) -> Vec<Effect> {
    let mut out: Vec<Effect> = Vec::new();
    for effect in effects {
        match (out.last_mut(), effect) {
            (Some(Effect::Send(before)), Effect::Send(bytes)) => *before = [&before[..], &bytes[..]].concat().into(),
            (_, effect) => out.push(effect),
        }
    }
    out
}

/// Opens a connection and reads it until it ends.
async fn read(endpoint: Endpoint, manner: Manner, wire: mpsc::Sender<Wire>) {
    let mut reader = match dial(&endpoint, manner).await {
        Ok(Link { reader, writer }) => {
            if wire.send(Wire::Opened(writer)).await.is_err() {
                return;
            }
            reader
        }
        Err(error) => {
            let _ = wire.send(Wire::Failed(error.to_string())).await;
            return;
        }
    };
    let mut buffer = vec![0; READ];
    loop {
        let read = reader.read(&mut buffer).await;
        let said = match read {
            Ok(0) | Err(_) => Wire::Closed,
            // MQTT-6.0.0-1
            Ok(_) if reader.had_text() && !manner.text => Wire::Text,
            // MQTT-6.0.0-2
            Ok(read) if manner.whole_frames && !is_whole(&buffer[..read]) => continue,
            Ok(read) => Wire::Bytes(Bytes::copy_from_slice(&buffer[..read])),
        };
        let is_over = !matches!(said, Wire::Bytes(_));
        if wire.send(said).await.is_err() || is_over {
            return;
        }
    }
}

/// How WebSocket is used: as the standard says, unless the client disobeys.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Sends text frames, and takes them.
    text: bool,
    /// Takes only frames that hold whole packets.
    whole_frames: bool,
    /// Offers another subprotocol than MQTT's.
    other_subprotocol: bool,
}

impl Manner {
    fn of(disobey: &Disobey, version: Version) -> Manner {
        Manner {
            text: disobey.breaks(duty::BINARY_FRAMES, version),
            whole_frames: disobey.breaks(duty::PACKETS_OVER_FRAMES, version),
            other_subprotocol: disobey.breaks(duty::OFFER_MQTT, version),
        }
    }
}

async fn dial(endpoint: &Endpoint, manner: Manner) -> io::Result<Link> {
    let (transport, host, port, path) = (endpoint.transport, &endpoint.host, endpoint.port, &endpoint.path);
    let address: Address = format!("{transport}://{host}:{port}{path}")
        .parse()
        .map_err(io::Error::other)?;
    let options = TlsOptions {
        ca: endpoint.ca.as_ref().map(Into::into),
        ..TlsOptions::default()
    };
    let subprotocols: &[&str] = if manner.other_subprotocol {
        &["x-other"]
    } else {
        &[MQTT]
    };
    let ask = Ask {
        subprotocols,
        ..Ask::default()
    };
    Ok(Dialer::new(options).dial(&address, ask).await?.link)
}

/// Whether bytes are whole packets.
fn is_whole(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match read_header(bytes) {
            ReadHeader::Whole(header) if header.total() <= bytes.len() as u64 => {
                bytes = &bytes[header.total() as usize..];
            }
            _ => return false,
        }
    }
    true
}
