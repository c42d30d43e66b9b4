//! A connection's bytes → what it speaks, and if that is MQTT its events.

mod detect;
mod mqtt;
mod shape;
mod version;
mod websocket;

use std::net::SocketAddr;
use std::time::Duration;

use self::detect::{Beginnings, Context, Speech};
use self::mqtt::Mqtt;
pub use self::shape::{Shape, shape};
use self::websocket::{Unreadable, Unwrap};
use super::stream::{Holes, Stream, Transport};
use super::tcp::{Item, Part, Way};
use super::{Other, Place, Settings, Watch};
use crate::statements::Version;
use crate::transcript::End;
use crate::wire::Side;

/// A connection as it begins.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    pub id: u32,
    pub ends: [SocketAddr; 2],
    pub started: Duration,
}

/// A connection on the way from bytes to events.
pub struct Talk {
    facts: Facts,
    transport: Transport,
    state: State,
    last: Duration,
}

enum State {
    Undecided(Box<Undecided>),
    Mqtt(Box<(Mqtt, Way)>),
    WebSocket(Box<Wrapped>),
    /// Nothing that is looked at.
    Other(Other),
}

#[derive(Default)]
struct Undecided {
    seen: Beginnings,
    items: Vec<(Way, Place, Kept)>,
}

/// An item that waits until it is known what it belongs to.
enum Kept {
    Bytes(Vec<u8>),
    Gap(u64),
    Fin,
    Reset,
}

struct Wrapped {
    ways: [Unwrap; 2],
    inner: Talk,
}

impl Talk {
    pub fn new(facts: Facts, settings: &Settings) -> Talk {
        let is_wanted = settings.stream.is_none_or(|id| id == facts.id)
            && (settings.ports.is_empty() || facts.ends.iter().any(|end| settings.ports.contains(&end.port())));
        Talk {
            facts,
            transport: Transport::Tcp,
            state: if is_wanted {
                State::Undecided(Box::default())
            } else {
                State::Other(Other::NotWanted)
            },
            last: facts.started,
        }
    }

    /// What came on the connection.
    pub fn item(&mut self, opener: Option<Way>, item: Item<'_>, settings: &Settings, watch: &mut impl Watch) {
        let place = item.place;
        self.last = self.last.max(place.at);
        match &mut self.state {
            State::Other(_) => {}
            State::Mqtt(talk) => {
                let (mqtt, client) = &mut **talk;
                let side = if item.way == *client {
                    Side::Client
                } else {
                    Side::Server
                };
                give(mqtt, side, item.what, place, watch);
            }
            State::WebSocket(wrapped) => {
                if let Some(other) = wrapped.item(opener, item, settings, watch) {
                    if wrapped.inner.has_spoken() {
                        wrapped.inner.end(opener, place.at, settings, watch);
                    }
                    self.state = State::Other(other);
                }
            }
            State::Undecided(undecided) => {
                // Nearly every connection begins so.
                if let (true, Part::Bytes(bytes)) = (undecided.items.is_empty(), item.what)
                    && shape::is_connect(bytes) == Some(true)
                {
                    let client = item.way;
                    let mut mqtt = self.mqtt(client, opener);
                    give(&mut mqtt, Side::Client, item.what, place, watch);
                    self.state = State::Mqtt(Box::new((mqtt, client)));
                    return;
                }
                undecided.keep(item);
                self.decide(opener, false, settings, watch);
            }
        }
    }

    /// The connection is over, or the capture.
    pub fn end(
        &mut self,
        opener: Option<Way>,
        at: Duration,
        settings: &Settings,
        watch: &mut impl Watch,
    ) -> Option<Other> {
        self.decide(opener, true, settings, watch);
        self.last = self.last.max(at);
        match &mut self.state {
            State::Mqtt(talk) => {
                let stream = &mut talk.0.stream;
                stream.duration = self.last.saturating_sub(stream.started);
                watch.ended(stream);
                None
            }
            State::WebSocket(wrapped) => wrapped.inner.end(opener, at, settings, watch),
            State::Other(other) => Some(*other),
            State::Undecided(_) => Some(Other::Silent),
        }
    }

    /// Whether it is MQTT of which something was given out.
    fn has_spoken(&self) -> bool {
        matches!(&self.state, State::Mqtt(talk) if talk.0.has_spoken())
    }

    fn decide(&mut self, opener: Option<Way>, last: bool, settings: &Settings, watch: &mut impl Watch) {
        let State::Undecided(undecided) = &mut self.state else {
            return;
        };
        let context = self.facts.context(opener, last, settings);
        let Some(speech) = undecided.seen.judge(context).or(undecided.ends_so()) else {
            return;
        };
        let items = std::mem::take(&mut undecided.items);
        self.state = match speech {
            Speech::Other if undecided.seen.is_empty() => State::Other(Other::Silent),
            Speech::Other => State::Other(Other::Unknown),
            Speech::Tls => State::Other(Other::Tls),
            Speech::WebSocket { client, mqtt } => State::WebSocket(Box::new(Wrapped {
                ways: Default::default(),
                inner: self.inner(client, mqtt, opener),
            })),
            Speech::Mqtt { client } => State::Mqtt(Box::new((self.mqtt(client, opener), client))),
        };
        for (way, place, kept) in items {
            let item = Item {
                way,
                place,
                what: kept.what(),
            };
            self.item(opener, item, settings, watch);
        }
    }

    /// What lies within a WebSocket connection.
    fn inner(&self, client: Way, mqtt: bool, opener: Option<Way>) -> Talk {
        let state = if mqtt {
            State::Mqtt(Box::new((self.over(Transport::WebSocket, client, opener), client)))
        } else {
            State::Undecided(Box::default())
        };
        Talk {
            transport: Transport::WebSocket,
            state,
            ..*self
        }
    }

    fn mqtt(&self, client: Way, opener: Option<Way>) -> Mqtt {
        self.over(self.transport, client, opener)
    }

    fn over(&self, transport: Transport, client: Way, opener: Option<Way>) -> Mqtt {
        let [there, back] = self.facts.ends;
        let (client, server) = match client {
            Way::There => (there, back),
            Way::Back => (back, there),
        };
        let stream = Stream {
            id: self.facts.id,
            client,
            server,
            transport,
            version: None,
            read_as: Version::V3_1_1,
            bridge: None,
            client_id: None,
            started: self.facts.started,
            duration: Duration::ZERO,
            // What comes over WebSocket is seen from its beginning: without its upgrade it is not known as such.
            handshake: opener.is_some() || transport == Transport::WebSocket,
            from_connect: false,
            packets: [0; 16],
            qos: [0; 4],
            client_holes: Holes::default(),
            server_holes: Holes::default(),
            end: None,
            unusable: None,
        };
        Mqtt::new(stream, "client".into())
    }
}

impl Facts {
    fn context(&self, opener: Option<Way>, last: bool, settings: &Settings) -> Context {
        let [there, back] = self.ends.map(|end| end.port());
        let is_known = |port: u16| {
            if settings.ports.is_empty() {
                port == 1883
            } else {
                settings.ports.contains(&port)
            }
        };
        Context {
            opener,
            to_mqtt: match (is_known(there), is_known(back)) {
                (_, true) => Some(Way::There),
                (true, false) => Some(Way::Back),
                (false, false) => None,
            },
            to_lower: if back <= there { Way::There } else { Way::Back },
            last,
        }
    }
}

impl Undecided {
    fn keep(&mut self, item: Item<'_>) {
        let kept = match item.what {
            Part::Bytes(bytes) => {
                self.seen.add(item.way, bytes);
                Kept::Bytes(bytes.to_vec())
            }
            Part::Gap(missing) => {
                self.seen.hole(item.way);
                Kept::Gap(missing)
            }
            Part::Fin => Kept::Fin,
            Part::Reset => Kept::Reset,
        };
        self.items.push((item.way, item.place, kept));
    }

    /// A gap or an end without a byte carries nothing.
    fn ends_so(&self) -> Option<Speech> {
        (self.items.len() > 1024).then_some(Speech::Other)
    }
}

impl Kept {
    fn what(&self) -> Part<'_> {
        match self {
            Kept::Bytes(bytes) => Part::Bytes(bytes),
            Kept::Gap(missing) => Part::Gap(*missing),
            Kept::Fin => Part::Fin,
            Kept::Reset => Part::Reset,
        }
    }
}

impl Wrapped {
    /// Unwraps what came; gives what the connection is instead, if it cannot be read as WebSocket.
    fn item(
        &mut self,
        opener: Option<Way>,
        item: Item<'_>,
        settings: &Settings,
        watch: &mut impl Watch,
    ) -> Option<Other> {
        let unwrap = &mut self.ways[item.way as usize];
        let what = match item.what {
            Part::Bytes(bytes) => match unwrap.push(bytes) {
                Ok(plain) if plain.is_empty() => return None,
                Ok(plain) => {
                    let item = Item {
                        what: Part::Bytes(&plain),
                        ..item
                    };
                    self.inner.item(opener, item, settings, watch);
                    return None;
                }
                Err(Unreadable::Refused) => return Some(Other::Unknown),
                Err(Unreadable::Extended) => return Some(Other::CompressedWebSocket),
            },
            Part::Gap(missing) => match unwrap.gap(missing) {
                Some(0) => return None,
                Some(missing) => Part::Gap(missing),
                None => Part::Gap(missing),
            },
            end => end,
        };
        self.inner.item(opener, Item { what, ..item }, settings, watch);
        None
    }
}

fn give(mqtt: &mut Mqtt, side: Side, what: Part<'_>, place: Place, watch: &mut impl Watch) {
    match what {
        Part::Bytes(bytes) => mqtt.bytes(side, bytes, place, watch),
        Part::Gap(missing) => mqtt.gap(side, missing, place, watch),
        Part::Fin => mqtt.end(side, End::Fin, place, watch),
        Part::Reset => mqtt.end(side, End::Reset, place, watch),
    }
}
