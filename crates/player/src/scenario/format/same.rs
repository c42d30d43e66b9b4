//! The content of a loaded scenario, without places.

use std::fmt::{self, Write as _};

use crate::scenario::Scenario;

/// The debug form of a scenario without places and without the text of its file. Two scenarios with the same form have
/// the same header and cases. It is taken from `Debug`, so that a new part of the language is compared without being
/// named here.
pub(super) fn shown(scenario: &Scenario) -> String {
    let mut all = Without::default();
    // Writing to a string does not fail.
    let _ = write!(all, "{scenario:?}");
    // Whether it is the text of a scenario in this program is no part of what it means.
    all.text.replace("embedded: true", "embedded: false")
}

/// Takes text and leaves out every `Place { .. }` and `Source { .. }`.
#[derive(Default)]
struct Without {
    text: String,
    /// How many braces are open inside of what is left out.
    depth: usize,
    /// Inside a string of what is left out, and whether the last character was a backslash.
    quoted: bool,
    escaped: bool,
}

impl fmt::Write for Without {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for c in part.chars() {
            if self.depth == 0 {
                self.text.push(c);
                if c == '{' && (self.text.ends_with("Place {") || self.text.ends_with("Source {")) {
                    self.depth = 1;
                }
                continue;
            }
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' if self.quoted => self.escaped = true,
                '"' => self.quoted = !self.quoted,
                '{' if !self.quoted => self.depth += 1,
                '}' if !self.quoted => self.depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::{Source, load};

    fn of(text: &str) -> String {
        let source = Arc::new(Source {
            file: "a.yaml".to_owned(),
            text: text.to_owned(),
        });
        shown(&load(&source, "a").unwrap())
    }

    #[test]
    fn places_do_not_count_and_values_do() {
        let text = "format: 1\ntitle: T {\nversions: [v5]\nclients: { c: {} }\nsteps:\n  - c -> PUBLISH: { topic: $ns/a, payload: \"}\\\"\" }\n";
        let moved = format!("# a comment {{\n{}", text.replace("steps:", "steps:\n\n"));
        assert_eq!(of(text), of(&moved));
        assert_ne!(of(text), of(&text.replace("$ns/a", "$ns/b")));
        assert_ne!(of(text), of(&text.replace("title: T", "title: U")));
        assert!(!of(text).contains("span:"), "{}", of(text));
    }
}
