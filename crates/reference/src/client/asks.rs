//! What the application asks for: whether a client may send it.
//!
//! A call is refused if its packet would violate a statement that the client keeps, by the same decoder with which the
//! other side would notice.

use super::core::{Core, Phase};
use super::duty;
use super::freedom::Freedom;
use crate::adapter::Endpoint;
use crate::statements::Version;
use crate::wire::property::id;
use crate::wire::{
    Auth, Connect, Disconnect, Packet, Properties, PropertyValue, Publish, Side, decode_bytes, encode_bytes,
};

impl Core {
    /// Whether a packet of the application violates no statement by itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn permits(&self, mut packet: Packet) -> Result<(), String> {
        match &mut packet {
            // The client chooses the identifier later.
            Packet::Publish(publish) => publish.packet_id = (publish.qos > 0).then_some(1),
            Packet::Subscribe(subscribe) => subscribe.packet_id = 1,
            Packet::Unsubscribe(unsubscribe) => unsubscribe.packet_id = 1,
            _ => {}
        }
        let bytes = encode_bytes(&packet, self.version());
        let decoded = decode_bytes(&bytes, self.version(), Side::Client);
        let is_kept = |breach: &&crate::wire::Breach| !breach.statements().any(|id| self.disobey.has(id));
        match decoded.breaches.iter().find(is_kept) {
            Some(breach) => Err(breach.text.clone()),
            None => Ok(()),
        }
    }

    /// Whether the server accepts a message, by its CONNACK (5.0, 3.2.2.3).
    ///
    /// # Errors
    /// The limit that it exceeds.
    pub(super) fn within_limits(&self, publish: &Publish) -> Result<(), String> {
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
            let is_set = !publish.topic.is_empty() || self.own_aliases.contains_key(&(alias as u16));
            if !is_set && !self.breaks_statement("MQTT-4.7.3-1") {
                return Err("the topic alias is not set on this connection".to_owned());
            }
        }
        let mut whole = publish.clone();
        whole.packet_id = (publish.qos > 0).then_some(1);
        self.fits(&Packet::Publish(whole))
    }

    /// Changes a message so that the server accepts it, where a library may do that in place of refusing the call.
    pub(super) fn repair(&self, publish: &mut Publish) {
        let limit = |property| self.connack.properties.number(property);
        if let Some(most) = limit(id::MAXIMUM_QOS) {
            publish.qos = publish.qos.min(most as u8);
        }
        publish.retain &= limit(id::RETAIN_AVAILABLE) != Some(0);
        let most = limit(id::TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
        let alias = publish.properties.number(id::TOPIC_ALIAS);
        if alias.is_some_and(|alias| alias > most) && !publish.topic.is_empty() {
            publish.properties.0.retain(|one| one.id != id::TOPIC_ALIAS);
        }
    }

    /// Adds a Reason String to an acknowledgement, if it fits.
    pub(super) fn explain(&self, packet: &mut Packet) {
        let is_ack = matches!(
            packet,
            Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_)
        );
        let mut longer = packet.clone();
        if let Some(properties) = longer.properties_mut().filter(|_| is_ack) {
            properties.push(id::REASON_STRING, PropertyValue::Text("as asked".into()));
            if !self.is_too_large(&longer) {
                *packet = longer;
            }
        }
    }

    /// A CONNECT of 5.0 with limits of the client itself, if it uses that freedom.
    pub(super) fn with_limits(&self, endpoint: &Endpoint, mut connect: Connect) -> Connect {
        if endpoint.version != Version::V5 || !self.free(Freedom::ConnectProperties) {
            return connect;
        }
        let limits = [
            (id::RECEIVE_MAXIMUM, PropertyValue::U16(20)),
            (id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(1_000_000)),
            (id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(10)),
            (id::REQUEST_PROBLEM_INFORMATION, PropertyValue::Byte(1)),
        ];
        for (id, value) in limits {
            if connect.properties.get(id).is_none() {
                connect.properties.push(id, value);
            }
        }
        connect
    }

    /// Whether a packet is within the Maximum Packet Size of the server (5.0, MQTT-3.2.2-15).
    ///
    /// # Errors
    /// It is not.
    pub(super) fn fits(&self, packet: &Packet) -> Result<(), String> {
        if self.is_too_large(packet) && !self.breaks(duty::MAXIMUM_PACKET_SIZE) {
            return Err("the server does not accept packets of this size".to_owned());
        }
        Ok(())
    }

    fn is_too_large(&self, packet: &Packet) -> bool {
        let most = self.connack.properties.number(id::MAXIMUM_PACKET_SIZE);
        most.is_some_and(|most| encode_bytes(packet, self.version()).len() > most as usize)
    }

    fn breaks_statement(&self, id: &str) -> bool {
        let mut statements = duty::REFUSES.statements(self.version());
        statements.any(|statement| statement.id == id && self.disobey.has(statement))
    }

    /// Whether a DISCONNECT may set its Session Expiry Interval (5.0, 3.14.2.2.2).
    ///
    /// # Errors
    /// The CONNECT had none.
    pub(super) fn expiry_may_change(&self, disconnect: &Disconnect) -> Result<(), String> {
        let interval = |properties: &Properties| properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0);
        let before = self.connect().map_or(0, |connect| interval(&connect.properties));
        if before == 0 && interval(&disconnect.properties) > 0 && !self.breaks(duty::EXPIRY_FROM_ZERO) {
            return Err("the session ends with the connection, which DISCONNECT cannot change".to_owned());
        }
        Ok(())
    }

    /// A DISCONNECT without what makes it too large for the server (5.0, MQTT-3.14.2-3 and -4).
    pub(super) fn fitting(&self, mut disconnect: Disconnect) -> Disconnect {
        if self.is_too_large(&Packet::Disconnect(disconnect.clone())) {
            let keeps = [
                self.breaks(duty::DISCONNECT_REASON_FITS),
                self.breaks(duty::DISCONNECT_PROPERTY_FITS),
            ];
            leave_out(&mut disconnect.properties, keeps);
        }
        disconnect
    }

    /// An AUTH without what makes it too large for the server (5.0, MQTT-3.15.2-2 and -3). The limit is known from the
    /// CONNACK on.
    pub(super) fn fitting_auth(&self, mut auth: Auth) -> Auth {
        if self.phase == Phase::Connected && self.is_too_large(&Packet::Auth(auth.clone())) {
            let keeps = [
                self.breaks(duty::AUTH_REASON_FITS),
                self.breaks(duty::AUTH_PROPERTY_FITS),
            ];
            leave_out(&mut auth.properties, keeps);
        }
        auth
    }
}

/// Drops the Reason String and the User Properties, except for those that a fault keeps.
fn leave_out(properties: &mut Properties, [keeps_reason, keeps_pairs]: [bool; 2]) {
    properties.0.retain(|one| match one.id {
        id::REASON_STRING => keeps_reason,
        id::USER_PROPERTY => keeps_pairs,
        _ => true,
    });
}
