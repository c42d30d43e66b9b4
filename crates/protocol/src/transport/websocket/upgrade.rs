//! The upgrade from HTTP to WebSocket (RFC 6455, section 4), both sides.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tungstenite::handshake::client::{Response, generate_key};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::Request;
use tungstenite::http::{HeaderMap, StatusCode};

/// How many bytes of HTTP are read at most.
const LONGEST: usize = 16 * 1024;
/// How many bytes of an answer that is not understood an error shows.
const SHOWN: usize = 60;

/// What an upgrade came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// The subprotocols that the client offered, in its order.
    pub offered: Vec<String>,
    /// What the server chose.
    pub chosen: Option<String>,
}

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    #[error("the connection ended during the WebSocket upgrade")]
    Ended,
    #[error("it refuses the WebSocket upgrade with HTTP {0}")]
    Refused(StatusCode),
    #[error("it answers the WebSocket upgrade with `{0}`, not with HTTP/1.1")]
    OtherHttp(String),
    #[error("it does not answer a WebSocket upgrade with HTTP, but with {0}")]
    NotHttp(String),
    #[error("its answer to the WebSocket upgrade {0}")]
    Wrong(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Asks the server for a WebSocket. Gives what it chose, and the bytes that came behind its answer.
///
/// The choice is not checked: it is for the caller to judge.
///
/// # Errors
/// The connection failed, or the server does not upgrade.
pub async fn request(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    path: &str,
    offered: &[&str],
) -> Result<(Upgrade, BytesMut), UpgradeError> {
    let key = generate_key();
    let protocols = if offered.is_empty() {
        String::new()
    } else {
        format!("Sec-WebSocket-Protocol: {}\r\n", offered.join(", "))
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{protocols}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let (answer, rest) = read_head::<Response>(stream).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(UpgradeError::Refused(answer.status()));
    }
    let accepted = answer.headers().get("sec-websocket-accept");
    if accepted.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(UpgradeError::Wrong(
            "has another Sec-WebSocket-Accept than our key asks for",
        ));
    }
    let chosen = answer.headers().get("sec-websocket-protocol");
    let upgrade = Upgrade {
        offered: offered.iter().map(|o| (*o).to_owned()).collect(),
        chosen: chosen.map(|c| String::from_utf8_lossy(c.as_bytes()).trim().to_owned()),
    };
    Ok((upgrade, rest))
}

/// Answers a client that asks for a WebSocket. `choose` picks among the subprotocols that it offers; if it picks
/// none, the client is refused. Returns the bytes that came behind the request.
///
/// # Errors
/// The connection failed, or the client was refused.
pub async fn accept(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    choose: impl Fn(&[&str]) -> Option<String>,
) -> Result<(Upgrade, BytesMut), UpgradeError> {
    let (request, rest) = read_head::<Request>(stream).await?;
    let headers = request.headers();
    let offered: Vec<&str> = tokens(headers, "sec-websocket-protocol").collect();
    let asks = tokens(headers, "upgrade").any(|t| t.eq_ignore_ascii_case("websocket"))
        && tokens(headers, "connection").any(|t| t.eq_ignore_ascii_case("upgrade"));
    let key = headers.get("sec-websocket-key").filter(|_| asks);
    let (Some(key), Some(chosen)) = (key, choose(&offered)) else {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await?;
        stream.flush().await?;
        // A close with bytes that are not read would send a reset, and the answer could be lost with it.
        stream.shutdown().await?;
        return Err(UpgradeError::Refused(StatusCode::BAD_REQUEST));
    };
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {chosen}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    let upgrade = Upgrade {
        offered: offered.into_iter().map(str::to_owned).collect(),
        chosen: Some(chosen),
    };
    Ok((upgrade, rest))
}

/// The comma-separated values of a header, which may be there several times.
fn tokens<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

/// Why these bytes are not the head of a message of HTTP/1.1.
fn not_understood(bytes: &[u8]) -> UpgradeError {
    let start = &bytes[..bytes.len().min(SHOWN)];
    let line = start
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(line) if line.starts_with("HTTP/") => UpgradeError::OtherHttp(line.escape_debug().to_string()),
        Ok(line) if line.chars().any(char::is_alphabetic) && !line.chars().any(char::is_control) => {
            UpgradeError::NotHttp(format!("the text `{}`", line.escape_debug()))
        }
        _ => UpgradeError::NotHttp(format!("the bytes {}", hex::encode(&start[..start.len().min(16)]))),
    }
}

/// Reads the head of a request or an answer, and gives what came behind it.
async fn read_head<T: TryParse>(stream: &mut (impl AsyncRead + Unpin)) -> Result<(T, BytesMut), UpgradeError> {
    let mut buffer = BytesMut::new();
    loop {
        match T::try_parse(&buffer) {
            Ok(Some((length, head))) => {
                buffer.advance(length);
                return Ok((head, buffer));
            }
            Ok(None) if buffer.len() < LONGEST => {}
            Ok(None) | Err(_) => {
                return Err(not_understood(&buffer));
            }
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(UpgradeError::Ended);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_understood_is_shown_as_text_if_it_is_text() {
        let shown = |bytes: &[u8]| not_understood(bytes).to_string();
        assert_eq!(
            shown(b"HTTP/1.0 404 File not found\r\nServer: x\r\n"),
            "it answers the WebSocket upgrade with `HTTP/1.0 404 File not found`, not with HTTP/1.1"
        );
        assert_eq!(
            shown(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "it does not answer a WebSocket upgrade with HTTP, but with the text `SSH-2.0-OpenSSH_9.2`"
        );
        assert_eq!(
            shown(&[0x20, 2, 0, 1]),
            "it does not answer a WebSocket upgrade with HTTP, but with the bytes 20020001"
        );
    }
}
