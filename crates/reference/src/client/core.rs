//! The core: what the application is told to do, and what goes out. Pure: it sees inputs and the time, and asks for
//! effects; it touches no socket and no clock.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::duty::{self, Disobey};
use super::session::{Outgoing, Session};
use crate::adapter::{Command, Endpoint, Message, Request};
use crate::statements::{PerVersion, Version};
use crate::wire::property::id;
use crate::wire::{
    ConnAck, Connect, Disconnect, Packet, Publish, Splitter, Subscribe, Text, Unsubscribe, encode_bytes,
};

/// The input of the core.
#[derive(Debug)]
pub(super) enum Input {
    Told(Request),
    /// The connection that was asked for is open.
    Opened,
    /// It could not be opened.
    Failed(String),
    Received(Bytes),
    /// The server has ended the connection.
    Closed,
    Tick,
}

/// What the core wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    Open(Endpoint),
    Send(Bytes),
    Close,
    Say(Message),
}

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Opening,
    /// CONNECT is sent.
    Connecting,
    Connected,
    /// DISCONNECT is sent. Only a client that breaks its duty stays here.
    Left,
}

/// The client.
pub(super) struct Core {
    disobey: Disobey,
    pub(super) phase: Phase,
    /// Where and how the application connects.
    options: Option<(Endpoint, Connect)>,
    pub(super) session: Session,
    /// The server has accepted a connection of this session, so that there is state to be resumed.
    pub(super) has_state: bool,
    /// Messages that wait for the connection, or for the server's Receive Maximum.
    queue: VecDeque<Publish>,
    pub(super) connack: ConnAck,
    pub(super) splitter: Splitter,
    /// Topics of the server by their aliases.
    pub(super) aliases: BTreeMap<u16, Text>,
    /// Acknowledgements that wait to be sent in the wrong order.
    pub(super) held: Vec<Packet>,
    last_sent: Duration,
    now: Duration,
    pub(super) effects: Vec<Effect>,
}

impl Core {
    pub(super) fn new(disobey: Disobey) -> Core {
        Core {
            disobey,
            phase: Phase::Idle,
            options: None,
            session: Session::default(),
            has_state: false,
            queue: VecDeque::new(),
            connack: ConnAck::default(),
            splitter: Splitter::default(),
            aliases: BTreeMap::new(),
            held: Vec::new(),
            last_sent: Duration::ZERO,
            now: Duration::ZERO,
            effects: Vec::new(),
        }
    }

    /// Takes an input at a time, and says what is to be done.
    pub(super) fn handle(&mut self, input: Input, now: Duration) -> Vec<Effect> {
        self.now = now;
        match input {
            Input::Told(request) => self.told(request),
            Input::Opened => self.opened(),
            Input::Failed(why) => {
                self.phase = Phase::Idle;
                self.say("disconnected", &why);
            }
            Input::Received(bytes) => self.received(&bytes),
            Input::Closed if self.phase != Phase::Idle => {
                self.phase = Phase::Idle;
                self.effects.push(Effect::Close);
                self.say("disconnected", "the server closed the connection");
            }
            Input::Closed => {}
            Input::Tick => self.tick(),
        }
        std::mem::take(&mut self.effects)
    }

    /// When [`Input::Tick`] is due: in time for the keep alive, whichever side has set it.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        if self.phase != Phase::Connected || self.breaks(duty::KEEP_ALIVE) {
            return None;
        }
        let (_, connect) = self.options.as_ref()?;
        let servers = self.connack.properties.number(id::SERVER_KEEP_ALIVE);
        let servers = servers.filter(|_| !self.breaks(duty::SERVER_KEEP_ALIVE));
        let seconds = servers.unwrap_or(connect.keep_alive.into());
        // A quarter of it is left for the way.
        (seconds > 0).then(|| self.last_sent + Duration::from_secs(seconds.into()) * 3 / 4)
    }

    fn tick(&mut self) {
        if self.next_deadline().is_some_and(|at| self.now >= at) {
            self.send(Packet::PingReq);
        }
    }

    pub(super) fn version(&self) -> Version {
        self.options
            .as_ref()
            .map_or(Version::V5, |(endpoint, _)| endpoint.version)
    }

    /// The CONNECT options of the application.
    pub(super) fn connect(&self) -> Option<&Connect> {
        self.options.as_ref().map(|(_, connect)| connect)
    }

    pub(super) fn breaks(&self, duty: PerVersion) -> bool {
        self.disobey.breaks(duty, self.version())
    }

    pub(super) fn say(&mut self, event: &str, text: &str) {
        self.effects
            .push(Effect::Say(Message::Event(event.to_owned(), text.to_owned())));
    }

    pub(super) fn send(&mut self, packet: Packet) {
        if self.phase == Phase::Idle || self.phase == Phase::Opening {
            return;
        }
        self.last_sent = self.now;
        self.effects.push(Effect::Send(encode_bytes(&packet, self.version())));
    }

    /// Closes the connection.
    pub(super) fn close(&mut self) {
        self.phase = Phase::Idle;
        self.effects.push(Effect::Close);
    }

    fn told(&mut self, request: Request) {
        let refused = match request.command {
            Command::Connect(endpoint, connect) => {
                self.forget();
                self.options = Some((endpoint.clone(), *connect));
                self.open(endpoint);
                None
            }
            Command::Reconnect => match self.options.as_ref().map(|(endpoint, _)| endpoint.clone()) {
                Some(endpoint) => {
                    if self.phase != Phase::Idle {
                        self.close();
                    }
                    self.open(endpoint);
                    None
                }
                None => Some("it has never been connected".to_owned()),
            },
            Command::Publish(publish) => self.publish(publish).err(),
            Command::Subscribe(subscribe) => self.subscribe(subscribe).err(),
            Command::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe).err(),
            Command::Disconnect(disconnect) => self.disconnect(disconnect).err(),
            Command::End => {
                self.forget();
                None
            }
        };
        self.effects.push(Effect::Say(match refused {
            None => Message::Taken(request.id),
            Some(why) => Message::Refused(request.id, why),
        }));
    }

    /// Drops everything of a client object.
    fn forget(&mut self) {
        if self.phase != Phase::Idle {
            self.close();
        }
        self.options = None;
        self.session = Session::default();
        self.has_state = false;
        self.queue.clear();
        self.held.clear();
    }

    fn open(&mut self, endpoint: Endpoint) {
        self.phase = Phase::Opening;
        self.effects.push(Effect::Open(endpoint));
    }

    fn opened(&mut self) {
        let Some((_, connect)) = &self.options else { return };
        let mut connect = connect.clone();
        self.phase = Phase::Connecting;
        self.connack = ConnAck::default();
        self.splitter = Splitter::default();
        self.splitter.speaks(Some(self.version()));
        // Aliases and requests end with their connection (5.0, 3.3.2.3.4).
        self.aliases.clear();
        self.session.requests.clear();
        self.held.clear();
        if self.breaks(duty::CONNECT_FIRST) {
            self.send(Packet::PingReq);
        }
        if self.breaks(duty::WILL) {
            connect.will = None;
        }
        if self.breaks(duty::USER_NAME) {
            connect.username = None;
            if self.version() != Version::V5 {
                connect.password = None;
            }
        }
        if self.breaks(duty::PASSWORD) {
            connect.password = None;
        }
        self.send(Packet::from(connect));
    }

    fn publish(&mut self, publish: Publish) -> Result<(), String> {
        check_topic(&publish.topic, |duty| self.breaks(duty))?;
        if publish.qos > 2 && !self.breaks(duty::NO_QOS_3) {
            return Err(format!("QoS {} does not exist", publish.qos));
        }
        if self.phase == Phase::Connected {
            self.within_limits(&publish)?;
        }
        if publish.qos == 0 {
            if self.phase == Phase::Connected {
                self.send(Packet::Publish(publish));
            }
            return Ok(());
        }
        self.queue.push_back(publish);
        self.send_queued();
        Ok(())
    }

    /// Whether the server accepts a message, by its CONNACK (5.0, 3.2.2.3).
    fn within_limits(&self, publish: &Publish) -> Result<(), String> {
        let limit = |property| self.connack.properties.number(property);
        if limit(id::MAXIMUM_QOS).is_some_and(|most| u32::from(publish.qos) > most) && !self.breaks(duty::MAXIMUM_QOS) {
            return Err("the server does not support this QoS".to_owned());
        }
        if publish.retain && limit(id::RETAIN_AVAILABLE) == Some(0) && !self.breaks(duty::RETAIN_AVAILABLE) {
            return Err("the server retains no messages".to_owned());
        }
        if let Some(alias) = publish.properties.number(id::TOPIC_ALIAS) {
            let most = limit(id::TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
            let duty = if most == 0 {
                duty::NO_TOPIC_ALIAS
            } else {
                duty::TOPIC_ALIAS_MAXIMUM
            };
            if alias > most && !self.breaks(duty) {
                return Err(format!("the server accepts topic aliases up to {most}"));
            }
        }
        let length = encode_bytes(&Packet::Publish(publish.clone()), self.version()).len();
        // A packet identifier is not there yet.
        let length = length
            + if publish.qos > 0 && publish.packet_id.is_none() {
                2
            } else {
                0
            };
        let most = limit(id::MAXIMUM_PACKET_SIZE);
        if most.is_some_and(|most| length > most as usize) && !self.breaks(duty::MAXIMUM_PACKET_SIZE) {
            return Err("the server does not accept packets of this size".to_owned());
        }
        Ok(())
    }

    /// Sends what waits, as far as the server's Receive Maximum goes.
    pub(super) fn send_queued(&mut self) {
        if self.phase != Phase::Connected {
            return;
        }
        let most = self.connack.properties.number(id::RECEIVE_MAXIMUM).unwrap_or(65_535) as usize;
        while self.session.in_flight() < most || self.breaks(duty::RECEIVE_MAXIMUM) {
            let Some(mut publish) = self.queue.pop_front() else {
                break;
            };
            let id = if self.breaks(duty::NONZERO_IDS) {
                0
            } else {
                self.session.take_id(self.breaks(duty::UNIQUE_IDS))
            };
            publish.packet_id = Some(id);
            self.send(Packet::Publish(publish.clone()));
            self.session.outgoing.push(Outgoing {
                id,
                publish,
                released: false,
                is_sent: true,
            });
        }
    }

    /// Sends again what a resumed session holds, in the order of its first sending (MQTT-4.4.0-1, MQTT-4.6.0-1).
    pub(super) fn resume(&mut self) {
        if self.breaks(duty::RESEND) {
            return;
        }
        let mut outgoing = self.session.outgoing.clone();
        if self.breaks(duty::RESEND_ORDER) {
            outgoing.reverse();
        }
        for one in outgoing {
            let is_held = match (one.publish.qos, one.released) {
                (1, _) => !self.breaks(duty::HOLD_QOS_1),
                (_, false) => !self.breaks(duty::HOLD_QOS_2),
                (_, true) => !self.breaks(duty::HOLD_PUBREL),
            };
            if !is_held {
                continue;
            }
            if one.released && !self.breaks(duty::RELEASED_IS_NOT_RESENT) {
                self.send(Packet::PubRel(crate::wire::Ack::new(one.id)));
                continue;
            }
            let mut publish = one.publish;
            publish.dup = !self.breaks(duty::DUP_ON_RESEND);
            if self.breaks(duty::SAME_ID_ON_RESEND) {
                publish.packet_id = Some(one.id.wrapping_add(100));
            }
            self.send(Packet::Publish(publish));
        }
    }

    fn subscribe(&mut self, mut subscribe: Subscribe) -> Result<(), String> {
        if subscribe.subscriptions.is_empty() {
            return Err("a SUBSCRIBE needs a filter".to_owned());
        }
        for one in &subscribe.subscriptions {
            check_filter(&one.filter, |duty| self.breaks(duty))?;
        }
        self.connected()?;
        if self.breaks(duty::OTHERS_DO_NOT_WAIT) && self.is_full() {
            return Ok(());
        }
        subscribe.packet_id = self.session.take_id(self.breaks(duty::UNIQUE_IDS));
        self.session.requests.insert(subscribe.packet_id);
        self.send(Packet::Subscribe(subscribe));
        Ok(())
    }

    fn unsubscribe(&mut self, mut unsubscribe: Unsubscribe) -> Result<(), String> {
        if unsubscribe.filters.is_empty() {
            return Err("an UNSUBSCRIBE needs a filter".to_owned());
        }
        for filter in &unsubscribe.filters {
            check_filter(filter, |duty| self.breaks(duty))?;
        }
        self.connected()?;
        unsubscribe.packet_id = self.session.take_id(self.breaks(duty::UNIQUE_IDS));
        self.session.requests.insert(unsubscribe.packet_id);
        self.send(Packet::Unsubscribe(unsubscribe));
        Ok(())
    }

    fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), String> {
        self.connected()?;
        self.send(Packet::Disconnect(disconnect));
        if self.breaks(duty::SILENT_AFTER_DISCONNECT) {
            self.send(Packet::PingReq);
        }
        if self.breaks(duty::CLOSE_AFTER_DISCONNECT) {
            self.phase = Phase::Left;
        } else {
            self.close();
        }
        Ok(())
    }

    fn connected(&self) -> Result<(), String> {
        match self.phase {
            Phase::Connected => Ok(()),
            _ => Err("it is not connected".to_owned()),
        }
    }

    /// Whether no further QoS 1 or 2 message may be sent now.
    pub(super) fn is_full(&self) -> bool {
        let most = self.connack.properties.number(id::RECEIVE_MAXIMUM).unwrap_or(65_535) as usize;
        self.session.in_flight() >= most
    }
}

/// Whether a message may be published to a topic (3.1.1 and 5.0, section 4.7). `breaks` says which duties are not kept.
fn check_topic(topic: &Text, breaks: impl Fn(PerVersion) -> bool) -> Result<(), String> {
    let bytes = topic.as_bytes();
    if bytes.is_empty() {
        return Err("a topic has at least one character".to_owned());
    }
    if bytes.iter().any(|byte| b"+#".contains(byte)) && !breaks(duty::PLAIN_TOPICS) {
        return Err("a topic has no wildcards".to_owned());
    }
    if bytes.contains(&0) && !breaks(duty::NO_NUL) {
        return Err("a topic has no U+0000".to_owned());
    }
    Ok(())
}

/// Whether a filter is well-formed (3.1.1 and 5.0, section 4.7.1).
fn check_filter(filter: &Text, breaks: impl Fn(PerVersion) -> bool) -> Result<(), String> {
    let bytes = filter.as_bytes();
    if bytes.is_empty() {
        return Err("a filter has at least one character".to_owned());
    }
    if bytes.contains(&0) && !breaks(duty::NO_NUL) {
        return Err("a filter has no U+0000".to_owned());
    }
    let levels: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').collect();
    for (at, level) in levels.iter().enumerate() {
        let is_last = at + 1 == levels.len();
        if level.contains(&b'#') && !(*level == b"#" && is_last) && !breaks(duty::MULTI_LEVEL) {
            return Err("`#` is a whole level, and the last".to_owned());
        }
        if level.contains(&b'+') && *level != b"+" && !breaks(duty::SINGLE_LEVEL) {
            return Err("`+` is a whole level".to_owned());
        }
    }
    Ok(())
}
