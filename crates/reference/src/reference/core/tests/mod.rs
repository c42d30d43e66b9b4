//! The core, driven by packets at times that the test chooses.

mod authenticate;
mod connect;
mod exchanges;
mod retained;
mod sessions;
mod subscriptions;
mod v5;
mod wills;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::reference::config::Config;
use crate::reference::disobey::Disobey;
use crate::wire::property::id;
use crate::wire::{
    Ack, ConnAck, Connect, Disconnect, Properties, PropertyValue, Publish, SubAck, Subscribe, Subscription, Text,
    Unsubscribe, Will,
};

/// A broker, its clock, and what it has sent.
struct Bench {
    broker: Broker,
    now: Duration,
    opened: u64,
    /// Packets and closes that the test has not looked at yet.
    outbox: Vec<(ConnectionId, Option<Packet>)>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Config::default())
    }

    fn disobeying(token: &str) -> Bench {
        Bench::with(Config {
            disobey: Disobey::parse(token).expect("a statement that can be disobeyed"),
            ..Config::default()
        })
    }

    fn with(config: Config) -> Bench {
        let now = Duration::from_secs(1_000_000);
        Bench {
            broker: Broker::new(Arc::new(config), State::default(), now),
            now,
            opened: 0,
            outbox: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        for effect in self.broker.handle(input, self.now) {
            match effect {
                Effect::Send(id, _, packet) => self.outbox.push((id, Some(packet))),
                Effect::Close(id, _) => self.outbox.push((id, None)),
                Effect::Store(_) => {}
            }
        }
    }

    /// Opens a connection and sends its first packet.
    fn open(&mut self, packet: Packet) -> ConnectionId {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        self.input(Input::Opened(id));
        self.send(id, packet);
        id
    }

    /// Connects and takes the CONNACK, which must accept.
    fn connect(&mut self, connect: Connect) -> ConnectionId {
        let id = self.open(Packet::from(connect));
        match self.taken(id).as_slice() {
            [Some(Packet::ConnAck(ack)), ..] if ack.reason_code == 0 => id,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// A client of 3.1.1 with a clean session.
    fn client(&mut self, client_id: &str) -> ConnectionId {
        self.connect(Connect::new(Version::V3_1_1, client_id))
    }

    fn send(&mut self, id: ConnectionId, packet: Packet) {
        let version = match &packet {
            Packet::Connect(connect) => named_version(connect),
            _ => None,
        };
        self.input(Input::Received(
            id,
            Received {
                packet_type: Some(packet.packet_type()),
                packet: Some(packet),
                version,
                faults: Vec::new(),
                size: 10,
            },
        ));
    }

    /// Everything that this connection received, `None` for a close. Other connections keep theirs.
    fn taken(&mut self, id: ConnectionId) -> Vec<Option<Packet>> {
        let (mine, others) = std::mem::take(&mut self.outbox)
            .into_iter()
            .partition(|(to, _)| *to == id);
        self.outbox = others;
        let mine: Vec<(ConnectionId, Option<Packet>)> = mine;
        mine.into_iter().map(|(_, what)| what).collect()
    }

    /// The packets that this connection received; it must not have been closed.
    fn packets(&mut self, id: ConnectionId) -> Vec<Packet> {
        let taken = self.taken(id);
        taken
            .into_iter()
            .map(|packet| packet.expect("a packet and no close"))
            .collect()
    }

    /// The deliveries among them, everything else dropped.
    fn deliveries(&mut self, id: ConnectionId) -> Vec<Publish> {
        let publish = |packet| match packet {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        };
        self.packets(id).into_iter().filter_map(publish).collect()
    }

    fn is_closed(&mut self, id: ConnectionId) -> bool {
        self.taken(id).contains(&None)
    }

    /// The network connection breaks.
    fn cut(&mut self, id: ConnectionId) {
        self.input(Input::Gone(id));
    }

    fn disconnect(&mut self, id: ConnectionId) {
        self.send(id, Packet::Disconnect(Disconnect::default()));
        self.cut(id);
    }

    fn subscribe(&mut self, id: ConnectionId, filters: &[(&str, u8)]) {
        let subscriptions = filters.iter().map(|(filter, options)| Subscription {
            filter: Text::from(*filter),
            options: *options,
        });
        self.send(
            id,
            Packet::Subscribe(Subscribe {
                packet_id: 1,
                subscriptions: subscriptions.collect(),
                ..Subscribe::default()
            }),
        );
    }

    fn publish(&mut self, id: ConnectionId, topic: &str, qos: u8, payload: &str) {
        self.send(id, publish(topic, qos, payload));
    }

    fn wait(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.input(Input::Tick);
    }

    /// The broker is killed and started again from what it stored.
    fn restart(&mut self) {
        let state = self
            .broker
            .state
            .dump()
            .iter()
            .fold(State::default(), |mut state, record| {
                state.apply(record);
                state
            });
        self.broker = Broker::new(self.broker.config.clone(), state, self.now);
        self.outbox.clear();
    }
}

/// A PUBLISH with the identifier 7, if it has one.
fn publish(topic: &str, qos: u8, payload: &str) -> Packet {
    Packet::Publish(Publish {
        topic: topic.into(),
        qos,
        packet_id: (qos > 0).then_some(7),
        payload: payload.into(),
        ..Publish::default()
    })
}

fn retained(topic: &str, qos: u8, payload: &str) -> Packet {
    match publish(topic, qos, payload) {
        Packet::Publish(publish) => Packet::Publish(Publish {
            retain: true,
            ..publish
        }),
        other => other,
    }
}

/// A CONNECT that resumes a session and leaves one.
fn lasting(version: Version, client_id: &str) -> Connect {
    let mut connect = Connect::new(version, client_id);
    connect.clean_start = false;
    if version == Version::V5 {
        connect
            .properties
            .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(300));
    }
    connect
}

fn with(mut connect: Connect, id: u32, value: PropertyValue) -> Connect {
    connect.properties.push(id, value);
    connect
}

fn payloads(deliveries: &[Publish]) -> Vec<&str> {
    let text = |publish: &'_ Publish| {
        publish
            .payload
            .bytes()
            .map(|b| std::str::from_utf8(b).expect("text").to_owned())
    };
    deliveries
        .iter()
        .map(|publish| &*text(publish).expect("a payload").leak())
        .collect()
}

fn conn_ack(packets: &[Option<Packet>]) -> &ConnAck {
    match packets.first() {
        Some(Some(Packet::ConnAck(ack))) => ack,
        other => panic!("no CONNACK: {other:?}"),
    }
}
