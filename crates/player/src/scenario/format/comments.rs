//! Where the comments of a file are. The parser drops them, so they are looked for between the scalars that it found.

use std::ops::Range;

use crate::source::{Node, What};

/// The comments of a text, in its order, each from its `#` to the end of its line.
pub(super) fn find(text: &str, root: &Node) -> Vec<Range<usize>> {
    let mut scalars = Vec::new();
    gather(text, root, &mut scalars);
    scalars.sort_by_key(|s| (s.start, s.end));
    let mut found = Vec::new();
    let mut at = 0;
    for scalar in scalars {
        between(text, at..scalar.start, &mut found);
        at = at.max(scalar.end);
    }
    between(text, at..text.len(), &mut found);
    found
}

/// The comments in a part of the text that holds no scalar.
fn between(text: &str, part: Range<usize>, found: &mut Vec<Range<usize>>) {
    let mut at = part.start;
    while let Some(hash) = text.get(at..part.end).and_then(|t| t.find('#')) {
        let start = at + hash;
        let begins = text[..start].chars().next_back().is_none_or(char::is_whitespace);
        at = start + 1;
        if begins {
            let line = text[start..].find('\n').map_or(text.len(), |n| start + n);
            found.push(start..start + text[start..line].trim_end().len());
            at = line;
        }
    }
}

/// The parts of the text that belong to scalars.
fn gather(text: &str, node: &Node, scalars: &mut Vec<Range<usize>>) {
    match &node.what {
        What::Scalar(_) => match Block::of(text, node) {
            Some(block) => scalars.extend([block.header, block.content]),
            None if node.is_null() && node.text() == Some("") => {}
            None => scalars.push(node.place.span.start..scalar_end(text, node)),
        },
        What::List(items) => items.iter().for_each(|item| gather(text, item, scalars)),
        What::Map(entries) => {
            for (key, value) in entries {
                gather(text, key, scalars);
                gather(text, value, scalars);
            }
        }
    }
}

/// Where a scalar ends that is no block: behind its closing quote, if it has one. The parser's end of a quoted scalar
/// includes what follows it on its line, comments too.
pub(super) fn scalar_end(text: &str, node: &Node) -> usize {
    let span = node.place.span.clone();
    let body = &text[span.clone()];
    let mut chars = body.char_indices().skip(1).peekable();
    let quote = match body.chars().next() {
        Some(quote @ ('"' | '\'')) if !node.is_plain() => quote,
        _ => return span.end,
    };
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => {
                chars.next();
            }
            c if c == quote && quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == quote) => {
                chars.next();
            }
            c if c == quote => return span.start + at + 1,
            _ => {}
        }
    }
    span.end
}

/// The parts of a literal or folded block scalar in the text.
pub(super) struct Block {
    /// The indicators, such as `|` or `>-`.
    pub header: Range<usize>,
    /// The lines below it, from the beginning of the first to the end of the last, blank ones included.
    pub content: Range<usize>,
    /// The column of its lines.
    pub indent: usize,
}

impl Block {
    /// The block scalar that a node is, if it is one.
    pub fn of(text: &str, node: &Node) -> Option<Block> {
        let value = node.text()?;
        if node.is_plain() {
            return None;
        }
        let header = header(text, node.place.span.start)?;
        let begin = text[header.end..].find('\n').map_or(text.len(), |n| header.end + n + 1);
        let spaces = |line: &str| line.len() - line.trim_start_matches(' ').len();
        let lines = || text[begin..].split_inclusive('\n');
        // With an indicator of its indentation, the first line of the value may begin with spaces of its own.
        let own = value.split('\n').find(|l| !l.trim().is_empty()).map_or(0, spaces);
        let first = lines().find(|l| !l.trim().is_empty()).map_or(0, spaces);
        let indent = first.saturating_sub(own);
        let mut end = begin;
        if !value.trim().is_empty() {
            for line in lines() {
                if !line.trim().is_empty() && spaces(line) < indent {
                    break;
                }
                end += line.len();
            }
        }
        Some(Block {
            header,
            content: begin..end,
            indent,
        })
    }

    /// The header and the lines of a block, the lines without their indentation.
    pub fn lines(&self, text: &str) -> (String, Vec<String>) {
        let indicators = &text[self.header.clone()];
        let chomp: String = indicators.chars().filter(|c| matches!(c, '+' | '-')).collect();
        let dedent = |line: &str| match line.get(self.indent..) {
            Some(rest) if line[..self.indent].trim().is_empty() => rest.to_owned(),
            _ => String::new(),
        };
        let mut lines: Vec<String> = text[self.content.clone()].lines().map(dedent).collect();
        if chomp != "+" {
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
        }
        let spaced = lines.iter().find(|l| !l.is_empty()).is_some_and(|l| l.starts_with(' '));
        let digit = if spaced { "2" } else { "" };
        (format!("{}{digit}{chomp}", &indicators[..1]), lines)
    }
}

/// The header of the block scalar whose text begins at `start`, which is where the parser places it: on the last line
/// above that is not blank, behind a colon or a dash. `None` if there is no header, so that it is in quotes.
fn header(text: &str, start: usize) -> Option<Range<usize>> {
    let begin = text[..start].rfind('\n')?;
    if !text[begin..start].trim().is_empty() {
        return None;
    }
    let end = text[..begin].trim_end().len();
    let line_start = text[..end].rfind('\n').map_or(0, |n| n + 1);
    let line = &text[line_start..end];
    let found = line.char_indices().find_map(|(at, c)| {
        let (before, rest) = line.split_at(at);
        let begins = before.ends_with([' ', '\t']) && before.trim_end().ends_with([':', '-']);
        if !matches!(c, '|' | '>') || !begins || format!(" {before}").contains(" #") {
            return None;
        }
        let len = rest.find([' ', '\t']).unwrap_or(rest.len());
        let behind = rest[len..].trim_start();
        let indicators = rest[1..len].bytes().all(|b| matches!(b, b'+' | b'-' | b'1'..=b'9'));
        (indicators && (behind.is_empty() || behind.starts_with('#'))).then_some(at..at + len)
    })?;
    Some(line_start + found.start..line_start + found.end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::{Source, parse};

    fn found(text: &str) -> Vec<String> {
        let source = Arc::new(Source {
            file: "a.yaml".to_owned(),
            text: text.to_owned(),
        });
        let root = parse(&source).unwrap();
        find(text, &root).into_iter().map(|c| text[c].to_owned()).collect()
    }

    #[test]
    fn a_hash_inside_a_scalar_begins_no_comment() {
        let text =
            "# one\na: x#y  # two\n'#b': \"# no\" # three\nc: [1, # four\n  $ns/#, # five\n]\n#six\nd: ü # sieben";
        assert_eq!(
            found(text),
            ["# one", "# two", "# three", "# four", "# five", "#six", "# sieben"]
        );
    }

    #[test]
    fn a_block_has_comments_in_its_header_and_behind_it_alone() {
        let text = "a:\n  b: |  # header\n    x # no\n\n    # no\n\n  # after\n  c: >-\n    y\n# last\nd:\n";
        assert_eq!(found(text), ["# header", "# after", "# last"]);
    }
}
