//! Templates → packets and bytes to be written, with every default that makes a packet valid.

use bytes::Bytes;

use super::eval::{self, BuildError, NoValue};
use super::scope::Scope;
use super::{ByteTemplate, Expr, FieldExpr, PacketTemplate, Part, Place, Split, Write};
use crate::wire::property::{DataType, PropertySpec, property_named};
use crate::wire::{
    self, Ack, Chunk, Connect, Overrides, Packet, PacketType, Properties, PropertyValue, Publish, Subscribe,
    Subscription, Text, Unsubscribe, Version, Will,
};

/// What a [`Write`] comes to.
#[derive(Debug, Clone)]
pub struct Built {
    /// One write each; between them `pause` is waited.
    pub writes: Vec<Vec<Chunk>>,
    /// The same before it is cut up, part by part.
    pub parts: Vec<BuiltPart>,
}

/// One part of a [`Write`].
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "there are few at a time, each for as long as a step is sent"
)]
pub enum BuiltPart {
    Packet {
        packet: Packet,
        overrides: Overrides,
    },
    /// `bytes:` and `frame:`; several packets, or part of one.
    Bytes(Bytes),
}

impl Write {
    /// The bytes to be written for `client`.
    ///
    /// # Errors
    /// If a variable has no value, or a value does not fit into its field.
    pub fn build(&self, version: Version, scope: &Scope, client: &str, place: &Place) -> Result<Built, BuildError> {
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            match part {
                Part::Packet(template) => {
                    let (packet, overrides) = template.build(version, scope, client)?;
                    chunks.extend(wire::encode(&packet, version, &overrides));
                    parts.push(BuiltPart::Packet { packet, overrides });
                }
                Part::Bytes(template) => {
                    let bytes = Bytes::from(template.bytes(scope, place)?);
                    chunks.push(Chunk::Bytes(bytes.clone()));
                    parts.push(BuiltPart::Bytes(bytes));
                }
                Part::Frame(template) => {
                    let bytes = Bytes::from(frame(&template.bytes(scope, place)?, place)?);
                    chunks.push(Chunk::Bytes(bytes.clone()));
                    parts.push(BuiltPart::Bytes(bytes));
                }
            }
        }
        Ok(Built {
            writes: cut(chunks, &self.split),
            parts,
        })
    }

    /// Whether this sends a CONNECT that cannot carry the target's login: as bytes or with `connect_flags`, and without
    /// `$login`. If the profile has a login the case is to be skipped.
    pub fn lacks_login(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Packet(t) => t.packet_type == PacketType::Connect && t.connect_flags.is_some() && !t.places_login,
            Part::Bytes(t) | Part::Frame(t) => t.first_byte().is_some_and(|b| b >> 4 == 1) && !t.places_login(),
        })
    }
}

impl ByteTemplate {
    pub fn first_byte(&self) -> Option<u8> {
        match self.0.first()? {
            super::BytePart::Bytes(bytes) => bytes.first().copied(),
            _ => None,
        }
    }
}

/// The first byte, the length of the rest as a Variable Byte Integer, the rest.
fn frame(bytes: &[u8], place: &Place) -> Result<Vec<u8>, BuildError> {
    let Some((first, rest)) = bytes.split_first() else {
        return Err(BuildError::new(place, "a frame has at least its first byte"));
    };
    let length = match u32::try_from(rest.len()) {
        Ok(length) if length <= wire::VARIABLE_MAX => length,
        _ => return Err(BuildError::new(place, "a frame holds at most 268 435 455 bytes")),
    };
    let mut all = vec![*first];
    all.extend_from_slice(&wire::encode_variable(length));
    all.extend_from_slice(rest);
    Ok(all)
}

/// Cuts what is to be written into single writes.
fn cut(chunks: Vec<Chunk>, split: &Split) -> Vec<Vec<Chunk>> {
    let sizes: Box<dyn Iterator<Item = usize>> = match split {
        Split::Whole => return vec![chunks],
        Split::At(sizes) => Box::new(sizes.iter().copied()),
        Split::Every(size) => Box::new(std::iter::repeat((*size).max(1))),
    };
    let mut rest = chunks.into_iter();
    let mut next = rest.next();
    let mut writes = Vec::new();
    for size in sizes {
        let mut write = Vec::new();
        let mut left = size as u64;
        while left > 0 {
            let Some(chunk) = next.take() else { break };
            if chunk.len() <= left {
                left -= chunk.len();
                write.push(chunk);
                next = rest.next();
            } else {
                let (head, tail) = split_chunk(chunk, left);
                write.push(head);
                next = Some(tail);
                left = 0;
            }
        }
        if !write.is_empty() {
            writes.push(write);
        }
        if next.is_none() {
            return writes;
        }
    }
    writes.push(next.into_iter().chain(rest).collect());
    writes
}

/// Cuts a chunk that is longer than `at`.
fn split_chunk(chunk: Chunk, at: u64) -> (Chunk, Chunk) {
    match chunk {
        Chunk::Bytes(mut bytes) => {
            let head = bytes.split_to(at as usize);
            (Chunk::Bytes(head), Chunk::Bytes(bytes))
        }
        Chunk::Fill { len, byte } => (Chunk::Fill { len: at, byte }, Chunk::Fill { len: len - at, byte }),
    }
}

/// The client identifier that a client has unless the scenario names one: the namespace and its name, letters and
/// digits only, at most 23 bytes (3.1.1, section 3.1.3.1).
pub fn default_client_id(namespace: &str, client: &str) -> String {
    let mut id: String = namespace
        .chars()
        .chain(client.chars())
        .filter(char::is_ascii_alphanumeric)
        .collect();
    id.truncate(23);
    id
}

impl PacketTemplate {
    /// A packet with nothing but its defaults.
    pub fn new(packet_type: PacketType, place: Place) -> PacketTemplate {
        PacketTemplate {
            packet_type,
            place,
            fields: Vec::new(),
            flags: None,
            remaining_length: None,
            connect_flags: None,
            places_login: false,
            properties: None,
            property_length: None,
            append: None,
            truncate: 0,
        }
    }

    /// The packet, and how its bytes depart from the canonical ones. `client` is the name of the client that sends it.
    ///
    /// Defaults: topic and filter `$ns`, packet identifier 1, QoS 0, keep alive 60 s, a clean session, the client
    /// identifier of [`default_client_id`], and the login of the target's profile.
    ///
    /// # Errors
    /// If a variable has no value, or a value does not fit into its field.
    pub fn build(&self, version: Version, scope: &Scope, client: &str) -> Result<(Packet, Overrides), BuildError> {
        let given = Given { template: self, scope };
        let packet = given.packet(version, client)?;
        Ok((packet, given.overrides()?))
    }

    pub(super) fn field(&self, names: &[&str]) -> Option<&FieldExpr> {
        self.fields.iter().find(|f| names.contains(&f.name.as_str()))
    }
}

/// The fields as the script gives them, and what their variables stand for.
struct Given<'a> {
    template: &'a PacketTemplate,
    scope: &'a Scope,
}

impl Given<'_> {
    fn packet(&self, version: Version, client: &str) -> Result<Packet, BuildError> {
        use PacketType::*;
        let packet = match self.template.packet_type {
            Connect => Packet::from(self.connect(version, client)?),
            ConnAck => Packet::ConnAck(wire::ConnAck {
                session_present: self.boolean("session_present", false)?,
                reason_code: self.code()?,
                properties: self.properties()?,
            }),
            Publish => Packet::Publish(self.publish()?),
            PubAck => Packet::PubAck(self.ack()?),
            PubRec => Packet::PubRec(self.ack()?),
            PubRel => Packet::PubRel(self.ack()?),
            PubComp => Packet::PubComp(self.ack()?),
            Subscribe => Packet::Subscribe(self.subscribe()?),
            SubAck => Packet::SubAck(wire::SubAck {
                packet_id: self.packet_id()?,
                properties: self.properties()?,
                reason_codes: self.codes()?.unwrap_or_else(|| vec![0]),
            }),
            Unsubscribe => Packet::Unsubscribe(self.unsubscribe()?),
            UnsubAck => Packet::UnsubAck(wire::UnsubAck {
                packet_id: self.packet_id()?,
                properties: self.properties()?,
                reason_codes: self
                    .codes()?
                    .unwrap_or_else(|| if version == Version::V5 { vec![0] } else { vec![] }),
            }),
            PingReq => Packet::PingReq,
            PingResp => Packet::PingResp,
            Disconnect => Packet::Disconnect(wire::Disconnect {
                reason_code: self.code()?,
                properties: self.properties()?,
            }),
            Auth => Packet::Auth(wire::Auth {
                reason_code: self.code()?,
                properties: self.properties()?,
            }),
        };
        Ok(packet)
    }

    fn connect(&self, version: Version, client: &str) -> Result<Connect, BuildError> {
        let mut connect = Connect::new(version, default_client_id(self.scope.namespace(), client));
        if let Some(name) = self.text("protocol_name")? {
            connect.protocol_name = name;
        }
        connect.protocol_level = self.number("protocol_level", 0xff, connect.protocol_level.into())? as u8;
        connect.clean_start = self.boolean_of(&["clean_start", "clean_session"], true)?;
        connect.keep_alive = self.number("keep_alive", 0xffff, 60)? as u16;
        if let Some(id) = self.text("client_id")? {
            connect.client_id = id;
        }
        if let Some(field) = self.present("will") {
            connect.will = Some(self.will(&field.value, &field.place)?);
        }
        connect.username = self.text("username")?;
        connect.password = self.text("password")?.map(|text| text.to_bytes());
        let says_itself = self.template.field(&["username", "password"]).is_some();
        let flags_say = self.template.connect_flags.is_some() && !self.template.places_login;
        if let Some(login) = self.scope.login().filter(|_| !says_itself && !flags_say) {
            connect.username = Some(login.username.clone());
            connect.password.clone_from(&login.password);
        }
        connect.properties = self.properties()?;
        Ok(connect)
    }

    fn will(&self, value: &Expr, place: &Place) -> Result<Will, BuildError> {
        let Expr::Map(fields) = value else {
            return Err(BuildError::new(place, "a will is a map of fields"));
        };
        let at = |e: NoValue| e.at(place);
        let mut will = Will {
            topic: self.scope.namespace().into(),
            ..Will::default()
        };
        for (name, value) in fields {
            match name.as_str() {
                "qos" => will.qos = value.number(3, self.scope).map_err(at)? as u8,
                "retain" => will.retain = value.boolean(self.scope).map_err(at)?,
                "topic" => will.topic = value.data(self.scope).map_err(at)?.into(),
                "payload" => will.payload = value.data(self.scope).map_err(at)?,
                _ => push_property(&mut will.properties, name, value, self.scope).map_err(at)?,
            }
        }
        Ok(will)
    }

    fn publish(&self) -> Result<Publish, BuildError> {
        let qos = self.number("qos", 3, 0)? as u8;
        let packet_id = match self.template.field(&["packet_id"]) {
            Some(field) if field.value == Expr::Absent => None,
            Some(field) => Some(field.value.number(0xffff, self.scope).map_err(|e| e.at(&field.place))? as u16),
            None => (qos > 0).then_some(1),
        };
        Ok(Publish {
            dup: self.boolean("dup", false)?,
            qos,
            retain: self.boolean("retain", false)?,
            topic: self.text("topic")?.unwrap_or_else(|| self.scope.namespace().into()),
            packet_id,
            properties: self.properties()?,
            payload: match self.present("payload") {
                Some(field) => field.value.payload(self.scope).map_err(|e| e.at(&field.place))?,
                None => wire::Payload::default(),
            },
        })
    }

    fn ack(&self) -> Result<Ack, BuildError> {
        Ok(Ack {
            packet_id: self.packet_id()?,
            reason_code: self.code()?,
            properties: self.properties()?,
        })
    }

    fn subscribe(&self) -> Result<Subscribe, BuildError> {
        let subscriptions = match self.template.field(&["filters"]) {
            None => vec![Subscription::new(self.scope.namespace(), 0)],
            Some(field) => field
                .value
                .list()
                .iter()
                .map(|one| subscription(one, self.scope).map_err(|e| e.at(&field.place)))
                .collect::<Result<_, _>>()?,
        };
        Ok(Subscribe {
            packet_id: self.packet_id()?,
            properties: self.properties()?,
            subscriptions,
        })
    }

    fn unsubscribe(&self) -> Result<Unsubscribe, BuildError> {
        let filters = match self.template.field(&["filters"]) {
            None => vec![self.scope.namespace().into()],
            Some(field) => field
                .value
                .list()
                .iter()
                .map(|one| one.data(self.scope).map(Text::from).map_err(|e| e.at(&field.place)))
                .collect::<Result<_, _>>()?,
        };
        Ok(Unsubscribe {
            packet_id: self.packet_id()?,
            properties: self.properties()?,
            filters,
        })
    }

    fn properties(&self) -> Result<Properties, BuildError> {
        let mut properties = Properties::default();
        for field in &self.template.fields {
            if property_named(&field.name).is_some() {
                push_property(&mut properties, &field.name, &field.value, self.scope)
                    .map_err(|e| e.at(&field.place))?;
            }
        }
        Ok(properties)
    }

    fn overrides(&self) -> Result<Overrides, BuildError> {
        let t = self.template;
        let bytes = |template: &Option<ByteTemplate>| -> Result<Option<Bytes>, BuildError> {
            template
                .as_ref()
                .map(|b| b.bytes(self.scope, &t.place).map(Bytes::from))
                .transpose()
        };
        Ok(Overrides {
            flags: t.flags,
            remaining_length: t.remaining_length.clone(),
            connect_flags: t.connect_flags.map(|flags| {
                flags
                    | if t.places_login {
                        eval::login_flags(self.scope)
                    } else {
                        0
                    }
            }),
            properties: bytes(&t.properties)?,
            property_length: t.property_length.clone(),
            append: bytes(&t.append)?.unwrap_or_default(),
            truncate: t.truncate,
        })
    }

    /// The field, unless the script leaves it out on purpose.
    fn present(&self, name: &str) -> Option<&FieldExpr> {
        self.template.field(&[name]).filter(|f| f.value != Expr::Absent)
    }

    fn number(&self, name: &str, max: u64, default: u64) -> Result<u64, BuildError> {
        match self.present(name) {
            Some(field) => field.value.number(max, self.scope).map_err(|e| e.at(&field.place)),
            None => Ok(default),
        }
    }

    fn packet_id(&self) -> Result<u16, BuildError> {
        Ok(self.number("packet_id", 0xffff, 1)? as u16)
    }

    fn code(&self) -> Result<u8, BuildError> {
        match self.template.field(&["reason_code", "return_code"]) {
            Some(field) => Ok(field.value.number(0xff, self.scope).map_err(|e| e.at(&field.place))? as u8),
            None => Ok(0),
        }
    }

    fn codes(&self) -> Result<Option<Vec<u8>>, BuildError> {
        let Some(field) = self.template.field(&["reason_codes", "return_codes"]) else {
            return Ok(None);
        };
        let code = |one: &Expr| {
            let code = one.number(0xff, self.scope).map_err(|e| e.at(&field.place))?;
            Ok(code as u8)
        };
        field.value.list().iter().map(code).collect::<Result<_, _>>().map(Some)
    }

    fn boolean(&self, name: &str, default: bool) -> Result<bool, BuildError> {
        self.boolean_of(&[name], default)
    }

    fn boolean_of(&self, names: &[&str], default: bool) -> Result<bool, BuildError> {
        match self.template.field(names) {
            Some(field) => field.value.boolean(self.scope).map_err(|e| e.at(&field.place)),
            None => Ok(default),
        }
    }

    fn text(&self, name: &str) -> Result<Option<Text>, BuildError> {
        self.present(name)
            .map(|field| {
                field
                    .value
                    .data(self.scope)
                    .map(Text::from)
                    .map_err(|e| e.at(&field.place))
            })
            .transpose()
    }
}

/// One filter of a SUBSCRIBE with its options byte (5.0, section 3.8.3.1).
fn subscription(one: &Expr, scope: &Scope) -> Result<Subscription, NoValue> {
    let mut subscription = Subscription::new(scope.namespace(), 0);
    let Expr::Map(fields) = one else {
        subscription.filter = one.data(scope)?.into();
        return Ok(subscription);
    };
    let mut set = |bits: u64, at: u32| subscription.options |= (bits as u8) << at;
    for (name, value) in fields {
        match name.as_str() {
            "qos" => set(value.number(3, scope)?, 0),
            "no_local" => set(value.boolean(scope)?.into(), 2),
            "retain_as_published" => set(value.boolean(scope)?.into(), 3),
            "retain_handling" => set(value.number(3, scope)?, 4),
            "options" => set(value.number(0xff, scope)?, 0),
            _ => {}
        }
    }
    if let Some((_, filter)) = fields.iter().find(|(name, _)| name == "filter") {
        subscription.filter = filter.data(scope)?.into();
    }
    Ok(subscription)
}

/// Adds a property by its name; a list adds it once per element if the property may repeat.
fn push_property(to: &mut Properties, name: &str, value: &Expr, scope: &Scope) -> Result<(), NoValue> {
    let Some(spec) = property_named(name) else {
        return Err(NoValue::Other(format!("there is no property `{name}`")));
    };
    match spec.data_type {
        DataType::Pair => {
            for one in value.list() {
                let (name, value) = one.pair(scope)?;
                to.push(spec.id, PropertyValue::Pair(name, value));
            }
        }
        _ => {
            for one in value.list() {
                to.push(spec.id, property_value(spec, one, scope)?);
            }
        }
    }
    Ok(())
}

fn property_value(spec: &PropertySpec, value: &Expr, scope: &Scope) -> Result<PropertyValue, NoValue> {
    let number = |max: u32| value.number(max.into(), scope).map(|n| n as u32);
    Ok(match spec.data_type {
        DataType::Byte => PropertyValue::Byte(number(0xff)? as u8),
        DataType::U16 => PropertyValue::U16(number(0xffff)? as u16),
        DataType::U32 => PropertyValue::U32(number(u32::MAX)?),
        DataType::VarInt => PropertyValue::VarInt(number(wire::VARIABLE_MAX)?),
        DataType::Text => PropertyValue::Text(value.data(scope)?.into()),
        DataType::Binary => PropertyValue::Binary(value.data(scope)?),
        DataType::Pair => {
            let (name, value) = value.pair(scope)?;
            PropertyValue::Pair(name, value)
        }
    })
}
