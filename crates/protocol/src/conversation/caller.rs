//! A client that does one thing after the other: sends packets, waits for an answer, leaves.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::transport::{Address, Ask, Dialer, Link};
use crate::wire::{Frame, Packet, PacketType, Piece, ReadHeader, Splitter, Version, encode_bytes, read_header};

/// How many bytes of a CONNACK are read at most, its header not counted.
const LONGEST_ANSWER: u32 = 64 * 1024;

/// How many bytes of a stranger are read, for a message that shows them.
const STRANGER: usize = 16;

/// How long something unimportant is waited for.
const MOMENT: Duration = Duration::from_millis(200);

/// An open connection of a client.
pub struct Caller {
    link: Link,
    splitter: Splitter,
    /// What was read and not looked at.
    unread: BytesMut,
}

/// What came back for a CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A whole CONNACK, as it came, and its return code (5.0: reason code).
    Connack { raw: Vec<u8>, code: u8 },
    /// The connection ended before a CONNACK was whole.
    Closed,
    /// Nothing, or no more, came in time.
    Silent,
    /// Bytes that no CONNACK begins with.
    Foreign(Vec<u8>),
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// For the next byte, again after each.
    pub patience: Duration,
    /// For everything, however the bytes dribble in.
    pub deadline: Instant,
}

impl Wait {
    /// When the wait for the next byte ends.
    pub fn next(self) -> Instant {
        self.deadline.min(Instant::now() + self.patience)
    }

    /// When a wait for something unimportant ends.
    pub fn moment(self) -> Instant {
        self.next().min(Instant::now() + MOMENT)
    }
}

impl Caller {
    /// Opens a connection.
    ///
    /// # Errors
    /// As [`Dialer::dial`].
    pub async fn open(dialer: &Dialer, address: &Address) -> io::Result<Caller> {
        Ok(Caller::over(dialer.dial(address, Ask::default()).await?.link))
    }

    /// Takes a connection that is open.
    pub fn over(link: Link) -> Caller {
        Caller {
            link,
            splitter: Splitter::default(),
            unread: BytesMut::new(),
        }
    }

    /// Sends packets, all at once: each write of its own costs as much as a packet of any length.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn send(&mut self, packets: &[Packet], version: Version) -> io::Result<()> {
        let bytes: Vec<u8> = packets.iter().flat_map(|p| encode_bytes(p, version)).collect();
        self.write(&bytes).await
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.link.writer.write_all(bytes).await?;
        self.link.writer.flush().await
    }

    /// FIN. A connection that is gone already is no error.
    pub async fn finish(&mut self) {
        let _ = self.link.writer.shutdown().await;
    }

    /// The answer to a CONNECT, from a peer that may be anybody.
    pub async fn reply(&mut self, wait: Wait) -> Reply {
        loop {
            match connack(&self.unread) {
                Shape::Whole { len, code_at } => {
                    let raw = self.unread.split_to(len).to_vec();
                    let code = raw[code_at];
                    return Reply::Connack { raw, code };
                }
                Shape::Foreign => {
                    // A message can show the beginning of what a stranger said, and not only its first byte.
                    let moment = wait.moment();
                    while self.unread.len() < STRANGER && matches!(timeout_at(moment, self.read()).await, Ok(Ok(1..))) {
                    }
                    return Reply::Foreign(self.unread.split().to_vec());
                }
                Shape::Part => {}
            }
            match timeout_at(wait.next(), self.read()).await {
                Ok(Ok(0) | Err(_)) => return Reply::Closed,
                Ok(Ok(_)) => {}
                Err(_) => return Reply::Silent,
            }
        }
    }

    /// Reads until a packet of this type has come, and hands on all packets up to there. A connection that the peer
    /// ends is an answer too, and so is what can be no packet.
    ///
    /// A peer may send without end: no packet is kept here, and those who call bound the time.
    ///
    /// # Errors
    /// The connection cannot be read, except for a reset.
    pub async fn read_until(&mut self, packet_type: PacketType, mut note: impl FnMut(Frame)) -> io::Result<()> {
        loop {
            let mut done = false;
            for piece in self.splitter.push(&self.unread.split()) {
                match piece {
                    Piece::Frame(frame) => {
                        done |= frame.packet_type() == Some(packet_type);
                        note(frame);
                    }
                    Piece::Broken { .. } => done = true,
                }
            }
            if done || self.has_ended().await? {
                return Ok(());
            }
        }
    }

    /// Reads once: whether it was the end.
    async fn has_ended(&mut self) -> io::Result<bool> {
        match self.read().await {
            Ok(n) => Ok(n == 0),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Waits for the peer to end the connection, or to say anything at all.
    pub async fn await_end(&mut self) {
        let _ = self.read().await;
    }

    /// Reads once; 0 at the end.
    async fn read(&mut self) -> io::Result<usize> {
        self.unread.reserve(4096);
        self.link.reader.read_buf(&mut self.unread).await
    }
}

#[derive(Debug, PartialEq)]
enum Shape {
    /// This many bytes are a CONNACK, whose code is there.
    Whole {
        len: usize,
        code_at: usize,
    },
    /// It may become one.
    Part,
    Foreign,
}

/// Whether the bytes are, or may become, a CONNACK: type 2, flags 0, at least two bytes, and no absurd length.
fn connack(raw: &[u8]) -> Shape {
    if raw.first().is_some_and(|first| *first != 0x20) {
        return Shape::Foreign;
    }
    match read_header(raw) {
        ReadHeader::Incomplete => Shape::Part,
        ReadHeader::Whole(header) if (2..=LONGEST_ANSWER).contains(&header.remaining) => {
            let len = header.len + header.remaining as usize;
            // Behind the flags (section 3.2.2).
            let code_at = header.len + 1;
            if raw.len() < len {
                Shape::Part
            } else {
                Shape::Whole { len, code_at }
            }
        }
        ReadHeader::Whole(_) | ReadHeader::Broken => Shape::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Connect;
    use tokio::net::{TcpListener, TcpStream};

    /// A caller, and the peer that it is connected to.
    async fn pair() -> (Caller, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("mqtt://{}", listener.local_addr().unwrap()).parse().unwrap();
        let dialer = Dialer::default();
        let (caller, accepted) = tokio::join!(Caller::open(&dialer, &address), listener.accept());
        (caller.unwrap(), accepted.unwrap().0)
    }

    fn wait(patience: Duration) -> Wait {
        let deadline = Instant::now() + patience;
        Wait { patience, deadline }
    }

    fn long() -> Wait {
        wait(Duration::from_secs(10))
    }

    /// What is made of bytes behind which the peer ends the connection.
    async fn reply_to(bytes: &[u8]) -> Reply {
        let (mut caller, mut peer) = pair().await;
        peer.write_all(bytes).await.unwrap();
        drop(peer);
        caller.reply(long()).await
    }

    fn connack_of(raw: &[u8], code: u8) -> Reply {
        let raw = raw.to_vec();
        Reply::Connack { raw, code }
    }

    #[tokio::test]
    async fn a_connack_is_read_and_nothing_after_it() {
        let (mut caller, mut peer) = pair().await;
        peer.write_all(&[0x20, 0x03, 0x00, 0x84, 0x00, 0xd0, 0x00])
            .await
            .unwrap();
        drop(peer);
        assert_eq!(
            caller.reply(long()).await,
            connack_of(&[0x20, 0x03, 0x00, 0x84, 0x00], 0x84)
        );
        // What came behind it is there for those who read on.
        let mut types = Vec::new();
        caller
            .read_until(PacketType::PingResp, |frame| types.push(frame.packet_type()))
            .await
            .unwrap();
        assert_eq!(types, [Some(PacketType::PingResp)]);
        // The code is behind the flags, however many bytes the length has.
        let raw = [0x20, 0x82, 0x00, 0x00, 0x05];
        assert_eq!(reply_to(&raw).await, connack_of(&raw, 5));
    }

    #[tokio::test]
    async fn an_end_before_a_whole_connack_is_none() {
        assert_eq!(reply_to(&[]).await, Reply::Closed);
        assert_eq!(reply_to(&[0x20, 0x02, 0x00]).await, Reply::Closed);
    }

    #[tokio::test]
    async fn a_peer_that_says_half_or_nothing_is_silent() {
        for bytes in [&[][..], &[0x20, 0x02, 0x00]] {
            let (mut caller, mut peer) = pair().await;
            peer.write_all(bytes).await.unwrap();
            assert_eq!(
                caller.reply(wait(Duration::from_millis(50))).await,
                Reply::Silent,
                "{bytes:x?}"
            );
            drop(peer);
        }
    }

    #[tokio::test]
    async fn of_a_stranger_the_beginning_is_read() {
        let said = b"HTTP/1.1 400 Bad Request\r\n";
        assert_eq!(reply_to(said).await, Reply::Foreign(said.to_vec()));
        // Too little for a message, and more to come.
        let (mut caller, mut peer) = pair().await;
        let more = async {
            peer.write_all(b"H").await.unwrap();
            peer.write_all(&said[1..]).await.unwrap();
            peer.shutdown().await.unwrap();
        };
        let (reply, ()) = tokio::join!(caller.reply(long()), more);
        let Reply::Foreign(bytes) = reply else {
            panic!("{reply:?}")
        };
        assert!(bytes.len() >= STRANGER && said.starts_with(&bytes), "{bytes:x?}");
    }

    #[tokio::test]
    async fn nobody_who_listens_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("mqtt://{}", listener.local_addr().unwrap()).parse().unwrap();
        drop(listener);
        let error = Caller::open(&Dialer::default(), &address).await.err();
        assert_eq!(error.map(|e| e.kind()), Some(io::ErrorKind::ConnectionRefused));
    }

    #[tokio::test]
    async fn packets_are_sent_and_read_until_the_one_that_is_meant() {
        let (mut caller, mut peer) = pair().await;
        let connect = Packet::from(Connect::new(Version::V3_1_1, "a"));
        caller.send(&[connect, Packet::PingReq], Version::V3_1_1).await.unwrap();
        let mut came = [0; 17];
        peer.read_exact(&mut came).await.unwrap();
        assert_eq!(came, *b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a\xc0\0");
        peer.write_all(b"\x20\x02\0\0\x30\x03\0\x01a\xd0\0").await.unwrap();
        let mut types = Vec::new();
        caller
            .read_until(PacketType::PingResp, |frame| types.extend(frame.packet_type()))
            .await
            .unwrap();
        assert_eq!(types, [PacketType::ConnAck, PacketType::Publish, PacketType::PingResp]);
        // The end is an answer too, and so is what can be no packet.
        peer.write_all(b"\x30\xff\xff\xff\xff").await.unwrap();
        caller.read_until(PacketType::PingResp, |_| ()).await.unwrap();
        drop(peer);
        caller.read_until(PacketType::PingResp, |_| ()).await.unwrap();
    }

    #[test]
    fn what_can_be_no_connack_is_foreign() {
        for bytes in [
            &b"HTTP/1.1 400"[..],
            &[0x15, 3, 1],
            &[0x21, 2],
            &[0x20, 0],
            &[0x20, 0xff, 0xff, 0xff, 0x7f],
            &[0x20, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(connack(bytes), Shape::Foreign, "{bytes:x?}");
        }
        for bytes in [&[][..], &[0x20], &[0x20, 2, 0], &[0x20, 0x83]] {
            assert_eq!(connack(bytes), Shape::Part, "{bytes:x?}");
        }
    }
}
