//! Stubs: peers on loopback that are no brokers. A suite that they pass proves nothing, and a harness that they hang is
//! broken. Each runs on a thread of its own, accepts 3.1, 3.1.1 and 5.0, and ends when it is dropped.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a waiting thread checks whether its peer has been dropped.
const LOOK: Duration = Duration::from_millis(20);

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers only CONNECT.
    Mute,
    /// Sends CONNACK and PINGRESP, closes on DISCONNECT, and ignores the rest.
    Polite,
    /// Polite, and acknowledges SUBSCRIBE, UNSUBSCRIBE and PUBLISH; never delivers, stores or refuses anything.
    YesMan,
    /// Closes on any input.
    Closing,
    /// Closes each connection as soon as it is accepted.
    ClosesAtAccept,
    /// Reads, and never answers.
    NeverAnswers,
    /// Answers `HTTP/1.1 400` and closes.
    Http,
    /// Answers a TLS alert and closes.
    TlsAlert,
    /// Accepts CONNECT, and then sends an endless stream of bytes that are no packets.
    GarbageAfterConnack,
    /// Sends an endless stream of bytes that are no packets, from the start.
    Garbage,
    /// Accepts CONNECT, and then sends an endless stream of valid PUBLISH packets.
    EndlessPublish,
    /// Answers CONNECT with a CONNACK, one byte a second.
    OneByteASecond,
    /// Accepts CONNECT, closes its sending direction and continues to read.
    HalfCloses,
    /// Sends the beginning of a CONNACK and resets the connection.
    ResetsInAPacket,
    /// Sends CONNACK, SUBACK, PUBACK, PUBREC, PUBCOMP and PINGRESP as soon as a connection is accepted, and reads.
    AnswersUnasked,
    /// Polite, and sends ten thousand PUBLISH packets without a subscription after its CONNACK.
    UnsolicitedPublishes,
    /// Answers CONNECT with "not authorized" and closes.
    Refuses,
    /// Polite at 3.1.1; refuses the protocol level of every other version.
    OnlyV3_1_1,
    /// Polite, and answers a PINGREQ after this many milliseconds.
    SlowPong(u64),
    /// Polite as long as no other connection is open; with another it leaves every PINGREQ unanswered.
    OneAtATime,
    /// A yes-man that ends its whole process with status 3 when a SUBSCRIBE comes.
    ExitsOnSubscribe,
    /// Answers CONNECT with a CONNACK whose Remaining Length is 268 435 455, and sends zeros as long as they are read.
    HugeLength,
}

/// A running peer.
pub struct Peer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Starts a peer on a free loopback port.
    pub fn start(kind: Kind) -> Peer {
        Peer::start_at(kind, 0)
    }

    /// Starts a peer on this loopback port; 0 is a free one.
    pub fn start_at(kind: Kind, port: u16) -> Peer {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a loopback port");
        let address = listener.local_addr().expect("the port that was bound");
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = std::thread::spawn(move || {
            let open = Arc::new(AtomicUsize::new(0));
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                if seen.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let (stop, open) = (seen.clone(), open.clone());
                connections.push(std::thread::spawn(move || {
                    open.fetch_add(1, Ordering::Relaxed);
                    Connection {
                        stream,
                        stop,
                        open: open.clone(),
                        buffer: Vec::new(),
                    }
                    .serve(kind);
                    open.fetch_sub(1, Ordering::Relaxed);
                }));
                connections.retain(|thread| !thread.is_finished());
            }
            for thread in connections {
                thread.join().expect("a connection's thread does not panic");
            }
        });
        Peer {
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a target on the command line.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A connection wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a peer's thread panicked");
        }
    }
}

/// One packet from the client: the first byte, and the body.
struct Packet {
    first: u8,
    body: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    stop: Arc<AtomicBool>,
    /// How many connections to the peer are open.
    open: Arc<AtomicUsize>,
    buffer: Vec<u8>,
}

impl Connection {
    fn serve(mut self, kind: Kind) {
        let _ = self.stream.set_nodelay(true);
        let _ = self.stream.set_read_timeout(Some(LOOK));
        let _ = self.stream.set_write_timeout(Some(LOOK));
        match kind {
            Kind::ClosesAtAccept => {}
            Kind::Closing => {
                self.read_some();
            }
            Kind::NeverAnswers => while self.read_some() {},
            Kind::Http => {
                self.read_some();
                self.send(
                    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request",
                );
            }
            Kind::TlsAlert => {
                self.read_some();
                // A TLS 1.2 alert record: fatal, unexpected_message.
                self.send(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a]);
            }
            Kind::Garbage => while self.send(&[0x55; 4096]) {},
            Kind::GarbageAfterConnack => {
                if self.accept() {
                    while self.send(&[0x00; 4096]) {}
                }
            }
            Kind::EndlessPublish => {
                if let Some(level) = self.accept_level() {
                    let many = publish(level).repeat(500);
                    while self.send(&many) {}
                }
            }
            Kind::UnsolicitedPublishes => {
                if let Some(level) = self.accept_level()
                    && self.send(&publish(level).repeat(10_000))
                {
                    self.converse_at(level, false);
                }
            }
            Kind::HalfCloses => {
                if self.accept() {
                    let _ = self.stream.shutdown(Shutdown::Write);
                    while self.read_some() {}
                }
            }
            Kind::ResetsInAPacket => {
                // A socket that is closed with unread bytes sends RST.
                if self.wait_for_bytes() {
                    self.send(&[0x20, 0x02, 0x00]);
                }
            }
            Kind::AnswersUnasked => {
                let acks = [0x40, 0x50, 0x70].map(|first| [first, 0x02, 0x00, 0x01]).concat();
                let all = [&connack(4)[..], &[0x90, 0x03, 0x00, 0x01, 0x00], &acks, &[0xd0, 0x00]].concat();
                self.send(&all);
                while self.read_some() {}
            }
            Kind::OneByteASecond => {
                if let Some(packet) = self.next_packet() {
                    for byte in connack(level_of(&packet)) {
                        if !self.pause(Duration::from_secs(1)) || !self.send(&[byte]) {
                            return;
                        }
                    }
                    while self.read_some() {}
                }
            }
            Kind::HugeLength => {
                if self.next_packet().is_some() && self.send(&[0x20, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x00]) {
                    while self.send(&[0; 4096]) {}
                }
            }
            Kind::Mute => {
                if self.accept() {
                    while self.read_some() {}
                }
            }
            Kind::Refuses => {
                if let Some(packet) = self.next_packet() {
                    self.send(&refusal(level_of(&packet), 5, 0x87));
                }
            }
            Kind::OnlyV3_1_1 => match self.next_packet() {
                Some(packet) if level_of(&packet) == 4 => {
                    let is_sent = self.send(&connack(4));
                    if is_sent {
                        self.converse_at(4, false);
                    }
                }
                Some(packet) => {
                    self.send(&refusal(level_of(&packet), 1, 0x84));
                }
                None => {}
            },
            Kind::SlowPong(_) | Kind::OneAtATime => {
                if self.accept() {
                    while let Some(packet) = self.next_packet() {
                        let goes_on = match (packet.first >> 4, kind) {
                            (12, Kind::SlowPong(ms)) => {
                                self.pause(Duration::from_millis(ms)) && self.send(&[0xd0, 0x00])
                            }
                            (12, _) if self.open.load(Ordering::Relaxed) == 1 => self.send(&[0xd0, 0x00]),
                            (14, _) => false,
                            _ => true,
                        };
                        if !goes_on {
                            return;
                        }
                    }
                }
            }
            Kind::ExitsOnSubscribe => {
                if self.accept() {
                    while let Some(packet) = self.next_packet() {
                        match packet.first >> 4 {
                            8 => std::process::exit(3),
                            12 => self.send(&[0xd0, 0x00]),
                            14 => return,
                            _ => true,
                        };
                    }
                }
            }
            Kind::Polite => self.converse(false),
            Kind::YesMan => self.converse(true),
        }
    }

    /// Answers as a polite peer does; with `agreeing`, acknowledges the other packets too.
    fn converse(&mut self, agreeing: bool) {
        if let Some(level) = self.accept_level() {
            self.converse_at(level, agreeing);
        }
    }

    /// As [`Connection::converse`], after CONNACK.
    fn converse_at(&mut self, level: u8, agreeing: bool) {
        while let Some(packet) = self.next_packet() {
            let answer = match packet.first >> 4 {
                12 => vec![0xd0, 0x00],
                14 => return,
                _ if agreeing => agreement(&packet, level),
                _ => Vec::new(),
            };
            if !self.send(&answer) {
                return;
            }
        }
    }

    fn accept(&mut self) -> bool {
        self.accept_level().is_some()
    }

    /// Answers the first packet with success if it is a CONNECT, and returns its protocol level.
    fn accept_level(&mut self) -> Option<u8> {
        let packet = self.next_packet()?;
        let level = level_of(&packet);
        (packet.first >> 4 == 1 && self.send(&connack(level))).then_some(level)
    }

    /// Waits for the next complete packet. `None`: the connection has ended, or the bytes are no packet.
    fn next_packet(&mut self) -> Option<Packet> {
        loop {
            let mut length = 0;
            let mut header = None;
            for (i, byte) in self.buffer.iter().skip(1).take(4).enumerate() {
                length |= usize::from(byte & 0x7f) << (7 * i);
                if byte & 0x80 == 0 {
                    header = Some(2 + i);
                    break;
                }
            }
            match header {
                Some(header) if self.buffer.len() >= header + length => {
                    let rest = self.buffer.split_off(header + length);
                    let packet = std::mem::replace(&mut self.buffer, rest);
                    return Some(Packet {
                        first: packet[0],
                        body: packet[header..].to_vec(),
                    });
                }
                None if self.buffer.len() > 4 => return None,
                _ if !self.read_some() => return None,
                _ => {}
            }
        }
    }

    /// Waits for bytes and keeps them. `false`: the connection, or the peer, has ended.
    fn read_some(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(length) => {
                    self.buffer.extend_from_slice(&chunk[..length]);
                    // Peers that ignore their input must not accumulate it.
                    if self.buffer.len() > 1024 * 1024 {
                        self.buffer.clear();
                    }
                    return true;
                }
                Err(e) if is_timeout(e.kind()) && !self.stop.load(Ordering::Relaxed) => {}
                Err(_) => return false,
            }
        }
    }

    /// Waits for bytes and leaves them unread. `false`: the connection, or the peer, has ended.
    fn wait_for_bytes(&self) -> bool {
        loop {
            match self.stream.peek(&mut [0]) {
                Ok(length) => return length > 0,
                Err(e) if is_timeout(e.kind()) && !self.stop.load(Ordering::Relaxed) => {}
                Err(_) => return false,
            }
        }
    }

    /// Sends all the bytes, however slowly they are read. `false`: the connection, or the peer, has ended.
    fn send(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            match self.stream.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(e) if is_timeout(e.kind()) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn pause(&self, span: Duration) -> bool {
        let end = Instant::now() + span;
        while Instant::now() < end {
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// The protocol level of a CONNECT: the byte after the protocol name.
fn level_of(connect: &Packet) -> u8 {
    let name = match connect.body[..] {
        [high, low, ..] => usize::from(u16::from_be_bytes([high, low])),
        _ => 0,
    };
    connect.body.get(2 + name).copied().unwrap_or(4)
}

/// A CONNACK that reports success.
fn connack(level: u8) -> Vec<u8> {
    match level {
        5.. => vec![0x20, 0x03, 0x00, 0x00, 0x00],
        _ => vec![0x20, 0x02, 0x00, 0x00],
    }
}

/// A CONNACK that refuses, with the return code of 3.x or the reason code of 5.0.
fn refusal(level: u8, return_code: u8, reason_code: u8) -> Vec<u8> {
    match level {
        5.. => vec![0x20, 0x03, 0x00, reason_code, 0x00],
        _ => vec![0x20, 0x02, 0x00, return_code],
    }
}

/// A PUBLISH of QoS 0 with topic `t` and payload `x`. At 5.0 an empty property list precedes the payload.
fn publish(level: u8) -> &'static [u8] {
    match level {
        5.. => &[0x30, 0x05, 0x00, 0x01, b't', 0x00, b'x'],
        _ => &[0x30, 0x04, 0x00, 0x01, b't', b'x'],
    }
}

/// The successful acknowledgement that the packet requires; empty if it requires none.
fn agreement(packet: &Packet, level: u8) -> Vec<u8> {
    let body = &packet.body;
    let ack = |first: u8, id: &[u8]| [&[first, 0x02], id].concat();
    match (packet.first >> 4, (packet.first >> 1) & 3) {
        (3, qos @ 1..=2) => {
            let Some(topic) = body.get(..2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]]))) else {
                return Vec::new();
            };
            match body.get(2 + topic..4 + topic) {
                Some(id) => ack(if qos == 1 { 0x40 } else { 0x50 }, id),
                None => Vec::new(),
            }
        }
        (5, _) if body.len() >= 2 => ack(0x62, &body[..2]),
        (6, _) if body.len() >= 2 => ack(0x70, &body[..2]),
        (8 | 10, _) if body.len() >= 2 => {
            let subscribing = packet.first >> 4 == 8;
            let codes = codes_for(&body[2..], level, subscribing);
            let properties: &[u8] = if level >= 5 { &[0] } else { &[] };
            // Before 5.0 an UNSUBACK has no codes.
            let codes = if subscribing || level >= 5 { codes } else { Vec::new() };
            let first = if subscribing { 0x90 } else { 0xb0 };
            let content = [&body[..2], properties, &codes].concat();
            [vec![first], remaining_length(content.len()), content].concat()
        }
        _ => Vec::new(),
    }
}

/// One success code for each filter: the requested QoS, or 0 for an UNSUBSCRIBE.
fn codes_for(mut rest: &[u8], level: u8, subscribing: bool) -> Vec<u8> {
    if level >= 5 {
        rest = skip_properties(rest);
    }
    let mut codes = Vec::new();
    while let [high, low, after @ ..] = rest {
        let filter = usize::from(u16::from_be_bytes([*high, *low]));
        let options = usize::from(subscribing);
        if after.len() < filter + options {
            break;
        }
        codes.push(if subscribing { after[filter] & 0x03 } else { 0 });
        rest = &after[filter + options..];
    }
    codes
}

fn skip_properties(bytes: &[u8]) -> &[u8] {
    let mut length = 0;
    for (i, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return bytes.get(i + 1 + length..).unwrap_or_default();
        }
    }
    &[]
}

fn remaining_length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        bytes.push((length % 128) as u8 | more);
        length /= 128;
        if length == 0 {
            return bytes;
        }
    }
}
