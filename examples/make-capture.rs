//! Writes a large capture to standard output, for `ci/bench-capture.sh`:
//!
//! ```sh
//! make-capture full 200       # about 200 MB: a few connections with large messages, in segments of Ethernet's size
//! make-capture large 200      # the same in segments of 32 KiB, as captured on a host with segmentation offload
//! make-capture short 140000   # 140 000 short connections, twenty open at a time
//! ```

use std::io::{self, BufWriter, Write};

use etherparse::PacketBuilder;
use mqttspec::wire::{Ack, ConnAck, Connect, Disconnect, Packet, Publish, Version, encode_bytes};

/// The payload of a full segment on Ethernet, with TCP timestamps.
const FULL: usize = 1448;
/// The payload of a large segment, before the network card splits it.
const LARGE: usize = 32 * 1024;
/// The payload of a large message.
const MESSAGE: usize = 200_000;
/// How many short connections are open at a time.
const SIDE_BY_SIDE: u32 = 20;

struct Capture<W: Write> {
    out: W,
    written: u64,
    microseconds: u64,
    /// The longest payload of a segment.
    segment: usize,
}

/// One connection, with the next sequence number of each side.
struct Connection {
    number: u32,
    next: [u32; 2],
}

impl<W: Write> Capture<W> {
    fn new(mut out: W, segment: usize) -> io::Result<Capture<W>> {
        let words = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1u32];
        for word in words {
            out.write_all(&word.to_le_bytes())?;
        }
        Ok(Capture {
            out,
            written: 24,
            microseconds: 0,
            segment,
        })
    }

    fn segment(&mut self, c: &mut Connection, by_client: bool, flags: &str, payload: &[u8]) -> io::Result<()> {
        let (client, broker) = ([10, 1, (c.number >> 8) as u8, c.number as u8], [10, 0, 0, 1]);
        let port = 10_000 + (c.number >> 16) as u16;
        let (mine, other) = if by_client { (0, 1) } else { (1, 0) };
        let (from, to) = if by_client { (client, broker) } else { (broker, client) };
        let ports = if by_client { (port, 1883) } else { (1883, port) };
        let mut tcp = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4(from, to, 64)
            .tcp(ports.0, ports.1, c.next[mine], 65_535);
        if flags.contains('S') {
            tcp = tcp.syn();
        }
        if flags.contains('F') {
            tcp = tcp.fin();
        }
        if !flags.contains('-') {
            tcp = tcp.ack(c.next[other]);
        }
        let flag = u32::from(flags.contains('S') || flags.contains('F'));
        c.next[mine] = c.next[mine].wrapping_add(payload.len() as u32 + flag);
        let len = tcp.size(payload.len()) as u32;
        self.microseconds += 7;
        let header = [
            (self.microseconds / 1_000_000) as u32,
            (self.microseconds % 1_000_000) as u32,
            len,
            len,
        ];
        for word in header {
            self.out.write_all(&word.to_le_bytes())?;
        }
        tcp.write(&mut self.out, payload)
            .map_err(|e| io::Error::other(e.to_string()))?;
        self.written += 16 + u64::from(len);
        Ok(())
    }

    fn open(&mut self, number: u32) -> io::Result<Connection> {
        let mut c = Connection {
            number,
            next: [number.wrapping_mul(7919), number.wrapping_mul(104_729)],
        };
        self.segment(&mut c, true, "S-", b"")?;
        self.segment(&mut c, false, "S", b"")?;
        self.segment(&mut c, true, "", b"")?;
        let connect = Packet::from(Connect::new(Version::V3_1_1, format!("client-{number}")));
        self.packet(&mut c, true, connect)?;
        self.packet(&mut c, false, Packet::ConnAck(ConnAck::default()))?;
        Ok(c)
    }

    fn packet(&mut self, c: &mut Connection, by_client: bool, packet: Packet) -> io::Result<()> {
        let bytes = encode_bytes(&packet, Version::V3_1_1);
        for piece in bytes.chunks(self.segment) {
            self.segment(c, by_client, "", piece)?;
        }
        self.segment(c, !by_client, "", b"")
    }

    fn close(&mut self, mut c: Connection) -> io::Result<()> {
        self.packet(&mut c, true, Packet::Disconnect(Disconnect::default()))?;
        self.segment(&mut c, true, "F", b"")?;
        self.segment(&mut c, false, "F", b"")?;
        self.segment(&mut c, true, "", b"")
    }

    fn publish(&mut self, c: &mut Connection, id: u16, payload: Vec<u8>) -> io::Result<()> {
        let publish = Publish {
            qos: 1,
            topic: "sensors/room/temperature".into(),
            packet_id: Some(id),
            payload: mqttspec::wire::Payload::Bytes(payload.into()),
            ..Publish::default()
        };
        self.packet(c, true, Packet::Publish(publish))?;
        self.packet(c, false, Packet::PubAck(Ack::new(id)))
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.get(1).and_then(|n| n.parse::<u32>().ok());
    let kind = arguments.first().map(String::as_str);
    let segment = if kind == Some("large") { LARGE } else { FULL };
    let mut capture = Capture::new(BufWriter::new(io::stdout().lock()), segment)?;
    match (kind, count) {
        (Some("full" | "large"), Some(megabytes)) => {
            let mut connections = (0..4).map(|n| capture.open(n)).collect::<io::Result<Vec<_>>>()?;
            let mut turn = 0usize;
            while capture.written < u64::from(megabytes) * 1_000_000 {
                let id = (turn / 4 % 60_000 + 1) as u16;
                let payload = (0..MESSAGE).map(|i| (i + turn) as u8).collect();
                capture.publish(&mut connections[turn % 4], id, payload)?;
                turn += 1;
            }
            connections.into_iter().try_for_each(|c| capture.close(c))?;
        }
        (Some("short"), Some(connections)) => {
            let mut first = 0;
            while first < connections {
                let mut open = (first..connections.min(first + SIDE_BY_SIDE))
                    .map(|n| capture.open(n))
                    .collect::<io::Result<Vec<_>>>()?;
                for c in &mut open {
                    let payload = format!(
                        "{{\"meter\":{},\"value\":21.5,\"unit\":\"C\",\"note\":\"{:-<180}\"}}",
                        c.number, ""
                    );
                    capture.publish(c, 1, payload.into_bytes())?;
                }
                open.into_iter().try_for_each(|c| capture.close(c))?;
                first += SIDE_BY_SIDE;
            }
        }
        _ => {
            eprintln!("usage: make-capture full|large MEGABYTES | short CONNECTIONS");
            std::process::exit(2);
        }
    }
    capture.out.flush()
}
