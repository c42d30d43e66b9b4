//! What an adapter is told.

use std::fmt;

use bytes::Bytes;
use serde_json::{Value, json};

use super::Nonsense;
use super::json::{binary, given, needed, number, properties, read_properties, string, text};
use crate::transport::Transport;
use crate::wire::{
    Auth, Connect, Disconnect, Packet, Payload, Publish, Subscribe, Subscription, Unsubscribe, Version, Will,
};

/// One line to an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Counts the requests of an adapter's life, from 1. The answer has the same number.
    pub id: u32,
    pub command: Command,
}

/// What the application of a client is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A new client object, connected to this server with these options.
    Connect(Endpoint, Box<Connect>),
    /// `dup` and the packet identifier are the library's choice.
    Publish(Publish),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    /// Connect again with the same client object, which keeps its session.
    Reconnect,
    Disconnect(Disconnect),
    /// Go on with the authentication, or authenticate again (5.0, section 4.12).
    Auth(Auth),
    /// Acknowledge a message. The client was connected with [`Endpoint::manual_acks`].
    Ack(Acknowledge),
    /// Drop everything of this case: connection, client object, session.
    End,
    /// What the application will be told in this exchange, before it is told anything. Only for adapters that name it.
    Plan(Vec<Planned>),
}

/// Which message of QoS 1 or 2 the application acknowledges, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// The packet identifier of the message.
    pub packet_id: u16,
    /// Its payload, for libraries that do not tell their application the identifier.
    pub payload: Bytes,
    /// The reason code of the PUBACK or PUBREC (5.0, 3.4.2.1 and 3.5.2.1); 0 at 3.x.
    pub reason_code: u8,
}

/// A command that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub command: Command,
    /// Between the command before it and this one, only the packets of that one and the answers to them are exchanged. A
    /// client that does both at once does nothing too early.
    pub at_once: bool,
}

/// Where the server listens, and what it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
    pub version: Version,
    pub transport: Transport,
    /// The path of the WebSocket; empty without one.
    pub path: String,
    /// Over TLS, the file (PEM) with the certificate of the authority that the client has to trust.
    pub ca: Option<String>,
    /// The application acknowledges messages of QoS 1 and 2, and not the library by itself.
    pub manual_acks: bool,
}

impl Endpoint {
    /// Where MQTT is spoken over plain TCP.
    pub fn tcp(host: impl Into<String>, port: u16, version: Version) -> Endpoint {
        Endpoint {
            host: host.into(),
            port,
            version,
            transport: Transport::Mqtt,
            path: String::new(),
            ca: None,
            manual_acks: false,
        }
    }
}

impl fmt::Display for Endpoint {
    /// Such as `127.0.0.1:1883`, or `ws://127.0.0.1:8083/mqtt` if it is not plain TCP.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.transport != Transport::Mqtt {
            write!(f, "{}://", self.transport)?;
        }
        write!(f, "{}:{}{}", self.host, self.port, self.path)
    }
}

impl Command {
    /// The word for `do`.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Connect(..) => "connect",
            Command::Publish(_) => "publish",
            Command::Subscribe(_) => "subscribe",
            Command::Unsubscribe(_) => "unsubscribe",
            Command::Reconnect => "reconnect",
            Command::Disconnect(_) => "disconnect",
            Command::Auth(_) => "auth",
            Command::Ack(_) => "ack",
            Command::End => "end",
            Command::Plan(_) => super::PLAN,
        }
    }

    /// The command that makes a client send `packet`; `None` if an application does not cause such packets. A PUBACK stands for
    /// the acknowledgement of a message, whose payload is not known here.
    pub fn of(packet: Packet, endpoint: &Endpoint) -> Option<Command> {
        Some(match packet {
            Packet::Connect(connect) => Command::Connect(endpoint.clone(), connect),
            Packet::Publish(publish) => Command::Publish(publish),
            Packet::Subscribe(subscribe) => Command::Subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => Command::Unsubscribe(unsubscribe),
            Packet::Disconnect(disconnect) => Command::Disconnect(disconnect),
            Packet::Auth(auth) => Command::Auth(auth),
            Packet::PubAck(ack) => Command::Ack(Acknowledge {
                packet_id: ack.packet_id,
                payload: Bytes::new(),
                reason_code: ack.reason_code,
            }),
            _ => return None,
        })
    }
}

impl Request {
    /// The line, without its end.
    pub fn line(&self) -> String {
        let mut object = members(&self.command);
        object["id"] = json!(self.id);
        object.to_string()
    }

    /// Reads a line, as an adapter does.
    ///
    /// # Errors
    /// It is no request. If its number could be read, that comes too, so that it can be answered.
    pub fn read(line: &str) -> Result<Request, (Option<u32>, Nonsense)> {
        let object: Value = serde_json::from_str(line).map_err(|e| (None, Nonsense(e.to_string())))?;
        let id = needed(&object, "id", number).map_err(|e| (None, e))?;
        let command = command(&object).map_err(|e| (Some(id), e))?;
        Ok(Request { id, command })
    }
}

/// The members of a command, the word for it among them.
fn members(command: &Command) -> Value {
    let mut object = match command {
        Command::Connect(endpoint, connect) => {
            let mut object = json!({
                "host": endpoint.host,
                "port": endpoint.port,
                "version": endpoint.version.name(),
                "client_id": text(&connect.client_id),
                "clean": connect.clean_start,
                "keep_alive": connect.keep_alive,
                "username": connect.username.as_ref().map(text),
                "password": connect.password.as_ref().map(hex::encode),
                "will": connect.will.as_ref().map(will),
                "properties": properties(&connect.properties),
            });
            if endpoint.transport != Transport::Mqtt {
                object["transport"] = json!(endpoint.transport.name());
            }
            if !endpoint.path.is_empty() {
                object["path"] = json!(endpoint.path);
            }
            if let Some(ca) = &endpoint.ca {
                object["ca"] = json!(ca);
            }
            if endpoint.manual_acks {
                object["manual_acks"] = json!(true);
            }
            object
        }
        Command::Publish(publish) => json!({
            "topic": text(&publish.topic),
            "payload": hex::encode(payload(&publish.payload)),
            "qos": publish.qos,
            "retain": publish.retain,
            "properties": properties(&publish.properties),
        }),
        Command::Subscribe(subscribe) => json!({
            "filters": subscribe.subscriptions.iter().map(subscription).collect::<Vec<_>>(),
            "properties": properties(&subscribe.properties),
        }),
        Command::Unsubscribe(unsubscribe) => json!({
            "filters": unsubscribe.filters.iter().map(text).collect::<Vec<_>>(),
            "properties": properties(&unsubscribe.properties),
        }),
        Command::Disconnect(disconnect) => json!({
            "reason_code": disconnect.reason_code,
            "properties": properties(&disconnect.properties),
        }),
        Command::Auth(auth) => json!({
            "reason_code": auth.reason_code,
            "properties": properties(&auth.properties),
        }),
        Command::Ack(ack) => json!({
            "packet_id": ack.packet_id,
            "payload": hex::encode(&ack.payload),
            "reason_code": ack.reason_code,
        }),
        Command::Reconnect | Command::End => json!({}),
        Command::Plan(planned) => json!({ "commands": planned.iter().map(of_plan).collect::<Vec<_>>() }),
    };
    object["do"] = json!(command.name());
    object
}

fn of_plan(planned: &Planned) -> Value {
    let mut object = members(&planned.command);
    object["at_once"] = json!(planned.at_once);
    object
}

fn read_planned(object: &Value) -> Result<Planned, Nonsense> {
    Ok(Planned {
        command: command(object)?,
        at_once: needed(object, "at_once", Value::as_bool)?,
    })
}

/// The bytes of a payload. One that is only known by its digest came from a peer, and no application sends it.
pub(super) fn payload(payload: &Payload) -> Vec<u8> {
    match payload {
        Payload::Bytes(bytes) => bytes.to_vec(),
        Payload::Fill { len, byte } => vec![*byte; usize::try_from(*len).unwrap_or_default()],
        Payload::Long { .. } => Vec::new(),
    }
}

fn command(object: &Value) -> Result<Command, Nonsense> {
    let word = needed(object, "do", |value| value.as_str().map(str::to_owned))?;
    Ok(match word.as_str() {
        "connect" => {
            let version = needed(object, "version", |value| value.as_str()?.parse().ok())?;
            let endpoint = Endpoint {
                host: needed(object, "host", |value| value.as_str().map(str::to_owned))?,
                port: needed(object, "port", number)?,
                version,
                transport: given(object, "transport", |value| value.as_str()?.parse().ok())?.unwrap_or_default(),
                path: given(object, "path", |value| value.as_str().map(str::to_owned))?.unwrap_or_default(),
                ca: given(object, "ca", |value| value.as_str().map(str::to_owned))?,
                manual_acks: given(object, "manual_acks", Value::as_bool)?.unwrap_or(false),
            };
            let mut connect = Connect::new(version, needed(object, "client_id", string)?);
            connect.clean_start = given(object, "clean", Value::as_bool)?.unwrap_or(true);
            connect.keep_alive = given(object, "keep_alive", number)?.unwrap_or(60);
            connect.username = given(object, "username", string)?;
            connect.password = given(object, "password", binary)?;
            connect.will = object
                .get("will")
                .filter(|will| !will.is_null())
                .map(read_will)
                .transpose()?;
            connect.properties = read_properties(object)?;
            Command::Connect(endpoint, Box::new(connect))
        }
        "publish" => Command::Publish(Publish {
            topic: needed(object, "topic", string)?,
            payload: needed(object, "payload", binary)?.into(),
            qos: given(object, "qos", number)?.unwrap_or(0),
            retain: given(object, "retain", Value::as_bool)?.unwrap_or(false),
            properties: read_properties(object)?,
            ..Publish::default()
        }),
        "subscribe" => Command::Subscribe(Subscribe {
            subscriptions: list(object, "filters", read_subscription)?,
            properties: read_properties(object)?,
            ..Subscribe::default()
        }),
        "unsubscribe" => Command::Unsubscribe(Unsubscribe {
            filters: list(object, "filters", |one| {
                string(one).ok_or_else(|| Nonsense("a filter is no text".to_owned()))
            })?,
            properties: read_properties(object)?,
            ..Unsubscribe::default()
        }),
        "reconnect" => Command::Reconnect,
        "disconnect" => Command::Disconnect(Disconnect {
            reason_code: given(object, "reason_code", number)?.unwrap_or(0),
            properties: read_properties(object)?,
        }),
        "auth" => Command::Auth(Auth {
            reason_code: given(object, "reason_code", number)?.unwrap_or(0),
            properties: read_properties(object)?,
        }),
        "ack" => Command::Ack(Acknowledge {
            packet_id: needed(object, "packet_id", number)?,
            payload: needed(object, "payload", binary)?,
            reason_code: given(object, "reason_code", number)?.unwrap_or(0),
        }),
        "end" => Command::End,
        super::PLAN => Command::Plan(list(object, "commands", read_planned)?),
        other => return Err(Nonsense(format!("no command `{other}`"))),
    })
}

fn list<T>(object: &Value, key: &str, read: impl Fn(&Value) -> Result<T, Nonsense>) -> Result<Vec<T>, Nonsense> {
    let items = needed(object, key, |value| value.as_array().cloned())?;
    items.iter().map(read).collect()
}

fn subscription(one: &Subscription) -> Value {
    json!({
        "filter": text(&one.filter),
        "qos": one.qos(),
        "no_local": one.no_local(),
        "retain_as_published": one.retain_as_published(),
        "retain_handling": one.retain_handling(),
    })
}

fn read_subscription(one: &Value) -> Result<Subscription, Nonsense> {
    let flag = |key| given(one, key, Value::as_bool).map(|flag| u8::from(flag.unwrap_or(false)));
    let qos: u8 = given(one, "qos", number)?.unwrap_or(0);
    let handling: u8 = given(one, "retain_handling", number)?.unwrap_or(0);
    Ok(Subscription {
        filter: needed(one, "filter", string)?,
        options: (qos & 0b11) | flag("no_local")? << 2 | flag("retain_as_published")? << 3 | (handling & 0b11) << 4,
    })
}

fn will(will: &Will) -> Value {
    json!({
        "topic": text(&will.topic),
        "payload": hex::encode(&will.payload),
        "qos": will.qos,
        "retain": will.retain,
        "properties": properties(&will.properties),
    })
}

fn read_will(value: &Value) -> Result<Will, Nonsense> {
    Ok(Will {
        topic: needed(value, "topic", string)?,
        payload: needed(value, "payload", binary)?,
        qos: given(value, "qos", number)?.unwrap_or(0),
        retain: given(value, "retain", Value::as_bool)?.unwrap_or(false),
        properties: read_properties(value)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PropertyValue;
    use crate::wire::property::id;

    fn endpoint() -> Endpoint {
        Endpoint {
            transport: Transport::Wss,
            path: "/mqtt".to_owned(),
            ca: Some("/tmp/ca.pem".to_owned()),
            manual_acks: true,
            ..Endpoint::tcp("127.0.0.1", 1883, Version::V5)
        }
    }

    #[test]
    fn over_plain_tcp_an_adapter_is_told_what_it_always_was() {
        let endpoint = Endpoint::tcp("127.0.0.1", 1883, Version::V5);
        let command = Command::Connect(endpoint, Box::new(full_connect()));
        let line = Request { id: 1, command }.line();
        for key in ["transport", "path", "ca", "manual_acks"] {
            assert!(!line.contains(&format!("\"{key}\"")), "{line}");
        }
    }

    fn full_connect() -> Connect {
        let mut connect = Connect::new(Version::V5, "me");
        connect.clean_start = false;
        connect.keep_alive = 2;
        connect.username = Some("u".into());
        connect.password = Some(vec![0xff, 0].into());
        let mut will = Will {
            topic: "w".into(),
            payload: vec![1, 2].into(),
            qos: 2,
            retain: true,
            ..Will::default()
        };
        will.properties.push(id::WILL_DELAY_INTERVAL, PropertyValue::U32(5));
        connect.will = Some(will);
        connect.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(1));
        connect
            .properties
            .push(id::USER_PROPERTY, PropertyValue::Pair("a".into(), "1".into()));
        connect
            .properties
            .push(id::USER_PROPERTY, PropertyValue::Pair("a".into(), "2".into()));
        connect
    }

    #[test]
    fn every_command_is_read_as_it_is_written() {
        let publish = Publish {
            topic: "a\u{0}".into(),
            payload: Payload::Fill { len: 3, byte: b'x' },
            qos: 3,
            retain: true,
            ..Publish::default()
        };
        let subscribe = Subscribe {
            subscriptions: vec![Subscription {
                filter: "f".into(),
                options: 0b0010_1101,
            }],
            ..Subscribe::default()
        };
        let unsubscribe = Unsubscribe {
            filters: vec!["f".into(), "g".into()],
            ..Unsubscribe::default()
        };
        let disconnect = Disconnect {
            reason_code: 4,
            ..Disconnect::default()
        };
        let mut auth = Auth {
            reason_code: 0x18,
            ..Auth::default()
        };
        auth.properties
            .push(id::AUTHENTICATION_METHOD, PropertyValue::Text("m".into()));
        let commands = [
            Command::Connect(endpoint(), Box::new(full_connect())),
            Command::Publish(publish),
            Command::Subscribe(subscribe),
            Command::Unsubscribe(unsubscribe),
            Command::Reconnect,
            Command::Disconnect(disconnect),
            Command::Auth(auth),
            Command::Ack(Acknowledge {
                packet_id: 7,
                payload: Bytes::from_static(&[0xff]),
                reason_code: 0x97,
            }),
            Command::End,
        ];
        assert_eq!(commands.each_ref().map(Command::name), super::super::COMMANDS);
        let plan = (commands.iter().enumerate()).map(|(i, command)| Planned {
            command: command.clone(),
            at_once: i % 2 == 0,
        });
        let plan = Command::Plan(plan.collect());
        let commands = commands.into_iter().chain([plan]);
        for (id, command) in (1..).zip(commands) {
            let request = Request { id, command };
            assert_eq!(Request::read(&request.line()).unwrap(), request);
        }
    }

    #[test]
    fn a_request_that_is_none_says_why() {
        let why = |line: &str| {
            let (id, why) = Request::read(line).unwrap_err();
            (id, why.to_string())
        };
        assert_eq!(why(r#"{"do":"end"}"#), (None, "no `id`".to_owned()));
        let unknown = why(r#"{"id":7,"do":"dance"}"#);
        assert_eq!(unknown, (Some(7), "no command `dance`".to_owned()));
        let wrong = why(r#"{"id":7,"do":"publish","topic":"a","payload":"xy"}"#);
        assert_eq!(wrong, (Some(7), "`payload` has no such value: \"xy\"".to_owned()));
    }
}
