//! The bytes notation: `30 0d s"$ns/t" $m # comment`, in expectations with `..` and `...`.

use std::ops::Range;

use super::text::{self, Dollar, TextError};
use super::{BytePart, ByteTemplate, Var};

/// Whether the bytes are sent or waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Sent,
    Awaited,
}

/// Reads bytes in the notation of the language.
pub(super) fn parse(text: &str, used: Use) -> Result<ByteTemplate, TextError> {
    let mut reader = Reader {
        text,
        at: 0,
        used,
        parts: Vec::new(),
    };
    while reader.at < text.len() {
        reader.next()?;
    }
    Ok(ByteTemplate(reader.parts))
}

impl ByteTemplate {
    /// Reads bytes in the notation of the language: what is sent, or what is awaited, where `..` and `...` may be.
    ///
    /// # Errors
    /// Which bytes of the text are wrong, and why.
    pub fn parse(text: &str, awaited: bool) -> Result<ByteTemplate, (Range<usize>, String)> {
        let used = if awaited { Use::Awaited } else { Use::Sent };
        parse(text, used).map_err(|e| (e.range, e.message))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    used: Use,
    parts: Vec<BytePart>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error<T>(&self, len: usize, message: impl Into<String>) -> Result<T, TextError> {
        Err(TextError {
            range: self.at..self.at + len,
            message: message.into(),
        })
    }

    fn next(&mut self) -> Result<(), TextError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(());
        };
        if matches!(self.parts.last(), Some(BytePart::Rest)) && !first.is_whitespace() && first != '#' {
            return self.error(first.len_utf8(), "nothing may follow `...`, the rest of the packet");
        }
        match first {
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
            '"' => {
                let part = BytePart::Text(self.quoted(1)?);
                self.parts.push(part);
            }
            's' if rest.starts_with("s\"") => {
                let part = BytePart::String(self.quoted(2)?);
                self.parts.push(part);
            }
            '$' => self.variable()?,
            '.' => self.dots()?,
            '0' if rest.starts_with("0x") || rest.starts_with("0X") => {
                return self.error(2, "bytes are hex without `0x`: `0a ff`");
            }
            c if c.is_ascii_hexdigit() => self.hex()?,
            c => {
                return self.error(
                    c.len_utf8(),
                    "bytes consist of pairs of hex digits, `\"text\"`, `s\"text\"`, a variable or a `#` comment",
                );
            }
        }
        Ok(())
    }

    /// The text between quotes, of which the opening one ends after `open` bytes.
    fn quoted(&mut self, open: usize) -> Result<super::TextTemplate, TextError> {
        let rest = self.rest();
        let Some(len) = rest[open..].find('"') else {
            return self.error(open, "this quote is not closed");
        };
        let inner = &rest[open..open + len];
        let template = text::parse(inner).map_err(|e| TextError {
            range: self.at + open + e.range.start..self.at + open + e.range.end,
            message: e.message,
        })?;
        self.at += open + len + 1;
        Ok(template)
    }

    fn variable(&mut self) -> Result<(), TextError> {
        match text::dollar(self.rest()) {
            Ok(Dollar::Var(var, len)) => {
                self.parts.push(if var.0 == "login" {
                    self.login(len)?
                } else {
                    BytePart::Id(var)
                });
                self.at += len;
                Ok(())
            }
            _ => self.error(1, "outside of quotes a dollar starts a variable"),
        }
    }

    fn login(&self, len: usize) -> Result<BytePart, TextError> {
        match self.used {
            Use::Sent => Ok(BytePart::Login),
            Use::Awaited => self.error(len, "`$login` is permitted only in what is sent"),
        }
    }

    fn dots(&mut self) -> Result<(), TextError> {
        let len = self.rest().bytes().take_while(|b| *b == b'.').count();
        if self.used == Use::Sent {
            return self.error(len, "`..` and `...` are permitted only in expectations");
        }
        self.parts.push(match len {
            2 => BytePart::AnyByte,
            3 => BytePart::Rest,
            _ => return self.error(len, "`..` is one byte, `...` the rest of the packet"),
        });
        self.at += len;
        Ok(())
    }

    fn hex(&mut self) -> Result<(), TextError> {
        let rest = self.rest();
        let len = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let digits = &rest[..len];
        if let Some(bad) = rest[len..].chars().next().filter(|c| c.is_alphanumeric() && *c != 's') {
            return self.error(len + bad.len_utf8(), "this is neither hex nor text in quotes");
        }
        let Ok(bytes) = hex::decode(digits) else {
            return self.error(len, "a byte has two hex digits");
        };
        self.at += len;
        if let (Some(after), [flags]) = (rest[len..].strip_prefix('|'), bytes.as_slice()) {
            if text::dollar_is(after, &Var("login".to_owned())) && self.used == Use::Sent {
                self.parts.push(BytePart::LoginFlags(*flags));
                self.at += "|$login".len();
                return Ok(());
            }
            return self.error(1, "`|` must be followed by `$login`, in what is sent");
        }
        match self.parts.last_mut() {
            Some(BytePart::Bytes(before)) => before.extend(bytes),
            _ => self.parts.push(BytePart::Bytes(bytes)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{TextPart, TextTemplate};

    fn plain(text: &str) -> TextTemplate {
        TextTemplate(vec![TextPart::Plain(text.to_owned())])
    }

    #[test]
    fn hex_text_variables_and_comments() {
        let text = "10 0d  # CONNECT\n 0004\"MQTT\" 05s\"$ns/#\" $m ff";
        let parts = parse(text, Use::Sent).unwrap().0;
        assert_eq!(
            parts,
            [
                BytePart::Bytes(vec![0x10, 0x0d, 0x00, 0x04]),
                BytePart::Text(plain("MQTT")),
                BytePart::Bytes(vec![5]),
                BytePart::String(TextTemplate(vec![
                    TextPart::Var(Var("ns".to_owned())),
                    TextPart::Plain("/#".to_owned())
                ])),
                BytePart::Id(Var("m".to_owned())),
                BytePart::Bytes(vec![0xff]),
            ]
        );
    }

    #[test]
    fn dots_stand_in_expectations() {
        let parts = parse("40 02 .. $m ...", Use::Awaited).unwrap().0;
        assert_eq!(
            parts[1..],
            [BytePart::AnyByte, BytePart::Id(Var("m".to_owned())), BytePart::Rest]
        );
        assert!(parse("40 ..", Use::Sent).is_err());
        assert!(parse("... 40", Use::Awaited).is_err());
        assert!(parse("....", Use::Awaited).is_err());
        assert!(parse("... # comment", Use::Awaited).is_ok());
    }

    #[test]
    fn the_login_has_its_places() {
        let parts = parse("04 03|$login 00 $login", Use::Sent).unwrap().0;
        assert_eq!(
            parts,
            [
                BytePart::Bytes(vec![4]),
                BytePart::LoginFlags(3),
                BytePart::Bytes(vec![0]),
                BytePart::Login
            ]
        );
        assert!(parse("03|$m", Use::Sent).is_err());
        assert!(parse("$login", Use::Awaited).is_err());
    }

    #[test]
    fn errors_have_their_place() {
        for (text, range) in [
            ("00 123 00", 3..6),
            ("00 0x12", 3..5),
            ("00 zz", 3..4),
            ("00 fg", 3..5),
            ("00 \"abc", 3..4),
            ("00 \"a$\"", 5..6),
            ("00 $X", 3..4),
        ] {
            assert_eq!(parse(text, Use::Sent).unwrap_err().range, range, "{text}");
        }
    }
}
