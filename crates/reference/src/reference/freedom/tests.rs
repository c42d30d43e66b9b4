//! Every switch has an effect: a tour through the broker, on a simulated clock, looks different with it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::reference::config::{AuthMethod, Config, Limits, User};
use crate::reference::core::state::State;
use crate::reference::core::{ConnectionId, Input};
use crate::reference::engine::{Engine, Output};
use crate::reference::frames::Frames;
use crate::reference::outgoing;
use crate::wire::property::id;
use crate::wire::{
    Ack, Connect, Disconnect, Packet, PropertyValue, Publish, Subscribe, Subscription, Unsubscribe, Will, encode_bytes,
};

/// Freedoms that only sockets show; `tests/freedoms.rs` tests these.
const OF_SOCKETS: [&str; 5] = [
    "close-late",
    "close-reset",
    "input-late",
    "loss-noticed-late",
    "fin-drops-acknowledgements",
];

#[test]
fn every_switch_shows() {
    let usual: BTreeMap<Version, String> = Version::ALL
        .into_iter()
        .map(|v| (v, tours(v, &Free::default())))
        .collect();
    let mut dead = Vec::new();
    for freedom in Free::all().filter(|f| !OF_SOCKETS.contains(&f.name)) {
        let free = Free::parse(freedom.name).expect("a name of the list");
        let shows = |version: &Version| usual[version] != tours(*version, &free);
        if !freedom.sections.iter().any(|(version, _)| shows(version)) {
            dead.push(freedom.name);
        }
    }
    assert!(dead.is_empty(), "these change nothing: {dead:?}");
}

#[test]
fn every_freedom_with_a_switch_is_one_of_its_level() {
    for freedom in freedoms() {
        let is_choice = Choice::named(freedom.name).is_some();
        let is_edit = EDITS.iter().any(|edit| edit.name == freedom.name);
        let level = match (is_choice, is_edit) {
            (true, false) => Some(SwitchLevel::Core),
            (false, true) => Some(SwitchLevel::Packets),
            // Styles are looked up by name; `every_switch_shows` finds those that are not.
            _ => freedom.switch.filter(|level| *level == SwitchLevel::Bytes),
        };
        assert_eq!(level, freedom.switch, "{}", freedom.name);
    }
    for (choice, name) in Choice::ALL {
        assert!(
            freedoms().iter().any(|f| f.name == *name),
            "{choice:?} is not in the list"
        );
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let error = |list| Free::parse(list).unwrap_err().to_string();
    assert_eq!(
        error("puback-late,nosuch"),
        "no freedom `nosuch`; --list-free lists them"
    );
    assert_eq!(error("split-bytes=3"), "split-bytes takes no value");
    assert_eq!(error("delay=soon"), "`soon` is no whole number");
    assert!(error("qos-0-lost").starts_with("qos-0-lost has no switch: "));
    let free = Free::parse("delay=50, puback-first").expect("it can be read");
    assert_eq!(free.to_string(), "delay=50, puback-first");
    assert_eq!(free.needs_the_core(), Some("puback-first"));
}

/// The tours of one version on brokers with three configurations, as text.
fn tours(version: Version, free: &Free) -> String {
    let limited = Limits {
        wildcards: false,
        ..Limits::default()
    };
    let configs = [
        Config::default(),
        Config {
            limits: limited,
            ..Config::default()
        },
        Config {
            auth: Some(AuthMethod {
                method: "m".into(),
                answers: vec![Bytes::from_static(b"1"), Bytes::from_static(b"2")],
            }),
            users: vec![User::new("u", "p")],
            anonymous: false,
            denied: vec!["denied".into()],
            ..Config::default()
        },
    ];
    let tour = |config: Config| {
        let mut tour = Tour::new(
            version,
            Config {
                free: free.clone(),
                ..config
            },
        );
        tour.go();
        tour.log
    };
    configs.map(tour).concat()
}

/// A broker and its clients on a simulated clock.
struct Tour {
    version: Version,
    config: Arc<Config>,
    engine: Engine,
    state: State,
    now: Duration,
    opened: u64,
    frames: BTreeMap<ConnectionId, Frames>,
    flows: BTreeMap<ConnectionId, Outflow>,
    /// The closes, which follow the pending output.
    closing: Vec<ConnectionId>,
    /// Packets that arrived and are not acknowledged.
    unanswered: Vec<(ConnectionId, Packet)>,
    log: String,
}

const START: Duration = Duration::from_secs(1_000_000);

impl Tour {
    fn new(version: Version, config: Config) -> Tour {
        let config = Arc::new(config.with_free_limits());
        Tour {
            version,
            engine: Engine::new(config.clone(), State::default(), START),
            config,
            state: State::default(),
            now: START,
            opened: 0,
            frames: BTreeMap::new(),
            flows: BTreeMap::new(),
            closing: Vec::new(),
            unanswered: Vec::new(),
            log: String::new(),
        }
    }

    fn input(&mut self, input: Input) {
        for output in self.engine.handle(input, self.now) {
            match output {
                Output::Store(record) => self.state.apply(&record),
                Output::Send(id, version, sent) => {
                    let bytes = outgoing::chunks(&sent.packet, version, &sent.overrides);
                    let parcel = Parcel::new(&sent.packet, bytes);
                    if let Some(flow) = self.flows.get_mut(&id) {
                        flow.hand(parcel, self.now - START);
                    }
                    if matches!(sent.packet, Packet::Publish(_) | Packet::PubRel(_)) {
                        self.unanswered.push((id, sent.packet));
                    }
                }
                Output::Close(id) => self.closing.push(id),
            }
        }
        self.drain();
    }

    /// Writes down what is sent by now.
    fn drain(&mut self) {
        let at = self.now - START;
        for (id, flow) in &mut self.flows {
            for piece in flow.take(at) {
                let _ = writeln!(self.log, "{at:?} {} {:02x?} {:?}", id.0, &piece.bytes[..], piece.pause);
            }
        }
        for id in std::mem::take(&mut self.closing) {
            let _ = writeln!(self.log, "{at:?} {} closed", id.0);
        }
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        loop {
            let flows = self.flows.values().filter_map(Outflow::next_due).map(|due| due + START);
            let next = flows.chain(self.engine.next_deadline()).min().filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            self.input(Input::Tick);
        }
        self.now = until;
        self.drain();
    }

    fn open(&mut self) -> ConnectionId {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let frames = Frames::new(&self.config.limits, &self.config.disobey, &self.config.free);
        self.frames.insert(id, frames);
        let style = self.config.free.style().unwrap_or_default();
        self.flows.insert(id, Outflow::new(style, id.0));
        self.input(Input::Opened(id));
        id
    }

    fn bytes(&mut self, id: ConnectionId, bytes: &[u8]) {
        let Some(frames) = self.frames.get_mut(&id) else { return };
        frames.buffer.extend_from_slice(bytes);
        for received in frames.take() {
            self.input(Input::Received(id, received));
        }
        self.wait(5);
    }

    fn send(&mut self, id: ConnectionId, packet: Packet) {
        let bytes = encode_bytes(&packet, self.version);
        self.bytes(id, &bytes);
    }

    fn connect(&mut self, connect: Connect) -> ConnectionId {
        let id = self.open();
        self.send(id, Packet::from(connect));
        self.wait(300);
        id
    }

    fn cut(&mut self, id: ConnectionId) {
        self.flows.remove(&id);
        self.unanswered.retain(|(of, _)| *of != id);
        self.input(Input::Gone(id));
    }

    fn id(&self, name: &str) -> Connect {
        let mut connect = Connect::new(self.version, name);
        if !self.config.users.is_empty() {
            connect.username = Some("u".into());
            connect.password = Some(Bytes::from_static(b"p"));
        }
        connect
    }

    fn v5(&self, connect: Connect, properties: &[(u32, PropertyValue)]) -> Connect {
        let mut connect = connect;
        if self.version == Version::V5 {
            for (id, value) in properties {
                connect.properties.push(*id, value.clone());
            }
        }
        connect
    }

    /// A client with a persistent session.
    fn lasting(&self, name: &str, seconds: u32) -> Connect {
        let mut connect = self.v5(
            self.id(name),
            &[
                (id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(seconds)),
                (id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(5)),
                (id::REQUEST_RESPONSE_INFORMATION, PropertyValue::Byte(1)),
            ],
        );
        connect.clean_start = false;
        connect
    }

    fn subscribe(&mut self, id: ConnectionId, filter: &str, qos: u8, subscription_id: u32) {
        let mut subscribe = Subscribe {
            packet_id: 1,
            subscriptions: vec![Subscription::new(filter, qos)],
            ..Subscribe::default()
        };
        if self.version == Version::V5 && subscription_id > 0 {
            let value = PropertyValue::VarInt(subscription_id);
            subscribe.properties.push(id::SUBSCRIPTION_IDENTIFIER, value);
        }
        self.send(id, Packet::Subscribe(subscribe));
    }

    fn publish(&mut self, id: ConnectionId, topic: &str, qos: u8, retain: bool, properties: &[(u32, PropertyValue)]) {
        let mut publish = Publish {
            topic: topic.into(),
            qos,
            retain,
            packet_id: (qos > 0).then_some(7),
            payload: Bytes::from_static(b"\xff").into(),
            ..Publish::default()
        };
        if self.version == Version::V5 {
            properties
                .iter()
                .for_each(|(id, value)| publish.properties.push(*id, value.clone()));
        }
        self.send(id, Packet::Publish(publish));
        if qos == 2 {
            self.send(id, Packet::PubRel(Ack::new(7)));
        }
    }

    /// Answers all deliveries, until nothing more comes.
    fn answer(&mut self) {
        for _ in 0..6 {
            for (id, packet) in std::mem::take(&mut self.unanswered) {
                match packet {
                    Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
                        (1, Some(packet_id)) => self.send(id, Packet::PubAck(Ack::new(packet_id))),
                        (2, Some(packet_id)) => self.send(id, Packet::PubRec(Ack::new(packet_id))),
                        _ => {}
                    },
                    Packet::PubRel(ack) => self.send(id, Packet::PubComp(Ack::new(ack.packet_id))),
                    _ => {}
                }
            }
            self.wait(100);
        }
    }

    fn go(&mut self) {
        self.ids();
        // The broker answers the first data with an AUTH that asks for the second.
        self.connect(self.v5(
            self.id("authenticated"),
            &[
                (id::AUTHENTICATION_METHOD, PropertyValue::Text("m".into())),
                (id::AUTHENTICATION_DATA, PropertyValue::Binary(Bytes::from_static(b"1"))),
            ],
        ));
        let publisher = self.connect(self.id("publisher"));
        for (topic, qos) in [("r/1", 1), ("r/2", 0), ("r/3", 2)] {
            self.publish(publisher, topic, qos, true, &[]);
        }
        let subscriber = self.deliveries(publisher);
        self.away(publisher, subscriber);
        self.shares(publisher);
        self.refusals(publisher);
        self.clocks();
        self.shutdown();
    }

    /// Client identifiers, logins and CONNECT packets that are refused.
    fn ids(&mut self) {
        for name in ["", "thirty-characters-in-this-name", "other/characters"] {
            self.connect(self.id(name));
        }
        for password in ["p", "wrong"] {
            let mut connect = Connect::new(self.version, "login");
            connect.username = Some("u".into());
            connect.password = Some(Bytes::copy_from_slice(password.as_bytes()));
            self.connect(connect);
        }
        self.connect(Connect::new(self.version, "nobody"));
        // A reserved flag of CONNECT, and then a second CONNECT.
        let id = self.open();
        let mut bytes = encode_bytes(&Packet::from(self.id("reserved")), self.version).to_vec();
        let flags = if self.version == Version::V3_1 { 11 } else { 9 };
        bytes[flags] |= 1;
        self.bytes(id, &bytes);
        let id = self.connect(self.id("twice"));
        self.send(id, Packet::from(self.id("twice")));
    }

    /// Subscriptions that overlap, of which some existed before, and messages of every QoS.
    fn deliveries(&mut self, publisher: ConnectionId) -> ConnectionId {
        let mut connect = self.lasting("subscriber", 300);
        connect.keep_alive = 600;
        let subscriber = self.connect(connect);
        self.subscribe(subscriber, "r/#", 2, 0);
        for (filter, qos, number) in [
            ("t/+", 2, 1),
            ("t/x", 1, 2),
            ("zero", 0, 0),
            ("r/1", 1, 0),
            ("r/2", 1, 0),
        ] {
            self.subscribe(subscriber, filter, qos, number);
        }
        self.answer();
        self.subscribe(publisher, "own", 1, 0);
        let expiry = [(id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(100))];
        let format = [(id::PAYLOAD_FORMAT_INDICATOR, PropertyValue::Byte(1))];
        let topics = ["t/x", "t/y", "t/z", "zero", "own", "nobody"];
        for qos in [2, 1, 0] {
            for topic in topics {
                self.publish(publisher, topic, qos, false, &expiry);
            }
        }
        self.publish(publisher, "t/x", 1, false, &format);
        // Long enough for a repeat, before anything is acknowledged.
        self.wait(600);
        self.answer();
        self.send(publisher, Packet::PubRel(Ack::new(99)));
        self.send(publisher, Packet::PingReq);
        for filter in ["$private/t", "bad#"] {
            self.subscribe(subscriber, filter, 1, 0);
        }
        let subscriber = self.connect(self.lasting("subscriber", 300));
        self.publish(publisher, "$private/t", 1, false, &[]);
        self.answer();
        subscriber
    }

    /// A session continues without its client, with interrupted exchanges.
    fn away(&mut self, publisher: ConnectionId, subscriber: ConnectionId) {
        for qos in [2, 1] {
            self.publish(publisher, "t/y", qos, false, &[]);
        }
        let (first, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unanswered)
            .into_iter()
            .partition(|(_, packet)| matches!(packet, Packet::Publish(p) if p.qos == 2));
        self.unanswered = first;
        if let Some((id, Packet::Publish(publish))) = self.unanswered.pop() {
            self.send(id, Packet::PubRec(Ack::new(publish.packet_id.unwrap_or_default())));
        }
        drop(rest);
        self.cut(subscriber);
        for qos in [0, 1] {
            self.publish(publisher, "t/y", qos, false, &[]);
        }
        let subscriber = self.connect(self.lasting("subscriber", 300));
        self.answer();
        // One at a time, so that something is queued when the subscription ends.
        let connect = self.v5(self.id("narrow"), &[(id::RECEIVE_MAXIMUM, PropertyValue::U16(1))]);
        let narrow = self.connect(connect);
        self.subscribe(narrow, "n", 1, 0);
        for _ in 0..3 {
            self.publish(publisher, "n", 1, false, &[]);
        }
        self.send(
            narrow,
            Packet::Unsubscribe(Unsubscribe {
                packet_id: 3,
                filters: vec!["n".into(), "none".into()],
                ..Unsubscribe::default()
            }),
        );
        self.answer();
        self.cut(narrow);
        self.cut(subscriber);
    }

    fn shares(&mut self, publisher: ConnectionId) {
        let members = ["m1", "m2", "m3"].map(|name| {
            let member = self.connect(self.lasting(name, 300));
            self.subscribe(member, "$share/g/s", 1, 0);
            member
        });
        for _ in 0..5 {
            self.publish(publisher, "s", 1, false, &[]);
        }
        for member in members {
            self.cut(member);
        }
        let members = ["m1", "m2", "m3"].map(|name| self.connect(self.lasting(name, 300)));
        self.answer();
        members.into_iter().for_each(|member| self.cut(member));
    }

    /// What ends a connection.
    fn refusals(&mut self, publisher: ConnectionId) {
        self.publish(publisher, "denied", 1, false, &[]);
        for topic in ["control\u{1}", "wild/+"] {
            let id = self.connect(self.id("short"));
            self.publish(id, topic, 1, false, &[]);
            self.cut(id);
        }
        let id = self.connect(self.id("short"));
        self.bytes(id, b"\x83\x05\x00\x01\x00\x00\x00");
        self.cut(id);
        let id = self.connect(self.id("short"));
        self.send(id, Packet::Disconnect(Disconnect::default()));
    }

    /// What happens because time has passed.
    fn clocks(&mut self) {
        let watcher = self.connect(self.id("watcher"));
        self.subscribe(watcher, "will", 0, 0);
        let mut dying = self.lasting("dying", 60);
        dying.will = Some(Will {
            topic: "will".into(),
            payload: Bytes::from_static(b"gone"),
            ..Will::default()
        });
        if let (Some(will), Version::V5) = (&mut dying.will, self.version) {
            will.properties.push(id::WILL_DELAY_INTERVAL, PropertyValue::U32(1));
        }
        let dying = self.connect(dying);
        self.cut(dying);
        self.wait(2500);
        let short = self.connect(self.lasting("brief", 1));
        self.cut(short);
        self.wait(1300);
        let short = self.connect(self.lasting("brief", 1));
        self.cut(short);
        let mut silent = self.id("silent");
        silent.keep_alive = 1;
        self.connect(silent);
        self.open();
        self.wait(10_000);
    }

    /// The broker shuts down and starts again.
    fn shutdown(&mut self) {
        let mut mortal = self.lasting("mortal", 300);
        mortal.will = Some(Will {
            topic: "will".into(),
            payload: Bytes::from_static(b"down"),
            ..Will::default()
        });
        self.connect(mortal);
        let watcher = self.connect(self.id("last-watcher"));
        self.subscribe(watcher, "will", 0, 0);
        self.input(Input::Stop);
        self.wait(500);
        self.flows.clear();
        self.engine = Engine::new(self.config.clone(), std::mem::take(&mut self.state), self.now);
        let watcher = self.connect(self.id("late-watcher"));
        self.subscribe(watcher, "will", 0, 0);
        self.wait(500);
    }
}

#[test]
fn an_alias_that_does_not_fit_is_not_assigned() {
    let mut editor = Free::parse("server-aliases").expect("a freedom").editor();
    let here = ConnectionId(1);
    let mut connect = Connect::new(Version::V5, "c");
    let publish = |len| {
        let publish = Publish {
            topic: "topic".into(),
            payload: Bytes::from(vec![b'x'; len]).into(),
            ..Publish::default()
        };
        Packet::Publish(publish)
    };
    let most = encode_bytes(&publish(20), Version::V5).len() as u32;
    let numbers = [
        (id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(5)),
        (id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(most)),
    ];
    numbers
        .into_iter()
        .for_each(|(id, value)| connect.properties.push(id, value));
    editor.connect(here, Version::V5, &connect);
    let mut topic = |len| match editor.send(here, publish(len).into()).map(|outgoing| outgoing.packet) {
        Some(Packet::Publish(publish)) => publish.topic,
        other => panic!("{other:?}"),
    };
    // The first one has no room for an alias, the second assigns it, the third has it alone.
    assert_eq!([topic(20), topic(1), topic(1)].map(|t| t.len()), [5, 5, 0]);
}
