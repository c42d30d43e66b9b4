//! Writes down what connections tell, and judges it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::audit::{Audit, CROSSING};
use super::proxy::{Item, ItemKind};
use super::told::{Counts, Recorded, Told};
use super::{shown, tell};
use crate::capture::write::{PcapngFile, Stream};
use crate::conversation::version_of_level;
use crate::history::{self, Checker, Place, Scope, Step};
use crate::rules::{Finding, Outcome};
use crate::secret::{Masker, has_a_name_in_place};
use crate::statements::catalogue;
use crate::sut::Address;
use crate::transcript::{End, What, name};
use crate::wire::{Packet, Side, Text};

/// What is in the comment of the frames of a connection that is no MQTT in the clear.
const TLS: &str = "TLS";
const WEBSOCKET: &str = "HTTP or WebSocket";

pub struct Recorder<W: Write> {
    file: PcapngFile<W>,
    began: Instant,
    /// The beginning, since 1970.
    epoch: Duration,
    /// How the two ends are reached, for a comment.
    route: String,
    open: BTreeMap<u32, Live>,
    /// What all connections show together.
    history: Checker,
    told: mpsc::UnboundedSender<Told>,
    recorded: Recorded,
}

/// A connection that is open.
struct Live {
    began: Duration,
    stream: Stream,
    /// What the broker sent lately, by how far it was with it then: the client may not have it yet.
    unseen: VecDeque<(Duration, u32)>,
    masker: Masker,
    audit: Audit,
    speaks: Speaks,
    counts: Counts,
    /// How many events it had.
    events: usize,
}

/// What is said on a connection, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Nothing,
    Mqtt,
    /// It can be kept: no one reads it.
    Tls,
    /// A password in it is scrambled, not hidden, so it is not kept.
    WebSocket,
}

impl Live {
    /// Before something of one side is drawn: the client acknowledges what it must have by now. When it reads is not
    /// seen here, and who judges the capture must not hold against it what it could not know.
    fn passes(&mut self, at: Duration, from: Side) {
        if from != Side::Client {
            return;
        }
        while let Some((sent, number)) = self.unseen.front().copied() {
            if at < sent + CROSSING {
                return;
            }
            self.stream.acknowledge(Side::Client, number);
            self.unseen.pop_front();
        }
    }
}

impl<W: Write> Recorder<W> {
    pub fn new(
        out: W,
        broker: &Address,
        listener: SocketAddr,
        told: mpsc::UnboundedSender<Told>,
    ) -> io::Result<Recorder<W>> {
        let route = format!("through mqttspec record at {listener} to {broker}");
        let mut file = PcapngFile::new(out, &route)?;
        file.flush()?;
        Ok(Recorder {
            file,
            began: Instant::now(),
            epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            route,
            open: BTreeMap::new(),
            history: Checker::new(Scope::Capture),
            told,
            recorded: Recorded::default(),
        })
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// The end of the recording: what is open is judged as far as it went.
    pub fn finish(mut self) -> io::Result<Recorded> {
        let at = self.began.elapsed();
        let open: Vec<u32> = self.open.keys().copied().collect();
        for number in open {
            self.gone(number, at)?;
        }
        self.file.flush()?;
        Ok(self.recorded)
    }

    pub fn take(&mut self, item: Item) -> io::Result<()> {
        let at = item.at.saturating_duration_since(self.began);
        let connection = item.connection;
        match item.kind {
            ItemKind::Open { client, broker } => self.opened(connection, at, client, broker),
            ItemKind::Unreachable { client, why } => {
                self.tell(Told::Unreachable {
                    connection,
                    client,
                    why,
                });
                Ok(())
            }
            ItemKind::Bytes { from, bytes } => self.bytes(connection, at, from, &bytes),
            ItemKind::End { from, how } => self.ended(connection, at, from, how),
            ItemKind::Gone => self.gone(connection, at),
        }
    }

    fn tell(&self, told: Told) {
        tell(&self.told, told);
    }

    fn opened(&mut self, number: u32, at: Duration, client: SocketAddr, broker: SocketAddr) -> io::Result<()> {
        let mut live = Live {
            began: at,
            stream: Stream::new(client, shown(broker)),
            unseen: VecDeque::new(),
            masker: Masker::new(),
            audit: Audit::new(number),
            speaks: Speaks::Nothing,
            counts: Counts::default(),
            events: 0,
        };
        let frames = live.stream.handshake();
        live.stream.acknowledge(Side::Client, live.stream.sent(Side::Server));
        self.open.insert(number, live);
        self.recorded.connections += 1;
        self.tell(Told::Opened {
            connection: number,
            client,
        });
        let comment = format!("{client} {}", self.route);
        self.frames(at, &frames, &comment)?;
        self.happened(number, at, Side::Client, What::Open);
        Ok(())
    }

    fn bytes(&mut self, number: u32, at: Duration, from: Side, bytes: &Bytes) -> io::Result<()> {
        let Some(live) = self.open.get_mut(&number) else {
            return Ok(());
        };
        live.passes(at, from);
        if live.speaks == Speaks::Nothing && from == Side::Client {
            live.speaks = spoken(bytes);
            let what = match live.speaks {
                Speaks::Tls => Some(TLS),
                Speaks::WebSocket => Some(WEBSOCKET),
                Speaks::Nothing | Speaks::Mqtt => None,
            };
            if let Some(what) = what {
                let told = Told::NotMqtt {
                    connection: number,
                    what,
                };
                tell(&self.told, told);
            }
        }
        let (frames, comment) = match (live.speaks, from) {
            (Speaks::Tls, _) => (live.stream.data(from, bytes), TLS.to_owned()),
            (Speaks::WebSocket, _) => {
                live.stream.skip(from, bytes.len() as u64);
                (Vec::new(), String::new())
            }
            (_, Side::Client) => {
                let kept = live.masker.push(bytes);
                let comment = if live.masker.take_masked() {
                    "the password is masked with *"
                } else {
                    ""
                };
                (live.stream.data(from, &kept), comment.to_owned())
            }
            (_, Side::Server) => (live.stream.data(from, bytes), String::new()),
        };
        if from == Side::Server {
            live.unseen.push_back((at, live.stream.sent(from)));
            // Of what is old enough only the newest matters: a client that only listens must not take memory for ever.
            while live.unseen.get(1).is_some_and(|(sent, _)| at >= *sent + CROSSING) {
                live.unseen.pop_front();
            }
        }
        self.frames(at, &frames, &comment)?;
        self.judge(number, at, from, bytes);
        Ok(())
    }

    /// Turns bytes into events, and asks the rules.
    fn judge(&mut self, number: u32, at: Duration, from: Side, bytes: &Bytes) {
        let Some(live) = self.open.get_mut(&number) else { return };
        if matches!(live.speaks, Speaks::Tls | Speaks::WebSocket) {
            return;
        }
        let events = live.audit.assemble(from, bytes);
        for what in &events {
            if let What::Packet { decoded, .. } = what {
                live.counts.add(from, name(decoded));
                if let (Some(Packet::Connect(connect)), Side::Client) = (&decoded.packet, from) {
                    let told = Told::Connect {
                        connection: number,
                        version: version_of_level(connect.protocol_level),
                        // Behind a protocol name whose length is a lie it may be any other field.
                        client_id: if has_a_name_in_place(decoded) {
                            connect.client_id.clone()
                        } else {
                            Text::default()
                        },
                    };
                    tell(&self.told, told);
                }
            }
        }
        for what in events {
            self.happened(number, at, from, what);
        }
    }

    /// Tells what an event shows, on its connection and together with the others.
    fn happened(&mut self, number: u32, at: Duration, from: Side, what: What) {
        let Some(live) = self.open.get_mut(&number) else { return };
        let step = Step {
            place: Place {
                connection: number,
                event: live.events,
                frame: 0,
                at,
            },
            from,
            what: &what,
            crossed: live.audit.crosses(at, from),
        };
        live.events += 1;
        let over_all = self.history.take(&step);
        let found = live.audit.happened(at, from, what);
        self.found(number, at, found);
        self.found_over_all(&over_all, at);
    }

    fn found_over_all(&mut self, findings: &[history::Finding], at: Duration) {
        for found in findings {
            let mut finding = found.as_rule();
            if found.began.connection != found.shown.connection {
                finding.text = format!("{}; it began on connection {}", finding.text, found.began.connection);
            }
            self.found(found.shown.connection, at, vec![finding]);
        }
    }

    fn ended(&mut self, number: u32, at: Duration, from: Side, how: End) -> io::Result<()> {
        let Some(live) = self.open.get_mut(&number) else {
            return Ok(());
        };
        live.passes(at, from);
        let mut frames = match from {
            Side::Client => live.stream.data(from, &live.masker.finish()),
            Side::Server => Vec::new(),
        };
        frames.extend(match how {
            End::Reset => live.stream.reset(from),
            End::Fin | End::HalfClose => live.stream.finish(from),
        });
        let rest = live.audit.rest(from).map(What::Fragment);
        let comment = match live.speaks {
            Speaks::WebSocket => "the bytes of HTTP or WebSocket are not kept: passwords in them cannot be masked",
            _ => "",
        };
        self.frames(at, &frames, comment)?;
        for what in rest.into_iter().chain([What::End(how)]) {
            self.happened(number, at, from, what);
        }
        Ok(())
    }

    fn gone(&mut self, number: u32, at: Duration) -> io::Result<()> {
        let Some(mut live) = self.open.remove(&number) else {
            return Ok(());
        };
        // What was held back belongs into the file, also if the recording ends before the connection.
        let held = live.masker.finish();
        let frames = live.stream.data(Side::Client, &held);
        self.frames(at, &frames, "")?;
        let over_all = self.history.close(number);
        self.found_over_all(&over_all, at);
        self.recorded.counts.take_in(&live.counts);
        self.tell(Told::Closed {
            connection: number,
            after: at.saturating_sub(live.began),
            counts: live.counts,
        });
        Ok(())
    }

    fn found(&mut self, connection: u32, at: Duration, findings: Vec<Finding>) {
        for finding in findings.into_iter().filter(|f| f.outcome == Outcome::Breach) {
            if catalogue().level(finding.statement).is_must() {
                self.recorded.breaches += 1
            } else {
                self.recorded.advice += 1
            }
            self.tell(Told::Finding {
                connection,
                at,
                finding,
            });
        }
    }

    fn frames(&mut self, at: Duration, frames: &[Vec<u8>], comment: &str) -> io::Result<()> {
        for frame in frames {
            self.file.frame(self.epoch + at, frame, comment)?;
        }
        Ok(())
    }
}

/// What the first bytes of a client show. A TLS record of a handshake begins with 16 03 (RFC 8446, section 5.1), a
/// WebSocket with the HTTP request that asks for it.
fn spoken(bytes: &[u8]) -> Speaks {
    match bytes {
        [0x16, 0x03, ..] => Speaks::Tls,
        [b'G', b'E', b'T', b' ', ..] => Speaks::WebSocket,
        _ => Speaks::Mqtt,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_spoken() {
        assert_eq!(spoken(&[0x16, 0x03, 0x01]), Speaks::Tls);
        assert_eq!(spoken(b"GET /mqtt HTTP/1.1"), Speaks::WebSocket);
        assert_eq!(spoken(&[0x10]), Speaks::Mqtt);
    }
}
