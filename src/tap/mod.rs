//! A proxy between real clients and a real broker that keeps what they say as a capture and judges it while it is said.
//!
//! In: a listener and the broker's address. Out: a pcapng, [`Told`] while it goes on, and [`Recorded`] in the end.
//! Bytes pass unchanged in both directions; in the file the password of a CONNECT is masked.
//!
//! Memory is bounded: connections hand what they read to one recorder through a short queue, and wait if it is full.

mod audit;
mod proxy;
mod recorder;
mod told;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::sut::Address;
use proxy::{Item, ItemKind};
use recorder::Recorder;
pub use told::{Counts, Recorded, Told};

/// How many reads may wait to be written down.
const QUEUE: usize = 64;
/// Records are in the file after this time at most, so that it can be inspected while it grows.
const FLUSH: Duration = Duration::from_millis(500);

/// Passes everything between the clients that connect to `listener` and the broker until `stop` becomes true, and
/// writes it to `out`. It does not stop if the receiver of `told` is dropped.
///
/// # Errors
/// The file cannot be written; nothing passes any more then.
pub async fn record(
    listener: TcpListener,
    broker: &Address,
    out: impl Write,
    told: mpsc::UnboundedSender<Told>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<Recorded> {
    let (items, mut coming) = mpsc::channel::<Item>(QUEUE);
    let mut recorder = Recorder::new(out, broker, listener.local_addr()?, told.clone())?;
    let mut connections = JoinSet::new();
    let mut number = 0;
    let mut flushes = tokio::time::interval(FLUSH);
    loop {
        // Fair on purpose: a client that never stops talking must not keep others out.
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(item) = coming.recv() => recorder.take(item)?,
            _ = flushes.tick() => recorder.flush()?,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((client, peer)) => {
                    number += 1;
                    connections.spawn(proxy::pass(number, client, peer, broker.clone(), items.clone()));
                }
                // One client's connection that failed, or too many files open: the next one may fare better.
                Err(error) => {
                    tell(&told, Told::NotAccepted(error.to_string()));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            },
        }
    }
    // What was read before the end belongs into the file.
    connections.shutdown().await;
    while let Ok(item) = coming.try_recv() {
        recorder.take(item)?;
    }
    recorder.finish()
}

/// A dropped receiver is not an error.
fn tell(told: &mpsc::UnboundedSender<Told>, what: Told) {
    let _ = told.send(what);
}

/// Where a connection comes from and when something happened on it.
fn item(connection: u32, kind: ItemKind) -> Item {
    Item {
        at: Instant::now(),
        connection,
        kind,
    }
}

/// The port by which Wireshark knows MQTT: it is in the file whatever the broker's is.
const MQTT: u16 = 1883;

/// The broker as it is in the file.
fn shown(broker: SocketAddr) -> SocketAddr {
    SocketAddr::new(broker.ip(), MQTT)
}
