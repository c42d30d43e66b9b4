//! Plays a sequence on the reference core, in virtual time, and records both directions as a transcript.
//!
//! Both directions pass through bytes: each packet is encoded and decoded as on a connection, so that the rules judge what is on
//! the wire. The core gets a client's packet as decoded, without the broker's own splitter.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::action::{Act, Action, Connection, Sequence};
use super::client::{Arrival, Link};
use super::party::{Party, asks_for_retained, lasting};
use crate::reference::core::state::{Record, State};
use crate::reference::core::{ConnectionId, Input, Received};
use crate::reference::{Config, Engine, Frames, Outgoing, Output};
use crate::transcript::{Aliases, Author, ClientName, End, Event, Lifecycle, Transcript, What};
use crate::wire::{Chunk, Frame, Overrides, Packet, Side, Version, decode, encode, encode_bytes};

/// The namespace of all topics and client ids.
pub const NAMESPACE: &str = "mqsfuzz0";

/// When a sequence begins, counted from the UNIX epoch.
const BEGIN: Duration = Duration::from_secs(1_000_000);
/// Between two events. Each event has a time of its own, so that times order them.
const TICK: Duration = Duration::from_micros(10);
/// How long the end waits for deliveries: longer than the history checker's patience.
const QUIET: u32 = 25;
/// At most this many deadlines of the broker pass during one wait.
const DEADLINES: usize = 1000;

/// A broker, its clients, and what has crossed the wire so far.
pub struct World {
    config: Arc<Config>,
    engine: Engine,
    /// What the broker has stored, in order.
    stored: Vec<Record>,
    now: Duration,
    pub party: Party,
    /// The versions of the connections, and their aliases in both directions.
    wires: BTreeMap<u32, Wire>,
    opened: u32,
    events: Vec<Event>,
    names: Vec<ClientName>,
    /// Packets that clients have read and not reacted to yet.
    read: VecDeque<(u32, Packet)>,
    /// Connections that the broker closed, and that it does not know to be gone.
    closed: Vec<u32>,
    running: bool,
    notes: Notes,
}

/// What a script needs to know that the transcript does not show.
#[derive(Debug, Default)]
pub struct Notes {
    /// What arrived at clients that were not reading, and that they never read.
    pub unread: Vec<Unread>,
    /// The events of each stop of the broker: ends of connections, and what they cause.
    pub stops: Vec<Range<usize>>,
}

/// A packet that was lost with its connection.
#[derive(Debug)]
pub struct Unread {
    /// The index of the event before which it arrived.
    pub before: usize,
    pub connection: u32,
    pub bytes: Bytes,
}

struct Wire {
    client: usize,
    version: Version,
    aliases: [Aliases; 2],
    /// The broker closed it, or the client did.
    over: bool,
}

/// Plays a sequence to its end.
pub fn play(config: &Arc<Config>, sequence: &Sequence) -> Transcript {
    play_noted(config, sequence).0
}

/// The same with what the transcript does not show.
pub fn play_noted(config: &Arc<Config>, sequence: &Sequence) -> (Transcript, Notes) {
    let mut world = World::new(config.clone(), &sequence.versions);
    for action in &sequence.actions {
        world.act(action);
    }
    world.finish_noted()
}

impl World {
    /// A fresh broker, and clients of these versions without a connection.
    pub fn new(config: Arc<Config>, versions: &[Version]) -> World {
        World {
            engine: Engine::new(config.clone(), State::default(), BEGIN),
            config,
            stored: Vec::new(),
            now: BEGIN,
            party: Party::new(NAMESPACE, versions),
            wires: BTreeMap::new(),
            opened: 0,
            events: Vec::new(),
            names: (0..versions.len()).map(|n| format!("c{n}").into()).collect(),
            read: VecDeque::new(),
            closed: Vec::new(),
            running: false,
            notes: Notes::default(),
        }
    }

    /// Plays one action. `false` if it is not legal in the present state; nothing has happened then.
    pub fn act(&mut self, action: &Action) -> bool {
        let client = action.client;
        if client >= self.party.clients.len() {
            return false;
        }
        match &action.act {
            Act::Connect(how) => {
                self.connect(client, how);
                true
            }
            Act::Wait(seconds) => {
                self.wait(*seconds);
                true
            }
            Act::Restart => {
                self.restart(Lifecycle::Restart);
                true
            }
            Act::Kill => {
                self.restart(Lifecycle::Kill);
                true
            }
            act => {
                let Some(number) = self.party.clients[client].link else {
                    return false;
                };
                let done = self.act_on(client, number, act).is_some();
                self.settle();
                done
            }
        }
    }

    fn act_on(&mut self, client: usize, number: u32, act: &Act) -> Option<()> {
        match act {
            Act::Cut { reset } => {
                self.cut(number, if *reset { End::Reset } else { End::Fin });
                return Some(());
            }
            Act::Stall => {
                let link = self.party.links.get_mut(&number)?;
                return (!std::mem::replace(&mut link.stalled, true)).then_some(());
            }
            Act::Read => {
                let link = self.party.links.get_mut(&number)?;
                if !std::mem::replace(&mut link.stalled, false) {
                    return None;
                }
                self.empty(number);
                return Some(());
            }
            _ => {}
        }
        if !self.party.links.get(&number)?.connected {
            return None;
        }
        let packet = match act {
            Act::Subscribe { filters, id } => self.party.subscribe(client, number, filters, *id)?,
            Act::Unsubscribe(filters) => self.party.unsubscribe(client, number, filters)?,
            Act::Publish(message) => self.party.publish(client, number, message)?,
            Act::Acknowledge { kind, code } => {
                let link = self.party.links.get_mut(&number)?;
                self.party.clients[client].acknowledge(link, *kind, *code)?
            }
            Act::Ping => Packet::PingReq,
            Act::Violate(violation) => {
                let raw = self.party.violation(client, number, *violation)?;
                return self.violate(number, raw);
            }
            Act::Disconnect { code, expiry } => {
                self.leave(client, number, *code, *expiry);
                return Some(());
            }
            _ => return None,
        };
        self.send(number, packet);
        Some(())
    }

    fn connect(&mut self, client: usize, how: &Connection) {
        self.opened += 1;
        let number = self.opened;
        let version = self.party.clients[client].version;
        self.wires.insert(
            number,
            Wire {
                client,
                version,
                aliases: Default::default(),
                over: false,
            },
        );
        let old = self.party.opens(client, number, how);
        self.record(number, Author::Script, What::Open);
        self.handle(Input::Opened(ConnectionId(number.into())));
        let packet = self.party.connect_packet(client, how);
        self.send(number, packet);
        // What the client has not read of its older connection is lost with it.
        if let Some(old) = old.filter(|old| self.party.links.get(old).is_some_and(|l| l.stalled)) {
            self.cut(old, End::Reset);
        }
        self.settle();
    }

    fn leave(&mut self, client: usize, number: u32, code: u8, expiry: Option<u32>) {
        let disconnect = self.party.disconnect(client, code, expiry);
        self.send(number, disconnect);
        self.cut(number, End::Fin);
    }

    /// The client sends a packet for which the broker must close the connection. If it does not, the client does.
    fn violate(&mut self, number: u32, raw: Bytes) -> Option<()> {
        let version = self.wires.get(&number).filter(|w| !w.over)?.version;
        self.packet(number, Side::Client, raw.clone());
        if let Some(received) = Frames::read_one(&self.config, version, &raw) {
            self.handle(Input::Received(ConnectionId(number.into()), received));
        }
        self.settle();
        // A client that was not reading sees the end now, and nothing of what came before it.
        let is_closed = |link: &Link| link.inbox.iter().any(|arrival| matches!(arrival, Arrival::Closed));
        if self.party.links.get(&number).is_some_and(is_closed) {
            self.take(number, Arrival::Closed);
        }
        self.cut(number, End::Fin);
        Some(())
    }

    /// The client ends its connection. It reads nothing more.
    fn cut(&mut self, number: u32, end: End) {
        if self.party.ends(number).is_none() {
            return;
        }
        self.record(number, Author::Script, What::End(end));
        if let Some(wire) = self.wires.get_mut(&number)
            && !std::mem::replace(&mut wire.over, true)
        {
            self.handle(Input::Gone(ConnectionId(number.into())));
        }
    }

    fn wait(&mut self, seconds: u32) {
        let until = self.now + Duration::from_secs(seconds.into());
        for _ in 0..DEADLINES {
            let Some(deadline) = self.engine.next_deadline().filter(|d| *d <= until) else {
                break;
            };
            self.now = self.now.max(deadline);
            self.handle(Input::Tick);
            self.settle();
        }
        self.now = self.now.max(until);
        self.handle(Input::Tick);
        self.settle();
    }

    fn restart(&mut self, how: Lifecycle) {
        let (begin, unread) = (self.events.len(), self.notes.unread.len());
        if how == Lifecycle::Restart {
            self.handle(Input::Stop);
            self.settle();
        }
        let left: Vec<u32> = self.wires.iter().filter(|(_, w)| !w.over).map(|(n, _)| *n).collect();
        for number in left {
            self.arrive(number, Arrival::Closed);
        }
        self.notes.unread.truncate(unread);
        self.notes.stops.push(begin..self.events.len());
        // A broker that was killed notices no end, and clients have nobody to answer.
        self.closed.clear();
        self.read.clear();
        let mut state = State::default();
        self.stored.iter().for_each(|record| state.apply(record));
        self.engine = Engine::new(self.config.clone(), state, self.now);
        self.events.push(Event {
            at: self.now - BEGIN,
            client: "".into(),
            connection: 0,
            step: None,
            author: Author::Script,
            what: What::Lifecycle(how),
        });
        self.now += TICK;
    }

    fn send(&mut self, number: u32, packet: Packet) {
        let Some(wire) = self.wires.get_mut(&number) else {
            return;
        };
        let raw = encode_bytes(&packet, wire.version);
        let (version, over) = (wire.version, wire.over);
        self.packet(number, Side::Client, raw.clone());
        if over {
            return;
        }
        self.handle(Input::Received(
            ConnectionId(number.into()),
            Received {
                packet_type: Some(packet.packet_type()),
                version: matches!(packet, Packet::Connect(_)).then_some(version),
                packet: Some(packet),
                faults: Vec::new(),
                size: raw.len() as u64,
            },
        ));
    }

    fn handle(&mut self, input: Input) {
        for output in self.engine.handle(input, self.now) {
            match output {
                Output::Store(record) => self.stored.push(record),
                Output::Send(ConnectionId(number), version, packet) => {
                    let bytes = bytes_of(&packet, version);
                    self.arrive(number as u32, Arrival::Packet(bytes));
                }
                Output::Close(ConnectionId(number)) => self.arrive(number as u32, Arrival::Closed),
            }
        }
    }

    fn arrive(&mut self, number: u32, arrival: Arrival) {
        let Some(wire) = self.wires.get_mut(&number).filter(|w| !w.over) else {
            return;
        };
        if matches!(arrival, Arrival::Closed) {
            wire.over = true;
            self.closed.push(number);
        }
        match self.party.links.get_mut(&number) {
            Some(link) if link.stalled => {
                if let Arrival::Packet(bytes) = &arrival {
                    self.notes.unread.push(Unread {
                        before: self.events.len(),
                        connection: number,
                        bytes: bytes.clone(),
                    });
                }
                link.inbox.push_back(arrival);
            }
            Some(_) => self.take(number, arrival),
            None => {}
        }
    }

    /// The client reads one thing.
    fn take(&mut self, number: u32, arrival: Arrival) {
        match arrival {
            Arrival::Packet(bytes) => {
                if let Some(packet) = self.packet(number, Side::Server, bytes) {
                    self.read.push_back((number, packet));
                }
            }
            Arrival::Closed => {
                self.record(number, Author::Peer, What::End(End::Fin));
                self.record(number, Author::Script, What::End(End::Fin));
                self.party.ends(number);
            }
        }
    }

    /// The client reads all that has arrived.
    fn empty(&mut self, number: u32) {
        self.notes.unread.retain(|unread| unread.connection != number);
        while let Some(arrival) = self.party.links.get_mut(&number).and_then(|l| l.inbox.pop_front()) {
            self.take(number, arrival);
        }
    }

    /// Clients react to what they have read, and the broker learns which connections are gone, until nothing more happens.
    fn settle(&mut self) {
        if std::mem::replace(&mut self.running, true) {
            return;
        }
        loop {
            if let Some((number, packet)) = self.read.pop_front() {
                self.react(number, &packet);
            } else if let Some(number) = self.closed.pop() {
                self.handle(Input::Gone(ConnectionId(number.into())));
            } else {
                break;
            }
        }
        self.running = false;
    }

    fn react(&mut self, number: u32, packet: &Packet) {
        if !self.party.reads(number, packet) {
            return;
        }
        while let Some(answer) = self.party.answer(number) {
            self.send(number, answer);
        }
    }

    /// Records a packet, and returns it as decoded.
    fn packet(&mut self, number: u32, side: Side, bytes: Bytes) -> Option<Packet> {
        let wire = self.wires.get_mut(&number)?;
        let frame = Frame::loose(bytes)?;
        let decoded = Arc::new(decode(&frame, wire.version, side));
        let topic = wire.aliases[side as usize].resolve(&decoded);
        let packet = decoded.packet.clone();
        let author = if side == Side::Server {
            Author::Peer
        } else {
            Author::Script
        };
        let raw = frame.raw;
        self.record(number, author, What::Packet { raw, decoded, topic });
        packet
    }

    fn record(&mut self, number: u32, author: Author, what: What) {
        let Some(wire) = self.wires.get(&number) else { return };
        self.events.push(Event {
            at: self.now - BEGIN,
            client: self.names[wire.client].clone(),
            connection: number,
            step: None,
            author,
            what,
        });
        self.now += TICK;
    }

    /// The end of every sequence: each client that has been there reads and acknowledges everything, resumes its session if it
    /// is away, waits, and leaves. Then a new client asks for the retained messages.
    pub fn finish(self) -> Transcript {
        self.finish_noted().0
    }

    fn finish_noted(mut self) -> (Transcript, Notes) {
        for client in 0..self.party.clients.len() {
            let Some(number) = self.party.clients[client].link else {
                if self.wires.values().any(|w| w.client == client) {
                    self.connect(client, &lasting());
                }
                continue;
            };
            if let Some(link) = self.party.links.get_mut(&number) {
                link.stalled = false;
                link.automatic = true;
            }
            self.empty(number);
            self.settle();
            while let Some(answer) = self.party.answer(number) {
                self.send(number, answer);
                self.settle();
            }
        }
        self.wait(QUIET);
        for client in 0..self.party.clients.len() {
            for act in [Act::Ping, Act::Disconnect { code: 0, expiry: None }] {
                self.act(&Action { client, act });
            }
        }
        self.ask_for_retained();
        let transcript = Transcript {
            scripted: Side::Client,
            version: self.party.clients.first().map_or(Version::V5, |c| c.version),
            namespace: NAMESPACE.to_owned(),
            events: self.events,
            local: Vec::new(),
            bindings: Vec::new(),
        };
        (transcript, self.notes)
    }

    fn ask_for_retained(&mut self) {
        let version = self.party.clients.first().map_or(Version::V5, |c| c.version);
        let client = self.party.join("late", version);
        self.names.push("late".into());
        for act in asks_for_retained() {
            self.act(&Action { client, act });
        }
    }
}

/// The bytes of what the broker sends.
fn bytes_of(outgoing: &Outgoing, version: Version) -> Bytes {
    if outgoing.overrides == Overrides::default() {
        return encode_bytes(&outgoing.packet, version);
    }
    let mut bytes = Vec::new();
    for chunk in encode(&outgoing.packet, version, &outgoing.overrides) {
        match chunk {
            Chunk::Bytes(part) => bytes.extend_from_slice(&part),
            Chunk::Fill { len, byte } => bytes.resize(bytes.len() + len as usize, byte),
        }
    }
    bytes.into()
}
