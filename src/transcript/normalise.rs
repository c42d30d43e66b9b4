//! The normalised form of a transcript, which snapshots hold: the same for every run in which the broker does the same.
//!
//! Steps are in the order of the script. The namespace is `$ns`; what the broker chose goes by the name that the script
//! bound it to, or by that of its field. What no step took is left out (fences and their echoes, messages of others, timed
//! repeats of 3.x), and so is the way in which a connection was closed. The broker's properties are by identifier.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use super::hex::{HexLine, Mark, printable, secrets};
use super::order::by_identifier;
use super::text::{name, shown, value};
use super::{Author, ClientName, End, Event, Lifecycle, StepId, Transcript, WebSocket, What};
use crate::wire::{Blob, Decoded, Packet, PacketType, Side, Value};

/// How much of a packet's hex is kept, in bytes.
const HEX: usize = 96;

/// Fields whose values the broker chooses anew in every run.
const CHOSEN: [&str; 4] = [
    "assigned_client_id",
    "authentication_data",
    "message_expiry_interval",
    "topic_alias",
];

/// The lengths around fields.
const LENGTHS: [&str; 3] = ["remaining_length", "property_length", "will.property_length"];

/// Flags that are shown only where they are set.
const UNLESS_SET: [&str; 3] = ["dup", "retain", "will"];

/// The normalised text. `keep` are events that are shown although no step took them: the one at which a case failed.
pub fn normalise(transcript: &Transcript, keep: &[usize]) -> String {
    chosen(transcript, keep, |_| true)
}

/// The normalised text of what the script sent alone, for exchanges in which the broker may answer in many ways.
pub fn normalise_sent(transcript: &Transcript) -> String {
    chosen(transcript, &[], |event| !event.is_from_peer())
}

fn chosen(transcript: &Transcript, keep: &[usize], wanted: impl Fn(&Event) -> bool) -> String {
    let mut names = Names::new(transcript);
    let mut shown: Vec<(Place, usize)> = (0..transcript.events.len())
        .filter_map(|i| Some((place(transcript, i, keep)?, i)))
        .collect();
    shown.sort();
    let mut out = String::new();
    let mut heard: BTreeSet<&ClientName> = BTreeSet::new();
    for (place, index) in shown {
        let event = &transcript.events[index];
        // How often a broker talks to itself, and with which names, is another in every run: that it was heard is enough.
        if matches!(place, Place::Kept(_)) && is_of_the_broker(event, &transcript.namespace) {
            if heard.insert(&event.client) {
                let _ = writeln!(out, "{} <- PUBLISH of the broker's own topics", event.client);
            }
            continue;
        }
        // What is not wanted may name what is.
        let text = names.show(event);
        if wanted(event) {
            out.push_str(&text);
        }
    }
    out
}

/// Where an event stands: first what sets the scene, by client; then the steps; then what no step took,
/// by client, since nothing puts clients into an order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Setup(ClientName),
    Step(StepId),
    Kept(ClientName),
}

fn place(transcript: &Transcript, index: usize, keep: &[usize]) -> Option<Place> {
    let event = &transcript.events[index];
    match (&event.step, event.author) {
        // The set-up is under one number, and its clients are ready in any order.
        (Some(step), _) if step.number == 0 => event.packet().map(|_| Place::Setup(event.client.clone())),
        (Some(step), Author::Script | Author::Peer) => Some(Place::Step(step.clone())),
        (None, Author::Setup) if event.packet().is_some() => Some(Place::Setup(event.client.clone())),
        (None, Author::Peer) if keep.contains(&index) => Some(Place::Kept(event.client.clone())),
        (None, Author::Peer) if answers_setup(transcript, index) => Some(Place::Setup(event.client.clone())),
        _ => None,
    }
}

/// Whether this is a message of the broker's own, such as those below `$SYS`: of a topic with a dollar that is not the case's.
fn is_of_the_broker(event: &Event, namespace: &str) -> bool {
    let What::Packet { topic: Some(topic), .. } = &event.what else {
        return false;
    };
    let topic = topic.as_bytes();
    topic.starts_with(b"$") && !topic.windows(namespace.len()).any(|w| w == namespace.as_bytes())
}

/// Whether this is the CONNACK or SUBACK to what `clients:` asked for.
fn answers_setup(transcript: &Transcript, index: usize) -> bool {
    let event = &transcript.events[index];
    let Some(answer) = event.packet() else { return false };
    let (request, id) = match answer.packet_type {
        Some(PacketType::ConnAck) => (PacketType::Connect, None),
        Some(PacketType::SubAck) => (
            PacketType::Subscribe,
            answer.packet.as_ref().and_then(Packet::packet_id),
        ),
        _ => return false,
    };
    transcript.events[..index].iter().any(|e| {
        e.author == Author::Setup
            && e.connection == event.connection
            && e.packet().is_some_and(|d| {
                d.packet_type == Some(request) && (id.is_none() || d.packet.as_ref().and_then(Packet::packet_id) == id)
            })
    })
}

/// The names by which values go.
struct Names<'t> {
    scripted: Side,
    namespace: &'t str,
    bindings: &'t [(String, String)],
    taken: Vec<bool>,
    /// Packet identifiers that the broker chose and that are in use, by client.
    ids: BTreeMap<(ClientName, u16), String>,
    /// Texts that the broker chose and that may come back in other packets, such as the client identifier that it assigned.
    texts: BTreeMap<String, String>,
}

impl<'t> Names<'t> {
    fn new(transcript: &'t Transcript) -> Names<'t> {
        Names {
            scripted: transcript.scripted,
            namespace: &transcript.namespace,
            bindings: &transcript.bindings,
            taken: vec![false; transcript.bindings.len()],
            ids: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    fn show(&mut self, event: &Event) -> String {
        let side = event.side(self.scripted);
        let arrow = match side {
            Side::Client => "->",
            Side::Server => "<-",
        };
        let client = &event.client;
        match &event.what {
            What::Packet { raw, decoded, .. } => {
                let sorted = (side == Side::Server).then(|| by_identifier(raw, decoded)).flatten();
                let (raw, decoded) = sorted
                    .as_ref()
                    .map_or((raw, &**decoded), |(raw, decoded)| (raw, decoded));
                self.packet(event, side, arrow, raw, decoded)
            }
            What::Fragment(bytes) => {
                let raw = Blob::Whole(bytes.clone());
                let hex = HexLine::new(&raw, &self.namespace_marks(&raw), &[], HEX).text();
                format!("{client} {arrow} bytes\n    {}\n", printable(&hex))
            }
            What::Open => format!("{client} -> open\n"),
            What::End(_) if side == Side::Server => format!("{client} <- closed\n"),
            What::End(End::Fin) => format!("{client} -> close\n"),
            What::End(End::Reset) => format!("{client} -> reset\n"),
            What::End(End::HalfClose) => format!("{client} -> half close\n"),
            // The transport is nothing of the exchange, unless the script is about it.
            What::WebSocket(WebSocket::Upgraded { .. }) => String::new(),
            What::WebSocket(event) => format!("{client} {arrow} {event}\n"),
            What::Gap(_) => format!("{client} (bytes are missing)\n"),
            What::Lifecycle(Lifecycle::Restart) => "broker: restart\n".to_owned(),
            What::Lifecycle(Lifecycle::Kill) => "broker: kill\n".to_owned(),
        }
    }

    fn packet(&mut self, event: &Event, side: Side, arrow: &str, raw: &Blob, decoded: &Decoded) -> String {
        let from_broker = side == Side::Server;
        let id_name = decoded
            .packet
            .as_ref()
            .and_then(|p| self.chosen_id(&event.client, from_broker, p));
        let mut marks = secrets(decoded);
        let mut fields = Vec::new();
        let mut any_length = false;
        for field in shown(decoded) {
            let name: &str = field.name.as_ref();
            // What goes without saying is seen in the hex.
            let usual = match &field.value {
                Value::Bool(set) => !set && UNLESS_SET.contains(&name),
                Value::Text(text) => name == "protocol_name" && text.as_str() == Some("MQTT"),
                _ => false,
            };
            if usual {
                continue;
            }
            let chosen = match name {
                "packet_id" => id_name.clone(),
                _ if from_broker && CHOSEN.contains(&name) => {
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
                None => without_namespace(self.namespace, &value(name, &field.value)),
            };
            fields.push(format!("{name}: {shown}"));
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
        let mut out = format!("{} {arrow} {}\n", event.client, name(decoded));
        let hex = HexLine::new(raw, &outermost(marks), &[], HEX).text();
        let _ = writeln!(out, "    {}", printable(&hex));
        if !fields.is_empty() {
            let _ = writeln!(out, "    {}", fields.join(", "));
        }
        for breach in &decoded.breaches {
            let _ = writeln!(
                out,
                "    ! {}",
                without_namespace(self.namespace, &printable(&breach.text))
            );
        }
        out
    }

    /// The name of the packet identifier, where the broker chose it.
    fn chosen_id(&mut self, client: &ClientName, from_broker: bool, packet: &Packet) -> Option<String> {
        let id = packet.packet_id()?;
        let key = (client.clone(), id);
        match (packet, from_broker) {
            (Packet::Publish(p), true) if !p.dup || !self.ids.contains_key(&key) => {
                let name = self.bind(&id.to_string()).unwrap_or("<packet_id>".to_owned());
                self.ids.insert(key, name.clone());
                Some(name)
            }
            (Packet::Publish(_) | Packet::PubRel(_), true) => self.ids.get(&key).cloned(),
            (Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_), false) => self.ids.get(&key).cloned(),
            _ => None,
        }
    }

    /// The next binding of this value that has not been placed yet.
    fn bind(&mut self, text: &str) -> Option<String> {
        let at = (0..self.bindings.len()).find(|i| !self.taken[*i] && self.bindings[*i].1 == text)?;
        self.taken[at] = true;
        Some(dollar(&self.bindings[at].0))
    }

    /// A binding of this value.
    fn bound(&self, value: &Value) -> Option<String> {
        // A number that is the same as that of a packet identifier is so by chance.
        let text = text_of(value)?;
        let (name, _) = self.bindings.iter().find(|(_, bound)| *bound == text)?;
        Some(dollar(name))
    }

    fn namespace_marks(&self, raw: &Blob) -> Vec<Mark> {
        let ns = self.namespace.as_bytes();
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

/// The text with the namespace as a scenario writes it: `$ns/a`, and `${ns}pub` where what follows could be read as a part of
/// the name. An empty namespace leaves the text as it is.
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

/// The text that a field holds, where it holds any.
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

#[cfg(test)]
mod tests {
    use super::super::testing::{NS, Talk};
    use super::super::{End, Event};
    use super::*;
    use crate::wire::{Ack, Publish};

    fn message(qos: u8, id: u16, dup: bool) -> Packet {
        Packet::Publish(Publish {
            qos,
            dup,
            packet_id: (qos > 0).then_some(id),
            topic: format!("{NS}/a").as_str().into(),
            payload: "x".into(),
            ..Publish::default()
        })
    }

    #[test]
    fn steps_are_in_the_order_of_the_script() {
        let t = Talk::new()
            .packet("b", Some(3), Author::Peer, Packet::PubAck(Ack::new(7)))
            .packet("a", Some(1), Author::Script, message(0, 0, false))
            .packet("b", Some(2), Author::Script, message(1, 7, false))
            .event("a", Some(4), Author::Peer, What::End(End::Reset));
        let expected = "\
a -> PUBLISH
    30 0d 00 0a \"$ns\" 2f 61 78
    qos: 0, topic: \"$ns/a\", payload: \"x\"
b -> PUBLISH
    32 0f 00 0a \"$ns\" 2f 61 00 07 78
    qos: 1, topic: \"$ns/a\", packet_id: 7, payload: \"x\"
b <- PUBACK
    40 02 00 07
    packet_id: 7
a <- closed
";
        assert_eq!(normalise(&t.transcript(), &[]), expected);
    }

    #[test]
    fn what_no_step_took_is_left_out_unless_it_is_kept() {
        let t = Talk::new()
            .packet("a", None, Author::Fence, Packet::PingReq)
            .packet("a", None, Author::Peer, Packet::PingResp)
            .packet("a", None, Author::Peer, message(0, 0, false))
            .packet("a", None, Author::Auto, Packet::PubAck(Ack::new(1)))
            .event("a", None, Author::Cleanup, What::End(End::Fin))
            .transcript();
        assert_eq!(normalise(&t, &[]), "");
        assert!(normalise(&t, &[2]).starts_with("a <- PUBLISH\n"));
    }

    #[test]
    fn of_what_the_broker_says_to_itself_only_that_it_was_heard_is_kept() {
        let about = |topic: String| {
            Packet::Publish(Publish {
                topic: topic.into(),
                ..Publish::default()
            })
        };
        let t = Talk::new()
            .packet("a", None, Author::Peer, about("$MQTT/sess/x".to_owned()))
            .packet("a", None, Author::Peer, about("$MQTT/sess/y".to_owned()))
            .packet("a", None, Author::Peer, about(format!("$t/{NS}")))
            .transcript();
        let text = normalise(&t, &[0, 1, 2]);
        assert!(
            text.starts_with("a <- PUBLISH of the broker's own topics\na <- PUBLISH\n"),
            "{text}"
        );
        assert!(text.contains("\"$t/$ns\""), "{text}");
        assert_eq!(text.matches("PUBLISH").count(), 2, "{text}");
    }

    /// The same exchange, with whatever identifier the broker takes.
    fn chosen(id: u16) -> String {
        let mut t = Talk::new()
            .packet("a", Some(1), Author::Peer, message(2, id, false))
            .packet("a", Some(2), Author::Script, Packet::PubRec(Ack::new(id)))
            .packet("a", Some(3), Author::Peer, Packet::PubRel(Ack::new(id)))
            .packet("b", Some(4), Author::Peer, message(1, id + 1, false))
            .transcript();
        t.bindings = vec![("m".to_owned(), id.to_string())];
        normalise(&t, &[])
    }

    #[test]
    fn what_the_broker_chose_goes_by_name() {
        assert_eq!(chosen(1), chosen(300));
        let text = chosen(1);
        assert!(text.contains("2f 61 $m 78"), "{text}");
        assert!(
            text.contains("a -> PUBREC\n    50 02 $m\n    packet_id: $m\n"),
            "{text}"
        );
        assert!(text.contains("2f 61 <packet_id> 78"), "{text}");
    }

    /// A client that was given an identifier comes back with it.
    fn assigned(id: &str) -> String {
        use crate::wire::property::id::ASSIGNED_CLIENT_IDENTIFIER;
        use crate::wire::{ConnAck, Connect, PropertyValue, Version, encode_bytes};
        let mut connack = ConnAck::default();
        connack
            .properties
            .push(ASSIGNED_CLIENT_IDENTIFIER, PropertyValue::Text(id.into()));
        let mut back = Connect::new(Version::V5, id);
        back.clean_start = false;
        Talk::at(Version::V5)
            .bytes(
                "a",
                Some(1),
                Author::Peer,
                &encode_bytes(&Packet::ConnAck(connack), Version::V5),
            )
            .bytes(
                "a",
                Some(2),
                Author::Script,
                &encode_bytes(&Packet::from(back), Version::V5),
            )
            .normalised()
    }

    #[test]
    fn an_assigned_identifier_goes_by_name_wherever_it_comes_back() {
        let text = assigned("assigned9");
        assert_eq!(text, assigned("auto-2D42A17C-165F-BA41"));
        assert!(text.contains("client_id: <assigned_client_id>"), "{text}");
        assert!(
            text.contains("20 <length> 00 00 <length> <assigned_client_id>"),
            "{text}"
        );
    }

    #[test]
    fn the_set_up_is_by_client_whichever_is_ready_first() {
        use crate::wire::{ConnAck, Connect, Version};
        let connect = |client: &str| Packet::from(Connect::new(Version::V3_1_1, format!("{NS}{client}")));
        let one = |t: Talk, client: &str| {
            t.event(client, Some(0), Author::Script, What::Open)
                .packet(client, Some(0), Author::Setup, connect(client))
                .packet(client, Some(0), Author::Peer, Packet::ConnAck(ConnAck::default()))
        };
        let text = normalise(&one(one(Talk::new(), "a"), "b").transcript(), &[]);
        assert_eq!(text, normalise(&one(one(Talk::new(), "b"), "a").transcript(), &[]));
        assert!(text.starts_with("a -> CONNECT\n"), "{text}");
        assert_eq!(text.matches("CONNACK").count(), 2, "{text}");
        assert!(!text.contains("open"), "{text}");
    }

    #[test]
    fn of_a_varied_exchange_only_what_was_sent_is_kept() {
        let t = Talk::new()
            .packet("a", Some(1), Author::Script, message(0, 0, false))
            .packet("b", Some(2), Author::Peer, message(0, 0, false))
            .transcript();
        let text = normalise_sent(&t);
        assert!(text.starts_with("a -> PUBLISH\n") && !text.contains("<-"), "{text}");
    }

    #[test]
    fn a_fin_and_a_reset_are_the_same_close() {
        let closed = |end| {
            let t = Talk::new()
                .event("a", Some(1), Author::Peer, What::End(end))
                .transcript();
            normalise(&t, &[])
        };
        assert_eq!(closed(End::Fin), closed(End::Reset));
    }

    #[test]
    fn the_turns_of_a_repeat_are_in_order() {
        let mut t = Talk::new()
            .packet("a", Some(1), Author::Script, message(0, 0, false))
            .packet("a", Some(1), Author::Script, Packet::PingReq)
            .transcript();
        let turn = |event: &mut Event, n| event.step.as_mut().unwrap().turns = vec![n];
        turn(&mut t.events[0], 2);
        turn(&mut t.events[1], 1);
        let text = normalise(&t, &[]);
        assert!(text.find("PINGREQ") < text.find("PUBLISH"), "{text}");
    }
}
