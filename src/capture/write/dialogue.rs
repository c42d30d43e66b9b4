//! The connections of one exchange, drawn from the events of its transcript.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::stream::Stream;
use crate::secret::{MASK, fragment, shown};
use crate::transcript::{End, Event, What};
use crate::wire::{PacketType, Side};

/// Client ports count from here, so that they are none that a service is known by.
const PORTS: u16 = 49_152;

/// What is said of a packet in which something is masked.
const MASKED: &str = "the password is masked with *";

/// One exchange: its clients share an address, each connection has a port of its own.
#[derive(Debug)]
pub struct Dialogue {
    clients: IpAddr,
    server: SocketAddr,
    streams: BTreeMap<u32, Stream>,
    /// Connections on which a CONNECT of the client could not be framed, so that what follows may belong to it.
    cut: BTreeSet<u32>,
}

/// An event as frames, and what is to be said about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drawn {
    pub frames: Vec<Vec<u8>>,
    pub notes: Vec<String>,
}

impl Dialogue {
    pub fn new(clients: IpAddr, server: SocketAddr) -> Dialogue {
        Dialogue {
            clients,
            server,
            streams: BTreeMap::new(),
            cut: BTreeSet::new(),
        }
    }

    /// Draws an event of a transcript in which `scripted` is played.
    pub fn draw(&mut self, event: &Event, scripted: Side) -> Drawn {
        let mut drawn = Drawn::default();
        if let What::Lifecycle(_) = event.what {
            // Nothing that crosses a wire.
            return drawn;
        }
        let from = event.side(scripted);
        let port = PORTS.wrapping_add((event.connection % u32::from(u16::MAX - PORTS)) as u16);
        let (client, server) = (SocketAddr::new(self.clients, port), self.server);
        let stream = self.streams.entry(event.connection).or_insert_with(|| {
            let mut stream = Stream::new(client, server);
            drawn.frames = stream.handshake();
            stream
        });
        let frames = match &event.what {
            // A capture shows MQTT over TCP, whatever it went over: what lies between has no frames of its own.
            What::Open | What::WebSocket(_) | What::Application(_) | What::Lifecycle(_) => Vec::new(),
            What::Packet { raw, decoded, .. } => {
                let shown = shown(raw, decoded);
                let mut frames = stream.data(from, &shown.head);
                if shown.masked {
                    drawn.notes.push(MASKED.to_owned());
                }
                if shown.missing > 0 {
                    drawn.notes.push(format!(
                        "{} of the packet's {} bytes were not kept: a gap in the sequence numbers",
                        shown.missing,
                        raw.len()
                    ));
                    stream.skip(from, shown.missing);
                    frames.extend(stream.data(from, &shown.tail));
                }
                frames
            }
            What::Fragment(bytes) if from == Side::Client => {
                let shown = if self.cut.contains(&event.connection) {
                    vec![MASK; bytes.len()]
                } else {
                    fragment(bytes)
                };
                if bytes
                    .first()
                    .is_some_and(|first| first >> 4 == PacketType::Connect.number())
                {
                    self.cut.insert(event.connection);
                }
                if shown != **bytes {
                    drawn.notes.push(MASKED.to_owned());
                }
                stream.data(from, &shown)
            }
            What::Fragment(bytes) => stream.data(from, bytes),
            What::End(End::Fin | End::HalfClose) => stream.finish(from),
            What::End(End::Reset) => stream.reset(from),
            What::Gap(missing) => {
                stream.skip(from, *missing);
                Vec::new()
            }
        };
        drawn.frames.extend(frames);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::testing::Talk;
    use crate::transcript::{Author, Lifecycle};
    use crate::wire::{ConnAck, Connect, Packet, Version};

    fn frames(talk: Talk) -> Vec<(usize, Vec<String>)> {
        let mut dialogue = Dialogue::new("10.0.0.1".parse().unwrap(), "192.0.2.1:1883".parse().unwrap());
        let events = talk.transcript().events;
        events
            .iter()
            .map(|event| dialogue.draw(event, Side::Client))
            .map(|d| (d.frames.len(), d.notes))
            .collect()
    }

    #[test]
    fn every_event_of_a_connection_is_drawn_once() {
        let mut login = Connect::new(Version::V3_1_1, "c");
        login.username = Some("me".into());
        login.password = Some("pass".into());
        let none = Vec::new;
        let talk = Talk::new()
            .event("pub", None, Author::Setup, What::Open)
            .packet("pub", None, Author::Setup, Packet::from(login))
            .packet("pub", None, Author::Peer, Packet::ConnAck(ConnAck::default()))
            .event("", Some(1), Author::Script, What::Lifecycle(Lifecycle::Kill))
            .event("pub", None, Author::Peer, What::End(End::Fin))
            .event("pub", None, Author::Cleanup, What::End(End::Fin))
            .event("pub", None, Author::Peer, What::End(End::Reset));
        assert_eq!(
            frames(talk),
            [
                (3, none()),
                (1, vec!["the password is masked with *".to_owned()]),
                (1, none()),
                (0, none()),
                (2, none()),
                (2, none()),
                (0, none()),
            ]
        );
    }

    #[test]
    fn a_connection_whose_opening_was_not_seen_is_opened_where_it_is_first_seen() {
        let talk = Talk::new().event("pub", None, Author::Script, What::Fragment(vec![0x30, 0xff].into()));
        assert_eq!(frames(talk), [(4, Vec::new())]);
    }
}
