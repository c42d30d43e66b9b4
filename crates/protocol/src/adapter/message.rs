//! What an adapter says.

use serde_json::{Value, json};

use super::CONTRACT;
use super::json::{given, needed, number};
use crate::transport::Transport;
use crate::wire::Version;

/// One line of an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The first line: what the adapter and its library can do.
    Ready(Abilities),
    /// The library took the call. That says nothing of what it sends.
    Taken(u32),
    /// The library said no, in its own words.
    Refused(u32, String),
    /// The adapter or its library cannot do that.
    Unsupported(u32, String),
    /// Something that the application was told by its library: its name, and the rest of the line as text.
    Event(String, String),
}

/// What an adapter says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// The library.
    pub name: String,
    /// The library's version.
    pub version: Option<String>,
    /// The versions of MQTT that the library speaks, oldest first.
    pub versions: Vec<Version>,
    /// The commands that it knows.
    pub commands: Vec<String>,
    /// The client disconnects by itself when it has done what its application told it.
    pub leaves: bool,
    /// The client subscribes by itself when it is connected, unless its application is to subscribe.
    pub subscribes: bool,
    /// What it connects over; unless it says so, plain TCP alone.
    pub transports: Vec<Transport>,
}

impl Default for Abilities {
    /// A library that can do nothing, over plain TCP.
    fn default() -> Abilities {
        Abilities {
            name: String::new(),
            version: None,
            versions: Vec::new(),
            commands: Vec::new(),
            leaves: false,
            subscribes: false,
            transports: vec![Transport::Mqtt],
        }
    }
}

/// A line that the contract does not permit: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Nonsense(pub String);

impl Message {
    /// The line, without its end.
    pub fn line(&self) -> String {
        match self {
            Message::Ready(abilities) => json!({
                "event": "ready",
                "contract": CONTRACT,
                "name": abilities.name,
                "version": abilities.version,
                "versions": abilities.versions.iter().map(|v| v.name()).collect::<Vec<_>>(),
                "commands": abilities.commands,
                "leaves": abilities.leaves,
                "subscribes": abilities.subscribes,
                "transports": abilities.transports.iter().map(|t| t.name()).collect::<Vec<_>>(),
            }),
            Message::Taken(id) => json!({ "id": id }),
            Message::Refused(id, text) => json!({ "id": id, "refused": text }),
            Message::Unsupported(id, text) => json!({ "id": id, "unsupported": text }),
            Message::Event(name, text) => json!({ "event": name, "text": text }),
        }
        .to_string()
    }

    /// Reads a line of an adapter.
    ///
    /// # Errors
    /// The line is no message of the contract.
    pub fn read(line: &str) -> Result<Message, Nonsense> {
        let object: Value = serde_json::from_str(line).map_err(|e| Nonsense(format!("this is no JSON: {e}")))?;
        if !object.is_object() {
            return Err(Nonsense("this is no JSON object".to_owned()));
        }
        let string = |value: &Value| value.as_str().map(str::to_owned);
        if let Some(id) = given(&object, "id", number)? {
            let refused = given(&object, "refused", string)?;
            let unsupported = given(&object, "unsupported", string)?;
            return match (refused, unsupported) {
                (None, None) => Ok(Message::Taken(id)),
                (Some(text), None) => Ok(Message::Refused(id, text)),
                (None, Some(text)) => Ok(Message::Unsupported(id, text)),
                (Some(_), Some(_)) => Err(Nonsense("`refused` together with `unsupported`".to_owned())),
            };
        }
        let event = given(&object, "event", string)?.ok_or_else(|| Nonsense("neither `id` nor `event`".to_owned()))?;
        if event == "ready" {
            return abilities(&object).map(Message::Ready);
        }
        let text = match given(&object, "text", string)? {
            Some(text) => text,
            None => {
                let mut rest = object;
                if let Some(rest) = rest.as_object_mut() {
                    rest.remove("event");
                }
                match rest.as_object() {
                    Some(rest) if rest.is_empty() => String::new(),
                    _ => rest.to_string(),
                }
            }
        };
        Ok(Message::Event(event, text))
    }
}

fn abilities(object: &Value) -> Result<Abilities, Nonsense> {
    let contract = needed(object, "contract", Value::as_u64)?;
    if contract != CONTRACT {
        return Err(Nonsense(format!(
            "contract {contract}; this mqttspec speaks contract {CONTRACT}"
        )));
    }
    let texts = |value: &Value| {
        let items = value.as_array()?;
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let mut versions = needed(object, "versions", |value| {
        let items = value.as_array()?.iter();
        items
            .map(|item| item.as_str()?.parse().ok())
            .collect::<Option<Vec<Version>>>()
    })?;
    versions.sort();
    versions.dedup();
    Ok(Abilities {
        name: needed(object, "name", |value| value.as_str().map(str::to_owned))?,
        version: given(object, "version", |value| value.as_str().map(str::to_owned))?,
        versions,
        commands: needed(object, "commands", texts)?,
        leaves: given(object, "leaves", Value::as_bool)?.unwrap_or(false),
        subscribes: given(object, "subscribes", Value::as_bool)?.unwrap_or(false),
        transports: given(object, "transports", |value| {
            let items = value.as_array()?.iter();
            items.map(|item| item.as_str()?.parse().ok()).collect()
        })?
        .unwrap_or_else(|| vec![Transport::Mqtt]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_read_as_it_is_written() {
        let ready = Abilities {
            name: "lib".to_owned(),
            version: Some("1.2".to_owned()),
            versions: vec![Version::V3_1_1, Version::V5],
            commands: vec!["connect".to_owned()],
            leaves: true,
            subscribes: true,
            transports: vec![Transport::Mqtt, Transport::Wss],
        };
        let messages = [
            Message::Ready(ready),
            Message::Taken(1),
            Message::Refused(2, "no".to_owned()),
            Message::Unsupported(3, "auth".to_owned()),
            Message::Event("message".to_owned(), "a".to_owned()),
        ];
        for message in messages {
            assert_eq!(Message::read(&message.line()).unwrap(), message);
        }
        let event = Message::read(r#"{"event":"message","topic":"a"}"#).unwrap();
        assert_eq!(
            event,
            Message::Event("message".to_owned(), r#"{"topic":"a"}"#.to_owned())
        );
    }

    #[test]
    fn a_line_that_is_no_message_says_why() {
        let why = |line: &str| Message::read(line).unwrap_err().to_string();
        assert!(why("Connecting...").starts_with("this is no JSON: "));
        assert_eq!(why("7"), "this is no JSON object");
        assert_eq!(why("{}"), "neither `id` nor `event`");
        assert_eq!(why(r#"{"id":"x"}"#), "`id` has no such value: \"x\"");
        let later = r#"{"event":"ready","contract":2,"name":"l","versions":[],"commands":[]}"#;
        assert_eq!(why(later), "contract 2; this mqttspec speaks contract 1");
    }
}
