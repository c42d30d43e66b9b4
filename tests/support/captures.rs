//! Builds captures: an exchange as TCP segments, damage to these in transit, and the file around them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::PacketBuilder;
use mqttspec::capture::{Recorded, Settings, Summary, read_streams};
use mqttspec::transcript::What;
use mqttspec::wire::{
    Ack, ConnAck, Connect, Disconnect, Packet, Publish, SubAck, Subscribe, Subscription, Version, encode_bytes,
};

pub const CLIENT: &str = "10.0.0.1:40000";
pub const BROKER: &str = "10.0.0.2:1883";

/// One TCP segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub from_client: bool,
    pub seq: u32,
    pub ack: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: Vec<u8>,
    pub at: Duration,
}

/// A connection under construction, with the next sequence number of each side.
#[derive(Debug, Clone)]
pub struct Connection {
    pub client: SocketAddr,
    pub broker: SocketAddr,
    pub segments: Vec<Segment>,
    next: [u32; 2],
    now: Duration,
}

impl Connection {
    pub fn new() -> Connection {
        Connection::with_sequence(1000, 5000)
    }

    /// A connection whose first bytes have these sequence numbers.
    pub fn with_sequence(client: u32, broker: u32) -> Connection {
        Connection {
            client: CLIENT.parse().expect("an address"),
            broker: BROKER.parse().expect("an address"),
            segments: Vec::new(),
            next: [client, broker],
            now: Duration::from_secs(1_700_000_000),
        }
    }

    pub fn between(mut self, client: &str, broker: &str) -> Connection {
        self.client = client.parse().expect("an address");
        self.broker = broker.parse().expect("an address");
        self
    }

    fn push(mut self, from_client: bool, flags: &str, payload: &[u8]) -> Connection {
        let (mine, other) = if from_client { (0, 1) } else { (1, 0) };
        let syn = flags.contains('S');
        let segment = Segment {
            from_client,
            seq: if syn {
                self.next[mine].wrapping_sub(1)
            } else {
                self.next[mine]
            },
            ack: (!flags.contains('-')).then_some(self.next[other]),
            syn,
            fin: flags.contains('F'),
            rst: flags.contains('R'),
            payload: payload.to_vec(),
            at: self.now,
        };
        let len = payload.len() as u32 + u32::from(segment.fin);
        self.next[mine] = self.next[mine].wrapping_add(len);
        self.now += Duration::from_millis(1);
        self.segments.push(segment);
        self
    }

    pub fn handshake(self) -> Connection {
        self.push(true, "S-", b"").push(false, "S", b"").push(true, "", b"")
    }

    /// The client sends bytes in one segment.
    pub fn to(self, bytes: &[u8]) -> Connection {
        self.push(true, "", bytes)
    }

    /// The broker sends bytes in one segment.
    pub fn from(self, bytes: &[u8]) -> Connection {
        self.push(false, "", bytes)
    }

    pub fn close(self) -> Connection {
        self.push(true, "F", b"").push(false, "F", b"").push(true, "", b"")
    }

    pub fn reset(self) -> Connection {
        self.push(false, "R", b"")
    }

    pub fn wait(mut self, time: Duration) -> Connection {
        self.now += time;
        self
    }

    /// The connection as a pcap file on Ethernet.
    pub fn pcap(&self) -> Vec<u8> {
        self.file(&File::default())
    }

    pub fn file(&self, file: &File) -> Vec<u8> {
        file.write(&self.packets())
    }

    /// Its segments as IP packets.
    pub fn packets(&self) -> Vec<(Duration, Vec<u8>)> {
        self.segments.iter().map(|s| (s.at, self.packet(s))).collect()
    }

    fn packet(&self, s: &Segment) -> Vec<u8> {
        let (from, to) = if s.from_client {
            (self.client, self.broker)
        } else {
            (self.broker, self.client)
        };
        let ip = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), 64),
            (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), 64),
            _ => panic!("both ends must be of one address family"),
        };
        let mut tcp = ip.tcp(from.port(), to.port(), s.seq, 65535);
        if let Some(ack) = s.ack {
            tcp = tcp.ack(ack);
        }
        if s.syn {
            tcp = tcp.syn();
        }
        if s.fin {
            tcp = tcp.fin();
        }
        if s.rst {
            tcp = tcp.rst();
        }
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, &s.payload).expect("a write to memory succeeds");
        bytes
    }
}

/// How a file is written.
#[derive(Debug, Clone)]
pub struct File {
    pub big: bool,
    pub nano: bool,
    pub pcapng: bool,
    /// `if_tsresol`, if it is written.
    pub resolution: Option<u8>,
    pub link: u16,
    /// The link-layer header before the IP packet.
    pub before: Vec<u8>,
    /// The snapshot length: the most bytes that are kept of a packet.
    pub snap: usize,
}

impl Default for File {
    fn default() -> File {
        File {
            big: false,
            nano: false,
            pcapng: false,
            resolution: None,
            link: 1,
            before: ethernet(&[0x08, 0x00]),
            snap: 262_144,
        }
    }
}

/// An Ethernet header that ends with these bytes: tags and EtherType.
pub fn ethernet(rest: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], rest].concat()
}

impl File {
    fn u16(&self, n: u16) -> Vec<u8> {
        if self.big {
            n.to_be_bytes().to_vec()
        } else {
            n.to_le_bytes().to_vec()
        }
    }

    fn u32(&self, n: u32) -> Vec<u8> {
        if self.big {
            n.to_be_bytes().to_vec()
        } else {
            n.to_le_bytes().to_vec()
        }
    }

    /// The file with these IP packets.
    pub fn write(&self, packets: &[(Duration, Vec<u8>)]) -> Vec<u8> {
        let mut out = if self.pcapng { self.section() } else { self.header() };
        for (at, packet) in packets {
            out.extend(self.record(*at, packet));
        }
        out
    }

    fn header(&self) -> Vec<u8> {
        let magic = if self.nano { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
        [
            self.u32(magic),
            self.u16(2),
            self.u16(4),
            self.u32(0),
            self.u32(0),
            self.u32(self.snap as u32),
            self.u32(self.link.into()),
        ]
        .concat()
    }

    /// A section header and the description of one interface.
    pub fn section(&self) -> Vec<u8> {
        let section = [self.u32(0x1a2b_3c4d), self.u16(1), self.u16(0), vec![0xff; 8]].concat();
        let mut interface = [self.u16(self.link), self.u16(0), self.u32(self.snap as u32)].concat();
        if let Some(resolution) = self.resolution {
            interface.extend([self.u16(9), self.u16(1), vec![resolution, 0, 0, 0], self.u32(0)].concat());
        }
        [self.block(0x0a0d_0d0a, &section), self.block(1, &interface)].concat()
    }

    pub fn block(&self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padding = vec![0; (4 - body.len() % 4) % 4];
        let len = (12 + body.len() + padding.len()) as u32;
        [self.u32(kind), self.u32(len), body.to_vec(), padding, self.u32(len)].concat()
    }

    pub fn record(&self, at: Duration, packet: &[u8]) -> Vec<u8> {
        let whole = [&self.before[..], packet].concat();
        let kept = &whole[..whole.len().min(self.snap)];
        let lengths = [self.u32(kept.len() as u32), self.u32(whole.len() as u32)].concat();
        if !self.pcapng {
            let fraction = if self.nano {
                at.subsec_nanos()
            } else {
                at.subsec_micros()
            };
            let time = [self.u32(at.as_secs() as u32), self.u32(fraction)].concat();
            return [&time, &lengths, kept].concat();
        }
        let units = match self.resolution {
            Some(9) => at.as_nanos() as u64,
            Some(3) => at.as_millis() as u64,
            _ => at.as_micros() as u64,
        };
        let time = [self.u32((units >> 32) as u32), self.u32(units as u32)].concat();
        self.block(6, &[&self.u32(0), &time, &lengths, kept].concat())
    }
}

/// The bytes of a packet.
pub fn bytes(packet: Packet, version: Version) -> Vec<u8> {
    encode_bytes(&packet, version).to_vec()
}

pub fn connect(version: Version) -> Vec<u8> {
    let mut connect = Connect::new(version, "probe");
    connect.username = Some("me".into());
    connect.password = Some("hunter22".into());
    bytes(Packet::from(connect), version)
}

pub fn connack(version: Version) -> Vec<u8> {
    bytes(Packet::ConnAck(ConnAck::default()), version)
}

pub fn publish(version: Version, qos: u8, id: u16, payload: &str) -> Vec<u8> {
    let publish = Publish {
        qos,
        topic: "a/b".into(),
        packet_id: (qos > 0).then_some(id),
        payload: payload.into(),
        ..Publish::default()
    };
    bytes(Packet::Publish(publish), version)
}

/// A valid exchange with packets of both sides: the sender and the bytes of each. The PUBLISH has a Remaining Length field
/// of two bytes.
pub fn exchange(version: Version) -> Vec<(bool, Vec<u8>)> {
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: 1,
        subscriptions: vec![Subscription::new("a/#", 1)],
        ..Subscribe::default()
    });
    let suback = Packet::SubAck(SubAck {
        packet_id: 1,
        reason_codes: vec![1],
        ..SubAck::default()
    });
    let long = "x".repeat(300);
    let list = vec![
        (true, connect(version)),
        (false, connack(version)),
        (true, bytes(subscribe, version)),
        (false, bytes(suback, version)),
        (true, publish(version, 2, 2, &long)),
        (false, bytes(Packet::PubRec(Ack::new(2)), version)),
        (true, bytes(Packet::PubRel(Ack::new(2)), version)),
        (false, bytes(Packet::PubComp(Ack::new(2)), version)),
        (false, publish(version, 1, 9, &long)),
        (true, bytes(Packet::PubAck(Ack::new(9)), version)),
        (true, vec![0xc0, 0]),
        (false, vec![0xd0, 0]),
        (true, bytes(Packet::Disconnect(Disconnect::default()), version)),
    ];
    list
}

/// The exchange as a connection from its handshake to its end, each packet in a segment of its own.
pub fn talk(version: Version) -> Connection {
    said(Connection::new().handshake(), &exchange(version)).close()
}

/// Adds packets to a connection, each in a segment of its own.
pub fn said(connection: Connection, list: &[(bool, Vec<u8>)]) -> Connection {
    list.iter().fold(connection, |c, (by_client, bytes)| match by_client {
        true => c.to(bytes),
        false => c.from(bytes),
    })
}

/// Reads a capture that must be valid.
pub fn streams(file: &[u8]) -> (Vec<Recorded>, Summary) {
    read_streams(file, &Settings::default()).expect("a capture")
}

/// The only MQTT connection of a capture.
pub fn one(file: &[u8]) -> Recorded {
    let (mut streams, summary) = streams(file);
    assert_eq!(streams.len(), 1, "{summary:?}");
    streams.remove(0)
}

/// The packets of each side in hex, and gaps and fragments by name.
pub fn sides(recorded: &Recorded) -> [Vec<String>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    for event in &recorded.transcript.events {
        let side = &mut sides[usize::from(recorded.transcript.is_from_broker(event))];
        match &event.what {
            What::Packet { raw, .. } => side.push(hex::encode(raw.head())),
            What::Fragment(bytes) => side.push(format!("fragment {}", hex::encode(bytes))),
            What::Gap(bytes) => side.push(format!("gap {bytes}")),
            _ => {}
        }
    }
    sides
}

/// The result of [`sides`] for the exchange if nothing is lost.
pub fn truth(version: Version) -> [Vec<String>; 2] {
    let of = |client: bool| {
        let mine = exchange(version).into_iter().filter(move |(by, _)| *by == client);
        mine.map(|(_, bytes)| hex::encode(bytes)).collect()
    };
    [of(true), of(false)]
}
