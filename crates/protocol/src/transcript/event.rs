//! The events of a transcript.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::wire::{Blob, Decoded, Side, Text, Version};

use super::local::Local;

/// The name of a client in a scenario (or of a stream's client in a capture).
pub type ClientName = Arc<str>;

/// Which step of the script an event belongs to: its number in the order of the file from 1, counted over the whole
/// script with nested steps (0 is the set-up that `clients:` asks for), and the turns of the `repeat`s around it (each
/// from 1, the outermost first).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    pub number: u32,
    pub turns: Vec<u32>,
}

/// Who caused an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// A step of the script, or the other side of a capture.
    Script,
    /// The CONNECT and SUBSCRIBE that `clients:` asks for.
    Setup,
    /// What the harness sends to prove that nothing more comes.
    Fence,
    /// What a client with `acks: auto` answers.
    Auto,
    /// The farewell at the end, and what removes the traces of a case.
    Cleanup,
    /// The side that is judged: the broker, if the script plays the client. Reports write `broker` for either.
    #[serde(rename = "broker")]
    Peer,
}

/// Which way bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    #[serde(rename = "to")]
    ToBroker,
    #[serde(rename = "from")]
    FromBroker,
}

impl From<Side> for Direction {
    /// The way of what this side sends.
    fn from(sender: Side) -> Direction {
        match sender {
            Side::Client => Direction::ToBroker,
            Side::Server => Direction::FromBroker,
        }
    }
}

impl Author {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Author::Script => "script",
            Author::Setup => "setup",
            Author::Fence => "fence",
            Author::Auto => "auto",
            Author::Cleanup => "cleanup",
            Author::Peer => "broker",
        }
    }
}

/// How a connection, or one direction of it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// FIN: an orderly end of the sender's direction.
    Fin,
    /// RST, or a write that failed because the other side had gone.
    Reset,
    /// FIN by a client that goes on reading.
    HalfClose,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            End::Fin => "FIN",
            End::Reset => "RST",
            End::HalfClose => "half close",
        })
    }
}

/// What happens below MQTT on a WebSocket connection, and is for MQTT to judge (3.1.1 and 5.0, section 6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WebSocket {
    /// The upgrade: the subprotocols that the client offered, and the one that the server chose.
    Upgraded {
        offered: Vec<String>,
        chosen: Option<String>,
    },
    /// The server refused the upgrade, in these words.
    Refused(String),
    /// The bytes that follow came in a text frame.
    TextFrame,
}

impl fmt::Display for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebSocket::Upgraded { offered, chosen } => {
                let chosen = match chosen {
                    Some(chosen) => format!("`{chosen}`"),
                    None => "none".to_owned(),
                };
                write!(
                    f,
                    "upgrade, subprotocols offered: {}, chosen: {chosen}",
                    offered.join(", ")
                )
            }
            WebSocket::Refused(why) => write!(f, "no upgrade: {why}"),
            WebSocket::TextFrame => f.write_str("a text frame"),
        }
    }
}

/// What passes between the harness and the application of a client under test. It crosses no wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Application {
    /// The harness tells the application to do something: the number of the command, and the command in the language.
    Told { id: u32, command: String },
    /// The library took the call. That says nothing of what it sends.
    Took(u32),
    /// The library refused the call, in its own words.
    Refused(u32, String),
    /// The application or its library cannot do that: why.
    Cannot(u32, String),
    /// Something that the library told its application, or that the application says by itself.
    Said(String),
}

impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Application::Told { command, .. } => write!(f, "does {command}"),
            Application::Took(_) => f.write_str("the library takes the call"),
            Application::Refused(_, why) => write!(f, "the library refuses the call: {why}"),
            Application::Cannot(_, why) => write!(f, "the application cannot do that: {why}"),
            Application::Said(text) => write!(f, "the application says: {text}"),
        }
    }
}

/// What happened to the broker as a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Stopped gracefully and started again.
    Restart,
    /// Killed and started again.
    Kill,
}

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Since the case began.
    pub at: Duration,
    /// Empty for a [`What::Lifecycle`].
    pub client: ClientName,
    /// Counts the connections of the case from 1, in the order of opening, over all clients.
    pub connection: u32,
    /// The step that caused it, or that took it; `None` for what no step took.
    pub step: Option<StepId>,
    pub author: Author,
    pub what: What,
}

impl Event {
    /// The decoded packet, if the event is one.
    pub fn packet(&self) -> Option<&Decoded> {
        match &self.what {
            What::Packet { decoded, .. } => Some(decoded),
            _ => None,
        }
    }

    /// Whether it came from the side that is judged.
    pub fn is_from_peer(&self) -> bool {
        self.author == Author::Peer
    }

    /// Which side it came from, if the script plays `scripted`.
    pub fn side(&self, scripted: Side) -> Side {
        match (self.is_from_peer(), scripted) {
            (false, side) => side,
            (true, Side::Client) => Side::Server,
            (true, Side::Server) => Side::Client,
        }
    }
}

/// What an event is.
#[derive(Debug, Clone)]
pub enum What {
    /// The connection is open, with TLS and WebSocket if the address has them.
    Open,
    /// One packet, whole.
    Packet {
        raw: Blob,
        decoded: Arc<Decoded>,
        /// For a PUBLISH: the topic after a Topic Alias is resolved; else as on the wire.
        topic: Option<Text>,
    },
    /// Bytes that are no complete packet: cut off by the end of the connection, or behind a broken remaining length.
    Fragment(Bytes),
    /// The end of the author's direction.
    End(End),
    /// What WebSocket has to say alongside the bytes of MQTT.
    WebSocket(WebSocket),
    /// What the application of a client under test is told, and says.
    Application(Application),
    /// A gap in a capture, of this many bytes (0: unknown).
    Gap(u64),
    /// The broker was restarted or killed.
    Lifecycle(Lifecycle),
}

/// All that crossed the wire in one case, or in one stream of a capture.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// The side that the script plays, or that a capture is read from; the other one is the peer.
    pub scripted: Side,
    /// The version that the case is played at; a connection's own is that of its last CONNECT.
    pub version: Version,
    /// The namespace of the case (`$ns`); empty for a capture.
    pub namespace: String,
    pub events: Vec<Event>,
    /// What else decided the exchange, in its order; empty for a capture.
    pub local: Vec<Local>,
    /// `$name` → the value it was bound to, in the order of binding.
    pub bindings: Vec<(String, String)>,
}

impl Transcript {
    /// Whether the broker sent this event of it.
    pub fn is_from_broker(&self, event: &Event) -> bool {
        event.side(self.scripted) == Side::Server
    }

    /// Which way this event of it went.
    pub fn direction(&self, event: &Event) -> Direction {
        event.side(self.scripted).into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Author, Direction};
    use crate::transcript::testing::Talk;
    use crate::wire::{Packet, Side};

    #[test]
    fn who_is_the_broker_depends_on_who_is_scripted() {
        let mut transcript = Talk::new()
            .packet("c", None, Author::Script, Packet::PingReq)
            .packet("c", None, Author::Peer, Packet::PingResp)
            .transcript();
        for (scripted, from_broker) in [(Side::Client, [false, true]), (Side::Server, [true, false])] {
            transcript.scripted = scripted;
            let of_broker = transcript.events.iter().map(|event| transcript.is_from_broker(event));
            assert!(of_broker.eq(from_broker), "{scripted}");
            let ways = transcript.events.iter().map(|event| transcript.direction(event));
            let expected = from_broker.map(|from| {
                if from {
                    Direction::FromBroker
                } else {
                    Direction::ToBroker
                }
            });
            assert!(ways.eq(expected), "{scripted}");
        }
    }

    #[test]
    fn reports_keep_their_word_for_the_peer() {
        assert_eq!(serde_json::to_string(&Author::Peer).unwrap(), "\"broker\"");
        assert_eq!(Author::Peer.name(), "broker");
    }
}
