//! `$dir`, `$here` and `$port` in a profile's texts.
//!
//! Configuration files have dollars of their own (`$SYS`, `$HOME`), so only these words are replaced: `$dir`, `$here`,
//! `$port` and `$port` followed by a number (`$port2`), also in braces (`${dir}x`). A second dollar in front (`$$port`)
//! leaves the word as it is, without that dollar.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What the words stand for in one instance of a broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// `$dir`: the instance's own folder, without a slash at the end.
    pub dir: String,
    /// `$here`: the folder of the profile, without a slash at the end.
    pub here: String,
    /// `$port`, `$port2` and so on, by the word without its dollar.
    pub ports: BTreeMap<String, u16>,
}

impl Words {
    /// The text with every word replaced.
    pub fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Word("dir") => out.push_str(&self.dir),
                Piece::Word("here") => out.push_str(&self.here),
                Piece::Word(port) => match self.ports.get(port) {
                    Some(number) => out.push_str(&number.to_string()),
                    None => {
                        out.push('$');
                        out.push_str(port);
                    }
                },
            }
        }
        out
    }
}

/// The port words in the text, such as `port` and `port2`.
pub fn port_words(text: &str) -> BTreeSet<Cow<'_, str>> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Word(word) if word.starts_with("port") => Some(Cow::Borrowed(word)),
            _ => None,
        })
        .collect()
}

#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Word(&'a str),
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        let escaped = after.strip_prefix('$').and_then(word_at);
        if let Some((_, length)) = escaped {
            pieces.push(Piece::Text(&rest[..at]));
            pieces.push(Piece::Text(&after[..1 + length]));
            rest = &after[1 + length..];
        } else if let Some((word, length)) = word_at(after) {
            pieces.push(Piece::Text(&rest[..at]));
            pieces.push(Piece::Word(word));
            rest = &after[length..];
        } else {
            pieces.push(Piece::Text(&rest[..at + 1]));
            rest = after;
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The word that `text` (what follows a dollar) begins with, and how many bytes it takes.
fn word_at(text: &str) -> Option<(&str, usize)> {
    let (inner, braces) = match text.strip_prefix('{') {
        Some(inner) => (inner, 2),
        None => (text, 0),
    };
    let length = inner
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(inner.len());
    let word = &inner[..length];
    if braces == 2 && !inner[length..].starts_with('}') {
        return None;
    }
    let is_port = word
        .strip_prefix("port")
        .is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
    (is_port || word == "dir" || word == "here").then_some((word, length + braces))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words {
            dir: "/d".into(),
            here: "/h".into(),
            ports: BTreeMap::from([("port".into(), 11), ("port2".into(), 22)]),
        }
    }

    #[test]
    fn replaces_its_words_and_nothing_else() {
        for (text, filled) in [
            ("listener $port 127.0.0.1", "listener 11 127.0.0.1"),
            ("$dir/m.conf", "/d/m.conf"),
            ("$here/../x", "/h/../x"),
            ("$port$port2", "1122"),
            ("${port}0 ${dir}x", "110 /dx"),
            ("$SYS/# $HOME ${x} $", "$SYS/# $HOME ${x} $"),
            ("$directory $portal $port_x", "$directory $portal $port_x"),
            ("$$port $${dir} $$x", "$port ${dir} $$x"),
            ("${port", "${port"),
            ("ä$portä", "ä11ä"),
        ] {
            assert_eq!(words().fill(text), filled, "{text}");
        }
    }

    #[test]
    fn knows_which_ports_a_text_needs() {
        let found: Vec<_> = port_words("a $port b ${port2} $$port3 $dir $port")
            .into_iter()
            .collect();
        assert_eq!(found, ["port", "port2"]);
    }
}
