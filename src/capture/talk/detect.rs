//! What a connection speaks, distinguished from its first bytes, and which end is the client.

use super::shape::{Shape, is_connect, is_tls, shape};
use super::websocket;
use crate::capture::tcp::Way;
use crate::wire::Side;

/// This many bytes and pieces are looked at before a connection is given up as something else: more where it goes to a
/// port of MQTT, and may have been caught within a long packet.
const ENOUGH: (usize, usize) = (32 * 1024, 128);
const ENOUGH_ON_PORT: (usize, usize) = (1024 * 1024, 1024);
/// As much evidence as is ever needed, in packets.
const PACKETS: usize = 4;

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    Mqtt { client: Way },
    WebSocket { client: Way, mqtt: bool },
    Tls,
    Other,
}

/// What was seen of a connection so far.
#[derive(Debug, Default)]
pub struct Beginnings {
    /// For each direction the pieces that came; a gap ends what can be joined.
    ways: [Vec<Vec<u8>>; 2],
    holes: [bool; 2],
    bytes: usize,
}

/// What is known alongside the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// Who sent the SYN.
    pub opener: Option<Way>,
    /// The direction that goes to a port of MQTT.
    pub to_mqtt: Option<Way>,
    /// The direction that goes to the lower port.
    pub to_lower: Way,
    /// Nothing more will come.
    pub last: bool,
}

impl Beginnings {
    pub fn add(&mut self, way: Way, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.ways[way as usize].push(bytes.to_vec());
    }

    pub fn hole(&mut self, way: Way) {
        self.holes[way as usize] = true;
    }

    /// Whether no byte came.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn is_enough(&self, context: Context) -> bool {
        let (bytes, pieces) = if context.to_mqtt.is_some() {
            ENOUGH_ON_PORT
        } else {
            ENOUGH
        };
        self.bytes > bytes || self.ways.iter().map(Vec::len).sum::<usize>() > pieces
    }

    /// What it is; `None` if more bytes may decide it.
    pub fn judge(&self, context: Context) -> Option<Speech> {
        let both = [Way::There, Way::Back].map(|way| (way, self.ways[way as usize].concat()));
        if both.iter().any(|(_, bytes)| is_tls(bytes)) {
            return Some(Speech::Tls);
        }
        let mut wait = false;
        for (way, bytes) in both.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            match is_connect(bytes) {
                Some(true) => return Some(Speech::Mqtt { client: *way }),
                // One that names another protocol, if MQTT is spoken.
                Some(false) if bytes[0] == 0x10 && context.to_mqtt == Some(*way) => {
                    return Some(Speech::Mqtt { client: *way });
                }
                Some(false) => {}
                None => wait = true,
            }
            match websocket::request(bytes) {
                websocket::Request::Upgrade { mqtt } => return Some(Speech::WebSocket { client: *way, mqtt }),
                websocket::Request::Begun => wait = true,
                websocket::Request::Other => {}
            }
        }
        let (found, best) = self.weigh(context);
        let needed = if context.to_mqtt.is_some() { 1 } else { 2 };
        match best {
            Some(client) if found >= needed => Some(Speech::Mqtt { client }),
            // Without a handshake the first bytes may lie within a packet.
            None if !wait && self.bytes > 0 && context.opener.is_some() => Some(Speech::Other),
            _ if context.last || self.is_enough(context) => Some(Speech::Other),
            _ => None,
        }
    }

    /// How many packets speak for MQTT, and with which client. No client if the bytes speak against it.
    fn weigh(&self, context: Context) -> (usize, Option<Way>) {
        let candidates = match context.opener {
            Some(opener) => vec![opener],
            // If both fit, the one that goes to the server's port is the client.
            None => {
                let first = context.to_mqtt.unwrap_or(context.to_lower);
                vec![first, first.other()]
            }
        };
        let mut best = (0, None);
        for client in candidates {
            let sides = [(client, Side::Client), (client.other(), Side::Server)];
            let counts = sides.map(|(way, side)| self.count(way, side, context.opener.is_some()));
            let found = match counts {
                [Some(a), Some(b)] => a + b,
                // The other direction began within a packet.
                [Some(a), None] | [None, Some(a)] if a >= PACKETS => a,
                _ => continue,
            };
            if best.1.is_none() || found > best.0 {
                best = (found, Some(client));
            }
        }
        best
    }

    /// How many packets of this side a direction has; `None` if it has something else.
    fn count(&self, way: Way, side: Side, from_start: bool) -> Option<usize> {
        let pieces = &self.ways[way as usize];
        if pieces.is_empty() {
            return Some(0);
        }
        let from_start = from_start && !self.holes[way as usize];
        let tries = if from_start { 1 } else { pieces.len() };
        (0..tries)
            .filter(|first| shape(&pieces[*first], side) != Shape::No)
            .find_map(|first| packets(&pieces[first..].concat(), side))
    }
}

/// How many packets bytes begin with; `None` if the first is none.
fn packets(mut bytes: &[u8], side: Side) -> Option<usize> {
    let mut count = 0;
    while count < PACKETS {
        match shape(bytes, side) {
            Shape::Whole(len) => {
                count += 1;
                bytes = &bytes[len..];
            }
            Shape::Begun => return Some(count + 1),
            Shape::Short => return Some(count),
            Shape::No if count == 0 => return None,
            Shape::No => return Some(count),
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Context = Context {
        opener: None,
        to_mqtt: None,
        to_lower: Way::There,
        last: false,
    };

    fn seen(pieces: &[(Way, &[u8])]) -> Beginnings {
        let mut seen = Beginnings::default();
        for (way, bytes) in pieces {
            seen.add(*way, bytes);
        }
        seen
    }

    #[test]
    fn a_connect_settles_it_on_any_port_and_names_the_client() {
        let connect: &[u8] = b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0";
        let mqtt = Some(Speech::Mqtt { client: Way::Back });
        assert_eq!(seen(&[(Way::Back, connect)]).judge(OPEN), mqtt);
        assert_eq!(seen(&[(Way::Back, &connect[..1])]).judge(OPEN), None);
        let split = [(Way::Back, &connect[..1]), (Way::Back, &connect[1..])];
        assert_eq!(seen(&split).judge(OPEN), mqtt);
    }

    #[test]
    fn from_the_middle_it_takes_two_packets_or_one_on_a_port_of_mqtt() {
        let one = seen(&[(Way::There, &[0xc0, 0])]);
        assert_eq!(one.judge(OPEN), None);
        let known = Context {
            to_mqtt: Some(Way::There),
            ..OPEN
        };
        assert_eq!(one.judge(known), Some(Speech::Mqtt { client: Way::There }));
        let last = Context { last: true, ..OPEN };
        assert_eq!(one.judge(last), Some(Speech::Other));
        let both = seen(&[(Way::Back, &[0xc0, 0]), (Way::There, &[0xd0, 0])]);
        assert_eq!(both.judge(OPEN), Some(Speech::Mqtt { client: Way::Back }));
    }

    #[test]
    fn a_capture_that_starts_within_a_packet_is_joined_at_a_later_piece() {
        let pieces: [(Way, &[u8]); 4] = [
            (Way::There, b"...the rest of a payload"),
            (Way::There, &[0xc0, 0, 0xc0, 0]),
            (Way::Back, &[0xd0, 0]),
            (Way::Back, &[0xd0, 0]),
        ];
        assert_eq!(seen(&pieces).judge(OPEN), Some(Speech::Mqtt { client: Way::There }));
    }

    #[test]
    fn other_protocols_are_let_go() {
        let tls: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0];
        assert_eq!(seen(&[(Way::There, tls)]).judge(OPEN), Some(Speech::Tls));
        let begun = Context {
            opener: Some(Way::There),
            ..OPEN
        };
        for other in ["SSH-2.0-OpenSSH\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let seen = seen(&[(Way::There, other.as_bytes())]);
            assert_eq!(seen.judge(begun), Some(Speech::Other));
            // Without a handshake it may be the rest of a packet.
            assert_eq!(seen.judge(OPEN), None);
        }
        let long = vec![b'x'; 40_000];
        assert_eq!(seen(&[(Way::There, &long)]).judge(OPEN), Some(Speech::Other));
        let plain = Context {
            opener: Some(Way::There),
            to_mqtt: Some(Way::There),
            ..OPEN
        };
        assert_eq!(seen(&[(Way::There, b"hello world")]).judge(plain), Some(Speech::Other));
    }
}
