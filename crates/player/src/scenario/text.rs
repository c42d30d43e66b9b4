//! Text with variables in it: `$ns/a`, `${ns}x`, `$c.receive_maximum`, `$$`.

use std::ops::Range;

use super::scope::FACT_NAMES;
use super::{TextPart, TextTemplate, Var};

/// What is wrong in a text, and which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextError {
    pub range: Range<usize>,
    pub message: String,
}

/// What a dollar begins, and how many bytes of the text that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dollar {
    Var(Var, usize),
    /// A literal dollar; this many bytes of the text are read.
    Plain(usize),
}

const LONE: &str = "a dollar that begins no variable is written `$$`";

/// Reads what the dollar at the beginning of `text` begins.
pub(super) fn dollar(text: &str) -> Result<Dollar, &'static str> {
    let rest = &text[1..];
    if rest.starts_with('$') {
        return Ok(Dollar::Plain(2));
    }
    // `$SYS` and `$share/...` are what the standard writes (4.7.2 and 5.0, 4.8.2).
    if rest.starts_with("SYS") || rest == "share" || rest.starts_with("share/") {
        return Ok(Dollar::Plain(1));
    }
    if let Some(inner) = rest.strip_prefix('{') {
        let end = inner.find('}').ok_or("`${` has no `}`")?;
        let name = &inner[..end];
        return match variable(name) {
            Some(len) if len == name.len() => Ok(Dollar::Var(Var(name.to_owned()), len + 3)),
            _ => Err("`${` and `}` enclose the name of a variable"),
        };
    }
    match variable(rest) {
        Some(len) => Ok(Dollar::Var(Var(rest[..len].to_owned()), len + 1)),
        None => Err(LONE),
    }
}

/// Whether `text` begins with this variable.
pub(super) fn dollar_is(text: &str, var: &Var) -> bool {
    text.starts_with('$') && matches!(dollar(text), Ok(Dollar::Var(found, _)) if found == *var)
}

/// The length of the variable that `text` begins with: a name, `c.receive_maximum`, `login.username`, `auth.good.1`.
fn variable(text: &str) -> Option<usize> {
    let name = name_len(text)?;
    let Some(rest) = text[name..].strip_prefix('.') else {
        return Some(name);
    };
    // A dot may as well be text: only what is known after it belongs to the variable.
    let part = name_len(rest).unwrap_or(0);
    let (owner, fact) = (&text[..name], &rest[..part]);
    match owner {
        "login" if matches!(fact, "username" | "password") => Some(name + 1 + part),
        "auth" if fact == "method" => Some(name + 1 + part),
        "users" if part > 0 => {
            let field = rest[part..].strip_prefix('.')?;
            let length = name_len(field).unwrap_or(0);
            matches!(&field[..length], "username" | "password").then_some(name + 1 + part + 1 + length)
        }
        "auth" if matches!(fact, "good" | "bad") => {
            let number = rest[part..].strip_prefix('.')?;
            let digits = number.bytes().take_while(u8::is_ascii_digit).count();
            (digits > 0).then_some(name + 1 + part + 1 + digits)
        }
        _ if FACT_NAMES.contains(&fact) => Some(name + 1 + part),
        _ => Some(name),
    }
}

/// The length of the `[a-z][a-z0-9_]*` that `text` begins with.
pub(super) fn name_len(text: &str) -> Option<usize> {
    text.starts_with(|c: char| c.is_ascii_lowercase()).then(|| {
        text.bytes()
            .take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_')
            .count()
    })
}

/// Whether all of `text` is a name.
pub(super) fn is_name(text: &str) -> bool {
    name_len(text) == Some(text.len())
}

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<TextTemplate, TextError> {
    let mut parts: Vec<TextPart> = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find('$') {
        plain.push_str(&text[at..at + found]);
        at += found;
        match dollar(&text[at..]) {
            Ok(Dollar::Plain(len)) => {
                plain.push('$');
                at += len;
            }
            Ok(Dollar::Var(var, len)) => {
                if !plain.is_empty() {
                    parts.push(TextPart::Plain(std::mem::take(&mut plain)));
                }
                parts.push(TextPart::Var(var));
                at += len;
            }
            Err(message) => {
                return Err(TextError {
                    range: at..at + 1,
                    message: message.to_owned(),
                });
            }
        }
    }
    plain.push_str(&text[at..]);
    if !plain.is_empty() {
        parts.push(TextPart::Plain(plain));
    }
    Ok(TextTemplate(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let parts = parse(text).unwrap().0;
        let parts: Vec<String> = parts
            .into_iter()
            .map(|part| match part {
                TextPart::Plain(text) => format!("'{text}'"),
                TextPart::Var(var) => format!("<{}>", var.0),
            })
            .collect();
        parts.join(" ")
    }

    #[test]
    fn the_longest_name_is_the_variable() {
        assert_eq!(shown("$ns/a"), "<ns> '/a'");
        assert_eq!(shown("a$ns_x-1"), "'a' <ns_x> '-1'");
        assert_eq!(shown("${ns}x"), "<ns> 'x'");
        assert_eq!(shown("$a$b"), "<a> <b>");
        assert_eq!(shown(""), "");
    }

    #[test]
    fn dots_belong_to_the_variable_where_they_mean_something() {
        assert_eq!(shown("$c.receive_maximum."), "<c.receive_maximum> '.'");
        assert_eq!(shown("$ns.txt"), "<ns> '.txt'");
        assert_eq!(shown("$auth.good.12x"), "<auth.good.12> 'x'");
        assert_eq!(shown("${c.assigned_client_id}x"), "<c.assigned_client_id> 'x'");
    }

    #[test]
    fn other_dollars_are_text_or_errors() {
        assert_eq!(shown("$SYS/#"), "'$SYS/#'");
        assert_eq!(shown("$share/g/$ns"), "'$share/g/' <ns>");
        assert_eq!(shown("$shared"), "<shared>");
        assert_eq!(shown("1$$a"), "'1$a'");
        for (text, at) in [("a$", 1), ("$X", 0), ("${ns", 0), ("${A}", 0), ("a ${}", 2)] {
            assert_eq!(parse(text).unwrap_err().range.start, at, "{text}");
        }
    }
}
