//! Patterns over case ids. A `*` stands for any characters, `/` included; everything else stands for itself, so that
//! the brackets of a row (`path[row]@v5`) need no escape.

use std::fmt;

/// A pattern such as `qos2/*@v5`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    text: String,
    /// Where the first `*` is, or the end. What precedes it decides nearly always.
    head: usize,
}

impl Glob {
    /// Takes the text as a pattern; every text is one.
    pub fn new(text: impl Into<String>) -> Glob {
        let text = text.into();
        let head = text.find('*').unwrap_or(text.len());
        Glob { text, head }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` fits the pattern.
    pub fn matches(&self, text: &str) -> bool {
        let (head, stars) = self.text.split_at(self.head);
        let Some(mut rest) = text.strip_prefix(head) else {
            return false;
        };
        let Some(stars) = stars.strip_prefix('*') else {
            return rest.is_empty();
        };
        let mut parts = stars.split('*');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            // The leftmost place is always good enough, because a later `*` can take up what follows.
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (glob, text, fits) in [
            ("a/b@v5", "a/b@v5", true),
            ("a/b@v5", "a/b@v5x", false),
            ("*", "", true),
            ("*@v5", "a/b[c]@v5", true),
            ("*@v5", "a/b@v3.1.1", false),
            ("a/*", "a/b/c@v5", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "aec", false),
            ("a*a", "a", false),
            ("a**b", "ab", true),
            ("a[b]@v5", "a[b]@v5", true),
            ("a[b]@v5", "ab@v5", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
        ] {
            assert_eq!(Glob::new(glob).matches(text), fits, "{glob} on {text}");
        }
    }
}
