//! The two byte streams of an MQTT connection → events: packets decoded at the version of the last CONNECT, topic
//! aliases resolved, gaps named and, if that can be done safely, passed over.

use std::sync::Arc;

use bytes::Bytes;

use super::shape::{Shape, shape};
use super::version::Guess;
use crate::capture::stream::{Holes, Stream};
use crate::capture::{Place, Seen, Watch};
use crate::conversation::Decoder;
use crate::secret::has_a_name_in_place;
use crate::transcript::{Author, ClientName, End, Event, What};
use crate::wire::property::id;
use crate::wire::{Blob, Decoded, Frame, Packet, PacketType, Piece, PropertyValue, Side, Splitter, Text, marked_level};

/// How many bytes that are not a packet are kept of one event.
const FRAGMENT: usize = 64 * 1024;
/// How many bytes may be too few to tell whether a packet begins with them.
const PERHAPS: usize = 64 * 1024;

/// One MQTT connection.
pub struct Mqtt {
    pub stream: Stream,
    name: ClientName,
    client: Half,
    server: Half,
    /// Which version to read at, if no CONNECT says it.
    guess: Option<Guess>,
    /// The version of the last CONNECT, and topic aliases.
    decoder: Decoder,
    opened: bool,
    /// Bytes of the client are missing, and no packet of it came since.
    hole_open: bool,
    /// The packet of the file with the first byte of the packet that is given out.
    began: u64,
}

/// One direction.
#[derive(Default)]
struct Half {
    splitter: Splitter,
    sync: Sync,
    /// Something of it was given out.
    begun: bool,
    /// Its sender had heard of all that came before the packet that is not complete.
    heard: bool,
    /// The packet of the file in which that packet began, and whether all before it had arrived.
    began: (u64, bool),
    /// Bytes that may be the beginning of a packet, too few to tell.
    perhaps: Vec<u8>,
}

/// Whether it is known if packets begin.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Sync {
    #[default]
    InStep,
    /// After this many more bytes of a packet that has a gap.
    After(u64),
    /// Not before a piece that begins with a packet.
    Lost,
}

impl Mqtt {
    /// A connection whose facts are known so far.
    pub fn new(stream: Stream, name: ClientName) -> Mqtt {
        let half = || Half {
            // Without a handshake a direction may begin anywhere.
            sync: if stream.handshake { Sync::InStep } else { Sync::Lost },
            ..Half::default()
        };
        Mqtt {
            client: half(),
            server: half(),
            name,
            guess: None,
            decoder: Decoder::of_capture(stream.read_as),
            stream,
            opened: false,
            hole_open: false,
            began: 0,
        }
    }

    /// Whether anything came.
    pub fn has_spoken(&self) -> bool {
        self.client.begun || self.server.begun
    }

    /// Bytes from one side.
    pub fn bytes(&mut self, side: Side, bytes: &[u8], place: Place, watch: &mut impl Watch) {
        self.begin(side, bytes, place, watch);
        match self.half(side).sync {
            Sync::InStep => self.in_step(side, bytes, place, watch),
            Sync::After(left) => {
                let n = (bytes.len() as u64).min(left) as usize;
                let left = left - n as u64;
                self.half(side).sync = if left == 0 { Sync::InStep } else { Sync::After(left) };
                self.fragment(side, &bytes[..n], place, watch);
                if n < bytes.len() {
                    self.in_step(side, &bytes[n..], place, watch);
                }
            }
            Sync::Lost => self.find_step(side, bytes, place, watch),
        }
    }

    fn in_step(&mut self, side: Side, bytes: &[u8], place: Place, watch: &mut impl Watch) {
        let half = self.half(side);
        let here = (place.heard, (place.frame, place.arrived));
        let mut first = if half.splitter.pending_len() > 0 {
            (half.heard, half.began)
        } else {
            here
        };
        let pieces = half.splitter.push(bytes);
        if half.splitter.pending_len() > 0 {
            (half.heard, half.began) = if pieces.is_empty() { first } else { here };
        }
        for piece in pieces {
            // A packet was sent when its first byte was.
            let (heard, (began, arrived)) = std::mem::replace(&mut first, here);
            let place = Place {
                heard,
                arrived,
                ..place
            };
            self.began = began;
            match piece {
                Piece::Frame(frame) => self.packet(side, frame, place, watch),
                Piece::Broken { bytes, why } => {
                    if side == Side::Client {
                        self.unusable(format!("the client's bytes cannot be cut into packets: {why}"));
                    }
                    self.event(side, What::Fragment(bytes), place, watch);
                }
            }
        }
    }

    /// Looks whether a packet begins where this piece does, or where the one before it did.
    fn find_step(&mut self, side: Side, bytes: &[u8], place: Place, watch: &mut impl Watch) {
        let before = std::mem::take(&mut self.half(side).perhaps);
        let joined = [&before[..], bytes].concat();
        if matches!(shape(&joined, side), Shape::Whole(_) | Shape::Begun) {
            self.half(side).sync = Sync::InStep;
            return self.in_step(side, &joined, place, watch);
        }
        if shape(&joined, side) == Shape::Short && joined.len() < PERHAPS {
            self.half(side).perhaps = joined;
            return;
        }
        if !before.is_empty() {
            self.fragment(side, &before, place, watch);
            return self.find_step(side, bytes, place, watch);
        }
        self.fragment(side, bytes, place, watch);
    }

    /// Bytes of one side are missing; 0 if it is not known how many.
    pub fn gap(&mut self, side: Side, missing: u64, place: Place, watch: &mut impl Watch) {
        self.begin(side, &[], place, watch);
        if missing > 0 {
            let Holes { count, bytes } = self.stream.holes(side);
            let holes = Holes {
                count: count + 1,
                bytes: bytes + missing,
            };
            match side {
                Side::Client => self.stream.client_holes = holes,
                Side::Server => self.stream.server_holes = holes,
            }
            self.lose(side, missing, place, watch);
            self.hole_open |= side == Side::Client;
        }
        self.event(side, What::Gap(missing), place, watch);
    }

    /// The end of one side.
    pub fn end(&mut self, side: Side, end: End, place: Place, watch: &mut impl Watch) {
        self.rest(side, place, watch);
        self.event(side, What::End(end), place, watch);
        if end == End::Reset || self.stream.end.is_none() {
            self.stream.end = Some(end);
        }
    }

    fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// The first that is seen of a side. A connection that begins with a CONNECT is seen from its beginning, also
    /// without its handshake.
    fn begin(&mut self, side: Side, bytes: &[u8], place: Place, watch: &mut impl Watch) {
        let is_connect = side == Side::Client && bytes.first().is_some_and(|b| b >> 4 == PacketType::Connect.number());
        let first = !std::mem::replace(&mut self.half(side).begun, true);
        if first && is_connect {
            self.stream.from_connect = true;
        }
        let nothing_yet = !(self.client.begun && self.server.begun);
        if first && nothing_yet && !self.opened && (self.stream.handshake || is_connect) {
            self.opened = true;
            self.client.sync = Sync::InStep;
            self.server.sync = Sync::InStep;
            self.event(Side::Client, What::Open, place, watch);
        }
        if !self.opened && self.guess.is_none() {
            self.guess = Some(Guess::default());
        }
    }

    /// After a gap: the packet in which it lies is lost, and where the next begins may be known.
    fn lose(&mut self, side: Side, missing: u64, place: Place, watch: &mut impl Watch) {
        let half = self.half(side);
        let left = match (half.sync, half.splitter.expected_len()) {
            (Sync::After(left), _) => Some(left),
            (Sync::InStep, Some(len)) => Some(len - half.splitter.pending_len()),
            _ => None,
        };
        let sync = match left {
            Some(left) if missing < left => Sync::After(left - missing),
            Some(left) if missing == left => Sync::InStep,
            _ => Sync::Lost,
        };
        self.rest(side, place, watch);
        let half = self.half(side);
        half.splitter = Splitter::new();
        half.sync = sync;
    }

    /// What came of a packet that will not be complete.
    fn rest(&mut self, side: Side, place: Place, watch: &mut impl Watch) {
        let half = self.half(side);
        let perhaps = std::mem::take(&mut half.perhaps);
        let pending = if perhaps.is_empty() {
            half.splitter.pending()
        } else {
            &perhaps
        };
        if !pending.is_empty() {
            let bytes = Bytes::copy_from_slice(&pending[..pending.len().min(FRAGMENT)]);
            self.half(side).splitter = Splitter::new();
            self.event(side, What::Fragment(bytes), place, watch);
        }
    }

    fn fragment(&mut self, side: Side, bytes: &[u8], place: Place, watch: &mut impl Watch) {
        let bytes = Bytes::copy_from_slice(&bytes[..bytes.len().min(FRAGMENT)]);
        self.event(side, What::Fragment(bytes), place, watch);
    }

    fn packet(&mut self, side: Side, frame: Frame, place: Place, watch: &mut impl Watch) {
        if side == Side::Client {
            self.note_connect(&frame);
            self.stream.bridge = self.stream.bridge.or(marked_level(frame.raw.head()));
            if std::mem::take(&mut self.hole_open) {
                let Holes { count, bytes } = self.stream.client_holes;
                let places = if count == 1 { "one place" } else { "several places" };
                self.unusable(format!("{bytes} bytes of the client are missing in {places}"));
            }
            if let Blob::Long(long) = &frame.raw {
                self.unusable(format!("a packet of {} bytes is too long to keep", long.len));
            }
        }
        let decoded = self.decode(side, &frame);
        self.note(&frame, &decoded);
        let what = self.decoder.event(side, frame, decoded);
        self.event(side, what, place, watch);
    }

    /// A CONNECT sets the version of what follows.
    fn note_connect(&mut self, frame: &Frame) {
        if let Some(version) = self.decoder.note_connect(frame) {
            self.stream.read_as = version;
            self.stream.version.get_or_insert(version);
            self.guess = None;
        }
    }

    fn decode(&mut self, side: Side, frame: &Frame) -> Decoded {
        if let Some(guess) = &mut self.guess {
            let (version, decoded) = guess.decode(frame, side);
            self.stream.read_as = version;
            return decoded;
        }
        self.decoder.decode(side, frame)
    }

    /// Counts a packet, and takes out of it what describes the stream.
    fn note(&mut self, frame: &Frame, decoded: &Decoded) {
        let stream = &mut self.stream;
        stream.packets[usize::from(frame.first_byte >> 4)] += 1;
        if frame.packet_type() == Some(PacketType::Publish) {
            stream.qos[usize::from(frame.first_byte >> 1 & 3)] += 1;
        }
        match &decoded.packet {
            // Behind a protocol name whose length is a lie it may be any other field.
            Some(Packet::Connect(p)) if stream.client_id.is_none() && has_a_name_in_place(decoded) => {
                stream.client_id = Some(p.client_id.clone());
            }
            Some(Packet::ConnAck(p)) if stream.client_id.as_ref().is_some_and(Text::is_empty) => {
                if let Some(PropertyValue::Text(id)) = p.properties.get(id::ASSIGNED_CLIENT_IDENTIFIER) {
                    stream.client_id = Some(id.clone());
                }
            }
            _ => {}
        }
    }

    fn unusable(&mut self, why: String) {
        self.stream.unusable.get_or_insert(why);
    }

    fn event(&mut self, side: Side, what: What, place: Place, watch: &mut impl Watch) {
        let event = Event {
            at: place.at.saturating_sub(self.stream.started),
            client: Arc::clone(&self.name),
            connection: 1,
            step: None,
            author: match side {
                Side::Client => Author::Script,
                Side::Server => Author::Peer,
            },
            what,
        };
        let seen = Seen {
            frame: place.frame,
            began: match std::mem::take(&mut self.began) {
                0 => place.frame,
                began => began,
            },
            crossed: side == Side::Client && !place.heard,
            arrived: place.arrived,
        };
        watch.event(&self.stream, seen, event);
    }
}
