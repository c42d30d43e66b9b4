//! The trace for people: every event on one line, in the order of arrival, with its time.

use std::fmt::Write as _;
use std::time::Duration;

use super::hex::{HexLine, Mark, printable, secrets};
use super::{Author, End, Event, Transcript, What};
use crate::secret::{PASSWORD, is_password, is_secret, part_of_connect};
use crate::wire::{Decoded, Field, PacketType, Side, Value, Version, reason_text};

/// How much of a packet's hex a line of the trace holds, in bytes.
const HEX: usize = 24;
/// The same if nothing is to be cut.
const ALL_HEX: usize = 4096;
/// How much of a text, in bytes; twice as much of a list, in characters.
const VALUE: usize = 40;

/// The trace: one line an event, such as `  0.012345s  pub → PUBLISH      34 0c 00 … topic="a" qos=2`. More than `limit`
/// events are cut in the middle. Without a limit (`usize::MAX`) a line has up to [`ALL_HEX`] bytes.
pub fn trace(transcript: &Transcript, limit: usize) -> String {
    let hex = if limit == usize::MAX { ALL_HEX } else { HEX };
    let events = &transcript.events;
    let width = events.iter().map(|e| e.client.chars().count()).max().unwrap_or(0);
    let left_out = events.len().saturating_sub(limit);
    let head = (limit / 3).min(events.len());
    let mut out = String::new();
    for (i, event) in events.iter().enumerate() {
        if left_out > 0 && i == head {
            let _ = writeln!(out, "  … {left_out} events are left out …");
        }
        if left_out == 0 || i < head || i >= head + left_out {
            let _ = writeln!(out, "{}", line_of(event, transcript.scripted, width, hex));
        }
    }
    out
}

/// One line of the trace, in which `scripted` is played, with the client's name padded to `width`.
pub fn line(event: &Event, scripted: Side, width: usize) -> String {
    line_of(event, scripted, width, HEX)
}

/// The same with at most `bytes` of a packet, or little more.
fn line_of(event: &Event, scripted: Side, width: usize, bytes: usize) -> String {
    let arrow = match event.side(scripted) {
        Side::Client => '→',
        Side::Server => '←',
    };
    let mut out = format!("{:>11}  {:<width$} ", precise_seconds(event.at), event.client);
    let by = match event.author {
        Author::Setup => "  (setup)",
        Author::Fence => "  (fence)",
        Author::Auto => "  (auto)",
        Author::Cleanup => "  (cleanup)",
        Author::Script | Author::Peer => "",
    };
    match &event.what {
        What::Open => out.push_str("  connection opened"),
        What::Packet { raw, decoded, .. } => {
            let hex = HexLine::new(raw, &secrets(decoded), &[], bytes).text();
            let _ = write!(out, "{arrow} {:<11}  {hex}", name(decoded));
            let fields = fields(decoded);
            if !fields.is_empty() {
                let _ = write!(out, "  {fields}");
            }
            if !decoded.breaches.is_empty() {
                let _ = write!(out, "  ! {}", printable(&decoded.breaches[0].text));
            }
        }
        What::Fragment(fragment) => {
            let raw = crate::wire::Blob::Whole(fragment.clone());
            let secret: Vec<Mark> = (part_of_connect(fragment).into_iter())
                .map(|span| Mark {
                    span,
                    shown: "<the rest of a CONNECT>".to_owned(),
                })
                .collect();
            let _ = write!(
                out,
                "{arrow} {:<11}  {}",
                "fragment",
                HexLine::new(&raw, &secret, &[], bytes).text()
            );
        }
        What::End(end) => {
            let _ = write!(out, "{arrow} {}", ended(*end));
        }
        What::WebSocket(event) => {
            let _ = write!(out, "{arrow} {}", printable(&event.to_string()));
        }
        What::Application(event) => {
            let _ = write!(out, "  {}", printable(&event.to_string()));
        }
        What::Gap(0) => out.push_str("  bytes are missing here"),
        What::Gap(missing) => {
            let _ = write!(out, "  {missing} bytes are missing here");
        }
        What::Lifecycle(lifecycle) => {
            let what = match lifecycle {
                super::Lifecycle::Restart => "the broker was restarted",
                super::Lifecycle::Kill => "the broker was killed and started again",
            };
            let _ = write!(out, "  {what}");
        }
    }
    out + by
}

fn ended(end: End) -> &'static str {
    match end {
        End::Fin => "closed (FIN)",
        End::Reset => "closed (RST)",
        End::HalfClose => "half closed",
    }
}

/// Seconds with three places, such as `0.012s`.
pub fn seconds(at: Duration) -> String {
    format!("{:.3}s", at.as_secs_f64())
}

/// Seconds with six places, such as `0.012345s`: packets over loopback are often less than a millisecond apart.
pub fn precise_seconds(at: Duration) -> String {
    format!("{:.6}s", at.as_secs_f64())
}

/// The packet's name; its number if it has none.
pub fn name(decoded: &Decoded) -> &'static str {
    decoded.packet_type.map_or("reserved 0", |t| t.name())
}

/// The fields on one line, `topic="a" qos=2`, without flags that are off.
pub fn fields(decoded: &Decoded) -> String {
    let shown: Vec<String> = shown(decoded)
        .iter()
        .filter(|f| f.value != Value::Bool(false))
        .map(|f| {
            let value = codes(decoded, f).unwrap_or_else(|| short(&f.name, &f.value));
            format!("{}={value}", f.name)
        })
        .collect();
    shown.join(" ")
}

/// The value of a field of reason or return codes, each that needs explaining in hex with its name, such as
/// `0x82 (Protocol Error)`. `None` for other fields.
pub fn codes(decoded: &Decoded, field: &Field) -> Option<String> {
    let version = match field.name.as_ref() {
        "reason_code" | "reason_codes" => Version::V5,
        "return_code" | "return_codes" => Version::V3_1_1,
        _ => return None,
    };
    let packet_type = decoded.packet_type?;
    // 0 is success everywhere, and a SUBACK grants QoS 0 to 2: these are understood as numbers.
    let is_plain = |code: u64| code == 0 || (packet_type == PacketType::SubAck && code <= 2);
    let text = |code: &u64| match u8::try_from(*code) {
        Ok(byte) if !is_plain(*code) => reason_text(byte, packet_type, version),
        _ => code.to_string(),
    };
    match &field.value {
        Value::Int(code) => Some(text(code)),
        Value::Ints(list) => {
            let list: Vec<String> = list.iter().map(text).collect();
            Some(format!("[{}]", list.join(", ")))
        }
        _ => None,
    }
}

/// The fields that say something to a person: flags one by one, lengths left out.
pub fn shown(decoded: &Decoded) -> Vec<Field> {
    let mut shown = Vec::new();
    for field in &decoded.fields {
        match (field.name.as_ref(), &field.value) {
            ("type and flags", Value::Int(_))
            | ("remaining_length" | "property_length" | "will.property_length", _) => {}
            // That there is a user name or password is seen where it is.
            ("connect_flags", Value::Map(flags)) => {
                let will = flags.contains(&("will", Value::Bool(true)));
                let flags = flags.iter().filter(|(name, value)| match *name {
                    "password" | "username" => false,
                    "will_qos" => will || *value != Value::Int(0),
                    "will_retain" => will || *value != Value::Bool(false),
                    _ => true,
                });
                shown.extend(flags.map(|(name, value)| part(field, name, value)));
            }
            ("type and flags" | "options", Value::Map(parts)) => {
                shown.extend(parts.iter().map(|(name, value)| part(field, name, value)));
            }
            (PASSWORD, _) => shown.push(field.clone()),
            _ if is_secret(decoded, field) => shown.push(Field {
                value: Value::Text(format!("<{} bytes>", field.span.len()).into()),
                ..field.clone()
            }),
            _ => shown.push(field.clone()),
        }
    }
    shown
}

fn part(field: &Field, name: &'static str, value: &Value) -> Field {
    Field {
        name: name.into(),
        value: value.clone(),
        span: field.span.clone(),
    }
}

/// A field's value as text. A password shows its length only.
pub fn value(name: &str, value: &Value) -> String {
    let text = match value {
        Value::Binary(bytes) if is_password(name) => format!("<{} bytes>", bytes.len()),
        Value::Text(text) if is_password(name) => format!("<{} bytes>", text.len()),
        other => other.to_string(),
    };
    printable(&text)
}

/// A value that fits into a line: of long text or bytes the beginning and the length.
fn short(name: &str, of: &Value) -> String {
    let bytes = match of {
        Value::Text(text) => Some(text.as_bytes()),
        Value::Binary(bytes) if !is_password(name) => Some(bytes.as_ref()),
        Value::Payload(payload) => payload.bytes().map(|b| b.as_ref()),
        _ => None,
    };
    if let Some(bytes) = bytes.filter(|b| b.len() > VALUE) {
        // Not within a character, if it is text.
        let end = (VALUE - 3..=VALUE)
            .rev()
            .find(|end| std::str::from_utf8(&bytes[..*end]).is_ok())
            .unwrap_or(VALUE);
        let begin = value(name, &Value::Text(bytes[..end].to_vec().into()));
        return format!("{begin}… ({} bytes)", bytes.len());
    }
    let text = value(name, of);
    match text.char_indices().nth(2 * VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Talk;
    use super::super::{Author, End, Lifecycle, What};
    use super::*;
    use crate::wire::{ConnAck, Connect, Packet, Publish, decode_bytes};

    fn talk() -> Talk {
        let mut login = Connect::new(Version::V3_1_1, "c");
        login.username = Some("me".into());
        login.password = Some("pass".into());
        let message = |payload: &str| {
            Packet::Publish(Publish {
                qos: 1,
                dup: true,
                packet_id: Some(7),
                topic: "a/\u{1b}[2J".into(),
                payload: payload.into(),
                ..Publish::default()
            })
        };
        Talk::new()
            .event("publisher", None, Author::Setup, What::Open)
            .packet("publisher", None, Author::Setup, Packet::from(login))
            .packet("publisher", None, Author::Peer, Packet::ConnAck(ConnAck::default()))
            .packet("sub", Some(1), Author::Peer, message("short\n"))
            .packet("sub", Some(1), Author::Peer, message(&"long ".repeat(50)))
            .bytes("sub", None, Author::Peer, &[0xd1, 0x00])
            .packet("publisher", None, Author::Fence, Packet::PingReq)
            .event("sub", None, Author::Peer, What::Fragment(vec![0x30, 0xff].into()))
            .event("sub", None, Author::Peer, What::Gap(12))
            .event("publisher", None, Author::Script, What::End(End::HalfClose))
            .event("sub", None, Author::Peer, What::End(End::Reset))
            .event("", Some(2), Author::Script, What::Lifecycle(Lifecycle::Kill))
    }

    const TRACE: &str = r#"  0.000000s  publisher   connection opened  (setup)
  0.003000s  publisher → CONNECT      10 17 00 04 4d 51 54 54 04 c2 00 3c 00 01 63 00 02 6d 65 <password>  protocol_name="MQTT" protocol_level=4 clean=true keep_alive=60 client_id="c" username="me" password=<4 bytes>  (setup)
  0.006000s  publisher ← CONNACK      20 02 00 00  return_code=0
  0.009000s  sub       ← PUBLISH      3a 10 00 06 61 2f 1b 5b 32 4a 00 07 73 68 6f 72 74 0a  dup=true qos=1 topic="a/\u{1b}[2J" packet_id=7 payload="short\u{a}"
  0.012000s  sub       ← PUBLISH      3a 84 02 00 06 61 2f 1b 5b 32 4a 00 07 6c 6f 6e …(243 bytes) 6f 6e 67 20  dup=true qos=1 topic="a/\u{1b}[2J" packet_id=7 payload="long long long long long long long long "… (250 bytes)
  0.015000s  sub       ← PINGRESP     d1 00  ! the flags of PINGRESP are 0001, not 0000
  0.018000s  publisher → PINGREQ      c0 00  (fence)
  0.021000s  sub       ← fragment     30 ff
  0.024000s  sub         12 bytes are missing here
  0.027000s  publisher → half closed
  0.030000s  sub       ← closed (RST)
  0.033000s              the broker was killed and started again
"#;

    #[test]
    fn the_trace_is_one_line_an_event() {
        assert_eq!(trace(&talk().transcript(), 100), TRACE);
    }

    #[test]
    fn a_long_trace_is_cut_in_the_middle() {
        let text = trace(&talk().transcript(), 3);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], "  … 9 events are left out …");
        assert!(lines[0].contains("opened") && lines[3].contains("killed"));
    }

    #[test]
    fn codes_have_their_names() {
        let shown =
            |bytes: &[u8], version: Version| fields(&decode_bytes(&bytes.to_vec().into(), version, Side::Server));
        assert_eq!(
            shown(&[0x90, 6, 0, 1, 0, 1, 0x8f, 0x80], Version::V5),
            "packet_id=1 reason_codes=[1, 0x8f (Topic Filter invalid), 0x80 (Unspecified error)]"
        );
        assert_eq!(
            shown(&[0xe0, 1, 0x82], Version::V5),
            "reason_code=0x82 (Protocol Error)"
        );
        assert_eq!(
            shown(&[0x20, 2, 0, 5], Version::V3_1_1),
            "return_code=0x05 (not authorized)"
        );
        assert_eq!(shown(&[0x20, 2, 0, 0], Version::V3_1_1), "return_code=0");
        // A code that the packet may not carry has no name.
        assert_eq!(shown(&[0xe0, 1, 0x03], Version::V5), "reason_code=0x03");
    }
}
