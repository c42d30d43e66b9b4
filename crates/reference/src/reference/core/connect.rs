//! CONNECT and its CONNACK (3.1.1 and 5.0, sections 3.1 and 3.2).

use super::connection::{Phase, authentication_method, maximum_packet_size, seconds};
use super::offence::Fault;
use super::reason::{self, v3};
use super::session::NEVER;
use super::state::Record;
use super::{Broker, Cause, ConnectionId, Effect, Received, encoded_len};
use crate::reference::combined::Combined;
use crate::reference::duty::Duty;
use crate::reference::freedom::Choice;
use crate::statements::StatementId;
use crate::wire::property::id;
use crate::wire::{ConnAck, Connect, Packet, Properties, PropertyValue, Publish, Text, Version};

/// The refusal of a CONNECT.
struct Refusal {
    /// The return code of 3.x; `None` if 3.x closes without CONNACK.
    v3: Option<u8>,
    /// The reason code of 5.0.
    v5: u8,
    why: String,
}

impl Refusal {
    fn new(v3: impl Into<Option<u8>>, v5: u8, why: &str) -> Refusal {
        Refusal {
            v3: v3.into(),
            v5,
            why: why.to_owned(),
        }
    }
}

impl Broker {
    /// The first packet of a connection, which is a CONNECT.
    pub(super) fn connect(&mut self, id: ConnectionId, received: Received) {
        let version = received.version.filter(|v| self.config.versions.contains(v));
        let Some(version) = version.or_else(|| self.tolerated_version(&received)) else {
            return self.refuse_version(id, received);
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.version = version;
            // A refusal respects the client's limit as well (v5:MQTT-3.2.2-19).
            if let Some(Packet::Connect(connect)) = &received.packet {
                connection.maximum_packet_size = maximum_packet_size(connect);
            }
        }
        let too_large = (self.config.limits.packet_size(version)).is_some_and(|limit| received.size > limit.into());
        if too_large {
            return self.refuse(
                id,
                Refusal::new(None, reason::PACKET_TOO_LARGE, "the packet is too large"),
            );
        }
        // v3.1.1:MQTT-3.1.4-1, v5:MQTT-3.1.4-1: what is no CONNECT by its form is closed, in 3.x without CONNACK.
        if !self.leaves_form_unchecked(version)
            && let Some(fault) = self.unforgiven(received.faults)
        {
            return self.refuse(id, Refusal::new(None, fault.reason, &fault.text));
        }
        let connect = match received.packet {
            Some(Packet::Connect(connect)) => *connect,
            // A packet that cannot be read arrives here only if a violation was let through: it counts as a CONNECT with
            // empty fields. 3.1 has no empty client id, which would be refused on its own.
            _ if version == Version::V3_1 => Connect::new(version, self.assign_client_id()),
            _ => Connect::new(version, ""),
        };
        match self.check(version, &connect) {
            Ok(client) if version == Version::V5 && self.knows_method(&connect) => {
                self.begin_authentication(id, client, connect);
            }
            Ok(client) => self.accept(id, version, client, connect),
            Err(refusal) => self.refuse(id, refusal),
        }
    }

    /// Whether a CONNECT is served whatever its form (the faults v3.1.1:MQTT-3.1.4-1 and v5:MQTT-3.1.4-1). 3.1 has no such
    /// duty.
    fn leaves_form_unchecked(&self, version: Version) -> bool {
        version != Version::V3_1
            && self
                .config
                .disobey
                .lets_through(StatementId::new(version, "MQTT-3.1.4-1"))
    }

    /// Treats a packet as one of a client that has sent a CONNECT of 3.1 (the fault v3.1:§3.1/connect-first).
    pub(super) fn serve_unnamed(&mut self, id: ConnectionId, received: Received) {
        let client = self.assign_client_id();
        self.accept(id, Version::V3_1, client.clone(), Connect::new(Version::V3_1, client));
        self.received(id, received);
    }

    /// The version with which a wrong name or level is let through: that of the level, else the newest.
    fn tolerated_version(&self, received: &Received) -> Option<Version> {
        let Some(Packet::Connect(connect)) = &received.packet else {
            return None;
        };
        let lets = |version: Version, v3_1, later| {
            let id = if version == Version::V3_1 { v3_1 } else { later };
            self.config.disobey.lets_through(StatementId::new(version, id)) && self.config.versions.contains(&version)
        };
        let level = connect.protocol_level;
        match Version::ALL.into_iter().find(|v| v.protocol_level() == level) {
            Some(version) => lets(version, "§2.2/protocol-name", "MQTT-3.1.2-1").then_some(version),
            None => (Version::ALL.into_iter().rev()).find(|v| lets(*v, "§2.2/protocol-version", "MQTT-3.1.2-2")),
        }
    }

    /// A protocol name or level that is not supported.
    ///
    /// The form of the CONNACK is open if the level is none of the three: 3.1.1 says MUST (return code 1,
    /// v3.1.1:MQTT-3.1.2-2), 5.0 says MAY (0x84, v5:MQTT-3.1.2-2). The MUST wins if 3.1.1 is supported. A wrong name gets
    /// no answer at 3.x (v3.1.1:MQTT-3.1.2-1 leaves it open, and a client of another protocol would not read it).
    fn refuse_version(&mut self, id: ConnectionId, received: Received) {
        let Some(Packet::Connect(connect)) = received.packet else {
            return self.refuse(
                id,
                Refusal::new(None, reason::MALFORMED_PACKET, "not a CONNECT that can be read"),
            );
        };
        let name = connect.protocol_name.as_bytes();
        let known_name = Version::ALL.iter().any(|v| v.protocol_name().as_bytes() == name);
        let offers_3 = self.config.versions.iter().any(|v| *v != Version::V5);
        let as_v5 = match connect.protocol_level {
            5 => true,
            3 | 4 => false,
            _ => !offers_3,
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.version = if as_v5 { Version::V5 } else { Version::V3_1_1 };
        }
        self.refuse(
            id,
            Refusal {
                v3: known_name.then_some(v3::UNACCEPTABLE_VERSION),
                v5: reason::UNSUPPORTED_VERSION,
                why: "the protocol name or version is not offered".to_owned(),
            },
        );
    }

    /// What must hold for a well-formed CONNECT. Returns the client id to use.
    fn check(&mut self, version: Version, connect: &Connect) -> Result<Text, Refusal> {
        // v5:MQTT-4.12.0-1.
        if version == Version::V5
            && authentication_method(connect).is_some()
            && !self.knows_method(connect)
            && self.must(Duty::RefuseUnknownAuthMethod)
        {
            return Err(Refusal::new(
                None,
                reason::BAD_AUTHENTICATION_METHOD,
                "this authentication method is not offered",
            ));
        }
        self.check_login(connect)?;
        self.check_will(version, connect)?;
        self.client_id(version, connect)
    }

    /// Whether the CONNECT names the broker's method of enhanced authentication.
    fn knows_method(&self, connect: &Connect) -> bool {
        let named = authentication_method(connect);
        named.is_some() && named.as_ref() == self.config.auth.as_ref().map(|auth| &auth.method)
    }

    /// v5:MQTT-3.1.4-2. In 3.x code 4 is for a wrong login, 5 for a missing one (3.1.1, table 3.1).
    fn check_login(&self, connect: &Connect) -> Result<(), Refusal> {
        if !self.must(Duty::CheckLogin) {
            return Ok(());
        }
        let Some(name) = &connect.username else {
            return if self.config.anonymous {
                Ok(())
            } else {
                Err(Refusal::new(
                    v3::NOT_AUTHORIZED,
                    reason::NOT_AUTHORIZED,
                    "a user name is needed",
                ))
            };
        };
        let password = connect.password.clone().unwrap_or_default();
        let known = (self.config.users.iter()).any(|u| u.name == *name && u.password == password);
        // Without any users the broker is open to everyone, and an unneeded login does no harm.
        if known || self.config.users.is_empty() && self.config.anonymous {
            return Ok(());
        }
        Err(Refusal::new(
            v3::BAD_USER_NAME_OR_PASSWORD,
            reason::BAD_USER_NAME_OR_PASSWORD,
            "the user name or password is wrong",
        ))
    }

    /// v5:MQTT-3.2.2-12 and v5:MQTT-3.2.2-13. 3.x cannot announce such limits and has no code for them.
    fn check_will(&self, version: Version, connect: &Connect) -> Result<(), Refusal> {
        let Some(will) = connect.will.as_ref().filter(|_| version == Version::V5) else {
            return Ok(());
        };
        // QoS 3 arrives here only if it is let through, and then it must not be rejected as too high after all.
        if will.qos.min(2) > self.config.limits.maximum_qos && self.must(Duty::RefuseWillQos) {
            return Err(Refusal::new(
                None,
                reason::QOS_NOT_SUPPORTED,
                "the Will QoS is above the Maximum QoS",
            ));
        }
        if will.retain && !self.config.limits.retain_available && self.must(Duty::RefuseWillRetain) {
            return Err(Refusal::new(
                None,
                reason::RETAIN_NOT_SUPPORTED,
                "retained messages are not available",
            ));
        }
        Ok(())
    }

    fn client_id(&mut self, version: Version, connect: &Connect) -> Result<Text, Refusal> {
        let given = &connect.client_id;
        let rejected = |why: &str| Err(Refusal::new(v3::IDENTIFIER_REJECTED, reason::UNSPECIFIED, why));
        if let Some(why) = self.dislikes(given, version) {
            return Err(Refusal::new(v3::IDENTIFIER_REJECTED, reason::CLIENT_ID_NOT_VALID, why));
        }
        if given.is_empty() {
            // 3.1, section 3.1: the identifier has between 1 and 23 characters.
            if version == Version::V3_1 && self.must(Duty::RefuseLongIdAt31) {
                return rejected("the client id is empty");
            }
            // v3.1.1:MQTT-3.1.3-8 and v3.1.1:MQTT-3.1.3-7.
            if version == Version::V3_1_1 && !connect.clean_start && self.must(Duty::RefuseEmptyIdWithoutClean) {
                return rejected("an empty client id needs Clean Session 1");
            }
            return Ok(self.assign_client_id());
        }
        if version == Version::V3_1 && given.len() > 23 && self.must(Duty::RefuseLongIdAt31) {
            return rejected("the client id is longer than 23 characters");
        }
        // v3.1.1:MQTT-3.1.3-5, v5:MQTT-3.1.3-5: 1 to 23 letters and digits must be accepted. Under the fault, the ends of
        // that range are not.
        if !self.must(Duty::AcceptPlainIds) && (given.len() == 1 || given.len() == 23) {
            return rejected("the client id is not to our taste");
        }
        // All other ids are accepted as well. Under the fault, they are refused.
        let is_plain = given.len() <= 23 && given.as_bytes().iter().all(u8::is_ascii_alphanumeric);
        if !is_plain && version != Version::V3_1 && !self.must(Duty::CloseAfterBadId) {
            return rejected("the client id is not to our taste");
        }
        Ok(given.clone())
    }

    /// Why the broker refuses a client id that it need not accept.
    fn dislikes(&self, given: &Text, version: Version) -> Option<&'static str> {
        let is_plain = given.as_bytes().iter().all(u8::is_ascii_alphanumeric);
        if given.is_empty() && self.free(Choice::EmptyIdsRefused, version) {
            Some("an empty client id is not taken")
        } else if given.len() > 23 && self.free(Choice::LongIdsRefused, version) {
            Some("client ids of more than 23 bytes are not taken")
        } else if !is_plain && self.free(Choice::OtherIdsRefused, version) {
            Some("client ids with other characters than letters and digits are not taken")
        } else {
            None
        }
    }

    /// An id that no session has (v3.1.1:MQTT-3.1.3-6, v5:MQTT-3.1.3-6, v5:MQTT-3.2.2-16).
    fn assign_client_id(&mut self) -> Text {
        loop {
            if self.must(Duty::AssignUniqueIds) {
                self.assigned += 1;
            } else {
                return "assigned".into();
            }
            let is_long = self.config.free.value(Choice::AssignedIdsLong).is_some();
            let candidate: Text = if is_long {
                format!("server/assigned:00000000-0000-4000-8000-{:012}", self.assigned).into()
            } else {
                format!("assigned{}", self.assigned).into()
            };
            if !self.state.sessions.contains_key(&candidate) {
                return candidate;
            }
        }
    }

    /// Refuses a client of 5.0.
    pub(super) fn refuse_with(&mut self, id: ConnectionId, code: u8, why: &str) {
        self.refuse(id, Refusal::new(None, code, why));
    }

    fn refuse(&mut self, id: ConnectionId, refusal: Refusal) {
        let version = self.connections[&id].version;
        // v3.1.1:MQTT-3.2.2-4, v5:MQTT-3.2.2-6: Session Present is 0, which is the default.
        let mut ack = ConnAck {
            reason_code: if version == Version::V5 {
                refusal.v5
            } else {
                refusal.v3.unwrap_or_default()
            },
            ..ConnAck::default()
        };
        if version == Version::V5 {
            let why = PropertyValue::Text(refusal.why.into());
            ack.properties.push(id::REASON_STRING, why);
            if !self.connections[&id].takes(&Packet::ConnAck(ack.clone())) {
                ack.properties = Properties::default();
            }
        }
        if version == Version::V5 || refusal.v3.is_some() {
            self.send(id, Packet::ConnAck(ack));
        }
        // v3.1.1:MQTT-3.2.2-5 and MQTT-3.1.3-9, v5:MQTT-3.2.2-7 and MQTT-3.1.3-8.
        let is_for_id = refusal.v3 == Some(v3::IDENTIFIER_REJECTED);
        if !is_for_id || self.must(Duty::CloseAfterBadId) {
            self.effects.push(Effect::Close(id, Cause::Refused));
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.phase = Phase::Refused;
        }
    }

    pub(super) fn accept(&mut self, id: ConnectionId, version: Version, client: Text, connect: Connect) {
        let took_over = self.take_session_over(&client);
        let expiry = self.granted_expiry(version, &connect);
        // v3.1.1:MQTT-3.1.2-4, v5:MQTT-3.1.2-5.
        let goes_on = if connect.clean_start {
            !self.must(Duty::CleanStartDiscards)
        } else {
            self.must(Duty::ResumeSession)
        };
        let resumed = goes_on && self.state.sessions.contains_key(&client);
        if resumed {
            // A new connection within the Will Delay cancels the will (v5:MQTT-3.1.3-9).
            let keeps_will = took_over && self.wrong(Combined::TakeoverKeepsDelayedWill);
            if self.must(Duty::CancelDelayedWill) && !keeps_will {
                self.set_pending_will(&client, None);
            }
        } else {
            // v3.1.1:MQTT-3.1.2-6, v5:MQTT-3.1.2-4, v5:MQTT-3.1.2-6.
            let kept = self.kept_over_clean_start(&client, took_over);
            self.end_session(&client);
            self.record(Record::Begin { client: client.clone() });
            kept.into_iter().for_each(|record| self.record(record));
        }
        self.record(Record::Expire {
            client: client.clone(),
            seconds: expiry,
            away_since: None,
        });
        let noticed_late = self.lateness(Choice::KeepAliveLate);
        let server_keep_alive = self.config.limits.server_keep_alive.filter(|_| version == Version::V5);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.accept(version, client.clone(), &connect, self.now);
            connection.noticed_late = noticed_late;
            if let Some(keep_alive) = server_keep_alive {
                connection.keep_alive = seconds(keep_alive);
            }
        }
        self.apply_older_limits(id, &client, resumed);
        if !self.must(Duty::KeepMaximumPacketSize)
            && let Some(connection) = self.connections.get_mut(&id)
        {
            connection.maximum_packet_size = None;
        }
        if let Some(session) = self.state.sessions.get_mut(&client) {
            session.connection = Some(id);
            for message in &mut session.in_flight {
                message.sent = false;
            }
        }
        self.disturb_resumed(&client, resumed);
        self.greet(id, version, &connect, resumed, expiry);
        if self.connections[&id].phase == Phase::Connected {
            self.resume(&client);
        }
    }

    /// v3.1.1:MQTT-3.1.4-2, v5:MQTT-3.1.4-3: an older connection with this client id ends. `false` if there is none.
    fn take_session_over(&mut self, client: &Text) -> bool {
        if let Some(old) = self.state.sessions.get(client).and_then(|s| s.connection) {
            let fault = Fault {
                statements: Vec::new(),
                reason: reason::SESSION_TAKEN_OVER,
                text: "another connection uses this client id".to_owned(),
            };
            self.disturb_will_of_taken_over(old, client);
            self.end(old, Cause::TakenOver, Some(&fault));
            self.disturb_taken_over(client);
            return true;
        }
        false
    }

    /// The Session Expiry Interval in force. In 3.x it follows from Clean Session (3.1.1, section 3.1.2.4).
    fn granted_expiry(&self, version: Version, connect: &Connect) -> u32 {
        match version {
            Version::V5 => {
                let asked = connect.properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0);
                asked.min(self.config.limits.session_expiry_maximum)
            }
            _ if connect.clean_start => 0,
            _ => NEVER,
        }
    }

    /// The CONNACK that accepts (v3.1.1:MQTT-3.1.4-4, v5:MQTT-3.1.4-5). It is the first packet on the connection
    /// (v3.1.1:MQTT-3.2.0-1, v5:MQTT-3.2.0-1).
    fn greet(&mut self, id: ConnectionId, version: Version, connect: &Connect, resumed: bool, expiry: u32) {
        let mut ack = ConnAck {
            // v3.1.1:MQTT-3.2.2-1, -2 and -3, v5:MQTT-3.2.2-2 and -3. 3.1 has no such flag: the bit is reserved.
            session_present: resumed && version != Version::V3_1,
            ..ConnAck::default()
        };
        if version == Version::V5 {
            ack.properties = self.announcements(connect, expiry);
            // v5:MQTT-3.1.3-7.
            if connect.client_id.is_empty() {
                let client = self.connections[&id].client.clone();
                ack.properties
                    .push(id::ASSIGNED_CLIENT_IDENTIFIER, PropertyValue::Text(client));
            }
        }
        let packet = Packet::ConnAck(ack);
        // A client that does not accept even the CONNACK cannot be served, and v5:MQTT-3.1.2-24 forbids to send it.
        let limit = self.connections[&id].maximum_packet_size;
        if limit.is_some_and(|limit| encoded_len(&packet, version) > u64::from(limit)) {
            return self.end(id, Cause::Refused, None);
        }
        self.send(id, packet);
        if self.free(Choice::AutomaticSubscription, version) {
            let welcome = Publish {
                topic: "$SYS/broker/welcome".into(),
                payload: "welcome".into(),
                ..Publish::default()
            };
            self.send(id, Packet::Publish(welcome));
        }
    }

    /// The limits that differ from the standard's defaults (5.0, section 3.2.2.3).
    fn announcements(&self, connect: &Connect, expiry: u32) -> Properties {
        let limits = &self.config.limits;
        let mut properties = Properties::default();
        // v5:MQTT-4.12.0-5.
        if let Some(method) = authentication_method(connect).filter(|_| self.knows_method(connect)) {
            properties.push(id::AUTHENTICATION_METHOD, PropertyValue::Text(method));
        }
        if connect.properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0) != expiry {
            properties.push(id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(expiry));
        }
        if limits.receive_maximum != u16::MAX {
            properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(limits.receive_maximum));
        }
        // v5:MQTT-3.2.2-9.
        if limits.maximum_qos < 2 {
            properties.push(id::MAXIMUM_QOS, PropertyValue::Byte(limits.maximum_qos));
        }
        if !limits.retain_available {
            properties.push(id::RETAIN_AVAILABLE, PropertyValue::Byte(0));
        }
        if let Some(size) = limits.packet_size(Version::V5) {
            properties.push(id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(size));
        }
        if limits.topic_alias_maximum > 0 {
            properties.push(id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(limits.topic_alias_maximum));
        }
        if let Some(keep_alive) = limits.server_keep_alive {
            properties.push(id::SERVER_KEEP_ALIVE, PropertyValue::U16(keep_alive));
        }
        for (id, available) in [
            (id::WILDCARD_SUBSCRIPTION_AVAILABLE, limits.wildcards),
            (id::SUBSCRIPTION_IDENTIFIER_AVAILABLE, limits.subscription_ids),
            (id::SHARED_SUBSCRIPTION_AVAILABLE, limits.shared_subscriptions),
        ] {
            if !available {
                properties.push(id, PropertyValue::Byte(0));
            }
        }
        properties
    }
}

/// The version that a CONNECT names.
pub fn named_version(connect: &Connect) -> Option<Version> {
    Version::ALL.into_iter().find(|v| {
        v.protocol_level() == connect.protocol_level && v.protocol_name().as_bytes() == connect.protocol_name.as_bytes()
    })
}
