//! What the server sends: which packets are right, and what the client owes for them.

use std::time::Duration;

use super::core::{CONTINUE, Core, Phase};
use super::duty;
use super::freedom::Freedom;
use crate::statements::{PerVersion, StatementId, Version, catalogue};
use crate::wire::property::id;
use crate::wire::{
    Ack, Auth, ConnAck, Decoded, Disconnect, Frame, Packet, PacketType, Piece, Properties, Publish, Side, decode,
};

/// The reason codes with which a client leaves (5.0, 4.13).
const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const ALIAS_INVALID: u8 = 0x94;

impl Core {
    /// Takes bytes of the server.
    pub(super) fn received(&mut self, bytes: &[u8]) {
        for piece in self.splitter.push(bytes) {
            if !matches!(self.phase, Phase::Connecting | Phase::Connected) {
                return;
            }
            match piece {
                Piece::Frame(frame) => self.frame(&frame),
                Piece::Broken { .. } => self.violated_with(MALFORMED),
            }
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let decoded = decode(frame, self.version(), Side::Server);
        if self.refuses(&decoded) {
            return self.leave(MALFORMED);
        }
        // What is not understood is passed over by a client that breaks its duty.
        let is_wrong = !decoded.breaches.is_empty();
        match decoded.packet {
            Some(Packet::Disconnect(_)) if is_wrong => {}
            Some(packet) => self.packet(packet),
            None => {}
        }
    }

    /// Whether a packet is malformed, or a protocol error by itself: then the connection ends.
    fn refuses(&self, decoded: &Decoded) -> bool {
        let is_must = |statement: StatementId| catalogue().level(statement).is_must();
        let mut breaches = decoded
            .breaches
            .iter()
            .filter(|breach| is_must(breach.statement))
            .peekable();
        if breaches.peek().is_none() && decoded.packet.is_some() {
            return false;
        }
        let tolerates = |duty: PerVersion, statement: StatementId| {
            self.breaks(duty) && duty.first(self.version()) == Some(statement)
        };
        let lenient = [duty::CLOSE_ON_ILL_FORMED, duty::CLOSE_ON_NUL, duty::CLOSE_ON_QOS_3];
        let mut any = false;
        for breach in breaches {
            any = true;
            let is_disconnect = decoded.packet_type == Some(PacketType::Disconnect);
            let is_auth = decoded.packet_type == Some(PacketType::Auth);
            // The reserved flags are in the first byte; each packet has a statement of its own about them.
            let is_of_flags = breach.span.end <= 1 && decoded.packet_type != Some(PacketType::Publish);
            let passes = is_of_flags && self.breaks(duty::CLOSE_ON_FLAGS)
                || lenient.iter().any(|duty| tolerates(*duty, breach.statement))
                || self.breaks(duty::CLOSE_ON_VIOLATION)
                || is_disconnect && self.breaks(duty::CLOSE_ON_DISCONNECT_FLAGS)
                || is_auth && self.breaks(duty::CLOSE_ON_AUTH_FLAGS);
            if !passes {
                return true;
            }
        }
        !any
    }

    /// Ends the connection because of an error; in 5.0 the server is told why.
    pub(super) fn leave(&mut self, reason_code: u8) {
        let tells = self.phase == Phase::Connected && !self.free(Freedom::BareClose);
        if self.version() == Version::V5 && tells {
            self.send(Packet::Disconnect(Disconnect {
                reason_code,
                ..Disconnect::default()
            }));
        }
        self.close();
        self.say("error", &format!("left with 0x{reason_code:02x}"));
    }

    fn packet(&mut self, packet: Packet) {
        let pings = packet != Packet::PingResp && self.free(Freedom::Pings);
        match (packet, self.phase) {
            (Packet::ConnAck(connack), Phase::Connecting) => self.accepted(connack),
            (Packet::Auth(auth), _) => self.authenticated(auth),
            // CONNACK comes first, once.
            (Packet::ConnAck(_), _) | (_, Phase::Connecting) => self.violated(),
            (Packet::Publish(publish), _) => self.delivered(publish),
            (Packet::PubAck(ack), _) => {
                if self.session.find(ack.packet_id).is_some_and(|one| one.publish.qos == 1) {
                    self.forget_acknowledged(&ack);
                }
            }
            (Packet::PubRec(ack), _) => self.recorded(&ack),
            (Packet::PubRel(ack), _) => self.released(ack.packet_id),
            (Packet::PubComp(ack), _) => {
                if self.session.find(ack.packet_id).is_some_and(|one| one.released) {
                    self.session.done(ack.packet_id);
                    self.send_queued();
                }
            }
            (Packet::SubAck(ack), _) => {
                self.session.requests.remove(&ack.packet_id);
            }
            (Packet::UnsubAck(ack), _) => {
                self.session.requests.remove(&ack.packet_id);
            }
            (Packet::PingResp, _) => {}
            (Packet::Disconnect(_), _) if self.version() == Version::V5 => self.close(),
            // What only a client sends, and in 3.x DISCONNECT.
            _ => self.violated(),
        }
        if pings && self.phase == Phase::Connected {
            self.send(Packet::PingReq);
        }
    }

    /// The server has sent what it may not send here (3.1.1, 4.8; 5.0, 4.13).
    fn violated(&mut self) {
        self.violated_with(PROTOCOL_ERROR);
    }

    fn violated_with(&mut self, reason_code: u8) {
        if !self.breaks(duty::CLOSE_ON_VIOLATION) {
            self.leave(reason_code);
        }
    }

    /// AUTH (5.0, 4.12). The application is told, and says how to go on.
    fn authenticated(&mut self, auth: Auth) {
        let method = |properties: &Properties| properties.get(id::AUTHENTICATION_METHOD).cloned();
        let own = self.connect().and_then(|connect| method(&connect.properties));
        if own.is_some() && own == method(&auth.properties) {
            return self.say("auth", &format!("0x{:02x}", auth.reason_code));
        }
        if own.is_none() && self.breaks(duty::NO_AUTH_UNASKED) {
            return self.send(Packet::Auth(Auth {
                reason_code: CONTINUE,
                ..auth
            }));
        }
        if !self.breaks(duty::CLOSE_ON_AUTH_FLAGS) {
            self.violated();
        }
    }

    fn accepted(&mut self, connack: ConnAck) {
        if connack.reason_code != 0 {
            self.say("disconnected", &format!("refused with 0x{:02x}", connack.reason_code));
            return self.close();
        }
        let version = self.version();
        if version == Version::V5 && connack.session_present && !self.has_state && !self.breaks(duty::NO_STATE_CLOSES) {
            // The CONNACK is there, so that the reason can be given.
            self.phase = Phase::Connected;
            return self.leave(PROTOCOL_ERROR);
        }
        let is_clean = self.connect().is_none_or(|connect| connect.clean_start);
        // 3.1.1 leaves it to the client whether it goes on with a session that the server has lost (3.2.2.2).
        let is_lost = version == Version::V5 && !connack.session_present && !self.breaks(duty::LOST_STATE_IS_DROPPED);
        let is_over = self.has_state && (is_clean || is_lost);
        if is_over && !(is_clean && self.breaks(duty::CLEAN_SESSION)) {
            let old = std::mem::take(&mut self.session.outgoing);
            if self.free(Freedom::Republish) {
                for one in old.into_iter().rev().filter(|one| !one.released) {
                    self.queue.push_front(one.publish);
                }
            }
            self.session.incoming.clear();
        }
        let is_again = std::mem::replace(&mut self.has_state, true);
        self.phase = Phase::Connected;
        self.connack = connack;
        self.say("connected", "");
        if is_again && self.free(Freedom::Resubscribe) {
            self.resubscribe();
        }
        self.resume();
        self.send_queued();
    }

    fn delivered(&mut self, publish: Publish) {
        if let Some(alias) = publish.properties.number(id::TOPIC_ALIAS) {
            let own = self
                .connect()
                .and_then(|c| c.properties.number(id::TOPIC_ALIAS_MAXIMUM))
                .unwrap_or(0);
            let most = if self.breaks(duty::ACCEPT_ALIASES) {
                own.min(1)
            } else {
                own
            };
            let alias = alias as u16;
            if publish.topic.is_empty() && !self.aliases.contains_key(&alias) || u32::from(alias) > most {
                return if alias > 0 && u32::from(alias) <= own && !publish.topic.is_empty() {
                    self.leave(ALIAS_INVALID)
                } else {
                    self.violated_with(ALIAS_INVALID)
                };
            }
            if !publish.topic.is_empty() {
                self.aliases.insert(alias, publish.topic.clone());
            }
        }
        if self.breaks(duty::OTHERS_DO_NOT_WAIT) && self.is_full() {
            return;
        }
        let Some(id) = publish.packet_id.filter(|_| publish.qos > 0) else {
            return self.message(&publish);
        };
        let is_known = self.session.incoming.contains(&id);
        let is_ignored = self.breaks(duty::IDS_OF_A_DIRECTION) && self.session.find(id).is_some()
            || self.breaks(duty::DUP_IS_A_HINT) && publish.dup && !is_known
            || self.breaks(duty::NEW_AFTER_PUBCOMP) && self.released.contains(&id);
        if is_ignored {
            return;
        }
        if publish.qos == 1 {
            self.message(&publish);
            if self.is_manual() {
                return self.hold(id, 1);
            }
            let mut ack = Ack::new(id);
            if self.breaks(duty::ACK_ID) {
                ack.packet_id = id.wrapping_add(1).max(1);
            }
            let packet = if self.breaks(duty::BY_QOS) {
                Packet::PubRec(ack)
            } else {
                Packet::PubAck(ack)
            };
            let is_repeat = !self.session.incoming.insert(id) && self.breaks(duty::NEW_AFTER_PUBACK);
            self.session.incoming.remove(&id);
            if self.breaks(duty::NEW_AFTER_PUBACK) {
                self.session.incoming.insert(id);
            }
            if !self.breaks(duty::PUBACK) && !self.breaks(duty::ACKNOWLEDGE) && !is_repeat {
                self.acknowledge(packet, duty::PUBACK_ORDER);
            }
            return;
        }
        let is_new = self.session.incoming.insert(id);
        if let Some(seconds) = publish.properties.number(id::MESSAGE_EXPIRY_INTERVAL) {
            let expires = self.now + Duration::from_secs(seconds.into());
            self.expiring.insert(id, expires);
        }
        let is_delivered = is_new || self.breaks(duty::DELIVERED_ONCE);
        if is_delivered {
            self.message(&publish);
        }
        if !is_new && self.breaks(duty::PUBREC_AGAIN) || self.breaks(duty::PUBREC) {
            return;
        }
        if is_delivered && self.is_manual() {
            return self.hold(id, 2);
        }
        self.acknowledge(Packet::PubRec(Ack::new(id)), duty::PUBREC_ORDER);
    }

    /// Sends an acknowledgement. A client that breaks the order holds the first of two back.
    fn acknowledge(&mut self, packet: Packet, order: PerVersion) {
        if !self.breaks(order) {
            return self.send(packet);
        }
        self.held.push(packet);
        if self.held.len() > 1 {
            for packet in std::mem::take(&mut self.held).into_iter().rev() {
                self.send(packet);
            }
        }
    }

    fn message(&mut self, publish: &Publish) {
        let topic = publish.topic.as_str().unwrap_or_default().to_owned();
        self.say("message", &topic);
    }

    /// PUBREC (4.3.3).
    fn recorded(&mut self, ack: &Ack) {
        let is_open = self.session.find(ack.packet_id).is_some_and(|one| one.publish.qos == 2);
        if ack.reason_code >= 0x80 {
            if is_open {
                self.forget_acknowledged(ack);
            }
            return;
        }
        let now = self.now;
        let mut has_expired = false;
        if let Some(one) = self.session.find(ack.packet_id) {
            one.released = true;
            let seconds = one.publish.properties.number(id::MESSAGE_EXPIRY_INTERVAL);
            has_expired = seconds.is_some_and(|seconds| now >= one.sent_at + Duration::from_secs(seconds.into()));
        }
        if self.breaks(duty::PUBREL) || has_expired && self.breaks(duty::SENT_DOES_NOT_EXPIRE) {
            return;
        }
        let mut pubrel = Ack::new(ack.packet_id);
        if self.version() == Version::V5 && !is_open {
            // Packet Identifier not found (5.0, 3.6.2.1).
            pubrel.reason_code = 0x92;
        }
        self.acknowledge(Packet::PubRel(pubrel), duty::PUBREL_ORDER);
    }

    /// A message is acknowledged, or refused, which counts as acknowledged (5.0, MQTT-4.4.0-2).
    fn forget_acknowledged(&mut self, ack: &Ack) {
        if ack.reason_code >= 0x80 && self.breaks(duty::REFUSED_IS_ACKNOWLEDGED) {
            return;
        }
        self.session.done(ack.packet_id);
        self.send_queued();
    }

    /// PUBREL (4.3.3).
    fn released(&mut self, id: u16) {
        let was_open = self.session.incoming.remove(&id) && !self.breaks(duty::STATE_WHILE_CONNECTED);
        self.released.insert(id);
        let has_expired = self.expiring.remove(&id).is_some_and(|at| self.now >= at);
        if self.breaks(duty::PUBCOMP) || has_expired && self.breaks(duty::RECEIVED_DOES_NOT_EXPIRE) {
            return;
        }
        let mut pubcomp = Ack::new(id);
        if self.version() == Version::V5 && !was_open {
            pubcomp.reason_code = 0x92;
        }
        self.send(Packet::PubComp(pubcomp));
    }
}
