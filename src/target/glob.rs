//! Patterns over case ids. A `*` stands for any characters, `/` included; everything else stands for itself, so that the
//! brackets of a row (`path[row]@v5`) need no escape.

use std::fmt;

/// A pattern such as `qos2/*@v5`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob(String);

impl Glob {
    /// Takes the text as a pattern; every text is one.
    pub fn new(text: impl Into<String>) -> Glob {
        Glob(text.into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` fits the pattern.
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
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
        f.write_str(&self.0)
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
