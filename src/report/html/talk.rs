//! Exchanges as the page holds them: events by number, times apart, namespaces taken out.
//!
//! Two runs of one case differ in times and in `$ns`, and else hardly. With both taken out of it an exchange is the
//! same for brokers that do the same, and is written once.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::pool::Pool;
use crate::report::model::Event;
use crate::transcript::Direction;
use crate::wire::{PacketType, Version, reason_is_success, reason_text};

/// The placeholder for the namespace in text; a private-use character.
const MARK: char = '\u{e000}';
/// The placeholder for the namespace in hex.
const HEX_MARK: &str = "~";
/// How many bytes of a packet the page holds.
const BYTES: usize = 600;
/// How many characters of a text.
const TEXT: usize = 600;
/// How many elements of a list.
const LIST: usize = 100;
/// Longer exchanges are cut: this many events at the beginning and at the end are kept, and those around what is named.
const HEAD: usize = 160;
const TAIL: usize = 60;
const AROUND: usize = 8;

/// Client, connection, author, step and one more (0 is none), kind, the number and one more of the packet or of the words of
/// an application, or a count, and 1 if it goes to the broker.
pub type Entry = [u64; 7];

/// A packet or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Packet {
    /// Empty for bytes that are not a packet.
    name: String,
    hex: String,
    length: u64,
    fields: Vec<(u32, Json)>,
}

/// The tables that exchanges share.
#[derive(Debug)]
pub struct Tables {
    /// Names of clients, authors, kinds and fields, and whatever else occurs often.
    pub words: Pool<String>,
    pub packets: Pool<Packet>,
    pub entries: Pool<Entry>,
    pub talks: Pool<Vec<u32>>,
}

/// One exchange of a cell.
#[derive(Debug, Serialize)]
pub struct Talk {
    /// Its number.
    t: u32,
    /// The namespace.
    n: String,
    /// For each event the milliseconds since the one before.
    at: Vec<i64>,
}

impl Tables {
    pub fn new() -> Tables {
        Tables {
            words: Pool::new(),
            packets: Pool::new(),
            entries: Pool::new(),
            talks: Pool::new(),
        }
    }

    /// The number of a word.
    pub fn word(&mut self, word: &str) -> u32 {
        self.words.number(word.to_owned())
    }

    /// An exchange; `None` if nothing was played. `named` are the events that the report points at.
    pub fn talk(&mut self, events: &[Event], namespace: Option<&str>, named: &BTreeSet<usize>) -> Option<Talk> {
        if events.is_empty() {
            return None;
        }
        let namespace = namespace.unwrap_or_default();
        let mut numbers = Vec::new();
        let mut times = Vec::new();
        let mut before = 0;
        let mut left_out = 0_u64;
        for (index, event) in events.iter().enumerate() {
            if !is_kept(index, events.len(), named) {
                left_out += 1;
                continue;
            }
            if left_out > 0 {
                let kind = self.word("left out").into();
                let none = self.word("").into();
                numbers.push(self.entries.number([none, 0, none, 0, kind, left_out, 0]));
                times.push(0);
                left_out = 0;
            }
            let at = (event.at * 1000.0).round() as i64;
            times.push(at - before);
            before = at;
            let entry = self.entry(event, namespace);
            numbers.push(self.entries.number(entry));
        }
        Some(Talk {
            t: self.talks.number(numbers),
            n: namespace.to_owned(),
            at: times,
        })
    }

    fn entry(&mut self, event: &Event, namespace: &str) -> Entry {
        let what = match (&event.bytes, &event.text) {
            (Some(_), _) => u64::from(self.packet(event, namespace)) + 1,
            (None, Some(said)) => u64::from(self.words.number(text(said, namespace))) + 1,
            (None, None) => event.length.unwrap_or(0),
        };
        [
            self.word(&event.client).into(),
            event.connection.into(),
            self.word(event.author.name()).into(),
            event.step.map_or(0, |s| u64::from(s) + 1),
            self.word(event.kind.name()).into(),
            what,
            u64::from(event.direction == Direction::ToBroker),
        ]
    }

    fn packet(&mut self, event: &Event, namespace: &str) -> u32 {
        let name = event.packet.as_ref().map(|p| p.name.as_str()).unwrap_or_default();
        let fields = event.packet.iter().flat_map(|p| &p.fields);
        let fields = fields
            .map(|f| {
                let value = codes(name, &f.name, &f.value).unwrap_or_else(|| value(&f.value, namespace));
                (self.words.number(f.name.clone()), value)
            })
            .collect();
        let hex = event.bytes.as_deref().unwrap_or_default();
        let packet = Packet {
            name: event.packet.as_ref().map(|p| p.name.clone()).unwrap_or_default(),
            hex: without(&hex[..hex.len().min(2 * BYTES)], namespace),
            length: event.length.unwrap_or(hex.len() as u64 / 2),
            fields,
        };
        self.packets.number(packet)
    }
}

/// Whether an event of a long exchange is shown.
fn is_kept(index: usize, all: usize, named: &BTreeSet<usize>) -> bool {
    all <= HEAD + TAIL
        || index < HEAD
        || index >= all - TAIL
        || named
            .range(index.saturating_sub(AROUND)..=index + AROUND)
            .next()
            .is_some()
}

/// Hex with [`HEX_MARK`] for every namespace in it.
fn without(hex: &str, namespace: &str) -> String {
    let wanted = hex::encode(namespace);
    if wanted.is_empty() || !hex.is_ascii() {
        return hex.to_owned();
    }
    let mut out = String::with_capacity(hex.len());
    let mut rest = hex;
    while !rest.is_empty() {
        match rest.strip_prefix(wanted.as_str()) {
            Some(behind) => {
                out.push_str(HEX_MARK);
                rest = behind;
            }
            None => {
                let (byte, behind) = rest.split_at(rest.len().min(2));
                out.push_str(byte);
                rest = behind;
            }
        }
    }
    out
}

/// Text with [`MARK`] for every namespace in it, cut if it is long.
pub fn text(text: &str, namespace: &str) -> String {
    let text = text.replace(MARK, "\u{fffd}");
    let text = match namespace {
        "" => text,
        namespace => text.replace(namespace, &MARK.to_string()),
    };
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}

/// The value of a field of reason or return codes in which those that do not report success have their names, as
/// `{"code"}`. `None` for other fields.
fn codes(packet: &str, field: &str, value: &Json) -> Option<Json> {
    let version = match field {
        "reason_code" | "reason_codes" => Version::V5,
        "return_code" | "return_codes" => Version::V3_1_1,
        _ => return None,
    };
    let packet_type = PacketType::from_name(packet)?;
    let named = |code: &Json| match code.as_u64().and_then(|code| u8::try_from(code).ok()) {
        Some(code) if !reason_is_success(code, packet_type, version) => {
            json!({ "code": reason_text(code, packet_type, version) })
        }
        _ => code.clone(),
    };
    Some(match value {
        Json::Array(codes) => codes.iter().map(named).collect(),
        code => named(code),
    })
}

/// A field's value. What is cut says so itself.
fn value(of: &Json, namespace: &str) -> Json {
    match of {
        Json::String(s) => Json::String(text(s, namespace)),
        Json::Array(items) => {
            let mut shown: Vec<Json> = items.iter().take(LIST).map(|i| value(i, namespace)).collect();
            if items.len() > LIST {
                shown.push(Json::String(format!("… ({} in all)", items.len())));
            }
            Json::Array(shown)
        }
        Json::Object(parts) => {
            let part = |(name, part): (&String, &Json)| match part {
                Json::String(hex) if name == "hex" => (
                    name.clone(),
                    Json::String(without(&hex[..hex.len().min(TEXT)], namespace)),
                ),
                part => (name.clone(), value(part, namespace)),
            };
            Json::Object(parts.iter().map(part).collect())
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{self, EventKind, Field};
    use crate::transcript::Author;

    fn event(at: f64, namespace: &str) -> Event {
        Event {
            client: "pub".to_owned(),
            connection: 1,
            direction: Direction::ToBroker,
            author: Author::Script,
            step: Some(1),
            at,
            kind: EventKind::Packet,
            bytes: Some(format!("30{}2f", hex::encode(namespace))),
            length: Some(10),
            packet: Some(model::Packet {
                name: "PUBLISH".to_owned(),
                fields: vec![Field {
                    name: "topic".to_owned(),
                    value: json!(format!("{namespace}/t")),
                }],
            }),
            text: None,
        }
    }

    #[test]
    fn what_an_application_is_told_is_shared_too() {
        let mut tables = Tables::new();
        let mut told = |namespace: &str| {
            let told = Event {
                kind: EventKind::Application,
                bytes: None,
                length: None,
                packet: None,
                text: Some(format!("does publish: {{ topic: {namespace}/a }}")),
                ..event(0.001, namespace)
            };
            tables.talk(&[told], Some(namespace), &BTreeSet::new()).unwrap().t
        };
        assert_eq!(told("msaaaaaa"), told("msbbbbbb"));
        let words = tables.words.into_items();
        assert!(
            words.contains(&format!("does publish: {{ topic: {MARK}/a }}")),
            "{words:?}"
        );
    }

    #[test]
    fn runs_that_differ_in_time_and_namespace_share_an_exchange() {
        let mut tables = Tables::new();
        let one = tables.talk(&[event(0.001, "msaaaaaa")], Some("msaaaaaa"), &BTreeSet::new());
        let other = tables.talk(&[event(0.002, "msbbbbbb")], Some("msbbbbbb"), &BTreeSet::new());
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.t, other.t);
        assert_eq!((one.at, other.at), (vec![1], vec![2]));
        let packets = tables.packets.into_items();
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].hex, "30~2f");
        assert_eq!(packets[0].fields[0].1, format!("{MARK}/t"));
    }

    #[test]
    fn a_namespace_is_found_at_whole_bytes_only() {
        assert_eq!(without("616263", "b"), "61~63");
        assert_eq!(without("161620", "a"), "161620");
        assert_eq!(without("6161", "a"), "~~");
        assert_eq!(without("61", ""), "61");
        assert_eq!(without("616", "a"), "~6");
    }

    #[test]
    fn codes_that_report_no_success_have_their_names() {
        let named = |packet, field, value| codes(packet, field, &value).unwrap();
        assert_eq!(
            named("SUBACK", "reason_codes", json!([1, 143])),
            json!([1, { "code": "0x8f (Topic Filter invalid)" }])
        );
        assert_eq!(
            named("CONNACK", "return_code", json!(5)),
            json!({ "code": "0x05 (not authorized)" })
        );
        assert_eq!(named("DISCONNECT", "reason_code", json!(0)), json!(0));
        assert_eq!(codes("PUBLISH", "packet_id", &json!(143)), None);
    }

    #[test]
    fn text_that_has_the_mark_already_is_not_taken_for_a_namespace() {
        assert_eq!(text("a\u{e000}b ns", "ns"), "a\u{fffd}b \u{e000}");
        assert!(text(&"é".repeat(1000), "").ends_with("é… (1000 characters)"));
    }

    #[test]
    fn a_long_exchange_keeps_what_is_named() {
        let events: Vec<Event> = (0..1000).map(|_| event(0.0, "x")).collect();
        let mut tables = Tables::new();
        let talk = tables.talk(&events, None, &BTreeSet::from([500])).unwrap();
        // Two gaps, and one that is named with its neighbours.
        assert_eq!(talk.at.len(), HEAD + TAIL + 2 * AROUND + 1 + 2);
        let whole = tables.talk(&events[..HEAD + TAIL], None, &BTreeSet::new()).unwrap();
        assert_eq!(whole.at.len(), HEAD + TAIL);
    }
}
