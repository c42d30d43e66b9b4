//! The text of a file → its tree, in one pass that refuses hostile input before it costs anything.
//!
//! Of YAML it takes one document of maps, lists and scalars. Anchors, aliases, tags and merge keys are refused: nothing
//! here needs them, and they are how a small file becomes a huge one.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{Diagnostic, Node, Place, Scalar, Source, What, quoted};

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// How deep maps and lists may be nested.
pub const MAX_DEPTH: usize = 64;
/// How many nodes a file may have.
pub const MAX_NODES: usize = 50_000;

/// Reads one file's text.
///
/// # Errors
/// Everything that is wrong with it as YAML; if it cannot be read to the end, the first such place.
pub fn parse(source: &Arc<Source>) -> Result<Node, Vec<Diagnostic>> {
    let whole = |message: String| vec![Diagnostic::of_file(source.file.clone(), message)];
    if source.text.len() > MAX_FILE {
        return Err(whole(format!("the file is larger than {MAX_FILE} bytes")));
    }
    if source.text.contains('\0') {
        return Err(whole("the file is not text: it holds a NUL byte".to_owned()));
    }
    let mut reader = Reader::new(source);
    for event in Parser::new_from_str(&source.text) {
        let event = match event {
            Ok((event, span)) => reader.event(event, span),
            Err(error) => {
                let at = reader.offset(error.marker().index());
                let end = source.text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                // The scanner looks ahead and may come upon the depth before its events do.
                let message = if reader.depth_at(at) > MAX_DEPTH {
                    too_deep()
                } else {
                    format!("this is not YAML: {}", error.info())
                };
                Err(Stop::from(Diagnostic::new(source, &source.place(at..end), message)))
            }
        };
        if let Err(last) = event {
            reader.errors.push(*last);
            return Err(reader.errors);
        }
    }
    match reader.root {
        _ if !reader.errors.is_empty() => Err(reader.errors),
        Some(root) if !root.is_null() => Ok(root),
        _ => Err(whole("the file is empty".to_owned())),
    }
}

fn too_deep() -> String {
    format!("maps and lists are nested more than {MAX_DEPTH} deep")
}

/// An error after which it makes no sense to go on.
type Stop = Box<Diagnostic>;

struct Reader<'a> {
    source: &'a Arc<Source>,
    /// The byte at which each character begins; `None` if every character is one byte.
    bytes_of: Option<Vec<usize>>,
    line_starts: Vec<usize>,
    /// Maps and lists that are not at their end yet, the innermost last.
    open: Vec<Open>,
    nodes: usize,
    /// Where the last event ended.
    end: usize,
    documents: usize,
    root: Option<Node>,
    errors: Vec<Diagnostic>,
}

/// A map or list that is being read.
struct Open {
    start: usize,
    /// Where its last child ended: a block has no end of its own.
    end: usize,
    what: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map {
        entries: Vec<(Node, Node)>,
        /// Where each key is first.
        seen: HashMap<Arc<str>, Place>,
        /// The key that waits for its value; of two equal ones, which are an error already, the second's goes nowhere.
        key: Option<Key>,
    },
}

enum Key {
    New(Node),
    Again,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Arc<Source>) -> Reader<'a> {
        let text = &source.text;
        Reader {
            source,
            bytes_of: (!text.is_ascii()).then(|| text.char_indices().map(|(i, _)| i).collect()),
            line_starts: std::iter::once(0)
                .chain(
                    text.bytes()
                        .enumerate()
                        .filter(|(_, b)| *b == b'\n')
                        .map(|(i, _)| i + 1),
                )
                .collect(),
            open: Vec::new(),
            nodes: 0,
            end: 0,
            documents: 0,
            root: None,
            errors: Vec::new(),
        }
    }

    /// saphyr counts characters; everything else counts bytes.
    fn offset(&self, index: usize) -> usize {
        let len = self.source.text.len();
        match &self.bytes_of {
            None => index.min(len),
            Some(table) => table.get(index).copied().unwrap_or(len),
        }
    }

    fn place(&self, start: usize, end: usize) -> Place {
        let line = self.line_starts.partition_point(|s| *s <= start).max(1);
        let text = self
            .source
            .text
            .get(self.line_starts[line - 1]..start)
            .unwrap_or_default();
        Place {
            span: start..end.max(start),
            line: line as u32,
            column: 1 + text.chars().count() as u32,
        }
    }

    fn span(&self, span: Span) -> (usize, usize) {
        (self.offset(span.start.index()), self.offset(span.end.index()))
    }

    /// How deep a place after the last event is nested, as far as brackets tell: those in quotes are counted too, which
    /// only an error can ask about.
    fn depth_at(&self, at: usize) -> usize {
        let ahead = self.source.text.as_bytes().get(self.end..at).unwrap_or_default();
        ahead.iter().fold(self.open.len(), |depth, byte| match byte {
            b'[' | b'{' => depth + 1,
            b']' | b'}' => depth.saturating_sub(1),
            _ => depth,
        })
    }

    /// `Err` if it makes no sense to go on.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let (start, end) = self.span(span);
        self.end = end;
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let place = self.place(start, end);
                    return Err(self
                        .error(&place, "a second YAML document in one file")
                        .help("a file holds one document")
                        .into());
                }
            }
            Event::Alias(_) => {
                let place = self.place(start, end);
                return Err(self.no_anchors(&place).into());
            }
            Event::Scalar(text, style, anchor, tag) => {
                let place = self.place(start, end);
                self.check(&place, anchor, tag.is_some())?;
                let end = if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    // A block's span may reach to where the next node begins.
                    start + self.source.text[start..end].trim_end().len()
                } else {
                    end
                };
                let scalar = Scalar {
                    text: text.as_ref().into(),
                    plain: style == ScalarStyle::Plain,
                    own: true,
                };
                self.add(Node {
                    place: self.place(start, end),
                    what: What::Scalar(scalar),
                })?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.check(&self.place(start, end), anchor, tag.is_some())?;
                self.begin(start, end, OpenKind::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.check(&self.place(start, end), anchor, tag.is_some())?;
                let (entries, seen) = (Vec::new(), HashMap::new());
                self.begin(
                    start,
                    end,
                    OpenKind::Map {
                        entries,
                        seen,
                        key: None,
                    },
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(start, end)?,
        }
        Ok(())
    }

    fn error(&self, place: &Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.source, place, message)
    }

    fn no_anchors(&self, place: &Place) -> Diagnostic {
        self.error(place, "anchors and aliases are not permitted")
            .help("write the value out wherever it is needed")
    }

    fn check(&mut self, place: &Place, anchor: usize, tag: bool) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(self
                .error(place, format!("the file has more than {MAX_NODES} nodes"))
                .into());
        }
        if anchor != 0 {
            return Err(self.no_anchors(place).into());
        }
        if tag {
            return Err(self.error(place, "tags such as `!x` are not permitted").into());
        }
        Ok(())
    }

    fn begin(&mut self, start: usize, end: usize, what: OpenKind) -> Result<(), Stop> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(&self.place(start, end), too_deep()).into());
        }
        self.open.push(Open { start, end, what });
        Ok(())
    }

    fn end(&mut self, start: usize, end: usize) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        // A flow collection ends with a bracket of its own; a block where its last child ends.
        let end = if end > start { end } else { open.end };
        let what = match open.what {
            OpenKind::List(items) => What::List(items),
            OpenKind::Map { entries, .. } => What::Map(entries),
        };
        self.add(Node {
            place: self.place(open.start, end),
            what,
        })
    }

    /// Puts a whole node where it belongs.
    fn add(&mut self, node: Node) -> Result<(), Stop> {
        let Some(mut open) = self.open.pop() else {
            self.root = Some(node);
            return Ok(());
        };
        open.end = open.end.max(node.place.span.end);
        match &mut open.what {
            OpenKind::List(items) => items.push(node),
            OpenKind::Map { entries, seen, key } => match key.take() {
                None => *key = Some(self.key(node, seen)?),
                Some(Key::New(key)) => entries.push((key, node)),
                Some(Key::Again) => {}
            },
        }
        self.open.push(open);
        Ok(())
    }

    fn key(&mut self, key: Node, seen: &mut HashMap<Arc<str>, Place>) -> Result<Key, Stop> {
        let What::Scalar(Scalar { text, plain, .. }) = &key.what else {
            return Err(self
                .error(&key.place, format!("{} as a key", key.kind()))
                .help("a key is text")
                .into());
        };
        if &**text == "<<" && *plain {
            return Err(self.error(&key.place, "merge keys are not permitted").into());
        }
        if let Some(first) = seen.get(text) {
            let twice = self
                .error(&key.place, format!("the key {} occurs twice", quoted(text)))
                .label("again")
                .also(first, "first here");
            self.errors.push(twice);
            return Ok(Key::Again);
        }
        seen.insert(Arc::clone(text), key.place.clone());
        Ok(Key::New(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Arc<Source> {
        Arc::new(Source {
            file: "a.yaml".to_owned(),
            text: text.to_owned(),
        })
    }

    fn message(text: &str) -> String {
        parse(&source(text)).unwrap_err()[0].message.clone()
    }

    #[test]
    fn every_node_knows_its_place() {
        let text = "a: ü\nb:\n  - [x, 'yé']\n  - { k: 007 }\n";
        let source = source(text);
        let root = parse(&source).unwrap();
        let shown = |node: &Node| &text[node.place.span.clone()];
        let b = root.get("b").unwrap().list().unwrap();
        assert_eq!(shown(root.get("a").unwrap()), "ü");
        assert_eq!(shown(&b[0]), "[x, 'yé']");
        assert_eq!(shown(&b[0].list().unwrap()[1]), "'yé'");
        let k = b[1].get("k").unwrap();
        assert_eq!((k.text(), shown(k)), (Some("007"), "007"));
        assert_eq!((k.place.line, k.place.column), (4, 10));
        assert_eq!(shown(&root), text.trim_end());
    }

    #[test]
    fn a_part_of_a_scalar_has_its_own_place() {
        let text = "p: abc def\nq: 'it''s def'\nblock: |  # comment\n    ab\n    cd def\nnext: 1\n";
        let source = source(text);
        let root = parse(&source).unwrap();
        for key in ["p", "q", "block"] {
            let node = root.get(key).unwrap();
            let at = node.text().unwrap().find("def").unwrap();
            let place = node.part(&source, at..at + 3);
            assert_eq!(&text[place.span.clone()], "def", "{key}");
            assert_eq!(place, source.place(place.span.clone()), "{key}");
        }
    }

    #[test]
    fn hostile_input_is_refused() {
        assert!(message(&"[".repeat(10_000)).contains("nested more than 64 deep"));
        assert!(message(&format!("[{}]", "a,".repeat(60_000))).contains("more than 50000 nodes"));
        assert!(message("a: &x [1]\nb: [*x, *x]\n").contains("anchors"));
        assert!(message("a: !foo 1\n").contains("tags"));
        assert!(message("<<: { a: 1 }\n").contains("merge"));
        assert!(message("a: 1\n---\nb: 2\n").contains("second YAML document"));
        assert!(message("? [a]\n: 1\n").contains("as a key"));
        assert!(message("").contains("empty"));
        assert!(message("# only a comment\n").contains("empty"));
        assert!(message("a\0b").contains("NUL"));
        assert!(message(&"a".repeat(MAX_FILE + 1)).contains("larger than"));
        assert!(message("a: [1, 2\nb: 3\n").contains("not YAML"));
    }

    #[test]
    fn a_key_that_occurs_twice_is_shown_with_the_first() {
        let errors = parse(&source("a: 1\nb: 2\na: 3\n")).unwrap_err();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].place.line, 3);
        assert_eq!(errors[0].secondary[0].0.line, 1);
    }
}
