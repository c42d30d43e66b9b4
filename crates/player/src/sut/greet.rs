//! Sends one CONNECT to an address, and determines what answered.

use bytes::Bytes;
use tokio::time::timeout_at;

use super::profile::Login;
use crate::conversation::{Caller, Reply, Wait};
use crate::statements::Version;
use crate::transport::{Address, Dialer};
use crate::wire::{Connect, Disconnect, Packet, encode_bytes};

/// A CONNECT with a clean session, a keep alive of 60 s and this client id (3.1, 3.1.1 and 5.0: section 3.1).
pub(super) fn connect(version: Version, client_id: &str, login: Option<&Login>) -> Bytes {
    let mut connect = Connect::new(version, client_id);
    if let Some(login) = login {
        connect.username = login.username.as_deref().map(Into::into);
        connect.password = login
            .password
            .as_ref()
            .map(|password| Bytes::copy_from_slice(password.as_bytes()));
    }
    encode_bytes(&Packet::from(connect), version)
}

/// Opens a connection, sends the CONNECT, reads the answer, and says goodbye if it was welcome.
///
/// # Errors
/// The connection could not be opened.
pub(super) async fn greet(dialer: &Dialer, address: &Address, connect: &[u8], wait: Wait) -> std::io::Result<Reply> {
    let mut caller = match timeout_at(wait.next(), Caller::open(dialer, address)).await {
        Ok(caller) => caller?,
        Err(_) => return Err(std::io::ErrorKind::TimedOut.into()),
    };
    // A peer that closes at once may make the write fail. What it sent before, if anything, decides.
    let _ = timeout_at(wait.next(), caller.write(connect)).await;
    let reply = caller.reply(wait).await;
    if let Reply::Connack { code: 0, .. } = reply {
        // In its shortest form DISCONNECT is the same in all versions.
        let goodbye = [Packet::Disconnect(Disconnect::default())];
        let _ = timeout_at(wait.moment(), caller.send(&goodbye, Version::V5)).await;
        let _ = timeout_at(wait.moment(), caller.finish()).await;
        // The broker's own close is awaited for a moment, so that the client id is free again.
        let _ = timeout_at(wait.moment(), caller.await_end()).await;
    }
    Ok(reply)
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
}
