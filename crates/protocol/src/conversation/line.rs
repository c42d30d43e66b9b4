//! A connection that is held open: a task reads it from the moment it opens, so that no answer can come too early, and
//! a peer that waits for us to read does not wait for ever while we write.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::transcript::{ClientName, End};
use crate::transport::websocket::Upgrade;
use crate::transport::{Address, Ask, Dialer, Link, Reader, Writer};
use crate::wire::Chunk;

/// What a line's reader tells those who hold the line.
#[derive(Debug)]
pub struct Arrival {
    /// When it was read.
    pub at: Instant,
    pub client: ClientName,
    /// The number of the line.
    pub connection: u32,
    pub what: Arrived,
}

/// What was read.
#[derive(Debug)]
pub enum Arrived {
    Bytes(Bytes),
    /// A WebSocket text frame began among the bytes that come next.
    Text,
    /// The peer ended the connection: no more comes of it.
    End(End),
}

/// One read takes at most so much.
const READ: usize = 256 * 1024;

/// This much room the first read of a connection has. Nearly all packets are smaller than a line of text, and what is
/// read is kept as a part of the buffer that it came in: most connections need no second one.
const FIRST_READ: usize = 1024;

/// A buffer with less room than this is not read into any more.
const ROOM: usize = 256;

/// How many reads may wait to be looked at: what a broker can make the harness hold is bounded.
const QUEUE: usize = 16;

/// Chunks of a write are joined up to this size.
const JOINED: usize = 64 * 1024;

/// What the lines of one exchange report to, and where it is taken from.
pub fn queue() -> (mpsc::Sender<Arrival>, mpsc::Receiver<Arrival>) {
    mpsc::channel(QUEUE)
}

/// The owner of lines, which looks at what arrives on them.
pub trait Listener {
    /// Where it arrives.
    fn arrivals(&mut self) -> &mut mpsc::Receiver<Arrival>;

    /// Takes in what has arrived.
    fn arrived(&mut self, arrival: Arrival);
}

/// Does something that takes time, such as a write to a line, and looks meanwhile at what arrives: a peer that waits
/// for us to read would else wait for ever. A line that is written to is out of the listener's hands meanwhile; if this
/// is not waited for to the end, the line is gone.
pub async fn meanwhile<T>(listener: &mut impl Listener, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return done,
            Some(arrival) = listener.arrivals().recv() => listener.arrived(arrival),
        }
    }
}

/// Looks at all that has arrived.
pub fn look(listener: &mut impl Listener) {
    while let Ok(arrival) = listener.arrivals().try_recv() {
        listener.arrived(arrival);
    }
}

/// Waits for something to arrive; `false` if the time came first.
pub async fn wait_until(listener: &mut impl Listener, time: Instant) -> bool {
    tokio::select! {
        biased;
        Some(arrival) = listener.arrivals().recv() => {
            listener.arrived(arrival);
            true
        }
        () = tokio::time::sleep_until(time.into()) => false,
    }
}

/// A connection that is read from the moment it opens.
#[derive(Debug)]
pub struct Line {
    number: u32,
    writer: Option<Writer>,
    reading: watch::Sender<bool>,
    reader: JoinHandle<()>,
}

impl Line {
    /// Opens a connection and begins to read it.
    ///
    /// # Errors
    /// If the target does not accept within `patience`, or the system refuses.
    pub async fn open(
        dialer: &Dialer,
        address: &Address,
        ask: Ask<'_>,
        client: ClientName,
        number: u32,
        patience: Duration,
        arrivals: mpsc::Sender<Arrival>,
    ) -> io::Result<(Line, Option<Upgrade>)> {
        let dialled = tokio::time::timeout(patience, dialer.dial(address, ask))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok((Line::over(dialled.link, client, number, arrivals), dialled.upgrade))
    }

    /// Begins to read a connection that is open.
    pub fn over(link: Link, client: ClientName, number: u32, arrivals: mpsc::Sender<Arrival>) -> Line {
        let (reading, readable) = watch::channel(true);
        Line {
            number,
            writer: Some(link.writer),
            reading,
            reader: tokio::spawn(read_all(link.reader, client, number, readable, arrivals)),
        }
    }

    /// The number that it was given.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Writes all of it. That the other side has gone is no error here: the next expectation decides.
    ///
    /// Over WebSocket it is one frame, a text frame if `text` says so.
    pub async fn write(&mut self, chunks: &[Chunk], text: bool) {
        let Some(writer) = &mut self.writer else { return };
        writer.announce(chunks.iter().map(Chunk::len).sum(), text);
        let joined = joined(chunks);
        for chunk in joined.as_ref().map_or(chunks, |one| one.as_slice()) {
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

impl Drop for Line {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// The chunks of a write as one, so that they go out in one call: with a call for each packet, the other side could read the
/// first one alone. `None` if they are one chunk already, or if they are long: then no single read takes them anyway.
fn joined(chunks: &[Chunk]) -> Option<[Chunk; 1]> {
    let total: u64 = chunks.iter().map(Chunk::len).sum();
    if chunks.len() < 2 || total > JOINED as u64 {
        return None;
    }
    let mut all = BytesMut::with_capacity(total as usize);
    for chunk in chunks {
        match chunk {
            Chunk::Bytes(bytes) => all.extend_from_slice(bytes),
            Chunk::Fill { len, byte } => all.resize(all.len() + *len as usize, *byte),
        }
    }
    Some([Chunk::Bytes(all.freeze())])
}

async fn fill(writer: &mut Writer, len: u64, byte: u8) -> io::Result<()> {
    let block = vec![byte; READ];
    let mut left = len;
    while left > 0 {
        let n = left.min(block.len() as u64) as usize;
        writer.write_all(&block[..n]).await?;
        left -= n as u64;
        // The budget of a task counts calls, and each of these copies much: timers of others are due meanwhile.
        tokio::task::yield_now().await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    /// A listener that keeps what has arrived.
    struct Ear {
        arrivals: mpsc::Receiver<Arrival>,
        bytes: Vec<u8>,
        ends: Vec<(u32, End)>,
    }

    impl Listener for Ear {
        fn arrivals(&mut self) -> &mut mpsc::Receiver<Arrival> {
            &mut self.arrivals
        }

        fn arrived(&mut self, arrival: Arrival) {
            match arrival.what {
                Arrived::Bytes(bytes) => self.bytes.extend_from_slice(&bytes),
                Arrived::Text => {}
                Arrived::End(end) => self.ends.push((arrival.connection, end)),
            }
        }
    }

    impl Ear {
        /// Waits until a line has ended.
        async fn end(&mut self) {
            let limit = Instant::now() + Duration::from_secs(20);
            while self.ends.is_empty() && wait_until(self, limit).await {}
        }
    }

    /// A line with the number 7, who listens to it, and the peer.
    async fn line() -> (Line, Ear, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = format!("mqtt://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (sender, arrivals) = queue();
        let (dialer, patience) = (Dialer::default(), Duration::from_secs(10));
        let opening = Line::open(&dialer, &address, Ask::default(), "client".into(), 7, patience, sender);
        let (opened, accepted) = tokio::join!(opening, listener.accept());
        let ear = Ear {
            arrivals,
            bytes: Vec::new(),
            ends: Vec::new(),
        };
        (opened.unwrap().0, ear, accepted.unwrap().0)
    }

    #[tokio::test]
    async fn a_peer_that_waits_for_us_to_read_lets_us_write_in_the_end() {
        /// More than sockets and the queue hold.
        const MUCH: usize = 32 * 1024 * 1024;
        let (mut line, mut ear, peer) = line().await;
        let (mut reads, mut writes) = peer.into_split();
        // Reads nothing before it has written all.
        let peer = tokio::spawn(async move {
            writes.write_all(&vec![1; MUCH]).await.unwrap();
            let mut came = vec![0; MUCH];
            reads.read_exact(&mut came).await.unwrap();
            came.iter().filter(|byte| **byte == 2).count()
        });
        let chunks = [Chunk::Fill {
            len: MUCH as u64,
            byte: 2,
        }];
        let written = tokio::time::timeout(Duration::from_secs(60), meanwhile(&mut ear, line.write(&chunks, false)));
        written.await.expect("the write comes to its end");
        assert_eq!(peer.await.unwrap(), MUCH);
        ear.end().await;
        assert_eq!(ear.bytes.len(), MUCH);
    }

    #[tokio::test]
    async fn after_our_fin_the_peer_is_still_read() {
        let (mut line, mut ear, mut peer) = line().await;
        assert_eq!(line.number(), 7);
        line.write(&[Chunk::Bytes(Bytes::from_static(b"last"))], false).await;
        line.finish().await;
        let mut came = Vec::new();
        peer.read_to_end(&mut came).await.unwrap();
        assert_eq!(came, b"last");
        peer.write_all(b"answer").await.unwrap();
        drop(peer);
        ear.end().await;
        assert_eq!((&ear.bytes[..], &ear.ends[..]), (&b"answer"[..], &[(7, End::Fin)][..]));
    }

    #[tokio::test]
    async fn a_reset_is_one_for_the_peer() {
        let (line, _ear, mut peer) = line().await;
        line.reset().await;
        let error = peer.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_reset_of_the_peer_is_its_end() {
        let (mut line, mut ear, peer) = line().await;
        Link::tcp(peer).writer.reset();
        ear.end().await;
        assert_eq!(ear.ends, [(7, End::Reset)]);
        // To write to who has gone is no error.
        line.write(&[Chunk::Bytes(Bytes::from_static(b"x"))], false).await;
    }

    #[test]
    fn packets_of_one_write_go_out_in_one_call() {
        let bytes = |text: &'static [u8]| Chunk::Bytes(Bytes::from_static(text));
        let fill = |len| Chunk::Fill { len, byte: b'x' };
        assert_eq!(joined(&[bytes(b"ab"), fill(2), bytes(b"c")]), Some([bytes(b"abxxc")]));
        assert_eq!(joined(&[bytes(b"ab")]), None);
        assert!(joined(&[fill(JOINED as u64 - 1), bytes(b"c")]).is_some());
        assert_eq!(joined(&[fill(JOINED as u64), bytes(b"c")]), None);
    }

    #[tokio::test]
    async fn what_is_not_read_stays_where_it_is() {
        let (line, mut ear, mut peer) = line().await;
        line.set_reading(false);
        tokio::task::yield_now().await;
        peer.write_all(b"a").await.unwrap();
        drop(peer);
        look(&mut ear);
        assert!(ear.bytes.is_empty() && ear.ends.is_empty());
        line.set_reading(true);
        ear.end().await;
        assert_eq!((&ear.bytes[..], ear.ends.len()), (&b"a"[..], 1));
    }
}
