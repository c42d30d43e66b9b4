//! A packet on one line, in the notation of scenarios: `pub -> PUBLISH: { topic: "$ns/a", qos: 1, packet_id: 7,
//! payload: "x" }`.
//!
//! The fields determine the bytes. They are left out only if a scenario leaves them out too, because the language has a
//! default for them (`clean: true`, `keep_alive: 60`). If the fields do not determine the bytes (a length that is
//! longer than it needs to be, a violation, a long value that is cut), the bytes follow behind a `#`.

mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::ops::Range;

use twox_hash::XxHash64;

use self::fields::{Fields, map};
use super::hex::{HexLine, Mark, printable, secrets};
use super::order::by_identifier;
use super::text::{name, shown, value};
use super::usual::Usual;
use super::{Application, ClientName, End, Event, Lifecycle, Transcript, WebSocket, What};
use crate::wire::{Blob, Connect, Decoded, Field, Packet, PacketType, Payload, Side, Value, Version, encode_bytes};

/// How much of a packet's hex is kept, in bytes.
const HEX: usize = 96;

/// The longest value that is shown whole, in bytes; [`Value`]'s `Display` cuts the others in the middle.
const WHOLE: usize = 200;

/// Fields whose values the broker chooses again in every run.
const CHOSEN: [&str; 4] = [
    "assigned_client_id",
    "authentication_data",
    "message_expiry_interval",
    "topic_alias",
];

/// The lengths around fields.
const LENGTHS: [&str; 3] = ["remaining_length", "property_length", "will.property_length"];

/// The Keep Alive of the language's CONNECT, in seconds.
const KEEP_ALIVE: u64 = 60;

/// An event as a line of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Packet(Line),
    /// The whole line, of what is no packet; empty if there is nothing to say.
    Other(String),
}

/// A packet as a line of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub client: ClientName,
    pub from: Side,
    pub name: &'static str,
    pub packet_type: Option<PacketType>,
    /// Each with its value in the notation of the language.
    pub fields: Vec<(String, String)>,
    /// What the fields do not show: the bytes, and what is wrong with them. Empty if the fields determine the bytes.
    pub remark: String,
}

impl Line {
    /// The packet without its client and its remark: `PUBACK: { packet_id: 7 }`.
    pub fn packet(&self) -> String {
        if self.fields.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}: {}", self.name, map(&self.fields))
        }
    }

    /// The whole line.
    pub fn text(&self) -> String {
        let line = format!("{} {} {}", self.client, arrow(self.from), self.packet());
        match &self.remark[..] {
            "" => line,
            remark => format!("{line}  # {remark}"),
        }
    }
}

/// Which way a packet from this side goes, seen from the client's name.
pub fn arrow(from: Side) -> &'static str {
    match from {
        Side::Client => "->",
        Side::Server => "<-",
    }
}

/// Turns events into lines, in the order of the snapshot: values that the broker chose have a name from their first use
/// on.
pub struct Notation<'t> {
    transcript: &'t Transcript,
    usual: &'t Usual,
    /// The version of each event's connection.
    versions: Vec<Version>,
    taken: Vec<bool>,
    /// Packet identifiers that the peer under test chose and that are in use, by client.
    ids: BTreeMap<(ClientName, u16), String>,
    /// Texts that the broker chose and that may come back in other packets, such as the client identifier that it
    /// assigned.
    texts: BTreeMap<String, String>,
}

impl<'t> Notation<'t> {
    pub fn new(transcript: &'t Transcript, usual: &'t Usual) -> Notation<'t> {
        Notation {
            transcript,
            usual,
            versions: versions(transcript),
            taken: vec![false; transcript.bindings.len()],
            ids: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    /// The version of the connection of the event at `index`.
    pub fn version(&self, index: usize) -> Version {
        self.versions[index]
    }

    /// The event at `index` of the transcript.
    pub fn show(&mut self, index: usize) -> Said {
        let transcript = self.transcript;
        let event = &transcript.events[index];
        let side = event.side(transcript.scripted);
        let (client, arrow) = (&event.client, arrow(side));
        let other = match &event.what {
            What::Packet { raw, decoded, .. } => {
                let sorted = (side == Side::Server).then(|| by_identifier(raw, decoded)).flatten();
                let (raw, decoded) = sorted
                    .as_ref()
                    .map_or((raw, &**decoded), |(raw, decoded)| (raw, decoded));
                return Said::Packet(self.packet(event, self.versions[index], raw, decoded));
            }
            What::Fragment(bytes) => {
                let raw = Blob::Whole(bytes.clone());
                let hex = HexLine::new(&raw, &self.namespace_marks(&raw), &[], HEX).text();
                format!("{client} {arrow} bytes  # {}", printable(&hex))
            }
            What::Open => format!("{client} -> open"),
            // How the client under test closes depends on what it has read by then.
            What::End(_) if transcript.scripted == Side::Server && side == Side::Client => {
                format!("{client} -> closed")
            }
            What::End(end) if transcript.scripted == Side::Server => {
                let end = match end {
                    End::Fin => "close",
                    End::Reset => "reset",
                    End::HalfClose => "half close",
                };
                format!("{client} {arrow} {end}")
            }
            What::End(_) if side == Side::Server => format!("{client} <- closed"),
            What::End(End::Fin) => format!("{client} -> close"),
            What::End(End::Reset) => format!("{client} -> reset"),
            What::End(End::HalfClose) => format!("{client} -> half close"),
            // The transport is nothing of the exchange, unless the script is about it.
            What::WebSocket(WebSocket::Upgraded { .. }) => String::new(),
            What::WebSocket(event) => format!("{client} {arrow} {}", printable(&event.to_string())),
            // Whether and in which words a library answers a call is nothing of the exchange.
            What::Application(told @ Application::Told { .. }) => {
                let told = without_namespace(&transcript.namespace, &told.to_string());
                format!("{client} {}", printable(&told))
            }
            What::Application(Application::Refused(..)) => format!("{client} refuses"),
            What::Application(_) => String::new(),
            What::Gap(_) => format!("{client} (bytes are missing)"),
            What::Lifecycle(Lifecycle::Restart) => "broker: restart".to_owned(),
            What::Lifecycle(Lifecycle::Kill) => "broker: kill".to_owned(),
        };
        Said::Other(other)
    }

    fn packet(&mut self, event: &Event, version: Version, raw: &Blob, decoded: &Decoded) -> Line {
        let from = event.side(self.transcript.scripted);
        let mut marks = secrets(decoded);
        let mut fields = Fields::default();
        let mut any_length = false;
        let mut cut = false;
        let id_name = (decoded.packet.as_ref()).and_then(|p| self.chosen_id(&event.client, from, p));
        for field in shown(decoded) {
            let name: &str = field.name.as_ref();
            let chosen = match name {
                "packet_id" => id_name.clone(),
                _ if from == Side::Server && CHOSEN.contains(&name) => {
                    let shown = self.bound(&field.value).unwrap_or(format!("<{name}>"));
                    if let Some(text) = text_of(&field.value) {
                        any_length = true;
                        self.texts.insert(text.to_owned(), shown.clone());
                    }
                    any_length |= matches!(field.value, Value::Binary(_));
                    Some(shown)
                }
                _ => {
                    let known = text_of(&field.value).and_then(|text| self.texts.get(text)).cloned();
                    any_length |= known.is_some();
                    known
                }
            };
            let shown = match chosen {
                Some(text) => {
                    marks.push(Mark {
                        span: field.span.clone(),
                        shown: text.clone(),
                    });
                    text
                }
                None if name == "password" => "<password>".to_owned(),
                None => {
                    cut |= longest(&field.value) > WHOLE;
                    without_namespace(&self.transcript.namespace, &value(name, &field.value))
                }
            };
            if !self.goes_without_saying(event, decoded, &field) {
                fields.push(decoded, name, shown);
            }
        }
        if any_length {
            // The broker's next choice may be longer, and the lengths around it with it.
            let lengths = decoded.fields.iter().filter(|f| LENGTHS.contains(&f.name.as_ref()));
            marks.extend(lengths.map(|f| Mark {
                span: f.span.clone(),
                shown: "<length>".to_owned(),
            }));
        }
        marks.extend(self.namespace_marks(raw));
        let mut line = Line {
            client: event.client.clone(),
            from,
            name: name(decoded),
            packet_type: decoded.packet_type,
            fields: fields.done(),
            remark: self.remark(raw, decoded, version, &outermost(marks), cut),
        };
        if line.packet_type == Some(PacketType::ConnAck)
            && line.remark.is_empty()
            && self.usual.is_usual(version, &line.packet())
        {
            line.fields.clear();
        }
        line
    }

    /// Whether a scenario omits the field, because the language's default for it is this value.
    fn goes_without_saying(&self, event: &Event, decoded: &Decoded, field: &Field) -> bool {
        let name: &str = field.name.as_ref();
        if let Some(Packet::Connect(connect)) = &decoded.packet {
            return match (name, &field.value) {
                ("protocol_name", _) => says_its_level(connect),
                ("protocol_level", Value::Int(level)) => *level == u64::from(self.transcript.version.protocol_level()),
                ("clean", Value::Bool(clean)) => *clean,
                ("keep_alive", Value::Int(seconds)) => *seconds == KEEP_ALIVE,
                ("client_id", Value::Text(id)) => {
                    let own = format!("{}{}", self.transcript.namespace, event.client);
                    !self.transcript.namespace.is_empty() && id.as_str() == Some(&own)
                }
                ("will", Value::Bool(will)) => !will,
                ("will_retain", Value::Bool(retain)) => !retain,
                ("will_qos", Value::Int(qos)) => *qos == 0,
                _ => false,
            };
        }
        match (name, &field.value) {
            ("dup" | "retain" | "no_local" | "retain_as_published", Value::Bool(set)) => !set,
            ("retain_handling", Value::Int(n)) => *n == 0,
            ("qos", Value::Int(n)) => *n == 0 && decoded.packet_type == Some(PacketType::Publish),
            _ => false,
        }
    }

    /// The bytes if the fields do not determine them, and what is wrong with them.
    fn remark(&self, raw: &Blob, decoded: &Decoded, version: Version, marks: &[Mark], cut: bool) -> String {
        let canonical = decoded.kept && decoded.breaches.is_empty() && is_canonical(raw, decoded, version);
        let mut parts = Vec::new();
        if !canonical {
            parts.push(printable(&HexLine::new(raw, marks, &[], HEX).text()));
        }
        if cut || (!canonical && raw.len() > HEX as u64) {
            parts.extend(digest(raw, marks));
        }
        for breach in &decoded.breaches {
            let text = without_namespace(&self.transcript.namespace, &printable(&breach.text));
            parts.push(format!("! {}", text.replace('\n', " ")));
        }
        parts.join("  ")
    }

    /// The name of the packet identifier, if the peer under test chose it.
    fn chosen_id(&mut self, client: &ClientName, from: Side, packet: &Packet) -> Option<String> {
        let id = packet.packet_id()?;
        let key = (client.clone(), id);
        let by_peer = from != self.transcript.scripted;
        let of_client = self.transcript.scripted == Side::Server;
        match packet {
            Packet::Publish(p) if by_peer && p.dup && self.ids.contains_key(&key) => self.ids.get(&key).cloned(),
            Packet::Publish(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_)
                if by_peer && (of_client || matches!(packet, Packet::Publish(_))) =>
            {
                let name = self.bind(&id.to_string()).unwrap_or("<packet_id>".to_owned());
                self.ids.insert(key, name.clone());
                Some(name)
            }
            Packet::PubRel(_) if by_peer => self.ids.get(&key).cloned(),
            Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_) if !by_peer => self.ids.get(&key).cloned(),
            // A script may use the identifier of the client for its own exchange, or answer with it.
            _ if of_client => self.ids.get(&key).cloned(),
            _ => None,
        }
    }

    /// The next binding of this value that has not been placed yet.
    fn bind(&mut self, text: &str) -> Option<String> {
        let bindings = &self.transcript.bindings;
        let at = (0..bindings.len()).find(|i| !self.taken[*i] && bindings[*i].1 == text)?;
        self.taken[at] = true;
        Some(dollar(&bindings[at].0))
    }

    /// A binding of this value.
    fn bound(&self, value: &Value) -> Option<String> {
        // A number that is the same as that of a packet identifier is so by chance.
        let text = text_of(value)?;
        let (name, _) = self.transcript.bindings.iter().find(|(_, bound)| *bound == text)?;
        Some(dollar(name))
    }

    fn namespace_marks(&self, raw: &Blob) -> Vec<Mark> {
        let ns = self.transcript.namespace.as_bytes();
        let head = raw.head();
        if ns.is_empty() || head.len() < ns.len() {
            return Vec::new();
        }
        (0..=head.len() - ns.len())
            .filter(|at| &head[*at..*at + ns.len()] == ns)
            .map(|at| Mark {
                span: at..at + ns.len(),
                shown: "\"$ns\"".to_owned(),
            })
            .collect()
    }
}

/// Whether the name is the one that belongs to the level.
fn says_its_level(connect: &Connect) -> bool {
    let version = at_level(connect.protocol_level);
    version.is_some_and(|v| connect.protocol_name.as_str() == Some(v.protocol_name()))
}

fn at_level(level: u8) -> Option<Version> {
    Version::ALL.into_iter().find(|v| v.protocol_level() == level)
}

/// The version of each event's connection: that of its last CONNECT.
fn versions(transcript: &Transcript) -> Vec<Version> {
    let mut current: BTreeMap<u32, Version> = BTreeMap::new();
    let version = |event: &Event| {
        if let Some(Packet::Connect(connect)) = event.packet().and_then(|d| d.packet.as_ref())
            && let Some(version) = at_level(connect.protocol_level)
        {
            current.insert(event.connection, version);
        }
        current.get(&event.connection).copied().unwrap_or(transcript.version)
    };
    transcript.events.iter().map(version).collect()
}

/// Whether the packet, written again, has the same bytes: then nothing but its fields tells it from others.
fn is_canonical(raw: &Blob, decoded: &Decoded, version: Version) -> bool {
    let Blob::Whole(bytes) = raw else {
        // Of a message too long to be held the digest stands for the payload.
        return decoded.packet.is_some();
    };
    decoded
        .packet
        .as_ref()
        .is_some_and(|p| encode_bytes(p, version) == *bytes)
}

/// The length of a packet and a digest of its bytes, except for those that differ from run to run. `None` if they are
/// not held: the digest of such a payload is its value.
fn digest(raw: &Blob, marks: &[Mark]) -> Option<String> {
    let Blob::Whole(bytes) = raw else { return None };
    let mut hasher = XxHash64::with_seed(0);
    let mut at = 0;
    for mark in marks {
        hasher.write(&bytes[at..mark.span.start]);
        hasher.write(mark.shown.as_bytes());
        at = mark.span.end;
    }
    hasher.write(&bytes[at..]);
    Some(format!("digest {:016x}", hasher.finish()))
}

/// The length of the longest text in a value, in bytes.
fn longest(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::Payload(Payload::Bytes(bytes)) => bytes.len(),
        Value::Texts(texts) => texts.iter().map(|t| t.len()).max().unwrap_or(0),
        Value::Pairs(pairs) => pairs.iter().map(|(k, v)| k.len().max(v.len())).max().unwrap_or(0),
        Value::Map(parts) => parts.iter().map(|(_, v)| longest(v)).max().unwrap_or(0),
        Value::List(items) => items.iter().map(longest).max().unwrap_or(0),
        Value::Bool(_) | Value::Int(_) | Value::Ints(_) | Value::Payload(_) => 0,
    }
}

/// The text with the namespace as a scenario writes it: `$ns/a`, and `${ns}pub` where what follows could be read as a
/// part of the name. An empty namespace leaves the text as it is.
pub fn without_namespace(namespace: &str, text: &str) -> String {
    if namespace.is_empty() {
        return text.to_owned();
    }
    let mut parts = text.split(namespace);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        out.push_str(if goes_on { "${ns}" } else { "$ns" });
        out.push_str(part);
    }
    out
}

fn dollar(name: &str) -> String {
    if name.starts_with('$') {
        name.to_owned()
    } else {
        format!("${name}")
    }
}

/// The text that a field holds, if it holds any.
fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => text.as_str().filter(|t| !t.is_empty()),
        _ => None,
    }
}

/// Drops marks inside others, and orders them.
fn outermost(mut marks: Vec<Mark>) -> Vec<Mark> {
    marks.sort_by_key(|m| (m.span.start, usize::MAX - m.span.end));
    let mut kept: Vec<Mark> = Vec::new();
    let inside = |a: &Range<usize>, b: &Range<usize>| a.start < b.end;
    for mark in marks {
        if kept.last().is_none_or(|last| !inside(&mark.span, &last.span)) {
            kept.push(mark);
        }
    }
    kept
}
