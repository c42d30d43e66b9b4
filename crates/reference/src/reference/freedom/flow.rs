//! When bytes are sent, in which order and pieces, how a connection ends, and when input is processed.
//!
//! [`Outflow`] is pure: packets and times go in, and the writes for a given time come out. [`write_freely`] puts a
//! socket and a clock around it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pieces::{Cuts, Piece};
use crate::wire::{Packet, PacketType, Text};

/// A packet to write, with the facts that decide its place in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// `None` for bytes that are not a whole packet: they keep their place.
    pub packet_type: Option<PacketType>,
    /// Of a PUBLISH.
    pub topic: Text,
    /// Of a PUBLISH.
    pub qos: u8,
    pub bytes: Vec<Bytes>,
}

impl Parcel {
    /// The packet, and how it is written.
    pub fn new(packet: &Packet, bytes: Vec<Bytes>) -> Parcel {
        let (topic, qos) = match packet {
            Packet::Publish(publish) => (publish.topic.clone(), publish.qos),
            _ => (Text::default(), 0),
        };
        Parcel {
            packet_type: Some(packet.packet_type()),
            topic,
            qos,
            bytes,
        }
    }

    /// Bytes that are not a whole packet.
    pub fn raw(bytes: Bytes) -> Parcel {
        Parcel {
            packet_type: None,
            topic: Text::default(),
            qos: 0,
            bytes: vec![bytes],
        }
    }
}

/// When and how bytes are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Style {
    /// Up to this long for each packet, all in order.
    jitter: Duration,
    /// This long for each packet.
    delay: Duration,
    /// By type, and other types may overtake.
    by_type: BTreeMap<PacketType, Duration>,
    /// All but PINGRESP.
    but_ping: Duration,
    /// A delay for each type, at most this long.
    types: Duration,
    /// A delay for each topic, at most this long.
    topics: Duration,
    /// Between the packets of two QoS levels.
    qos: Duration,
    gather: Duration,
    cuts: Cuts,
    /// Between the last byte and the close.
    close: Duration,
    /// The connection ends with RST.
    pub resets: bool,
}

const LATE: [(&str, PacketType); 10] = [
    ("connack-late", PacketType::ConnAck),
    ("suback-late", PacketType::SubAck),
    ("unsuback-late", PacketType::UnsubAck),
    ("puback-late", PacketType::PubAck),
    ("pubrec-late", PacketType::PubRec),
    ("pubrel-late", PacketType::PubRel),
    ("pubcomp-late", PacketType::PubComp),
    ("publish-late", PacketType::Publish),
    ("pingresp-late", PacketType::PingResp),
    ("auth-late", PacketType::Auth),
];

impl Style {
    /// The style that the freedoms make, each looked up by its name; `None` if none of them is used.
    pub(super) fn of(value: impl Fn(&str) -> Option<u32>) -> Option<Style> {
        let time = |name: &str| millis(value(name));
        let by_type = LATE
            .into_iter()
            .filter_map(|(name, packet_type)| Some((packet_type, millis(Some(value(name)?)))));
        let style = Style {
            jitter: time("delay"),
            delay: time("delay-all"),
            by_type: by_type.collect(),
            but_ping: time("pingresp-first"),
            types: time("types-reordered"),
            topics: time("topics-reordered"),
            qos: time("qos-reordered"),
            gather: time("coalesce"),
            cuts: Cuts {
                singly: value("split-bytes").is_some(),
                pause: value("split-header").map(|ms| millis(Some(ms))),
            },
            close: time("close-late"),
            resets: value("close-reset").is_some(),
        };
        (style != Style::default()).then_some(style)
    }

    /// How long a packet waits in addition to the delay for all.
    fn own_delay(&self, parcel: &Parcel) -> Duration {
        let Some(packet_type) = parcel.packet_type else {
            return Duration::ZERO;
        };
        let mut delay = self.by_type.get(&packet_type).copied().unwrap_or_default();
        if packet_type != PacketType::PingResp {
            delay += self.but_ping;
        }
        // A number between 0 and 1 for each type and topic, the same in every run.
        delay += self.types.mul_f64(f64::from(packet_type.number() * 7 % 15) / 14.0);
        if packet_type == PacketType::Publish {
            delay += self.topics.mul_f64(f64::from(hash(parcel.topic.as_bytes())) / 255.0);
            delay += self.qos * u32::from(parcel.qos);
        }
        delay
    }

    /// The lane in which a packet keeps its order. `None`: with all others.
    fn lane(&self, parcel: &Parcel) -> Option<Lane> {
        let packet_type = parcel.packet_type?;
        // Nothing precedes CONNACK and nothing follows DISCONNECT; AUTH is answered on both sides.
        if matches!(packet_type, PacketType::ConnAck | PacketType::Disconnect) {
            return None;
        }
        let splits_types = !self.by_type.is_empty() || !self.but_ping.is_zero() || !self.types.is_zero();
        let is_publish = packet_type == PacketType::Publish;
        Some(Lane {
            packet_type: (splits_types || is_publish && self.splits_messages()).then_some(packet_type),
            topic: (is_publish && !self.topics.is_zero()).then(|| parcel.topic.clone()),
            qos: (is_publish && !self.qos.is_zero()).then_some(parcel.qos),
        })
    }

    fn splits_messages(&self) -> bool {
        !self.topics.is_zero() || !self.qos.is_zero()
    }
}

fn millis(value: Option<u32>) -> Duration {
    Duration::from_millis(value.unwrap_or_default().into())
}

fn hash(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(17, |sum: u8, byte| sum.wrapping_mul(31).wrapping_add(*byte))
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    packet_type: Option<PacketType>,
    topic: Option<Text>,
    qos: Option<u8>,
}

/// The pending output of one connection. Times count from the start of the connection.
#[derive(Debug)]
pub struct Outflow {
    style: Style,
    /// By the time at which it is due and the order of arrival.
    waiting: BTreeMap<(Duration, u64), Parcel>,
    /// When the last packet of a lane is due.
    lanes: BTreeMap<Option<Lane>, Duration>,
    /// Nothing that is queued later is due before this.
    barrier: Duration,
    count: u64,
    random: u64,
}

impl Outflow {
    /// For one connection; `seed` seeds its random delays.
    pub fn new(style: Style, seed: u64) -> Outflow {
        Outflow {
            style,
            waiting: BTreeMap::new(),
            lanes: BTreeMap::new(),
            barrier: Duration::ZERO,
            count: 0,
            random: seed,
        }
    }

    /// A packet that is ready to be sent at `now`.
    pub fn hand(&mut self, parcel: Parcel, now: Duration) {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let chance = (self.random >> 40) as f64 / f64::from(1 << 24);
        let lane = self.style.lane(&parcel);
        let wanted = now + self.style.delay + self.style.jitter.mul_f64(chance) + self.style.own_delay(&parcel);
        let before = match &lane {
            None => self.lanes.values().copied().max().unwrap_or_default(),
            lane => self.lanes.get(lane).copied().unwrap_or_default(),
        };
        let mut due = wanted.max(before).max(self.barrier);
        let gather = self.style.gather.as_nanos();
        if gather > 0 {
            let nanos = due.as_nanos().div_ceil(gather) * gather;
            due = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
        if lane.is_none() {
            self.barrier = due;
        }
        self.lanes.insert(lane, due);
        self.count += 1;
        self.waiting.insert((due, self.count), parcel);
    }

    /// When the next write is due; `None` if nothing waits.
    pub fn next_due(&self) -> Option<Duration> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// The writes that are due at `now`.
    pub fn take(&mut self, now: Duration) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut together = bytes::BytesMut::new();
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let packet = entry.remove().bytes;
            if self.style.cuts.is_none() {
                packet.iter().for_each(|part| together.extend_from_slice(part));
            } else {
                pieces.extend(self.style.cuts.pieces(&packet.concat().into()));
            }
        }
        if !together.is_empty() {
            pieces.push(Piece {
                bytes: together.freeze(),
                pause: Duration::ZERO,
            });
        }
        pieces
    }
}

/// Writes packets in the given `style`, and returns when no more will come and all are written. `written`
/// gets the number of bytes of each write. The socket is not closed.
///
/// # Errors
/// Those of the socket.
pub async fn write_freely<W: AsyncWrite + Unpin>(
    socket: &mut W,
    mut queue: mpsc::UnboundedReceiver<Parcel>,
    style: Style,
    seed: u64,
    written: impl Fn(usize),
) -> std::io::Result<()> {
    let began = Instant::now();
    let close = style.close;
    let mut outflow = Outflow::new(style, seed);
    let mut is_open = true;
    while is_open || outflow.next_due().is_some() {
        let due = outflow.next_due();
        let wait = async {
            match due {
                Some(due) => tokio::time::sleep_until(began + due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            parcel = queue.recv(), if is_open => match parcel {
                Some(parcel) => outflow.hand(parcel, began.elapsed()),
                None => is_open = false,
            },
            () = wait => {
                for piece in outflow.take(began.elapsed()) {
                    written(piece.bytes.len());
                    socket.write_all(&piece.bytes).await?;
                    socket.flush().await?;
                    if !piece.pause.is_zero() {
                        tokio::time::sleep(piece.pause).await;
                    }
                }
            }
        }
    }
    tokio::time::sleep(close).await;
    Ok(())
}

/// When input from a client is processed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Intake {
    pub late: Duration,
    /// How late a close is noticed.
    pub loss: Duration,
    /// Acknowledgements that come together with a close are dropped.
    pub drops_acknowledgements: bool,
}

impl Intake {
    pub(super) fn of(value: impl Fn(&str) -> Option<u32>) -> Intake {
        Intake {
            late: millis(value("input-late")),
            loss: millis(value("loss-noticed-late")),
            drops_acknowledgements: value("fin-drops-acknowledgements").is_some(),
        }
    }

    /// Whether a packet with this first byte is dropped if the connection ends right behind it.
    pub fn drops(self, packet_type: Option<PacketType>) -> bool {
        use PacketType::{PubAck, PubComp, PubRec};
        self.drops_acknowledgements && matches!(packet_type, Some(PubAck | PubRec | PubComp))
    }
}

/// How long an acknowledgement waits for a close behind it, if the close may drop it.
const TOGETHER: Duration = Duration::from_millis(10);

/// Reads on for a moment after acknowledgements that may be dropped. `read` returns the number of bytes read, 0 at the
/// end. `None`: nothing arrived.
pub async fn read_late(read: impl Future<Output = std::io::Result<usize>>) -> Option<usize> {
    let read = tokio::time::timeout(TOGETHER, read).await.ok()?;
    Some(read.unwrap_or(0))
}
