//! MQTT over WebSocket (RFC 6455): the HTTP upgrade, and the payload of the frames as one stream of bytes. Where a
//! frame ends says nothing about where a packet ends (3.1.1 and 5.0, section 6).

/// The longest head of an HTTP request or response.
const HEAD: usize = 16 * 1024;

/// What the beginning of a direction is, as a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Asks for WebSocket; `mqtt` if the offered subprotocols are MQTT's.
    Upgrade {
        mqtt: bool,
    },
    /// The beginning of a request.
    Begun,
    Other,
}

/// Reads bytes as an HTTP request.
pub fn request(bytes: &[u8]) -> Request {
    let start = &bytes[..bytes.len().min(4)];
    if !b"GET ".starts_with(start) {
        return Request::Other;
    }
    let Some(end) = head_end(bytes) else {
        return if bytes.len() < HEAD {
            Request::Begun
        } else {
            Request::Other
        };
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let value = |name: &str| {
        let line = head
            .lines()
            .find_map(|l| l.split_once(':').filter(|(n, _)| n.trim() == name));
        line.map(|(_, v)| v.trim().to_owned())
    };
    match value("upgrade") {
        Some(upgrade) if upgrade.contains("websocket") => Request::Upgrade {
            mqtt: value("sec-websocket-protocol").is_some_and(|p| p.contains("mqtt")),
        },
        _ => Request::Other,
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// One direction of a WebSocket connection.
#[derive(Debug, Default)]
pub struct Unwrap {
    state: State,
    /// The beginning of a head or of a frame's header.
    begun: Vec<u8>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    FrameHeader,
    Payload {
        left: u64,
        mask: Option<[u8; 4]>,
        /// How much of the payload came.
        at: u64,
        is_data: bool,
    },
    /// It can no longer be followed.
    Lost,
}

/// Why a direction cannot be unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The server did not agree to WebSocket.
    Refused,
    /// The frames are compressed, or of an extension that is not known here.
    Extended,
}

impl Unwrap {
    /// Takes bytes, and gives those of MQTT.
    ///
    /// # Errors
    /// If it cannot be read from here on.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let mut out = Vec::with_capacity(bytes.len());
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head => bytes = self.head(bytes)?,
                State::FrameHeader => bytes = self.frame_header(bytes)?,
                State::Payload {
                    left,
                    mask,
                    at,
                    is_data,
                } => {
                    let n = (bytes.len() as u64).min(*left) as usize;
                    if *is_data {
                        let plain = bytes[..n].iter().enumerate().map(|(i, byte)| match mask {
                            Some(mask) => byte ^ mask[((*at + i as u64) % 4) as usize],
                            None => *byte,
                        });
                        out.extend(plain);
                    }
                    *left -= n as u64;
                    *at += n as u64;
                    if *left == 0 {
                        self.state = State::FrameHeader;
                    }
                    bytes = &bytes[n..];
                }
                State::Lost => return Ok(out),
            }
        }
        Ok(out)
    }

    /// Bytes are missing. Gives how many of them are MQTT's, if that can be decided: otherwise all that follows is
    /// lost.
    pub fn gap(&mut self, missing: u64) -> Option<u64> {
        if let State::Payload { left, at, is_data, .. } = &mut self.state
            && missing <= *left
        {
            *left -= missing;
            *at += missing;
            let counts = *is_data;
            if *left == 0 {
                self.state = State::FrameHeader;
            }
            return Some(if counts { missing } else { 0 });
        }
        self.state = State::Lost;
        None
    }

    fn head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Unreadable> {
        let before = self.begun.len();
        self.begun.extend_from_slice(bytes);
        let Some(end) = head_end(&self.begun) else {
            return if self.begun.len() > HEAD {
                Err(Unreadable::Refused)
            } else {
                Ok(&[])
            };
        };
        let is_response = self.begun.starts_with(b"HTTP/");
        let status = self.begun.split(|b| *b == b' ').nth(1);
        if is_response && status != Some(b"101") {
            return Err(Unreadable::Refused);
        }
        self.begun.clear();
        self.state = State::FrameHeader;
        Ok(&bytes[end - before..])
    }

    fn frame_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Unreadable> {
        self.begun.push(bytes[0]);
        let rest = &bytes[1..];
        let head = &self.begun;
        if head[0] & 0x70 != 0 {
            return Err(Unreadable::Extended);
        }
        let Some(second) = head.get(1) else { return Ok(rest) };
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        let total = 2 + length_bytes + if masked { 4 } else { 0 };
        if head.len() < total {
            return Ok(rest);
        }
        let left = match length_bytes {
            0 => u64::from(second & 0x7f),
            n => head[2..2 + n]
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        let mask = masked.then(|| {
            let m = &head[total - 4..];
            [m[0], m[1], m[2], m[3]]
        });
        // Continuation, text and binary; text is wrong (MQTT-6.0.0-1) and read all the same.
        let is_data = head[0] & 0x0f <= 2;
        self.begun.clear();
        self.state = match left {
            0 => State::FrameHeader,
            left => State::Payload {
                left,
                mask,
                at: 0,
                is_data,
            },
        };
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

    #[test]
    fn an_upgrade_is_known_by_its_head() {
        assert_eq!(request(ASK), Request::Upgrade { mqtt: true });
        assert_eq!(request(b"GE"), Request::Begun);
        assert_eq!(request(&ASK[..40]), Request::Begun);
        assert_eq!(request(b"GET / HTTP/1.1\r\n\r\n"), Request::Other);
        assert_eq!(request(b"GOT"), Request::Other);
    }

    /// A masked frame.
    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut bytes = vec![opcode, 0x80 | payload.len() as u8];
        bytes.extend(mask);
        bytes.extend(payload.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]));
        bytes
    }

    #[test]
    fn the_payloads_of_data_frames_are_one_stream_however_cut() {
        let stream = [
            ASK,
            &frame(0x02, b"he"),
            &frame(0x89, b"ping"),
            &frame(0x80, b"llo"),
            &frame(0x82, b""),
        ]
        .concat();
        for step in [1, 3, 1000] {
            let mut unwrap = Unwrap::default();
            let plain: Vec<u8> = stream.chunks(step).flat_map(|c| unwrap.push(c).unwrap()).collect();
            assert_eq!(plain, b"hello");
        }
    }

    #[test]
    fn long_frames_and_bare_ones_are_read() {
        let mut unwrap = Unwrap::default();
        unwrap.push(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
        let mut bytes = vec![0x82, 126, 1, 0];
        bytes.extend([7; 256]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 0, 0, 2, 8, 8]);
        assert_eq!(unwrap.push(&bytes).unwrap().len(), 258);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!(
            Unwrap::default().push(b"HTTP/1.1 404 Not Found\r\n\r\n"),
            Err(Unreadable::Refused)
        );
        let mut unwrap = Unwrap::default();
        unwrap.push(ASK).unwrap();
        assert_eq!(unwrap.push(&[0xc2, 0x81, 0, 0, 0, 0, 9]), Err(Unreadable::Extended));
    }

    #[test]
    fn a_hole_within_a_frame_is_passed_over() {
        let mut unwrap = Unwrap::default();
        let stream = [ASK, &frame(0x82, b"abcdef"), &frame(0x82, b"gh")].concat();
        let at = ASK.len() + 6 + 2;
        assert_eq!(unwrap.push(&stream[..at]).unwrap(), b"ab");
        assert_eq!(unwrap.gap(3), Some(3));
        assert_eq!(unwrap.push(&stream[at + 3..]).unwrap(), b"fgh");
        assert_eq!(unwrap.gap(1), None);
        assert_eq!(unwrap.push(&frame(0x82, b"ij")).unwrap(), b"");
    }
}
