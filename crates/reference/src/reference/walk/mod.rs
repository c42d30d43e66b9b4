//! Proof that every fault has an effect: one long exchange of each version is played against the correct
//! broker and against one with each fault, without sockets, and the bytes that come back must differ.
//!
//! Whether the scenarios catch the fault is another question, which the suite answers about itself.

mod authentication;
mod exchanges;
mod malformed;
mod v5;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::config::{AuthMethod, Config, User};
use super::core::state::State;
use super::core::{ConnectionId, Input};
use super::disobey::Disobey;
use super::engine::{Engine, Output};
use super::frames::Frames;
use super::outgoing;
use crate::statements::Version;
use crate::wire::property::id;
use crate::wire::{
    Ack, Connect, Overrides, Packet, Properties, PropertyValue, Publish, Subscribe, Subscription, Text, Unsubscribe,
    Will,
};

/// A broker without sockets, and a log of everything that it sends.
struct Rig {
    config: Arc<Config>,
    engine: Engine,
    state: State,
    now: Duration,
    version: Version,
    clients: BTreeMap<String, (ConnectionId, Frames)>,
    opened: u64,
    log: Vec<String>,
}

impl Rig {
    fn new(version: Version, config: Config) -> Rig {
        let config = Arc::new(config);
        let now = Duration::from_secs(1_000_000);
        Rig {
            engine: Engine::new(config.clone(), State::default(), now),
            config,
            state: State::default(),
            now,
            version,
            clients: BTreeMap::new(),
            opened: 0,
            log: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        for output in self.engine.handle(input, self.now) {
            let (id, what) = match output {
                Output::Store(record) => {
                    self.state.apply(&record);
                    continue;
                }
                Output::Send(id, version, packet) => {
                    let bytes = outgoing::chunks(&packet.packet, version, &packet.overrides).concat();
                    (id, hex::encode(bytes))
                }
                Output::Close(id) => (id, "closed".to_owned()),
            };
            self.log.push(format!("{} {what}", id.0));
        }
    }

    /// Opens a connection with this name; an older one of the name is left as it is.
    fn open(&mut self, name: &str) {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let frames = Frames::new(&self.config.limits, &self.config.disobey, &self.config.free);
        self.clients.insert(name.to_owned(), (id, frames));
        self.input(Input::Opened(id));
    }

    fn raw(&mut self, name: &str, bytes: &[u8]) {
        let (id, frames) = self.clients.get_mut(name).expect("a connection of this name");
        let id = *id;
        frames.buffer.extend_from_slice(bytes);
        for received in frames.take() {
            self.input(Input::Received(id, received));
        }
    }

    fn wrong(&mut self, name: &str, packet: &Packet, overrides: Overrides) {
        let bytes = outgoing::chunks(packet, self.version, &overrides).concat();
        self.raw(name, &bytes);
    }

    fn send(&mut self, name: &str, packet: Packet) {
        self.wrong(name, &packet, Overrides::default());
    }

    /// Opens a connection and sends CONNECT.
    fn connect(&mut self, name: &str, connect: Connect) {
        self.open(name);
        self.send(name, Packet::from(connect));
    }

    /// A client with a clean session, named like its connection.
    fn client(&mut self, name: &str) {
        self.connect(name, Connect::new(self.version, name));
    }

    /// A client with a persistent session.
    fn lasting(&mut self, name: &str) {
        let connect = self.lasting_connect(name);
        self.connect(name, connect);
    }

    fn lasting_connect(&self, name: &str) -> Connect {
        let mut connect = Connect::new(self.version, name);
        connect.clean_start = false;
        if self.version == Version::V5 {
            connect
                .properties
                .push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(300));
        }
        connect
    }

    fn cut(&mut self, name: &str) {
        if let Some((id, _)) = self.clients.remove(name) {
            self.input(Input::Gone(id));
        }
    }

    fn goodbye(&mut self, name: &str) {
        self.raw(name, b"\xe0\x00");
        self.cut(name);
    }

    fn ping(&mut self, name: &str) {
        self.raw(name, b"\xc0\x00");
    }

    fn subscribe(&mut self, name: &str, packet_id: u16, filters: &[(&str, u8)]) {
        let subscriptions = filters.iter().map(|(filter, options)| Subscription {
            filter: Text::from(*filter),
            options: *options,
        });
        let subscriptions = subscriptions.collect();
        self.send(
            name,
            Packet::Subscribe(Subscribe {
                packet_id,
                subscriptions,
                ..Subscribe::default()
            }),
        );
    }

    fn unsubscribe(&mut self, name: &str, packet_id: u16, filters: &[&str]) {
        let filters = filters.iter().map(|filter| Text::from(*filter)).collect();
        self.send(
            name,
            Packet::Unsubscribe(Unsubscribe {
                packet_id,
                filters,
                ..Unsubscribe::default()
            }),
        );
    }

    fn publish(&mut self, name: &str, topic: &str, qos: u8, packet_id: u16, payload: &str) {
        self.send(name, publish(topic, qos, packet_id, payload));
    }

    fn retain(&mut self, name: &str, topic: &str, qos: u8, payload: &str) {
        let Packet::Publish(mut publish) = publish(topic, qos, 90, payload) else {
            return;
        };
        publish.retain = true;
        self.send(name, Packet::Publish(publish));
        self.send(name, Packet::PubRel(Ack::new(90)));
    }

    fn wait(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.input(Input::Tick);
    }

    /// Killed and started again.
    fn restart(&mut self) {
        self.clients.clear();
        self.engine = Engine::new(self.config.clone(), self.state.clone(), self.now);
    }
}

fn publish(topic: &str, qos: u8, packet_id: u16, payload: &str) -> Packet {
    Packet::Publish(Publish {
        topic: topic.into(),
        qos,
        packet_id: (qos > 0).then_some(packet_id),
        payload: payload.into(),
        ..Publish::default()
    })
}

fn will(topic: &str, qos: u8, retain: bool) -> Will {
    Will {
        qos,
        retain,
        topic: topic.into(),
        payload: Bytes::from_static(b"gone"),
        properties: Properties::default(),
    }
}

/// Everything that the broker sends in the exchange of a version.
fn transcript(version: Version, disobey: Disobey) -> Vec<String> {
    let mut open = Config {
        disobey: disobey.clone(),
        denied: vec!["no/#".into()],
        ..Config::default()
    };
    open.limits.receive_maximum = 10;
    let mut rig = Rig::new(version, open);
    exchanges::play(&mut rig);
    if version == Version::V5 {
        v5::play(&mut rig);
    }
    malformed::play(&mut rig);
    if version == Version::V5 {
        let asking = Config {
            disobey: disobey.clone(),
            auth: Some(AuthMethod {
                method: authentication::METHOD.into(),
                answers: authentication::ANSWERS
                    .map(|a| Bytes::from_static(a.as_bytes()))
                    .to_vec(),
            }),
            ..Config::default()
        };
        let mut asking = Rig::new(version, asking);
        authentication::play(&mut asking);
        rig.log.append(&mut asking.log);
    }
    let mut narrow = Config {
        disobey,
        users: vec![User::new("u", "p")],
        denied: vec!["no/#".into()],
        ..Config::default()
    };
    narrow.limits.maximum_qos = 1;
    narrow.limits.retain_available = false;
    narrow.limits.receive_maximum = 2;
    narrow.limits.maximum_packet_size = Some(200);
    let mut narrow = Rig::new(version, narrow);
    exchanges::play_narrow(&mut narrow);
    if version == Version::V5 {
        v5::play_narrow(&mut narrow);
    }
    rig.log.append(&mut narrow.log);
    rig.log
}

#[test]
fn every_disobedience_of_3_1_shows() {
    every_disobedience_shows(Version::V3_1);
}

#[test]
fn every_disobedience_of_3_1_1_shows() {
    every_disobedience_shows(Version::V3_1_1);
}

#[test]
fn every_disobedience_of_5_0_shows() {
    every_disobedience_shows(Version::V5);
}

fn every_disobedience_shows(version: Version) {
    let obedient = transcript(version, Disobey::default());
    let again = transcript(version, Disobey::default());
    assert_eq!(obedient, again, "the same inputs give the same effects");
    let tokens = Disobey::all()
        .iter()
        // Faults below MQTT are not about packets: tests/long/disobedience.rs shows them.
        .filter(|d| d.statement.version == version && !d.statement.id.starts_with("MQTT-6.0.0-"))
        .map(|d| d.token());
    let hidden: Vec<String> = tokens
        .filter(|token| transcript(version, Disobey::parse(token).expect("a token of the list")) == obedient)
        .collect();
    assert!(hidden.is_empty(), "these change nothing: {hidden:#?}");
}
