//! A sequence as a scenario of the project's language: what its clients send, and what the obedient broker answers.
//!
//! A client that is not reading has no step: a script expects what has come when it goes on reading. What is lost with a connection
//! is read and not answered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::action::{Act, Sequence};
use super::judge::Verdict;
use super::offence;
use super::world::{NAMESPACE, play_noted};
use crate::reference::Config;
use crate::transcript::{Author, Event, Lifecycle, What};
use crate::wire::property::id;
use crate::wire::{
    Ack, Connect, Frame, Packet, PropertyValue, Publish, Side, Subscribe, Subscription, Version, decode,
};

/// Shorter times between two events are not written.
const SECOND: Duration = Duration::from_secs(1);
/// A longer one is the end of the sequence. Only the client that asks for retained messages matters after it.
const END: Duration = Duration::from_secs(20);
const LATE: &str = "late";

/// The scenario file of a violation, with the answers of the broker that behaves like this configuration of the obedient one.
pub fn scenario(config: &Arc<Config>, sequence: &Sequence, verdict: &Verdict) -> String {
    // What a new client is sent matters where the finding is about retained messages.
    let asks = verdict.rule.contains("retain") || verdict.rule == "removed-is-gone";
    // A will that must not come would come after its delay.
    let waits = verdict.rule == "will-waits";
    let writer = steps(config, sequence, verdict.statement.version, asks, waits);
    let says = format!(
        "A broker that fails this was seen to break the statement:\n  {}.",
        verdict.text
    );
    writer.file(
        &format!("{} holds in {} steps", verdict.rule, sequence.actions.len()),
        &says,
        Some(verdict.statement.id),
    )
}

/// The scenario file of a sequence after which a broker was gone; `how` says how it ended.
pub fn scenario_that_ends(sequence: &Sequence, how: &str) -> String {
    let version = sequence.versions.first().copied().unwrap_or(Version::V5);
    let says = format!("A broker was gone after these steps: {how}.");
    let title = format!("A broker goes on after {} steps", sequence.actions.len());
    steps(&Arc::default(), sequence, version, false, false).file(&title, &says, None)
}

/// The steps, as the broker of this configuration answers them. `asks`: also those of the client that asks for retained messages at the end.
fn steps(config: &Arc<Config>, sequence: &Sequence, version: Version, asks: bool, waits: bool) -> Writer {
    let (transcript, notes) = play_noted(config, sequence);
    let offences = offence::read(&transcript);
    let mut writer = Writer::new(version);
    let mut last = Duration::ZERO;
    let mut over = false;
    for (number, event) in transcript.events.iter().enumerate() {
        let gap = event.at.saturating_sub(last);
        last = event.at;
        over |= gap >= END;
        if over && !(asks && &*event.client == LATE) {
            continue;
        }
        if gap >= SECOND && !over {
            writer.step(format!("wait: {}s", gap.as_secs()));
            writer.waited = true;
        }
        // A client of the script reads what this one has not, and does nothing about it.
        for unread in notes.unread.iter().filter(|u| u.before == number && !over) {
            writer.unread(unread.connection, &unread.bytes);
        }
        if notes.stops.iter().any(|stop| stop.contains(&number)) {
            if matches!(event.what, What::End(_)) {
                writer.gone(event.connection);
            }
        } else if offences.iter().any(|offence| offence.event == number) {
            writer.offence(event);
        } else {
            writer.event(event);
        }
    }
    if waits {
        let delay = sequence.actions.iter().filter_map(|action| match &action.act {
            Act::Connect(how) => Some(how.will.as_ref()?.delay),
            _ => None,
        });
        writer.step(format!("wait: {}s", delay.max().unwrap_or_default() + 1));
    }
    for client in writer.names.values().filter(|c| c.open) {
        let _ = writeln!(writer.steps, "  - {} <- nothing", client.name);
    }
    writer
}

struct Writer {
    version: Version,
    steps: String,
    /// The scenario's client of each connection.
    names: BTreeMap<u32, Named>,
    /// Names that are used, each with the connection that uses it.
    used: BTreeMap<String, u32>,
    versions: BTreeMap<String, Version>,
    /// The variables of open exchanges that the broker began, by client and identifier.
    bound: BTreeMap<(String, u16), String>,
    variables: usize,
    needs: BTreeSet<&'static str>,
    /// The clients that must close the connection with which they start, because they need one only after a wait or a restart.
    early: Vec<String>,
    waited: bool,
}

struct Named {
    name: String,
    client: String,
    open: bool,
    /// It has sent a packet for which the broker closes the connection.
    offends: bool,
}

impl Writer {
    fn new(version: Version) -> Writer {
        Writer {
            version,
            steps: String::new(),
            names: BTreeMap::new(),
            used: BTreeMap::new(),
            versions: BTreeMap::new(),
            bound: BTreeMap::new(),
            variables: 0,
            needs: BTreeSet::new(),
            early: Vec::new(),
            waited: false,
        }
    }

    fn step(&mut self, step: String) {
        let _ = writeln!(self.steps, "  - {step}");
    }

    fn event(&mut self, event: &Event) {
        let number = event.connection;
        match &event.what {
            What::Open => self.open(event),
            What::Lifecycle(how) => {
                self.needs.extend(["restart", "persistence"]);
                let how = match how {
                    Lifecycle::Restart => "restart",
                    Lifecycle::Kill => {
                        self.needs.insert("durable");
                        // For brokers that write their store now and then.
                        self.step("wait: 2.5s".to_owned());
                        "kill"
                    }
                };
                self.step(format!("broker: {how}"));
                self.waited = true;
            }
            What::End(_) => self.end(number, event.author),
            What::Packet { decoded, topic, .. } => {
                let (Some(packet), Some(named)) = (&decoded.packet, self.names.get(&number)) else {
                    return;
                };
                let (name, client) = (named.name.clone(), named.client.clone());
                let peer = event.author == Author::Peer;
                if peer && named.offends && matches!(packet, Packet::Disconnect(_)) {
                    return;
                }
                let fields = if peer {
                    self.expected(&client, packet, topic.as_ref().and_then(|t| t.as_str()))
                } else {
                    self.sent(&client, packet)
                };
                if let Packet::Connect(connect) = packet {
                    let level = connect.protocol_level;
                    let version = Version::ALL.into_iter().find(|v| v.protocol_level() == level);
                    self.versions.insert(name.clone(), version.unwrap_or(Version::V5));
                }
                let arrow = if peer { "<-" } else { "->" };
                let fields = if fields.is_empty() {
                    String::new()
                } else {
                    format!(": {{ {} }}", fields.join(", "))
                };
                self.step(format!("{name} {arrow} {}{fields}", packet.packet_type()));
            }
            _ => {}
        }
    }

    /// A packet for which the broker closes the connection, byte for byte.
    fn offence(&mut self, event: &Event) {
        let (What::Packet { raw, .. }, Some(named)) = (&event.what, self.names.get_mut(&event.connection)) else {
            return;
        };
        named.offends = true;
        let name = named.name.clone();
        self.step(format!("{name} -> bytes: '{}'", hexadecimal(raw.head())));
    }

    /// A packet that is read and not answered.
    fn unread(&mut self, number: u32, bytes: &Bytes) {
        let Some(named) = self.names.get(&number).filter(|n| n.open) else {
            return;
        };
        let offends = named.offends;
        let (name, client) = (named.name.clone(), named.client.clone());
        let version = self.versions.get(&name).copied().unwrap_or(self.version);
        let Some(frame) = Frame::loose(bytes.clone()) else {
            return;
        };
        let packet = decode(&frame, version, Side::Server).packet;
        // A DISCONNECT before the close is part of the refusal.
        if let Some(packet) = packet.filter(|p| !offends || !matches!(p, Packet::Disconnect(_))) {
            let topic = match &packet {
                Packet::Publish(p) => p.topic.as_str().map(str::to_owned),
                _ => None,
            };
            let fields = self.expected(&client, &packet, topic.as_deref()).join(", ");
            self.step(format!("{name} <- {}: {{ {fields} }}", packet.packet_type()));
        }
    }

    /// A client of the scenario has one connection at a time; a takeover needs a second one with the same client id.
    fn open(&mut self, event: &Event) {
        let client = event.client.to_string();
        let mut name = client.clone();
        let mut turn = 1;
        while self
            .used
            .get(&name)
            .and_then(|n| self.names.get(n))
            .is_some_and(|n| n.open)
        {
            turn += 1;
            name = format!("{client}_{turn}");
        }
        let is_new = self.used.insert(name.clone(), event.connection).is_none();
        if is_new && self.waited {
            self.early.push(name.clone());
        }
        if !is_new || self.waited {
            self.step(format!("{name} -> open"));
        }
        self.names.insert(
            event.connection,
            Named {
                name,
                client,
                open: true,
                offends: false,
            },
        );
    }

    fn end(&mut self, number: u32, author: Author) {
        let Some(named) = self.names.get_mut(&number).filter(|n| n.open) else {
            return;
        };
        named.open = false;
        let name = named.name.clone();
        match author {
            // With DISCONNECT before the close, or without.
            Author::Peer if named.offends => self.step(format!("{name} <- refused")),
            Author::Peer => self.step(format!("{name} <- closed")),
            // Also for RST: a close waits until the broker has noticed it.
            _ => self.step(format!("{name} -> close")),
        }
    }

    fn gone(&mut self, number: u32) {
        if let Some(named) = self.names.get_mut(&number) {
            named.open = false;
        }
    }

    fn variable(&mut self, client: &str, packet_id: u16) -> String {
        let key = (client.to_owned(), packet_id);
        if let Some(name) = self.bound.get(&key) {
            return name.clone();
        }
        self.variables += 1;
        let name = format!("$m{}", self.variables);
        self.bound.insert(key, name.clone());
        name
    }

    fn expected(&mut self, client: &str, packet: &Packet, topic: Option<&str>) -> Vec<String> {
        match packet {
            Packet::ConnAck(p) if self.version == Version::V3_1 => vec![format!("reason_code: {}", p.reason_code)],
            Packet::ConnAck(p) => vec![format!("session_present: {}", p.session_present)],
            Packet::Publish(p) => {
                let mut fields = vec![
                    format!("topic: {}", text(topic.unwrap_or_default())),
                    format!("payload: {}", payload(p)),
                    format!("qos: {}", p.qos),
                    format!("dup: {}", p.dup),
                    format!("retain: {}", p.retain),
                ];
                if let Some(packet_id) = p.packet_id {
                    // The identifier of a message that is sent for the first time is new.
                    if !p.dup {
                        self.bound.remove(&(client.to_owned(), packet_id));
                    }
                    fields.push(format!("packet_id: {}", self.variable(client, packet_id)));
                }
                let ids: Vec<String> = (p.properties.all(id::SUBSCRIPTION_IDENTIFIER))
                    .filter_map(|v| v.number().map(|n| n.to_string()))
                    .collect();
                if !ids.is_empty() {
                    fields.push(format!("subscription_ids: [{}]", ids.join(", ")));
                }
                fields.extend(forwarded(p));
                fields
            }
            Packet::PubRel(a) => vec![format!("packet_id: {}", self.variable(client, a.packet_id))],
            Packet::SubAck(p) => vec![
                format!("packet_id: {}", p.packet_id),
                format!("reason_codes: {:?}", p.reason_codes),
            ],
            Packet::Disconnect(_) => vec!["reason_code: any".to_owned()],
            packet => packet
                .packet_id()
                .map(|id| format!("packet_id: {id}"))
                .into_iter()
                .collect(),
        }
    }

    fn sent(&mut self, client: &str, packet: &Packet) -> Vec<String> {
        match packet {
            Packet::Connect(p) => connect(client, p),
            Packet::Publish(p) => publish(p),
            Packet::Subscribe(p) => subscribe(p),
            Packet::Unsubscribe(p) => {
                let filters: Vec<String> = p.filters.iter().filter_map(|f| f.as_str()).map(text).collect();
                vec![
                    format!("packet_id: {}", p.packet_id),
                    format!("filters: [{}]", filters.join(", ")),
                ]
            }
            Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a) => {
                let mut fields = vec![format!("packet_id: {}", self.variable(client, a.packet_id))];
                fields.extend(code(a));
                fields
            }
            Packet::PubRel(a) => vec![format!("packet_id: {}", a.packet_id)],
            Packet::Disconnect(p) => {
                let code = (p.reason_code != 0).then(|| format!("reason_code: {:#04x}", p.reason_code));
                let expiry = p.properties.number(id::SESSION_EXPIRY_INTERVAL);
                let expiry = expiry.map(|n| format!("session_expiry_interval: {n}"));
                code.into_iter().chain(expiry).collect()
            }
            _ => Vec::new(),
        }
    }

    fn file(self, title: &str, says: &str, proves: Option<&str>) -> String {
        let version = self.version.to_string();
        let mut file = String::new();
        let mut line = |text: String| {
            file.push_str(&text);
            file.push('\n');
        };
        line("format: 1".to_owned());
        line(format!("title: Generated - {title}"));
        line("about: |".to_owned());
        line(format!("  Found by generated exchanges and made short. {says}"));
        line(format!("versions: [{version}]"));
        if let Some(id) = proves {
            line(format!("proves: [{}]", quoted(id)));
        }
        if !self.needs.is_empty() {
            let needs: Vec<&str> = self.needs.iter().copied().collect();
            line(format!("needs: [{}]", needs.join(", ")));
        }
        line("clients:".to_owned());
        for name in self.used.keys() {
            let own = self.versions.get(name).filter(|v| **v != self.version);
            let own = own.map_or(String::new(), |v| format!(", version: {v}"));
            line(format!("  {name}: {{ connect: false{own} }}"));
        }
        line("steps:".to_owned());
        for name in &self.early {
            line(format!("  - {name} -> close"));
        }
        file + &self.steps
    }
}

/// Bytes in the notation of scenarios, with the namespace as a variable.
fn hexadecimal(bytes: &[u8]) -> String {
    let mut words = Vec::new();
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        if let Some(behind) = rest.strip_prefix(NAMESPACE.as_bytes()) {
            words.push("\"$ns\"".to_owned());
            rest = behind;
        } else {
            words.push(format!("{first:02x}"));
            rest = &rest[1..];
        }
    }
    words.join(" ")
}

/// Text with the namespace as a variable.
fn text(of: &str) -> String {
    quoted(&of.replace(NAMESPACE, "${ns}"))
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn payload(p: &Publish) -> String {
    let bytes = p.payload.bytes().cloned().unwrap_or_default();
    quoted(&String::from_utf8_lossy(&bytes))
}

fn code(ack: &Ack) -> Option<String> {
    (ack.reason_code != 0).then(|| format!("reason_code: {:#04x}", ack.reason_code))
}

fn numbers(properties: &crate::wire::Properties, names: &[(u32, &str)]) -> Vec<String> {
    let number = |(id, name): &(u32, &str)| properties.number(*id).map(|n| format!("{name}: {n}"));
    names.iter().filter_map(number).collect()
}

fn connect(client: &str, p: &Connect) -> Vec<String> {
    let mut fields = vec![
        format!("client_id: \"${{ns}}{client}\""),
        format!("clean_start: {}", p.clean_start),
        format!("keep_alive: {}", p.keep_alive),
    ];
    fields.extend(numbers(
        &p.properties,
        &[
            (id::SESSION_EXPIRY_INTERVAL, "session_expiry_interval"),
            (id::RECEIVE_MAXIMUM, "receive_maximum"),
            (id::MAXIMUM_PACKET_SIZE, "maximum_packet_size"),
            (id::TOPIC_ALIAS_MAXIMUM, "topic_alias_maximum"),
        ],
    ));
    if let Some(will) = &p.will {
        let mut of_will = vec![
            format!("topic: {}", text(will.topic.as_str().unwrap_or_default())),
            format!("payload: {}", quoted(&String::from_utf8_lossy(&will.payload))),
            format!("qos: {}", will.qos),
            format!("retain: {}", will.retain),
        ];
        of_will.extend(numbers(
            &will.properties,
            &[
                (id::WILL_DELAY_INTERVAL, "will_delay_interval"),
                (id::MESSAGE_EXPIRY_INTERVAL, "message_expiry_interval"),
            ],
        ));
        fields.push(format!("will: {{ {} }}", of_will.join(", ")));
    }
    fields
}

/// The properties that a broker passes on, apart from numbers.
fn forwarded(p: &Publish) -> Vec<String> {
    let mut fields = Vec::new();
    for (id, name) in [
        (id::CONTENT_TYPE, "content_type"),
        (id::RESPONSE_TOPIC, "response_topic"),
    ] {
        if let Some(PropertyValue::Text(value)) = p.properties.get(id) {
            fields.push(format!("{name}: {}", text(value.as_str().unwrap_or_default())));
        }
    }
    if let Some(PropertyValue::Binary(data)) = p.properties.get(id::CORRELATION_DATA) {
        fields.push(format!("correlation_data: {}", quoted(&String::from_utf8_lossy(data))));
    }
    let pairs: Vec<String> = (p.properties.all(id::USER_PROPERTY))
        .filter_map(|value| match value {
            PropertyValue::Pair(name, value) => Some(format!("[{}, {}]", text(name.as_str()?), text(value.as_str()?))),
            _ => None,
        })
        .collect();
    if !pairs.is_empty() {
        fields.push(format!("user_properties: [{}]", pairs.join(", ")));
    }
    fields
}

fn publish(p: &Publish) -> Vec<String> {
    let mut fields = vec![
        format!("topic: {}", text(p.topic.as_str().unwrap_or_default())),
        format!("qos: {}", p.qos),
    ];
    fields.extend(p.packet_id.map(|id| format!("packet_id: {id}")));
    for (set, name) in [(p.dup, "dup"), (p.retain, "retain")] {
        if set {
            fields.push(format!("{name}: true"));
        }
    }
    fields.extend(numbers(
        &p.properties,
        &[
            (id::PAYLOAD_FORMAT_INDICATOR, "payload_format_indicator"),
            (id::MESSAGE_EXPIRY_INTERVAL, "message_expiry_interval"),
            (id::TOPIC_ALIAS, "topic_alias"),
        ],
    ));
    fields.extend(forwarded(p));
    fields.push(format!("payload: {}", payload(p)));
    fields
}

fn subscribe(p: &Subscribe) -> Vec<String> {
    let filter = |s: &Subscription| {
        let filter = text(s.filter.as_str().unwrap_or_default());
        format!("{{ filter: {filter}, options: {:#04x} }}", s.options)
    };
    let filters: Vec<String> = p.subscriptions.iter().map(filter).collect();
    let mut fields = vec![
        format!("packet_id: {}", p.packet_id),
        format!("filters: [{}]", filters.join(", ")),
    ];
    let id = p.properties.number(id::SUBSCRIPTION_IDENTIFIER);
    fields.extend(id.map(|n| format!("subscription_ids: {n}")));
    fields
}
