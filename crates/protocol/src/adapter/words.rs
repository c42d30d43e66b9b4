//! A command in words, for a person who operates the client by hand.

use std::fmt;

use super::Command;
use super::json::named;
use super::request::payload;
use crate::wire::{Properties, Subscription, Will};

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Connect(endpoint, connect) => {
                write!(
                    f,
                    "connect to {endpoint} with {}, client ID {}, ",
                    endpoint.version,
                    Shown(connect.client_id.as_bytes())
                )?;
                let clean = if connect.clean_start { "clean" } else { "kept" };
                write!(f, "{clean} session, keep alive {} s", connect.keep_alive)?;
                if let Some(username) = &connect.username {
                    write!(f, ", user name {}", Shown(username.as_bytes()))?;
                }
                if let Some(password) = &connect.password {
                    write!(f, ", password {}", Shown(password))?;
                }
                if let Some(will) = &connect.will {
                    write!(f, ", {}", InWords(will))?;
                }
                write!(f, "{}", InWords(&connect.properties))
            }
            Command::Publish(publish) => {
                write!(
                    f,
                    "publish {} to {} with QoS {}",
                    Shown(&payload(&publish.payload)),
                    Shown(publish.topic.as_bytes()),
                    publish.qos
                )?;
                if publish.retain {
                    f.write_str(", retained")?;
                }
                write!(f, "{}", InWords(&publish.properties))
            }
            Command::Subscribe(subscribe) => {
                f.write_str("subscribe to ")?;
                for (i, one) in subscribe.subscriptions.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { " and " } else { "" }, InWords(one))?;
                }
                write!(f, "{}", InWords(&subscribe.properties))
            }
            Command::Unsubscribe(unsubscribe) => {
                f.write_str("unsubscribe from ")?;
                for (i, filter) in unsubscribe.filters.iter().enumerate() {
                    write!(f, "{}{}", if i > 0 { " and " } else { "" }, Shown(filter.as_bytes()))?;
                }
                write!(f, "{}", InWords(&unsubscribe.properties))
            }
            Command::Reconnect => f.write_str("connect again with the same client, which keeps its session"),
            Command::Disconnect(disconnect) => {
                f.write_str("disconnect")?;
                if disconnect.reason_code != 0 {
                    write!(f, " with reason code 0x{:02x}", disconnect.reason_code)?;
                }
                write!(f, "{}", InWords(&disconnect.properties))
            }
            Command::Auth(auth) => {
                write!(f, "send an AUTH with reason code 0x{:02x}", auth.reason_code)?;
                write!(f, "{}", InWords(&auth.properties))
            }
            Command::Ack(ack) => {
                write!(
                    f,
                    "acknowledge the message with the packet identifier {}",
                    ack.packet_id
                )?;
                if ack.reason_code != 0 {
                    write!(f, " with reason code 0x{:02x}", ack.reason_code)?;
                }
                Ok(())
            }
            Command::End | Command::Plan(_) => f.write_str(self.name()),
        }
    }
}

/// Text in quotes, or bytes that are no printable text in hex. Long values are cut.
struct Shown<'a>(&'a [u8]);

/// The most bytes of a value that are shown.
const LONGEST: usize = 200;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > LONGEST {
            return write!(f, "{} bytes beginning with {}", self.0.len(), Shown(&self.0[..16]));
        }
        match std::str::from_utf8(self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "the bytes {}", hex::encode(self.0)),
        }
    }
}

struct InWords<'a, T>(&'a T);

impl fmt::Display for InWords<'_, Will> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let will = self.0;
        let (payload, topic) = (Shown(&will.payload), Shown(will.topic.as_bytes()));
        write!(f, "the will {payload} to {topic} with QoS {}", will.qos)?;
        if will.retain {
            f.write_str(", retained")?;
        }
        write!(f, "{}", InWords(&will.properties))
    }
}

impl fmt::Display for InWords<'_, Subscription> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.0;
        write!(f, "{} with QoS {}", Shown(one.filter.as_bytes()), one.qos())?;
        if one.no_local() {
            f.write_str(", No Local")?;
        }
        if one.retain_as_published() {
            f.write_str(", Retain As Published")?;
        }
        match one.retain_handling() {
            0 => Ok(()),
            handling => write!(f, ", Retain Handling {handling}"),
        }
    }
}

impl fmt::Display for InWords<'_, Properties> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        named(self.0)
            .iter()
            .try_for_each(|(name, value)| write!(f, ", {name} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::adapter::Endpoint;
    use crate::wire::property::id;
    use crate::wire::{Connect, Disconnect, PropertyValue, Publish, Subscribe, Unsubscribe, Version};

    use super::*;

    #[test]
    fn each_command_is_a_sentence() {
        let endpoint = Endpoint::tcp("127.0.0.1", 1883, Version::V5);
        let mut connect = Connect::new(Version::V5, "me");
        connect.clean_start = false;
        connect.username = Some("someone".into());
        connect.password = Some(vec![0xff].into());
        connect.will = Some(Will {
            topic: "w".into(),
            payload: "gone".into(),
            retain: true,
            ..Will::default()
        });
        connect.properties.push(id::RECEIVE_MAXIMUM, PropertyValue::U16(1));
        assert_eq!(
            Command::Connect(endpoint, Box::new(connect)).to_string(),
            "connect to 127.0.0.1:1883 with v5, client ID \"me\", kept session, keep alive 60 s, user name \"someone\", \
             password the bytes ff, the will \"gone\" to \"w\" with QoS 0, retained, receive_maximum 1"
        );
        let publish = Publish {
            topic: "a\u{0}".into(),
            payload: "one".into(),
            qos: 1,
            retain: true,
            ..Publish::default()
        };
        assert_eq!(
            Command::Publish(publish).to_string(),
            r#"publish "one" to "a\0" with QoS 1, retained"#
        );
        let subscribe = Subscribe {
            subscriptions: vec![
                Subscription::new("a", 1),
                Subscription {
                    filter: "b".into(),
                    options: 0b0010_1100,
                },
            ],
            ..Subscribe::default()
        };
        assert_eq!(
            Command::Subscribe(subscribe).to_string(),
            r#"subscribe to "a" with QoS 1 and "b" with QoS 0, No Local, Retain As Published, Retain Handling 2"#
        );
        let unsubscribe = Unsubscribe {
            filters: vec!["a".into(), "b".into()],
            ..Unsubscribe::default()
        };
        assert_eq!(
            Command::Unsubscribe(unsubscribe).to_string(),
            r#"unsubscribe from "a" and "b""#
        );
        let disconnect = Disconnect {
            reason_code: 4,
            ..Disconnect::default()
        };
        assert_eq!(
            Command::Disconnect(disconnect).to_string(),
            "disconnect with reason code 0x04"
        );
        let long = Publish {
            payload: "x".repeat(1000).as_str().into(),
            topic: "t".into(),
            ..Publish::default()
        };
        assert_eq!(
            Command::Publish(long).to_string(),
            r#"publish 1000 bytes beginning with "xxxxxxxxxxxxxxxx" to "t" with QoS 0"#
        );
    }
}
