//! The actions of a sequence over real connections.

mod ends;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout_at;

use super::wire::{Came, Wire};
use super::{Broker, CutShort, Fences, Menu, Plan, Played};
use crate::fuzzer::action::{Act, Action, Connection, Sequence};
use crate::fuzzer::coverage::Walk;
use crate::fuzzer::generate::Choice;
use crate::fuzzer::party::Party;
use crate::transcript::{Author, ClientName, End, Event, Lifecycle, Transcript, What};
use crate::transport::Ask;
use crate::wire::{Frame, Packet, Side, Version, decode, encode_bytes};

/// A sequence gets a few thousand bytes in a few hundred packets. A broker that sends this many does not stop.
const FLOOD: usize = 1024 * 1024;
const FLOOD_PACKETS: u64 = 5000;
/// A choice that the menu does not have is made again at most this often.
const CHOICES: usize = 50;
/// Between two events. Each event has a time of its own, so that times order them.
const TICK: Duration = Duration::from_nanos(1);

/// The clients of a sequence, their connections, and what has crossed the wire so far.
pub(super) struct Live<'b> {
    pub broker: &'b Broker,
    pub party: Party,
    pub wires: BTreeMap<u32, Wire>,
    pub events: Vec<Event>,
    names: Vec<ClientName>,
    versions: Vec<Version>,
    actions: Vec<Action>,
    walk: Walk,
    fences: Fences,
    began: Instant,
    last: Duration,
    opened: u32,
    packets: u64,
    received: usize,
    accepted: bool,
    /// The connections with a will.
    wills: BTreeSet<u32>,
}

impl<'b> Live<'b> {
    pub fn new(broker: &'b Broker, namespace: &str, plan: &Plan, fences: Fences) -> Live<'b> {
        let versions = match plan {
            Plan::New { versions, .. } => versions.clone(),
            Plan::Again(sequence) => sequence.versions.clone(),
        };
        Live {
            broker,
            party: Party::new(namespace, &versions),
            wires: BTreeMap::new(),
            events: Vec::new(),
            names: (0..versions.len()).map(|n| format!("c{n}").into()).collect(),
            versions,
            actions: Vec::new(),
            walk: Walk::default(),
            fences,
            began: Instant::now(),
            last: Duration::ZERO,
            opened: 0,
            packets: 0,
            received: 0,
            accepted: false,
            wills: BTreeSet::new(),
        }
    }

    pub fn played(self, cut_short: Option<CutShort>) -> Played {
        Played {
            transcript: Transcript {
                scripted: Side::Client,
                version: self.versions.first().copied().unwrap_or(Version::V5),
                namespace: self.party.namespace,
                events: self.events,
                local: Vec::new(),
                bindings: Vec::new(),
            },
            sequence: Sequence {
                versions: self.versions,
                actions: self.actions,
            },
            pairs: self.walk.pairs,
            packets: self.packets,
            cut_short,
        }
    }

    /// Plays the actions, without the end that every sequence has.
    pub async fn run(&mut self, plan: &Plan) -> Result<(), CutShort> {
        match plan {
            Plan::Again(sequence) => {
                for action in &sequence.actions {
                    self.act(action).await?;
                }
            }
            Plan::New { seed, begin, menu, .. } => self.explore(*seed, begin, *menu).await?,
        }
        if self.opened > 0 && !self.accepted {
            return Err(CutShort::NotLetIn);
        }
        Ok(())
    }

    async fn explore(&mut self, seed: u64, begin: &[Action], menu: Menu) -> Result<(), CutShort> {
        let mut choice = Choice::new(seed);
        let wanted = choice.rng.usize(6..=28).max(begin.len() + 4);
        for action in begin {
            self.act(action).await?;
        }
        // One client after the other connects; later connections are up to chance.
        for client in 0..self.versions.len() {
            if self.party.link(client).is_none() {
                let act = choice.connect(&self.party, client);
                self.act(&Action { client, act }).await?;
            }
        }
        for _ in 0..wanted * 3 {
            if self.actions.len() >= wanted {
                break;
            }
            let client = choice.rng.usize(0..self.versions.len());
            let act = (0..CHOICES)
                .map(|_| choice.act(&self.party, client))
                .find(|act| menu.has(act));
            if let Some(act) = act {
                self.act(&Action { client, act }).await?;
            }
        }
        Ok(())
    }

    /// Plays one action if it is legal in the present state.
    pub async fn act(&mut self, action: &Action) -> Result<(), CutShort> {
        if action.client >= self.versions.len() {
            return Ok(());
        }
        let step = self.walk.step(&self.party, action);
        let performed = self.perform(action.client, &action.act).await;
        // What cut the sequence short is part of it.
        if !matches!(performed, Ok(false)) {
            self.walk.took(step);
            self.actions.push(action.clone());
        }
        performed.map(|_| ())
    }

    /// `false` if it is not legal; nothing has happened then.
    pub async fn perform(&mut self, client: usize, act: &Act) -> Result<bool, CutShort> {
        match act {
            Act::Connect(how) => self.connect(client, how).await?,
            Act::Wait(seconds) => {
                for _ in 0..*seconds {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    self.fence_all().await?;
                }
            }
            Act::Restart => return self.restart(Lifecycle::Restart).await,
            Act::Kill => return self.restart(Lifecycle::Kill).await,
            act => {
                let Some(number) = self.party.clients[client].link else {
                    return Ok(false);
                };
                if !self.act_on(client, number, act).await? {
                    return Ok(false);
                }
            }
        }
        let link = self.party.clients[client].link;
        // CONNACK shows that the broker has processed CONNECT.
        let needs_fence = !matches!(act, Act::Connect(_) | Act::Ping | Act::Wait(_));
        match (self.fences, link) {
            (Fences::All, _) => self.fence_all().await?,
            (Fences::Acting, Some(number)) if needs_fence => self.fence(&[number]).await?,
            (Fences::Acting, Some(number)) if matches!(act, Act::Ping) => self.answered(&[number]).await?,
            (Fences::Acting, _) => {}
        }
        // A client that does not read has no fence.
        if let Some(number) = link {
            self.flush(number).await;
        }
        self.sweep().await?;
        Ok(true)
    }

    async fn act_on(&mut self, client: usize, number: u32, act: &Act) -> Result<bool, CutShort> {
        let Some(link) = self.party.links.get_mut(&number) else {
            return Ok(false);
        };
        match act {
            // Without a session or with a will, whether the broker has noticed the end decides what comes next, and RST does not show
            // it.
            Act::Cut { reset } => {
                let reset = *reset && self.party.clients[client].expiry > 0 && !self.wills.contains(&number);
                if reset {
                    self.reset(number).await?;
                } else {
                    self.close(number).await?;
                }
                return Ok(true);
            }
            Act::Stall => return Ok(!std::mem::replace(&mut link.stalled, true)),
            Act::Read => return Ok(std::mem::replace(&mut link.stalled, false)),
            Act::Violate(violation) => return self.violate(client, number, *violation).await,
            _ => {}
        }
        if !link.connected {
            return Ok(false);
        }
        let packet = match act {
            Act::Subscribe { filters, id } => self.party.subscribe(client, number, filters, *id),
            Act::Unsubscribe(filters) => self.party.unsubscribe(client, number, filters),
            Act::Publish(message) => self.party.publish(client, number, message),
            Act::Acknowledge { kind, code } => self.party.clients[client].acknowledge(link, *kind, *code),
            Act::Ping => Some(Packet::PingReq),
            Act::Disconnect { code, expiry } => {
                let disconnect = self.party.disconnect(client, *code, *expiry);
                self.put(number, &disconnect, Author::Script);
                self.close(number).await?;
                return Ok(true);
            }
            _ => None,
        };
        let Some(packet) = packet else { return Ok(false) };
        // It is sent with the fence behind it.
        self.put(number, &packet, Author::Script);
        Ok(true)
    }

    pub async fn connect(&mut self, client: usize, how: &Connection) -> Result<(), CutShort> {
        let version = self.version_of(client);
        let before = self.party.clients[client].link;
        if let Some(old) = before {
            self.processed(old).await?;
        }
        let unreachable = |why: String| CutShort::Unreachable(why);
        let address = self.broker.addresses.get(&version);
        let address = address.ok_or_else(|| unreachable(format!("no address for {version}")))?;
        let dialled = tokio::time::timeout(self.broker.timeout, self.broker.dialer.dial(address, Ask::default())).await;
        let dialled = match dialled {
            Ok(dialled) => dialled.map_err(|error| unreachable(error.to_string()))?,
            Err(_) => return Err(CutShort::Silent(self.broker.timeout)),
        };
        self.opened += 1;
        let number = self.opened;
        self.wires.insert(number, Wire::new(client, version, dialled.link));
        let old = self.party.opens(client, number, how);
        if how.will.is_some() {
            self.wills.insert(number);
        }
        if version != Version::V5
            && let Some(link) = self.party.links.get_mut(&number)
        {
            link.limits = self.broker.limits.clone();
        }
        self.record(number, Author::Script, What::Open);
        let packet = self.party.connect_packet(client, how);
        self.put_connect(number, packet);
        self.flush(number).await;
        if let Some(old) = old {
            match self.party.links.get(&old).map(|link| link.stalled) {
                // What the client has not read of its older connection is lost with it.
                Some(true) => self.drop_now(old),
                Some(false) => self.read_to_end(old, true).await?,
                None => {}
            }
        }
        self.let_in(number).await
    }

    /// Waits for CONNACK. A connection that is not accepted ends.
    async fn let_in(&mut self, number: u32) -> Result<(), CutShort> {
        let deadline = tokio::time::Instant::now() + self.broker.timeout;
        loop {
            let Some(link) = self.party.links.get(&number) else {
                return Ok(());
            };
            if link.connected {
                self.accepted = true;
                return Ok(());
            }
            let refused = |e: &&Event| {
                let connack = matches!(e.packet().and_then(|d| d.packet.as_ref()), Some(Packet::ConnAck(_)));
                e.connection == number && connack
            };
            if self.events.iter().rev().find(refused).is_some() {
                return self.close(number).await;
            }
            self.read(number, deadline).await?;
        }
    }

    /// The connections whose clients read.
    fn reading(&self) -> Vec<u32> {
        let reads = |number: &&u32| {
            self.party.links.get(number).is_some_and(|link| {
                link.connected && !link.stalled && self.party.clients[link.client].link == Some(**number)
            })
        };
        self.wires.keys().filter(reads).copied().collect()
    }

    pub async fn fence_all(&mut self) -> Result<(), CutShort> {
        self.fence(&self.reading()).await
    }

    /// PINGREQ on these connections, and everything that comes before PINGRESP.
    pub async fn fence(&mut self, numbers: &[u32]) -> Result<(), CutShort> {
        let reading = self.reading();
        let numbers: Vec<u32> = numbers.iter().copied().filter(|n| reading.contains(n)).collect();
        for number in &numbers {
            self.put(*number, &Packet::PingReq, Author::Fence);
        }
        self.answered(&numbers).await
    }

    /// Waits for the answers to every PINGREQ on these connections.
    async fn answered(&mut self, numbers: &[u32]) -> Result<(), CutShort> {
        let reading = self.reading();
        let numbers: Vec<u32> = numbers.iter().copied().filter(|n| reading.contains(n)).collect();
        for number in &numbers {
            self.flush(*number).await;
        }
        let deadline = tokio::time::Instant::now() + self.broker.timeout;
        for number in numbers {
            while self.wires.get(&number).is_some_and(|wire| wire.pings > 0) {
                self.read(number, deadline).await?;
            }
        }
        Ok(())
    }

    /// Every client that reads takes what has come.
    async fn sweep(&mut self) -> Result<(), CutShort> {
        for number in self.reading() {
            while let Some(wire) = self.wires.get_mut(&number)
                && let Some(came) = wire.read_now().await
            {
                self.take(number, came)?;
                self.flush(number).await;
            }
        }
        Ok(())
    }

    async fn read(&mut self, number: u32, deadline: tokio::time::Instant) -> Result<(), CutShort> {
        let Some(wire) = self.wires.get_mut(&number) else {
            return Ok(());
        };
        let Ok(came) = timeout_at(deadline, wire.read()).await else {
            return Err(CutShort::Silent(self.broker.timeout));
        };
        self.take(number, came)?;
        self.flush(number).await;
        Ok(())
    }

    /// A client reads, and answers by itself.
    fn take(&mut self, number: u32, came: Came) -> Result<(), CutShort> {
        self.received += came.bytes;
        if self.received > FLOOD {
            return Err(CutShort::Flood);
        }
        for frame in came.frames {
            let Some(packet) = self.packet(number, Side::Server, frame, Author::Peer) else {
                continue;
            };
            if matches!(packet, Packet::PingResp)
                && let Some(wire) = self.wires.get_mut(&number)
            {
                wire.pings = wire.pings.saturating_sub(1);
            }
            if self.packets > FLOOD_PACKETS {
                return Err(CutShort::Flood);
            }
            if self.party.reads(number, &packet) {
                self.answer(number);
            }
        }
        if came.over {
            self.record(number, Author::Peer, What::End(End::Fin));
            if self.party.ends(number).is_some_and(|link| link.connected) {
                self.record(number, Author::Script, What::End(End::Fin));
            }
            self.wires.remove(&number);
        }
        Ok(())
    }

    /// What the client sends by itself.
    pub fn answer(&mut self, number: u32) {
        while let Some(answer) = self.party.answer(number) {
            self.put(number, &answer, Author::Auto);
        }
    }

    /// Records a packet of the client and has it sent with the next flush.
    pub fn put(&mut self, number: u32, packet: &Packet, author: Author) {
        let Some(wire) = self.wires.get_mut(&number) else {
            return;
        };
        wire.pings += usize::from(matches!(packet, Packet::PingReq));
        let raw = encode_bytes(packet, wire.version);
        self.put_bytes(number, raw, author);
    }

    /// The same for the bytes of a packet.
    fn put_bytes(&mut self, number: u32, raw: Bytes, author: Author) {
        let Some(wire) = self.wires.get_mut(&number) else {
            return;
        };
        wire.put(&raw);
        if let Some(frame) = Frame::loose(raw) {
            self.packet(number, Side::Client, frame, author);
        }
    }

    /// The same for CONNECT, whose login is not recorded.
    fn put_connect(&mut self, number: u32, packet: Packet) {
        let Some(wire) = self.wires.get_mut(&number) else {
            return;
        };
        let raw = encode_bytes(&packet, wire.version);
        let sent = match (packet, &self.broker.login) {
            (Packet::Connect(mut connect), Some((user, password))) => {
                connect.username = Some(user.clone());
                connect.password.clone_from(password);
                encode_bytes(&Packet::Connect(connect), wire.version)
            }
            _ => raw.clone(),
        };
        wire.put(&sent);
        if let Some(frame) = Frame::loose(raw) {
            self.packet(number, Side::Client, frame, Author::Script);
        }
    }

    pub async fn flush(&mut self, number: u32) {
        if let Some(wire) = self.wires.get_mut(&number) {
            wire.flush().await;
        }
    }

    /// Records a packet, and returns it as decoded.
    fn packet(&mut self, number: u32, side: Side, frame: Frame, author: Author) -> Option<Packet> {
        let wire = self.wires.get_mut(&number)?;
        let decoded = Arc::new(decode(&frame, wire.version, side));
        let topic = wire.aliases[side as usize].resolve(&decoded);
        let packet = decoded.packet.clone();
        self.packets += 1;
        let raw = frame.raw;
        self.record(number, author, What::Packet { raw, decoded, topic });
        packet
    }

    pub fn record(&mut self, number: u32, author: Author, what: What) {
        let Some(wire) = self.wires.get(&number) else { return };
        let client = self.names[wire.client].clone();
        let at = self.now();
        self.events.push(Event {
            at,
            client,
            connection: number,
            step: None,
            author,
            what,
        });
    }

    /// The time since the sequence began; never the same twice.
    fn now(&mut self) -> Duration {
        self.last = self.began.elapsed().max(self.last + TICK);
        self.last
    }

    fn version_of(&self, client: usize) -> Version {
        self.party.clients[client].version
    }

    /// A client that joins after the actions of the sequence.
    pub fn join(&mut self, name: &str) -> usize {
        let version = self.versions.first().copied().unwrap_or(Version::V5);
        self.names.push(name.into());
        self.party.join(name, version)
    }
}

impl Menu {
    /// Whether a sequence may contain this action.
    pub fn has(self, act: &Act) -> bool {
        match act {
            Act::Wait(_) => self.waits,
            Act::Restart => self.restarts,
            Act::Kill => self.kills,
            _ => true,
        }
    }
}
