//! Permitted changes to packets on their way to a client.
//!
//! In: a packet to send, and the CONNECT of its connection. Out: the packet that replaces it, which is just as correct. An
//! edit knows nothing of the broker, so it works in front of any other as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::super::ids::ConnectionId;
use super::super::outgoing;
use super::super::sabotage::{Outgoing, Peer, with_body};
use crate::wire::property::{Place, id, property};
use crate::wire::{
    Ack, ConnAck, Connect, Disconnect, Packet, PacketType, Properties, PropertyValue, Publish, Text, VARIABLE_MAX,
    Version,
};

const SESSION_TAKEN_OVER: u8 = 0x8e;
const SHUTTING_DOWN: u8 = 0x8b;
const KEEP_ALIVE_TIMEOUT: u8 = 0x8d;
const UNSPECIFIED: u8 = 0x80;
const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const PACKET_ID_NOT_FOUND: u8 = 0x92;

/// One freedom that changes packets.
#[derive(Debug)]
pub struct Edit {
    /// The name of the freedom.
    pub name: &'static str,
    change: Change,
}

/// Changes a packet, or returns `None` if it is not sent.
type Change = fn(&mut Aliases, &Peer, Outgoing) -> Option<Outgoing>;

/// The aliases that are assigned to topics on one connection.
type Aliases = BTreeMap<Text, u16>;

/// Changes outgoing packets, and keeps the state of each connection that this needs.
#[derive(Debug, Default)]
pub struct Editor {
    edits: Vec<&'static Edit>,
    peers: BTreeMap<ConnectionId, (Peer, Aliases)>,
}

impl Editor {
    pub(super) fn new(edits: &[&'static Edit]) -> Editor {
        Editor {
            // In the order of the table, whatever the order of the names.
            edits: EDITS
                .iter()
                .filter(|edit| edits.iter().any(|e| e.name == edit.name))
                .collect(),
            peers: BTreeMap::new(),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.edits.is_empty()
    }

    /// A client has sent its CONNECT; a second one on a connection is ignored.
    pub fn connect(&mut self, connection: ConnectionId, version: Version, connect: &Connect) {
        if self.is_idle() {
            return;
        }
        self.peers.entry(connection).or_insert_with(|| {
            let peer = Peer {
                connection,
                version,
                connect: connect.clone(),
            };
            (peer, Aliases::new())
        });
    }

    /// The packet to send instead of this one; `None` if none is sent.
    pub fn send(&mut self, connection: ConnectionId, packet: Outgoing) -> Option<Outgoing> {
        let Some((peer, aliases)) = self.peers.get_mut(&connection) else {
            return Some(packet);
        };
        let mut packet = packet;
        for edit in &self.edits {
            if super::freedoms()
                .iter()
                .any(|f| f.name == edit.name && f.section(peer.version).is_none())
            {
                continue;
            }
            let mut assigned = aliases.clone();
            let changed = (edit.change)(&mut assigned, peer, packet.clone())?;
            // v5:MQTT-3.1.2-24: a packet that would become too large for the client is sent unchanged, and assigns no alias.
            if fits(peer, &changed) {
                packet = changed;
                *aliases = assigned;
            }
        }
        Some(packet)
    }

    /// The connection is gone.
    pub fn gone(&mut self, connection: ConnectionId) {
        self.peers.remove(&connection);
    }
}

fn fits(peer: &Peer, outgoing: &Outgoing) -> bool {
    let Some(limit) = peer.connect.properties.number(id::MAXIMUM_PACKET_SIZE) else {
        return true;
    };
    let chunks = outgoing::chunks(&outgoing.packet, peer.version, &outgoing.overrides);
    chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>() <= u64::from(limit)
}

/// One row of the table.
macro_rules! edit {
    ($name:literal, $change:expr) => {
        Edit {
            name: $name,
            change: $change,
        }
    };
}

/// Every edit, in the order of application.
pub const EDITS: &[Edit] = &[
    edit!("connack-full", |_, peer, outgoing| on_conn_ack(outgoing, |ack| {
        if ack.reason_code == 0 {
            complete(&mut ack.properties, &peer.connect);
        }
    })),
    edit!("refusal-without-connack", |_, _, outgoing| {
        let refuses = matches!(&outgoing.packet, Packet::ConnAck(ack) if ack.reason_code >= UNSPECIFIED);
        (!refuses).then_some(outgoing)
    }),
    edit!("connack-unspecified", |_, _, outgoing| on_conn_ack(outgoing, |ack| {
        if ack.reason_code > UNSPECIFIED {
            ack.reason_code = UNSPECIFIED;
        }
    })),
    edit!("login-other-code", |_, peer, outgoing| on_conn_ack(outgoing, |ack| {
        let codes: [u8; 2] = if peer.version == Version::V5 {
            [0x86, 0x87]
        } else {
            [4, 5]
        };
        if let Some(at) = codes.iter().position(|code| *code == ack.reason_code) {
            ack.reason_code = codes[1 - at];
        }
    })),
    edit!("malformed-as-protocol-error", |_, _, outgoing| Some(recoded(
        outgoing,
        MALFORMED,
        PROTOCOL_ERROR
    ))),
    edit!("protocol-error-as-malformed", |_, _, outgoing| Some(recoded(
        outgoing,
        PROTOCOL_ERROR,
        MALFORMED
    ))),
    edit!("response-information", |_, peer, outgoing| on_conn_ack(
        outgoing,
        |ack| {
            let asked = peer.connect.properties.number(id::REQUEST_RESPONSE_INFORMATION) == Some(1);
            if asked && ack.reason_code == 0 && ack.properties.get(id::RESPONSE_INFORMATION).is_none() {
                ack.properties
                    .push(id::RESPONSE_INFORMATION, PropertyValue::Text("responses/".into()));
            }
        }
    )),
    edit!("unknown-id-success", |_, _, mut outgoing| {
        if let Packet::PubRel(ack) | Packet::PubComp(ack) = &mut outgoing.packet
            && ack.reason_code == PACKET_ID_NOT_FOUND
        {
            ack.reason_code = 0;
        }
        Some(outgoing)
    }),
    edit!("refusals-unspecified", |_, _, mut outgoing| {
        let vague = |code: &mut u8| {
            if *code > UNSPECIFIED {
                *code = UNSPECIFIED;
            }
        };
        match &mut outgoing.packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) => vague(&mut ack.reason_code),
            Packet::SubAck(ack) => ack.reason_codes.iter_mut().for_each(vague),
            Packet::UnsubAck(ack) => ack.reason_codes.iter_mut().for_each(vague),
            _ => {}
        }
        Some(outgoing)
    }),
    edit!("subscription-ids-reversed", |_, _, mut outgoing| {
        if let Packet::Publish(publish) = &mut outgoing.packet {
            let is_id = |p: &&mut crate::wire::Property| p.id == id::SUBSCRIPTION_IDENTIFIER;
            let mut values: Vec<PropertyValue> = publish.properties.all(id::SUBSCRIPTION_IDENTIFIER).cloned().collect();
            for property in publish.properties.0.iter_mut().filter(is_id) {
                if let Some(value) = values.pop() {
                    property.value = value;
                }
            }
        }
        Some(outgoing)
    }),
    edit!("server-aliases", |aliases, peer, outgoing| on_publish(
        outgoing,
        |publish| {
            let most = alias_maximum(peer);
            if publish.topic.is_empty() {
                return;
            }
            let next = u16::try_from(aliases.len() + 1).unwrap_or(u16::MAX);
            match aliases.get(&publish.topic) {
                Some(alias) => {
                    publish.topic = Text::default();
                    publish.properties.push(id::TOPIC_ALIAS, PropertyValue::U16(*alias));
                }
                None if next <= most => {
                    aliases.insert(publish.topic.clone(), next);
                    publish.properties.push(id::TOPIC_ALIAS, PropertyValue::U16(next));
                }
                None => {}
            }
        }
    )),
    edit!("server-aliases-remapped", |aliases, peer, outgoing| on_publish(
        outgoing,
        |publish| {
            let has_one = publish.properties.get(id::TOPIC_ALIAS).is_some();
            if alias_maximum(peer) == 0 || publish.topic.is_empty() || has_one {
                return;
            }
            aliases.clear();
            publish.properties.push(id::TOPIC_ALIAS, PropertyValue::U16(1));
        }
    )),
    edit!("message-expiry-rounded", |_, _, outgoing| on_publish(
        outgoing,
        |publish| {
            for property in &mut publish.properties.0 {
                if let (id::MESSAGE_EXPIRY_INTERVAL, PropertyValue::U32(left)) = (property.id, &mut property.value) {
                    *left = left.saturating_sub(1);
                }
            }
        }
    )),
    edit!("close-without-disconnect", |_, _, outgoing| unless(
        outgoing,
        |goodbye| { goodbye.reason_code != SESSION_TAKEN_OVER }
    )),
    edit!("keep-alive-silent", |_, _, outgoing| unless(outgoing, |goodbye| {
        goodbye.reason_code == KEEP_ALIVE_TIMEOUT
    })),
    edit!("shutdown-silent", |_, _, outgoing| unless(outgoing, |goodbye| {
        goodbye.reason_code == SHUTTING_DOWN
    })),
    edit!("disconnect-unspecified", |_, _, outgoing| on_goodbye(
        outgoing,
        |goodbye| {
            if goodbye.reason_code > UNSPECIFIED && goodbye.reason_code != SESSION_TAKEN_OVER {
                goodbye.reason_code = UNSPECIFIED;
            }
        }
    )),
    edit!("shutdown-busy", |_, _, outgoing| shut_down(outgoing, 0x89, false)),
    edit!("shutdown-administrative", |_, _, outgoing| shut_down(
        outgoing, 0x98, false
    )),
    edit!("shutdown-use-another", |_, _, outgoing| shut_down(outgoing, 0x9c, true)),
    edit!("shutdown-moved", |_, _, outgoing| shut_down(outgoing, 0x9d, false)),
    edit!("no-reason-strings", |_, _, mut outgoing| {
        if let Some(properties) = outgoing.packet.properties_mut() {
            properties.0.retain(|p| p.id != id::REASON_STRING);
        }
        Some(outgoing)
    }),
    edit!("reason-strings", |_, peer, mut outgoing| {
        let has_one = outgoing
            .packet
            .properties()
            .is_some_and(|p| p.get(id::REASON_STRING).is_some());
        if !has_one
            && may_carry(peer, &outgoing.packet, id::REASON_STRING)
            && let Some(properties) = outgoing.packet.properties_mut()
        {
            properties.push(id::REASON_STRING, PropertyValue::Text("as it should be".into()));
        }
        Some(outgoing)
    }),
    edit!("user-properties", |_, peer, mut outgoing| {
        // A message's own properties are passed on unaltered (v5:MQTT-3.3.2-17), so none is added to a PUBLISH.
        let is_answer = outgoing.packet.packet_type() != PacketType::Publish;
        if is_answer
            && may_carry(peer, &outgoing.packet, id::USER_PROPERTY)
            && let Some(properties) = outgoing.packet.properties_mut()
        {
            for value in ["mqttspec", "once more"] {
                properties.push(id::USER_PROPERTY, PropertyValue::Pair("server".into(), value.into()));
            }
        }
        Some(outgoing)
    }),
    edit!("properties-reversed", |_, _, mut outgoing| {
        if let Some(properties) = outgoing.packet.properties_mut() {
            // Properties of one identifier keep their order, as User Property must (v5:MQTT-3.3.2-18).
            properties.0.sort_by_key(|p| Reverse(p.id));
        }
        Some(outgoing)
    }),
    edit!("long-forms", |_, peer, outgoing| Some(long_form(
        outgoing,
        peer.version
    ))),
];

/// Writes properties whose absence would mean the same.
fn complete(properties: &mut Properties, connect: &Connect) {
    let asked = connect.properties.number(id::SESSION_EXPIRY_INTERVAL).unwrap_or(0);
    let all = [
        (id::SESSION_EXPIRY_INTERVAL, PropertyValue::U32(asked)),
        (id::RECEIVE_MAXIMUM, PropertyValue::U16(u16::MAX)),
        (id::RETAIN_AVAILABLE, PropertyValue::Byte(1)),
        // The longest possible packet.
        (id::MAXIMUM_PACKET_SIZE, PropertyValue::U32(VARIABLE_MAX + 5)),
        (id::TOPIC_ALIAS_MAXIMUM, PropertyValue::U16(0)),
        (id::WILDCARD_SUBSCRIPTION_AVAILABLE, PropertyValue::Byte(1)),
        (id::SUBSCRIPTION_IDENTIFIER_AVAILABLE, PropertyValue::Byte(1)),
        (id::SHARED_SUBSCRIPTION_AVAILABLE, PropertyValue::Byte(1)),
        (id::SERVER_KEEP_ALIVE, PropertyValue::U16(connect.keep_alive)),
    ];
    for (id, value) in all {
        if properties.get(id).is_none() {
            properties.push(id, value);
        }
    }
}

fn on_conn_ack(mut outgoing: Outgoing, change: impl FnOnce(&mut ConnAck)) -> Option<Outgoing> {
    if let Packet::ConnAck(ack) = &mut outgoing.packet {
        change(ack);
    }
    Some(outgoing)
}

fn on_publish(mut outgoing: Outgoing, change: impl FnOnce(&mut Publish)) -> Option<Outgoing> {
    if let Packet::Publish(publish) = &mut outgoing.packet {
        change(publish);
    }
    Some(outgoing)
}

fn on_goodbye(mut outgoing: Outgoing, change: impl FnOnce(&mut Disconnect)) -> Option<Outgoing> {
    if let Packet::Disconnect(goodbye) = &mut outgoing.packet {
        change(goodbye);
    }
    Some(outgoing)
}

/// Every packet but the DISCONNECT packets that the edit changes.
fn unless(outgoing: Outgoing, is_meant: impl FnOnce(&Disconnect) -> bool) -> Option<Outgoing> {
    match &outgoing.packet {
        Packet::Disconnect(goodbye) if is_meant(goodbye) => None,
        _ => Some(outgoing),
    }
}

/// The DISCONNECT of a shutdown with another code. A Reason String would say something else.
fn shut_down(outgoing: Outgoing, code: u8, refers: bool) -> Option<Outgoing> {
    on_goodbye(outgoing, |goodbye| {
        if goodbye.reason_code == SHUTTING_DOWN {
            goodbye.reason_code = code;
            goodbye.properties.0.retain(|p| p.id != id::REASON_STRING);
            if refers {
                goodbye.properties.push(
                    id::SERVER_REFERENCE,
                    PropertyValue::Text("elsewhere.example:1883".into()),
                );
            }
        }
    })
}

/// Another code for the error that ends a connection.
fn recoded(mut outgoing: Outgoing, from: u8, to: u8) -> Outgoing {
    let code = match &mut outgoing.packet {
        Packet::ConnAck(ack) => Some(&mut ack.reason_code),
        Packet::Disconnect(goodbye) => Some(&mut goodbye.reason_code),
        _ => None,
    };
    if let Some(code) = code.filter(|code| **code == from) {
        *code = to;
    }
    outgoing
}

/// The highest alias that a client accepts; 0 accepts none.
fn alias_maximum(peer: &Peer) -> u16 {
    let most = peer.connect.properties.number(id::TOPIC_ALIAS_MAXIMUM).unwrap_or(0);
    u16::try_from(most).unwrap_or(u16::MAX)
}

/// Whether a packet may carry a property with more information: after Request Problem Information 0 only some may (5.0,
/// section 3.1.2.11.7).
fn may_carry(peer: &Peer, packet: &Packet, property_id: u32) -> bool {
    let kind = packet.packet_type();
    let asks = peer.connect.properties.number(id::REQUEST_PROBLEM_INFORMATION) != Some(0);
    let always = matches!(kind, PacketType::ConnAck | PacketType::Disconnect | PacketType::Publish);
    peer.version == Version::V5
        && (asks || always)
        && property(property_id).is_some_and(|spec| spec.allowed(Place::Packet(kind)))
}

/// Writes the code and the Property Length even if they could be left out.
fn long_form(outgoing: Outgoing, version: Version) -> Outgoing {
    let is_short = |code: u8, properties: &Properties| code == 0 && properties.is_empty();
    match &outgoing.packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            long_ack(outgoing.clone(), version, ack)
        }
        // A server's DISCONNECT always has a code, and then its Property Length may still be left out.
        Packet::Disconnect(goodbye) if goodbye.properties.is_empty() => with_body(outgoing.clone(), version, |body| {
            *body = vec![goodbye.reason_code, 0];
        }),
        Packet::Auth(auth) if is_short(auth.reason_code, &auth.properties) => {
            with_body(outgoing.clone(), version, |body| *body = vec![0, 0])
        }
        _ => outgoing,
    }
}

fn long_ack(outgoing: Outgoing, version: Version, ack: &Ack) -> Outgoing {
    if !ack.properties.is_empty() {
        return outgoing;
    }
    let [high, low] = ack.packet_id.to_be_bytes();
    let code = ack.reason_code;
    with_body(outgoing, version, |body| *body = vec![high, low, code, 0])
}
