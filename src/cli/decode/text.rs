//! Text from a clipboard → the bytes that it means.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use crate::wire::Side;

use super::dump;

/// Bytes that one side sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `None` if the text does not say who sent them.
    pub from: Option<Side>,
    pub bytes: Vec<u8>,
}

/// The marks before a line that say who sent what follows.
const MARKS: [(&str, Side); 8] = [
    ("->", Side::Client),
    ("<-", Side::Server),
    ("client:", Side::Client),
    ("server:", Side::Server),
    ("C:", Side::Client),
    ("S:", Side::Server),
    (">", Side::Client),
    ("<", Side::Server),
];

/// Reads a hex dump, hex in any usual notation, an array or a string of a programming language, or base64. Consecutive parts of one side
/// are joined.
///
/// # Errors
/// A message for the user if the text is none of these, or holds no byte.
pub fn parse(text: &str) -> Result<Vec<Part>, String> {
    let parts = match dump::parse(text) {
        Some(parts) => parts,
        None => by_line(text)?,
    };
    let mut joined: Vec<Part> = Vec::new();
    for part in parts.into_iter().filter(|part| !part.bytes.is_empty()) {
        match joined.last_mut() {
            Some(last) if last.from == part.from => last.bytes.extend(part.bytes),
            _ => joined.push(part),
        }
    }
    if joined.is_empty() {
        return Err("there are no bytes to decode".to_owned());
    }
    Ok(joined)
}

/// Text whose lines may be marked with who sent them. `<Buffer 10 0c>` is no mark: nothing else begins with `<` and a letter that is no
/// digit.
fn by_line(text: &str) -> Result<Vec<Part>, String> {
    let marked = |line: &str| {
        let line = line.trim_start();
        let found = MARKS.iter().find(|(mark, _)| line.starts_with(mark));
        found
            .map(|(mark, side)| (*side, line[mark.len()..].trim().to_owned()))
            .filter(|(_, rest)| !rest.starts_with("Buffer"))
    };
    if text.lines().all(|line| marked(line).is_none()) {
        return arrays(text);
    }
    let mut parts = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (from, rest) = match marked(line) {
            Some((side, rest)) => (Some(side), rest),
            None => (None, line.to_owned()),
        };
        parts.push(Part {
            from,
            bytes: bytes(&rest)?,
        });
    }
    Ok(parts)
}

/// The arrays of a source in C, each on its own, or else the whole text. Wireshark names them `peer0_…` and `peer1_…`: the one that opened
/// the connection and the other.
fn arrays(text: &str) -> Result<Vec<Part>, String> {
    if !text.contains('=') || !text.contains('{') {
        return Ok(vec![Part {
            from: None,
            bytes: bytes(text)?,
        }]);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('{') {
        let (body, behind) = tail.split_once('}').unwrap_or((tail, ""));
        let from = match (head.contains("peer0_"), head.contains("peer1_")) {
            (true, false) => Some(Side::Client),
            (false, true) => Some(Side::Server),
            _ => None,
        };
        parts.push(Part {
            from,
            bytes: bytes(&format!("{{{body}}}"))?,
        });
        rest = behind;
    }
    Ok(parts)
}

/// The bytes of a text in one notation.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let text = without_comments(text);
    let text = text.trim();
    if let Some(literal) = literal(text) {
        return literal;
    }
    let text = text.strip_prefix("<Buffer").unwrap_or(text);
    let bracketed = text.contains(['[', '{']);
    let tokens: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || ",;:[]{}()<>\"'".contains(c))
        .filter(|token| !token.is_empty())
        .collect();
    if bracketed && text.contains(',') && !tokens.is_empty() && tokens.iter().all(|token| is_decimal(token)) {
        return tokens.iter().map(|token| decimal(token)).collect();
    }
    match tokens
        .iter()
        .map(|token| hex_token(token))
        .collect::<Result<Vec<_>, _>>()
    {
        Ok(found) => Ok(found.concat()),
        Err(message) => base64(text).ok_or(message),
    }
}

/// The text without `/* … */` and `// …`. A `//` within base64 is no comment: a blank or the beginning of the line is before one.
fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("/*") {
        out.push_str(before);
        out.push(' ');
        rest = behind.split_once("*/").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    let line = |line: &str| match line.find("//") {
        Some(0) => String::new(),
        Some(at) if line[..at].ends_with([' ', '\t']) => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    out.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A string with escapes, as Python, C, Rust, Go and JavaScript write one: `b'\x10\x0c\x00\x04MQTT'`. `None` if the text is none.
fn literal(text: &str) -> Option<Result<Vec<u8>, String>> {
    let inner = text.strip_prefix('b').unwrap_or(text);
    let quoted = ['"', '\'']
        .iter()
        .find_map(|q| inner.strip_prefix(*q)?.strip_suffix(*q));
    let is_literal =
        text.contains("\\x") || quoted.is_some() && text.contains('\\') || quoted.is_some() && text.starts_with('b');
    if !is_literal {
        return None;
    }
    let mut bytes = Vec::new();
    let mut rest = quoted.unwrap_or(inner).chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            let mut utf8 = [0; 4];
            bytes.extend(c.encode_utf8(&mut utf8).bytes());
            continue;
        }
        let simple = match rest.next() {
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                match hex::decode(&digits) {
                    Ok(byte) => byte,
                    Err(_) => return Some(Err(format!("`\\x{digits}` is not a byte: two hex digits follow `\\x`"))),
                }
            }
            Some('n') => vec![b'\n'],
            Some('r') => vec![b'\r'],
            Some('t') => vec![b'\t'],
            Some('a') => vec![7],
            Some('b') => vec![8],
            Some('v') => vec![11],
            Some('f') => vec![12],
            Some('0') => vec![0],
            Some(c @ ('\\' | '\'' | '"')) => vec![c as u8],
            Some(c) => return Some(Err(format!("`\\{c}` is not an escape that is known here"))),
            None => return Some(Err("the text ends within an escape".to_owned())),
        };
        bytes.extend(simple);
    }
    Some(Ok(bytes))
}

/// Whether a token is a number as a debugger prints a byte: no leading zero, and maybe a sign, as in Java.
fn is_decimal(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let good = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    good && (digits.len() == 1 || !digits.starts_with('0'))
}

fn decimal(token: &str) -> Result<u8, String> {
    let number: i16 = token.parse().map_err(|e| format!("`{token}`: {e}"))?;
    match number {
        0..=255 => Ok(number as u8),
        -128..=-1 => Ok(number as i8 as u8),
        _ => Err(format!("{number} is not a byte")),
    }
}

/// The bytes of a token in hex: one digit, or pairs of them, with `0x` before it or `-` and `_` within it.
fn hex_token(token: &str) -> Result<Vec<u8>, String> {
    let digits = token
        .strip_prefix("0x")
        .or_else(|| token.strip_prefix("0X"))
        .unwrap_or(token);
    let mut digits = digits.replace(['-', '_'], "");
    if let Some(c) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("`{}` is not hex: `{c}` is not a hex digit", shortened(token)));
    }
    if digits.len() == 1 {
        digits.insert(0, '0');
    }
    hex::decode(&digits).map_err(|_| {
        format!(
            "`{}` has {} hex digits, and a byte has two",
            shortened(token),
            digits.len()
        )
    })
}

/// A text in base64 with the usual or the URL-safe alphabet, padded or not; `None` if it is none.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabets = [&base64::alphabet::STANDARD, &base64::alphabet::URL_SAFE];
    let found = alphabets
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(&text).ok());
    // No packet is shorter than two bytes.
    found.filter(|bytes| bytes.len() >= 2)
}

/// A long token by its beginning.
fn shortened(token: &str) -> String {
    const MAX: usize = 24;
    match token.char_indices().nth(MAX) {
        Some((at, _)) => format!("{}…", &token[..at]),
        None => token.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Vec<u8> {
        let parts = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(parts.len(), 1, "{text}");
        assert_eq!(parts[0].from, None, "{text}");
        parts[0].bytes.clone()
    }

    #[test]
    fn every_usual_notation_of_bytes_is_read() {
        const SUBSCRIBE: [u8; 8] = [0x82, 6, 0, 1, 0, 1, 0x61, 3];
        for text in [
            "82 06 00 01 00 01 61 03",
            "8206000100016103",
            "82060001 00016103",
            "82:06:00:01:00:01:61:03",
            "82-06-00-01-00-01-61-03",
            "0x8206000100016103",
            "0x82, 0x06, 0x00, 0x01, 0x00, 0x01, 0x61, 0x03",
            "{ 0x82, 0x6, 0x0, 0x1, 0, 0x1, 0x61, 0x03 };",
            "unsigned char packet[] = {\n  0x82, 0x06, // header\n  0x00, 0x01, /* id */ 0x00, 0x01, 0x61, 0x03 };",
            "82, 06, 00, 01, 00, 01, 61, 03",
            "[130, 6, 0, 1, 0, 1, 97, 3]",
            "[-126, 6, 0, 1, 0, 1, 97, 3]",
            "{ 130, 6, 0, 1, 0, 1, 97, 3 }",
            "<Buffer 82 06 00 01 00 01 61 03>",
            "\\x82\\x06\\x00\\x01\\x00\\x01\\x61\\x03",
            "b'\\x82\\x06\\x00\\x01\\x00\\x01a\\x03'",
            "\"\\x82\\x06\\0\\x01\\0\\x01a\\x03\"",
            "ggYAAQABYQM=",
            "ggYAAQABYQM",
            "00000000: 8206 0001 0001 6103                      ......a.",
        ] {
            assert_eq!(one(text), SUBSCRIBE, "{text}");
        }
        // The two alphabets of base64 differ in two letters.
        assert_eq!(one("4AHvv74="), one("4AHvv74"));
        assert_eq!(one("8AH_-w=="), [0xf0, 1, 0xff, 0xfb]);
        assert_eq!(one("8AH/+w=="), [0xf0, 1, 0xff, 0xfb]);
    }

    #[test]
    fn a_mark_says_who_sent_a_line() {
        for text in [
            "-> c0 00\n<- d0 00",
            "> c000\n< d000\n",
            "client: c0 00\nserver: 0xd0 0x00",
            "C: c0 00\n\nS: d0 00",
        ] {
            let parts = parse(text).unwrap();
            let from: Vec<_> = parts.iter().map(|part| part.from).collect();
            assert_eq!(from, [Some(Side::Client), Some(Side::Server)], "{text}");
            assert_eq!(
                [&parts[0].bytes[..], &parts[1].bytes[..]],
                [&[0xc0, 0], &[0xd0, 0]],
                "{text}"
            );
        }
        let c = "char peer0_0[] = { /* Packet 4 */\n0xc0, 0x00 };\nchar peer1_0[] = { /* Packet 6 */\n0xd0, 0x00 };\n";
        let from: Vec<_> = parse(c).unwrap().iter().map(|part| part.from).collect();
        assert_eq!(from, [Some(Side::Client), Some(Side::Server)]);
        // Lines of one side are one stream.
        assert_eq!(parse("> c0\n> 00").unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_bytes_is_an_error_that_says_why() {
        for (text, message) in [
            ("", "there are no bytes to decode"),
            ("  \n ", "there are no bytes to decode"),
            ("zz", "`zz` is not hex: `z` is not a hex digit"),
            ("82 0", "there"),
            ("82 061", "`061` has 3 hex digits, and a byte has two"),
            ("[256, 1]", "256 is not a byte"),
            ("b'\\xzz'", "`\\xzz` is not a byte: two hex digits follow `\\x`"),
            ("'\\q'", "`\\q` is not an escape that is known here"),
            ("not a packet at all!", "`not` is not hex: `n` is not a hex digit"),
        ] {
            match parse(text) {
                Err(error) => assert_eq!(error, message, "{text}"),
                Ok(parts) => assert_eq!((text, parts[0].bytes.as_slice()), ("82 0", &[0x82, 0][..])),
            }
        }
    }
}
