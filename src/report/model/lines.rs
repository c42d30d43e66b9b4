//! JSON that people can read and that is not mostly blanks: the outer levels have a line for each value, and what is nested
//! deeper is on one line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

/// How many levels have a line for each value. Of a run these are the run, the list of its cases, each case, and the lists of
/// a case, so that an event has a line.
const LEVELS: usize = 4;

/// The value as JSON, with an end of line.
pub(super) fn text(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Lines::default());
    value
        .serialize(&mut serializer)
        .expect("strings, numbers and lists always serialise");
    out.push(b'\n');
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[derive(Default)]
struct Lines {
    outer: PrettyFormatter<'static>,
    /// How many lists and objects are open.
    depth: usize,
}

impl Lines {
    fn is_outer(&self) -> bool {
        self.depth <= LEVELS
    }

    fn begin<W: Write + ?Sized>(&mut self, out: &mut W, outer: Begin<W>, inner: &[u8]) -> io::Result<()> {
        self.depth += 1;
        if self.is_outer() {
            outer(&mut self.outer, out)
        } else {
            out.write_all(inner)
        }
    }

    fn end<W: Write + ?Sized>(&mut self, out: &mut W, outer: Begin<W>, inner: &[u8]) -> io::Result<()> {
        let written = if self.is_outer() {
            outer(&mut self.outer, out)
        } else {
            out.write_all(inner)
        };
        self.depth -= 1;
        written
    }

    /// What comes before a value or key: on one line, a comma and a blank unless it is the first.
    fn next<W: Write + ?Sized>(&mut self, out: &mut W, first: bool, outer: Next<W>) -> io::Result<()> {
        if self.is_outer() {
            outer(&mut self.outer, out, first)
        } else if first {
            Ok(())
        } else {
            out.write_all(b", ")
        }
    }
}

type Begin<W> = fn(&mut PrettyFormatter<'static>, &mut W) -> io::Result<()>;
type Next<W> = fn(&mut PrettyFormatter<'static>, &mut W, bool) -> io::Result<()>;

impl Formatter for Lines {
    fn begin_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, PrettyFormatter::begin_array, b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, PrettyFormatter::end_array, b"]")
    }

    fn begin_array_value<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first, PrettyFormatter::begin_array_value)
    }

    fn end_array_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.outer.end_array_value(out)
    }

    fn begin_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, PrettyFormatter::begin_object, b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, PrettyFormatter::end_object, b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.next(out, first, PrettyFormatter::begin_object_key)
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.outer.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_outer_levels_have_lines_and_the_inner_ones_one() {
        let value =
            json!({ "a": [{ "id": "x", "empty": [], "events": [{ "n": 1, "of": { "p": [1, 2], "q": {} } }, {}] }] });
        let expected = r#"{
  "a": [
    {
      "id": "x",
      "empty": [],
      "events": [
        {"n": 1, "of": {"p": [1, 2], "q": {}}},
        {}
      ]
    }
  ]
}
"#;
        assert_eq!(text(&value), expected);
        assert_eq!(serde_json::from_str::<Value>(expected).unwrap(), value);
    }
}
