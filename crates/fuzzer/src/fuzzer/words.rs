//! A sequence in words, for a person: one line for each action.

use std::fmt::{self, Display, Formatter};

use super::action::{Act, Connection, FILTERS, Kind, Message, Sequence, TOPICS, WillMessage};
use crate::wire::Version;

impl Display for Sequence {
    /// One line for each action. What the version of the client does not have is left out.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            let version = self.versions.get(action.client).copied().unwrap_or(Version::V5);
            match &action.act {
                Act::Wait(seconds) => writeln!(f, "{seconds} s pass")?,
                Act::Restart => writeln!(f, "the broker is restarted")?,
                Act::Kill => writeln!(f, "the broker is killed and started again")?,
                act => writeln!(f, "c{}@{version} {}", action.client, words(act, version))?,
            }
        }
        Ok(())
    }
}

fn words(act: &Act, version: Version) -> String {
    let v5 = version == Version::V5;
    match act {
        Act::Connect(how) => connects(how, v5),
        Act::Subscribe { filters, id } => {
            let mut all: Vec<String> = filters
                .iter()
                .map(|(index, options)| filter(*index, *options, v5))
                .collect();
            all.extend(id.filter(|_| v5).map(|id| format!("with Subscription Identifier {id}")));
            format!("subscribes to {}", all.join(", "))
        }
        Act::Unsubscribe(filters) => {
            let all: Vec<String> = filters.iter().map(|index| name(*index)).collect();
            format!("unsubscribes from {}", all.join(", "))
        }
        Act::Publish(message) => publishes(message, v5),
        Act::Acknowledge { kind, code } => {
            let kind = match kind {
                Kind::PubAck => "PUBACK",
                Kind::PubRec => "PUBREC",
                Kind::PubRel => "PUBREL",
                Kind::PubComp => "PUBCOMP",
            };
            match code {
                0 => format!("sends {kind}"),
                _ if !v5 => format!("sends {kind}"),
                code => format!("sends {kind} with 0x{code:02x}"),
            }
        }
        Act::Stall => "stops reading".to_owned(),
        Act::Read => "reads again".to_owned(),
        Act::Ping => "sends PINGREQ".to_owned(),
        Act::Violate(violation) => format!("sends {}", violation.words()),
        Act::Cut { reset: true } => "ends its connection with RST".to_owned(),
        Act::Cut { reset: false } => "ends its connection with FIN, without DISCONNECT".to_owned(),
        Act::Disconnect { code, expiry } if v5 => {
            let expiry = expiry.map(|seconds| format!(" and a Session Expiry Interval of {}", span(seconds)));
            format!("disconnects with 0x{code:02x}{}", expiry.unwrap_or_default())
        }
        Act::Disconnect { .. } => "disconnects".to_owned(),
        Act::Wait(_) | Act::Restart | Act::Kill => String::new(),
    }
}

fn connects(how: &Connection, v5: bool) -> String {
    let mut all = vec![
        if how.clean {
            "with a new session"
        } else {
            "with its session, if there is one"
        }
        .to_owned(),
    ];
    if v5 {
        all.push(format!("Session Expiry Interval {}", span(how.expiry)));
        all.extend(how.receive_maximum.map(|n| format!("Receive Maximum {n}")));
        all.extend(how.maximum_packet_size.map(|n| format!("Maximum Packet Size {n}")));
        if how.alias_maximum > 0 {
            all.push(format!("Topic Alias Maximum {}", how.alias_maximum));
        }
    }
    all.extend(how.will.as_ref().map(|it| will(it, v5)));
    if !how.automatic {
        all.push("and does not acknowledge by itself".to_owned());
    }
    format!("connects {}", all.join(", "))
}

fn will(will: &WillMessage, v5: bool) -> String {
    let mut text = format!("a will of QoS {} on {}", will.qos, TOPICS[will.topic]);
    if will.retain {
        text.push_str(", retained");
    }
    if v5 && will.delay > 0 {
        text.push_str(&format!(", delayed by {} s", will.delay));
    }
    if let Some(seconds) = will.expiry.filter(|_| v5) {
        text.push_str(&format!(", that expires after {seconds} s"));
    }
    text
}

fn publishes(message: &Message, v5: bool) -> String {
    let mut text = format!("publishes on {} with QoS {}", TOPICS[message.topic], message.qos);
    if message.retain {
        text.push_str(", retained");
    }
    if message.retain && message.size == 0 {
        text.push_str(" and empty");
    }
    if v5 {
        let expiry = message
            .expiry
            .map(|seconds| format!(", that expires after {seconds} s"));
        let alias = message.alias.map(|alias| format!(", by Topic Alias {alias}"));
        let properties = message.properties.then(|| ", with properties".to_owned());
        text.extend([expiry, alias, properties].into_iter().flatten());
    }
    if message.size > 0 {
        text.push_str(&format!(", {} bytes", message.size));
    }
    text
}

/// A subscription: its filter with the options that say more than the defaults.
fn filter(index: usize, options: u8, v5: bool) -> String {
    let mut text = format!("{} with QoS {}", name(index), options & 3);
    if v5 {
        let no_local = (options & 4 != 0).then_some("No Local");
        let as_published = (options & 8 != 0).then_some("Retain As Published");
        let handling = match options >> 4 & 3 {
            1 => Some("Retain Handling 1"),
            2 => Some("Retain Handling 2"),
            _ => None,
        };
        for option in [no_local, as_published, handling].into_iter().flatten() {
            text.push_str(&format!(" ({option})"));
        }
    }
    text
}

fn name(index: usize) -> String {
    match FILTERS[index] {
        (Some(share), filter) => format!("$share/{share}/{filter}"),
        (None, filter) => filter.to_owned(),
    }
}

/// A Session Expiry Interval.
fn span(seconds: u32) -> String {
    if seconds == u32::MAX {
        "without end".to_owned()
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::Action;
    use super::*;

    fn of(version: Version, act: Act) -> String {
        let sequence = Sequence {
            versions: vec![version; 2],
            actions: vec![Action { client: 1, act }],
        };
        sequence.to_string().trim_end().to_owned()
    }

    #[test]
    fn an_action_is_one_line_without_what_its_version_does_not_have() {
        let connect = Act::Connect(Connection {
            clean: true,
            expiry: 300,
            receive_maximum: Some(1),
            will: Some(WillMessage {
                qos: 1,
                delay: 3,
                ..WillMessage::default()
            }),
            ..Connection::default()
        });
        assert_eq!(
            of(Version::V5, connect.clone()),
            "c1@v5 connects with a new session, Session Expiry Interval 300 s, Receive Maximum 1, a will of QoS 1 on a, delayed by 3 s, \
             and does not acknowledge by itself"
        );
        assert_eq!(
            of(Version::V3_1_1, connect),
            "c1@v3.1.1 connects with a new session, a will of QoS 1 on a, and does not acknowledge by itself"
        );
        let subscribe = Act::Subscribe {
            filters: vec![(7, 0b1_1101), (4, 2)],
            id: Some(5),
        };
        assert_eq!(
            of(Version::V5, subscribe.clone()),
            "c1@v5 subscribes to $share/g/a with QoS 1 (No Local) (Retain As Published) (Retain Handling 1), a/# with QoS 2, with \
             Subscription Identifier 5"
        );
        assert_eq!(
            of(Version::V3_1_1, subscribe),
            "c1@v3.1.1 subscribes to $share/g/a with QoS 1, a/# with QoS 2"
        );
        let leave = Act::Disconnect {
            code: 0x80,
            expiry: Some(0),
        };
        assert_eq!(
            of(Version::V5, leave.clone()),
            "c1@v5 disconnects with 0x80 and a Session Expiry Interval of 0 s"
        );
        assert_eq!(of(Version::V3_1, leave), "c1@v3.1 disconnects");
        assert_eq!(of(Version::V5, Act::Wait(3)), "3 s pass");
    }
}
