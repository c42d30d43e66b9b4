//! The little of MQTT that shows whether somebody speaks it: a hand-made CONNECT, and what came back.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::dial::{Ask, Dialer};
use super::profile::Login;
use crate::statements::Version;
use crate::transport::Writer;

/// How many bytes of a first answer are read at most.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What came back for a CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// A whole CONNACK, as it came.
    Connack { raw: Vec<u8>, code: u8 },
    /// The connection ended before a CONNACK was whole.
    Closed,
    /// Nothing, or no more, came in time.
    Silent,
    /// Bytes that no CONNACK begins with.
    Foreign(Vec<u8>),
}

/// A CONNECT with a clean session, a keep alive of 60 s and this client id (3.1, 3.1.1 and 5.0: section 3.1).
pub(super) fn connect(version: Version, client_id: &str, login: Option<&Login>) -> Vec<u8> {
    let mut flags = 0x02;
    let mut body = Vec::new();
    let text = |body: &mut Vec<u8>, text: &str| {
        // A profile's texts are checked to fit; the client id is our own and short.
        body.extend_from_slice(&(text.len() as u16).to_be_bytes());
        body.extend_from_slice(text.as_bytes());
    };
    let username = login.and_then(|login| login.username.as_deref());
    let password = login.and_then(|login| login.password.as_deref());
    if username.is_some() {
        flags |= 0x80;
    }
    if password.is_some() {
        flags |= 0x40;
    }
    text(&mut body, version.protocol_name());
    body.extend_from_slice(&[version.protocol_level(), flags, 0, 60]);
    if version == Version::V5 {
        body.push(0);
    }
    text(&mut body, client_id);
    for part in [username, password].into_iter().flatten() {
        text(&mut body, part);
    }
    let mut packet = vec![0x10];
    let mut length = body.len();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        packet.push((length % 128) as u8 | more);
        length /= 128;
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(&body);
    packet
}

/// How long an answer is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// For the next byte, anew after each.
    pub(super) patience: Duration,
    /// For everything, however the bytes dribble in.
    pub(super) deadline: Instant,
}

impl Wait {
    /// When the wait for the next byte ends.
    fn next(self) -> Instant {
        self.deadline.min(Instant::now() + self.patience)
    }

    /// When a wait for something unimportant ends.
    fn moment(self) -> Instant {
        self.next().min(Instant::now() + Duration::from_millis(200))
    }
}

/// Opens a connection, sends the CONNECT, reads the answer, and says goodbye where it was welcome.
///
/// # Errors
/// The connection could not be opened.
pub(super) async fn greet(dialer: &Dialer, address: &Address, connect: &[u8], wait: Wait) -> std::io::Result<Reply> {
    let opening = dialer.dial(address, Ask::default());
    let link = match timeout_at(wait.next(), opening).await {
        Ok(dialled) => dialled?.link,
        Err(_) => return Err(std::io::ErrorKind::TimedOut.into()),
    };
    let (mut reader, mut writer) = (link.reader, link.writer);
    // A peer that closes at once may make the write fail. What it sent before, if anything, decides.
    let _ = timeout_at(wait.next(), send(&mut writer, connect)).await;
    let reply = read_connack(&mut reader, wait).await;
    if let Reply::Connack { code: 0, .. } = reply {
        let _ = timeout_at(wait.moment(), send(&mut writer, &[0xe0, 0x00])).await;
        let _ = timeout_at(wait.moment(), writer.shutdown()).await;
        // The broker's own close is awaited for a moment, so that the client id is free again.
        let _ = timeout_at(wait.moment(), reader.read(&mut [0; 64])).await;
    }
    Ok(reply)
}

async fn send(writer: &mut Writer, bytes: &[u8]) -> std::io::Result<()> {
    writer.write_all(bytes).await?;
    writer.flush().await
}

async fn read_connack(stream: &mut (impl AsyncRead + Unpin), wait: Wait) -> Reply {
    let mut raw = Vec::new();
    loop {
        match whole_connack(&raw) {
            Shape::Whole(length) => {
                raw.truncate(length);
                let code = raw[code_at(&raw)];
                return Reply::Connack { raw, code };
            }
            Shape::Foreign => {
                read_a_little_more(stream, &mut raw, wait).await;
                return Reply::Foreign(raw);
            }
            Shape::Part => {}
        }
        let mut chunk = [0; 1024];
        match timeout_at(wait.next(), stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => return Reply::Closed,
            Ok(Ok(length)) => raw.extend_from_slice(&chunk[..length]),
            Err(_) => return Reply::Silent,
        }
    }
}

/// Reads on for a moment, so that a message can show the beginning of what a stranger said, and not only its first byte.
async fn read_a_little_more(stream: &mut (impl AsyncRead + Unpin), raw: &mut Vec<u8>, wait: Wait) {
    let moment = wait.moment();
    let mut chunk = [0; 256];
    while raw.len() < 16 {
        match timeout_at(moment, stream.read(&mut chunk)).await {
            Ok(Ok(length)) if length > 0 => raw.extend_from_slice(&chunk[..length]),
            _ => return,
        }
    }
}

/// What a stranger's first bytes are, in words for a message.
pub(super) fn describe(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    let more = if bytes.len() > start.len() { " .." } else { "" };
    let hex: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.join(" ") + more;
    match stranger(bytes) {
        Some(Stranger::Http) => format!("HTTP ({})", String::from_utf8_lossy(start).escape_debug()),
        Some(Stranger::Tls) => format!("a TLS alert or record ({hex})"),
        None => format!("the bytes {hex}"),
    }
}

/// A protocol that is known by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stranger {
    Http,
    Tls,
}

/// Who speaks like this: HTTP's status line, or the page that some servers send without one; TLS's record header.
pub(super) fn stranger(bytes: &[u8]) -> Option<Stranger> {
    let lower = bytes[..bytes.len().min(16)].to_ascii_lowercase();
    if lower.starts_with(b"http/") || lower.starts_with(b"<!doctype") || lower.starts_with(b"<html") {
        return Some(Stranger::Http);
    }
    match bytes {
        [0x14..=0x17, 3, 0..=4, ..] => Some(Stranger::Tls),
        _ => None,
    }
}

#[derive(Debug, PartialEq)]
enum Shape {
    /// So many bytes are a CONNACK.
    Whole(usize),
    /// It may become one.
    Part,
    Foreign,
}

/// Whether the bytes are, or may become, a CONNACK: type 2, flags 0, at least two bytes, and no absurd length.
fn whole_connack(raw: &[u8]) -> Shape {
    if raw.first().is_some_and(|first| *first != 0x20) {
        return Shape::Foreign;
    }
    let mut length = 0;
    for (i, byte) in raw.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * i);
        if length > LONGEST_ANSWER {
            return Shape::Foreign;
        }
        if byte & 0x80 == 0 {
            let total = 2 + i + length;
            return match length {
                0 | 1 => Shape::Foreign,
                _ if raw.len() >= total => Shape::Whole(total),
                _ => Shape::Part,
            };
        }
    }
    if raw.len() > 4 { Shape::Foreign } else { Shape::Part }
}

/// Where the return code (5.0: reason code) of a whole CONNACK stands.
fn code_at(raw: &[u8]) -> usize {
    let length_bytes = 1 + raw.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count();
    1 + length_bytes + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_at_every_version() {
        let hex = |version, login: Option<&Login>| hex::encode(connect(version, "ab", login));
        assert_eq!(hex(Version::V3_1, None), "101000064d51497364700302003c00026162");
        assert_eq!(hex(Version::V3_1_1, None), "100e00044d5154540402003c00026162");
        assert_eq!(hex(Version::V5, None), "100f00044d5154540502003c0000026162");
        let login = Login {
            username: Some("u".into()),
            password: Some("p".into()),
        };
        assert_eq!(
            hex(Version::V3_1_1, Some(&login)),
            "101400044d51545404c2003c00026162000175000170"
        );
    }

    #[test]
    fn a_long_login_has_a_long_length() {
        let login = Login {
            username: Some("u".repeat(200)),
            password: None,
        };
        assert_eq!(connect(Version::V3_1_1, "ab", Some(&login))[..3], [0x10, 0xd8, 0x01]);
    }

    #[tokio::test]
    async fn reads_a_connack_and_nothing_after_it() {
        let patience = Duration::from_secs(5);
        let wait = Wait {
            patience,
            deadline: Instant::now() + patience,
        };
        let mut bytes: &[u8] = &[0x20, 0x03, 0x00, 0x84, 0x00, 0xd0, 0x00];
        let reply = read_connack(&mut bytes, wait).await;
        assert_eq!(
            reply,
            Reply::Connack {
                raw: vec![0x20, 0x03, 0x00, 0x84, 0x00],
                code: 0x84
            }
        );
        let mut cut: &[u8] = &[0x20, 0x02, 0x00];
        assert_eq!(read_connack(&mut cut, wait).await, Reply::Closed);
        let mut long: &[u8] = &[0x20, 0x82, 0x00, 0x00, 0x05];
        assert!(matches!(
            read_connack(&mut long, wait).await,
            Reply::Connack { code: 5, .. }
        ));
    }

    #[test]
    fn what_can_be_no_connack_is_foreign() {
        for bytes in [
            &b"HTTP/1.1 400"[..],
            &[0x15, 3, 1],
            &[0x21, 2],
            &[0x20, 0],
            &[0x20, 0xff, 0xff, 0xff, 0x7f],
            &[0x20, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(whole_connack(bytes), Shape::Foreign, "{bytes:x?}");
        }
        for bytes in [&[][..], &[0x20], &[0x20, 2, 0], &[0x20, 0x83]] {
            assert_eq!(whole_connack(bytes), Shape::Part, "{bytes:x?}");
        }
    }
}
