//! A connection of a capture → a scenario that plays it again.
//!
//! In: a connection with its events. Out: the text of a scenario file, as a person would write it: packets in words
//! if they are regular, bytes with comments if they are not. Topics lie below `$ns`, identifiers that the broker
//! chose are variables, and a second client publishes what others had published. Passwords are left out.

mod packet;
mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use self::packet::{Fields, awaited, awaited_irregular, bytes, loose, sent, step};
use self::yaml::{comment, hex, name, payload, quoted};
use super::Recorded;
use crate::transcript::{End, Event, What};
use crate::wire::{Blob, Decoded, Packet, PacketType, Publish, Text, Version, unmarked};

/// The client of the connection, and the one for whatever others did.
const CLIENT: &str = "c";
const OTHERS: &str = "others";
/// A pause of the client that is worth a comment.
const PAUSE: Duration = Duration::from_secs(1);
/// How much longer than the captured broker another one may take to close.
const SLACK: Duration = Duration::from_secs(5);

/// The scenario of a connection. `file` is the capture's name.
///
/// # Errors
/// The connection cannot be played: why.
pub fn import(recorded: &Recorded, file: &str) -> Result<String, String> {
    recorded.stream.replayable()?;
    let mut script = Script::new(recorded);
    for (event, frame) in recorded.transcript.events.iter().zip(&recorded.frames) {
        if script.over && !matches!(event.what, What::End(_)) {
            continue;
        }
        script.event(event, *frame)?;
    }
    Ok(script.text(recorded, file))
}

struct Script<'a> {
    recorded: &'a Recorded,
    version: Version,
    /// What others had published before the connection began, and what came before it.
    before: String,
    steps: String,
    /// The variable for a packet identifier of the broker, by the captured one.
    ids: BTreeMap<u16, String>,
    variables: u32,
    /// What the client published itself.
    own: Vec<(Text, u64)>,
    /// What the second client has published to be retained.
    kept: Vec<(Text, u64)>,
    /// Packet identifiers of the second client.
    others: u16,
    last: Duration,
    /// Answers of the broker that have not come yet.
    owed: Vec<&'static str>,
    /// Something is awaited that a broker that only closes would not do.
    proves: bool,
    closed: bool,
    /// Nothing but the end can be played any more.
    over: bool,
    /// A topic that is not below the namespace is published: the case affects the whole broker.
    serial: bool,
    /// The time of the client's last packet, or of what was awaited last.
    heard: Duration,
}

impl Script<'_> {
    fn new(recorded: &Recorded) -> Script<'_> {
        Script {
            recorded,
            version: recorded.transcript.version,
            before: String::new(),
            steps: String::new(),
            ids: BTreeMap::new(),
            variables: 0,
            own: Vec::new(),
            kept: Vec::new(),
            others: 0,
            last: Duration::ZERO,
            owed: Vec::new(),
            proves: false,
            closed: false,
            over: false,
            serial: false,
            heard: Duration::ZERO,
        }
    }

    fn event(&mut self, event: &Event, frame: u64) -> Result<(), String> {
        match (&event.what, self.recorded.transcript.is_from_broker(event)) {
            // What a WebSocket connection is carried by is not in the packets; the address says it when they are
            // played.
            (What::Open | What::Lifecycle(_) | What::WebSocket(_) | What::Application(_), _) => {}
            (What::Packet { raw, decoded, topic }, false) => {
                self.pause(event.at);
                self.heard = event.at;
                self.sends(raw, decoded, topic.as_ref());
            }
            (What::Packet { raw, decoded, topic }, true) => {
                self.heard = event.at;
                self.awaits(raw, decoded, topic.as_ref(), frame)?;
            }
            (What::Fragment(rest), false) => self.steps.push_str(&loose(CLIENT, rest)),
            // The broker's own cut packet is followed by its end.
            (What::Fragment(_), true) => {}
            (What::End(end), false) => {
                if !self.closed {
                    self.may_come();
                    let what = if *end == End::Reset { "reset" } else { "close" };
                    self.steps.push_str(&step(CLIENT, "->", what, &Fields::new()));
                }
                self.closed = true;
            }
            (What::End(_), true) => {
                if !self.closed {
                    // What came before its end is not known if bytes are missing, so it is not waited for.
                    let (arrow, what) = if self.over { ("->", "close") } else { ("<-", "closed") };
                    // A broker that closes by its own timer, such as that of the Keep Alive, takes as long again.
                    let silent = event.at.saturating_sub(self.heard);
                    let within =
                        (!self.over && silent > PAUSE).then(|| ("within", format!("{}s", (silent + SLACK).as_secs())));
                    self.steps
                        .push_str(&step(CLIENT, arrow, what, &within.into_iter().collect()));
                }
                self.closed = true;
            }
            (What::Gap(_), _) => self.loses(),
        }
        Ok(())
    }

    /// Ends the script if bytes are missing. What the broker still owes may be among them.
    fn loses(&mut self) {
        self.steps
            .push_str("  # Bytes are missing in the capture from here on.\n");
        self.may_come();
        self.over = true;
    }

    /// What the broker still owes may come before what follows.
    fn may_come(&mut self) {
        for answer in std::mem::take(&mut self.owed) {
            self.steps
                .push_str(&step(CLIENT, "<-", &format!("maybe {answer}"), &Fields::new()));
        }
    }

    /// Says how long the client did nothing; it is not waited for.
    fn pause(&mut self, at: Duration) {
        if at > self.last + PAUSE {
            let seconds = (at - self.last).as_secs_f64();
            self.steps.push_str(&format!("  # {seconds:.1} s later\n"));
        }
        self.last = at;
    }

    fn sends(&mut self, raw: &Blob, decoded: &Decoded, topic: Option<&Text>) {
        let id = match &decoded.packet {
            Some(Packet::PubAck(a) | Packet::PubRec(a) | Packet::PubComp(a)) => self.ids.get(&a.packet_id).cloned(),
            _ => None,
        };
        if let (Some(Packet::Publish(p)), Some(topic)) = (&decoded.packet, topic) {
            self.own.push((topic.clone(), p.payload.hash()));
            self.serial |= is_of_broker(topic);
        }
        if let Some(Packet::Connect(connect)) = &decoded.packet {
            self.serial |= connect.will.as_ref().is_some_and(|will| is_of_broker(&will.topic));
        }
        let plain = raw.bytes().and_then(|raw| unmarked(raw));
        if plain.is_some() {
            self.steps
                .push_str("  # The captured client is a bridge: bit 7 of its protocol level is set.\n");
        }
        let raw = &plain.map_or_else(|| raw.clone(), Blob::Whole);
        let kind = crate::transcript::name(decoded);
        self.owed.extend(decoded.packet.as_ref().and_then(answer));
        match sent(raw, decoded, self.version, id) {
            Some(fields) => {
                self.steps.push_str(&about_login(decoded));
                self.steps.push_str(&step(CLIENT, "->", kind, &fields));
            }
            None => self.steps.push_str(&bytes(CLIENT, raw, decoded)),
        }
    }

    fn awaits(&mut self, raw: &Blob, decoded: &Decoded, topic: Option<&Text>, frame: u64) -> Result<(), String> {
        self.proves = true;
        let kind = crate::transcript::name(decoded);
        if let Some(at) = self.owed.iter().position(|answer| *answer == kind) {
            self.owed.remove(at);
        }
        let mut id = None;
        match &decoded.packet {
            Some(Packet::Publish(p)) => {
                if topic.is_some_and(|t| t.as_bytes().starts_with(b"$SYS/")) {
                    let what = format!("maybe {kind}");
                    let fields = topic.and_then(name).map(|topic| ("topic", topic)).into_iter().collect();
                    self.steps.push_str(&step(CLIENT, "<-", &what, &fields));
                    return Ok(());
                }
                if let Some(topic) = topic {
                    self.cause(p, topic);
                }
                id = p.packet_id.map(|captured| self.variable(captured, p.dup));
            }
            Some(Packet::PubRel(a)) => id = self.ids.get(&a.packet_id).cloned(),
            _ => {}
        }
        let fields = awaited(decoded, topic, self.version, id.clone());
        // The topic of an irregular PUBLISH lies below the namespace too, so that its bytes would never come.
        let why = decoded.breaches.first().map(|b| b.text.as_str());
        let irregular = |why: &str| {
            let fields = awaited_irregular(decoded, topic, self.version, id.clone())?;
            Some((format!("  # {kind}: {}\n", comment(why)), fields))
        };
        if let Some((about, fields)) = why.and_then(irregular) {
            self.steps.push_str(&about);
            self.steps.push_str(&step(CLIENT, "<-", kind, &fields));
            return Ok(());
        }
        match fields {
            Some(fields) => self.steps.push_str(&step(CLIENT, "<-", kind, &fields)),
            None => {
                let Some(whole) = raw.bytes() else {
                    let len = raw.len();
                    return Err(format!(
                        "packet {frame} of the broker has {len} bytes, too many to keep"
                    ));
                };
                let why = why.unwrap_or("it cannot be written in words");
                self.steps.push_str(&format!("  # {kind}: {}\n", comment(why)));
                let fields = format!("bytes: {}", quoted(&hex(whole)));
                self.steps.push_str(&step(CLIENT, "<-", &fields, &Fields::new()));
            }
        }
        Ok(())
    }

    /// The variable for a delivery's packet identifier; a repeated delivery keeps the one that it has.
    fn variable(&mut self, captured: u16, repeated: bool) -> String {
        if let (true, Some(variable)) = (repeated, self.ids.get(&captured)) {
            return variable.clone();
        }
        self.variables += 1;
        let variable = format!("$m{}", self.variables);
        self.ids.insert(captured, variable.clone());
        variable
    }

    /// A message that the client did not publish itself has to come from someone.
    fn cause(&mut self, publish: &Publish, topic: &Text) {
        if publish.dup || self.own.contains(&(topic.clone(), publish.payload.hash())) {
            return;
        }
        let message = (topic.clone(), publish.payload.hash());
        // One retained message comes once for every subscription that it matches.
        if publish.retain && self.kept.contains(&message) {
            return;
        }
        self.serial |= is_of_broker(topic);
        let (Some(topic), Some(payload)) = (name(topic), payload(&publish.payload)) else {
            return;
        };
        if publish.retain {
            self.kept.push(message);
        }
        let mut fields: Fields = vec![("topic", topic)];
        let acknowledged = publish.qos > 0;
        self.others += u16::from(acknowledged);
        let id = ("packet_id", self.others.to_string());
        if acknowledged {
            fields.extend([("qos", publish.qos.to_string()), id.clone()]);
        }
        fields.push(("payload", payload));
        if publish.retain {
            fields.push(("retain", "true".to_owned()));
        }
        let only = vec![id];
        let mut steps = step(OTHERS, "->", "PUBLISH", &fields);
        match publish.qos {
            // Its answer shows that the message is there before the client comes.
            0 if publish.retain => {
                steps.push_str(&step(OTHERS, "->", "PINGREQ", &Fields::new()));
                steps.push_str(&step(OTHERS, "<-", "PINGRESP", &Fields::new()));
            }
            0 => {}
            1 => steps.push_str(&step(OTHERS, "<-", "PUBACK", &only)),
            _ => {
                steps.push_str(&step(OTHERS, "<-", "PUBREC", &only));
                steps.push_str(&step(OTHERS, "->", "PUBREL", &only));
                steps.push_str(&step(OTHERS, "<-", "PUBCOMP", &only));
            }
        }
        // What is retained was there before.
        if publish.retain {
            self.before.push_str(&steps)
        } else {
            self.steps.push_str(&steps)
        }
    }

    fn text(mut self, recorded: &Recorded, file: &str) -> String {
        let stream = &recorded.stream;
        let client = match &stream.client_id {
            Some(id) => format!("client {id}"),
            None => "a client without a name".to_owned(),
        };
        if !self.closed && !self.owed.is_empty() {
            self.steps.push_str("  # The capture ends here.\n");
            self.may_come();
        }
        if self.resumes() {
            self.before.push_str(&self.session());
        }
        let title =
            quoted(&comment(&format!("What {client} said in connection {} of {file}", stream.id)).replace('$', "$$"));
        let mut out = format!("format: 1\ntitle: {title}\n");
        out.push_str(&format!(
            "about: |\n  Imported from {}, connection {} (tcp.stream), {} to {}.\n  Topics and filters are below $ns; mqttspec chooses the client identifiers.\n",
            comment(file),
            stream.id,
            stream.client,
            stream.server
        ));
        out.push_str(&format!(
            "versions: [{}]\n{}clients:\n  {CLIENT}: {{ connect: false }}\n",
            self.version,
            if self.serial { "serial: true\n" } else { "" }
        ));
        if [&self.before, &self.steps]
            .iter()
            .any(|s| s.contains(&format!("- {OTHERS} ")))
        {
            out.push_str(&format!("  {OTHERS}: {{}} # publishes what others had published\n"));
        }
        out.push_str("steps:\n");
        out.push_str(&self.before);
        out.push_str(&self.steps);
        if !self.proves {
            // If only a close is awaited, a broker that closes whatever comes must not do.
            out.push_str(&format!("control:\n  - {CLIENT} -> CONNECT\n  - {CLIENT} <- CONNACK\n"));
        }
        out
    }

    /// Whether the broker had a session for the client from before the capture.
    fn resumes(&self) -> bool {
        let first = self
            .recorded
            .transcript
            .events
            .iter()
            .find_map(|e| match e.packet()?.packet.as_ref()? {
                Packet::ConnAck(connack) => Some(connack.session_present),
                _ => None,
            });
        first == Some(true)
    }

    /// The client once before, so that it has a session when it comes.
    fn session(&self) -> String {
        let connect = self.recorded.transcript.events.iter().find_map(|e| match &e.what {
            What::Packet { raw, decoded, .. } if decoded.packet_type == Some(PacketType::Connect) => {
                sent(raw, decoded, self.version, None)
            }
            _ => None,
        });
        let none = Fields::new();
        let mut out = "  # The capture starts with an existing session.\n".to_owned();
        out.push_str(&step(CLIENT, "->", "CONNECT", &connect.unwrap_or_default()));
        out.push_str(&step(CLIENT, "<-", "CONNACK", &none));
        out.push_str(&step(CLIENT, "->", "DISCONNECT", &none));
        out.push_str(&step(CLIENT, "<-", "closed", &none));
        out.push_str(&step(CLIENT, "->", "open", &none));
        out
    }
}

/// Whether a topic is the broker's own, and so lies below no namespace.
fn is_of_broker(topic: &Text) -> bool {
    topic.as_bytes().first() == Some(&b'$')
}

/// What a broker answers a packet with.
fn answer(packet: &Packet) -> Option<&'static str> {
    Some(match packet {
        Packet::Connect(_) => "CONNACK",
        Packet::Publish(p) if p.qos == 1 => "PUBACK",
        Packet::Publish(p) if p.qos == 2 => "PUBREC",
        Packet::PubRel(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBACK",
        Packet::PingReq => "PINGRESP",
        _ => return None,
    })
}

/// What is said of a login, which is not written down.
fn about_login(decoded: &Decoded) -> String {
    match &decoded.packet {
        Some(Packet::Connect(connect)) => match (&connect.username, &connect.password) {
            (None, None) => String::new(),
            (user, password) => {
                // A scenario is shared more freely than a capture: neither the name nor the length of the password.
                let with = match (user, password) {
                    (Some(_), Some(_)) => "a user name and a password",
                    (Some(_), None) => "a user name",
                    _ => "a password",
                };
                format!("  # The captured client logged in with {with}; here the target's login is used.\n")
            }
        },
        _ => String::new(),
    }
}
