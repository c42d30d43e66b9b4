//! Whether two packets of a broker mean the same.

use crate::transcript::printable;
use crate::wire::property::id;
use crate::wire::{Decoded, Packet, PacketType, Text, Value, Version, field, field_names};

/// What of a packet has no meaning that could be compared: texts for people, what the broker chooses, and times that
/// run.
const FREE: [&str; 9] = [
    "packet_id",
    "dup",
    "reason_string",
    "topic_alias",
    "response_information",
    "authentication_data",
    // The broker's own room, which clients have to adapt to.
    "receive_maximum",
    "topic_alias_maximum",
    "maximum_packet_size",
];
/// Of these only that they are there means something.
const PRESENCE: [&str; 2] = ["assigned_client_id", "message_expiry_interval"];
/// Success; in 5.0 an acknowledgement may also say that no one is subscribed, and needs not (section 3.4.2.1).
const NO_MATCHING_SUBSCRIBERS: u64 = 0x10;

/// A broker's packet, ready to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub packet_type: Option<PacketType>,
    /// What it answers or repeats: for an acknowledgement its packet identifier.
    pub id: Option<u16>,
    /// The topic after its alias is resolved.
    pub topic: Option<Text>,
    /// What it means, by name.
    fields: Vec<(&'static str, Value)>,
    /// The reason why it is no packet that can be read.
    broken: Option<String>,
}

impl Answer {
    /// What `decoded` means.
    pub fn new(decoded: &Decoded, topic: Option<&Text>, version: Version) -> Answer {
        let mut answer = Answer {
            packet_type: decoded.packet_type,
            id: None,
            topic: topic.cloned(),
            fields: Vec::new(),
            broken: None,
        };
        let Some(packet) = &decoded.packet else {
            let why = decoded.breaches.first().map_or("cannot be read", |b| b.text.as_str());
            answer.broken = Some(why.to_owned());
            return answer;
        };
        answer.id = packet.packet_id().filter(|_| !matches!(packet, Packet::Publish(_)));
        for spec in field_names(packet.packet_type(), version) {
            if FREE.contains(&spec.name) {
                continue;
            }
            let value = match spec.name {
                "topic" => topic.cloned().map(Value::Text),
                // Brokers say what they like there about themselves; in a message they are the publisher's.
                "user_properties" if !matches!(packet, Packet::Publish(_)) => None,
                // What is absent means what the standard says that it means.
                name => field(packet, version, name).or(spec.default.map(Value::Int)),
            };
            let Some(value) = value else { continue };
            answer.fields.push((spec.name, meaning(spec.name, value)));
        }
        answer
    }

    /// What the two differ in; the captured one is `self`. Empty if they mean the same.
    pub fn differences(&self, came: &Answer) -> Vec<String> {
        let name = self.name();
        if self.broken != came.broken {
            let state = |a: &Answer| a.broken.clone().unwrap_or_else(|| "can be read".to_owned());
            return vec![format!("{name}: captured {}, came {}", state(self), state(came))];
        }
        let of = |answer: &Answer, name: &str| {
            let found = answer.fields.iter().find(|(n, _)| *n == name);
            found.map_or_else(|| "absent".to_owned(), |(n, value)| shown(n, value))
        };
        let mut names: Vec<&'static str> = self.fields.iter().map(|(n, _)| *n).collect();
        names.extend(
            came.fields
                .iter()
                .map(|(n, _)| *n)
                .filter(|n| !self.fields.iter().any(|(m, _)| m == n)),
        );
        names
            .into_iter()
            .filter(|n| {
                let value = |a: &Answer| a.fields.iter().find(|(m, _)| m == n).map(|(_, v)| v.clone());
                value(self) != value(came)
            })
            .map(|n| format!("{name} {n}: captured {}, came {}", of(self, n), of(came, n)))
            .collect()
    }

    /// Whether `came` is the packet that is looked for, rather than another one of its kind.
    pub fn is_for(&self, came: &Answer) -> bool {
        self.packet_type == came.packet_type
            && self.id == came.id
            && (self.packet_type != Some(PacketType::Publish)
                || self.topic == came.topic && self.payload() == came.payload())
    }

    /// Whether it is a packet of the same kind about the same thing, though it may say something else.
    pub fn is_like(&self, came: &Answer) -> bool {
        self.packet_type == came.packet_type && self.id == came.id && self.topic == came.topic
    }

    /// Whether the broker publishes by itself (`$SYS`), not for a client.
    pub fn is_statistics(&self) -> bool {
        self.topic.as_ref().is_some_and(|t| t.as_bytes().starts_with(b"$SYS/"))
    }

    pub fn name(&self) -> &'static str {
        self.packet_type.map_or("a packet of type 0", PacketType::name)
    }

    /// The packet for a person: its name and the fields that tell it from others.
    pub fn text(&self) -> String {
        let telling = [
            "topic",
            "payload",
            "qos",
            "retain",
            "reason_code",
            "reason_codes",
            "return_code",
            "return_codes",
        ];
        let fields: Vec<String> = self
            .fields
            .iter()
            .filter(|(name, _)| telling.contains(name))
            .map(|(name, value)| format!("{name}={}", shown(name, value)))
            .collect();
        let id = self.id.map(|id| format!(" {id}")).unwrap_or_default();
        if fields.is_empty() {
            format!("{}{id}", self.name())
        } else {
            format!("{}{id} ({})", self.name(), fields.join(" "))
        }
    }

    fn payload(&self) -> Option<&Value> {
        self.fields.iter().find(|(n, _)| *n == "payload").map(|(_, v)| v)
    }
}

fn meaning(name: &'static str, value: Value) -> Value {
    match (name, value) {
        ("reason_code", Value::Int(NO_MATCHING_SUBSCRIBERS)) => Value::Int(0),
        ("subscription_ids", Value::Ints(mut ids)) => {
            ids.sort_unstable();
            Value::Ints(ids)
        }
        (name, _) if PRESENCE.contains(&name) => Value::Bool(true),
        (_, value) => value,
    }
}

/// A value for people, not longer than a line.
fn shown(name: &str, value: &Value) -> String {
    const LONG: usize = 80;
    let text = match value {
        Value::Int(code) if matches!(name, "reason_code" | "return_code") => format!("0x{code:02x}"),
        Value::Ints(codes) if matches!(name, "reason_codes" | "return_codes") => {
            let codes: Vec<String> = codes.iter().map(|c| format!("0x{c:02x}")).collect();
            format!("[{}]", codes.join(", "))
        }
        other => other.to_string(),
    };
    let text = printable(&text);
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The assigned client identifier of a CONNACK (5.0, section 3.2.2.3.7).
pub fn assigned(decoded: &Decoded) -> Option<Text> {
    match decoded.packet.as_ref()? {
        Packet::ConnAck(connack) => match connack.properties.get(id::ASSIGNED_CLIENT_IDENTIFIER)? {
            crate::wire::PropertyValue::Text(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::decoded;
    use super::*;
    use crate::wire::{Ack, ConnAck, PropertyValue, Publish, Side, SubAck, encode_bytes};

    fn answer(packet: Packet) -> Answer {
        let topic = match &packet {
            Packet::Publish(p) => Some(p.topic.clone()),
            _ => None,
        };
        let bytes = encode_bytes(&packet, Version::V5);
        Answer::new(&decoded(&bytes, Version::V5, Side::Server), topic.as_ref(), Version::V5)
    }

    fn connack(edit: impl FnOnce(&mut ConnAck)) -> Answer {
        let mut connack = ConnAck::default();
        edit(&mut connack);
        answer(Packet::ConnAck(connack))
    }

    #[test]
    fn what_the_broker_chooses_or_says_to_people_makes_no_difference() {
        let text = |t: &str| PropertyValue::Text(t.into());
        let a = connack(|c| {
            c.properties.push(id::ASSIGNED_CLIENT_IDENTIFIER, text("one"));
            c.properties.push(id::REASON_STRING, text("hello"));
        });
        let b = connack(|c| c.properties.push(id::ASSIGNED_CLIENT_IDENTIFIER, text("two")));
        assert_eq!(a.differences(&b), Vec::<String>::new());
        assert_eq!(
            a.differences(&connack(|_| ())),
            ["CONNACK assigned_client_id: captured true, came absent"]
        );
        let ack = |code| {
            answer(Packet::PubAck(Ack {
                reason_code: code,
                ..Ack::new(7)
            }))
        };
        assert!(ack(0).differences(&ack(0x10)).is_empty());
        assert_eq!(
            ack(0).differences(&ack(0x87)),
            ["PUBACK reason_code: captured 0x00, came 0x87"]
        );
    }

    #[test]
    fn a_message_is_compared_by_what_it_is() {
        let publish = |edit: &dyn Fn(&mut Publish)| {
            let mut p = Publish {
                topic: "a".into(),
                qos: 1,
                packet_id: Some(3),
                payload: "x".into(),
                ..Publish::default()
            };
            edit(&mut p);
            answer(Packet::Publish(p))
        };
        let captured = publish(&|_| ());
        let other_id = publish(&|p| {
            p.packet_id = Some(9);
            p.dup = true;
        });
        assert!(captured.is_for(&other_id) && captured.differences(&other_id).is_empty());
        let other_qos = publish(&|p| {
            p.qos = 0;
            p.packet_id = None;
        });
        assert_eq!(captured.differences(&other_qos), ["PUBLISH qos: captured 1, came 0"]);
        let other_payload = publish(&|p| p.payload = "y".into());
        assert!(!captured.is_for(&other_payload) && captured.is_like(&other_payload));
        assert_eq!(captured.differences(&other_payload).len(), 1);
        assert!(!captured.is_like(&publish(&|p| p.topic = "b".into())));
    }

    #[test]
    fn codes_are_shown_in_hex() {
        let suback = |codes: &[u8]| {
            answer(Packet::SubAck(SubAck {
                packet_id: 1,
                reason_codes: codes.to_vec(),
                ..SubAck::default()
            }))
        };
        assert_eq!(
            suback(&[1, 2]).differences(&suback(&[1, 0x80])),
            ["SUBACK reason_codes: captured [0x01, 0x02], came [0x01, 0x80]"]
        );
    }
}
