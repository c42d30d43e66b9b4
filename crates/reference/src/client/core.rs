//! The core: what the application is told to do, and what goes out. Pure: it sees inputs and the time, and asks for
//! effects; it touches no socket and no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::duty::{self, Disobey};
use super::freedom::{Free, Freedom};
use super::manual::Manual;
use super::sabotage;
use super::session::{Outgoing, Session};
use crate::adapter::{Command, Endpoint, Message, Request};
use crate::statements::{PerVersion, Version};
use crate::wire::property::id;
use crate::wire::{Auth, ConnAck, Connect, Disconnect, Packet, Publish, Splitter, Subscribe, Text, Unsubscribe};

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

/// The reason codes of a client's AUTH (5.0, 3.15.2.1).
pub(super) const CONTINUE: u8 = 0x18;
const AGAIN: u8 = 0x19;

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
    pub(super) disobey: Disobey,
    free: Free,
    pub(super) phase: Phase,
    /// Where and how the application connects.
    options: Option<(Endpoint, Connect)>,
    pub(super) session: Session,
    /// The server has accepted a connection of this session, so that there is state to be resumed.
    pub(super) has_state: bool,
    /// Messages that wait for the connection, or for the server's Receive Maximum.
    pub(super) queue: VecDeque<Publish>,
    /// What the application has subscribed to.
    subscribed: Vec<Subscribe>,
    pub(super) connack: ConnAck,
    pub(super) splitter: Splitter,
    /// Topics of the server by their aliases.
    pub(super) aliases: BTreeMap<u16, Text>,
    /// The client's own topics by their aliases.
    pub(super) own_aliases: BTreeMap<u16, Text>,
    /// Identifiers that the server has released, for a client that takes them for used up.
    pub(super) released: BTreeSet<u16>,
    /// When received QoS 2 messages expire, by their identifiers.
    pub(super) expiring: BTreeMap<u16, Duration>,
    /// Acknowledgements that wait to be sent in the wrong order.
    pub(super) held: Vec<Packet>,
    /// What waits for the application's acknowledgement.
    pub(super) manual: Manual,
    last_sent: Duration,
    pub(super) now: Duration,
    pub(super) effects: Vec<Effect>,
}

impl Core {
    pub(super) fn new(disobey: Disobey, free: Free) -> Core {
        Core {
            disobey,
            free,
            phase: Phase::Idle,
            options: None,
            session: Session::default(),
            has_state: false,
            queue: VecDeque::new(),
            subscribed: Vec::new(),
            connack: ConnAck::default(),
            splitter: Splitter::default(),
            aliases: BTreeMap::new(),
            own_aliases: BTreeMap::new(),
            released: BTreeSet::new(),
            expiring: BTreeMap::new(),
            held: Vec::new(),
            manual: Manual::default(),
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

    /// Where the application connects.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        self.options.as_ref().map(|(endpoint, _)| endpoint)
    }

    /// The CONNECT options of the application.
    pub(super) fn connect(&self) -> Option<&Connect> {
        self.options.as_ref().map(|(_, connect)| connect)
    }

    pub(super) fn breaks(&self, duty: PerVersion) -> bool {
        self.disobey.breaks(duty, self.version())
    }

    pub(super) fn free(&self, freedom: Freedom) -> bool {
        self.free.uses(freedom)
    }

    pub(super) fn say(&mut self, event: &str, text: &str) {
        self.effects
            .push(Effect::Say(Message::Event(event.to_owned(), text.to_owned())));
    }

    pub(super) fn send(&mut self, mut packet: Packet) {
        if self.phase == Phase::Idle || self.phase == Phase::Opening {
            return;
        }
        self.last_sent = self.now;
        if self.version() == Version::V5 && self.free(Freedom::AckProperties) {
            self.explain(&mut packet);
        }
        let is_long = self.version() == Version::V5 && self.free(Freedom::LongAcks);
        let bytes = sabotage::encoded(packet, self.version(), is_long, |duty| self.breaks(duty));
        self.effects.push(Effect::Send(bytes));
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
                let own = self.with_limits(&endpoint, (*connect).clone());
                self.options = Some((endpoint.clone(), own));
                let permitted = self.permits(Packet::Connect(connect));
                match permitted {
                    Ok(()) => self.open(endpoint),
                    Err(_) => self.options = None,
                }
                permitted.err()
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
            Command::Auth(auth) => self.auth(auth).err(),
            Command::Ack(ack) => self.ack(&ack).err(),
            Command::Plan(_) => Some("it needs no plan".to_owned()),
            Command::End => {
                self.forget();
                None
            }
        };
        let answer = match refused {
            None => Message::Taken(request.id),
            Some(why) if self.free(Freedom::LateRefusals) => {
                self.say("error", &why);
                Message::Taken(request.id)
            }
            Some(why) => Message::Refused(request.id, why),
        };
        self.effects.push(Effect::Say(answer));
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
        self.subscribed.clear();
        self.own_aliases.clear();
        self.released.clear();
        self.expiring.clear();
        self.held.clear();
        self.manual = Manual::default();
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
        if !self.breaks(duty::ALIASES_END) {
            self.own_aliases.clear();
        }
        self.session.requests.clear();
        self.session.begin();
        self.held.clear();
        // The server sends again what is not acknowledged.
        self.manual = Manual::default();
        if self.has_state && self.breaks(duty::KEEP_SESSION) {
            self.session = Session::default();
        }
        if self.breaks(duty::CONNECT_FIRST) {
            self.send(Packet::PingReq);
        }
        if self.has_state && self.breaks(duty::SAME_CLIENT_ID) {
            connect.client_id = format!("{}x", connect.client_id).into();
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

    fn publish(&mut self, mut publish: Publish) -> Result<(), String> {
        self.permits(Packet::Publish(publish.clone()))?;
        if self.phase == Phase::Connected {
            if self.free(Freedom::Repairs) {
                self.repair(&mut publish);
            }
            self.within_limits(&publish)?;
        }
        if publish.qos == 0 {
            if self.phase == Phase::Connected {
                self.note_alias(&publish);
                self.send(Packet::Publish(publish));
            }
            return Ok(());
        }
        let method = self.connect().and_then(|c| c.properties.get(id::AUTHENTICATION_METHOD));
        if self.phase == Phase::Connecting && method.is_some() && self.breaks(duty::AUTH_BEFORE_CONNACK) {
            self.start(publish);
            return Ok(());
        }
        self.queue.push_back(publish);
        self.send_queued();
        Ok(())
    }

    /// Remembers the topic that a message gives an alias.
    fn note_alias(&mut self, publish: &Publish) {
        if let Some(alias) = publish.properties.number(id::TOPIC_ALIAS)
            && !publish.topic.is_empty()
        {
            self.own_aliases.insert(alias as u16, publish.topic.clone());
        }
    }

    /// Sends what waits, as far as the server's Receive Maximum goes.
    pub(super) fn send_queued(&mut self) {
        while self.phase == Phase::Connected && (!self.is_full() || self.breaks(duty::RECEIVE_MAXIMUM)) {
            let Some(publish) = self.queue.pop_front() else {
                break;
            };
            // What was published before the CONNACK may exceed its limits.
            match self.within_limits(&publish) {
                Ok(()) => self.start(publish),
                Err(why) => self.say("error", &why),
            }
        }
    }

    /// Sends a QoS 1 or QoS 2 message for the first time.
    fn start(&mut self, mut publish: Publish) {
        let repeats = self.breaks(duty::UNIQUE_IDS)
            || publish.qos == 1 && self.breaks(duty::UNIQUE_IDS_QOS_1)
            || publish.qos == 2 && self.breaks(duty::UNIQUE_IDS_QOS_2);
        let id = if self.breaks(duty::NONZERO_IDS) {
            0
        } else {
            self.take_id(repeats)
        };
        publish.packet_id = Some(id);
        publish.dup =
            publish.qos == 1 && self.breaks(duty::FIRST_QOS_1) || publish.qos == 2 && self.breaks(duty::FIRST_QOS_2);
        self.note_alias(&publish);
        self.send(Packet::Publish(publish.clone()));
        // On another connection the alias means nothing (5.0, MQTT-3.3.2-7).
        if let Some(alias) = publish.properties.number(id::TOPIC_ALIAS)
            && !self.breaks(duty::ALIASES_END)
        {
            if let Some(topic) = self.own_aliases.get(&(alias as u16)) {
                publish.topic = topic.clone();
            }
            publish.properties.0.retain(|one| one.id != id::TOPIC_ALIAS);
        }
        let sent_at = self.now;
        self.session.start(Outgoing {
            id,
            publish,
            released: false,
            is_sent: true,
            sent_at,
        });
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
        self.permits(Packet::Subscribe(subscribe.clone()))?;
        self.connected()?;
        self.fits(&Packet::Subscribe(subscribe.clone()))?;
        if self.breaks(duty::OTHERS_DO_NOT_WAIT) && self.is_full() {
            return Ok(());
        }
        subscribe.packet_id = self.request_id();
        self.subscribed.push(subscribe.clone());
        self.send(Packet::Subscribe(subscribe));
        Ok(())
    }

    fn unsubscribe(&mut self, mut unsubscribe: Unsubscribe) -> Result<(), String> {
        self.permits(Packet::Unsubscribe(unsubscribe.clone()))?;
        self.connected()?;
        self.fits(&Packet::Unsubscribe(unsubscribe.clone()))?;
        unsubscribe.packet_id = self.request_id();
        self.send(Packet::Unsubscribe(unsubscribe));
        Ok(())
    }

    /// Sends every SUBSCRIBE again, as some libraries do after a reconnect.
    pub(super) fn resubscribe(&mut self) {
        for mut subscribe in self.subscribed.clone() {
            subscribe.packet_id = self.request_id();
            self.send(Packet::Subscribe(subscribe));
        }
    }

    /// An identifier for a SUBSCRIBE or UNSUBSCRIBE.
    fn request_id(&mut self) -> u16 {
        let id = self.take_id(self.breaks(duty::UNIQUE_IDS));
        self.session.requests.insert(id);
        id
    }

    fn take_id(&mut self, repeats: bool) -> u16 {
        if self.free(Freedom::RandomIds) && !repeats {
            return self.session.random_id();
        }
        self.session.take_id(repeats)
    }

    fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), String> {
        self.permits(Packet::Disconnect(disconnect.clone()))?;
        self.connected()?;
        self.expiry_may_change(&disconnect)?;
        let disconnect = self.fitting(disconnect);
        let is_error = disconnect.reason_code >= 0x80;
        let method = self.connect().and_then(|c| c.properties.get(id::AUTHENTICATION_METHOD));
        let is_failure = is_error && method.is_some();
        self.send(Packet::Disconnect(disconnect));
        if self.breaks(duty::SILENT_AFTER_DISCONNECT) {
            self.send(Packet::PingReq);
        }
        let stays = self.breaks(duty::CLOSE_AFTER_DISCONNECT)
            || is_error && self.breaks(duty::CLOSE_AFTER_ERROR)
            || is_failure && self.breaks(duty::AUTH_FAILURE_CLOSES);
        if stays {
            self.phase = Phase::Left;
        } else {
            self.close();
        }
        Ok(())
    }

    /// Continues the authentication, or authenticates again (5.0, 4.12).
    fn auth(&mut self, mut auth: Auth) -> Result<(), String> {
        self.permits(Packet::Auth(auth.clone()))?;
        let is_open = matches!(self.phase, Phase::Connecting | Phase::Connected);
        let method = self.connect().and_then(|c| c.properties.get(id::AUTHENTICATION_METHOD));
        if !is_open || method.is_none() {
            return Err("there is no authentication to go on with".to_owned());
        }
        if auth.properties.get(id::AUTHENTICATION_METHOD) != method && !self.breaks(duty::AUTH_METHOD) {
            return Err("the Authentication Method is that of the CONNECT".to_owned());
        }
        if auth.reason_code == CONTINUE && self.breaks(duty::AUTH_CONTINUES) {
            auth.reason_code = AGAIN;
        }
        let auth = self.fitting_auth(auth);
        self.send(Packet::Auth(auth));
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
        let most = most + usize::from(self.breaks(duty::INITIAL_QUOTA));
        let spent = if self.breaks(duty::SEND_QUOTA) {
            self.session.started
        } else {
            self.session.in_flight()
        };
        spent >= most
    }
}
