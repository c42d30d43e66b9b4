//! A packet as a step of the language: structured if it is regular, else as bytes with comments.

use std::ops::Range;

use super::yaml::{code, comment, hex, name, payload, quoted, text};
use crate::secret::{Policy, fragment, is_password, shown};
use crate::wire::{
    Blob, Decoded, Packet, Properties, PropertyValue, Subscription, Text, Value, Version, encode_bytes, field,
    field_names, property_field,
};

/// `name: value` of a step, in order.
pub type Fields = Vec<(&'static str, String)>;

/// How long a line may be.
const WIDTH: usize = 120;

/// The fields of a packet that a client sent, without those that the language has by default; `None` if the packet is
/// not what the language would send for them. `id` is what stands for the packet identifier.
pub fn sent(raw: &Blob, decoded: &Decoded, version: Version, id: Option<String>) -> Option<Fields> {
    let packet = decoded.packet.as_ref()?;
    if !decoded.breaches.is_empty() || encode_bytes(packet, version) != *raw.bytes()? {
        return None;
    }
    let mut fields = Fields::new();
    for spec in field_names(packet.packet_type(), version) {
        let value = match (spec.name, packet) {
            // The name and level are those of the version, the client is called as the harness calls it, and the
            // target's own login goes with every CONNECT.
            ("protocol_name" | "protocol_level" | "username" | "password", _) => None,
            ("client_id", Packet::Connect(p)) => p.client_id.is_empty().then(|| "''".to_owned()),
            ("clean_start" | "clean_session", Packet::Connect(p)) => (!p.clean_start).then(|| "false".to_owned()),
            ("keep_alive", Packet::Connect(p)) => (p.keep_alive != 60).then(|| p.keep_alive.to_string()),
            ("will", Packet::Connect(p)) => match &p.will {
                None => None,
                Some(will) => {
                    let mut parts = vec![("topic", name(&will.topic)?), ("payload", text(&will.payload))];
                    parts.extend((will.qos > 0).then(|| ("qos", will.qos.to_string())));
                    parts.extend(will.retain.then(|| ("retain", "true".to_owned())));
                    parts.extend(properties(&will.properties)?);
                    Some(flow(&parts))
                }
            },
            ("filters", Packet::Subscribe(p)) => Some(filters(&p.subscriptions, version)?),
            ("filters", Packet::Unsubscribe(p)) => {
                let names: Option<Vec<String>> = p.filters.iter().map(name).collect();
                Some(format!("[{}]", names?.join(", ")))
            }
            ("packet_id", _) => match (packet.packet_id(), &id) {
                (None, _) => None,
                (Some(_), Some(id)) => Some(id.clone()),
                (Some(id), None) => Some(id.to_string()),
            },
            _ => common(packet, version, spec.name)?,
        };
        fields.extend(value.map(|value| (spec.name, value)));
    }
    Some(topic_first(fields))
}

/// The fields by which a packet of the broker is waited for; `None` if it cannot be read. `id` is what stands for the
/// packet identifier, `topic` is resolved.
pub fn awaited(decoded: &Decoded, topic: Option<&Text>, version: Version, id: Option<String>) -> Option<Fields> {
    let packet = decoded.packet.as_ref().filter(|_| decoded.breaches.is_empty())?;
    awaited_fields(packet, topic, version, id)
}

/// As [`awaited`], for a PUBLISH with a violation that its fields show; `None` if only its bytes do.
pub fn awaited_irregular(
    decoded: &Decoded,
    topic: Option<&Text>,
    version: Version,
    id: Option<String>,
) -> Option<Fields> {
    match decoded.packet.as_ref()? {
        packet @ Packet::Publish(p) if p.qos <= 2 && !decoded.breaches.is_empty() && !topic?.is_empty() => {
            awaited_fields(packet, topic, version, id)
        }
        _ => None,
    }
}

fn awaited_fields(packet: &Packet, topic: Option<&Text>, version: Version, id: Option<String>) -> Option<Fields> {
    let mut fields = Fields::new();
    for spec in field_names(packet.packet_type(), version) {
        let value = match (spec.name, packet) {
            ("session_present", Packet::ConnAck(p)) if version != Version::V3_1 => Some(p.session_present.to_string()),
            ("topic", Packet::Publish(_)) => Some(name(topic?)?),
            ("qos", Packet::Publish(p)) => Some(p.qos.to_string()),
            ("dup", _) => None,
            ("packet_id", _) => match (packet.packet_id(), &id) {
                (None, _) => None,
                (Some(_), Some(id)) => Some(id.clone()),
                (Some(id), None) => Some(id.to_string()),
            },
            ("reason_code" | "return_code", _) => packet
                .reason_code()
                // An unnamed code means success.
                .filter(|code| *code >= 0x80 || version != Version::V5 && *code > 0)
                .map(|c| code(c.into())),
            ("reason_codes" | "return_codes" | "retain" | "payload", _) => common(packet, version, spec.name)?,
            // Of the properties those that a publisher gave its message; the others are the broker's choice.
            (_, Packet::Publish(p)) if spec.property.is_some() => match spec.name {
                "message_expiry_interval" | "topic_alias" => None,
                "response_topic" => response_topic(&p.properties)?,
                name => common(packet, version, name)?,
            },
            ("method" | "authentication_method", Packet::Auth(_)) => common(packet, version, spec.name)?,
            _ => None,
        };
        fields.extend(value.map(|value| (spec.name, value)));
    }
    Some(topic_first(fields))
}

/// What a message is about precedes how it is sent.
fn topic_first(mut fields: Fields) -> Fields {
    fields.sort_by_key(|(name, _)| *name != "topic");
    fields
}

/// A field that is written alike in what is sent and what is awaited. `Some(None)` if it has what the language has by
/// default, `None` if the language has no word for it.
fn common(packet: &Packet, version: Version, field_name: &str) -> Option<Option<String>> {
    if field_name == "response_topic" {
        return response_topic(packet.properties()?);
    }
    let Some(value) = field(packet, version, field_name) else {
        return Some(None);
    };
    Some(match (field_name, value) {
        ("topic", Value::Text(topic)) => Some(name(&topic)?),
        ("payload", Value::Payload(bytes)) => Some(payload(&bytes)?),
        ("reason_code" | "return_code" | "qos", Value::Int(0)) => None,
        ("dup" | "retain", Value::Bool(false)) => None,
        ("reason_code" | "return_code", Value::Int(n)) => Some(code(n)),
        ("reason_codes" | "return_codes", Value::Ints(codes)) => {
            let codes: Vec<String> = codes.into_iter().map(code).collect();
            Some(format!("[{}]", codes.join(", ")))
        }
        (_, value) => Some(written(&value)?),
    })
}

/// `Some(None)` if there is none.
fn response_topic(properties: &Properties) -> Option<Option<String>> {
    match properties.get(crate::wire::property::id::RESPONSE_TOPIC) {
        Some(PropertyValue::Text(topic)) => Some(Some(name(topic)?)),
        _ => Some(None),
    }
}

/// The properties of a will.
fn properties(of: &Properties) -> Option<Fields> {
    let mut fields = Fields::new();
    for property in &of.0 {
        let spec = crate::wire::property::property(property.id)?;
        if fields.iter().any(|(name, _)| *name == spec.name) {
            continue;
        }
        let value = match spec.name {
            "response_topic" => response_topic(of)??,
            name => written(&property_field(of, name)?)?,
        };
        fields.push((spec.name, value));
    }
    Some(fields)
}

/// A value whose meaning its kind tells.
fn written(value: &Value) -> Option<String> {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    Some(match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Text(of) => text(of.as_bytes()),
        Value::Binary(bytes) => text(bytes),
        Value::Ints(numbers) if numbers.len() == 1 => numbers[0].to_string(),
        Value::Ints(numbers) => list(numbers.iter().map(u64::to_string).collect()),
        Value::Pairs(pairs) => list(
            pairs
                .iter()
                .map(|(n, v)| format!("[{}, {}]", text(n.as_bytes()), text(v.as_bytes())))
                .collect(),
        ),
        Value::Payload(_) | Value::Texts(_) | Value::List(_) | Value::Map(_) => return None,
    })
}

/// `{ $ns/a: 1 }`, or a list if a filter is twice.
fn filters(subscriptions: &[Subscription], version: Version) -> Option<String> {
    let options = |s: &Subscription| match (s.options, version) {
        (qos @ 0..=2, _) => qos.to_string(),
        (_, Version::V5) if s.options & 0xc0 == 0 => {
            let mut parts = vec![("qos", s.qos().to_string())];
            parts.extend(s.no_local().then(|| ("no_local", "true".to_owned())));
            parts.extend(
                s.retain_as_published()
                    .then(|| ("retain_as_published", "true".to_owned())),
            );
            parts.extend((s.retain_handling() > 0).then(|| ("retain_handling", s.retain_handling().to_string())));
            flow(&parts)
        }
        (options, _) => format!("{{ options: {} }}", code(options.into())),
    };
    let mut entries = Vec::new();
    for s in subscriptions {
        entries.push(format!("{}: {}", name(&s.filter)?, options(s)));
    }
    let twice = subscriptions
        .iter()
        .enumerate()
        .any(|(i, s)| subscriptions[..i].iter().any(|t| t.filter == s.filter));
    Some(if !twice {
        format!("{{ {} }}", entries.join(", "))
    } else {
        format!(
            "[{}]",
            entries
                .iter()
                .map(|e| format!("{{ {e} }}"))
                .collect::<Vec<_>>()
                .join(", ")
        )
    })
}

/// `{ a: 1, b: 2 }`
fn flow(fields: &[(&'static str, String)]) -> String {
    let parts: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{{ {} }}", parts.join(", "))
}

/// A step: on one line if it fits, else a line a field.
pub fn step(client: &str, arrow: &str, what: &str, fields: &Fields) -> String {
    if fields.is_empty() {
        return format!("  - {client} {arrow} {what}\n");
    }
    let line = format!("  - {client} {arrow} {what}: {}\n", flow(fields));
    if line.chars().count() <= WIDTH {
        return line;
    }
    let mut out = format!("  - {client} {arrow} {what}:\n");
    for (name, value) in fields {
        out.push_str(&format!("      {name}: {value}\n"));
    }
    out
}

/// A packet as its bytes, a line a field, with what each is. Of a password only the length is shown: it is sent as `*`.
pub fn bytes(client: &str, raw: &Blob, decoded: &Decoded) -> String {
    let secrets = Policy::Capture.spans(raw, decoded);
    let shown = shown(raw, decoded);
    let mut out = format!("  - {client} -> bytes: |\n");
    let mut at = 0;
    let mut line = |part: &[u8], about: &str| {
        // Long ones over several lines; the first says what they are.
        for (i, piece) in part.chunks(16).enumerate() {
            let about = if i == 0 {
                format!("# {}", comment(about))
            } else {
                String::new()
            };
            out.push_str(format!("      {:<47} {about}", hex(piece)).trim_end());
            out.push('\n');
        }
    };
    for field in &decoded.fields {
        if field.span.start < at || field.span.end > shown.head.len() {
            continue;
        }
        if field.span.start > at {
            line(&shown.head[at..field.span.start], "");
        }
        let is_secret = |s: &Range<usize>| s.start < field.span.end && field.span.start < s.end;
        let value = if secrets.iter().any(is_secret) && !is_password(&field.name) {
            format!("<{} bytes>", field.span.len())
        } else {
            crate::transcript::value(&field.name, &field.value)
        };
        let value = match value.char_indices().nth(60) {
            Some((end, _)) => format!("{}…", &value[..end]),
            None => value,
        };
        let wrong = decoded
            .breaches
            .iter()
            .find(|b| b.span.start >= field.span.start && b.span.start < field.span.end);
        let wrong = wrong.map(|b| format!(": {}", b.text)).unwrap_or_default();
        line(
            &shown.head[field.span.clone()],
            &format!("{} {value}{wrong}", field.name),
        );
        at = field.span.end;
    }
    if at < shown.head.len() {
        line(&shown.head[at..], "the rest");
    }
    out
}

/// Bytes that are no packet, with what may be a password masked.
pub fn loose(client: &str, bytes: &[u8]) -> String {
    format!("  - {client} -> bytes: {}\n", quoted(&hex(&fragment(bytes))))
}
