//! Plays a plan: sockets and clock around it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::answers::{Answer, assigned};
use super::before;
use super::edit::{Chosen, Rename, edited, log_in};
use super::plan::{Act, Plan, Turn, plan};
use super::{Difference, Options, Replayed};
use crate::capture::Recorded;
use crate::conversation::{Arrival, Arrived, Dialogue, Line, Listener, look, meanwhile, queue, wait_until};
use crate::sut::{Ask, Instance};
use crate::transcript::{End, What};
use crate::wire::{Chunk, Connect, Decoded, Disconnect, Packet, PacketType, Side, Text, Version, body, encode_bytes};

/// At most this many differences are kept.
const KEPT: usize = 1000;
/// After this many missing answers a stream gets less time for the next: it will not recover.
const SILENCES: u32 = 3;
/// How long such a stream is waited for.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// Plays the streams against a broker.
///
/// # Errors
/// The broker accepts no connection: why.
pub async fn replay(streams: &[Recorded], target: &dyn Instance, options: &Options) -> Result<Replayed, String> {
    let Plan {
        turns,
        lines,
        sessions,
        left_out,
    } = plan(streams, options, &|version| target.address(version).is_some());
    let (sender, arrivals) = queue();
    let mut player = Player {
        target,
        options,
        rename: options.rename.as_deref().map(Rename::new),
        began: Instant::now(),
        states: lines.iter().map(|line| State::new(line.version)).collect(),
        assigned: BTreeMap::new(),
        replayed: Replayed {
            lines,
            left_out,
            ..Replayed::default()
        },
        sender,
        arrivals,
    };
    for (line, connect) in sessions {
        player.prepare(line, connect).await?;
    }
    let start = turns.first().map_or(Duration::ZERO, |turn| turn.at);
    for turn in turns {
        if let Some(speed) = options.speed {
            let due = turn.at.saturating_sub(start).div_f64(speed);
            player.until(player.began + due).await;
        }
        player.take(&turn).await?;
    }
    player.farewell().await;
    Ok(player.replayed)
}

struct Player<'a> {
    target: &'a dyn Instance,
    options: &'a Options,
    rename: Option<Rename>,
    began: Instant,
    states: Vec<State>,
    /// Client identifiers that the broker assigned, by those in the capture.
    assigned: BTreeMap<Text, Text>,
    replayed: Replayed,
    sender: mpsc::Sender<Arrival>,
    arrivals: mpsc::Receiver<Arrival>,
}

/// One stream while it is played.
struct State {
    version: Version,
    connection: Option<Line>,
    dialogue: Dialogue,
    /// What came and was not yet expected.
    came: VecDeque<Came>,
    ended: bool,
    /// PINGREQs without an answer, oldest first: whether they are ours and not the capture's.
    pings: VecDeque<bool>,
    /// Sent since the last answer that was expected: whether the broker has seen it is not known.
    unseen: bool,
    accepted: bool,
    /// The client said goodbye, or began a packet that it did not end.
    closed: bool,
    chosen: Chosen,
    silences: u32,
    /// Nothing is compared any more.
    blind: bool,
    /// Messages of subscriptions that the capture does not show.
    foreign: Vec<Answer>,
    told_end: bool,
}

struct Came {
    at: Duration,
    answer: Answer,
    decoded: Arc<Decoded>,
}

impl State {
    fn new(version: Version) -> State {
        State {
            version,
            connection: None,
            dialogue: Dialogue::new(version),
            came: VecDeque::new(),
            ended: false,
            pings: VecDeque::new(),
            unseen: false,
            accepted: false,
            closed: false,
            chosen: Chosen::default(),
            silences: 0,
            blind: false,
            foreign: Vec::new(),
            told_end: false,
        }
    }

    /// Whether a PINGREQ may be sent now without breaking the exchange.
    fn may_ping(&self) -> bool {
        self.connection.is_some() && self.accepted && !self.closed && !self.ended
    }
}

impl Player<'_> {
    async fn take(&mut self, turn: &Turn) -> Result<(), String> {
        match &turn.act {
            Act::Open => return self.open(turn).await,
            Act::Send { bytes, decoded } => {
                self.settle(turn.line).await;
                self.send(turn, bytes, decoded.as_deref()).await;
            }
            Act::Finish(end) => {
                self.settle(turn.line).await;
                self.finish(turn.line, *end).await;
            }
            Act::Expect {
                decoded,
                topic,
                foreign: true,
            } => {
                let state = &mut self.states[turn.line];
                let answer = Answer::new(decoded, topic.as_ref(), state.version);
                if !answer.is_statistics() && !state.blind {
                    state.foreign.push(answer);
                }
            }
            Act::Expect { decoded, topic, .. } => self.expect(turn, decoded, topic.as_ref()).await,
            Act::ExpectEnd => self.expect_end(turn).await,
            Act::Blind => self.states[turn.line].blind = true,
        }
        Ok(())
    }

    /// Makes the session that the client of a line had before the capture.
    async fn prepare(&mut self, line: usize, connect: Connect) -> Result<(), String> {
        let version = self.states[line].version;
        let Some(address) = self.target.address(version) else {
            return Ok(());
        };
        let mut packet = Packet::from(connect);
        if let (Packet::Connect(connect), Some(login)) = (&mut packet, &self.options.login) {
            log_in(connect, login);
        }
        if let Some(rename) = &self.rename {
            rename.packet(&mut packet);
        }
        let bytes = encode_bytes(&packet, version);
        let (dialer, patience) = (&self.options.dialer, self.options.patience);
        before::make(dialer, &address, bytes, version, patience)
            .await
            .map_err(|why| {
                let number = self.replayed.lines[line].number;
                format!("cannot make the session with which stream {number} begins: {why}")
            })
    }

    async fn open(&mut self, turn: &Turn) -> Result<(), String> {
        self.settle(turn.line).await;
        let Some(address) = self.target.address(self.states[turn.line].version) else {
            return Ok(());
        };
        let cannot = |error| format!("cannot connect to {address}: {error}");
        let name = Arc::from(turn.line.to_string());
        let number = turn.line as u32;
        let (patience, sender) = (self.options.patience, self.sender.clone());
        let opening = Line::open(
            &self.options.dialer,
            &address,
            Ask::default(),
            name,
            number,
            patience,
            sender,
        );
        let (connection, _) = opening.await.map_err(cannot)?;
        self.states[turn.line].connection = Some(connection);
        Ok(())
    }

    async fn send(&mut self, turn: &Turn, bytes: &Bytes, decoded: Option<&Decoded>) {
        look(self);
        let line = turn.line;
        if self.states[line].ended || self.states[line].connection.is_none() {
            self.tell_end(turn);
            return;
        }
        let bytes = match self.fit(line, bytes, decoded) {
            Ok(Some(bytes)) => bytes,
            // It answers a delivery that did not come, which is reported already.
            Ok(None) => return,
            Err(why) => {
                let name = decoded.map_or("a packet", crate::transcript::name);
                self.differ(
                    turn,
                    format!("{name} is not sent: it cannot be given new names, since {why}"),
                );
                return;
            }
        };
        let state = &mut self.states[line];
        match decoded.and_then(|d| d.packet_type) {
            Some(PacketType::PingReq) => state.pings.push_back(false),
            Some(PacketType::Disconnect) | None => state.closed = true,
            _ => {}
        }
        state.unseen = true;
        self.write(line, bytes).await;
        self.replayed.sent += 1;
    }

    /// Writes, and looks meanwhile at what comes: a broker that waits for us to read would else wait for ever.
    async fn write(&mut self, line: usize, bytes: Bytes) {
        let Some(mut connection) = self.states[line].connection.take() else {
            return;
        };
        let chunks = [Chunk::Bytes(bytes)];
        self.states[line].dialogue.chunks(Side::Client, &chunks);
        let writing = tokio::time::timeout(self.options.patience, connection.write(&chunks, false));
        // A write that does not end shows later, if its answer is missing.
        let _ = meanwhile(self, writing).await;
        self.states[line].connection = Some(connection);
    }

    /// A captured packet as it has to be for this broker; `None` if there is nothing that it could answer.
    fn fit(&self, line: usize, bytes: &Bytes, decoded: Option<&Decoded>) -> Result<Option<Bytes>, &'static str> {
        let state = &self.states[line];
        let Some(decoded) = decoded else {
            return Ok(Some(bytes.clone()));
        };
        let Some(packet) = &decoded.packet else {
            return match &self.rename {
                None => Ok(Some(bytes.clone())),
                Some(_) if names_nothing(decoded) => Ok(Some(bytes.clone())),
                Some(_) => Err("it cannot be read"),
            };
        };
        let answers = match packet {
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a) if !state.blind => Some(a.packet_id),
            _ => None,
        };
        if let Some(captured) = answers {
            let Some(came) = state.chosen.id(captured) else {
                return Ok(None);
            };
            // The identifier is first in the body (section 3.4.2 of 3.1.1 and 5.0).
            let header = bytes.len() - body(bytes).len();
            let mut bytes = bytes.to_vec();
            if let Some(id) = bytes.get_mut(header..header + 2) {
                id.copy_from_slice(&came.to_be_bytes());
            }
            return Ok(Some(bytes.into()));
        }
        edited(bytes, packet, state.version, |packet| {
            let mut ours = false;
            if let Packet::Connect(connect) = packet {
                if let Some(login) = &self.options.login {
                    log_in(connect, login);
                }
                if let Some(given) = self.assigned.get(&connect.client_id) {
                    connect.client_id = given.clone();
                    ours = true;
                }
            }
            if let Some(rename) = &self.rename
                && !ours
            {
                rename.packet(packet);
            }
        })
        .map(Some)
    }

    async fn finish(&mut self, line: usize, end: End) {
        let state = &mut self.states[line];
        state.closed = true;
        match end {
            End::Fin | End::HalfClose => {
                if let Some(connection) = &mut state.connection {
                    connection.finish().await;
                }
            }
            End::Reset => {
                if let Some(connection) = state.connection.take() {
                    connection.reset().await;
                }
                state.ended = true;
                state.told_end = true;
            }
        }
    }

    async fn expect(&mut self, turn: &Turn, decoded: &Decoded, topic: Option<&Text>) {
        let state = &self.states[turn.line];
        if state.blind || state.connection.is_none() && state.told_end {
            return;
        }
        let mut captured = Answer::new(decoded, topic, state.version);
        if captured.is_statistics() {
            return;
        }
        if decoded.packet_type == Some(PacketType::PubRel) {
            captured.id = captured.id.and_then(|id| state.chosen.id(id)).or(captured.id);
        }
        self.replayed.compared += 1;
        let deadline = Instant::now() + self.patience(turn.line);
        let found = loop {
            look(self);
            let state = &self.states[turn.line];
            if let Some(index) = state.came.iter().position(|c| captured.is_for(&c.answer)) {
                break Some(index);
            }
            if state.ended || !wait_until(self, deadline).await {
                // The nearest that came: it says better than silence what is different.
                break self.states[turn.line]
                    .came
                    .iter()
                    .position(|c| captured.is_like(&c.answer));
            }
        };
        let state = &mut self.states[turn.line];
        let Some(came) = found.and_then(|index| state.came.remove(index)) else {
            state.silences += 1;
            let why = if state.ended {
                "the target closed"
            } else {
                "nothing came"
            };
            self.differ(turn, format!("{} was captured, {why}", captured.text()));
            return;
        };
        state.unseen = false;
        let id = |d: &Decoded| d.packet.as_ref().and_then(Packet::packet_id);
        match decoded.packet_type {
            Some(PacketType::Publish) => state.chosen.delivery(id(decoded), id(&came.decoded)),
            Some(PacketType::ConnAck) => {
                let accepted = came.decoded.packet.as_ref().and_then(Packet::reason_code) == Some(0);
                state.accepted = accepted;
                if let (Some(captured), Some(came)) = (assigned(decoded), assigned(&came.decoded)) {
                    self.assigned.insert(captured, came);
                }
            }
            _ => {}
        }
        for text in captured.differences(&came.answer) {
            self.differ(turn, text);
        }
    }

    async fn expect_end(&mut self, turn: &Turn) {
        let state = &mut self.states[turn.line];
        if state.blind || state.told_end {
            return;
        }
        // From here on it is no surprise.
        state.told_end = true;
        let deadline = Instant::now() + self.patience(turn.line);
        look(self);
        while !self.states[turn.line].ended {
            if !wait_until(self, deadline).await {
                self.states[turn.line].silences += 1;
                self.differ(turn, "the broker closed here, the target does not".to_owned());
                return;
            }
        }
    }

    /// How long an answer on a line is waited for.
    fn patience(&self, line: usize) -> Duration {
        match self.states[line].silences {
            n if n < SILENCES => self.options.patience,
            _ => IMPATIENCE.min(self.options.patience),
        }
    }

    /// Before one client acts, the broker has seen what others did before it. What needs no answer is followed by a
    /// PINGREQ of ours, whose answer shows that it was seen: the broker takes the packets of a connection in their
    /// order.
    async fn settle(&mut self, line: usize) {
        if self.options.speed.is_some() {
            return;
        }
        for other in 0..self.states.len() {
            if other != line && self.states[other].unseen {
                self.fence(other).await;
            }
        }
    }

    /// Waits until the broker has seen all that was sent on a line.
    async fn fence(&mut self, line: usize) {
        self.states[line].unseen = false;
        let deadline = Instant::now() + self.patience(line);
        if self.states[line].closed {
            // After a goodbye, only its end shows that it was seen.
            while self.states[line].connection.is_some() && !self.states[line].ended {
                if !wait_until(self, deadline).await {
                    return;
                }
            }
            return;
        }
        if !self.states[line].may_ping() {
            return;
        }
        self.states[line].pings.push_back(true);
        self.write(line, encode_bytes(&Packet::PingReq, self.states[line].version))
            .await;
        while self.states[line].pings.contains(&true) && !self.states[line].ended {
            if !wait_until(self, deadline).await {
                self.states[line].silences += 1;
                return;
            }
        }
    }

    /// What is left when everything was played: packets that no one expected. Then every client says goodbye.
    async fn farewell(&mut self) {
        for line in 0..self.states.len() {
            self.fence(line).await;
        }
        look(self);
        for line in 0..self.states.len() {
            let state = &mut self.states[line];
            let came = std::mem::take(&mut state.came);
            let blind = state.blind;
            let foreign = std::mem::take(&mut state.foreign);
            let stream = self.replayed.lines[line].number;
            if !foreign.is_empty() {
                self.replayed.foreign.push((stream, foreign.len() as u64));
            }
            // A target that still has such a session delivers them.
            let unexpected = |c: &Came| {
                !blind && !c.answer.is_statistics() && !foreign.iter().any(|captured| captured.is_for(&c.answer))
            };
            for came in came.into_iter().filter(unexpected) {
                self.keep(Difference {
                    stream,
                    packet: None,
                    at: came.at,
                    text: format!("{} came, and was not captured", came.answer.text()),
                });
            }
            let state = &self.states[line];
            if state.may_ping() {
                let goodbye = Packet::Disconnect(Disconnect::default());
                self.write(line, encode_bytes(&goodbye, state.version)).await;
            }
            if let Some(mut connection) = self.states[line].connection.take() {
                connection.finish().await;
            }
        }
    }

    /// Waits until a time, and looks at what comes.
    async fn until(&mut self, time: Instant) {
        while wait_until(self, time).await {}
    }

    /// Reports once that the target has closed although the captured broker had not.
    fn tell_end(&mut self, turn: &Turn) {
        let state = &mut self.states[turn.line];
        if std::mem::replace(&mut state.told_end, true) {
            return;
        }
        self.differ(
            turn,
            "the target has closed the connection before this packet".to_owned(),
        );
    }

    fn differ(&mut self, turn: &Turn, text: String) {
        self.keep(Difference {
            stream: self.replayed.lines[turn.line].number,
            packet: turn.packet,
            at: turn.at,
            text,
        });
    }

    fn keep(&mut self, difference: Difference) {
        if self.replayed.differences.len() < KEPT {
            self.replayed.differences.push(difference)
        } else {
            self.replayed.more += 1
        }
    }
}

impl Listener for Player<'_> {
    fn arrivals(&mut self) -> &mut mpsc::Receiver<Arrival> {
        &mut self.arrivals
    }

    fn arrived(&mut self, arrival: Arrival) {
        let at = arrival.at.saturating_duration_since(self.began);
        let Some(state) = self.states.get_mut(arrival.connection as usize) else {
            return;
        };
        let bytes = match arrival.what {
            Arrived::Bytes(bytes) => bytes,
            Arrived::Text => return,
            Arrived::End(_) => {
                state.ended = true;
                return;
            }
        };
        for what in state.dialogue.bytes(Side::Server, &bytes) {
            let What::Packet { decoded, topic, .. } = what else {
                continue;
            };
            if decoded.packet_type == Some(PacketType::PingResp) && state.pings.pop_front() == Some(true) {
                continue;
            }
            let (topic, decoded) = match &self.rename {
                Some(rename) => (topic.map(|t| rename.captured(&t)), renamed_back(&decoded, rename)),
                None => (topic, decoded),
            };
            let answer = Answer::new(&decoded, topic.as_ref(), state.version);
            state.came.push_back(Came { at, answer, decoded });
        }
    }
}

/// Whether a packet has no topic, filter or client identifier, so that it may be sent on as it is.
fn names_nothing(decoded: &Decoded) -> bool {
    use PacketType::*;
    !matches!(decoded.packet_type, Some(Connect | Publish | Subscribe | Unsubscribe))
}

/// A packet of the target with the capture's names.
fn renamed_back(decoded: &Arc<Decoded>, rename: &Rename) -> Arc<Decoded> {
    match &decoded.packet {
        Some(Packet::Publish(publish)) if !publish.properties.is_empty() => {
            let mut publish = publish.clone();
            rename.captured_properties(&mut publish.properties);
            Arc::new(Decoded {
                packet: Some(Packet::Publish(publish)),
                ..Decoded::clone(decoded)
            })
        }
        _ => Arc::clone(decoded),
    }
}
