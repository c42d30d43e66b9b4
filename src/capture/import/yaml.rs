//! Values of packets as the language writes them.

use crate::transcript::printable;
use crate::wire::{Payload, Text};

/// Filled values longer than this are written by their length.
const FILLED: usize = 64;

/// Text, quoted if YAML or the language would read something else into it; bytes in hex if it is no text to be
/// shown.
pub fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_plain(text) => text.to_owned(),
        Ok(text) if is_shown(text) => quoted(&text.replace('$', "$$")),
        _ => format!("{{ hex: \"{}\" }}", hex(bytes)),
    }
}

/// A payload; one of a single byte many times over by its length.
pub fn payload(payload: &Payload) -> Option<String> {
    let bytes = payload.bytes()?;
    let filled = bytes.first().filter(|first| bytes.iter().all(|b| b == *first));
    Some(match filled {
        Some(byte) if bytes.len() > FILLED => format!("{{ size: {}, fill: 0x{byte:02x} }}", bytes.len()),
        _ => text(bytes),
    })
}

/// A topic or filter below the case's namespace; `None` if it is no text.
pub fn name(of: &Text) -> Option<String> {
    let name = of.as_str().filter(|name| is_shown(name))?;
    if name.is_empty() {
        return Some("''".to_owned());
    }
    let below = |topic: &str| match topic.strip_prefix('$') {
        // The broker's own. What else begins with a dollar is written as it is.
        Some(rest) if rest.starts_with("SYS") => topic.to_owned(),
        Some(rest) => format!("$${}", rest.replace('$', "$$")),
        None => format!("$ns/{}", topic.replace('$', "$$")),
    };
    let whole = match name.strip_prefix("$share/").and_then(|rest| rest.split_once('/')) {
        Some((group, topic)) => format!("$share/{}/{}", group.replace('$', "$$"), below(topic)),
        None => below(name),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-$.".contains(c);
    Some(if whole.chars().all(plain) {
        whole
    } else {
        quoted(&whole)
    })
}

/// `0x81`
pub fn code(code: u64) -> String {
    format!("0x{code:02x}")
}

/// `30 0d`
pub fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    pairs.join(" ")
}

/// A comment that stays on its line.
pub fn comment(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// In double quotes, as JSON and YAML both read it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether the text can be without quotes: a word that is neither a number nor anything that the language knows.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 14] = [
        "any", "absent", "not", "or", "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan",
    ];
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let word = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    begins && word && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Whether a person can read it: nothing in it moves the cursor or breaks the line.
fn is_shown(text: &str) -> bool {
    !text.contains('\n') && printable(text) == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_where_it_would_be_read_as_something_else() {
        for (given, written) in [
            ("hello", "hello"),
            ("21.5", "\"21.5\""),
            ("any", "\"any\""),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("{\"t\": 1}", "\"{\\\"t\\\": 1}\""),
            ("5$", "\"5$$\""),
            ("ü", "\"ü\""),
            ("a\nb", "{ hex: \"61 0a 62\" }"),
            ("\u{1b}[2J", "{ hex: \"1b 5b 32 4a\" }"),
        ] {
            assert_eq!(text(given.as_bytes()), written, "{given:?}");
        }
        assert_eq!(text(&[0xff]), "{ hex: \"ff\" }");
        assert_eq!(
            payload(&"\0".repeat(1000).as_str().into()).as_deref(),
            Some("{ size: 1000, fill: 0x00 }")
        );
        assert_eq!(payload(&Payload::Long { len: 5, hash: 1 }), None);
    }

    #[test]
    fn names_lie_below_the_namespace() {
        for (given, written) in [
            ("a/b", "$ns/a/b"),
            ("/a", "$ns//a"),
            ("#", "\"$ns/#\""),
            ("a b/+", "\"$ns/a b/+\""),
            ("$SYS/broker", "$SYS/broker"),
            ("$share/g/a", "$share/g/$ns/a"),
            ("$else", "$$else"),
            ("a/$b", "$ns/a/$$b"),
            ("", "''"),
        ] {
            assert_eq!(name(&given.into()).as_deref(), Some(written), "{given:?}");
        }
        assert_eq!(name(&vec![0xff].into()), None);
    }
}
